"""The dataset ``penguins``: predict the species of a penguin from its island, its sex and four measurements."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from zoo import Column, Dataset, hookimpl

if TYPE_CHECKING:
    from zoo import Splits

FILE = "penguins/penguins.csv"
URL = (
    "https://raw.githubusercontent.com/allisonhorst/palmerpenguins/8db8ef55e61d9a36b81e39833655410ace199e37/"
    "inst/extdata/penguins.csv"
)
SHA256 = "97d467baa3522040aa892fa7f2ff57b5195be5fef3cceca3f78a6b1a6e32d7a2"

SPECIES = ("Adelie", "Chinstrap", "Gentoo")
CATEGORIES = {"island": ("Biscoe", "Dream", "Torgersen"), "sex": ("female", "male")}
NUMBERS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
TEST_SAMPLES = 69


@hookimpl
def register_datasets(register: Callable[[Dataset], None]) -> None:
    """Register ``penguins``."""
    category_columns = tuple(
        Column(name=name, kind="category", values=tuple(float(i) for i in range(len(labels))), labels=labels)
        for name, labels in CATEGORIES.items()
    )
    number_columns = tuple(Column(name=name) for name in NUMBERS)
    register(
        Dataset(
            name="penguins",
            summary="species of a penguin, from its island, its sex and four measurements",
            task="classification",
            loader="zoo_penguins:load",
            input_shape=(6,),
            num_outputs=3,
            labels=SPECIES,
            columns=(*category_columns, *number_columns),
            sizes={"train": 275, "test": TEST_SAMPLES},
            files=(FILE,),
            fingerprint="91d509cb258eed300ed3f8b0a99ce58c89edb05e09b7287282247d838d286e89",
            licence="CC0 1.0",
            source="Horst, Hill, Gorman: palmerpenguins, https://doi.org/10.5281/zenodo.3960218",
            hyperparameters={"epochs": 60, "batch_size": 16},
        )
    )


def load(folder: Path, download: bool) -> Splits:
    """Load 344 penguins. A fifth is the test split, stratified by species with a fixed seed. Missing values are NaN.

    Raises:
        zoo.DataUnavailable: the file is not in ``folder``, and ``download`` is false or the download failed.
    """
    import numpy as np
    import torch

    from zoo import DataUnavailable, Split, Splits, stratified_split

    path = folder / FILE
    if download and not path.is_file():
        fetch(path)
    if not path.is_file():
        raise DataUnavailable(f"penguins is not in {folder}.")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    inputs = torch.from_numpy(np.array([[*categories(row), *numbers(row)] for row in rows], dtype=np.float32))
    targets = torch.tensor([SPECIES.index(row["species"]) for row in rows])
    whole = Split(inputs, targets)
    train, test = stratified_split(targets, TEST_SAMPLES, seed=0)
    return Splits(whole.take(train), whole.take(test))


def fetch(path: Path) -> None:
    """Download the published file to ``path`` and check its SHA-256. If this fails, nothing is written.

    Raises:
        zoo.DataUnavailable: the server does not answer, or sends a different file.
    """
    import pooch

    from zoo import DataUnavailable

    pooch.get_logger().setLevel("WARNING")
    try:
        # pooch writes to a temporary file and moves it only if its hash is right
        pooch.retrieve(
            URL,
            f"sha256:{SHA256}",
            path.name,
            path.parent,
            downloader=pooch.HTTPDownloader(timeout=15, progressbar=False),
        )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataUnavailable(
            f"penguins is not in {path.parents[1]} and could not be downloaded ({reason})."
        ) from error


def categories(row: dict[str, str]) -> list[float]:
    """Each category as its index in the labels of its column; NaN if it is missing."""
    return [labels.index(row[name]) if row[name] in labels else float("nan") for name, labels in CATEGORIES.items()]


def numbers(row: dict[str, str]) -> list[float]:
    """The measurements; NaN if they are missing."""
    return [float("nan") if row[name] == "NA" else float(row[name]) for name in NUMBERS]
