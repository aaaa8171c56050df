"""Plugins without packaging: the Python files of a folder."""

from __future__ import annotations

import hashlib
import os
import sys

from .entry_points import EntryPoint
from .plugin import FILE

_NOT_PLUGINS = ("conftest.py", "setup.py")


def find_plugin_files(folder: str) -> list[EntryPoint]:
    """An entry point for each ``*.py`` and each package in ``folder``, by name.

    What begins with ``_``, ``.`` or ``test_`` is no plugin: helpers and tests may lie beside them. The folder goes to
    the end of the search path, so that ``"my_net:build"`` works in a declaration and no file hides an installed module.
    """
    folder = os.path.abspath(os.path.expanduser(folder))
    if not os.path.isdir(folder):
        return [EntryPoint(FILE, "unknown", os.path.basename(folder) or folder, "", file=folder)]
    if folder not in sys.path:
        sys.path.append(folder)
    found = []
    for entry in sorted(os.listdir(folder)):
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
    """The beginning of the SHA-256 of the file: what is changed has another version."""
    with open(path, "rb") as handle:
        return hashlib.sha256(handle.read()).hexdigest()[:8]
