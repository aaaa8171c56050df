"""Plots of comparisons: metric against cost, validation curves, latency and throughput."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter, ScalarFormatter
from matplotlib.transforms import Bbox

from ..errors import UsageError
from ..evaluation.benchmark import Bench
from ..evaluation.compare import COSTS, Candidate, Comparison
from ..folders import picture_path
from ..formatting import is_percentage, main_metric, metric_name
from .labels import place_names
from .plots import BLUE, GREY, PALETTE, new_figure, plain, save_png, themed

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_UNITS = {"parameters": "parameters", "bytes": "bytes of weights", "latency": "latency of one sample, milliseconds"}
LONGEST_ANNOTATION, LONGEST_NAME = 18, 60
_LINES = ("-", "--", "-.", ":")


def comparison_figure(found: Comparison) -> Figure:
    """The metric against each known cost, with the standard deviation over seeds and the Pareto front."""
    costs = [cost for cost in COSTS if any(cost in candidate.costs for candidate in found.candidates)]
    with themed():
        figure = new_figure(6.4 * len(costs), 4.8)
        legend = "bars: standard deviation over runs; line: Pareto front"
        figure.suptitle(f"{metric_name(found.metric)} on {found.dataset}, test split ({legend})")
        for axes, cost in zip(figure.subplots(1, len(costs), squeeze=False)[0], costs, strict=True):
            _draw_cost(axes, found, cost)
        if _named_in_legend(found):
            handles, names = _legend_entries(figure, found, costs)
            figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
        else:
            _name_points(figure, found, costs)
    return figure


def _legend_entries(figure: Figure, found: Comparison, costs: Sequence[str]) -> tuple[list[Artist], list[str]]:
    """The point of each candidate and its name, the best first. A panel lacks the candidates whose cost is unknown."""
    points: dict[int, Artist] = {}
    for axes, cost in zip(figure.axes, costs, strict=True):
        drawn = [place for place, candidate in enumerate(found.candidates) if cost in candidate.costs]
        points |= dict(zip(drawn, axes.get_legend_handles_labels()[0], strict=True))
    ordered = sorted(points)
    return [points[place] for place in ordered], [plain(found.candidates[k].name, LONGEST_NAME) for k in ordered]


def _name_points(figure: Figure, found: Comparison, costs: Sequence[str]) -> None:
    """Write the names beside the points, away from each other and from the bars of the standard deviation."""
    named, bars = [], []
    for axes, cost in zip(figure.axes, costs, strict=True):
        for candidate in found.candidates:
            if cost in candidate.costs:
                x, spread = candidate.costs[cost] * _scale(cost), candidate.deviation
                named.append((axes, x, candidate.mean, plain(candidate.name)))
                bars.append((axes, Bbox([[x * 0.98, candidate.mean - spread], [x * 1.02, candidate.mean + spread]])))
        for one, other in itertools.pairwise(found.front(cost)):
            ends = [(candidate.costs[cost] * _scale(cost), candidate.mean) for candidate in (one, other)]
            bars += [(axes, Bbox([point, point])) for point in _along(*ends)]
    place_names(figure, named, bars)


def _along(start: tuple[float, float], end: tuple[float, float]) -> list[tuple[float, float]]:
    """Points on a line in a plot with a logarithmic horizontal axis."""
    parts = [place / 20 for place in range(1, 20)]
    return [(start[0] * (end[0] / start[0]) ** t, start[1] + t * (end[1] - start[1])) for t in parts]


def _scale(cost: str) -> int:
    """The factor from the unit of a cost to that of its axis."""
    return 1_000 if cost == "latency" else 1


def run_curves_figure(found: Comparison) -> Figure:
    """The validation metric of each run over its epochs.

    Raises:
        UsageError: none of the candidates is a run.
    """
    runs = [(candidate.name, candidate.run) for candidate in found.candidates if candidate.run is not None]
    if not runs:
        raise UsageError("None of these is a run, so there are no curves to draw. `zoo runs` lists the runs.")
    with themed():
        figure = new_figure(8, 4.8)
        axes = figure.subplots()
        for place, (name, run) in enumerate(runs):
            entries = run.metrics()
            metric = main_metric(entries[0]["validation"])
            axes.plot(
                [entry["epoch"] for entry in entries],
                [entry["validation"][metric] for entry in entries],
                color=PALETTE[place % len(PALETTE)],
                linestyle=_LINES[place // len(PALETTE) % len(_LINES)],
                marker="o" if len(entries) <= 40 else "",
                markersize=4,
                label=plain(name, LONGEST_NAME),
            )
        axes.set(
            xlabel="epoch",
            ylabel=f"{metric_name(found.metric)} on the validation split",
            title=f"training on {found.dataset}",
        )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _finish(axes, found.metric)
        axes.legend(framealpha=0)
    return figure


def draw_comparison(found: Comparison, path: Path | str) -> Path:
    """Write :func:`comparison_figure` to a PNG file."""
    return save_png(comparison_figure(found), picture_path(path))


def draw_run_curves(found: Comparison, path: Path | str) -> Path:
    """Write :func:`run_curves_figure` to a PNG file."""
    return save_png(run_curves_figure(found), picture_path(path))


def bench_figure(found: Bench) -> Figure:
    """Latency and throughput against the batch size, one line for each contender."""
    with themed():
        figure = new_figure(11, 4.6)
        threads = (
            f"{found.threads} thread{'s' if found.threads > 1 else ''}"
            if found.threads
            else "default number of threads"
        )
        figure.suptitle(f"{found.model}, {threads}")
        times, rates = figure.subplots(1, 2)
        names = list(dict.fromkeys((timing.contender, timing.device) for timing in found.timings))
        for place, name in enumerate(names):
            those = [timing for timing in found.timings if (timing.contender, timing.device) == name]
            batches = [timing.batch for timing in those]
            style = {"color": PALETTE[place % len(PALETTE)], "marker": "os^vDP*X"[place % 8], "markersize": 6}
            median = [timing.p50 * 1e3 for timing in those]
            above = [(timing.p95 - timing.p50) * 1e3 for timing in those]
            label = f"{plain(name[0], LONGEST_NAME)}, {name[1]}"
            times.errorbar(batches, median, yerr=[[0] * len(those), above], capsize=3, label=label, **style)
            rates.plot(batches, [timing.samples_per_second for timing in those], label=label, **style)
        times.set(ylabel="milliseconds per call (median, whisker: 95th percentile)")
        rates.set(ylabel="samples per second")
        for axes in (times, rates):
            axes.set(xlabel="batch size", xscale="log", yscale="log")
            axes.set_xticks(sorted({timing.batch for timing in found.timings}))
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.grid(alpha=0.25, color=GREY)
        times.legend(framealpha=0, fontsize=9)
    return figure


def draw_bench(found: Bench, path: Path | str) -> Path:
    """Write :func:`bench_figure` to a PNG file."""
    return save_png(bench_figure(found), picture_path(path))


def _draw_cost(axes: Axes, found: Comparison, cost: str) -> None:
    scale = _scale(cost)
    front = found.front(cost)
    axes.plot(
        [candidate.costs[cost] * scale for candidate in front],
        [candidate.mean for candidate in front],
        color=BLUE,
        linewidth=1.2,
        zorder=1,
    )
    for candidate in found.candidates:
        if cost in candidate.costs:
            _draw_candidate(axes, found, candidate, candidate.costs[cost] * scale, candidate in front)
    axes.set_xscale("log")
    axes.margins(x=0.32, y=0.15)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labelsize=9)
    axes.set(xlabel=_UNITS[cost], ylabel=metric_name(found.metric))
    _finish(axes, found.metric)


def _draw_candidate(axes: Axes, found: Comparison, candidate: Candidate, cost: float, on_front: bool) -> None:
    """A point with its standard deviation. Its name is beside it, or in the legend if names are long."""
    place = found.candidates.index(candidate)
    named = _named_in_legend(found)
    axes.errorbar(
        cost,
        candidate.mean,
        yerr=candidate.deviation if len(candidate.values) > 1 else None,
        fmt="osv^DPX*"[place % 8] if named else "o" if on_front else "s",
        color=PALETTE[place % len(PALETTE)] if named else BLUE if on_front else GREY,
        markersize=7,
        capsize=3,
        label=plain(candidate.name, LONGEST_NAME),
    )


def _named_in_legend(found: Comparison) -> bool:
    return max(len(candidate.name) for candidate in found.candidates) > LONGEST_ANNOTATION


def _short(value: float) -> str:
    """``20k``, ``1.5M``, ``0.2``."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:g}{letter}"
    return f"{value:g}"


def _finish(axes: Axes, metric: str) -> None:
    if is_percentage(metric):
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.set_ylim(top=min(axes.get_ylim()[1], 1.01))
    axes.grid(alpha=0.25, color=GREY)
    axes.set_axisbelow(True)
