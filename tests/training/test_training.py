"""Training: what a run leaves, that it is exact, and that it loses nothing when it is stopped."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys

import pytest
import torch

import zoo
from zoo import (
    DataError,
    RunNotFound,
    TrainingDiverged,
    TrainingInterrupted,
    UnknownName,
    UsageError,
    evaluate,
    find_run,
    list_runs,
)
from zoo.files import sha256
from zoo.runs.checkpoint import load_tensors
from zoo.runs.run import load_run
from zoo.training.optimisation import make_average, make_optimizer

devices = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])


def train(registry, runs_dir, device="cpu", **settings):
    return zoo.train("tiny-cnn", registry=registry, runs_dir=runs_dir, device=device, **settings)


def comparable(run):
    """What must be equal in two runs that did the same: metrics but for their times, and every byte of the weights."""
    timeless = [{k: v for k, v in entry.items() if not k.endswith("seconds")} for entry in run.metrics()]
    results = {key: value for key, value in run.config["results"].items() if key != "train_seconds"}
    return timeless, results, sha256(run.best)


def assert_equal_to_rounding(scores, recorded):
    """What a loaded checkpoint is promised to measure again: its tensors lie otherwise in memory than in training, so
    the sums round differently; a decision changes only at a tie, and there is none here."""
    assert scores.metrics == pytest.approx(recorded, rel=1e-5)
    assert scores.metrics["accuracy"] == recorded["accuracy"]


def assert_same_tensors(first, second):
    """Two files hold the same weights, optimiser memory and totals; the time that was spent may differ."""
    (tensors, position), (others, other) = load_tensors(first), load_tensors(second)
    assert tensors.keys() == others.keys()
    assert all(torch.equal(tensors[name], others[name]) for name in tensors)
    assert position | {"seconds": 0} == other | {"seconds": 0}


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_the_optimiser_is_torchs_own_to_the_bit(name):
    h = zoo.Hyperparameters(optimizer=name, lr=0.05, weight_decay=0.1, momentum=0.8)
    mine, theirs = (torch.nn.Linear(7, 3) for _ in range(2))
    theirs.load_state_dict(mine.state_dict())
    plain = {
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.999), weight_decay=0.1, fused=True),
        "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.1, fused=True),
    }[name](theirs.parameters())
    optimizer = make_optimizer(mine, h)
    for step in range(5):
        for network, optimiser in ((mine, optimizer), (theirs, plain)):
            optimiser.zero_grad()
            network(torch.full((2, 7), step + 1.0)).square().sum().backward()
            optimiser.step()
    assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), theirs.parameters(), strict=True))
    assert isinstance(optimizer, type(plain))
    assert torch.is_grad_enabled()


class StopAt:
    """A listener that sends this process a signal once an epoch's checkpoint is written, or after some steps."""

    def __init__(self, epoch=None, step=None, number=signal.SIGINT):
        self.epoch, self.step, self.number = epoch, step, number

    @zoo.hookimpl
    def epoch_ended(self, run, metrics):
        if self.step is None and metrics["epoch"] == self.epoch:
            os.kill(os.getpid(), self.number)

    @zoo.hookimpl
    def train_progressed(self, run, progress):
        if self.step is not None and (progress.epoch, progress.step) == (self.epoch, self.step):
            os.kill(os.getpid(), self.number)


@pytest.fixture
def every_step(monkeypatch):
    """Progress is reported after each step."""
    monkeypatch.setattr("zoo.training.loop.PROGRESS_SECONDS", 0)


def test_a_run_leaves_everything_needed_to_repeat_it(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, seed=3, lr=0.2, dropout=0.1)
    config = json.loads((run.folder / "run.json").read_text())
    assert config == run.config
    assert config["status"] == "finished"
    assert config["architecture"] == "tiny-cnn"
    assert config["plugin"] == {"name": "tiny", "distribution": "stranger", "version": "1.0"}
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


def test_metrics_hold_one_line_an_epoch(tiny_registry, runs_dir):
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


def test_it_learns(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, epochs=15)
    assert run.config["results"]["test"]["accuracy"] > 0.9


def test_the_best_checkpoint_is_kept_and_judged(tiny_registry, runs_dir, tmp_path):
    run = train(tiny_registry, runs_dir, epochs=6, lr=0.6)
    scores = [(e["validation"]["accuracy"], -e["validation"]["loss"], e["epoch"]) for e in run.metrics()]
    best = max(scores, key=lambda score: score[:2])
    assert run.config["results"]["epoch"] == best[2]
    model = zoo.load(run.name, runs_dir=runs_dir, registry=tiny_registry)
    data = zoo.load_dataset(tiny_registry.dataset("bars"), tmp_path)
    assert_equal_to_rounding(evaluate(model.module, data.splits.test, "classification"), run.config["results"]["test"])
    assert evaluate(model.module, data.splits.validation, "classification").metrics["accuracy"] == best[0]


