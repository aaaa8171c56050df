"""Runs are found by name, by folder, and by architecture."""

import dataclasses

import pytest
from training_helpers import train

import zoo
from zoo import (
    RunNotFound,
    UnknownName,
    find_run,
    list_runs,
)


def test_the_best_run_is_chosen_by_validation_not_by_test(tiny_registry, runs_dir):
    low, high = (train(tiny_registry, runs_dir, epochs=1) for _ in range(2))
    for run, validation, test in ((low, 0.8, 0.99), (high, 0.9, 0.7)):
        run.config["best"]["score"] = [validation, -1.0]
        run.config["results"]["test"]["accuracy"] = test
        run.save()
    assert find_run("tiny-cnn", runs_dir, ["tiny-cnn"]).folder == high.folder
    high.config["data"]["default"] = "another"
    high.save()
    assert find_run("tiny-cnn", runs_dir, ["tiny-cnn"]).folder == low.folder


def test_an_architecture_without_a_run_is_not_found(tiny_registry, runs_dir):
    with pytest.raises(RunNotFound, match="zoo train tiny-cnn"):
        zoo.load("tiny-cnn", runs_dir=runs_dir, registry=tiny_registry)
    with pytest.raises(UnknownName, match="Did you mean 'tiny-cnn'"):
        zoo.load("tiny-cn", runs_dir=runs_dir, registry=tiny_registry)


def test_a_run_is_found_if_the_architecture_name_has_a_slash(tiny_registry, runs_dir):
    tiny_cnn = tiny_registry.architecture("tiny-cnn")
    spec = dataclasses.replace(tiny_cnn, name="full-size/tiny-cnn")
    tiny_registry._registrar(tiny_registry.owner(tiny_cnn), zoo.Architecture)(spec)
    run = zoo.train(spec.name, registry=tiny_registry, runs_dir=runs_dir, epochs=1, device="cpu")
    for reference in (run.name, spec.name, str(run.folder)):
        assert find_run(reference, runs_dir, tiny_registry.architectures).folder == run.folder
    assert [found.name for found in list_runs(runs_dir)] == [run.name]


def test_a_moved_run_folder_still_works(tiny_registry, runs_dir, tmp_path):
    run = train(tiny_registry, runs_dir, epochs=1)
    moved = tmp_path / "elsewhere"
    run.folder.rename(moved)
    assert zoo.load(str(moved), registry=tiny_registry).metadata["architecture"] == "tiny-cnn"


def test_an_unreadable_run_is_skipped_with_a_warning(tiny_registry, runs_dir, caplog):
    good, bad = (train(tiny_registry, runs_dir, epochs=1) for _ in range(2))
    (bad.folder / "run.json").write_text("{")
    assert [run.folder for run in list_runs(runs_dir)] == [good.folder]
    assert str(bad.folder) in caplog.text
