"""The filters of ``zoo list``, ``zoo compare`` and ``zoo bench``."""

import json
import logging
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.evaluation import tables
from zoo.evaluation.compare import Candidate, Comparison
from zoo.evaluation.compare import _p_values as p_values
from zoo.evaluation.measurement import measure_latency, measure_memory, resident_bytes
from zoo.formatting import time_text
from zoo.specs.results import pareto


def listed(zoo_command, *arguments):
    return [facts["name"] for facts in json.loads(zoo_command("list", "--json", *arguments).out)]


def test_list_is_filtered_by_size_dataset_and_accuracy(zoo_command, registry):
    everything = {spec.name: spec for spec in registry.architectures.values()}
    small = listed(zoo_command, "--max-params", "50k")
    assert small == listed(zoo_command, "--max-params", "50000")
    assert set(small) == {name for name, spec in everything.items() if spec.parameters <= 50_000}
    mnist = listed(zoo_command, "--dataset", "mnist")
    assert set(mnist) == {name for name, spec in everything.items() if spec.dataset == "mnist"}
    tiny = listed(zoo_command, "--max-bytes", "0.04M", "--dataset", "mnist", "--min-accuracy", "99")
    assert tiny == ["cnn-mini", "edge-cnn"]


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("params", "parameters"),
        ("bytes", "bytes"),
        ("multiply-adds", "multiply_adds"),
        ("latency", "latency_seconds"),
    ],
)
def test_list_is_sorted(zoo_command, sort, key):
    found = json.loads(zoo_command("list", "--json", "--dataset", "mnist", "--sort", sort).out)
    values = [facts[key] if key == "parameters" else facts["results"][key] for facts in found]
    assert values == sorted(values)
    assert len(values) > 5


def test_list_by_accuracy_and_the_pareto_front(zoo_command):
    found = json.loads(zoo_command("list", "--json", "--dataset", "mnist", "--sort", "accuracy").out)
    accuracies = [facts["results"]["metrics"]["accuracy"]["mean"] for facts in found]
    assert accuracies == sorted(accuracies, reverse=True)
    front = json.loads(zoo_command("list", "--json", "--dataset", "mnist", "--sort", "params", "--pareto").out)
    on_it = [facts["results"]["metrics"]["accuracy"]["mean"] for facts in front]
    assert on_it == sorted(on_it)
    assert on_it[-1] == accuracies[0]
    assert len(on_it) < len(accuracies)


@pytest.mark.parametrize("count", ["many", "-3", "1e", "20q", "nan", "infk"])
def test_an_invalid_count_is_refused(zoo_command, count):
    done = zoo_command("list", f"--max-params={count}")
    assert done.code == 2
    assert "is not a count" in done.error


def test_the_pareto_front():
    items, costs, goodness = ["a", "b", "c", "d", "e"], [1, 2, 2, 3, 4], [0.5, 0.7, 0.6, 0.7, 0.9]
    assert pareto(items, costs, goodness) == ["a", "b", "e"]


def candidate(name, values, parameters=10):
    return Candidate(name, "data", "accuracy", tuple(values), "recorded", {"parameters": parameters})


def test_only_significant_differences_are_reported():
    close = [candidate("a", [0.95, 0.97, 0.96]), candidate("b", [0.94, 0.96, 0.97])]
    far = [*close, candidate("c", [0.80, 0.81, 0.79])]
    single = [candidate("a", [0.99]), candidate("b", [0.5])]
    assert "no significant difference" in Comparison("accuracy", "data", tuple(close), p_values(close)).result(1)
    found = Comparison("accuracy", "data", tuple(far), p_values(far))
    assert found.result(2).startswith("significantly worse (p = ")
    assert "no significant difference" in found.result(1)
    assert "not tested" in Comparison("accuracy", "data", tuple(single), p_values(single)).result(1)


@pytest.mark.parametrize(("counts", "head"), [((3, 3), ", 3 runs each; "), ((1, 1), ", 1 run each; "), ((3, 2), "; ")])
def test_the_number_of_runs_is_a_column_if_it_differs(counts, head):
    values = [[0.9, 0.8, 0.7][:count] for count in counts]
    compared = [candidate(name, each) for name, each in zip("ab", values, strict=True)]
    lines = tables.comparison(Comparison("accuracy", "data", tuple(compared), p_values(compared)))
    assert lines[0] == f"accuracy on the test split of data{head}* on the Pareto front"
    rows = [line.split() for line in lines[2].splitlines()]
    assert ("RUNS" in rows[0]) == (len(set(counts)) > 1)
    if "RUNS" in rows[0]:
        place = rows[0].index("RUNS") + 1  # the deviation is a word of its own
        assert [row[place] for row in rows[1:]] == ["3", "2"]


STUDENTIZED = {4: 5.757, 5: 5.218, 6: 4.896, 7: 4.681, 8: 4.529}
"""From the printed tables: the 95% points of the studentized range of four groups, by degrees of freedom."""


@pytest.mark.parametrize("deviations", [(0.01, 0.01, 0.01, 0.01), (0.001, 0.03, 0.01, 0.003)])
def test_of_four_equal_networks_the_best_is_rarely_significantly_better(deviations, monkeypatch):
    """The chance of the choice of the best is in the 5%: at most 75 alarms in 1,500 comparisons of equals."""
    inverse = [1 / freedom for freedom in reversed(STUDENTIZED)]

    def looked_up(distance, groups, freedom):  # scipy takes 50 ms for each
        assert groups == 4
        return 0.04 if distance > np.interp(1 / freedom, inverse, list(reversed(STUDENTIZED.values()))) else 0.06

    monkeypatch.setattr("scipy.stats.studentized_range.sf", looked_up)
    random = np.random.RandomState(0)
    alarms = 0
    for _ in range(1_500):
        found = [candidate(str(k), random.normal(0.9, spread, 5)) for k, spread in enumerate(deviations)]
        found.sort(key=lambda one: -one.mean)
        alarms += any(p is not None and p < 0.05 for p in p_values(found))
    assert 15 < alarms <= 75


@pytest.mark.parametrize(("distance", "significant"), [(4.75, True), (4.6, False)])
def test_the_p_value_is_that_of_the_studentized_range(distance, significant):
    # equal deviations: eight degrees of freedom, less one; the 95% point is 4.681
    values = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])
    step = values.std(ddof=1) / 5**0.5
    shares = {"a": 0, "b": 0.1, "c": 0.2, "d": 1}
    found = [candidate(name, values - share * distance * step) for name, share in shares.items()]
    assert (p_values(found)[3] < 0.05) is significant


def test_candidates_without_any_deviation_are_compared_exactly():
    assert p_values([candidate("a", [0.9, 0.9]), candidate("b", [0.9, 0.9]), candidate("c", [0.8, 0.8])])[1:] == (1, 0)


@pytest.mark.parametrize("latency", [False, True])
def test_a_comparison_fits_80_columns_and_says_what_it_covers(latency, zoo_command, monkeypatch):
    monkeypatch.setattr("zoo.evaluation.compare.latency_of", lambda *arguments: 2.345e-4)
    names = ("vgg-mini", "cnn-mini", "googlenet-mini", "mnist-mlp")
    shown = zoo_command("compare", *names, *(["--latency"] if latency else [])).out
    assert max(map(len, shown.splitlines())) <= 80
    assert "5 runs each" in shown
    assert "chance of the seeds\nonly" in shown
    assert "worse <0.0001" in shown


def test_recorded_results_are_compared(zoo_command, tmp_path):
    done = zoo_command("compare", "cnn-mini", "vgg-mini", "mnist-mlp", "--plot", tmp_path / "front.png", "--json")
    content = json.loads(done.out)
    names = [entry["name"] for entry in content["candidates"]]
    assert names == ["vgg-mini", "cnn-mini", "mnist-mlp"]
    assert content["candidates"][2]["result"].startswith("significantly worse")
    assert content["pareto"]["parameters"] == ["cnn-mini", "vgg-mini"]
    with Image.open(tmp_path / "front.png") as picture:
        assert picture.width > 1_000
    shown = zoo_command("compare", "cnn-mini", "vgg-mini").out
    assert "8,490*" in shown
    assert "VS BEST" in shown


