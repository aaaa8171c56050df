"""Files beside the code are up to date: the drawing of the rooms, the nox sessions, the workflows, the citation.

The chapters of docs/learn are complete; that they run is checked when the documentation is built.
"""

import configparser
import importlib
import inspect
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import zoo

ROOT = Path(__file__).parent.parent
CHAPTERS = sorted((ROOT / "docs" / "learn").glob("[0-9]*.md"))
# torchvision's networks are not in the course
NETWORKS = sorted(
    path.parent.name.replace("_", "-")
    for path in (ROOT / "plugins").glob("*/model.py")
    if path.parent.name != "torchvision_models"
)
TOOLS = {"pytest", "ruff", "mypy", "pyright", "cog", "python", "sphinx-build"}


def test_the_drawing_of_the_rooms_is_up_to_date():
    command = [sys.executable, ROOT / "docs" / "rooms.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nox_and_ci_run_the_same_commands(monkeypatch):
    script = (ROOT / ".ci" / "run").read_text().replace("\\\n", " ")
    lines = script[script.index(". .venv/bin/activate") :].splitlines()
    found = [split_settings(line) for line in lines]
    in_ci = {command for command in found if command and command[0] in TOOLS}
    assert {command[0] for command in in_ci} == TOOLS
    # the README has the command that runs the tests, and the campaigns are run each night
    tests = ("pytest", "-n", "logical", "--dist", "worksteal")
    campaign = ("pytest", "-m", "campaign", *tests[1:], "--durations=10")
    # for the tests, not for the library
    mutation = ("python", "benchmarks/mutation.py")
    in_nox = {command for command in commands_of_nox(monkeypatch) if command[0] != "coverage"}
    assert in_ci | {tests, campaign, mutation} == in_nox


def split_settings(line):
    """The words of a line of shell without leading settings of variables: ``A=1 pytest x`` gives ``pytest x``."""
    return tuple(shlex.split(re.sub(r"^\s*([A-Z0-9_]+=\S+ )+", "", line), comments=True)) if "$" not in line else ()


def commands_of_nox(monkeypatch):
    """What the sessions of noxfile.py run. A simple object replaces nox, so that the tests do not need it."""
    commands = []
    session = SimpleNamespace(posargs=(), run=lambda *command, env=None: commands.append(command))
    replacement = SimpleNamespace(options=SimpleNamespace(), session=lambda function: function)
    monkeypatch.setitem(sys.modules, "nox", replacement)
    content = runpy.run_path(str(ROOT / "noxfile.py"))
    for value in content.values():
        if inspect.isfunction(value):
            value(session)
    return commands


@pytest.mark.parametrize("path", sorted((ROOT / ".github").rglob("*.yml")), ids=lambda path: path.name)
def test_workflows_and_issue_forms_are_valid_yaml(path):
    yaml = pytest.importorskip("yaml", reason="pyyaml is not installed (extra `test`)")
    assert isinstance(yaml.safe_load(path.read_text()), dict)


def test_the_citation_names_this_version():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited is not None
    assert cited.group(1) == config["metadata"]["version"]


def test_chapters_are_numbered_without_gaps():
    titles = [re.search(r"^# (\d+)\. ", path.read_text(), re.MULTILINE) for path in CHAPTERS]
    numbers = [int(title.group(1)) for title in titles if title]
    assert numbers == [int(path.name[:2]) for path in CHAPTERS] == list(range(1, len(CHAPTERS) + 1))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_names_its_data_and_ends_with_a_command_exercises_and_sources(path):
    text = path.read_text()
    assert text.startswith("---\nfile_format: mystnb\n"), "without it, the page is no notebook"
    body, command, exercises, sources = re.split(r"^## (?:The same in one line|Exercises|Sources)\n", text, flags=re.M)
    assert "**Data on this page.**" in body
    assert re.search(r"^!zoo ", command, re.MULTILINE)
    parts = re.split(r"^\*\*(\d)\. ", exercises, flags=re.MULTILINE)
    assert parts[1::2] == ["1", "2", "3"]
    for answer in parts[2::2]:
        assert re.search(r"<details>\n<summary>Answer</summary>\n\n.+\n\n</details>", answer, re.DOTALL)
    assert re.search(r"^1\. ", sources, re.MULTILINE)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_names_the_chapter_that_explains_it(name):
    docs = zoo.create_registry().architecture(name).docs
    found = re.fullmatch(r"chapter (\d+), (.+), of the course: (docs/learn/\S+)", docs)
    assert found is not None
    number, title, path = found.groups()
    text = (ROOT / path).read_text()
    assert re.search(rf"^# {number}\. {re.escape(title)}$", text, re.MULTILINE)
    assert name in text


def test_the_report_of_a_network_names_its_chapter(tmp_path):
    run = zoo.train("linear-regression", runs_dir=tmp_path / "runs", epochs=1, device="cpu")
    page = zoo.report(run.folder, tmp_path / "report").page.read_text()
    assert "Explained in: chapter 1, A line through points" in page


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_picture_in_a_chapter_has_a_text_for_those_who_cannot_see_it(path):
    cells = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)
    drawn = [cell for cell in cells if "plt.show()" in cell and "def show" not in cell and "hide-cell" not in cell]
    assert all("alt:" in cell for cell in drawn)


def test_a_change_of_the_code_executes_the_chapters_again(tmp_path, monkeypatch):
    pytest.importorskip("myst_nb", reason="myst-nb is not installed (extra `docs`)")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    notebooks = importlib.import_module("notebooks")
    (tmp_path / "plugins").mkdir()
    code = tmp_path / "plugins" / "net.py"
    code.write_text("width = 1")
    monkeypatch.setattr(notebooks, "ROOT", tmp_path)
    before = notebooks.cache_folder()
    assert notebooks.cache_folder() == before
    code.write_text("width = 2")
    assert notebooks.cache_folder() != before
