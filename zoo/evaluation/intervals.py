"""Confidence intervals of metrics: Wilson's for proportions, bootstrap for everything else.

The metrics of a plugin's task are computed by its own methods, which need torch; nothing else here does.

Both suppose independent samples. For samples in groups, everything is a bootstrap of whole groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..formatting import is_better

if TYPE_CHECKING:
    from ..models.tasks import TaskMethods

# scipy and scikit-learn give the same figures (the tests compare them). They are not used here: importing scipy.stats
# takes a second, and 1,000 resamples of 10,000 samples take scikit-learn's roc_auc_score 13 s in place of 0.4 s.
# An AUC that is undefined in one resample makes scipy.stats.bootstrap return NaN for the whole interval.

Array = NDArray[Any]
CONFIDENCE = 0.95
RESAMPLES = 1_000

Metric = Callable[[Array], float]
"""A metric of the samples at the indices ``[N]`` (an index may repeat); NaN if it is undefined for them."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A metric and its 95% confidence interval, all in the unit of the metric.

    Args:
        value: the metric of all samples; an accuracy is between 0 and 1. NaN if it is undefined.
        low: the lower bound of the interval; NaN if there is no interval.
        high: the upper bound; NaN if there is no interval.
    """

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """The fields for JSON, with None in place of NaN."""
        return {name: None if (v := getattr(self, name)) != v else v for name in self.__slots__}


def wilson(successes: int, trials: int) -> Interval:
    """A proportion and its score interval (Wilson 1927), which stays between 0 and 1; all NaN if ``trials`` is 0."""
    if not trials:
        return Interval(float("nan"), float("nan"), float("nan"))
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * (share * (1 - share) / trials + z**2 / (4 * trials**2)) ** 0.5
    # close to 0 and 1, rounding can move a bound past the proportion itself
    return Interval(share, min(max(0.0, centre - half), share), max(min(1.0, centre + half), share))


def bootstrap(
    metrics: Mapping[str, Metric], samples: int, seed: int = 0, groups: Array | None = None
) -> dict[str, Interval]:
    """Each metric with the percentile interval of 1,000 bootstrap resamples (Efron 1979).

    All metrics are computed on the same resamples. A resample for which a metric is undefined does not count. A single
    sample, or a single group, gives no interval.

    Args:
        samples: how many samples there are.
        groups: the group of each sample, ``[N]``. Whole groups are then resampled in place of samples, because the
            samples of a group depend on each other (Davison and Hinkley 1997, section 3.8).
    """
    random = np.random.RandomState(seed)  # numpy guarantees that its stream never changes
    members = _members(groups) if groups is not None else None
    units = samples if members is None else len(members)
    draws = (random.randint(0, units, units) for _ in range(RESAMPLES))
    resamples = draws if members is None else (np.concatenate([members[unit] for unit in draw]) for draw in draws)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.array([[metric(chosen) for metric in metrics.values()] for chosen in resamples])
        found = {}
        for column, (name, metric) in enumerate(metrics.items()):
            defined = values[np.isfinite(values[:, column]), column]
            tails = [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]
            low, high = np.percentile(defined, tails) if len(defined) and units > 1 else (np.nan, np.nan)
            found[name] = Interval(float(metric(np.arange(samples))), float(low), float(high))
    return found


def _members(groups: Array) -> list[Array]:
    """The indices of the samples of each group."""
    _, places, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return np.split(np.argsort(places, kind="stable"), np.cumsum(sizes)[:-1])


def share_of(wanted: Array, among: Array) -> Metric:
    """The share of the samples ``among`` that are ``wanted`` too, from bool ``[N]``; NaN if there are none."""
    both = wanted & among
    return lambda chosen: both[chosen].sum() / np.float64(among[chosen].sum())


def mean_of(values: Array) -> Metric:
    """The mean of ``values``, one for each sample, ``[N]``."""
    return lambda chosen: values[chosen].mean()


def auc_of(scores: Array, truth: Array) -> Metric:
    """The area under the ROC curve, where a tie counts half (Mann and Whitney 1947).

    Args:
        scores: higher for class 1, ``[N]``.
        truth: the true class, 0 or 1, ``[N]``.
    """
    distinct, level = np.unique(scores, return_inverse=True)

    def area(chosen: Array) -> float:
        levels = level[chosen]
        positive = np.bincount(levels, truth[chosen], len(distinct))
        negative = np.bincount(levels, minlength=len(distinct)) - positive
        below = np.cumsum(negative) - negative / 2
        return positive @ below / (positive.sum() * negative.sum())  # type: ignore[no-any-return]

    return area


def f1_of(predicted: Array, truth: Array) -> Metric:
    """F1 of class 1, from predicted and true classes ``[N]``; 0 if class 1 occurs in neither."""
    both = ((predicted == 1) & (truth == 1)).astype(float)
    either = (predicted == 1).astype(float) + (truth == 1)
    return lambda chosen: 2 * both[chosen].sum() / max(either[chosen].sum(), 1)


def r2_of(predicted: Array, truth: Array) -> Metric:
    """The coefficient of determination R², from values ``[N, K]``, averaged over the K targets."""

    def r2(chosen: Array) -> float:
        values = truth[chosen]
        if not np.ptp(values, axis=0).all():
            return float("nan")  # a constant target has no variance to explain
        errors = ((predicted[chosen] - values) ** 2).sum(axis=0)
        return (1 - errors / ((values - values.mean(axis=0)) ** 2).sum(axis=0)).mean()  # type: ignore[no-any-return]

    return r2


def class_metrics(losses: Array, outputs: Array, decisions: Array, targets: Array) -> dict[str, Metric]:
    """The metrics of a classifier that need a bootstrap; AUC and F1 of class 1 if there are two classes.

    Args:
        losses: the cross-entropy of each sample, ``[N]``.
        outputs: logits ``[N, K]``; K is 1 for two classes.
        decisions: the predicted classes, ``[N]``.
        targets: the true classes, ``[N]``.
    """
    metrics = {"loss": mean_of(losses)}
    if outputs.shape[1] == 1:
        scores = outputs[:, 0].astype(float)
        metrics |= {"auc": auc_of(scores, targets)} if 0 < targets.sum() < len(targets) else {}
        metrics |= {"f1": f1_of(decisions, targets)}
    return metrics


def number_metrics(outputs: Array, targets: Array) -> dict[str, Metric]:
    """The metrics of a regression, from predictions and targets ``[N, K]`` in the targets' units."""
    truth = targets.astype(float)
    residuals = outputs.astype(float) - targets
    squared_error = mean_of((residuals**2).mean(axis=1))
    metrics: dict[str, Metric] = {
        "mae": mean_of(np.abs(residuals).mean(axis=1)),
        "rmse": lambda chosen: squared_error(chosen) ** 0.5,
    }
    varies = len(targets) > 1 and bool((truth.std(axis=0) > 0).all())
    return metrics | ({"r2": r2_of(outputs.astype(float), truth)} if varies else {})


