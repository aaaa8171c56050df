"""The evaluation of a model on a split: metrics, classes, calibration and mistakes, from its outputs and the targets.

Imports no torch: an exported file and a checkpoint are evaluated by the same code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formatting import html_table, metric_name, metric_text
from ..models.description import ModelDescription
from ..models.inference import Array
from .intervals import (
    CONFIDENCE,
    Interval,
    Metric,
    bootstrap,
    class_metrics,
    measured,
    number_metrics,
    share_of,
    wilson,
    worst_samples,
    worst_values,
)

if TYPE_CHECKING:
    from ..models.tasks import TaskMethods

USUAL = {"class": {"accuracy", "auc", "f1"}, "numbers": {"mae", "rmse", "r2"}}
"""The metrics that are computed without torch, for each prediction; see :class:`zoo.Task`."""
BINS = 10
"""The number of bins of the confidence, for calibration."""


@dataclass(frozen=True, slots=True)
class ClassScore:
    """The metrics of one class.

    Args:
        label: the name of the class.
        precision: the share of the samples predicted as this class that belong to it, 0 to 1, with Wilson's interval
            (bootstrap for samples in groups); NaN if none is predicted as this class.
        recall: the share of the samples of this class that are predicted as it, 0 to 1, likewise; NaN if there are
            none.
        f1: the harmonic mean of precision and recall, 0 to 1; NaN if the class is neither a target nor predicted.
        support: how many samples belong to this class.
    """

    label: str
    precision: Interval
    recall: Interval
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether predictions with a confidence of 90% are correct in 90% of cases.

    The confidence of a prediction is the probability of the predicted class. Samples are grouped by it into ten bins of
    equal width (Guo et al. 2017, https://arxiv.org/abs/1706.04599).

    Args:
        error: the expected calibration error, 0 to 1: the distance between mean confidence and accuracy, averaged over
            the bins and weighted by their samples.
        edges: the edges of the bins, float64 ``[BINS + 1]``, from 0 to 1.
        confidence: the mean confidence in each bin, float64 ``[BINS]``; NaN if the bin is empty.
        accuracy: the accuracy in each bin, float64 ``[BINS]``; NaN if the bin is empty.
        counts: the number of samples in each bin, int64 ``[BINS]``.
    """

    error: float
    edges: Array
    confidence: Array
    accuracy: Array
    counts: Array


