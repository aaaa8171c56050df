"""The settings of a training run: hyperparameters and the architecture's own options, which share one namespace."""

from __future__ import annotations

from collections.abc import Mapping

from .architecture import Architecture
from .hyperparameters import OPTIONS, resolve
from .options import Option, Value, check_all, unknown_option


def settings_of(architecture: Architecture) -> dict[str, Option]:
    """All settings for training ``architecture``, by name: its own options, then the hyperparameters."""
    return {option.name: option for option in (*architecture.options, *OPTIONS)}


def parse_settings(architecture: Architecture, texts: Mapping[str, str]) -> dict[str, Value]:
    """Convert settings from text, as in ``--set NAME=VALUE``, to values of their types.

    Raises:
        UnknownName: there is no such setting.
        InvalidValue: a text does not have the setting's type, or the value is out of range.
    """
    known = settings_of(architecture)
    for name in texts:
        if name not in known:
            raise unknown_option(name, known, architecture.name)
    return {name: known[name].parse(text) for name, text in texts.items()}


def split_settings(
    architecture: Architecture, settings: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, Value]]:
    """Split ``settings`` into hyperparameters and the architecture's options.

    Returns:
        The hyperparameters that are set, and all options of the architecture, with defaults for those that are not set.

    Raises:
        UnknownName: a setting is neither a hyperparameter nor an option.
        InvalidValue: a value has the wrong type or is out of range.
    """
    known = settings_of(architecture)
    for name in settings:
        if name not in known:
            raise unknown_option(name, known, architecture.name)
    own_names = {option.name for option in architecture.options}
    chosen = {name: value for name, value in settings.items() if name not in own_names}
    resolve(chosen)
    own = {name: value for name, value in settings.items() if name in own_names}
    return chosen, check_all(architecture.options, own, architecture.name)
