"""Normalisation as a module: the first part of every model that is trained, evaluated and exported."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Preprocess(nn.Module):
    """Raw samples in, standardised floats out: ``(x - mean) / std``, both in the units of the raw data.

    Because it is part of the model, a served model normalises as the trained one did.

    Args:
        mean, std: of the training split; ``[C, 1, 1]`` for images, ``[F]`` for columns.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @classmethod
    def blank(cls, input_shape: tuple[int, ...]) -> Preprocess:
        """One that changes nothing, of the right shape to load a checkpoint into."""
        shape = (input_shape[0], 1, 1) if len(input_shape) == 3 else input_shape
        return cls(torch.zeros(shape), torch.ones(shape))

    @classmethod
    def fit(cls, inputs: Tensor) -> Preprocess:
        """Measure ``inputs``: uint8 images ``[N, C, H, W]`` or float32 columns ``[N, F]``.

        Sums of pixels are taken in whole numbers, sums of columns in float64, so the result does not depend on the
        number of threads. A constant channel or column keeps the deviation 1.
        """
        images = inputs.ndim == 4
        dims = (0, 2, 3) if images else (0,)
        count = inputs.numel() / inputs.shape[1]
        wide = torch.int64 if images else torch.float64
        total = sum(chunk.sum(dims, dtype=wide) for chunk in torch.split(inputs, 8192))
        mean = torch.as_tensor(total).double() / count
        if images:
            squares = sum((chunk.to(torch.int32) ** 2).sum(dims, dtype=wide) for chunk in torch.split(inputs, 8192))
            variance = torch.as_tensor(squares).double() / count - mean**2
        else:
            variance = ((inputs.double() - mean) ** 2).mean(dims)
        std = variance.clamp(min=0).sqrt()
        std = torch.where(std > 0, std, torch.ones_like(std))
        shape = (-1, 1, 1) if images else (-1,)
        return cls(mean.float().view(shape), std.float().view(shape))

    def forward(self, inputs: Tensor) -> Tensor:
        """``inputs`` of any number type, standardised in the module's own floating type."""
        return (inputs.to(self.mean.dtype) - self.mean) / self.std

    def extra_repr(self) -> str:
        """The figures themselves, where there are few."""
        return f"mean={self.mean.flatten().tolist()[:4]}, std={self.std.flatten().tolist()[:4]}"
