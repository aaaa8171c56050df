"""Checkpoints to resume from: when they are written, and that a resumed run is equal to an uninterrupted run."""

import errno
import os
import signal
import subprocess
import sys
import types

import pytest
import torch
from training_helpers import StopAt, assert_same_tensors, comparable, devices, train

import zoo
from zoo import (
    DataError,
    TrainingInterrupted,
    UsageError,
    ZooError,
    list_runs,
)
from zoo.environment import versions
from zoo.runs.checkpoint import load_model_state, load_tensors, save_tensors
from zoo.runs.record import Position
from zoo.runs.run import load_run
from zoo.training.distributed import World
from zoo.training.plan import State
from zoo.training.resuming import load_last, save_last


@pytest.fixture
def written(monkeypatch):
    """The position (epoch, step) of each checkpoint to resume from, in the order in which they are written."""
    positions = []

    def save(path, tensors, metadata):
        if path.parent.name == "last":
            positions.append((metadata["epoch"], metadata["step"]))
        save_tensors(path, tensors, metadata)

    monkeypatch.setattr("zoo.training.resuming.save_tensors", save)
    return positions


# 180 samples in batches of 16 are 12 steps
@pytest.mark.parametrize(
    ("settings", "seconds", "expected"),
    [
        ({}, 0, [(1, 0), (2, 0), (3, 0), (4, 0)]),
        ({}, 3_600, [(1, 0), (4, 0)]),
        ({"checkpoint_epochs": 1}, 3_600, [(1, 0), (2, 0), (3, 0), (4, 0)]),
        ({"checkpoint_epochs": 2}, 0, [(1, 0), (3, 0), (4, 0)]),
        (
            {"checkpoint_epochs": 9, "checkpoint_steps": 5},
            0,
            [(1, 0), (1, 5), (1, 10), (2, 5), (2, 10), (3, 5), (3, 10), (4, 0)],
        ),
    ],
)
def test_checkpoints_are_written_at_the_requested_intervals(
    tiny_registry, runs_dir, written, settings, seconds, expected, monkeypatch
):
    monkeypatch.setattr("zoo.training.resuming.CHECKPOINT_SECONDS", seconds)
    train(tiny_registry, runs_dir, **settings)
    assert written == expected


def test_an_early_stop_writes_the_last_checkpoint(tiny_registry, runs_dir, written, monkeypatch):
    monkeypatch.setattr("zoo.training.resuming.CHECKPOINT_SECONDS", 3_600)
    run = train(tiny_registry, runs_dir, epochs=60, patience=2)
    done = run.metrics()[-1]["epoch"]
    assert done < 60
    assert written == [(1, 0), (done + 1, 0)]


class Record:
    """What is on disk after each epoch: epoch of the best checkpoint, epochs in the metrics, and the best of memory."""

    def __init__(self):
        self.seen = []

    @zoo.hookimpl
    def epoch_ended(self, run, metrics):
        best = load_tensors(run.best)[1]["epoch"] if run.best.is_file() else None
        recorded = load_run(run.folder).config["best"]
        assert (recorded or {}).get("epoch") == best
        self.seen.append((best, len(run.metrics()), run.config["best"]["epoch"]))


@pytest.mark.parametrize("seconds", [0, 3_600])
def test_a_best_checkpoint_waits_at_most_for_the_interval(tiny_registry, runs_dir, monkeypatch, seconds):
    monkeypatch.setattr("zoo.training.resuming.CHECKPOINT_SECONDS", seconds)
    record = Record()
    tiny_registry.listen(record)
    run = train(tiny_registry, runs_dir, epochs=4)
    assert [count for _, count, _ in record.seen] == [1, 2, 3, 4]
    assert [best for best, _, _ in record.seen[:-1]] == [best if not seconds else None for *_, best in record.seen[:-1]]
    assert load_tensors(run.best)[1]["epoch"] == run.config["best"]["epoch"] == record.seen[-1][2]


