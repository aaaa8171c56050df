"""Runs are found by name, by folder, and by architecture."""

import concurrent.futures
import dataclasses
import datetime
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from training_helpers import train

import zoo
from zoo import (
    RunNotFound,
    UnknownName,
    find_run,
    list_runs,
)
from zoo.runs.command_line import repeat_command
from zoo.runs.finding import rank
from zoo.runs.run import Run, create_run, load_run
from zoo.specs.hyperparameters import resolve

EARLIER = Path(__file__).parents[1] / "fixtures/0.1-rooms/run/run.json"


def test_the_best_run_is_chosen_by_validation_not_by_test(tiny_registry, runs_dir):
    low, high = (train(tiny_registry, runs_dir, epochs=1) for _ in range(2))
    for run, validation, test in ((low, 0.8, 0.99), (high, 0.9, 0.7)):
        run.config["best"]["score"] = [validation, -1.0]
        run.config["results"]["test"]["accuracy"] = test
        run.save()
    assert find_run("tiny-cnn", runs_dir, ["tiny-cnn"]).folder == high.folder
    high.config["data"]["default"] = "another"
    high.save()
    assert find_run("tiny-cnn", runs_dir, ["tiny-cnn"]).folder == low.folder


def test_an_architecture_without_a_run_is_not_found(tiny_registry, runs_dir):
    with pytest.raises(RunNotFound, match="zoo train tiny-cnn"):
        zoo.load("tiny-cnn", runs_dir=runs_dir, registry=tiny_registry)
    with pytest.raises(UnknownName, match="Did you mean 'tiny-cnn'"):
        zoo.load("tiny-cn", runs_dir=runs_dir, registry=tiny_registry)


def test_a_run_is_found_if_the_architecture_name_has_a_slash(tiny_registry, runs_dir):
    tiny_cnn = tiny_registry.architecture("tiny-cnn")
    spec = dataclasses.replace(tiny_cnn, name="full-size/tiny-cnn")
    tiny_registry._registrar(tiny_registry.owner(tiny_cnn), zoo.Architecture)(spec)
    run = zoo.train(spec.name, registry=tiny_registry, runs_dir=runs_dir, epochs=1, device="cpu")
    for reference in (run.name, spec.name, str(run.folder)):
        assert find_run(reference, runs_dir, tiny_registry.architectures).folder == run.folder
    assert [found.name for found in list_runs(runs_dir)] == [run.name]


def test_a_moved_run_folder_still_works(tiny_registry, runs_dir, tmp_path):
    run = train(tiny_registry, runs_dir, epochs=1)
    moved = tmp_path / "elsewhere"
    run.folder.rename(moved)
    assert zoo.load(str(moved), registry=tiny_registry).metadata["architecture"] == "tiny-cnn"


def test_an_unreadable_run_is_skipped_with_a_warning(tiny_registry, runs_dir, caplog):
    good, bad = (train(tiny_registry, runs_dir, epochs=1) for _ in range(2))
    (bad.folder / "run.json").write_text("{")
    assert [run.folder for run in list_runs(runs_dir)] == [good.folder]
    assert str(bad.folder) in caplog.text


@pytest.fixture
def config(tiny_registry, runs_dir):
    """The content of run.json of a finished run."""
    return train(tiny_registry, runs_dir.parent / "other", epochs=1).config


def write(runs_dir, config, name, **changes):
    folder = runs_dir / "tiny-cnn" / name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(config | changes))
    return load_run(folder)


def test_a_run_without_results_is_not_listed_first(config, runs_dir):
    elsewhere = config["data"] | {"name": "other"}
    write(runs_dir, config, "20260101-000000", data=elsewhere)
    write(runs_dir, config, "20260102-000000", status="interrupted", results=None)
    write(runs_dir, config, "20260103-000000", status="failed", results=None, best=None)
    write(runs_dir, config, "20251231-000000")
    assert [run.folder.name[:8] for run in list_runs(runs_dir)] == ["20251231", "20260101", "20260102", "20260103"]


def test_the_order_of_equal_runs_follows_their_numbers(config, runs_dir):
    for number in (2, 10, 9):
        write(runs_dir, config, f"20260101-000000-{number}")
    write(runs_dir, config, "20260101-000000")
    assert [run.folder.name[15:] for run in list_runs(runs_dir)] == ["-10", "-9", "-2", ""]
    assert len({rank(run) for run in list_runs(runs_dir)}) == 1


