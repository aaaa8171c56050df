"""``bike-mlp``: ten sigmoid units that predict the number of bikes rented in an hour."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, Option, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``bike-mlp``."""
    register(
        Architecture(
            name="bike-mlp",
            summary="one hidden layer of ten sigmoid units",
            task="regression",
            builder="zoo.plugins.bike_mlp.model:build",
            dataset="bike-sharing",
            parameters=831,
            hyperparameters={
                "epochs": 30,
                "batch_size": 128,
                "optimizer": "adamw",
                "lr": 2e-2,
                "weight_decay": 1e-3,
                "target_scale": "sqrt",
            },
            options=(Option(name="width", default=10, help="units in the hidden layer", minimum=1),),
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("table", "perceptron"),
            source="Fanaee-T, Gama: Event labeling combining ensemble detectors, 2013; UCI Bike Sharing",
            docs="chapter 4, A number from a table, of the course: docs/learn/04-table.md",
        )
    )
