"""Repeat the checks of an export that run the file, and compare their figures with those in the certificate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..exporting.certificate import Check
from ..exporting.gates import check_outputs
from ..exporting.limits import error_limits
from ..exporting.model_checks import check_determinism, check_independence
from ..exporting.numerics import Case, ExactRuns, run_exact, run_torch
from ..exporting.quantisation import check_reduced
from ..exporting.reference_vectors import ReferenceVectors
from ..exporting.source import ExportSource
from ..exporting.split_check import differs_by_more_than_ties, torch_outputs
from ..models.runtime import Runtimes
from .binding import FileUnderTest, of_this_version
from .certificate_file import CheckEntry, same_json
from .probes import make_probe_cases

SMALLER_FORM_SAMPLES = 0.002
"""As a part of the test split: predictions of integers that another processor may change."""


def repeat_checks(
    file: FileUnderTest, source: ExportSource, runtimes: Runtimes, seed: int, wanted: tuple[str, ...]
) -> Iterator[Check]:
    """The gates of the model, then those that run the file, on new probes. Nothing runs after a failure.

    Args:
        seed: of the probes.
        wanted: execution providers that must be tested.
    """
    exact_runs = ExactRuns(source)
    for gate in (check_determinism, check_independence):
        check = gate(source, exact_runs)
        yield check
        if not check.passed:
            return
    for check in _of_the_file(file, source, runtimes, seed, wanted):
        checked = _with_recorded_figures(file, source, check)
        yield checked
        if not checked.passed:
            return


def _of_the_file(
    file: FileUnderTest, source: ExportSource, runtimes: Runtimes, seed: int, wanted: tuple[str, ...]
) -> Iterable[Check]:
    cases: list[Case] = make_probe_cases(source, seed)
    if file.reduction:
        return check_reduced(source, cases, runtimes, file.reduction, _budget(file))
    return check_outputs(source, cases, runtimes, wanted)


def _budget(file: FileUnderTest) -> float:
    """The budget of the export, if it is not above what is accepted here."""
    for check in _recorded(file):
        if check.gate == f"{file.reduction} budget":
            return min(float(check.figures["max_drop"]), file.max_drop)
    return file.max_drop


def _recorded(file: FileUnderTest) -> tuple[CheckEntry, ...]:
    return file.certificate.entries.checks if file.certificate else ()


def _with_recorded_figures(file: FileUnderTest, source: ExportSource, check: Check) -> Check:
    """The check, failed if the certificate states other results for the test split."""
    for entry in _recorded(file):
        if entry.gate == check.gate and entry.figures.get("runtime") == check.figures.get("runtime") and check.passed:
            problem = _other_result(file, source, check, entry)
            if problem:
                return replace(check, passed=False, summary=problem)
    return check


def _other_result(file: FileUnderTest, source: ExportSource, check: Check, entry: CheckEntry) -> str:
    metric = source.task.metric
    if metric not in check.figures:
        return ""
    says = f"the certificate states {metric} {entry.figures.get(metric)}"
    if entry.figures.get("samples") != check.figures["samples"]:
        return f"the certificate states {entry.figures.get('samples')} samples, the data has {check.figures['samples']}"
    measured, stated = check.figures[metric], entry.figures.get(metric)
    if not isinstance(stated, float | int) or not _nearly(file, source, check.figures, abs(measured - stated)):
        return f"{says}, measured is {measured:.6g}"
    exact = same_json(check.figures, entry.figures)
    if exact and entry.summary != check.summary and not file.reduction and of_this_version(file):
        return f"the certificate states: {entry.summary}; true is: {check.summary}"
    return ""


def _nearly(file: FileUnderTest, source: ExportSource, figures: dict[str, Any], difference: float) -> bool:
    """Whether two results of the test split can be those of one file on two machines."""
    if difference == 0:
        return True
    if file.reduction:
        samples = len(source.test)
        if not source.task.decides:
            return bool(difference <= SMALLER_FORM_SAMPLES * abs(figures[source.task.metric]))
        return bool(difference * samples <= max(1.0, SMALLER_FORM_SAMPLES * samples) + 1e-6)
    if source.task.decides:
        return not differs_by_more_than_ties(source, torch_outputs(source), difference)
    return bool(difference <= 2 * figures["limit"])


def check_vectors(
    file: FileUnderTest, sets: dict[str, ReferenceVectors], runtimes: Runtimes, source: ExportSource | None
) -> Check:
    """The recorded inputs give the recorded outputs on every runtime.

    With the checkpoint, limits and outputs are computed again; those in the certificate are then only compared.
    """
    worst = (0.0, "", "")
    for name, vectors in sets.items():
        if source is not None and not file.reduction:
            vectors, problem = _recomputed(source, vectors)
            if problem:
                return Check("reference vectors", False, f"{problem} ({name})")
        for runtime in runtimes.all:
            worst = max(worst, (*vectors.largest_excess(runtime.run(vectors.tensor())), f"{name}, {runtime}"))
    excess, output, where = worst
    limits = "limit, computed again" if source is not None and not file.reduction else "limit"
    summary = f"the inputs in {', '.join(sets)} give the recorded outputs, largest error {excess:.1%} of the {limits}"
    wrong = f"the error of output {output} is {excess:.3g} times the limit ({where})"
    return Check("reference vectors", excess <= 1, summary if excess <= 1 else wrong)


def _recomputed(source: ExportSource, vectors: ReferenceVectors) -> tuple[ReferenceVectors, str]:
    """The vectors with the outputs and limits of the checkpoint, and what is wrong with those recorded."""
    reference, inputs = source.in_float64(), torch.from_numpy(vectors.inputs)
    exact = run_exact(reference, inputs)
    if [output.shape for output in exact] != [output.shape for output in vectors.outputs.values()]:
        return vectors, "the recorded outputs have other shapes than those of the checkpoint"
    limits = error_limits(reference, inputs, exact, [run_torch(source.model, inputs)])
    found, largest = {}, []
    for (name, recorded), right, limit in zip(vectors.outputs.items(), exact, limits, strict=True):
        # the recorded outputs are rounded to float32
        allowed = limit.largest + float(np.abs(right - right.astype(np.float32)).max())
        error = float(np.abs(recorded - right).max())
        if not error <= allowed:
            return (
                vectors,
                f"the recorded output {name} is {error:.2g} from that of the checkpoint, limit {allowed:.2g}",
            )
        found[name] = right.astype(np.float32)
        largest.append(allowed)
    return ReferenceVectors(vectors.inputs, found, tuple(largest)), ""


def real_inputs(vectors: ReferenceVectors | None) -> Tensor | None:
    """The inputs of reference vectors, for the probes of a file without data."""
    return None if vectors is None else torch.from_numpy(vectors.inputs)
