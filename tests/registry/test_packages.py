"""``zoo install``, ``zoo uninstall`` and the list of known plugins. A replacement of pip installs into a folder."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import zoo
from zoo.registry import packages
from zoo.registry.packages import INDEX, KEYWORD

ROOT = Path(__file__).parents[2]
PIP = '''
import pathlib, shutil, sys
site = pathlib.Path(__file__).parents[2] / "site"
print("pip", *sys.argv[1:])
action, *names = [word for word in sys.argv[1:] if not word.startswith("-")]
for name in names:
    module = name.replace("-", "_")
    info = site / f"{module}-1.5.dist-info"
    if action == "uninstall":
        shutil.rmtree(info)
        continue
    if name == "unknown":
        sys.exit(1)
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {name}\\nVersion: 1.5\\n")
    if name != "no-plugin":
        (info / "entry_points.txt").write_text(f"[zoo]\\n{name} = {module}\\n")
    fault = "import os; os.kill(os.getpid(), 9)" if name == "bad-net" else ""
    (site / f"{module}.py").write_text(fault + """
import zoo
@zoo.hookimpl
def register_schedules(register):
    register(zoo.Schedule(name="their-schedule", summary="s", factor="math:sqrt"))
""")
'''


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of packages on the import path, and a pip that installs into it."""
    tool, site = tmp_path / "tool" / "pip", tmp_path / "site"
    tool.mkdir(parents=True)
    site.mkdir()
    (tool / "__init__.py").write_text("")
    (tool / "__main__.py").write_text(PIP)
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tool.parent), str(site)]))
    return site


def test_a_package_is_installed_and_its_plugins_are_shown(site, zoo_command):
    result = zoo_command("install", "--upgrade", "good-net")
    assert result.code == 0
    (row,) = [line for line in result.out.splitlines() if line.startswith("good-net")]
    assert row.split()[1:4] == ["good-net", "1.5", "ok"]
    assert "schedule their-schedule" in row
    assert [point.name for point in zoo.plugins_of("Good_Net")] == ["good-net"]


def test_pip_gets_the_options_and_prints_on_standard_error(site):
    command = [sys.executable, "-m", "zoo", "install", "--no-index", "--find-links", "wheels", "good-net"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "pip --disable-pip-version-check install --no-index --find-links wheels good-net" in done.stderr
    assert "pip" not in done.stdout


def test_a_plugin_that_ends_its_process_is_named_after_the_installation(site, zoo_command):
    result = zoo_command("install", "good-net", "bad-net")
    assert result.code == 1
    assert "its import ends the process (signal SIGKILL)" in result.out


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [("no-plugin", 0, "No new plugin"), ("unknown", 1, "Error: pip install failed with exit code 1")],
)
def test_an_installation_without_a_plugin_says_so(site, zoo_command, name, code, text):
    result = zoo_command("install", name)
    assert (result.code, result.out) == (code, "")
    assert text in result.err


def test_a_package_is_removed_after_a_question(site, zoo_command, monkeypatch):
    zoo_command("install", "good-net")
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda text: "n")
    refused = zoo_command("uninstall", "good-net")
    assert (refused.code, refused.out) == (0, "Nothing was removed.\n")
    assert zoo.plugins_of("good-net")
    removed = zoo_command("uninstall", "good-net", "--yes")
    assert (removed.code, removed.out) == (0, "Removed good-net 1.5 with good-net.\n")
    assert "good-net" in zoo_command("uninstall", "good-net", "-y").error


def test_only_packages_with_plugins_are_removed(site, zoo_command):
    zoo_command("install", "good-net")
    assert "Did you mean 'good-net'?" in zoo_command("uninstall", "god-net").error
    assert "`pip uninstall pluggy-zoo` removes it" in zoo_command("uninstall", "pluggy_zoo").error
    assert zoo_command("uninstall", "torch", "--yes").code == 2


def test_an_environment_without_pip_is_one_line(zoo_command, monkeypatch):
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: None)
    assert "This environment has no pip" in zoo_command("install", "good-net").error


def test_the_known_plugins_are_listed_without_loading_a_plugin(zoo_command, monkeypatch):
    monkeypatch.setattr("zoo.commandline.group.create_registry", None)
    result = zoo_command("plugins", "--available", registry=None)
    assert result.code == 0
    assert "zoo-lion" in result.out
    facts = json.loads(zoo_command("plugins", "--available", "--json", registry=None).out)
    assert [fact["package"] for fact in facts] == sorted(fact["package"] for fact in facts)
    assert zoo_command("plugins", "--available", "--isolated").code == 2


def test_each_entry_of_the_list_is_complete_and_each_example_is_listed():
    entries = json.loads(INDEX.read_text())["packages"]
    for entry in entries:
        assert entry.keys() == {"package", "summary", "adds", "source"}
        assert all(entry.values())
    listed = {entry["package"] for entry in entries}
    for path in sorted((ROOT / "examples").glob("*/pyproject.toml")):
        project = tomllib.loads(path.read_text())["project"]
        assert KEYWORD in project["keywords"]
        assert project["name"] in listed
    template = ROOT / "zoo" / "conformance" / "templates" / "common" / "pyproject.toml.template"
    assert f'keywords = ["{KEYWORD}"]' in template.read_text()


@pytest.mark.slow
def test_pip_installs_a_plugin_from_a_folder_of_wheels_without_network(fresh, tmp_path):
    wheels = tmp_path / "wheels"
    build = ["pip", "wheel", "-q", "--no-index", "--no-build-isolation", "--no-deps", "-w", wheels]
    fresh(*build, ROOT / "examples" / "zoo-lion", folder=tmp_path)
    output = fresh("zoo", "install", "--no-index", "--find-links", wheels, "zoo-lion", folder=tmp_path)
    assert "optimizer lion" in output
    known = {
        fact["package"]: fact for fact in json.loads(fresh("zoo", "plugins", "--available", "--json", folder=tmp_path))
    }
    assert known["zoo-lion"]["installed"] == "0.1.0"
    assert "Removed zoo-lion 0.1.0" in fresh("zoo", "uninstall", "zoo-lion", "-y", folder=tmp_path)
    assert "zoo-lion" not in fresh("zoo", "plugins", folder=tmp_path)
