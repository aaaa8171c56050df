"""``diabetes-mlp``: three linear layers for a table of eight columns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, Option, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``diabetes-mlp``."""
    register(
        Architecture(
            name="diabetes-mlp",
            summary="two hidden layers of six and four units",
            task="binary",
            builder="zoo.plugins.diabetes_mlp.model:build",
            dataset="diabetes",
            parameters=87,
            hyperparameters={
                "epochs": 60,
                "batch_size": 32,
                "optimizer": "adamw",
                "lr": 2e-2,
                "weight_decay": 0.3,
            },
            options=(
                Option(name="widths", default=(6, 4), help="units in each hidden layer", minimum=1),
                Option(
                    name="activation",
                    default="sigmoid",
                    help="activation after each hidden layer",
                    choices=("sigmoid", "relu", "tanh"),
                ),
            ),
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("table", "perceptron"),
            source="Smith et al.: Using the ADAP learning algorithm to forecast the onset of diabetes mellitus, 1988",
            docs="chapter 3, Yes or no, of the course: docs/learn/03-yes-or-no.md",
        )
    )
