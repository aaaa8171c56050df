"""Splits of raw samples: divided, held in memory or on a device, read in batches, checked, hashed."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils import data

from ..errors import DataError
from ..formatting import brief
from ..specs.dataset import Dataset, Input
from ..specs.task import Task

VALIDATION_FRACTION = 0.1
VALIDATION_LIMIT = 5_000
VALIDATION_SEED = 0
READ_AHEAD = 2
"""Batches of a mapped split that are read ahead."""
SMALLEST_TO_DIVIDE = 4
"""Fewer training samples are not divided: all of them are the validation split too."""


@dataclass(frozen=True, slots=True)
class Split(data.Dataset[tuple[Tensor, Tensor]]):
    """Raw samples and their targets; a dataset for :class:`torch.utils.data.DataLoader`.

    Args:
        inputs: images as uint8 ``[N, C, H, W]``, or columns as float32 ``[N, F]`` in their own units.
        targets: class indices as int64 ``[N]``; for regression float32 ``[N, K]`` in their own units; for the task of a
            plugin as it says, ``[N, …]``.
        mapped: whether the inputs are a file mapped into memory; they are then moved to a device batch by batch only.
        groups: for samples that depend on each other, the number of the group of each, int64 ``[N]``: the day of an
            hour, the patient of an image. Confidence intervals then resample whole groups, and the zoo holds out whole
            groups for validation. Both would be too good with single samples. None: all samples are independent.
    """

    inputs: Tensor
    targets: Tensor
    mapped: bool = False
    groups: Tensor | None = field(default=None, kw_only=True)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """One sample: its inputs ``[C, H, W]`` or ``[F]``, and its target."""
        return self.inputs[index], self.targets[index]

    def to(self, device: torch.device | str) -> Split:
        """The same split on ``device``; a mapped split is returned unchanged."""
        if self.mapped:
            return self
        groups = None if self.groups is None else self.groups.to(device)
        return Split(self.inputs.to(device), self.targets.to(device), groups=groups)

    def take(self, index: Tensor | slice) -> Split:
        """The samples at ``index``, in that order."""
        groups = None if self.groups is None else self.groups[index]
        return Split(self.inputs[index], self.targets[index], groups=groups)

    def feed(self, indices: Iterable[Tensor | slice], device: torch.device) -> Iterator[Split]:
        """The samples at each of ``indices``, on ``device``; a mapped split is read ahead by a thread."""
        if not self.mapped:
            yield from (self.take(index) for index in indices)
            return
        with ThreadPoolExecutor(1) as reader:
            ahead: deque[Future[Split]] = deque()
            for index in indices:
                ahead.append(reader.submit(self.take, index))
                if len(ahead) > READ_AHEAD:
                    yield ahead.popleft().result().to(device)
            while ahead:
                yield ahead.popleft().result().to(device)

    def batches(self, size: int) -> Iterator[Split]:
        """The samples in order, ``size`` at a time; the last batch may be smaller."""
        for inputs, targets in zip(torch.split(self.inputs, size), torch.split(self.targets, size), strict=True):
            yield Split(inputs, targets)


@dataclass(frozen=True, slots=True)
class Splits:
    """The splits that a dataset's loader returns.

    Args:
        train: for training.
        test: for the evaluation after training.
        validation: for the choice of the best checkpoint; if None, the zoo holds out a part of ``train``.
        fingerprint: the known fingerprint of data that is too large to be hashed at each start.
    """

    train: Split
    test: Split
    validation: Split | None = None
    fingerprint: str = field(default="", kw_only=True)


def stratified_split(targets: Tensor, held_out: int, seed: int) -> tuple[Tensor, Tensor]:
    """Divide samples at random, with the same proportion of every class.

    The count of each class is rounded by largest remainder, so that the total is exact. NumPy guarantees that the
    stream of RandomState never changes: the same seed gives the same split with every version.

    Args:
        targets: class indices, ``[N]``.
        held_out: how many samples to hold out.

    Returns:
        The indices of the samples kept, and of those held out, each in ascending order.
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
    """As :func:`stratified_split`; for targets that are not class indices, without regard to them."""
    if targets.ndim == 1 and not targets.is_floating_point():
        return stratified_split(targets, held_out, seed)
    order = np.random.RandomState(seed).permutation(len(targets))
    return torch.from_numpy(np.sort(order[held_out:])), torch.from_numpy(np.sort(order[:held_out]))


def validation_indices(targets: Tensor) -> tuple[Tensor, Tensor]:
    """The indices of the training samples that are kept, and of those held out for validation.

    With fewer than :data:`SMALLEST_TO_DIVIDE` samples, all are both.
    """
    if len(targets) < SMALLEST_TO_DIVIDE:
        return torch.arange(len(targets)), torch.arange(len(targets))
    size = max(1, min(round(len(targets) * VALIDATION_FRACTION), VALIDATION_LIMIT))
    return random_split(targets, size, VALIDATION_SEED)


