"""Rebuild: write the file again from its checkpoint and compare. It finds what no probe finds, a hidden branch too."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..environment import versions
from ..errors import UsageError, ZooError
from ..exporting.certificate import Check
from ..exporting.source import ExportSource
from ..files import sha256
from ..models.runtime import Inspection
from ..specs.options import check_all
from ..specs.references import resolve_reference
from .binding import FileUnderTest, own_gates
from .certificate_file import same_json

GATE = "rebuild"
_WRITERS = ("python", "pluggy-zoo", "torch", "onnx", "onnxscript")
_REDUCERS = ("onnxruntime", "onnxruntime-gpu", "numpy")
_BRANCHES = {"If", "Loop", "Scan"}


@dataclass(frozen=True, slots=True)
class _Rebuilt:
    """The file that the checkpoint gives.

    Args:
        sha256: its hash.
        inspection: its contents.
        own: the exporter's own checks of it.
    """

    sha256: str
    inspection: Inspection
    own: tuple[Check, ...]


def check_rebuild(file: FileUnderTest, source: ExportSource) -> tuple[Check | None, str]:
    """Whether the checkpoint gives this file.

    Returns:
        The check and an empty text; or None, and why the two files cannot be compared here.
    """
    try:
        rebuilt = _rebuild(file, source)
    except UsageError as error:
        wrong = f"the options in the certificate are not those of the exporter: {error}"
        return (None, wrong) if list(_other_versions(file)) else (Check(GATE, False, wrong), "")
    except ZooError as error:
        return None, f"the file cannot be written again here: {error}"
    wrong = _other_own_checks(file, rebuilt)
    if wrong:
        return Check(GATE, False, wrong), ""
    if rebuilt.sha256 == file.sha256:
        return Check(GATE, True, "the checkpoint gives this file, byte for byte", {"sha256": rebuilt.sha256}), ""
    return _compared(file, rebuilt)


def _rebuild(file: FileUnderTest, source: ExportSource) -> _Rebuilt:
    """Write the file again, with the options in its certificate and the description in the file."""
    exporter, options = file.exporter, _options(file)
    assert exporter.inspect is not None
    same = replace(source, description=file.description)
    with tempfile.TemporaryDirectory(prefix="zoo-rebuild-") as folder:
        path = Path(folder) / f"again{exporter.suffix}"
        resolve_reference(exporter.write)(same, path, **options)
        own = tuple(resolve_reference(exporter.check)(same, path, **options)) if exporter.check else ()
        if file.reduction:
            smaller = Path(folder) / f"smaller{exporter.suffix}"
            resolve_reference(exporter.reductions[file.reduction])(same, path, smaller)
            path = smaller
        return _Rebuilt(sha256(path), resolve_reference(exporter.inspect)(path), own)


def _options(file: FileUnderTest) -> dict[str, Any]:
    """The exporter's options, as recorded; formats 2 and 3 recorded only those that a check had asked for.

    Raises:
        UsageError: the certificate has options that the exporter does not have.
    """
    exporter = file.exporter
    if file.form is not None:
        given: Mapping[str, Any] = file.form.options
    else:
        checks = file.certificate.entries.checks if file.certificate else ()
        asked = {check.gate: check.figures["asked"] for check in checks if "asked" in check.figures}
        given = {option.name: asked[option.name] for option in exporter.options if option.name in asked}
    return check_all(exporter.options, given, f"--{exporter.name}")


def _other_own_checks(file: FileUnderTest, rebuilt: _Rebuilt) -> str:
    """Whether the certificate lists other checks of the exporter itself than it really makes."""
    if file.certificate is None:
        return ""
    checks = file.certificate.entries.checks
    recorded = own_gates(file.exporter, [check.gate for check in checks])
    wanted = [check.gate for check in rebuilt.own]
    if recorded != wanted:
        return f"the certificate lists the exporter's checks {recorded}, it makes {wanted}"
    figures = {check.gate: check.figures for check in checks}
    other = [check.gate for check in rebuilt.own if not same_json(check.figures, figures[check.gate])]
    exact = rebuilt.sha256 == file.sha256 and other
    return f"{other[0]}: the figures in the certificate are not those of the file" if exact else ""


def _compared(file: FileUnderTest, rebuilt: _Rebuilt) -> tuple[Check | None, str]:
    """The comparison of two files with different bytes."""
    ours, theirs = rebuilt.inspection, file.inspection
    same_weights = bool(ours.weights) and ours.weights == theirs.weights
    same_operators = bool(ours.operators) and Counter(ours.operators) == Counter(theirs.operators)
    changed = list(_other_versions(file))
    if changed and same_weights and same_operators:
        text = f"the checkpoint gives the same weights and operators; the bytes differ, as do {', '.join(changed)}"
        return Check(GATE, True, text), ""
    foreign = sorted(theirs.operators.keys() - ours.operators.keys())
    if foreign and (not changed or ours.operators):
        return Check(GATE, False, f"the checkpoint gives no file with {', '.join(foreign)}; export it again"), ""
    if not changed:
        if file.reduction and same_operators and _calibrated_apart(ours, theirs):
            return None, "the ranges of its integers depend on the processor, and were measured on another one"
        what = "other weights" if same_operators else "other operators" if ours.operators else "other bytes"
        return Check(GATE, False, f"the checkpoint gives a file with {what}; the file was changed, or forged"), ""
    return None, (
        f"the checkpoint gives other bytes, but other versions of {', '.join(changed)} wrote the file; verify it with "
        "these, or export it again"
    )


def _calibrated_apart(ours: Inspection, theirs: Inspection) -> bool:
    """Whether at least half of the arrays are equal: the integer weights depend on the checkpoint only."""
    common = Counter(ours.weights) & Counter(theirs.weights)
    return len(ours.weights) == len(theirs.weights) and 2 * common.total() >= len(ours.weights)


def _other_versions(file: FileUnderTest) -> Iterator[str]:
    """The software that wrote the file in another version than is here, as ``NAME VERSION``."""
    recorded, present = file.description.get("versions"), versions()
    recorded = recorded if isinstance(recorded, dict) else {}
    if file.certificate is not None and file.certificate.bound is None:
        # an earlier zoo wrote it, whatever number it had, and its exporter may have made other choices
        yield f"the certificate (format {file.certificate.entries.format})"
    for name in (*_WRITERS, *(_REDUCERS if file.reduction else ())):
        if recorded.get(name) != present.get(name):
            yield f"{name} {recorded.get(name, 'unknown')}"
