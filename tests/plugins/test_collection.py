"""Every architecture of the registry trains, is evaluated and is exported to a file that passes all gates."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo import create_registry, evaluate
from zoo.data.loading import load_again
from zoo.models.trained import load_shipped
from zoo.specs.hyperparameters import resolve
from zoo.specs.results import recorded_results, result_text

REGISTRY = create_registry()
SMALL = [name for name, spec in REGISTRY.architectures.items() if spec.parameters < 2_000_000]
LARGE = [name for name in REGISTRY.architectures if name not in SMALL]
SHIPPED = [name for name in SMALL if REGISTRY.architecture(name).shipped_weights]

# Only the long tests train these until they are above chance.
HEAVY = {"alexnet-mini", "densenet-mini", "googlenet-mini", "resnet-mini", "rnn-mini", "vgg-mini"}

# Some of these take seconds to be exported or to be evaluated on all of MNIST: long tests too. resnet-mini remains.
SECONDS = HEAVY - {"resnet-mini"}

# The largest are trained only each night.
FULL_SIZE_MARKS = {f"torchvision/{name}": pytest.mark.campaign for name in ("resnet152", "vgg11", "vgg16")}

# Lower bounds, above chance, of accuracy (R² for regressions) after few epochs on a bundled stand-in.
ABOVE_CHANCE = {"classification": ("accuracy", 0.7), "binary": ("accuracy", 0.8), "regression": ("r2", 0.2)}


def long_if(long, names):
    """The names as parameters; those in ``long`` are long tests."""
    return [pytest.param(name, marks=pytest.mark.slow if name in long else ()) for name in names]


def exported(name, registry, runs_dir, tmp_path):
    """Load, evaluate and export the run of ``name``; the result must pass all gates."""
    run = zoo.find_run(name, runs_dir, registry.architectures)
    trained = zoo.load(name, runs_dir=runs_dir, registry=registry)
    data = load_again(run.config, registry, tmp_path)
    again = evaluate(trained.module, data.splits.test, trained.task).metrics
    # the memory layout differs from that of the training, and so do the last bits
    assert again == pytest.approx(run.config["results"]["test"], rel=1e-4)
    certificate = zoo.export(name, "onnx", tmp_path / "x.onnx", runs_dir=runs_dir, registry=registry)
    assert [check.gate for check in certificate.checks] == [
        "determinism",
        "independence",
        "structure",
        "opset",
        "numerics",
        "providers",
        "test split",
    ]
    assert all(check.passed for check in certificate.checks)


@pytest.mark.parametrize("name", long_if(HEAVY, SMALL))
def test_every_small_network_trains_offline_and_exports_with_a_certificate(
    name, registry, runs_dir, tmp_path, no_network
):
    spec = registry.architecture(name)
    run = zoo.train(name, registry=registry, runs_dir=runs_dir, epochs=100 if "line" in spec.dataset else 12)
    metric, least = ABOVE_CHANCE[spec.task]
    # the test split of the line has one point, so there is no R²
    assert run.config["results"]["test"].get(metric, 1.0) > least, run.config["results"]
    exported(name, registry, runs_dir, tmp_path)


def test_the_linear_regression_finds_the_known_line(registry, runs_dir):
    zoo.train("linear-regression", registry=registry, runs_dir=runs_dir)
    model = zoo.load("linear-regression", runs_dir=runs_dir, registry=registry).module
    assert float(model(torch.tensor([[4.0]])).detach()) == pytest.approx(8.00, abs=0.005)


def test_the_logistic_regression_rises_with_the_hours_of_study(registry, runs_dir):
    zoo.train("logistic-regression", registry=registry, runs_dir=runs_dir)
    model = zoo.load("logistic-regression", runs_dir=runs_dir, registry=registry).module
    chances = torch.sigmoid(model(torch.tensor([[1.0], [2.0], [3.0], [7.0]]))).detach().flatten()
    assert (chances.diff() > 0).all()
    assert chances[1] < 0.5 < chances[2]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=FULL_SIZE_MARKS.get(name, pytest.mark.slow)) for name in LARGE]
)
def test_a_full_size_network_trains_on_a_folder_of_images_and_exports(name, registry, runs_dir, tmp_path):
    random = np.random.RandomState(0)
    for label, level in (("dark", 60), ("light", 190)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for i in range(12):
            pixels = random.randint(level - 40, level + 40, (40, 48, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{i}.jpg")
    run = zoo.train(
        name,
        dataset=tmp_path / "photos",
        data_options={"size": (32,)},
        epochs=1,
        batch_size=8,
        lr=1e-3,
        runs_dir=runs_dir,
        registry=registry,
    )
    assert run.status == "finished"
    certificate = zoo.export(name, "onnx", tmp_path / "x.onnx", runs_dir=runs_dir, registry=registry)
    assert all(check.passed for check in certificate.checks)


@pytest.mark.parametrize("name", SMALL)
def test_recorded_results_are_of_the_current_recipe(name, registry):
    spec = registry.architecture(name)
    record = recorded_results(spec)
    assert record is not None, f"{name} has no recorded results: zoo reproduce {name} --record FOLDER"
    assert record["architecture"] == name
    assert record["dataset"] == spec.dataset
    assert record["parameters"] == spec.parameters
    # hyperparameters that are newer than the record have their defaults
    assert resolve(record["hyperparameters"]).as_dict() == resolve(spec.hyperparameters).as_dict()
    dataset = registry.dataset(spec.dataset)
    assert len(record["trials"]) == len(dataset.trials or range(5))
    assert [trial["seed"] for trial in record["trials"]] == list(range(len(record["trials"])))
    for metric, values in record["metrics"].items():
        found = [trial["test"][metric] for trial in record["trials"]]
        np.testing.assert_allclose([values["mean"], values["std"]], [np.mean(found), np.std(found, ddof=1)], rtol=1e-9)


@pytest.mark.parametrize("name", SMALL)
def test_shipped_weights_are_those_of_the_recorded_seed(name, registry):
    shipped = load_shipped(name, registry)
    record = recorded_results(registry.architecture(name))
    trial = record["trials"][record.get("shipped_seed", 0)]
    assert shipped.metadata["seed"] == trial["seed"]
    assert shipped.metadata["trained_sha256"] == trial["checkpoint_sha256"]
    assert shipped.recorded == trial["test"]
    assert shipped.metadata["hyperparameters"] == record["hyperparameters"]
    assert shipped.sha256 in json.dumps(zoo.load(name, registry=registry).sha256)


def test_shipped_weights_are_small():
    assert set(SHIPPED) == set(SMALL)
    assert sum(REGISTRY.architecture(name).weights.stat().st_size for name in SHIPPED) < 10_000_000


def on_digits(name):
    spec = REGISTRY.architecture(name)
    return spec.shipped_weights and spec.task == "classification" and spec.dataset == "mnist"


@pytest.mark.parametrize("name", [name for name in SMALL if on_digits(name)])
def test_weights_trained_on_mnist_recognise_the_bundled_digits(name, registry, tmp_path):
    """Writers and scanners differ, so only an accuracy far above chance is required."""
    data = zoo.load_dataset(registry.dataset("digits"), tmp_path)
    scores = evaluate(load_shipped(name, registry).module, data.splits.test, "classification")
    assert scores.metrics["accuracy"] > 0.75


@pytest.mark.mnist
@pytest.mark.parametrize("name", long_if(SECONDS, SHIPPED))
def test_shipped_weights_have_the_recorded_metrics(name, registry, mnist_dir):
    shipped = load_shipped(name, registry)
    try:
        data = load_again(shipped.metadata, registry, mnist_dir)
    except zoo.DataUnavailable as error:
        pytest.skip(str(error))
    found = evaluate(shipped.module, data.splits.test, shipped.task).metrics
    assert found == pytest.approx(shipped.recorded, rel=1e-4)


@pytest.mark.parametrize("name", long_if(SECONDS, ["linear-regression", *sorted(HEAVY)]))
def test_shipped_weights_are_exported_without_a_run(name, zoo_command, no_network, tmp_path):
    result = zoo_command("export", name, "--onnx")
    assert result.code == 0, result.err
    assert "using its shipped weights" in result.err
    if name in HEAVY:
        assert "bundled digits is used instead" in result.err
        certificate = json.loads((tmp_path / "work" / f"{name}.onnx.json").read_text())
        assert certificate["evaluated_on"] == "digits (in place of mnist)"
        assert certificate["model"]["dataset"] == "mnist"


def test_a_stand_in_with_other_columns_is_not_used_for_an_export(zoo_command, no_network):
    result = zoo_command("export", "bike-mlp", "--onnx")
    assert result.code == 1
    assert "test split of bike-sharing is needed" in result.error


def test_listed_results_equal_the_recorded_results(zoo_command):
    listed = {facts["name"]: facts for facts in json.loads(zoo_command("list", "--json").out)}
    for name in SMALL:
        record = recorded_results(REGISTRY.architecture(name))
        assert listed[name]["results"] == record
        assert result_text(record) in zoo_command("list", name).out
    above = json.loads(zoo_command("list", "--min-accuracy", "99.3", "--json").out)
    assert {"resnet-mini", "vgg-mini"} <= {facts["name"] for facts in above}
    assert "softmax-regression" not in {facts["name"] for facts in above}
