"""Data as the trainer sees it: whole splits of raw samples, held in memory or on the training device."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .errors import DataError
from .specs import Dataset

VALIDATION_FRACTION = 0.1
VALIDATION_LIMIT = 5_000
VALIDATION_SEED = 0
SMALLEST_TO_DIVIDE = 4
"""Of fewer training samples none can be spared: they are their own validation."""


@dataclass(frozen=True, slots=True)
class Split:
    """Raw samples and their targets.

    Args:
        inputs: images as uint8 ``[N, C, H, W]``, or columns as float32 ``[N, F]`` in their own units.
        targets: class indices as int64 ``[N]``; for regression float32 ``[N, K]`` in their own units.
    """

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device | str) -> Split:
        """The same split on ``device``."""
        return Split(self.inputs.to(device), self.targets.to(device))

    def take(self, index: Tensor) -> Split:
        """The samples at ``index``, in that order."""
        return Split(self.inputs[index], self.targets[index])

    def batches(self, size: int) -> Iterator[Split]:
        """The samples in order, ``size`` at a time; the last batch may be smaller."""
        for inputs, targets in zip(torch.split(self.inputs, size), torch.split(self.targets, size), strict=True):
            yield Split(inputs, targets)


@dataclass(frozen=True, slots=True)
class Splits:
    """What a dataset's loader gives.

    Args:
        train: what is learnt from.
        test: what the finished training is judged by, once.
        validation: what the best checkpoint is chosen by; without it, the zoo holds one out of ``train``.
    """

    train: Split
    test: Split
    validation: Split | None = None


def stratified_split(targets: Tensor, held_out: int, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of the samples kept and of the ``held_out`` held out, each in rising order.

    Every class gives its share, rounded by largest remainder, so that the total is exact. The order comes from
    NumPy's RandomState, whose stream is frozen: the same seed gives the same split on every version.
    """
    random = np.random.RandomState(seed)
    labels = targets.cpu().numpy()
    classes, counts = np.unique(labels, return_counts=True)
    shares = counts * (held_out / len(labels))
    quotas = np.floor(shares).astype(int)
    missing = held_out - quotas.sum()
    quotas[np.argsort(quotas - shares, kind="stable")[:missing]] += 1
    mask = np.zeros(len(labels), dtype=bool)
    for label, quota in zip(classes, quotas, strict=True):
        members = np.flatnonzero(labels == label)
        mask[random.permutation(members)[:quota]] = True
    return torch.from_numpy(np.flatnonzero(~mask)), torch.from_numpy(np.flatnonzero(mask))


def random_split(targets: Tensor, held_out: int, seed: int) -> tuple[Tensor, Tensor]:
    """As :func:`stratified_split` for class indices; at random for targets that are no classes."""
    if not targets.is_floating_point():
        return stratified_split(targets, held_out, seed)
    order = np.random.RandomState(seed).permutation(len(targets))
    return torch.from_numpy(np.sort(order[held_out:])), torch.from_numpy(np.sort(order[:held_out]))


def hold_out_validation(splits: Splits) -> Splits:
    """``splits`` with a validation split, held out of train by class and a fixed seed where it has none of its own."""
    if splits.validation is not None:
        return splits
    if len(splits.train) < SMALLEST_TO_DIVIDE:
        return replace(splits, validation=splits.train)
    size = max(1, min(round(len(splits.train) * VALIDATION_FRACTION), VALIDATION_LIMIT))
    kept, held = random_split(splits.train.targets, size, VALIDATION_SEED)
    return replace(splits, train=splits.train.take(kept), validation=splits.train.take(held))


def fingerprint(splits: Splits) -> str:
    """SHA-256 over type, shape and bytes of every tensor: equal for equal data, wherever it was read from."""
    digest = hashlib.sha256()
    for split in (splits.train, splits.test, splits.validation):
        if split is not None:
            for tensor in (split.inputs, split.targets):
                array = tensor.cpu().contiguous().numpy()
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(array.data)
    return digest.hexdigest()


def check_splits(spec: Dataset, splits: Splits) -> None:
    """Hold what a loader gave against what its dataset declares.

    Raises:
        DataError: a shape, a type or a class does not fit the declaration.
    """
    for name, split in (("train", splits.train), ("test", splits.test), ("validation", splits.validation)):
        if split is None:
            continue
        problem = _problem(spec, split)
        if problem:
            raise DataError(f"Dataset {spec.name}: the {name} split {problem}.")
        declared = spec.sizes.get(name)
        if declared is not None and declared != len(split):
            raise DataError(f"Dataset {spec.name}: the {name} split has {len(split)} samples, not {declared}.")


def _problem(spec: Dataset, split: Split) -> str:
    inputs, targets = split.inputs, split.targets
    if len(inputs) != len(targets):
        return f"has {len(inputs)} inputs for {len(targets)} targets"
    if not len(inputs):
        return "is empty"
    if tuple(inputs.shape[1:]) != spec.input_shape:
        return f"has samples of shape {tuple(inputs.shape[1:])}, not {spec.input_shape}"
    expected = torch.uint8 if len(spec.input_shape) == 3 else torch.float32
    if inputs.dtype != expected:
        return f"has inputs of type {inputs.dtype}, not {expected}"
    if inputs.is_floating_point():
        if inputs.isinf().any():
            return "has inputs that are infinite"
        if inputs.isnan().any() and not spec.columns:
            return "has missing inputs (NaN), but declares no columns"
    return _problem_of_targets(spec, targets)


def _problem_of_targets(spec: Dataset, targets: Tensor) -> str:
    kind = f"has targets of type {targets.dtype} and shape {tuple(targets.shape)}"
    if spec.task == "regression":
        if targets.dtype != torch.float32 or targets.ndim != 2 or targets.shape[1] != spec.num_outputs:
            return f"{kind}, not float32 [N, {spec.num_outputs}]"
        return "" if targets.isfinite().all() else "has targets that are not finite"
    if targets.dtype != torch.int64 or targets.ndim != 1:
        return f"{kind}, not int64 [N]"
    classes = 2 if spec.task == "binary" else spec.num_outputs
    if int(targets.min()) < 0 or int(targets.max()) >= classes:
        return f"has targets outside 0 … {classes - 1}"
    return ""
