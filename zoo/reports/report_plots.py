"""The plots of the HTML report, and the samples on which the model is wrong, as variables of its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.assessment import Assessment
from ..formatting import main_metric, metric_name, metric_names, metric_text
from ..registry.registry import Registry
from ..runs.curves import curves_figure
from ..runs.run import Run
from .plots import calibration_figure, calibration_text, confusion_figure, residuals_figure, svg, themed
from .shown_samples import ShownSamples

MOST_WRONG = 24


def report_plots(run: Run | None, assessment: Assessment | None, registry: Registry) -> dict[str, Any]:
    """The template variables of the report only: its plots and its wrong predictions."""
    entries, best = (run.metrics(), run.config["best"] or {}) if run else ([], {})
    metric = main_metric(entries[0]["validation"]) if entries else ""
    with themed():
        curves = (
            svg(curves_figure("", metric, entries, best.get("epoch")), _curves_text(metric, entries)) if entries else ""
        )
    plots: dict[str, Any] = {
        "curves": curves,
        "confusion": "",
        "calibration": "",
        "calibration_text": "",
        "residuals": "",
        "wrong_predictions": [],
        "worst_samples": [],
    }
    if assessment is None:
        return plots
    shown = ShownSamples(assessment.model, registry)
    if assessment.model.predicts not in ("class", "numbers"):
        return plots | {"worst_samples": _worst_samples(assessment, shown)}
    if not assessment.model.decides:
        return plots | {"residuals": svg(residuals_figure(assessment), _residuals_text(assessment))}
    return plots | {
        "confusion": svg(confusion_figure(assessment), _confusion_text(assessment)),
        "calibration": svg(calibration_figure(assessment), f"Calibration. {calibration_text(assessment)}"),
        "calibration_text": calibration_text(assessment),
        "wrong_predictions": [
            _wrong_prediction(assessment, int(place), shown) for place in assessment.worst(MOST_WRONG)
        ],
    }


def _curves_text(metric: str, entries: Sequence[Mapping[str, Any]]) -> str:
    """What the curves show, for readers who do not see them."""
    ends = [metric_text(metric, entries[place]["validation"][metric]) for place in (0, -1)]
    return (
        f"Loss and {metric_name(metric)} over {len(entries)} epochs; validation {metric_name(metric)} from {ends[0]} "
        f"in the first to {ends[1]} in the last epoch"
    )


def _confusion_text(assessment: Assessment) -> str:
    right = int(assessment.correct.sum())
    return f"Confusion matrix: {right:,} of {assessment.samples:,} predictions are on the diagonal"


def _residuals_text(assessment: Assessment) -> str:
    found = assessment.metrics
    errors = ", ".join(f"{metric_name(name)} {metric_text(name, found[name].value)}" for name in metric_names(found))
    return f"Predictions against true values, errors against predictions, and a histogram of the errors: {errors}"


def _wrong_prediction(assessment: Assessment, place: int, shown: ShownSamples) -> dict[str, Any]:
    """One wrong prediction: the sample, the predicted and the true class, and its image or text if there is one."""
    predicted, true = int(assessment.decisions[place]), int(assessment.targets[place])
    return {
        "sample": place,
        "predicted": assessment.model.label(predicted),
        "confidence": f"{assessment.probabilities[place, predicted]:.0%}",
        "true": assessment.model.label(true),
        "image": shown.image(assessment.inputs[place]),
        "text": shown.text(assessment.inputs[place]),
    }


def _worst_samples(assessment: Assessment, shown: ShownSamples) -> list[dict[str, Any]]:
    """The samples with the worst main metric: number, metric, and the image or text if there is one."""
    name = main_metric(assessment.metrics)
    return [
        {
            "sample": place["sample"],
            "metric": f"{metric_name(name)} {metric_text(name, place[name])}",
            "image": shown.image(assessment.inputs[place["sample"]]),
            "text": shown.text(assessment.inputs[place["sample"]]),
        }
        for place in assessment.to_dict()["worst"]
    ]
