"""What can be trained, on what, and exported how: everything that the plugins registered.

A registry is made by :func:`create_registry`; there is no global one. It loads the entry points of the group
``zoo`` one by one, so that a plugin that fails costs nothing but itself.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from . import hookspecs
from .entry_points import EntryPoint, find_entry_points, normalise
from .errors import PluginError, UnknownName, ZooError
from .specs import Architecture, Dataset, Exporter, Spec

if TYPE_CHECKING:
    import click

log = logging.getLogger("zoo")

DISTRIBUTION = "pluggy-zoo"

_S = TypeVar("_S", Architecture, Dataset, Exporter)


@dataclass(slots=True, eq=False)
class Plugin:
    """One entry point: where it comes from, whether it works, and what is wrong with it."""

    name: str
    distribution: str
    version: str
    value: str
    hooks: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    blocked: bool = False
    loaded: bool = False

    @property
    def builtin(self) -> bool:
        """Whether it comes with the zoo itself."""
        return self.distribution == DISTRIBUTION

    @property
    def status(self) -> str:
        """``loaded``, ``blocked``, ``failed`` (nothing of it works) or ``partial`` (some of it was refused)."""
        if self.blocked:
            return "blocked"
        if not self.loaded:
            return "failed"
        return "partial" if self.errors else "loaded"

    def __str__(self) -> str:
        return f"{self.name} ({self.distribution} {self.version})"


class _StrictFailure(PluginError):
    """What :meth:`Registry.report` raises under ``ZOO_STRICT=1``."""


class Registry:
    """The plugins and what they registered. Look names up with :meth:`architecture` and its like."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.plugins: list[Plugin] = []
        self._specs: dict[type[Spec], dict[str, Any]] = {Architecture: {}, Dataset: {}, Exporter: {}}
        self._owners: dict[tuple[type[Spec], str], Plugin] = {}
        self._modules: dict[str, tuple[object, Plugin]] = {}
        self._commands: dict[str, click.Command] | None = None

    @property
    def architectures(self) -> Mapping[str, Architecture]:
        """All architectures by name, in order of name."""
        return dict(sorted(self._specs[Architecture].items()))

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        """All datasets by name, in order of name."""
        return dict(sorted(self._specs[Dataset].items()))

    @property
    def exporters(self) -> Mapping[str, Exporter]:
        """All export formats by name, in order of name."""
        return dict(sorted(self._specs[Exporter].items()))

    def architecture(self, name: str) -> Architecture:
        """The architecture of that name, which may be one that a plugin knows but does not list.

        Raises:
            UnknownName: there is none; the message holds the closest name.
        """
        if name not in self._specs[Architecture]:
            self._ask_for(name)
        return self._find(Architecture, name, "`zoo list` shows them all.")

    def dataset(self, name: str) -> Dataset:
        """The dataset of that name.

        Raises:
            UnknownName: there is none; the message holds the closest name.
        """
        return self._find(Dataset, name, "`zoo datasets` shows them all.")

    def exporter(self, name: str) -> Exporter:
        """The export format of that name.

        Raises:
            UnknownName: there is none; the message holds the closest name.
        """
        return self._find(Exporter, name, "`zoo export --help` shows them all.")

    def owner(self, spec: Spec) -> Plugin:
        """The plugin that registered ``spec``."""
        return self._owners[type(spec), spec.name]

    def commands(self, taken: Container[str]) -> dict[str, click.Command]:
        """The click commands of all plugins, by name. One whose name is taken is refused, and said so.

        Args:
            taken: the names of the built-in commands.
        """
        if self._commands is None:
            import click

            self._commands = {}
            owners: dict[str, Plugin] = {}
            for module, plugin in self._modules.values():
                group = click.Group("zoo")
                self._call(module, plugin, "register_commands", cli=group)
                for name, command in group.commands.items():
                    if name in taken or name in owners:
                        owner = owners.get(name, DISTRIBUTION)
                        self.report(plugin, f"command {name!r} is already registered by {owner}; choose another name.")
                    else:
                        self._commands[name] = command
                        owners[name] = plugin
        return self._commands

    def add(self, plugin: Plugin, module: object) -> None:
        """Register a loaded plugin and collect its declarations.

        ``module`` is a module or any object with functions marked ``@zoo.hookimpl``. What is wrong with it is
        recorded in ``plugin.errors``; it is raised only under ``ZOO_STRICT=1``.
        """
        if plugin not in self.plugins:
            self.plugins.append(plugin)
        if self.manager.is_registered(module):
            owner = next(owner for other, owner in self._modules.values() if other is module)
            self.report(plugin, f"is the same module as {owner}, which is already loaded.")
            return
        try:
            name = self.manager.register(module, name=f"{plugin.distribution}:{plugin.name}")
            self.manager.check_pending()
        except Exception as error:  # whatever a stranger's module does
            if self.manager.is_registered(module):
                self.manager.unregister(module)
            self.report(plugin, _describe(error))
            return
        assert name is not None  # pluggy gives None only for blocked names, and we block none
        plugin.loaded = True
        plugin.hooks = [caller.name for caller in self.manager.get_hookcallers(module) or ()]
        self._modules[name] = (module, plugin)
        for hook, kind in _DECLARATIONS.items():
            self._call(module, plugin, hook, register=self._registrar(plugin, kind))

    def listen(self, listener: object) -> None:
        """Have the training hooks of ``listener`` called, an object with methods marked ``@zoo.hookimpl``."""
        self.manager.register(listener)

    def report(self, plugin: Plugin, problem: str) -> None:
        """Record what is wrong with a plugin, and say so in one line.

        Raises:
            PluginError: ``ZOO_STRICT=1`` is set.
        """
        plugin.errors.append(problem)
        log.warning("plugin %s: %s", plugin, problem)
        if os.environ.get("ZOO_STRICT") == "1":
            raise _StrictFailure(f"Plugin {plugin}: {problem}")

    def notify(self, hook: str, **arguments: Any) -> list[str]:
        """Call an event hook of every plugin; return what went wrong, since a broken logger must stop no training."""
        problems = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            try:
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except (Exception, SystemExit) as error:
                problems.append(f"Plugin {implementation.plugin_name} failed in {hook}: {_describe(error)}")
        return problems

    def _ask_for(self, name: str) -> None:
        """Have the plugins register an architecture that none of them listed; the first that knows it does."""
        for module, plugin in list(self._modules.values()):
            for found in self._call(module, plugin, "find_architecture", name=name):
                if found is not None and getattr(found, "name", None) != name:
                    self.report(plugin, f"find_architecture: gave {found!r} for {name!r}.")
                elif found is not None and name not in self._specs[Architecture]:
                    self._registrar(plugin, Architecture)(found)

    def _call(self, module: object, plugin: Plugin, hook: str, **arguments: Any) -> list[Any]:
        """What a plugin's implementations of a hook give; one that fails is reported."""
        given = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            if implementation.plugin is module:
                try:
                    given.append(implementation.function(*(arguments[name] for name in implementation.argnames)))
                except _StrictFailure:  # reported already, by a callback inside the hook
                    raise
                except (Exception, SystemExit) as error:
                    self.report(plugin, f"{hook}: {_describe(error)}")
        return given

    def _registrar(self, plugin: Plugin, kind: type[Spec]) -> Callable[[Spec], None]:
        def register(spec: Spec) -> None:
            if not isinstance(spec, kind):
                self.report(plugin, f"registered {spec!r} where zoo.{kind.__name__}(...) is expected.")
            elif (kind, spec.name) in self._owners:
                owner = self._owners[kind, spec.name]
                what = kind.__name__.lower()
                self.report(plugin, f"{what} {spec.name!r} is already registered by {owner}; choose another name.")
            else:
                self._specs[kind][spec.name] = spec
                self._owners[kind, spec.name] = plugin

        return register

    def _find(self, kind: type[_S], name: str, hint: str) -> _S:
        known: dict[str, _S] = self._specs[kind]
        if name not in known:
            raise UnknownName(kind.__name__.lower(), name, known, hint)
        return known[name]