@dataclass(frozen=True)
class Assessment:
    """The evaluation of a model on a split; :func:`zoo.assess` returns one.

    Args:
        model: the description of the model.
        engine: what ran the model: ``torch`` or ``onnxruntime``.
        data: the name of the dataset.
        split: ``test``, ``validation`` or ``train``.
        inputs: raw samples, uint8 ``[N, C, H, W]`` or float32 ``[N, F]``.
        outputs: float32 logits ``[N, K]``, ``K`` is 1 for a binary task; for a regression, predictions ``[N, K]`` in
            the target's units. The task of a plugin can have other outputs and targets.
        targets: int64 class indices ``[N]``; for a regression, float32 values ``[N, K]`` in the target's units.
        groups: the group of each sample, int64 ``[N]``, see :class:`zoo.Split`; None if all are independent.
        methods: of the task, for the metrics that are not in :data:`USUAL`; None if all are.
    """

    model: ModelDescription
    engine: str
    data: str
    split: str
    inputs: Array = field(repr=False)
    outputs: Array = field(repr=False)
    targets: Array = field(repr=False)
    groups: Array | None = field(default=None, repr=False)
    methods: TaskMethods | None = field(default=None, repr=False)

    @property
    def samples(self) -> int:
        """The number of samples, ``N``."""
        return len(self.targets)

    @property
    def group_count(self) -> int:
        """The number of groups of dependent samples, which the intervals resample; 0 if there are none."""
        return 0 if self.groups is None else len(np.unique(self.groups))

    @cached_property
    def metrics(self) -> dict[str, Interval]:
        """Each metric of the task with its interval: Wilson's for the accuracy, bootstrap for all others.

        For samples in groups, all are intervals of a bootstrap of whole groups.
        """
        others = {} if self.methods is None else measured(self.methods, self.outputs, self.targets)
        if self.model.predicts == "numbers":
            return self._bootstrap(number_metrics(self.outputs, self.targets) | others)
        return self._class_metrics(others) if self.model.decides else self._bootstrap(others)

    def _class_metrics(self, more: dict[str, Metric]) -> dict[str, Interval]:
        losses = -np.log(np.maximum(self._probability_of(self.targets), np.finfo(float).tiny))
        others = class_metrics(losses, self.outputs, self.decisions, self.targets)
        more = {name: metric for name, metric in more.items() if name != "accuracy"}  # Wilson's interval is better
        everything = np.ones(self.samples, dtype=bool)
        return {"accuracy": self._share(self.correct, everything), **self._bootstrap(others | more)}

    def _bootstrap(self, metrics: dict[str, Metric]) -> dict[str, Interval]:
        return bootstrap(metrics, self.samples, groups=self.groups)

    def _share(self, wanted: Array, among: Array) -> Interval:
        """The share of the samples ``among`` that are ``wanted``, from bool ``[N]``."""
        if self.groups is None:
            return wilson(int((wanted & among).sum()), int(among.sum()))
        return self._bootstrap({"share": share_of(wanted, among)})["share"]

    @cached_property
    def decisions(self) -> Array:
        """The predicted class of each sample, int64 ``[N]``."""
        if self.outputs.shape[1] == 1:
            return (self.outputs[:, 0] > 0).astype(np.int64)
        return self.outputs.argmax(axis=1)  # type: ignore[no-any-return]

    @cached_property
    def correct(self) -> Array:
        """Whether each predicted class is the true one, bool ``[N]``."""
        return self.decisions == self.targets  # type: ignore[no-any-return]

    @cached_property
    def probabilities(self) -> Array:
        """The probability of every class, float64 ``[N, classes]``; one logit is that of the second of two classes."""
        logits = self.outputs.astype(float)
        if self.outputs.shape[1] == 1:
            logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]

    @cached_property
    def confusion(self) -> Array:
        """The confusion matrix, int64 ``[classes, classes]``: rows are true classes, columns predicted classes."""
        classes = self.probabilities.shape[1]
        pairs = self.targets * classes + self.decisions
        return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    @cached_property
    def classes(self) -> tuple[ClassScore, ...]:
        """The metrics of each class, in the order of the labels."""
        found = []
        for place, row in enumerate(self.confusion):
            hits, predicted, support = int(row[place]), int(self.confusion[:, place].sum()), int(row.sum())
            f1 = 2 * hits / (predicted + support) if predicted + support else float("nan")
            precision = self._share(self.correct, self.decisions == place)
            recall = self._share(self.correct, self.targets == place)
            found.append(ClassScore(self.model.label(place), precision, recall, f1, support))
        return tuple(found)

    @cached_property
    def calibration(self) -> Calibration:
        """How well the probabilities match the accuracy."""
        confidence = self._probability_of(self.decisions)
        edges = np.linspace(0, 1, BINS + 1)
        bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, BINS - 1)
        counts = np.bincount(bins, minlength=BINS)
        with np.errstate(invalid="ignore"):
            mean = np.bincount(bins, confidence, BINS) / counts
            right = np.bincount(bins, self.correct, BINS) / counts
        error = float(np.nansum(np.abs(mean - right) * counts) / self.samples)
        return Calibration(error, edges, mean, right, counts)

    @cached_property
    def residuals(self) -> Array:
        """The errors of a regression: prediction minus target, float64 ``[N, K]``, in the target's units."""
        return self.outputs.astype(float) - self.targets

    def worst(self, count: int) -> Array:
        """The indices of the worst samples, at most ``count``, int64, the worst first.

        Of a classifier only wrong ones, by the probability of the predicted class minus that of the true one; of a
        regression by the absolute error, averaged over the targets; of other tasks by the main metric.
        """
        if self.methods is not None and self.model.predicts not in USUAL:
            return worst_samples(self.methods, self.outputs, self.targets)[:count]
        if not self.model.decides:
            return np.argsort(-np.abs(self.residuals).mean(axis=1), kind="stable")[:count]
        wrong = np.flatnonzero(~self.correct)
        gap = self._probability_of(self.decisions) - self._probability_of(self.targets)
        return wrong[np.argsort(-gap[wrong], kind="stable")][:count]

    def to_dict(self) -> dict[str, Any]:
        """All results for JSON."""
        content: dict[str, Any] = {
            "model": self.model.name,
            "origin": self.model.origin,
            "engine": self.engine,
            "data": self.data,
            "split": self.split,
            "samples": self.samples,
            "groups": self.group_count or None,
            "confidence": CONFIDENCE,
            "metrics": {name: interval.to_dict() for name, interval in self.metrics.items()},
        }
        if self.methods is not None and self.model.predicts not in USUAL:
            return content | {"worst": worst_values(self.methods, self.outputs, self.targets, 20)}
        return content | (self._decisions_dict() if self.model.decides else self._residuals_dict())

    def _repr_html_(self) -> str:
        """Metrics and confusion matrix as tables in a notebook; :func:`zoo.draw_assessment` draws more."""
        rows = [
            (metric_name(name), metric_text(name, i.value), metric_text(name, i.low), metric_text(name, i.high))
            for name, i in self.metrics.items()
        ]
        head = html_table((), [(f"{self.model.name} on {self.samples:,} {self.split} samples of {self.data}",)])
        text = head + html_table(("metric", "value", "95% from", "to"), rows)
        if not self.model.decides:
            return text
        names = [score.label for score in self.classes]
        counts = [(f"true {name}", *row) for name, row in zip(names, self.confusion.tolist(), strict=True)]
        return text + html_table(("", *(f"predicted {name}" for name in names)), counts)

    def _decisions_dict(self) -> dict[str, Any]:
        calibration = self.calibration
        return {
            "classes": [
                {
                    "label": score.label,
                    "precision": score.precision.to_dict(),
                    "recall": score.recall.to_dict(),
                    "f1": _or_none(score.f1),
                    "support": score.support,
                }
                for score in self.classes
            ],
            "confusion": self.confusion.tolist(),
            "calibration": {
                "error": calibration.error,
                "confidence": [_or_none(value) for value in calibration.confidence.tolist()],
                "accuracy": [_or_none(value) for value in calibration.accuracy.tolist()],
                "counts": calibration.counts.tolist(),
            },
            "mistakes": [
                {
                    "sample": int(place),
                    "predicted": self.model.label(int(self.decisions[place])),
                    "true": self.model.label(int(self.targets[place])),
                    "probability": float(self.probabilities[place, self.decisions[place]]),
                }
                for place in self.worst(self.samples)
            ],
        }

    def _residuals_dict(self) -> dict[str, Any]:
        quantiles = np.percentile(self.residuals, [0, 5, 25, 50, 75, 95, 100])
        names = ("lowest", "5%", "25%", "median", "75%", "95%", "highest")
        return {
            "residuals": dict(zip(names, quantiles.tolist(), strict=True)),
            "mistakes": [
                {"sample": int(i), "predicted": self.outputs[i].tolist(), "true": self.targets[i].tolist()}
                for i in self.worst(20)
            ],
        }

    def _probability_of(self, classes: Array) -> Array:
        return self.probabilities[np.arange(self.samples), classes]


def _or_none(value: float) -> float | None:
    return None if value != value else value
