"""``zoo verify``: files that are unchanged, damaged, moved, or made by another tool."""

import json
import shutil

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import zoo
from zoo import UsageError, ZooError
from zoo.exporting.certificate import digest
from zoo.files import sha256
from zoo.models.trained import load_trained

pytestmark = pytest.mark.usefixtures("in_this_process")
WEIGHTS = "numerics, providers, test split"
CERTIFICATE = "hash, certificate"
SOFTMAX = "softmax-regression"


@pytest.fixture
def model(digits_file, tmp_path):
    """A copy of file and certificate, to be damaged."""
    folder = tmp_path / "copy"
    shutil.copytree(digits_file.parent, folder)
    return folder / "model.onnx"


@pytest.fixture(scope="session")
def softmax_file(softmax_runs, made_once):
    """The run in ``softmax_runs``, exported; it is verified in less time than that of a larger network."""
    given = {"runs_dir": softmax_runs, "data_dir": softmax_runs / "data"}
    folder = made_once("softmax-file", lambda to: zoo.export(SOFTMAX, output=to / "model.onnx", **given))
    return folder / "model.onnx"


@pytest.fixture
def softmax(softmax_file, tmp_path):
    """A copy of this file and its certificate, to be damaged."""
    shutil.copytree(softmax_file.parent, tmp_path / "softmax")
    return tmp_path / "softmax" / "model.onnx"


def gates(found):
    return {check.gate: check.passed for check in found.checks}


def test_everything_is_checked_if_weights_and_data_are_available(model, digits_runs):
    found = zoo.verify(model, runs_dir=digits_runs)
    assert found.passed
    assert not found.not_checked
    assert found.complete
    assert list(gates(found))[:4] == ["structure", "hash", "certificate", "runs"]
    assert list(gates(found))[4:7] == ["checkpoint", "reference vectors", "rebuild"]
    assert list(gates(found))[7:] == ["determinism", "independence", "numerics", "providers", "test split"]
    (split,) = [check for check in found.checks if check.gate == "test split"][:1]
    assert "equal to the recorded value" in split.summary


def test_without_the_run_the_reference_vectors_are_checked(model, tmp_path):
    found = zoo.verify(model, runs_dir=tmp_path / "nothing")
    assert found.passed
    assert gates(found) == dict.fromkeys(["structure", "hash", "certificate", "runs", "reference vectors"], True)
    assert not found.complete
    assert list(found.not_checked) == [WEIGHTS]
    assert "is not among the runs in" in found.not_checked[WEIGHTS]


def test_the_shipped_weights_are_found_by_their_hash(tmp_path):
    certificate = zoo.export("softmax-regression", output=tmp_path, data_dir=tmp_path)
    found = zoo.verify(certificate.file, runs_dir=tmp_path, data_dir=tmp_path)
    # the test split of Fashion-MNIST is missing, but the stand-in used by the export is available
    assert found.passed
    assert not found.not_checked


def test_a_changed_byte_is_found(model):
    content = bytearray(model.read_bytes())
    content[-2000] ^= 1
    model.write_bytes(content)
    found = zoo.verify(model)
    assert gates(found)["hash"] is False
    assert "reference vectors" not in gates(found)  # a damaged file is not run
    assert "is not run" in found.not_checked["everything else"]


def scaled_weights(model):
    for tensor in model.graph.initializer:
        if len(tensor.dims) >= 2:
            values = onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values * np.float32(1.001), tensor.name))


def edit(path, change):
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)


def test_reference_vectors_detect_a_changed_file_with_a_changed_certificate(model):
    edit(model, scaled_weights)
    certificate = json.loads(model.with_name("model.onnx.json").read_text())
    certificate["file"] |= {"sha256": sha256(model), "bytes": model.stat().st_size}
    certificate["digest"] = digest(certificate)
    model.with_name("model.onnx.json").write_text(json.dumps(certificate))
    found = zoo.verify(model)
    assert gates(found)["hash"] is True
    assert gates(found)["reference vectors"] is False
    assert "times the limit" in found.checks[-1].summary


