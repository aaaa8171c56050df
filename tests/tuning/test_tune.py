"""`zoo tune`: the search, its limits, what it may read, how it stops and continues."""

import dataclasses
import json
import os
import signal
from types import SimpleNamespace

import pytest
import torch

import zoo
from zoo import DataError, InvalidValue, UnknownName, UsageError, ZooError
from zoo.recipe_file import read_recipe
from zoo.training import loop
from zoo.tuning import trial as trial_module
from zoo.tuning import work
from zoo.tuning.study import RECORD

torch.set_num_threads(1)


def test_the_search_finds_recipes_on_the_pareto_front(finished_study):
    found = finished_study
    assert found.counted == 5
    assert [trial.outcome for trial in found.trials] == ["finished"] * 5
    assert found.trials[0].is_default
    assert found.trials[0].settings["lr"] == 0.1
    assert {trial.costs["params"] for trial in found.trials} <= {354, 352}
    assert found.best is found.front[0]
    assert found.best.values["accuracy"] == max(trial.values["accuracy"] for trial in found.trials)
    for trial in found.front:
        for other in found.trials:
            better = other.values["accuracy"] >= trial.values["accuracy"]
            smaller = other.values["params"] <= trial.values["params"]
            assert other.values == trial.values or not (better and smaller)


def test_winners_are_trained_over_seeds_and_give_recipes(finished_study, tiny_registry, tmp_path):
    one = finished_study.finalists[0]
    assert one.trial == finished_study.best
    assert [run.config["seed"] for run in one.seeds.runs] == [0, 1]
    recipe = read_recipe(one.recipe)
    assert recipe.architecture == "tiny-cnn"
    assert recipe.settings == {**one.trial.settings, "epochs": 1, "dropout": 0.0}
    again = zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=tmp_path, device="cpu", seed=1, **recipe.settings)
    assert again.config["results"]["test"] == one.seeds.runs[1].config["results"]["test"]
    record = json.loads((finished_study.folder / RECORD).read_text())
    assert record["finalists"][0]["test"] == one.seeds.metrics()
    runs = [str(run.folder) for run in (again, one.seeds.runs[0])]
    compared = zoo.compare(runs, runs_dir=one.seeds.runs[0].folder.parent.parent, registry=tiny_registry)
    assert {len(candidate.values) for candidate in compared.candidates} == {2}


class Guarded:
    """A test split that records that it is read."""

    def __init__(self, split, events):
        self._split, self._events = split, events

    def __getattr__(self, name):
        self._events.append("test")
        return getattr(self._split, name)

    def __len__(self):
        self._events.append("test")
        return len(self._split)


def test_the_test_split_is_not_read_before_the_search_is_over(tune, tiny, tiny_registry):
    events = []

    def load(folder, download):
        splits = tiny.load(folder, download)
        return dataclasses.replace(splits, test=Guarded(splits.test, events))

    dataset = dataclasses.replace(tiny_registry.dataset("bars"), loader=load)
    tiny_registry._specs[zoo.Dataset]["bars"] = dataset
    tune(trials=3, seeds=1, objectives="accuracy,bytes", watch=lambda found: events.append("trial"))
    assert events[:3] == ["trial"] * 3
    assert set(events[3:]) == {"test"}


def test_networks_over_a_limit_are_not_trained(tune, monkeypatch):
    trained = []
    monkeypatch.setattr("zoo.tuning.trial._train", lambda trial, *_: trained.append(trial.number) or {"accuracy": 0.5})
    found = tune(trials=3, max_params=352, space={"bias": "true,false"}, sampler="random", seed=3)
    rejected = [trial for trial in found.trials if trial.outcome == "rejected"]
    assert rejected[0].reason == "354 params, allowed are 352"
    assert {trial.settings["bias"] for trial in rejected} == {True}
    assert trained == [trial.number for trial in found.trials if trial.outcome == "finished"]
    assert len(trained) == found.counted == 3


