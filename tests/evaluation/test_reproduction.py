"""`zoo reproduce`: a recorded result is computed again."""

import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import safetensors
import torch

import zoo
from zoo import PluginError, UsageError
from zoo.environment import host, versions
from zoo.evaluation.reproduce import Reproduction, count_multiply_adds, median_run
from zoo.evaluation.reproduce import _record as recorded_trials
from zoo.runs.run import load_run
from zoo.specs.results import recorded_results

EARLIER = Path(__file__).parents[1] / "fixtures/0.1-rooms/run"


def replaced(registry, **changes):
    """``tiny-cnn`` with other declarations."""
    spec = dataclasses.replace(registry.architecture("tiny-cnn"), **changes)
    registry._specs[zoo.Architecture]["tiny-cnn"] = spec
    return registry


@pytest.mark.slow
def test_a_recorded_result_is_reproduced_to_the_byte(tiny_registry, runs_dir, tmp_path):
    made = zoo.reproduce("tiny-cnn", registry=tiny_registry, runs_dir=runs_dir, device="cpu")
    assert made.recorded is None
    assert not made.reproduced
    assert [run.config["seed"] for run in made.runs] == [0, 1, 2, 3, 4]
    results, weights = zoo.record(made, tmp_path / "plugin", tiny_registry)
    latency = json.loads(results.read_text())["latency_seconds"]
    assert 0 < latency < 1
    registry = replaced(tiny_registry, results=results, weights=weights)
    again = zoo.reproduce("tiny-cnn", trials=2, registry=registry, runs_dir=tmp_path / "again", device="cpu")
    assert again.identical == 2
    assert again.reproduced
    assert again.record["trials"][1]["test"] == made.record["trials"][1]["test"]


def test_runs_of_the_same_recipe_can_be_reused(tiny_registry, runs_dir):
    first = zoo.reproduce("tiny-cnn", trials=2, registry=tiny_registry, runs_dir=runs_dir)
    zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=runs_dir, seed=2, lr=0.01)
    second = zoo.reproduce("tiny-cnn", trials=3, reuse=True, registry=tiny_registry, runs_dir=runs_dir)
    assert [run.folder for run in second.runs[:2]] == [run.folder for run in first.runs]
    assert second.runs[2].config["hyperparameters"]["lr"] == 0.1
    assert len(zoo.list_runs(runs_dir)) == 4


def test_recorded_weights_load_and_export(tiny_registry, runs_dir, tmp_path):
    made = zoo.reproduce("tiny-cnn", trials=1, registry=tiny_registry, runs_dir=runs_dir)
    _, weights = zoo.record(made, tmp_path / "plugin", tiny_registry)
    registry = replaced(tiny_registry, weights=weights)
    shipped = zoo.load("tiny-cnn", runs_dir=tmp_path / "empty", registry=registry)
    assert shipped.shipped
    assert shipped.recorded == made.runs[0].config["results"]["test"]
    certificate = zoo.export("tiny-cnn", "onnx", tmp_path, runs_dir=tmp_path / "empty", registry=registry)
    assert certificate.origin == "weights of tiny-cnn"
    assert zoo.load("tiny-cnn", runs_dir=runs_dir, registry=registry).origin == made.runs[0].name


def some(mean, std, trials, samples=1000):
    metrics = {"loss": {"mean": 1.0, "std": 0.0}, "accuracy": {"mean": mean, "std": std}}
    rows = [{"seed": seed, "checkpoint_sha256": f"{mean}-{seed}"} for seed in range(trials)]
    return {"metrics": metrics, "trials": rows, "test_samples": samples}


@pytest.mark.parametrize(
    ("fresh", "reproduced"), [(0.950, True), (0.945, True), (0.957, True), (0.930, False), (0.970, False)]
)
def test_a_result_within_chance_is_reproduced(fresh, reproduced):
    made = Reproduction(some(fresh, 0.0, 5), some(0.95, 0.004, 5), ())
    # three standard errors of the difference of two means of five, and one sample in a thousand
    assert made.allowed == pytest.approx(3 * 0.004 * (2 / 5) ** 0.5 + 0.001)
    assert made.reproduced is reproduced


def error_of(mean, std, trials, baseline=4.0):
    rows = [{"seed": seed, "checkpoint_sha256": f"{mean}-{seed}"} for seed in range(trials)]
    metrics = {"mae": {"mean": mean, "std": std}}
    return {"metrics": metrics, "trials": rows, "test_samples": 1, "baseline": {"mae": baseline}}


@pytest.mark.parametrize(
    ("fresh", "reproduced"), [(0.0, True), (2e-6, True), (0.003, True), (0.005, False), (1.0, False)]
)
def test_an_exact_result_is_reproduced_up_to_a_thousandth_of_the_result_without_a_network(fresh, reproduced):
    assert Reproduction(error_of(fresh, 0.0, 5), error_of(3e-7, 0.0, 5), ()).reproduced is reproduced


def test_without_a_recorded_deviation_the_new_one_counts():
    made = Reproduction(some(0.94, 0.01, 5), some(0.95, 0.0, 1), ())
    assert made.allowed == pytest.approx(3 * 0.01 * (1 + 1 / 5) ** 0.5 + 0.001)
    assert made.reproduced


