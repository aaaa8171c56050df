"""The hooks that a plugin can implement, marked with ``@zoo.hookimpl``, and what the training hooks get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import pluggy

from .columns import ColumnSummary

if TYPE_CHECKING:
    import click

    import zoo

    from .architecture import Architecture
    from .dataset import Dataset, Input
    from .exporter import Exporter
    from .recipe_parts import Augmentation, Loss, Optimizer, Schedule
    from .task import Task

PROJECT = "zoo"
"""Name of the project in pluggy."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class TrainingStart:
    """What the ``train_started`` hook gets as ``start``: the data, the size and the length of the training.

    Args:
        dataset: name of the dataset; a stand-in is shown with the name of the dataset that it replaces.
        metric: name of the metric that is shown during training: ``accuracy``, ``mae``, or one of a plugin's task.
        samples: number of samples in each split: ``train``, ``validation``, ``test``.
        parameters: number of trainable parameters.
        device: the device as text, such as ``cpu, 2 threads`` or ``cuda:0, NVIDIA H200``.
        epochs: number of epochs in the whole run.
        steps_per_epoch: optimiser steps in each epoch.
        first_epoch: the epoch that this training starts with: 1 in a new run, a later one in a resumed run.
        columns: how each column of a user table is used, in a new run; empty for other data.
    """

    dataset: str
    metric: str
    samples: dict[str, int]
    parameters: int
    device: str
    epochs: int
    steps_per_epoch: int
    first_epoch: int
    columns: tuple[ColumnSummary, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """What the ``train_progressed`` hook gets as ``progress``: the position and the mean values of the current epoch.

    Args:
        epoch: number of the current epoch, from 1.
        epochs: number of epochs in the whole run.
        step: optimiser steps done in the current epoch, from 1.
        steps: optimiser steps in each epoch.
        loss: mean training loss per sample since the start of the epoch.
        metric_name: name of ``metric``: ``accuracy`` or ``mae``.
        metric: mean of the training metric since the start of the epoch: accuracy from 0 to 1, or mean absolute error
            in the unit of the target.
        lr: learning rate of the last step.
        samples_per_second: training samples per second since the start of the epoch, or since its last checkpoint.
        seconds_left: estimated seconds to the end of the last epoch, validation not included.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    metric_name: str
    metric: float
    lr: float
    samples_per_second: float
    seconds_left: float


class EpochMetrics(TypedDict):
    """What the ``epoch_ended`` hook gets as ``metrics``: one line of ``metrics.jsonl``.

    The names in ``train`` and ``validation`` depend on the task. All tasks have ``loss``: cross-entropy in nats, or for
    regression the squared error in standard deviations of the target. ``accuracy`` and ``f1`` are from 0 to 1. ``mae``
    and ``rmse`` are in the unit of the target.

    Args:
        epoch: number of the epoch, from 1.
        train: means over the training samples of the epoch, augmented as they were trained on: ``loss`` as it was
            optimised (with label smoothing, if the recipe uses it), and ``accuracy`` or ``mae``.
        validation: metrics on the validation split after the epoch: ``loss``, and ``accuracy`` (classification),
            ``accuracy``, ``auc``, ``f1`` (binary) or ``mae``, ``rmse``, ``r2`` (regression). ``auc`` is missing if the
            split has one class only, ``r2`` if all its targets are equal.
        lr: learning rate of the last step of the epoch.
        train_seconds: wall time of the training steps in seconds; in a resumed epoch, of the steps since the resume.
        validation_seconds: wall time of the evaluation on the validation split in seconds.
    """

    epoch: int
    train: dict[str, float]
    validation: dict[str, float]
    lr: float
    train_seconds: float
    validation_seconds: float


@hookspec
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register architectures: call ``register(zoo.Architecture(...))`` once for each."""


@hookspec
def find_architecture(name: str) -> Architecture | None:
    """Return the architecture called ``name``, or None if the plugin does not know it.

    The zoo calls this hook only for names that no plugin registered. It is for families that are too large to list,
    such as all models of another library.
    """


@hookspec
def sample_architectures() -> tuple[str, ...] | None:
    """Return some names that :func:`find_architecture` knows, not registered ones; ``zoo check`` checks them."""


@hookspec
def register_tasks(register: Callable[[Task], None]) -> None:
    """Register tasks: call ``register(zoo.Task(...))`` once for each."""


@hookspec
def register_inputs(register: Callable[[Input], None]) -> None:
    """Register kinds of input: call ``register(zoo.Input(...))`` once for each."""


@hookspec
def register_datasets(register: Callable[[Dataset], None]) -> None:
    """Register datasets: call ``register(zoo.Dataset(...))`` once for each."""


@hookspec
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Register export formats: call ``register(zoo.Exporter(...))`` once for each."""


@hookspec
def register_optimizers(register: Callable[[Optimizer], None]) -> None:
    """Register optimisers for recipes: call ``register(zoo.Optimizer(...))`` once for each."""


@hookspec
def register_schedules(register: Callable[[Schedule], None]) -> None:
    """Register learning rate schedules for recipes: call ``register(zoo.Schedule(...))`` once for each."""


@hookspec
def register_augmentations(register: Callable[[Augmentation], None]) -> None:
    """Register augmentations for recipes: call ``register(zoo.Augmentation(...))`` once for each."""


@hookspec
def register_losses(register: Callable[[Loss], None]) -> None:
    """Register training losses for recipes: call ``register(zoo.Loss(...))`` once for each."""


@hookspec
def register_commands(cli: click.Group) -> None:
    """Add click commands to the ``zoo`` command with ``@cli.command()``."""


@hookspec
def train_started(run: zoo.Run, start: TrainingStart) -> None:
    """Called when a training run starts or resumes. ``start`` is a :class:`zoo.TrainingStart`: device, sizes, steps."""


@hookspec
def train_progressed(run: zoo.Run, progress: Progress) -> None:
    """Called during training, at most ten times a second. ``progress`` is a :class:`zoo.Progress`."""


@hookspec
def epoch_ended(run: zoo.Run, metrics: EpochMetrics) -> None:
    """Called after each epoch, when its line is in ``metrics.jsonl``.

    Short epochs do not each write a checkpoint: it can be up to two seconds older.

    ``metrics`` is a :class:`zoo.EpochMetrics`, a dictionary: the line of this epoch in ``metrics.jsonl``.
    """


@hookspec
def train_ended(run: zoo.Run) -> None:
    """Called at the end of a training run. ``run.status`` is ``finished``, ``interrupted`` or ``failed``."""


@hookspec
def file_exported(run: zoo.Run, certificate: zoo.Certificate) -> None:
    """Called after ``zoo export … --log PLUGIN``, for that plugin only. File and certificate are in place."""
