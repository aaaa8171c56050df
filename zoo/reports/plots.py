"""Plots of an assessment: confusion matrix, calibration, residuals and wrong predictions.

The plots need no display. Their colours suit all kinds of colour vision.
"""

from __future__ import annotations

import io
import re
from contextlib import AbstractContextManager
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..files import make_folder, replacing
from ..folders import expanded
from ..formatting import one_line
from ..models.inference import Array
from ..runs.curves import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..evaluation.assessment import Assessment

# The palette of Okabe and Ito, as in runs/curves.py
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#777777"
PALETTE = (BLUE, ORANGE, GREEN, "#CC79A7", "#56B4E9", RED, "#F0E442", GREY)
INK = "#1b1c1d"
"""The colour of text and axes. In a page it becomes the text colour of the page."""
MOST_CLASSES_NAMED = 40
LONGEST = 24
"""The maximum number of characters of a label."""
CALIBRATED = 0.02
"""The confidence of a model with a smaller expected calibration error can be taken as it is."""
FAINTEST, OPACITY = 0.1, 0.5
"""Of cells of a confusion matrix: the fullest leaves text in the colour of the page enough contrast on both themes."""
POINTS = 5_000
"""The maximum number of points in a scatter plot."""

_STYLE: Any = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "svg.fonttype": "none",
    "svg.hashsalt": "zoo",
    "font.size": 11,
}


def themed() -> AbstractContextManager[None]:
    """A context in which figures get the colours that :func:`svg` and :func:`save_png` expect."""
    return rc_context(_STYLE)


def plain(text: str, longest: int = LONGEST) -> str:
    """User text for a plot: in one line, not parsed as mathematics, and shortened if it is long."""
    text = one_line(text)
    return (text if len(text) <= longest else text[: longest - 1] + "…").replace("$", r"\$")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, with its size in inches and a layout without overlaps."""
    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def save_png(figure: Figure, path: Path) -> Path:
    """Write ``figure`` to a PNG file with a white background. The file is replaced only when it is complete."""
    with replacing(path) as temporary, themed():
        save_figure(figure, temporary, format="png", facecolor="white")
    return path


def svg(figure: Figure, name: str) -> str:
    """``figure`` as an ``<svg>`` element, transparent, with the text colour of the page.

    Args:
        name: what the figure shows, for readers who do not see it.
    """
    content = io.StringIO()
    with themed():
        save_figure(figure, content, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = content.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", text, count=1)
    label = f'class="chart" role="img" aria-label="{escape(one_line(name))}"'
    return re.sub(r'<svg ([^>]*?)width="[^"]*"', lambda found: f"<svg {found[1]}{label}", text, count=1)


def confusion_figure(assessment: Assessment) -> Figure:
    """The confusion matrix: true classes in rows, predicted classes in columns; correct blue, wrong orange."""
    counts = assessment.confusion
    size = len(counts)
    labels = [plain(assessment.model.label(place)) for place in range(size)]
    side = float(np.clip(2.2 + 0.5 * size, 4.5, 14))
    with themed():
        figure = new_figure(side + 0.6, side)
        axes = figure.subplots()
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(_shades(shares), interpolation="nearest", aspect="equal")
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")
        axes.set_title(
            f"{assessment.model.name}: {assessment.samples:,} {assessment.split} samples of\n{assessment.data}"
        )
        if size <= MOST_CLASSES_NAMED:
            rotation = 90 if max(map(len, labels)) > 3 and size > 4 else 0
            axes.set_xticks(range(size), labels, rotation=rotation)
            axes.set_yticks(range(size), labels)
        axes.tick_params(length=0)
        axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
        axes.grid(which="minor", color=GREY, alpha=0.35, linewidth=0.5)
        axes.tick_params(which="minor", length=0)
        if size <= 20:
            _write_counts(axes, counts)
    return figure


def calibration_figure(assessment: Assessment) -> Figure:
    """How often the model is right, for each confidence, beside how often it should be; below, the samples."""
    found = assessment.calibration
    centres, width = (found.edges[:-1] + found.edges[1:]) / 2, found.edges[1]
    filled = found.counts > 0
    accuracy, confidence = found.accuracy[filled], found.confidence[filled]
    with themed():
        figure = new_figure(6.2, 5.8)
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        top.bar(centres[filled], accuracy, width * 0.94, color=BLUE, label="how often the model is right")
        low, high = np.minimum(accuracy, confidence), np.maximum(accuracy, confidence)
        gap = {"facecolor": "none", "edgecolor": RED, "hatch": "////", "linewidth": 1.0}
        top.bar(centres[filled], high - low, width * 0.94, low, label="difference from the ideal", **gap)
        top.plot([0, 1], [0, 1], color=INK, linestyle="--", linewidth=1.5, label="ideal: right as often as it is sure")
        top.set_ylabel("accuracy")
        top.set_ylim(0, 1.02)
        top.set_xlim(0, 1)
        title = f"calibration of {assessment.model.name}, expected calibration error {found.error:.1%}"
        figure.suptitle("\n".join([title, *wrap(calibration_text(assessment), 64)]), fontsize=11)
        figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
        below.bar(centres, found.counts, width * 0.94, color=GREY)
        below.set_yscale("symlog", linthresh=1)
        below.set_ylim(0, max(10.0, 20.0 * found.counts.max()))
        below.set_yticks([])  # the counts are written on the bars
        below.set_yticks([], minor=True)
        for centre, count in zip(centres[filled], found.counts[filled], strict=True):
            below.annotate(f"{count:,}", (centre, count), (0, 2), textcoords="offset points", ha="center", fontsize=8)
        below.set_ylabel("samples")
        below.set_xlabel("confidence: the probability that the model gives its answer")
        for axis in (top.yaxis, below.xaxis):
            axis.set_major_formatter(PercentFormatter(1.0))
        for axes in (top, below):
            axes.grid(alpha=0.25, color=GREY)
            axes.set_axisbelow(True)
    return figure


def calibration_text(assessment: Assessment) -> str:
    """One sentence for a reader who sees such a plot for the first time."""
    found = assessment.calibration
    share = found.counts / max(1, found.counts.sum())
    sure = float(np.nansum(found.confidence * share))
    right = float(assessment.correct.mean())
    if found.error < CALIBRATED:
        meaning = "its confidence can be taken as it is"
    elif abs(sure - right) < found.error / 2:
        meaning = "it is too sure of some answers and not sure enough of others"
    else:
        meaning = "it is surer than it should be" if sure > right else "it could be surer"
    return f"On average the model is {sure:.1%} sure of its answer and right in {right:.1%} of the cases: {meaning}."


def residuals_figure(assessment: Assessment) -> Figure:
    """For each target: prediction against true value, error against prediction, and a histogram of the errors."""
    targets = assessment.targets.shape[1]
    chosen = np.linspace(0, assessment.samples - 1, min(assessment.samples, POINTS)).astype(int)
    dot = {
        "color": BLUE,
        "s": 30 if len(chosen) < 200 else 9,
        "alpha": 0.9 if len(chosen) < 200 else 0.3,
        "linewidths": 0,
        "rasterized": True,
    }
    with themed():
        figure = new_figure(12, 4 * targets)
        for place, row in enumerate(figure.subplots(targets, 3, squeeze=False)):
            name = plain(assessment.model.label(place)) if assessment.model.labels else "target"
            true, predicted = assessment.targets[chosen, place], assessment.outputs[chosen, place]
            ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
            row[0].scatter(true, predicted, **dot)
            row[0].plot(ends, ends, color=GREY, linestyle="--", linewidth=1.2)
            row[0].set(xlabel=f"true {name}", ylabel=f"predicted {name}", title="prediction against true value")
            row[1].scatter(predicted, predicted - true, **dot)
            row[1].axhline(0, color=GREY, linestyle="--", linewidth=1.2)
            row[1].set(xlabel=f"predicted {name}", ylabel="error (predicted - true)", title="error against prediction")
            row[2].hist(assessment.residuals[:, place], bins=40, color=BLUE)
            row[2].axvline(0, color=GREY, linestyle="--", linewidth=1.2)
            row[2].set(xlabel="error (predicted - true)", ylabel="samples", title="errors")
            for axes in row:
                axes.grid(alpha=0.25, color=GREY)
                axes.set_axisbelow(True)
        figure.suptitle(
            f"{assessment.model.name}: {assessment.samples:,} {assessment.split} samples of {assessment.data}"
        )
    return figure


def mistakes_figure(assessment: Assessment, count: int = 24) -> Figure:
    """The images with the most confident wrong predictions, the worst first."""
    places = assessment.worst(count)
    columns = min(6, max(2, len(places)))
    rows = max(1, -(-len(places) // columns))
    with themed():
        figure = new_figure(1.75 * columns, 2.2 * rows + 0.4)
        figure.suptitle(
            f"{assessment.model.name}: most confident wrong predictions\n"
            f"{assessment.split} samples of {assessment.data}"
        )
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in grid:
            axes.set_axis_off()
        for axes, place in zip(grid, places, strict=False):
            axes.imshow(_image(assessment.inputs[place]), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_title(mistake_text(assessment, int(place)), fontsize=9)
    return figure


def mistake_text(assessment: Assessment, place: int) -> str:
    """``predicted 4 (87%)`` and below it ``true 9 · #2130``."""
    predicted, true = int(assessment.decisions[place]), int(assessment.targets[place])
    confidence = assessment.probabilities[place, predicted]
    names = [plain(assessment.model.label(k)) for k in (predicted, true)]
    return f"predicted {names[0]} ({confidence:.0%})\ntrue {names[1]} · #{place}"


