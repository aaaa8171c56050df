"""Other exports: smaller forms, without normalisation, bundles, export options."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from zoo.plugins.tasks.methods import Classification

import zoo
from zoo import ExportRefused, UsageError
from zoo.exporting.export import write_verified
from zoo.exporting.quantisation import Baseline, check_budget
from zoo.exporting.reference_vectors import ReferenceVectors
from zoo.exporting.request import ExportRequest
from zoo.exporting.split_check import torch_outputs
from zoo.formatting import METRICS

SHIPPED = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def int8(digits_runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("int8")
    return zoo.export("resnet-mini", reduction="int8", output=folder, runs_dir=digits_runs, data_dir=folder)


@pytest.fixture(scope="module")
def fp16(digits_runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fp16")
    return zoo.export("resnet-mini", reduction="fp16", output=folder, runs_dir=digits_runs, data_dir=folder)


def checks_of(certificate):
    return {check.gate: check for check in certificate.checks}


@pytest.mark.parametrize(("form", "smaller"), [("int8", 2.5), ("fp16", 1.8)])
def test_a_smaller_form_reports_its_loss_and_gain(form, smaller, request):
    certificate = request.getfixturevalue(form)
    checks = checks_of(certificate)
    assert certificate.file.name == f"resnet-mini-{form}.onnx"
    # the float32 file passed all gates
    assert list(checks)[-3:] == [f"{form} structure", f"{form} numerics", f"{form} budget"]
    assert {"determinism", "structure", "opset", "numerics", "providers", "test split"} < checks.keys()
    figures = checks[f"{form} budget"].figures
    assert figures["bytes"] == certificate.file.stat().st_size
    assert figures["float32_bytes"] / figures["bytes"] > smaller
    assert figures["agreement"] > 0.97
    assert figures["drop"] == pytest.approx(100 * (figures["float32_accuracy"] - figures["accuracy"]))
    assert figures["drop"] <= figures["max_drop"] == 1.0
    assert set(figures["latency"]) == {"1", "64"}
    assert all(entry["seconds"] > 0 < entry["float32_seconds"] for entry in figures["latency"].values())


def test_int8_weights_are_integers_for_each_channel_with_ranges_of_seven_bits(int8):
    model = onnx.load(int8.file)
    weights = [tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
    large = [onnx.numpy_helper.to_array(tensor) for tensor in weights if len(tensor.dims) == 4]
    assert len(large) == 6
    assert all(abs(values).max() <= 64 for values in large)
    scales = {tensor.name: tensor for tensor in model.graph.initializer}
    per_channel = [
        scales[node.input[1]].dims[0]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and list(scales[node.input[1]].dims)
    ]
    assert {16, 32} <= set(per_channel)
    assert {entry.key: entry.value for entry in model.metadata_props}["precision"] == "int8"


def test_fp16_has_the_inputs_and_outputs_of_the_float32_file(fp16):
    session = onnxruntime.InferenceSession(fp16.file, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].type == "tensor(uint8)"
    assert [output.type for output in session.get_outputs()] == ["tensor(float)"] * 2


class Wrong:
    """Replaces a smaller file: the float32 outputs, with some of them moved to the next class."""

    provider = "CPU"

    def __init__(self, source, wrong):
        self.logits = zoo.predict_logits(source.model[0], source.test.inputs).clone()
        self.logits[:wrong] = self.logits[:wrong].roll(1, dims=1)
        self.at = 0

    def run(self, inputs):
        self.at += len(inputs)
        return [self.logits[self.at - len(inputs) : self.at].numpy()]


@pytest.mark.parametrize(("max_drop", "passed"), [(2.0, True), (1.0, False), (0.0, False)])
def test_a_smaller_form_over_its_budget_is_refused_with_its_loss(source, max_drop, passed):
    right = source.task.decisions(zoo.predict_logits(source.model[0], source.test.inputs)) == source.test.targets
    wrong = 6
    assert right[:wrong].all()
    check = check_budget("int8 budget", source, Wrong(source, wrong), max_drop, None)
    assert check.passed is passed
    assert check.figures["drop"] == pytest.approx(100 * wrong / 360)
    if not passed:
        assert f"1.67 points lost, {max_drop:g} allowed; keep float32, or allow more with --max-drop" in check.summary


def test_the_loss_in_a_metric_that_is_lower_when_better_and_no_percentage(source, monkeypatch):
    metric = zoo.Metric(name="class_error", unit="classes", higher_is_better=False)
    monkeypatch.setitem(METRICS, "class_error", metric.format)
    task = Ordinal(dataclasses.replace(source.task.spec, metrics=(metric,)))
    ordinal = dataclasses.replace(source, task=task)
    before = float(task.metric_of_each(torch_outputs(source), source.test.targets).mean())
    check = check_budget("int8 budget", ordinal, Wrong(source, 6), 0.0, None)
    after = check.figures["class_error"]
    assert after > before
    assert check.figures["drop"] == pytest.approx(100 * (after - before) / before)
    assert not check.passed
    assert f"class_error {after:.6g} (float32 {before:.6g}) on 360 test samples of digits: " in check.summary
    assert "percent lost, 0 allowed" in check.summary


class Ordinal(Classification):
    """Classes in an order: the metric is how far the predicted class is from the target."""

    def metric_of_each(self, outputs, targets):
        return (outputs.argmax(dim=1) - targets).abs().double()


@pytest.mark.parametrize(
    ("samples", "wrong", "text"),
    [(36, 0, "36 test samples of digits (one sample is 2.8 points)"), (36, 1, "2.78 points lost"), (360, 0, "")],
)
def test_a_small_test_split_is_told_what_one_sample_is_worth(source, samples, wrong, text):
    few = dataclasses.replace(source, test=source.test.take(slice(samples)))
    check = check_budget("int8 budget", few, Wrong(few, wrong), 1.0, None)
    assert text in check.summary
    assert ("one sample is" in check.summary) == (samples == 36)


def test_no_gain_is_reported_for_a_form_that_is_slower_and_larger(source):
    """A file is compared with itself, so there is no gain."""
    calls = []

    def run(inputs):
        calls.append(len(inputs))
        return [output.numpy() for output in map(torch.Tensor.float, source.model[0](inputs)[None])]

    with torch.inference_mode():
        same = zoo.Runtime("CPU", "", run)
        check = check_budget("fp16 budget", source, same, 1.0, Baseline(zoo.Runtimes((same,)), 1000, 1000))
    assert "not smaller (1.00 times)" in check.summary
    assert check.summary.count("(no clear gain on this CPU)") == 2
    assert {1, 64} < set(calls)


def test_a_budget_that_is_exceeded_leaves_the_earlier_file(small, tmp_path, registry):
    exporter = registry.exporter("onnx")

    def ruin(source, verified, path):
        model = onnx.load(verified)
        for tensor in model.graph.initializer:
            if len(tensor.dims) == 2:
                values = onnx.numpy_helper.to_array(tensor)
                tensor.CopyFrom(onnx.numpy_helper.from_array(-values, tensor.name))
        path.write_bytes(model.SerializeToString())

    target = tmp_path / "model.onnx"
    target.write_text("an earlier good file")
    ruined = dataclasses.replace(exporter, reductions={"int8": ruin})
    with pytest.raises(ExportRefused, match=r"int8 budget: .* points lost, 1 allowed.*untouched") as caught:
        write_verified(small, ExportRequest(ruined, target, {"opset": 20}, reduction="int8"))
    assert "\n" not in str(caught.value)
    assert target.read_text() == "an earlier good file"


def test_the_budget_of_a_regression_is_in_percent_of_its_error(tmp_path):
    certificate = zoo.export("linear-regression", reduction="fp16", output=tmp_path, data_dir=tmp_path, max_drop=50)
    figures = checks_of(certificate)["fp16 budget"].figures
    assert figures["mean_change"] >= 0
    assert figures["max_drop"] == 50
    assert "agreement" not in figures


def test_without_normalisation_the_file_takes_normalised_inputs(softmax_runs, source, tmp_path):
    given = {"output": tmp_path, "runs_dir": softmax_runs, "data_dir": tmp_path}
    certificate = zoo.export("softmax-regression", preprocess=False, **given)
    recorded = certificate.description["test"]["accuracy"]
    session = onnxruntime.InferenceSession(certificate.file, providers=["CPUExecutionProvider"])
    (taken,) = session.get_inputs()
    assert (taken.type, taken.shape) == ("tensor(float)", ["batch", 1, 28, 28])
    figures = certificate.description["normalisation"]
    mean, std = np.float32(figures["mean"][0]), np.float32(figures["std"][0])
    standardised = (source.test.inputs.numpy().astype(np.float32) - mean) / std
    logits, _ = session.run(None, {"input": standardised})
    assert float((logits.argmax(1) == source.test.targets.numpy()).mean()) == recorded
    assert certificate.description["normalises"] is False
    assert checks_of(certificate)["test split"].figures["accuracy"] == recorded


def test_a_requested_provider_that_is_missing_is_refused(softmax_runs, tmp_path, monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("CUDA runs here")
    options = {"output": tmp_path, "runs_dir": softmax_runs, "data_dir": tmp_path}
    with pytest.raises(ExportRefused, match=r"CUDA was requested but does not run here \(no CUDA device\)"):
        zoo.export("softmax-regression", providers=("cuda",), **options)
    assert not (tmp_path / "softmax-regression.onnx").exists()
    assert zoo.export("softmax-regression", providers=("cpu",), **options).file.is_file()


@pytest.mark.slow
def test_reproducible_requires_the_same_bytes_from_another_process(source, tmp_path, registry):
    exporter = registry.exporter("onnx")
    certificate = write_verified(source, ExportRequest(exporter, tmp_path / "m.onnx", {"opset": 20}, reproducible=True))
    check = checks_of(certificate)["reproducible"]
    assert check.figures["sha256"] == certificate.sha256

    fickle = dataclasses.replace(exporter, write=write_with_this_folder)
    with pytest.raises(ExportRefused, match="reproducible: another process in another folder wrote different bytes"):
        write_verified(source, ExportRequest(fickle, tmp_path / "n.onnx", {"opset": 20}, reproducible=True))


def write_with_this_folder(source, path, opset, runtime=""):
    """An exporter that writes the current folder into the file."""
    path.write_text(os.getcwd())


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ({}, "torchvision-resnet18.onnx"),
        ({"output": "folder"}, "folder/torchvision-resnet18.onnx"),
        ({"output": "folder", "reduction": "int8"}, "folder/torchvision-resnet18-int8.onnx"),
        ({"output": "folder/other.onnx"}, "folder/other.onnx"),
        ({"bundle": "folder", "reduction": "int8"}, "folder/model.onnx"),
    ],
)
def test_a_request_has_the_path_of_the_file(fields, target, registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    assert ExportRequest(registry.exporter("onnx"), **fields).target("torchvision/resnet18") == Path(target)


def test_a_request_completes_the_options_and_cannot_be_changed(registry):
    request = ExportRequest(registry.exporter("onnx"), providers=("cuda",))
    assert request.options == {"opset": 0, "runtime": ""}
    assert request.providers == ("CUDA",)
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.reduction = "int8"


def test_a_format_that_the_zoo_cannot_run_cannot_be_bundled(registry):
    exporter = dataclasses.replace(
        registry.exporter("onnx"), check=lambda *args: iter(()), inspect=None, open=None, reductions={}
    )
    with pytest.raises(UsageError, match="--onnx cannot be bundled"):
        ExportRequest(exporter, bundle="folder")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"reduction": "int4"}, "no smaller form 'int4'; available: int8, fp16"),
        ({"max_drop": -1.0}, "at least 0"),
        ({"bundle": "b", "output": "o"}, "not both"),
    ],
)
def test_invalid_requests_are_refused_before_any_work(given, words, tmp_path, digits_runs):
    with pytest.raises(UsageError, match=words):
        zoo.export("resnet-mini", runs_dir=digits_runs, **given)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--int8", "--fp16"], "Choose one smaller form: --fp16 or --int8."),
        (["--max-drop", "1"], "--max-drop goes with a smaller form"),
        (["--provider", "tpu"], "tpu"),
    ],
)
def test_the_command_refuses_conflicting_options(arguments, words, zoo_command):
    result = zoo_command("export", "resnet-mini", "--onnx", *arguments)
    assert result.code == 2
    assert words in result.error


# A bundle


@pytest.fixture(scope="session")
def bundles(made_once):
    """Bundles of an image classifier, a binary classifier of a table and a regression, all for bundled data."""

    def export(folder):
        for name in ("cnn-mini", "logistic-regression", "linear-regression"):
            zoo.export(name, bundle=folder / name, data_dir=folder)

    return made_once("bundles", export)


@pytest.fixture(params=["cnn-mini", "logistic-regression", "linear-regression"])
def bundle(request, bundles):
    return bundles / request.param


def expected_lines(bundle):
    """The lines that a runner has to print, from the reference vectors of the certificate."""
    vectors = json.loads((bundle / "model.onnx.json").read_text())["reference_vectors"]
    *_, last = ReferenceVectors.from_json(vectors).outputs.items()
    labels = (bundle / "labels.txt").read_text().splitlines()
    rows = [[(labels[i], value) for i, value in enumerate(row)] for row in last[1]]
    return [[max(row, key=lambda pair: pair[1])] if last[0] == "probabilities" else row for row in rows]


def assert_prints_the_reference_vectors(output, bundle):
    lines = output.strip().splitlines()
    expected = expected_lines(bundle)
    assert len(lines) == len(expected) == 3
    for line, row in zip(lines, expected, strict=True):
        printed = [part.rsplit(" ", 1) for part in line.split(", ")]
        assert [label for label, _ in printed] == [label for label, _ in row]
        assert [float(text) for _, text in printed] == pytest.approx([value for _, value in row], abs=2e-4)


def test_a_bundle_contains_all_files(bundle):
    names = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}
    certificate = json.loads((bundle / "model.onnx.json").read_text())
    outputs = {f"test_data_set_0/output_{i}.pb" for i in range(len(certificate["reference_vectors"]["outputs"]))}
    images = {"preprocessor_config.json"} if bundle.name == "cnn-mini" else set()
    runners = {"run.py", "run.mjs", "run.cc"}
    described = {"model.onnx", "model.onnx.json", "labels.txt", "config.json", "sample.bin"}
    assert names == described | runners | outputs | images | {"test_data_set_0/input_0.pb"}
    config = json.loads((bundle / "config.json").read_text())
    assert config["id2label"] == {
        str(i): label for i, label in enumerate((bundle / "labels.txt").read_text().split("\n")[:-1])
    }
    assert {label: int(place) for place, label in config["id2label"].items()} == config["label2id"]


def test_onnx_reads_the_reference_vectors_of_a_bundle(bundle):
    def tensor(name):
        return onnx.numpy_helper.to_array(onnx.load_tensor(bundle / "test_data_set_0" / name))

    session = onnxruntime.InferenceSession(bundle / "model.onnx", providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"input": tensor("input_0.pb")})
    for place, output in enumerate(outputs):
        np.testing.assert_allclose(output, tensor(f"output_{place}.pb"), rtol=1e-3, atol=1e-5)


def test_the_hugging_face_image_processor_prepares_the_inputs(bundles, tmp_path):
    inside = json.loads((bundles / "cnn-mini" / "preprocessor_config.json").read_text())
    zoo.export("cnn-mini", bundle=tmp_path / "outside", preprocess=False, data_dir=tmp_path)
    outside = json.loads((tmp_path / "outside" / "preprocessor_config.json").read_text())
    assert inside["do_rescale"] is inside["do_normalize"] is False
    assert outside["do_rescale"] is outside["do_normalize"] is True
    certificate = json.loads((tmp_path / "outside" / "model.onnx.json").read_text())
    pixels = np.arange(256) * outside["rescale_factor"]
    theirs = (pixels - outside["image_mean"][0]) / outside["image_std"][0]
    ours = (np.arange(256) - certificate["model"]["normalisation"]["mean"][0]) / certificate["model"]["normalisation"][
        "std"
    ][0]
    np.testing.assert_allclose(theirs, ours, rtol=1e-9)


def test_the_python_runner_prints_the_reference_vectors(bundle, tmp_path):
    done = subprocess.run([sys.executable, bundle / "run.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert_prints_the_reference_vectors(done.stdout, bundle)


def node_modules():
    """A folder with onnxruntime-web: $ZOO_NODE_MODULES, or that of this repository."""
    for folder in (os.environ.get("ZOO_NODE_MODULES"), SHIPPED / "node_modules"):
        if folder and (Path(folder) / "onnxruntime-web").is_dir():
            return Path(folder).resolve()
    return None


NODE_MODULES = node_modules()


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
@pytest.mark.skipif(NODE_MODULES is None, reason="needs `npm install --no-save onnxruntime-web` in the repository")
def test_the_javascript_runner_prints_the_reference_vectors(bundle, tmp_path):
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    (copy / "node_modules").symlink_to(NODE_MODULES)
    done = subprocess.run(["node", copy / "run.mjs"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_prints_the_reference_vectors(done.stdout, bundle)


@pytest.mark.skipif(not os.environ.get("ZOO_ORT_CPP"), reason="needs onnxruntime's C++ release in $ZOO_ORT_CPP")
@pytest.mark.skipif(not shutil.which("c++"), reason="needs a C++ compiler")
def test_the_cpp_runner_prints_the_reference_vectors(bundle, tmp_path):
    release = Path(os.environ["ZOO_ORT_CPP"])
    library = release / "lib"
    command = ["c++", "-std=c++17", f"-I{release}/include", bundle / "run.cc", f"-L{library}", "-lonnxruntime"]
    subprocess.run([*command, f"-Wl,-rpath,{library}", "-o", tmp_path / "run"], check=True)
    done = subprocess.run([tmp_path / "run"], cwd=bundle, capture_output=True, text=True, check=True)
    assert_prints_the_reference_vectors(done.stdout, bundle)