@devices
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(device, tiny_registry, runs_dir):
    first, again, other = (train(tiny_registry, runs_dir, device, seed=seed) for seed in (1, 1, 2))
    assert comparable(first) == comparable(again)
    assert comparable(first)[2] != comparable(other)[2]


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, "1"])
def test_a_seed_that_is_none_is_refused(seed, tiny_registry, runs_dir):
    with pytest.raises(UsageError, match="seed must be a whole number"):
        train(tiny_registry, runs_dir, seed=seed)


def test_what_was_drawn_before_a_training_does_not_matter(tiny_registry, runs_dir):
    first = train(tiny_registry, runs_dir)
    torch.randn(100)
    assert comparable(train(tiny_registry, runs_dir)) == comparable(first)


@pytest.mark.parametrize(
    "stop",
    [StopAt(epoch=1), StopAt(epoch=2), StopAt(1, 1), StopAt(2, 5), StopAt(3, 10), StopAt(2, 4, signal.SIGTERM)],
    ids=lambda stop: f"epoch{stop.epoch}-step{stop.step}-{stop.number.name}",
)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@devices
def test_stopped_and_resumed_is_bit_identical_to_never_stopped(
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


def test_where_the_arithmetic_is_another_a_resumed_run_says_so(tiny_registry, runs_dir, every_step, caplog):
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
    assert "not to the same bytes" in caplog.text
    assert resumed.config["arithmetic"] == [elsewhere, here]
    caplog.clear()
    zoo.resume(run.name, epochs=4, runs_dir=runs_dir, registry=tiny_registry)
    assert "arithmetic" not in caplog.text


def test_a_run_that_died_without_a_word_is_resumed_from_its_last_epoch(tiny_registry, runs_dir):
    """As after SIGKILL: metrics one epoch ahead of the checkpoint, and half a line."""
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


def test_a_picture_that_cannot_be_drawn_fails_no_training(tiny_registry, runs_dir, monkeypatch, caplog):
    def fail(*args):
        raise RuntimeError("no fonts")

    monkeypatch.setattr("zoo.training.execution.draw_curves", fail)
    assert train(tiny_registry, runs_dir, epochs=1).status == "finished"
    assert "no fonts" in caplog.text


def test_a_run_that_cannot_be_read_is_named_and_left_out(tiny_registry, runs_dir, caplog):
    good, bad = (train(tiny_registry, runs_dir, epochs=1) for _ in range(2))
    (bad.folder / "run.json").write_text("{")
    assert [run.folder for run in list_runs(runs_dir)] == [good.folder]
    assert str(bad.folder) in caplog.text


def test_what_is_recorded_is_measured_without_tf32():
    from zoo.models.devices import exact

    before = torch.backends.cudnn.allow_tf32
    with exact(torch.device("cuda"), tf32=False):
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cudnn.deterministic
    assert torch.backends.cudnn.allow_tf32 == before


def test_a_finished_run_is_not_resumed(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, epochs=1)
    with pytest.raises(UsageError, match="finished already"):
        zoo.resume(str(run.folder), registry=tiny_registry)


def test_a_run_is_not_resumed_on_other_data(tiny_registry, runs_dir):
    stop = StopAt(epoch=1)
    tiny_registry.listen(stop)
    with pytest.raises(TrainingInterrupted) as caught:
        train(tiny_registry, runs_dir)
    run = load_run(runs_dir / str(caught.value).rpartition(" ")[2])
    run.config["data"]["fingerprint"] = "0" * 64
    run.save()
    with pytest.raises(DataError, match="no longer the data"):
        zoo.resume(str(run.folder), registry=tiny_registry)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_best(tiny_registry, runs_dir):
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


def test_listeners_hear_of_everything_in_order(tiny_registry, runs_dir, every_step):
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


def test_two_trainings_at_once_get_folders_of_their_own(tiny_registry, runs_dir):
    runs = [train(tiny_registry, runs_dir, epochs=1) for _ in range(3)]
    assert len({run.folder for run in runs}) == 3
    assert len(list_runs(runs_dir, "tiny-cnn")) == 3


def test_the_best_run_is_chosen_by_validation_never_by_test(tiny_registry, runs_dir):
    low, high = (train(tiny_registry, runs_dir, epochs=1) for _ in range(2))
    for run, validation, test in ((low, 0.8, 0.99), (high, 0.9, 0.7)):
        run.config["best"]["score"] = [validation, -1.0]
        run.config["results"]["test"]["accuracy"] = test
        run.save()
    assert find_run("tiny-cnn", runs_dir, ["tiny-cnn"]).folder == high.folder
    high.config["data"]["default"] = "another"
    high.save()
    assert find_run("tiny-cnn", runs_dir, ["tiny-cnn"]).folder == low.folder


def test_a_run_that_was_never_made_is_not_found(tiny_registry, runs_dir):
    with pytest.raises(RunNotFound, match="zoo train tiny-cnn"):
        zoo.load("tiny-cnn", runs_dir=runs_dir, registry=tiny_registry)
    with pytest.raises(UnknownName, match="Did you mean 'tiny-cnn'"):
        zoo.load("tiny-cn", runs_dir=runs_dir, registry=tiny_registry)


def test_a_run_of_an_architecture_with_a_folder_in_its_name_is_found_by_its_name(tiny_registry, runs_dir):
    tiny_cnn = tiny_registry.architecture("tiny-cnn")
    spec = dataclasses.replace(tiny_cnn, name="full-size/tiny-cnn")
    tiny_registry._registrar(tiny_registry.owner(tiny_cnn), zoo.Architecture)(spec)
    run = zoo.train(spec.name, registry=tiny_registry, runs_dir=runs_dir, epochs=1, device="cpu")
    for reference in (run.name, spec.name, str(run.folder)):
        assert find_run(reference, runs_dir, tiny_registry.architectures).folder == run.folder
    assert [found.name for found in list_runs(runs_dir)] == [run.name]


def test_a_run_moved_elsewhere_still_works(tiny_registry, runs_dir, tmp_path):
    run = train(tiny_registry, runs_dir, epochs=1)
    moved = tmp_path / "elsewhere"
    run.folder.rename(moved)
    assert zoo.load(str(moved), registry=tiny_registry).metadata["architecture"] == "tiny-cnn"


def test_smaller_data_brings_its_own_recipe_to_architectures_made_for_other_data(registry, digits_run):
    assert (
        registry.dataset("digits").hyperparameters["batch_size"] == digits_run.config["hyperparameters"]["batch_size"]
    )
    assert digits_run.config["hyperparameters"]["epochs"] == 6


def test_resnet_mini_learns_the_real_digits(digits_run):
    assert digits_run.config["results"]["test"]["accuracy"] >= 0.95
    assert digits_run.curves.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.mnist
@pytest.mark.timeout(900)
def test_googlenet_mini_reaches_its_mark_on_mnist(mnist_dir, runs_dir):
    run = zoo.train("googlenet-mini", data_dir=mnist_dir, runs_dir=runs_dir)
    assert run.config["data"]["name"] == "mnist"
    assert run.config["results"]["test"]["accuracy"] >= 0.989


@pytest.mark.slow
def test_googlenet_mini_reaches_its_mark_on_the_digits(runs_dir):
    run = zoo.train("googlenet-mini", dataset="digits", runs_dir=runs_dir)
    assert run.config["results"]["test"]["accuracy"] >= 0.97


@pytest.mark.cuda
def test_it_trains_on_cuda_and_the_result_holds_on_the_cpu(tiny_registry, runs_dir, tmp_path):
    run = zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=runs_dir, device="cuda", epochs=5)
    assert run.config["device"] == "cuda"
    model = zoo.load(run.name, runs_dir=runs_dir, registry=tiny_registry)
    test = zoo.load_dataset(tiny_registry.dataset("bars"), tmp_path).splits.test
    accuracy = evaluate(model.module, test, "classification").metrics["accuracy"]
    assert accuracy == pytest.approx(run.config["results"]["test"]["accuracy"], abs=1.5 / len(test))


