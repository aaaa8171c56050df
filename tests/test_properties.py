"""Properties that hold for any input: splits, metrics, evaluation, averages over pieces of a batch."""

import math

import numpy as np
import pytest
import sklearn.metrics
import torch
from builtin_tasks import TASKS
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from zoo.data.splits import Split, random_split, stratified_split, validation_groups, validation_indices
from zoo.evaluation.intervals import auc_of, bootstrap, f1_of, mean_of, r2_of, wilson
from zoo.models.scores import evaluate
from zoo.training.loop import pieces

quick = settings(derandomize=True, max_examples=60, deadline=None)
SEEDS = st.integers(0, 2**31 - 1)


@st.composite
def class_targets(draw):
    """Class indices of up to 300 samples, classes of one sample among them."""
    counts = draw(st.lists(st.integers(1, 80), min_size=1, max_size=6))
    targets = np.repeat(np.arange(len(counts)), counts)
    return torch.from_numpy(np.random.default_rng(draw(SEEDS)).permutation(targets))


# --- splits


@quick
@given(targets=class_targets(), share=st.floats(0, 1), seed=SEEDS)
def test_a_stratified_split_divides_each_class_in_proportion(targets, share, seed):
    held_out = round(share * len(targets))
    kept, held = stratified_split(targets, held_out, seed)
    assert torch.cat([kept, held]).sort().values.tolist() == list(range(len(targets)))
    assert len(held) == held_out
    counts = torch.bincount(targets)
    found = torch.bincount(targets[held], minlength=len(counts))
    assert ((found - counts * (held_out / len(targets))).abs() < 1).all()


@quick
@given(samples=st.integers(2, 300), share=st.floats(0, 1), seed=SEEDS)
def test_a_random_split_divides_samples(samples, share, seed):
    held_out = round(share * samples)
    kept, held = random_split(torch.zeros(samples, 1), held_out, seed)
    assert torch.cat([kept, held]).sort().values.tolist() == list(range(samples))
    assert len(held) == held_out


