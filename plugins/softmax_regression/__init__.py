"""``softmax-regression``: a linear classifier."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``softmax-regression``."""
    register(
        Architecture(
            name="softmax-regression",
            summary="one linear layer from pixels to classes",
            task="classification",
            builder="zoo.plugins.softmax_regression.model:build",
            dataset="fashion-mnist",
            parameters=7_850,
            hyperparameters={
                "epochs": 15,
                "batch_size": 256,
                "optimizer": "adamw",
                "lr": 2e-3,
                "weight_decay": 1e-2,
            },
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("image", "table", "linear"),
            source="Zhang et al.: Dive into Deep Learning, section 4.1, https://d2l.ai",
            docs="chapter 5, Ten classes, of the course: docs/learn/05-ten-classes.md",
        )
    )
