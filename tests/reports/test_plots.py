"""The plots of reports, evaluations and comparisons: readable, named, and without texts on top of each other."""

import itertools
import re

import numpy as np
import pytest
from matplotlib.colors import to_rgb

import zoo
from zoo.evaluation.assessment import Assessment
from zoo.evaluation.compare import Candidate, Comparison
from zoo.models.description import ModelDescription
from zoo.reports import plots
from zoo.reports.comparison_plots import comparison_figure
from zoo.runs.curves import curves_figure, rates_figure

LIGHT, DARK = ("#ffffff", "#1b1c1d"), ("#15171a", "#e6e7e9")
"""Ground and text of both themes, as in style.css."""


def make_assessment(logits, targets):
    labels = tuple(f"class {place}" for place in range(logits.shape[1]))
    content = {
        "architecture": "net",
        "task": "classification",
        "dataset": "made-up",
        "labels": list(labels),
        "input": {"type": "float32", "shape": ["batch", 2]},
        "input_shape": [2],
        "columns": [],
    }
    inputs = np.zeros((len(targets), 2), np.float32)
    return Assessment(ModelDescription.from_dict(content, "net"), "torch", "made-up", "test", inputs, logits, targets)


def sure(confidence, right, count=2_000, classes=2):
    """Predictions of class 0 with one confidence, of which a part is right."""
    logits = np.zeros((count, classes), np.float32)
    logits[:, 0] = np.log(confidence / (1 - confidence) * (classes - 1))
    targets = (np.arange(count) >= right * count).astype(np.int64)
    return logits, targets


