"""What is known of a plugin: where it comes from, whether it works, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import PluginError, ZooError

DISTRIBUTION = "pluggy-zoo"
"""The distribution that the built-in plugins belong to."""

FILE = "file"
"""What stands in place of a distribution where a plugin is a single file."""

PLUGIN_API = 1
"""Version of everything that a plugin may rely on; see "What stays as it is" in the plugin author's guide. It rises
when something is taken away or changes its meaning, never when something is added."""


@dataclass(slots=True, eq=False)
class Plugin:
    """One entry point or one file: where it comes from, whether it works, and what is wrong with it.

    Args:
        name: of the entry point, or of the file without its suffix.
        distribution: the installed package, or ``file``.
        version: of the distribution, or the beginning of the file's SHA-256.
        value: what is imported, or the path of the file.
        hooks: names of the hooks that it implements.
        errors: what is wrong with it, a line each.
        notes: what works but should be better, a line each: an import that takes long.
        seconds: what its import took.
        blocked: kept from being imported by ``ZOO_LOAD_PLUGINS`` or ``ZOO_BLOCK_PLUGINS``.
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
        """Whether it comes with the zoo itself."""
        return self.distribution == DISTRIBUTION

    @property
    def status(self) -> str:
        """``loaded``, ``blocked``, ``failed`` (nothing of it works) or ``partial`` (some of it was refused)."""
        if self.blocked:
            return "blocked"
        if not self.loaded:
            return "failed"
        return "partial" if self.errors else "loaded"

    @property
    def origin(self) -> dict[str, str]:
        """Where it comes from, as ``run.json`` and every checkpoint keep it."""
        return {
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
        } | ({"file": self.value} if self.distribution == FILE else {})

    def __str__(self) -> str:
        return f"{self.name} ({self.value if self.distribution == FILE else f'{self.distribution} {self.version}'})"


def describe_error(error: BaseException) -> str:
    """An exception in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, ZooError) else f"{type(error).__name__}: {text}".rstrip(": ")


class StrictFailure(PluginError):
    """What is wrong with a plugin, raised under ``ZOO_STRICT=1``: reported already, so caught by nobody inside."""
