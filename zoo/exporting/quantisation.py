"""The gates of a file that was made smaller on purpose: not equal any more, but within a budget."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ..models.runtime import Runtime, RuntimeFailed, Runtimes
from .certificate import Check
from .numerics import BATCHES, Case, make_reference_vectors
from .reference_vectors import ReferenceVectors
from .source import ExportSource
from .split_check import file_outputs, torch_outputs

LATENCY_BATCHES = (1, 64)
ROUNDS = 60
NOTICEABLE = 1.1
"""Less of a gain than this is none."""
REFERENCE_LIMIT = 0.05
"""Part of the largest output that a processor with other instructions may be away from what was computed here."""


@dataclass(frozen=True, slots=True)
class Gain:
    """What a smaller file is held against: the proven one that it was made from."""

    proven: Runtimes
    proven_bytes: int
    reduced_bytes: int


def judge_reduced(
    source: ExportSource, cases: list[Case], runtimes: Runtimes, name: str, max_drop: float, gain: Gain | None = None
) -> Iterator[Check]:
    """The gates of a smaller file.

    Args:
        name: of the reduction, ``int8``.
        max_drop: how many points of accuracy may be lost; of a regression, by how many percent the error may rise.
        gain: to measure bytes and speed too.
    """
    gate = f"{name} numerics"
    try:
        yield check_finite(gate, cases, runtimes)
        gate = f"{name} budget"
        yield check_budget(gate, source, runtimes.usual, max_drop, gain)
    except RuntimeFailed as error:
        yield Check(gate, False, str(error))


def check_finite(gate: str, cases: list[Case], runtimes: Runtimes) -> Check:
    """Every output of every runtime is a number, on real and hostile inputs of every batch size."""
    furthest, broken = 0.0, ""
    for runtime in runtimes.all:
        for case in cases:
            for want, got in zip(case.exact, runtime.run(case.inputs), strict=True):
                if got.shape != want.shape or not np.isfinite(got).all():
                    broken = broken or f"an output for {case.kind}, batch {len(case.inputs)}, on {runtime} is no number"
                else:
                    scale = float(np.abs(want).max()) or 1.0
                    furthest = max(furthest, float(np.abs(got - want).max()) / scale)
    figures = {"batches": list(BATCHES), "furthest_of_scale": furthest, "ran": [str(item) for item in runtimes.all]}
    fine = f"finite on every kind of input; at most {furthest:.1%} of the largest output from float64"
    return Check(gate, not broken, broken or fine, figures)


def check_budget(gate: str, source: ExportSource, runtime: Runtime, max_drop: float, gain: Gain | None) -> Check:
    """The whole test split: agreement with torch, what the metric loses, and what was gained for it."""
    task, test = source.task, source.test
    exact, got = torch_outputs(source), file_outputs(runtime, test.inputs)
    before, after = (float(task.metric_of_each(outputs, test.targets).double().mean()) for outputs in (exact, got))
    figures: dict[str, Any] = {"samples": len(test), task.metric: after, f"float32_{task.metric}": before}
    if task.decides:
        drop, unit, metric = 100 * (before - after), "points", f"{task.metric} {after:.4%} against {before:.4%}"
        figures["agreement"] = float((task.decisions(got) == task.decisions(exact)).double().mean())
        agreement = f"{figures['agreement']:.2%} decided as in float32"
    else:
        drop, unit = 100 * (after / before - 1) if before else 0.0, "percent"
        metric = f"{task.metric} {after:.6g} against {before:.6g}"
        figures["mean_change"] = float((got - exact).abs().double().mean())
        agreement = f"predictions change by {figures['mean_change']:.3g} on average"
    figures |= {"drop": drop, "max_drop": max_drop}
    where = f"{len(test):,} test samples of {source.evaluated_on}"
    if not drop <= max_drop:
        lost = f"{drop:.2f} {unit} lost, {max_drop:g} allowed"
        summary = f"{metric} on {where}: {lost}; keep float32, or allow more with --max-drop"
        return Check(gate, False, summary, figures)
    told = f"{metric} on {where}, {agreement}"
    if gain is not None:
        measured, words = _measure(gain, runtime, source.samples(max(LATENCY_BATCHES)))
        figures |= measured
        told = f"{told}; {words}"
    return Check(gate, True, told, figures)


def quantised_reference_vectors(source: ExportSource, cases: list[Case], runtime: Runtime) -> ReferenceVectors:
    """The reference vectors with what the smaller file itself gives. Integer instructions differ between processors, so
    the limit is wide: it finds a broken runtime, not a rounding."""
    vectors = make_reference_vectors(source, cases)
    outputs = dict(zip(vectors.outputs, runtime.run(vectors.tensor()), strict=True))
    return ReferenceVectors(
        vectors.inputs, outputs, tuple(REFERENCE_LIMIT * float(abs(a).max()) for a in outputs.values())
    )


def _measure(gain: Gain, runtime: Runtime, samples: Tensor) -> tuple[dict[str, Any], str]:
    """Bytes and latency beside the proven file's, as figures and as words."""
    smaller = gain.proven_bytes / gain.reduced_bytes
    figures: dict[str, Any] = {"bytes": gain.reduced_bytes, "float32_bytes": gain.proven_bytes, "latency": {}}
    words = [f"{smaller:.1f} times smaller" if smaller > NOTICEABLE else f"no smaller ({smaller:.2f} times)"]
    for batch in LATENCY_BATCHES:
        inputs = samples[:batch]
        slow, fast = latencies([gain.proven.usual, runtime], inputs)
        speedup = statistics.median(slow) / statistics.median(fast)
        figures["latency"][str(len(inputs))] = {
            "seconds": statistics.median(fast),
            "float32_seconds": statistics.median(slow),
            "speedup": speedup,
        }
        faster = speedup > NOTICEABLE and _quartile(fast, 3) < _quartile(slow, 1)
        honest = "" if faster else f", so no faster on this {runtime.provider},"
        words.append(f"{speedup:.2f} times as fast{honest} at batch {len(inputs)}")
    return figures, "; ".join(words)


def latencies(runtimes: list[Runtime], inputs: Tensor) -> list[list[float]]:
    """The seconds of each for ``inputs``, taken in turn, so that what else the machine does meets them alike."""
    times: list[list[float]] = [[] for _ in runtimes]
    for _ in range(ROUNDS):
        for runtime, taken in zip(runtimes, times, strict=True):
            began = time.perf_counter()
            runtime.run(inputs)
            taken.append(time.perf_counter() - began)
    return times


def _quartile(times: list[float], which: int) -> float:
    return statistics.quantiles(times, n=4)[which - 1]
