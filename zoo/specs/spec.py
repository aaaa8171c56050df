"""What architectures, datasets and exporters have in common: a name, a summary and references to code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import PluginError, UsageError
from ..formatting import brief
from .hyperparameters import BUILT_IN, NAMES, resolve
from .options import Option
from .references import Reference, reference_problem

TASK_NAMES = ("classification", "binary", "regression")
"""The tasks of :mod:`zoo.models.tasks`. They are repeated here because that module imports torch."""

_LONGEST_NAME, _LONGEST_SUMMARY = 100, 1_000
_NAME = re.compile(r"[a-z0-9]+([-/_.][a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Spec:
    """The base of all declarations that a plugin registers. It imports nothing that they refer to."""

    name: str
    summary: str

    @property
    def label(self) -> str:
        """``Architecture 'lenet'``: the beginning of error messages."""
        return f"{type(self).__name__} {brief(self.name)}"

    @property
    def references(self) -> list[tuple[str, Reference]]:
        """All references to code, each with the name of its field."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        if not self.summary.strip() or not self.summary.isprintable() or len(self.summary) > _LONGEST_SUMMARY:
            raise PluginError(f"{self.label}: summary must be one line of 1 to 1,000 printable characters.")
        if not _NAME.fullmatch(self.name) or len(self.name) > _LONGEST_NAME:
            raise PluginError(f"{self.label}: a name is lower-case letters and digits, joined by '-', '_', '.' or '/'.")
        for _, reference in self.references:
            problem = reference_problem(reference)
            if problem:
                raise PluginError(f"{self.label}: {problem}")


def check_training_fields(label: str, task: str, recipe: Mapping[str, Any]) -> None:
    """Check what architectures and datasets share: the task exists, and the recipe has only valid hyperparameters.

    Raises:
        PluginError: one of them is wrong; the message begins with ``label``.
    """
    if task not in TASK_NAMES:
        raise PluginError(f"{label}: task {brief(task)} is not one of {', '.join(TASK_NAMES)}.")
    try:
        resolve(recipe)
    except UsageError as error:
        raise PluginError(f"{label}: {error}") from error


def check_option_names(label: str, options: Iterable[Option]) -> None:
    """Check that no two options have the same name.

    Raises:
        PluginError: two have; the message begins with ``label``.
    """
    names = [option.name for option in options]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PluginError(f"{label}: there are two options named {twice[0]!r}.")


def check_part_options(label: str, name: str, options: Iterable[Option]) -> None:
    """Check the name of a recipe part and its options, which share one namespace with the hyperparameters.

    Raises:
        PluginError: the name is that of a part of the library, or an option has the name of a hyperparameter.
    """
    if any(name in own for own in BUILT_IN.values()):
        raise PluginError(f"{label}: the library has a part of that name; choose another.")
    clashes = sorted({option.name for option in options} & {*NAMES, "part_options"})
    if clashes:
        raise PluginError(f"{label}: option {clashes[0]!r} has the name of a hyperparameter; choose another.")
