"""``zoo check`` finds the faults of a task."""

from collections.abc import Callable

import pytest
import torch
from zoo.plugins.tasks.methods import Binary, Classification, Regression

import zoo


class SumOfLosses(Classification):
    def loss(self, outputs, targets, hyperparameters):
        return super().loss(outputs, targets, hyperparameters) * len(outputs)


class VectorLoss(Classification):
    def loss(self, outputs, targets, hyperparameters):
        return outputs.sum(dim=1)


class CutGradient(Classification):
    def loss(self, outputs, targets, hyperparameters):
        return (outputs.detach() * 0).sum() + torch.zeros((), requires_grad=True)


class MeanOverBatch(Classification):
    def measure(self, outputs, targets):
        found = super().measure(outputs, targets)
        return found | {"accuracy": found["accuracy"].mean().expand(len(outputs))}


class Undeclared(Classification):
    def measure(self, outputs, targets):
        return super().measure(outputs, targets) | {"extra": outputs[:, 0]}


class ForgottenFlag(Binary):
    whole_split = False


class LowestScore(Classification):
    def score(self, metrics):
        return (-metrics["accuracy"],)


class WideMargins(Classification):
    def margins(self, outputs):
        return super().margins(outputs) + 10


class OneOutput(Classification):
    def answers(self):
        return Regression(self.spec).answers()


class NegativeMargins(Classification):
    def margins(self, outputs):
        return super().margins(outputs) - 10


class OneMarginForAll(Classification):
    def margins(self, outputs):
        return super().margins(outputs)[:, None]


class DoubledOutputs(Classification):
    def answers(self):
        return Doubled(super().answers())


class Doubled(torch.nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, outputs):
        return self.module(2 * outputs)


class RefusedTargets(Classification):
    def target_problem(self, targets, num_outputs):
        return "has targets that are wrong"


FAULTS = {
    SumOfLosses: ("averages", "in two parts"),
    VectorLoss: ("loss", "VectorLoss.loss returned float32 [8]; return a float scalar"),
    CutGradient: ("loss", "missing or not finite"),
    MeanOverBatch: ("metrics", "accuracy of a sample depends on the rest of the batch"),
    Undeclared: ("metrics", "extra is computed and not declared"),
    ForgottenFlag: ("metrics", "whole_split is False"),
    LowestScore: ("choice", "a better epoch has no higher score"),
    WideMargins: ("decisions", "a prediction with a margin over"),
    OneOutput: ("answers", "answers() gives 1, but 2 outputs are declared"),
    OneMarginForAll: ("decisions", "decisions have the shape [8], margins [8, 1]"),
    NegativeMargins: ("decisions", "a margin is negative"),
    DoubledOutputs: ("answers", "the first output is not that of the network"),
    RefusedTargets: ("loss", "a split of example_targets has targets that are wrong"),
}


class Plugin:
    def __init__(self, methods):
        self.methods = methods

    @zoo.hookimpl
    def register_tasks(self, register: Callable[[zoo.Task], None]) -> None:
        two = issubclass(self.methods, Binary)
        register(
            zoo.Task(
                name="faulty",
                summary="a task",
                methods=self.methods,
                predicts="class",
                metrics=(zoo.Metric(name="accuracy", percent=True),),
                outputs=("logits", "probabilities"),
                num_outputs=1 if two else 0,
                labels=("no", "yes") if two else (),
            )
        )


def results_of(registry, name):
    return {result.check: result for result in zoo.check(name, registry=registry)}


@pytest.mark.parametrize("methods", FAULTS, ids=lambda methods: methods.__name__)
def test_a_fault_of_a_task_is_found(methods, registry):
    check, reason = FAULTS[methods]
    registry.add(zoo.Plugin("faulty", "third-party", "1.0", "faulty"), Plugin(methods))
    found = results_of(registry, "faulty")[check]
    assert found.status == "failed"
    assert reason in found.reason
    assert found.remedy


@pytest.mark.parametrize("name", ["classification", "binary", "regression"])
def test_the_built_in_tasks_pass(name, registry):
    assert {result.status for result in results_of(registry, name).values()} == {"passed"}


