import sys
import zipfile
from importlib import metadata

import pytest

from zoo.registry import entry_points
from zoo.registry.entry_points import EntryPoint, find_entry_points, parse


def distribution(folder, name, version, text):
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(text)
    return info


def by_standard_library():
    found = {}
    for point in metadata.entry_points(group="zoo"):
        found.setdefault((entry_points.normalise(point.dist.name), point.name), (point.dist.version, point.value))
    return found


def by_zoo():
    return {(point.distribution, point.name): (point.version, point.value) for point in find_entry_points()}


def test_what_is_installed_is_found_as_the_standard_library_finds_it():
    assert by_zoo() == by_standard_library()
    assert ("pluggy-zoo", "resnet-mini") in by_zoo()


def test_strangers_are_found_as_the_standard_library_finds_them(tmp_path, monkeypatch):
    distribution(
        tmp_path / "a", "Some_Stranger", "1.2", "[console_scripts]\nx = y:z\n\n[zoo]\nn = m:o\nn2=m2\n# c = d\n"
    )
    distribution(tmp_path / "a", "unrelated", "1.0", "[pytest11]\nzoo = x\n")
    distribution(tmp_path / "b", "some_stranger", "0.9", "[zoo]\nold = m\n")
    monkeypatch.syspath_prepend(str(tmp_path / "b"))
    monkeypatch.syspath_prepend(str(tmp_path / "a"))
    found = by_zoo()
    assert found == by_standard_library()
    assert found["some-stranger", "n"] == ("1.2", "m:o")
    assert ("some-stranger", "old") not in found


def test_a_development_install_is_found_with_its_version(tmp_path, monkeypatch):
    info = tmp_path / "stranger.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 3.4\n")
    (info / "entry_points.txt").write_text("[zoo]\nn = m\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert by_zoo()["stranger", "n"] == ("3.4", "m")


def test_a_zip_file_on_the_path_is_searched_too(tmp_path, monkeypatch):
    info = distribution(tmp_path / "a", "zipped", "1.0", "[zoo]\nn = m\n")
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        for file in info.iterdir():
            archive.write(file, f"{info.name}/{file.name}")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "zipped.zip")])
    assert by_zoo()["zipped", "n"] == ("1.0", "m")


@pytest.mark.parametrize(
    ("value", "expected"), [("json", "json"), ("json:loads", "loads"), ("json:JSONDecoder.decode", "decode")]
)
def test_an_entry_point_loads_a_module_or_an_object_in_one(value, expected):
    assert EntryPoint("d", "1", "n", value).load().__name__ == expected


def test_extras_behind_a_value_are_no_part_of_it():
    assert list(parse("[zoo]\nn = m:o [extra]\n", "d", "1")) == [EntryPoint("d", "1", "n", "m:o")]