@pytest.mark.parametrize("error", [KeyboardInterrupt, zoo.ZooError, MemoryError])
def test_a_best_checkpoint_that_waits_is_written_however_the_training_ends(tiny_registry, runs_dir, monkeypatch, error):
    monkeypatch.setattr("zoo.training.resuming.CHECKPOINT_SECONDS", 3_600)
    whole = train(tiny_registry, runs_dir)
    measure = zoo.training.loop._measure_epoch
    with monkeypatch.context() as patch:

        def fail(plan, state, began):
            if state.epoch == 3:
                raise error("in the third epoch")
            return measure(plan, state, began)

        patch.setattr("zoo.training.loop._measure_epoch", fail)
        with pytest.raises((error, ZooError)):
            train(tiny_registry, runs_dir)
    (stopped,) = [run for run in list_runs(runs_dir) if run.status != "finished"]
    kept = load_tensors(stopped.best)[1]
    assert stopped.config["best"] == {key: kept[key] for key in ("epoch", "validation", "score")}
    assert load_tensors(stopped.last)[1]["epoch"] == 1
    assert comparable(zoo.resume(str(stopped.folder), registry=tiny_registry)) == comparable(whole)


@pytest.mark.parametrize("writes", range(9))
def test_a_kill_after_any_write_resumes_to_the_same_bytes(tiny_registry, runs_dir, monkeypatch, writes):
    """SIGKILL after each replaced file: the best checkpoint, run.json, the checkpoint to resume from."""

    class Killed(BaseException):
        pass

    left = [writes]
    save, tensors = zoo.runs.run.write_json, save_tensors

    def counted(write):
        def run(*arguments):
            if left[0] < 0:
                raise Killed  # nothing is written after the kill, not even by an exception handler
            write(*arguments)
            left[0] -= 1
            if left[0] < 0:
                raise Killed

        return run

    monkeypatch.setattr("zoo.training.resuming.CHECKPOINT_SECONDS", 0)
    whole = train(tiny_registry, runs_dir / "whole")
    with monkeypatch.context() as patch:
        patch.setattr("zoo.training.resuming.save_tensors", counted(tensors))
        patch.setattr("zoo.runs.run.write_json", counted(save))
        with pytest.raises(Killed):
            train(tiny_registry, runs_dir / "killed")
    (run,) = list_runs(runs_dir / "killed")
    if run.status != "finished":
        zoo.resume(str(run.folder), registry=tiny_registry)
    assert comparable(load_run(run.folder)) == comparable(whole)


@pytest.mark.parametrize("name", ["checkpoint_epochs", "checkpoint_steps"])
def test_a_negative_checkpoint_interval_is_refused(tiny_registry, runs_dir, name):
    with pytest.raises(UsageError, match=name):
        train(tiny_registry, runs_dir, **{name: -1})
    assert not runs_dir.exists()


@pytest.mark.parametrize(
    "stop",
    [StopAt(epoch=1), StopAt(epoch=2), StopAt(1, 1), StopAt(2, 5), StopAt(3, 10), StopAt(2, 4, signal.SIGTERM)],
    ids=lambda stop: f"epoch{stop.epoch}-step{stop.step}-{stop.number.name}",
)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@devices
def test_a_resumed_run_is_bit_identical_to_an_uninterrupted_run(
    device, stop, optimizer, tiny_registry, runs_dir, every_step
):
    settings = {"optimizer": optimizer, "lr": 0.05, "device": device}
    whole = train(tiny_registry, runs_dir, **settings)
    tiny_registry.listen(stop)
    with pytest.raises(TrainingInterrupted, match="zoo train --resume") as caught:
        train(tiny_registry, runs_dir, **settings)
    tiny_registry.manager.unregister(stop)
    assert caught.value.signal_number == stop.number
    folder = str(caught.value).rpartition(" ")[2]
    assert load_run(runs_dir / folder).status == "interrupted"
    resumed = zoo.resume(folder, registry=tiny_registry)
    assert comparable(resumed) == comparable(whole)
    assert_same_tensors(resumed.last, whole.last)


@devices
def test_a_resumed_run_with_average_and_accumulation_is_bit_identical(device, tiny_registry, runs_dir, every_step):
    settings = {"ema": 0.8, "accumulate": 3, "patience": 2, "epochs": 5, "device": device}
    whole = train(tiny_registry, runs_dir, **settings)
    stop = StopAt(2, 5)
    tiny_registry.listen(stop)
    with pytest.raises(TrainingInterrupted) as caught:
        train(tiny_registry, runs_dir, **settings)
    tiny_registry.manager.unregister(stop)
    resumed = zoo.resume(str(caught.value).rpartition(" ")[2], registry=tiny_registry)
    assert comparable(resumed) == comparable(whole)
    assert_same_tensors(resumed.last, whole.last)


