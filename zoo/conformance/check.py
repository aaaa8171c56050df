"""``zoo check``: find the items to check, and check one requirement of the plugin contract after another.

This module imports no torch. The functions that check are in the modules beside it, one function for each requirement.
"""

from __future__ import annotations

import contextlib
import functools
import io
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import MethodError, UnknownName, ZooError
from ..registry.declared import sample_architectures
from ..registry.plugin import Plugin, describe_error
from ..registry.registry import Registry, create_registry
from ..specs.architecture import Architecture
from ..specs.dataset import Dataset
from ..specs.exporter import Exporter
from ..specs.references import resolve_reference
from .contract import REQUIREMENTS, Requirement

LARGE = 5_000_000
"""A network with more parameters is built on the meta device only: training it takes minutes and gigabytes."""


class Problem(ZooError):
    """A requirement that is not met: the reason, and what to do about it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


class NotChecked(ZooError):
    """A check that is not possible here, with the reason."""


@dataclass(frozen=True, slots=True)
class CheckedItem:
    """A plugin, or something that a plugin registered: an architecture, a recipe part, a command."""

    kind: str
    name: str
    plugin: Plugin

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check.

    Args:
        kind, name: of the checked item.
        check: name of the check.
        status: ``passed``, ``failed`` or ``skipped``.
        reason: what the check found, in one line.
        remedy: what to do about it; empty unless the check failed.
        seconds: how long the check took.
    """

    kind: str
    name: str
    check: str
    status: str
    reason: str
    remedy: str = ""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


@dataclass(slots=True, eq=False)
class Workspace:
    """Everything that the checks of one item share.

    Args:
        item: what is checked.
        registry: a copy, to which checks may add plugins.
        data_dir: the data folder.
        download: whether data may be downloaded.
        scratch: a temporary folder.
        cache: what several checks use, for example the run: the item is trained once.
        failed: the names of the checks that failed.
        reported: the faults of tasks and kinds of input that a check has reported, also a check of another item.
    """

    item: CheckedItem
    registry: Registry
    data_dir: Path
    download: bool
    scratch: Path
    cache: dict[str, Any] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    reported: set[str] = field(default_factory=set)

    @property
    def architecture(self) -> Architecture:
        """The architecture that is checked."""
        return self.registry.architecture(self.item.name)

    @property
    def dataset(self) -> Dataset:
        """The dataset that is checked, or the dataset of the architecture that is checked."""
        if self.item.kind == "dataset":
            return self.registry.dataset(self.item.name)
        return self.registry.dataset(self.architecture.dataset)

    @property
    def exporter(self) -> Exporter:
        """The exporter that is checked."""
        return self.registry.exporter(self.item.name)

    @property
    def large(self) -> bool:
        """Whether the architecture has more than ``LARGE`` parameters."""
        return self.architecture.parameters > LARGE

    def skip_if_large(self) -> None:
        """Raise ``NotChecked`` for a large architecture."""
        if self.large:
            raise NotChecked(f"it has {self.architecture.parameters:,} parameters; only its shapes are checked")


def find_items(registry: Registry, names: Iterable[str] = (), commands: Iterable[str] = ()) -> list[CheckedItem]:
    """The items that ``names`` refer to. A plugin or a distribution includes everything that it registered.

    Args:
        names: plugins, distributions, or what plugins registered: architectures, datasets, exporters, recipe parts,
            commands. Everything that is not built in, unless given.
        commands: the names of the plugins' commands, if they are loaded.

    Raises:
        UnknownName: a name refers to nothing.
    """
    wanted, commands = list(names), list(commands)
    if not wanted:
        return [item for item in _all_items(registry, commands) if not item.plugin.builtin]
    chosen: list[CheckedItem] = []
    for name in wanted:
        with contextlib.suppress(UnknownName):
            registry.architecture(name)  # registers an architecture that its plugin does not list
        for plugin in [plugin for plugin in registry.plugins if name in (plugin.name, plugin.distribution)]:
            for sample in sample_architectures(registry, plugin):
                with contextlib.suppress(UnknownName):
                    registry.architecture(sample)
        items = _all_items(registry, commands)
        found = [item for item in items if name in (item.plugin.name, item.plugin.distribution)]
        found = found or [item for item in items if item.name == name]
        if not found:
            known = {n for item in items for n in (item.name, item.plugin.name, item.plugin.distribution)}
            kinds = "plugin, or anything that a plugin registers,"
            raise UnknownName(kinds, name, known, "`zoo plugins` lists the plugins.")
        chosen += [item for item in found if item not in chosen]
    return chosen


