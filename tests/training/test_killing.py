"""A training that is killed at random times and resumed: every epoch is there once, every byte is the same."""

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

# a checkpoint after every second step: most of the time is spent writing files, so most kills hit a write
COMMAND = ["train", "lenet", "--dataset", "digits", "--device", "cpu", "--epochs", "5", "--checkpoint-steps", "2"]


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "zoo", *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def train_uninterrupted(folder):
    process = start(*COMMAND, "--runs-dir", folder)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    (run,) = zoo.list_runs(folder)
    return run


def train_with_kills(folder, kills, random):
    """Train; kill the process ``kills`` times, each at a random time after a checkpoint, and resume; return the run."""
    process = start(*COMMAND, "--runs-dir", folder)
    killed = 0
    for _ in range(kills):
        known = position(folder)
        while process.poll() is None and position(folder) == known:
            time.sleep(0.005)
        time.sleep(random.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        _, err = process.communicate(timeout=240)
        if process.returncode != -signal.SIGKILL:
            break  # the training had already ended
        killed += 1
        (run,) = zoo.list_runs(folder)
        process = start("train", "--resume", run.folder)
    if process.poll() is None:
        _, err = process.communicate(timeout=240)
    if process.returncode:
        assert "is finished already" in err  # the last kill came after the end of the training
    (run,) = zoo.list_runs(folder)
    return run, killed


def position(folder):
    """The time when the checkpoint to resume from was last written."""
    return [path.stat().st_mtime_ns for path in folder.glob("*/*/last/checkpoint.safetensors")]


def comparable(run):
    """Everything in a run folder without times, and the bytes of the weights."""
    entries = [{k: v for k, v in entry.items() if not k.endswith("seconds")} for entry in run.metrics()]
    results = {key: value for key, value in run.config["results"].items() if key != "train_seconds"}
    return entries, results, run.status, sha256(run.best)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [4, 20])
def test_a_run_that_is_killed_and_resumed_equals_an_uninterrupted_run(tmp_path, kills):
    whole = train_uninterrupted(tmp_path / "whole")
    run, killed = train_with_kills(tmp_path / "killed", kills, random.Random(kills))
    assert killed >= 2
    assert comparable(run) == comparable(whole)
    assert [entry["epoch"] for entry in run.metrics()] == [1, 2, 3, 4, 5]
    assert json.loads((run.folder / "run.json").read_text())["status"] == "finished"
    assert not list(run.folder.rglob("*.part")), "an incomplete file is left"
