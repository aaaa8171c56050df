"""The hyperparameters of the shared trainer, each with its type, range, default and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from .options import Option, Value, check_all


def _hyperparameter(default: Value, help: str, **limits: Any) -> Any:
    return field(default=default, metadata={"default": default, "help": help, **limits})


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Hyperparameters:
    """How a network is trained. Make one with :func:`resolve`, which checks every value."""

    epochs: int = _hyperparameter(10, "passes over the training split", minimum=1)
    batch_size: int = _hyperparameter(128, "samples in one optimiser step", minimum=1)
    optimizer: str = _hyperparameter("sgd", "SGD with Nesterov momentum, or AdamW", choices=("sgd", "adamw"))
    lr: float = _hyperparameter(0.05, "peak learning rate", above=0)
    momentum: float = _hyperparameter(0.9, "momentum of SGD; first beta of AdamW", minimum=0, below=1)
    weight_decay: float = _hyperparameter(1e-4, "L2 penalty of SGD; decoupled decay of AdamW", minimum=0)
    schedule: str = _hyperparameter(
        "one-cycle",
        "learning rate over the run after its linear warm-up: along a cosine to zero (one-cycle), straight to zero "
        "(linear), a tenth at half and again at three quarters (step), or level (constant)",
        choices=("one-cycle", "linear", "step", "constant"),
    )
    warmup: float = _hyperparameter(0.25, "part of the run in which the learning rate rises", minimum=0, below=1)
    label_smoothing: float = _hyperparameter(
        0.0, "weight of the uniform distribution in the targets", minimum=0, below=1
    )
    target_scale: str = _hyperparameter(
        "linear",
        "regression: scale that the target is learnt on; sqrt and log are for counts, whose errors grow with them",
        choices=("linear", "sqrt", "log"),
    )
    huber: float = _hyperparameter(
        0.0, "regression: errors beyond this many deviations of the target count linearly; 0: none do", minimum=0
    )
    grad_clip: float = _hyperparameter(0.0, "largest norm of the gradient; 0 leaves it as it is", minimum=0)
    accumulate: int = _hyperparameter(
        1, "pieces that a batch is cut into, to need less memory; their gradients are added up", minimum=1
    )
    ema: float = _hyperparameter(
        0.0,
        "decay of a moving average of the weights, which is what is validated and kept; 0: none",
        minimum=0,
        below=1,
    )
    precision: str = _hyperparameter(
        "fp32",
        "arithmetic of the training: bf16 and fp16 compute where it is safe in 16 bits, the weights stay fp32",
        choices=("fp32", "bf16", "fp16"),
    )
    compile: bool = _hyperparameter(False, "translate the network with torch.compile before the first step")
    patience: int = _hyperparameter(
        0, "epochs without a better validation after which the training stops; 0: it never does", minimum=0
    )
    shift: int = _hyperparameter(0, "random translation of training images, in pixels at most", minimum=0)
    flip: bool = _hyperparameter(False, "random mirroring of training images, left to right")
    init: str = _hyperparameter(
        "own",
        "initial weights of linear and convolutional layers: the architecture's own, or drawn anew",
        choices=("own", "xavier", "kaiming", "normal", "orthogonal"),
    )


OPTIONS: tuple[Option, ...] = tuple(Option(name=item.name, **item.metadata) for item in fields(Hyperparameters))
NAMES = frozenset(option.name for option in OPTIONS)


def resolve(*layers: Mapping[str, object]) -> Hyperparameters:
    """The library's defaults with each of ``layers`` over them, later ones winning.

    Raises:
        UnknownName: a layer sets something that is no hyperparameter.
        InvalidValue: a value of the wrong type or out of its range.
    """
    merged: dict[str, object] = {}
    for layer in layers:
        merged |= layer
    return Hyperparameters(**check_all(OPTIONS, merged, "training"))  # type: ignore[arg-type]
