"""Checks of a plugin's module, before any of its hooks is called."""

from __future__ import annotations

import inspect
from typing import Any

import pluggy

from ..errors import closest
from ..formatting import brief
from ..specs.hookspecs import PROJECT
from .plugin import PLUGIN_API

API_NAME = "zoo_plugin_api"
"""A plugin's module can set this name to the version of the plugin API that it was written for."""


def refusal(module: object, manager: pluggy.PluginManager, distribution: str) -> str:
    """Why ``module`` cannot be a plugin, in one line; empty if it can."""
    wanted = getattr(module, API_NAME, PLUGIN_API)
    if type(wanted) is not int:
        return f"{API_NAME} must be a whole number, not {brief(wanted)}."
    if wanted != PLUGIN_API:
        newer = wanted > PLUGIN_API
        behind = "pluggy-zoo" if newer else distribution
        return (
            f"was written for version {brief(wanted)} of the plugin API, but this zoo has version {PLUGIN_API}. "
            f"`pip install --upgrade {behind}` may help."
        )
    hooks = {name: getattr(manager.hook, name) for name in vars(manager.hook) if not name.startswith("_")}
    marked = _marked(module)
    for name, function in marked.items():
        if name not in hooks:
            close = closest(name, hooks)
            guess = f"Did you mean {close!r}?" if close else f"The hooks are: {', '.join(sorted(hooks))}."
            return f"{name} is not a hook. {guess}"
        options = getattr(function, f"{PROJECT}_impl")
        if options.get("wrapper") or options.get("hookwrapper"):
            return f"{name} is a hook wrapper, but the zoo calls each plugin separately, so there is nothing to wrap."
        if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
            return f"{name} must be an ordinary function: a generator or coroutine would never run."
        possible = hooks[name].spec.argnames
        odd = [argument for argument in inspect.signature(function).parameters if argument not in possible]
        if odd:
            return f"{name} has a parameter {odd[0]!r}, but the hook's parameters are: {', '.join(possible)}."
    if not marked and not _forgotten(module, hooks):
        return "adds nothing: no function is marked with @zoo.hookimpl. Begin the name of a helper module with _."
    return ""


def forgotten(module: object, manager: pluggy.PluginManager) -> list[str]:
    """Names of the functions that have the name of a hook but no ``@zoo.hookimpl``, so they are never called."""
    return _forgotten(module, vars(manager.hook))


def _marked(module: object) -> dict[str, Any]:
    """The functions marked with ``@zoo.hookimpl``, by name of the hook, without those marked ``optionalhook``."""
    own = vars(module) if inspect.ismodule(module) else {name: getattr(module, name, None) for name in dir(module)}
    found = {}
    for name, value in own.items():
        options = getattr(value, f"{PROJECT}_impl", None) if inspect.isroutine(value) else None
        if isinstance(options, dict) and not options.get("optionalhook"):
            found[options.get("specname") or name] = value
    return found


def _forgotten(module: object, hooks: Any) -> list[str]:
    names = [name for name in hooks if not name.startswith("_") and inspect.isroutine(getattr(module, name, None))]
    return [name for name in names if not hasattr(getattr(module, name), f"{PROJECT}_impl")]
