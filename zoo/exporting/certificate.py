"""The certificate of an exported file: every check with its result. It is a JSON file beside the exported one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..environment import versions
from ..files import sha256
from ..models.runtime import Inspection
from .reference_vectors import ReferenceVectors

if TYPE_CHECKING:  # it needs torch, and the process that opens a file does without
    from .source import ExportSource

CERTIFICATE_FORMAT = 4


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
class ExportForm:
    """How a file was written: everything that is needed to write it again from its checkpoint.

    Args:
        exporter: the name of the format.
        reduction: the name of the smaller form; empty for float32.
        options: the exporter's options, by name.
    """

    exporter: str
    reduction: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


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
        form: how the file was written.
        inspection: what is in the file: inputs, outputs, versions of the format; None if the exporter cannot list it.
    """

    file: Path
    sha256: str
    bytes: int
    origin: str
    description: dict[str, Any]
    evaluated_on: str
    checks: tuple[Check, ...]
    vectors: ReferenceVectors | None = None
    form: ExportForm = ExportForm("")
    inspection: Inspection | None = None

    @property
    def path(self) -> Path:
        """The file of the certificate itself."""
        return certificate_path(self.file)

    def to_dict(self) -> dict[str, Any]:
        """The content of the certificate as JSON values; ``docs/export.md`` lists the entries."""
        content = {
            "format": CERTIFICATE_FORMAT,
            "passed": all(check.passed for check in self.checks),
            "file": {"name": self.file.name, "sha256": self.sha256, "bytes": self.bytes},
            "form": asdict(self.form),
            "origin": self.origin,
            "model": self.description,
            "interface": interface(self.inspection) if self.inspection else None,
            "contents": self.inspection.figures if self.inspection else None,
            "evaluated_on": self.evaluated_on,
            "checks": [asdict(check) for check in self.checks],
            "reference_vectors": self.vectors.to_json() if self.vectors else None,
            "versions": versions(),
        }
        # as a reader gets it: lists in place of tuples
        content = dict(json.loads(json.dumps(content)))
        return content | {"digest": digest(content)}


def certify(
    source: ExportSource,
    written: Path,
    target: Path,
    checks: tuple[Check, ...],
    vectors: ReferenceVectors | None,
    form: ExportForm,
    inspection: Inspection | None,
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
        form=form,
        inspection=inspection,
    )


def interface(inspection: Inspection) -> dict[str, Any]:
    """Inputs and outputs of a file as JSON values: name, type and shape of each."""
    groups = {"inputs": inspection.inputs, "outputs": inspection.outputs}
    return {
        group: [{"name": spec.name, "type": spec.type, "shape": list(spec.shape)} for spec in specs]
        for group, specs in groups.items()
    }


def digest(content: Mapping[str, Any]) -> str:
    """The SHA-256 of everything in a certificate except its ``digest``: compact JSON in UTF-8 with sorted keys."""
    covered = {key: value for key, value in content.items() if key != "digest"}
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def certificate_path(file: Path) -> Path:
    """``FILE.json`` beside ``FILE``; of a link without such a file, ``FILE.json`` beside the file that it links to."""
    beside = file.with_name(file.name + ".json")
    if not os.path.islink(file) or os.path.lexists(beside):
        return beside
    return certificate_path(Path(os.path.realpath(file)))
