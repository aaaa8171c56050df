"""The example packages load without errors; the slow tests install them in a new environment and run their tests."""

import importlib.metadata
import json
import shutil
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import zoo
from zoo.registry.declared import check_declared
from zoo.registry.entry_points import find_entry_points

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/pyproject.toml"))


@pytest.fixture(params=NAMES)
def example(request, monkeypatch):
    """The folder of an example, which is on the import path as after an editable install, and a registry with it."""
    folder = EXAMPLES / request.param
    monkeypatch.syspath_prepend(str(folder))
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    ((name, value),) = project["entry-points"]["zoo"].items()
    point = zoo.EntryPoint(project["name"], project["version"], name, value, ">=0.1")
    built_in = [found for found in find_entry_points() if found.distribution == "pluggy-zoo"]
    return folder, zoo.create_registry([*built_in, point])


def test_an_example_loads_without_errors(example):
    folder, registry = example
    plugin = registry.plugins[-1]
    registry.commands(())
    check_declared(registry)
    assert (plugin.status, plugin.distribution, plugin.errors, plugin.notes) == ("loaded", folder.name, [], [])


def test_the_readme_lists_every_example(registry):
    table = (EXAMPLES / "README.md").read_text()
    assert [name for name in NAMES if f"[{name}]({name})" in table] == NAMES
    assert len(NAMES) == 10


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_example_installs_and_passes_its_own_tests(name, fresh, tmp_path):
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder)
    _skip_without_its_dependencies(folder)
    fresh("pip", "install", "-q", "--no-index", "--no-build-isolation", "-e", ".[test]", folder=folder)
    rows = {fact["name"]: fact["status"] for fact in json.loads(fresh("zoo", "plugins", "--json", folder=folder))}
    assert rows[name] == "loaded"
    output = fresh("pytest", "-q", "-p", "no:cacheprovider", folder=folder)
    assert " passed" in output
    assert "failed" not in output
    fresh("pip", "uninstall", "-y", "-q", name, folder=folder)


def _skip_without_its_dependencies(folder):
    """Skip if a library that an example is about is not installed; an example must not install it."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    for dependency in map(Requirement, project["dependencies"]):
        try:
            importlib.metadata.version(dependency.name)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{dependency.name} is not installed")
