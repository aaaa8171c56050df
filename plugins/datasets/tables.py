"""The loaders of the tables: two by download, four bundled with scikit-learn, and two tiny ones."""

from __future__ import annotations

import csv
import logging
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pooch
import requests
import torch
from sklearn import datasets as bundled

from zoo import DataError, DataUnavailable, Split, Splits, stratified_split

from . import bike_sharing
from .downloads import move_in, scratch_folder, sweep, unavailable

DIABETES_FILE = "tabular/pima-indians-diabetes.csv"
DIABETES_URL = (
    "https://raw.githubusercontent.com/jbrownlee/Datasets/d20fcb6402ae34e653d4513b00f39257bb37ed7f/"
    "pima-indians-diabetes.csv"
)
DIABETES_SHA256 = "6bfe5d0f379d17a0e0819b996407e3c09bf80febd4287f2ed212190dfff154af"
DIABETES_MISSING = [1, 2, 3, 4, 5]
"""The columns in which 0 stands for a missing value: glucose, blood pressure, skin fold, insulin and BMI."""
DIABETES_NEVER_TESTED = 0.5
"""This part of the rows is in no test split, whatever its seed. The recipe of ``diabetes-mlp`` was chosen on it."""

BIKE_FILE = "tabular/hour.csv"
BIKE_URL = "https://archive.ics.uci.edu/static/public/275/bike+sharing+dataset.zip"
BIKE_ROWS, BIKE_RENTALS = 17_379, 3_292_679
BIKE_COLUMNS = (
    *("season", "yr", "mnth", "hour", "holiday", "weekday", "weathersit", "temp", "hum", "windspeed"),
    "near_holiday",
)

LARGEST_MEMBER = 2**26
"""Bytes of a file in an archive; the published table has 1.2 MB."""
TEST_PART = 0.2
TIMEOUT_SECONDS = 15.0


def load_diabetes(folder: Path, download: bool, split: int) -> Splits:
    """Pima Indians: eight measurements of 768 women in their own units; target 1 is diabetes within five years.

    The table as published in 1990. Missing values, which it codes as 0, are NaN. Half of the rows, always the same, are
    training rows with every seed; the recipe of ``diabetes-mlp`` was chosen on these alone.

    Args:
        split: seed of the choice of the 154 test rows out of the other half.

    Returns:
        614 training and 154 test rows (stratified).

    Raises:
        DataUnavailable: the file is missing, and could not or must not be downloaded.
    """
    whole = read_diabetes(folder, download)
    never, other = diabetes_halves(whole.targets)
    train, test = stratified_split(whole.targets[other], round(len(whole) * TEST_PART), split)
    return Splits(whole.take(torch.cat([never, other[train]]).sort().values), whole.take(other[test]))


def read_diabetes(folder: Path, download: bool) -> Split:
    """All 768 rows, in the order of the file; missing values are NaN.

    Raises:
        DataUnavailable: as for :func:`load_diabetes`.
    """
    path = folder / DIABETES_FILE
    sweep(folder)
    if download:
        _download("diabetes", DIABETES_URL, DIABETES_SHA256, path)
    if not path.is_file():
        raise DataUnavailable(f"diabetes is not in {folder}.")
    with path.open(encoding="ascii", newline="") as handle:
        rows = np.array([row for row in csv.reader(handle) if row], dtype=np.float32)
    inputs = rows[:, :-1].copy()
    inputs[:, DIABETES_MISSING] = np.where(inputs[:, DIABETES_MISSING] == 0, np.nan, inputs[:, DIABETES_MISSING])
    return Split(torch.from_numpy(inputs), torch.from_numpy(rows[:, -1].astype(np.int64)))


