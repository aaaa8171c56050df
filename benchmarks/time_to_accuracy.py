"""Measure how much faster `zoo train NAME` reaches the accuracy of a tutorial's training loop.

    ZOO_DATA=FOLDER python benchmarks/time_to_accuracy.py [--epochs N] [--rounds N] NAME…

For each architecture, `tutorial_loop.py` trains ten epochs on MNIST. Its final test accuracy is the target. Then the
zoo trains with the default recipe, or with that recipe for N epochs. Its time ends with the first epoch whose best
checkpoint on disk has at least that accuracy on the test split. The two processes run one after the other. Times start
with the process and include imports and loading the data. This script evaluates the checkpoints on the test split after
the training.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import zoo

HERE = Path(__file__).parent


class Copies:
    """Copies the best checkpoint after every epoch, and records the time. After a short epoch there may be none yet."""

    def __init__(self, began: float, folder: Path) -> None:
        self.began, self.folder = began, folder
        self.seconds: dict[int, float] = {}

    @zoo.hookimpl
    def epoch_ended(self, run: zoo.Run, metrics: dict[str, Any]) -> None:
        if run.best.is_file():
            self.seconds[metrics["epoch"]] = time.time() - self.began
            shutil.copy(run.best, self.folder / f"{metrics['epoch']}.safetensors")


def train(name: str, epochs: int | None, began: float) -> None:
    """Train with the zoo; print a line of JSON for each epoch, as the tutorial's loop does."""
    settings = {"epochs": epochs} if epochs else {}
    registry = zoo.create_registry()
    with tempfile.TemporaryDirectory() as scratch:
        copies = Copies(began, Path(scratch))
        registry.listen(copies)
        run = zoo.train(name, dataset="mnist", registry=registry, runs_dir=Path(scratch) / "runs", **settings)
        test = zoo.load_dataset(registry.dataset("mnist"), zoo.data_folder()).splits.test
        for epoch, seconds in copies.seconds.items():
            shutil.copy(copies.folder / f"{epoch}.safetensors", run.best)
            trained = zoo.load(str(run.folder), registry=registry)
            accuracy = zoo.evaluate(trained.module, test, trained.task).metrics["accuracy"]
            print(json.dumps({"epoch": epoch, "accuracy": accuracy, "seconds": seconds}), flush=True)


def lines(*command: str) -> list[dict[str, Any]]:
    """Run a script; return the lines of JSON that it printed."""
    done = subprocess.run([sys.executable, *command], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(name: str, epochs: int | None) -> None:
    """Print one row, and below it the accuracy and the time of each epoch."""
    tutorial = lines(str(HERE / "tutorial_loop.py"), name, str(zoo.data_folder()), "10", str(time.time()))
    ours = lines(__file__, name, "--epochs", str(epochs or 0), "--began", str(time.time()))
    target, theirs = tutorial[-1]["accuracy"], tutorial[-1]["seconds"]
    reached = next((entry for entry in ours if entry["accuracy"] >= target), None)
    seconds = f"{reached['seconds']:8.1f}{theirs / reached['seconds']:8.1f}" if reached else "   not reached"
    print(f"{name:<16}{target:9.4f}{theirs:12.1f}{seconds}", flush=True)
    print("   tutorial", *(f"{e['accuracy']:.4f}@{e['seconds']:.1f}" for e in tutorial))
    print("   zoo     ", *(f"{e['accuracy']:.4f}@{e['seconds']:.1f}" for e in ours), flush=True)


def main() -> None:
    """Print one row for each architecture and round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+")
    parser.add_argument("--epochs", type=int, help="of the zoo; default: those of the recipe")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.began:
        train(options.names[0], options.epochs, options.began)
        return
    print(f"{'architecture':<16}{'accuracy':>9}{'tutorial s':>12}{'zoo s':>8}{'ratio':>8}")
    for name in options.names:
        for _ in range(options.rounds):
            compare(name, options.epochs)


if __name__ == "__main__":
    main()
