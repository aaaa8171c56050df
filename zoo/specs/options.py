"""Typed values with a help text and a range: what a person may set with ``--set KEY=VALUE``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidValue, PluginError, UnknownName
from .declarations import declaration

Value = bool | int | float | str | tuple[Any, ...]

_KINDS: dict[type, tuple[str, str]] = {
    bool: ("true or false", "boolean"),
    int: ("a whole number", "integer"),
    float: ("a number", "number"),
    str: ("a text", "text"),
}


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Option:
    """One setting: its name, its default (whose type is the setting's type), its help and its range.

    A tuple as default means a comma-separated list of values of the type of its first item.

    Args:
        name: an identifier, as written in ``--set NAME=VALUE`` and passed to a builder as a keyword.
        default: the value when nobody sets it.
        help: one line.
        choices: the only values allowed, where there are only a few.
        minimum, maximum: the range, ends included.
        above, below: the range, ends excluded.
    """

    name: str
    default: Value
    help: str = ""
    choices: tuple[Value, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise PluginError(f"Option name {self.name!r} is not an identifier.")
        items = self.default if isinstance(self.default, tuple) else (self.default,)
        if not items or type(items[0]) not in _KINDS:
            raise PluginError(
                f"Option {self.name!r}: the default {self.default!r} is no bool, int, float, str, or tuple of them."
            )
        try:
            self.check(self.default)
        except InvalidValue as error:
            raise PluginError(f"The default of option {self.name!r} breaks its own rule: {error}") from error

    @property
    def type(self) -> type:
        """The type of one value (of one item, for a list)."""
        return type(self.default[0]) if isinstance(self.default, tuple) else type(self.default)

    def describe(self) -> str:
        """What is allowed, in words: ``a whole number of at least 1``."""
        if self.choices:
            return "one of " + ", ".join(as_text(choice) for choice in self.choices)
        bounds = []
        if self.minimum is not None:
            bounds.append(f"at least {as_text(self.minimum)}")
        if self.above is not None:
            bounds.append(f"above {as_text(self.above)}")
        if self.maximum is not None:
            bounds.append(f"at most {as_text(self.maximum)}")
        if self.below is not None:
            bounds.append(f"below {as_text(self.below)}")
        words = _KINDS[self.type][0] + (f" ({' and '.join(bounds)})" if bounds else "")
        return f"a comma-separated list, each {words}" if isinstance(self.default, tuple) else words

    def parse(self, text: str) -> Value:
        """The value that ``text`` stands for.

        Raises:
            InvalidValue: it stands for none, or for one that is not allowed.
        """
        if isinstance(self.default, tuple):
            return self.check(tuple(self._parse_item(part.strip(), text) for part in text.split(",")))
        return self.check(self._parse_item(text.strip(), text))

    def check(self, value: object) -> Value:
        """``value`` itself, a whole number taken as a float where a float is meant.

        Raises:
            InvalidValue: the value is of another type or not allowed.
        """
        if isinstance(self.default, tuple):
            if not isinstance(value, list | tuple) or not value:
                raise self._invalid(value)
            return tuple(self._check_item(item, value) for item in value)
        return self._check_item(value, value)

    def _parse_item(self, part: str, text: str) -> Value:
        if self.type is bool:
            truth = {
                "true": True,
                "yes": True,
                "1": True,
                "on": True,
                "false": False,
                "no": False,
                "0": False,
                "off": False,
            }
            if part.lower() not in truth:
                raise self._invalid(text)
            return truth[part.lower()]
        try:
            parsed: Value = self.type(part)
        except ValueError:
            raise self._invalid(text) from None
        return parsed

    def _check_item(self, item: object, value: object) -> Value:
        if self.type is float and type(item) is int:
            item = float(item)
        if type(item) is not self.type or (isinstance(item, float) and not math.isfinite(item)):
            raise self._invalid(value)
        if self.choices and item not in self.choices:
            raise self._invalid(value)
        if isinstance(item, int | float) and self._outside(item):
            raise self._invalid(value)
        return item  # type: ignore[return-value]

    def _outside(self, number: float) -> bool:
        return (
            (self.minimum is not None and number < self.minimum)
            or (self.maximum is not None and number > self.maximum)
            or (self.above is not None and number <= self.above)
            or (self.below is not None and number >= self.below)
        )

    def _invalid(self, value: object) -> InvalidValue:
        return InvalidValue(f"{self.name} must be {self.describe()}, not {as_text(value)}.")


def check_all(options: Iterable[Option], values: Mapping[str, object], what: str) -> dict[str, Value]:
    """The defaults of ``options`` with ``values`` over them, each checked.

    Raises:
        UnknownName: a value has a name that no option has.
        InvalidValue: a value is not allowed.
    """
    by_name = {option.name: option for option in options}
    for name in values:
        if name not in by_name:
            raise unknown_option(name, by_name, what)
    return {name: option.check(values.get(name, option.default)) for name, option in by_name.items()}


def unknown_option(name: str, known: Iterable[str], what: str) -> UnknownName:
    """The error for a setting that ``what`` does not have."""
    names = sorted(known)
    hint = f"It has: {', '.join(names)}." if names else "It has none."
    return UnknownName(f"setting of {what}", name, names, hint)


def as_text(value: object) -> str:
    """``value`` as a person writes it after ``--set NAME=``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(as_text(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    return repr(value) if value == "" or (isinstance(value, str) and " " in value) else str(value)
