"""Training: the results, the run folder, reproducibility, the training hooks."""

import contextlib
import csv
import json
import time
from types import SimpleNamespace

import pytest
import torch
from training_helpers import comparable, devices, train

import zoo
from zoo import (
    TrainingDiverged,
    TrainingInterrupted,
    UsageError,
    evaluate,
    list_runs,
)
from zoo.specs.hyperparameters import resolve
from zoo.training import loop
from zoo.training.distributed import World
from zoo.training.plan import State


def assert_equal_to_rounding(scores, recorded):
    """A loaded checkpoint has another memory layout than in training, so sums round differently.

    Predictions change only at a tie, and there is none in this data.
    """
    assert scores.metrics == pytest.approx(recorded, rel=1e-5)
    assert scores.metrics["accuracy"] == recorded["accuracy"]


def test_a_run_folder_has_everything_needed_to_repeat_the_run(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, seed=3, lr=0.2, dropout=0.1)
    config = json.loads((run.folder / "run.json").read_text())
    assert config == run.config
    assert config["status"] == "finished"
    assert config["architecture"] == "tiny-cnn"
    assert config["plugin"] == {"name": "tiny", "distribution": "third-party", "version": "1.0"}
    assert config["options"] == {"dropout": 0.1, "bias": True}
    assert config["hyperparameters"]["lr"] == 0.2
    assert config["hyperparameters"]["shift"] == 1
    assert config["seed"] == 3
    assert config["data"]["name"] == "bars"
    assert len(config["data"]["fingerprint"]) == 64
    assert config["data"]["labels"] == ["across", "along"]
    assert config["versions"]["torch"] == torch.__version__.partition("+")[0]
    names = {path.name for path in run.folder.iterdir()}
    assert names == {"run.json", "metrics.jsonl", "metrics.csv", "best.safetensors", "last", "curves.png"}
    settings = (
        config["hyperparameters"] | config["options"] | {"seed": config["seed"], "dataset": config["data"]["name"]}
    )
    again = zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=runs_dir, device=config["device"], **settings)
    assert comparable(again) == comparable(run)


def test_metrics_have_one_line_for_each_epoch(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir)
    with run.table.open(newline="") as handle:
        table = list(csv.DictReader(handle))
    assert [float(row["validation_accuracy"]) for row in table] == [e["validation"]["accuracy"] for e in run.metrics()]
    assert [int(row["epoch"]) for row in table] == list(range(1, len(run.metrics()) + 1))
    lines = (run.folder / "metrics.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["epoch"] for entry in entries] == [1, 2, 3]
    assert all(0 <= entry["validation"]["accuracy"] <= 1 for entry in entries)
    assert entries[-1]["lr"] < 0.01
    for entry in entries:
        assert entry.keys() == zoo.EpochMetrics.__annotations__.keys()
        assert entry["train"].keys() == entry["validation"].keys() == {"loss", "accuracy"}


def test_training_learns(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, epochs=15)
    assert run.config["results"]["test"]["accuracy"] > 0.9


def test_the_best_checkpoint_is_kept_and_evaluated(tiny_registry, runs_dir, tmp_path):
    run = train(tiny_registry, runs_dir, epochs=6, lr=0.6)
    scores = [(e["validation"]["accuracy"], -e["validation"]["loss"], e["epoch"]) for e in run.metrics()]
    best = max(scores, key=lambda score: score[:2])
    assert run.config["results"]["epoch"] == best[2]
    model = zoo.load(run.name, runs_dir=runs_dir, registry=tiny_registry)
    data = zoo.load_dataset(tiny_registry.dataset("bars"), tmp_path)
    assert_equal_to_rounding(evaluate(model.module, data.splits.test, "classification"), run.config["results"]["test"])
    assert evaluate(model.module, data.splits.validation, "classification").metrics["accuracy"] == best[0]


@devices
def test_equal_seeds_give_equal_bytes_and_different_seeds_do_not(device, tiny_registry, runs_dir):
    first, again, other = (train(tiny_registry, runs_dir, device, seed=seed) for seed in (1, 1, 2))
    assert comparable(first) == comparable(again)
    assert comparable(first)[2] != comparable(other)[2]


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "1"])
def test_an_invalid_seed_is_refused(seed, tiny_registry, runs_dir):
    with pytest.raises(UsageError, match="seed must be a whole number"):
        train(tiny_registry, runs_dir, seed=seed)


