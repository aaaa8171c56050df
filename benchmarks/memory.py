"""What a training holds in memory after 10, 50 and 100 epochs, and what an epoch costs for twice the samples.

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
    """Megabytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


class Watch:
    """Notes what is held after each epoch."""

    def __init__(self) -> None:
        self.held: list[float] = []

    @zoo.hookimpl
    def epoch_ended(self, run: zoo.Run, metrics: dict[str, Any]) -> None:
        self.held.append(resident())


def seconds_of_an_epoch(registry: zoo.Registry, name: str, copies: int) -> float:
    """The median over three epochs of the digits, so many times over."""

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
    """Print both."""
    name = sys.argv[1] if len(sys.argv) > 1 else "lenet"
    registry, watch = zoo.create_registry(), Watch()
    registry.listen(watch)
    with tempfile.TemporaryDirectory() as scratch:
        zoo.train(name, dataset="digits", epochs=100, registry=registry, runs_dir=scratch, device="cpu")
    print(
        f"{name} on digits, MB held after epoch:", {epoch: round(watch.held[epoch - 1]) for epoch in (2, 10, 50, 100)}
    )
    for copies in (4, 8, 16):
        print(f"{copies} times the samples: {seconds_of_an_epoch(registry, name, copies):.2f} s an epoch")


if __name__ == "__main__":
    main()
