"""Export to ONNX: the contents of the file and its certificate, and that damaged files are refused."""

import copy
import dataclasses
import getpass
import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import zoo
from zoo import DataUnavailable, ExportError, ExportRefused, InvalidValue
from zoo.exporting.export import write_verified
from zoo.exporting.request import ExportRequest
from zoo.exporting.split_check import check_test_split
from zoo.files import sha256
from zoo.specs.references import resolve_reference

GATES = ["determinism", "independence", "structure", "opset", "numerics", "providers", "test split"]

USER_SCRIPT = """
import json, sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
images, labels = np.load("images.npy"), np.load("labels.npy")
logits, probabilities = session.run(None, {"input": images})
print((logits.argmax(axis=1) == labels).mean())
assert not {"torch", "zoo", "onnx"} & set(sys.modules)
"""


@pytest.fixture
def exporter(registry):
    return registry.exporter("onnx")


def test_a_script_with_numpy_and_onnxruntime_alone_reproduces_the_recorded_accuracy(digits_file, source):
    shutil.copy(digits_file, "model.onnx")
    np.save("images.npy", source.test.inputs.numpy())
    np.save("labels.npy", source.test.targets.numpy())
    done = subprocess.run([sys.executable, "-c", USER_SCRIPT], capture_output=True, text=True, check=True)
    assert float(done.stdout) == source.recorded["accuracy"]


def test_the_file_takes_raw_images_of_any_number_and_names_its_outputs(digits_file):
    session = onnxruntime.InferenceSession(digits_file, providers=["CPUExecutionProvider"])
    (inputs,) = session.get_inputs()
    assert (inputs.name, inputs.type, inputs.shape) == ("input", "tensor(uint8)", ["batch", 1, 28, 28])
    assert [output.name for output in session.get_outputs()] == ["logits", "probabilities"]
    for batch in (1, 5):
        logits, probabilities = session.run(None, {"input": np.zeros((batch, 1, 28, 28), np.uint8)})
        assert logits.shape == probabilities.shape == (batch, 10)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_the_file_contains_its_description(digits_file, digits_run):
    metadata = {entry.key: entry.value for entry in onnx.load(digits_file).metadata_props}
    assert metadata["architecture"] == "resnet-mini"
    assert metadata["dataset"] == "digits"
    assert json.loads(metadata["labels"]) == list("0123456789")
    assert metadata["checkpoint_sha256"] == sha256(digits_run.best)
    assert json.loads(metadata["test"]) == digits_run.config["results"]["test"]
    assert json.loads(metadata["normalisation"])["mean"][0] == pytest.approx(39.77, abs=0.01)


def test_the_certificate_contains_all_checks_and_the_hash(digits_file, source):
    written = json.loads(digits_file.with_name("model.onnx.json").read_text())
    assert written["passed"] is True
    assert written["file"] == {
        "name": "model.onnx",
        "sha256": sha256(digits_file),
        "bytes": digits_file.stat().st_size,
    }
    checks = {check["gate"]: check for check in written["checks"]}
    cuda = ["test split"] * torch.cuda.is_available()
    assert [check["gate"] for check in written["checks"]] == [*GATES, *cuda]
    assert checks["numerics"]["figures"]["batches"] == [1, 2, 3, 7, 64]
    assert checks["numerics"]["figures"]["runtime"] == "CPU as written"
    assert "CPU optimised" in checks["providers"]["figures"]["ran"]
    assert checks["test split"]["figures"]["accuracy"] == source.recorded["accuracy"]
    assert checks["test split"]["figures"]["samples"] == 360
    if not torch.cuda.is_available():
        assert checks["providers"]["figures"]["not_tested"] == {"CUDA": "no CUDA device"}
        assert "CUDA not tested" in checks["providers"]["summary"]


def test_equal_checkpoints_give_equal_bytes_without_data_of_this_machine(
    digits_file, digits_runs, digits_run, tmp_path
):
    again = zoo.export("resnet-mini", "onnx", tmp_path, runs_dir=digits_runs, data_dir=tmp_path)
    assert again.file == tmp_path / "resnet-mini.onnx"
    assert again.sha256 == sha256(digits_file)
    assert json.loads(again.path.read_text()) == again.to_dict()
    content = digits_file.read_bytes()
    for trace in (
        ".py",
        "site-packages",
        "/home",
        "/root",
        "/tmp",
        "forward",
        sys.prefix,
        getpass.getuser(),
        digits_run.folder.name,
    ):
        assert trace.encode() not in content