def measured(methods: TaskMethods, outputs: Array, targets: Array) -> dict[str, Metric]:
    """All metrics of a task, as functions of the chosen samples: those of each sample, then those of a whole split.

    Args:
        outputs: the first output of the model, float32 ``[N, …]``.
        targets: of the same samples, ``[N, …]``.
    """
    import torch

    made, true = torch.from_numpy(outputs), torch.from_numpy(targets)
    with torch.inference_mode():
        found = {name: mean_of(values.double().numpy()) for name, values in methods.measure(made, true).items()}
        if not methods.whole_split:
            return found
        names = list(methods.summarise(made, true))

    def of_split(name: str) -> Metric:
        def metric(chosen: Array) -> float:
            index = torch.from_numpy(np.asarray(chosen))
            with torch.inference_mode():
                return methods.summarise(made[index], true[index]).get(name, float("nan"))

        return metric

    return found | {name: of_split(name) for name in names}


def main_values(methods: TaskMethods, outputs: Array, targets: Array) -> Array:
    """The main metric of each sample, float64 ``[N]``."""
    import torch

    with torch.inference_mode():
        values = methods.metric_of_each(torch.from_numpy(outputs), torch.from_numpy(targets))
    return values.double().numpy()


def worst_values(methods: TaskMethods, outputs: Array, targets: Array, count: int) -> list[dict[str, float]]:
    """The worst ``count`` samples for JSON: the number of each as ``sample``, and its main metric by name."""
    values = main_values(methods, outputs, targets)
    places = worst_samples(methods, outputs, targets)[:count]
    return [{"sample": int(place), methods.metric: float(values[place])} for place in places]


def worst_samples(methods: TaskMethods, outputs: Array, targets: Array) -> Array:
    """The indices of all samples, int64 ``[N]``, the one with the worst main metric first."""
    values = main_values(methods, outputs, targets)
    ascending = np.argsort(values, kind="stable")
    return ascending if is_better(methods.metric, 1.0, 0.0) else np.argsort(-values, kind="stable")
