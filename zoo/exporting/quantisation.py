"""The gates of a smaller form, int8 for example: its outputs differ from float32, but within a budget."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ..formatting import counted, is_better, is_percentage, metric_figure
from ..models.runtime import Runtime, RuntimeFailed, Runtimes
from .certificate import Check
from .numerics import Case, batch_sizes, make_reference_vectors
from .reference_vectors import ReferenceVectors
from .source import ExportSource
from .split_check import file_outputs, torch_outputs

LATENCY_BATCHES = (1, 64)
ROUNDS = 60
COARSE = 0.5
"""If one sample of the test split is worth at least so many points of accuracy, the check says it."""
CLEAR_GAIN = 1.1
"""A smaller factor is not reported as a gain."""
REFERENCE_LIMIT = 0.05
"""How far, as a part of the largest output, another processor may be from the outputs computed here."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The float32 file that a smaller form was made from, to measure what was gained.

    Args:
        runtimes: of the float32 file.
        bytes: size of the float32 file.
        reduced_bytes: size of the smaller form.
    """

    runtimes: Runtimes
    bytes: int
    reduced_bytes: int


def check_reduced(
    source: ExportSource,
    cases: list[Case],
    runtimes: Runtimes,
    name: str,
    max_drop: float,
    baseline: Baseline | None = None,
) -> Iterator[Check]:
    """The gates of a smaller form that run it.

    Args:
        name: of the reduction, ``int8``.
        max_drop: points of accuracy that may be lost; for a regression, percent by which the error may rise.
        baseline: if given, size and latency are measured too.
    """
    gate = f"{name} numerics"
    try:
        yield check_finite(gate, cases, runtimes)
        gate = f"{name} budget"
        yield check_budget(gate, source, runtimes.usual, max_drop, baseline)
    except RuntimeFailed as error:
        yield Check(gate, False, str(error))


def check_finite(gate: str, cases: list[Case], runtimes: Runtimes) -> Check:
    """Every output of every runtime is finite, for real and extreme inputs of every batch size."""
    furthest, broken = 0.0, ""
    for runtime in runtimes.all:
        for case in cases:
            for want, got in zip(case.exact, runtime.run(case.inputs), strict=True):
                if got.shape != want.shape or not np.isfinite(got).all():
                    where = f"{case.kind}, batch size {len(case.inputs)}, {runtime}"
                    broken = broken or f"an output is NaN, infinite or of a wrong shape ({where})"
                else:
                    scale = float(np.abs(want).max()) or 1.0
                    furthest = max(furthest, float(np.abs(got - want).max()) / scale)
    figures = {
        "batches": batch_sizes(cases),
        "furthest_of_scale": furthest,
        "ran": [str(item) for item in runtimes.all],
    }
    fine = f"all outputs are finite; largest difference from float64: {furthest:.1%} of the largest output"
    return Check(gate, not broken, broken or fine, figures)


def check_budget(
    gate: str, source: ExportSource, runtime: Runtime, max_drop: float, baseline: Baseline | None
) -> Check:
    """The whole test split: agreement with torch, the loss in the metric, and the gain in size and speed."""
    task, test = source.task, source.test
    in_torch, got = torch_outputs(source), file_outputs(runtime, test.inputs)
    before, after = (float(task.metric_of_each(outputs, test.targets).double().mean()) for outputs in (in_torch, got))
    figures: dict[str, Any] = {"samples": len(test), task.metric: after, f"float32_{task.metric}": before}
    metric = f"{task.metric} {metric_figure(task.metric, after)} (float32 {metric_figure(task.metric, before)})"
    lost = before - after if is_better(task.metric, 1.0, 0.0) else after - before
    if is_percentage(task.metric):
        drop, unit = 100 * lost, "points"
    else:
        drop, unit = 100 * lost / abs(before) if before else 0.0, "percent"
    if task.decides:
        figures["agreement"] = float((task.decisions(got) == task.decisions(in_torch)).double().mean())
        agreement = f"{figures['agreement']:.2%} of predictions as in float32"
    else:
        figures["mean_change"] = float((got - in_torch).abs().double().mean())
        agreement = f"predictions change by {figures['mean_change']:.3g} on average"
    figures |= {"drop": drop, "max_drop": max_drop}
    samples = f"{counted(len(test), 'test sample')} of {source.evaluated_on}"
    if is_percentage(task.metric) and 100 / len(test) >= COARSE:
        samples = f"{samples} (one sample is {100 / len(test):.1f} points)"
    if not drop <= max_drop:
        lost_text = f"{drop:.2f} {unit} lost, {max_drop:g} allowed"
        summary = f"{metric} on {samples}: {lost_text}; keep float32, or allow more with --max-drop"
        return Check(gate, False, summary, figures)
    summary = f"{metric} on {samples}, {agreement}"
    if baseline is not None:
        gain, text = _measure_gain(baseline, runtime, source.samples(max(LATENCY_BATCHES)))
        figures |= gain
        summary = f"{summary}; {text}"
    return Check(gate, True, summary, figures)


def reduced_reference_vectors(source: ExportSource, cases: list[Case], runtime: Runtime) -> ReferenceVectors:
    """The reference vectors with the outputs of the smaller form itself.

    Integer instructions differ between processors, so the limit is wide: it finds a broken runtime, not rounding.
    """
    vectors = make_reference_vectors(source, cases)
    outputs = dict(zip(vectors.outputs, runtime.run(vectors.tensor()), strict=True))
    return ReferenceVectors(
        vectors.inputs, outputs, tuple(REFERENCE_LIMIT * float(abs(a).max()) for a in outputs.values())
    )


def _measure_gain(baseline: Baseline, runtime: Runtime, samples: Tensor) -> tuple[dict[str, Any], str]:
    """Size and latency compared with the float32 file, as figures and as a text."""
    smaller = baseline.bytes / baseline.reduced_bytes
    figures: dict[str, Any] = {"bytes": baseline.reduced_bytes, "float32_bytes": baseline.bytes, "latency": {}}
    parts = [f"{smaller:.1f} times smaller" if smaller > CLEAR_GAIN else f"not smaller ({smaller:.2f} times)"]
    for batch in LATENCY_BATCHES:
        inputs = samples[:batch]
        slow, fast = latencies([baseline.runtimes.usual, runtime], inputs)
        speedup = statistics.median(slow) / statistics.median(fast)
        figures["latency"][str(len(inputs))] = {
            "seconds": statistics.median(fast),
            "float32_seconds": statistics.median(slow),
            "speedup": speedup,
        }
        faster = speedup > CLEAR_GAIN and _quartile(fast, 3) < _quartile(slow, 1)
        no_gain = "" if faster else f" (no clear gain on this {runtime.provider})"
        parts.append(f"{speedup:.2f} times as fast at batch size {len(inputs)}{no_gain}")
    return figures, "; ".join(parts)


def latencies(runtimes: list[Runtime], inputs: Tensor) -> list[list[float]]:
    """The seconds that each runtime takes for ``inputs``, in every round.

    The runtimes take turns, so that other work on the machine slows down all of them alike.
    """
    times: list[list[float]] = [[] for _ in runtimes]
    for _ in range(ROUNDS):
        for runtime, taken in zip(runtimes, times, strict=True):
            began = time.perf_counter()
            runtime.run(inputs)
            taken.append(time.perf_counter() - began)
    return times


def _quartile(times: list[float], which: int) -> float:
    return statistics.quantiles(times, n=4)[which - 1]
