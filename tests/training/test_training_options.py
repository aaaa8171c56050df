"""Options of a training: precision, compilation, accumulation, averaging, patience, loggers, dry runs."""

import shutil
import types

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from training_helpers import comparable, tensors_of, train

import zoo
from zoo import InvalidValue, UnknownName, list_runs
from zoo.runs.checkpoint import load_tensors
from zoo.runs.command_line import repeat_command
from zoo.specs.hyperparameters import resolve
from zoo.training import time_budget
from zoo.training.distributed import World
from zoo.training.execution import compile_failure
from zoo.training.loop import pieces
from zoo.training.plan import make_state, zero_totals
from zoo.training.preparation import prepare
from zoo.training.recipe import count_steps
from zoo.training.request import make_request

CPU = torch.device("cpu")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_trains_and_saves_float32_weights(tiny_registry, runs_dir, precision):
    full = train(tiny_registry, runs_dir, epochs=8)
    half = train(tiny_registry, runs_dir, epochs=8, precision=precision)
    tensors, _ = load_tensors(half.best)
    assert {t.dtype for t in tensors.values() if t.is_floating_point()} == {torch.float32}
    assert half.config["hyperparameters"]["precision"] == precision
    first, second = (run.metrics()[0]["train"]["loss"] for run in (full, half))
    assert first != second  # another precision gives other bits
    assert first == pytest.approx(second, rel=0.05)
    accuracy = half.config["results"]["test"]["accuracy"]
    assert accuracy == pytest.approx(full.config["results"]["test"]["accuracy"], abs=0.1)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_training_gives_the_same_losses(tiny_registry, runs_dir):
    plain, compiled = (train(tiny_registry, runs_dir, dropout=0.0, compile=choice) for choice in (False, True))
    for first, second in zip(plain.metrics(), compiled.metrics(), strict=True):
        assert first["train"]["loss"] == pytest.approx(second["train"]["loss"], rel=1e-3)
    assert zoo.export(str(compiled.folder), "onnx", runs_dir / "c.onnx", registry=tiny_registry).checks


@pytest.fixture
def compiled(monkeypatch):
    """The mode of each call of torch.compile, which compiles nothing."""
    modes = []
    monkeypatch.setattr("torch.compile", lambda module, mode: modes.append(mode) or module)
    return modes


def test_a_training_is_compiled_if_asked_for(tiny_registry, runs_dir, compiled):
    train(tiny_registry, runs_dir, epochs=1, compile=True)
    assert compiled == [None]


def test_a_network_is_compiled_only_if_asked_for(compiled):
    parts = types.SimpleNamespace(optimizer=lambda model, h: torch.optim.SGD(model.parameters()))
    for wanted in (False, True):
        compiled.clear()
        h, model = resolve({"compile": wanted}), torch.nn.Sequential(torch.nn.Linear(2, 2))
        make_state(model, types.SimpleNamespace(device=CPU, hyperparameters=h, world=World(), parts=parts))
        assert compiled == [None] * wanted


def test_sums_of_an_epoch_are_in_float64_where_the_device_has_it():
    """Apple's GPUs have none, and torch raises an error."""
    with FakeTensorMode():  # no device is needed
        kinds = {device: zero_totals(torch.device(device)).dtype for device in ("cpu", "cuda", "mps")}
    assert kinds == {"cpu": torch.float64, "cuda": torch.float64, "mps": torch.float32}


def test_a_failure_of_torch_compile_is_one_line():
    error = type("BackendCompilerFailed", (RuntimeError,), {"__module__": "torch._dynamo.exc"})(
        "no\ncompiler\n\nlong story"
    )
    failure = compile_failure(error)
    assert str(failure) == "torch.compile failed: no compiler. Train without --compile; the result is the same."
    assert compile_failure(RuntimeError("other")) is None


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 1000])
@pytest.mark.parametrize("samples", [1, 2, 3, 7, 9, 16, 17, 33])
def test_no_piece_of_a_batch_has_a_single_sample(samples, count):
    found = pieces(samples, count)
    assert [i for piece in found for i in range(samples)[piece]] == list(range(samples))
    assert len(found) <= count
    sizes = [piece.stop - piece.start for piece in found]
    assert min(sizes) >= min(2, samples)
    assert max(sizes) - min(sizes) <= 1


def test_batch_norm_trains_with_any_accumulation(tiny_registry, runs_dir):
    # a last batch of 5 samples: three pieces of 2, 2 and 1 would end the training
    run = zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=runs_dir, epochs=1, batch_size=25, accumulate=3)
    assert run.status == "finished"


