"""Plugins in one file: a folder of Python files, without packaging."""

import json
import sys

import pytest

import zoo
from zoo import EntryPoint, create_registry
from zoo.registry.loading import in_order
from zoo.registry.plugin import DISTRIBUTION, FILE
from zoo.registry.plugin_files import find_plugin_files

SOURCE = """
import math
import zoo

@zoo.hookimpl
def register_architectures(register):
    register(zoo.Architecture(name="{name}", summary="one layer", task="classification", builder="{name}:build",
                              dataset="digits", parameters=7_850))

def build(input_shape, num_outputs):
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), num_outputs))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for plugins that leaves nothing on the search path and among the modules."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder = tmp_path / "nets"
    folder.mkdir()
    yield folder
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(str(folder)):
            del sys.modules[name]


def write(folder, name, source=SOURCE):
    path = folder / f"{name}.py"
    path.write_text(source.format(name=name))
    return path


def third_party(registry):
    return {plugin.name: plugin for plugin in registry.plugins if not plugin.builtin}


def test_each_file_and_each_package_of_the_folder_is_a_plugin(folder, monkeypatch):
    write(folder, "onefilea")
    (folder / "onefileb").mkdir()
    (folder / "onefileb" / "__init__.py").write_text(SOURCE.format(name="onefileb"))
    for name in ("_helper", "test_it", "conftest", ".hidden"):
        (folder / f"{name}.py").write_text("1 / 0")
    (folder / "data").mkdir()
    (folder / "notes.txt").write_text("")
    monkeypatch.setenv("ZOO_PLUGINS_DIR", str(folder))
    registry = create_registry()
    assert {name: plugin.status for name, plugin in third_party(registry).items()} == dict.fromkeys(
        ("onefilea", "onefileb"), "loaded"
    )
    assert {"onefilea", "onefileb"} <= registry.architectures.keys()


@pytest.mark.slow
def test_from_a_single_file_to_a_verified_network(folder, zoo_command):
    path = write(folder, "wholeway")
    command = ["--plugins-dir", folder]
    (facts,) = json.loads(zoo_command(*command, "list", "wholeway", "--json", registry=None).out)
    assert facts["plugin"]["file"] == str(path)
    trained = zoo_command(*command, "train", "wholeway", "--epochs", 2, "--json", registry=None)
    assert trained.code == 0
    origin = json.loads(trained.out)["plugin"]
    assert origin["distribution"] == "file"
    assert origin["file"] == str(path)
    assert len(origin["version"]) == 8
    assert zoo_command(*command, "export", "wholeway", "--onnx", registry=None).code == 0
    assert "wholeway" not in zoo_command("list", registry=None).out  # for that command only


def test_the_version_of_a_file_depends_on_its_content(folder, monkeypatch):
    monkeypatch.setenv("ZOO_PLUGINS_DIR", str(folder))
    path = write(folder, "versioned")
    before = third_party(create_registry())["versioned"].version
    path.write_text(path.read_text() + "# changed")
    assert third_party(create_registry())["versioned"].version != before


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("json", SOURCE, "belongs to"),
        ("torch", SOURCE, "belongs to"),
        ("two words", SOURCE, "not a name that Python can import"),
        ("halfwritten", "def (", "SyntaxError"),
        ("nothing_in_it", "", "adds nothing"),
    ],
)
def test_a_file_that_is_not_a_plugin_affects_no_other_plugin(name, source, expected, folder, zoo_command):
    write(folder, name, source)
    write(folder, "healthyfile")
    result = zoo_command("--plugins-dir", folder, "plugins", "--json", registry=None)
    assert result.code == 0
    facts = {fact["name"]: fact for fact in json.loads(result.out) if fact["distribution"] == "file"}
    assert facts[name]["status"] == "failed"
    assert expected in facts[name]["errors"][0]
    assert facts["healthyfile"]["status"] == "loaded"
    assert json.__name__ == "json"
    assert hasattr(json, "loads")


def test_a_missing_folder_is_reported(zoo_command, monkeypatch):
    assert "'nowhere' does not exist" in zoo_command("--plugins-dir", "nowhere", "list", registry=None).error
    monkeypatch.setenv("ZOO_PLUGINS_DIR", "/nowhere")
    result = zoo_command("list", registry=None)
    assert result.code == 0
    assert "there is no folder /nowhere" in result.err


def test_files_are_loaded_by_name_whatever_their_order_on_the_disk(folder, monkeypatch):
    """Two files that register one name: the same one wins on every machine."""
    names = ["b_net", "a_net", "d_net", "c_net"]
    for name in names:
        write(folder, name)
    monkeypatch.setattr("os.listdir", lambda _: [f"{name}.py" for name in names])
    monkeypatch.setenv("ZOO_PLUGINS_DIR", str(folder))
    assert [point.name for point in find_plugin_files()] == sorted(names)


def test_the_order_of_plugins_is_built_in_then_installed_then_files():
    points = [
        EntryPoint(distribution, "1.0", name, name, file=name if distribution == FILE else "")
        for distribution, name in [(FILE, "a"), ("zz-nets", "b"), (DISTRIBUTION, "z"), ("aa-nets", "c"), (FILE, "A")]
    ]
    assert [point.name for point in in_order(points)] == ["z", "c", "b", "A", "a"]


def test_plugins_in_files_are_not_subject_to_the_lists_of_installed_plugins(folder, monkeypatch):
    write(folder, "onefilea")
    monkeypatch.setenv("ZOO_PLUGINS_DIR", str(folder))
    monkeypatch.setenv("ZOO_LOAD_PLUGINS", "other")
    assert third_party(create_registry())["onefilea"].status == "loaded"


def test_an_installed_plugin_comes_before_a_file(folder, monkeypatch):
    write(folder, "late", SOURCE.replace('name="{name}"', 'name="lenet"'))
    monkeypatch.setenv("ZOO_PLUGINS_DIR", str(folder))
    registry = create_registry()
    assert "already registered by lenet (pluggy-zoo" in third_party(registry)["late"].errors[0]
    assert registry.owner(registry.architecture("lenet")).builtin


def test_the_library_reads_the_folder_too(folder, monkeypatch):
    write(folder, "forscripts")
    monkeypatch.setenv("ZOO_PLUGINS_DIR", str(folder))
    assert sum(p.numel() for p in zoo.create_model("forscripts").parameters()) == 7_850
