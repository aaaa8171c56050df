"""Evaluations, predictions, comparisons and benchmarks as the text that the commands print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..formatting import counted, main_metric, metric_name, metric_names, metric_text, size_text, table, time_text

if TYPE_CHECKING:
    from ..models.description import ModelDescription
    from .assessment import Assessment
    from .benchmark import Bench
    from .compare import Candidate, Comparison
    from .intervals import Interval
    from .predict import Prediction

MOST_CLASSES = 20
"""With more classes a confusion matrix is too wide; the most confused pairs of classes are shown instead."""
MOST_MISTAKES = 8


def interval_text(name: str, found: Interval) -> str:
    """``99.41% (99.24% to 99.54%)``, without an interval if there is none; ``-`` for an undefined metric."""
    if found.value != found.value:
        return "-"
    if found.low != found.low:
        return metric_text(name, found.value)
    return f"{metric_text(name, found.value)} ({metric_text(name, found.low)} to {metric_text(name, found.high)})"


def assessment(found: Assessment) -> list[str]:
    """The lines of ``zoo eval``."""
    model = found.model
    lines = [
        f"{model.name} ({model.origin}) in {found.engine}: "
        f"{counted(found.samples, found.split + ' sample')} of {found.data}"
    ]
    names = [*metric_names(found.metrics), *(["loss"] if "loss" in found.metrics else [])]
    parts = [(metric_name(name), interval_text(name, found.metrics[name]).partition(" (")) for name in names]
    rows = [(name, value, spread.strip(")") or "-") for name, (value, _, spread) in parts]
    lines += ["", table(("METRIC", "VALUE", "95% CONFIDENCE INTERVAL"), rows, numeric=("VALUE",))]
    if found.group_count:
        lines += [f"The samples are in {counted(found.group_count, 'group')}; the intervals resample whole groups."]
    if model.predicts not in ("class", "numbers"):
        return lines + _worst(found)
    return lines + (_classes(found) if model.decides else _residuals(found))


def _worst(found: Assessment) -> list[str]:
    """What ``zoo eval`` shows of a plugin's task: the samples with the worst main metric."""
    places = found.to_dict()["worst"][:MOST_MISTAKES]
    name = main_metric(found.metrics)
    rows = [(f"#{place['sample']}", metric_text(name, place[name])) for place in places]
    return ["", table(("WORST SAMPLES", metric_name(name).upper()), rows, numeric=(metric_name(name).upper(),))]


def _classes(found: Assessment) -> list[str]:
    """What ``zoo eval`` shows of a classifier."""
    columns = ("CLASS", "PRECISION", "RECALL", "F1", "SAMPLES")
    rows = [
        (
            score.label,
            interval_text("accuracy", score.precision),
            interval_text("accuracy", score.recall),
            "-" if score.f1 != score.f1 else f"{score.f1:.3f}",
            f"{score.support:,}",
        )
        for score in found.classes
    ]
    calibration = found.calibration
    mean = float((found.probabilities.max(axis=1)).mean())
    lines = ["", table(columns, rows, numeric=("F1", "SAMPLES")), "", *_confusion(found), ""]
    lines.append(
        f"Calibration: mean confidence {mean:.2%}, accuracy {found.correct.mean():.2%}, "
        f"expected calibration error {calibration.error:.2%}"
    )
    worst = found.worst(MOST_MISTAKES)
    if len(worst):
        wrong = int((~found.correct).sum())
        lines += [f"Worst {len(worst)} of {wrong:,} mistakes:" if wrong > 1 else "The only mistake:"]
        lines += _mistakes(found, worst)
    return lines