def test_clipped_gradients_move_the_weights_by_no_more_than_their_norm(tiny_registry, runs_dir):
    settings = {"dataset": "bars", "epochs": 1, "batch_size": 30, "warmup": 0.0}
    settings |= {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0}
    still, clipped = (
        zoo.train("softmax-regression", registry=tiny_registry, runs_dir=runs_dir, lr=lr, grad_clip=clip, **settings)
        for lr, clip in [(1e-9, 0.0), (0.5, 1e-4)]
    )
    steps = 6
    assert float((weights_of(clipped) - weights_of(still)).norm()) < 0.5 * 1e-4 * steps + 1e-6


def weights_of(run):
    return torch.cat([tensor.double().flatten() for _, tensor in sorted(tensors_of(run.best).items())])


def test_gradient_accumulation_gives_the_same_weights(tiny_registry, runs_dir):
    settings = {"dataset": "bars", "epochs": 2, "optimizer": "sgd", "lr": 0.1, "batch_size": 16}
    whole, pieces = (
        zoo.train("softmax-regression", registry=tiny_registry, runs_dir=runs_dir, accumulate=parts, **settings)
        for parts in (1, 5)
    )
    for name, tensor in tensors_of(whole.last).items():
        torch.testing.assert_close(tensor, tensors_of(pieces.last)[name], atol=1e-5, rtol=1e-4)
    assert whole.metrics()[-1]["train"]["loss"] == pytest.approx(pieces.metrics()[-1]["train"]["loss"], rel=1e-5)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_out_of_memory_names_a_batch_size_to_try(error, tiny_registry, runs_dir, monkeypatch):
    def fail(*args):
        raise error

    monkeypatch.setattr("zoo.training.loop.augment", fail)
    with pytest.raises(zoo.OutOfMemory, match=r"batches of 16 samples\. Try --batch-size 8, or --set accumulate=2"):
        train(tiny_registry, runs_dir)
    (run,) = list_runs(runs_dir)
    assert run.status == "failed"
    assert run.config["error"].startswith("OutOfMemory: ")


def test_the_moving_average_of_the_weights_is_validated_and_saved(tiny_registry, runs_dir):
    run = train(tiny_registry, runs_dir, ema=0.9, epochs=4)
    last, best = tensors_of(run.last), tensors_of(run.best)
    if run.config["results"]["epoch"] == 4:
        assert all(torch.equal(best[name], last[f"average.module.{name}"]) for name in best)
    assert not torch.equal(best["network.5.weight"], last["model.network.5.weight"])


def test_after_one_step_the_moving_average_equals_the_weights(tiny_registry, runs_dir):
    """The first step copies the weights into the average."""
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


def test_training_stops_early_if_validation_does_not_improve(tiny_registry, runs_dir, caplog):
    run = train(tiny_registry, runs_dir, epochs=40, lr=1e-9, patience=3, dropout=0.0)
    best = run.config["best"]["epoch"]
    epochs = [entry["epoch"] for entry in run.metrics()]
    assert epochs[-1] < 40
    assert epochs[-1] - best == 3
    assert "did not improve for 3 epochs" in caplog.text
    assert run.status == "finished"


@pytest.fixture
def scripted(monkeypatch):
    """Validation accuracies of six epochs in place of the real ones."""
    measure = zoo.training.loop._measure_epoch

    def scripted(plan, state, began):
        metrics = measure(plan, state, began)
        metrics["validation"]["accuracy"] = (0.5, 0.9, 0.6, 0.8, 0.7, 0.75)[state.epoch - 1]
        return metrics

    monkeypatch.setattr("zoo.training.loop._measure_epoch", scripted)


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize(("fraction", "kept"), [(1.0, 2), (0.84, 2), (0.83, 2), (0.5, 4), (0.34, 6), (0.01, 6)])
def test_the_best_checkpoint_is_chosen_among_the_last_epochs(tiny_registry, runs_dir, fraction, kept):
    run = train(tiny_registry, runs_dir, epochs=6, best_of_last=fraction)
    assert run.config["best"]["epoch"] == load_tensors(run.best)[1]["epoch"] == kept


@pytest.mark.usefixtures("scripted")
def test_a_run_that_is_stopped_before_the_last_epochs_has_its_best_checkpoint(tiny_registry, runs_dir):
    class Stop:
        @zoo.hookimpl
        def epoch_ended(self, metrics):
            if metrics["epoch"] == 3:
                raise KeyboardInterrupt

    tiny_registry.listen(Stop())
    with pytest.raises(KeyboardInterrupt):
        train(tiny_registry, runs_dir, epochs=6, best_of_last=0.5)
    [run] = list_runs(runs_dir)
    assert load_tensors(run.best)[1]["epoch"] == 2


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize(("epochs", "kept"), [(4, 2), (6, 4)])
def test_the_last_epochs_are_those_of_the_extended_run(tiny_registry, runs_dir, epochs, kept):
    run = train(tiny_registry, runs_dir, epochs=3, best_of_last=0.67)
    assert run.config["best"]["epoch"] == 2
    run = zoo.resume(str(run.folder), epochs=epochs, registry=tiny_registry)
    assert run.config["best"]["epoch"] == kept


