"""The kind of input that docs/plugins.md explains works as it is written there."""

import re
import sys
from pathlib import Path

import pytest

import zoo
from zoo.registry.entry_points import find_entry_points

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"


@pytest.fixture
def documented(tmp_path, monkeypatch):
    """A registry with the plugin whose three modules are in the section about kinds of input."""
    section = PAGE.read_text(encoding="utf-8").partition("## Kinds of input")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    parts = ("def register_inputs(", "class Spectrum(", "class SpectrumReader(")
    declaration, methods, reader = (next(block for block in blocks if part in block) for part in parts)
    names = {"zoo_spectrum": declaration, "zoo_spectrum_parts": methods, "zoo_spectrum_reader": reader}
    folder = tmp_path / "spectrum"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    for name, source in names.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    yield zoo.create_registry([*find_entry_points(), zoo.EntryPoint("spectrum", "1.0", "spectrum", "zoo_spectrum")])
    for name in names:
        sys.modules.pop(name, None)


def test_it_meets_the_plugin_contract(documented):
    results = [found for found in zoo.check("spectrum", registry=documented) if found.kind == "input"]
    assert [found.status for found in results] == ["passed"] * 5, results


def test_its_reader_reads_lines(documented, tmp_path):
    from zoo.inputs.reader import load_reader
    from zoo.inputs.user_files import read_samples

    path = tmp_path / "sounds.csv"
    path.write_text("1,2,3\n1,2\n1,x,3\n1,-2,3\n")
    reader = load_reader(documented.input("spectrum"), (3,), {})
    first, *wrong = read_samples([path], reader, "")
    assert first.array.tolist() == [1, 2, 3]
    assert [sample.error for sample in wrong] == [
        "2 values, not 3",
        "it holds something that is not a number",
        "it holds energies below 0, or missing ones",
    ]