def _confusion(found: Assessment) -> Iterator[str]:
    labels = [score.label for score in found.classes]
    if len(labels) <= MOST_CLASSES:
        rows = [
            (label, *("·" if not count else f"{count:,}" for count in row))
            for label, row in zip(labels, found.confusion.tolist(), strict=True)
        ]
        yield "Confusion matrix (rows: true class, columns: predicted class):"
        yield table(("", *labels), rows, numeric=labels)
        return
    pairs = [
        (int(count), labels[row], labels[column])
        for row, counts in enumerate(found.confusion)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    yield "Most confused classes:"
    yield table(("SAMPLES", "TRUE", "PREDICTED"), sorted(pairs, reverse=True)[:MOST_CLASSES], numeric=("SAMPLES",))


def _mistakes(found: Assessment, worst: Any) -> Iterator[str]:
    rows = [
        (
            f"#{place}",
            found.model.label(int(found.decisions[place])),
            f"{found.probabilities[place, found.decisions[place]]:.2%}",
            found.model.label(int(found.targets[place])),
        )
        for place in worst
    ]
    yield table(("SAMPLE", "PREDICTED", "PROBABILITY", "TRUE"), rows, numeric=("PROBABILITY",))


def _residuals(found: Assessment) -> list[str]:
    """What ``zoo eval`` shows of a regression."""
    quantiles = found.to_dict()["residuals"]
    lines = ["", "Errors (predicted minus true):"]
    lines.append(table([name.upper() for name in quantiles], [[f"{value:,.4g}" for value in quantiles.values()]]))
    rows = [
        (f"#{place}", *(f"{value:,.4g}" for value in (*found.outputs[place], *found.targets[place])))
        for place in found.worst(MOST_MISTAKES)
    ]
    names = [found.model.label(place) if found.model.labels else "target" for place in range(found.targets.shape[1])]
    columns = ("SAMPLE", *(f"PREDICTED {name}" for name in names), *(f"TRUE {name}" for name in names))
    return [*lines, "", "Largest errors:", table(columns, rows, numeric=columns[1:])]


def predictions(answers: Iterable[Prediction], description: ModelDescription) -> Iterator[str]:
    """The lines of ``zoo predict``, each as soon as its prediction is there.

    So the width of a column cannot depend on its rows; it depends on the labels.
    """
    names = list(description.labels) or [description.label(place) for place in range(2)]
    wide = min(28, max(9, *(len(name) for name in names)))
    first = True
    for answer in answers:
        if answer.error:
            continue
        if first:
            yield _prediction_head(answer, wide)
            first = False
        if answer.values is not None:
            yield "  ".join(f"{value:>{max(12, len(name))},.6g}" for name, value in answer.values.items()) + (
                f"  {answer.source}"
            )
            continue
        ranked = sorted((answer.probabilities or {}).items(), key=lambda item: -item[1])
        best = "  ".join(f"{label:<{wide}}  {value:>11.2%}" for label, value in ranked[:2])
        note = "" if answer.unsure is None else f"{'unsure' if answer.unsure else '':<8}"
        yield f"{best}  {note}{answer.source}"


def _prediction_head(answer: Prediction, wide: int) -> str:
    if answer.values is not None:
        return "  ".join(f"{name.upper():>{max(12, len(name))}}" for name in answer.values) + "  INPUT"
    note = "" if answer.unsure is None else "NOTE    "
    return f"{'PREDICTED':<{wide}}  PROBABILITY  {'SECOND':<{wide}}  PROBABILITY  {note}INPUT"


_STEPS = {
    "inverted": "was inverted to match the training images; --invert no turns this off",
    "framed": "was framed: its strokes were redrawn upright and centred like MNIST digits; --frame no turns this off",
    "crop": "was cropped at the centre and resized to {size} pixels; alternatives: --fit pad, --fit stretch",
    "pad": "was padded and resized to {size} pixels",
    "stretch": "was stretched to {size} pixels",
}


def step_text(step: str) -> str:
    """How an image was prepared, and the option that changes it, for a note that is shown once for all images.

    Args:
        step: one of :attr:`zoo.Prediction.steps`.
    """
    kind, _, size = step.partition(" to ")
    return _STEPS[kind].format(size=size) + " (shown once; this also applies to similar images)"


def comparison(found: Comparison) -> list[str]:
    """The lines of ``zoo compare``; without names of runs, at most 80 characters wide."""
    fronts = {cost: found.front(cost) for cost in ("parameters", "bytes", "latency")}
    costs = [cost for cost, front in fronts.items() if front]
    counts = {len(candidate.values) for candidate in found.candidates}
    rows = []
    for place, candidate in enumerate(found.candidates):
        spread = f" ±{metric_text(found.metric, candidate.deviation)}" if len(candidate.values) > 1 else ""
        cells = [f"{_cost_text(cost, candidate)}{'*' if candidate in fronts[cost] else ' '}" for cost in costs]
        value = metric_text(found.metric, candidate.mean) + spread
        runs = [str(len(candidate.values))] if len(counts) > 1 else []
        rows.append((candidate.name, value, *runs, *cells, found.short_result(place)))
    name = metric_name(found.metric).upper()
    runs = ["RUNS"] if len(counts) > 1 else []
    heads = {"parameters": "PARAMS ", "bytes": "BYTES ", "latency": "LATENCY "}
    columns = ("NAME", name, *runs, *(heads[cost] for cost in costs), "VS BEST, P")
    each = "" if len(counts) > 1 else f", {counted(min(counts), 'run')} each"
    head = f"{metric_name(found.metric)} on the test split of {found.dataset}{each}; * on the Pareto front"
    lines = [head, "", table(columns, rows, numeric=columns[1:-1], optional=("RUNS", "BYTES "))]
    if any(p is not None for p in found.p_values):
        lines += [
            "",
            "worse: significantly, at 5% (Games-Howell test, corrected for the choice of the",
            "best); unclear: not significantly. The test covers the chance of the seeds",
            "only, not that of the test samples, and says nothing about other data.",
        ]
    return lines


def bench(found: Bench) -> list[str]:
    """The lines of ``zoo bench``."""
    rows = [
        (
            timing.contender,
            timing.device,
            f"{timing.batch:,}",
            time_text(timing.p50),
            time_text(timing.p95),
            f"{timing.samples_per_second:,.0f}",
            "-" if timing.bytes_added is None else size_text(timing.bytes_added),
        )
        for timing in found.timings
    ]
    columns = ("RUNTIME", "DEVICE", "BATCH", "MEDIAN", "P95", "SAMPLES/S", "MEMORY")
    threads = (
        f"{found.threads} thread{'s' if found.threads > 1 else ''}" if found.threads else "library default threads"
    )
    return [f"{found.model}, {threads}", "", table(columns, rows, numeric=columns[2:])]


def _cost_text(cost: str, candidate: Candidate) -> str:
    value = candidate.costs.get(cost)
    if value is None:
        return "-"
    if cost == "bytes":
        return size_text(int(value))
    return time_text(value) if cost == "latency" else f"{value:,.0f}"
