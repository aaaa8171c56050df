"""What a person sets for a training: hyperparameters and the architecture's own options, by one set of names."""

from __future__ import annotations

from collections.abc import Mapping

from .hyperparameters import OPTIONS, resolve
from .options import Option, Value, check_all, unknown_option
from .specs import Architecture


def settings_of(architecture: Architecture) -> dict[str, Option]:
    """Everything that can be set when training ``architecture``, by name: its own options first."""
    return {option.name: option for option in (*architecture.options, *OPTIONS)}


def parse_settings(architecture: Architecture, texts: Mapping[str, str]) -> dict[str, Value]:
    """Settings given as text, as ``--set NAME=VALUE`` gives them, as values of their types.

    Raises:
        UnknownName: no such setting.
        InvalidValue: a text that is no value of the setting's type, or out of its range.
    """
    known = settings_of(architecture)
    for name in texts:
        if name not in known:
            raise unknown_option(name, known, architecture.name)
    return {name: known[name].parse(text) for name, text in texts.items()}


def split_settings(
    architecture: Architecture, settings: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, Value]]:
    """``settings`` apart: the hyperparameters among them, and all options of the architecture, defaults filled in.

    Raises:
        UnknownName: a setting is neither.
        InvalidValue: a value of the wrong type or out of its range.
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