def test_runs_that_differ_by_the_seed_only_count_together(tiny_registry, zoo_command, tmp_path):
    runs = [
        zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=tmp_path / "runs", epochs=epochs, seed=seed)
        for epochs, seed in ((2, 0), (2, 1), (1, 0))
    ]
    done = zoo_command(
        "compare", runs[0].folder, runs[2].folder, "--latency", "--curves", tmp_path / "curves.png",
        "--runs-dir", tmp_path / "runs", "--json", registry=tiny_registry,
    )  # fmt: skip
    found = {entry["name"]: entry for entry in json.loads(done.out)["candidates"]}
    accuracies = [run.config["results"]["test"]["accuracy"] for run in runs]
    assert found[str(runs[0].folder)]["values"] == accuracies[:2]
    assert found[str(runs[2].folder)]["values"] == accuracies[2:]
    assert 0 < found[str(runs[0].folder)]["latency"] < 1
    assert (tmp_path / "curves.png").stat().st_size > 5_000


def test_runs_ranked_on_a_dataset_and_their_front(tiny_registry, zoo_command, tmp_path):
    folder = tmp_path / "runs"
    runs = [
        zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=folder, epochs=1, seed=seed, lr=lr)
        for seed, lr in ((0, 1e-9), (1, 0.05), (2, 1e-9))
    ]
    for run, (parameters, accuracy) in zip(runs, ((10, 0.6), (99, 0.9), (50, 0.5)), strict=True):
        run.config |= {"parameters": parameters, "best": run.config["best"] | {"score": [accuracy, 0.0]}}
        run.save()

    def names(*options):
        done = zoo_command("runs", *options, "--runs-dir", folder, "--json", registry=tiny_registry)
        return [Path(run["run"]).name for run in json.loads(done.out)]

    first, second, third = (run.folder.name for run in runs)
    assert names("--dataset", "bars") == [second, first, third]
    assert names("--dataset", "bars", "--pareto") == [first, second]
    assert names("--dataset", "mnist") == []
    shown = zoo_command("runs", "--runs-dir", folder, registry=tiny_registry).out
    assert "PARAMS" in shown
    assert f"{runs[0].best.stat().st_size:,}" in shown


def test_a_leaderboard_of_all_on_a_dataset(tiny_registry, zoo_command, tmp_path):
    for epochs, seed in ((2, 0), (2, 1), (1, 0)):
        zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=tmp_path / "runs", epochs=epochs, seed=seed)
    done = zoo_command(
        "compare", "--dataset", "bars", "--runs-dir", tmp_path / "runs", "--json", registry=tiny_registry
    )
    assert sorted(len(entry["values"]) for entry in json.loads(done.out)["candidates"]) == [1, 2]
    mnist = json.loads(zoo_command("compare", "--dataset", "mnist", "--json").out)
    recorded = [facts["name"] for facts in json.loads(zoo_command("list", "--dataset", "mnist", "--json").out)]
    assert sorted(entry["name"] for entry in mnist["candidates"]) == recorded


@pytest.mark.parametrize(
    ("names", "message", "code"),
    [
        (["resnet-mini"], "two or more", 2),
        (["resnet-mini", "diabetes-mlp"], "Only models on the same dataset can be compared", 2),
        (["resnet-mini", "resnt-mini"], "Did you mean", 2),
        (["resnet-mini", "gone.onnx"], "no file gone.onnx", 1),
        (["--dataset", "line"], "fewer than two models on line", 2),
        (["lenet", "--dataset", "mnist"], "not both", 2),
    ],
)
def test_what_cannot_be_compared_is_one_line(zoo_command, names, message, code):
    done = zoo_command("compare", *names)
    assert (done.code, message in done.error) == (code, True), done.error


def test_only_runs_have_curves(zoo_command, tmp_path):
    assert "None of these is a run" in zoo_command("compare", "cnn-mini", "lenet", "--curves", tmp_path / "c.png").error


def test_a_note_is_shown_once(zoo_command, tmp_path):
    done = zoo_command("bench", "linear-regression", "--runs-dir", tmp_path, "--seconds", 0.01, "--batch-size", 1)
    assert done.err.count("using its shipped weights") == 1
    again = zoo_command("predict", "linear-regression", "--runs-dir", tmp_path, "x.csv")
    assert again.err.count("using its shipped weights") == 1


