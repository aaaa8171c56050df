"""How a search ends: without networks in the limits, by a signal, with enough trials; and how it is opened again."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

import zoo
from zoo import UsageError, ZooError
from zoo.tuning import storage, work
from zoo.tuning import trial as trial_module
from zoo.tuning.definition import Definition
from zoo.tuning.result import read_trials
from zoo.tuning.study import RECORD, Study

SETTINGS = {"batch_size": 16, "weight_decay": 0.0, "dropout": 0.0, "lr": 0.1}


class Enough(Exception):
    """Ends a search in a test."""


def enough(found):
    raise Enough


@pytest.fixture
def untrained(monkeypatch):
    """Trials are not trained; every network has the same accuracy."""
    monkeypatch.setattr(trial_module, "_train", lambda *_: {"accuracy": 0.5})


def outcomes(found):
    return [trial.outcome for trial in found.trials]


def test_many_rejected_networks_in_a_row_end_a_search_that_has_found_some(
    tune, tiny_registry, monkeypatch, untrained, caplog
):
    monkeypatch.setattr(work, "MOST_REJECTED", 2)
    spec = tiny_registry.architecture("tiny-cnn")
    small_first = tuple(dataclasses.replace(o, default=False) if o.name == "bias" else o for o in spec.options)
    tiny_registry._specs[zoo.Architecture]["tiny-cnn"] = dataclasses.replace(spec, options=small_first)
    found = tune(trials=500, max_params=352, space={"bias": "true,false"}, sampler="random", **SETTINGS)
    assert outcomes(found)[0] == "finished"
    assert outcomes(found)[-2:] == ["rejected"] * 2
    assert found.counted < 500
    assert "The last 2 networks exceed a limit: the search ends here." in caplog.text


def test_of_two_workers_at_the_last_trial_the_later_one_withdraws(finished_study, tmp_path):
    optuna = storage.load_optuna()
    definition = finished_study.definition
    inner = optuna.create_study(directions=["maximize", "minimize"])
    study = Study("shared", tmp_path, None, definition, inner, None)
    study.set_budget(1, None)
    inner.ask()  # another worker has begun it

    def objective(trial):
        return work._objective(trial, study, None)

    inner.optimize(objective, n_trials=1, catch=(work._Surplus,))
    other, mine = read_trials(inner.get_trials(), definition)
    assert (other.outcome, mine.outcome) == ("running", "stopped")
    assert mine.reason == "there were enough trials already"


def test_ctrl_c_stops_a_search_and_only_the_trial_that_it_stopped_is_tried_again(
    tune, tiny_registry, monkeypatch, tmp_path
):
    numbers = []

    def train(trial, *_):
        numbers.append(trial.number)
        if len(numbers) == 1:
            raise ValueError("broken")
        if len(numbers) == 2:
            raise KeyboardInterrupt
        return {"accuracy": 0.5}

    def between(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(trial_module, "_train", train)
    with pytest.raises(KeyboardInterrupt):
        tune(trials=3)
    again = {"registry": tiny_registry, "device": "cpu", "seeds": 0, "study": tmp_path / "study"}
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("optuna.study.Study.ask", between)
        zoo.continue_study(**again)
    found = zoo.continue_study(**again)
    assert outcomes(found) == ["failed", "stopped", "finished", "finished"]
    assert found.trials[2].settings == found.trials[1].settings
    assert found.trials[3].settings != found.trials[1].settings, "the second stop came between two trials"
    assert numbers == [0, 1, 2, 3]


# --- trials


def test_a_trial_without_the_metric_of_the_search_fails(tune, monkeypatch):
    monkeypatch.setattr(trial_module, "_train", lambda *_: {"loss": 0.5, "auc": 0.7})
    with pytest.raises(ZooError, match=r"The validation split has no accuracy: it has loss, auc\."):
        tune(trials=6)


def test_a_trial_that_needs_too_much_memory_fails_with_the_remedy(tune, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(trial_module, "run_epochs", full)
    with pytest.raises(ZooError, match=r"The last one: .*memory.*batch"):
        tune(trials=6)


def test_a_search_with_several_objectives_stops_no_trial_early(tune):
    found = tune(trials=1, epochs=2, objectives="accuracy,params")
    assert [(trial.outcome, trial.epochs) for trial in found.trials] == [("finished", 2)]


# --- studies that are opened again


def test_a_study_without_a_number_of_trials_needs_a_budget_to_continue(tune, tiny_registry, tmp_path, untrained):
    with pytest.raises(Enough):
        tune(trials=None, seconds=600, watch=enough)
    common = {"registry": tiny_registry, "device": "cpu"}
    with pytest.raises(UsageError, match=r"The study has no number of trials\. Give --trials N or --time T\."):
        zoo.continue_study(tmp_path / "study", **common)
    joined = zoo.join_study(tmp_path / "study", seconds=1e-9, **common)
    assert outcomes(joined) == ["finished"]
    assert outcomes(zoo.continue_study(tmp_path / "study", trials=2, seeds=0, **common)) == ["finished"] * 2


def test_a_study_in_a_database_is_opened_by_its_name_in_another_folder(
    tune, tiny_registry, tmp_path, monkeypatch, untrained
):
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    tune(trials=1, storage=url)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    found = zoo.join_study("study", storage=url, registry=tiny_registry, device="cpu")
    assert outcomes(found) == ["finished"]
    record = json.loads((elsewhere / "studies" / "study" / RECORD).read_text())
    assert record["storage"] == url
    assert zoo.join_study("study", registry=tiny_registry, device="cpu").trials == found.trials


def test_a_study_whose_password_was_not_stored_asks_for_the_url(tmp_path):
    (tmp_path / RECORD).write_text(json.dumps({"name": "mine", "storage": "postgresql://me:***@host/studies"}))
    with pytest.raises(UsageError, match=r"^The password of postgresql://me:\*\*\*@host/studies is not stored\. Give"):
        zoo.continue_study(tmp_path)


def test_a_study_of_another_version_is_one_line(finished_study):
    content = finished_study.definition.to_dict()
    assert Definition.from_dict(content, "the study mine") == finished_study.definition
    with pytest.raises(ZooError, match=r"^The study mine was made by another version of the zoo\.$"):
        Definition.from_dict(content | {"format": 99}, "the study mine")


# --- packages


@pytest.mark.parametrize(("kind", "package"), [("postgresql", r"psycopg\[binary\]"), ("mysql", "pymysql")])
def test_a_database_without_a_driver_says_what_to_install(kind, package, monkeypatch):
    monkeypatch.setattr(storage.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=rf"^A {kind} database needs a driver\. Run: pip install '{package}'$"):
        storage.with_driver(f"{kind}://me@host/studies")
    monkeypatch.setattr(storage.importlib.util, "find_spec", lambda name: SimpleNamespace())
    assert storage.with_driver(f"{kind}://me@host/studies").endswith("://me@host/studies")


def test_an_optuna_that_lacks_a_package_is_not_taken_for_a_missing_optuna(tmp_path, monkeypatch):
    (tmp_path / "optuna.py").write_text("import package_that_optuna_needs\n")
    monkeypatch.delitem(__import__("sys").modules, "optuna")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="package_that_optuna_needs"):
        storage.load_optuna()


# --- the command


def test_the_command_joins_and_shows_what_was_found_before_an_error(zoo_command, tiny_registry, monkeypatch, tmp_path):
    common = ("--device", "cpu", "--runs-dir", tmp_path / "runs")
    real = trial_module._train

    def train(trial, *rest):
        if trial.number:
            raise KeyboardInterrupt
        return real(trial, *rest)

    written = []
    monkeypatch.setattr(zoo, "write_study", lambda found: written.append(found.counted) or Path("study.html"))
    monkeypatch.setattr(trial_module, "_train", train)
    stopped = zoo_command(
        "tune", "tiny-cnn", "--trials", 2, "--epochs", 1, "--seeds", 1, *common, registry=tiny_registry
    )
    assert stopped.code == 130
    assert "tiny-cnn (default recipe)" in stopped.out
    assert written == [1]
    monkeypatch.setattr(trial_module, "_train", real)
    joined = zoo_command("tune", "--join", "tiny-cnn-bars", "--device", "cpu", registry=tiny_registry)
    assert joined.code == 0, joined.err
    assert "tiny-cnn (default recipe)" in joined.out
    assert written == [1], "the process that has started the study writes its page"
    more = zoo_command("tune", "--resume", "tiny-cnn-bars", "--seeds", 1, "--json", *common, registry=tiny_registry)
    found = json.loads(more.out)
    assert [trial["outcome"] for trial in found["trials"]] == ["finished", "stopped", "finished"]
    assert (found["page"], written) == ("study.html", [1, 2])