@pytest.mark.parametrize("targets", [torch.arange(200) % 3, torch.zeros(200, 1)])
def test_another_seed_holds_out_other_samples(targets):
    first, again, other = (random_split(targets, 50, seed)[1].tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


@quick
@given(targets=class_targets())
def test_validation_samples_are_not_trained_on(targets):
    kept, held = validation_indices(targets)
    if len(targets) >= 4:
        assert torch.cat([kept, held]).sort().values.tolist() == list(range(len(targets)))
        assert len(held) >= 1
    else:
        assert kept.tolist() == held.tolist() == list(range(len(targets)))


@quick
@given(groups=class_targets())
def test_no_group_is_on_both_sides(groups):
    kept, held = validation_groups(groups)
    if len(groups.unique()) > 1:
        assert torch.cat([kept, held]).sort().values.tolist() == list(range(len(groups)))
        assert not set(groups[kept].tolist()) & set(groups[held].tolist())
        assert len(kept)
        assert len(held)


# --- metrics


@quick
@given(samples=st.integers(2, 60), levels=st.integers(1, 8), seed=SEEDS)
def test_metrics_of_two_classes_equal_those_of_scikit_learn(samples, levels, seed):
    numbers = np.random.default_rng(seed)
    truth, everything = numbers.integers(0, 2, samples), np.arange(samples)
    scores = numbers.integers(0, levels, samples) - levels / 2  # with many ties
    predicted = (scores > 0).astype(int)
    f1 = sklearn.metrics.f1_score(truth, predicted, zero_division=0.0)
    assert f1_of(predicted, truth)(everything) == pytest.approx(f1, abs=1e-12)
    if 0 < truth.sum() < samples:
        auc = sklearn.metrics.roc_auc_score(truth, scores)
        assert auc_of(scores, truth)(everything) == pytest.approx(auc, abs=1e-12)


@quick
@given(samples=st.integers(2, 60), targets=st.integers(1, 4), scale=st.floats(1e-3, 1e3), seed=SEEDS)
def test_r2_equals_that_of_scikit_learn(samples, targets, scale, seed):
    numbers = np.random.default_rng(seed)
    truth = numbers.normal(size=(samples, targets)) * scale
    predicted = truth + numbers.normal(size=truth.shape) * scale
    expected = sklearn.metrics.r2_score(truth, predicted)
    assert r2_of(predicted, truth)(np.arange(samples)) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@quick
@given(trials=st.integers(1, 5_000), share=st.floats(0, 1))
def test_an_interval_contains_its_share_and_stays_between_0_and_1(trials, share):
    successes = round(share * trials)
    found = wilson(successes, trials)
    assert 0 <= found.low <= successes / trials <= found.high <= 1
    other = wilson(trials - successes, trials)
    assert (other.low, other.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-12)


def test_every_sample_takes_part_in_the_resamples():
    """One sample differs: the upper bound of the mean moves, wherever that sample is."""
    for place in (0, 7, 19):
        values = np.zeros(20)
        values[place] = 1.0
        found = bootstrap({"mean": mean_of(values)}, 20)["mean"]
        assert found.low == 0
        assert 0.1 <= found.high <= 0.2


# --- evaluation


class Linear(nn.Module):
    """Raw inputs to outputs, in float64: sums do not depend on their order but for the last digits."""

    def __init__(self, features, outputs, seed):
        super().__init__()
        numbers = torch.Generator().manual_seed(seed)
        self.weight = nn.Parameter(torch.randn(features, outputs, generator=numbers, dtype=torch.float64))

    def forward(self, inputs):
        return inputs.double() @ self.weight


@pytest.mark.parametrize(("task", "outputs"), [("classification", 3), ("binary", 1), ("regression", 2)])
@quick
@given(samples=st.integers(2, 40), size=st.integers(1, 50), seed=SEEDS)
def test_an_evaluation_depends_neither_on_batches_nor_on_the_order(task, outputs, samples, size, seed):
    numbers = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, 4, generator=numbers)
    targets = {
        "classification": torch.randint(3, (samples,), generator=numbers),
        "binary": torch.randint(2, (samples,), generator=numbers),
        "regression": torch.randn(samples, 2, generator=numbers),
    }[task]
    model, methods = Linear(4, outputs, seed), TASKS[task]
    whole = evaluate(model, Split(inputs, targets), methods)
    order = torch.randperm(samples, generator=numbers)
    divided = evaluate(model, Split(inputs[order], targets[order]), methods, batch_size=size)
    assert whole.samples == divided.samples == samples
    assert whole.metrics == pytest.approx(divided.metrics, rel=1e-5, abs=1e-6)


def test_metrics_of_a_task_equal_those_of_scikit_learn():
    numbers = torch.Generator().manual_seed(0)
    inputs, model = torch.randn(200, 4, generator=numbers), Linear(4, 3, 1)
    with torch.no_grad():
        outputs = model(inputs).numpy()
    classes = torch.randint(3, (200,), generator=numbers)
    found = evaluate(model, Split(inputs, classes), TASKS["classification"]).metrics
    assert found["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(classes, outputs.argmax(1)))
    shares = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True)
    assert found["loss"] == pytest.approx(sklearn.metrics.log_loss(classes, shares), rel=1e-5)
    values = torch.randn(200, 3, generator=numbers)
    found = evaluate(model, Split(inputs, values), TASKS["regression"]).metrics
    assert found["mae"] == pytest.approx(sklearn.metrics.mean_absolute_error(values, outputs), rel=1e-5)
    assert found["rmse"] == pytest.approx(math.sqrt(sklearn.metrics.mean_squared_error(values, outputs)), rel=1e-5)
    assert found["r2"] == pytest.approx(sklearn.metrics.r2_score(values, outputs), rel=1e-5)


# --- pieces of a batch


@quick
@given(samples=st.integers(2, 200), count=st.integers(1, 50), seed=SEEDS)
def test_the_loss_of_a_batch_is_that_of_its_pieces(samples, count, seed):
    """The weights that the training step gives to the pieces: their share of the samples."""
    values = torch.rand(samples, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    parts = [values[piece] for piece in pieces(samples, count)]
    assert sum(part.mean() * (len(part) / samples) for part in parts) == pytest.approx(float(values.mean()))
    assert min(len(part) for part in parts) >= 2
