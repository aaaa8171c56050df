"""What `zoo verify` says if the checkpoint, the data or the provider of an export are not those that are here."""

from types import SimpleNamespace

import pytest
import torch

from zoo import UsageError, ZooError
from zoo.models.runtime import Inspection, TensorSpec
from zoo.verification import checkpoint, rebuild, verify
from zoo.verification.checkpoint import Contradiction, Missing, Weights, find_weights
from zoo.verification.unopened import check_unopened


def file(description=(), certificate=None, inputs=(), reduction=""):
    described = {"checkpoint_sha256": "0" * 64, "architecture": "lenet"} | dict(description)
    inspection = Inspection("", "", {}, described, inputs=inputs)
    return SimpleNamespace(
        description=described, inspection=inspection, certificate=certificate, reduction=reduction, form=None
    )


@pytest.mark.parametrize("description", [{"checkpoint_sha256": None}, {"architecture": 3}])
def test_a_file_that_does_not_name_its_checkpoint(description):
    with pytest.raises(Missing, match="the file does not name its checkpoint; choose a model with --against NAME"):
        find_weights(file(description), SimpleNamespace(against=None))


def trained(shipped=False, folder="a"):
    data = {"name": "mnist", "path": None}
    return SimpleNamespace(metadata={"data": data}, shipped=shipped, checkpoint=SimpleNamespace(parent=folder))


def certified(on):
    return SimpleNamespace(entries=SimpleNamespace(evaluated_on=on))


def test_an_export_that_was_evaluated_on_other_data():
    source = SimpleNamespace(evaluated_on="digits, in place of mnist")
    checkpoint._check_data(file(certificate=certified(source.evaluated_on)), trained(), source)
    checkpoint._check_data(file(), trained(), source)
    with pytest.raises(Missing, match=r"the export was evaluated on mnist, here is digits.*`zoo fetch` or --data-dir"):
        checkpoint._check_data(file(certificate=certified("mnist")), trained(shipped=True), source)
    for other in (trained(), trained(shipped=True)):
        with pytest.raises(Contradiction, match="says that the export was evaluated on cifar10, not digits"):
            checkpoint._check_data(file(certificate=certified("cifar10")), other, source)


def taken(monkeypatch, spec, preprocess=True):
    inputs = torch.zeros(3, 1, 28, 28, dtype=torch.uint8)
    source = SimpleNamespace(test=SimpleNamespace(inputs=inputs), name="lenet", evaluated_on="digits")
    monkeypatch.setattr(checkpoint, "load_test_data", lambda *_: None)
    monkeypatch.setattr(checkpoint, "make_source", lambda *_, **__: source)
    model = trained()
    model.data_folder = None
    weights = Weights(against="lenet", runs=None, data_dir=None, preprocess=preprocess, registry=None)
    return checkpoint.load_source(file(inputs=(spec,)), model, weights)


def test_a_file_that_takes_other_inputs_than_its_checkpoint(monkeypatch):
    taken(monkeypatch, TensorSpec("x", "uint8", ("batch", 1, 28, 28)))
    with pytest.raises(
        Contradiction, match=r"takes x float32.*but lenet takes uint8\[batch, 1, 28, 28\]; try --no-pre"
    ):
        taken(monkeypatch, TensorSpec("x", "float32", ("batch", 1, 28, 28)))
    with pytest.raises(Contradiction, match=r"but lenet takes uint8\[batch, 1, 28, 28\]$"):
        taken(monkeypatch, TensorSpec("x", "uint8", ("batch", 1, 14, 14)), preprocess=False)
    with pytest.raises(Contradiction, match="the batch size of the file is fixed at 4"):
        taken(monkeypatch, TensorSpec("x", "uint8", (4, 1, 28, 28)))


def test_the_data_of_a_stranger_are_not_opened():
    model = trained(folder="published")
    model.metadata["data"]["path"] = "/home/stranger/data.csv"
    weights = SimpleNamespace(published="published")
    with pytest.raises(Missing, match="the model was trained on its author's own files, "):
        checkpoint.load_source(file(), model, weights)


@pytest.mark.parametrize(
    ("error", "versions", "result"),
    [
        (UsageError("--opset must be a number."), {}, (False, "the options in the certificate are not those of")),
        (UsageError("--opset must be a number."), {"torch": "1.0"}, (None, "the options in the certificate are not")),
        (ZooError("the disk is full."), {}, (None, "the file cannot be written again here: the disk is full.")),
    ],
)
def test_a_file_that_cannot_be_written_again(error, versions, result, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(rebuild, "_rebuild", fail)
    check, text = rebuild.check_rebuild(file({"versions": rebuild.versions() | versions}), None)
    found = (check.passed, check.summary) if check else (None, text)
    assert found[0] is result[0]
    assert found[1].startswith(result[1])


def test_an_earlier_format_of_a_certificate_is_another_version():
    earlier = SimpleNamespace(bound=None, entries=SimpleNamespace(format=3))
    given = file({"versions": rebuild.versions()}, certificate=earlier)
    assert list(rebuild._other_versions(given)) == ["the certificate (format 3)"]
    assert "python unknown" in list(rebuild._other_versions(file({"versions": "none"}, certificate=earlier)))


def test_no_exporter_reads_such_a_file(registry, tmp_path):
    with pytest.raises(UsageError, match=r"No exporter reads files like net\.tflite; known suffixes: \.onnx, \.pt2"):
        verify._exporter_of(tmp_path / "net.tflite", registry)


def test_a_file_that_is_not_opened_needs_its_certificate(registry, tmp_path):
    copy = SimpleNamespace(original=tmp_path / "net.pt2", certificate=None)
    checks, missing = check_unopened(copy, registry.exporter("pt2"), 0.01)
    assert checks == []
    assert missing["hash, certificate"] == "there is no certificate beside the file; export the file again"
    assert "--trust opens this one" in missing["everything that opens the file"]
