"""Tests of the family. They need timm; without it they are skipped. None of them uses the network."""

import importlib.util

import pytest
import torch

import zoo

if importlib.util.find_spec("timm") is None:
    pytest.skip("timm is not installed", allow_module_level=True)

import timm
from zoo_family import find_architecture
from zoo_family_networks import build, exists, pretrained


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


def test_a_network_trains_and_exports_with_all_gates(tmp_path):
    where = {"runs_dir": tmp_path, "data_dir": tmp_path}
    run = zoo.train("timm/mobilenetv3_small_050", dataset="digits", epochs=1, **where)
    certificate = zoo.export(str(run.folder), "onnx", tmp_path / "network.onnx", data_dir=tmp_path)
    gates = {check.gate for check in certificate.checks}
    assert {"independence", "structure", "numerics", "providers", "test split"} <= gates
    assert certificate.description["architecture"] == "timm/mobilenetv3_small_050"
