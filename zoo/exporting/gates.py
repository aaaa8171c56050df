"""The gates: every check that a file must pass before it is put in place, in the order in which they run.

determinism   two runs of the model give equal outputs
reproducible  on request: another process writes the same bytes
independence  predictions do not depend on batch size
structure     the file is valid, names its inputs and outputs, and takes a batch of any size
…             the exporter's own checks
numerics      run as written, the file is as close to float64 as correct float32 programs are
providers     so is every other way to run it
test split    every prediction is the same as in torch, and the metric is the recorded one
int8 …        of a smaller form: its structure, finite outputs, and what it loses and gains
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import ExportError, ExportRefused
from ..models.runtime import Inspection, RuntimeFailed, Runtimes
from ..specs.exporter import Exporter
from ..specs.references import resolve_reference
from .certificate import Check, ExportForm
from .checks import check_reproducible, check_structure
from .model_checks import check_determinism, check_independence
from .numerics import Case, ExactRuns, check_numerics, check_providers, make_cases, make_reference_vectors
from .quantisation import Baseline, check_reduced, reduced_reference_vectors
from .reference_vectors import ReferenceVectors
from .request import ExportRequest
from .source import ExportSource
from .split_check import check_test_split


class Gates:
    """The gates for one file.

    Each step of the work is done only when the consumer asks for the next check, so that nothing runs after a failure.

    Args:
        source: the model and the test data.
        request: the format and the conditions.
        path: the file.
    """

    def __init__(self, source: ExportSource, request: ExportRequest, path: Path) -> None:
        self.source, self.request, self.exporter, self.path = source, request, request.exporter, path
        self.vectors: ReferenceVectors | None = None
        """For the certificate; there after the last check, unless the exporter cannot open its files."""
        self.inspection: Inspection | None = None
        """What is in the file, likewise."""
        self._exact_runs = ExactRuns(source)

    @property
    def form(self) -> ExportForm:
        """How the file is written, for the certificate."""
        return ExportForm(self.exporter.name, self.request.reduction, dict(self.request.options))

    def write_and_check(self) -> Iterator[Check]:
        """Check the model, write the file, check the file."""
        yield check_determinism(self.source, self._exact_runs)
        self._write()
        if self.request.reproducible:
            yield check_reproducible(self.source, self.request, self.path)
        yield check_independence(self.source, self._exact_runs)
        yield from self.check_file()

    def check_file(self) -> Iterator[Check]:
        """Check a file that is already there."""
        if self.exporter.open is None:
            yield from self._own_checks()
            return
        yield self._structure()
        yield from self._own_checks()
        runtimes: Runtimes = self._call(self.exporter.open, self.path)
        cases = make_cases(self.source, self._exact_runs)
        self.vectors = make_reference_vectors(self.source, cases)
        yield from check_outputs(self.source, cases, runtimes, self.request.providers)
        if self.request.reduction:
            yield from self._reduce(cases, runtimes)

    def _reduce(self, cases: list[Case], full_runtimes: Runtimes) -> Iterator[Check]:
        """Replace the file, which passed all gates, with its smaller form, and check that."""
        name, full_bytes = self.request.reduction, self.path.stat().st_size
        with tempfile.TemporaryDirectory() as scratch:
            smaller = Path(scratch) / self.path.name
            self._call(self.exporter.reductions[name], self.source, self.path, smaller)
            # copied to the disk of the target, so that a full disk is noticed here
            self.path.write_bytes(smaller.read_bytes())
        yield replace(self._structure(), gate=f"{name} structure")
        runtimes: Runtimes = self._call(self.exporter.open, self.path)
        baseline = Baseline(full_runtimes, full_bytes, self.path.stat().st_size)
        yield from check_reduced(self.source, cases, runtimes, name, self.request.max_drop, baseline)
        self.vectors = reduced_reference_vectors(self.source, cases, runtimes.usual)

    def _write(self) -> None:
        self._call(self.exporter.write, self.source, self.path, **self.request.options)
        if not self.path.is_file() or not self.path.stat().st_size:  # it is there and empty before the call
            raise ExportError(f"The exporter {self.exporter.name} wrote no file.")

    def _structure(self) -> Check:
        self.inspection = self._call(self.exporter.inspect, self.path)
        return check_structure(self.source, self.inspection)

    def _own_checks(self) -> Iterator[Check]:
        if self.exporter.check is not None:
            yield from self._call(self.exporter.check, self.source, self.path, **self.request.options)

    def _call(self, reference: Any, *args: Any, **options: Any) -> Any:
        return resolve_reference(reference)(*args, **options)


def check_outputs(
    source: ExportSource, cases: list[Case], runtimes: Runtimes, wanted: Iterable[str] = ()
) -> Iterator[Check]:
    """The gates that run the file: numerics, providers, test split.

    Args:
        cases: from :func:`zoo.exporting.numerics.make_cases`.
        wanted: execution providers that must be tested; the others are tested if they run.
    """
    gate = "numerics"
    try:
        yield check_numerics(source, cases, runtimes.literal)
        gate = "providers"
        yield check_providers(source, cases, runtimes, wanted)
        gate = "test split"
        yield from check_test_split(source, runtimes.usual_of_each_provider)
    except RuntimeFailed as error:
        yield Check(gate, False, str(error))


def expected_gates(
    exporter: Exporter, reduction: str, *, reproducible: bool, own: Sequence[str], runtimes: int
) -> list[str]:
    """The names of all checks that an export makes, in their order.

    Args:
        reduction: the name of the smaller form; empty for float32.
        reproducible: whether the file was written twice.
        own: the names of the exporter's own checks.
        runtimes: the number of execution providers that ran the test split.
    """
    found = ["determinism", *(["reproducible"] if reproducible else []), "independence"]
    if exporter.open is None:
        return [*found, *own]
    found += ["structure", *own, "numerics", "providers", *["test split"] * runtimes]
    return found + [f"{reduction} {gate}" for gate in ("structure", "numerics", "budget") if reduction]


def require_all(checks: Iterable[Check], target: Path) -> Iterator[Check]:
    """Every check up to the first failure, because the checks after it would run on a broken file.

    Args:
        target: where the file belongs, for the message.

    Raises:
        ExportRefused: a check failed, or no check was of the file itself.
    """
    checked_file = False
    for check in checks:
        if not check.passed:
            kept = f" The earlier {target} is untouched." if target.exists() else ""
            raise ExportRefused(f"{target.name} was refused and not written. {check.gate}: {check.summary}.{kept}")
        checked_file = checked_file or check.gate not in ("determinism", "independence")
        yield check
    if not checked_file:
        raise ExportRefused(f"{target.name} was refused and not written: its exporter checked nothing.")
