"""Plugins that change what all code shares, declarations that are checked twice, and names that only look alike."""

import os
import signal

import click
import pytest

import zoo
from zoo import UnknownName
from zoo.registry.declared import check_declared
from zoo.registry.entry_points import zoo_required
from zoo.registry.hook_calls import PluginRaised, plugin_code, time_limit
from zoo.registry.origins import needed_by
from zoo.registry.plugin_commands import sort_out
from zoo.specs.references import missing


def test_a_function_that_a_plugin_puts_in_place_of_os_exit_stays(monkeypatch):
    """``zoo plugins --isolated`` finds it: the zoo does not hide what a plugin changes."""
    real = os._exit
    monkeypatch.setattr(os, "_exit", real)
    with plugin_code(), pytest.raises(PluginRaised, match=r"os\._exit\(3\)"):
        os._exit(3)
    assert os._exit is real

    def other(status):
        pass

    with plugin_code():
        os._exit = other
    assert os._exit is other


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs signals of POSIX")
def test_a_limit_of_time_that_is_over_after_the_import_stops_nothing():
    with time_limit(1_000):
        expire = signal.getsignal(signal.SIGALRM)
        with pytest.raises(BaseException, match="the import takes more than 1000 s"):
            expire(signal.SIGALRM, None)
    expire(signal.SIGALRM, None)
    assert signal.getsignal(signal.SIGALRM) is not expire
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


class Unfinished:
    """A plugin whose network is in a module that does not exist."""

    @zoo.hookimpl
    def register_datasets(self, register):
        shapes = {"input_shape": (2,), "num_outputs": 1}
        register(zoo.Dataset(name="dots", summary="s", task="regression", loader="no_such_module:load", **shapes))


def test_a_problem_is_reported_once_however_often_declarations_are_checked(registry):
    plugin = zoo.Plugin("unfinished", "third-party", "1.0", "unfinished")
    registry.add(plugin, Unfinished())
    for _ in range(2):
        check_declared(registry)
    (error,) = plugin.errors
    assert "there is no module 'no_such_module'" in error


@pytest.mark.parametrize(
    ("requirements", "wanted"),
    [
        (["zoology>=2", "torch"], ""),
        (["zoology>=2", "Pluggy_Zoo>=0.1,<1"], "<1,>=0.1"),
        (["pluggy-zoo>=9; python_version < '3'"], ""),
        ([], ""),
    ],
)
def test_only_the_zoo_itself_is_the_required_zoo(requirements, wanted):
    assert zoo_required(requirements) == wanted


@pytest.mark.parametrize("kind", ["task", "kind of input", "dataset"])
def test_only_what_a_model_needs_is_looked_for_in_plugins(kind):
    described = {"architecture": "net", "plugin": {"name": "lion", "distribution": "zoo-lion", "version": "1.0"}}
    with pytest.raises(zoo.PluginError, match=f"needs the {kind} 'roar'.*zoo-lion"), needed_by(described):
        raise UnknownName(kind, "roar", [], "")
    with pytest.raises(UnknownName, match="no setting of lenet named 'roar'"), needed_by(described):
        raise UnknownName("setting of lenet", "roar", [], "")


def test_a_group_of_commands_may_hold_what_is_no_command():
    inner = click.Command("inner", help="One\x1b[31m line.")
    group = click.Group("outer", commands={"inner": inner})
    group.commands["broken"] = object()
    whole = click.Group(commands={"outer": group, "worse": object()})
    accepted, problems = sort_out(whole, (), {})
    assert accepted == {"outer": group}
    assert problems == ["command 'worse' is not a click command."]
    assert "\x1b" not in inner.get_help(click.Context(inner))


# --- names in modules, looked up without an import


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package ``lion_package`` with a few modules, on the import path."""
    folder = tmp_path / "lion_package"
    (folder / "space").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "whole.py").write_text("def build(): pass\n")
    (folder / "broken.py").write_text("def build(:\n")
    (folder / "failing").mkdir()
    (folder / "failing" / "__init__.py").write_text("raise RuntimeError('no lion\\nhere')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "lion_package"
    for name in [name for name in __import__("sys").modules if name.startswith("lion_package")]:
        del __import__("sys").modules[name]


@pytest.mark.parametrize(
    ("module", "problem"),
    [
        ("whole:build", ""),
        ("whole:built", "has no 'built'. Did you mean 'build'?"),
        ("broken:built", ""),  # only an import shows what is wrong
        ("space:built", ""),  # a folder without __init__.py
        ("failing.net:build", "cannot be imported: RuntimeError: no lion here."),
    ],
)
def test_a_name_is_looked_up_as_far_as_the_source_shows_it(package, module, problem):
    found = missing(f"{package}.{module}", package)
    assert found.endswith(problem)
    assert bool(found) == bool(problem)


def test_a_module_without_a_source_is_not_looked_into():
    assert missing("math:sqroot", "math") == ""