def test_the_shipped_weights_are_those_of_the_median_by_validation(tiny_registry, runs_dir, tmp_path):
    made = zoo.reproduce("tiny-cnn", trials=4, registry=tiny_registry, runs_dir=runs_dir, device="cpu")
    results, weights = zoo.record(made, tmp_path / "plugin", tiny_registry)
    assert json.loads(results.read_text())["latency_seconds"] > 0
    scores = {(t["validation"]["accuracy"], -t["validation"]["loss"]): t["seed"] for t in made.record["trials"]}
    chosen = scores[sorted(scores)[1]]
    assert made.record["shipped_seed"] == chosen
    trained = made.record["trials"][chosen]["checkpoint_sha256"]
    with safetensors.safe_open(weights, "pt") as file:
        assert trained in "".join(file.metadata().values())


def test_a_record_says_where_and_how_the_trials_were_computed(registry):
    runs = [load_run(EARLIER) for _ in range(2)]
    runs[1].config["seed"] = 9
    runs[1].config["results"]["test"]["mae"] += 0.2
    spec = registry.architecture("linear-regression")
    found = recorded_trials(spec, registry, runs)
    first = runs[0].config
    assert [found[name] for name in ("host", "versions", "device")] == [first["host"], first["versions"], "cpu"]
    mean = first["results"]["test"]["mae"] + 0.1
    assert found["metrics"]["mae"] == {"mean": pytest.approx(mean), "std": pytest.approx(0.1 * 2**0.5)}
    assert [trial["seed"] for trial in found["trials"]] == [1, 9]
    assert found["parameters"] == 2
    assert found["bytes"] == runs[0].best.stat().st_size
    for name in ("host", "versions"):  # runs of the first version do not have them
        del first[name]
    found = recorded_trials(spec, registry, runs)
    assert (found["host"], found["versions"]) == (host(), versions())


def test_of_trials_on_several_splits_one_on_the_first_is_shipped():
    def run(seed, fingerprint, loss):
        return SimpleNamespace(config={"seed": seed, "data": {"fingerprint": fingerprint}, "best": {"score": [-loss]}})

    assert median_run([run(0, "a", 0.9), run(1, "b", 0.5), run(2, "c", 0.7)]).config["seed"] == 0
    assert median_run([run(0, "a", 0.9), run(1, "a", 0.5), run(2, "a", 0.7)]).config["seed"] == 2


def test_the_command_fails_if_the_result_differs(tiny_registry, runs_dir, tmp_path, zoo_command):
    made = zoo.reproduce("tiny-cnn", trials=2, registry=tiny_registry, runs_dir=runs_dir)
    results, _ = zoo.record(made, tmp_path / "plugin", tiny_registry)
    command = ("reproduce", "tiny-cnn", "--trials", 2, "--runs-dir", runs_dir, "--reuse")
    good = zoo_command(*command, registry=replaced(tiny_registry, results=results))
    assert good.code == 0
    assert "reproduced: " in good.out
    assert "2 of 2 checkpoints are byte-identical" in good.out
    content = json.loads(results.read_text())
    content["metrics"]["accuracy"] = {"mean": 0.123, "std": 0.0}
    results.write_text(json.dumps(content))
    bad = zoo_command(*command, registry=replaced(tiny_registry, results=results))
    assert bad.code == 1
    assert "NOT reproduced" in bad.out
    assert bad.error == "tiny-cnn does not reproduce its recorded result."


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}'])
def test_damaged_results_are_named(content, tiny_registry, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(content)
    registry = replaced(tiny_registry, results=path)
    with pytest.raises(PluginError, match=r"results of tiny-cnn|another version"):
        recorded_results(registry.architecture("tiny-cnn"))


def test_damaged_or_missing_files_do_not_break_zoo_list(tiny_registry, tmp_path, zoo_command):
    path = tmp_path / "results.json"
    path.write_text("{")
    registry = replaced(tiny_registry, results=path, weights=tmp_path / "not there yet")
    listed = zoo_command("list", "tiny-cnn", registry=registry)
    assert listed.code == 0
    assert "Cannot read the results of tiny-cnn" in listed.err
    path.unlink()
    assert zoo_command("info", "tiny-cnn", registry=registry).err == ""


def test_more_trials_than_recorded_are_refused(tiny_registry, runs_dir):
    with pytest.raises(UsageError, match="tiny-cnn has 5 trials, not 6"):
        zoo.reproduce("tiny-cnn", trials=6, registry=tiny_registry, runs_dir=runs_dir)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("linear-regression", 1),
        ("softmax-regression", 7_840),
        ("cnn-mini", 10 * 25 * 24**2 + 20 * 10 * 25 * 8**2 + 3_200),
        ("rnn-mini", 28 * 3 * 128 * (28 + 128) + 1_280),
    ],
)
def test_multiply_adds_equal_a_calculation_by_hand(name, expected, registry):
    network = zoo.create_model(name, registry=registry).eval()
    shape = registry.dataset(registry.architecture(name).dataset).network_shape
    assert count_multiply_adds(network, torch.zeros(3, *shape)) == expected