def test_methods_that_are_no_methods_are_refused(registry):
    plugin = Plugin(Classification)
    registry.add(zoo.Plugin("faulty", "third-party", "1.0", "faulty"), plugin)
    task = registry.task("faulty")
    object.__setattr__(task, "methods", dict)
    with pytest.raises(zoo.PluginError, match=r"Task 'faulty': methods (failed|must be a subclass)"):
        zoo.models.guarded_task.load_task(task)


class Counts(zoo.TaskMethods):
    """Counts with a scale, which is known after ``fit`` only; their logarithms need targets of at least 0."""

    mean = None

    def fit(self, targets, hyperparameters):
        fitted = Counts(self.spec)
        fitted.mean = targets.mean(dim=0)
        return fitted

    def postprocess(self):
        return Rates(self.mean)

    def loss(self, outputs, targets, hyperparameters):
        return (self.mean * outputs.exp() - targets * outputs).mean()

    def measure(self, outputs, targets):
        return {"loss": (outputs - targets).abs().mean(dim=1), "miss": (outputs - targets).abs().mean(dim=1)}

    def target_problem(self, targets, num_outputs):
        return "" if torch.equal(targets, targets.round().abs()) else "has targets that are not counts"

    def example_targets(self, count, input_shape, num_outputs, generator):
        return torch.poisson(torch.full((count, num_outputs), 2.0), generator=generator)


class Rates(torch.nn.Module):
    def __init__(self, mean):
        super().__init__()
        self.register_buffer("mean", mean)

    def forward(self, outputs):
        return self.mean * outputs.exp()


def test_a_task_with_a_scale_is_checked_with_the_targets_that_it_accepts(registry):
    registry.add(zoo.Plugin("counts", "third-party", "1.0", "counts"), CountPlugin())
    results = results_of(registry, "counts") | results_of(registry, "count-net")
    wrong = {name: result.reason for name, result in results.items() if result.status not in ("passed", "skipped")}
    assert not wrong
    assert results["export"].status == "passed"


class CountPlugin:
    @zoo.hookimpl
    def register_tasks(self, register):
        metric = zoo.Metric(name="miss", higher_is_better=False)
        task = {"methods": Counts, "predicts": "numbers", "metrics": (metric,), "outputs": ("rates",)}
        register(zoo.Task(name="count-task", summary="counts", **task))

    @zoo.hookimpl
    def register_datasets(self, register):
        shapes = {"input_shape": (3,), "num_outputs": 2, "loader": load_counts, "sizes": {"train": 200, "test": 200}}
        shapes |= {"licence": "none", "source": "made here"}
        register(zoo.Dataset(name="count-data", summary="counts", task="count-task", **shapes))

    @zoo.hookimpl
    def register_architectures(self, register):
        net = {"dataset": "count-data", "builder": build_counts, "parameters": 8}
        register(zoo.Architecture(name="count-net", summary="a line", task="count-task", **net))


def load_counts(folder, download):
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(200, 3, generator=random)
    split = zoo.Split(inputs, torch.poisson(torch.full((200, 2), 2.0), generator=random))
    return zoo.Splits(train=split, test=zoo.Split(inputs + 1, split.targets))


def build_counts(input_shape, num_outputs):
    if len(input_shape) != 1:
        raise ValueError("it takes the columns of a table")
    return torch.nn.Linear(input_shape[0], num_outputs)


class Scene(Classification):
    """A task that predicts what only its own networks have."""


def test_a_task_without_a_network_is_not_checked(registry):
    class Registers:
        @zoo.hookimpl
        def register_tasks(self, register: Callable[[zoo.Task], None]) -> None:
            metrics = (zoo.Metric(name="accuracy", percent=True),)
            outputs = ("logits", "probabilities")
            register(
                zoo.Task(
                    name="scene", summary="a task", methods=Scene, predicts="discrete", metrics=metrics, outputs=outputs
                )
            )

    registry.add(zoo.Plugin("scene", "third-party", "1.0", "scene"), Registers())
    found = results_of(registry, "scene")["loss"]
    assert found.status == "skipped"
    assert found.reason == "no architecture is for scene; register one, so that its outputs are known"
