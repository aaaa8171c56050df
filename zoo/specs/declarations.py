"""Checks of the fields of a declaration, with one-line errors: misspelled, missing, or of the wrong type."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, TypeVar

from ..errors import PluginError, closest
from ..formatting import brief

_T = TypeVar("_T")


def _all(kind: type | tuple[type, ...]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and all(isinstance(item, kind) for item in value)


def _mapping(kind: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, Mapping) and all(isinstance(name, str) and kind(item) for name, item in value.items())
    )


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) <= LARGEST


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def _is_code(value: Any) -> bool:
    return isinstance(value, str) or callable(value)


LARGEST = 2**53
"""The largest whole number in a declaration: larger ones are not exact in JSON."""

# For each annotation: the check, and the words for the error. Types that are not here are checked by their class.
_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "str": (lambda value: isinstance(value, str), "a string"),
    "int": (_is_whole, "a whole number"),
    "bool": (lambda value: isinstance(value, bool), "True or False"),
    "float | None": (lambda value: value is None or _is_number(value), "a number"),
    "Value": (lambda value: isinstance(value, bool | int | float | str | tuple), "a bool, int, float, str or tuple"),
    "tuple[Value, ...]": (_all((bool, int, float, str)), "a tuple of values, such as ('one', 'two')"),
    "Reference": (_is_code, "a callable or 'package.module:name'"),
    "Reference | None": (lambda value: value is None or _is_code(value), "a callable or 'package.module:name'"),
    "Path | None": (lambda value: value is None or isinstance(value, Path), "a pathlib.Path"),
    "tuple[str, ...]": (_all(str), "a tuple of strings, such as ('one',)"),
    "tuple[str, ...] | None": (
        lambda value: value is None or _all(str)(value),
        "a tuple of strings, such as ('one',)",
    ),
    "tuple[Path, ...]": (_all(Path), "a tuple of pathlib.Path"),
    "tuple[float, ...]": (
        lambda value: isinstance(value, tuple) and all(map(_is_number, value)),
        "a tuple of numbers, such as (0.0, 1.0)",
    ),
    "tuple[int, ...]": (
        lambda value: isinstance(value, tuple) and all(map(_is_whole, value)),
        "a tuple of whole numbers, such as (1, 28, 28)",
    ),
    "tuple[Option, ...]": (
        lambda value: isinstance(value, tuple) and all(hasattr(item, "parse") for item in value),
        "a tuple of zoo.Option(...), such as (Option(...),)",
    ),
    "tuple[Metric, ...]": (
        lambda value: isinstance(value, tuple) and all(hasattr(item, "higher_is_better") for item in value),
        "a tuple of zoo.Metric(...), such as (Metric(...),)",
    ),
    "tuple[Column, ...]": (
        lambda value: isinstance(value, tuple) and all(hasattr(item, "kind") for item in value),
        "a tuple of zoo.Column(...), such as (Column(...),)",
    ),
    "tuple[Mapping[str, Any], ...]": (
        lambda value: isinstance(value, tuple) and all(map(_mapping(lambda item: True), value)),
        "a tuple of dictionaries",
    ),
    "Mapping[str, Any]": (_mapping(lambda item: True), "a dictionary"),
    "Mapping[str, int]": (
        _mapping(lambda item: _is_whole(item) and item >= 0),
        "a dictionary from names to whole numbers",
    ),
    "Mapping[str, Reference]": (_mapping(_is_code), "a dictionary from names to a callable or 'package.module:name'"),
}


def declaration(cls: type[_T]) -> type[_T]:
    """Class decorator on top of ``@dataclass``: wrong fields raise :class:`PluginError`, all in one line."""
    known = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    required = [name for name, item in known.items() if item.default is MISSING and item.default_factory is MISSING]
    original = cls.__init__

    @functools.wraps(original)
    def checked(self: _T, *args: object, **given: object) -> None:
        problem = _problem(cls.__name__, known, required, args, given)
        if problem:
            label = f"{cls.__name__} {brief(given['name'])}" if "name" in given else cls.__name__
            raise PluginError(f"{label}: {problem}")
        original(self, **given)

    cls.__init__ = checked  # type: ignore[method-assign, assignment]
    return cls


def _problem(kind: str, known: Mapping[str, Any], required: list[str], args: tuple[object, ...], given: Any) -> str:
    if args:
        return f"fields are given by name, {kind}(name=…)."
    problems = []
    for name in given:
        if name not in known:
            close = closest(name, known)
            guess = f" Did you mean {close!r}?" if close else f" It has: {', '.join(known)}."
            problems.append(f"there is no field {name!r}.{guess}")
    problems += [f"the field {name!r} is missing." for name in required if name not in given]
    for name, value in given.items():
        fits, wanted = _KINDS.get(known[name].type, (None, "")) if name in known else (None, "")
        if fits is not None and not fits(value):
            problems.append(f"{name} must be {wanted}, not {brief(value)}.")
    return " ".join(problems)
