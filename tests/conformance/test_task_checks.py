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


FAULTS = {
    SumOfLosses: ("averages", "in two parts"),
    VectorLoss: ("loss", "no scalar tensor"),
    CutGradient: ("loss", "missing or not finite"),
    MeanOverBatch: ("metrics", "accuracy of a sample depends on the rest of the batch"),
    Undeclared: ("metrics", "extra is declared and not computed, or the reverse"),
    ForgottenFlag: ("metrics", "whole_split is False"),
    LowestScore: ("choice", "a better epoch has no higher score"),
    WideMargins: ("decisions", "a prediction with a margin over"),
    OneOutput: ("answers", "answers() gives 1, but 2 outputs are declared"),
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
        zoo.models.tasks.load_task(task)
