"""``resnet-mini``: two small residual blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, Option, hookimpl

# the keys of blocks.BLOCKS, which imports torch
BLOCK_NAMES = (
    "original",
    "constant-scaling",
    "exclusive-gating",
    "shortcut-only-gating",
    "conv-shortcut",
    "dropout-shortcut",
    "bn-original",
    "bn-after-addition",
    "relu-before-addition",
    "relu-pre-activation",
    "full-pre-activation",
)


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``resnet-mini``."""
    register(
        Architecture(
            name="resnet-mini",
            summary="two 5x5 convolutions, each followed by a residual block",
            task="classification",
            builder="zoo.plugins.resnet_mini.model:build",
            dataset="mnist",
            parameters=41_514,
            hyperparameters={
                "epochs": 8,
                "batch_size": 128,
                "lr": 0.08,
                "weight_decay": 5e-4,
                "label_smoothing": 0.05,
                "shift": 2,
            },
            options=(
                Option(
                    name="block",
                    default="original",
                    help="variant of the residual block (He et al. 2016, figures 2 and 4)",
                    choices=BLOCK_NAMES,
                ),
            ),
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("image", "convolutional", "residual"),
            source="He et al.: Deep Residual Learning for Image Recognition, CVPR 2016, https://arxiv.org/abs/1512.03385",
            docs="chapter 8, Deeper networks, of the course: docs/learn/08-deeper.md",
        )
    )
