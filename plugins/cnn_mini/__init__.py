"""``cnn-mini``: a minimal convolutional network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``cnn-mini``."""
    register(
        Architecture(
            name="cnn-mini",
            summary="two 5x5 convolutions and one linear layer",
            task="classification",
            builder="zoo.plugins.cnn_mini.model:build",
            dataset="mnist",
            parameters=8_490,
            hyperparameters={
                "epochs": 12,
                "batch_size": 128,
                "lr": 0.05,
                "weight_decay": 1e-4,
                # the averaged weights are good long before the learning rate decays
                "warmup": 0.05,
                "ema": 0.98,
                "shift": 1,
            },
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("image", "convolutional"),
            source="LeCun et al.: Backpropagation applied to zip code recognition, Neural Computation 1, 1989",
            docs="chapter 6, Convolution, of the course: docs/learn/06-convolution.md",
        )
    )
