"""Tables: two that are fetched, four that come with scikit-learn, and two of three rows."""

from __future__ import annotations

import csv
import datetime
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn import datasets as bundled

from zoo import DataError, DataUnavailable, Split, Splits, stratified_split

from .fetching import fetch_file

DIABETES_FILE = "tabular/diabetes.csv.gz"
DIABETES_URL = (
    "https://raw.githubusercontent.com/hunkim/PyTorchZeroToAll/8440894e621e3922a394da25b4a0806bdabee21c/"
    "data/diabetes.csv.gz"
)
DIABETES_SHA256 = "398214d0f6b7f4a722f598d8e424f28bc078abbd16ebdeea0f8e264492325aa4"

BIKE_FILE = "tabular/hour.csv"
BIKE_URL = "https://archive.ics.uci.edu/static/public/275/bike+sharing+dataset.zip"
BIKE_ROWS, BIKE_RENTALS = 17_379, 3_292_679
BIKE_COLUMNS = ("season", "yr", "mnth", "hr", "holiday", "weekday", "weathersit", "temp", "hum", "windspeed")
BIKE_TEST_DAYS = 21

TEST_PART = 0.2


def load_diabetes(folder: Path, download: bool, split: int) -> Splits:
    """Pima Indians: 759 women, eight measurements scaled to -1…1, whether they were well five years on.

    Args:
        split: seed of the random fifth that is the test split.

    Returns:
        607 training and 152 test rows (stratified).

    Raises:
        DataUnavailable: the file is not there, and could not be or was not to be fetched.
    """
    path = folder / DIABETES_FILE
    if download:
        fetch_file("diabetes", DIABETES_URL, DIABETES_SHA256, path)
    if not path.is_file():
        raise DataUnavailable(f"diabetes is not in {folder}.")
    with gzip.open(path, "rt", encoding="ascii") as handle:
        rows = np.array(list(csv.reader(handle)), dtype=np.float32)
    return _divided(rows[:, :-1], rows[:, -1].astype(np.int64), split)


def load_bike_sharing(folder: Path, download: bool) -> Splits:
    """Bikes rented in Washington in each hour of 2011 and 2012; the last 21 days are the test split.

    Raises:
        DataUnavailable: the file is not there, and could not be or was not to be fetched.
        DataError: the file holds something else.
    """
    path = folder / BIKE_FILE
    if download:
        fetch_file("bike-sharing", BIKE_URL, None, path, member="hour.csv")
    if not path.is_file():
        raise DataUnavailable(f"bike-sharing is not in {folder}.")
    with path.open(encoding="ascii", newline="") as handle:
        rows = list(csv.DictReader(handle))
    rentals = np.array([row["cnt"] for row in rows], dtype=np.float32)[:, None]
    if len(rows) != BIKE_ROWS or int(rentals.sum(dtype=np.float64)) != BIKE_RENTALS:
        raise DataError(
            f"{path} does not hold UCI's hourly table: {len(rows):,} rows and {int(rentals.sum()):,} rentals, not "
            f"{BIKE_ROWS:,} and {BIKE_RENTALS:,}. Delete it and run `zoo fetch bike-sharing`."
        )
    inputs = np.array([[row[name] for name in BIKE_COLUMNS] for row in rows], dtype=np.float32)
    days = np.array([datetime.date.fromisoformat(row["dteday"]).toordinal() for row in rows])
    test = torch.from_numpy(days > days.max() - BIKE_TEST_DAYS)
    whole = Split(torch.from_numpy(inputs), torch.from_numpy(rentals))
    return Splits(whole.take(~test), whole.take(test))


def load_breast_cancer(folder: Path, download: bool, split: int) -> Splits:
    """scikit-learn's Wisconsin table: 455 training and 114 test rows."""
    return _bundled(bundled.load_breast_cancer, split)


def load_iris(folder: Path, download: bool, split: int) -> Splits:
    """scikit-learn's iris table: 120 training and 30 test rows."""
    return _bundled(bundled.load_iris, split)


def load_wine(folder: Path, download: bool, split: int) -> Splits:
    """scikit-learn's wine table: 142 training and 36 test rows."""
    return _bundled(bundled.load_wine, split)


def load_diabetes_progression(folder: Path, download: bool, split: int) -> Splits:
    """scikit-learn's diabetes table, unscaled: 354 training and 88 test rows, a measure of the disease in a year."""
    found = bundled.load_diabetes(scaled=False)
    order = np.random.RandomState(split).permutation(len(found.target))
    test, train = np.sort(order[:88]), np.sort(order[88:])
    inputs = found.data.astype(np.float32)
    targets = found.target.astype(np.float32)[:, None]
    return Splits(*(Split(torch.from_numpy(inputs[part]), torch.from_numpy(targets[part])) for part in (train, test)))


def load_line(folder: Path, download: bool) -> Splits:
    """y = 2x: three points to learn from, the fourth to be told."""
    return Splits(
        Split(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[2.0], [4.0], [6.0]])),
        Split(torch.tensor([[4.0]]), torch.tensor([[8.0]])),
    )


def load_study_hours(folder: Path, download: bool) -> Splits:
    """Hours of study and whether the exam was passed: three students to learn from, two to be told."""
    return Splits(
        Split(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([0, 0, 1])),
        Split(torch.tensor([[0.5], [7.0]]), torch.tensor([0, 1])),
    )


def _bundled(loader: Callable[[], Any], split: int) -> Splits:
    found = loader()
    return _divided(found.data.astype(np.float32), found.target.astype(np.int64), split)


def _divided(inputs: np.ndarray[Any, Any], targets: np.ndarray[Any, Any], seed: int) -> Splits:
    """A stratified fifth, by ``seed``, for testing."""
    whole = Split(torch.from_numpy(inputs), torch.from_numpy(targets))
    train, test = stratified_split(whole.targets, round(len(whole) * TEST_PART), seed)
    return Splits(whole.take(train), whole.take(test))
