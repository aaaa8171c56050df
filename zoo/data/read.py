"""Read a declared dataset: from the data folder, by download, or bundled; and check that it is the declared data."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from ..errors import DataError, ZooError
from ..registry.registry import Registry
from ..specs.dataset import Dataset, is_present
from ..specs.options import Value, check_all
from ..specs.references import resolve_reference
from .splits import SMALLEST_TO_DIVIDE, Split, Splits, check_splits, fingerprint, hold_out_validation
from .table_file import OpenedTable

log = logging.getLogger("zoo")


@dataclass(frozen=True, slots=True, repr=False)
class LoadedDataset:
    """A loaded dataset, ready for training.

    ``train``, ``validation`` and ``test`` are datasets for :class:`torch.utils.data.DataLoader`: each item is a pair of
    raw inputs and target.

    Args:
        spec: the declaration of the dataset that was read.
        splits: with a validation split.
        fingerprint: SHA-256 of the data as the loader returned it.
        stand_in_for: the name of the requested dataset, if this one is its stand-in.
        options: all options of the dataset's loader.
        path: of user files; None for a registered dataset.
        table: how the columns of a user table are used; None for other data.
    """

    spec: Dataset
    splits: Splits
    fingerprint: str
    stand_in_for: str = ""
    options: Mapping[str, Value] = field(default_factory=dict)
    path: Path | None = None
    table: OpenedTable | None = None

    @property
    def train(self) -> Split:
        """The training split, without the samples that are held out for validation."""
        return self.splits.train

    @property
    def validation(self) -> Split:
        """The validation split."""
        return self.splits.validation or self.splits.train  # every loaded dataset has one

    @property
    def test(self) -> Split:
        """The test split."""
        return self.splits.test

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the class indices, or of the targets of a regression."""
        return self.spec.labels

    def __str__(self) -> str:
        return f"{self.spec.name} (in place of {self.stand_in_for})" if self.stand_in_for else self.spec.name

    def __repr__(self) -> str:
        counts = f"{len(self.train):,} training, {len(self.validation):,} validation, {len(self.test):,} test samples"
        return f"<{self}: {counts}, {self.spec.task}>"


def read_dataset(
    spec: Dataset,
    registry: Registry,
    folder: Path,
    *,
    download: bool = True,
    options: Mapping[str, object] | None = None,
    with_test: bool = True,
) -> LoadedDataset:
    """Read a declared dataset from the data folder; download it first if it is missing.

    Args:
        registry: knows the task of the dataset.
        folder: the data folder.
        download: whether it may be downloaded.
        options: of the dataset.
        with_test: if not, the test split that the loader returned is dropped without a look at it: ``test`` has no
            samples. The fingerprint is then that of the other splits, and is not compared with the declared one.

    Raises:
        UnknownName: no plugin registers the task of the dataset.
        UnknownName, InvalidValue: an option that the dataset does not have, or a wrong value for it.
        DataUnavailable: the dataset is not in the folder and cannot be downloaded.
        DataError: the files in the folder are damaged or contain other data.
        ZooError: the data folder cannot be written.
    """
    task = registry.task(spec.task)
    checked = check_all(spec.options, options or {}, spec.name)
    splits = _load(spec, folder, download and not is_present(spec, folder), checked)
    if not with_test:
        splits = replace(splits, test=splits.train.take(slice(0, 0)))
    try:
        kind = registry.input_of(spec.input, spec.input_shape)
        check_splits(spec, task, kind, splits, usual=checked == _defaults(spec), with_test=with_test)
    except DataError as error:
        raise DataError(f"{error} {_remedy(spec)}" if spec.fingerprint else str(error)) from error
    actual = splits.fingerprint or fingerprint(splits)
    if spec.fingerprint and with_test:
        _check_fingerprint(spec, folder, actual if checked == _defaults(spec) else _usual_fingerprint(spec, folder))
    return LoadedDataset(spec, hold_out_validation(splits), actual, options=checked)


def warn_of_overlap(data: LoadedDataset) -> None:
    """Say so if there are too few samples for a validation split."""
    train, validation = data.splits.train, data.splits.validation
    assert validation is not None
    if len(train) < SMALLEST_TO_DIVIDE and torch.equal(train.inputs, validation.inputs):
        text = "%s has too few training samples to divide (%d): they are the validation samples too."
        log.warning(text, data.spec.name, len(train))


def _load(spec: Dataset, folder: Path, download: bool, options: Mapping[str, Value]) -> Splits:
    loader = resolve_reference(spec.loader)
    try:
        splits: Splits = loader(folder, download, **options)
    except ZooError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise DataError(f"Cannot read {spec.name} from {folder}: {type(error).__name__}: {text}.") from error
    if not isinstance(splits, Splits):
        raise DataError(f"The loader of {spec.name} returned {type(splits).__name__}, not zoo.Splits.")
    return splits


def _defaults(spec: Dataset) -> dict[str, Value]:
    return check_all(spec.options, {}, spec.name)


def _usual_fingerprint(spec: Dataset, folder: Path) -> str:
    """The fingerprint with the default options, for which one is declared.

    With other options (another split) the same files are read, so they are compared with the declaration too.
    """
    splits = _load(spec, folder, False, _defaults(spec))
    return splits.fingerprint or fingerprint(splits)


def _check_fingerprint(spec: Dataset, folder: Path, actual: str) -> None:
    """Raises:
    DataError: the data is not the data that ``spec`` declares.
    """
    if actual != spec.fingerprint:
        expected = f"SHA-256 {actual[:12]}…, expected {spec.fingerprint[:12]}…"
        where = f" in {folder}" if spec.files else ""
        raise DataError(f"{spec.name}{where} is other data than published ({expected}). {_remedy(spec)}")


def _remedy(spec: Dataset) -> str:
    """What to do if the data of a registered dataset is wrong: which files to delete."""
    if not spec.files:
        return "Reinstall the package that contains it: the plugin, or the library that the plugin reads it from."
    listed = ", ".join(spec.files) if len(spec.files) <= 4 else f"{Path(spec.files[0]).parent}/*"
    return f"Delete {listed} and run `zoo fetch {spec.name}`."