def texts_of(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_counts_have_separators_of_thousands():
    assessment = make_assessment(*sure(0.9, 0.9))
    assert {"1,800", "200"} <= set(texts_of(plots.confusion_figure(assessment)))
    assert "2,000" in texts_of(plots.calibration_figure(assessment))


@pytest.mark.parametrize(("ground", "ink"), [LIGHT, DARK], ids=["light", "dark"])
def test_counts_have_enough_contrast_on_every_cell(ground, ink):
    """WCAG 2.2 asks for 4.5 for text. Empty cells have the ground of the page."""
    shares = np.linspace(0, 1, 101)
    for share in shares:
        cells = plots._shades(np.array([[share, share], [share, share]]))
        for cell in cells.reshape(-1, 4):
            mixed = cell[3] * cell[:3] + (1 - cell[3]) * np.array(to_rgb(ground))
            assert contrast(mixed, to_rgb(ink)) >= 4.5, (share, cell)


def contrast(one, other):
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def luminance(colour):
    parts = np.asarray(colour)
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_the_colours_of_the_pages_have_enough_contrast():
    style = (plots.Path(plots.__file__).parent / "templates" / "style.css").read_text()
    light, dark, *_ = style.split("@media")
    for theme in (dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", part)) for part in (light, dark)):
        for text in ("ink", "soft", "link", "right", "wrong"):
            for ground in ("ground", "panel"):
                assert contrast(to_rgb(theme[text]), to_rgb(theme[ground])) >= 4.5, (text, ground, theme)


@pytest.mark.parametrize(
    ("confidence", "right", "meaning"),
    [
        (0.9, 0.9, "its confidence can be taken as it is"),
        (0.95, 0.7, "it is surer than it should be"),
        (0.6, 0.9, "it could be surer"),
    ],
)
def test_calibration_is_said_in_one_sentence(confidence, right, meaning):
    assessment = make_assessment(*sure(confidence, right))
    text = plots.calibration_text(assessment)
    average = f"On average the model is {confidence:.1%} sure of its answer and right in {right:.1%} of the cases"
    assert text == f"{average}: {meaning}."
    figure = plots.calibration_figure(assessment)
    assert " ".join(figure.get_suptitle().split()).endswith(text)


def test_errors_of_both_kinds_are_said():
    low, high = sure(0.6, 0.9), sure(0.9, 0.6)
    assessment = make_assessment(np.concatenate([low[0], high[0]]), np.concatenate([low[1], high[1]]))
    assert "too sure of some answers and not sure enough of others" in plots.calibration_text(assessment)


def test_a_picture_in_a_page_has_a_name():
    figure = plots.confusion_figure(make_assessment(*sure(0.9, 0.9)))
    text = plots.svg(figure, 'matrix of "a" & <b>')
    assert re.match(r'<svg [^>]*class="chart" role="img" aria-label="matrix of &quot;a&quot; &amp; &lt;b&gt;"', text)


@pytest.mark.parametrize("epochs", [1, 2, 3, 30])
def test_epochs_have_whole_ticks(epochs):
    values = {"loss": 0.5, "accuracy": 0.9}
    entries = [{"epoch": epoch, "train": values, "validation": values} for epoch in range(1, epochs + 1)]
    figure = curves_figure("net", "accuracy", entries, 1)
    figure.draw_without_rendering()
    for axes in figure.axes:
        ticks = [tick for tick in axes.get_xticks() if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
        assert ticks
        assert all(tick == round(tick) for tick in ticks)


@pytest.mark.parametrize(
    ("metric", "loss", "label", "tick"),
    [
        ("accuracy", "loss (cross-entropy)", "accuracy", "50%"),
        ("mae", "loss (squared error, standardised target)", "MAE", "0.5"),
        ("iou", "loss", "iou", "0.5"),
    ],
)
def test_the_axes_of_the_curves_have_names_and_units(metric, loss, label, tick):
    entries = [
        {"epoch": epoch, **{split: {"loss": 1.0, metric: value} for split in ("train", "validation")}}
        for epoch, value in ((1, 0.25), (2, 0.75))
    ]
    losses, metrics = curves_figure("net", metric, entries, 2).axes
    losses.figure.draw_without_rendering()
    assert (losses.get_ylabel(), metrics.get_ylabel()) == (loss, label)
    assert tick in [text.get_text() for text in metrics.get_yticklabels()]
    for axes in (losses, metrics):
        assert [line.get_label() for line in axes.lines] == ["train", "validation", "checkpoint kept"]
        assert axes.lines[2].get_xdata() == [2, 2]


def test_the_suggested_learning_rate_stands_out_from_the_rate_in_use():
    figure = rates_figure("net", [1e-4, 1e-3, 1e-2], [3.0, 1.0, 2.0], 2e-3, 1e-2, "--lr")
    (axes,) = figure.axes
    curve, suggested, used, point = axes.lines
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["smoothed loss", "suggested: 0.002", "--lr: 0.01"]
    assert (suggested.get_xdata()[0], used.get_xdata()[0]) == (2e-3, 1e-2)
    assert (point.get_xdata()[0], point.get_ydata()[0]) == (1e-3, 1.0)  # the rate that was tried next to it
    assert suggested.get_linewidth() > used.get_linewidth()
    assert (suggested.get_linestyle(), used.get_linestyle()) == ("-", "--")  # told apart in print, too
    assert len(set(to_rgb(used.get_color()))) == 1, "grey: not taken for a second curve"
    assert to_rgb(point.get_color()) == to_rgb(suggested.get_color()) != to_rgb(curve.get_color())
    assert axes.get_xscale() == "log"


def make_comparison(points):
    """Candidates from pairs of parameters and accuracy."""
    candidates = [
        Candidate(
            f"network-{place}",
            "mnist",
            "accuracy",
            (accuracy - 0.001, accuracy + 0.001),
            "recorded",
            {"parameters": size},
        )
        for place, (size, accuracy) in enumerate(points)
    ]
    candidates.sort(key=lambda candidate: -candidate.mean)
    return Comparison("accuracy", "mnist", tuple(candidates), (None,) * len(candidates))


@pytest.mark.parametrize(
    "points",
    [
        [(1_000, 0.9), (1_000, 0.9), (1_000, 0.9)],
        [(40_000 + 500 * place, 0.99 + 0.0002 * place) for place in range(8)],
        [(10**place, 0.9 + 0.01 * place) for place in range(2, 8)],
        [(1_000 * (1 + place % 3), 0.95 - 0.001 * (place // 3)) for place in range(9)],
    ],
    ids=["equal", "close", "far", "grid"],
)
def test_names_in_a_comparison_cover_neither_each_other_nor_a_point(points):
    figure = comparison_figure(make_comparison(points))
    (axes,) = figure.axes
    figure.draw_without_rendering()
    texts = [text for text in axes.texts if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    assert len(boxes) == len(points)
    for one, other in itertools.combinations(boxes, 2):
        assert not one.overlaps(other)
    places = axes.transData.transform(points)
    assert not any(box.contains(*place) for box, place in itertools.product(boxes, places))
    assert all(axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max) for box in boxes)


def test_recorded_results_on_mnist_have_names_apart(tmp_path):
    found = zoo.compare(dataset="mnist", runs_dir=tmp_path)
    figure = comparison_figure(found)
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
        assert len(boxes) == len(found.candidates)
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