@pytest.mark.filterwarnings("ignore")  # of tensorboard itself
def test_tensorboard_has_each_value_once_after_a_resume(tiny_registry, runs_dir):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = train(tiny_registry, runs_dir, epochs=2, log=["tensorboard"])
    run = zoo.resume(str(run.folder), epochs=3, registry=tiny_registry)
    events = accumulator.EventAccumulator(str(run.folder / "tensorboard")).Reload()
    for split in ("train", "validation"):
        for name in ("loss", "accuracy"):
            points = [(event.step, event.value) for event in events.Scalars(f"{name}/{split}")]
            assert points == [(e["epoch"], pytest.approx(e[split][name], rel=1e-6)) for e in run.metrics()]
    assert len(events.Scalars("learning rate")) == 3


def test_tensorboard_is_off_by_default(tiny_registry, runs_dir):
    assert not (train(tiny_registry, runs_dir, epochs=1).folder / "tensorboard").exists()


def test_an_unknown_logger_is_refused_before_the_training(tiny_registry, runs_dir):
    with pytest.raises(UnknownName, match="Did you mean 'tensorboard'"):
        train(tiny_registry, runs_dir, log=["tensorbord"])
    assert not zoo.list_runs(runs_dir)


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


def test_a_training_has_as_many_epochs_as_fit_into_its_time(tiny_registry, runs_dir, monkeypatch, caplog):
    monkeypatch.setattr(time_budget, "measure_epoch", lambda request, prepared: 2.0)
    timed = zoo.train("tiny-cnn", seconds=7, device="cpu", runs_dir=runs_dir, registry=tiny_registry)
    assert "Training 3 epochs of about 2 s, in 7 s." in caplog.messages
    counted = train(tiny_registry, runs_dir, epochs=3)
    assert timed.config["hyperparameters"] == counted.config["hyperparameters"]
    assert "--epochs 3" in repeat_command(timed.config, tiny_registry)
    assert comparable(timed) == comparable(counted)


def test_an_epoch_with_another_batch_is_measured_again(registry, runs_dir, monkeypatch, caplog):
    def measure(request, prepared):
        return 2.0 if prepared.hyperparameters.batch_size == 64 else 3.0

    monkeypatch.setattr(time_budget, "measure_epoch", measure)
    run = zoo.train("lenet", dataset="digits", seconds=7, device="cpu", runs_dir=runs_dir, registry=registry)
    assert run.config["hyperparameters"]["batch_size"] == 32
    assert run.config["hyperparameters"]["epochs"] == len(run.metrics()) == 2
    assert "Training 2 epochs of about 3 s, in 7 s." in caplog.messages


@pytest.mark.parametrize(("seconds", "batch_size"), [(2.9, 64), (4, 32)])
def test_the_batch_is_not_halved_if_an_epoch_then_takes_too_long(
    seconds, batch_size, registry, runs_dir, monkeypatch, caplog
):
    def measure(request, prepared):
        return 2.0 if prepared.hyperparameters.batch_size == 64 else 3.0

    monkeypatch.setattr(time_budget, "measure_epoch", measure)
    settings = {"dataset": "digits", "device": "cpu", "runs_dir": runs_dir, "registry": registry}
    run = zoo.train("lenet", seconds=seconds, **settings)
    assert run.config["hyperparameters"]["batch_size"] == batch_size
    assert run.config["hyperparameters"]["epochs"] == len(run.metrics()) == 1
    note, training = caplog.messages
    assert ("batch_size 32 instead of 64" in note) == (batch_size == 32)
    assert training == f"Training 1 epoch of about {2 if batch_size == 64 else 3} s, in {seconds:.0f} s."
    repeated = repeat_command(run.config, registry)
    assert "--epochs 1" in repeated
    assert ("--batch-size 64" in repeated) == (batch_size == 64)


def test_a_training_has_one_epoch_at_least(tiny_registry, runs_dir, monkeypatch, caplog):
    monkeypatch.setattr(time_budget, "measure_epoch", lambda request, prepared: 20.0)
    run = zoo.train("tiny-cnn", seconds=7, device="cpu", runs_dir=runs_dir, registry=tiny_registry)
    assert run.config["hyperparameters"]["epochs"] == len(run.metrics()) == 1
    assert "Training 1 epoch of about 20 s, although that is longer than 7 s." in caplog.messages


