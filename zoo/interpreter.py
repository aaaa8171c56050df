"""Start another Python process that imports the same installed packages, and nothing from the current folder."""

from __future__ import annotations

import os
import sys

_STANDARD_LIBRARY = os.path.realpath(os.path.dirname(os.__file__))
_ZOO_HOME = os.path.realpath(os.path.dirname(os.path.dirname(__file__)))


def python_command(*arguments: str) -> list[str]:
    """This Python with ``-P``: it does not put the current folder at the front of ``sys.path``."""
    return [sys.executable, "-P", *arguments]


def python_environment(**changes: str) -> dict[str, str]:
    """The environment for :func:`python_command`: ``PYTHONPATH`` holds :func:`import_path`.

    Args:
        changes: further variables.
    """
    added = {"PYTHONPATH": os.pathsep.join(import_path()), "PYTHONSAFEPATH": "1"}
    return os.environ | added | changes


def import_path() -> list[str]:
    """The entries of ``sys.path`` without the current folder, in the same order.

    Python puts the current folder before the standard library if it is started with ``-c`` or ``-m``, and in a
    notebook. A file ``json.py`` there would replace the real module. A folder that the user added stays: one in
    ``PYTHONPATH``, or one after the standard library, which hides nothing (``$ZOO_PLUGINS_DIR``, a project that is
    installed in place). The folder that contains the zoo itself stays too.
    """
    named = {os.path.realpath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if _is_full(entry)}
    kept, current, before = [], _current_folder(), True
    for entry in filter(_is_full, sys.path):
        real = os.path.realpath(entry)
        before = before and real != _STANDARD_LIBRARY
        if not (before and real == current and real not in named and real != _ZOO_HOME):
            kept.append(entry)
    return kept


def _is_full(entry: str) -> bool:
    return os.path.isabs(entry) and os.pathsep not in entry


def _current_folder() -> str:
    """The current folder; empty if it was deleted."""
    try:
        return os.path.realpath(os.getcwd())
    except OSError:
        return ""
