"""Input normalisation as modules of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..specs.columns import Column


class Preprocess(nn.Module):
    """Standardise raw samples: ``(x - mean) / std``.

    It is part of the model, so that an exported model normalises exactly as in training.

    Args:
        mean: the mean of the training split, in the units of the raw data; ``[C, 1, 1]`` for images, ``[C, 1]`` for
            signals, ``[F]`` for columns.
        std: the standard deviation, likewise.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @classmethod
    def blank(cls, input_shape: tuple[int, ...]) -> Preprocess:
        """A module that changes nothing, with the right shapes to load a checkpoint into."""
        shape = _of_each_channel(input_shape)
        return cls(torch.zeros(shape), torch.ones(shape))

    @classmethod
    def fit(cls, inputs: Tensor) -> Preprocess:
        """A module with the mean and standard deviation of each channel of samples ``[N, C, …]``.

        For columns ``[N, F]`` each column is a channel. The result does not depend on the number of threads: uint8
        values are counted, other numbers are summed in float64. A constant channel gets the standard deviation 1.
        """
        if inputs.dtype == torch.uint8:
            counts = _count_values(inputs).double()
            values = torch.arange(256, dtype=torch.float64)
            samples = counts.sum(1)
            mean = (counts * values).sum(1) / samples
            variance = (counts * values**2).sum(1) / samples - mean**2
        elif inputs.ndim == 2:
            mean = inputs.double().sum(0) / len(inputs)
            variance = ((inputs.double() - mean) ** 2).mean(0)
        else:
            mean, variance = _moments(inputs)
        shape = _of_each_channel(tuple(inputs.shape[1:]))
        return cls(mean.float().view(shape), deviation(variance).view(shape))

    def forward(self, inputs: Tensor) -> Tensor:
        """Standardise ``inputs`` ``[N, …]`` of any number type; the result has the module's floating-point type."""
        return (inputs.to(self.mean.dtype) - self.mean) / self.std

    def describe(self) -> dict[str, Any]:
        """Mean and standard deviation, in the units of the raw data, for JSON."""
        return {"mean": self.mean.flatten().tolist(), "std": self.std.flatten().tolist()}

    def extra_repr(self) -> str:
        """The first values of mean and standard deviation, for ``print(model)``."""
        return f"mean={self.mean.flatten().tolist()[:4]}, std={self.std.flatten().tolist()[:4]}"


class TablePreprocess(nn.Module):
    """Convert raw columns ``[N, F]``, NaN if missing, to the network's input ``[N, width]``.

    First come the numbers: missing values are replaced by the training mean, columns of the kind ``number`` are
    standardised. Then come the categories, one-hot encoded; a missing or unknown value is all zeros.

    Args:
        columns: all columns, in the order of the raw input.
        mean: the training mean of the columns that are not categories, ``[numbers]``, in their own units; 0 for columns
            that are not standardised.
        std: their standard deviation, ``[numbers]``; 1 for columns that are not standardised.
        fill: what replaces their missing values, ``[numbers]``, in their own units.
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
        # not persistent: the columns are in the checkpoint's metadata already
        numbers = _number_places(columns)
        places = [place for place, column in enumerate(columns) for _ in column.values]
        values = [value for column in columns for value in column.values]
        self.register_buffer("numbers", torch.tensor(numbers, dtype=torch.int64), persistent=False)
        self.register_buffer("categories", torch.tensor(places, dtype=torch.int64), persistent=False)
        self.register_buffer("values", torch.tensor(values, dtype=torch.float32), persistent=False)

    @classmethod
    def blank(cls, columns: Sequence[Column]) -> TablePreprocess:
        """A module with the right shapes to load a checkpoint into."""
        size = len(_number_places(columns))
        return cls(columns, torch.zeros(size), torch.ones(size), torch.zeros(size))

    @classmethod
    def fit(cls, inputs: Tensor, columns: Sequence[Column]) -> TablePreprocess:
        """A module for raw columns ``[N, F]``, without their missing values; a column without values counts as zero."""
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
            torch.where(standardised, deviation(variance), 1.0),
            mean.float(),
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Raw columns ``[N, F]`` to the network's input ``[N, width]``."""
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
        """Mean, standard deviation and fill value by column name, in the units of the raw data, for JSON."""
        names = [self.columns[place].name for place in self.numbers.tolist()]
        figures = zip(names, self.mean.tolist(), self.std.tolist(), self.fill.tolist(), strict=True)
        return {name: {"mean": mean, "std": std, "missing": fill} for name, mean, std, fill in figures}


def _number_places(columns: Sequence[Column]) -> list[int]:
    return [place for place, column in enumerate(columns) if column.kind != "category"]


def _of_each_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one number for each channel: ``(C, 1, 1)`` for samples ``(C, H, W)``."""
    return (shape[0], *[1] * (len(shape) - 1))


def _moments(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the variance of each channel of ``[N, C, …]`` in float64, a part of the samples at a time."""
    count = inputs.numel() / inputs.shape[1]
    parts = [part.flatten(2) for part in torch.split(inputs, 1024)]
    # first over each sample, then over the samples: so no sum is divided among threads
    mean = torch.stack([part.double().sum(2).sum(0) for part in parts]).sum(0) / count
    squares = [((part.double() - mean[:, None]) ** 2).sum(2).sum(0) for part in parts]
    return mean, torch.stack(squares).sum(0) / count


def _count_values(images: Tensor) -> Tensor:
    """How often each value occurs in each channel of uint8 ``[N, C, …]``: int64 ``[C, 256]``."""
    counts = torch.zeros(images.shape[1], 256, dtype=torch.int64)
    for chunk in torch.split(images, 8192):  # images mapped from disk may not fit into memory
        for channel in range(images.shape[1]):
            counts[channel] += torch.bincount(chunk[:, channel].flatten(), minlength=256)
    return counts


def deviation(variance: Tensor) -> Tensor:
    """The standard deviation, float32, from the variance; 1 where that is 0."""
    std = variance.clamp(min=0).sqrt()
    return torch.where(std > 0, std, torch.ones_like(std)).float()
