"""Confidence intervals, compared with scipy, scikit-learn and the normal distribution."""

import numpy as np
import pytest
from builtin_tasks import TASKS
from scipy import stats
from sklearn.metrics import f1_score, r2_score, roc_auc_score

from zoo.evaluation.intervals import (
    auc_of,
    bootstrap,
    f1_of,
    mean_of,
    measured,
    r2_of,
    share_of,
    wilson,
    worst_samples,
    worst_values,
)


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (7, 7), (3, 10), (9_941, 10_000), (1, 2)])
def test_the_wilson_interval_equals_that_of_scipy(successes, trials):
    theirs = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    ours = wilson(successes, trials)
    assert (ours.value, ours.low, ours.high) == pytest.approx((successes / trials, theirs.low, theirs.high), abs=1e-12)
    assert ours.low <= ours.value <= ours.high


def test_there_is_no_interval_without_trials():
    assert all(value is None for value in wilson(0, 0).to_dict().values())


def test_the_metrics_equal_those_of_scikit_learn():
    random = np.random.RandomState(3)
    truth = random.randint(0, 2, 200)
    scores = np.round(truth + random.normal(size=200), 1)  # rounded, so that there are ties
    targets, guesses = random.normal(5, 2, (200, 2)), random.normal(5, 2, (200, 2))
    found = bootstrap(
        {
            "auc": auc_of(scores, truth),
            "f1": f1_of(scores > 0.5, truth),
            "r2": r2_of(guesses, targets),
            "mean": mean_of(scores),
        },
        200,
    )
    assert found["auc"].value == pytest.approx(roc_auc_score(truth, scores))
    assert found["f1"].value == pytest.approx(f1_score(truth, scores > 0.5))
    assert found["r2"].value == pytest.approx(r2_score(targets, guesses))
    chosen = random.randint(0, 200, 200)
    assert auc_of(scores, truth)(chosen) == pytest.approx(roc_auc_score(truth[chosen], scores[chosen]))
    # the bootstrap of a mean is close to the normal interval
    error = scores.std() / 200**0.5
    assert found["mean"].low == pytest.approx(scores.mean() - 1.96 * error, abs=0.2 * error)
    assert found["mean"].high == pytest.approx(scores.mean() + 1.96 * error, abs=0.2 * error)


def test_the_same_samples_give_the_same_interval():
    values = np.arange(50.0)
    first, second = (bootstrap({"mean": mean_of(values)}, 50)["mean"] for _ in range(2))
    assert first == second


def test_the_intervals_equal_those_of_scipy():
    values = np.random.RandomState(1).exponential(size=300)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=1_000, method="percentile", random_state=np.random.RandomState(0)
    ).confidence_interval
    ours = bootstrap({"mean": mean_of(values)}, 300)["mean"]
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-12)


def test_resamples_without_a_value_do_not_count():
    one_positive = bootstrap({"auc": auc_of(np.array([2.0, -1.0, 0.5, -3.0]), np.array([1, 0, 0, 0]))}, 4)["auc"]
    assert (one_positive.value, one_positive.low, one_positive.high) == (1.0, 1.0, 1.0)
    two = np.array([[0.1], [0.3]])
    r2 = bootstrap({"r2": r2_of(two + 0.01, two)}, 2)["r2"]
    assert r2.low == r2.high == pytest.approx(r2.value)


def test_one_sample_gives_no_interval():
    found = bootstrap({"mean": mean_of(np.array([3.0]))}, 1)["mean"]
    assert found.to_dict() == {"value": 3.0, "low": None, "high": None}


def test_f1_of_a_class_that_never_occurs_is_zero():
    assert f1_of(np.array([0, 0]), np.array([0, 0]))(np.arange(2)) == 0


def test_samples_in_groups_are_resampled_by_group():
    """Of 20 days of 24 equal hours, the mean is as uncertain as that of 20 values."""
    days = np.random.RandomState(2).normal(10, 3, 20)
    order = np.random.RandomState(3).permutation(480)  # the samples of a group need not follow each other
    values, groups = np.repeat(days, 24)[order], np.repeat(np.arange(20) * 7, 24)[order]
    grouped = bootstrap({"mean": mean_of(values)}, 480, groups=groups)["mean"]
    apart = bootstrap({"mean": mean_of(values)}, 480)["mean"]
    error = days.std() / 20**0.5
    assert grouped.value == apart.value == pytest.approx(days.mean())
    assert (grouped.high - grouped.low) / (2 * 1.96 * error) == pytest.approx(1, abs=0.15)
    assert (grouped.high - grouped.low) / (apart.high - apart.low) == pytest.approx(24**0.5, rel=0.15)


def test_a_single_group_gives_no_interval():
    found = bootstrap({"mean": mean_of(np.arange(5.0))}, 5, groups=np.full(5, 3))["mean"]
    assert found.to_dict() == {"value": 2.0, "low": None, "high": None}


def test_groups_of_one_sample_are_single_samples():
    values = np.arange(30.0)
    found = bootstrap({"mean": mean_of(values)}, 30, groups=np.arange(30))
    assert found == bootstrap({"mean": mean_of(values)}, 30)


def test_a_share_among_no_samples_is_undefined():
    found = bootstrap({"share": share_of(np.array([True, True]), np.array([False, False]))}, 2)["share"]
    assert found.to_dict() == {"value": None, "low": None, "high": None}


def test_samples_with_equal_values_are_listed_in_their_order():
    """The worst samples of a report are the same on every machine."""
    wrong = np.arange(200) % 3 == 0
    targets = np.zeros((200, 1), dtype=np.float32)
    regression = worst_samples(TASKS["regression"], wrong[:, None].astype(np.float32), targets)
    logits = np.stack([wrong, ~wrong], axis=1).astype(np.float32)
    classes = worst_samples(TASKS["classification"], logits, np.ones(200, dtype=np.int64))
    wanted = [*np.flatnonzero(wrong), *np.flatnonzero(~wrong)]
    assert regression.tolist() == classes.tolist() == wanted


def test_the_metrics_of_a_task_are_those_of_the_chosen_samples():
    outputs, targets = np.array([[1.0], [2.0], [4.0], [9.0]], np.float32), np.zeros((4, 1), np.float32)
    found = measured(TASKS["regression"], outputs, targets)
    assert found["mae"](np.array([0, 2])) == pytest.approx(2.5)
    assert found["rmse"](np.array([0, 2])) == pytest.approx((17 / 2) ** 0.5)
    assert found["rmse"](np.array([1, 1])) == pytest.approx(2)


def test_the_worst_samples_of_a_report_have_their_number_and_main_metric():
    targets = np.zeros((4, 1), np.float32)
    outputs = np.array([[0.5], [-3.0], [0.0], [2.0]], np.float32)
    found = worst_values(TASKS["regression"], outputs, targets, 3)
    assert found == [{"sample": 1, "mae": 3.0}, {"sample": 3, "mae": 2.0}, {"sample": 0, "mae": 0.5}]