_DECLARATIONS: dict[str, type[Spec]] = {
    "register_architectures": Architecture,
    "register_datasets": Dataset,
    "register_exporters": Exporter,
}


def create_registry(entry_points: Iterable[EntryPoint] | None = None) -> Registry:
    """A registry of every plugin installed, the built-in ones first, then by distribution name.

    Args:
        entry_points: what to load in place of what is installed.

    ``ZOO_LOAD_PLUGINS`` (distributions, comma-separated; empty means none) limits which third-party distributions
    are imported, ``ZOO_BLOCK_PLUGINS`` keeps some from being imported.

    Raises:
        PluginError: a plugin failed and ``ZOO_STRICT=1`` is set.
    """
    registry = Registry()
    found = find_entry_points() if entry_points is None else entry_points
    for item in sorted(found, key=lambda point: (point.distribution != DISTRIBUTION, point.distribution, point.name)):
        plugin = Plugin(item.name, item.distribution, item.version, item.value)
        registry.plugins.append(plugin)
        if _is_blocked(plugin):
            plugin.blocked = True
            continue
        try:
            module = item.load()
        except (Exception, SystemExit) as error:
            registry.report(plugin, _describe(error))
        else:
            registry.add(plugin, module)
    return registry


def _is_blocked(plugin: Plugin) -> bool:
    if plugin.builtin:
        return False
    wanted = os.environ.get("ZOO_LOAD_PLUGINS")
    if wanted is not None and plugin.distribution not in _names(wanted):
        return True
    return plugin.distribution in _names(os.environ.get("ZOO_BLOCK_PLUGINS", ""))


def _names(text: str) -> set[str]:
    return {normalise(part.strip()) for part in text.split(",") if part.strip()}


def _describe(error: BaseException) -> str:
    """An exception in one line, with the place for a syntax error."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ZooError) else f"{type(error).__name__}: {text}".rstrip(": ")
