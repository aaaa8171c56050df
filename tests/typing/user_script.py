"""A user's script, as an editor with pyright sees it. It is type-checked and never run.

Some lines are wrong. pyright must find an error in each of them: a comment that ignores no error is an error too.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

import torch
from torch.utils.data import DataLoader

import zoo


class Printer:
    """A listener."""

    @zoo.hookimpl
    def epoch_ended(self, run: zoo.Run, metrics: dict[str, Any]) -> None:
        """Print where the training is."""
        print(run.folder, metrics["epoch"])


@zoo.hookimpl
def register_architectures(register: Callable[[zoo.Architecture], None]) -> None:
    """A declaration."""
    option = zoo.Option(name="width", default=16, minimum=1)
    recipe = {"epochs": 3, "lr": 0.1, "optimizer": "adamw"}
    register(
        zoo.Architecture(
            name="my-net",
            summary="my network",
            task="classification",
            builder="my_package.model:build",
            dataset="mnist",
            parameters=1_000,
            hyperparameters=recipe,
            options=(option,),
        )
    )
    register(option)  # pyright: ignore[reportArgumentType]


registry = zoo.create_registry()
registry.listen(Printer())
for name, architecture in registry.architectures.items():
    print(name, architecture.parameters + 1, architecture.summary.upper())

run = zoo.train("lenet", dataset="digits", epochs=2, seed=1, momentum=0.8, registry=registry)
assert_type(run, zoo.Run)
zoo.train("lenet", seed="one")  # pyright: ignore[reportArgumentType]
print(run.folder / "notes.txt", run.config["results"]["test"]["accuracy"])

model = zoo.load(str(run.folder))
data = zoo.load_dataset("digits")
for inputs, targets in DataLoader(data.splits.test, batch_size=32):
    print(model.module(inputs).argmax(1) == targets)
assert_type(data.splits.test.inputs, torch.Tensor)
scores = zoo.evaluate(model.module, data.splits.test, "classification")
print(scores.metrics["accuracy"] * 100, scores.sampels)  # pyright: ignore[reportAttributeAccessIssue]

certificate = zoo.export(str(run.folder), "onnx", Path("lenet.onnx"))
print(len(certificate.checks), zoo.verify("lenet.onnx"))
for prediction in zoo.predict("lenet.onnx", ["a.png", Path("b.png")]):
    assert_type(prediction, zoo.Prediction)
zoo.export(run, "onnx")  # pyright: ignore[reportArgumentType]
