"""DenseNet: each layer of a block gets the outputs of all earlier layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class DenseLayer(nn.Module):
    """Batch norm, ReLU and a 3x3 convolution; its ``growth`` output channels are appended to the input."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, growth, kernel_size=3, padding=1, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """``[N, C, H, W]`` to ``[N, C + growth, H, W]``."""
        return torch.cat([inputs, self.conv(self.norm(inputs).relu())], dim=1)


class Transition(nn.Module):
    """The layer between two blocks; it halves channels, height and width."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels // 2, kernel_size=1, bias=False)
        self.pool = nn.AvgPool2d(2)

    def forward(self, inputs: Tensor) -> Tensor:
        """``[N, C, H, W]`` to ``[N, C // 2, H // 2, W // 2]``."""
        return self.pool(self.conv(self.norm(inputs).relu()))  # type: ignore[no-any-return]


class DenseNetMini(nn.Module):
    """``[N, C, H, W]`` to logits ``[N, num_outputs]``."""

    def __init__(self, channels_in: int, num_outputs: int, growth: int, layers: Sequence[int]) -> None:
        super().__init__()
        channels = 2 * growth
        parts: list[nn.Module] = [
            nn.Conv2d(channels_in, channels, kernel_size=3, padding=1, bias=False),
            nn.MaxPool2d(2),
        ]
        for number, count in enumerate(layers):
            if number:
                parts.append(Transition(channels))
                channels //= 2
            for _ in range(count):
                parts.append(DenseLayer(channels, growth))
                channels += growth
        parts += [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
        self.features = nn.Sequential(*parts)
        self.fc = nn.Linear(channels, num_outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of ``inputs``."""
        return self.fc(torch.flatten(self.features(inputs), 1))  # type: ignore[no-any-return]


def build(
    input_shape: tuple[int, int, int], num_outputs: int, growth: int = 12, layers: Sequence[int] = (4, 4, 4)
) -> nn.Module:
    """Build the network for images of ``input_shape`` (channels, height, width).

    Args:
        growth: channels that each layer adds.
        layers: number of layers in each dense block.

    Raises:
        ValueError: the images are too small for so many blocks.
    """
    smallest = 2 ** len(layers)
    if len(input_shape) != 3 or min(input_shape[1:]) < smallest:
        raise ValueError(f"it needs images of at least {smallest}x{smallest} pixels")
    return DenseNetMini(input_shape[0], num_outputs, growth, layers)
