"""What makes training practical: checkpoints as often as asked, precision, compiling, the learning rate range test."""

import errno
import json
import os
import shutil

import pytest
import torch

import zoo
from zoo import UnknownName, UsageError, ZooError
from zoo.runs.checkpoint import load_tensors
from zoo.training.out_of_memory import compile_failure


@pytest.fixture
def written(monkeypatch):
    """The position of every checkpoint to resume from, as it is written."""
    positions = []

    def save(path, tensors, metadata):
        if path.parent.name == "last":
            positions.append((metadata["epoch"], metadata["step"]))

    monkeypatch.setattr("zoo.training.resuming.save_tensors", save)
    return positions


def train(registry, runs_dir, **settings):
    return zoo.train("tiny-cnn", registry=registry, runs_dir=runs_dir, device="cpu", **settings)


# 180 samples in batches of 16 are 12 steps
@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [(1, 0), (2, 0), (3, 0), (4, 0)]),
        ({"checkpoint_epochs": 2}, [(1, 0), (3, 0), (4, 0)]),
        (
            {"checkpoint_epochs": 9, "checkpoint_steps": 5},
            [(1, 0), (1, 5), (1, 10), (2, 5), (2, 10), (3, 5), (3, 10), (4, 0)],
        ),
    ],
)
def test_checkpoints_come_as_often_as_asked(tiny_registry, runs_dir, written, settings, expected):
    train(tiny_registry, runs_dir, **settings)
    assert written == expected


@pytest.mark.parametrize("name", ["checkpoint_epochs", "checkpoint_steps"])
def test_an_interval_below_its_range_is_refused(tiny_registry, runs_dir, name):
    with pytest.raises(UsageError, match=name):
        train(tiny_registry, runs_dir, **{name: -1})
    assert not runs_dir.exists()


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_and_keeps_full_weights(tiny_registry, runs_dir, precision):
    full = train(tiny_registry, runs_dir, epochs=8)
    half = train(tiny_registry, runs_dir, epochs=8, precision=precision)
    tensors, _ = load_tensors(half.best)
    assert {t.dtype for t in tensors.values() if t.is_floating_point()} == {torch.float32}
    assert half.config["hyperparameters"]["precision"] == precision
    first, second = (run.metrics()[0]["train"]["loss"] for run in (full, half))
    assert first != second  # it was computed otherwise
    assert first == pytest.approx(second, rel=0.05)
    accuracy = half.config["results"]["test"]["accuracy"]
    assert accuracy == pytest.approx(full.config["results"]["test"]["accuracy"], abs=0.1)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_training_learns_the_same(tiny_registry, runs_dir):
    plain, compiled = (train(tiny_registry, runs_dir, dropout=0.0, compile=choice) for choice in (False, True))
    for first, second in zip(plain.metrics(), compiled.metrics(), strict=True):
        assert first["train"]["loss"] == pytest.approx(second["train"]["loss"], rel=1e-3)
    assert zoo.export(str(compiled.folder), "onnx", runs_dir / "c.onnx", registry=tiny_registry).checks


def test_a_compiler_that_fails_is_told_in_one_line():
    error = type("BackendCompilerFailed", (RuntimeError,), {"__module__": "torch._dynamo.exc"})(
        "no\ncompiler\n\nlong story"
    )
    told = compile_failure(error)
    assert str(told) == "torch.compile failed: no compiler. Train without --compile; the result is the same."
    assert compile_failure(RuntimeError("other")) is None


def test_a_range_test_finds_the_rate_and_draws_it(zoo_command, tmp_path):
    done = zoo_command("find-lr", "lenet", "--dataset", "digits", "--json", "-o", tmp_path / "rates.png")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["rates"] == sorted(found["rates"])
    assert len(found["rates"]) == len(found["losses"]) > 50
    assert found["lowest"] == found["rates"][found["losses"].index(min(found["losses"]))]
    assert 1e-4 < found["suggested"] < 1
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.rglob("run.json")), "a range test is no run"


def test_a_range_test_ends_where_training_falls_apart(tiny_registry, tmp_path):
    found = zoo.find_lr("tiny-cnn", registry=tiny_registry, output=tmp_path / "r.png", device="cpu", momentum=0.99)
    assert found.rates[-1] < 10
    assert max(found.losses) <= 4 * min(found.losses) or len(found.losses) < 200


def full_disk(monkeypatch, when):
    """Every write of a checkpoint fails once ``when()`` says so, as on a full disk."""
    sync = os.fsync

    def fail(handle):
        if when():
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr("os.fsync", fail)


def test_a_disk_that_fills_up_loses_nothing(tiny_registry, runs_dir, monkeypatch):
    epochs = []

    class Count:
        @zoo.hookimpl
        def epoch_ended(self, run, metrics):
            epochs.append(metrics["epoch"])

    tiny_registry.listen(Count())
    whole = train(tiny_registry, runs_dir / "whole", epochs=5)
    epochs.clear()
    with monkeypatch.context() as patch:
        full_disk(patch, lambda: len(epochs) >= 2)
        with pytest.raises(ZooError, match="No space left on device"):
            train(tiny_registry, runs_dir / "full", epochs=5)
    (broken,) = zoo.list_runs(runs_dir / "full")
    assert [entry["epoch"] for entry in broken.metrics()][:2] == [1, 2]
    resumed = zoo.resume(str(broken.folder), registry=tiny_registry)
    assert load_tensors(resumed.best)[0].keys() == load_tensors(whole.best)[0].keys()
    assert all(torch.equal(t, load_tensors(whole.best)[0][n]) for n, t in load_tensors(resumed.best)[0].items())
    assert [entry["epoch"] for entry in resumed.metrics()] == [1, 2, 3, 4, 5]


@pytest.mark.filterwarnings("ignore")  # tensorboard's own
def test_tensorboard_has_every_figure_once_also_of_a_run_that_was_extended(tiny_registry, runs_dir):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = train(tiny_registry, runs_dir, epochs=2, log=["tensorboard"])
    run = zoo.resume(str(run.folder), epochs=3, registry=tiny_registry)
    events = accumulator.EventAccumulator(str(run.folder / "tensorboard")).Reload()
    for split in ("train", "validation"):
        for name in ("loss", "accuracy"):
            points = [(event.step, event.value) for event in events.Scalars(f"{name}/{split}")]
            assert points == [(e["epoch"], pytest.approx(e[split][name], rel=1e-6)) for e in run.metrics()]
    assert len(events.Scalars("learning rate")) == 3


def test_nothing_is_recorded_that_was_not_asked_for(tiny_registry, runs_dir):
    assert not (train(tiny_registry, runs_dir, epochs=1).folder / "tensorboard").exists()


def test_a_logger_that_is_not_there_is_refused_before_anything_is_done(tiny_registry, runs_dir):
    with pytest.raises(UnknownName, match="Did you mean 'tensorboard'"):
        train(tiny_registry, runs_dir, log=["tensorbord"])
    assert not runs_dir.exists()