def test_another_opset_is_written_on_request(softmax_runs, tmp_path):
    given = {"runs_dir": softmax_runs, "data_dir": tmp_path}
    certificate = zoo.export("softmax-regression", "onnx", tmp_path, opset=18, **given)
    assert onnx.load(certificate.file).opset_import[0].version == 18


def test_an_opset_out_of_range_is_refused(digits_runs, tmp_path):
    with pytest.raises(InvalidValue, match="opset"):
        zoo.export("resnet-mini", "onnx", tmp_path, runs_dir=digits_runs, opset=11)


# Faults of an export: the model that is written is changed, and compared with the trained one.


def last_layer(model):
    return [module for module in model.modules() if isinstance(module, nn.Linear)][-1]


def weights_off_by_a_millionth(model):
    for parameter in model.parameters():
        parameter.mul_(1 + 1e-6)


def one_bias_off(model):
    last_layer(model).bias[1] += 1e-3


def weights_rounded_to_half(model):
    for parameter in model.parameters():
        parameter.copy_(parameter.half().float())


def labels_swapped(model):
    layer = last_layer(model)
    layer.weight.copy_(layer.weight.flip(0))
    layer.bias.copy_(layer.bias.flip(0))


def normalisation_off(model):
    model[0].preprocess.std.mul_(1.001)


def softmax_over_the_wrong_axis(model):
    class Wrong(nn.Module):
        def forward(self, logits):
            return logits, torch.softmax(logits, dim=0)

    model[1] = Wrong()


def not_a_number(model):
    last_layer(model).bias[0] = float("nan")


def outputs_in_another_order(model):
    class Wrong(nn.Module):
        def forward(self, logits):
            return torch.softmax(logits, dim=1), logits

    model[1] = Wrong()


DAMAGES = {
    weights_off_by_a_millionth: "numerics",
    one_bias_off: "numerics",
    weights_rounded_to_half: "numerics",
    labels_swapped: "numerics",
    normalisation_off: "numerics",
    softmax_over_the_wrong_axis: "numerics",
    outputs_in_another_order: "numerics",
    not_a_number: "structure",
}


def damaged(exporter, damage):
    """The exporter with a change to the model before it is written."""
    genuine = resolve_reference(exporter.write)

    def write(source, path, **options):
        model = copy.deepcopy(source.model)
        with torch.no_grad():
            damage(model)
        genuine(dataclasses.replace(source, model=model), path, **options)

    return dataclasses.replace(exporter, write=write)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_export_is_refused_by_the_right_gate(damage, exporter, small, tmp_path):
    target = tmp_path / "model.onnx"
    target.write_text("an earlier good file")
    with pytest.raises(ExportRefused) as caught:
        write_verified(small, ExportRequest(damaged(exporter, damage), target, {"opset": 20}))
    message = str(caught.value)
    assert f"refused and not written. {DAMAGES[damage]}: " in message
    assert "untouched" in message
    assert "\n" not in message
    assert target.read_text() == "an earlier good file"
    assert {path.name for path in tmp_path.iterdir()} <= {"model.onnx", "work", "third-party"}


def batch_norm_eps(model):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = 1e-3


def dropout_trains(model):
    class Drops(nn.Module):
        def forward(self, inputs):
            return nn.functional.dropout(inputs, 0.5, training=True)

    model[0].network = nn.Sequential(Drops(), model[0].network)


@pytest.mark.parametrize("damage", [batch_norm_eps, dropout_trains], ids=lambda damage: damage.__name__)
def test_a_network_exported_with_other_normalisation_is_refused(damage, exporter, small, tmp_path):
    with pytest.raises(ExportRefused, match=r"(numerics: .* from float64, limit|structure: operator Dropout)"):
        write_verified(small, ExportRequest(damaged(exporter, damage), tmp_path / "model.onnx", {"opset": 20}))


OPTIONS = {"onnx": {"opset": 20}, "pt2": {}}


