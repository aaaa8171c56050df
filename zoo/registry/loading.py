"""Importing plugins: in which order, whether a plugin is blocked or too new, and how long its import takes."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterable, Iterator

from ..errors import PluginError, UsageError
from ..formatting import brief
from .entry_points import EntryPoint, normalise
from .hook_calls import plugin_code, time_limit, traced
from .plugin import DISTRIBUTION, FILE, Plugin

SLOW_IMPORT = 0.5
"""Imports that take this many seconds or more are reported, because every command waits for them."""

TIMEOUT = "ZOO_PLUGIN_TIMEOUT"

IMPORTING = "ZOO_IMPORTING"
"""The environment variable that holds a line ``PROCESS PLUGIN`` for each plugin that is being imported."""

_HEAVY = (
    "torch",
    "torchvision",
    "tensorflow",
    "jax",
    "onnx",
    "onnxruntime",
    "sklearn",
    "matplotlib",
    "pandas",
    "scipy",
)


def in_order(found: Iterable[EntryPoint]) -> list[EntryPoint]:
    """Built-in plugins first, then by distribution, single files last. The first to register a name keeps it."""
    return sorted(
        found,
        key=lambda point: (point.distribution != DISTRIBUTION, bool(point.file), point.distribution, point.name),
    )


def is_blocked(plugin: Plugin) -> bool:
    """Whether ``ZOO_LOAD_PLUGINS`` or ``ZOO_BLOCK_PLUGINS`` blocks an installed plugin."""
    if plugin.builtin or plugin.distribution == FILE:
        return False
    wanted = os.environ.get("ZOO_LOAD_PLUGINS")
    if wanted is not None and plugin.distribution not in _names(wanted):
        return True
    return plugin.distribution in _names(os.environ.get("ZOO_BLOCK_PLUGINS", ""))


def import_limit() -> float | None:
    """The seconds that the import of a plugin may take, ``$ZOO_PLUGIN_TIMEOUT``; None for any number.

    Raises:
        UsageError: the variable is not a number above 0.
    """
    text = os.environ.get(TIMEOUT, "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise UsageError(f"{TIMEOUT} must be a number of seconds above 0, not {brief(text)}.")
    return seconds


def load_module(point: EntryPoint, plugin: Plugin, seconds: float | None = None) -> object:
    """Import a plugin and return its module. It raises whatever the import raises.

    Output of the import goes to standard error, because standard output is for the command's result.

    Args:
        seconds: how long the import may take.

    Raises:
        PluginError: the plugin's package does not support this version of the zoo, or the plugin's own import started
            this process.
        ImportTimeout: the import took too long.
    """
    if point.requires:
        _check_version(point.requires, plugin)
    heavy = [name for name in _HEAVY if name not in sys.modules]
    began = time.perf_counter()
    try:
        with _not_started_by(plugin), plugin_code(), time_limit(seconds):
            return traced("import", plugin, point.load)
    finally:
        plugin.seconds = round(time.perf_counter() - began, 3)
        if plugin.seconds >= SLOW_IMPORT and not plugin.builtin:
            brought = [name for name in heavy if name in sys.modules]
            what = f" It imports {', '.join(brought)}." if brought else ""
            plugin.notes.append(
                f"took {plugin.seconds:.1f} s to import, and every command waits for it.{what} Import heavy "
                "packages where they are used, inside the builder or loader."
            )


@contextlib.contextmanager
def _not_started_by(plugin: Plugin) -> Iterator[None]:
    """Context to import a plugin in; processes that the import starts do not import it again.

    A script in the folder of plugins may start zoo. Each of these commands would import the script again and start the
    next ones, until the memory of the machine is full.

    Raises:
        PluginError: the import of this plugin started this process.
    """
    outer = os.environ.get(IMPORTING)
    for line in (outer or "").splitlines():
        process, _, name = line.partition(" ")
        if name == str(plugin) and process != str(os.getpid()):
            raise PluginError(
                "starts this command while it is imported, so it is left out here. Put what it runs under "
                '`if __name__ == "__main__":`, or move it out of the folder of plugins.'
            )
    os.environ[IMPORTING] = f"{outer}\n{os.getpid()} {plugin}" if outer else f"{os.getpid()} {plugin}"
    try:
        yield
    finally:
        if outer is None:
            del os.environ[IMPORTING]
        else:
            os.environ[IMPORTING] = outer


def _check_version(requires: str, plugin: Plugin) -> None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # slow to import

    from .. import __version__

    try:
        supported = SpecifierSet(requires).contains(__version__, prereleases=True)
    except InvalidSpecifier as error:
        raise PluginError(f"requires {DISTRIBUTION} {requires!r}, which is not a version specifier.") from error
    if not supported:
        raise PluginError(
            f"requires {DISTRIBUTION} {requires}, but this is version {__version__}. "
            f"`pip install --upgrade {DISTRIBUTION} {plugin.distribution}` may help."
        )


def _names(text: str) -> set[str]:
    return {normalise(part.strip()) for part in text.split(",") if part.strip()}
