"""A minimal ResNet: twice convolution, pooling and residual block, then one linear layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from .blocks import BLOCKS


class ResNetMini(nn.Module):
    """``[N, C, H, W]`` to logits ``[N, num_outputs]``."""

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        num_outputs: int,
        block: Callable[[int], nn.Module] = BLOCKS["original"],
    ) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.conv1 = nn.Conv2d(channels, 16, kernel_size=5)
        self.residual1 = block(16)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=5)
        self.residual2 = block(32)
        self.fc = nn.Linear(32 * _after(height) * _after(width), num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of ``inputs``."""
        # pooling before the activation gives the same numbers as after it, with a quarter of the work
        x = self.residual1(functional.relu(functional.max_pool2d(self.conv1(inputs), 2)))
        x = self.residual2(functional.relu(functional.max_pool2d(self.conv2(x), 2)))
        return self.fc(torch.flatten(x, 1))  # type: ignore[no-any-return]


def _after(size: int) -> int:
    """``size`` after two rounds of 5x5 convolution without padding and pooling by 2."""
    return ((size - 4) // 2 - 4) // 2


def build(input_shape: tuple[int, int, int], num_outputs: int, block: str = "original") -> nn.Module:
    """Build the network for images of ``input_shape`` (channels, height, width).

    Args:
        block: a key of :data:`BLOCKS`.

    Raises:
        ValueError: the images are smaller than 16x16.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < 16:
        raise ValueError("it needs images of at least 16x16 pixels")
    return ResNetMini(input_shape, num_outputs, BLOCKS[block])
