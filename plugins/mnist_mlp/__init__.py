"""``mnist-mlp``: a perceptron of five linear layers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, Option, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``mnist-mlp``."""
    register(
        Architecture(
            name="mnist-mlp",
            summary="five linear layers with ReLU in between",
            task="classification",
            builder="zoo.plugins.mnist_mlp.model:build",
            dataset="mnist",
            parameters=575_050,
            hyperparameters={
                "epochs": 15,
                "batch_size": 128,
                "optimizer": "adamw",
                "lr": 3e-3,
                "weight_decay": 1e-2,
                # the averaged weights are good long before the learning rate decays
                "warmup": 0.04,
                "ema": 0.98,
                "shift": 1,
            },
            options=(
                Option(name="widths", default=(512, 256, 128, 64), help="units in each hidden layer", minimum=1),
                Option(
                    name="activation",
                    default="relu",
                    help="activation after each hidden layer",
                    choices=("relu", "sigmoid", "tanh"),
                ),
            ),
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("image", "table", "perceptron"),
            source="Rumelhart, Hinton, Williams: Learning representations by back-propagating errors, Nature 323, 1986",
            docs="chapter 5, Ten classes, of the course: docs/learn/05-ten-classes.md",
        )
    )
