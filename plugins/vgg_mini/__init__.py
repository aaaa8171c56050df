"""``vgg-mini``: three VGG blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, Option, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``vgg-mini``."""
    register(
        Architecture(
            name="vgg-mini",
            summary="three VGG blocks of 3x3 convolutions",
            task="classification",
            builder="zoo.plugins.vgg_mini.model:build",
            dataset="mnist",
            parameters=144_826,
            hyperparameters={
                "epochs": 8,
                "batch_size": 128,
                "lr": 0.08,
                "weight_decay": 5e-4,
                "label_smoothing": 0.05,
                "shift": 2,
            },
            options=(
                Option(name="convs", default=(1, 2, 2), help="convolutions in each block", minimum=1),
                Option(name="channels", default=(16, 32, 64), help="channels of each block", minimum=1),
                Option(name="norm", default=True, help="batch normalisation after each convolution"),
            ),
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("image", "convolutional"),
            source="Simonyan, Zisserman: Very deep convolutional networks, ICLR 2015, https://arxiv.org/abs/1409.1556",
            docs="chapter 8, Deeper networks, of the course: docs/learn/08-deeper.md",
        )
    )
