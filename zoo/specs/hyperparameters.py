"""The hyperparameters of the trainer, each with its type, default, help text and range."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from ..errors import InvalidValue, UnknownName
from ..formatting import brief
from .options import Option, Value, check_all, unknown_option


def _hyperparameter(default: Value, help: str, **limits: Any) -> Any:
    return field(default=default, metadata={"default": default, "help": help, **limits})


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Hyperparameters:
    """The hyperparameters of a training run. Create them with :func:`resolve`, which checks all values."""

    epochs: int = _hyperparameter(10, "number of passes over the training split", minimum=1)
    batch_size: int = _hyperparameter(128, "samples per optimiser step", minimum=1)
    optimizer: str = _hyperparameter("sgd", "sgd: SGD with Nesterov momentum; adamw: AdamW")
    lr: float = _hyperparameter(0.05, "peak learning rate", above=0)
    momentum: float = _hyperparameter(0.9, "momentum of SGD, or beta1 of AdamW", minimum=0, below=1)
    weight_decay: float = _hyperparameter(1e-4, "weight decay: L2 penalty for SGD, decoupled for AdamW", minimum=0)
    schedule: str = _hyperparameter(
        "one-cycle",
        "learning rate schedule after linear warm-up; one-cycle: cosine decay to 0; linear: linear decay to 0; "
        "step: divide by 10 at 50% and 75% of the run; constant: no decay",
    )
    warmup: float = _hyperparameter(0.25, "fraction of the run with linear learning rate warm-up", minimum=0, below=1)
    loss: str = _hyperparameter("own", "training loss; own: the loss of the task")
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
    best_of_last: float = _hyperparameter(
        1.0,
        "keep the checkpoint with the best validation result of this fraction of the epochs, the last ones; 1: of all",
        above=0,
        maximum=1,
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
    augment: str = _hyperparameter("none", "random augmentation of training inputs by a plugin; none: off")
    init: str = _hyperparameter(
        "own",
        "initialisation of linear and convolutional layers; own: the architecture's own",
        choices=("own", "xavier", "kaiming", "normal", "orthogonal"),
    )
    part_options: Mapping[str, Value] = field(default_factory=dict)
    """The options of the recipe parts that the recipe names, by name."""

    def as_dict(self) -> dict[str, Value]:
        """All values by name, the options of recipe parts among them."""
        return {name: getattr(self, name) for name in NAMES} | dict(self.part_options)


OPTIONS: tuple[Option, ...] = tuple(
    Option(name=item.name, **item.metadata) for item in fields(Hyperparameters) if item.metadata
)
NAMES = tuple(option.name for option in OPTIONS)
DEFAULTS: Mapping[str, Value] = {option.name: option.default for option in OPTIONS}
AUGMENTATION = ("shift", "flip", "rotate", "zoom", "crop", "colour", "erase", "mixup", "augment")
"""The hyperparameters of the random augmentation of training images."""
MOVING = ("shift", "flip", "rotate", "zoom", "crop")
"""Those of them that move the pixels of an image to other places."""
OF_TASKS = ("label_smoothing", "target_scale", "huber")
"""The hyperparameters that the task uses, or does not use."""
PART_KINDS = ("optimizer", "schedule", "augment", "loss")
"""The hyperparameters that choose a recipe part, which a plugin registers."""
NO_PART: Mapping[str, str] = {"augment": "none", "loss": "own"}
"""Their values that choose no part."""
_WITHOUT_OPTIONS = {"sgd", "adamw", "one-cycle", "linear", "step", "constant"}
"""The parts of the zoo without options, so that a wrong setting of a declared recipe is found at once.

A declaration is checked before the parts of all plugins are known, so this cannot be asked of their declarations. A
test compares the names with them."""


class PartOptions(Protocol):
    """The options of all recipe parts."""

    def __call__(self, kind: str, name: str) -> tuple[Option, ...]:
        """The options of a recipe part by its hyperparameter and its name, ``("optimizer", "lion")``.

        Raises:
            UnknownName: no plugin registers such a part.
        """

    def having(self, option: str) -> list[str]:
        """The parts that have an option of this name: ``["optimizer=lion"]``."""


def resolve(*layers: Mapping[str, object], parts: PartOptions | None = None) -> Hyperparameters:
    """The library's defaults, updated with each of ``layers`` in turn.

    A layer that chooses another recipe part drops the options that earlier layers set for the part before.

    Args:
        parts: the options of the recipe parts. Without it they are not known: if the recipe names a part that does not
            come with the zoo, any other name is accepted as an option of it.

    Raises:
        UnknownName: a layer sets a name that is neither a hyperparameter nor an option of a recipe part, or ``parts``
            does not know a recipe part.
        InvalidValue: a value has the wrong type or is out of range.
    """
    merged: dict[str, object] = {}
    for layer in layers:
        if parts:
            for name in _replaced_options(merged, layer, parts):
                merged.pop(name, None)
        merged |= layer
    chosen = check_all(OPTIONS, {name: merged.pop(name) for name in NAMES if name in merged}, "training")
    return Hyperparameters(**chosen, part_options=_part_options(chosen, merged, parts))  # type: ignore[arg-type]


def named_parts(values: Mapping[str, object]) -> dict[str, str]:
    """The recipe parts of a recipe, by hyperparameter: ``{"optimizer": "lion", "schedule": "one-cycle"}``."""
    chosen = {kind: str(values.get(kind, DEFAULTS[kind])) for kind in PART_KINDS}
    return {kind: name for kind, name in chosen.items() if name != NO_PART.get(kind)}


def _replaced_options(before: Mapping[str, object], layer: Mapping[str, object], parts: PartOptions) -> list[str]:
    """The options of the parts in ``before`` that ``layer`` replaces by other parts."""
    replaced = {kind: name for kind, name in named_parts(before).items() if layer.get(kind, name) != name}
    return [option.name for kind, name in replaced.items() for option in parts(kind, name)]


def _part_options(
    chosen: Mapping[str, Value], others: Mapping[str, object], parts: PartOptions | None
) -> dict[str, Value]:
    """The checked options of the recipe parts that ``chosen`` names, from the values with ``others`` as names."""
    named = named_parts(chosen)
    if parts is None:
        if others and _WITHOUT_OPTIONS.issuperset(named.values()):
            raise unknown_option(next(iter(others)), NAMES, "training")
        return {name: _plain(name, value) for name, value in others.items()}
    options: dict[str, Option] = {}
    for kind, name in named.items():
        for option in parts(kind, name):
            if option.name in options:
                raise InvalidValue(f"Two parts of the recipe have an option {option.name!r}: choose another {kind}.")
            options[option.name] = option
    for name in others:
        if name not in options:
            raise unknown_setting(name, (*NAMES, *options), "training", parts)
    return check_all(options.values(), others, "training")


def unknown_setting(name: str, known: Iterable[str], what: str, parts: PartOptions | None) -> UnknownName:
    """The error for a setting that ``what`` does not have; it names the recipe part that has it."""
    owners = parts.having(name) if parts else []
    if not owners:
        return unknown_option(name, known, what)
    hint = f"{name} is an option of {' and of '.join(owners)}; add --set {' or --set '.join(owners)}."
    return UnknownName(f"setting of {what}", name, (), hint)


def _plain(name: str, value: object) -> Value:
    """``value`` if it can be the value of an option; its type and range are not known."""
    items = value if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(item, bool | int | float | str) for item in items):
        raise InvalidValue(f"{name} cannot be {brief(value)}.")
    return tuple(items) if isinstance(value, list | tuple) else value  # type: ignore[return-value]