def _all_items(registry: Registry, commands: Iterable[str]) -> list[CheckedItem]:
    items = [CheckedItem("plugin", plugin.name, plugin) for plugin in registry.plugins if not plugin.blocked]
    for spec, plugin in registry.declared():
        items.append(CheckedItem(type(spec).__name__.lower(), spec.name, plugin))
    for name in commands:
        owner = registry.command_owner(name)
        if owner is not None:
            items.append(CheckedItem("command", name, owner))
    return sorted(items, key=lambda item: registry.plugins.index(item.plugin))


def check(
    *names: str,
    data_dir: Path | str | None = None,
    download: bool = False,
    registry: Registry | None = None,
    commands: Iterable[str] = (),
) -> Iterator[CheckResult]:
    """Check that plugins meet the plugin contract, one result after another.

    Args:
        names: plugins, distributions, or what plugins registered: architectures, datasets, exporters, recipe parts,
            commands. Everything that is not built in, unless given.
        data_dir: the data folder; see :func:`zoo.data_folder`.
        download: download missing datasets; without it, the checks that need them are skipped.
        registry: the plugins; those that are installed, unless given.
        commands: the names of the plugins' commands, if they are loaded.

    Raises:
        UnknownName: a name refers to nothing.
    """
    registry = registry or create_registry()
    reported: set[str] = set()
    for item in find_items(registry, names, commands):
        with open_workspace(item, registry, data_dir, download) as workspace:
            workspace.reported = reported
            for requirement in REQUIREMENTS[item.kind]:
                yield run_check(workspace, requirement)


@contextlib.contextmanager
def open_workspace(
    item: CheckedItem, registry: Registry, data_dir: Path | str | None = None, download: bool = False
) -> Iterator[Workspace]:
    """A workspace for the checks of ``item``. Its temporary folder is removed at the end."""
    from ..folders import data_folder

    with tempfile.TemporaryDirectory(prefix="zoo-check-") as scratch:
        yield Workspace(item, registry.copy(), data_folder(data_dir), download, Path(scratch))


def run_check(workspace: Workspace, requirement: Requirement) -> CheckResult:
    """Check one requirement. Any exception of the plugin is a failed check; it is not raised."""
    function = resolve_reference(f"{__package__}.{requirement.module}:{requirement.name.replace('-', '_')}")
    result = functools.partial(CheckResult, workspace.item.kind, workspace.item.name, requirement.name)
    began = time.perf_counter()
    try:
        if requirement.needs in workspace.failed:
            workspace.failed.add(requirement.name)
            raise NotChecked(f"{requirement.needs} failed")
        with contextlib.redirect_stdout(io.StringIO()):
            reason = function(workspace)
        outcome = ("passed", reason or requirement.description, "")
    except NotChecked as error:
        outcome = ("skipped", str(error), "")
    except Problem as error:
        outcome = ("failed", str(error), error.remedy)
    except KeyboardInterrupt:
        raise
    except MethodError as error:
        outcome = _method_failed(workspace, requirement, error)
    except BaseException as error:
        outcome = ("failed", describe_error(error), f"The contract requires: {requirement.description}.")
    if outcome[0] == "failed":
        workspace.failed.add(requirement.name)
    return result(*outcome, seconds=round(time.perf_counter() - began, 2))


def _method_failed(workspace: Workspace, requirement: Requirement, error: MethodError) -> tuple[str, str, str]:
    """A fault of a task or a kind of input fails the first check that meets it, and those after it are skipped."""
    if error.method in workspace.reported:
        workspace.failed.add(requirement.name)
        return "skipped", f"it needs what failed above: {error}", ""
    workspace.reported.add(error.method)
    return "failed", str(error), f"The contract requires: {requirement.description}."
