"""``torchvision/*``: the full-size networks of torchvision, with a new head for the dataset.

Eight are listed. All other classifiers of torchvision are found by name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from zoo import Architecture, Option, hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn

PREFIX = "torchvision/"
DATASET, DATASET_OUTPUTS = "cifar10", 10

# number of parameters with ten outputs, summary
LISTED = {
    "alexnet": (57_044_810, "AlexNet: five convolutions, three large linear layers"),
    "densenet121": (6_964_106, "DenseNet-121"),
    "googlenet": (5_610_154, "GoogLeNet, without its auxiliary heads"),
    "resnet18": (11_181_642, "ResNet-18"),
    "resnet50": (23_528_522, "ResNet-50"),
    "resnet152": (58_164_298, "ResNet-152"),
    "vgg11": (128_807_306, "VGG-11"),
    "vgg16": (134_301_514, "VGG-16"),
}
# these networks need larger images than those of the default dataset
ENLARGED = {"alexnet": 64, "inception_v3": 128}


@hookimpl
def register_architectures(register: Callable[[Architecture], None]) -> None:
    """Register the listed networks."""
    for name, (parameters, summary) in LISTED.items():
        register(_declare(name, parameters, summary))


@hookimpl
def find_architecture(name: str) -> Architecture | None:
    """Find any other classifier of torchvision."""
    if not name.startswith(PREFIX):
        return None
    from .model import count, names

    short = name.removeprefix(PREFIX)
    if short not in names():
        return None
    return _declare(short, count(short, DATASET_OUTPUTS), f"torchvision's {short}")


@hookimpl
def sample_architectures() -> tuple[str, ...]:
    """Some that are not listed."""
    return f"{PREFIX}mobilenet_v3_small", f"{PREFIX}shufflenet_v2_x0_5"


def _declare(name: str, parameters: int, summary: str) -> Architecture:
    return Architecture(
        name=PREFIX + name,
        summary=summary,
        task="classification",
        builder=functools.partial(_build, name),
        dataset=DATASET,
        parameters=parameters,
        hyperparameters={
            "epochs": 20,
            "batch_size": 128,
            "lr": 0.05,
            "weight_decay": 5e-4,
            "label_smoothing": 0.1,
            "grad_clip": 1.0,
            "shift": 4,
            "flip": True,
        },
        options=(
            Option(
                name="resize",
                default=ENLARGED.get(name, 0),
                help="height and width that the network resizes images to; 0: no resizing",
                minimum=0,
            ),
        ),
        image_size=224,
        origins={"torchvision": functools.partial(_pretrained, name)},
        tags=("image", "convolutional", "full-size"),
        source=f"https://docs.pytorch.org/vision/stable/models.html, {name}",
    )


def _build(name: str, input_shape: tuple[int, ...], num_outputs: int, resize: int) -> nn.Module:
    from .model import build

    return build(name, input_shape, num_outputs, resize)


def _pretrained(name: str) -> dict[str, Tensor]:
    from .model import pretrained

    return pretrained(name)
