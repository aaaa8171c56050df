"""The request for one export: the format, its options and the conditions that the file must meet, checked once."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..folders import expanded
from ..specs.exporter import Exporter
from ..specs.options import check_all


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What an export writes, where, and under which conditions. The fields are those of :func:`zoo.export`.

    Args:
        exporter: the format.
        output: the file, which ends with the suffix of the format, or a folder for it: an existing one, or a name that
            ends with a slash. By default a file in the working directory. Of a link, the target is written.
        options: values for the exporter's options, by name; missing ones get their defaults.
        reduction: the name of a smaller form; empty for float32.
        max_drop: points of accuracy, or percent of a regression's error, that the smaller form may lose.
        providers: execution providers that must be tested; upper case is not needed.
        reproducible: whether another process must write the same bytes.
        bundle: a folder for the file and everything that is needed to use it; replaces ``output``.
        sign: a private key in a PEM file, or ``sigstore``; None writes no signature.

    Raises:
        UsageError: the exporter does not have such an option or form, two fields exclude each other, or ``output`` or
            ``bundle`` cannot be the name of a file of this format, or of a folder.
    """

    exporter: Exporter
    output: Path | str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    reduction: str = ""
    max_drop: float = 1.0
    providers: tuple[str, ...] = ()
    reproducible: bool = False
    bundle: Path | str | None = None
    sign: Path | str | None = None

    def __post_init__(self) -> None:
        exporter = self.exporter
        # a frozen dataclass has no other way to complete its own fields
        object.__setattr__(self, "options", check_all(exporter.options, self.options, f"--{exporter.name}"))
        object.__setattr__(self, "providers", tuple(provider.upper() for provider in self.providers))
        if self.reduction and self.reduction not in exporter.reductions:
            known = ", ".join(exporter.reductions) or "none"
            raise UsageError(f"--{exporter.name} has no smaller form {self.reduction!r}; available: {known}.")
        if not 0 <= self.max_drop < math.inf:
            raise UsageError(f"max_drop must be a number of at least 0, not {self.max_drop:g}.")
        if self.bundle is not None and self.output is not None:
            raise UsageError("Give an output or a bundle, not both: the file of a bundle is in the bundle's folder.")
        if self.bundle is not None and exporter.open is None:
            raise UsageError(f"--{exporter.name} cannot be bundled: the zoo cannot run such files.")

        for given in (self.output, self.bundle):
            if given is not None:
                _check_name(given)
        self.target("name")  # a name that does not fit is refused before any work

    def target(self, architecture: str) -> Path:
        """Where the exported file of ``architecture`` belongs.

        Raises:
            UsageError: the output is neither a folder nor the name of a file of this format.
        """
        if self.bundle is not None:
            return expanded(self.bundle) / f"model{self.exporter.suffix}"
        file_name = "-".join(filter(None, (*architecture.split("/"), self.reduction))) + self.exporter.suffix
        if self.output is None:
            return Path(file_name)
        path = expanded(self.output)
        if os.path.isdir(path) or os.fspath(self.output).endswith(("/", os.sep)):
            return path / file_name
        return self._file(path)

    def _file(self, path: Path) -> Path:
        """``path``, or what it links to, if its name fits the format: no other file is replaced."""
        suffix, format = self.exporter.suffix, self.exporter.name
        real = Path(os.path.realpath(path)) if os.path.islink(path) else path
        if os.path.exists(real) and not os.path.isfile(real):
            raise UsageError(f"{path} is a device or a pipe; --{format} needs the name of a file or a folder.")
        for name in (path.name, real.name):
            if not name.endswith(suffix) or name == suffix:
                link = f", which {path} links to," if name != path.name else ""
                raise UsageError(
                    f"{name}{link} is no name for a file of --{format}: it must end with {suffix}. "
                    "For a folder that does not exist yet, end the name with a slash."
                )
        return real


def _check_name(given: Path | str) -> None:
    text = os.fspath(given)
    if not text.strip():
        raise UsageError("The name of the output is empty; give a file or a folder.")
    if "\0" in text:
        raise UsageError(f"{text!r} cannot be the name of the output: it contains NUL.")
    expanded(text)
