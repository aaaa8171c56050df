"""The record of a plugin: its origin, status and errors."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import PluginError, ZooError
from ..formatting import one_line, shortened

DISTRIBUTION = "pluggy-zoo"
"""The distribution of the built-in plugins."""

FILE = "file"
"""Used in place of a distribution name if a plugin is a single file."""

PLUGIN_API = 1
"""Version of the plugin API: all names and behaviour that plugins can rely on (see the plugin author's guide). It rises
when something is removed or changes its meaning, not when something is added."""


@dataclass(slots=True, eq=False)
class Plugin:
    """One plugin: an entry point or a single file.

    Args:
        name: of the entry point, or of the file without its suffix.
        distribution: name of the installed distribution, or ``file``.
        version: of the distribution, or the first 8 digits of the file's SHA-256.
        value: the module or object of the entry point, or the path of the file.
        hooks: names of the hooks that it implements.
        errors: one line each.
        notes: warnings about things that work but should be improved, one line each, such as a slow import.
        seconds: duration of its import.
        blocked: whether ``ZOO_LOAD_PLUGINS`` or ``ZOO_BLOCK_PLUGINS`` blocks it.
        loaded: whether it was imported and its hooks are called.
    """

    name: str
    distribution: str
    version: str
    value: str
    hooks: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    blocked: bool = False
    loaded: bool = False

    @property
    def builtin(self) -> bool:
        """Whether it is part of the zoo itself."""
        return self.distribution == DISTRIBUTION

    @property
    def status(self) -> str:
        """``loaded``, ``blocked``, ``failed`` (nothing works) or ``partial`` (something was refused)."""
        if self.blocked:
            return "blocked"
        if not self.loaded:
            return "failed"
        return "partial" if self.errors else "loaded"

    @property
    def origin(self) -> dict[str, str]:
        """Name, distribution and version, as recorded in ``run.json`` and in checkpoints."""
        return {
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
        } | ({"file": self.value} if self.distribution == FILE else {})

    def __str__(self) -> str:
        return f"{self.name} ({self.value if self.distribution == FILE else f'{self.distribution} {self.version}'})"


def describe_error(error: BaseException) -> str:
    """An exception in one printable line."""
    try:
        text = shortened(one_line(error), 500)
    except Exception:  # the exception class of a plugin may do anything
        text = "an error without a text"
    return text if isinstance(error, ZooError) else f"{type(error).__name__}: {text}".rstrip(": ")


class StrictFailure(PluginError):
    """A problem of a plugin under ``ZOO_STRICT=1``. It is already reported, so the registry does not catch it."""
