"""The page of a study and its plots."""

import csv
import dataclasses
import json
import re
import types
from pathlib import Path

import pytest

import zoo
from zoo.evaluation.seeds import SeedResults
from zoo.reports import study_plots
from zoo.tuning.definition import Definition, Dimension, Limits
from zoo.tuning.result import Finalist, StudyResult, TrialResult


def definition(objectives=("accuracy",), architectures=("net",)):
    space = {
        name: [
            Dimension("lr", "lr", "float", 0.1, 0.001, 1.0, log=True),
            Dimension("kind", "kind", "choice", "a", choices=["a", "b"]),
        ]
        for name in architectures
    }
    names = list(objectives)
    return Definition(
        list(architectures), "classification", None, {}, "bars", "0" * 64, {}, space, names, Limits(), "tpe", "none", 0
    )


def trial(number, accuracy, lr=0.1, kind="a", params=100, **changes):
    values = {"accuracy": accuracy, "params": float(params)}
    made = TrialResult(number, "finished", "net", {"lr": lr, "kind": kind}, values, {"params": params}, 1.5)
    return dataclasses.replace(made, **changes)


@pytest.fixture
def study(tmp_path):
    """A study of which the learning rate decides everything."""
    rates = [0.001, 0.01, 0.1, 1.0, 0.002, 0.02, 0.2, 0.5, 0.005, 0.05]
    trials = [trial(n, 0.5 + lr / 3, lr, "ab"[n % 2], 100 + 10 * n) for n, lr in enumerate(rates)]
    trials.append(trial(10, 0, outcome="rejected", values={}, reason="<b>too large</b>"))
    return StudyResult("<i>mine</i>", tmp_path / "study", definition(("accuracy", "params")), tuple(trials), 10)


def test_the_page_shows_the_trials_and_escapes_names(study):
    page = zoo.write_study(study)
    text = page.read_text()
    assert "<i>mine</i>" not in text
    assert "Study &lt;i&gt;mine&lt;/i&gt;" in text
    assert re.search(r'<th scope="row">3\*</th><td>net</td><td class="number">83.33%</td>', text)
    assert text.count("<svg") == 4
    assert text.count(">parameters</th>") == 1  # an objective too
    folder = page.parent
    assert {path.stem for path in (folder / "plots").glob("*.png")} == {
        "history",
        "importances",
        "parallel-coordinates",
        "pareto-front",
    }
    rows = list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))
    assert rows[3]["accuracy"] == str(0.5 + 1 / 3)
    assert rows[10]["outcome"] == "rejected"
    assert json.loads((folder / "trials.json").read_text())[3]["settings"] == {"lr": 1.0, "kind": "b"}


def finalist(found, number, accuracies):
    results = [{"test": {"accuracy": one}, "validation": {"accuracy": one}} for one in accuracies]
    runs = tuple(types.SimpleNamespace(config={"results": one}, folder=Path("run")) for one in results)
    return Finalist(found.trials[number], Path(f"recipe-{number}.json"), SeedResults(runs))


def test_each_winner_is_compared_with_the_one_of_the_best_mean(study):
    winners = [(3, (0.80, 0.82, 0.81)), (7, (0.90, 0.92, 0.91)), (6, (0.89, 0.93, 0.90))]
    found = dataclasses.replace(study, finalists=tuple(finalist(study, *one) for one in winners))
    text = zoo.write_study(found).read_text()
    rows = re.findall(r'<tr><th scope="row">(\d)</th><td>net</td><td>accuracy ([\d.]+%) .*?</td>\s*(.*?)</tr>', text)
    assert [row[:2] for row in rows] == [("3", "81.00%"), ("7", "91.00%"), ("6", "90.67%")]
    assert "<td>best mean</td>" in rows[1][2]
    assert "<td>significantly worse (p = " in rows[0][2]
    assert "<td>no significant difference (p = " in rows[2][2]
    assert "Games-Howell" in text
    alone = dataclasses.replace(study, finalists=found.finalists[:1])
    assert "Games-Howell" not in zoo.write_study(alone).read_text()


def test_the_importance_is_that_of_the_setting_that_decides(study):
    shares = study_plots.importances(study)
    assert next(iter(shares)) == "lr"
    assert shares["lr"] > 0.7
    few = dataclasses.replace(study, trials=study.trials[:2])
    assert study_plots.importances(few) == {}
    equal = dataclasses.replace(study, trials=tuple(trial(n, 0.5, 0.01 * (n + 1)) for n in range(5)))
    assert set(study_plots.importances(equal)) <= {"lr", "kind"}


def test_the_best_so_far_of_a_history_never_falls(study):
    axes = study_plots.history_figure(study).axes[0]
    best = axes.lines[-1].get_ydata()
    assert list(best) == sorted(best)
    assert max(best) == pytest.approx(0.5 + 1 / 3)


def test_coordinates_are_heights_from_0_to_1(study):
    axes = study_plots.coordinates_figure(study).axes[0]
    lines = {tuple(round(float(y), 2) for y in line.get_ydata()) for line in axes.lines if len(line.get_ydata()) == 2}
    assert (0.0, 0.0) in lines  # 0.001 on a logarithmic scale, a
    assert (1.0, 1.0) in lines  # 1.0, b


def test_the_front_has_only_trials_that_are_not_beaten(study):
    axes = study_plots.front_figure(study).axes[0]
    front = next(line for line in axes.lines if line.get_label() == "Pareto front")
    numbers = [int(text.get_text()) for text in axes.texts]
    assert numbers == [0, 1, 2, 3]
    assert len(front.get_xdata()) == 4


def test_a_study_without_a_finished_trial_has_a_page_too(study):
    empty = dataclasses.replace(study, trials=(trial(0, 0, outcome="failed", values={}),))
    text = zoo.write_study(empty).read_text()
    assert "No trial is finished." in text
    assert "<svg" not in text
