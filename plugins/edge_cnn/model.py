"""A convolutional network with few parameters: a stem, stages of blocks with shortcuts, pooling and a linear layer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

REDUCTION = 4
"""The middle layer of squeeze-and-excitation has this many times fewer units than the block has channels."""


class SqueezeExcite(nn.Module):
    """Squeeze-and-excitation (Hu et al., 2018): a factor from 0 to 1 for each channel, found from all channel means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        middle = max(1, channels // REDUCTION)
        self.squeeze = nn.Linear(channels, middle)
        self.excite = nn.Linear(middle, channels)

    def forward(self, inputs: Tensor) -> Tensor:
        """``[N, C, H, W]`` to the same shape."""
        means = inputs.mean((2, 3))
        factors = self.excite(self.squeeze(means).relu()).sigmoid()
        return inputs * factors[:, :, None, None]  # type: ignore[no-any-return]


class Block(nn.Module):
    """A convolution with batch norm, and a shortcut if the number of channels stays the same.

    Args:
        kernel: height and width of the kernel, an odd number.
        separable: a depthwise and a 1x1 convolution (Howard et al., 2017) in place of the plain convolution.
        squeeze_excite: whether squeeze-and-excitation follows.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, separable: bool, squeeze_excite: bool) -> None:
        super().__init__()
        padding = kernel // 2
        self.depthwise: nn.Module | None = None
        if separable:
            self.depthwise = nn.Conv2d(
                channels_in, channels_in, kernel, padding=padding, groups=channels_in, bias=False
            )
            self.conv = nn.Conv2d(channels_in, channels_out, kernel_size=1, bias=False)
        else:
            self.conv = nn.Conv2d(channels_in, channels_out, kernel, padding=padding, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)
        self.squeeze_excite = SqueezeExcite(channels_out) if squeeze_excite else None
        self.has_shortcut = channels_in == channels_out

    def forward(self, inputs: Tensor) -> Tensor:
        """``[N, channels_in, H, W]`` to ``[N, channels_out, H, W]``."""
        outputs = inputs if self.depthwise is None else self.depthwise(inputs)
        outputs = self.norm(self.conv(outputs))
        if self.squeeze_excite is not None:
            outputs = self.squeeze_excite(outputs)
        return (inputs + outputs if self.has_shortcut else outputs).relu()  # type: ignore[no-any-return]


class EdgeCNN(nn.Module):
    """``[N, C, H, W]`` to logits ``[N, num_outputs]``.

    The arguments are those of :func:`build`.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        num_outputs: int,
        widths: Sequence[int],
        blocks: Sequence[int],
        kernels: Sequence[int],
        separable: bool,
        squeeze_excite: bool,
        depthwise_pooling: bool,
    ) -> None:
        super().__init__()
        channels_in, height, width = input_shape
        channels = widths[0]
        # the stride halves the image at once: most of the work would be at full size
        layers: list[nn.Module] = [
            nn.Conv2d(channels_in, channels, kernel_size=5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        height, width = (height + 1) // 2, (width + 1) // 2
        for number, (count, channels_out, kernel) in enumerate(zip(blocks, widths[1:], kernels, strict=True)):
            if number:
                layers.append(nn.MaxPool2d(2))
                height, width = height // 2, width // 2
            for _ in range(count):
                layers.append(Block(channels, channels_out, kernel, separable, squeeze_excite))
                channels = channels_out
        self.features = nn.Sequential(*layers)
        for module in self.features.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        self.pool: nn.Module = nn.AdaptiveAvgPool2d(1)
        if depthwise_pooling:
            self.pool = nn.Sequential(
                nn.Conv2d(channels, channels, (height, width), groups=channels, bias=False),
                nn.BatchNorm2d(channels),
            )
        self.fc = nn.Linear(channels, num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of ``inputs``."""
        return self.fc(torch.flatten(self.pool(self.features(inputs)), 1))  # type: ignore[no-any-return]


def build(
    input_shape: tuple[int, int, int],
    num_outputs: int,
    widths: Sequence[int] = (32, 32, 32),
    blocks: Sequence[int] = (1, 2),
    kernels: Sequence[int] = (3, 5),
    convolution: str = "separable",
    squeeze_excite: bool = False,
    pooling: str = "depthwise",
) -> nn.Module:
    """Build the network for images of ``input_shape`` (channels, height, width).

    Args:
        widths: channels of the stem, then of the blocks of each stage.
        blocks: number of blocks in each stage. Each stage after the first begins with a pooling by 2.
        kernels: height and width of the kernels of each stage, odd numbers.
        convolution: ``plain`` or ``separable``.
        squeeze_excite: whether each block has squeeze-and-excitation.
        pooling: ``average``, the mean of each channel, or ``depthwise``, a learned weight for each place.

    Raises:
        ValueError: the lists differ in length, a kernel is even, or the images are too small for so many stages.
    """
    stages = f"blocks lists {len(blocks)} stage{'s' if len(blocks) != 1 else ''}"
    for name, numbers, needed in (("widths", widths, len(blocks) + 1), ("kernels", kernels, len(blocks))):
        if len(numbers) != needed:
            raise ValueError(f"{stages}, so {name} needs {needed} numbers, not {len(numbers)}")
    if any(kernel % 2 == 0 for kernel in kernels):
        raise ValueError(f"kernels must be odd numbers, not {', '.join(map(str, kernels))}")
    smallest = 2 ** len(blocks)
    if len(input_shape) != 3 or min(input_shape[1:]) < smallest:
        raise ValueError(f"it needs images of at least {smallest}x{smallest} pixels")
    return EdgeCNN(
        input_shape,
        num_outputs,
        widths,
        blocks,
        kernels,
        separable=convolution == "separable",
        squeeze_excite=squeeze_excite,
        depthwise_pooling=pooling == "depthwise",
    )