def test_resuming_with_other_numerical_settings_warns(tiny_registry, runs_dir, every_step, caplog):
    stop = StopAt(epoch=1)
    tiny_registry.listen(stop)
    with pytest.raises(TrainingInterrupted):
        train(tiny_registry, runs_dir)
    tiny_registry.manager.unregister(stop)
    (run,) = list_runs(runs_dir, "tiny-cnn")
    (here,) = run.config["arithmetic"]
    assert here["threads"] == torch.get_num_threads()
    assert here["instructions"] == torch.backends.cpu.get_cpu_capability()
    run.config["arithmetic"] = [elsewhere] = [here | {"processor": "Another", "instructions": "AVX-1024"}]
    run.save()
    resumed = zoo.resume(run.name, runs_dir=runs_dir, registry=tiny_registry)
    assert f"instructions AVX-1024 before, {here['instructions']} now" in caplog.text
    assert "will differ by rounding" in caplog.text
    assert {record.name for record in caplog.records} == {"zoo"}  # users filter the warnings by this name
    assert resumed.config["arithmetic"] == [elsewhere, here]
    caplog.clear()
    zoo.resume(run.name, epochs=4, runs_dir=runs_dir, registry=tiny_registry)
    assert "numerical settings" not in caplog.text


def test_a_killed_run_resumes_from_its_last_checkpoint(tiny_registry, runs_dir):
    """As after SIGKILL: metrics.jsonl is one epoch ahead of the checkpoint, and its last line is incomplete."""
    whole = train(tiny_registry, runs_dir)

    class Die:
        @zoo.hookimpl
        def epoch_ended(self, run, metrics):
            if metrics["epoch"] == 2:
                raise KeyboardInterrupt

    die = Die()
    tiny_registry.listen(die)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_registry, runs_dir)
    tiny_registry.manager.unregister(die)
    dead = next(run for run in list_runs(runs_dir, "tiny-cnn") if run.status == "interrupted")
    with (dead.folder / "metrics.jsonl").open("a") as handle:
        handle.write('{"epoch": 3, "train": {}}\n{"epo')
    dead.config["status"] = "running"
    dead.save()
    assert comparable(zoo.resume(dead.name, registry=tiny_registry, runs_dir=runs_dir)) == comparable(whole)


def full_disk(monkeypatch, when):
    """Every write of a checkpoint fails as on a full disk while ``when()`` is true."""
    sync = os.fsync

    def fail(handle):
        if when():
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr("os.fsync", fail)


def test_a_full_disk_does_not_break_a_run(tiny_registry, runs_dir, monkeypatch):
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


def test_a_finished_run_is_not_resumed(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, epochs=1)
    with pytest.raises(UsageError, match="finished already"):
        zoo.resume(str(run.folder), registry=tiny_registry)


def test_a_finished_run_trains_longer_with_a_larger_number_of_epochs(tiny_registry, runs_dir):
    # what would depend on the number of steps is set
    settings = {"schedule": "constant", "warmup": 0.0, "grad_clip": 1.0, "dropout": 0.1}
    long = train(tiny_registry, runs_dir, epochs=5, **settings)
    short = train(tiny_registry, runs_dir, epochs=2, **settings)
    extended = zoo.resume(short.name, epochs=5, runs_dir=runs_dir, registry=tiny_registry)
    assert comparable(extended) == comparable(long)
    assert extended.config["hyperparameters"]["epochs"] == 5
    assert extended.config["extended"] == [{"epochs": 2, "after": 2}]
    with pytest.raises(UsageError, match="has trained 5 epochs already"):
        zoo.resume(short.name, epochs=4, runs_dir=runs_dir, registry=tiny_registry)
    with pytest.raises(UsageError, match=r"finished already\. To train longer"):
        zoo.resume(short.name, runs_dir=runs_dir, registry=tiny_registry)


def test_a_run_is_not_resumed_if_its_data_changed(tiny_registry, runs_dir):
    stop = StopAt(epoch=1)
    tiny_registry.listen(stop)
    with pytest.raises(TrainingInterrupted) as caught:
        train(tiny_registry, runs_dir)
    run = load_run(runs_dir / str(caught.value).rpartition(" ")[2])
    run.config["data"]["fingerprint"] = "0" * 64
    run.save()
    with pytest.raises(DataError, match="no longer the data"):
        zoo.resume(str(run.folder), registry=tiny_registry)


