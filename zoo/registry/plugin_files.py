"""Plugins without packaging: the Python files in the folder ``$ZOO_PLUGINS_DIR``."""

from __future__ import annotations

import os
import sys

from .entry_points import EntryPoint
from .plugin import FILE

PLUGINS_DIR = "ZOO_PLUGINS_DIR"
"""The environment variable that names a folder of plugins."""

_NOT_PLUGINS = ("conftest.py", "setup.py")


def find_plugin_files() -> list[EntryPoint]:
    """An entry point for each ``*.py`` file and each package in ``$ZOO_PLUGINS_DIR``, by name; none if it is not set.

    Names that begin with ``_``, ``.`` or ``test_`` are skipped, so helpers and tests can be in the same folder. The
    folder is appended to ``sys.path``, so that ``"my_net:build"`` works in a declaration and no file hides an
    installed module.
    """
    folder = os.environ.get(PLUGINS_DIR)
    if not folder:
        return []
    folder = os.path.abspath(os.path.expanduser(folder))
    if not os.path.isdir(folder):
        return [EntryPoint(FILE, "unknown", os.path.basename(folder) or folder, "", file=folder)]
    if folder not in sys.path:
        sys.path.append(folder)
    found = []
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return [EntryPoint(FILE, "unknown", os.path.basename(folder) or folder, "", file=folder)]
    for entry in entries:
        path = os.path.join(folder, entry)
        stem, suffix = os.path.splitext(entry)
        if os.path.isdir(path):
            stem, path = entry, os.path.join(path, "__init__.py")
        elif suffix != ".py":
            continue
        if not entry.startswith(("_", ".", "test_")) and entry not in _NOT_PLUGINS and os.path.isfile(path):
            found.append(EntryPoint(FILE, _version(path), stem, stem, file=path))
    return found


def _version(path: str) -> str:
    """The first 8 digits of the file's SHA-256: a changed file has another version."""
    import hashlib

    try:
        with open(path, "rb") as handle:
            return hashlib.sha256(handle.read()).hexdigest()[:8]
    except OSError:  # the import gives the reason
        return "unknown"
