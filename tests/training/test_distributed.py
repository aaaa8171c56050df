"""One training in several processes: it equals a training in one process, and can be resumed if a process fails."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

import zoo
from zoo.files import sha256
from zoo.runs.checkpoint import load_tensors
from zoo.training.distributed import ALONE, World

# 1,293 training samples have a last batch of 13, which two processes divide unevenly
COMMAND = ["train", "lenet", "--dataset", "digits", "--device", "cpu", "--set", "flip=true"]
EPOCHS = 3
DIVIDED = ["--epochs", EPOCHS, "--devices", 2, "--checkpoint-steps", 4]


def start(*arguments):
    """Start ``zoo`` in another process, with one thread for each process of the training."""
    return subprocess.Popen(
        [sys.executable, "-m", "zoo", *map(str, arguments)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run_of(process, folder):
    """The only run that the process left in ``folder``."""
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    (run,) = zoo.list_runs(folder)
    return run, out, err


def curve(run):
    """All metrics of all epochs, without times."""
    return [
        [entry["train"]["loss"], entry["train"]["accuracy"], *entry["validation"].values()] for entry in run.metrics()
    ]


@pytest.mark.parametrize(("count", "size"), [(10, 3), (2, 4), (7, 1), (0, 2)])
def test_the_parts_of_all_processes_are_the_whole(count, size):
    parts = [list(range(count))[World(rank, size).part(count)] for rank in range(size)]
    assert [place for part in parts for place in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_one_process_needs_no_communication():
    values = torch.tensor([1.0, 2.0])
    assert ALONE.first
    assert torch.equal(ALONE.sum(values), values)
    assert torch.equal(ALONE.gather(values), values)
    assert ALONE.broadcast("value") == "value"
    assert ALONE.agree(15, values.device) == 15


@pytest.fixture(scope="module")
def divided(tmp_path_factory):
    """A finished training in two processes, with a checkpoint after every fourth step, and its output."""
    folder = tmp_path_factory.mktemp("divided")
    return run_of(start(*COMMAND, *DIVIDED, "--runs-dir", folder, "--json"), folder)


@pytest.mark.slow
def test_two_processes_train_like_one(divided, tmp_path):
    one, _, _ = run_of(start(*COMMAND, "--epochs", EPOCHS, "--runs-dir", tmp_path), tmp_path)
    two, out, err = divided
    assert json.loads(out)["processes"] == 2
    assert "2 processes" in err
    assert err.count("validation, 360 test samples") == 1  # only the first process reports
    for first, second in zip(curve(one), curve(two), strict=True):
        assert first[::2] == pytest.approx(second[::2], abs=2e-3)  # losses
        # a sample on the border between two classes can change sides
        assert first[1] == pytest.approx(second[1], abs=2 / 1_293)
        assert first[3] == pytest.approx(second[3], abs=2 / 144)
    tensors, _ = load_tensors(one.best)
    others, _ = load_tensors(two.best)
    assert all(torch.allclose(tensors[name], others[name], atol=2e-3) for name in tensors)
    assert one.config["results"]["test"] == pytest.approx(two.config["results"]["test"], abs=0.01)
    assert two.config["results"]["test_samples"] == 360


def worker(rank, marker):
    """The id of the process with this rank whose command line contains ``marker``."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/environ", "rb") as handle, open(f"/proc/{entry}/cmdline", "rb") as command:
                    if f"RANK={rank}".encode() in handle.read().split(b"\0") and marker.encode() in command.read():
                        return int(entry)
            except OSError:
                continue
    return None


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the processes in /proc")
def test_a_killed_process_fails_the_run_and_it_resumes_bit_identically(divided, tmp_path):
    unbroken, _, _ = divided
    folder = tmp_path / "broken"
    process = start(*COMMAND, *DIVIDED, "--runs-dir", folder)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        lasts = list(folder.glob("*/*/last/checkpoint.safetensors"))
        if lasts and load_tensors(lasts[0])[1]["step"]:
            break
        time.sleep(0.02)
    os.kill(worker(1, str(folder)), signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Process 1 of 2 was ended by SIGKILL" in err
    (run,) = zoo.list_runs(folder)
    assert run.status == "failed"
    assert "Another process of this training failed" in run.config["error"]
    assert "Traceback" not in err
    resumed, _, _ = run_of(start("train", "--resume", run.folder, "--devices", 2), folder)
    assert sha256(resumed.best) == sha256(unbroken.best)
    assert curve(resumed) == curve(unbroken)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a signal to a process group, as a terminal does")
def test_ctrl_c_stops_all_processes_after_the_same_step(tmp_path):
    process = start(*COMMAND, *DIVIDED, "--runs-dir", tmp_path)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not any(
        load_tensors(last)[1]["step"] for last in tmp_path.glob("*/*/last/checkpoint.safetensors")
    ):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert err.count("Error: ") == 1
    assert "Stopped by SIGINT" in err
    (run,) = zoo.list_runs(tmp_path)
    assert run.status == "interrupted"


@pytest.mark.slow
def test_an_error_is_printed_once(tmp_path):
    process = start("train", "lenet", "--dataset", tmp_path / "nothing", "--devices", 2, "--runs-dir", tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.count("Error: ") == 1
    assert "There is no file or folder" in err
