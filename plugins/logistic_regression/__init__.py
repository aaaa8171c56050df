"""``logistic-regression``: a linear classifier for two classes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``logistic-regression``."""
    register(
        Architecture(
            name="logistic-regression",
            summary="one linear layer; the sigmoid is in the loss",
            task="binary",
            builder="zoo.plugins.logistic_regression.model:build",
            dataset="study-hours",
            parameters=2,
            hyperparameters={"epochs": 100, "batch_size": 3, "lr": 0.3, "weight_decay": 0.0, "schedule": "constant"},
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("table", "linear"),
            source="Cox: The regression analysis of binary sequences, J. Royal Statistical Society B 20, 1958",
            docs="chapter 3, Yes or no, of the course: docs/learn/03-yes-or-no.md",
        )
    )
