"""Older versions of onnxruntime: opset and IR version of exported files, and that an old runtime reads them."""

import base64
import json
import subprocess
import sys
import venv
import warnings

import numpy as np
import onnx
import pytest
import torch
from zoo.exporters.onnx.structure import check_opset
from zoo.exporters.onnx.versions import READS, candidates
from zoo.exporters.onnx.write import write

import zoo
from zoo import ExportError, UsageError, create_registry
from zoo.exporting.source import ExportSource
from zoo.models.trained import load_shipped

LONG = {"alexnet-mini", "densenet-mini", "googlenet-mini", "rnn-mini", "vgg-mini"}
SHIPPED = sorted(name for name, spec in create_registry().architectures.items() if spec.shipped_weights)
OLD = "1.17.3"


def source_of(name, registry):
    """The shipped network, with data of its shape; enough to write the file."""
    trained = load_shipped(name, registry)
    recorded = trained.metadata["data"]
    kind = torch.uint8 if len(recorded["input_shape"]) == 3 else torch.float32
    test = zoo.Split(torch.zeros(4, *recorded["input_shape"], dtype=kind), torch.zeros(4, dtype=torch.int64))
    model = torch.nn.Sequential(trained.module, trained.task.answers()).eval()
    return ExportSource(name, model, trained.task, test, None, trained.describe())


@pytest.fixture(autouse=True)
def quiet():
    """An export keeps the warnings of torch from the user; here its writer is called directly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def versions_in(path):
    model = onnx.load(path)
    return [(item.domain, item.version) for item in model.opset_import], model.ir_version


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in SHIPPED]
)
def test_the_file_has_the_lowest_opset_and_ir(name, registry, tmp_path):
    path = tmp_path / "m.onnx"
    write(source_of(name, registry), path)
    assert versions_in(path) == ([("", 18)], 8)


@pytest.mark.parametrize(("options", "opset", "ir"), [({"opset": 21}, 21, 10), ({"runtime": "1.14"}, 18, 8)])
def test_an_opset_or_a_runtime_can_be_requested(options, opset, ir, registry, tmp_path):
    path, source = tmp_path / "m.onnx", source_of("linear-regression", registry)
    write(source, path, **options)
    assert versions_in(path) == ([("", opset)], ir)
    (check,) = check_opset(source, path, **options)
    assert check.passed
    assert check.figures["written"] == opset


def test_opset_and_runtime_exclude_each_other(zoo_command, tmp_path):
    command = ("export", "linear-regression", "--onnx", "--opset", 20, "--runtime", "1.17", "-o", tmp_path / "m.onnx")
    done = zoo_command(*command)
    assert done.code == 2
    assert "--opset or --runtime, not both" in done.error
    assert not (tmp_path / "m.onnx").exists()


def test_a_file_that_the_runtime_does_not_read_is_refused(registry, tmp_path):
    path, source = tmp_path / "m.onnx", source_of("linear-regression", registry)
    write(source, path, opset=21)
    (check,) = check_opset(source, path, runtime="1.17")
    assert not check.passed
    assert check.summary == "onnxruntime 1.17 reads opset 20 and IR 9, the file has 21 and 10"


def test_a_network_that_needs_more_than_the_runtime_reads_is_refused(registry, tmp_path, monkeypatch):
    def refuse(*args, opset_version, **options):
        raise RuntimeError(f"needs more than {opset_version}")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(ExportError, match=r"opset 20 is the last that onnxruntime 1\.17 reads.*needs more than 18"):
        write(source_of("linear-regression", registry), tmp_path / "m.onnx", runtime="1.17")


def test_newer_runtimes_read_at_least_as_much_as_older_ones():
    reads = list(READS.values())
    assert reads == sorted(reads)
    assert all(candidates(0, runtime)[0] == 18 for runtime in READS)
    assert candidates(0, "1.17") == (18, 20)
    with pytest.raises(UsageError):
        candidates(20, "1.17")


RUN = """
import sys, numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
np.savez(sys.argv[3], *session.run(None, {session.get_inputs()[0].name: np.load(sys.argv[2])}))
print(onnxruntime.__version__)
"""


@pytest.fixture(scope="module")
def old_python(tmp_path_factory):
    """The Python of an environment with an old onnxruntime."""
    home = tmp_path_factory.mktemp("old")
    venv.create(home, with_pip=True)
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    install = [python, "-m", "pip", "install", "-q", f"onnxruntime=={OLD}", "numpy<2"]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"onnxruntime {OLD} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return python


def array_of(entry):
    return np.frombuffer(base64.b64decode(entry["base64"]), entry["type"]).reshape(entry["shape"])


@pytest.mark.campaign
@pytest.mark.parametrize("reduction", ["", "int8", "fp16"])
def test_an_old_onnxruntime_gives_the_reference_vectors(reduction, old_python, digits_runs, tmp_path):
    options = {"runs_dir": digits_runs, "data_dir": tmp_path, "reduction": reduction, "max_drop": 5.0}
    certificate = zoo.export("resnet-mini", output=tmp_path, runtime="1.17", **options)
    vectors = json.loads(certificate.path.read_text())["reference_vectors"]
    np.save(tmp_path / "in.npy", array_of(vectors["input"]))
    command = [old_python, "-c", RUN, certificate.file, tmp_path / "in.npy", tmp_path / "out.npz"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, OLD), done.stderr
    # a smaller form has no limits, but outputs of onnxruntime itself
    limits = vectors["limits"] or [1e-3] * len(vectors["outputs"])
    with np.load(tmp_path / "out.npz") as outputs:
        for got, entry, limit in zip(outputs.values(), vectors["outputs"], limits, strict=True):
            assert np.abs(got - array_of(entry)).max() <= limit
