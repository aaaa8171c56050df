"""What comes before the first step of a training: the model on its data, other weights to start from, the record."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..data.loading import LoadedDataset, load_for
from ..data.splits import Split, Splits
from ..environment import git_commit, host, versions
from ..errors import UsageError
from ..models.build import assemble, build_network, count_parameters
from ..models.devices import arithmetic
from ..models.preprocess import fit_preprocess
from ..models.tasks import TASKS, Task
from ..registry.registry import Registry
from ..runs.checkpoint import load_tensors, model_state
from ..specs.columns import columns_to_json
from ..specs.hyperparameters import Hyperparameters, resolve
from ..specs.specs import Architecture
from .distributed import World
from .optimisation import initialise

log = logging.getLogger("zoo")

MAPPED_SAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a training starts from, before a device is in play."""

    data: LoadedDataset
    hyperparameters: Hyperparameters
    task: Task
    model: nn.Sequential


def prepare(
    spec: Architecture,
    registry: Registry,
    dataset: str | Path | None,
    folder: Path,
    seed: int,
    *,
    settings: Mapping[str, object],
    options: Mapping[str, object],
    data_options: Mapping[str, object] | None = None,
    short: bool = False,
) -> Prepared:
    """The data, the recipe for it, and the untrained model.

    Args:
        dataset: in place of the architecture's own.
        settings: hyperparameters that were chosen.
        options: of the architecture.
        short: one epoch on a few batches, to see that all goes well.
    """
    reference = str(dataset or spec.dataset)
    data = load_for(spec, registry, reference, folder, fall_back=dataset is None, options=data_options)
    foreign = data.spec.hyperparameters if data.spec.name != spec.dataset else {}
    hyperparameters = resolve(spec.hyperparameters, foreign, settings)
    if short:
        hyperparameters = replace(hyperparameters, epochs=1)
        data = first_batches(data, hyperparameters.batch_size)
    task = TASKS[spec.task].fit(data.splits.train.targets, hyperparameters)
    return Prepared(data, hyperparameters, task, prepare_model(spec, data, task, options, hyperparameters, seed))


def first_batches(data: LoadedDataset, size: int) -> LoadedDataset:
    """Two batches of training and one of everything else: enough to see that all goes well."""
    splits = data.splits
    validation = splits.validation
    assert validation is not None  # load_dataset always holds one out
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
    task: Task,
    options: Mapping[str, object],
    hyperparameters: Hyperparameters,
    seed: int,
) -> nn.Sequential:
    """The untrained model: the data's normalisation, the network, and the way back to the target's units."""
    preprocess = fit_preprocess(_measured(data.splits.train), data.spec.columns)
    torch.manual_seed(seed)
    network = build_network(spec, data.spec.network_shape, data.spec.num_outputs, options)
    initialise(network, hyperparameters.init)
    return assemble(preprocess, network, task.postprocess())


def _measured(train: Split) -> Tensor:
    """The training inputs that the normalisation is fitted to: all, or evenly spaced ones of those that lie on disk."""
    if not train.mapped or len(train) <= MAPPED_SAMPLES:
        return train.inputs
    return train.inputs[torch.linspace(0, len(train) - 1, MAPPED_SAMPLES).long()]


def trained_part(model: nn.Sequential, device: torch.device, world: World, *, compiled: bool) -> nn.Module:
    """Normalisation and network, as they are called in training: of several processes, compiled, or as they are."""
    part: nn.Module = model[:2]
    if world.size > 1:
        ids = [device.index] if device.type == "cuda" else None
        part = nn.parallel.DistributedDataParallel(part, device_ids=ids, gradient_as_bucket_view=True)
    if compiled:
        # on CUDA as graphs: steps this small are bound by the launching of kernels
        return cast("nn.Module", torch.compile(part, mode="reduce-overhead" if device.type == "cuda" else None))
    return part


def transfer(model: nn.Sequential, checkpoint: Path) -> list[str]:
    """Take over every weight of ``checkpoint`` that fits by name and shape; the normalisation stays the data's own.

    Returns:
        The names of the network's weights that nothing was found for, and that stay as they are: a new head.

    Raises:
        UsageError: nothing fits.
        ZooError: the checkpoint cannot be read.
    """
    tensors, metadata = load_tensors(checkpoint)
    return take_over(model, tensors, f"{checkpoint} ({metadata.get('architecture', 'of unknown architecture')})")


def take_over(model: nn.Sequential, tensors: Mapping[str, Tensor], origin: str) -> list[str]:
    """As :func:`transfer`, from tensors at hand; ``origin`` names them in messages."""
    own = {name: tensor for name, tensor in model_state(model).items() if name.startswith("network.")}
    fitting = {name: tensors[name] for name in own if name in tensors and tensors[name].shape == own[name].shape}
    if not fitting:
        raise UsageError(f"Nothing in {origin} fits this network: no weights of the same name and shape.")
    with torch.no_grad():
        for name, tensor in fitting.items():
            own[name].copy_(tensor)
    return [name.removeprefix("network.") for name in own if name not in fitting]


def freeze(network: nn.Module, patterns: Iterable[str]) -> None:
    """Leave the parameters whose names fit one of ``patterns`` (``conv1.*``, ``features``) as they are.

    Raises:
        UsageError: a pattern fits nothing, or nothing is left to train.
    """
    parameters = dict(network.named_parameters())
    for pattern in patterns:
        found = [name for name in parameters if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")]
        if not found:
            known = ", ".join(sorted({name.rpartition(".")[0] or name for name in parameters})[:12])
            raise UsageError(f"--freeze {pattern!r} fits no parameter. The network has: {known}.")
        for name in found:
            parameters[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise UsageError("Everything is frozen; nothing is left to train.")


def describe_run(
    registry: Registry,
    spec: Architecture,
    data: LoadedDataset,
    options: Mapping[str, object],
    hyperparameters: Hyperparameters,
    seed: int,
    device: torch.device,
    model: nn.Sequential,
) -> dict[str, Any]:
    """``run.json`` as a run begins: everything needed to repeat it."""
    return {
        "status": "running",
        "plugin": registry.owner(spec).origin,
        "task": spec.task,
        "options": dict(options),
        "hyperparameters": asdict(hyperparameters),
        "seed": seed,
        "data": {
            "name": data.spec.name,
            "path": str(data.path) if data.path else None,
            "options": dict(data.options),
            "stand_in_for": data.stand_in_for or None,
            "default": spec.dataset,
            "fingerprint": data.fingerprint,
            "input_shape": list(data.spec.input_shape),
            "num_outputs": data.spec.num_outputs,
            "labels": list(data.spec.labels),
            "columns": columns_to_json(data.spec.columns),
        },
        "parameters": count_parameters(model),
        "device": str(device),
        "threads": torch.get_num_threads(),
        "arithmetic": [arithmetic(device)],
        "versions": versions(),
        "host": host(),
        "git_commit": git_commit(),
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "best": None,
        "results": None,
        "error": None,
    }
