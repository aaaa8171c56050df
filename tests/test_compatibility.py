"""Files of earlier versions can be read. Each folder in ``fixtures`` is named after the version that wrote it."""

import json
import shutil
from pathlib import Path

import pytest

import zoo

VERSIONS = sorted((Path(__file__).parent / "fixtures").glob("0.*"))


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name)
def earlier(request, runs_dir):
    """A copy of the fixture, with its run in the runs folder."""
    name = json.loads((request.param / "run" / "run.json").read_text())["architecture"]
    shutil.copytree(request.param / "run", runs_dir / name / "20261124-105019")
    for path in request.param.glob("*.onnx*"):
        shutil.copy(path, runs_dir.parent)
    return runs_dir.parent / f"{name}.onnx"


@pytest.fixture
def run(earlier, runs_dir, registry):
    """The run of the fixture."""
    return zoo.find_run(earlier.stem, runs_dir, registry.architectures)


def test_a_run_is_listed_and_its_recorded_accuracy_measured_again(run, runs_dir):
    assert [found.name for found in zoo.list_runs(runs_dir)] == [run.name]
    assert run.status == "finished"
    assert [entry["epoch"] for entry in run.metrics()] == [1, 2, 3]
    measured = zoo.assess(str(run.folder), runs_dir=runs_dir).metrics
    recorded = run.config["results"]["test"]
    (name,) = recorded.keys() & {"accuracy", "mae"}
    assert measured[name].value == pytest.approx(recorded[name], rel=1e-4)


def test_a_finished_run_goes_on(run, runs_dir):
    before = list(run.metrics())
    resumed = zoo.resume(str(run.folder), epochs=4, device="cpu", runs_dir=runs_dir)
    after = list(resumed.metrics())
    assert after[:3] == before
    assert after[3]["epoch"] == 4
    assert resumed.config["results"]["test"]["loss"] < 0.5
    assert resumed.config["extended"] == [{"epochs": 3, "after": 3}]


def test_an_exported_file_is_verified_alone_and_with_its_run(earlier, runs_dir):
    alone = zoo.verify(earlier, runs_dir=runs_dir.parent / "elsewhere")
    assert alone.passed
    assert {"hash", "structure", "reference vectors"} <= {check.gate for check in alone.checks}
    with_run = zoo.verify(earlier, runs_dir=runs_dir)
    assert with_run.passed
    assert {"numerics", "providers", "test split"} <= {check.gate for check in with_run.checks}


def test_a_run_is_exported_to_the_same_checkpoint(run, earlier, runs_dir):
    recorded = json.loads(earlier.with_name(earlier.name + ".json").read_text())
    certificate = zoo.export(str(run.folder), output=runs_dir / "again.onnx", runs_dir=runs_dir)
    assert certificate.description["checkpoint_sha256"] == recorded["model"]["checkpoint_sha256"]
    assert certificate.description["test"] == recorded["model"]["test"]
