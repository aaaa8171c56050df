"""Which columns and which recipe suit ``bike-mlp``, by windows of time before the test split.

    export OMP_NUM_THREADS=1 ZOO_DATA=…
    nice python benchmarks/bike_windows.py columns [--windows 17] [--seeds 5]
    nice python benchmarks/bike_windows.py recipes

A window is 21 days, like the test split. The first ends where the test split begins, each other where the one before it
begins. A network is trained on the days before its window only, so it forecasts, as in the test. The test split is
never read. Of the days for training, every tenth week is held out for the choice of the checkpoint, as in the dataset.

Prints a row for each variant: the mean absolute error over windows and seeds, the difference to the first variant with
its standard error over the windows, and in how many windows the variant is better. The networks of all variants and
seeds are trained at once, as one tensor: the same steps as those of ``zoo train``, in a twentieth of the time.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from zoo.plugins.datasets import bike_sharing as bikes

import zoo
from zoo.inputs.preprocess import TablePreprocess
from zoo.models.rescale import Rescale
from zoo.specs.hyperparameters import Hyperparameters, resolve
from zoo.training.optimisation import epoch_order
from zoo.training.recipe import count_steps
from zoo.training.recipe_parts import load_parts

Rows = Sequence[Mapping[str, str]]
BASE = ("season", "yr", "mnth", "hr", "holiday", "weekday", "weathersit", "temp", "hum", "windspeed")
CROSSED = tuple("day and hour" if name == "hr" else name for name in BASE)
CATEGORIES = {
    "season": range(1, 5),
    "mnth": range(1, 13),
    "hr": range(24),
    "weekday": range(7),
    "weathersit": range(1, 5),
    "day and hour": range(48),
    "nearest holiday": range(5),
}
NUMBERS = ("temp", "hum", "windspeed")
NEAR = {f"holiday within {reach}": reach for reach in (1, 3, 7)}
RECIPE: dict[str, Any] = {
    **{"epochs": 30, "batch_size": 128, "optimizer": "adamw", "lr": 2e-2, "weight_decay": 1e-3},
    "target_scale": "sqrt",
}
COLUMNS: dict[str, tuple[str, ...]] = {
    "as before": BASE,
    "hour x working day": CROSSED,
    **{f"{name} days": (*BASE, name) for name in NEAR},
    "days to the nearest holiday": (*BASE, "nearest holiday"),
    "years since the start": (*BASE, "time"),
    **{f"hour x working day, {name} days": (*CROSSED, name) for name in NEAR},
    "hour x working day, days to the nearest holiday": (*CROSSED, "nearest holiday"),
    "hour x working day, years since the start": (*CROSSED, "time"),
    "hour x working day, holiday within 3 days, years": (*CROSSED, "holiday within 3", "time"),
}
CHOSEN = "hour x working day, holiday within 3 days"
RECIPES: dict[str, dict[str, Any]] = {
    "as before": {},
    "weight decay 0.0001": {"weight_decay": 1e-4},
    "weight decay 0.01": {"weight_decay": 1e-2},
    "log": {"target_scale": "log"},
    "log, weight decay 0.01": {"target_scale": "log", "weight_decay": 1e-2},
    "linear": {"target_scale": "linear"},
}
LENGTHS: dict[str, dict[str, Any]] = {
    "15 epochs": {"epochs": 15},
    "rate 0.01": {"lr": 1e-2},
    "batch 256": {"batch_size": 256},
}
Variant = tuple[tuple[str, ...], Hyperparameters]


def column(rows: Rows, days: bikes.Days, name: str) -> bikes.Floats:
    """A column by its name, ``[N]``; those that are not in the file follow from others."""
    if name == "day and hour":
        return bikes.hour_of_day_off_or_on(rows)
    if name in NEAR:
        return (bikes.days_to_holiday(rows, days) <= NEAR[name]).astype(np.float32)
    if name == "nearest holiday":
        return np.minimum(bikes.days_to_holiday(rows, days), 4).astype(np.float32)
    if name == "time":
        return ((days - days.min()) / 365).astype(np.float32)
    return bikes.numbers(rows, name)


def declared(name: str) -> zoo.Column:
    """The declaration of a column."""
    if name in CATEGORIES:
        return zoo.Column(name=name, kind="category", values=tuple(float(value) for value in CATEGORIES[name]))
    return zoo.Column(name=name, kind="number" if name in NUMBERS else "as-is")


def read_rows() -> Rows:
    """The rows of the table that come before the test split."""
    path = zoo.data_folder(None) / "tabular" / "hour.csv"
    with path.open(encoding="ascii", newline="") as handle:
        rows = list(csv.DictReader(handle))
    days = bikes.day_numbers(rows)
    return [row for row, day in zip(rows, days, strict=True) if day <= days.max() - bikes.TEST_DAYS]


class Networks:
    """One ``bike-mlp`` for each seed and variant, with the initial weights that ``zoo train`` gives it.

    All see the inputs of all variants, ``[…, F]``; the weights of columns that a variant lacks stay 0.
    """

    def __init__(self, variants: Sequence[Variant], keys: Sequence[tuple[str, float]], seeds: Sequence[int]) -> None:
        size = (len(seeds), len(variants))
        self.weight = torch.zeros(size[0], len(keys), size[1], 10)  # [S, F, V, 10]
        self.bias, self.last = torch.zeros(*size, 10), torch.zeros(*size, 10)
        self.last_bias = torch.zeros(size)
        self.mask = torch.zeros(len(keys), len(variants), 1)
        for v, (names, _) in enumerate(variants):
            places = [keys.index(key) for key in expanded(names)]
            self.mask[places, v] = 1
            for s, seed in enumerate(seeds):
                torch.manual_seed(seed)
                state = zoo.create_model("bike-mlp", input_shape=(len(places),), num_outputs=1).state_dict()
                self.weight[s, places, v] = state["hidden.weight"].T
                self.bias[s, v], self.last[s, v] = state["hidden.bias"], state["fc.weight"][0]
                self.last_bias[s, v] = state["fc.bias"][0]
        self.tensors = [tensor.requires_grad_() for tensor in (self.weight, self.bias, self.last, self.last_bias)]
        self.decay = torch.tensor([h.weight_decay for _, h in variants])
        self.optimizer = torch.optim.AdamW(self.tensors, betas=(0.9, 0.999), weight_decay=0.0, fused=True)

    def __call__(self, inputs: Tensor) -> Tensor:
        """``[S, N, F]`` to ``[S, N, V]``."""
        seeds, _, variants, width = self.weight.shape
        flat = (self.weight * self.mask).reshape(seeds, -1, variants * width)
        hidden = torch.sigmoid((inputs @ flat).unflatten(2, (variants, width)) + self.bias[:, None])
        return (hidden * self.last[:, None]).sum(3) + self.last_bias[:, None]

    def step(self, loss: Tensor, rate: float) -> None:
        """One step of AdamW, with the weight decay of each variant."""
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        kept = 1 - rate * self.decay
        with torch.no_grad():
            for tensor, factor in zip(self.tensors, (kept[:, None], kept[:, None], kept[:, None], kept), strict=True):
                tensor.mul_(factor)
        self.optimizer.step()


def expanded(names: Sequence[str]) -> list[tuple[str, float]]:
    """The inputs of the network, in its order: numbers, then each value of each category."""
    numbers = [(name, 0.0) for name in names if name not in CATEGORIES]
    return numbers + [(name, float(value)) for name in names for value in CATEGORIES.get(name, ())]


def errors(splits: zoo.Splits, variants: Sequence[Variant], names: Sequence[str], seeds: Sequence[int]) -> Tensor:
    """The mean absolute error on the test split of each best checkpoint, ``[S, V]``.

    Args:
        names: the columns of ``splits``. The variants agree in everything but columns, target scale and weight decay.
    """
    h = variants[0][1]
    preprocess = TablePreprocess.fit(splits.train.inputs, tuple(map(declared, names)))
    scales = [Rescale.fit(splits.train.targets, variant.target_scale) for _, variant in variants]
    inputs = preprocess(splits.train.inputs)
    targets = torch.cat([scale.standardise(splits.train.targets) for scale in scales], dim=1)
    networks = Networks(variants, expanded(names), seeds)
    steps = count_steps(h, len(inputs))
    parts = load_parts(h, "regression", zoo.create_registry())
    assert splits.validation is not None
    held = [
        (preprocess(split.inputs).expand(len(seeds), -1, -1), split.targets)
        for split in (splits.validation, splits.test)
    ]
    best = found = torch.full((len(seeds), len(variants)), torch.inf)
    for epoch in range(1, h.epochs + 1):
        order = torch.stack([epoch_order(len(inputs), seed, epoch) for seed in seeds])
        for step in range(steps):
            chosen = order[:, step * h.batch_size :][:, : h.batch_size]
            loss = (networks(inputs[chosen]) - targets[chosen]).square().mean(dim=1).sum()
            networks.step(loss, parts.rate(h, (epoch - 1) * steps + step, h.epochs * steps))
        with torch.no_grad():
            validation, test = (
                torch.stack(
                    [
                        (scale(out) - truth[:, 0]).abs().mean(1)
                        for scale, out in zip(scales, networks(x).unbind(2), strict=True)
                    ],
                    1,
                )
                for x, truth in held
            )
        found, best = torch.where(validation < best, test, found), torch.minimum(validation, best)
    return found


def measure(
    rows: Rows, variants: Sequence[Variant], windows: Sequence[int], seeds: Sequence[int]
) -> Iterator[list[float]]:
    """The error of each variant in each window, mean over the seeds, the last window first."""
    names = tuple(dict.fromkeys(name for columns, _ in variants for name in columns))
    days = bikes.day_numbers(rows)
    inputs = np.stack([column(rows, days, name) for name in names], axis=1)
    rentals = bikes.numbers(rows, "cnt")[:, None]
    for back in windows:
        splits = bikes.divide_by_time(inputs, rentals, days, int(days.max()) + 1 - bikes.TEST_DAYS * back)
        yield errors(splits, variants, names, seeds).mean(0).tolist()


def groups_of(table: str) -> list[dict[str, Variant]]:
    """The variants of a table; those of a group are trained at once."""
    if table == "columns":
        return [{name: (columns, resolve(RECIPE)) for name, columns in COLUMNS.items()}]
    chosen = COLUMNS[CHOSEN]
    together = {name: (chosen, resolve(RECIPE | changes)) for name, changes in RECIPES.items()}
    return [together, *({name: (chosen, resolve(RECIPE | changes))} for name, changes in LENGTHS.items())]


def main() -> None:
    """Print each window as it is measured, then the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("table", choices=("columns", "recipes"))
    parser.add_argument("--windows", type=int, default=17)
    parser.add_argument("--first", type=int, default=0, help="the first window, counted from the last one back")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows, first = read_rows(), []
    for group in groups_of(given.table):
        windows = []
        chosen = range(given.first, given.windows)
        for found in measure(rows, list(group.values()), chosen, range(given.seeds)):
            windows.append(found)
            print(f"<!-- {', '.join(f'{value:.1f}' for value in found)} ({time.process_time():.0f} s) -->", flush=True)
        for name, own in zip(group, zip(*windows, strict=True), strict=True):
            first = first or own
            gaps = [mine - other for mine, other in zip(own, first, strict=True)]
            spread = statistics.stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0
            better = f"{sum(gap < 0 for gap in gaps)} of {len(gaps)}"
            print(
                f"| {name} | {statistics.fmean(own):.2f} | {statistics.fmean(gaps):+.2f} ±{spread:.2f} | {better} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
