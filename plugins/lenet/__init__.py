"""``lenet``: LeNet-5, with ReLU and max pooling, or with sigmoid and average pooling."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, Option, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``lenet``."""
    register(
        Architecture(
            name="lenet",
            summary="LeNet-5: two convolutions, three linear layers",
            task="classification",
            builder="zoo.plugins.lenet.model:build",
            dataset="mnist",
            parameters=61_706,
            hyperparameters={"epochs": 10, "batch_size": 128, "lr": 0.04, "weight_decay": 5e-4, "shift": 2},
            options=(
                Option(
                    name="face",
                    default="modern",
                    help="modern: ReLU and max pooling; 1998: sigmoid and average pooling, as it is often taught. The "
                    "paper of 1998 has a scaled tanh, 1.7159 tanh(2x/3), and pooling with trained weights",
                    choices=("modern", "1998"),
                ),
            ),
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("image", "convolutional"),
            source="LeCun et al.: Gradient-based learning applied to document recognition, Proc. IEEE 86, 1998",
            docs="chapter 6, Convolution, of the course: docs/learn/06-convolution.md",
        )
    )
