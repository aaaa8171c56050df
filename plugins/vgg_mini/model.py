"""VGG: blocks of 3x3 convolutions with pooling at the end of each block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn


def vgg_block(convs: int, channels_in: int, channels_out: int, norm: bool) -> Iterator[nn.Module]:
    """The layers of one block: ``convs`` convolutions with activation, then pooling."""
    for channels in [channels_in, *[channels_out] * (convs - 1)]:
        yield nn.Conv2d(channels, channels_out, kernel_size=3, padding=1, bias=not norm)
        if norm:
            yield nn.BatchNorm2d(channels_out)
        yield nn.ReLU()
    yield nn.MaxPool2d(2)


class VGGMini(nn.Module):
    """``[N, C, H, W]`` to logits ``[N, num_outputs]``."""

    def __init__(
        self, input_shape: tuple[int, int, int], num_outputs: int, blocks: Iterable[tuple[int, int]], norm: bool
    ) -> None:
        super().__init__()
        channels, height, width = input_shape
        layers: list[nn.Module] = []
        for convs, channels_out in blocks:
            layers += vgg_block(convs, channels, channels_out, norm)
            channels, height, width = channels_out, height // 2, width // 2
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(channels * height * width, 128), nn.ReLU(), nn.Dropout(0.3), nn.Linear(128, num_outputs)
        )
        for module in self.features:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of ``inputs``."""
        return self.classifier(torch.flatten(self.features(inputs), 1))  # type: ignore[no-any-return]


def build(
    input_shape: tuple[int, int, int],
    num_outputs: int,
    convs: Sequence[int] = (1, 2, 2),
    channels: Sequence[int] = (16, 32, 64),
    norm: bool = True,
) -> nn.Module:
    """Build the network for images of ``input_shape`` (channels, height, width).

    Args:
        convs: number of convolutions in each block.
        channels: of each block.
        norm: whether batch normalisation follows each convolution.

    Raises:
        ValueError: the lists differ in length, or the images are too small for so many blocks.
    """
    if len(convs) != len(channels):
        raise ValueError(f"convs lists {len(convs)} blocks, but channels lists {len(channels)}")
    smallest = 2 ** len(convs)
    if len(input_shape) != 3 or min(input_shape[1:]) < smallest:
        raise ValueError(f"it needs images of at least {smallest}x{smallest} pixels")
    return VGGMini(input_shape, num_outputs, zip(convs, channels, strict=True), norm)
