"""The residual block and the variants that He et al. compare in "Identity Mappings in Deep Residual Networks" (2016).

Every variant maps ``[N, channels, H, W]`` to the same shape, with two 3x3 convolutions on the residual path. The
variants of figure 2 change the shortcut, those of figure 4 the position of activation and batch normalisation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional


def conv3x3(channels: int) -> nn.Conv2d:
    """A padded 3x3 convolution that keeps the shape."""
    return nn.Conv2d(channels, channels, kernel_size=3, padding=1)


class Residual(nn.Module):
    """``relu(x + conv(relu(conv(x))))``: figure 2a without batch normalisation."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels)
        self.conv2 = conv3x3(channels)

    def forward(self, inputs: Tensor) -> Tensor:
        """The residual path added to the shortcut."""
        return functional.relu(self.combine(inputs, self.conv2(functional.relu(self.conv1(inputs)))))

    def combine(self, inputs: Tensor, residual: Tensor) -> Tensor:
        """Add shortcut and residual path, before the last activation."""
        return inputs + residual


class ConstantScaling(Residual):
    """Figure 2b: shortcut and residual path are both halved."""

    def combine(self, inputs: Tensor, residual: Tensor) -> Tensor:
        """Half of each."""
        return 0.5 * inputs + 0.5 * residual


class ExclusiveGating(Residual):
    """Figure 2c: a 1x1 convolution with sigmoid gives the weight ``g`` of the residual path."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.gate = nn.Conv2d(channels, channels, kernel_size=1)
        # as in the paper, the shortcut is open at first
        nn.init.constant_(self.gate.bias, -6.0)  # type: ignore[arg-type]

    def combine(self, inputs: Tensor, residual: Tensor) -> Tensor:
        """``(1 - g) x + g F``."""
        gate = torch.sigmoid(self.gate(inputs))
        return (1 - gate) * inputs + gate * residual


class ShortcutOnlyGating(ExclusiveGating):
    """Figure 2d: the gate weights the shortcut only."""

    def combine(self, inputs: Tensor, residual: Tensor) -> Tensor:
        """``(1 - g) x + F``."""
        return (1 - torch.sigmoid(self.gate(inputs))) * inputs + residual


class ConvShortcut(Residual):
    """Figure 2e: a 1x1 convolution in the shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.shortcut = nn.Conv2d(channels, channels, kernel_size=1)

    def combine(self, inputs: Tensor, residual: Tensor) -> Tensor:
        """Add the convolved shortcut and the residual path."""
        shortcut: Tensor = self.shortcut(inputs)
        return shortcut + residual


class DropoutShortcut(Residual):
    """Figure 2f: dropout of 0.5 in the shortcut."""

    def combine(self, inputs: Tensor, residual: Tensor) -> Tensor:
        """Add the shortcut, with dropout while training, and the residual path."""
        return functional.dropout(inputs, 0.5, self.training) + residual


class Normalised(nn.Module):
    """Figure 4: the layers of the residual path, and the layers after the addition."""

    def __init__(self, path: list[nn.Module], after: list[nn.Module]) -> None:
        super().__init__()
        self.path = nn.Sequential(*path)
        self.after = nn.Sequential(*after)

    def forward(self, inputs: Tensor) -> Tensor:
        """Add residual path and shortcut, then apply the last layers."""
        outputs: Tensor = self.after(inputs + self.path(inputs))
        return outputs


def _normalised(path: str, after: str) -> Callable[[int], nn.Module]:
    makers: dict[str, Callable[[int], nn.Module]] = {
        "conv": conv3x3,
        "bn": nn.BatchNorm2d,
        "relu": lambda channels: nn.ReLU(),
    }
    return lambda channels: Normalised(*([makers[word](channels) for word in words.split()] for words in (path, after)))


BLOCKS: dict[str, Callable[[int], nn.Module]] = {
    "original": Residual,
    "constant-scaling": ConstantScaling,
    "exclusive-gating": ExclusiveGating,
    "shortcut-only-gating": ShortcutOnlyGating,
    "conv-shortcut": ConvShortcut,
    "dropout-shortcut": DropoutShortcut,
    "bn-original": _normalised("conv bn relu conv bn", "relu"),
    "bn-after-addition": _normalised("conv bn relu conv", "bn relu"),
    "relu-before-addition": _normalised("conv bn relu conv bn relu", ""),
    "relu-pre-activation": _normalised("relu conv bn relu conv bn", ""),
    "full-pre-activation": _normalised("bn relu conv bn relu conv", ""),
}
