"""Load a dataset by its name, its bundled stand-in, or user files by their path."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..errors import DataError, DataUnavailable, UsageError
from ..folders import data_folder
from ..registry.origins import needed_by
from ..registry.registry import Registry, create_registry
from ..specs.architecture import Architecture
from ..specs.columns import columns_from_json
from ..specs.dataset import Dataset
from ..specs.options import Option, check_all
from ..specs.task import Task
from .image_folder import OPTIONS as FOLDER_OPTIONS
from .image_folder import open_folder
from .images import why_no_dataset
from .read import LoadedDataset as LoadedDataset
from .read import read_dataset as read_dataset
from .read import warn_of_overlap
from .table_columns import OPTIONS as TABLE_OPTIONS
from .table_columns import Declared
from .table_file import open_table
from .user_paths import as_path, kind_of, why

log = logging.getLogger("zoo")

MOST_GUESSED_CLASSES = 20
"""A target column of a CSV file with more different numbers is a regression, unless the caller names the task."""


def load_dataset(
    dataset: Dataset | str | Path,
    data_dir: Path | str | None = None,
    *,
    download: bool = True,
    target: str | None = None,
    task: str | None = None,
    options: Mapping[str, object] | None = None,
    registry: Registry | None = None,
) -> LoadedDataset:
    """Load a dataset by its name, a folder of images by class, or a CSV file; download it first if it is missing.

    ``DataLoader(load_dataset("digits").train, batch_size=64)`` gives batches of raw samples: images as uint8
    ``[N, C, H, W]``, columns as float32 ``[N, F]`` in their own units, NaN for a missing value. Targets are class
    indices, int64 ``[N]``, or float32 ``[N, K]`` for a regression.

    Args:
        dataset: a name of ``zoo datasets``, a folder, a CSV file, or a declaration.
        data_dir: the data folder. Default: ``$ZOO_DATA``, else a folder in the user's cache.
        download: whether it may be downloaded.
        target: the target column of a CSV file.
        task: of a CSV file: ``classification``, ``binary`` or ``regression``. Default: by the target column. Two
            different values are ``binary``; words, and up to 20 different whole numbers, are ``classification``; all
            other numbers are ``regression``.
        options: of the dataset, as for ``--data-option``.
        registry: the plugins. Default: all that are installed.

    Raises:
        UnknownName, InvalidValue: there is no such dataset or option, or a wrong value for an option.
        UsageError: ``target`` or ``task`` for data that is no CSV file.
        DataUnavailable: the dataset is not in the folder and cannot be downloaded.
        DataError: the files are damaged or contain other data.
    """
    folder, given = data_folder(data_dir), dict(options or {})
    registry = registry or create_registry()
    if isinstance(dataset, Dataset):
        _refuse_table_arguments(dataset.name, target, task)
        return read_dataset(dataset, registry, folder, download=download, options=given)
    reference = str(dataset)
    path = own_data_path(reference, registry)
    if path is not None and not path.is_dir():
        given |= {} if target is None else {"target": target}
        return _load_table(reference, registry, folder, task, given)
    _refuse_table_arguments(reference, target, task)
    if path is not None:
        return load_named(reference, registry, registry.usual_task("class").name, folder, given)
    spec = registry.dataset(reference)
    try:
        return read_dataset(spec, registry, folder, download=download, options=given)
    except DataUnavailable as error:
        remedy = f"Run `zoo fetch {spec.name}` with a network, or pass a data_dir that contains it."
        raise DataUnavailable(f"{error} {remedy}") from error


def _refuse_table_arguments(name: str, target: str | None, task: str | None) -> None:
    """Raises:
    UsageError: one of the arguments for CSV files was given.
    """
    for argument, value in (("target", target), ("task", task)):
        if value is not None:
            raise UsageError(f"{argument} is for CSV files; the {argument} of {name} is fixed. Leave it out.")


def _load_table(
    reference: str, registry: Registry, folder: Path, task: str | None, options: Mapping[str, object]
) -> LoadedDataset:
    """Load a CSV file; without ``task``, find it by the target column."""
    known = [name for name, found in registry.tasks.items() if found.predicts in ("class", "numbers")]
    if task is not None and task not in known:
        raise UsageError(f"task must be one of {', '.join(known)}, not {task!r}.")

    def load(predicts: str, labels: int = 0) -> LoadedDataset:
        return load_named(reference, registry, registry.usual_task(predicts, labels).name, folder, options)

    if task is not None:
        return load_named(reference, registry, task, folder, options)
    try:
        numbers = load("numbers")
    except DataUnavailable:
        raise
    except DataError:  # words; if the file cannot be read at all, the next call says so
        classes = load("class")
        return load("class", 2) if len(classes.labels) == 2 else classes
    targets = torch.cat([split.targets for split in (numbers.train, numbers.validation, numbers.test)])
    different = set(targets.flatten().tolist())
    whole = all(value.is_integer() for value in different)
    if len(different) == 2:
        return load("class", 2)
    if whole and 2 < len(different) <= MOST_GUESSED_CLASSES:
        return load("class")
    return numbers


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
    if kind == "file" and why_no_dataset(path):
        raise DataError(why_no_dataset(path))
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
    reference: str,
    registry: Registry,
    task: str,
    folder: Path,
    options: Mapping[str, object],
    usual_size: int = 0,
    declared: Declared | None = None,
    with_test: bool = True,
) -> LoadedDataset:
    """Load a registered dataset by its name, or user files by their path.

    Args:
        reference: a name, a folder of images by class, or a CSV file.
        task: of the architecture.
        folder: the data folder; for registered datasets.
        options: of the dataset.
        usual_size: height and width for images of different sizes; 0: the default.
        declared: how to read a CSV file, if it is for a trained model.
        with_test: as for :func:`read_dataset`.

    Raises:
        UsageError: an unknown name or option, or a wrong value.
        DataUnavailable, DataError: as for :func:`read_dataset`.
    """
    path = own_data_path(reference, registry)
    if path is None:
        return read_dataset(registry.dataset(reference), registry, folder, options=options, with_test=with_test)
    _check_name(path)
    wanted = registry.task(task)
    if wanted.predicts not in ("class", "numbers"):
        raise _no_file_targets(path, wanted)
    checked = check_all(dataset_options(reference, registry), options, path.name)
    name = re.sub(r"[^a-z0-9]+", "-", path.name.removesuffix(".gz").lower()).strip("-") or "data"
    name = f"own-{name}" if name in registry.datasets else name
    table = None
    if path.is_dir():
        classes = wanted if wanted.predicts == "class" and not wanted.num_outputs else registry.usual_task("class")
        spec = open_folder(path, name, classes.name, checked, usual_size)
        checked["size"] = spec.input_shape[1:]
    else:
        table = open_table(path, name, wanted, checked, declared)
        spec = table.spec
    data = read_dataset(spec, registry, folder, options=checked, with_test=with_test)
    warn_of_overlap(data)
    return replace(data, path=path.resolve(), table=table)


def _no_file_targets(path: Path, task: Task) -> DataError:
    """The error for user files and a task whose targets neither a CSV file nor a folder of images can hold."""
    reason = f"{path} cannot be used for {task.name}: folders of images and CSV files contain classes or numbers."
    return DataError(f"{reason} Declare the data as a dataset in a plugin: `zoo new NAME --kind dataset` makes one.")


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
    with_test: bool = True,
) -> LoadedDataset:
    """The data to train ``architecture`` on.

    Args:
        reference: as for :func:`load_named`.
        fall_back: if the dataset is not available, use its stand-in, with a warning, so that a first training works on
            a machine with neither data nor network. Not for a dataset that the user has named.
        options: of the dataset.
        with_test: as for :func:`read_dataset`.

    Raises:
        DataUnavailable: it is not available, and no stand-in may be used.
        DataError: it cannot be used, or is for another task.
    """
    spec = registry.datasets.get(reference)
    if spec is not None and spec.task != architecture.task:
        raise _other_task(architecture, spec.name, spec.task)
    try:
        size = architecture.image_size
        data = load_named(reference, registry, architecture.task, folder, options or {}, size, with_test=with_test)
    except DataUnavailable as error:
        if spec is None:
            raise
        remedy = f"Run `zoo fetch {spec.name}` with a network, or set --data-dir to a folder that contains it."
        if not (fall_back and spec.stand_in):
            raise DataUnavailable(f"{error} {remedy}") from error
        stand_in = read_dataset(registry.dataset(spec.stand_in), registry, folder, download=False, with_test=with_test)
        log.warning("%s Training on the bundled stand-in %s. %s", error, spec.stand_in, remedy)
        return replace(stand_in, stand_in_for=spec.name)
    if data.spec.task != architecture.task:
        raise _other_task(architecture, str(data), data.spec.task)
    return data


def _other_task(architecture: Architecture, data: str, task: str) -> DataError:
    """The error for data of another task than the architecture's."""
    remedy = f"`zoo list --task {task}` shows the architectures for it."
    return DataError(f"{architecture.name} learns {architecture.task}, but {data} is for {task}. {remedy}")


def load_again(config: Mapping[str, Any], registry: Registry, folder: Path) -> LoadedDataset:
    """Load the data of a run or a checkpoint again.

    Args:
        config: the ``run.json`` of a run, or the description of a checkpoint.

    Raises:
        PluginError: no plugin registers the dataset, its task or its kind of input.
        DataUnavailable: the data is no longer available.
        DataError: it has changed since the training.
    """
    recorded = config["data"]
    reference = recorded.get("path") or recorded["name"]
    columns = columns_from_json(recorded.get("columns") or ())
    declared = Declared(columns, tuple(recorded.get("labels") or ()), recorded.get("target_reading", ""))
    with needed_by(config):
        registry.input_of(recorded.get("input") or "", recorded["input_shape"])  # a dataset without its kind is refused
        data = load_named(reference, registry, config["task"], folder, recorded.get("options") or {}, declared=declared)
    if data.fingerprint != recorded["fingerprint"]:
        raise DataError(f"{data.spec.name} is no longer the data of this training; train again.")
    return data