@pytest.mark.slow
def test_size_and_speed_are_those_of_the_exported_file(tune, tiny_registry, tmp_path, caplog):
    found = tune(trials=1, max_bytes=20_000, max_latency=1.0)
    assert "nothing shows" not in caplog.text  # the file of the search needs no certificate
    costs = found.trials[0].costs
    assert 354 * 4 < costs["bytes"] < 20_000
    assert 0 < costs["latency"] < 1
    run = zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=tmp_path / "runs", **found.trials[0].settings)
    exported = zoo.export(str(run.folder), "onnx", tmp_path, registry=tiny_registry)
    assert costs["bytes"] == pytest.approx(exported.bytes, abs=400)  # the metrics are in the file


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_params": 10}, "354 params, allowed are 10"),
        ({"max_bytes": 100}, "at least 1.42 kB bytes, allowed are 100 bytes"),
        ({"max_bytes": 2_000}, "kB bytes, allowed are 2 kB"),
        ({"max_latency": 1e-9}, "latency, allowed are 0.001 µs"),
    ],
)
def test_a_limit_that_no_network_meets_is_an_error(tune, monkeypatch, limits, reason):
    monkeypatch.setattr(work, "MOST_REJECTED", 2)
    with pytest.raises(UsageError, match=rf"None of 2 networks meets the limits. .*{reason}"):
        tune(space={"bias": "true"}, dropout=0.1, **limits)


def test_architectures_that_cannot_meet_a_limit_are_left_out(tune, tiny_registry, caplog):
    spec = tiny_registry.architecture("tiny-cnn")
    large = dataclasses.replace(spec, name="tiny-large", options=(), builder=lambda shape, outputs: torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(16, 100), torch.nn.Linear(100, outputs)
    ))  # fmt: skip
    tiny_registry._specs[zoo.Architecture]["tiny-large"] = large
    tiny_registry._owners[zoo.Architecture, "tiny-large"] = tiny_registry.owner(spec)
    found = tune("tiny-large,tiny-cnn", trials=1, max_params=1_000)
    assert {trial.architecture for trial in found.trials} == {"tiny-cnn"}
    assert "Left out of the search: tiny-large has 1,902 params, allowed are 1,000." in caplog.text
    with pytest.raises(UsageError, match=r"No network meets the limits: tiny-large has 1,902 params"):
        tune("tiny-large", max_params=1_000)
    assert tune("tiny-large", trials=1, study=found.folder.with_name("other")).counted == 1


def test_the_validation_split_decides_between_architectures(tune, tiny_registry):
    spec = tiny_registry.architecture("tiny-cnn")
    bad = dataclasses.replace(spec, name="tiny-bad", hyperparameters={**spec.hyperparameters, "lr": 1e-6})
    tiny_registry._specs[zoo.Architecture]["tiny-bad"] = bad
    found = tune("tiny-bad,tiny-cnn", trials=2)
    assert [trial.architecture for trial in found.trials] == ["tiny-bad", "tiny-cnn"]
    assert found.best.architecture == "tiny-cnn"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"trials": None}, UsageError, "Give the budget of the search: --trials N, --time T"),
        ({"trials": 0}, InvalidValue, "trials must be at least 1"),
        ({"seconds": 0}, InvalidValue, "above 0 s"),
        ({"seconds": float("nan")}, InvalidValue, "above 0 s"),
        ({"seeds": -1}, InvalidValue, "seeds must be at least 0"),
        ({"objectives": "acuracy"}, UnknownName, "Did you mean 'accuracy'"),
        ({"sampler": "tpee"}, UnknownName, "no sampler named 'tpee'. Did you mean 'tpe'"),
        ({"pruner": "medium"}, UnknownName, "no pruner named 'medium'. Did you mean 'median'"),
        ({"pruner": "median", "objectives": "accuracy,params"}, InvalidValue, "needs one objective, a metric"),
        ({"sampler": "cmaes", "objectives": "accuracy,params"}, UsageError, "cmaes is for one objective"),
        ({"space": {"nothing": "1..2"}}, UnknownName, "no setting of tiny-cnn named 'nothing'"),
        ({"space": {"huber": "0..1"}}, UsageError, "huber changes nothing: the task classification does not use it"),
        ({"names": ""}, InvalidValue, "Give the names"),
        ({"names": "tiny-cnn,tiny-cnn"}, InvalidValue, "different architectures"),
        ({"names": "tiny-cnn,diabetes-mlp"}, UsageError, "tiny-cnn is for classification, diabetes-mlp for"),
        ({"names": "tiny-cnn,lenet"}, UsageError, "have different datasets. Name one with --dataset"),
        ({"storage": "nonsense"}, UsageError, "--storage needs the URL of a database"),
        (
            {"storage": "postgresql://u:pw@127.0.0.1:1/x"},
            ZooError,
            r"The storage postgresql\S*://u:\*\*\*@.*not answer",
        ),
        ({"storage": "oracle9://a:b@c/d"}, UsageError, r"--storage oracle9://a:\*\*\*@c/d cannot be used"),
    ],
)
def test_wrong_arguments(tune, arguments, error, message):
    with pytest.raises(error, match=message):
        tune(**arguments)


