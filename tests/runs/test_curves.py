"""The plots of a training run."""

import itertools
from types import SimpleNamespace

import pytest

from zoo.reports.plots import new_figure, save_png, svg
from zoo.runs.curves import draw_curves, draw_rates

ENTRIES = [
    {"epoch": epoch, "train": {"loss": 1 / epoch, "accuracy": 0.9}, "validation": {"loss": 1 / epoch, "accuracy": 0.8}}
    for epoch in (1, 2, 3)
]


def figure():
    made = new_figure(4, 3)
    axes = made.subplots()
    axes.plot([1, 2], [3, 4], label="loss")
    axes.legend()
    return made


@pytest.mark.parametrize(
    "draw",
    [
        lambda path: draw_curves(path, "a run", "accuracy", ENTRIES, 3),
        lambda path: draw_rates(path, "rates", [0.1, 0.2], [2.0, 1.0], 0.1, 0.2, "recipe"),
        lambda path: save_png(figure(), path),
        lambda path: path.write_text(svg(figure(), "a line")),
    ],
    ids=["curves", "rates", "png", "svg"],
)
def test_a_legend_that_takes_long_to_place_is_no_warning(draw, tmp_path, monkeypatch):
    clock = itertools.count(0, 2)  # each look at the clock is two seconds later
    monkeypatch.setattr("matplotlib.legend.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    draw(tmp_path / "plot")
    assert next(clock) > 2, "the legend was placed"
    assert (tmp_path / "plot").stat().st_size > 1_000
