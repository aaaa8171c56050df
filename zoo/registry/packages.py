"""Packages with plugins: those that are known, pip to install and remove them, and the packages of their extras."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UnknownName, UsageError, ZooError
from ..interpreter import python_command
from .entry_points import EntryPoint, find_entry_points, normalise
from .plugin import DISTRIBUTION

if TYPE_CHECKING:
    from .registry import Registry

INDEX = Path(__file__).with_name("known_plugins.json")
"""The list of known plugins. It comes with the zoo, so that it can be read without a network."""

KEYWORD = "pluggy-zoo-plugin"
"""The keyword by which a package says in its metadata that it has a plugin."""


@dataclass(frozen=True, slots=True)
class KnownPackage:
    """A package in the list of known plugins.

    Args:
        package: its name, as pip knows it.
        summary: one line.
        adds: the kinds of things that its plugins register: ``architecture``, ``dataset``, ``command`` …
        source: where its code is.
        installed: the version that is installed here; empty if none is.
    """

    package: str
    summary: str
    adds: tuple[str, ...]
    source: str
    installed: str = ""

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "adds": list(self.adds)}


def known_packages() -> list[KnownPackage]:
    """The packages in the list of known plugins, by name. The list comes with the zoo and is no recommendation."""
    here = {point.distribution: point.version for point in find_entry_points()}
    content = json.loads(INDEX.read_text(encoding="utf-8"))
    known = [
        KnownPackage(
            entry["package"], entry["summary"], tuple(entry["adds"]), entry["source"], here.get(entry["package"], "")
        )
        for entry in content["packages"]
    ]
    return sorted(known, key=lambda package: package.package)


def install_packages(arguments: Sequence[str]) -> list[EntryPoint]:
    """Run ``pip install`` with the Python of the zoo. Its output goes to standard error.

    Args:
        arguments: packages and options, as for pip.

    Returns:
        The plugins that are new here, or have another version than before. None of them is imported.

    Raises:
        ZooError: pip is missing, or it failed.
    """
    before = set(find_entry_points())
    _pip("install", *arguments)
    importlib.invalidate_caches()
    return [point for point in find_entry_points() if point not in before]


def plugins_of(package: str) -> list[EntryPoint]:
    """The installed plugins of a package.

    Raises:
        UsageError: the package is the zoo itself.
        UnknownName: no package of that name has a plugin here.
    """
    name = normalise(package)
    if name == DISTRIBUTION:
        raise UsageError(f"{DISTRIBUTION} is the zoo itself; `pip uninstall {DISTRIBUTION}` removes it.")
    found = {point.distribution: point for point in find_entry_points() if point.distribution != DISTRIBUTION}
    if name not in found:
        raise UnknownName("installed package with a plugin", package, found, "`zoo plugins` lists the plugins.")
    return [point for point in find_entry_points() if point.distribution == name]


def uninstall_package(package: str) -> None:
    """Run ``pip uninstall`` for a package with plugins. Its output goes to standard error.

    Raises:
        UsageError: the package is the zoo itself.
        UnknownName: no package of that name has a plugin here.
        ZooError: pip is missing, or it failed.
    """
    distribution = plugins_of(package)[0].distribution
    _pip("uninstall", "--yes", distribution)
    importlib.invalidate_caches()
    if any(point.distribution == distribution for point in find_entry_points()):
        raise ZooError(f"pip did not remove {distribution}; its output above says why.")


def _pip(action: str, *arguments: str) -> None:
    if importlib.util.find_spec("pip") is None:
        raise ZooError(
            f"This environment has no pip. `{python_command()[0]} -m ensurepip` adds it; "
            f"with uv, use `uv pip {action}`."
        )
    command = python_command("-m", "pip", "--disable-pip-version-check", action, *arguments)
    if code := subprocess.run(command, stdout=2, check=False).returncode:
        raise ZooError(f"pip {action} failed with exit code {code}; its output above says why.")


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
    names = [_required_name(line) for line in lines if wanted.search(line.partition(";")[2])]
    return [name for name in names if not _is_installed(name)]


def check_loggers(registry: Registry, names: Sequence[str], hook: str) -> None:
    """Refuse a name that is not a plugin with ``hook``, or whose extra is not installed.

    A plugin that needs more packages than its distribution declares them in an extra with its own name.

    Raises:
        UsageError: the message says what to install.
    """
    known = {plugin.name: plugin for plugin in registry.plugins if plugin.loaded and hook in plugin.hooks}
    for name in names:
        if name not in known:
            raise UnknownName("logger", name, known, f"Available: {', '.join(known) or 'none'}.")
        distribution = known[name].distribution
        missing = missing_packages(distribution, name)
        if missing:
            command = f"pip install '{distribution}[{name}]'"
            raise UsageError(f"--log {name} needs {', '.join(missing)}, which is not installed. Run {command}.")


def _required_name(requirement: str) -> str:
    """The name in a requirement: ``tensorboard`` of ``tensorboard>=2.18; extra == 'tensorboard'``."""
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement.strip())
    return found[0] if found else ""


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
