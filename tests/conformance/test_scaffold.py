"""``zoo new`` creates complete packages; the slow tests install them and run their tests."""

import ast
import functools
import json
import tomllib
from pathlib import Path

import pytest
from zoo.plugins import recipe_parts

import zoo
from zoo.commands import scaffolding
from zoo.conformance.new_package import KINDS, new_package
from zoo.registry.declared import check_declared, sample_architectures

EXPECTED = {"pyproject.toml", "README.md", "LICENSE", ".gitignore"}
EXPECTED |= {".github/workflows/test.yml", ".github/workflows/publish.yml"}


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_is_complete_and_leaves_no_placeholder(kind, tmp_path, registry):
    folder = new_package("their-thing", kind, tmp_path, registry=registry)
    assert folder == tmp_path / "their-thing"
    assert files(folder) >= EXPECTED | {"src/their_thing/__init__.py", "tests/test_their_thing.py"}
    for path in folder.rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert "PACKAGE" not in text
            assert "$" not in text.replace("${{ matrix.python }}", ""), path
            if path.suffix == ".py":
                assert ast.get_docstring(ast.parse(text))
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "their-thing"
    assert project["entry-points"]["zoo"] == {"their-thing": "their_thing"}
    assert project["dependencies"] == ["pluggy-zoo>=0.1"]
    assert {path.name for path in tmp_path.iterdir()} == {"their-thing", "work"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_is_registered_without_errors(kind, tmp_path, registry, monkeypatch):
    name = f"their-{kind}"
    folder = new_package(name, kind, tmp_path, registry=registry)
    monkeypatch.syspath_prepend(str(folder / "src"))
    point = zoo.EntryPoint(name, "0.1.0", name, name.replace("-", "_"))
    registry = zoo.create_registry([point])
    registry.add(zoo.Plugin("recipe-parts", "pluggy-zoo", "0.1.0", "zoo.plugins.recipe_parts"), recipe_parts)
    assert registry.plugins[0].status == "loaded"
    optimizers = [name for name in registry.recipe_parts("optimizer") if name not in ("sgd", "adamw")]
    found = [*registry.architectures, *registry.datasets, *registry.exporters, *optimizers]
    if kind == "task":
        assert found == [f"{name}-mlp", f"{name}-rings"]
        found = list(registry.tasks)
    if kind == "input":
        assert found == [f"{name}-mlp", f"{name}-tones"]
        found = list(registry.inputs)
    found += registry.commands(())
    found += [plugin.name for plugin in registry.plugins if "epoch_ended" in plugin.hooks]
    found += {sample.partition("/")[0] for sample in sample_architectures(registry, registry.plugins[0])}
    assert found == [name]
    check_declared(registry)
    assert registry.plugins[0].errors == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["new", "My Net"], "lower-case"),
        (["new", "lenet"], "already an architecture named 'lenet'"),
        (["new", "digits", "--kind", "dataset"], "already a dataset named 'digits'"),
        (["new", "onnx", "--kind", "exporter"], "already an exporter named 'onnx'"),
        (["new", "adamw", "--kind", "optimizer"], "already an optimizer named 'adamw'"),
        (["new", "tensorboard", "--kind", "listener"], "already a listener named 'tensorboard'"),
        (["new", "train", "--kind", "command"], "already a command named 'train'"),
        (["new", "json"], "already has a module or keyword 'json'"),
        (["new", "class"], "already has a module or keyword 'class'"),
        (["new", "zoo"], "already has a module or keyword 'zoo'"),
        (["new", "here"], "already exists"),
        (["new", "their-net", "--kind", "network"], "'network' is not one of"),
        (["new"], "NAME"),
    ],
)
def test_a_name_that_cannot_be_used_gives_one_line_and_writes_nothing(arguments, expected, zoo_command):
    Path("here").mkdir()
    result = zoo_command(*arguments)
    assert result.code == 2
    assert expected in result.error
    assert files(Path()) == set()


def test_a_folder_that_cannot_be_created_gives_one_line(zoo_command):
    Path("file").write_text("")
    result = zoo_command("new", "their-net", "-o", "file/in-it")
    assert result.code == 1
    assert "Cannot write" in result.error


def test_the_command_prints_the_next_steps(zoo_command):
    result = zoo_command("new", "their-net")
    assert result.code == 0
    assert [line.strip() for line in result.out.splitlines()[1:]] == [
        "cd their-net",
        "pip install -e '.[test]'",
        "pytest",
        "zoo train their-net",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_new_package_installs_passes_its_own_tests_and_can_be_removed(kind, fresh, tmp_path):
    name = f"their-{kind}"
    run = functools.partial(fresh, folder=tmp_path)

    def rows():
        return {fact["name"]: fact for fact in json.loads(run("zoo", "plugins", "--json"))}

    run("zoo", "new", name, "--kind", kind)
    folder = tmp_path / name
    run("pip", "install", "-q", "--no-index", "--no-build-isolation", "-e", ".[test]", folder=folder)
    assert rows()[name]["status"] == "loaded"
    output = run("pytest", "-q", "-p", "no:cacheprovider", folder=folder)
    assert " passed" in output
    assert "failed" not in output
    assert "skipped" not in output
    run("zoo", "check", name)

    (folder / "src" / name.replace("-", "_") / "__init__.py").write_text("import nothing_of_that_name\n")
    assert rows()[name]["status"] == "failed"
    run("zoo", "check", name, code=1)
    run("zoo", "list")
    run("pip", "uninstall", "-y", "-q", name)
    assert name not in rows()


def test_the_command_knows_every_kind():
    assert tuple(scaffolding.KINDS) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_help_and_output_say_plainly_what_each_kind_makes(kind, zoo_command):
    text = scaffolding.KINDS[kind]
    assert f"{kind:<14}{text}\n" in zoo_command("new", "--help").out
    made = zoo_command("new", "their-own", "--kind", kind)
    assert made.out.startswith(
        f"Created the package their-own: {text.replace('NAME', 'their-own')}; with tests and CI."
    )
