"""The registry of all architectures, datasets and exporters that plugins registered.

:func:`create_registry` makes a registry; there is no global one. It loads the entry points of the group ``zoo`` one by
one, so a plugin that fails does not affect the others.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Container, Iterable
from typing import TYPE_CHECKING, Any

import pluggy

from ..formatting import METRICS, brief
from ..specs import hookspecs
from ..specs.architecture import Architecture
from ..specs.spec import Spec
from ..specs.task import Task
from .entry_points import EntryPoint, find_entry_points
from .hook_calls import UNSTOPPABLE, call, call_listener, listener_name, plugin_code
from .loading import import_limit, in_order, is_blocked, load_module
from .lookup import DECLARATIONS, Lookup
from .module_checks import forgotten, refusal
from .plugin import Plugin, StrictFailure, describe_error
from .plugin_files import find_plugin_files

if TYPE_CHECKING:
    import click

log = logging.getLogger("zoo")


class Registry(Lookup):
    """The plugins and everything that they registered. :meth:`architecture` and the like look up names."""

    def __init__(self) -> None:
        super().__init__()
        self.manager = pluggy.PluginManager(hookspecs.PROJECT)
        self.manager.add_hookspecs(hookspecs)
        self.plugins: list[Plugin] = []
        self._modules: dict[str, tuple[object, Plugin]] = {}
        self._commands: dict[str, click.Command] | None = None
        self._command_owners: dict[str, Plugin] = {}

    def command_owner(self, name: str) -> Plugin | None:
        """The plugin of a command; None for a built-in one. Call :meth:`commands` first."""
        return self._command_owners.get(name)

    def commands(self, taken: Container[str]) -> dict[str, click.Command]:
        """The click commands of all plugins, by name. A command whose name is taken is refused and reported.

        Args:
            taken: the names of the built-in commands.
        """
        if self._commands is None:
            from .plugin_commands import PluginCommands, sort_out  # it imports click, which the library does not need

            self._commands = {}
            for module, plugin in self._modules.values():
                group = PluginCommands("zoo")
                self._call(module, plugin, "register_commands", cli=group)
                accepted, problems = sort_out(group, taken, self._command_owners)
                for problem in problems:
                    self.report(plugin, problem)
                self._commands |= accepted
                self._command_owners |= dict.fromkeys(accepted, plugin)
        return self._commands

    def add(self, plugin: Plugin, module: object) -> None:
        """Register a loaded plugin and collect its declarations.

        ``module`` is a module or any object with functions marked ``@zoo.hookimpl``. Errors are recorded in
        ``plugin.errors``; they are raised only if ``ZOO_STRICT=1`` is set.
        """
        if plugin not in self.plugins:
            self.plugins.append(plugin)
        if self.manager.is_registered(module):
            owner = next(owner for other, owner in self._modules.values() if other is module)
            self.report(plugin, f"is the same module as {owner}, which is already loaded.")
            return
        name = f"{plugin.distribution}:{plugin.name}"
        unmarked: list[str] = []
        try:
            with plugin_code():
                problem = refusal(module, self.manager, plugin.distribution)
                if not problem:
                    self.manager.register(module, name=name)
                    unmarked = forgotten(module, self.manager)
        except UNSTOPPABLE:
            raise
        except BaseException as error:  # a plugin's module may raise anything
            problem = describe_error(error)
        if problem:
            if self.manager.is_registered(module):
                self.manager.unregister(module)
            self.report(plugin, problem)
            return
        plugin.loaded = True
        plugin.hooks = [caller.name for caller in self.manager.get_hookcallers(module) or ()]
        self._modules[name] = (module, plugin)
        for hook in unmarked:
            self.report(plugin, f"{hook} is not marked with @zoo.hookimpl, so it is never called.")
        for hook, kind in DECLARATIONS.items():
            self._call(module, plugin, hook, register=self._registrar(plugin, kind))

    def copy(self) -> Registry:
        """Another registry of the same plugins. Later additions to it do not change this one."""
        other = Registry()
        for name, (module, _) in self._modules.items():
            other.manager.register(module, name=name)
        other.plugins = list(self.plugins)
        other._specs = {kind: dict(specs) for kind, specs in self._specs.items()}
        other._owners, other._modules = dict(self._owners), dict(self._modules)
        return other

    def ask(self, plugin: Plugin, hook: str) -> list[Any]:
        """What a plugin's implementations of a hook without arguments return; errors are reported."""
        mine = [module for module, owner in self._modules.values() if owner is plugin]
        return [result for module in mine for result in self._call(module, plugin, hook)]

    def module_name(self, plugin: Plugin) -> str:
        """Name of the module that was loaded for ``plugin``; empty if there is none."""
        return next(
            (getattr(module, "__name__", "") for module, owner in self._modules.values() if owner is plugin), ""
        )

    def listen(self, listener: object) -> None:
        """Call the training hooks of ``listener`` too, an object with methods marked ``@zoo.hookimpl``."""
        self.manager.register(listener)

    def report(self, plugin: Plugin, problem: str) -> None:
        """Record a problem of a plugin and log it in one line.

        Raises:
            PluginError: ``ZOO_STRICT=1`` is set.
        """
        plugin.errors.append(problem)
        log.warning("plugin %s: %s", plugin, problem)
        if os.environ.get("ZOO_STRICT") == "1":
            raise StrictFailure(f"Plugin {plugin}: {problem}")

    def refuse_misfits(self) -> None:
        """Report and remove what does not fit its task or its kind of input. Call it when all plugins are loaded."""
        for spec, plugin in self.declared():
            problems = self.task_problems(spec) if self.tasks else []
            problems += self.input_problems(spec) if self.inputs else []
            if problems:
                del self._specs[type(spec)][spec.name], self._owners[type(spec), spec.name]
                self.report(plugin, f"{spec.label}: {' '.join(problems)}")

    def notify(self, hook: str, only: Container[str] | None = None, **arguments: Any) -> list[str]:
        """Call an event hook of all plugins and return the errors: a broken logger must not stop a training run.

        Each implementation gets its own copy of the arguments, so that no listener can change what others see.

        Args:
            only: names of plugins; the others, and listeners that are no plugins, are not called.
        """
        problems = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            _, plugin = self._modules.get(implementation.plugin_name, (None, None))
            if only is None or (plugin is not None and plugin.name in only):
                who = plugin or listener_name(implementation)
                problems.append(call_listener(implementation, hook, who, arguments))
        return [problem for problem in problems if problem]

    def _ask_for(self, name: str) -> None:
        """Ask all plugins for an architecture that none of them listed. The first one that knows it registers it."""
        for module, plugin in list(self._modules.values()):
            for found in self._call(module, plugin, "find_architecture", name=name):
                if found is not None and not (isinstance(found, Architecture) and found.name == name):
                    self.report(plugin, f"find_architecture returned {brief(found)} for {brief(name)}.")
                elif found is not None and name not in self._specs[Architecture]:
                    self._registrar(plugin, Architecture)(found)

    def _call(self, module: object, plugin: Plugin, hook: str, **arguments: Any) -> list[Any]:
        """The results of a plugin's implementations of a hook; errors are reported."""
        given = []
        for implementation in getattr(self.manager.hook, hook).get_hookimpls():
            if implementation.plugin is module:
                try:
                    with plugin_code():
                        given.append(call(implementation, hook, plugin, arguments))
                    if hook in DECLARATIONS and isinstance(given[-1], list | tuple | set | Spec):
                        self.report(plugin, f"{hook} returned {brief(given[-1])}; call register(...) for each.")
                except UNSTOPPABLE:
                    raise
                except BaseException as error:
                    self.report(plugin, f"{hook}: {describe_error(error)}")
        return given

    def _registrar(self, plugin: Plugin, kind: type[Spec]) -> Callable[[Spec], None]:
        def register(spec: Spec) -> None:
            if not isinstance(spec, kind):
                self.report(plugin, f"registered {brief(spec)}, but zoo.{kind.__name__}(...) is expected.")
            elif (kind, spec.name) in self._owners:
                owner = self._owners[kind, spec.name]
                what = kind.__name__.lower()
                self.report(plugin, f"{what} {spec.name!r} is already registered by {owner}; choose another name.")
            else:
                self._specs[kind][spec.name] = spec
                self._owners[kind, spec.name] = plugin
                if isinstance(spec, Task):  # names of metrics are shown by code that knows no registry
                    METRICS.update({metric.name: metric.format for metric in spec.metrics})

        return register


