"""Recipes adapted to small user data and to short trainings, and the result without a network beside each result."""

import random
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from builtin_tasks import TASKS
from PIL import Image
from training_helpers import StopAt, assert_same_tensors, train

import zoo
from zoo.data.loading import LoadedDataset
from zoo.registry.recipe_parts import part_options
from zoo.runs.command_line import repeat_command
from zoo.specs.hyperparameters import resolve
from zoo.specs.settings import split_settings
from zoo.training.recipe import FEW_STEPS, LEAST_STEPS, adapt_recipe, count_steps

AUGMENTED = {"rotate": 10.0, "zoom": 0.2, "crop": 0.2, "colour": 0.3, "erase": 0.3, "mixup": 0.3, "flip": True}


def some_data(spec, samples, path=None):
    """``samples`` training samples of a dataset, which are never read."""
    split = zoo.Split(torch.zeros(samples, 1), torch.zeros(samples, dtype=torch.int64))
    return LoadedDataset(spec, zoo.Splits(split, split, split), "", path=path)


def adapt(registry, name, dataset, samples, path=None, fixed=(), **settings):
    """The recipe of ``name`` adapted to so many samples of ``dataset``, as the trainer does it."""
    spec, data = registry.architecture(name), some_data(registry.dataset(dataset), samples, path)
    declared = data.spec.hyperparameters if dataset != spec.dataset else {}
    chosen, options = split_settings(spec, settings, part_options(registry))
    h = resolve(spec.hyperparameters, declared, chosen)
    return h, adapt_recipe(h, options, spec, data, registry, {*settings, *fixed})


@pytest.fixture
def photos(tmp_path):
    """A folder of two classes of 30 small images, bright on the left or on the right."""
    rnd = random.Random(0)
    folder = tmp_path / "photos"
    for name, box in (("left", (0, 0, 6, 12)), ("right", (6, 0, 12, 12))):
        (folder / name).mkdir(parents=True)
        for number in range(30):
            image = Image.new("L", (12, 12), rnd.randint(0, 90))
            image.paste(rnd.randint(150, 255), box)
            image.save(folder / name / f"{number}.png")
    return folder


def test_a_recipe_never_changes_on_its_own_dataset(registry):
    for name, spec in registry.architectures.items():
        h, adapted = adapt(registry, name, spec.dataset, 50)
        assert adapted.hyperparameters is h, name
        assert not adapted.changes


@pytest.mark.parametrize("samples", [1, 3, 9, 17, 64, 126, 500, 2_000, 30_000, 60_000])
@pytest.mark.parametrize("name", ["resnet-mini", "cnn-mini", "googlenet-mini"])
def test_small_data_get_small_batches_and_enough_steps(registry, name, samples):
    h, adapted = adapt(registry, name, "fashion-mnist", samples)
    new = adapted.hyperparameters
    steps = new.epochs * count_steps(new, samples)
    assert steps >= LEAST_STEPS
    assert new.epochs >= h.epochs
    assert new.batch_size <= max(8, samples / 5)
    assert new.batch_size & (new.batch_size - 1) == 0
    short = steps < FEW_STEPS
    assert (new.grad_clip > 0) >= short
    assert new.ema <= (max(0.0, 1 - 9 / steps) if short else h.ema)
    assert bool(adapted.changes) == (new != h and bool(adapted.reason))


def test_data_of_the_usual_size_change_nothing(registry):
    h, adapted = adapt(registry, "resnet-mini", "fashion-mnist", 55_000)
    assert adapted.changes == ()
    assert [getattr(adapted.hyperparameters, name) for name in h.__dataclass_fields__] == [
        getattr(h, name) for name in h.__dataclass_fields__
    ]


@pytest.mark.parametrize("samples", [5, 126, 1_293])
def test_what_the_user_sets_or_the_dataset_declares_is_kept(registry, samples):
    _, adapted = adapt(registry, "cnn-mini", "digits", samples, warmup=0.01, grad_clip=0.0)
    new = adapted.hyperparameters
    assert (new.warmup, new.grad_clip) == (0.01, 0.0)
    assert (new.batch_size, new.epochs) == (64, 30), "declared by the dataset"


