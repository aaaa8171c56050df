"""The hooks that a plugin can implement. Mark each implementation with ``@zoo.hookimpl``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click

    import zoo

    from .architecture import Architecture
    from .dataset import Dataset
    from .events import EpochMetrics, Progress, TrainingStart
    from .exporter import Exporter
    from .recipe_parts import Augmentation, Loss, Optimizer, Schedule

PROJECT = "zoo"
"""Name of the project in pluggy."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


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