def test_random_numbers_drawn_before_a_training_do_not_matter(tiny_registry, runs_dir):
    first = train(tiny_registry, runs_dir)
    torch.randn(100)
    assert comparable(train(tiny_registry, runs_dir)) == comparable(first)


def test_a_failing_figure_does_not_fail_the_training(tiny_registry, runs_dir, monkeypatch, caplog):
    def fail(*args):
        raise RuntimeError("no fonts")

    monkeypatch.setattr("zoo.training.execution.draw_curves", fail)
    assert train(tiny_registry, runs_dir, epochs=1).status == "finished"
    assert "no fonts" in caplog.text


def test_evaluation_does_not_use_tf32():
    from zoo.models.devices import exact

    before = torch.backends.cudnn.allow_tf32
    with exact(torch.device("cuda"), tf32=False):
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cudnn.deterministic
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_loss_that_is_not_finite_stops_the_run(tiny_registry, runs_dir):
    with pytest.raises(TrainingDiverged, match="step") as caught:
        train(tiny_registry, runs_dir, lr=1e30, warmup=0.0)
    message = str(caught.value)
    for part in ("epoch 1", "learning rate 9.", "e+29", "--lr", "grad_clip"):
        assert part in message
    assert [run.status for run in list_runs(runs_dir)] == ["failed"]


def test_a_failing_logger_does_not_stop_a_training(tiny_registry, runs_dir, caplog):
    class Bad:
        @zoo.hookimpl
        def epoch_ended(self, run, metrics):
            raise OSError("quota")

    tiny_registry.manager.register(Bad(), name="bad-logger")
    assert train(tiny_registry, runs_dir, epochs=1).status == "finished"
    assert "bad-logger" in caplog.text


def test_training_hooks_are_called_in_order(tiny_registry, runs_dir, every_step):
    heard = []

    class Listener:
        @zoo.hookimpl
        def train_started(self, run, start):
            heard.append(("started", start.samples["train"], start.steps_per_epoch, start.parameters))

        @zoo.hookimpl
        def train_progressed(self, run, progress):
            heard.append(("step", progress.epoch, progress.step))

        @zoo.hookimpl
        def epoch_ended(self, run, metrics):
            heard.append(("epoch", metrics["epoch"], run.best.is_file(), run.last.is_file()))

        @zoo.hookimpl
        def train_ended(self, run):
            heard.append(("ended", run.status))

    tiny_registry.listen(Listener())
    train(tiny_registry, runs_dir, epochs=1, batch_size=90)
    assert heard == [
        ("started", 180, 2, 354),
        ("step", 1, 1),
        ("step", 1, 2),
        ("epoch", 1, True, True),
        ("ended", "finished"),
    ]


@pytest.mark.parametrize(("batch_size", "steps"), [(179, 1), (178, 2), (180, 1), (500, 1), (1, 180)])
def test_a_last_batch_of_one_sample_is_left_out(batch_size, steps, tiny_registry, runs_dir):
    """There are 180 samples. Batch norm cannot train on a batch of one."""
    seen = []

    class Listener:
        @zoo.hookimpl
        def train_started(self, run, start):
            seen.append(start.steps_per_epoch)

    tiny_registry.listen(Listener())
    train(tiny_registry, runs_dir, epochs=1, batch_size=batch_size)
    assert seen == [steps]


def test_each_training_gets_its_own_folder(tiny_registry, runs_dir):
    runs = [train(tiny_registry, runs_dir, epochs=1) for _ in range(3)]
    assert len({run.folder for run in runs}) == 3
    assert len(list_runs(runs_dir, "tiny-cnn")) == 3


def test_a_dataset_changes_the_recipe_of_architectures_made_for_other_data(registry, digits_run):
    declared = registry.dataset("digits").hyperparameters["batch_size"]
    assert declared != registry.architecture(digits_run.config["architecture"]).hyperparameters["batch_size"]
    # six epochs are fewer than 200 steps, which halves the batch
    assert digits_run.config["hyperparameters"]["batch_size"] == declared // 2
    assert digits_run.config["hyperparameters"]["epochs"] == 6


