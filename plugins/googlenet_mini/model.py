"""A minimal GoogLeNet: twice convolution, pooling and Inception block, then one linear layer.

The block is the one that is commonly taught. It differs from that of GoogLeNet (Inception v1, 2015), which has a 5x5
branch, a single 3x3 after a 1x1, max pooling, and a ReLU after every convolution. Two 3x3 in a row and average pooling
come from Inception v2 and v3: Szegedy et al.: Rethinking the Inception Architecture for Computer Vision, CVPR 2016,
https://arxiv.org/abs/1512.00567.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"none": lambda values: values, "relu": functional.relu}
"""What follows every convolution inside an Inception block, by the value of the option ``activation``."""


class Inception(nn.Module):
    """Four parallel branches whose outputs are concatenated to 88 channels.

    As it is taught, with no activation inside the block, unless ``activation`` is ``relu``: then one follows every
    convolution, as in the paper. Without one, the convolutions of a branch together are one linear map.
    """

    out_channels = 88

    def __init__(self, in_channels: int, activation: str = "none") -> None:
        super().__init__()
        self.activation = ACTIVATIONS[activation]
        self.branch1x1 = nn.Conv2d(in_channels, 16, kernel_size=1)

        self.branch5x5_1 = nn.Conv2d(in_channels, 16, kernel_size=1)
        self.branch5x5_2 = nn.Conv2d(16, 24, kernel_size=5, padding=2)

        self.branch3x3_1 = nn.Conv2d(in_channels, 16, kernel_size=1)
        self.branch3x3_2 = nn.Conv2d(16, 24, kernel_size=3, padding=1)
        self.branch3x3_3 = nn.Conv2d(24, 24, kernel_size=3, padding=1)

        self.branch_pool = nn.Conv2d(in_channels, 24, kernel_size=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """``[N, in_channels, H, W]`` to ``[N, 88, H, W]``."""
        act = self.activation
        branch1x1 = self.branch1x1(inputs)
        branch5x5 = self.branch5x5_2(act(self.branch5x5_1(inputs)))
        branch3x3 = self.branch3x3_3(act(self.branch3x3_2(act(self.branch3x3_1(inputs)))))
        branch_pool = self.branch_pool(functional.avg_pool2d(inputs, kernel_size=3, stride=1, padding=1))
        return act(torch.cat([branch1x1, branch5x5, branch3x3, branch_pool], dim=1))


class GoogLeNetMini(nn.Module):
    """``[N, C, H, W]`` to logits ``[N, num_outputs]``."""

    def __init__(self, input_shape: tuple[int, int, int], num_outputs: int, activation: str) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.conv1 = nn.Conv2d(channels, 10, kernel_size=5)
        self.inception1 = Inception(10, activation)
        self.conv2 = nn.Conv2d(Inception.out_channels, 20, kernel_size=5)
        self.inception2 = Inception(20, activation)
        self.fc = nn.Linear(Inception.out_channels * _after(height) * _after(width), num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of ``inputs``."""
        x = functional.relu(functional.max_pool2d(self.conv1(inputs), 2))
        x = self.inception1(x)
        x = functional.relu(functional.max_pool2d(self.conv2(x), 2))
        x = self.inception2(x)
        return self.fc(torch.flatten(x, 1))  # type: ignore[no-any-return]


def _after(size: int) -> int:
    """``size`` after two rounds of 5x5 convolution without padding and pooling by 2."""
    return ((size - 4) // 2 - 4) // 2


def build(input_shape: tuple[int, int, int], num_outputs: int, activation: str = "none") -> nn.Module:
    """Build the network for images of ``input_shape`` (channels, height, width).

    Args:
        activation: a key of :data:`ACTIVATIONS`.

    Raises:
        ValueError: the images are smaller than 16x16.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < 16:
        raise ValueError("it needs images of at least 16x16 pixels")
    return GoogLeNetMini(input_shape, num_outputs, activation)
