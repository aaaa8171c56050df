"""Finding the plugins that are installed.

The standard library's :mod:`importlib.metadata` can do it, but importing and asking it takes longer than all else
that ``zoo list`` does. What it would find in ordinary folders is read here directly: the name and version from the
folder's name and the group ``zoo`` from ``entry_points.txt``. Wherever distributions can come from somewhere else
(a zip file on the path, an import hook that knows of some), it is asked after all.
"""

from __future__ import annotations

import importlib
import itertools
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

GROUP = "zoo"


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """One line of a distribution's ``[zoo]`` group, ``name = value``.

    Args:
        distribution: its name, as the package index compares it.
        version: of the distribution.
        name: left of the ``=``.
        value: ``package.module`` or ``package.module:object``.
        requires: the versions of the zoo that the distribution asks for, ``>=0.1``; empty for any.
        file: the path, where the plugin is a single file and no entry point at all.
    """

    distribution: str
    version: str
    name: str
    value: str
    requires: str = ""
    file: str = ""

    def load(self) -> Any:
        """Import what ``value`` names. Raises whatever that raises."""
        if self.file:
            self._check_file()
        module, _, attributes = self.value.partition(":")
        found = importlib.import_module(module.strip())
        for attribute in filter(None, attributes.strip().split(".")):
            found = getattr(found, attribute)
        return found

    def _check_file(self) -> None:
        """Make sure that importing ``value`` will give ``file``, and nothing of that name from elsewhere."""
        if not os.path.isfile(self.file):
            raise FileNotFoundError(f"there is no folder {self.file}")
        if not self.value.isidentifier():
            raise ImportError(f"{self.value!r} is no name that Python can import; rename {self.file}")
        from importlib.util import find_spec

        importlib.invalidate_caches()
        spec = find_spec(self.value)
        if spec is None or spec.origin != self.file:
            other = spec.origin if spec else "nothing"
            raise ImportError(f"the name {self.value!r} belongs to {other} already; rename {self.file}")


def find_entry_points() -> list[EntryPoint]:
    """All entry points of the group. Of a distribution that is on the path twice, the first counts, as in imports."""
    from importlib.machinery import PathFinder

    special = [f for f in sys.meta_path if hasattr(f, "find_distributions") and f is not PathFinder]
    if special or any(os.path.isfile(entry) for entry in sys.path):
        return _ask_standard_library()
    found: dict[str, list[EntryPoint]] = {}
    for folder in dict.fromkeys(sys.path):
        for name, version, text, requires in _distributions(folder or os.curdir):
            found.setdefault(name, list(parse(text, name, version, requires)))
    return [item for items in found.values() for item in items]


def parse(text: str, distribution: str, version: str, requires: str = "") -> Iterator[EntryPoint]:
    """The lines of the group in the content of an ``entry_points.txt``."""
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[]").strip()
        elif group == GROUP and line and line[0] not in "#;":
            name, _, value = line.partition("=")
            # "[extra]" behind a value is an old way to require an extra; it says nothing of where to import from
            yield EntryPoint(distribution, version, name.strip(), value.partition("[")[0].strip(), requires)


def normalise(distribution: str) -> str:
    """A distribution's name as the package index compares it."""
    return distribution.lower().replace("_", "-").replace(".", "-")


def _distributions(folder: str) -> Iterator[tuple[str, str, str, str]]:
    """Name, version, ``entry_points.txt`` and the zoo asked for of each distribution in ``folder`` with the group."""
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
            headers = [] if name in ("pluggy_zoo", "pluggy-zoo") and version else _headers(os.path.join(folder, entry))
            version = version or _header(headers, "Version") or "unknown"
            yield normalise(name), version, text, zoo_required(_all_headers(headers, "Requires-Dist"))


def zoo_required(requirements: Iterable[str]) -> str:
    """The versions of the zoo among a distribution's requirements: ``>=0.1`` of ``pluggy-zoo>=0.1``."""
    # "pluggy-zoo (>=0.1,<2)" or "pluggy_zoo[x]>=0.1"; what needs an extra of the plugin says nothing of the plugin
    pattern = r"pluggy[-_.]+zoo\s*(?:\[[^\]]*\])?\s*([^;@]*?)\s*(?:;(?!.*\bextra\b).*)?"
    for requirement in requirements:
        match = re.fullmatch(pattern, requirement.strip(), re.IGNORECASE)
        if match:
            return match[1].strip(" ()")
    return ""


def _headers(folder: str) -> list[str]:
    """The head of a distribution's ``METADATA``, or ``PKG-INFO`` of an older development install."""
    for name in ("METADATA", "PKG-INFO"):
        try:
            with open(os.path.join(folder, name), encoding="utf-8") as handle:
                return list(itertools.takewhile(str.strip, handle))
        except OSError:
            continue
    return []


def _all_headers(headers: list[str], name: str) -> list[str]:
    return [line.partition(":")[2].strip() for line in headers if line.startswith(f"{name}:")]


def _header(headers: list[str], name: str) -> str:
    return next(iter(_all_headers(headers, name)), "")


def _ask_standard_library() -> list[EntryPoint]:
    from importlib import metadata

    found: dict[str, list[EntryPoint]] = {}
    for distribution in metadata.distributions():
        text = distribution.read_text("entry_points.txt") or ""
        if f"[{GROUP}]" in text:
            name = normalise(distribution.name)
            requires = zoo_required(distribution.requires or ())
            found.setdefault(name, list(parse(text, name, distribution.version, requires)))
    return [item for items in found.values() for item in items]
