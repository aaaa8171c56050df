"""Plots of a study: history, importance of the settings, parallel coordinates, Pareto front."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ..formatting import is_percentage
from ..tuning.definition import ARCHITECTURE, Dimension
from ..tuning.objectives import is_minimised, title
from ..tuning.result import StudyResult, TrialResult
from .plots import BLUE, GREEN, GREY, ORANGE, new_figure, plain, themed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH = 9.0
"""Of the plots in inches, unless they need more: so the page, where all are equally wide, shows texts of one size."""
_COLOURS = (BLUE, ORANGE)
"""From the worst trial to the best; both can be seen on light and on dark pages."""
MOST_IMPORTANT = 15
LONGEST_SETTING = 34
LEAST_TRIALS = 3
"""With fewer finished trials no importance is computed."""


def history_figure(found: StudyResult) -> Figure:
    """The first objective of each finished trial, and the best so far."""
    name = found.definition.objectives[0]
    trials = sorted(found.finished, key=lambda trial: trial.number)
    numbers, values = [trial.number for trial in trials], [trial.values[name] for trial in trials]
    best = np.minimum.accumulate(values) if is_minimised(name) else np.maximum.accumulate(values)
    with themed():
        figure = new_figure(_WIDTH, 3.8)
        axes = figure.subplots()
        axes.plot(numbers, values, "o", color=BLUE, markersize=5, label="finished trial")
        first = [trial for trial in trials if trial.is_default]
        if first:
            places, heights = zip(*((trial.number, trial.values[name]) for trial in first), strict=True)
            axes.plot(places, heights, "D", color=GREEN, markersize=8, label="default recipe")
        axes.step(numbers, best, where="post", color=ORANGE, linewidth=2, label="best so far")
        axes.set(xlabel="trial", ylabel=f"{title(name)} on the validation split")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _finish(axes, name)
        axes.legend(framealpha=0)
    return figure


def importances(found: StudyResult) -> dict[str, float]:
    """How much each searched setting explains of the first objective, by Optuna's PED-ANOVA; empty if unknown."""
    trials = found.finished
    if len(trials) < LEAST_TRIALS:
        return {}
    from ..tuning.storage import load_optuna

    optuna = load_optuna()
    name = found.definition.objectives[0]
    study = optuna.create_study(direction="minimize" if is_minimised(name) else "maximize")
    for trial in trials:
        parameters = _parameters(found, trial)
        made = optuna.trial.create_trial(
            params=parameters,
            distributions={key: _distribution(optuna, found, trial.architecture, key) for key in parameters},
            value=trial.values[name],
        )
        study.add_trial(made)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of few trials, that the importances are equal
            shares: dict[str, float] = optuna.importance.get_param_importances(study)
    except (ValueError, RuntimeError, ZeroDivisionError):  # all values are equal, or too few trials have a setting
        return {}
    known = {key: share for key, share in shares.items() if math.isfinite(share)}
    return dict(sorted(known.items(), key=lambda item: -item[1])[:MOST_IMPORTANT])


def _parameters(found: StudyResult, trial: TrialResult) -> dict[str, Any]:
    keys = {dimension.name: dimension.key for dimension in found.definition.space[trial.architecture]}
    several = len(found.definition.architectures) > 1
    chosen: dict[str, Any] = {ARCHITECTURE: trial.architecture} if several else {}
    return chosen | {keys[name]: value for name, value in trial.settings.items() if name in keys}


def _distribution(optuna: Any, found: StudyResult, architecture: str, key: str) -> Any:
    kinds = optuna.distributions
    if key == ARCHITECTURE:
        return kinds.CategoricalDistribution(found.definition.architectures)
    dimension = next(d for d in found.definition.space[architecture] if d.key == key)
    if dimension.kind == "choice":
        return kinds.CategoricalDistribution(dimension.choices)
    if dimension.kind == "int":
        return kinds.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return kinds.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def importance_figure(shares: Mapping[str, float]) -> Figure:
    """The importances as bars, the largest at the top."""
    with themed():
        figure = new_figure(_WIDTH, 1.2 + 0.36 * len(shares))
        axes = figure.subplots()
        names = [plain(name, LONGEST_SETTING) for name in shares][::-1]
        axes.barh(names, list(shares.values())[::-1], color=BLUE)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_xlabel("importance for the first objective")
        axes.grid(alpha=0.25, color=GREY, axis="x")
        axes.set_axisbelow(True)
    return figure


