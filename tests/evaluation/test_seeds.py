"""`zoo train --seeds`: the same recipe with several seeds, and its mean and deviation."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

import zoo
from zoo import InvalidValue, UsageError, ZooError
from zoo.evaluation import seeds

TINY = Path(__file__).parent.parent / "tiny_plugin.py"


@pytest.fixture
def tiny_file(tmp_path, monkeypatch):
    """The tiny plugin as a plugin file, which other processes load too."""
    folder = tmp_path / "plugin-files"
    folder.mkdir()
    # this process keeps a module of the same name that another test has loaded
    (folder / f"tiny_{abs(hash(tmp_path))}.py").write_text(TINY.read_text())
    monkeypatch.setenv("ZOO_PLUGINS_DIR", str(folder))
    monkeypatch.setenv("ZOO_RUNS", str(tmp_path / "runs"))


def test_several_seeds_give_mean_and_deviation(tiny_registry, runs_dir):
    ended = []
    common = {"registry": tiny_registry, "runs_dir": runs_dir, "device": "cpu", "epochs": 1, "lr": 0.002}
    found = zoo.train_seeds("tiny-cnn", [4, 2, 9], finished=ended.append, **common)
    assert [run.config["seed"] for run in found.runs] == [4, 2, 9]
    assert ended == list(found.runs)
    values = [run.config["results"]["test"]["accuracy"] for run in found.runs]
    assert len(set(values)) > 1
    spread = found.metrics()["accuracy"]
    assert spread["mean"] == pytest.approx(statistics.mean(values))
    assert spread["std"] == pytest.approx(statistics.stdev(values))
    assert found.metrics("validation")["loss"]["mean"] != found.metrics()["loss"]["mean"]
    alone = zoo.train("tiny-cnn", seed=9, **common)
    assert alone.config["results"]["test"] == found.runs[2].config["results"]["test"]
    assert "<td>4</td>" in found._repr_html_()


@pytest.mark.parametrize("wanted", [0, [], [1, 1]])
def test_wrong_seeds_are_refused(tiny_registry, wanted):
    with pytest.raises(InvalidValue, match="seeds must be"):
        zoo.train_seeds("tiny-cnn", wanted, registry=tiny_registry)


def test_the_command_prints_a_line_a_seed(zoo_command, tiny_registry, runs_dir):
    command = ("train", "tiny-cnn", "--seeds", 2, "--seed", 5, "--processes", 1, "--epochs", 1, "--runs-dir", runs_dir)
    done = zoo_command(*command, registry=tiny_registry)
    assert done.code == 0
    lines = done.out.splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["seed", "5"], ["seed", "6"]]
    assert lines[2].startswith("test       accuracy ")
    assert "±" in lines[2]
    printed = json.loads(zoo_command(*command, "--json", registry=tiny_registry).out)
    assert [run["seed"] for run in printed["runs"]] == [5, 6]
    assert printed["test"]["accuracy"]["mean"] == statistics.mean(r["test"]["accuracy"] for r in printed["runs"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--processes", "2"], "--processes is for several seeds"),
        (["--seeds", "2", "--dry-run"], "--dry-run cannot go with --seeds"),
        (["--seeds", "2", "--devices", "2"], "--devices cannot go with --seeds"),
        (["--seeds", "2", "--seed", str(2**32 - 1)], "The last seed would be larger"),
        (["--seeds", "2", "--resume", "x"], "--seeds cannot go with --resume"),
        (["--seeds", "0"], "'0' is not a whole number (at least 1)"),
    ],
)
def test_options_that_exclude_each_other(zoo_command, tiny_registry, options, message):
    done = zoo_command("train", *([] if "--resume" in options else ["tiny-cnn"]), *options, registry=tiny_registry)
    assert done.code == 2
    assert message in done.error


def test_parallel_processes_train_the_same(tiny_file, caplog):
    ended = []
    settings = {"epochs": 1, "device": "cpu", "dataset": "bars"}
    found = zoo.train_seeds("tiny-cnn", 2, processes=2, finished=ended.append, **settings)
    assert [run.config["seed"] for run in found.runs] == [0, 1]
    assert {run.folder for run in ended} == {run.folder for run in found.runs}
    # notes of the processes are passed on; both said the same
    assert "The training is shorter than the recipe" in caplog.text
    assert found.runs[0].config["threads"] == max(1, seeds.cores() // 2)


@pytest.mark.slow
def test_a_seed_that_fails_is_named_and_the_others_are_kept(tiny_file, tmp_path, monkeypatch):
    source = TINY.read_text().replace("nn.Dropout(dropout)", "nn.Dropout(fails())")
    source += "\ndef fails():\n    if torch.initial_seed() == 1:\n        raise ValueError('no luck')\n    return 0.1\n"
    next((tmp_path / "plugin-files").iterdir()).write_text(source)
    with pytest.raises(ZooError, match=r"no luck.*\(Seed 1; 1 other run finished.\)"):
        zoo.train_seeds("tiny-cnn", 2, processes=2, epochs=1, device="cpu")
    assert [run.config["seed"] for run in zoo.list_runs()] == [0]


def test_a_process_that_ends_by_itself_is_an_error(monkeypatch, runs_dir):
    monkeypatch.setattr(seeds, "_SCRIPT", "import os; os.kill(os.getpid(), 9)")
    with pytest.raises(ZooError, match=r"ended by itself \(signal 9\).*Seed 0; 0 other runs"):
        zoo.train_seeds("mnist-mlp", 2, processes=2, dataset="digits", runs_dir=runs_dir)


@pytest.mark.slow
def test_a_wrong_setting_in_a_process_is_a_usage_error(tiny_file):
    with pytest.raises(UsageError, match="lr must be a number"):
        zoo.train_seeds("tiny-cnn", 2, processes=2, lr="fast")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_processes_and_their_runs_can_be_resumed(tiny_file, tmp_path, number):
    command = [sys.executable, "-P", "-m", "zoo", "train", "tiny-cnn", "--seeds", "2", "--processes", "2"]
    command += ["--epochs", "100000", "--device", "cpu"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    records = wait_for(lambda: len(started := list((tmp_path / "runs").glob("*/*/metrics.jsonl"))) == 2 and started)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + number, error
    for record in records:
        assert json.loads(record.with_name("run.json").read_text())["status"] == "interrupted"
        assert record.with_name("last").joinpath("checkpoint.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the processes learn of it on Linux only")
def test_processes_end_when_the_command_is_killed(tiny_file, tmp_path):
    command = [sys.executable, "-P", "-m", "zoo", "train", "tiny-cnn", "--seeds", "2", "--processes", "2"]
    process = subprocess.Popen([*command, "--epochs", "100000", "--device", "cpu"], stderr=subprocess.DEVNULL)
    records = wait_for(lambda: len(started := list((tmp_path / "runs").glob("*/*/metrics.jsonl"))) == 2 and started)
    process.kill()
    process.wait()
    wait_for(lambda: all(json.loads(r.with_name("run.json").read_text())["status"] == "interrupted" for r in records))


def wait_for(condition, seconds=120):
    """What ``condition()`` returns as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, os.getcwd()
        time.sleep(0.1)
    return found
