"""Tests of the exporter. They need OpenVINO; without it they are skipped."""

import importlib.util
import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import zoo

if importlib.util.find_spec("openvino") is None:
    pytest.skip("openvino is not installed", allow_module_level=True)

from zoo_exporter.archive import Model, pack, unpack
from zoo_exporter.read import inspect, open_model


@pytest.mark.zoo("zoo-exporter")
def test_the_plugin_contract(zoo_check):
    zoo_check()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a run on images and one on a table."""
    folder = tmp_path_factory.mktemp("runs")
    zoo.train("cnn-mini", dataset="digits", epochs=3, runs_dir=folder, data_dir=folder)
    rows = [f"{i % 7},{'' if i % 5 == 0 else i % 11},{'ab'[i % 2]},{'yn'[i % 3 == 0]}" for i in range(200)]
    (folder / "table.csv").write_text("\n".join(["one,two,kind,target", *rows]) + "\n")
    data = {"dataset": folder / "table.csv", "data_options": {"target": "target"}}
    zoo.train("logistic-regression", **data, epochs=2, runs_dir=folder, data_dir=folder)
    return folder


@pytest.fixture(scope="module")
def exported(runs):
    return zoo.export("cnn-mini", "openvino", bundle=runs / "bundle", runs_dir=runs, data_dir=runs)


def changed(exported, path, graph=lambda content: content, weights=lambda content: content):
    """A copy of the file with other content."""
    content = unpack(exported.file)
    pack(Model(graph(content.graph), weights(content.weights)), path)
    return path


def test_the_file_passes_every_gate_and_its_certificate_is_accepted(exported, runs):
    gates = ["determinism", "independence", "structure", "ir version", "numerics", "providers", "test split"]
    assert [check.gate for check in exported.checks] == gates
    verification = zoo.verify(exported.file, runs_dir=runs, data_dir=runs)
    assert verification.passed, verification
    assert {"rebuild", "runs"} <= {check.gate for check in verification.checks}


def test_a_table_is_exported_with_its_missing_values(runs, tmp_path):
    path = tmp_path / "table.openvino.zip"
    certificate = zoo.export("logistic-regression", "openvino", path, runs_dir=runs, data_dir=runs)
    compiled = open_model(path).usual
    rows = np.array([[3, np.nan, 1], [np.nan, np.nan, np.nan]], np.float32)
    assert all(np.isfinite(output).all() for output in compiled.run_array(rows))
    assert [column["name"] for column in certificate.description["columns"]] == ["one", "two", "kind"]


def test_the_option_chooses_the_version(runs, tmp_path):
    path = tmp_path / "old.openvino.zip"
    zoo.export("logistic-regression", "openvino", path, runs_dir=runs, data_dir=runs, ir_version=10)
    assert b'version="10"' in unpack(path).graph[:200]
    with pytest.raises(zoo.InvalidValue, match="10, 11"):
        zoo.export("logistic-regression", "openvino", path, runs_dir=runs, data_dir=runs, ir_version=9)


def test_half_precision_makes_the_file_smaller(exported, runs, tmp_path):
    path = tmp_path / "small.openvino.zip"
    certificate = zoo.export("cnn-mini", "openvino", path, reduction="fp16", runs_dir=runs, data_dir=runs)
    assert certificate.checks[-1].gate == "fp16 budget"
    assert len(unpack(path).weights) < 0.6 * len(unpack(exported.file).weights)


def test_the_file_shows_nothing_of_this_machine(exported):
    content = unpack(exported.file).graph
    for trace in (b".py", b"site-packages", b"/home", b"/root", b"/tmp"):
        assert trace not in content
    assert json.loads(json.dumps(inspect(exported.file).description)) == exported.description


def test_the_program_of_a_bundle_runs_without_the_zoo(exported, tmp_path):
    program = repr(str(exported.file.with_name("run.py")))
    script = f"import runpy, sys; runpy.run_path({program}); assert 'zoo' not in sys.modules"
    environment = os.environ | {"HOME": str(tmp_path), "CI": "true"}  # with CI, OpenVINO sends no statistics
    command = [sys.executable, "-c", script]
    lines = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    probabilities = exported.vectors.outputs["probabilities"]
    assert [line.split()[0] for line in lines] == [str(row.argmax()) for row in probabilities]
    assert [float(line.split()[1]) for line in lines] == pytest.approx(probabilities.max(axis=1), abs=1e-4)


def test_openvino_sends_no_statistics(tmp_path):
    script = "import zoo_exporter.runtime, sys; assert not any(name.startswith('openvino_t') and m for name, m in "
    script += "sys.modules.items()); print(zoo_exporter.runtime.openvino.__version__)"
    environment = os.environ | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True)
    assert list(tmp_path.iterdir()) == []


def test_the_file_gives_the_results_and_predictions_of_the_run(exported, runs):
    evaluated = zoo.assess("cnn-mini", runs_dir=runs, data_dir=runs)
    logits, probabilities = open_model(exported.file).usual.run_array(evaluated.inputs)
    accuracy = float((logits.argmax(axis=1) == evaluated.targets).mean())
    assert accuracy == pytest.approx(evaluated.metrics["accuracy"].value)
    assert probabilities == pytest.approx(evaluated.probabilities, abs=1e-5)


def test_the_run_has_a_report_and_a_demo_with_an_onnx_file(exported, runs, tmp_path):
    report = zoo.report("cnn-mini", tmp_path, runs_dir=runs, data_dir=runs)
    assert report.file == tmp_path / "exports" / "cnn-mini.onnx"
    assert f"cnn-mini on {exported.description['dataset']}" in zoo.demo_page("cnn-mini", runs_dir=runs, data_dir=runs)


@pytest.mark.parametrize(
    "use",
    [
        zoo.assess,
        lambda file: list(zoo.predict(file, "image.png")),
        lambda file: zoo.report(str(file)),
        zoo.demo_page,
    ],
    ids=["eval", "predict", "report", "demo"],
)
def test_commands_that_need_an_onnx_file_or_a_run_say_so(exported, use):
    with pytest.raises(zoo.UsageError) as caught:
        use(exported.file)
    assert f"{exported.file} is the name of a file. Give the name of a run" in str(caught.value)
    hint = "`zoo verify` takes an exported file; `zoo eval`, `zoo predict` and `zoo demo` take an ONNX file."
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (b'type="ReLU"', b'type="RandomUniform"', "cannot read the file|draws random numbers"),
        (b'type="ReLU" version="opset1"', b'type="Own" version="extension"', "cannot read the file"),
        (b'<?xml version="1.0"?>', b'<?xml version="1.0"?><!DOCTYPE net>', "defines entities"),
        (b"</net>", b"", "not XML|cannot read"),
    ],
)
def test_a_changed_graph_is_refused(exported, tmp_path, old, new, problem):
    assert old in unpack(exported.file).graph
    path = changed(exported, tmp_path / "changed.openvino.zip", graph=lambda content: content.replace(old, new, 1))
    found = inspect(path).problem
    assert any(part in found for part in problem.split("|")), found


def test_weights_that_are_not_finite_are_refused(exported, tmp_path):
    def spoilt(content):
        values = np.frombuffer(content, np.uint8).copy()
        values[-8:] = np.frombuffer(np.array([np.nan, np.nan], "<f4").tobytes(), np.uint8)
        return values.tobytes()

    path = changed(exported, tmp_path / "nan.openvino.zip", weights=spoilt)
    assert "hold NaN or infinity" in inspect(path).problem


def test_another_archive_is_refused(exported, tmp_path):
    content = unpack(exported.file)
    for name, method, members in (
        ("compressed", zipfile.ZIP_DEFLATED, ("model.xml", "model.bin")),
        ("more", zipfile.ZIP_STORED, ("model.xml", "model.bin", "other.txt")),
        ("less", zipfile.ZIP_STORED, ("model.xml",)),
    ):
        path = tmp_path / f"{name}.openvino.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            for member, text in zip(members, (*content, b"x"), strict=False):
                archive.writestr(member, text)
        assert "archive" in inspect(path).problem
    (tmp_path / "no.openvino.zip").write_bytes(b"no archive")
    assert "not a zip archive" in inspect(tmp_path / "no.openvino.zip").problem