def coordinates_figure(found: StudyResult) -> Figure:
    """Each finished trial as a line through its settings, coloured by the first objective."""
    name = found.definition.objectives[0]
    dimensions = _axes(found)
    trials = found.finished[::-1]  # the best are drawn last, on top
    values = [trial.values[name] for trial in trials]
    scale = Normalize(min(values), max(values) if max(values) > min(values) else min(values) + 1)
    with themed():
        figure = new_figure(max(_WIDTH, 1.6 * len(dimensions) + 2), 4.4)
        axes = figure.subplots()
        colours = _COLOURS[::-1] if is_minimised(name) else _COLOURS
        mapping = ScalarMappable(scale, LinearSegmentedColormap.from_list("trials", colours))
        for trial, value in zip(trials, values, strict=True):
            parameters = _parameters(found, trial)
            heights = [_height(d, parameters[d.key]) if d.key in parameters else math.nan for d in dimensions]
            colour = mapping.to_rgba(np.array([value]))[0]
            axes.plot(range(len(dimensions)), heights, color=colour, alpha=0.8, marker="o", markersize=3)
        axes.set_xticks(range(len(dimensions)), [plain(d.key, 18) for d in dimensions], rotation=20, ha="right")
        axes.set_yticks([])
        axes.set_ylim(-0.12, 1.1)
        for place, dimension in enumerate(dimensions):
            low, high = _ends(dimension)
            axes.axvline(place, color=GREY, linewidth=0.8, zorder=0)
            axes.text(place, -0.03, low, ha="center", va="top", fontsize=8)
            axes.text(place, 1.03, high, ha="center", va="bottom", fontsize=8)
        bar = figure.colorbar(mapping, ax=axes, label=title(name))
        if is_percentage(name):
            bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def _axes(found: StudyResult) -> list[Dimension]:
    """What is searched, each parameter once; the architecture first."""
    names = found.definition.architectures
    first = [Dimension(ARCHITECTURE, ARCHITECTURE, "choice", names[0], choices=list(names))] if len(names) > 1 else []
    by_key = {d.key: d for dimensions in found.definition.space.values() for d in dimensions}
    return [*first, *by_key.values()]


def _height(dimension: Dimension, value: Any) -> float:
    """The place of a value on its axis, 0 to 1."""
    if dimension.kind == "choice":
        places = max(1, len(dimension.choices) - 1)
        return dimension.choices.index(value) / places if value in dimension.choices else math.nan
    low, high, at = dimension.low, dimension.high, float(value)
    if dimension.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low)


def _ends(dimension: Dimension) -> tuple[str, str]:
    if dimension.kind == "choice":
        return plain(str(dimension.choices[0]), 12), plain(str(dimension.choices[-1]), 12)
    return f"{dimension.low:.3g}", f"{dimension.high:.3g}"


def front_figure(found: StudyResult) -> Figure | None:
    """The first objective against each other one, or against the parameters; the Pareto front is joined by a line.

    None if nothing can be weighed against the objective: all networks have the same size.
    """
    first = found.definition.objectives[0]
    others = found.definition.objectives[1:] or ["params"]
    trials = [trial for trial in found.finished if all(_value(trial, name) is not None for name in others)]
    if not trials or (len(found.definition.objectives) == 1 and len({_value(t, "params") for t in trials}) == 1):
        return None
    with themed():
        figure = new_figure(max(_WIDTH, 5.5 * len(others)), 4.6)
        for axes, other in zip(figure.subplots(1, len(others), squeeze=False)[0], others, strict=True):
            front = _pareto(trials, first, other)
            for group, colour, label in (
                ([trial for trial in trials if trial not in front], GREY, "other trials"),
                (front, BLUE, "Pareto front"),
            ):
                places = [_value(trial, other) for trial in group]
                style = "-o" if group is front else "o"
                axes.plot(places, [_value(trial, first) for trial in group], style, color=colour, label=label)
            for trial in front:
                point = _value(trial, other), _value(trial, first)
                axes.annotate(str(trial.number), point, xytext=(4, 4), textcoords="offset points", fontsize=8)
            axes.set(xlabel=_unit(other), ylabel=title(first))
            _finish(axes, first)
            axes.legend(framealpha=0)
    return figure


def _pareto(trials: Sequence[TrialResult], first: str, other: str) -> list[TrialResult]:
    """The front of two objectives, by the second one."""

    def rank(trial: TrialResult) -> tuple[float, float]:
        a, b = _value(trial, first) or 0.0, _value(trial, other) or 0.0
        return (b if is_minimised(other) else -b), (a if is_minimised(first) else -a)

    front: list[TrialResult] = []
    for trial in sorted(trials, key=rank):
        if not front or rank(trial)[1] < rank(front[-1])[1]:
            front.append(trial)
    return front


def _value(trial: TrialResult, name: str) -> float | None:
    value = trial.values.get(name, trial.costs.get(name))
    return value * 1e6 if name == "latency" and value is not None else value


def _unit(name: str) -> str:
    return f"{title(name)}, microseconds" if name == "latency" else title(name)


def _finish(axes: Axes, name: str) -> None:
    if is_percentage(name):
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(alpha=0.25, color=GREY)
    axes.set_axisbelow(True)
