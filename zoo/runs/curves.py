"""Plots of a training run: loss and metric over the epochs, and the loss of the learning-rate finder."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..files import replacing
from ..formatting import is_percentage, metric_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Blue and orange of Okabe and Ito: distinguishable with all kinds of colour vision, on white and on dark pages.
_TRAIN, _VALIDATION = "#0072B2", "#E69F00"
_LOSSES = {"accuracy": "cross-entropy", "mae": "squared error, standardised target"}


def draw_curves(path: Path, title: str, metric: str, entries: list[dict[str, Any]], best_epoch: int | None) -> None:
    """Write :func:`curves_figure` to a PNG file."""
    with replacing(path) as temporary:
        save_figure(curves_figure(title, metric, entries, best_epoch), temporary, format="png")


def save_figure(figure: Figure, file: Path | IO[str], **settings: Any) -> None:
    """``figure.savefig(file, …)`` without the warning that a legend took more than a second to place.

    A slow machine or a long training is no reason for a warning of matplotlib in the middle of a command.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Creating legend with loc")
        figure.savefig(file, **settings)


def curves_figure(title: str, metric: str, entries: list[dict[str, Any]], best_epoch: int | None) -> Figure:
    """A figure with one panel for the loss and one for ``metric``. It needs no display.

    Args:
        title: above both panels; empty for none.
        entries: the lines of ``metrics.jsonl``.
        best_epoch: the epoch with the best checkpoint, marked in both panels; None for no mark.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    figure = Figure(figsize=(9, 3.8), dpi=120, layout="constrained")
    if title:
        figure.suptitle(title)
    epochs = [entry["epoch"] for entry in entries]
    size = 4 if len(epochs) <= 40 else 0  # more markers would overlap
    for axes, name in zip(figure.subplots(1, 2), ("loss", metric), strict=True):
        for split, colour, marker in (("train", _TRAIN, "o"), ("validation", _VALIDATION, "s")):
            values = [entry[split][name] for entry in entries]
            axes.plot(epochs, values, color=colour, marker=marker, markersize=size, label=split)
        if best_epoch is not None:
            axes.axvline(best_epoch, color="#666666", linestyle="--", linewidth=1, label="checkpoint kept")
        axes.set_xlabel("epoch")
        axes.set_ylabel(_loss_label(metric) if name == "loss" else metric_name(name))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(set(epochs)) == 1:  # the locator would choose fractions of an epoch
            axes.set_xticks(epochs)
        if is_percentage(name):
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.grid(alpha=0.3)
        axes.legend(framealpha=0)
    return figure


def _loss_label(metric: str) -> str:
    """The label of the loss of a task, by its main metric."""
    return f"loss ({_LOSSES[metric]})" if metric in _LOSSES else "loss"


def draw_rates(
    path: Path, title: str, rates: list[float], losses: list[float], suggested: float, used: float, used_name: str
) -> None:
    """Write :func:`rates_figure` to a PNG file."""
    with replacing(path) as temporary:
        save_figure(rates_figure(title, rates, losses, suggested, used, used_name), temporary, format="png")


def rates_figure(
    title: str, rates: list[float], losses: list[float], suggested: float, used: float, used_name: str
) -> Figure:
    """A figure of the loss over a rising learning rate, with marks at the suggested rate and the rate in use.

    Args:
        used_name: where the rate in use comes from: ``recipe`` or ``--lr``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.8), dpi=120, layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots()
    axes.plot(rates, losses, color=_TRAIN, label="smoothed loss")
    axes.axvline(suggested, color=_VALIDATION, linewidth=2, label=f"suggested: {suggested:.2g}")
    axes.axvline(used, color="#666666", linestyle="--", linewidth=1, label=f"{used_name}: {used:.2g}")
    nearest = min(range(len(rates)), key=lambda place: abs(rates[place] - suggested))
    axes.plot(rates[nearest], losses[nearest], "o", color=_VALIDATION, markeredgecolor="#333333", markersize=8)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure
