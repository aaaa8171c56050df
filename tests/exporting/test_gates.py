"""Each gate alone, with a tiny network and a format that holds its weights as JSON: no training, no library."""

import base64
import contextlib
import dataclasses
import io
import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest
import torch
from builtin_tasks import TASKS
from torch import nn

import zoo
from zoo import Exporter, ExportError, ExportRefused, Inspection, Runtime, Runtimes, TensorSpec
from zoo.exporting.checks import check_reproducible, check_structure, write_again
from zoo.exporting.gates import Gates, expected_gates, require_all
from zoo.exporting.model_checks import check_determinism, check_independence
from zoo.exporting.numerics import ExactRuns, make_cases, run_exact
from zoo.exporting.reference_vectors import ReferenceVectors
from zoo.exporting.request import ExportRequest
from zoo.exporting.source import ExportSource
from zoo.exporting.split_check import check_test_split
from zoo.files import sha256

SAMPLES = 40


class Network(nn.Module):
    """Logits and probabilities, or one number and nothing else."""

    def __init__(self, outputs):
        super().__init__()
        self.linear = nn.Linear(4, outputs)
        with torch.no_grad():
            self.linear.weight.copy_(torch.linspace(-1, 1, 4 * outputs).view(outputs, 4).sin() * 3)
            self.linear.bias.fill_(0.1)

    def forward(self, inputs):
        outputs = self.linear(inputs)
        return (outputs, torch.softmax(outputs, 1)) if outputs.shape[1] > 1 else (outputs,)


def make_source(task, outputs):
    """A network that has learnt its test split: the targets are its own predictions."""
    model = nn.Sequential(Network(outputs))
    inputs = torch.rand(SAMPLES, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        predicted = model(inputs)[0]
    targets = predicted.argmax(1) if outputs > 1 else predicted
    return ExportSource("tiny", model, TASKS[task], zoo.Split(inputs, targets), None, {"labels": ["a"]}, "made-up")


@pytest.fixture
def classifier():
    return make_source("classification", 3)


@pytest.fixture
def regression():
    return make_source("regression", 1)


def run_in_torch(source, change=lambda outputs: None):
    """A runtime that computes as torch does, with a change of its first output for the whole test split."""
    with torch.no_grad():
        outputs = source.model(source.test.inputs)[0].clone()
    change(outputs)
    return Runtime("CPU", "as written", lambda inputs: [outputs.numpy()])


# the test split


def test_equal_predictions_pass_with_and_without_a_recorded_value(classifier):
    (check,) = check_test_split(classifier, [run_in_torch(classifier)])
    assert (check.gate, check.passed) == ("test split", True)
    assert check.summary.endswith("40 test samples of made-up, no recorded value; 0 predictions differ from torch")
    assert check.figures["accuracy"] == 1
    assert check.figures["recorded"] is None
    recorded = dataclasses.replace(classifier, recorded={"accuracy": 1.0})
    (check,) = check_test_split(recorded, [run_in_torch(recorded)])
    assert check.passed
    assert "equal to the recorded value" in check.summary


def test_another_metric_than_the_recorded_one_is_refused(classifier, regression):
    wrong = dataclasses.replace(classifier, recorded={"accuracy": 0.9})
    (check,) = check_test_split(wrong, [run_in_torch(wrong)])
    assert not check.passed
    assert "the run recorded 0.900000" in check.summary
    wrong = dataclasses.replace(regression, recorded={"mae": 0.01})
    (check,) = check_test_split(wrong, [run_in_torch(wrong)])
    assert not check.passed
    assert "the run recorded 0.01." in check.summary


def test_every_runtime_is_checked_and_a_changed_class_is_named(classifier):
    def change(outputs):
        outputs[7] = -outputs[7]

    first, second = check_test_split(classifier, [run_in_torch(classifier), run_in_torch(classifier, change)])
    assert first.passed
    assert not second.passed
    assert second.summary == "predictions for 1 of 40 test samples of made-up differ from torch"
    (changed,) = second.figures["changed"]
    assert changed["sample"] == 7
    with torch.no_grad():
        best, next_best = classifier.model(classifier.test.inputs[7:8])[0][0].topk(2).values.tolist()
    assert changed["margin"] == pytest.approx(best - next_best, rel=1e-5)


def test_a_number_is_compared_with_float64(regression):
    (check,) = check_test_split(regression, [run_in_torch(regression)])
    assert check.passed
    assert check.figures["largest_error"] == check.figures["torch_error"] < check.figures["limit"] < 1e-5
    assert "no recorded value; every prediction within" in check.summary

    def change(outputs):
        outputs[7] += 0.5

    (check,) = check_test_split(regression, [run_in_torch(regression, change)])
    assert not check.passed
    assert check.summary.startswith("a prediction is 0.5 from float64 on 40 test samples of made-up, limit ")
    assert check.figures["largest_error"] == pytest.approx(0.5, rel=1e-5)
    assert check.figures["mae"] == pytest.approx(0.5 / SAMPLES, rel=1e-4)


def test_the_limit_is_measured_where_the_error_is_largest(regression):
    """The terms of the last sample cancel, so its output is small, and correct programs differ most there."""
    random = torch.Generator().manual_seed(0)
    inputs = torch.cat([torch.rand(200, 4, generator=random), torch.tensor([[1e5, 0.0, 0.0, 1e5]])])
    source = dataclasses.replace(regression, test=zoo.Split(inputs, torch.zeros(201, 1)))

    def change(outputs):
        outputs[200] += 0.01

    (check,) = check_test_split(source, [run_in_torch(source, change)])
    assert check.passed
    assert 0.005 < check.figures["largest_error"] < check.figures["limit"] < 1


# the structure

INPUT = TensorSpec("input", "float32", ("batch", 4))
OUTPUTS = (TensorSpec("logits", "float32", ("batch", 3)), TensorSpec("probabilities", "float32", ("batch", 3)))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, ""),
        ({"problem": "it is not a file"}, "it is not a file"),
        ({"inputs": (TensorSpec("input", "float32", (1, 4)),)}, "the batch size is fixed at 1: the network has"),
        ({"inputs": ()}, "the input is , not input float32[batch, 4]"),
        ({"inputs": (TensorSpec("input", "float32", ()),)}, "the input is input float32[], not"),
        ({"inputs": (TensorSpec("input", "uint8", ("batch", 4)),)}, "the input is input uint8[batch, 4], not"),
        ({"inputs": (TensorSpec("x", "float32", ("batch", 4)),)}, "the input is x float32[batch, 4], not"),
        ({"inputs": (INPUT, INPUT)}, "the input is input float32[batch, 4], input float32[batch, 4], not"),
        ({"outputs": OUTPUTS[::-1]}, "the outputs are ['probabilities', 'logits'], not ['logits', 'probabilities']"),
        ({"outputs": OUTPUTS[:1]}, "the outputs are ['logits'], not"),
        (
            {"outputs": (OUTPUTS[0], TensorSpec("probabilities", "float32", (1, 3)))},
            "the batch size of output 'probabilities' is fixed at [1]",
        ),
        ({"description": {"other": 1}}, "the description lacks labels"),
    ],
)
def test_a_file_has_the_names_types_and_shapes_of_its_source(changes, problem, classifier):
    fields = {"problem": "", "summary": "a fine file", "figures": {"nodes": 3}, "description": {"labels": ["a"]}}
    found = Inspection(**fields | {"inputs": (INPUT,), "outputs": OUTPUTS} | changes)
    check = check_structure(classifier, found)
    assert (check.gate, check.passed) == ("structure", not problem)
    assert check.summary.startswith(problem or "a fine file")
    assert check.figures == {"nodes": 3}


# written again


def write_plain(source, path):
    path.write_text(f"{source.name}, {len(source.test)} samples, {source.calibration}")


def write_seed(source, path):
    path.write_text(os.environ.get("PYTHONHASHSEED", "random"))


def write_once(source, path):
    if "elsewhere" in str(path.resolve()):
        raise OSError("no\nsecond time")
    path.write_text("x")


def write_nothing(source, path):
    pass


@pytest.fixture
def in_this_process(monkeypatch, tmp_path):
    """The second process is this one, in another folder and with the environment that was meant for the other."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.setattr("tempfile.TemporaryDirectory", lambda: contextlib.nullcontext(str(folder)))

    def run(command, input, cwd, env, capture_output, timeout):
        assert capture_output, "its messages would be shown, and missing in the error"
        assert timeout <= 600, "it could hang"
        with monkeypatch.context() as patch, contextlib.chdir(cwd):
            patch.setenv("PYTHONHASHSEED", env["PYTHONHASHSEED"])
            patch.setattr(sys, "stdin", types.SimpleNamespace(buffer=io.BytesIO(input)))
            try:
                write_again()
            except OSError as error:
                return subprocess.CompletedProcess(command, 1, b"", f"Traceback\nOSError: {error}".encode())
            return subprocess.CompletedProcess(command, 0, b"", b"")

    monkeypatch.setattr(subprocess, "run", run)


def no_checks(source, path):
    return iter(())


def words(write):
    return Exporter(name="words", summary="words", suffix=".txt", write=write, check=no_checks)


def written_again(source, write, path):
    write(source, path)
    return check_reproducible(source, ExportRequest(words(write)), path)


@pytest.mark.usefixtures("in_this_process")
def test_the_second_process_gets_the_same_model_and_few_samples(classifier, tmp_path):
    path = tmp_path / "model.txt"
    path.write_text("tiny, 64 samples, None")
    sent = dataclasses.replace(classifier, calibration=torch.zeros(512, 4))
    check = check_reproducible(sent, ExportRequest(words(write_plain)), path)
    assert (check.gate, check.passed, check.figures) == ("reproducible", True, {"sha256": sha256(path)})


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize("here", [None, "1", "2"])
def test_the_second_process_has_another_hash_seed(here, classifier, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", here) if here else monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    check = written_again(classifier, write_seed, tmp_path / "model.txt")
    assert (check.gate, check.passed) == ("reproducible", False)
    assert check.figures == {
        "sha256": sha256(tmp_path / "model.txt"),
        "again": sha256(tmp_path / "elsewhere/model.txt"),
    }
    assert check.figures["again"][:12] in check.summary


@pytest.mark.usefixtures("in_this_process")
@pytest.mark.parametrize(
    ("write", "problem"),
    [(write_once, "second time"), (write_nothing, "no message"), (lambda source, path: None, "sent")],
)
def test_what_cannot_be_written_again_is_an_error_in_one_line(write, problem, classifier, tmp_path):
    with pytest.raises(ExportError, match=f"^tiny c.*{problem}"):
        written_again(classifier, write, tmp_path / "model.txt")


# all gates of one format


def write_weights(source, path):
    linear = source.model[0].linear
    path.write_text(json.dumps({"weight": linear.weight.tolist(), "bias": linear.bias.tolist()}))


def open_weights(path):
    """Two ways to run the file, both in NumPy."""
    content = {name: np.float32(values) for name, values in json.loads(path.read_text()).items()}

    def run(inputs):
        logits = inputs.numpy() @ content["weight"].T + content["bias"]
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return [logits, powers / powers.sum(axis=1, keepdims=True)]

    return Runtimes((Runtime("CPU", "as written", run), Runtime("CPU", "optimised", run)))


def inspect_weights(path):
    return Inspection("", "weights", description={"labels": ["a"]}, inputs=(INPUT,), outputs=OUTPUTS)


def round_weights(source, verified, path):
    content = json.loads(verified.read_text())
    path.write_text(json.dumps({name: np.round(values, 2).tolist() for name, values in content.items()}))


def format_of(**changes):
    fields = {
        "write": write_weights,
        "open": open_weights,
        "inspect": inspect_weights,
        "reductions": {"short": round_weights},
    }
    return Exporter(name="weights", summary="weights", suffix=".json", **fields | changes)


def gates_of(source, path, exporter, **given):
    gates = Gates(source, ExportRequest(exporter, **given), path)
    path.touch()
    return gates, list(require_all(gates.write_and_check(), path))


@pytest.mark.parametrize("reduction", ["", "short"])
def test_every_gate_is_passed_in_order(reduction, classifier, tmp_path):
    gates, checks = gates_of(classifier, tmp_path / "model.json", format_of(), reduction=reduction, max_drop=20.0)
    expected = expected_gates(gates.exporter, reduction, reproducible=False, own=(), runtimes=1)
    assert [check.gate for check in checks] == expected
    assert "structure" in expected
    got = open_weights(gates.path).usual.run(gates.vectors.tensor())
    assert gates.vectors.largest_excess(got)[0] <= 1
    weights = np.array(json.loads(gates.path.read_text())["weight"])
    assert np.array_equal(weights, weights.round(2)) == bool(reduction)
    assert (gates.form.exporter, gates.form.reduction) == ("weights", reduction)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"write": lambda source, path: None}, "The exporter weights wrote no file"),
        ({"open": None, "inspect": None, "reductions": {}, "check": no_checks}, "its exporter checked nothing"),
        ({"inspect": lambda path: Inspection("it is torn", "")}, "structure: it is torn"),
        ({"check": lambda source, path: iter([zoo.Check("own", False, "it is odd")])}, "own: it is odd"),
    ],
)
def test_the_first_gate_that_fails_ends_the_export(changes, problem, classifier, tmp_path):
    with pytest.raises(ExportError, match=problem):
        gates_of(classifier, tmp_path / "model.json", format_of(**changes))


@pytest.mark.parametrize(("factor", "gate"), [(1 + 1e-5, "numerics"), (float("nan"), "numerics")])
def test_slightly_wrong_weights_are_refused(factor, gate, classifier, tmp_path):
    def write(source, path):
        write_weights(source, path)
        content = json.loads(path.read_text())
        content["weight"][1][2] *= factor
        path.write_text(json.dumps(content))

    with pytest.raises(ExportRefused, match=f"model.json was refused and not written. {gate}: "):
        gates_of(classifier, tmp_path / "model.json", format_of(write=write))


class DependsOnTheBatch(Network):
    def forward(self, inputs):
        logits, _ = super().forward(inputs)
        logits = logits + 1e-6 * inputs.mean()
        return logits, torch.softmax(logits, 1)


def test_predictions_that_depend_on_the_batch_a_little_are_refused(classifier):
    """In float32 it could be taken for rounding."""
    assert check_independence(classifier).passed
    check = check_independence(dataclasses.replace(classifier, model=nn.Sequential(DependsOnTheBatch(3))))
    assert (check.gate, check.passed) == ("independence", False)
    assert "predictions of tiny depend on the other samples of the batch" in check.summary


def test_the_gates_share_their_float64_runs(classifier, monkeypatch):
    """They give the same results as gates that make their own, with one float64 model and each exact run only once."""
    apart = [check_determinism(classifier), check_independence(classifier)], make_cases(classifier)
    made = []
    in_float64 = ExportSource.in_float64
    monkeypatch.setattr(ExportSource, "in_float64", lambda source: made.append(source) or in_float64(source))
    runs = ExactRuns(classifier)
    together = [check_determinism(classifier, runs), check_independence(classifier, runs)], make_cases(classifier, runs)
    assert len(made) == 1
    assert together[0] == apart[0]
    for one, other in zip(together[1], apart[1], strict=True):
        assert one.kind == other.kind
        assert [limit.largest for limit in one.limits] == [limit.largest for limit in other.limits]
        assert all(np.array_equal(a, b) for a, b in zip(one.exact, other.exact, strict=True))
        assert all(np.shares_memory(a, b) for a, b in zip(one.exact, _exact_of(runs, one.kind), strict=True))


def _exact_of(runs, kind):
    return runs.outputs([name for name, _ in runs.inputs].index(kind))


# reference vectors

VECTORS = ReferenceVectors(
    np.array([[1, 2]], np.uint8), {"a": np.float32([[1.0, -2.0]]), "b": np.float32([[0.5]])}, (0.1, 0.01)
)


@pytest.mark.parametrize("limits", [(0.1, 0.01), None])
def test_reference_vectors_are_read_as_they_were_written(limits):
    content = json.loads(json.dumps(dataclasses.replace(VECTORS, limits=limits).to_json()))
    assert base64.b64decode(content["outputs"][1]["base64"]) == bytes.fromhex("0000003f")  # 0.5, little-endian
    found = ReferenceVectors.from_json(content)
    assert found.limits == limits
    for array, same in (
        (found.inputs, VECTORS.inputs),
        *((found.outputs[name], VECTORS.outputs[name]) for name in "ab"),
    ):
        assert array.dtype == same.dtype
        assert np.array_equal(array, same)


@pytest.mark.parametrize(
    ("got", "excess", "name"),
    [
        ([[[1.0, -2.0]], [[0.5]]], 0.0, ""),
        ([[[1.05, -2.0]], [[0.5]]], 0.5, "a"),
        ([[[1.05, -2.0]], [[0.48]]], 2.0, "b"),
        ([[[np.nan, -2.0]], [[0.5]]], np.inf, "a"),
        ([[[1.0, -2.0]], [[0.5, 0.5]]], np.inf, "b"),
        ([[[1.0, -2.0]]], np.inf, "b"),
    ],
)
def test_the_output_that_is_furthest_over_its_limit_counts(got, excess, name):
    found, worst = VECTORS.largest_excess([np.float32(output) for output in got])
    assert found == pytest.approx(excess, abs=1e-5)
    assert worst == name or not excess


def test_without_limits_the_tolerance_of_onnx_applies():
    plain = dataclasses.replace(VECTORS, limits=None)
    found, worst = plain.largest_excess([np.float32([[1.0, -2.004]]), np.float32([[0.5]])])
    assert found == pytest.approx(2, rel=1e-3)
    assert worst == "a"


@pytest.mark.parametrize("change", [{"input": None}, {"outputs": [{"name": "a"}]}, {"limits": 3}])
def test_damaged_reference_vectors_are_one_line(change):
    with pytest.raises(zoo.ZooError, match="reference vectors of the certificate are damaged"):
        ReferenceVectors.from_json(VECTORS.to_json() | change)


def test_equal_samples_are_computed_once_and_have_a_result_each():
    """Only the number of samples that torch computes is smaller."""
    seen = []

    def network(inputs):
        seen.append(len(inputs))
        return (inputs.sum(1, keepdim=True),)

    (same,) = run_exact(network, torch.ones(5, 3))
    assert same.tolist() == [[3.0]] * 5
    (different,) = run_exact(network, torch.arange(6.0).reshape(2, 3))
    assert different.tolist() == [[3.0], [12.0]]
    assert seen == [1, 2]