@pytest.mark.parametrize(
    ("samples", "settings", "batch_size"),
    [
        (1_293, {"epochs": 6}, 32),  # 126 steps
        (1_293, {"epochs": 9}, 32),
        (1_293, {"epochs": 10}, 64),  # 210 steps
        (5, {"epochs": 100}, 32),
        (1_293, {"epochs": 6, "batch_size": 64}, 64),
        (1_293, {"epochs": 6, "batch_size": 63}, 63),
        (1_293, {}, 64),
    ],
)
def test_a_training_that_is_shortened_to_very_few_steps_gets_half_the_batch(registry, samples, settings, batch_size):
    h, adapted = adapt(registry, "rnn-mini", "digits", samples, **settings)
    assert adapted.hyperparameters.batch_size == batch_size
    assert adapted.hyperparameters.lr == (0.0032 if batch_size == 32 else h.lr)
    _, kept = adapt(registry, "rnn-mini", "digits", samples, lr=h.lr, **settings)
    assert kept.hyperparameters.lr == h.lr


@pytest.mark.parametrize(
    ("settings", "batch_size"),
    [({"epochs": 1}, 64), ({"epochs": 2}, 128), ({"epochs": 1, "batch_size": 128}, 128), ({}, 128)],
)
def test_a_training_of_one_epoch_gets_half_the_batch_unless_it_has_many_steps(registry, settings, batch_size):
    _, adapted = adapt(registry, "lenet", "mnist", 55_000, **settings)
    assert adapted.hyperparameters.batch_size == batch_size
    assert adapted.hyperparameters.lr == (0.032 if batch_size == 64 else 0.04)
    _, many = adapt(registry, "lenet", "mnist", 128 * 1_000, **settings)
    assert many.hyperparameters.batch_size == 128


def test_a_small_batch_is_not_halved(registry):
    spec, data = registry.architecture("rnn-mini"), some_data(registry.dataset("mnist"), 400)
    for size, expected in ((128, 64), (64, 32), (63, 63), (32, 32)):
        h = resolve(spec.hyperparameters, {"batch_size": size, "epochs": 1})
        assert adapt_recipe(h, {}, spec, data, registry, {"epochs"}).hyperparameters.batch_size == expected


def test_a_shorter_training_is_stabilised_and_nothing_else(tiny_registry):
    _, adapted = adapt(tiny_registry, "tiny-cnn", "bars", 180, epochs=2)
    assert [change.split()[0] for change in adapted.changes] == ["grad_clip", "dropout"]
    assert "shorter than the recipe of tiny-cnn" in str(adapted)


def test_patience_grows_with_the_epochs(registry):
    h, adapted = adapt(registry, "resnet-mini", "fashion-mnist", 126, patience=3)
    assert adapted.hyperparameters.patience == 3, "set by the user"
    spec = registry.architecture("resnet-mini")
    h = resolve(spec.hyperparameters, {"patience": 3})
    found = adapt_recipe(h, {}, spec, some_data(registry.dataset("fashion-mnist"), 126), registry, ())
    ratio = found.hyperparameters.epochs / h.epochs
    assert found.hyperparameters.patience == pytest.approx(3 * ratio, abs=1)


@pytest.mark.parametrize(("epochs", "dropout"), [(3, 0.15), (6, 0.31), (12, 0.32), (19, 0.5), (20, 0.5), (None, 0.5)])
def test_dropout_falls_with_the_steps_of_a_short_training(registry, epochs, dropout):
    settings = {} if epochs is None else {"epochs": epochs}
    _, adapted = adapt(registry, "alexnet-mini", "digits", 1_293, **settings)
    assert adapted.options == {"dropout": dropout}
    assert any(change.startswith("dropout") for change in adapted.changes) is (dropout < 0.5)
    assert adapt(registry, "alexnet-mini", "digits", 1_293, dropout=0.5, **settings)[1].options == {"dropout": 0.5}
    assert adapt(registry, "alexnet-mini", "mnist", 55_000, **settings)[1].options == {"dropout": 0.5}


