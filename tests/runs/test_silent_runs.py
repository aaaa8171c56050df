"""Runs that write nothing, incomplete files, runs without a checkpoint, and the command that repeats a run."""

import json
import shutil
from pathlib import Path

import filelock
import pytest

from zoo import RunNotFound, ZooError
from zoo.runs.command_line import repeat_command
from zoo.runs.finding import find_run, list_runs
from zoo.runs.run import Run, load_run, run_lock

OLD_RUN = Path(__file__).parents[1] / "fixtures" / "0.1-rooms" / "run"


@pytest.fixture
def folder(tmp_path):
    """A finished run of linear-regression."""
    return Path(shutil.copytree(OLD_RUN, tmp_path / "runs" / "linear-regression" / "one"))


def content_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def leave_behind(folder):
    part = folder / "last" / ".checkpoint.safetensors.0123456789abcdef.part"
    part.write_bytes(b"half")
    return part


def test_a_process_that_is_not_the_first_writes_nothing(folder):
    part = leave_behind(folder)
    before = content_of(folder)
    run = Run(folder, load_run(folder).config, writes=False)
    run.config["status"] = "failed"
    with filelock.FileLock(folder / "last" / ".lock"), run_lock(run):  # another process holds the lock
        run.save()
        run.set_metrics([])
        run.add_metrics({"epoch": 9})
        run.sync_metrics()
        run.write_table()
        run.remove_leftovers()
    (folder / "last" / ".lock").unlink(missing_ok=True)
    assert content_of(folder) == before
    assert part.exists()


def test_incomplete_files_are_removed_and_metrics_replaced(folder):
    part = leave_behind(folder)
    before = content_of(folder)
    run = load_run(folder)
    run.remove_leftovers()
    left = content_of(folder)
    assert not part.exists()
    assert {name: left[name] for name in before if folder / name != part} == {
        name: content for name, content in before.items() if folder / name != part
    }
    run.set_metrics(run.metrics()[:1])
    assert [entry["epoch"] for entry in load_run(folder).metrics()] == [1]


def test_a_changed_record_is_checked_when_it_is_used(folder):
    run = load_run(folder)
    assert run.record.seed == 1
    run.config = {**run.config, "seed": 7}
    assert run.record.seed == 7
    run.config = {**run.config, "seed": "seven"}
    with pytest.raises(ZooError, match=r"The record of the run .*one is damaged: .*seed"):
        _ = run.record


def test_a_lock_that_cannot_be_taken_is_one_line(folder):
    lock = folder / "last" / ".lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    with pytest.raises(ZooError, match=r"^Cannot write .*one: .*directory"), run_lock(load_run(folder)):
        pytest.fail("locked")


def test_a_run_without_a_checkpoint_is_found_only_to_train_it(folder):
    runs = folder.parents[1]
    assert find_run(str(folder), runs).folder == folder
    (folder / "best.safetensors").unlink()
    with pytest.raises(RunNotFound, match="has no checkpoint: it stopped before the end of its first epoch"):
        find_run("linear-regression/one", runs)
    assert find_run("linear-regression/one", runs, trained=False).folder == folder


def test_runs_are_looked_for_at_two_depths_only(folder):
    runs = folder.parents[1]
    shutil.copytree(folder, runs / "torchvision" / "resnet18" / "two")
    shutil.copytree(folder, runs / "much" / "too" / "deep" / "three")
    assert sorted(run.folder.name for run in list_runs(runs)) == ["one", "two"]
    assert [run.folder.name for run in list_runs(runs, "torchvision/resnet18")] == ["two"]
    assert list_runs(runs, "torchvision") == []


def test_the_command_for_an_extended_run_says_where_it_was_stopped(folder, registry):
    config = json.loads((folder / "run.json").read_text())
    config["hyperparameters"]["epochs"] = 9
    for after, wanted in ((3, ""), (2, " # it was stopped after epoch 2")):
        command = repeat_command(config | {"extended": [{"epochs": 3, "after": after}]}, registry)
        assert command.endswith(f" && zoo train --resume RUN --epochs 9{wanted}")
        assert "--epochs 3 " in command or registry.architecture("linear-regression").hyperparameters["epochs"] == 3