def create_registry(entry_points: Iterable[EntryPoint] | None = None) -> Registry:
    """A registry of all installed plugins: the built-in ones first, then by distribution name.

    Args:
        entry_points: the plugins to load; by default, all installed ones and the files in ``$ZOO_PLUGINS_DIR``.

    The environment variables ``ZOO_LOAD_PLUGINS``, ``ZOO_BLOCK_PLUGINS``, ``ZOO_PLUGINS_DIR``, ``ZOO_PLUGIN_TIMEOUT``,
    ``ZOO_TRACE_PLUGINS`` and ``ZOO_STRICT`` have an effect; the page about plugins describes them.

    Raises:
        PluginError: a plugin failed and ``ZOO_STRICT=1`` is set.
        UsageError: ``ZOO_PLUGIN_TIMEOUT`` is not a number of seconds.
    """
    registry, seconds = Registry(), import_limit()
    found = [*find_entry_points(), *find_plugin_files()] if entry_points is None else list(entry_points)
    for item in in_order(found):
        plugin = Plugin(item.name, item.distribution, item.version, item.file or item.value)
        registry.plugins.append(plugin)
        if is_blocked(plugin):
            plugin.blocked = True
            continue
        try:
            module = load_module(item, plugin, seconds)
        except UNSTOPPABLE:
            raise
        except BaseException as error:
            registry.report(plugin, describe_error(error))
        else:
            registry.add(plugin, module)
        for note in plugin.notes:
            log.warning("plugin %s: %s", plugin, note)
    registry.refuse_misfits()
    return registry