def test_an_option_that_does_not_allow_less_dropout_is_kept(registry):
    spec = registry.architecture("alexnet-mini")
    (option,) = spec.options
    data = some_data(registry.dataset("digits"), 1_293)
    for changed in (replace(option, minimum=0.2), replace(option, default="much"), replace(option, name="drop")):
        other = replace(spec, options=(changed,))
        h, options = resolve(spec.hyperparameters, {"epochs": 6}), {changed.name: changed.default}
        assert adapt_recipe(h, options, other, data, registry, {"epochs"}).options == options


def test_a_run_records_its_dropout_and_is_repeated_with_it(registry, tmp_path, zoo_command):
    runs = [
        zoo.train("alexnet-mini", dataset="digits", epochs=1, runs_dir=tmp_path / "a", device="cpu", **settings)
        for settings in ({}, {"dropout": 0.5})
    ]
    assert [run.config["options"] for run in runs] == [{"dropout": 0.05}, {"dropout": 0.5}]
    words = [shlex.split(repeat_command(run.config, registry)) for run in runs]
    assert "dropout=0.05" in words[0]
    assert "dropout=0.5" in words[1], "it would be adapted"
    assert zoo_command(*words[0][1:], "--runs-dir", tmp_path / "b").code == 0
    (again,) = zoo.list_runs(tmp_path / "b")
    assert again.best.read_bytes() == runs[0].best.read_bytes()


@pytest.mark.parametrize("settings", [{}, {"epochs": 2}, {"batch_size": 128}, {"lr": 0.1}, {"shift": 2}, {"ema": 0.0}])
@pytest.mark.parametrize("name", ["resnet-mini", "cnn-mini", "alexnet-mini", "softmax-regression"])
def test_adapting_again_changes_nothing(registry, tmp_path, name, settings):
    """The command that repeats a run sets what was changed and what the user set."""
    for samples in (7, 126, 400, 3_000):
        _, first = adapt(registry, name, "digits", samples, path=tmp_path, **settings)
        changed = {change.split()[0] for change in first.changes}
        spec, data = registry.architecture(name), some_data(registry.dataset("digits"), samples, tmp_path)
        declared = registry.dataset("digits").hyperparameters
        fixed = {*declared, *changed, *settings}
        again = adapt_recipe(first.hyperparameters, first.options, spec, data, registry, fixed)
        assert again.changes == ()


@pytest.mark.parametrize("settings", [{}, {"batch_size": 16, "epochs": 3}, {"shift": 1, "epochs": 2}])
def test_the_reproduce_command_of_an_adapted_run_gives_the_same_weights(
    photos, tiny_registry, tmp_path, zoo_command, settings
):
    settings = {"epochs": 4} | settings if settings else {"epochs": 4}
    first = train(tiny_registry, tmp_path / "a", dataset=photos, **settings)
    assert first.config["adapted"]
    assert first.config["user_set"] == sorted(settings)
    words = shlex.split(repeat_command(first.config, tiny_registry))[1:]
    assert zoo_command(*words, "--runs-dir", tmp_path / "b", registry=tiny_registry).code == 0
    again = zoo.find_run("tiny-cnn", tmp_path / "b", ["tiny-cnn"])
    assert again.config["hyperparameters"] == first.config["hyperparameters"]
    assert again.best.read_bytes() == first.best.read_bytes()


def test_every_change_is_told_in_one_line(photos, tiny_registry, runs_dir, zoo_command):
    result = zoo_command("train", "tiny-cnn", "--dataset", photos, "--runs-dir", runs_dir, registry=tiny_registry)
    (line,) = [line for line in result.err.splitlines() if "The recipe of tiny-cnn" in line]
    run = zoo.find_run("tiny-cnn", runs_dir, ["tiny-cnn"])
    assert line.startswith("Note: The recipe of tiny-cnn is for bars (200 training samples) and the data have 43: ")
    assert "batch_size 8 instead of 16" in line
    assert all(change in line for change in run.config["adapted"])
    assert "Always predicting the most frequent class gives accuracy 50.00%" in result.out
    assert run.config["results"]["baseline"] == {"accuracy": 0.5}