def test_without_a_certificate_the_file_is_compared_with_the_weights(softmax, softmax_runs):
    softmax.with_name("model.onnx.json").unlink()
    found = zoo.verify(softmax, runs_dir=softmax_runs)
    assert found.passed
    assert set(found.not_checked) == {CERTIFICATE, "reference vectors"}
    edit(softmax, scaled_weights)
    assert gates(zoo.verify(softmax, runs_dir=softmax_runs))["rebuild"] is False


def test_reference_vectors_of_the_onnx_model_zoo_are_used(softmax_runs, tmp_path):
    zoo.export(SOFTMAX, bundle=tmp_path / "bundle", runs_dir=softmax_runs, data_dir=tmp_path)
    model = tmp_path / "bundle" / "model.onnx"
    model.with_name("model.onnx.json").unlink()
    found = zoo.verify(model, runs_dir=tmp_path)
    assert gates(found)["reference vectors"] is True
    assert "test_data_set_0" in found.checks[-1].summary
    output = model.with_name("test_data_set_0") / "output_1.pb"
    tensor = onnx.load_tensor(output)
    wrong = onnx.numpy_helper.to_array(tensor) + np.float32(0.01)
    output.write_bytes(onnx.numpy_helper.from_array(wrong, tensor.name).SerializeToString())
    assert gates(zoo.verify(model, runs_dir=tmp_path))["reference vectors"] is False


@pytest.mark.parametrize(
    ("reduction", "name"), [pytest.param("int8", "resnet-mini", marks=pytest.mark.slow), ("fp16", SOFTMAX)]
)
def test_the_budget_of_a_smaller_form_is_checked_again(reduction, name, digits_runs, softmax_runs, tmp_path):
    given = {"runs_dir": softmax_runs if name == SOFTMAX else digits_runs, "data_dir": tmp_path}
    file = zoo.export(name, reduction=reduction, output=tmp_path, max_drop=0.9, **given).file
    found = zoo.verify(file, **given)
    assert found.passed
    assert [check.gate for check in found.checks][-2:] == [f"{reduction} numerics", f"{reduction} budget"]
    assert found.checks[-1].figures["max_drop"] == 0.9


def by_hand(module, path, samples, **given):
    """An export without the zoo."""
    given = {"dynamic_shapes": ({0: torch.export.Dim("n")},), "input_names": ["x"], "output_names": ["y"]} | given
    torch.onnx.export(module, (samples,), path, external_data=False, verbose=False, **given)


@pytest.fixture
def trained(softmax_runs, registry):
    return load_trained(zoo.find_run(SOFTMAX, softmax_runs, registry.architectures), registry)


@pytest.mark.filterwarnings("ignore")
def test_a_file_of_another_tool_is_compared_with_a_run(trained, softmax_runs, tmp_path):
    path = tmp_path / "foreign.onnx"
    by_hand(trained.module, path, torch.zeros(2, 1, 28, 28, dtype=torch.uint8))
    alone = zoo.verify(path, runs_dir=softmax_runs)
    assert alone.passed
    assert gates(alone) == {"structure": True, "runs": True}
    assert set(alone.not_checked) == {CERTIFICATE, "reference vectors", WEIGHTS}
    assert "--against" in alone.not_checked[WEIGHTS]
    compared = zoo.verify(path, against=SOFTMAX, runs_dir=softmax_runs)
    assert compared.passed
    assert gates(compared)["test split"] is True
    edit(path, scaled_weights)
    assert gates(zoo.verify(path, against=SOFTMAX, runs_dir=softmax_runs))["numerics"] is False