def test_two_processes_do_not_train_the_same_run(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, epochs=1)
    script = (
        "import sys, pathlib, zoo.runs.run\n"
        "with zoo.runs.run.run_lock(zoo.runs.run.load_run(pathlib.Path(sys.argv[1]))):\n"
        "    print('locked', flush=True)\n"
        "    sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, run.folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(zoo.RunBusy, match="is being trained by another process"):
            zoo.resume(run.name, epochs=2, runs_dir=runs_dir, registry=tiny_registry)
    finally:
        other.kill()  # as after a crash: no clean-up is needed
        other.communicate()
    assert zoo.resume(run.name, epochs=2, runs_dir=runs_dir, registry=tiny_registry).status == "finished"


# checkpoints without a training


class Second(World):
    """The second of two processes; the first one read ``path``."""

    def __init__(self, path):
        super().__init__(rank=1, size=2)
        object.__setattr__(self, "path", path)

    def broadcast(self, value):
        assert value is None
        return load_tensors(self.path, Position)


def make_state(device="cpu", **changes):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    totals = torch.tensor([1.5, 2.0, 16.0, float("inf")], dtype=torch.float64, device=device)
    return State(model, model, optimizer, torch.amp.GradScaler("cpu", enabled=False), totals, **changes)


def test_only_the_first_process_continues_the_sums_of_the_epoch(tmp_path):
    """They are the sums over all processes, so the others begin with zero, on their own device."""
    run = types.SimpleNamespace(last=tmp_path / "checkpoint.safetensors", name="tiny/1")
    saved = make_state(epoch=2, step=3, seconds=5.0)
    save_last(types.SimpleNamespace(run=run, world=World()), saved)
    first, second = make_state(), make_state(device="meta")
    assert load_last(run, first, World())
    assert load_last(run, second, Second(run.last))
    assert first.totals.tolist() == saved.totals.tolist()
    assert second.totals.device.type == "meta"
    for state in (first, second):
        assert (state.epoch, state.step, state.best, state.seconds) == (2, 3, None, 5.0)
        assert torch.equal(state.model[0].weight, saved.model[0].weight)
        moments = [optimizer.state_dict()["state"][0]["exp_avg"] for optimizer in (state.optimizer, saved.optimizer)]
        assert torch.equal(*moments)


def test_without_a_checkpoint_a_run_begins_with_its_first_step(tmp_path):
    state = make_state()
    assert not load_last(types.SimpleNamespace(last=tmp_path / "none", name="tiny/1"), state, World())
    assert (state.epoch, state.step) == (1, 0)


def test_a_checkpoint_without_tensors_is_read(tmp_path):
    save_tensors(tmp_path / "empty", {}, {"a": 1})
    assert load_tensors(tmp_path / "empty") == ({}, {"a": 1})


@pytest.mark.parametrize(
    ("length", "header", "problem"),
    [
        (0, b"", "PATH is damaged"),
        (6, b"{}", "PATH: its header is damaged"),
        (2**63, b"{}", "PATH: its header is damaged"),
        (1, b"{}", "he header of the checkpoint PATH is damaged"),
        (2, b"{}", "PATH is not a checkpoint of the zoo"),
        (23, b'{"__metadata__":{"a":""}}'[:23], "he header of the checkpoint PATH is damaged"),
    ],
)
def test_a_checkpoint_with_a_damaged_header_names_the_file(length, header, problem, tmp_path):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + header)
    with pytest.raises(ZooError) as caught:
        load_tensors(path)
    assert problem.replace("PATH", str(path)) in str(caught.value)


def test_a_run_names_the_versions_that_trained_it(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, epochs=1)
    assert run.config["versions"] == versions()
    assert torch.__version__.startswith(versions()["torch"])


class Versioned(torch.nn.Linear):
    """As layers of torchvision: its state has a version, without which it does not load."""

    _version = 2

    def _load_from_state_dict(self, state, prefix, metadata, *rest):
        assert metadata.get("version") == 2, "the version of the state is missing"
        super()._load_from_state_dict(state, prefix, metadata, *rest)


def test_the_state_of_a_layer_keeps_its_version():
    network, other = torch.nn.Sequential(Versioned(2, 2)), torch.nn.Sequential(Versioned(2, 2))
    load_model_state(other, dict(network.state_dict()))
    assert torch.equal(other[0].weight, network[0].weight)
