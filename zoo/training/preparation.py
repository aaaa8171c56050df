"""Before the run folder: load the data, resolve the recipe, build the model."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from ..data.loading import LoadedDataset, load_again, load_for
from ..data.splits import Split, Splits
from ..folders import data_folder
from ..formatting import brief
from ..inputs.methods import InputMethods, input_of_dataset
from ..models.build import assemble, build_for
from ..models.devices import choose_device
from ..models.guarded_task import load_task
from ..models.tasks import TaskMethods
from ..registry.origins import trained_architecture
from ..registry.recipe_parts import check_parts, part_options
from ..registry.registry import Registry
from ..specs.architecture import Architecture
from ..specs.hyperparameters import Hyperparameters, resolve
from ..specs.recipe_parts import Augmentation
from ..specs.settings import check_images, check_places
from .distributed import own_device
from .optimisation import initialise
from .recipe import adapt_recipe
from .recipe_parts import RecipeParts, load_parts
from .request import ResumeRequest, TrainingRequest
from .starting_weights import freeze, load_starting_weights

log = logging.getLogger("zoo")

MAPPED_SAMPLES = 2_000
"""Number of samples that the normalisation is fitted to if the training data stays on disk."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that a training needs before it has a run folder.

    Args:
        registry: the plugins to notify.
        data: the data with its three splits.
        hyperparameters: all of them.
        options: all options of the architecture, by name.
        parts: the recipe parts that they name.
        task: the task, fitted to the training targets.
        model: raw inputs to predictions, before the first step, on the CPU.
        seed: seed of everything random in the training.
        device: the device to train on.
        init_from: where the initial weights came from, as text; None: random weights.
        changes: how the recipe was adapted, in words.
        note: the same as one line for the user; empty if nothing changed.
    """

    registry: Registry
    data: LoadedDataset
    hyperparameters: Hyperparameters
    options: Mapping[str, Any]
    parts: RecipeParts
    task: TaskMethods
    model: nn.Sequential
    seed: int
    device: torch.device
    init_from: str | None = None
    changes: tuple[str, ...] = ()
    note: str = ""


def prepare(request: TrainingRequest, data: LoadedDataset | None = None) -> Prepared:
    """Load the data, resolve the recipe for it, build the model with its initial weights.

    Args:
        data: the data, if it is loaded already.

    Raises:
        DataError: the data cannot be loaded or used.
        UsageError: the initial weights or the patterns to freeze do not fit the network, or an augmentation does not
            fit the targets.
    """
    spec, seed = request.architecture, request.seed
    data = data or load_requested(request)
    check_images(request.hyperparameters, data.spec.input_shape, data.spec.name)
    recipe_of_data = data.spec.hyperparameters if data.spec.name != spec.dataset else {}
    hyperparameters = resolve(
        spec.hyperparameters, recipe_of_data, request.hyperparameters, parts=part_options(request.registry)
    )
    adapted = adapt_recipe(hyperparameters, request.options, spec, data, request.registry, request.user_set)
    hyperparameters = adapted.hyperparameters
    _check_places(hyperparameters, data, request.registry)
    note = str(adapted) if adapted.changes else ""
    if note and request.seconds is None:  # with a time, the recipe changes until the epochs are known
        log.warning("%s", note)
    if request.dry_run:
        hyperparameters = replace(hyperparameters, epochs=1)
        data = first_batches(data, hyperparameters.batch_size)
    parts = load_parts(hyperparameters, spec.task, request.registry)
    task = load_task(request.registry.task(spec.task)).fit(data.splits.train.targets, hyperparameters)
    inputs = input_of_dataset(data.spec, request.registry)
    model = prepare_model(spec, data, inputs, task, adapted.options, hyperparameters, seed)
    init_from = load_starting_weights(model, request)
    freeze(model.get_submodule("network"), request.freeze)
    return Prepared(
        request.registry,
        data,
        hyperparameters,
        adapted.options,
        parts,
        task,
        model,
        seed,
        request.device,
        init_from,
        adapted.changes,
        note,
    )


def _check_places(hyperparameters: Hyperparameters, data: LoadedDataset, registry: Registry) -> None:
    augmentation = registry.recipe_parts("augment").get(hyperparameters.augment)
    assert augmentation is None or isinstance(augmentation, Augmentation)
    target_shape = tuple(data.splits.train.targets.shape[1:])
    check_places(hyperparameters.as_dict(), data.spec.input_shape, target_shape, augmentation)


def load_requested(request: TrainingRequest, *, with_test: bool = True) -> LoadedDataset:
    """The data of a training.

    Args:
        with_test: as for :func:`zoo.data.read.read_dataset`.
    """
    spec = request.architecture
    reference, is_default = str(request.dataset or spec.dataset), request.dataset is None
    return load_for(
        spec,
        request.registry,
        reference,
        request.data_folder,
        fall_back=is_default,
        options=request.data_options,
        with_test=with_test,
    )


def prepare_again(request: ResumeRequest, config: Mapping[str, Any]) -> Prepared:
    """Load the data and build the model of a run again. The weights come later, from its checkpoint.

    Args:
        config: ``run.json`` of the run.

    Raises:
        PluginError: the plugin of the architecture is missing.
        DataError: the data is missing or has changed.
    """
    spec = trained_architecture(request.registry, config)
    data = load_again(config, request.registry, data_folder(request.data_dir, config.get("data_folder")))
    device = request.device or choose_device(own_device(config["device"].partition(":")[0]))
    epochs = {} if request.epochs is None else {"epochs": request.epochs}
    check_parts(request.registry, config)
    hyperparameters = resolve(config["hyperparameters"], epochs, parts=part_options(request.registry))
    parts = load_parts(hyperparameters, config["task"], request.registry)
    task = load_task(request.registry.task(config["task"])).fit(data.splits.train.targets, hyperparameters)
    options, seed = config["options"], config["seed"]
    inputs = input_of_dataset(data.spec, request.registry)
    model = prepare_model(spec, data, inputs, task, options, hyperparameters, seed)
    freeze(model.get_submodule("network"), config.get("freeze", ()))
    return Prepared(request.registry, data, hyperparameters, options, parts, task, model, seed, device)


def first_batches(data: LoadedDataset, size: int) -> LoadedDataset:
    """Two batches of the training split and one batch of each other split, for a dry run."""
    splits = data.splits
    validation = splits.validation
    assert validation is not None  # read_dataset always adds a validation split
    first = torch.arange(size)
    short = Splits(
        train=splits.train.take(torch.arange(min(2 * size, len(splits.train)))),
        test=splits.test.take(first[: len(splits.test)]),
        validation=validation.take(first[: len(validation)]),
    )
    return replace(data, splits=short)


def prepare_model(
    spec: Architecture,
    data: LoadedDataset,
    inputs: InputMethods,
    task: TaskMethods,
    options: Mapping[str, object],
    hyperparameters: Hyperparameters,
    seed: int,
) -> nn.Sequential:
    """The untrained model: normalisation of the raw inputs, the network, and (regression) the unit of the target."""
    with inputs.spec.guard("fit"):
        preprocess = inputs.fit(_inputs_to_fit(data.splits.train))
    if not isinstance(preprocess, nn.Module):
        raise inputs.spec.fault("fit", f"returned {brief(preprocess)}; return a torch.nn.Module")
    torch.manual_seed(seed)
    network = build_for(spec, inputs, data.spec.num_outputs, options)
    initialise(network, hyperparameters.init)
    return assemble(preprocess, network, task.postprocess())


def _inputs_to_fit(train: Split) -> Tensor:
    """The training inputs that the normalisation is fitted to: all, or evenly spaced ones if the data stays on disk."""
    if not train.mapped or len(train) <= MAPPED_SAMPLES:
        return train.inputs
    return train.inputs[torch.linspace(0, len(train) - 1, MAPPED_SAMPLES).long()]
