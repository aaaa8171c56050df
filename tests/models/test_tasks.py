"""The tasks: losses, metrics, and the conversion to the target's units."""

import math

import pytest
import torch
from builtin_tasks import TASKS

import zoo
from zoo import DataError, Split, evaluate
from zoo.models.guarded_task import load_task
from zoo.models.rescale import Rescale
from zoo.models.scores import logits_of
from zoo.specs.hyperparameters import resolve

PLAIN = resolve()


def metrics_of(task, outputs, targets):
    """The metrics of a model with these ``outputs``."""
    return evaluate(torch.nn.Identity(), Split(outputs, targets), TASKS[task], batch_size=3).metrics


def test_binary_metrics_equal_a_calculation_by_hand():
    logits = torch.tensor([[2.0], [-1.0], [0.5], [-0.5], [3.0]])
    targets = torch.tensor([1, 0, 0, 1, 1])
    metrics = metrics_of("binary", logits, targets)
    assert metrics["accuracy"] == pytest.approx(3 / 5)
    # 6 pairs of a positive and a negative sample; only (-0.5, 0.5) is in the wrong order
    assert metrics["auc"] == pytest.approx(5 / 6)
    # recall 2/3, precision 2/3
    assert metrics["f1"] == pytest.approx(2 / 3)
    p = torch.sigmoid(logits[:, 0])
    wanted = -torch.where(targets == 1, p, 1 - p).log().mean()
    assert metrics["loss"] == pytest.approx(float(wanted), rel=1e-6)


def test_the_metrics_of_classes_equal_a_calculation_by_hand():
    """The loss has no label smoothing: runs whose recipes differ in that are compared by it."""
    logits = torch.tensor([[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [1.0, 0.5, 0.0]])
    metrics = metrics_of("classification", logits, torch.tensor([0, 1, 2]))
    wanted = -torch.stack([logits[0].softmax(0)[0], logits[1].softmax(0)[1], logits[2].softmax(0)[2]]).log().mean()
    assert metrics["loss"] == pytest.approx(float(wanted), rel=1e-6)
    assert metrics["accuracy"] == pytest.approx(2 / 3)


def test_binary_metrics_of_one_class_are_no_error():
    metrics = metrics_of("binary", torch.tensor([[-1.0], [-2.0]]), torch.tensor([0, 0]))
    assert metrics["accuracy"] == 1
    assert "auc" not in metrics


def test_regression_metrics_are_in_the_targets_units():
    predictions, targets = torch.tensor([[1.0], [2.0], [6.0], [7.0]]), torch.tensor([[1.0], [4.0], [6.0], [9.0]])
    metrics = metrics_of("regression", predictions, targets)
    assert metrics["mae"] == pytest.approx(1.0)
    assert metrics["rmse"] == pytest.approx(2**0.5)
    assert metrics["r2"] == pytest.approx(1 - 8 / 34)


def test_metrics_of_several_targets_are_averaged_over_them():
    targets = torch.tensor([[0.0, 0.0], [2.0, 20.0]])  # standard deviations of 1 and 10
    task = TASKS["regression"].fit(targets, PLAIN)
    found = task.measure(targets + torch.tensor([1.0, 20.0]), targets)
    assert found["mae"].tolist() == pytest.approx([10.5, 10.5])
    assert found["loss"].tolist() == pytest.approx([2.5, 2.5])
    assert float(task.loss(task.network_targets(targets) + torch.tensor([1.0, 2.0]), targets, PLAIN)) == 2.5


def test_regression_of_one_sample_has_no_r2():
    assert "r2" not in metrics_of("regression", torch.tensor([[1.0]]), torch.tensor([[2.0]]))


@pytest.mark.parametrize("scale", ["linear", "sqrt", "log"])
def test_a_regression_trains_on_its_scale_and_predicts_in_units(scale):
    targets = torch.tensor([[0.0], [1.0], [50.0], [900.0]])
    task = TASKS["regression"].fit(targets, resolve({"target_scale": scale}))
    rescale = task.postprocess()
    scores = rescale.standardise(targets)
    value = {"linear": float, "sqrt": math.sqrt, "log": math.log1p}[scale]
    ratio = (value(900) - value(0)) / (value(50) - value(1))
    assert float((scores[3] - scores[0]) / (scores[2] - scores[1])) == pytest.approx(ratio, rel=1e-4)
    assert float(scores.mean()) == pytest.approx(0, abs=1e-6)
    assert float(scores.std(correction=0)) == pytest.approx(1, rel=1e-5)
    torch.testing.assert_close(rescale(scores), targets, atol=1e-3, rtol=1e-5)
    assert float(task.loss(scores, targets, PLAIN)) == 0
    assert float(task.loss(scores + 2, targets, PLAIN)) == pytest.approx(4, rel=1e-5)


@pytest.mark.parametrize("scale", ["sqrt", "log"])
def test_a_scale_for_counts_never_predicts_below_zero(scale):
    rescale = Rescale.fit(torch.tensor([[1.0], [4.0]]), scale)
    assert rescale(torch.tensor([[-9.0]])).item() == 0
    # rounding and other runtimes can give -1, whose logarithm is infinite
    assert rescale.standardise(torch.tensor([[-1.0], [-3.0]])).isfinite().all()
    metrics = TASKS["regression"].fit(torch.tensor([[1.0], [4.0]]), resolve({"target_scale": scale}))
    assert metrics.measure(torch.tensor([[-1.5]]), torch.tensor([[2.0]]))["loss"].isfinite().all()


@pytest.mark.parametrize("scale", ["sqrt", "log"])
def test_a_scale_for_counts_refuses_negative_targets(scale):
    with pytest.raises(DataError, match=f"target_scale={scale} needs targets of at least 0, but the lowest is -3"):
        Rescale.fit(torch.tensor([[-3.0], [4.0]]), scale)


def test_the_huber_loss_is_linear_for_large_errors():
    task = TASKS["regression"]
    far, targets = torch.tensor([[10.0]]), torch.tensor([[0.0]])
    assert float(task.loss(far, targets, PLAIN)) == 100
    assert float(task.loss(far, targets, resolve({"huber": 1.0}))) == pytest.approx(9.5)


@pytest.mark.parametrize("task", ["classification", "binary"])
def test_label_smoothing_penalises_certain_predictions(task):
    logits = torch.tensor([[30.0]]) if task == "binary" else torch.tensor([[30.0, 0.0]])
    targets = torch.tensor([1 if task == "binary" else 0])
    smooth = resolve({"label_smoothing": 0.1})
    assert float(TASKS[task].loss(logits, targets, PLAIN)) < 1e-6
    assert float(TASKS[task].loss(logits, targets, smooth)) == pytest.approx(1.5, abs=1e-3)


@pytest.mark.parametrize(
    ("task", "better", "worse"),
    [
        ("classification", {"accuracy": 0.9, "loss": 1.0}, {"accuracy": 0.8, "loss": 0.1}),
        ("classification", {"accuracy": 0.9, "loss": 0.1}, {"accuracy": 0.9, "loss": 0.2}),
        ("regression", {"mae": 1.0, "loss": 0.1}, {"mae": 1.0, "loss": 0.2}),
        ("binary", {"accuracy": 0.8, "loss": 0.1}, {"accuracy": 0.9, "loss": 1.0}),
        ("regression", {"mae": 1.0, "loss": 1.0}, {"mae": 2.0, "loss": 0.5}),
    ],
)
def test_the_metric_that_selects_the_best_checkpoint(task, better, worse):
    assert TASKS[task].score(better) > TASKS[task].score(worse)


def test_the_exported_probabilities_of_two_classes_sum_to_one():
    logits, probabilities = TASKS["binary"].answers()(torch.tensor([[0.0], [2.0]]))
    assert logits.shape == (2, 1)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(2))
    assert probabilities[1, 1] > 0.85


