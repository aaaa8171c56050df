"""The arguments of a training, and of a resumed training, as one object; checked before anything is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from ..errors import InvalidValue, UsageError
from ..folders import data_folder, runs_folder
from ..models.devices import choose_device
from ..registry.packages import check_loggers
from ..registry.recipe_parts import part_options
from ..registry.registry import Registry
from ..specs.architecture import Architecture
from ..specs.options import Option, Value
from ..specs.settings import check_used, split_settings
from .distributed import own_device

_SEED = Option(name="seed", default=0, minimum=0, maximum=2**32 - 1)
_CHECKPOINT_EPOCHS = Option(name="checkpoint_epochs", default=0, minimum=0)
_CHECKPOINT_STEPS = Option(name="checkpoint_steps", default=0, minimum=0)


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """How often a run writes a checkpoint to resume from. It always writes one after the last epoch.

    Args:
        epochs: number of epochs between two checkpoints; 0: after an epoch, but at most every two seconds.
        steps: number of optimiser steps between two checkpoints inside an epoch; 0: none inside an epoch.
    """

    epochs: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """The arguments of :func:`zoo.train`, checked and with defaults filled in. Make one with :func:`make_request`.

    Args:
        registry: the plugins to use.
        architecture: the architecture to train.
        hyperparameters: only those that the caller set, by name.
        options: all options of the architecture, by name.
        user_set: the names of all settings that the caller set.
        dataset: name of a dataset or path of user files; None: the architecture's own dataset.
        data_options: options of the dataset that the caller set, by name.
        data_folder: the folder that holds the datasets.
        seed: seed of everything random in the training.
        device: the device of this process.
        init_from: where the initial weights come from; None: random weights.
        freeze: name patterns of the parameters that are not trained.
        runs_folder: the folder that holds all runs.
        dry_run: train two steps only and keep nothing.
        checkpoints: how often to write a checkpoint to resume from.
        loggers: names of the plugins that record the training.
        seconds: train as many epochs as fit into this time; None: the epochs of the recipe.
    """

    registry: Registry
    architecture: Architecture
    hyperparameters: Mapping[str, object]
    options: Mapping[str, Value]
    user_set: frozenset[str]
    dataset: str | Path | None
    data_options: Mapping[str, object]
    data_folder: Path
    seed: int
    device: torch.device
    init_from: Path | str | None
    freeze: tuple[str, ...]
    runs_folder: Path
    dry_run: bool
    checkpoints: Checkpoints
    loggers: tuple[str, ...]
    seconds: float | None = None


def make_request(
    registry: Registry,
    architecture: str,
    settings: Mapping[str, object],
    *,
    dataset: str | Path | None = None,
    data_options: Mapping[str, object] | None = None,
    data_dir: Path | str | None = None,
    seed: int = 0,
    device: str = "auto",
    init_from: Path | str | None = None,
    freeze: Sequence[str] = (),
    runs_dir: Path | str | None = None,
    dry_run: bool = False,
    checkpoint_epochs: int = 0,
    checkpoint_steps: int = 0,
    loggers: Sequence[str] = (),
    seconds: float | None = None,
) -> TrainingRequest:
    """Check the arguments of :func:`zoo.train`. Nothing is loaded or written.

    Raises:
        UsageError: an unknown name, or a value of the wrong type or out of range.
        DeviceUnavailable: this machine does not have the device.
    """
    spec = registry.architecture(architecture)
    hyperparameters, options = split_settings(spec, settings, part_options(registry))
    check_used(hyperparameters, registry.task(spec.task), str({**spec.hyperparameters, **settings}.get("loss", "own")))
    seed = int(_SEED.check(seed))  # type: ignore[arg-type]
    checkpoints = Checkpoints(
        epochs=int(_CHECKPOINT_EPOCHS.check(checkpoint_epochs)),  # type: ignore[arg-type]
        steps=int(_CHECKPOINT_STEPS.check(checkpoint_steps)),  # type: ignore[arg-type]
    )
    check_loggers(registry, loggers, "train_started")
    _check_seconds(seconds, settings)
    return TrainingRequest(
        registry=registry,
        architecture=spec,
        hyperparameters=hyperparameters,
        options=options,
        user_set=frozenset(settings),
        dataset=dataset,
        data_options=data_options or {},
        data_folder=data_folder(data_dir),
        seed=seed,
        device=choose_device(own_device(device)),
        init_from=init_from,
        freeze=tuple(freeze),
        runs_folder=runs_folder(runs_dir),
        dry_run=dry_run,
        checkpoints=checkpoints,
        loggers=tuple(loggers),
        seconds=None if dry_run else seconds,
    )


def _check_seconds(seconds: float | None, settings: Mapping[str, object]) -> None:
    if seconds is None:
        return
    if not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
        raise InvalidValue(f"The time of a training must be above 0 s, not {seconds!r}.")
    if "epochs" in settings:
        raise UsageError("The time of a training decides how many epochs it has. Leave out epochs, or the time.")


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """The arguments of :func:`zoo.resume`. Make one with :func:`make_resume_request`.

    Args:
        registry: the plugins to use.
        reference: the folder of the run, or ``ARCHITECTURE/RUN``.
        epochs: new number of epochs of the whole run; None: as before.
        device: the device of this process; None: the kind of device that the run was started on.
        data_dir: the folder that holds the datasets; None: see :func:`zoo.data_folder`.
        runs_folder: the folder that holds all runs.
    """

    registry: Registry
    reference: str
    epochs: int | None
    device: torch.device | None
    data_dir: Path | str | None
    runs_folder: Path


def make_resume_request(
    registry: Registry,
    reference: str,
    *,
    epochs: int | None,
    device: str | None,
    data_dir: Path | str | None,
    runs_dir: Path | str | None,
) -> ResumeRequest:
    """Check the arguments of :func:`zoo.resume` that do not depend on the run.

    Raises:
        UsageError: an unknown device.
        DeviceUnavailable: this machine does not have the device.
    """
    chosen = choose_device(own_device(device)) if device else None
    return ResumeRequest(registry, reference, epochs, chosen, data_dir, runs_folder(runs_dir))
