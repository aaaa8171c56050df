"""Tests of the family. They need timm; without it they are skipped. None of them uses the network."""

import base64
import importlib.util
import re

import pytest
import torch
from PIL import Image

import zoo

if importlib.util.find_spec("timm") is None:
    pytest.skip("timm is not installed", allow_module_level=True)

import timm
from zoo_family import find_architecture
from zoo_family_networks import build, exists, pretrained

NAME = "timm/test_efficientnet"
"""A network that timm made for tests: it trains and exports in seconds."""


@pytest.mark.zoo("zoo-family")
def test_the_plugin_contract(zoo_check):
    zoo_check()


def test_only_the_names_of_timm_are_known():
    assert exists("resnet10t")
    assert exists("resnet10t.c3_in1k")
    for name in ("timm/nothing", "timm/resnet10t.nothing", "timm/", "resnet10t", "torchvision/resnet18"):
        assert find_architecture(name) is None


@pytest.mark.parametrize(
    ("name", "shape", "resize", "size"),
    [
        ("mobilenetv3_small_050", (1, 28, 28), 0, None),
        ("convnext_atto", (3, 28, 28), 0, (32, 32)),  # 28 pixels leave one of 1 x 1 for a window of 2 x 2
        ("vit_tiny_patch16_224", (1, 28, 28), 0, (32, 32)),  # patches of 16 x 16 must cover the image
        ("vit_tiny_patch16_224", (2, 28, 36), 0, (32, 48)),
        ("vit_tiny_patch16_224", (3, 28, 28), 64, (64, 64)),
        ("resnet10t", (4, 40, 24), 0, None),
    ],
)
def test_images_get_the_size_that_the_network_takes(name, shape, resize, size):
    network = build(name, shape, 5, resize).eval()
    assert network.size == size
    with torch.inference_mode():
        assert network(torch.rand(3, *shape)).shape == (3, 5)


def test_a_size_that_does_not_fit_is_refused_with_one_that_does():
    with pytest.raises(ValueError, match="does not take 30x30 images; try --set resize=224"):
        build("vit_tiny_patch16_224", (3, 32, 32), 10, resize=30)
    with pytest.raises(ValueError, match="needs images"):
        build("resnet10t", (13,), 2, resize=0)


def test_a_network_starts_from_random_weights_without_a_network(monkeypatch):
    def refuse(*args, **given):
        raise AssertionError("it used the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    torch.manual_seed(0)
    first = build("mobilenetv3_small_050", (1, 28, 28), 10, resize=0)
    torch.manual_seed(1)
    second = build("mobilenetv3_small_050", (1, 28, 28), 10, resize=0)
    assert not torch.equal(first.model.conv_stem.weight, second.model.conv_stem.weight)


def test_weights_of_timm_fit_all_layers_but_the_head(monkeypatch):
    created = timm.create_model

    def offline(name, pretrained=False, **given):
        assert pretrained
        return created(name, **given)

    monkeypatch.setattr(timm, "create_model", offline)
    tensors = pretrained("mobilenetv3_small_050")
    monkeypatch.undo()
    own = build("mobilenetv3_small_050", (1, 28, 28), 10, resize=0).state_dict()
    other = [name for name, tensor in own.items() if name not in tensors or tensors[name].shape != tensor.shape]
    assert other == ["model.classifier.weight", "model.classifier.bias"]


def test_weights_that_cannot_be_downloaded_are_one_error(monkeypatch):
    def fail(name, **given):
        raise OSError("no connection")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(zoo.DataUnavailable, match=r"weights of resnet10t \(no connection\). Train without"):
        pretrained("resnet10t")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short training on the digits."""
    folder = tmp_path_factory.mktemp("runs")
    return zoo.train(NAME, dataset="digits", epochs=1, runs_dir=folder, data_dir=folder)


@pytest.fixture(scope="module")
def exported(run):
    """Its ONNX file, where a report looks for one."""
    folder = run.folder / "exports"
    folder.mkdir()
    return zoo.export(str(run.folder), "onnx", folder, data_dir=run.folder)


def test_a_network_trains_and_exports_with_all_gates(exported):
    gates = {check.gate for check in exported.checks}
    assert {"independence", "structure", "numerics", "providers", "test split"} <= gates
    assert exported.description["architecture"] == NAME


def test_the_run_and_the_file_have_the_same_result(run, exported):
    results = run.config["results"]
    assert results["test"]["accuracy"] > 2 * results["baseline"]["accuracy"]
    for model in (NAME, exported.file):
        found = zoo.assess(model, runs_dir=run.folder.parents[2], data_dir=run.folder)
        assert found.metrics["accuracy"].value == pytest.approx(results["test"]["accuracy"], abs=1e-6)


def test_images_are_predicted_as_in_the_evaluation(run, exported, tmp_path):
    evaluated = zoo.assess(exported.file, data_dir=run.folder)
    paths = [tmp_path / f"{place}.png" for place in range(5)]
    for path, image in zip(paths, evaluated.inputs[:5, 0], strict=True):
        Image.fromarray(image).save(path)
    as_it_is = zoo.ImagePreparation(invert="no", frame="no")
    answers = list(zoo.predict(exported.file, paths, preparation=as_it_is))
    assert [answer.label for answer in answers] == [str(label) for label in evaluated.decisions[:5]]
    for answer, probabilities in zip(answers, evaluated.probabilities, strict=False):
        assert list(answer.probabilities.values()) == pytest.approx(probabilities.tolist(), abs=1e-5)


def test_the_report_describes_the_network_and_its_file(run, exported):
    report = zoo.report(str(run.folder), data_dir=run.folder)
    assert report.file == exported.file
    for page in (report.page, report.card):
        text = page.read_text(encoding="utf-8")
        assert NAME in text
        assert exported.sha256 in text
    assert "<svg" in report.drawing.read_text(encoding="utf-8")


def test_the_demo_holds_the_network(exported):
    page = zoo.demo_page(exported.file)
    inside = max(re.findall(r"[A-Za-z0-9+/=]{1000,}", page), key=len)
    assert base64.b64decode(inside) == exported.file.read_bytes()