class Clock(datetime.datetime):
    """It shows the same second to everybody."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 1, 1, tzinfo=tz)


def test_runs_of_one_second_and_of_a_clock_that_goes_back_get_folders_of_their_own(config, runs_dir, monkeypatch):
    monkeypatch.setattr(datetime, "datetime", Clock)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create_run(runs_dir, "tiny-cnn", dict(config)), range(40)))
    assert len({run.folder for run in made}) == 40
    assert len(list_runs(runs_dir)) == 40
    create_run(runs_dir, "tiny-cnn", dict(config))  # the same second again, as after the clock was set back
    assert len(list_runs(runs_dir)) == 41


@pytest.mark.slow
def test_eight_trainings_at_once_in_one_folder(tmp_path):
    command = [sys.executable, "-m", "zoo", "train", "linear-regression", "--device", "cpu", "--set", "epochs=1"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HOME": os.devnull}
    started = [
        subprocess.Popen([*command, "--seed", str(seed)], env=environment, stdout=subprocess.DEVNULL)
        for seed in range(8)
    ]
    assert [process.wait() for process in started] == [0] * 8
    runs = list_runs()
    assert sorted(run.config["seed"] for run in runs) == list(range(8))
    assert {run.status for run in runs} == {"finished"}


def test_the_default_folder_is_that_of_the_command(config, runs_dir, monkeypatch):
    run = write(runs_dir, config, "20260101-000000")
    monkeypatch.setenv("ZOO_RUNS", str(runs_dir))
    run.best.write_bytes(b"")
    assert [found.folder for found in list_runs()] == [run.folder]
    assert find_run("tiny-cnn").folder == run.folder


def test_the_command_of_an_extended_run_says_how_it_was_extended(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, epochs=2)
    run = zoo.resume(str(run.folder), epochs=4, registry=tiny_registry)
    run = zoo.resume(str(run.folder), epochs=5, registry=tiny_registry)
    words = repeat_command(Run.read(run.folder).config, tiny_registry)
    assert words.startswith("zoo train tiny-cnn --epochs 2 ")
    assert words.endswith(" && zoo train --resume RUN --epochs 4 && zoo train --resume RUN --epochs 5")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "--device cpu"),
        ({"device": "cuda:1"}, "--device cuda:1"),
        ({"device": "cuda:0", "processes": 4}, "--devices 4 --device cuda"),
        ({"seed": 7}, "--seed 7 --device cpu"),
        ({"init_from": "a b", "freeze": ["a.*", "b"]}, "--init-from 'a b' --freeze 'a.*' --freeze b --device cpu"),
        (
            {"data": {"name": "t", "path": "my t.csv", "options": {"test": 0.3}}},
            "--dataset 'my t.csv' --data-option test=0.3 --device cpu",
        ),
        (
            {"hyperparameters": {"epochs": 90, "lr": 0.5, "momentum": 0.5}},
            "--epochs 90 --lr 0.5 --set momentum=0.5 --device cpu",
        ),
        ({"user_set": ["momentum"]}, "--set momentum=0.9 --device cpu"),
    ],
)
def test_the_command_of_a_run_repeats_what_was_chosen(changes, words, registry):
    config = json.loads(EARLIER.read_text()) | {"seed": 0, "user_set": []}
    recipe = resolve(registry.architecture("linear-regression").hyperparameters).as_dict()
    config |= changes
    config["data"] = {"default": "line", "options": {}} | config["data"]
    config["hyperparameters"] = recipe | changes.get("hyperparameters", {})
    command = repeat_command(config, registry)
    assert command == f"zoo train linear-regression {words}"
    assert shlex.split(command)


def test_the_size_of_a_run_is_that_of_its_best_checkpoint(tmp_path):
    run = Run(tmp_path, {"architecture": "net"})
    assert run.size is None
    (tmp_path / "best.safetensors").write_bytes(b"12345")
    assert run.size == 5
    assert run.best == tmp_path / "best.safetensors"
    run.best.unlink()
    run.best.mkdir()
    assert run.size is None


def test_fewer_epochs_than_were_trained_are_refused(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, epochs=5, checkpoint_epochs=9)
    run.config |= {"status": "interrupted", "results": None}
    run.save()
    first = train(tiny_registry, runs_dir, epochs=1)
    first.last.replace(run.last)  # the training was killed long after its last checkpoint
    with pytest.raises(zoo.UsageError, match="has trained 5 epochs already"):
        zoo.resume(str(run.folder), epochs=3, registry=tiny_registry)
