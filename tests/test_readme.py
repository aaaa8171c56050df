"""The links and generated parts of the README and the documentation; test_snippets.py runs their snippets."""

import io
import re
from pathlib import Path

import msgspec
import pytest

from zoo.runs.record import BestRecord, DataRecord, ResultsRecord, RunRecord

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
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (path.parent / link).exists(), link


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


@pytest.mark.parametrize("page", ["cli", "results", "reference", "tutorial", "export"])
def test_generated_pages_are_up_to_date(page, monkeypatch):
    cogapp = pytest.importorskip("cogapp", reason="cogapp is not installed (extra `docs`)")
    path = ROOT / "docs" / f"{page}.md"
    made = io.StringIO()
    engine = cogapp.Cog()
    engine.options.verbosity = 0
    monkeypatch.syspath_prepend(str(ROOT / "docs"))  # and sys.path is restored afterwards
    monkeypatch.chdir(ROOT)
    engine.process_file(io.StringIO(path.read_text()), made, str(path))
    assert made.getvalue() == path.read_text()


def test_the_reference_lists_every_entry_of_a_run():
    text = (ROOT / "docs" / "reference.md").read_text()
    table = text[text.index("`run.config` has these entries") : text.index("The names in `test` and `validation`")]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ") and "---" not in line]
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(RunRecord.__struct_fields__)
    optional = set(re.findall(r"\*`(\w+)`\*", table))
    assert optional == {field.name for field in msgspec.structs.fields(RunRecord) if not field.required}
    for part in (DataRecord, ResultsRecord, BestRecord):
        assert set(part.__struct_fields__) <= set(re.findall(r"`(\w+)`", table))
