"""The settings of a training run: hyperparameters and the architecture's own options, which share one namespace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..errors import InvalidValue, UsageError
from .architecture import Architecture
from .hyperparameters import (
    AUGMENTATION,
    DEFAULTS,
    MOVING,
    NO_PART,
    OF_TASKS,
    OPTIONS,
    PartOptions,
    named_parts,
    resolve,
    unknown_setting,
)
from .options import Option, Value, check_all
from .recipe_parts import Augmentation
from .task import Task

IMAGE_DIMENSIONS = 3
"""The dimensions of an image: channels, height, width."""


def settings_of(
    architecture: Architecture, chosen: Mapping[str, object] | None = None, parts: PartOptions | None = None
) -> dict[str, Option]:
    """All settings for training ``architecture``, by name: its own options, the hyperparameters, then those of parts.

    Args:
        chosen: the settings that the user chooses; they can name other recipe parts than the recipe does.
        parts: the options of the recipe parts; without it they are left out.

    Raises:
        UnknownName: ``parts`` does not know a recipe part.
        InvalidValue: an option of a recipe part has the name of an option of the architecture.
    """
    known = {option.name: option for option in (*architecture.options, *OPTIONS)}
    for kind, name in named_parts({**architecture.hyperparameters, **(chosen or {})}).items() if parts else ():
        for option in parts(kind, name):  # type: ignore[misc]
            if option.name in known:
                raise InvalidValue(f"The {kind} {name} cannot train {architecture.name}: both have {option.name!r}.")
            known[option.name] = option
    return known


def parse_settings(
    architecture: Architecture,
    texts: Mapping[str, str],
    parts: PartOptions | None = None,
    beside: Mapping[str, object] | None = None,
) -> dict[str, Value]:
    """Convert settings from text, as in ``--set NAME=VALUE``, to values of their types.

    Args:
        parts: the options of the recipe parts; without it they are unknown.
        beside: other settings of the same training, which can name recipe parts.

    Raises:
        UnknownName: there is no such setting.
        InvalidValue: a text does not have the setting's type, or the value is out of range.
    """
    known = settings_of(architecture, {**(beside or {}), **texts}, parts)
    for name in texts:
        if name not in known:
            raise unknown_setting(name, known, architecture.name, parts)
    return {name: known[name].parse(text) for name, text in texts.items()}


def split_settings(
    architecture: Architecture, settings: Mapping[str, object], parts: PartOptions
) -> tuple[dict[str, object], dict[str, Value]]:
    """Split ``settings`` into hyperparameters and the architecture's options.

    Args:
        parts: the options of the recipe parts.

    Returns:
        The hyperparameters that are set, and all options of the architecture, with defaults for those that are not set.

    Raises:
        UnknownName: a setting is neither a hyperparameter nor an option.
        InvalidValue: a value has the wrong type or is out of range.
    """
    known = settings_of(architecture, settings, parts)
    for name in settings:
        if name not in known:
            raise unknown_setting(name, known, architecture.name, parts)
    own_names = {option.name for option in architecture.options}
    chosen = {name: value for name, value in settings.items() if name not in own_names}
    resolve(architecture.hyperparameters, chosen, parts=parts)
    own = {name: value for name, value in settings.items() if name in own_names}
    return chosen, check_all(architecture.options, own, architecture.name)


def check_used(settings: Mapping[str, object], task: Task, loss: str) -> None:
    """Check that the task uses the hyperparameters that the user sets. One with the value of the default is no error.

    Args:
        loss: the hyperparameter ``loss``: that of a plugin replaces the loss of the task, which has these settings.

    Raises:
        UsageError: one would change nothing.
    """
    for name in _changed(settings, OF_TASKS):
        if task.hyperparameters is not None and name not in task.hyperparameters:
            raise UsageError(f"{name} changes nothing: the task {task.name} does not use it. Leave it out.")
        if name != "target_scale" and loss != NO_PART["loss"]:
            raise UsageError(
                f"{name} changes nothing: loss={loss} replaces the loss that has it. Leave one of them out."
            )


def check_images(settings: Mapping[str, object], input_shape: tuple[int, ...], data: str) -> None:
    """Check that no augmentation of images is set for samples that are none.

    Args:
        input_shape: of one raw sample.
        data: the name of the data.

    Raises:
        UsageError: one would change nothing.
    """
    for name in _changed(settings, AUGMENTATION) if len(input_shape) != IMAGE_DIMENSIONS else ():
        if name not in NO_PART:  # an augmentation of a plugin gets samples of every shape
            raise UsageError(f"{name} changes nothing: it is for images, and {data} has none. Leave it out.")


def check_places(
    settings: Mapping[str, object],
    input_shape: tuple[int, ...],
    target_shape: tuple[int, ...],
    augmentation: Augmentation | None = None,
) -> None:
    """Check that augmentations that move pixels have images, and that these have no target for each pixel.

    Targets do not move.

    Args:
        settings: all hyperparameters.
        input_shape, target_shape: of one sample.
        augmentation: the one that ``augment`` chooses, if any.

    Raises:
        UsageError: an augmentation would change nothing, or would move the images away from their targets.
    """
    part = [f"augment={augmentation.name}"] if augmentation is not None and augmentation.moves else []
    if part and len(input_shape) != IMAGE_DIMENSIONS:
        raise UsageError(f"{part[0]} changes nothing: it is for images, and the data have none. Leave it out.")
    if len(input_shape) != IMAGE_DIMENSIONS or target_shape[-2:] != input_shape[-2:]:
        return
    for name in _changed(settings, MOVING) + part:
        raise UsageError(f"{name} would move the images and not their targets, one for each pixel. Leave it out.")


def _changed(settings: Mapping[str, object], names: Iterable[str]) -> list[str]:
    """Those of ``names`` that ``settings`` sets to another value than the default."""
    return [name for name in names if name in settings and settings[name] != DEFAULTS[name]]
