"""The search space: from the typed options of recipe and architecture, narrowed and widened by the user."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidValue, UsageError
from ..registry.recipe_parts import part_options
from ..registry.registry import Registry
from ..specs.architecture import Architecture
from ..specs.hyperparameters import Hyperparameters
from ..specs.options import Option, as_text, unknown_option
from ..specs.settings import settings_of
from .definition import ARCHITECTURE, Dimension, Plain, Setting

SEARCHED = ("lr", "weight_decay", "batch_size")
"""The hyperparameters that are searched unless the user fixes them; beside them, the architecture's own options."""
LOWEST_DECAY, HIGHEST_DECAY = 1e-6, 1e-1
LOG_FLOAT, LOG_INT = 10, 8
"""A range whose ends have at least this ratio is searched on a logarithmic scale."""
RATE, RATE_OF_ANY = 10, 100
"""The learning rate is searched up to this factor around the recipe's; the second if the optimiser is searched too."""
HALF_OPEN = 0.9
"""Of a range whose upper end is excluded: the part that is searched."""


def make_space(
    registry: Registry,
    recipes: Mapping[str, Hyperparameters],
    texts: Mapping[str, str],
    fixed: Mapping[str, Any],
) -> dict[str, list[Dimension]]:
    """The dimensions of each architecture.

    Args:
        recipes: for each architecture, the hyperparameters that it would train with.
        texts: what the user wants searched: ``0.001..0.1`` or ``sgd,adamw`` by name of a setting.
        fixed: settings that are not searched.

    Raises:
        UnknownName: no architecture has such a setting.
        InvalidValue, UsageError: a range that is no range, or a setting that is both fixed and searched.
    """
    parts = part_options(registry)
    known = {name: settings_of(registry.architecture(name), fixed, parts) for name in recipes}
    for name in texts:
        if name in fixed:
            raise UsageError(f"{name} is both fixed (--set) and searched (--space). Leave one of them out.")
        if not any(name in options for options in known.values()):
            every = {option for options in known.values() for option in options}
            raise unknown_option(name, every, " or ".join(recipes))
    for name in fixed:
        lacking = next((architecture for architecture in recipes if name not in known[architecture]), None)
        if lacking is not None:
            raise unknown_option(name, known[lacking], lacking)
    found = {
        name: _dimensions(registry.architecture(name), known[name], recipes[name], texts, fixed) for name in recipes
    }
    return _named(found)


def _dimensions(
    architecture: Architecture,
    known: Mapping[str, Option],
    recipe: Hyperparameters,
    texts: Mapping[str, str],
    fixed: Mapping[str, Any],
) -> list[Dimension]:
    values = {**{option.name: option.default for option in architecture.options}, **recipe.as_dict()}
    usual = (*(option.name for option in architecture.options), *SEARCHED)
    found = []
    for name, option in known.items():
        first = values.get(name, option.default)
        if name in texts:
            found.append(parse_dimension(option, texts[name], first))
        elif name in usual and name not in fixed:
            dimension = _usual(option, first, any_optimizer="optimizer" in texts)
            found += [dimension] if dimension else []
    return found


def parse_dimension(option: Option, text: str, first: Any) -> Dimension:
    """A dimension as the user writes it.

    Args:
        text: ``LOW..HIGH`` for numbers, or a list: ``a,b``. The items of an option that is a list itself are
            separated by ``|``.
        first: the value of the recipe.

    Raises:
        InvalidValue: it is neither, a value is not allowed, or the range is the wrong way round.
    """
    many = isinstance(option.default, tuple)
    if ".." in text:
        if many or option.type not in (int, float):
            raise InvalidValue(f"--space {option.name}={text}: a range needs numbers. Give a list: {option.name}=A,B.")
        low_text, _, high_text = text.partition("..")
        low, high = option.parse(low_text), option.parse(high_text)
        assert isinstance(low, int | float)
        assert isinstance(high, int | float)
        if low >= high:
            example = f"{option.name}={as_text(high)}..{as_text(low)}" if low > high else f"--set {option.name}={low}"
            raise InvalidValue(f"--space {option.name}={text}: the range must rise. Write {example}.")
        return _range(option, low, high, first)
    parts = text.split("|" if many else ",")
    choices = [option.parse(part) for part in parts]
    return _choice(option.name, list(dict.fromkeys(map(_plain, choices))), _plain(first))


def _plain(value: Any) -> Plain:
    return as_text(value) if isinstance(value, tuple | list) else value


def _choice(name: str, choices: list[Plain], first: Plain) -> Dimension:
    return Dimension(name, name, "choice", first if first in choices else choices[0], choices=choices)


