"""``linear-regression``: one linear layer, trained with the squared error."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``linear-regression``."""
    register(
        Architecture(
            name="linear-regression",
            summary="one linear layer, squared error",
            task="regression",
            builder="zoo.plugins.linear_regression.model:build",
            dataset="line",
            parameters=2,
            hyperparameters={"epochs": 100, "batch_size": 3, "lr": 0.1, "weight_decay": 0.0, "schedule": "constant"},
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("table", "linear"),
            source="Legendre: Nouvelles méthodes pour la détermination des orbites des comètes, 1805",
            docs="chapter 1, A line through points, of the course: docs/learn/01-line.md",
        )
    )
