"""Checks of declarations that need all plugins: import strings, recipe parts, samples of a family."""

from __future__ import annotations

import sys
from typing import Any

from ..formatting import brief
from ..specs.architecture import Architecture
from ..specs.dataset import Dataset
from ..specs.references import missing
from ..specs.spec import Spec
from .plugin import Plugin
from .plugin_settings import PluginSettings, config_path, read_config
from .recipe_parts import recipe_problem
from .registry import Registry


def check_declared(registry: Registry) -> None:
    """Report each import string that does not exist, without importing it, and each recipe part that does not exist."""
    for spec, plugin in registry.declared():
        if plugin.builtin:
            continue
        for problem in _problems(registry, spec, registry.module_name(plugin)):
            message = f"{spec.label}: {problem}"
            if message not in plugin.errors:
                registry.report(plugin, message)
    for settings, plugin in declared_settings(registry):
        if settings.name != plugin.name:
            message = f"its PluginSettings have the name {settings.name!r}; write name={plugin.name!r}."
            if message not in plugin.errors:
                registry.report(plugin, message)


def declared_settings(registry: Registry) -> list[tuple[PluginSettings, Plugin]]:
    """The settings of all plugins: the globals of their modules of type :class:`PluginSettings`."""
    found = []
    for plugin in registry.plugins:
        module = sys.modules.get(registry.module_name(plugin)) if plugin.loaded else None
        for value in vars(module).values() if module else ():
            if isinstance(value, PluginSettings):
                found.append((value, plugin))
    return found


def settings_facts(registry: Registry) -> list[dict[str, Any]]:
    """The settings of all plugins as plain dictionaries, for ``--json``; of a secret only whether it is set.

    Raises:
        UsageError: the configuration file cannot be read or has a wrong setting.
    """
    facts = []
    for settings, plugin in declared_settings(registry):
        values = settings.explain()
        for option in settings.options:
            value, source = values[option.name]
            secret = option.name in settings.secrets
            facts.append(
                {
                    "plugin": plugin.name,
                    "name": option.name,
                    "value": (None if source == "default" else "set") if secret else value,
                    "source": source,
                    "variable": settings.variable(option.name),
                    "secret": secret,
                    "allowed": option.describe(),
                    "help": option.help,
                }
            )
    return facts


def unknown_tables(registry: Registry) -> list[str]:
    """The tables of the configuration file that belong to no plugin here, or to one without settings."""
    known = {settings.name for settings, _ in declared_settings(registry)}
    return [name for name in read_config(config_path()) if name not in known]


def _problems(registry: Registry, spec: Spec, home: str) -> list[str]:
    found = [(field, missing(reference, home)) for field, reference in spec.references]
    problems = [f"{field} {problem}" for field, problem in found if problem]
    if isinstance(spec, Architecture | Dataset):
        problems += [problem] if (problem := recipe_problem(registry, spec.hyperparameters)) else []
    return problems


def sample_architectures(registry: Registry, plugin: Plugin) -> list[str]:
    """The names that a plugin gives as samples of what its hook ``find_architecture`` knows."""
    names: list[str] = []
    for given in registry.ask(plugin, "sample_architectures"):
        if isinstance(given, list | tuple) and all(isinstance(name, str) for name in given):
            names += given
        else:
            registry.report(plugin, f"sample_architectures returned {brief(given)}, not a tuple of names.")
    return names
