"""``fashion-mlp``: one hidden layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, Option, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``fashion-mlp``."""
    register(
        Architecture(
            name="fashion-mlp",
            summary="one hidden layer of 430 units",
            task="classification",
            builder="zoo.plugins.fashion_mlp.model:build",
            dataset="fashion-mnist",
            parameters=341_860,
            hyperparameters={
                "epochs": 20,
                "batch_size": 256,
                "optimizer": "adamw",
                "lr": 2e-3,
                "weight_decay": 5e-2,
            },
            options=(
                Option(name="width", default=430, help="units in the hidden layer", minimum=1),
                Option(
                    name="activation",
                    default="relu",
                    help="activation after the hidden layer",
                    choices=("relu", "sigmoid", "tanh"),
                ),
            ),
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("image", "table", "perceptron"),
            source="Zhang et al.: Dive into Deep Learning, section 5.2, https://d2l.ai",
            docs="chapter 5, Ten classes, of the course: docs/learn/05-ten-classes.md",
        )
    )