def tensors_of(path):
    return load_tensors(path)[0]


def test_a_batch_in_pieces_gives_the_same_gradient(tiny_registry, runs_dir):
    settings = {"dataset": "bars", "epochs": 2, "optimizer": "sgd", "lr": 0.1, "batch_size": 16}
    whole, pieces = (
        zoo.train("softmax-regression", registry=tiny_registry, runs_dir=runs_dir, accumulate=parts, **settings)
        for parts in (1, 5)
    )
    for name, tensor in tensors_of(whole.last).items():
        torch.testing.assert_close(tensor, tensors_of(pieces.last)[name], atol=1e-5, rtol=1e-4)
    assert whole.metrics()[-1]["train"]["loss"] == pytest.approx(pieces.metrics()[-1]["train"]["loss"], rel=1e-5)


def test_the_average_of_the_weights_is_what_is_validated_and_kept(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, ema=0.9, epochs=4)
    last, best = tensors_of(run.last), tensors_of(run.best)
    if run.config["results"]["epoch"] == 4:
        assert all(torch.equal(best[name], last[f"average.module.{name}"]) for name in best)
    assert not torch.equal(best["network.5.weight"], last["model.network.5.weight"])


def test_a_short_training_is_not_held_back_by_its_beginning():
    network = torch.nn.Linear(1, 1, bias=False)
    average = make_average(network, 0.9)
    expected = 0.0
    for step in range(120):
        with torch.no_grad():
            network.weight.fill_(step)
        average.update_parameters(network)
        decay = min(0.9, (1 + step) / (10 + step)) if step else 0.0
        expected = decay * expected + (1 - decay) * step
        assert average.module.weight.item() == pytest.approx(expected, rel=1e-5)
    assert 119 - average.module.weight.item() == pytest.approx(9, rel=1e-2), "a decay of 0.9 lags nine steps behind"


