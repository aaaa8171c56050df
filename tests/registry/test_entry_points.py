"""Installed plugins are found with the name and version of their distribution."""

import sys
import zipfile

import pytest

from zoo.registry.entry_points import EntryPoint, find_entry_points, zoo_required


def distribution(folder, name, version, entry_points, headers=""):
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{headers}")
    (info / "entry_points.txt").write_text(entry_points)
    return info


def found():
    return {(point.distribution, point.name): (point.version, point.value) for point in find_entry_points()}


def test_the_builtin_plugins_are_found():
    assert found()["pluggy-zoo", "resnet-mini"][1] == "zoo.plugins.resnet_mini"


def test_a_distribution_installed_twice_is_used_once(tmp_path, monkeypatch):
    distribution(
        tmp_path / "a", "Some_Package", "1.2", "[console_scripts]\nx = y:z\n\n[zoo]\nn = m:o\nn2=m2\n# c = d\n"
    )
    distribution(tmp_path / "a", "unrelated", "1.0", "[pytest11]\nzoo = x\n")
    distribution(tmp_path / "b", "some_package", "0.9", "[zoo]\nold = m\n")
    monkeypatch.syspath_prepend(str(tmp_path / "b"))
    monkeypatch.syspath_prepend(str(tmp_path / "a"))
    theirs = {key: value for key, value in found().items() if key[0] != "pluggy-zoo"}
    assert theirs["some-package", "n"] == ("1.2", "m:o")
    assert theirs["some-package", "n2"] == ("1.2", "m2")
    assert ("some-package", "old") not in theirs
    assert "unrelated" not in {name for name, _ in theirs}


def test_a_development_install_is_found_with_its_version(tmp_path, monkeypatch):
    info = tmp_path / "third-party.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: third-party\nVersion: 3.4\n")
    (info / "entry_points.txt").write_text("[zoo]\nn = m\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert found()["third-party", "n"] == ("3.4", "m")


def test_a_zip_file_on_the_path_is_searched_too(tmp_path, monkeypatch):
    info = distribution(tmp_path / "a", "zipped", "1.0", "[zoo]\nn = m\n")
    with zipfile.ZipFile(tmp_path / "zipped.zip", "w") as archive:
        for file in info.iterdir():
            archive.write(file, f"{info.name}/{file.name}")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "zipped.zip")])
    assert found()["zipped", "n"] == ("1.0", "m")


@pytest.mark.parametrize("damage", ["no-equals-sign", "not-utf8", "no-metadata", "bad-requirement"])
def test_damaged_metadata_is_one_warning_and_affects_no_other_plugin(damage, tmp_path, monkeypatch, caplog):
    info = distribution(tmp_path, "damaged", "1.0", "[zoo]\nn = m\n")
    if damage == "no-equals-sign":
        (info / "entry_points.txt").write_text("[zoo]\nn m\n")
    elif damage == "not-utf8":
        (info / "entry_points.txt").write_bytes(b"[zoo]\nn = \xff\n")
    elif damage == "no-metadata":
        (info / "METADATA").unlink()
    else:
        (info / "METADATA").write_text("Name: damaged\nVersion: 1.0\nRequires-Dist: pluggy-zoo of course\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    points = found()
    assert "damaged" not in {name for name, _ in points}
    assert ("pluggy-zoo", "resnet-mini") in points
    (message,) = [record.getMessage() for record in caplog.records]
    assert str(info) in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("value", "expected"),
    [("json", "json"), ("json:loads", "loads"), ("json:JSONDecoder.decode", "decode"), ("json:loads [extra]", "loads")],
)
def test_an_entry_point_loads_a_module_or_an_object(value, expected):
    assert EntryPoint("d", "1", "n", value).load().__name__ == expected


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ([], ""),
        (["torch>=2", "pluggy-zoo>=0.1"], ">=0.1"),
        (["Pluggy.Zoo[tensorboard] (>=0.1)"], ">=0.1"),
        (["pluggy-zoo>=9; extra == 'docs'", "pluggy-zoo>=0.1; python_version > '3'"], ">=0.1"),
        (["pluggy-zoo"], ""),
    ],
)
def test_the_supported_versions_of_the_zoo_come_from_the_requirements(requirements, expected, tmp_path, monkeypatch):
    assert zoo_required(requirements) == expected
    headers = "".join(f"Requires-Dist: {text}\n" for text in requirements)
    distribution(tmp_path, "theirs", "1.0", "[zoo]\nn = m\n", headers)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [point.requires for point in find_entry_points() if point.distribution == "theirs"] == [expected]