def test_a_dry_run_and_find_lr_accept_adapted_recipes(photos, tiny_registry, runs_dir, tmp_path):
    run = train(tiny_registry, runs_dir, dataset=photos, dry_run=True)
    assert run.config["hyperparameters"]["epochs"] == 1
    assert run.config["hyperparameters"]["batch_size"] == 8
    found = zoo.find_lr("tiny-cnn", dataset=photos, registry=tiny_registry, output=tmp_path / "lr.png")
    assert found.used > 0


def test_an_augmented_training_is_resumed_bit_for_bit(tiny_registry, tmp_path):
    whole = train(tiny_registry, tmp_path / "a", epochs=2, **AUGMENTED)
    tiny_registry.listen(StopAt(epoch=1))
    with pytest.raises(zoo.TrainingInterrupted):
        train(tiny_registry, tmp_path / "b", epochs=2, **AUGMENTED)
    (stopped,) = zoo.list_runs(tmp_path / "b", "tiny-cnn")
    done = zoo.resume(str(stopped.folder), registry=zoo_registry_without_stops(tiny_registry))
    assert_same_tensors(done.last, whole.last)


def zoo_registry_without_stops(registry):
    for plugin in registry.manager.get_plugins():
        if isinstance(plugin, StopAt):
            registry.manager.unregister(plugin)
    return registry


def test_mixup_with_accumulation_gives_the_same_weights(tiny_registry, runs_dir):
    settings = {"epochs": 1, "mixup": 0.4, "rotate": 10.0, "dataset": "bars"}
    whole, pieces = (
        zoo.train("softmax-regression", registry=tiny_registry, runs_dir=runs_dir, accumulate=parts, **settings)
        for parts in (1, 3)
    )
    assert whole.metrics()[-1]["train"]["loss"] == pytest.approx(pieces.metrics()[-1]["train"]["loss"], rel=1e-4)


@pytest.mark.parametrize(
    ("task", "known", "targets", "expected"),
    [
        ("classification", [2, 2, 0, 1], [2, 0, 1, 2], {"accuracy": 0.5}),
        ("binary", [0, 0, 1], [1, 1, 0, 1], {"accuracy": 0.25}),
        ("regression", [[1.0], [2.0], [90.0]], [[2.0], [5.0]], {"mae": 1.5}),
    ],
)
def test_the_baseline_is_chosen_by_the_training_targets(task, known, targets, expected):
    assert TASKS[task].baseline(torch.tensor(known), torch.tensor(targets)) == expected


def test_a_network_that_is_not_better_than_the_baseline_says_so(tiny_registry, runs_dir, zoo_command):
    settings = ["--lr", "1e-12", "--epochs", "1", "--set", "init=normal", "--runs-dir", runs_dir]
    result = zoo_command("train", "softmax-regression", "--dataset", "bars", *settings, registry=tiny_registry)
    (run,) = zoo.list_runs(runs_dir)
    results = run.config["results"]
    beaten = results["test"]["accuracy"] > results["baseline"]["accuracy"]
    assert ("the network is not better than that" in " ".join(result.out.split())) is not beaten


def test_weights_that_cannot_be_downloaded_name_the_file_and_the_folder(no_network, tmp_path, monkeypatch, zoo_command):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    settings = ["--dataset", "digits", "--init-from", "torchvision"]
    error = zoo_command("train", "torchvision/squeezenet1_1", *settings).error
    assert "squeezenet1_1-b8a52dc0.pth" in error
    assert str(Path(tmp_path, "hub", "checkpoints")) in error
    assert "--init-from" in error


def test_a_damaged_file_of_weights_is_named(no_network, tmp_path, monkeypatch, zoo_command):
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    file = tmp_path / "hub" / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"half a file")
    settings = ["--dataset", "digits", "--init-from", "torchvision"]
    error = zoo_command("train", "torchvision/squeezenet1_1", *settings).error
    assert f"{file} is damaged" in error
