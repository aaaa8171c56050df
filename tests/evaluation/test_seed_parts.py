"""Parts of trainings with several seeds: how many run at a time, how they are stopped, the table of their results."""

import json
import re
import signal
from types import SimpleNamespace

import pytest
import torch

from zoo.evaluation import seeds
from zoo.evaluation.seeds import SeedResults
from zoo.process import Interrupted


def test_the_results_of_seeds_have_a_row_for_each_seed():
    runs = [
        SimpleNamespace(config={"seed": seed, "results": {"test": {"accuracy": value, "loss": 1.0}}})
        for seed, value in [(3, 0.5), (4, 0.75)]
    ]
    found = SeedResults(tuple(runs))
    assert re.findall(r"<t[hd]>(.*?)</t[hd]>", found._repr_html_()) == [
        "seed",
        "accuracy",
        "3",
        "50.00%",
        "4",
        "75.00%",
    ]
    assert found.metrics()["accuracy"] == {"mean": 0.625, "std": pytest.approx(0.125 * 2**0.5)}


@pytest.mark.parametrize(
    ("chosen", "asked", "many"),
    [("cuda", "auto", 4), ("cuda", "cuda", 4), ("cuda", "cuda:1", 1), ("mps", "auto", 1), ("cpu", "auto", 6)],
)
def test_as_many_trainings_run_at_a_time_as_there_are_gpus_or_cores(chosen, asked, many, monkeypatch):
    monkeypatch.setattr(seeds, "choose_device", lambda device: torch.device(chosen))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    monkeypatch.setattr(seeds, "cores", lambda: 6)
    assert seeds._possible(asked) == many


@pytest.mark.parametrize(
    ("error", "number"),
    [(Interrupted(signal.SIGTERM), signal.SIGTERM), (KeyboardInterrupt(), signal.SIGINT)],
)
def test_the_signal_that_stops_the_command_is_passed_on_to_every_process(error, number, monkeypatch):
    done = []
    process = SimpleNamespace(poll=lambda: None, send_signal=done.append, wait=lambda: done.append("waited"))

    def stop(seconds):
        raise error

    monkeypatch.setattr(seeds, "_start", lambda *given: process)
    monkeypatch.setattr("time.sleep", stop)
    with pytest.raises(KeyboardInterrupt):
        seeds._in_processes([{}, {}, {}], 2, None)
    assert done == [number, number, "waited", "waited"]


@pytest.mark.parametrize(("given", "numbers"), [(3, [0, 1, 2]), ((7, 2), [7, 2])])
def test_each_seed_is_trained_on_the_best_device_unless_another_is_given(given, numbers, monkeypatch):
    jobs = []
    monkeypatch.setattr(seeds, "train_all", lambda some, registry, processes, finished: jobs.extend(some) or [])
    seeds.train_seeds("net", given, registry=object(), epochs=3)
    assert [job["seed"] for job in jobs] == numbers
    assert {(job["device"], job["epochs"]) for job in jobs} == {("auto", 3)}
    jobs.clear()
    seeds.train_seeds("net", given, registry=object(), device="cpu")
    assert {job["device"] for job in jobs} == {"cpu"}


@pytest.mark.parametrize(
    ("asked", "available", "devices"),
    [
        ("auto", True, ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda", True, ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda:1", True, ["cuda:1"] * 3),
        ("auto", False, ["auto"] * 3),
    ],
)
def test_the_processes_take_turns_with_the_gpus(asked, available, devices, monkeypatch):
    sent = []
    stdin = SimpleNamespace(write=sent.append, close=lambda: None)
    monkeypatch.setattr("torch.cuda.is_available", lambda: available)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: SimpleNamespace(stdin=stdin))
    for slot in range(3):
        seeds._start({"device": asked, "seed": slot}, slot, {})
    assert [json.loads(job) for job in sent] == [{"device": name, "seed": k} for k, name in enumerate(devices)]
