"""What a model's answers are worth: every figure from its outputs and the truth, whatever computed them.

Imports no torch, so that an exported file and a checkpoint are judged by the same lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..formatting import html_table, metric_name, metric_text
from ..models.description import ModelDescription
from ..models.inference import Array
from .intervals import CONFIDENCE, Interval, Weighted, auc_of, bootstrap, f1_of, mean_of, r2_of, wilson

BINS = 10
"""Of the confidences, for calibration."""


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How one class fares, each a proportion with Wilson's interval.

    Args:
        precision: of those that were said to be of it, how many are.
        recall: of those that are of it, how many were found.
        f1: their harmonic mean; NaN where the class neither is nor is said to be.
        support: how many samples are of it.
    """

    label: str
    precision: Interval
    recall: Interval
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether a confidence of 90% is right nine times in ten (Guo et al. 2017, https://arxiv.org/abs/1706.04599).

    Args:
        error: expected calibration error: the mean distance of confidence and accuracy over ten bins of equal width.
        edges: of the bins, ``[BINS + 1]``, from 0 to 1.
        confidence, accuracy: the mean in each bin, ``[BINS]``; NaN where it is empty.
        counts: samples in each bin.
    """

    error: float
    edges: Array
    confidence: Array
    accuracy: Array
    counts: Array


@dataclass(frozen=True)
class Assessment:
    """Every figure of a model on a split; :func:`zoo.assess` gives one.

    Args:
        model: what was judged.
        engine: what ran it: ``torch`` or ``onnxruntime``.
        data: the name of the data.
        split: ``test``, ``validation`` or ``train``.
        inputs: raw samples, uint8 ``[N, C, H, W]`` or float32 ``[N, F]``.
        outputs: logits ``[N, K]``, or predictions in the target's units.
        targets: classes ``[N]``, or for a regression values ``[N, K]``.
    """

    model: ModelDescription
    engine: str
    data: str
    split: str
    inputs: Array = field(repr=False)
    outputs: Array = field(repr=False)
    targets: Array = field(repr=False)

    @property
    def samples(self) -> int:
        """How many."""
        return len(self.targets)

    @cached_property
    def metrics(self) -> dict[str, Interval]:
        """Each metric of the task with its interval: Wilson's for an accuracy, bootstrap for all others."""
        if not self.model.decides:
            return bootstrap(self._regression_figures(), self.samples)
        losses = -np.log(np.maximum(self._probability_of(self.targets), np.finfo(float).tiny))
        figures = {"loss": mean_of(losses)}
        if self.model.task == "binary":
            scores = self.outputs[:, 0].astype(float)
            figures |= {"auc": auc_of(scores, self.targets)} if 0 < self.targets.sum() < self.samples else {}
            figures |= {"f1": f1_of(self.decisions, self.targets)}
        return {"accuracy": wilson(int(self.correct.sum()), self.samples), **bootstrap(figures, self.samples)}

    @cached_property
    def decisions(self) -> Array:
        """The class that the model says of each sample, ``[N]``, by its logits."""
        if self.model.task == "binary":
            return (self.outputs[:, 0] > 0).astype(np.int64)
        return self.outputs.argmax(axis=1)  # type: ignore[no-any-return]

    @cached_property
    def correct(self) -> Array:
        """Whether each decision is right, ``[N]``."""
        return self.decisions == self.targets  # type: ignore[no-any-return]

    @cached_property
    def probabilities(self) -> Array:
        """Of every class, float64 ``[N, classes]``."""
        logits = self.outputs.astype(float)
        if self.model.task == "binary":
            logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return raised / raised.sum(axis=1, keepdims=True)  # type: ignore[no-any-return]

    @cached_property
    def confusion(self) -> Array:
        """How many samples of each class (row) were said to be of each (column)."""
        classes = self.probabilities.shape[1]
        pairs = self.targets * classes + self.decisions
        return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    @cached_property
    def classes(self) -> tuple[ClassScore, ...]:
        """How each class fares."""
        found = []
        for place, row in enumerate(self.confusion):
            hits, said, there = int(row[place]), int(self.confusion[:, place].sum()), int(row.sum())
            f1 = 2 * hits / (said + there) if said + there else float("nan")
            found.append(ClassScore(self.model.label(place), wilson(hits, said), wilson(hits, there), f1, there))
        return tuple(found)

    @cached_property
    def calibration(self) -> Calibration:
        """How far confidence is to be believed."""
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
        """Of a regression: prediction less truth, ``[N, K]``."""
        return self.outputs.astype(float) - self.targets

    def worst(self, count: int) -> Array:
        """The samples that it is most wrong about, the worst first, at most ``count``: of a classifier those decided
        wrongly, by the probability of what was said less that of what is; of a regression by the absolute error."""
        if not self.model.decides:
            return np.argsort(-np.abs(self.residuals).mean(axis=1), kind="stable")[:count]
        wrong = np.flatnonzero(~self.correct)
        gap = self._probability_of(self.decisions) - self._probability_of(self.targets)
        return wrong[np.argsort(-gap[wrong], kind="stable")][:count]

    def to_dict(self) -> dict[str, Any]:
        """Every figure, for JSON."""
        content: dict[str, Any] = {
            "model": self.model.name,
            "origin": self.model.origin,
            "engine": self.engine,
            "data": self.data,
            "split": self.split,
            "samples": self.samples,
            "confidence": CONFIDENCE,
            "metrics": {name: interval.to_dict() for name, interval in self.metrics.items()},
        }
        return content | (self._decisions_dict() if self.model.decides else self._residuals_dict())

    def _repr_html_(self) -> str:
        """A notebook's view: the metrics, and the confusion matrix; :func:`zoo.draw_assessment` draws more."""
        rows = [
            (metric_name(name), metric_text(name, i.value), metric_text(name, i.low), metric_text(name, i.high))
            for name, i in self.metrics.items()
        ]
        head = html_table((), [(f"{self.model.name} on {self.samples:,} {self.split} samples of {self.data}",)])
        text = head + html_table(("metric", "value", "95% from", "to"), rows)
        if not self.model.decides:
            return text
        names = [score.label for score in self.classes]
        counts = [(f"is {name}", *row) for name, row in zip(names, self.confusion.tolist(), strict=True)]
        return text + html_table(("", *(f"said {name}" for name in names)), counts)

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
                    "said": self.model.label(int(self.decisions[place])),
                    "is": self.model.label(int(self.targets[place])),
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
                {"sample": int(i), "said": self.outputs[i].tolist(), "is": self.targets[i].tolist()}
                for i in self.worst(20)
            ],
        }

    def _probability_of(self, classes: Array) -> Array:
        return self.probabilities[np.arange(self.samples), classes]

    def _regression_figures(self) -> dict[str, Weighted]:
        truth, guesses = self.targets.astype(float), self.outputs.astype(float)
        squares = mean_of(((guesses - truth) ** 2).mean(axis=1))
        figures: dict[str, Weighted] = {
            "mae": mean_of(np.abs(guesses - truth).mean(axis=1)),
            "rmse": lambda weights: np.sqrt(squares(weights)),
        }
        varies = self.samples > 1 and bool((truth.std(axis=0) > 0).all())
        # centred, so that the squares of large numbers do not swallow their differences
        return figures | ({"r2": r2_of(guesses - truth.mean(0), truth - truth.mean(0))} if varies else {})


def _or_none(value: float) -> float | None:
    return None if value != value else value
