"""``densenet-mini``: three dense blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, Option, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``densenet-mini``."""
    register(
        Architecture(
            name="densenet-mini",
            summary="three dense blocks with transitions in between",
            task="classification",
            builder="zoo.plugins.densenet_mini.model:build",
            dataset="mnist",
            parameters=76_378,
            hyperparameters={
                "epochs": 10,
                "batch_size": 128,
                "lr": 0.1,
                "weight_decay": 5e-4,
                "label_smoothing": 0.05,
                "shift": 2,
            },
            options=(
                Option(name="growth", default=12, help="channels that each layer adds", minimum=1),
                Option(name="layers", default=(4, 4, 4), help="layers in each dense block", minimum=1),
            ),
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("image", "convolutional"),
            source="Huang et al.: Densely connected networks, CVPR 2017, https://arxiv.org/abs/1608.06993",
            docs="chapter 8, Deeper networks, of the course: docs/learn/08-deeper.md",
        )
    )
