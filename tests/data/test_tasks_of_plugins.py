"""Data for the task of a plugin: own files cannot hold it, and the plugin checks its targets."""

import pytest
import torch
from zoo.plugins.tasks.methods import Classification

import zoo
from zoo import DataError, PluginError
from zoo.data.loading import load_named
from zoo.data.read import read_dataset

ANSWERS = {}
"""What the check of the targets returns."""


class Masks(Classification):
    """The methods of a task that predicts a mask."""

    def target_problem(self, targets, num_outputs):
        return ANSWERS["problem"]


def load(folder, download):
    split = zoo.Split(torch.zeros(20, 1, 4, 4, dtype=torch.uint8), torch.zeros(20, 4, 4, dtype=torch.int64))
    return zoo.Splits(split, split)


class Plugin:
    @zoo.hookimpl
    def register_tasks(self, register):
        metrics = (zoo.Metric(name="accuracy", percent=True),)
        known = {"summary": "s", "methods": Masks, "metrics": metrics, "outputs": ("logits", "probabilities")}
        register(zoo.Task(name="masks", predicts="discrete", **known))

    @zoo.hookimpl
    def register_datasets(self, register):
        known = {"summary": "s", "loader": load, "input_shape": (1, 4, 4), "num_outputs": 2}
        register(zoo.Dataset(name="scenes", task="masks", **known))


@pytest.fixture
def masks(registry):
    plugin = zoo.Plugin("masks", "zoo-masks", "1.0", "masks")
    registry.add(plugin, Plugin())
    assert not plugin.errors
    return registry


@pytest.mark.parametrize("name", ["table.csv", "photos"])
def test_own_files_hold_classes_and_numbers_only(masks, tmp_path, name):
    path = tmp_path / name
    path.write_text("x,y\n1,2\n") if path.suffix else path.mkdir()
    with pytest.raises(DataError, match=rf"{name} cannot be used for masks: .*`zoo new NAME --kind dataset` makes one"):
        load_named(str(path), masks, "masks", tmp_path, {})


def test_the_targets_are_checked_by_the_task(masks, tmp_path):
    ANSWERS["problem"] = ""
    assert len(read_dataset(masks.dataset("scenes"), masks, tmp_path).splits.test) == 20
    ANSWERS["problem"] = "has targets of another planet"
    with pytest.raises(DataError, match=r"scenes.* has targets of another planet"):
        read_dataset(masks.dataset("scenes"), masks, tmp_path)


@pytest.mark.parametrize("answer", [None, False, 3])
def test_a_check_of_targets_that_returns_no_text_is_a_fault_of_the_task(masks, tmp_path, answer):
    ANSWERS["problem"] = answer
    with pytest.raises(PluginError, match=rf"Task 'masks'.*target_problem returned {answer}; return a text, empty if"):
        read_dataset(masks.dataset("scenes"), masks, tmp_path)
