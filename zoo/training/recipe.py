"""Adapt a recipe to data that it was not made for, and to a training that is shorter than the recipe."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ..data.loading import LoadedDataset
from ..errors import InvalidValue
from ..registry.recipe_parts import part_options
from ..registry.registry import Registry
from ..specs.architecture import Architecture
from ..specs.hyperparameters import AUGMENTATION, DEFAULTS, NAMES, Hyperparameters, resolve
from ..specs.options import Value, as_text
from ..specs.recipe_parts import Optimizer

BATCHES = 5
"""A training split has at least this many batches, unless they would be smaller than :data:`SMALLEST_BATCH`."""
SMALLEST_BATCH = 8
LEAST_STEPS = 300
"""A training has at least this many optimiser steps."""
FEW_STEPS = 400
"""A training of fewer steps gets a long warm-up, a short moving average, clipped gradients and less dropout."""
VERY_FEW_STEPS, HALVED_BATCH = 200, 32
"""A training that the user shortens to fewer steps gets half the batch, if that is not below this size."""
STEPS_OF_ONE_EPOCH = 1_000
"""So does a training of a single epoch with fewer steps than this."""
WARM_UP, AVERAGED, CLIP = 0.25, 0.1, 5.0
"""In such a training: least fraction of warm-up, longest averaging as a fraction of the run, largest gradient norm."""
PHOTO_SHIFT = 0.1
"""The shift of a folder of images as a fraction of the side: the best on validation in ``benchmarks/small_data.py``."""

TABLE_BATCH = 32
"""The batch size for a table, with an optimiser that suits tables."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """The result of :func:`adapt_recipe`.

    Args:
        hyperparameters: all of them.
        options: all options of the architecture, by name.
        changes: the values that changed, in words: ``batch_size 16 instead of 128``.
        reason: why, in words; empty if nothing changed.
    """

    hyperparameters: Hyperparameters
    options: Mapping[str, Value]
    changes: tuple[str, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        """One line for the user."""
        return f"{self.reason}: {', '.join(self.changes)}. --set NAME=VALUE sets another value."


def adapt_recipe(
    hyperparameters: Hyperparameters,
    options: Mapping[str, Value],
    architecture: Architecture,
    data: LoadedDataset,
    registry: Registry,
    user_set: Collection[str],
) -> Adapted:
    """Adapt the recipe of ``architecture`` if it was made for another dataset, or the training is shorter than it.

    Nothing changes if the architecture is trained on its own dataset for at least the epochs of its recipe. Values that
    the user sets never change, and values that the dataset declares only by rule 5, because they are for its own number
    of epochs. For data that the recipe was not made for:

    1. A batch is at most a fifth of the training split, rounded down to a power of two, and at least 8. For a smaller
       batch the learning rate falls by the cube root of the ratio.
    2. The training has at least 300 steps, by more epochs; ``patience`` grows with them.
    3. Images of a folder are shifted by up to a tenth of their side, unless the user sets an augmentation.
    4. A table is learned with an optimiser that declares a learning rate for tables, such as AdamW, not with the
       default one, SGD: a safe step of SGD depends on the number of columns and on how they are correlated.

    For such data and for a shorter training:

    5. If the user set epochs with which there are fewer than 200 steps, or one epoch of fewer than 1,000, the batch is
       halved, but not to less than 32. The learning rate falls as in 1.

    If it has fewer than 400 steps then:

    6. The warm-up is at least a quarter of the run.
    7. The moving average of the weights, if there is one, spans at most a tenth of the run.
    8. Gradients are clipped to a norm of 5, if the recipe does not clip them.
    9. If the architecture has an option ``dropout``, it falls in proportion to the steps: with dropout a network needs
       more steps to learn at all, and in few steps it does not overfit.

    Args:
        hyperparameters: the recipe with the changes of the dataset and of the user.
        options: all options of the architecture, by name.
        user_set: the names of the values that the user set.
    """
    own = resolve(architecture.hyperparameters)
    foreign = data.spec.name != architecture.dataset or data.path is not None
    fixed = {*user_set, *(data.spec.hyperparameters if data.spec.name != architecture.dataset else ())}
    if not foreign and hyperparameters.epochs >= own.epochs:
        return Adapted(hyperparameters, options)
    samples = len(data.splits.train)
    adapted = _for_data(hyperparameters, data, registry, fixed) if foreign else hyperparameters
    if "epochs" in user_set:
        adapted = _set(adapted, _half_batch(adapted, samples), user_set)
    for rule in (_warm_up, _average, _clip):
        adapted = _set(adapted, rule(adapted, samples), fixed)
    if adapted.batch_size < hyperparameters.batch_size:
        adapted = _set(adapted, _rate(hyperparameters, adapted), fixed)
    chosen = {**options, **({} if "dropout" in fixed else _dropout(architecture, options, adapted, samples))}
    changes = (
        *_differences(NAMES, lambda name: getattr(hyperparameters, name), lambda name: getattr(adapted, name)),
        *_differences(chosen, options.__getitem__, chosen.__getitem__),
    )
    reason = _reason(architecture, registry, samples, foreign) if changes else ""
    return Adapted(adapted, chosen, changes, reason)


def _for_data(h: Hyperparameters, data: LoadedDataset, registry: Registry, fixed: Collection[str]) -> Hyperparameters:
    """The rules 1 to 4, for data that the recipe was not made for; the learning rate for the batch comes later."""
    if _has_photos(data, fixed):
        h = _set(h, {"shift": round(PHOTO_SHIFT * min(data.spec.input_shape[1:]))}, fixed)
    if data.spec.columns and h.optimizer == DEFAULTS["optimizer"] and not {"optimizer", "lr"} & set(fixed):
        chosen = {name: value for name, value in _table_recipe(registry).items() if name not in fixed}
        h = resolve(h.as_dict(), chosen, parts=part_options(registry))  # another part has other options
    samples = len(data.splits.train)
    h = _set(h, _batch(h, samples), fixed)
    return _set(h, _epochs(h, samples), fixed)


def _table_recipe(registry: Registry) -> Mapping[str, Value]:
    """The first optimiser that suits tables, with its learning rate; nothing if no plugin registers one."""
    for part in registry.recipe_parts("optimizer").values():
        if isinstance(part, Optimizer) and part.lr_for_tables is not None:
            rest = {"schedule": DEFAULTS["schedule"], "batch_size": TABLE_BATCH}
            return {"optimizer": part.name, "lr": part.lr_for_tables, **rest}
    return {}


def _differences(names: Iterable[str], before: Callable[[str], Value], after: Callable[[str], Value]) -> Iterator[str]:
    for name in names:
        if after(name) != before(name):
            yield f"{name} {as_text(after(name))} instead of {as_text(before(name))}"


def _set(h: Hyperparameters, values: Mapping[str, Value], fixed: Collection[str]) -> Hyperparameters:
    return replace(h, **{name: value for name, value in values.items() if name not in fixed})  # type: ignore[arg-type]


def count_steps(hyperparameters: Hyperparameters, samples: int) -> int:
    """Optimiser steps in an epoch. A last batch of one sample is left out: batch norm cannot train on it."""
    size = hyperparameters.batch_size
    steps = math.ceil(samples / size)
    return steps - 1 if samples % size == 1 and steps > 1 else steps


def _batch(h: Hyperparameters, samples: int) -> Mapping[str, Value]:
    most = max(SMALLEST_BATCH, 2 ** int(math.log2(max(1, samples // BATCHES))))
    return {"batch_size": min(h.batch_size, most)}


def _rate(before: Hyperparameters, h: Hyperparameters) -> Mapping[str, Value]:
    """With two digits, so that it can be read."""
    return {"lr": float(f"{before.lr * (h.batch_size / before.batch_size) ** (1 / 3):.2g}")}


def _epochs(h: Hyperparameters, samples: int) -> Mapping[str, Value]:
    epochs = max(h.epochs, math.ceil(LEAST_STEPS / count_steps(h, samples)))
    return {"epochs": epochs, "patience": math.ceil(h.patience * epochs / h.epochs)}


def _half_batch(h: Hyperparameters, samples: int) -> Mapping[str, Value]:
    half, few = h.batch_size // 2, STEPS_OF_ONE_EPOCH if h.epochs == 1 else VERY_FEW_STEPS
    return {"batch_size": half} if half >= HALVED_BATCH and h.epochs * count_steps(h, samples) < few else {}


def _warm_up(h: Hyperparameters, samples: int) -> Mapping[str, Value]:
    return {"warmup": max(h.warmup, WARM_UP)} if _is_short(h, samples) else {}


def _average(h: Hyperparameters, samples: int) -> Mapping[str, Value]:
    if not _is_short(h, samples):
        return {}
    steps = h.epochs * count_steps(h, samples)
    return {"ema": min(h.ema, max(0.0, round(1 - 1 / (AVERAGED * steps), 2)))}


def _clip(h: Hyperparameters, samples: int) -> Mapping[str, Value]:
    return {"grad_clip": h.grad_clip or CLIP} if _is_short(h, samples) else {}


def _dropout(
    architecture: Architecture, options: Mapping[str, Value], h: Hyperparameters, samples: int
) -> Mapping[str, Value]:
    """The option ``dropout`` of the architecture, if it has one and allows the smaller value."""
    dropout = options.get("dropout")
    if not isinstance(dropout, float) or not _is_short(h, samples):
        return {}
    option = next(option for option in architecture.options if option.name == "dropout")
    try:
        return {"dropout": option.check(round(dropout * h.epochs * count_steps(h, samples) / FEW_STEPS, 2))}
    except InvalidValue:
        return {}


def _is_short(h: Hyperparameters, samples: int) -> bool:
    return h.epochs * count_steps(h, samples) < FEW_STEPS


def _has_photos(data: LoadedDataset, fixed: Collection[str]) -> bool:
    """Whether the data is a folder of images, and the user sets no augmentation."""
    return data.path is not None and data.path.is_dir() and not set(AUGMENTATION) & set(fixed)


def _reason(architecture: Architecture, registry: Registry, samples: int, foreign: bool) -> str:
    if not foreign:
        return f"The training is shorter than the recipe of {architecture.name}"
    dataset = registry.datasets.get(architecture.dataset)
    size = dataset.sizes.get("train") if dataset else None
    made_for = f"{architecture.dataset} ({size:,} training samples)" if size else architecture.dataset
    return f"The recipe of {architecture.name} is for {made_for} and the data have {samples:,}"