def validation_groups(groups: Tensor) -> tuple[Tensor, Tensor]:
    """As :func:`validation_indices`, but of whole groups: at random, until there are enough samples.

    A single group cannot be divided: its samples are both.

    Args:
        groups: the group of each sample, int64 ``[N]``.
    """
    numbers, sizes = np.unique(groups.cpu().numpy(), return_counts=True)
    if len(numbers) < 2:
        return torch.arange(len(groups)), torch.arange(len(groups))
    order = np.random.RandomState(VALIDATION_SEED).permutation(len(numbers))
    wanted = min(len(groups) * VALIDATION_FRACTION, VALIDATION_LIMIT)
    count = min(len(numbers) - 1, int(np.searchsorted(np.cumsum(sizes[order]), wanted)) + 1)
    held = np.isin(groups.cpu().numpy(), numbers[order[:count]])
    return torch.from_numpy(np.flatnonzero(~held)), torch.from_numpy(np.flatnonzero(held))


def hold_out_validation(splits: Splits) -> Splits:
    """``splits`` with a validation split; if missing, it is held out of ``train`` with a fixed seed.

    It has the same proportion of every class; from samples in groups it has whole groups, whatever their classes.
    """
    if splits.validation is not None:
        return splits
    train = splits.train
    kept, held = validation_indices(train.targets) if train.groups is None else validation_groups(train.groups)
    return replace(splits, train=splits.train.take(kept), validation=splits.train.take(held))


Pieces = tuple[tuple[Sequence[int], Iterable[Tensor]], tuple[Sequence[int], Iterable[Tensor]]]
"""Inputs and targets of a split: for each, the shape of the whole tensor and its parts."""


def fingerprint(splits: Splits) -> str:
    """SHA-256 of type, shape and bytes of inputs and targets: equal for equal data, whatever files it comes from."""
    present = [split for split in (splits.train, splits.test, splits.validation) if split is not None]
    return hash_pieces(*(((s.inputs.shape, [s.inputs]), (s.targets.shape, [s.targets])) for s in present))


def hash_pieces(*splits: Pieces) -> str:
    """The :func:`fingerprint` of splits whose tensors come in pieces."""
    digest = hashlib.sha256()
    for split in splits:
        for shape, pieces in split:
            first = True
            for piece in pieces:
                array = piece.cpu().contiguous().numpy()
                if first:
                    digest.update(f"{array.dtype.str}{tuple(shape)}".encode())
                    first = False
                digest.update(array.data)
    return digest.hexdigest()


def check_splits(
    spec: Dataset,
    task: Task,
    kind: Input,
    splits: Splits,
    usual: bool = True,
    with_test: bool = True,
) -> None:
    """Check the splits of a loader against the declaration of its dataset.

    Args:
        task: of the dataset.
        kind: of input of the dataset.
        usual: whether all options have their defaults: ``sizes`` are declared for those.
        with_test: whether to check the test split too.

    Raises:
        DataError: a shape, a type, a class or a number of samples differs from the declaration.
    """
    for name, split in (("train", splits.train), ("test", splits.test), ("validation", splits.validation)):
        if split is None or (name == "test" and not with_test):
            continue
        problem = _problem(spec, kind, split) or _problem_of_targets(spec, task, split.targets)
        if problem:
            raise DataError(f"Dataset {spec.name}: the {name} split {problem}.")
        declared = spec.sizes.get(name)
        if usual and declared is not None and declared != len(split):
            raise DataError(
                f"Dataset {spec.name}: the {name} split has {len(split)} samples, not {declared} as declared in "
                "`sizes` for the default options."
            )


def _problem(spec: Dataset, kind: Input, split: Split) -> str:
    inputs, targets = split.inputs, split.targets
    if len(inputs) != len(targets):
        return f"has {len(inputs)} inputs for {len(targets)} targets"
    if not len(inputs):
        return "is empty"
    if split.groups is not None and (split.groups.dtype != torch.int64 or split.groups.shape != targets.shape[:1]):
        shape = tuple(split.groups.shape)
        return f"has groups of type {split.groups.dtype} and shape {shape}, not int64 [{len(inputs)}]"
    if tuple(inputs.shape[1:]) != spec.input_shape:
        return f"has samples of shape {tuple(inputs.shape[1:])}, not {spec.input_shape}"
    expected = getattr(torch, kind.type)
    if inputs.dtype != expected:
        return f"has inputs of type {inputs.dtype}, not {expected}"
    with kind.guard("problem"):
        problem: str = kind.load(spec.input_shape, spec.input_options, spec.columns).problem(inputs)
    if not isinstance(problem, str):
        raise kind.fault("problem", f"returned {brief(problem)}; return a text, empty if nothing is wrong")
    return problem


def _problem_of_targets(spec: Dataset, task: Task, targets: Tensor) -> str:
    kind = f"has targets of type {targets.dtype} and shape {tuple(targets.shape)}"
    if task.predicts == "numbers":
        if targets.dtype != torch.float32 or targets.ndim != 2 or targets.shape[1] != spec.num_outputs:
            return f"{kind}, not float32 [N, {spec.num_outputs}]"
        return "" if targets.isfinite().all() else "has targets that are not finite"
    if task.predicts != "class":
        with task.guard("target_problem"):
            problem: str = task.load().target_problem(targets, spec.num_outputs)
        if not isinstance(problem, str):
            raise task.fault("target_problem", f"returned {brief(problem)}; return a text, empty if nothing is wrong")
        return problem
    if targets.dtype != torch.int64 or targets.ndim != 1:
        return f"{kind}, not int64 [N]"
    classes = task.label_count(spec.num_outputs)
    if int(targets.min()) < 0 or int(targets.max()) >= classes:
        return f"has targets outside 0 … {classes - 1}"
    return ""