def test_a_study_that_exists_is_not_overwritten(tune, tmp_path):
    tune(trials=1)
    with pytest.raises(UsageError, match=r"already a study study .*zoo tune --resume .*study`, or name another"):
        tune(trials=1)


def test_a_study_that_does_not_exist(tmp_path):
    (tmp_path / "work" / "studies" / "lenet-mnist").mkdir(parents=True)
    (tmp_path / "work" / "studies" / "lenet-mnist" / RECORD).write_text("{}")
    with pytest.raises(UnknownName, match=r"no study named 'lenet-mnits'. Did you mean 'lenet-mnist'"):
        zoo.join_study("lenet-mnits")
    with pytest.raises(ZooError, match="There is no study lenet-mnist"):
        zoo.continue_study("lenet-mnist")


def test_a_study_of_other_data_is_refused(tune, tiny, tiny_registry, tmp_path):
    tune(trials=1)

    def load(folder, download):
        splits = tiny.load(folder, download)
        return dataclasses.replace(splits, train=splits.train.take(slice(0, 190)))

    dataset = dataclasses.replace(tiny_registry.dataset("bars"), loader=load, sizes={})
    tiny_registry._specs[zoo.Dataset]["bars"] = dataset
    with pytest.raises(DataError, match="is about other data"):
        zoo.continue_study(tmp_path / "study", trials=2, registry=tiny_registry)


def test_a_search_continues_and_keeps_its_winners(tune, tmp_path, tiny_registry):
    common = {"registry": tiny_registry, "device": "cpu", "runs_dir": tmp_path / "runs"}
    first = tune(trials=2, seeds=1)
    more = zoo.continue_study(tmp_path / "study", trials=4, seeds=1, **common)
    assert more.counted == 4
    assert [trial.settings for trial in more.trials[:2]] == [trial.settings for trial in first.trials]
    runs = len(zoo.list_runs(tmp_path / "runs"))
    again = zoo.continue_study(tmp_path / "study", seeds=1, **common)
    assert again.counted == 4
    assert len(zoo.list_runs(tmp_path / "runs")) == runs  # nothing is trained twice
    assert again.finalists[0].seeds.metrics() == more.finalists[0].seeds.metrics()


def test_a_signal_keeps_everything_and_the_trial_is_tried_again(tune, tmp_path, tiny_registry, monkeypatch):
    real = loop._train_epoch

    def stopping(*arguments):
        monkeypatch.setattr(loop, "_train_epoch", real)
        os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)

    def stop(found):
        if [trial.outcome for trial in found.trials] == ["finished"]:
            monkeypatch.setattr(loop, "_train_epoch", stopping)

    with pytest.raises(zoo.TrainingInterrupted, match=r"1 trial is kept. Continue with: zoo tune --resume") as caught:
        tune(trials=3, epochs=2, watch=stop)
    assert caught.value.signal_number == signal.SIGTERM
    found = zoo.continue_study(tmp_path / "study", seeds=0, registry=tiny_registry, device="cpu")
    assert [trial.outcome for trial in found.trials] == ["finished", "stopped", "finished", "finished"]
    assert found.trials[1].reason == "a signal stopped the search"
    assert found.trials[2].settings == found.trials[1].settings


def test_the_time_ends_a_search_between_trials(tune, monkeypatch):
    def late(found):
        if found.counted == 2:
            monkeypatch.setattr(work, "time", SimpleNamespace(monotonic=lambda: float("inf")))

    assert tune(trials=None, seconds=600, watch=late).counted == 2


def test_the_time_ends_a_search_inside_a_training(tune, monkeypatch, tmp_path, tiny_registry):
    clock = SimpleNamespace(monotonic=lambda: float("inf"))
    with monkeypatch.context() as patch:
        patch.setattr(trial_module, "time", clock)
        with pytest.raises(ZooError, match="No trial of the study study is finished"):
            tune(trials=None, seconds=600, epochs=3)
    found = zoo.continue_study(tmp_path / "study", trials=1, seeds=0, registry=tiny_registry, device="cpu")
    assert [(trial.outcome, trial.epochs) for trial in found.trials] == [("stopped", 1), ("finished", 3)]
    assert found.trials[0].reason == "the time was over"
    assert found.trials[1].settings == found.trials[0].settings