@pytest.mark.filterwarnings("ignore")
def test_a_foreign_file_is_compared_without_normalisation(trained, softmax_runs, tmp_path):
    path = tmp_path / "foreign.onnx"
    by_hand(trained.module.network, path, torch.zeros(2, 1, 28, 28))
    refused = zoo.verify(path, against=SOFTMAX, runs_dir=softmax_runs)
    assert "try --no-preprocess" in refused.checks[-1].summary
    assert not refused.passed
    assert zoo.verify(path, against=SOFTMAX, preprocess=False, runs_dir=softmax_runs).passed


@pytest.mark.filterwarnings("ignore")
def test_a_foreign_file_with_a_fixed_batch_is_run_with_that_batch(trained, softmax_runs, tmp_path):
    path = tmp_path / "foreign.onnx"
    by_hand(trained.module, path, torch.zeros(2, 1, 28, 28, dtype=torch.uint8), dynamic_shapes=None)
    found = zoo.verify(path, against=SOFTMAX, runs_dir=softmax_runs)
    assert "batch size fixed at 2" in found.checks[0].summary
    assert gates(found) == {"structure": True, "runs": True, "checkpoint": False}
    assert found.checks[-1].summary == "the batch size of the file is fixed at 2"


class TwoInputs(nn.Module):
    def forward(self, a, b):
        return a + b


@pytest.mark.filterwarnings("ignore")
def test_a_foreign_file_with_two_inputs_is_partly_checked(tmp_path):
    path = tmp_path / "foreign.onnx"
    torch.onnx.export(TwoInputs(), (torch.zeros(2, 3), torch.zeros(2, 3)), path, external_data=False, verbose=False)
    found = zoo.verify(path)
    assert found.passed
    assert "takes 2 inputs" in found.not_checked["runs"]


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", bytes(1000)])
def test_a_file_that_is_not_onnx_gives_one_line(content, tmp_path, zoo_command):
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    result = zoo_command("verify", path)
    assert result.code == 1
    assert "structure: " in result.error


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("missing.onnx", ZooError, "There is no file"),
        ("model.safetensors", UsageError, r"known suffixes: \.onnx, \.pt2"),
    ],
)
def test_a_file_that_cannot_be_verified_gives_one_line(name, error, words, tmp_path):
    if error is UsageError:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(error, match=words):
        zoo.verify(tmp_path / name)


def test_a_certificate_of_format_2_is_read(model):
    path = model.with_name(model.name + ".json")
    content = json.loads(path.read_text())
    for later in ("form", "interface", "contents", "digest"):
        del content[later]
    content["judged_on"], content["golden"] = content.pop("evaluated_on"), content.pop("reference_vectors")
    path.write_text(json.dumps(content | {"format": 2}))
    found = zoo.verify(model)
    assert found.passed
    assert "reference vectors" in {check.gate for check in found.checks}


@pytest.mark.parametrize("content", ["{}", "no json", '{"format": 99}'])
def test_a_certificate_that_cannot_be_read_is_reported(content, model):
    model.with_name("model.onnx.json").write_text(content)
    with pytest.raises(ZooError, match="certificate"):
        zoo.verify(model)


def test_the_command_lists_what_it_checked_and_what_not(model, tmp_path, zoo_command):
    result = zoo_command("verify", model, "--runs-dir", tmp_path)
    assert result.code == 3
    assert "--allow-partial accepts this" in result.error
    assert "reference vectors" in result.out
    assert "not checked" in result.out
    partly = zoo_command("verify", model, "--runs-dir", tmp_path, "--allow-partial", "--seed", 7)
    assert partly.code == 0
    assert "(seed 7)" in partly.out
    report = json.loads(zoo_command("verify", model, "--runs-dir", tmp_path, "--json").out)
    assert report["complete"] is False
    assert report["passed"] is True
    assert list(report["not_checked"]) == [WEIGHTS]
    model.write_bytes(model.read_bytes() + b"\x00")
    failed = zoo_command("verify", model, "--runs-dir", tmp_path)
    assert failed.code == 1
    assert "FAILED" in failed.out
