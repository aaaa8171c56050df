"""The extras of a distribution: which of their packages are missing. Imports no plugin."""

from __future__ import annotations

import importlib.metadata
import re


def missing_packages(distribution: str, extra: str) -> list[str]:
    """The packages that ``pip install 'distribution[extra]'`` would add; empty if there is no such extra.

    Args:
        distribution: the name of an installed distribution.
        extra: the name of the extra, such as ``tensorboard``.
    """
    try:
        lines = importlib.metadata.requires(distribution) or []
    except importlib.metadata.PackageNotFoundError:  # a plugin file, or a checkout that is not installed
        return []
    wanted = re.compile(rf"""extra\s*==\s*["']{re.escape(extra)}["']""")
    names = [_name(line) for line in lines if wanted.search(line.partition(";")[2])]
    return [name for name in names if not _is_installed(name)]


def _name(requirement: str) -> str:
    """The name in a requirement: ``tensorboard`` of ``tensorboard>=2.18; extra == 'tensorboard'``."""
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement.strip())
    return found[0] if found else ""


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
