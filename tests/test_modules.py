"""Rules that every module keeps: where it logs, which of its dataclasses can change, and the default of a seed."""

import dataclasses
import importlib
import inspect
import logging

import pytest
from test_house import ROOT, python_files

import zoo
from zoo.evaluation.seeds import train_seeds

MODULES = [path for path in python_files("zoo") if path.stem != "__main__"]
CAN_CHANGE = {
    "Entry",
    "Plugin",
    "State",
    "StopRequest",
    "Study",
    "TrackedIdentity",
    "Verification",
    "Watch",
    "Worker",
    "Workspace",
    "_File",
    "_HereFile",
    "_IsolatedFile",
    "_Journal",
    "_Open",
}
"""Dataclasses whose fields are assigned after they are made. All others are facts, and may be shared."""
WITHOUT_SLOTS = {"Assessment", "_HereFile"}
"""Dataclasses with cached properties, or that stand for another class. All others refuse a misspelled field."""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_logs_to_the_logger_of_the_library_and_declares_facts(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
    for value in vars(module).values():
        if isinstance(value, logging.Logger):
            assert value.name.partition(".")[0] == zoo.__name__
        if inspect.isclass(value) and dataclasses.is_dataclass(value) and value.__module__ == module.__name__:
            assert value.__dataclass_params__.frozen is (value.__name__ not in CAN_CHANGE), value
            assert hasattr(value, "__slots__") is (value.__name__ not in WITHOUT_SLOTS), value


FUNCTIONS = [getattr(zoo, name) for name in zoo.__all__ if inspect.isfunction(getattr(zoo, name))]


@pytest.mark.parametrize(("argument", "allowed"), [("seed", {0, None}), ("device", {"auto", "cpu", None})])
def test_an_argument_has_the_same_default_everywhere(argument, allowed):
    """None: drawn, or that of the run. Timings are taken on the CPU unless another device is named."""
    parameters = [inspect.signature(function).parameters for function in [*FUNCTIONS, train_seeds]]
    defaults = [found[argument].default for found in parameters if argument in found]
    assert len(defaults) >= 3
    assert set(defaults) - {inspect.Parameter.empty} <= allowed


def test_the_package_for_commands_of_plugins_is_imported_when_it_is_used(monkeypatch):
    package = importlib.import_module("zoo.commandline")
    monkeypatch.delattr(zoo, "commandline")
    assert zoo.commandline is package
    assert "commandline" in dir(zoo)
