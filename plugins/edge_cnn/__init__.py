"""``edge-cnn``: a convolutional network with fewer than 8,000 parameters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Architecture, Option, hookimpl


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register ``edge-cnn``."""
    register(
        Architecture(
            name="edge-cnn",
            summary="depthwise-separable convolutions with shortcuts, fewer than 8,000 parameters",
            task="classification",
            builder="zoo.plugins.edge_cnn.model:build",
            dataset="mnist",
            parameters=7_978,
            hyperparameters={
                "epochs": 96,
                "batch_size": 128,
                "lr": 0.25,
                "weight_decay": 1e-4,
                "label_smoothing": 0.02,
                "shift": 2,
                "rotate": 15.0,
                "zoom": 0.1,
                "crop": 0.25,
                "best_of_last": 0.25,
                "ema": 0.998,
            },
            options=(
                Option(
                    name="widths",
                    default=(32, 32, 32),
                    help="channels of the first convolution, then of the blocks of each stage",
                    minimum=1,
                ),
                Option(name="blocks", default=(1, 2), help="blocks in each stage", minimum=1),
                Option(
                    name="kernels", default=(3, 5), help="height and width of the kernels of each stage, odd", minimum=1
                ),
                Option(
                    name="convolution",
                    default="separable",
                    help="of the blocks; separable: 3x3 for each channel by itself, then 1x1 over all channels",
                    choices=("plain", "separable"),
                ),
                Option(name="squeeze_excite", default=False, help="squeeze-and-excitation in each block"),
                Option(
                    name="pooling",
                    default="depthwise",
                    help="average: the mean of each channel; depthwise: with a learned weight for each place",
                    choices=("average", "depthwise"),
                ),
            ),
            weights=Path(__file__).with_name("weights.safetensors"),
            results=Path(__file__).with_name("results.json"),
            tags=("image", "convolutional", "residual"),
            source="Howard et al.: MobileNets, 2017, https://arxiv.org/abs/1704.04861; Hu et al.: "
            "Squeeze-and-excitation networks, CVPR 2018, https://arxiv.org/abs/1709.01507",
            docs="chapter 8, Deeper networks, of the course: docs/learn/08-deeper.md",
        )
    )
