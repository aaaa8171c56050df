"""What judging, comparing and timing found, as the commands print it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..formatting import metric_name, metric_names, metric_text, table, time_text

if TYPE_CHECKING:
    from ..models.description import ModelDescription
    from .assessment import Assessment
    from .benchmark import Bench
    from .compare import Candidate, Comparison
    from .intervals import Interval
    from .predict import Prediction

MOST_CLASSES = 20
"""Of more, a confusion matrix does not fit; the pairs that are most confused are shown in its place."""
MOST_MISTAKES = 8


def interval_text(name: str, found: Interval) -> str:
    """``99.41% (99.24% to 99.54%)``; of what is not defined, ``-``."""
    if found.value != found.value:
        return "-"
    if found.low != found.low:
        return metric_text(name, found.value)
    return f"{metric_text(name, found.value)} ({metric_text(name, found.low)} to {metric_text(name, found.high)})"


def assessment(found: Assessment) -> list[str]:
    """``zoo eval``."""
    model = found.model
    lines = [
        f"{model.name} ({model.origin}) by {found.engine}: {found.samples:,} {found.split} samples of {found.data}"
    ]
    names = [*metric_names(found.metrics), *(["loss"] if "loss" in found.metrics else [])]
    parts = [(metric_name(name), interval_text(name, found.metrics[name]).partition(" ")) for name in names]
    rows = [(name, value, spread.strip("()") or "-") for name, (value, _, spread) in parts]
    lines += ["", table(("METRIC", "VALUE", "95% CONFIDENCE"), rows, numeric=("VALUE",))]
    return lines + (_decisions(found) if model.decides else _residuals(found))


def _decisions(found: Assessment) -> list[str]:
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
        f"expected error {calibration.error:.2%}"
    )
    worst = found.worst(MOST_MISTAKES)
    if len(worst):
        wrong = int((~found.correct).sum())
        lines += [f"The worst of {wrong:,} mistakes:", *_mistakes(found, worst)]
    return lines


def _confusion(found: Assessment) -> Iterator[str]:
    labels = [score.label for score in found.classes]
    if len(labels) <= MOST_CLASSES:
        rows = [
            (label, *("·" if not count else f"{count:,}" for count in row))
            for label, row in zip(labels, found.confusion.tolist(), strict=True)
        ]
        yield "Confusion, true class downwards, said by the model to the right:"
        yield table(("", *labels), rows, numeric=labels)
        return
    pairs = [
        (int(count), labels[row], labels[column])
        for row, counts in enumerate(found.confusion)
        for column, count in enumerate(counts)
        if count and row != column
    ]
    yield "Most confused:"
    yield table(("SAMPLES", "IS", "SAID"), sorted(pairs, reverse=True)[:MOST_CLASSES], numeric=("SAMPLES",))


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
    yield table(("SAMPLE", "SAID", "SURE", "IS"), rows, numeric=("SURE",))


def _residuals(found: Assessment) -> list[str]:
    shares = found.to_dict()["residuals"]
    lines = ["", "Errors (predicted less true):"]
    lines.append(table([name.upper() for name in shares], [[f"{value:,.4g}" for value in shares.values()]]))
    rows = [
        (f"#{place}", *(f"{value:,.4g}" for value in (*found.outputs[place], *found.targets[place])))
        for place in found.worst(MOST_MISTAKES)
    ]
    names = [found.model.label(place) if found.model.labels else "target" for place in range(found.targets.shape[1])]
    columns = ("SAMPLE", *(f"PREDICTED {name}" for name in names), *(f"TRUE {name}" for name in names))
    return [*lines, "The worst:", table(columns, rows, numeric=columns[1:])]


def predictions(answers: Iterable[Prediction], description: ModelDescription) -> Iterator[str]:
    """``zoo predict``, a line as each answer comes, so the columns' widths are those of the labels, not of the rows."""
    names = list(description.labels) or [description.label(place) for place in range(2)]
    wide = min(28, max(5, *(len(name) for name in names)))
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
        others = "  ".join(f"{label:<{wide}} {value:>7.2%}" for label, value in ranked[1:2])
        yield f"{answer.label:<{wide}}  {answer.probability:>7.2%}  {others}  {answer.source}"


def _prediction_head(answer: Prediction, wide: int) -> str:
    if answer.values is not None:
        return "  ".join(f"{name.upper():>{max(12, len(name))}}" for name in answer.values) + "  INPUT"
    return f"{'LABEL':<{wide}}  {'SURE':>7}  {'NEXT':<{wide}} {'':>7}  INPUT"


_STEPS = {
    "inverted": "was inverted: light and dark are the other way round in what the network learnt (--invert no)",
    "framed": "was framed: its strokes cut out and brought into the middle, as MNIST's are (--frame no)",
    "crop": "was cropped at the centre and brought {size} pixels (--fit pad, --fit stretch)",
    "pad": "was padded and brought {size} pixels",
    "stretch": "was stretched {size} pixels",
}


def step_text(step: str) -> str:
    """What was done to an image before it was predicted, and the option that does otherwise; said once for all."""
    kind, _, size = step.partition(" ")
    return _STEPS[kind].format(size=size) + "; others like it too, said once"


def comparison(found: Comparison) -> list[str]:
    """``zoo compare``."""
    fronts = {cost: found.front(cost) for cost in ("parameters", "bytes", "latency")}
    costs = [cost for cost, front in fronts.items() if front]
    rows = []
    for place, candidate in enumerate(found.candidates):
        spread = f" ±{metric_text(found.metric, candidate.deviation)}" if len(candidate.values) > 1 else ""
        cells = [f"{_cost_text(cost, candidate)}{'*' if candidate in fronts[cost] else ' '}" for cost in costs]
        value = metric_text(found.metric, candidate.mean) + spread
        rows.append((candidate.name, value, str(len(candidate.values)), *cells, found.verdict(place)))
    name = metric_name(found.metric).upper()
    columns = ("NAME", name, "TRAININGS", *(f"{cost.upper()} " for cost in costs), "AGAINST THE BEST")
    head = f"{metric_name(found.metric)} on the test split of {found.dataset}; * on the Pareto front"
    return [head, "", table(columns, rows, numeric=columns[1:-1], wrap=("AGAINST THE BEST",))]


def bench(found: Bench) -> list[str]:
    """``zoo bench``."""
    from ..formatting import size_text

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
    columns = ("BY", "DEVICE", "BATCH", "MEDIAN", "95%", "SAMPLES/S", "MEMORY")
    threads = f"{found.threads} thread{'s' if found.threads > 1 else ''}" if found.threads else "threads as each likes"
    return [
        f"{found.model}, {threads}",
        "",
        table(columns, rows, numeric=columns[2:]),
    ]


def _cost_text(cost: str, candidate: Candidate) -> str:

    value = candidate.costs.get(cost)
    if value is None:
        return "-"
    return time_text(value) if cost == "latency" else f"{value:,.0f}"
