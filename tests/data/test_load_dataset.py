"""``zoo.load_dataset``: a dataset for torch's DataLoader, by name, from a folder of images, or from a CSV file."""

import csv
import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import zoo
from zoo.data.read import read_dataset

ONLINE_REMEDY = "zoo fetch mnist"


def write_table(path, targets):
    random.seed(0)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["width", "kind", "ill"])
        for number, target in enumerate(targets):
            writer.writerow([round(random.random() + number % 3, 3), "ab"[number // 3 % 2], target])
    return path


@pytest.fixture
def photos(tmp_path):
    for label in ("circle", "cross"):
        folder = tmp_path / "photos" / label
        folder.mkdir(parents=True)
        for place in range(10):
            Image.fromarray(np.full((12, 12, 3), 20 * place, np.uint8)).save(folder / f"{place}.png")
    return tmp_path / "photos"


def test_a_name_is_enough_and_the_loader_of_torch_takes_each_split():
    data = zoo.load_dataset("digits")
    assert all(isinstance(split, Dataset) for split in (data.train, data.validation, data.test))
    assert len(data.train) + len(data.validation) + len(data.test) == 1_797
    batches = list(DataLoader(data.train, batch_size=64, shuffle=True))
    assert sum(len(targets) for _, targets in batches) == len(data.train)
    images, targets = batches[0]
    assert (images.dtype, images.shape, targets.dtype, targets.shape) == (
        torch.uint8,
        (64, 1, 28, 28),
        torch.int64,
        (64,),
    )
    assert data.labels == tuple("0123456789")
    assert repr(data) == "<digits: 1,293 training, 144 validation, 360 test samples, classification>"


def test_items_are_samples_in_order_and_end():
    split = zoo.load_dataset("digits").test
    image, target = split[3]
    assert torch.equal(image, split.inputs[3])
    assert target == split.targets[3]
    assert len(list(split)) == len(split)
    assert torch.equal(next(iter(DataLoader(split, batch_size=8)))[0], split.inputs[:8])


def test_loader_with_processes():
    split = zoo.load_dataset("digits").validation
    targets = torch.cat([targets for _, targets in DataLoader(split, batch_size=50, num_workers=1)])
    assert torch.equal(targets, split.targets)


def test_a_folder_of_images(photos):
    data = zoo.load_dataset(photos, options={"size": (8,)})
    assert data.labels == ("circle", "cross")
    assert next(iter(DataLoader(data.train, batch_size=4)))[0].shape == (4, 3, 8, 8)
    assert zoo.load_dataset(str(photos)).fingerprint


@pytest.mark.parametrize(
    ("targets", "task", "dtype"),
    [
        (["no", "yes"] * 20, "binary", torch.int64),
        ([0, 1] * 20, "binary", torch.int64),
        (["x", "y", "z", "z"] * 10, "classification", torch.int64),
        ([1, 2, 3, 4] * 10, "classification", torch.int64),
        ([place / 7 for place in range(40)], "regression", torch.float32),
        ([0.5, 1.5, 2.5, 3.5] * 10, "regression", torch.float32),
        (range(40), "regression", torch.float32),
    ],
)
def test_the_target_column_of_a_table_gives_the_task(tmp_path, targets, task, dtype):
    data = zoo.load_dataset(write_table(tmp_path / "patients.csv", targets), target="ill")
    assert data.spec.task == task
    inputs, found = next(iter(DataLoader(data.train, batch_size=16)))
    assert (inputs.shape, inputs.dtype, found.dtype) == ((16, 2), torch.float32, dtype)


def test_the_caller_may_name_the_task(tmp_path):
    path = write_table(tmp_path / "patients.csv", [1, 2, 3, 4] * 10)
    assert zoo.load_dataset(path, target="ill", task="regression").test.targets.dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"dataset": "digist"}, "Did you mean 'digits'"),
        ({"dataset": "digits", "target": "ill"}, "target is for CSV files"),
        ({"dataset": "digits", "task": "binary"}, "task is for CSV files"),
        ({"dataset": "digits", "options": {"folds": 3}}, "no setting of digits named 'folds'"),
        ({"dataset": "TABLE", "target": "sick"}, "sick"),
        ({"dataset": "TABLE", "target": "ill", "task": "guess"}, "task must be one of classification, binary"),
        ({"dataset": "PHOTOS", "target": "ill"}, "target is for CSV files"),
        ({"dataset": "nothing/here.csv"}, "no file or folder"),
    ],
)
def test_wrong_arguments_are_one_clear_line(tmp_path, photos, arguments, text):
    table = write_table(tmp_path / "patients.csv", ["no", "yes"] * 20)
    named = {"TABLE": table, "PHOTOS": photos}
    arguments = {**arguments, "dataset": named.get(arguments["dataset"], arguments["dataset"])}
    with pytest.raises(zoo.ZooError, match=text) as error:
        zoo.load_dataset(**arguments)
    assert "\n" not in str(error.value)


def test_a_missing_download_says_how_to_get_it(tmp_path):
    with pytest.raises(zoo.DataUnavailable, match=ONLINE_REMEDY):
        zoo.load_dataset("mnist", tmp_path, download=False)


def test_a_table_that_cannot_be_read_is_reported_once(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(zoo.DataError):
        zoo.load_dataset(tmp_path / "empty.csv", target="ill")


def test_a_study_gets_no_sample_of_the_test_split(registry, tmp_path):
    """``zoo tune`` compares trainings by the validation split: what it does not hold, it cannot use."""
    spec = registry.dataset("digits")
    data = read_dataset(spec, registry, tmp_path, with_test=False)
    assert len(data.splits.test) == 0
    assert data.splits.test.inputs.shape[1:] == spec.input_shape
    assert len(read_dataset(spec, registry, tmp_path).splits.test) > 0
