"""The recorded results of an architecture's default recipe, from a JSON file in its plugin. Imports nothing heavy."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any, TypeVar

from ..errors import PluginError, ZooError
from ..formatting import is_percentage, main_metric, metric_name
from .architecture import Architecture

_T = TypeVar("_T")
FORMAT = 1
Record = dict[str, Any]


def recorded_results(architecture: Architecture) -> Record | None:
    """The results that ``zoo reproduce NAME --record`` wrote; None if there are none.

    Raises:
        PluginError: the file is damaged or has another format.
    """
    path = architecture.results
    if path is None or not os.path.isfile(path):
        return None
    from ..schema import convert, read_json  # only if there is something to read
    from .results_schema import ResultsFile

    try:
        record: Record = read_json(path, dict[str, Any], "the file")
        if type(record.get("format")) is int and record["format"] != FORMAT:
            raise ZooError(f"{path} was written by another version of the zoo.")
        if not convert(record, ResultsFile, f"the file {path}").metrics.keys() - {"loss"}:
            raise ZooError(f"The file {path} is damaged: there is no metric beside the loss.")
    except (ZooError, FileNotFoundError) as error:
        raise PluginError(f"Cannot read the results of {architecture.name}: {error}") from error
    return record


def shipped_calibration(architecture: Architecture, weights_sha256: str) -> dict[str, float] | None:
    """The recorded ``temperature`` and ``limit`` of shipped weights; None if there are none for this file.

    Raises:
        PluginError: as for :func:`recorded_results`.
    """
    known = (recorded_results(architecture) or {}).get("calibration")
    return known if known and known["weights_sha256"] == weights_sha256 else None


def mean_and_deviation(values: Sequence[float]) -> dict[str, float]:
    """Mean and sample standard deviation (0 for a single value)."""
    mean = math.fsum(values) / len(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    return {"mean": mean, "std": math.sqrt(squares / (len(values) - 1)) if len(values) > 1 else 0.0}


def pareto(items: Sequence[_T], costs: Sequence[float], goodness: Sequence[float]) -> list[_T]:
    """The items on the Pareto front of cost (lower is better) and goodness (higher is better), cheapest first."""
    front: list[_T] = []
    best = -math.inf
    for place in sorted(range(len(items)), key=lambda i: (costs[i], -goodness[i])):
        if goodness[place] > best:
            front.append(items[place])
            best = goodness[place]
    return front


def result_text(record: Record) -> str:
    """Mean and standard deviation of the main metric: ``99.54 ±0.06%``, ``MAE 41.2 ±1.0``."""
    metrics = record["metrics"]
    name = main_metric(metrics)
    mean, std = metrics[name]["mean"], metrics[name]["std"]
    if is_percentage(name):
        return f"{100 * mean:.2f} ±{100 * std:.2f}%"
    return f"{metric_name(name)} {mean:.1f} ±{std:.1f}" if mean >= 10 else f"{metric_name(name)} {mean:.3f} ±{std:.3f}"
