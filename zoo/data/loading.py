"""Load a dataset: from the data folder, by download, as a bundled stand-in, or from user files."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ..errors import DataError, DataUnavailable
from ..registry.registry import Registry
from ..specs.architecture import Architecture
from ..specs.dataset import Dataset, is_present
from ..specs.options import Option, Value, check_all
from ..specs.references import resolve_reference
from .image_folder import OPTIONS as FOLDER_OPTIONS
from .image_folder import open_folder
from .splits import SMALLEST_TO_DIVIDE, Splits, check_splits, fingerprint, hold_out_validation
from .table_file import OPTIONS as TABLE_OPTIONS
from .table_file import open_table
from .user_paths import as_path, kind_of, why

log = logging.getLogger("zoo")


@dataclass(frozen=True, slots=True)
class LoadedDataset:
    """A loaded dataset, ready for training.

    Args:
        spec: the declaration of the dataset that was read.
        splits: with a validation split.
        fingerprint: SHA-256 of the data as the loader returned it.
        stand_in_for: the name of the requested dataset, if this one is its stand-in.
        options: all options of the dataset's loader.
        path: of user files; None for a registered dataset.
    """

    spec: Dataset
    splits: Splits
    fingerprint: str
    stand_in_for: str = ""
    options: Mapping[str, Value] = field(default_factory=dict)
    path: Path | None = None

    def __str__(self) -> str:
        return f"{self.spec.name} (in place of {self.stand_in_for})" if self.stand_in_for else self.spec.name


def load_dataset(
    spec: Dataset, folder: Path, *, download: bool = True, options: Mapping[str, object] | None = None
) -> LoadedDataset:
    """Read a registered dataset from the data folder; download it first if it is missing.

    Args:
        folder: the data folder.
        download: whether it may be downloaded.
        options: of the dataset.

    Raises:
        UnknownName, InvalidValue: an option that the dataset does not have, or a wrong value for it.
        DataUnavailable: the dataset is not in the folder and cannot be downloaded.
        DataError: the files in the folder are damaged or contain other data.
    """
    checked = check_all(spec.options, options or {}, spec.name)
    splits = _load(spec, folder, download and not is_present(spec, folder), checked)
    try:
        check_splits(spec, splits)
    except DataError as error:
        raise DataError(f"{error} {_remedy(spec)}" if spec.fingerprint else str(error)) from error
    actual = splits.fingerprint or fingerprint(splits)
    if spec.fingerprint:
        _check_fingerprint(spec, folder, actual if checked == _defaults(spec) else _usual_fingerprint(spec, folder))
    return LoadedDataset(spec, hold_out_validation(splits), actual, options=checked)


def _load(spec: Dataset, folder: Path, download: bool, options: Mapping[str, Value]) -> Splits:
    loader = resolve_reference(spec.loader)
    try:
        splits: Splits = loader(folder, download, **options)
    except DataError:
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


def own_data_path(reference: str, registry: Registry) -> Path | None:
    """``reference`` as a path to user files; None if it is no path, or the name of a registered dataset.

    Raises:
        DataUnavailable: it is written as a path that does not exist.
        DataError: it is a pipe, a socket or a device.
    """
    if reference in registry.datasets:
        return None
    path = as_path(reference)
    try:
        kind = kind_of(path)
    except OSError as error:
        raise DataUnavailable(f"Cannot read {path}: {why(error)}.") from error
    if kind == "other":
        raise DataError(f"{path} is not a regular file, so it cannot be a dataset. Save the data to a file first.")
    if kind != "missing":
        return path
    if "/" in reference or path.suffix or reference.startswith("~"):
        raise DataUnavailable(f"There is no file or folder {path}, and no dataset with this name (`zoo datasets`).")
    return None


def dataset_options(reference: str, registry: Registry) -> tuple[Option, ...]:
    """The options of a registered dataset or of user files, for ``--data-option NAME=VALUE``."""
    path = own_data_path(reference, registry)
    if path is None:
        return registry.dataset(reference).options
    return FOLDER_OPTIONS if path.is_dir() else TABLE_OPTIONS


def load_named(
    reference: str, registry: Registry, task: str, folder: Path, options: Mapping[str, object], usual_size: int = 0
) -> LoadedDataset:
    """Load a registered dataset by its name, or user files by their path.

    Args:
        reference: a name, a folder of images by class, or a CSV file.
        task: of the architecture.
        folder: the data folder; for registered datasets.
        options: of the dataset.
        usual_size: height and width for images of different sizes; 0: the default.

    Raises:
        UsageError: an unknown name or option, or a wrong value.
        DataUnavailable, DataError: as for :func:`load_dataset`.
    """
    path = own_data_path(reference, registry)
    if path is None:
        return load_dataset(registry.dataset(reference), folder, options=options)
    _check_name(path)
    checked = check_all(dataset_options(reference, registry), options, path.name)
    name = re.sub(r"[^a-z0-9]+", "-", path.name.removesuffix(".gz").lower()).strip("-") or "data"
    name = f"own-{name}" if name in registry.datasets else name
    if path.is_dir():
        spec = open_folder(path, name, checked, usual_size)
        checked["size"] = spec.input_shape[1:]
    else:
        spec = open_table(path, name, task, checked)
    data = load_dataset(spec, folder, options=checked)
    _warn_of_overlap(data)
    return replace(data, path=path.resolve())


def _warn_of_overlap(data: LoadedDataset) -> None:
    """Say so if there are too few samples for a validation split."""
    train, validation = data.splits.train, data.splits.validation
    assert validation is not None
    if len(train) < SMALLEST_TO_DIVIDE and torch.equal(train.inputs, validation.inputs):
        text = "%s has too few training samples to divide (%d): they are the validation samples too."
        log.warning(text, data.spec.name, len(train))


def _check_name(path: Path) -> None:
    """Raises:
    DataError: the path is not text in UTF-8, so that no run could record it.
    """
    try:
        str(path.resolve()).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"The name of {str(path)!a} is not text in UTF-8. Rename it.") from error


def load_for(
    architecture: Architecture,
    registry: Registry,
    reference: str,
    folder: Path,
    *,
    fall_back: bool,
    options: Mapping[str, object] | None = None,
) -> LoadedDataset:
    """The data to train ``architecture`` on.

    Args:
        reference: as for :func:`load_named`.
        fall_back: if the dataset is not available, use its stand-in, with a warning, so that a first training works on
            a machine with neither data nor network. Not for a dataset that the user has named.
        options: of the dataset.

    Raises:
        DataUnavailable: it is not available, and no stand-in may be used.
        DataError: it cannot be used, or is for another task.
    """
    spec = registry.datasets.get(reference)
    if spec is not None and spec.task != architecture.task:
        raise DataError(f"{architecture.name} learns {architecture.task}, but {spec.name} is for {spec.task}.")
    try:
        data = load_named(reference, registry, architecture.task, folder, options or {}, architecture.image_size)
    except DataUnavailable as error:
        if spec is None:
            raise
        remedy = f"Run `zoo fetch {spec.name}` with a network, or set --data-dir to a folder that contains it."
        if not (fall_back and spec.stand_in):
            raise DataUnavailable(f"{error} {remedy}") from error
        stand_in = load_dataset(registry.dataset(spec.stand_in), folder, download=False)
        log.warning("%s Training on the bundled stand-in %s. %s", error, spec.stand_in, remedy)
        return replace(stand_in, stand_in_for=spec.name)
    if data.spec.task != architecture.task:
        raise DataError(f"{architecture.name} learns {architecture.task}, but {data} is for {data.spec.task}.")
    return data


def load_again(config: Mapping[str, Any], registry: Registry, folder: Path) -> LoadedDataset:
    """Load the data of a run or a checkpoint again.

    Args:
        config: the ``run.json`` of a run, or the description of a checkpoint.
        folder: the data folder.

    Raises:
        DataUnavailable: the data is no longer available.
        DataError: it has changed since the training.
    """
    recorded = config["data"]
    reference = recorded.get("path") or recorded["name"]
    data = load_named(reference, registry, config["task"], folder, recorded.get("options") or {})
    if data.fingerprint != recorded["fingerprint"]:
        raise DataError(f"{data.spec.name} is no longer the data of this training; train again.")
    return data
