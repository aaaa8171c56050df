"""Options: typed values with a help text and a range, which users set with ``--set NAME=VALUE``."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidValue, PluginError, UnknownName
from ..formatting import brief, shortened
from .declarations import LARGEST, declaration

Value = bool | int | float | str | tuple[Any, ...]

_KINDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_LARGEST: dict[type, float] = {bool: 1, int: LARGEST, float: math.inf}
_TRUE, _FALSE = ("true", "yes", "1", "on"), ("false", "no", "0", "off")


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Option:
    """One option: name, default, help text and range. The type of the default is the type of the option.

    If the default is a tuple, the option is a comma-separated list, and all items have the type of the first one. Texts
    are separated as in a line of a CSV file: ``"width, mm",age`` is a list of two.

    Args:
        name: an identifier, as in ``--set NAME=VALUE``; the builder or loader gets it as a keyword argument.
        default: the value if the user does not set one.
        help: one line.
        choices: the allowed values; empty if all values of the type in the range are allowed.
        minimum, maximum: range with its ends included.
        above, below: range with its ends excluded.
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
            raise PluginError(f"Option name {brief(self.name)} is not an identifier.")
        items = self.default if isinstance(self.default, tuple) else (self.default,)
        if not items or type(items[0]) not in _KINDS:
            raise PluginError(
                f"Option {self.name!r}: the default {brief(self.default)} is not a bool, int, float, str, "
                "or tuple of them."
            )
        numbers = [value for value in (*items, *self.choices) if isinstance(value, int)]
        if any(abs(number) > LARGEST for number in numbers):
            raise PluginError(f"Option {self.name!r}: whole numbers are at most 2**53.")
        try:
            self.check(self.default)
        except InvalidValue as error:
            raise PluginError(f"Option {self.name!r}: the default is not an allowed value: {error}") from error

    @property
    def type(self) -> type:
        """Type of the value, or of each item of a list."""
        return type(self.default[0]) if isinstance(self.default, tuple) else type(self.default)

    def describe(self) -> str:
        """The allowed values in words: ``a whole number (at least 1)``."""
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
        words = _KINDS[self.type] + (f" ({' and '.join(bounds)})" if bounds else "")
        return f"a comma-separated list, each {words}" if isinstance(self.default, tuple) else words

    def parse(self, text: str) -> Value:
        """Convert ``text`` to a value of the option.

        Raises:
            InvalidValue: the text does not have the option's type, or the value is not allowed.
        """
        if isinstance(self.default, tuple):
            parts = self._split(text) if self.type is str else text.split(",")
            return self.check(tuple(self._parse_item(part.strip(), text) for part in parts))
        return self.check(self._parse_item(text.strip(), text))

    def check(self, value: object) -> Value:
        """Check ``value`` and return it. A float option converts an int to a float.

        Raises:
            InvalidValue: the value has another type or is not allowed.
        """
        if isinstance(self.default, tuple):
            if not isinstance(value, list | tuple) or not value:
                raise self._invalid(value)
            return tuple(self._check_item(item, value) for item in value)
        return self._check_item(value, value)

    def _split(self, text: str) -> list[str]:
        """The items of a list of texts. One with a comma is in double quotes, and a double quote in it is doubled."""
        try:
            return next(csv.reader([text], skipinitialspace=True, strict=True)) or [""]
        except (csv.Error, StopIteration):
            rule = 'an item that has a comma is written in double quotes, and a double quote in it as ""'
            raise InvalidValue(f"{self.name} cannot be {brief(text)}: {rule}.") from None

    def _parse_item(self, part: str, text: str) -> Value:
        if self.type is bool:
            if part.lower() not in _TRUE + _FALSE:
                raise self._invalid(text)
            return part.lower() in _TRUE
        try:
            parsed: Value = self.type(part)
        except ValueError:
            raise self._invalid(text) from None
        return parsed

    def _check_item(self, item: object, value: object) -> Value:
        if self.type is float and type(item) is int and abs(item) <= LARGEST:
            item = float(item)
        if type(item) is not self.type or (isinstance(item, float) and not math.isfinite(item)):
            raise self._invalid(value)
        if self.choices and item not in self.choices:
            raise self._invalid(value)
        if isinstance(item, int | float) and (abs(item) > _LARGEST[type(item)] or self._outside(item)):
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
        return InvalidValue(f"{self.name} must be {self.describe()}, not {_brief_text(value)}.")


def _brief_text(value: object) -> str:
    try:
        return shortened(as_text(value), 200)
    except Exception:  # a number of more digits than Python turns into text, or an object of a plugin
        return brief(value)


def check_all(options: Iterable[Option], values: Mapping[str, object], what: str) -> dict[str, Value]:
    """The values of all ``options``: ``values`` where given, else the defaults. All values are checked.

    Args:
        what: the owner of the options, for error messages.

    Raises:
        UnknownName: no option has the name of a value.
        InvalidValue: a value is not allowed.
    """
    by_name = {option.name: option for option in options}
    for name in values:
        if name not in by_name:
            raise unknown_option(name, by_name, what)
    return {name: option.check(values.get(name, option.default)) for name, option in by_name.items()}


def unknown_option(name: str, known: Iterable[str], what: str) -> UnknownName:
    """The error for an option ``name`` that ``what`` does not have."""
    names = sorted(known)
    hint = f"It has: {', '.join(names)}." if names else "It has none."
    return UnknownName(f"setting of {what}", name, names, hint)


def as_text(value: object) -> str:
    """``value`` as users write it in ``--set NAME=VALUE``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "''" if list(value) == [""] else _line([str(v) if isinstance(v, str) else as_text(v) for v in value])
    if isinstance(value, float):
        return f"{value:g}"
    return repr(value) if value == "" or (isinstance(value, str) and " " in value) else str(value)


def as_argument(value: object) -> str:
    """``value`` as text that :meth:`Option.parse` reads back: with all digits, and lists as a line of a CSV file."""
    if isinstance(value, list | tuple):
        return "" if list(value) == [""] else _line([as_argument(item) for item in value])
    if isinstance(value, float):
        return repr(value)
    return value if isinstance(value, str) else as_text(value)


def _line(items: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(items)  # an item with one of these characters is quoted
    return text.getvalue().removesuffix("\r\n")
