"""Confidence intervals, held against other people's arithmetic and against simulation."""

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score, r2_score, roc_auc_score

from zoo.evaluation.intervals import auc_of, bootstrap, f1_of, mean_of, r2_of, wilson


@pytest.mark.parametrize(("successes", "trials"), [(0, 7), (7, 7), (3, 10), (9_941, 10_000), (1, 2)])
def test_wilson_is_that_of_scipy(successes, trials):
    theirs = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    ours = wilson(successes, trials)
    assert (ours.value, ours.low, ours.high) == pytest.approx((successes / trials, theirs.low, theirs.high), abs=1e-12)
    assert ours.low <= ours.value <= ours.high


def test_without_trials_nothing_is_known():
    assert all(value is None for value in wilson(0, 0).to_dict().values())


def test_the_figures_are_those_of_scikit_learn():
    random = np.random.RandomState(3)
    truth = random.randint(0, 2, 200)
    scores = np.round(truth + random.normal(size=200), 1)  # rounded, so that there are ties
    targets, guesses = random.normal(5, 2, (200, 2)), random.normal(5, 2, (200, 2))
    centred = targets.mean(0)
    found = bootstrap(
        {
            "auc": auc_of(scores, truth),
            "f1": f1_of(scores > 0.5, truth),
            "r2": r2_of(guesses - centred, targets - centred),
            "mean": mean_of(scores),
        },
        200,
    )
    assert found["auc"].value == pytest.approx(roc_auc_score(truth, scores))
    assert found["f1"].value == pytest.approx(f1_score(truth, scores > 0.5))
    assert found["r2"].value == pytest.approx(r2_score(targets, guesses))
    weights = random.randint(1, 4, (1, 200)).astype(float)
    assert auc_of(scores, truth)(weights)[0] == pytest.approx(roc_auc_score(truth, scores, sample_weight=weights[0]))
    # the bootstrap of a mean is close to the normal interval
    error = scores.std() / 200**0.5
    assert found["mean"].low == pytest.approx(scores.mean() - 1.96 * error, abs=0.2 * error)
    assert found["mean"].high == pytest.approx(scores.mean() + 1.96 * error, abs=0.2 * error)


def test_the_same_samples_give_the_same_interval():
    values = np.arange(50.0)
    first, second = (bootstrap({"mean": mean_of(values)}, 50)["mean"] for _ in range(2))
    assert first == second