def test_resnet_mini_learns_digits(digits_run):
    assert digits_run.config["results"]["test"]["accuracy"] >= 0.95
    assert digits_run.curves.read_bytes().startswith(b"\x89PNG")


@pytest.mark.campaign
@pytest.mark.mnist
@pytest.mark.timeout(900)
def test_googlenet_mini_reaches_its_accuracy_on_mnist(mnist_dir, runs_dir):
    run = zoo.train("googlenet-mini", data_dir=mnist_dir, runs_dir=runs_dir)
    assert run.config["data"]["name"] == "mnist"
    assert run.config["results"]["test"]["accuracy"] >= 0.989


@pytest.mark.slow
def test_googlenet_mini_reaches_its_accuracy_on_digits(runs_dir):
    run = zoo.train("googlenet-mini", dataset="digits", runs_dir=runs_dir)
    assert run.config["results"]["test"]["accuracy"] >= 0.97


@pytest.mark.cuda
def test_a_model_trained_on_cuda_has_the_same_accuracy_on_the_cpu(tiny_registry, runs_dir, tmp_path):
    run = zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=runs_dir, device="cuda", epochs=5)
    assert run.config["device"] == "cuda"
    model = zoo.load(run.name, runs_dir=runs_dir, registry=tiny_registry)
    test = zoo.load_dataset(tiny_registry.dataset("bars"), tmp_path).splits.test
    accuracy = evaluate(model.module, test, "classification").metrics["accuracy"]
    assert accuracy == pytest.approx(run.config["results"]["test"]["accuracy"], abs=1.5 / len(test))


@pytest.mark.parametrize(("epochs", "signal", "stops"), [(9, 0, False), (2, 0, False), (9, 2, True)])
def test_an_epoch_adds_its_time_and_is_recorded_before_its_checkpoint(epochs, signal, stops, monkeypatch):
    done = []
    clock = iter([100.0, 103.5])
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(loop, "_train_epoch", lambda *given: done.append("trained"))
    monkeypatch.setattr(loop, "_measure_epoch", lambda *given: {"epoch": 2, "validation": {}})
    monkeypatch.setattr(loop, "_note_best", lambda *given: done.append("best"))
    plan = SimpleNamespace(
        device=torch.device("cpu"),
        world=World(),
        hyperparameters=resolve({"epochs": epochs}),
        run=SimpleNamespace(add_metrics=lambda metrics: done.append("recorded"), name="net/1", folder="net/1"),
        notify=lambda hook, **given: done.append(hook),
    )
    model = torch.nn.Sequential()
    state = State(model, model, None, None, torch.ones(4), epoch=2, step=7, seconds=1.0)
    writer = SimpleNamespace(after_epoch=lambda *, now: done.append(now), save=lambda: done.append("saved"))
    with pytest.raises(TrainingInterrupted) if stops else contextlib.nullcontext():
        loop._run_epoch(plan, state, SimpleNamespace(signal_number=signal), writer)
    ends = epochs == 2
    assert done == ["trained", "best", "recorded", ends or stops, "epoch_ended", *(["saved"] if stops else [])]
    assert (state.seconds, state.epoch, state.step) == (4.5, 3, 0)
    assert state.totals.tolist() == [0, 0, 0, float("inf")]


def test_the_results_have_the_time_the_calibration_and_the_log_the_reason_of_a_changed_recipe(
    tiny_registry, runs_dir, caplog
):
    begun = time.perf_counter()
    # the recorded time has two decimals: one epoch can be shorter than that
    run = zoo.train("softmax-regression", dataset="bars", epochs=30, registry=tiny_registry, runs_dir=runs_dir)
    results = run.config["results"]
    assert 0 < results["train_seconds"] <= time.perf_counter() - begun
    assert results["calibration"]["temperature"] > 0
    assert "is for fashion-mnist (60,000 training samples) and the data have 180: batch_size 32 instead" in caplog.text
