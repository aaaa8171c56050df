"""Runs whose plugin is missing or has changed: the error says so, with the command that gets it back."""

import dataclasses
import json
import sys
from types import SimpleNamespace

import pytest

import zoo
from zoo.registry.entry_points import find_entry_points
from zoo.registry.origins import note_change, way_back
from zoo.registry.plugin import FILE, Plugin

NET = """
import math
import zoo

@zoo.hookimpl
def register_architectures(register):
    register(zoo.Architecture(name="theirs", summary="s", task="classification", builder="{module}:build",
                              dataset="digits", parameters=7_850, hyperparameters=dict(epochs=1)))

def build(input_shape, num_outputs):
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), num_outputs))
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Registries with a plugin `theirs` of the distribution their-nets, of any version and content."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def registry(version="1.0", source=NET, **fields):
        module = f"their_nets_{version.replace('.', '_')}"
        (folder / f"{module}.py").write_text(source.replace("{module}", module))
        sys.modules.pop(module, None)
        point = zoo.EntryPoint("their-nets", version, "theirs", module)
        return zoo.create_registry([*find_entry_points(), dataclasses.replace(point, **fields)])

    return registry


@pytest.fixture
def run(install, runs_dir):
    return zoo.train("theirs", registry=install(), runs_dir=runs_dir)


def load(run, registry):
    return zoo.load(str(run.folder), registry=registry)


def resume(run, registry):
    return zoo.resume(str(run.folder), epochs=2, registry=registry)


@pytest.mark.parametrize("use", [load, resume])
def test_a_missing_plugin_is_named_with_the_pip_command(use, run, registry):
    assert run.config["plugin"] == {"name": "theirs", "distribution": "their-nets", "version": "1.0"}
    with pytest.raises(zoo.PluginError) as caught:
        use(run, registry)
    assert str(caught.value) == (
        "theirs was trained with the plugin theirs of their-nets 1.0, which is not installed. "
        "`pip install their-nets==1.0` installs that version."
    )


def test_the_run_is_still_listed(run, registry, zoo_command):
    listed = zoo_command("runs", "--runs-dir", run.folder.parents[1], registry=registry)
    assert "theirs/" in listed.out
    exported = zoo_command("export", run.folder, "--onnx", registry=registry)
    assert exported.code == 1
    assert "pip install their-nets==1.0" in exported.error


@pytest.mark.parametrize("use", [load, resume])
def test_a_plugin_that_builds_another_network_now_is_named_with_both_versions(use, run, install):
    changed = install("2.0", NET.replace("num_outputs))", "num_outputs, bias=False))"))
    with pytest.raises(zoo.PluginError) as caught:
        use(run, changed)
    message = str(caught.value)
    assert "does not fit the network as it is built now" in message
    assert "was trained with the plugin theirs of their-nets 1.0; now it is theirs (their-nets 2.0)." in message
    assert "`pip install their-nets==1.0`" in message


def test_a_plugin_that_lost_the_architecture_is_reported(run, install):
    with pytest.raises(zoo.PluginError, match=r"theirs \(their-nets 2.0\) does not have it any more.*their-nets==1.0"):
        load(run, install("2.0", NET.replace('name="theirs"', 'name="others"')))


def test_another_version_is_used_and_reported_when_a_run_resumes(run, install, caplog):
    newer = install("1.1")
    load(run, newer)
    assert not [record for record in caplog.records if "their-nets" in record.getMessage()]
    resume(run, newer)
    assert [True for record in caplog.records if "now it is theirs (their-nets 1.1)" in record.getMessage()]


def test_a_plugin_that_is_blocked_or_broken_is_reported_as_that(run, install, monkeypatch):
    with pytest.raises(zoo.PluginError, match="which failed: ModuleNotFoundError"):
        load(run, install("1.0", "import nothing_of_that_name"))
    monkeypatch.setenv("ZOO_BLOCK_PLUGINS", "their-nets")
    with pytest.raises(zoo.PluginError, match="ZOO_BLOCK_PLUGINS"):
        load(run, install())


def test_a_missing_file_is_named_with_its_folder(tmp_path, monkeypatch, zoo_command):
    folder = tmp_path / "nets"
    folder.mkdir()
    (folder / "goneagain.py").write_text(NET.replace("{module}", "goneagain"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    made = zoo_command("--plugins-dir", folder, "train", "theirs", "--json", registry=None)
    run = json.loads(made.out)["run"]
    assert f"`zoo --plugins-dir {folder}`" in zoo_command("export", run, "--onnx", registry=None).error
    (folder / "goneagain.py").unlink()
    assert "The file is missing; restore it" in zoo_command("export", run, "--onnx", registry=None).error


@pytest.mark.parametrize("name", ["net.py", "net/__init__.py"])
def test_the_folder_of_plugins_is_the_one_with_the_file_or_the_package(name, tmp_path):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.touch()
    origin = {"name": "net", "distribution": FILE, "version": "1234", "file": str(file)}
    assert way_back(origin).startswith(f"Use `zoo --plugins-dir {tmp_path}`; the run was trained with version 1234")
    file.unlink()
    assert way_back(origin).endswith(f"restore it and use `zoo --plugins-dir {tmp_path}`.")


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (Plugin("net", FILE, "5678", "net.py"), "has changed since"),
        (Plugin("net", "their-nets", "1.0", "net"), "now it is net (their-nets 1.0)"),
    ],
)
def test_a_file_that_changed_is_named_and_so_is_what_came_in_its_place(now, words, caplog):
    registry = SimpleNamespace(architectures={"net": "net"}, owner=lambda spec: now)
    origin = {"name": "net", "distribution": FILE, "version": "1234", "file": "net.py"}
    note_change(registry, {"architecture": "net", "plugin": origin})
    assert words in caplog.text


@pytest.mark.parametrize("origin", [None, {"name": "net", "distribution": "their-nets", "version": "1.0"}])
def test_nothing_is_said_of_a_plugin_that_is_the_same_or_unknown(origin, caplog):
    now = Plugin("net", "their-nets", "1.0", "net")
    registry = SimpleNamespace(architectures={"net": "net"}, owner=lambda spec: now)
    note_change(registry, {"architecture": "net", "plugin": origin})
    note_change(registry, {"architecture": "gone", "plugin": origin})
    assert not caplog.records
