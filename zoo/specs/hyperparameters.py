"""The hyperparameters of the trainer, each with its type, default, help text and range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .options import Option, Value, check_all


def _hyperparameter(default: Value, help: str, **limits: Any) -> Any:
    return field(default=default, metadata={"default": default, "help": help, **limits})


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Hyperparameters:
    """The hyperparameters of a training run. Create them with :func:`resolve`, which checks all values."""

    epochs: int = _hyperparameter(10, "number of passes over the training split", minimum=1)
    batch_size: int = _hyperparameter(128, "samples per optimiser step", minimum=1)
    optimizer: str = _hyperparameter("sgd", "sgd: SGD with Nesterov momentum; adamw: AdamW", choices=("sgd", "adamw"))
    lr: float = _hyperparameter(0.05, "peak learning rate", above=0)
    momentum: float = _hyperparameter(0.9, "momentum of SGD, or beta1 of AdamW", minimum=0, below=1)
    weight_decay: float = _hyperparameter(1e-4, "weight decay: L2 penalty for SGD, decoupled for AdamW", minimum=0)
    schedule: str = _hyperparameter(
        "one-cycle",
        "learning rate schedule after linear warm-up; one-cycle: cosine decay to 0; linear: linear decay to 0; "
        "step: divide by 10 at 50% and 75% of the run; constant: no decay",
        choices=("one-cycle", "linear", "step", "constant"),
    )
    warmup: float = _hyperparameter(0.25, "fraction of the run with linear learning rate warm-up", minimum=0, below=1)
    label_smoothing: float = _hyperparameter(
        0.0, "label smoothing of the cross-entropy loss; 0: off", minimum=0, below=1
    )
    target_scale: str = _hyperparameter(
        "linear",
        "regression: transform of the target before training; sqrt and log suit counts",
        choices=("linear", "sqrt", "log"),
    )
    huber: float = _hyperparameter(
        0.0, "regression: threshold of the Huber loss in standard deviations of the target; 0: squared error", minimum=0
    )
    grad_clip: float = _hyperparameter(0.0, "maximum gradient norm; 0: no clipping", minimum=0)
    accumulate: int = _hyperparameter(
        1, "gradient accumulation: split each batch into this many parts to use less memory", minimum=1
    )
    ema: float = _hyperparameter(
        0.0,
        "decay of the moving average of the weights, which is validated and saved; 0: off",
        minimum=0,
        below=1,
    )
    precision: str = _hyperparameter(
        "fp32",
        "arithmetic: fp32, or mixed precision with bf16 or fp16 (weights stay in fp32)",
        choices=("fp32", "bf16", "fp16"),
    )
    compile: bool = _hyperparameter(False, "compile the network with torch.compile")
    patience: int = _hyperparameter(
        0, "stop early after this many epochs without a better validation result; 0: off", minimum=0
    )
    shift: int = _hyperparameter(0, "maximum random shift of training images in pixels; 0: off", minimum=0)
    flip: bool = _hyperparameter(False, "randomly flip training images left to right")
    rotate: float = _hyperparameter(
        0.0, "maximum random rotation of training images in degrees; 0: off", minimum=0, maximum=180
    )
    zoom: float = _hyperparameter(
        0.0, "maximum random zoom of training images, in or out, as a fraction of the size; 0: off", minimum=0, below=1
    )
    crop: float = _hyperparameter(
        0.0, "maximum fraction of the area of training images that a random crop cuts off; 0: off", minimum=0, below=1
    )
    colour: float = _hyperparameter(
        0.0,
        "maximum random change of brightness, contrast and saturation of training images, as a fraction; 0: off",
        minimum=0,
        maximum=1,
    )
    erase: float = _hyperparameter(
        0.0, "probability that a random rectangle of a training image is erased; 0: off", minimum=0, maximum=1
    )
    mixup: float = _hyperparameter(
        0.0,
        "mixup of pairs of training images and their targets: alpha of the beta distribution of the weight; 0: off",
        minimum=0,
        maximum=100,
    )
    init: str = _hyperparameter(
        "own",
        "initialisation of linear and convolutional layers; own: the architecture's own",
        choices=("own", "xavier", "kaiming", "normal", "orthogonal"),
    )


OPTIONS: tuple[Option, ...] = tuple(Option(name=item.name, **item.metadata) for item in fields(Hyperparameters))
NAMES = frozenset(option.name for option in OPTIONS)
AUGMENTATION = ("shift", "flip", "rotate", "zoom", "crop", "colour", "erase", "mixup")
"""The hyperparameters of the random augmentation of training images."""


def resolve(*layers: Mapping[str, object]) -> Hyperparameters:
    """The library's defaults, updated with each of ``layers`` in turn.

    Raises:
        UnknownName: a layer sets a name that is not a hyperparameter.
        InvalidValue: a value has the wrong type or is out of range.
    """
    merged: dict[str, object] = {}
    for layer in layers:
        merged |= layer
    return Hyperparameters(**check_all(OPTIONS, merged, "training"))  # type: ignore[arg-type]
