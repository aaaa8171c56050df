"""The hooks that a plugin may implement, each marked with ``@zoo.hookimpl``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    import zoo

    from .specs import Architecture, Dataset, Exporter

PROJECT = "zoo"
"""Name of the pluggy project."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Call ``register(Architecture(...))`` once for each architecture."""


@hookspec
def find_architecture(name: str) -> Architecture | None:
    """An architecture that is not registered, by its name, or None.

    Asked only for names that nobody registered: for a family too large to list (every model of another library, say).
    """


@hookspec
def register_datasets(register: Callable[[Dataset], None]) -> None:
    """Call ``register(Dataset(...))`` once for each dataset."""


@hookspec
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Call ``register(Exporter(...))`` once for each export format."""


@hookspec
def register_commands(cli: click.Group) -> None:
    """Add click commands to the ``zoo`` group: ``@cli.command()``."""


@hookspec
def train_started(run: zoo.Run, start: Any) -> None:
    """A training begins or resumes. ``start`` is a :class:`zoo.TrainingStart`: device, sizes, steps."""


@hookspec
def train_progressed(run: zoo.Run, progress: Any) -> None:
    """A training goes on; at most ten times a second. ``progress`` is a :class:`zoo.Progress`."""


@hookspec
def epoch_ended(run: zoo.Run, metrics: dict[str, Any]) -> None:
    """An epoch is over and its checkpoint on disk. ``metrics`` is its line of ``metrics.jsonl``."""


@hookspec
def train_ended(run: zoo.Run) -> None:
    """A training is over: ``run.config["status"]`` is finished, interrupted or failed."""
