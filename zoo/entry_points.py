"""Finding the plugins that are installed.

The standard library's :mod:`importlib.metadata` can do it, but importing and asking it takes longer than all else
that ``zoo list`` does. What it would find in ordinary folders is read here directly: the name and version from the
folder's name and the group ``zoo`` from ``entry_points.txt``. Wherever distributions can come from somewhere else
(a zip file on the path, an import hook that knows of some), it is asked after all.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

GROUP = "zoo"


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """One line of a distribution's ``[zoo]`` group, ``name = value``.

    ``value`` is ``package.module`` or ``package.module:object``.
    """

    distribution: str
    version: str
    name: str
    value: str

    def load(self) -> Any:
        """Import what ``value`` names. Raises whatever that raises."""
        module, _, attributes = self.value.partition(":")
        found = importlib.import_module(module.strip())
        for attribute in filter(None, attributes.strip().split(".")):
            found = getattr(found, attribute)
        return found


def find_entry_points() -> list[EntryPoint]:
    """All entry points of the group. Of a distribution that is on the path twice, the first counts, as in imports."""
    from importlib.machinery import PathFinder

    special = [f for f in sys.meta_path if hasattr(f, "find_distributions") and f is not PathFinder]
    if special or any(os.path.isfile(entry) for entry in sys.path):
        return _ask_standard_library()
    found: dict[str, list[EntryPoint]] = {}
    for folder in dict.fromkeys(sys.path):
        for name, version, text in _distributions(folder or os.curdir):
            found.setdefault(name, list(parse(text, name, version)))
    return [item for items in found.values() for item in items]


def parse(text: str, distribution: str, version: str) -> Iterator[EntryPoint]:
    """The lines of the group in the content of an ``entry_points.txt``."""
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[]").strip()
        elif group == GROUP and line and line[0] not in "#;":
            name, _, value = line.partition("=")
            # "[extra]" behind a value is an old way to require an extra; it says nothing of where to import from
            yield EntryPoint(distribution, version, name.strip(), value.partition("[")[0].strip())


def normalise(distribution: str) -> str:
    """A distribution's name as the package index compares it."""
    return distribution.lower().replace("_", "-").replace(".", "-")


def _distributions(folder: str) -> Iterator[tuple[str, str, str]]:
    """Name, version and ``entry_points.txt`` of each distribution in ``folder`` that mentions the group."""
    try:
        entries = sorted(os.listdir(folder))
    except OSError:
        return
    for entry in entries:
        stem, suffix = os.path.splitext(entry)
        if suffix not in (".dist-info", ".egg-info") or stem.startswith("~"):
            continue
        try:
            with open(os.path.join(folder, entry, "entry_points.txt"), encoding="utf-8") as handle:
                text = handle.read()
        except OSError:
            continue
        if f"[{GROUP}]" in text:
            name, _, version = stem.partition("-")
            yield normalise(name), version or _version(os.path.join(folder, entry)), text


def _version(folder: str) -> str:
    """The version of a development install, whose folder does not name it."""
    try:
        with open(os.path.join(folder, "PKG-INFO"), encoding="utf-8") as handle:
            return next((line.partition(":")[2].strip() for line in handle if line.startswith("Version:")), "unknown")
    except OSError:
        return "unknown"


def _ask_standard_library() -> list[EntryPoint]:
    from importlib import metadata

    found: dict[str, list[EntryPoint]] = {}
    for distribution in metadata.distributions():
        text = distribution.read_text("entry_points.txt") or ""
        if f"[{GROUP}]" in text:
            name = normalise(distribution.name)
            found.setdefault(name, list(parse(text, name, distribution.version)))
    return [item for items in found.values() for item in items]
