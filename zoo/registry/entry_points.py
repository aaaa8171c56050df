"""The installed plugins: the entry points of the group ``zoo``."""

from __future__ import annotations

import importlib
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from .plugin import DISTRIBUTION, describe_error

GROUP = "zoo"

log = logging.getLogger("zoo")


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """One line ``name = value`` in the group ``zoo`` of a distribution, or a plugin in a single file.

    Args:
        distribution: name of the installed distribution, normalised as on the package index; ``file`` for a file.
        version: of the distribution.
        name: left of the ``=``.
        value: ``package.module`` or ``package.module:object``.
        requires: the versions of the zoo that the distribution supports, ``>=0.1``; empty for any.
        file: path of the file if the plugin is a single file; empty for an entry point.
    """

    distribution: str
    version: str
    name: str
    value: str
    requires: str = ""
    file: str = ""

    def load(self) -> Any:
        """Import the module or object that ``value`` names. It raises whatever the import raises."""
        if self.file:
            self._check_file()
        return metadata.EntryPoint(self.name, self.value, GROUP).load()

    def _check_file(self) -> None:
        """Check that importing ``value`` imports ``file`` and not another module of that name."""
        if not os.path.isfile(self.file):
            raise FileNotFoundError(f"there is no folder {self.file}")
        if not self.value.isidentifier():
            raise ImportError(f"{self.value!r} is not a name that Python can import; rename {self.file}")
        from importlib.util import find_spec

        importlib.invalidate_caches()
        spec = find_spec(self.value)
        if spec is None or spec.origin != self.file:
            other = spec.origin if spec else "nothing"
            raise ImportError(f"the name {self.value!r} already belongs to {other}; rename {self.file}")


def find_entry_points() -> list[EntryPoint]:
    """All entry points of the group ``zoo``. If a distribution is on the path twice, the first one counts.

    A distribution with unreadable metadata is skipped with a warning.
    """
    found: dict[str, list[EntryPoint]] = {}
    for distribution in metadata.distributions():
        try:
            if f"[{GROUP}]" in (distribution.read_text("entry_points.txt") or ""):
                name = normalise(distribution.name)
                if name not in found:
                    found[name] = _entry_points(name, distribution)
        except Exception as error:  # damaged metadata can raise anything
            folder = getattr(distribution, "_path", "a package")
            log.warning(
                "Cannot read the metadata in %s: %s. Its plugins are skipped; install the package again.",
                folder,
                describe_error(error),
            )
    return [point for points in found.values() for point in points]


def _entry_points(name: str, distribution: metadata.Distribution) -> list[EntryPoint]:
    version = distribution.version or "unknown"
    requires = "" if name == DISTRIBUTION else zoo_required(distribution.requires or ())
    points = distribution.entry_points.select(group=GROUP)
    return [EntryPoint(name, version, point.name, point.value, requires) for point in points]


def normalise(distribution: str) -> str:
    """Name of a distribution, normalised as on the package index."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def zoo_required(requirements: Iterable[str]) -> str:
    """The versions of the zoo among a distribution's requirements: ``>=0.1`` of ``pluggy-zoo>=0.1``."""
    candidates = [text for text in requirements if "zoo" in text.lower()]
    if candidates:
        from packaging.requirements import Requirement  # slow to import

        for requirement in map(Requirement, candidates):
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if applies and normalise(requirement.name) == DISTRIBUTION:
                return str(requirement.specifier)
    return ""
