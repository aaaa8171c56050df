"""The commands, links and examples in the README and the documentation work."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "learn").glob("*.md"))]


def block_after(mark):
    return re.search(rf"<!-- {mark} -->\n```sh\n(.*?)\n```", README, re.DOTALL).group(1)


def test_each_of_the_two_main_commands_is_one_line():
    for mark in ("first-results", "tests"):
        assert "\n" not in block_after(mark)
    assert block_after("tests").endswith("pytest -n logical --dist worksteal")
    script = (ROOT / ".ci" / "run").read_text()
    assert "$(readme first-results)" in script
    assert "$(readme tests)" in script


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_are_valid(path):
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
        assert (path.parent / link).exists(), link


def commands(text):
    """Every `zoo …` line in a block of code, every `!zoo …` in a notebook, and every one in backticks."""
    for block in re.findall(r"```[^\n`]*\n(.*?)```", text, re.DOTALL):
        yield from re.findall(r"^!?(zoo [a-z].*?)(?:  .*)?$", block, re.MULTILINE)
    yield from re.findall(r"`(zoo [a-z][^`]*)`", text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_the_documents_exists(path, zoo_command):
    known = zoo_command("--help").out
    for command in commands(path.read_text()):
        name, *rest = command.split()[1:]
        assert re.search(rf"^  {name} ", known, re.MULTILINE), command
        options = {word.partition("=")[0] for word in rest if word.startswith("--")}
        usage = zoo_command(name, "--help").out
        for option in options:
            assert option in usage, command


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "docs" / "guide.md"], ids=lambda path: path.name)
def test_the_onnxruntime_example_runs(path, digits_runs, tmp_path):
    (script,) = (s for s in re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL) if "InferenceSession" in s)
    name = re.search(r"InferenceSession\(\"(.*?)\"", script).group(1)
    zoo.export("resnet-mini", "onnx", tmp_path / name, runs_dir=digits_runs, data_dir=tmp_path)
    script += "\nnp.save('probabilities.npy', probabilities)"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.load(tmp_path / "probabilities.npy").shape == (1, 10)


def test_the_plugin_of_the_tutorial_equals_the_example():
    example = (ROOT / "examples" / "first-net" / "first_net.py").read_text()
    assert f"```python\n{example}```" in (ROOT / "docs" / "tutorial.md").read_text()


def test_the_plugin_of_the_tutorial_trains_and_is_exported(zoo_command):
    folder = ROOT / "examples" / "first-net"
    text = (ROOT / "docs" / "tutorial.md").read_text()
    lines = re.findall(r"^zoo (--plugins-dir nets .*)$", text, re.MULTILINE)
    assert [line.split()[2] for line in lines] == ["list", "train", "export", "check"]
    for line in lines[:3]:
        result = zoo_command(*line.replace("nets", str(folder)).split(), registry=None)
        assert result.code == 0, result.err
    assert Path("first-net.onnx").is_file()


@pytest.mark.parametrize("page", ["cli", "results", "reference", "tutorial"])
def test_generated_pages_are_up_to_date(page):
    cogapp = pytest.importorskip("cogapp", reason="cogapp is not installed (extra `docs`)")
    path = ROOT / "docs" / f"{page}.md"
    made = io.StringIO()
    engine = cogapp.Cog()
    engine.options.verbosity = 0
    here = os.getcwd()
    os.chdir(ROOT)
    try:
        engine.process_file(io.StringIO(path.read_text()), made, str(path))
    finally:
        os.chdir(here)
    assert made.getvalue() == path.read_text()
