"""``googlenet-mini``: two small Inception blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, Option, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``googlenet-mini``."""
    register(
        Architecture(
            name="googlenet-mini",
            summary="two 5x5 convolutions, each followed by an Inception block without activations",
            task="classification",
            builder="zoo.plugins.googlenet_mini.model:build",
            dataset="mnist",
            parameters=97_298,
            hyperparameters={
                "epochs": 6,
                "batch_size": 64,
                # without normalisation layers, SGD needs a small learning rate; AdamW is better in as many epochs
                "optimizer": "adamw",
                "lr": 0.003,
                "weight_decay": 0.01,
                # the averaged weights are good long before the learning rate decays
                "warmup": 0.05,
                "ema": 0.98,
                "shift": 1,
            },
            options=(
                Option(
                    name="activation",
                    default="none",
                    help="activation after each convolution of an Inception block; none, as it is taught; relu, as in "
                    "the paper",
                    choices=("none", "relu"),
                ),
            ),
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("image", "convolutional", "inception"),
            source="Szegedy et al.: Going Deeper with Convolutions, CVPR 2015, https://arxiv.org/abs/1409.4842; two "
            "3x3 in a row and average pooling: Inception v2 and v3, Szegedy et al., https://arxiv.org/abs/1512.00567",
            docs="chapter 8, Deeper networks, of the course: docs/learn/08-deeper.md",
        )
    )
