"""Getting a dataset: from disk, from its home on the network, or a bundled stand-in."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from .data import Splits, check_splits, fingerprint, hold_out_validation
from .errors import DataError, DataUnavailable
from .folders import is_present
from .registry import Registry
from .specs import Architecture, Dataset, resolve_reference

log = logging.getLogger("zoo")


@dataclass(frozen=True, slots=True)
class LoadedDataset:
    """Data, ready to train on, and what it is.

    Args:
        spec: the dataset that was really read.
        splits: with a validation split.
        fingerprint: SHA-256 of the data as the loader gave it.
        stand_in_for: name of the dataset that was asked for, where this one took its place.
    """

    spec: Dataset
    splits: Splits
    fingerprint: str
    stand_in_for: str = ""

    def __str__(self) -> str:
        return f"{self.spec.name} (in place of {self.stand_in_for})" if self.stand_in_for else self.spec.name


def load_dataset(spec: Dataset, folder: Path, *, download: bool = True) -> LoadedDataset:
    """Read a dataset, fetching it into ``folder`` first where it is missing and ``download`` allows.

    Raises:
        DataUnavailable: it is not there and cannot be had.
        DataError: what is there is not the dataset.
    """
    loader = resolve_reference(spec.loader)
    try:
        splits: Splits = loader(folder, download and not is_present(spec, folder))
    except DataError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise DataError(f"Cannot read {spec.name} from {folder}: {type(error).__name__}: {text}.") from error
    if not isinstance(splits, Splits):
        raise DataError(f"The loader of {spec.name} gave {type(splits).__name__}, not zoo.Splits.")
    check_splits(spec, splits)
    actual = fingerprint(splits)
    if spec.fingerprint and actual != spec.fingerprint:
        raise DataError(
            f"The files of {spec.name} in {folder} do not hold the data they should (SHA-256 {actual[:12]}…, expected "
            f"{spec.fingerprint[:12]}…). Delete them and run `zoo fetch {spec.name}`."
        )
    return LoadedDataset(spec, hold_out_validation(splits), actual)


def load_for(
    architecture: Architecture, registry: Registry, spec: Dataset, folder: Path, *, fall_back: bool
) -> LoadedDataset:
    """The data to train ``architecture`` on.

    Args:
        fall_back: take the dataset's stand-in, with a warning, where the dataset cannot be had, so that a first
            training works on a machine with neither data nor network. Not for a dataset that was asked for by name.

    Raises:
        DataUnavailable: it cannot be had and nothing may take its place.
        DataError: it cannot be used, or is for another task.
    """
    if spec.task != architecture.task:
        raise DataError(f"{architecture.name} learns {architecture.task}, but {spec.name} is for {spec.task}.")
    try:
        return load_dataset(spec, folder)
    except DataUnavailable as error:
        remedy = f"Run `zoo fetch {spec.name}` where there is a network, or point --data-dir at a folder that holds it."
        if not (fall_back and spec.stand_in):
            raise DataUnavailable(f"{error} {remedy}") from error
        stand_in = load_dataset(registry.dataset(spec.stand_in), folder, download=False)
        log.warning("%s Training on the bundled %s in its place. %s", error, spec.stand_in, remedy)
        return LoadedDataset(stand_in.spec, stand_in.splits, stand_in.fingerprint, stand_in_for=spec.name)
