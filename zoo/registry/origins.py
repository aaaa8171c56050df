"""The plugin that a run was trained with: find it again, or explain how to get it back."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import BuildError, InvalidValue, PluginError, UnknownName, ZooError
from ..specs.architecture import Architecture
from .plugin import DISTRIBUTION, FILE, Plugin
from .registry import Registry

log = logging.getLogger("zoo")

# errors that a changed plugin can cause; missing data or a missing device is not among them
_BLAMED = (ZooError, BuildError, InvalidValue, PluginError, UnknownName)


def trained_architecture(registry: Registry, metadata: Mapping[str, Any]) -> Architecture:
    """The architecture that a run or checkpoint was trained with.

    Args:
        metadata: content of ``run.json`` or the description in a checkpoint.

    Raises:
        PluginError: its plugin is missing, blocked, broken, or does not have it any more; the message says what to do.
    """
    name = metadata["architecture"]
    try:
        return registry.architecture(name)
    except UnknownName as error:
        origin = metadata.get("plugin")
        if not origin:
            raise
        raise PluginError(
            f"{name} was trained with {describe_origin(origin)}, {_fate(registry, origin, name)}"
        ) from error


@contextlib.contextmanager
def as_trained(registry: Registry, metadata: Mapping[str, Any]) -> Iterator[None]:
    """Context in which to rebuild a trained model. If that fails and the plugin has changed, the error says so.

    Raises:
        PluginError: it failed, and the plugin or its version is not the one that the model was trained with.
    """
    try:
        yield
    except ZooError as error:
        change = _change(registry, metadata) if type(error) in _BLAMED else ""
        if not change or change in str(error):
            raise
        raise PluginError(f"{error} {change}") from error


@contextlib.contextmanager
def needed_by(metadata: Mapping[str, Any]) -> Iterator[None]:
    """Context in which to look up the task, the kind of input or the dataset of a trained model.

    Args:
        metadata: content of ``run.json``, the description in a checkpoint, or that of an exported file.

    Raises:
        PluginError: no plugin registers it; the message says what is missing and what to do.
    """
    try:
        yield
    except UnknownName as error:
        if error.kind not in ("task", "kind of input", "dataset"):
            raise
        raise PluginError(missing(f"{error.kind} {error.name!r}", metadata)) from error


def missing(what: str, metadata: Mapping[str, Any], otherwise: str = "") -> str:
    """The message that no plugin registers ``what``, which a trained model needs.

    Args:
        metadata: see :func:`needed_by`.
        otherwise: what the user can do instead of having the plugin.
    """
    origin = metadata.get("plugin") or {}
    ours = origin.get("distribution", FILE) in (DISTRIBUTION, FILE)
    hint = "" if ours else f" (the network came from {describe_origin(origin)})"
    either = f", or {otherwise}" if otherwise else ""
    return (
        f"{metadata['architecture']} needs the {what}, which no plugin registers here. Install the plugin that has it"
        f"{hint}{',' if otherwise else ' or'} load it with `zoo --plugins-dir FOLDER`{either}."
    )


def note_change(registry: Registry, metadata: Mapping[str, Any]) -> None:
    """Log a warning if a run resumes with another version of its plugin."""
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
    return f"{metadata['architecture']} was trained with {describe_origin(origin)}; {now}. {way_back(origin)}"


def _fate(registry: Registry, origin: Mapping[str, str], name: str) -> str:
    """Why the plugin does not have the architecture, and what to do."""
    same = [p for p in registry.plugins if (p.distribution, p.name) == (origin["distribution"], origin["name"])]
    if not same:
        missing = "is not loaded" if origin["distribution"] == FILE else "is not installed"
        return f"which {missing}. {way_back(origin)}"
    plugin: Plugin = same[0]
    if plugin.blocked:
        return "which ZOO_LOAD_PLUGINS or ZOO_BLOCK_PLUGINS blocks."
    if plugin.errors:
        return f"which failed: {plugin.errors[0]} `zoo plugins` shows it."
    if plugin.version != origin["version"]:
        return f"but {plugin} does not have it any more. {way_back(origin)}"
    return f"which does not register {name} here. `zoo plugins` shows it."


def describe_origin(origin: Mapping[str, str]) -> str:
    """The plugin that a run records, in words."""
    if origin["distribution"] == FILE:
        return f"the plugin in {origin['file']}"
    return f"the plugin {origin['name']} of {origin['distribution']} {origin['version']}"


def way_back(origin: Mapping[str, str]) -> str:
    """How to get the plugin back, in one line."""
    if origin["distribution"] != FILE:
        return f"`pip install {origin['distribution']}=={origin['version']}` installs that version."
    path = Path(origin["file"])
    folder = path.parents[1] if path.name == "__init__.py" else path.parent
    if not path.is_file():
        return f"The file is missing; restore it and use `zoo --plugins-dir {folder}`."
    return f"Use `zoo --plugins-dir {folder}`; the run was trained with version {origin['version']} of the file."
