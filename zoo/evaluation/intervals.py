"""How sure a figure is that was measured on so many samples. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
CONFIDENCE = 0.95
RESAMPLES = 1_000
_ENTRIES = 4_000_000  # of the weights that are held at once, 32 MB


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its confidence interval at 95%; NaN where there is none."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """For JSON, which knows no NaN."""
        return {name: None if (v := getattr(self, name)) != v else v for name in self.__slots__}


def wilson(successes: int, trials: int) -> Interval:
    """A proportion with Wilson's score interval (1927), which keeps within 0 and 1; without trials all is NaN."""
    if not trials:
        return Interval(float("nan"), float("nan"), float("nan"))
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share = successes / trials
    centre = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * (share * (1 - share) / trials + z**2 / (4 * trials**2)) ** 0.5
    # at the ends rounding may push the bounds past the share itself
    return Interval(share, min(max(0.0, centre - half), share), max(min(1.0, centre + half), share))


Weighted = Callable[[Array], Array]
"""From weights ``[B, N]`` of the samples to a figure for each row, ``[B]``; NaN where it is not defined."""


def bootstrap(figures: Mapping[str, Weighted], samples: int, seed: int = 0) -> dict[str, Interval]:
    """Each figure with the percentile interval of 1,000 bootstrap resamples (Efron 1979).

    A resample is how often each sample was drawn, so all figures see the same ones.
    Of a single sample there is no interval.
    """
    ones = np.ones((1, samples))
    drawn: dict[str, list[Array]] = {name: [] for name in figures}
    for weights in _resamples(samples, seed):
        for name, figure in figures.items():
            drawn[name].append(figure(weights))
    found = {}
    for name, figure in figures.items():
        values = np.concatenate(drawn[name])
        defined = values[np.isfinite(values)]
        tails = [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)]
        low, high = np.percentile(defined, tails) if len(defined) and samples > 1 else (np.nan, np.nan)
        found[name] = Interval(float(figure(ones)[0]), float(low), float(high))
    return found


def mean_of(values: Array) -> Weighted:
    """The weighted mean of one value a sample, ``[N]``."""
    return lambda weights: weights @ values / weights.sum(axis=1)


def auc_of(scores: Array, truth: Array) -> Weighted:
    """The area under the ROC curve, ties counted as half (Mann and Whitney 1947); ``truth`` is 0 or 1."""
    order = np.argsort(scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.nan) != 0)
    positive = truth[order] == 1

    def area(weights: Array) -> Array:
        ordered = weights[:, order]
        ups = np.add.reduceat(ordered * positive, starts, axis=1)
        downs = np.add.reduceat(ordered * ~positive, starts, axis=1)
        below = np.cumsum(downs, axis=1) - downs / 2
        with np.errstate(invalid="ignore"):
            return (ups * below).sum(axis=1) / (ups.sum(axis=1) * downs.sum(axis=1))  # type: ignore[no-any-return]

    return area


def f1_of(said: Array, truth: Array) -> Weighted:
    """F1 of class 1; 0 where it neither is nor is said to be."""
    both, either = ((said == 1) & (truth == 1)).astype(float), (said == 1).astype(float) + (truth == 1)

    def f1(weights: Array) -> Array:
        total = weights @ either
        return np.where(total > 0, 2 * (weights @ both) / np.where(total > 0, total, 1), 0.0)

    return f1


def r2_of(guesses: Array, truth: Array) -> Weighted:
    """The part of the variance that is explained, ``[N, K]`` each, averaged over the targets."""
    errors, squares = (guesses - truth) ** 2, truth**2

    def r2(weights: Array) -> Array:
        count = weights.sum(axis=1)[:, None]
        variance = weights @ squares / count - (weights @ truth / count) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(variance > 0, 1 - weights @ errors / count / variance, np.nan).mean(axis=1)  # type: ignore[no-any-return]

    return r2


def _resamples(samples: int, seed: int) -> Iterator[Array]:
    """1,000 rows of how often each sample was drawn, some at a time."""
    random = np.random.RandomState(seed)  # whose stream is frozen
    rows = max(1, min(RESAMPLES, _ENTRIES // samples))
    for first in range(0, RESAMPLES, rows):
        count = min(rows, RESAMPLES - first)
        draws = random.randint(0, samples, (count, samples)) + samples * np.arange(count)[:, None]
        yield np.bincount(draws.ravel(), minlength=count * samples).reshape(count, samples).astype(float)