@pytest.mark.parametrize("format", OPTIONS)
def test_a_batch_norm_that_is_left_in_training_mode_is_refused(format, registry, small, tmp_path):
    model = copy.deepcopy(small.model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    with pytest.raises(
        ExportRefused, match=r"independence: predictions of tiny-cnn depend .* BatchNorm left in training"
    ):
        write_verified(
            dataclasses.replace(small, model=model),
            ExportRequest(registry.exporter(format), tmp_path / f"m.{format}", OPTIONS[format]),
        )


def edited(exporter, edit):
    """The exporter with a change to the file after it is written."""
    genuine = resolve_reference(exporter.write)

    def write(source, path, **options):
        genuine(source, path, **options)
        model = onnx.load(path)
        edit(model)
        path.write_bytes(model.SerializeToString())

    return dataclasses.replace(exporter, write=write)


def fix_the_batch(model):
    for item in [*model.graph.input, *model.graph.output]:
        item.type.tensor_type.shape.dim[0].dim_value = 3


def rename_the_input(model):
    model.graph.input[0].name = "x"
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name == "input":
                node.input[index] = "x"


def fix_the_batch_inside(model):
    """Fix the batch size inside the graph, as a view with constant sizes does: other batch sizes fail."""
    shape = onnx.numpy_helper.from_array(np.array([3, 2], np.int64), "fixed")
    model.graph.initializer.append(shape)
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == "logits":
                node.output[index] = "free_logits"
    position = next(i for i, node in enumerate(model.graph.node) if "free_logits" in node.output) + 1
    model.graph.node.insert(position, onnx.helper.make_node("Reshape", ["free_logits", "fixed"], ["logits"]))
    for node in model.graph.node:
        if node.op_type == "Softmax":
            node.input[0] = "free_logits"


def drop_the_description(model):
    del model.metadata_props[0]


def claim_another_opset(model):
    model.opset_import[0].version = 21


def break_an_edge(model):
    model.graph.node[3].input[0] = "nothing"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (fix_the_batch, "structure: the batch size is fixed at 3"),
        (rename_the_input, "structure: the input is"),
        (drop_the_description, "structure: the description lacks"),
        (claim_another_opset, "opset: opset 20 was requested"),
        (break_an_edge, "structure: not valid ONNX"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_file_with_a_wrong_structure_is_refused(edit, words, exporter, small, tmp_path):
    with pytest.raises(ExportRefused) as caught:
        write_verified(small, ExportRequest(edited(exporter, edit), tmp_path / "model.onnx", {"opset": 20}))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_onnxruntime_runs_at_one_batch_only_is_refused(exporter, small, tmp_path):
    with pytest.raises(ExportRefused, match="batch") as caught:
        write_verified(
            small, ExportRequest(edited(exporter, fix_the_batch_inside), tmp_path / "model.onnx", {"opset": 20})
        )
    assert "\n" not in str(caught.value)


def test_a_file_that_does_not_reach_the_recorded_metric_is_refused(exporter, small, tmp_path):
    flattering = dataclasses.replace(small, recorded={"accuracy": small.recorded["accuracy"] + 1 / 60})
    with pytest.raises(ExportRefused, match="but the run recorded"):
        write_verified(flattering, ExportRequest(exporter, tmp_path / "model.onnx", {"opset": 20}))


class Answers:
    """Replaces an onnxruntime session: the logits of torch, with some of them changed."""

    provider = "CPU"

    def __init__(self, source, change):
        self.logits = zoo.predict_logits(nn.Sequential(source.model[0]), source.test.inputs).clone()
        change(self.logits)
        self.at = 0

    def run(self, inputs):
        self.at += len(inputs)
        return [self.logits[self.at - len(inputs) : self.at].numpy()]


def split_check(source, change):
    (check,) = check_test_split(source, [Answers(source, change)])
    return check


def test_one_changed_prediction_is_refused(source):
    def swap_the_two_best(logits):
        first, second = logits[17].topk(2).indices
        logits[17, [first, second]] = logits[17, [second, first]]

    assert split_check(source, lambda logits: None).passed
    check = split_check(source, swap_the_two_best)
    assert not check.passed
    assert "predictions for 1 of 360 test samples of digits differ from torch" in check.summary
    assert [change["sample"] for change in check.figures["changed"]] == [17]


class Ties(nn.Module):
    """The first pixel is the class. If the second is set, it wins or loses by less than a rounding error."""

    def __init__(self, wins):
        super().__init__()
        self.edge = 1e-7 if wins else -1e-7
        self.register_buffer("factor", torch.tensor(7.0))  # a logit of 1 is 7 times 1/7, rounded

    def forward(self, inputs):
        pixels = inputs.flatten(1)
        first = torch.nn.functional.one_hot(pixels[:, 0].long(), 10).to(self.factor.dtype)
        scale = torch.where(pixels[:, 1] > 0, self.edge, 9.0)
        logits = first * scale[:, None] + torch.ones_like(first) / 7 * self.factor
        return logits, torch.softmax(logits, 1)


def test_a_metric_that_differs_by_a_tie_passes_and_is_reported(source):
    inputs = torch.zeros(12, 1, 28, 28, dtype=torch.uint8)
    inputs[:, 0, 0, 0] = torch.arange(12) % 9
    inputs[3, 0, 0, 1] = 1
    test = zoo.Split(inputs, inputs[:, 0, 0, 0].long())
    tied = dataclasses.replace(source, model=Ties(wins=True), test=test, recorded={"accuracy": 1.0})

    (check,) = check_test_split(
        tied, [zoo.Runtime("CPU", "", lambda inputs: [output.numpy() for output in Ties(wins=False)(inputs)])]
    )
    assert check.passed
    assert check.figures["accuracy"] == 11 / 12
    assert "due to ties" in check.summary
    assert "equal to" not in check.summary
    assert [change["sample"] for change in check.figures["changed"]] == [3]


class AlwaysDrops(nn.Module):
    def forward(self, inputs):
        return nn.functional.dropout(inputs.float(), 0.5, training=True).flatten(1)[:, 300:310], inputs


class BranchesOnData(nn.Module):
    def forward(self, inputs):
        logits = inputs.float().flatten(1)[:, :10]
        if logits.sum() > 0:
            logits = logits * 2
        return logits, torch.softmax(logits, 1)


class RunsOneBatchOnly(nn.Module):
    def forward(self, inputs):
        logits = inputs.float().view(3, 784)[:, :10]
        return logits, torch.softmax(logits, 1)


class FixesTheBatch(nn.Module):
    def forward(self, inputs):
        logits = inputs.float().reshape(3, -1)[:, :10] if len(inputs) == 3 else inputs.float().flatten(1)[:, :10]
        return logits, torch.softmax(logits, 1)


class LoopsOnData(nn.Module):
    def forward(self, inputs):
        logits = inputs.float().flatten(1)[:, 300:310]
        while logits.abs().max() > 1:
            logits = logits / 2
        return logits, torch.softmax(logits, 1)


class UsesSvd(nn.Module):
    def forward(self, inputs):
        logits = torch.linalg.svdvals(inputs.float()[:, 0])[:, :10]
        return logits, torch.softmax(logits, 1)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (AlwaysDrops(), "random"),
        (BranchesOnData(), r"branches on its data at .*test_export\.py:\d+ \(`if logits\.sum\(\) > 0:`\)"),
        (RunsOneBatchOnly(), "cannot run a batch of 16"),
        (
            FixesTheBatch(),
            r"batch size is fixed at 3.* at .*test_export\.py:\d+ \(`logits = .*reshape\(3, -1\)",
        ),
        (LoopsOnData(), r"branches on its data at .*test_export\.py:\d+ \(`while logits\.abs\(\)\.max\(\) > 1:`\)"),
        (UsesSvd(), r"ONNX has no operator for aten\._linalg_svd at .*test_export\.py:\d+ \(`.*svd.*`\)"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_a_model_that_cannot_be_exported_correctly_gives_one_line(model, words, exporter, source, tmp_path, capfd):
    with pytest.raises(ExportError, match=words) as caught:
        write_verified(
            dataclasses.replace(source, model=model), ExportRequest(exporter, tmp_path / "model.onnx", {"opset": 20})
        )
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model.onnx").exists()
    assert capfd.readouterr() == ("", "")


def test_a_network_that_is_random_only_for_noise_is_refused(exporter, source, tmp_path):
    class DrawsInTheCorner(nn.Module):
        """The first ten pixels are zero in every real digit, and dropout of zero is zero."""

        def forward(self, inputs):
            logits = nn.functional.dropout(inputs.float(), 0.5, training=True).flatten(1)[:, :10]
            return logits, torch.softmax(logits, 1)

    sly = dataclasses.replace(source, model=DrawsInTheCorner())
    with pytest.raises(ExportRefused, match=r"draws random numbers in evaluation mode: bernoulli"):
        write_verified(sly, ExportRequest(exporter, tmp_path / "model.onnx", {"opset": 20}))


@pytest.mark.parametrize("checks", [[], None])
def test_an_exporter_that_checks_or_writes_nothing_is_refused(checks, exporter, small, tmp_path):
    lazy = dataclasses.replace(
        exporter, check=lambda *args, **options: iter(()), inspect=None, open=None, reductions={}
    )
    if checks is None:
        lazy = dataclasses.replace(exporter, write=lambda *args, **options: None)
    with pytest.raises(ExportError, match=r"nothing|no file"):
        write_verified(small, ExportRequest(lazy, tmp_path / "model.onnx", {"opset": 20}))
    assert not (tmp_path / "model.onnx").exists()


def test_an_export_without_the_test_split_is_refused(tiny_registry, runs_dir, tmp_path):
    run = zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=runs_dir, epochs=1, device="cpu")

    def gone(folder, download):
        raise DataUnavailable("bars is not here.")

    tiny_registry._specs[zoo.Dataset]["bars"] = dataclasses.replace(tiny_registry.dataset("bars"), loader=gone)
    with pytest.raises(DataUnavailable, match="The test split of bars is needed"):
        zoo.export(run.name, runs_dir=runs_dir, registry=tiny_registry)


def test_the_network_of_another_package_passes_the_same_gates(tiny_registry, runs_dir, tmp_path):
    run = zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=runs_dir, epochs=2, device="cpu")
    certificate = zoo.export("tiny-cnn", output=tmp_path, runs_dir=runs_dir, registry=tiny_registry)
    assert certificate.description["plugin"]["distribution"] == "third-party"
    assert certificate.checks[-1].figures["accuracy"] == run.config["results"]["test"]["accuracy"]


def test_an_unfinished_run_is_exported_with_a_warning(tiny_registry, runs_dir, tmp_path, caplog):
    run = zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=runs_dir, epochs=1, device="cpu")
    run.config |= {"status": "interrupted", "results": None}
    run.save()
    certificate = zoo.export(run.name, output=tmp_path, runs_dir=runs_dir, registry=tiny_registry)
    assert "is interrupted" in caplog.text
    assert certificate.checks[-1].figures["recorded"] is None
    assert "no recorded value" in certificate.checks[-1].summary


