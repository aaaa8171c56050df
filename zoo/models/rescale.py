"""Target normalisation as a module of the model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..errors import DataError
from ..inputs.preprocess import deviation


class Rescale(nn.Module):
    """Convert standardised predictions to the target's units: ``x * std + mean``, then the inverse of the scale.

    With ``sqrt`` and ``log`` no prediction is negative, as no target is.

    Args:
        mean: the mean of the scaled training targets, ``[K]``.
        std: their standard deviation, ``[K]``.
        scale: ``linear``, ``sqrt``, or ``log`` (of the target plus one).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor, scale: str) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @classmethod
    def fit(cls, targets: Tensor, scale: str) -> Rescale:
        """A module for float32 ``targets`` ``[N, K]``; a constant target gets the standard deviation 1.

        Raises:
            DataError: a target is negative, and the scale is ``sqrt`` or ``log``.
        """
        if scale != "linear" and float(targets.min()) < 0:
            raise DataError(f"target_scale={scale} needs targets of at least 0, but the lowest is {targets.min():g}.")
        scaled = to_scale(targets.cpu().double(), scale)
        return cls(scaled.mean(0).float(), deviation(scaled.var(0, correction=0)), scale)

    def standardise(self, values: Tensor) -> Tensor:
        """Convert values ``[N, K]`` from the target's units to standardised ones, the inverse of :meth:`forward`."""
        return (to_scale(values, self.scale) - self.mean.to(values.device)) / self.std.to(values.device)

    def forward(self, outputs: Tensor) -> Tensor:
        """Standardised predictions ``[N, K]`` to the target's units ``[N, K]``."""
        scaled = outputs * self.std + self.mean
        if self.scale == "sqrt":
            return scaled.clamp(min=0).square()
        return torch.expm1(scaled.clamp(min=0)) if self.scale == "log" else scaled


def to_scale(values: Tensor, scale: str) -> Tensor:
    """Convert values from the target's units to the scale of the training; ``sqrt`` and ``log`` take negatives as 0."""
    if scale == "sqrt":
        return values.clamp(min=0).sqrt()
    return values.clamp(min=0).log1p() if scale == "log" else values
