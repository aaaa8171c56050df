"""The picture of a training: loss and metric over the epochs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import replacing
from ..formatting import metric_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Blue and orange of Okabe and Ito: told apart by every kind of colour vision, on white and on dark pages.
_TRAIN, _VALIDATION = "#0072B2", "#E69F00"
_LOSSES = {"accuracy": "cross-entropy", "mae": "squared error, standardised target"}


def draw_curves(path: Path, title: str, metric: str, entries: list[dict[str, Any]], best_epoch: int | None) -> None:
    """Write :func:`curves_figure` to a PNG."""
    with replacing(path) as temporary:
        curves_figure(title, metric, entries, best_epoch).savefig(temporary, format="png")


def curves_figure(title: str, metric: str, entries: list[dict[str, Any]], best_epoch: int | None) -> Figure:
    """One panel for the loss and one for ``metric``; needs no display.

    Args:
        title: above both; none where it is empty.
        entries: the lines of ``metrics.jsonl``.
        best_epoch: the epoch whose checkpoint is kept, marked in both panels.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(9, 3.8), dpi=120, layout="constrained")
    if title:
        figure.suptitle(title)
    epochs = [entry["epoch"] for entry in entries]
    size = 4 if len(epochs) <= 40 else 0  # markers would run into each other
    for axes, name in zip(figure.subplots(1, 2), ("loss", metric), strict=True):
        for split, colour, marker in (("train", _TRAIN, "o"), ("validation", _VALIDATION, "s")):
            values = [entry[split][name] for entry in entries]
            axes.plot(epochs, values, color=colour, marker=marker, markersize=size, label=split)
        if best_epoch is not None:
            axes.axvline(best_epoch, color="#666666", linestyle="--", linewidth=1, label="checkpoint kept")
        axes.set_xlabel("epoch")
        axes.set_ylabel(f"loss ({_LOSSES[metric]})" if name == "loss" else metric_name(name))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if name == "accuracy":
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(alpha=0.3)
        axes.legend(framealpha=0)
    return figure


def draw_rates(path: Path, title: str, rates: list[float], losses: list[float], suggested: float, used: float) -> None:
    """Write a PNG of the loss over a rising learning rate, the suggested rate and the recipe's own marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.8), dpi=120, layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots()
    axes.plot(rates, losses, color=_TRAIN, label="loss, smoothed")
    axes.axvline(suggested, color=_VALIDATION, linewidth=2, label=f"suggested: {suggested:.2g}")
    axes.axvline(used, color="#666666", linestyle="--", linewidth=1, label=f"the recipe's: {used:.2g}")
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    axes.grid(alpha=0.3)
    axes.legend()
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png")
