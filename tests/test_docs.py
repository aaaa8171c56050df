"""Files beside the code are up to date: the drawing of the rooms, the nox sessions, the workflows, the citation."""

import configparser
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = {"pytest", "ruff", "mypy", "cog", "python", "sphinx-build"}


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
    assert in_ci | {tests, campaign} == set(commands_of_nox(monkeypatch))


def split_settings(line):
    """The words of a line of shell without leading settings of variables: ``A=1 pytest x`` gives ``pytest x``."""
    return tuple(shlex.split(re.sub(r"^([A-Z0-9_]+=\S+ )+", "", line), comments=True)) if "$" not in line else ()


def commands_of_nox(monkeypatch):
    """What the sessions of noxfile.py run. A simple object replaces nox, so that the tests do not need it."""
    commands = []
    session = SimpleNamespace(posargs=(), run=lambda *command, env=None: commands.append(command))
    replacement = SimpleNamespace(options=SimpleNamespace(), session=lambda function: function)
    monkeypatch.setitem(sys.modules, "nox", replacement)
    content = runpy.run_path(str(ROOT / "noxfile.py"))
    for value in content.values():
        if callable(value):
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
