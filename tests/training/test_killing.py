"""A training that is killed at any instant and goes on: nothing is lost or comes twice, every byte is the same."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

import zoo
from zoo.files import sha256

# checkpoints after every second step: most of the time is spent writing, which is when a kill would hurt
COMMAND = ["train", "lenet", "--dataset", "digits", "--device", "cpu", "--epochs", "5", "--checkpoint-steps", "2"]


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "zoo", *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def train_in_peace(folder):
    process = start(*COMMAND, "--runs-dir", folder)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    (run,) = zoo.list_runs(folder)
    return run


def train_under_fire(folder, kills, random):
    """Start, and kill and resume so many times, each a random moment after a checkpoint was there; then let it end."""
    process = start(*COMMAND, "--runs-dir", folder)
    survived = 0
    for _ in range(kills):
        known = position(folder)
        while process.poll() is None and position(folder) == known:
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        _, err = process.communicate(timeout=240)
        if process.returncode != -signal.SIGKILL:
            break  # it had ended before
        survived += 1
        (run,) = zoo.list_runs(folder)
        process = start("train", "--resume", run.folder)
    if process.poll() is None:
        _, err = process.communicate(timeout=240)
    if process.returncode:
        assert "is finished already" in err  # the last kill came after the last byte
    (run,) = zoo.list_runs(folder)
    return run, survived


def position(folder):
    """When the checkpoint to resume from was last written."""
    return [path.stat().st_mtime_ns for path in folder.glob("*/*/last/checkpoint.safetensors")]


def comparable(run):
    """Everything that a run leaves but for times, and every byte of its weights."""
    entries = [{k: v for k, v in entry.items() if not k.endswith("seconds")} for entry in run.metrics()]
    results = {key: value for key, value in run.config["results"].items() if key != "train_seconds"}
    return entries, results, run.status, sha256(run.best)


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_random_instants_it_ends_as_if_it_never_was(tmp_path, kills):
    peaceful = train_in_peace(tmp_path / "peace")
    run, survived = train_under_fire(tmp_path / "fire", kills, random.Random(kills))
    assert survived >= 2
    assert comparable(run) == comparable(peaceful)
    assert [entry["epoch"] for entry in run.metrics()] == [1, 2, 3, 4, 5]
    assert json.loads((run.folder / "run.json").read_text())["status"] == "finished"
    assert not list(run.folder.rglob("*.part")), "what was half written is still there"
