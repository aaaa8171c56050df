"""``alexnet-mini``: AlexNet scaled down for small images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, Option, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``alexnet-mini``."""
    register(
        Architecture(
            name="alexnet-mini",
            summary="AlexNet for small images: five convolutions, dropout",
            task="classification",
            builder="zoo.plugins.alexnet_mini.model:build",
            dataset="mnist",
            parameters=240_154,
            hyperparameters={
                "epochs": 8,
                "batch_size": 128,
                "optimizer": "adamw",
                "lr": 2e-3,
                "weight_decay": 1e-2,
                "grad_clip": 1.0,
                "shift": 2,
            },
            options=(
                Option(
                    name="dropout",
                    default=0.5,
                    help="dropout probability before each hidden linear layer",
                    minimum=0,
                    below=1,
                ),
            ),
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("image", "convolutional"),
            source="Krizhevsky, Sutskever, Hinton: ImageNet classification with deep CNNs, NIPS 2012",
            docs="chapter 8, Deeper networks, of the course: docs/learn/08-deeper.md",
        )
    )
