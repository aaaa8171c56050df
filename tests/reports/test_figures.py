"""What figures show if there is more or less to show than usual: many classes, no cost, no setting, another metric."""

import dataclasses
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from test_plots import make_assessment, texts_of
from test_study_page import definition, trial

import zoo
from zoo.evaluation.compare import Candidate, Comparison
from zoo.reports import plots, study_plots
from zoo.reports.comparison_plots import comparison_figure
from zoo.runs.curves import curves_figure
from zoo.tuning.definition import Dimension
from zoo.tuning.result import StudyResult

WIDTH = Dimension("width", "width", "int", 16, 4, 64, log=True)


def candidates(*costs, metric="accuracy", prefix="net"):
    """Models of falling accuracy, or rising error, with the given costs."""
    models = [Candidate(f"{prefix}-{k}", "mnist", metric, (0.9 - 0.1 * k,), "runs", c) for k, c in enumerate(costs)]
    return Comparison(metric, "mnist", tuple(models), (None,) * len(models))


def ticks_of(axis):
    axis.figure.draw_without_rendering()
    return [text.get_text() for text in axis.get_ticklabels()]


FILE, RUN = {"bytes": 4_000.0}, {"parameters": 1_000.0, "bytes": 8_000.0}


def test_a_model_is_drawn_where_its_cost_is_known():
    figure = comparison_figure(candidates(FILE, RUN))
    assert [axes.get_xlabel() for axes in figure.axes] == ["parameters", "bytes of weights"]
    assert [len(axes.containers) for axes in figure.axes] == [1, 2]
    assert [sorted(text.get_text() for text in axes.texts if text.get_text()) for axes in figure.axes] == [
        ["net-1"],
        ["net-0", "net-1"],
    ]


def test_long_names_are_in_the_legend_even_if_the_first_panel_lacks_the_model():
    figure = comparison_figure(candidates(FILE, RUN, FILE, prefix="exports/a-long-name"))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"exports/a-long-name-{k}" for k in range(3)]
    colours = [handle.get_color() for handle in legend.legend_handles]
    drawn = [container.lines[0].get_color() for container in figure.axes[1].containers]
    assert colours == drawn
    assert not any(text.get_text() for axes in figure.axes for text in axes.texts)


@pytest.mark.parametrize(("metric", "percent"), [("accuracy", True), ("mae", False)])
def test_only_shares_have_an_axis_in_percent(metric, percent):
    figures = [comparison_figure(candidates(RUN, RUN, metric=metric)), study_plots.history_figure(study(metric))]
    for figure in figures:
        assert all(label.endswith("%") == percent for label in ticks_of(figure.axes[0].yaxis))
    bar = study_plots.coordinates_figure(study(metric)).axes[1]
    assert bar.get_ylabel() == study_plots.title(metric)
    assert all(label.endswith("%") == percent for label in ticks_of(bar.yaxis))


def test_curves_without_a_kept_checkpoint_have_no_mark():
    entries = [{"epoch": 1, **{split: {"loss": 1.0, "accuracy": 0.5} for split in ("train", "validation")}}]
    for best, lines in ((None, ["train", "validation"]), (1, ["train", "validation", "checkpoint kept"])):
        for axes in curves_figure("net", "accuracy", entries, best).axes:
            assert [line.get_label() for line in axes.lines] == lines


@pytest.mark.parametrize(("classes", "counts", "names"), [(20, True, True), (40, False, True), (41, False, False)])
def test_a_matrix_of_many_classes_has_neither_counts_nor_names(classes, counts, names):
    targets = np.arange(classes)
    figure = plots.confusion_figure(make_assessment(np.eye(classes, dtype=np.float32), targets))
    assert bool(texts_of(figure)) == counts
    assert (ticks_of(figure.axes[0].xaxis) == [f"class {k}" for k in range(classes)]) == names


# --- studies


def study(metric="accuracy", names=("net",), space=(WIDTH,), same_size=False):
    """A study of widths: the wider, the better and, unless all have one size, the larger."""
    made = msgspec.structs.replace(definition((metric,), names), space={name: list(space) for name in names})
    trials = []
    for number in range(10):
        width, name = 4 + 6 * number, names[number % len(names)]
        size = 100 if same_size else 100 * width
        found = trial(number, 0.5, params=size, architecture=name, values={metric: 0.3 + 0.01 * width})
        trials.append(dataclasses.replace(found, settings={"width": width} if space else {}))
    return StudyResult("mine", Path("study"), made, tuple(trials), 10)


def test_whole_numbers_and_architectures_have_an_importance():
    shares = study_plots.importances(study(names=("net", "other")))
    assert shares.keys() == {"width", "architecture"}
    assert shares["width"] > shares["architecture"]
    import optuna

    found = study_plots._distribution(optuna, study(), "net", "width")
    assert found == optuna.distributions.IntDistribution(4, 64, log=True)


def test_networks_of_one_size_have_no_front_of_accuracy_and_size(tmp_path):
    assert study_plots.front_figure(study()) is not None
    found = dataclasses.replace(study(same_size=True), folder=tmp_path)
    assert study_plots.front_figure(found) is None
    page = zoo.write_study(found).read_text()
    assert "Pareto front of" not in page
    assert "The settings of each finished trial" in page


def test_a_study_that_searches_nothing_has_no_plot_of_settings(tmp_path):
    page = zoo.write_study(dataclasses.replace(study(space=()), folder=tmp_path)).read_text()
    assert re.findall(r'aria-label="([^"]*?) of', page) == ["accuracy", "The Pareto front"]
    assert "The settings of each finished trial" not in page
