"""What became of the plugin that something was trained with: whether it is still here, and the way back if not."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import BuildError, InvalidValue, PluginError, UnknownName, ZooError
from ..specs.specs import Architecture
from .plugin import FILE, Plugin
from .registry import Registry

log = logging.getLogger("zoo")

# what a plugin that changed makes fail; data that is missing or a wish that cannot be granted is none of it
_BLAMED = (ZooError, BuildError, InvalidValue, PluginError, UnknownName)


def trained_architecture(registry: Registry, metadata: Mapping[str, Any]) -> Architecture:
    """The architecture that a run or checkpoint was trained with.

    Args:
        metadata: ``run.json``, or the description in a checkpoint.

    Raises:
        PluginError: its plugin is gone, blocked or broken, or no longer has it; the message says how to get it back.
    """
    name = metadata["architecture"]
    try:
        return registry.architecture(name)
    except UnknownName as error:
        origin = metadata.get("plugin")
        if not origin:
            raise
        raise PluginError(f"{name} was trained with {_told(origin)}, {_fate(registry, origin, name)}") from error


@contextlib.contextmanager
def as_trained(registry: Registry, metadata: Mapping[str, Any]) -> Iterator[None]:
    """Inside, rebuild what was trained: where that fails and the plugin has changed since, the error says so.

    Raises:
        PluginError: it failed, and the plugin is another one or of another version than at the training.
    """
    try:
        yield
    except ZooError as error:
        change = _change(registry, metadata) if type(error) in _BLAMED else ""
        if not change or change in str(error):
            raise
        raise PluginError(f"{error} {change}") from error


def note_change(registry: Registry, metadata: Mapping[str, Any]) -> None:
    """Say where a training goes on with another version of its plugin than it began with."""
    change = _change(registry, metadata)
    if change:
        log.warning("%s", change)


def _change(registry: Registry, metadata: Mapping[str, Any]) -> str:
    origin = metadata.get("plugin")
    spec = registry.architectures.get(metadata["architecture"])
    if not origin or spec is None:
        return ""
    owner = registry.owner(spec)
    if (owner.distribution, owner.version) == (origin["distribution"], origin["version"]):
        return ""
    now = f"{owner} has changed since" if FILE == origin["distribution"] == owner.distribution else f"now it is {owner}"
    return f"{metadata['architecture']} was trained with {_told(origin)}; {now}. {_way_back(origin)}"


def _fate(registry: Registry, origin: Mapping[str, str], name: str) -> str:
    """What became of the plugin, and what to do."""
    same = [p for p in registry.plugins if (p.distribution, p.name) == (origin["distribution"], origin["name"])]
    if not same:
        missing = "is not loaded" if origin["distribution"] == FILE else "is not installed"
        return f"which {missing}. {_way_back(origin)}"
    plugin: Plugin = same[0]
    if plugin.blocked:
        return "which ZOO_LOAD_PLUGINS or ZOO_BLOCK_PLUGINS keeps from being loaded."
    if plugin.errors:
        return f"which failed: {plugin.errors[0]} `zoo plugins` shows it."
    if plugin.version != origin["version"]:
        return f"and {plugin} no longer has it. {_way_back(origin)}"
    return f"which does not register {name} here. `zoo plugins` shows it."


def _told(origin: Mapping[str, str]) -> str:
    if origin["distribution"] == FILE:
        return f"the plugin in {origin['file']}"
    return f"the plugin {origin['name']} of {origin['distribution']} {origin['version']}"


def _way_back(origin: Mapping[str, str]) -> str:
    """The line that brings the plugin back."""
    if origin["distribution"] != FILE:
        return f"`pip install {origin['distribution']}=={origin['version']}` brings back what it was trained with."
    path = Path(origin["file"])
    folder = path.parents[1] if path.name == "__init__.py" else path.parent
    if not path.is_file():
        return f"The file is gone; put it back, and name its folder with `zoo --plugins-dir {folder}`."
    return f"Its folder is named with `zoo --plugins-dir {folder}`; the training had version {origin['version']} of it."