def test_the_average_is_the_one_that_was_asked_for(tiny_registry, runs_dir):
    """One step: the first weights become the average as they are."""
    run = zoo.train(
        "softmax-regression",
        dataset="bars",
        epochs=1,
        batch_size=200,
        ema=0.9,
        registry=tiny_registry,
        runs_dir=runs_dir,
    )
    last = tensors_of(run.last)
    assert int(last["average.n_averaged"]) == 1
    assert torch.equal(last["average.module.network.fc.weight"], last["model.network.fc.weight"])


@devices
def test_averaged_and_in_pieces_a_stopped_run_still_ends_as_one_that_was_not(
    device, tiny_registry, runs_dir, every_step
):
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


def test_without_anything_better_the_training_stops_early(tiny_registry, runs_dir, caplog):
    run = train(tiny_registry, runs_dir, epochs=40, lr=1e-9, patience=3, dropout=0.0)
    best = run.config["best"]["epoch"]
    epochs = [entry["epoch"] for entry in run.metrics()]
    assert epochs[-1] < 40
    assert epochs[-1] - best == 3
    assert "Nothing better for 3 epochs" in caplog.text
    assert run.status == "finished"


def test_a_finished_run_goes_on_beyond_its_end(tiny_registry, runs_dir):
    settings = {"schedule": "constant", "warmup": 0.0}
    long = train(tiny_registry, runs_dir, epochs=5, **settings)
    short = train(tiny_registry, runs_dir, epochs=2, **settings)
    extended = zoo.resume(short.name, epochs=5, runs_dir=runs_dir, registry=tiny_registry)
    assert comparable(extended) == comparable(long)
    assert extended.config["hyperparameters"]["epochs"] == 5
    with pytest.raises(UsageError, match="has done 5 epochs already"):
        zoo.resume(short.name, epochs=4, runs_dir=runs_dir, registry=tiny_registry)
    with pytest.raises(UsageError, match="finished already; --epochs goes on beyond its end"):
        zoo.resume(short.name, runs_dir=runs_dir, registry=tiny_registry)


def test_two_processes_do_not_train_one_run(tiny_registry, runs_dir):
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
        other.kill()  # as after a crash: nothing has to be cleaned up
        other.communicate()
    assert zoo.resume(run.name, epochs=2, runs_dir=runs_dir, registry=tiny_registry).status == "finished"


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_too_little_memory_names_a_batch_size_to_try(error, tiny_registry, runs_dir, monkeypatch):
    def fail(*args):
        raise error

    monkeypatch.setattr("zoo.training.loop.augment", fail)
    with pytest.raises(zoo.OutOfMemory, match=r"batches of 16 samples\. Try --batch-size 8, or --set accumulate=2"):
        train(tiny_registry, runs_dir)
    (run,) = list_runs(runs_dir)
    assert run.status == "failed"
    assert run.config["error"].startswith("OutOfMemory: ")


def test_a_dry_run_does_everything_once_and_keeps_nothing(tiny_registry, runs_dir, zoo_command, tmp_path):
    steps = []

    class Watch:
        @zoo.hookimpl
        def train_started(self, run, start):
            steps.append((start.epochs, start.steps_per_epoch, start.samples))
            assert run.folder.is_dir()

        @zoo.hookimpl
        def train_ended(self, run):
            assert run.best.is_file()
            assert run.curves.is_file()

    tiny_registry.listen(Watch())
    result = zoo_command("train", "tiny-cnn", "--dry-run", "--runs-dir", runs_dir, registry=tiny_registry)
    assert result.code == 0, result.err
    assert "nothing was kept" in result.out
    assert steps == [(1, 2, {"train": 32, "validation": 16, "test": 16})]
    assert list(runs_dir.rglob("*")) == []
