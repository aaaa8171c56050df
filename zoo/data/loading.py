"""Getting a dataset: from disk, from its home on the network, a bundled stand-in, or a person's own files."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import DataError, DataUnavailable
from ..registry.registry import Registry
from ..specs.options import Option, Value, check_all
from ..specs.specs import Architecture, Dataset, is_present, resolve_reference
from .image_folder import OPTIONS as FOLDER_OPTIONS
from .image_folder import open_folder
from .splits import Splits, check_splits, fingerprint, hold_out_validation
from .table_file import OPTIONS as TABLE_OPTIONS
from .table_file import open_table

log = logging.getLogger("zoo")


@dataclass(frozen=True, slots=True)
class LoadedDataset:
    """Data, ready to train on, and what it is.

    Args:
        spec: the dataset that was really read.
        splits: with a validation split.
        fingerprint: SHA-256 of the data as the loader gave it.
        stand_in_for: name of the dataset that was asked for, where this one took its place.
        options: those of the dataset's loader, all of them.
        path: of a person's own files.
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
    """Read a dataset, fetching it into ``folder`` first where it is missing and ``download`` allows.

    Args:
        options: of the dataset.

    Raises:
        UnknownName, InvalidValue: an option that the dataset does not have, or a wrong value for it.
        DataUnavailable: it is not there and cannot be had.
        DataError: what is there is not the dataset.
    """
    checked = check_all(spec.options, options or {}, spec.name)
    loader = resolve_reference(spec.loader)
    try:
        splits: Splits = loader(folder, download and not is_present(spec, folder), **checked)
    except DataError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise DataError(f"Cannot read {spec.name} from {folder}: {type(error).__name__}: {text}.") from error
    if not isinstance(splits, Splits):
        raise DataError(f"The loader of {spec.name} gave {type(splits).__name__}, not zoo.Splits.")
    check_splits(spec, splits)
    actual = splits.fingerprint or fingerprint(splits)
    usual = checked == check_all(spec.options, {}, spec.name)
    if spec.fingerprint and usual and actual != spec.fingerprint:
        raise DataError(
            f"The files of {spec.name} in {folder} do not hold the data they should (SHA-256 {actual[:12]}…, expected "
            f"{spec.fingerprint[:12]}…). Delete them and run `zoo fetch {spec.name}`."
        )
    return LoadedDataset(spec, hold_out_validation(splits), actual, options=checked)


def own_data_path(reference: str, registry: Registry) -> Path | None:
    """The path that ``reference`` is, where it is none of the registered datasets.

    Raises:
        DataUnavailable: it is written as a path, and nothing is there.
    """
    if reference in registry.datasets:
        return None
    path = Path(reference).expanduser()
    if path.exists():
        return path
    if "/" in reference or path.suffix or reference.startswith("~"):
        raise DataUnavailable(f"There is no file or folder {path}, and no dataset of that name (`zoo datasets`).")
    return None


def dataset_options(reference: str, registry: Registry) -> tuple[Option, ...]:
    """What can be set, as ``--data-option NAME=VALUE``, of a registered dataset or a person's own files."""
    path = own_data_path(reference, registry)
    if path is None:
        return registry.dataset(reference).options
    return FOLDER_OPTIONS if path.is_dir() else TABLE_OPTIONS


def load_named(
    reference: str, registry: Registry, task: str, folder: Path, options: Mapping[str, object], usual_size: int = 0
) -> LoadedDataset:
    """A registered dataset by its name, or a person's own files by their path.

    Args:
        reference: a name, a folder of images by class, or a CSV file.
        task: what is to be learnt from it.
        folder: the data folder; for registered datasets.
        options: of the dataset.
        usual_size: height and width for images of many sizes.

    Raises:
        UsageError: an unknown name or option, or a wrong value.
        DataUnavailable, DataError: as for :func:`load_dataset`.
    """
    path = own_data_path(reference, registry)
    if path is None:
        return load_dataset(registry.dataset(reference), folder, options=options)
    checked = check_all(dataset_options(reference, registry), options, path.name)
    name = re.sub(r"[^a-z0-9]+", "-", path.name.removesuffix(".gz").lower()).strip("-") or "data"
    name = f"own-{name}" if name in registry.datasets else name
    if path.is_dir():
        spec = open_folder(path, name, checked, usual_size)
        checked["size"] = spec.input_shape[1:]
    else:
        spec = open_table(path, name, task, checked)
    return replace(load_dataset(spec, folder, options=checked), path=path.resolve())


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
        fall_back: take the dataset's stand-in, with a warning, where the dataset cannot be had, so that a first
            training works on a machine with neither data nor network. Not for a dataset that was asked for by name.
        options: of the dataset.

    Raises:
        DataUnavailable: it cannot be had and nothing may take its place.
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
        remedy = f"Run `zoo fetch {spec.name}` where there is a network, or point --data-dir at a folder that holds it."
        if not (fall_back and spec.stand_in):
            raise DataUnavailable(f"{error} {remedy}") from error
        stand_in = load_dataset(registry.dataset(spec.stand_in), folder, download=False)
        log.warning("%s Training on the bundled %s in its place. %s", error, spec.stand_in, remedy)
        return replace(stand_in, stand_in_for=spec.name)
    if data.spec.task != architecture.task:
        raise DataError(f"{architecture.name} learns {architecture.task}, but {data} is for {data.spec.task}.")
    return data


def load_again(config: Mapping[str, Any], registry: Registry, folder: Path) -> LoadedDataset:
    """The data of a run, by its ``run.json``, or of a checkpoint, by its description.

    Raises:
        DataUnavailable: it is not where it was, and cannot be had.
        DataError: it is no longer the same.
    """
    recorded = config["data"]
    reference = recorded.get("path") or recorded["name"]
    data = load_named(reference, registry, config["task"], folder, recorded.get("options") or {})
    if data.fingerprint != recorded["fingerprint"]:
        raise DataError(f"{data.spec.name} is no longer the data that this was trained on; train again.")
    return data