def test_a_trial_that_fails_does_not_end_the_search(tune, tiny_registry, tiny):
    def build(input_shape, num_outputs, dropout, bias):
        if not bias:
            raise ValueError("a bias is needed")
        return tiny.build(input_shape, num_outputs, dropout, bias)

    spec = dataclasses.replace(tiny_registry.architecture("tiny-cnn"), builder=build)
    tiny_registry._specs[zoo.Architecture]["tiny-cnn"] = spec
    found = tune(trials=6, space={"bias": "true,false"}, sampler="random")
    failed = [trial for trial in found.trials if trial.outcome == "failed"]
    assert failed
    assert failed[0].reason.endswith("a bias is needed")
    assert found.best.settings["bias"]
    with pytest.raises(ZooError, match=r"The first 5 trials failed. .*a bias is needed"):
        tune(trials=20, bias=False, study=found.folder.with_name("other"))


def test_bad_trials_are_pruned(tune):
    space = {"lr": "1e-6,0.1"}
    fixed = {"batch_size": 16, "weight_decay": 0.0, "dropout": 0.0, "bias": True}
    found = tune(trials=14, epochs=4, space=space, sampler="random", pruner="median", **fixed)
    pruned = [trial for trial in found.trials if trial.outcome == "pruned"]
    assert pruned
    assert all(trial.settings["lr"] == 1e-6 and 0 < trial.epochs < 4 for trial in pruned)
    assert "worse than others" in pruned[0].reason


@pytest.mark.parametrize("sampler", ["random", "nsga2", "qmc", "gp"])
def test_every_sampler_works(tune, sampler):
    if sampler == "gp":
        pytest.importorskip("scipy")
    assert tune(trials=2, sampler=sampler).counted == 2


def test_the_command(zoo_command, tiny_registry, tmp_path):
    common = ("--epochs", 1, "--device", "cpu", "--runs-dir", tmp_path / "runs")
    done = zoo_command(
        "tune", "tiny-cnn", "--trials", 2, "--seeds", 1, "--max-params", "1k", "--space", "lr=0.01..0.2", *common,
        registry=tiny_registry,
    )  # fmt: skip
    assert done.code == 0, done.err
    folder = tmp_path / "work" / "studies" / "tiny-cnn-bars"
    assert "tiny-cnn (default recipe)" in done.out
    assert "recipe   zoo train tiny-cnn --recipe studies/tiny-cnn-bars/recipe.json" in done.out
    assert (folder / "study.html").is_file()
    assert len([line for line in done.err.splitlines() if line.startswith("trial ")]) == 2
    trained = zoo_command(
        "train", "tiny-cnn", "--recipe", folder / "recipe.json", "--runs-dir", tmp_path / "runs", registry=tiny_registry
    )
    assert trained.code == 0
    more = zoo_command(
        "tune", "--resume", "tiny-cnn-bars", "--trials", 3, "--seeds", 0, "--json", registry=tiny_registry
    )
    assert [trial["outcome"] for trial in json.loads(more.out)["trials"]] == ["finished"] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "Give one of these: the NAME"),
        (["tiny-cnn", "--join", "x"], "Give one of these"),
        (["--resume", "x", "--space", "lr=1..2"], "--space cannot go with --resume"),
        (["--join", "x", "--trials", "3"], "--trials cannot go with --join"),
        (["--resume", "x", "--dataset", "digits"], "--dataset cannot go with --resume"),
        (["tiny-cnn", "--time", "soon"], "'soon' is not a time; write 30s, 10m or 2h."),
        (["tiny-cnn", "--time", "0s"], "'0s' is not a time above 0"),
        (["tiny-cnn", "--max-latency", "50"], "'50' is not a latency; write 50us or 2ms."),
        (["tiny-cnn", "--max-bytes", "20 apples"], "is not a size; write 20000, 20kB or 1.5MB."),
        (["tiny-cnn", "--trials", "1", "--space", "lr"], "does not have the form NAME=VALUE"),
        (["tiny-cnn", "--trials", "1", "--space", "lr=1..2", "--space", "lr=2..3"], "lr is set twice"),
    ],
)
def test_wrong_options(zoo_command, tiny_registry, options, message):
    done = zoo_command("tune", *options, registry=tiny_registry)
    assert done.code == 2
    assert message in done.error


def test_without_optuna_the_error_says_how_to_install_it(zoo_command, tiny_registry, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    done = zoo_command("tune", "tiny-cnn", "--trials", 1, registry=tiny_registry)
    assert done.code == 1
    assert "pip install 'pluggy-zoo[tune]'" in done.error