def draw_assessment(assessment: Assessment, folder: Path | str) -> list[Path]:
    """Write all plots of an assessment to ``folder`` as PNG files, and return their paths.

    There are none for a task that predicts neither a class nor numbers.
    """
    folder = make_folder(expanded(folder))
    if assessment.model.predicts not in ("class", "numbers"):
        return []
    if not assessment.model.decides:
        return [save_png(residuals_figure(assessment), folder / "residuals.png")]
    made = [
        save_png(confusion_figure(assessment), folder / "confusion.png"),
        save_png(calibration_figure(assessment), folder / "calibration.png"),
    ]
    if assessment.model.takes_images and not assessment.correct.all():
        made.append(save_png(mistakes_figure(assessment), folder / "mistakes.png"))
    return made


def _image(sample: Array) -> Array:
    """The sample as matplotlib needs it: grey ``[H, W]`` or colour ``[H, W, C]``."""
    return sample[0] if len(sample) == 1 else sample.transpose(1, 2, 0)


def _shades(shares: Array) -> Array:
    """RGBA of each cell. The opacity rises with the square root of the share, so that rare errors are visible."""
    cells = np.zeros((*shares.shape, 4))
    cells[..., :3] = _rgb(ORANGE)
    cells[np.arange(len(shares)), np.arange(len(shares)), :3] = _rgb(BLUE)
    cells[..., 3] = np.where(shares > 0, FAINTEST + (OPACITY - FAINTEST) * np.sqrt(shares), 0)
    return cells


def _rgb(colour: str) -> tuple[float, ...]:
    return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))


def _write_counts(axes: Axes, counts: Array) -> None:
    fontsize = 12 if len(counts) <= 6 else 8 if counts.max() < 10_000 else 7
    for (row, column), count in np.ndenumerate(counts):
        if count:
            axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=fontsize, color=INK)
