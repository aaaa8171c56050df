"""Which recipe suits ``diabetes-mlp``, by cross-validation in the rows that are in no test split.

    OMP_NUM_THREADS=1 ZOO_DATA=… nice python benchmarks/diabetes_folds.py [--folds 5] [--repeats 1]

Half of the rows of ``diabetes`` are training rows in every one of its splits; see ``zoo.plugins.datasets.tables``. They
are divided into folds, once for each repeat, and a network is trained for each fold on the others. Prints a row for
each recipe: the mean accuracy, loss and AUC over all folds, and the difference of accuracy and loss to the first recipe
with its standard error.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from zoo.plugins.datasets import tables

import zoo

RECIPE: dict[str, Any] = {
    **{"epochs": 60, "batch_size": 32, "optimizer": "adamw", "lr": 2e-2, "weight_decay": 0.3},
    **{"warmup": 0.25, "grad_clip": 0.0, "label_smoothing": 0.0},  # set, so that nothing is adapted to the small split
}
VARIANTS: dict[str, dict[str, Any]] = {
    "as before": {},
    "weight decay 1": {"weight_decay": 1.0},
    "weight decay 0.1": {"weight_decay": 0.1},
    "rate 0.005": {"lr": 5e-3},
    "weight decay 0.01": {"weight_decay": 0.01},
    "label smoothing 0.1": {"label_smoothing": 0.1},
}


def load_fold(folder: Path, download: bool, fold: int, folds: int, repeat: int) -> zoo.Splits:
    """The rows that are in no test split, with one fold of them as the test split."""
    whole = tables.read_diabetes(folder, download)
    kept = whole.take(tables.diabetes_halves(whole.targets)[0])
    targets = kept.targets
    number = np.zeros(len(targets), dtype=int)
    random = np.random.RandomState(repeat)
    for label in (0, 1):
        members = random.permutation(np.flatnonzero(targets.numpy() == label))
        number[members] = np.arange(len(members)) % folds
    test = torch.from_numpy(number == fold)
    return zoo.Splits(kept.take(~test), kept.take(test))


def registry_with_folds() -> zoo.Registry:
    """The built-in plugins, and the folds as a dataset."""
    registry = zoo.create_registry()
    diabetes = registry.dataset("diabetes")
    numbers = {"fold": 0, "folds": 5, "repeat": 0}
    folds = zoo.Dataset(
        name="folds",
        summary="the rows of diabetes that are in no test split",
        task="binary",
        loader=load_fold,
        input_shape=diabetes.input_shape,
        num_outputs=1,
        labels=diabetes.labels,
        columns=diabetes.columns,
        options=tuple(zoo.Option(name=name, default=value, help=name) for name, value in numbers.items()),
    )

    class Folds:
        @zoo.hookimpl
        def register_datasets(self, register: Callable[[zoo.Dataset], None]) -> None:
            register(folds)

    registry.add(zoo.Plugin("folds", "benchmark", "1.0", __name__), Folds())
    return registry


def results_of(
    changes: dict[str, Any], folds: int, repeats: int, registry: zoo.Registry, scratch: Path
) -> list[dict[str, float]]:
    """The test metrics of a recipe on each fold."""
    found = []
    for repeat in range(repeats):
        for fold in range(folds):
            options = {"fold": fold, "folds": folds, "repeat": repeat}
            settings = RECIPE | changes | {"seed": repeat, "device": "cpu", "runs_dir": scratch}
            run = zoo.train("diabetes-mlp", dataset="folds", data_options=options, registry=registry, **settings)
            found.append(run.config["results"]["test"])
    return found


def difference(mine: Sequence[float], first: Sequence[float]) -> str:
    """The mean difference of two recipes over the folds, and its standard error."""
    gaps = [a - b for a, b in zip(mine, first, strict=True)]
    return f"{statistics.fmean(gaps):+.4f} ±{statistics.stdev(gaps) / len(gaps) ** 0.5:.4f}"


def main() -> None:
    """Print the rows of the table as they are measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("zoo").setLevel(logging.ERROR)
    registry, first = registry_with_folds(), []
    print("| recipe | accuracy | difference | loss | difference | AUC |\n|---|--:|--:|--:|--:|--:|", flush=True)
    for name, changes in VARIANTS.items():
        with tempfile.TemporaryDirectory() as scratch:
            found = results_of(changes, given.folds, given.repeats, registry, Path(scratch))
        first = first or found
        values = {key: [one[key] for one in found] for key in ("accuracy", "loss", "auc")}
        cells = [name]
        for key in ("accuracy", "loss"):
            cells += [f"{statistics.fmean(values[key]):.4f}", difference(values[key], [one[key] for one in first])]
        print(f"| {' | '.join(cells)} | {statistics.fmean(values['auc']):.4f} |", flush=True)


if __name__ == "__main__":
    main()