def test_bench_of_a_run(digits_runs, zoo_command, tmp_path):
    done = zoo_command(
        "bench", "resnet-mini", "--runs-dir", digits_runs, "--batch-size", 1, "--batch-size", 4, "--seconds", 0.05,
        "--plot", tmp_path / "speed.png", "--json",
    )  # fmt: skip
    content = json.loads(done.out)
    assert [(t["contender"], t["batch"]) for t in content["timings"]] == [
        ("torch", 1), ("onnxruntime", 1), ("torch", 4), ("onnxruntime", 4),
    ]  # fmt: skip
    for timing in content["timings"]:
        assert 0 < timing["p50"] <= timing["p95"]
        assert timing["samples_per_second"] == pytest.approx(timing["batch"] / timing["p50"])
        assert 0 < timing["bytes_added"] < 2**30
    assert content["threads"] == 1
    assert (tmp_path / "speed.png").stat().st_size > 5_000


@pytest.mark.slow
def test_bench_of_quantised_files(digits_runs, zoo_command):
    done = zoo_command(
        "bench", "resnet-mini", "--runs-dir", digits_runs, "--batch-size", 1, "--seconds", 0.02, "--int8", "--fp16",
        "--json",
    )  # fmt: skip
    names = [timing["contender"] for timing in json.loads(done.out)["timings"]]
    assert names == ["torch", "onnxruntime", "onnxruntime int8", "onnxruntime fp16"]


def test_bench_of_files(digits_file, zoo_command, tmp_path):
    other = tmp_path / "other.onnx"
    other.write_bytes(digits_file.read_bytes())
    shown = zoo_command("bench", digits_file, other, "--batch-size", 2, "--seconds", 0.02).out
    assert [line.split()[0] for line in shown.splitlines()[3:]] == ["model", "other"]


def test_bench_refuses_invalid_arguments(digits_file, zoo_command, tmp_path):
    linear = zoo.export("linear-regression", "onnx", tmp_path / "line.onnx").file
    assert "takes" in zoo_command("bench", digits_file, linear).error
    with pytest.raises(zoo.UsageError, match="at least 1"):
        zoo.bench([digits_file], batches=[0])
    with pytest.raises(zoo.UsageError, match="tpu"):
        zoo.bench([digits_file], device="tpu")


def test_a_missing_provider_is_an_error(digits_file, zoo_command):
    import torch

    if torch.cuda.is_available():
        pytest.skip("CUDA is here")
    assert "does not run here" in zoo_command("bench", digits_file, "--device", "cuda").error


@pytest.mark.slow
def test_bench_includes_compiled_torch(digits_runs, caplog):
    with caplog.at_level(logging.WARNING):
        found = zoo.bench(["resnet-mini"], batches=[2], compiled=True, seconds=0.05, runs_dir=digits_runs)
    names = [timing.contender for timing in found.timings]
    assert names == ["torch", "torch compiled", "onnxruntime"] or "torch.compile does not work here" in caplog.text


def test_memory_is_measured_everywhere():
    before = resident_bytes()
    held = np.ones(20_000_000)
    assert resident_bytes() - before > 0.9 * held.nbytes
    assert measure_memory("missing.onnx", batch=1, threads=1) is None


def test_models_are_timed_alternately():
    order = []
    measure_latency({name: (lambda name=name: order.append(name)) for name in "ab"}, 0.0)
    turns = [name for place, name in enumerate(order) if place == 0 or order[place - 1] != name]
    assert turns == ["a", "b"] * 6  # a warm-up and five rounds


@pytest.mark.parametrize(("seconds", "text"), [(85e-6, "85 µs"), (0.00123, "1.23 ms"), (2.1, "2.1 s"), (0.9999, "1 s")])
def test_times_are_written_with_a_suitable_unit(seconds, text):
    assert time_text(seconds) == text


def test_notebook_views_are_html(digits_file, tmp_path):
    class Balanced(HTMLParser):
        def __init__(self, text):
            super().__init__()
            self.open = []
            self.feed(text)
            assert not self.open

        def handle_starttag(self, tag, attributes):
            self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

        def handle_startendtag(self, tag, attributes):
            pass

    model = zoo.open_model(digits_file)
    things = [
        model,
        zoo.assess(model),
        zoo.compare(["cnn-mini", "lenet"]),
        zoo.bench([digits_file], batches=[1], seconds=0.01),
    ]
    for thing in things:
        text = thing._repr_html_()
        assert "<table>" in text
        Balanced(text)
    assert "resnet-mini" in repr(model)


def test_one_name_is_one_model_and_not_a_sequence_of_letters():
    with pytest.raises(zoo.UsageError, match="two"):
        zoo.compare("lenet")
