"""The pictures of comparisons: how good against what it costs, curves over each other, latency and throughput."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter, ScalarFormatter

from .benchmarking import Bench
from .comparison import COSTS, Comparison
from .errors import UsageError
from .metrics import PERCENTAGES, main_metric, metric_name
from .plots import BLUE, GREY, PALETTE, new_figure, plain, save_png, themed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UNITS = {"parameters": "parameters", "bytes": "bytes of weights", "latency": "milliseconds for one sample"}
LONGEST_NAME = 60
_LINES = ("-", "--", "-.", ":")


def comparison_figure(found: Comparison) -> Figure:
    """The metric against each cost that is known, with the deviation over seeds and the Pareto front."""
    costs = [cost for cost in COSTS if any(cost in candidate.costs for candidate in found.candidates)]
    with themed():
        figure = new_figure(6.4 * len(costs), 4.8)
        figure.suptitle(f"{metric_name(found.metric)} on {found.dataset}, test split (bars: deviation over trainings)")
        for axes, cost in zip(figure.subplots(1, len(costs), squeeze=False)[0], costs, strict=True):
            _draw_cost(axes, found, cost)
    return figure


def curves_over_each_other(found: Comparison) -> Figure:
    """The validation metric of each run over its epochs.

    Raises:
        UsageError: none of them is a run.
    """
    runs = [(candidate.name, candidate.run) for candidate in found.candidates if candidate.run is not None]
    if not runs:
        raise UsageError("Curves are of runs; none of these is one. `zoo runs` lists them.")
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
            xlabel="epoch", ylabel=f"{metric_name(found.metric)} on validation", title=f"training on {found.dataset}"
        )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _finish(axes, found.metric)
        axes.legend(framealpha=0)
    return figure


def draw_comparison(found: Comparison, path: Path | str) -> Path:
    """Write :func:`comparison_figure` to a PNG."""
    return save_png(comparison_figure(found), Path(path).expanduser())


def draw_run_curves(found: Comparison, path: Path | str) -> Path:
    """Write :func:`curves_over_each_other` to a PNG."""
    return save_png(curves_over_each_other(found), Path(path).expanduser())


def bench_figure(found: Bench) -> Figure:
    """Time of a call and samples a second over the batch size, each contender a line."""
    with themed():
        figure = new_figure(11, 4.6)
        threads = (
            f"{found.threads} thread{'s' if found.threads > 1 else ''}" if found.threads else "threads as they like"
        )
        figure.suptitle(f"{found.model}, {threads}")
        times, rates = figure.subplots(1, 2)
        names = list(dict.fromkeys((timing.contender, timing.device) for timing in found.timings))
        for place, name in enumerate(names):
            those = [timing for timing in found.timings if (timing.contender, timing.device) == name]
            batches = [timing.batch for timing in those]
            looks = {"color": PALETTE[place % len(PALETTE)], "marker": "os^vDP*X"[place % 8], "markersize": 6}
            median = [timing.p50 * 1e3 for timing in those]
            above = [(timing.p95 - timing.p50) * 1e3 for timing in those]
            label = f"{plain(name[0], LONGEST_NAME)}, {name[1]}"
            times.errorbar(batches, median, yerr=[[0] * len(those), above], capsize=3, label=label, **looks)
            rates.plot(batches, [timing.samples_per_second for timing in those], label=label, **looks)
        times.set(ylabel="milliseconds a call (median, whisker: 95%)")
        rates.set(ylabel="samples a second")
        for axes in (times, rates):
            axes.set(xlabel="samples in a call", xscale="log", yscale="log")
            axes.set_xticks(sorted({timing.batch for timing in found.timings}))
            axes.xaxis.set_major_formatter(ScalarFormatter())
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.grid(alpha=0.25, color=GREY)
        times.legend(framealpha=0, fontsize=9)
    return figure


def draw_bench(found: Bench, path: Path | str) -> Path:
    """Write :func:`bench_figure` to a PNG."""
    return save_png(bench_figure(found), Path(path).expanduser())


def _draw_cost(axes: Axes, found: Comparison, cost: str) -> None:
    known = [candidate for candidate in found.candidates if cost in candidate.costs]
    scale = 1_000 if cost == "latency" else 1
    front = found.front(cost)
    axes.plot(
        [candidate.costs[cost] * scale for candidate in front],
        [candidate.mean for candidate in front],
        color=BLUE,
        linewidth=1.2,
        label="Pareto front",
    )
    for candidate in known:
        there = candidate in front
        axes.errorbar(
            candidate.costs[cost] * scale,
            candidate.mean,
            yerr=candidate.deviation,
            fmt="o" if there else "s",
            color=BLUE if there else GREY,
            markersize=7,
            capsize=3,
        )
        axes.annotate(
            plain(candidate.name, LONGEST_NAME),
            (candidate.costs[cost] * scale, candidate.mean),
            xytext=(-7, 7) if there else (8, -3),
            ha="right" if there else "left",
            textcoords="offset points",
            fontsize=9,
        )
    axes.set_xscale("log")
    axes.margins(x=0.32, y=0.15)
    axes.set(xlabel=_UNITS[cost], ylabel=metric_name(found.metric))
    _finish(axes, found.metric)
    axes.legend(framealpha=0, loc="lower right")


def _finish(axes: Axes, metric: str) -> None:
    if metric in PERCENTAGES:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(alpha=0.25, color=GREY)
    axes.set_axisbelow(True)
