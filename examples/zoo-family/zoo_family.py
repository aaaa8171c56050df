"""The family ``timm/…``: every classifier of the library timm, as an architecture of the zoo.

timm has more than a thousand networks, so none is registered: the zoo asks for each name when a user types it. This
module imports neither torch nor timm before that, because every ``zoo`` command imports it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import zoo

if TYPE_CHECKING:
    from torch import Tensor, nn

PREFIX = "timm/"
DATASET, INPUT_SHAPE, NUM_OUTPUTS = "mnist", (1, 28, 28), 10


@zoo.hookimpl
def find_architecture(name: str) -> zoo.Architecture | None:
    """``timm/resnet10t`` is timm's ``resnet10t``. Any other name is not ours: None."""
    if not name.startswith(PREFIX):
        return None
    from zoo_family_networks import count_parameters, default_size, exists, has_weights

    short = name.removeprefix(PREFIX)
    if not exists(short):
        return None
    return zoo.Architecture(
        name=name,
        summary=f"timm's {short}",
        task="classification",
        builder=functools.partial(_build, short),
        dataset=DATASET,
        parameters=count_parameters(short, INPUT_SHAPE, NUM_OUTPUTS),
        hyperparameters={
            "epochs": 10,
            "batch_size": 64,
            "optimizer": "adamw",
            "lr": 0.002,
            "weight_decay": 0.05,
            "grad_clip": 1.0,
        },
        options=(
            zoo.Option(
                name="resize",
                default=0,
                help="height and width that images are resized to; 0: their own, or the next that the network takes",
                minimum=0,
            ),
        ),
        image_size=default_size(short),
        # an origin downloads only with --init-from timm; a training without it starts from random weights
        origins={"timm": functools.partial(_pretrained, short)} if has_weights(short) else {},
        tags=("image", "timm"),
        source=f"https://huggingface.co/docs/timm, {short}",
    )


@zoo.hookimpl
def sample_architectures() -> tuple[str, ...]:
    """Names that ``zoo check`` looks up and checks."""
    return f"{PREFIX}mobilenetv3_small_050", f"{PREFIX}vit_tiny_patch16_224"


def _build(name: str, input_shape: tuple[int, ...], num_outputs: int, resize: int) -> nn.Module:
    from zoo_family_networks import build

    return build(name, input_shape, num_outputs, resize)


def _pretrained(name: str) -> dict[str, Tensor]:
    from zoo_family_networks import pretrained

    return pretrained(name)
