"""The certificate binds: each of its entries is compared with the file and with the exporter's rules.

Limits and budgets come from the rules. A certificate may state less, never more.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..environment import versions
from ..exporting.certificate import Check, interface
from ..exporting.gates import expected_gates
from ..exporting.numerics import CAP
from ..exporting.quantisation import REFERENCE_LIMIT
from ..exporting.reference_vectors import ReferenceVectors
from ..models.runtime import Inspection
from ..specs.exporter import Exporter
from .certificate_file import CheckEntry, FormEntry, RecordedCertificate, same_json

_LATER = ("runs", "reference vectors", "checkpoint", "rebuild")


@dataclass(frozen=True, slots=True)
class FileUnderTest:
    """The file, what it says about itself, and its certificate.

    Args:
        path: the file.
        sha256: of the bytes that are checked.
        bytes: its size.
        exporter: the format.
        inspection: its contents.
        certificate: None if there is none.
        max_drop: the largest loss that a smaller form may have.
    """

    path: Path
    sha256: str
    bytes: int
    exporter: Exporter
    inspection: Inspection
    certificate: RecordedCertificate | None
    max_drop: float

    @property
    def description(self) -> dict[str, Any]:
        """The description of the model in the file, without the name of its smaller form."""
        return {key: value for key, value in self.inspection.description.items() if key != "precision"}

    @property
    def reduction(self) -> Any:
        """The name of the smaller form that the file states; empty for float32. It may be of any type."""
        return self.inspection.description.get("precision", "")

    @property
    def form(self) -> FormEntry | None:
        """How the file was written; None if no certificate says so."""
        bound = self.certificate.bound if self.certificate else None
        return bound.form if bound else None


def check_hash_of(file: FileUnderTest, certificate: RecordedCertificate) -> Check:
    """Name, size and hash of the file are those in the certificate."""
    entry, actual = certificate.entries.file, file.sha256
    problem = ""
    if entry.sha256 != actual:
        problem = (
            f"SHA-256 {actual[:12]}…, but the certificate is for {entry.sha256[:12]}…: the file was changed or "
            "replaced, or the certificate belongs to another file"
        )
    elif entry.bytes != file.bytes:
        problem = f"the file has {file.bytes:,} bytes, but the certificate says {entry.bytes:,}"
    elif entry.name != file.path.name:
        problem = f"the certificate is for a file named {entry.name!r}; give the file this name, or export it again"
    return Check("hash", not problem, problem or f"SHA-256 {actual[:12]}…, as in the certificate")


def check_certificate(file: FileUnderTest, certificate: RecordedCertificate) -> Check:
    """Every entry of the certificate that the file and the exporter's rules determine."""
    problem = next(filter(None, _problems(file, certificate)), "")
    entries = certificate.entries
    what = f"{len(entries.checks)} checks, description, interface and reference vectors are those of this file"
    if certificate.bound is None:
        what += f"; it is of format {entries.format}, which has no digest"
    return Check("certificate", not problem, problem or what)


def check_form(file: FileUnderTest) -> str:
    """What is wrong with the smaller form that the file names; empty if nothing is."""
    known = file.exporter.reductions
    if "precision" in file.inspection.description and file.reduction not in (known if known else ()):
        return f"the file states the precision {file.reduction!r}, which --{file.exporter.name} does not write"
    return ""


def _problems(file: FileUnderTest, certificate: RecordedCertificate) -> Iterator[str]:
    """What is wrong, in the order in which it is reported; empty texts are fine."""
    entries, bound = certificate.entries, certificate.bound
    if bound is not None and bound.digest != certificate.expected_digest:
        yield "the certificate was edited: its digest does not fit its content"
    yield check_form(file)
    yield _other_description(file, entries.model)
    if bound is not None:
        if bound.form.exporter != file.exporter.name or bound.form.reduction != file.reduction:
            yield f"the certificate is for --{bound.form.exporter} {bound.form.reduction}, the file is not"
        if not same_json(interface(file.inspection), _plain(bound.interface)):
            yield "inputs or outputs of the file are not those in the certificate"
        if not same_json(file.inspection.figures, bound.contents):
            yield f"the certificate says {bound.contents}, the file has {file.inspection.figures}"
        if not same_json(entries.versions, entries.model.get("versions")):
            yield "the versions in the certificate are not those in the file"
    yield _wrong_gates(file, entries.checks)
    yield from (_wrong_figures(file, check) for check in entries.checks)
    yield _wrong_vectors(file, certificate.vectors)