def test_a_margin_is_the_distance_to_another_prediction():
    """A gate of an export allows a prediction to change only where rounding could bridge its margin."""
    logits = torch.tensor([[5.0, 1.0, 4.0], [-1.0, -1.0, -3.0]])
    assert TASKS["classification"].margins(logits).tolist() == [1.0, 0.0]
    assert TASKS["classification"].decisions(logits)[0] == 0
    assert TASKS["binary"].margins(torch.tensor([[-2.0], [0.5]])).tolist() == [2.0, 0.5]


@pytest.mark.parametrize(("task", "outputs", "classes"), [("classification", 3, 3), ("binary", 1, 2)])
def test_example_targets_of_a_task_are_all_its_classes(task, outputs, classes):
    targets = TASKS[task].example_targets(7, (1, 4, 4), outputs, torch.Generator())
    assert targets.dtype == torch.int64
    assert set(targets.tolist()) == set(range(classes))


def test_a_regression_that_knows_no_targets_yet_measures_in_their_units():
    task = TASKS["regression"]
    values = torch.tensor([[-3.0], [4.0]])
    assert torch.equal(task.network_targets(values), values)
    assert torch.equal(task.postprocess()(values), values)


class Plain(zoo.TaskMethods):
    """A class task with what it needs and nothing else."""

    def loss(self, outputs, targets, hyperparameters):
        return torch.nn.functional.cross_entropy(outputs, targets)

    def measure(self, outputs, targets):
        return {"loss": torch.nn.functional.cross_entropy(outputs, targets, reduction="none")}


@pytest.mark.parametrize(
    ("outputs", "decisions", "margins"),
    [
        ([[1.0, 3.0, 2.5], [4.0, -1.0, 0.0]], [1, 0], [0.5, 4.0]),
        ([[-0.5], [2.0]], [0, 1], [0.5, 2.0]),
    ],
)
def test_a_class_has_decisions_and_margins_by_default(outputs, decisions, margins):
    task = Plain(TASKS["classification"].spec)
    assert task.decisions(torch.tensor(outputs)).tolist() == decisions
    assert task.margins(torch.tensor(outputs)).tolist() == margins


@pytest.mark.parametrize(
    ("name", "metric"), [("classification", "accuracy"), ("binary", "accuracy"), ("regression", "mae")]
)
def test_the_methods_of_each_task_are_found_and_have_its_main_metric(name, metric, registry):
    assert load_task(registry.task(name)).metric == metric


def test_the_logits_of_a_split_do_not_depend_on_the_batch_size():
    inputs = torch.arange(14.0).reshape(7, 2)
    model = torch.nn.Linear(2, 3).train()
    split = Split(inputs, torch.zeros(7, dtype=torch.int64))
    with torch.no_grad():
        expected = model(inputs)
    for size in (3, 7, 100):
        found = logits_of(model, split, torch.device("cpu"), size)
        torch.testing.assert_close(found, expected)
    assert model.training
