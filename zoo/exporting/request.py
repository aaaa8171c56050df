"""The request for one export: the format, its options and the conditions that the file must meet, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..specs.exporter import Exporter
from ..specs.options import check_all


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What an export writes, where, and under which conditions. The fields are those of :func:`zoo.export`.

    Args:
        exporter: the format.
        output: the file, or an existing folder for it; by default a file in the working directory.
        options: values for the exporter's options, by name; missing ones get their defaults.
        reduction: the name of a smaller form; empty for float32.
        max_drop: points of accuracy, or percent of a regression's error, that the smaller form may lose.
        providers: execution providers that must be tested; upper case is not needed.
        reproducible: whether another process must write the same bytes.
        bundle: a folder for the file and everything that is needed to use it; replaces ``output``.

    Raises:
        UsageError: the exporter does not have such an option or form, or two fields exclude each other.
    """

    exporter: Exporter
    output: Path | str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    reduction: str = ""
    max_drop: float = 1.0
    providers: tuple[str, ...] = ()
    reproducible: bool = False
    bundle: Path | str | None = None

    def __post_init__(self) -> None:
        exporter = self.exporter
        # a frozen dataclass has no other way to complete its own fields
        object.__setattr__(self, "options", check_all(exporter.options, self.options, f"--{exporter.name}"))
        object.__setattr__(self, "providers", tuple(provider.upper() for provider in self.providers))
        if self.reduction and self.reduction not in exporter.reductions:
            known = ", ".join(exporter.reductions) or "none"
            raise UsageError(f"--{exporter.name} has no smaller form {self.reduction!r}; available: {known}.")
        if not self.max_drop >= 0:
            raise UsageError(f"max_drop must be at least 0, not {self.max_drop:g}.")
        if self.bundle is not None and self.output is not None:
            raise UsageError("Give an output or a bundle, not both: the file of a bundle is in the bundle's folder.")
        if self.bundle is not None and exporter.open is None:
            raise UsageError(f"--{exporter.name} cannot be bundled: the zoo cannot run such files.")

    def target(self, architecture: str) -> Path:
        """Where the exported file of ``architecture`` belongs."""
        if self.bundle is not None:
            return Path(self.bundle).expanduser() / f"model{self.exporter.suffix}"
        file_name = "-".join(filter(None, (*architecture.split("/"), self.reduction))) + self.exporter.suffix
        if self.output is None:
            return Path(file_name)
        path = Path(self.output).expanduser()
        return path / file_name if path.is_dir() else path
