"""From an entry point to its module: whether it may be imported, and what came of it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator

from .entry_points import EntryPoint, normalise
from .hook_calls import traced
from .plugin import DISTRIBUTION, FILE, Plugin

PLUGINS_DIR = "ZOO_PLUGINS_DIR"
"""A folder whose Python files are plugins too."""

SLOW_IMPORT = 0.5
"""Seconds from which on an import is named: every command waits for it."""

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


def in_order(found: Iterator[EntryPoint] | list[EntryPoint]) -> list[EntryPoint]:
    """Built-in plugins first, then by distribution, single files last: the first owner keeps a name."""
    return sorted(
        found,
        key=lambda point: (point.distribution != DISTRIBUTION, bool(point.file), point.distribution, point.name),
    )


def files_of_folder() -> list[EntryPoint]:
    """The plugins in ``$ZOO_PLUGINS_DIR``, where that is set."""
    folder = os.environ.get(PLUGINS_DIR)
    if not folder:
        return []
    from .plugin_files import find_plugin_files

    return find_plugin_files(folder)


def is_blocked(plugin: Plugin) -> bool:
    """Whether ``ZOO_LOAD_PLUGINS`` or ``ZOO_BLOCK_PLUGINS`` keeps an installed plugin from being imported."""
    if plugin.builtin or plugin.distribution == FILE:
        return False
    wanted = os.environ.get("ZOO_LOAD_PLUGINS")
    if wanted is not None and plugin.distribution not in _names(wanted):
        return True
    return plugin.distribution in _names(os.environ.get("ZOO_BLOCK_PLUGINS", ""))


def load_module(point: EntryPoint, plugin: Plugin) -> object:
    """Import it. Raises whatever the import raises.

    What it prints goes to standard error: standard output is for the command's result.
    """
    if point.requires:
        from .requirements import check_version

        check_version(point.requires, plugin)
    heavy = [name for name in _HEAVY if name not in sys.modules]
    began = time.perf_counter()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return traced("import", plugin, point.load)
    finally:
        plugin.seconds = round(time.perf_counter() - began, 3)
        if plugin.seconds >= SLOW_IMPORT and not plugin.builtin:
            brought = [name for name in heavy if name in sys.modules]
            what = f" It imports {', '.join(brought)}." if brought else ""
            plugin.notes.append(
                f"took {plugin.seconds:.1f} s to import, and every command waits for it.{what} Import what is heavy "
                "where it is used, inside the builder or loader."
            )


def _names(text: str) -> set[str]:
    return {normalise(part.strip()) for part in text.split(",") if part.strip()}
