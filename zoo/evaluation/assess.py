"""Evaluate a trained model on a split of its dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..data.loading import LoadedDataset, load_named, read_dataset
from ..data.table_columns import Declared
from ..errors import DataError, DataUnavailable, UsageError
from ..exporting.source import load_test_data
from ..folders import data_folder
from ..models.api import open_model
from ..models.description import ModelDescription
from ..models.inference import InferenceModel
from ..models.torch_model import TorchModel
from ..registry.origins import missing, needed_by
from ..registry.registry import Registry, create_registry
from ..specs.columns import columns_to_json
from ..specs.dataset import IMAGE, TABLE
from .assessment import USUAL, Assessment

SPLITS = ("test", "validation", "train")


def assess(
    reference: Path | str | InferenceModel,
    *,
    split: str = "test",
    dataset: str | None = None,
    data_options: Mapping[str, object] | None = None,
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Assessment:
    """Evaluate a trained model on a split: metrics with confidence intervals, classes, calibration, mistakes.

    Args:
        reference: an exported file, an architecture, a run, or an open model.
        split: ``test``, ``validation`` or ``train``.
        dataset: a dataset other than the one that the model was trained on: a name or a path.
        data_options: options of the dataset.

    Raises:
        RunNotFound, UnknownName, ZooError: as for :func:`open_model`.
        UnknownName: no plugin registers the task of the model.
        DataUnavailable: the dataset is not in the data folder.
        DataError: it is not the dataset that the model was trained on, or does not fit the model.
    """
    if split not in SPLITS:
        raise UsageError(f"Split {split!r} is not one of {', '.join(SPLITS)}.")
    registry = registry or create_registry()
    opened = reference if isinstance(reference, InferenceModel) else None
    model = opened or open_model(reference, runs_dir=runs_dir, registry=registry)  # type: ignore[arg-type]
    data = _data(model, registry, data_dir, dataset, data_options or {})
    chosen = getattr(data.splits, split)
    inputs, groups = chosen.inputs.numpy(), chosen.groups
    return Assessment(
        model.description,
        model.engine,
        str(data),
        split,
        inputs,
        model.outputs(inputs),
        chosen.targets.numpy(),
        None if groups is None else groups.numpy(),
        _methods(model.description, registry),
    )


def _methods(description: ModelDescription, registry: Registry) -> Any:
    """The methods of the task, if the evaluation needs them: the usual metrics are computed without torch."""
    known = USUAL.get(description.predicts)
    spec = registry.tasks.get(description.task)
    if spec is None and known is not None:
        return None
    with needed_by(description.content):
        spec = spec or registry.task(description.task)
    if known is not None and {metric.name for metric in spec.metrics} <= known:
        return None
    from ..models.guarded_task import load_task

    return load_task(spec)


def _data(
    model: InferenceModel,
    registry: Registry,
    data_dir: Path | str | None,
    dataset: str | None,
    options: Mapping[str, object],
) -> LoadedDataset:
    description = model.description
    if dataset is not None:
        return _other_data(description, registry, data_folder(data_dir), dataset, options)
    if isinstance(model, TorchModel) and not options:
        folder = data_folder(data_dir, model.trained.data_folder)
        return load_test_data(model.trained, registry, folder)
    return _recorded_data(description, registry, data_folder(data_dir), options)


def _recorded_data(
    description: ModelDescription, registry: Registry, folder: Path, options: Mapping[str, object]
) -> LoadedDataset:
    """The dataset that the model was trained on, by the fingerprint in its description."""
    spec = registry.datasets.get(description.dataset)
    if spec is None:
        with needed_by(description.content):  # a dataset is refused without its kind of input or its task
            registry.input(description.input_kind)
            registry.task(description.task)
        own = description.takes_images or description.takes_rows  # what user files can hold
        other = f"give --dataset PATH{' and --target COLUMN' if description.takes_rows else ''}" if own else ""
        raise DataUnavailable(missing(f"dataset {description.dataset!r}", description.content, other))
    try:
        data = read_dataset(spec, registry, folder, options=options)
    except DataUnavailable as error:
        raise DataUnavailable(
            f"{error} Run `zoo fetch {spec.name}`, or choose another data folder with --data-dir."
        ) from error
    if data.fingerprint != description.content.get("dataset_fingerprint"):
        hint = " Check --data-option." if spec.options else ""
        raise DataError(f"This is not the {spec.name} dataset that {description.name} was trained on.{hint}")
    return data


def _other_data(
    description: ModelDescription, registry: Registry, folder: Path, reference: str, options: Mapping[str, object]
) -> LoadedDataset:
    """The dataset ``reference``, after a check that it fits the model."""
    chosen: dict[str, Any] = dict(options)
    if description.takes_images and reference not in registry.datasets and Path(reference).is_dir():
        channels, height, width = description.input_shape
        chosen = {"size": (height, width), "colour": "grey" if channels == 1 else "rgb"} | chosen
    declared = Declared(description.columns, description.labels)
    with needed_by(description.content):
        registry.task(description.task)
    data = load_named(reference, registry, description.task, folder, chosen, declared=declared)
    spec = data.spec
    if spec.task != description.task:
        raise DataError(
            f"{description.name} was trained for {description.task}, but {data} is a dataset for {spec.task}."
        )
    outputs = _outputs(description, registry, spec.num_outputs)
    if spec.input_shape != description.input_shape or spec.num_outputs != outputs:
        raise DataError(
            f"{description.name} takes samples of shape {description.input_shape} and has {outputs} outputs; {data} "
            f"has samples of shape {spec.input_shape} for {spec.num_outputs} outputs."
        )
    if description.labels and spec.labels and description.labels != spec.labels:
        labels = ", ".join(description.labels[:5]) + (" …" if len(description.labels) > 5 else "")
        raise DataError(f"{description.name} was trained on the classes {labels}; {data} has other classes.")
    _check_kind(description, registry, data)
    if columns_to_json(spec.columns) != columns_to_json(description.columns):
        raise DataError(f"{data} has other columns, or other categories, than {description.name} was trained on.")
    return data


def _check_kind(description: ModelDescription, registry: Registry, data: LoadedDataset) -> None:
    """Raises:
    DataError: the dataset has another kind of input than the model, or other options of it.
    """
    spec = data.spec
    kind = registry.input_of(spec.input, spec.input_shape)
    options = {} if kind.name in (IMAGE, TABLE) else kind.check_options(spec.input_options)
    wanted = {name: tuple(v) if isinstance(v, list) else v for name, v in description.input_options.items()}
    if kind.name != description.input_kind:
        raise DataError(
            f"{description.name} takes {description.input_kind}; {data} has samples of the kind {kind.name}."
        )
    if options != wanted:
        other = ", ".join(name for name in options if options[name] != wanted.get(name))
        raise DataError(f"{data} has another {other} than {description.name} was trained on.")


def _outputs(description: ModelDescription, registry: Registry, usual: int) -> int:
    """How many outputs the model has; ``usual`` if its description does not say."""
    spec = registry.tasks.get(description.task)
    if spec is not None and spec.num_outputs:
        return spec.num_outputs
    return len(description.labels) or usual