def test_the_dataset_of_a_run_is_found_without_an_option(tiny_registry, runs_dir, tmp_path, monkeypatch):
    looked_in = []
    bars = tiny_registry.dataset("bars")

    def load(folder, download):
        looked_in.append(folder)
        return bars.loader(folder, download)

    tiny_registry._specs[zoo.Dataset]["bars"] = dataclasses.replace(bars, loader=load)
    home = tmp_path / "home-of-the-data"
    home.mkdir()
    zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=runs_dir, epochs=1, device="cpu", data_dir=home)
    monkeypatch.delenv("ZOO_DATA")
    zoo.export("tiny-cnn", output=tmp_path, runs_dir=runs_dir, registry=tiny_registry)
    assert looked_in == [home, home]


@pytest.mark.cuda
def test_the_cuda_provider_is_checked_if_available(digits_runs, tmp_path):
    exported = zoo.export("resnet-mini", "onnx", tmp_path, runs_dir=digits_runs, data_dir=tmp_path)
    checks = {check.gate: check for check in exported.checks}
    assert {"CUDA as written", "CUDA optimised"} <= set(checks["providers"].figures["ran"])
    assert not checks["providers"].figures["not_tested"]
    assert [c.figures["runtime"] for c in exported.checks if c.gate == "test split"] == [
        "CUDA optimised",
        "CPU optimised",
    ]