def _plain(value: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(value)


def _other_description(file: FileUnderTest, recorded: dict[str, Any]) -> str:
    keys = sorted(
        key
        for key in file.description.keys() | recorded.keys()
        if key not in file.description or key not in recorded or not same_json(file.description[key], recorded[key])
    )
    return f"the description in the file is not the one in the certificate: {', '.join(keys)}" if keys else ""


def _wrong_gates(file: FileUnderTest, checks: tuple[CheckEntry, ...]) -> str:
    """Whether checks are missing or too many, by the exporter's rules."""
    names = [check.gate for check in checks]
    wanted = expected_gates(
        file.exporter,
        file.reduction,
        reproducible="reproducible" in names,
        own=own_gates(file.exporter, names),
        runtimes=len(exported_on(file)),
    )
    if names == wanted:
        return ""
    missing, more = sorted(set(wanted) - set(names)), sorted(set(names) - set(wanted))
    parts = [f"{', '.join(missing)} missing"] if missing else []
    parts += [f"{', '.join(more)} unknown"] if more else []
    return f"the certificate does not list the checks of an export: {'; '.join(parts) or 'wrong number or order'}"


def own_gates(exporter: Exporter, names: list[str]) -> list[str]:
    """The checks of the exporter itself: between the structure and the numbers. Their names are known to it only."""
    if exporter.check is None or "structure" not in names or "numerics" not in names:
        return []
    found = names[names.index("structure") + 1 : names.index("numerics")]
    return [name for place, name in enumerate(found) if name not in found[:place] and name not in _LATER]


def exported_on(file: FileUnderTest) -> set[str]:
    """The execution providers that the export tested, by its certificate."""
    checks = file.certificate.entries.checks if file.certificate else ()
    figures = {check.gate: check.figures for check in checks}
    ran = figures.get("providers", {}).get("ran")
    names = [figures.get("numerics", {}).get("runtime"), *(ran if isinstance(ran, dict) else ())]
    return {name.split()[0] for name in names if isinstance(name, str) and name.strip()}


def _wrong_figures(file: FileUnderTest, check: CheckEntry) -> str:
    """Whether the figures of a check contradict the file, the rules or themselves."""
    figures, wrong = check.figures, f"{check.gate}: the figures in the certificate"
    of_file = "structure" if not file.reduction else f"{file.reduction} structure"
    if check.gate == of_file:
        same = same_json(figures, file.inspection.figures)
        if same and of_this_version(file) and check.summary != file.inspection.summary:
            same = False
        return "" if same else f"{wrong} are not those of the file"
    if check.gate == "numerics":
        worst = figures.get("worst")
        fine = isinstance(worst, dict) and _at_most(worst.get("error"), worst.get("limit"))
        return "" if fine else f"{wrong} exceed the limit"
    if check.gate == "providers":
        ran = figures.get("ran")
        fine = isinstance(ran, dict) and all(
            isinstance(entry, dict) and _at_most(entry.get("of_limit"), 1.0) for entry in ran.values()
        )
        return "" if fine else f"{wrong} exceed the limit"
    if check.gate == "reproducible" and not file.reduction:
        return "" if figures.get("sha256") == file.sha256 else f"{wrong} are of another file"
    if check.gate == "test split":
        return _wrong_split(file, figures, wrong)
    if file.reduction and check.gate == f"{file.reduction} budget":
        return _wrong_budget(file, figures, wrong)
    return ""


def _wrong_split(file: FileUnderTest, figures: dict[str, Any], wrong: str) -> str:
    test, samples, recorded = file.description.get("test"), figures.get("samples"), figures.get("recorded")
    if not isinstance(samples, int) or samples < 1:
        return f"{wrong} are of no sample"
    if recorded is None:
        return ""
    metrics = test if isinstance(test, dict) else {}
    return "" if any(same_json(value, recorded) for value in metrics.values()) else f"{wrong} are not those of the run"


def _wrong_budget(file: FileUnderTest, figures: dict[str, Any], wrong: str) -> str:
    allowed = figures.get("max_drop")
    if not _at_most(allowed, file.max_drop):
        return (
            f"the certificate allows a drop of {allowed}, but at most {file.max_drop:g} is accepted; accept more with "
            "--max-drop"
        )
    if figures.get("bytes") != file.bytes:
        return f"{wrong} are of a file of {figures.get('bytes')} bytes"
    return "" if _at_most(figures.get("drop"), allowed) else f"{wrong} exceed the budget"


def _at_most(value: Any, limit: Any) -> bool:
    numbers = all(type(item) in (int, float) and math.isfinite(item) for item in (value, limit))
    return numbers and value <= limit


def of_this_version(file: FileUnderTest) -> bool:
    """Whether the present version of the zoo wrote the texts of the certificate."""
    if file.certificate is None or file.certificate.bound is None:
        return False
    return file.certificate.entries.versions.get("pluggy-zoo") == versions()["pluggy-zoo"]


def _wrong_vectors(file: FileUnderTest, vectors: ReferenceVectors | None) -> str:
    """Whether the reference vectors belong to another interface, or their limits are wider than the rules allow."""
    if vectors is None:
        return "the certificate has no reference vectors"
    inputs, outputs = file.inspection.inputs, file.inspection.outputs
    if list(vectors.outputs) != [output.name for output in outputs]:
        return f"the outputs of the reference vectors are {', '.join(vectors.outputs)}"
    shape = list(vectors.inputs.shape[1:])
    if len(inputs) != 1 or str(vectors.inputs.dtype) != inputs[0].type or shape != list(inputs[0].shape[1:]):
        return "the inputs of the reference vectors do not fit the file"
    part = REFERENCE_LIMIT if file.reduction else CAP
    for (name, output), limit in zip(vectors.outputs.items(), vectors.limits or (), strict=True):
        if not np.isfinite(output).all():
            return f"the reference vectors of output {name} hold NaN or infinity"
        # the limits are rounded once more when they are written
        if not limit <= 1.001 * part * max(float(np.abs(output).max()), 1e-9):
            return f"the limit of the reference vectors, {limit:g} for output {name}, is wider than the rules allow"
    return ""
