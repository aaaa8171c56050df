"""The certificate of an exported file: every check with its result. It is a JSON file beside the exported one."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..environment import versions
from ..errors import ZooError
from ..files import sha256
from .reference_vectors import ReferenceVectors
from .source import ExportSource

CERTIFICATE_FORMAT = 3


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    Args:
        gate: the name of the check: ``structure``, ``numerics`` …
        passed: whether the file passed it.
        summary: one line: what was compared, and the figures that decided; for a failure also what to do.
        figures: all figures by name, as JSON values. Accuracies are fractions, times are seconds, sizes are bytes,
            errors have the unit of the output.
    """

    gate: str
    passed: bool
    summary: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Certificate:
    """All checks of an exported file. It is written beside the file, as ``FILE.json``.

    Args:
        file: the exported file.
        sha256: of that file, in hexadecimal.
        bytes: size of that file.
        origin: the run as ``ARCHITECTURE/RUN``, or ``weights of NAME`` if the weights came with the architecture.
        description: the metadata that is in the file too: architecture, data, labels, metrics, hash of the checkpoint.
        evaluated_on: the dataset whose test split was used.
        checks: every check, in the order in which they ran.
        vectors: a few inputs with the outputs that are expected for them, to check the file on any machine; None if
            the exporter cannot open its files.
    """

    file: Path
    sha256: str
    bytes: int
    origin: str
    description: dict[str, Any]
    evaluated_on: str
    checks: tuple[Check, ...]
    vectors: ReferenceVectors | None = None

    @property
    def path(self) -> Path:
        """The file of the certificate itself."""
        return certificate_path(self.file)

    def to_dict(self) -> dict[str, Any]:
        """The content of the certificate as JSON values; ``docs/export.md`` lists the entries."""
        return {
            "format": CERTIFICATE_FORMAT,
            "passed": all(check.passed for check in self.checks),
            "file": {"name": self.file.name, "sha256": self.sha256, "bytes": self.bytes},
            "origin": self.origin,
            "model": self.description,
            "evaluated_on": self.evaluated_on,
            "checks": [asdict(check) for check in self.checks],
            "reference_vectors": self.vectors.to_json() if self.vectors else None,
            "versions": versions(),
        }


def certify(
    source: ExportSource, written: Path, target: Path, checks: tuple[Check, ...], vectors: ReferenceVectors | None
) -> Certificate:
    """The certificate of a file that is at ``written`` and will be moved to ``target``."""
    return Certificate(
        file=target,
        sha256=sha256(written),
        bytes=written.stat().st_size,
        origin=source.origin,
        description=source.description,
        evaluated_on=source.evaluated_on,
        checks=checks,
        vectors=vectors,
    )


def certificate_path(file: Path) -> Path:
    """``FILE.json`` beside ``FILE``."""
    return file.with_name(file.name + ".json")


def read_certificate(file: Path) -> dict[str, Any] | None:
    """The content of the certificate beside ``file``; None if there is none.

    Raises:
        ZooError: the certificate cannot be read, or is of a format that this version does not know.
    """
    path = certificate_path(file)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ZooError(f"Cannot read the certificate {path}: {error}. Export the file again.") from error
    if isinstance(content, dict) and content.get("format") == 2:
        content = _from_format_2(content)
    if not isinstance(content, dict) or content.get("format") != CERTIFICATE_FORMAT:
        raise ZooError(f"{path} is not a certificate that this version of the zoo can read. Export the file again.")
    return content


def _from_format_2(content: dict[str, Any]) -> dict[str, Any]:
    """A certificate of format 2 with the names of the present format."""
    names = {"judged_on": "evaluated_on", "golden": "reference_vectors"}
    return {names.get(key, key): value for key, value in content.items()} | {"format": CERTIFICATE_FORMAT}
