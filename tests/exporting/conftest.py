"""Fixtures of the tests of exports."""

import contextlib

import pytest

import zoo
from zoo.exporting.source import make_source
from zoo.files import sha256
from zoo.models.trained import load_trained
from zoo.specs.references import resolve_reference
from zoo.verification import rebuild as rebuilding


class OpenedHere:
    """A file that is opened without a process of its own, which takes seconds to start."""

    def __init__(self, exporter, path):
        self._open, self._path = resolve_reference(exporter.open), path
        self.sha256, self.inspection = sha256(path), resolve_reference(exporter.inspect)(path)

    def runtimes(self):
        return self._open(self._path)


@pytest.fixture
def in_this_process(monkeypatch):
    """``zoo.verify`` opens files in this process."""
    monkeypatch.setattr(
        "zoo.verification.verify.open_file",
        lambda exporter, path, *args, **given: contextlib.nullcontext(OpenedHere(exporter, path)),
    )


@pytest.fixture(scope="module")
def rebuilt():
    """What is written again from a checkpoint, for each description, form and options."""
    return {}


@pytest.fixture
def rebuilt_once(rebuilt, monkeypatch):
    """``zoo.verify`` writes each file again once for all tests of a module. The result depends on nothing else."""

    def once(file, source):
        key = repr((source.origin, file.description, file.reduction, file.form and file.form.options))
        if key not in rebuilt:
            rebuilt[key] = write_again(file, source)
        return rebuilt[key]

    write_again = rebuilding._rebuild
    monkeypatch.setattr(rebuilding, "_rebuild", once)


@pytest.fixture
def small(tiny_registry, tiny_runs):
    """The model of a network that is exported in a fraction of a second, with batch norm and dropout, and its data."""
    run = zoo.find_run("tiny-cnn", tiny_runs, tiny_registry.architectures)
    return make_source(load_trained(run, tiny_registry), zoo.load_dataset(tiny_registry.dataset("bars"), tiny_runs))