def _range(option: Option, low: float, high: float, first: Any) -> Dimension:
    kind = "int" if option.type is int else "float"
    log = low > 0 and high / low >= (LOG_INT if kind == "int" else LOG_FLOAT)
    middle = math.sqrt(low * high) if log else (low + high) / 2
    inside = first if isinstance(first, int | float) and low <= first <= high else middle
    value = round(inside) if kind == "int" else float(inside)
    return Dimension(option.name, option.name, kind, value, low, high, log)  # type: ignore[arg-type]


def _usual(option: Option, first: Any, *, any_optimizer: bool) -> Dimension | None:
    """What is searched without a word of the user; None if the option's type and range do not say it."""
    if option.name == "batch_size":
        return _choice(option.name, sorted({max(1, first // 2), first, 2 * first}), first)
    if option.name == "lr":
        factor = RATE_OF_ANY if any_optimizer else RATE
        return _range(option, first / factor, first * factor, first)
    if option.name == "weight_decay":
        return _range(option, LOWEST_DECAY, HIGHEST_DECAY, first)
    if option.choices:
        return _choice(option.name, list(option.choices), first) if len(option.choices) > 1 else None  # type: ignore[arg-type]
    if isinstance(option.default, tuple) or option.type is str:
        return None
    if option.type is bool:
        return _choice(option.name, [False, True], first)
    return _numbers(option, first)


def _numbers(option: Option, first: float) -> Dimension | None:
    """Around the default: from a quarter to the double, inside the declared range; None if that is no range."""
    whole = option.type is int
    least = option.minimum if option.minimum is not None else option.above
    most = option.maximum if option.maximum is not None else option.below
    low, high = first / 4, first * 2
    if not first or not whole:  # a float between two ends, or one that is off
        low = least if least is not None and most is not None else low
        high = most if least is not None and most is not None else high
    low = max(low, least) if least is not None else low
    high = min(high, most) if most is not None else high
    if option.below is not None and high >= option.below:
        high = option.below - 1 if whole else low + HALF_OPEN * (high - low)
    if option.above is not None and low <= option.above:
        low = option.above + 1 if whole else high - HALF_OPEN * (high - low)
    low, high = (math.ceil(low), math.floor(high)) if whole else (low, high)
    return _range(option, low, high, first) if low < high and low <= first <= high else None


def _named(found: dict[str, list[Dimension]]) -> dict[str, list[Dimension]]:
    """The same dimensions with keys: a setting of which two architectures search different values gets two keys."""
    seen: dict[str, set[str]] = {}
    for dimensions in found.values():
        for dimension in dimensions:
            seen.setdefault(dimension.name, set()).add(dimension.describe())

    def key(architecture: str, dimension: Dimension) -> str:
        shared = len(seen[dimension.name]) == 1 and dimension.name != ARCHITECTURE
        return dimension.name if shared else f"{architecture}: {dimension.name}"

    return {
        name: [Dimension(d.name, key(name, d), d.kind, d.first, d.low, d.high, d.log, d.choices) for d in dimensions]
        for name, dimensions in found.items()
    }


def suggest(trial: Any, architectures: list[str], space: Mapping[str, list[Dimension]]) -> tuple[str, dict[str, Plain]]:
    """The architecture and the settings of an Optuna trial."""
    name = trial.suggest_categorical(ARCHITECTURE, architectures) if len(architectures) > 1 else architectures[0]
    settings: dict[str, Plain] = {}
    for d in space[name]:
        if d.kind == "choice":
            settings[d.name] = trial.suggest_categorical(d.key, d.choices)
        elif d.kind == "int":
            settings[d.name] = trial.suggest_int(d.key, int(d.low), int(d.high), log=d.log)
        else:
            settings[d.name] = trial.suggest_float(d.key, d.low, d.high, log=d.log)
    return name, settings


def first_parameters(name: str, architectures: list[str], space: Mapping[str, list[Dimension]]) -> dict[str, Plain]:
    """The parameters of the default recipe of an architecture, for the first trials."""
    chosen: dict[str, Plain] = {ARCHITECTURE: name} if len(architectures) > 1 else {}
    return chosen | {dimension.key: dimension.first for dimension in space[name]}


def typed(architecture: Architecture, registry: Registry, settings: Mapping[str, Setting]) -> dict[str, Any]:
    """``settings`` with the values of settings that are lists as tuples: a choice among them is a text."""
    known = settings_of(architecture, settings, part_options(registry))
    return {
        name: known[name].parse(value) if isinstance(known[name].default, tuple) and isinstance(value, str) else value
        for name, value in settings.items()
    }
