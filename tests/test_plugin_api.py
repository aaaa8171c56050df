"""Plugins that were written for an earlier state of this version of the plugin API still work, unchanged."""

import csv
import hashlib
import json
from pathlib import Path

import pytest

import zoo
from zoo.registry.declared import check_declared, sample_architectures
from zoo.registry.entry_points import find_entry_points

FOLDER = Path(__file__).parent / "fixtures" / f"plugins-{zoo.PLUGIN_API}"
DIGEST = "141f6ea5196dab8f"
NAMES = sorted(path.stem for path in FOLDER.glob("api1_*"))
PARTS = {"optimizer": "api1-lion", "schedule": "api1-polynomial", "augment": "api1-salt", "loss": "api1-focal"}


@pytest.fixture
def registry(monkeypatch):
    """The built-in plugins and the fixtures, as after their installation."""
    monkeypatch.syspath_prepend(str(FOLDER))
    points = [zoo.EntryPoint(n.replace("_", "-"), "0.1.0", n.replace("_", "-"), n, ">=0.1") for n in NAMES]
    builtin = [point for point in find_entry_points() if point.distribution == "pluggy-zoo"]
    return zoo.create_registry([*builtin, *points])


def train(registry, folder, name="api1-architecture", **settings):
    settings = {"dataset": "digits", "epochs": 1, "device": "cpu", "data_dir": folder} | settings
    return zoo.train(name, registry=registry, runs_dir=folder / "runs", **settings)


def test_the_fixtures_are_those_that_were_kept():
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*.py")):
        digest.update(f"{path.relative_to(FOLDER).as_posix()}\n".encode() + path.read_bytes())
    assert digest.hexdigest()[:16] == DIGEST
    assert len(NAMES) == 8


def test_every_plugin_loads_without_an_error_or_a_note(registry):
    registry.commands(())
    check_declared(registry)
    mine = [plugin for plugin in registry.plugins if plugin.name.startswith("api1-")]
    assert [(plugin.name, plugin.status, plugin.errors, plugin.notes) for plugin in mine] == [
        (name.replace("_", "-"), "loaded", [], []) for name in NAMES
    ]


def test_the_architecture_trains_with_its_option_and_the_optimizer_and_is_listened_to(registry, tmp_path):
    settings = {"width": 4, "optimizer": "api1-optimizer", "lr": 0.001}
    run = train(registry, tmp_path, epochs=2, log=["api1-listener"], **settings)
    assert run.status == "finished"
    assert run.config["options"] == {"width": 4}
    assert run.config["recipe_plugins"]["optimizer"]["name"] == "api1-optimizer"
    with (run.folder / "api1_listener.csv").open(newline="") as file:
        lines = list(csv.reader(file))
    assert [(int(epoch), float(loss)) for epoch, loss in lines] == [
        (entry["epoch"], entry["validation"]["loss"]) for entry in run.metrics()
    ]


def test_the_parts_of_a_recipe_train(registry, tmp_path):
    run = train(registry, tmp_path, **PARTS, lr=0.001, salt=0.1, gamma=1.5)
    assert run.status == "finished"
    assert {kind: run.config["hyperparameters"][kind] for kind in PARTS} == PARTS


def test_the_dataset_is_loaded_and_trained_on(registry, tmp_path):
    assert len(zoo.load_dataset("api1-dataset", data_dir=tmp_path, registry=registry).test) == 200
    run = train(registry, tmp_path, "diabetes-mlp", dataset="api1-dataset", activation="relu")
    assert run.config["data"]["name"] == "api1-dataset"


def test_the_exporter_writes_a_run_and_its_family_is_found(registry, tmp_path):
    samples = sample_architectures(registry, next(p for p in registry.plugins if p.name == "api1-family"))
    assert [registry.architecture(name).name for name in samples] == ["api1-family/16", "api1-family/32-16"]
    run = train(registry, tmp_path, "api1-family/16")
    file = tmp_path / "net.safetensors"
    certificate = zoo.export(str(run.folder), "api1-exporter", file, registry=registry, data_dir=tmp_path)
    assert file.is_file()
    assert {"names", "test split"} <= {check.gate for check in certificate.checks}


def test_the_command_runs(registry, zoo_command):
    result = zoo_command("api1-command", "lenet", "--json", registry=registry)
    assert result.code == 0, result.err
    assert sum(fact["size"] for fact in json.loads(result.out)) == 61_706
    assert "List the parameters of an architecture" in zoo_command("api1-command", "-h", registry=registry).out