def diabetes_halves(targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The indices of the rows that are in no test split, and of those that can be."""
    return stratified_split(targets, round(len(targets) * (1 - DIABETES_NEVER_TESTED)), 0)


def load_bike_sharing(folder: Path, download: bool) -> Splits:
    """Bikes rented in Washington in each hour of 2011 and 2012; the last 21 days are the test split.

    Two columns follow from those of the file: ``hour``, which is another category on days off than on working days,
    and ``near_holiday``, 1 from three days before a public holiday to three days after it. Every tenth week is the
    validation split; the group of each sample is its day.

    Raises:
        DataUnavailable: as for :func:`load_diabetes`.
        DataError: the file contains other data.
    """
    path = folder / BIKE_FILE
    sweep(folder)
    if download:
        _download("bike-sharing", BIKE_URL, None, path, member="hour.csv")
    if not path.is_file():
        raise DataUnavailable(f"bike-sharing is not in {folder}.")
    with path.open(encoding="ascii", newline="") as handle:
        rows = list(csv.DictReader(handle))
    rentals = np.array([row["cnt"] for row in rows], dtype=np.float32)[:, None]
    if len(rows) != BIKE_ROWS or int(rentals.sum(dtype=np.float64)) != BIKE_RENTALS:
        raise DataError(
            f"{path} is not the hourly table of UCI: {len(rows):,} rows and {int(rentals.sum()):,} rentals, not "
            f"{BIKE_ROWS:,} and {BIKE_RENTALS:,}. Delete it and run `zoo fetch bike-sharing`."
        )
    days = bike_sharing.day_numbers(rows)
    own = {
        "hour": bike_sharing.hour_of_day_off_or_on(rows),
        "near_holiday": bike_sharing.near_holiday(rows, days),
    }
    columns = [own[name] if name in own else bike_sharing.numbers(rows, name) for name in BIKE_COLUMNS]
    inputs = np.stack(columns, axis=1)
    return bike_sharing.divide_by_time(inputs, rentals, days, int(days.max()) + 1)


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
    """scikit-learn's diabetes table, not scaled: 354 training and 88 test rows; target: progression after a year."""
    found = bundled.load_diabetes(scaled=False)
    order = np.random.RandomState(split).permutation(len(found.target))
    test, train = np.sort(order[:88]), np.sort(order[88:])
    inputs = found.data.astype(np.float32)
    targets = found.target.astype(np.float32)[:, None]
    return Splits(*(Split(torch.from_numpy(inputs[part]), torch.from_numpy(targets[part])) for part in (train, test)))


def load_line(folder: Path, download: bool) -> Splits:
    """y = 2x: three points for training, one for the test."""
    return Splits(
        Split(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[2.0], [4.0], [6.0]])),
        Split(torch.tensor([[4.0]]), torch.tensor([[8.0]])),
    )


def load_study_hours(folder: Path, download: bool) -> Splits:
    """Hours of study, and whether the exam was passed: three students for training, two for the test."""
    return Splits(
        Split(torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([0, 0, 1])),
        Split(torch.tensor([[0.5], [7.0]]), torch.tensor([0, 1])),
    )


def _bundled(loader: Callable[[], Any], split: int) -> Splits:
    found = loader()
    return _divided(found.data.astype(np.float32), found.target.astype(np.int64), split)


def _divided(inputs: np.ndarray[Any, Any], targets: np.ndarray[Any, Any], seed: int) -> Splits:
    """Hold out a stratified 20% for the test split."""
    whole = Split(torch.from_numpy(inputs), torch.from_numpy(targets))
    train, test = stratified_split(whole.targets, round(len(whole) * TEST_PART), seed)
    return Splits(whole.take(train), whole.take(test))


def _download(name: str, url: str, sha256: str | None, target: Path, member: str = "") -> None:
    """Download ``url`` to ``target``, where it appears complete and checked, or not at all.

    Args:
        name: of the dataset, for messages.
        sha256: of the download; None if the archive changes and only its content can be checked.
        member: the file to extract from a zip archive.

    Raises:
        DataUnavailable: the server did not answer or sent another file, or the folder is not writable.
    """
    pooch.get_logger().setLevel(logging.WARNING)
    folder = target.parents[1]
    try:
        with scratch_folder(name, folder) as scratch:
            downloader = pooch.HTTPDownloader(timeout=TIMEOUT_SECONDS)
            known = f"sha256:{sha256}" if sha256 else None
            got = Path(pooch.retrieve(url, known, path=scratch, fname="download", downloader=downloader))
            move_in({_extracted(got, member) if member else got: target})
    except (ValueError, KeyError, zipfile.BadZipFile, zlib.error, requests.RequestException) as error:
        raise unavailable(name, folder, error) from error


def _extracted(archive: Path, member: str) -> Path:
    """A file of a zip archive, beside the archive."""
    place = archive.with_name("extracted")
    with zipfile.ZipFile(archive) as content:
        if content.getinfo(member).file_size > LARGEST_MEMBER:
            raise ValueError(f"{member} is larger than the published file")
        with content.open(member) as packed, place.open("xb") as file:
            shutil.copyfileobj(packed, file)
    return place
