"""What was checked of an exported file, and what came out: the certificate that stands beside it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..environment import versions
from ..errors import ZooError
from ..files import sha256
from .reference_vectors import ReferenceVectors

CERTIFICATE_FORMAT = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One verdict of a certificate.

    Args:
        gate: its name: ``structure``, ``numerics`` …
        passed: whether the file may be used.
        summary: one line, for people: what was held against what, and the figures that decided.
        figures: all figures, for machines.
    """

    gate: str
    passed: bool
    summary: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was checked of an exported file, and what came out. Beside the file as ``FILE.json``.

    Args:
        file: what it is about.
        sha256, bytes: of that file.
        origin: the run, or ``weights of NAME``.
        description: what is written into the file too.
        evaluated_on: the dataset whose test split was used.
        checks: every verdict, in the order of the gates.
        vectors: inputs and what the file gives for them, to check it anywhere.
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
        """Where the certificate itself is."""
        return certificate_path(self.file)

    def to_dict(self) -> dict[str, Any]:
        """The content of the certificate's file."""
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
    written: Path, target: Path, checks: tuple[Check, ...], vectors: ReferenceVectors | None, **about: Any
) -> Certificate:
    """The certificate of ``written``, which is to stand at ``target``; ``about``: the other fields."""
    return Certificate(
        file=target, sha256=sha256(written), bytes=written.stat().st_size, checks=checks, vectors=vectors, **about
    )


def certificate_path(file: Path) -> Path:
    """``FILE.json`` beside ``FILE``."""
    return file.with_name(file.name + ".json")


def read_certificate(file: Path) -> dict[str, Any] | None:
    """The content of the certificate beside ``file``; None where there is none.

    Raises:
        ZooError: what is there is no certificate that this version can read.
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
        raise ZooError(f"{path} is no certificate of this version of the zoo. Export the file again.")
    return content


def _from_format_2(content: dict[str, Any]) -> dict[str, Any]:
    """A certificate of format 2 with the names of this one."""
    names = {"judged_on": "evaluated_on", "golden": "reference_vectors"}
    return {names.get(key, key): value for key, value in content.items()} | {"format": CERTIFICATE_FORMAT}
