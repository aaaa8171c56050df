"""What a search refuses, and what its storage and its samplers say."""

from types import SimpleNamespace

import pytest

from zoo import InvalidValue, UnknownName, UsageError
from zoo.tuning import study
from zoo.tuning.objectives import is_minimised, parse_objectives, value_text
from zoo.tuning.result import read_trials, settings_text
from zoo.tuning.tune import _common_task


def test_objectives_are_metrics_and_costs_once_each(registry):
    task = registry.task("classification")
    assert parse_objectives(None, task) == ["accuracy"]
    assert parse_objectives("accuracy, params", task) == ["accuracy", "params"]
    with pytest.raises(InvalidValue, match=r"Each objective can be named once, not params,params\."):
        parse_objectives("params,params", task)
    with pytest.raises(UnknownName, match="Did you mean 'accuracy'"):
        parse_objectives("acuracy", task)
    assert [is_minimised(name) for name in ("accuracy", "mae", "loss", "bytes")] == [False, True, True, True]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [("params", 1234.0, "1,234"), ("bytes", 2000.4, "2 kB"), ("latency", 1e-3, "1 ms"), ("accuracy", 0.5, "50.00%")],
)
def test_an_objective_has_its_unit(name, value, text):
    assert value_text(name, value) == text


def test_architectures_of_one_search_have_one_task_and_one_dataset(registry):
    with pytest.raises(UsageError, match=r"lenet is for classification, linear-regression for regression: search one"):
        _common_task(registry, ["lenet", "linear-regression"], None)
    with pytest.raises(UsageError, match="These architectures have different datasets"):
        _common_task(registry, ["lenet", "fashion-mlp"], None)
    assert _common_task(registry, ["lenet", "fashion-mlp"], "digits") == "classification"


def test_a_sampler_whose_package_is_missing_says_what_to_install(monkeypatch):
    def missing(**_):
        raise ModuleNotFoundError("cmaes")

    real = study.load_optuna()
    samplers = SimpleNamespace(**{name: getattr(real.samplers, name) for name in dir(real.samplers)})
    samplers.CmaEsSampler = missing
    monkeypatch.setattr(study, "load_optuna", lambda: SimpleNamespace(samplers=samplers))
    definition = SimpleNamespace(sampler="cmaes", objectives=["accuracy"], seed=0)
    with pytest.raises(UsageError, match="The sampler cmaes needs a package: pip install cmaes"):
        study.make_sampler(definition, 0)
    definition.objectives = ["accuracy", "params"]
    with pytest.raises(UsageError, match="The sampler cmaes is for one objective"):
        study.make_sampler(definition, 0)


def stored(state, **attributes):
    duration = None if state in ("RUNNING", "WAITING") else SimpleNamespace(total_seconds=lambda: 2.0)
    values = [0.5] if state == "COMPLETE" else None
    return SimpleNamespace(
        number=0, state=SimpleNamespace(name=state), user_attrs=attributes, values=values, duration=duration
    )


@pytest.mark.parametrize(
    ("trial", "outcome", "reason"),
    [
        (stored("COMPLETE", outcome="failed"), "finished", ""),
        (stored("PRUNED"), "pruned", ""),
        (stored("PRUNED", outcome="rejected", reason="too large"), "rejected", "too large"),
        (stored("FAIL"), "stopped", "its worker was killed"),
        (stored("FAIL", outcome="failed", reason="the loss is NaN"), "failed", "the loss is NaN"),
        (stored("RUNNING", outcome="failed"), "running", ""),
        (stored("WAITING"), "waiting", ""),
    ],
)
def test_the_outcome_of_a_stored_trial(trial, outcome, reason):
    (found,) = read_trials([trial], SimpleNamespace(objectives=["accuracy"]))
    assert (found.outcome, found.reason) == (outcome, reason)
    assert found.values == ({"accuracy": 0.5} if outcome == "finished" else {})
    assert found.seconds == (None if outcome in ("running", "waiting") else 2.0)


def test_settings_are_shortened_to_three_digits():
    assert settings_text({"lr": 0.123456, "batch_size": 64}) == "lr 0.123, batch_size 64"
