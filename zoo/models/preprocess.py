"""Normalisation as a module: the first part of every model that is trained, evaluated and exported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DataError
from ..specs.columns import Column


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

        Pixels are counted by value, sums of columns taken in float64, so the result does not depend on the number of
        threads. A constant channel or column keeps the deviation 1.
        """
        if inputs.ndim == 4:
            counts = _count_values(inputs).double()
            values = torch.arange(256, dtype=torch.float64)
            samples = counts.sum(1)
            mean = (counts * values).sum(1) / samples
            variance = (counts * values**2).sum(1) / samples - mean**2
        else:
            mean = inputs.double().sum(0) / len(inputs)
            variance = ((inputs.double() - mean) ** 2).mean(0)
        shape = (-1, 1, 1) if inputs.ndim == 4 else (-1,)
        return cls(mean.float().view(shape), _deviation(variance).view(shape))

    def forward(self, inputs: Tensor) -> Tensor:
        """``inputs`` of any number type, standardised in the module's own floating type."""
        return (inputs.to(self.mean.dtype) - self.mean) / self.std

    def describe(self) -> dict[str, Any]:
        """Its figures, in the units of the raw data."""
        return {"mean": self.mean.flatten().tolist(), "std": self.std.flatten().tolist()}

    def extra_repr(self) -> str:
        """The figures themselves, where there are few."""
        return f"mean={self.mean.flatten().tolist()[:4]}, std={self.std.flatten().tolist()[:4]}"


class TablePreprocess(nn.Module):
    """Raw columns ``[N, F]`` in, NaN where missing; what the network sees ``[N, width]`` out.

    Numbers come first, missing ones replaced by the training mean, standardised where their kind asks for it. Then each
    category as one 0 or 1 for each of its values; a missing or unknown one is all zeros.

    Args:
        columns: all of them, in the order of the raw input.
        mean, std, fill: for the columns that are numbers, ``[numbers]`` each.
    """

    mean: Tensor
    std: Tensor
    fill: Tensor
    numbers: Tensor
    categories: Tensor
    values: Tensor

    def __init__(self, columns: Sequence[Column], mean: Tensor, std: Tensor, fill: Tensor) -> None:
        super().__init__()
        self.columns = tuple(columns)
        for name, tensor in (("mean", mean), ("std", std), ("fill", fill)):
            self.register_buffer(name, tensor)
        # what the declaration says already is not written into checkpoints
        numbers = _number_places(columns)
        places = [place for place, column in enumerate(columns) for _ in column.values]
        values = [value for column in columns for value in column.values]
        self.register_buffer("numbers", torch.tensor(numbers, dtype=torch.int64), persistent=False)
        self.register_buffer("categories", torch.tensor(places, dtype=torch.int64), persistent=False)
        self.register_buffer("values", torch.tensor(values, dtype=torch.float32), persistent=False)

    @classmethod
    def blank(cls, columns: Sequence[Column]) -> TablePreprocess:
        """One of the right shape to load a checkpoint into."""
        size = len(_number_places(columns))
        return cls(columns, torch.zeros(size), torch.ones(size), torch.zeros(size))

    @classmethod
    def fit(cls, inputs: Tensor, columns: Sequence[Column]) -> TablePreprocess:
        """Measure raw columns ``[N, F]``, leaving out what is missing; a column of nothing else counts as zero."""
        places = _number_places(columns)
        numbers = inputs[:, places].double()
        present = numbers.isfinite()
        count = present.sum(0).clamp(min=1)
        mean = numbers.nan_to_num(nan=0.0).sum(0) / count
        variance = torch.where(present, (numbers - mean) ** 2, 0.0).sum(0) / count
        standardised = torch.tensor([columns[place].kind == "number" for place in places], dtype=torch.bool)
        return cls(
            columns,
            torch.where(standardised, mean, 0.0).float(),
            torch.where(standardised, _deviation(variance), 1.0),
            mean.float(),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """``[N, F]`` in the raw units to ``[N, width]``."""
        raw = inputs.to(self.mean.dtype)
        parts = []
        if len(self.numbers):
            numbers = raw[:, self.numbers]
            numbers = torch.where(torch.isnan(numbers), self.fill, numbers)
            parts.append((numbers - self.mean) / self.std)
        if len(self.values):
            parts.append((raw[:, self.categories] == self.values).to(raw.dtype))
        return torch.cat(parts, dim=1)

    def describe(self) -> dict[str, Any]:
        """Its figures, by the columns' names, in the units of the raw data."""
        names = [self.columns[place].name for place in self.numbers.tolist()]
        figures = zip(names, self.mean.tolist(), self.std.tolist(), self.fill.tolist(), strict=True)
        return {name: {"mean": mean, "std": std, "missing": fill} for name, mean, std, fill in figures}


class Rescale(nn.Module):
    """From standard deviations to the target's own units: ``x * std + mean``, then back from the scale.

    Args:
        mean, std: of the scaled training targets, ``[K]`` each.
        scale: ``linear``, ``sqrt`` or ``log`` (of the target plus one).
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
        """Measure float32 ``targets`` ``[N, K]``; a constant target keeps the deviation 1.

        Raises:
            DataError: a target is negative, and the scale is none for that.
        """
        if scale != "linear" and float(targets.min()) < 0:
            raise DataError(f"target_scale={scale} is for targets of at least zero; the lowest is {targets.min():g}.")
        scaled = to_scale(targets.cpu().double(), scale)
        return cls(scaled.mean(0).float(), _deviation(scaled.var(0, correction=0)), scale)

    def standardise(self, values: Tensor) -> Tensor:
        """From the target's units, ``[N, K]``, to standard deviations: the way back."""
        return (to_scale(values, self.scale) - self.mean.to(values.device)) / self.std.to(values.device)

    def forward(self, outputs: Tensor) -> Tensor:
        """``[N, K]`` to ``[N, K]``."""
        scaled = outputs * self.std + self.mean
        if self.scale == "sqrt":
            return scaled.clamp(min=0).square()
        return torch.expm1(scaled) if self.scale == "log" else scaled


def to_scale(values: Tensor, scale: str) -> Tensor:
    """Values in their own units on the scale that they are learnt on."""
    if scale == "sqrt":
        return values.clamp(min=0).sqrt()
    return torch.log1p(values) if scale == "log" else values


def fit_preprocess(inputs: Tensor, columns: Sequence[Column]) -> Preprocess | TablePreprocess:
    """The normalisation of raw training samples."""
    return TablePreprocess.fit(inputs, columns) if columns else Preprocess.fit(inputs)


def blank_preprocess(input_shape: tuple[int, ...], columns: Sequence[Column]) -> Preprocess | TablePreprocess:
    """One of the right shape to load a checkpoint into."""
    return TablePreprocess.blank(columns) if columns else Preprocess.blank(input_shape)


def _number_places(columns: Sequence[Column]) -> list[int]:
    return [place for place, column in enumerate(columns) if column.kind != "category"]


def _count_values(images: Tensor) -> Tensor:
    """How often each value occurs in each channel of uint8 ``[N, C, H, W]``: int64 ``[C, 256]``."""
    counts = torch.zeros(images.shape[1], 256, dtype=torch.int64)
    for chunk in torch.split(images, 8192):  # a folder that is held on disk is larger than memory
        for channel in range(images.shape[1]):
            counts[channel] += torch.bincount(chunk[:, channel].flatten(), minlength=256)
    return counts


def _deviation(variance: Tensor) -> Tensor:
    std = variance.clamp(min=0).sqrt()
    return torch.where(std > 0, std, torch.ones_like(std)).float()
