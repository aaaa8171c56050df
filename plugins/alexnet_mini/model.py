"""AlexNet for small images: a large first kernel, five convolutions, dropout between linear layers."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AlexNetMini(nn.Module):
    """``[N, C, H, W]`` to logits ``[N, num_outputs]``."""

    def __init__(self, input_shape: tuple[int, int, int], num_outputs: int, dropout: float) -> None:
        super().__init__()
        channels, height, width = input_shape
        self.features = nn.Sequential(
            nn.Conv2d(channels, 24, kernel_size=7, padding=3),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(24, 48, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(48, 64, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 64, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(64, 48, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(48 * _after(height) * _after(width), 256),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(256, 256),
            nn.ReLU(),
            nn.Linear(256, num_outputs),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of ``inputs``."""
        return self.classifier(torch.flatten(self.features(inputs), 1))  # type: ignore[no-any-return]


def _after(size: int) -> int:
    """``size`` after three overlapping poolings (kernel 3, stride 2)."""
    for _ in range(3):
        size = (size - 3) // 2 + 1
    return size


def build(input_shape: tuple[int, int, int], num_outputs: int, dropout: float = 0.5) -> nn.Module:
    """Build the network for images of ``input_shape`` (channels, height, width).

    Args:
        dropout: part of the features that is dropped before each hidden linear layer while training.

    Raises:
        ValueError: the images are smaller than 16x16.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < 16:
        raise ValueError("it needs images of at least 16x16 pixels")
    return AlexNetMini(input_shape, num_outputs, dropout)
