"""What a run says whose plugin, or a part of its recipe, is not there any more."""

import pytest

import zoo
from zoo import PluginError, UnknownName, ZooError
from zoo.registry import packages
from zoo.registry.entry_points import EntryPoint
from zoo.registry.origins import trained_architecture
from zoo.registry.recipe_parts import check_parts

ORIGIN = {"name": "theirs", "distribution": "third-party", "version": "1.0"}
RUN = {"architecture": "their-net", "plugin": ORIGIN}


def message(registry, run=RUN):
    with pytest.raises(PluginError) as caught:
        trained_architecture(registry, run)
    return str(caught.value).removeprefix("their-net was trained with the plugin theirs of third-party 1.0, ")


def plugin(version="1.0", **fields):
    return zoo.Plugin("theirs", "third-party", version, "theirs", **fields)


def test_a_run_says_why_its_plugin_does_not_have_the_network(registry):
    again = "`pip install third-party==1.0` installs that version."
    assert message(registry) == f"which is not installed. {again}"
    registry.plugins.append(plugin(version="2.0"))
    assert message(registry) == f"but {registry.plugins[-1]} does not have it any more. {again}"
    registry.plugins[-1] = plugin()
    assert message(registry) == "which does not register their-net here. `zoo plugins` shows it."
    registry.plugins[-1].errors.append("ImportError: no module.")
    assert message(registry) == "which failed: ImportError: no module. `zoo plugins` shows it."
    registry.plugins[-1] = plugin(blocked=True)
    assert message(registry) == "which ZOO_LOAD_PLUGINS or ZOO_BLOCK_PLUGINS blocks."


def test_a_run_without_an_origin_has_an_unknown_network(registry):
    with pytest.raises(UnknownName, match="their-net"):
        trained_architecture(registry, {"architecture": "their-net"})


def test_the_plugin_of_a_file_is_named_by_its_file(registry, tmp_path):
    origin = {"name": "theirs", "distribution": "file", "version": "abc", "file": str(tmp_path / "theirs.py")}
    text = message(registry, RUN | {"plugin": origin})
    assert "which is not loaded. The file is missing; restore it and use `zoo --plugins-dir " in text
    (tmp_path / "theirs.py").touch()
    text = message(registry, RUN | {"plugin": origin})
    assert text.endswith(f"`zoo --plugins-dir {tmp_path}`; the run was trained with version abc of the file.")


def test_a_part_of_a_recipe_that_is_gone_names_its_plugin(registry):
    parts = {"hyperparameters": {"optimizer": "lion"}, "recipe_plugins": {"optimizer": ORIGIN}}
    with pytest.raises(PluginError) as caught:
        check_parts(registry, parts)
    assert str(caught.value) == (
        "The optimizer lion of this run came from the plugin theirs of third-party 1.0, which does not register it "
        "here. `pip install third-party==1.0` installs that version."
    )


def test_a_package_that_pip_leaves_is_an_error(monkeypatch):
    done = []
    monkeypatch.setattr(packages, "find_entry_points", lambda: [EntryPoint("third-party", "1.0", "theirs", "theirs")])
    monkeypatch.setattr(packages, "_pip", lambda *arguments: done.append(arguments))
    with pytest.raises(ZooError, match=r"^pip did not remove third-party; its output above says why\.$"):
        packages.uninstall_package("Third_Party")
    assert done == [("uninstall", "--yes", "third-party")]


def test_without_pip_the_way_to_get_it_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ZooError, match="This environment has no pip"):
        packages.install_packages(["zoo-lion"])


def test_a_plugin_file_with_the_name_of_another_module_is_refused(tmp_path, monkeypatch):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "their_file.py").touch()
        monkeypatch.syspath_prepend(tmp_path / folder)
    first, second = (EntryPoint("file", "abc", "f", "their_file", file=str(tmp_path / n / "their_file.py")) for n in
        ("first", "second"))  # fmt: skip
    with pytest.raises(ImportError, match=r"the name .their_file. already belongs to .*second.*; rename .*first"):
        first._check_file()
    second._check_file()


def test_the_parts_of_a_run_of_the_first_version_have_no_plugins(registry):
    check_parts(registry, {"hyperparameters": {"optimizer": "sgd"}})
    check_parts(registry, {"hyperparameters": {"optimizer": "lion"}})  # an error comes later, where the part is used