@pytest.mark.parametrize("batch_size", [90, 1_000])  # an epoch of two steps, and of one
def test_measuring_an_epoch_changes_nothing(tiny_registry, runs_dir, batch_size):
    settings = {"batch_size": batch_size, "device": "cpu", "runs_dir": runs_dir, "registry": tiny_registry}
    timed = zoo.train("tiny-cnn", seconds=1e-6, **settings)
    assert comparable(timed) == comparable(zoo.train("tiny-cnn", epochs=1, **settings))


def test_the_measured_time_is_that_of_steps_and_validation(tiny_registry, runs_dir, monkeypatch):
    request = make_request(tiny_registry, "tiny-cnn", {}, device="cpu", runs_dir=runs_dir, seconds=1)
    prepared = prepare(request)
    steps = count_steps(prepared.hyperparameters, len(prepared.data.splits.train))
    monkeypatch.setattr(time_budget, "_seconds_of_step", lambda *_: 0.5)
    monkeypatch.setattr(time_budget, "_seconds_of_validation", lambda *_: 3.0)
    assert time_budget.measure_epoch(request, prepared) == 0.5 * steps + 3.0
    assert not zoo.list_runs(runs_dir)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), "10s"])
def test_a_wrong_time_is_refused(tiny_registry, runs_dir, seconds):
    with pytest.raises(InvalidValue, match="The time of a training must be above 0 s"):
        zoo.train("tiny-cnn", seconds=seconds, runs_dir=runs_dir, registry=tiny_registry)


def test_time_and_epochs_exclude_each_other(zoo_command):
    result = zoo_command("train", "lenet", "--time", "5s", "--epochs", "3")
    assert result.code == 2
    assert result.error == "The time of a training decides how many epochs it has. Leave out epochs, or the time."


@pytest.mark.parametrize(
    ("name", "settings", "text"),
    [
        ("lenet", {"huber": 0.5}, "huber changes nothing: the task classification does not use it. Leave it out."),
        ("lenet", {"target_scale": "log"}, "target_scale changes nothing: the task classification does not use it"),
        (
            "linear-regression",
            {"label_smoothing": 0.1},
            "label_smoothing changes nothing: the task regression does not",
        ),
        ("linear-regression", {"shift": 2}, "shift changes nothing: it is for images, and line has none. Leave it"),
        ("linear-regression", {"mixup": 0.2}, "mixup changes nothing: it is for images"),
    ],
)
def test_a_setting_that_changes_nothing_is_refused(name, settings, text, runs_dir, zoo_command):
    (setting,) = [f"{key}={value}" for key, value in settings.items()]
    shown = zoo_command("train", name, "--set", setting, "--epochs", 1, "--runs-dir", runs_dir)
    assert (shown.code, shown.out) == (2, "")
    assert shown.error.startswith(text)
    assert not zoo.list_runs(runs_dir)


def test_a_setting_with_the_value_of_the_default_is_no_error(tmp_path):
    settings = {"huber": 0.0, "label_smoothing": 0.0, "shift": 0, "flip": False}
    run = zoo.train("linear-regression", epochs=1, runs_dir=tmp_path, data_dir=tmp_path, device="cpu", **settings)
    assert run.status == "finished"


class Undeclared:
    """A task that does not say which hyperparameters it uses, as those written before it could."""

    @zoo.hookimpl
    def register_tasks(self, register):
        metrics = (zoo.Metric(name="accuracy", percent=True),)
        outputs = ("logits", "probabilities")
        methods = "zoo.plugins.tasks.methods:Classification"
        register(
            zoo.Task(name="free", summary="s", methods=methods, predicts="class", metrics=metrics, outputs=outputs)
        )


def test_the_own_settings_of_an_architecture_and_of_a_task_without_a_list_are_accepted(tiny_registry, runs_dir):
    tiny_registry.add(zoo.Plugin("free", "zoo-free", "1.0", "free"), Undeclared())
    spec = tiny_registry.architecture("tiny-cnn")
    own = {**spec.hyperparameters, "huber": 0.5, "target_scale": "log"}
    for field, value in (("hyperparameters", own), ("task", "free")):
        object.__setattr__(spec, field, value)
        object.__setattr__(tiny_registry.dataset("bars"), "task", spec.task)
        extra = {"huber": 0.25} if spec.task == "free" else {}
        assert train(tiny_registry, runs_dir, epochs=1, **extra).config["hyperparameters"]["target_scale"] == "log"


def test_a_task_lists_only_hyperparameters_of_tasks(registry):
    fields = {"methods": "a:b", "predicts": "class", "metrics": (zoo.Metric(name="top5"),), "outputs": ("logits",)}
    with pytest.raises(zoo.PluginError, match="hyperparameters can be label_smoothing, target_scale, huber, not 'lr'"):
        zoo.Task(name="mine", summary="s", hyperparameters=("lr",), **fields)
