"""Measure the memory use of a training after 2, 10, 50 and 100 epochs, and the time of an epoch with more samples.

python benchmarks/memory.py [NAME]
"""

from __future__ import annotations

import resource
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

import zoo


def resident() -> float:
    """The resident memory of this process in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class Watch:
    """Records the memory use after each epoch."""

    def __init__(self) -> None:
        self.megabytes: list[float] = []

    @zoo.hookimpl
    def epoch_ended(self, run: zoo.Run, metrics: dict[str, Any]) -> None:
        self.megabytes.append(resident())


def seconds_of_an_epoch(registry: zoo.Registry, name: str, copies: int) -> float:
    """The median time of three epochs, with ``copies`` copies of the training samples of the digits."""

    def load(folder: Path, download: bool) -> zoo.Splits:
        splits = zoo.load_dataset(registry.dataset("digits"), folder).splits
        inputs, targets = (torch.cat([part] * copies) for part in (splits.train.inputs, splits.train.targets))
        return zoo.Splits(zoo.Split(inputs, targets), splits.test)

    dataset = zoo.Dataset(
        name=f"digits-{copies}",
        summary="digits, repeated",
        task="classification",
        loader=load,
        input_shape=(1, 28, 28),
        num_outputs=10,
    )
    registry.add(zoo.Plugin(f"times-{copies}", "benchmark", "0", ""), Declaration(dataset))
    with tempfile.TemporaryDirectory() as scratch:
        run = zoo.train(name, dataset=dataset.name, epochs=3, registry=registry, runs_dir=scratch, device="cpu")
        return sorted(entry["train_seconds"] for entry in run.metrics())[1]


class Declaration:
    """A plugin with one dataset."""

    def __init__(self, dataset: zoo.Dataset) -> None:
        self.dataset = dataset

    @zoo.hookimpl
    def register_datasets(self, register: Any) -> None:
        register(self.dataset)


def main() -> None:
    """Print memory use and times."""
    name = sys.argv[1] if len(sys.argv) > 1 else "lenet"
    registry, watch = zoo.create_registry(), Watch()
    registry.listen(watch)
    with tempfile.TemporaryDirectory() as scratch:
        zoo.train(name, dataset="digits", epochs=100, registry=registry, runs_dir=scratch, device="cpu")
    megabytes = {epoch: round(watch.megabytes[epoch - 1]) for epoch in (2, 10, 50, 100)}
    print(f"{name} on digits, memory in MB after each of these epochs: {megabytes}")
    for copies in (4, 8, 16):
        print(f"{copies} times the samples: {seconds_of_an_epoch(registry, name, copies):.2f} s per epoch")


if __name__ == "__main__":
    main()
