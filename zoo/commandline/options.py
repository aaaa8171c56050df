"""Options that commands share, those of the ``zoo`` group, and the types of options: counts, ranges, settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..folders import drawing_path, picture_path
from ..registry.hook_calls import TRACE
from ..registry.plugin_files import PLUGINS_DIR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class _Count(click.ParamType[int]):
    """A whole number, in full or as ``20k``, ``1.5M``."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        if isinstance(value, int):
            return value
        factor = {"k": 1_000, "m": 1_000_000, "g": 1_000_000_000}.get(value[-1:].lower(), 1)
        try:
            count = float(value[:-1] if factor > 1 else value) * factor
        except ValueError:
            count = -1
        if not 0 <= count < 1e15:
            self.fail(f"{value!r} is not a count; write 20000, 20k or 1.5M.", param, ctx)
        return round(count)


COUNT = _Count()
"""The type of options that take a count: ``20000``, ``20k``, ``1.5M``."""


class _Quantity(click.ParamType[float]):
    """A number with a unit: ``50us``, ``20kB``, ``10m``."""

    def __init__(self, name: str, units: Mapping[str, float], example: str) -> None:
        self.name, self._units, self._example = name, units, example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number in the basic unit."""
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip()
        unit = text.lstrip("0123456789.")
        try:
            found = float(text.removesuffix(unit) or "x") * self._units[unit.strip()]
        except (ValueError, KeyError):
            self.fail(f"{value!r} is not a {self.name}; write {self._example}.", param, ctx)
        if not 0 < found < 1e15:
            self.fail(f"{value!r} is not a {self.name} above 0; write {self._example}.", param, ctx)
        return found


TIME = _Quantity("time", {"": 1, "s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400}, "30s, 10m or 2h")
"""The type of options that take a time, in seconds: ``30s``, ``10m``, ``2h``."""
LATENCY = _Quantity("latency", {"s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6}, "50us or 2ms")
"""The type of options that take the time of one prediction, in seconds; the unit is needed: ``50us``, ``2ms``."""
SIZE = _Quantity(
    "size",
    {
        "": 1,
        "B": 1,
        "k": 1e3,
        "kB": 1e3,
        "KB": 1e3,
        "M": 1e6,
        "MB": 1e6,
        "G": 1e9,
        "GB": 1e9,
        "KiB": 2**10,
        "MiB": 2**20,
    },
    "20000, 20kB or 1.5MB",
)
"""The type of options that take a size in bytes: ``20kB``, ``1.5MB``."""


class _Picture(click.Path):
    """The file of a plot. Another suffix than ``.png`` is refused before the command starts its work."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return picture_path(os.fsdecode(super().convert(value, param, ctx)))


class _Drawing(click.Path):
    """The file of a drawing. Another suffix than ``.svg`` is refused before the command starts its work."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        return drawing_path(os.fsdecode(super().convert(value, param, ctx)))


class _Setting(click.ParamType[str]):
    """``NAME=VALUE``. Without the ``=``, the error says how to write it."""

    name = "setting"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if "=" in text:
            return text
        flag = param.opts[0] if param else "--set"
        typed = ctx.meta.get(ARGUMENTS, []) if ctx else []
        place = next((place for place in range(len(typed) - 2) if typed[place : place + 2] == [flag, text]), None)
        behind = "-" if place is None else typed[place + 2]
        value = "VALUE" if behind.startswith("-") else behind
        raise UsageError(f"{flag} {text!r} does not have the form NAME=VALUE. Write {flag} {text}={value}.")


SETTING = _Setting()
"""The type of options that take ``NAME=VALUE``."""


class _WholeNumber(click.IntRange):
    """A whole number, whose range is in words in the help and in the error."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a whole number ({_range_in_words(self)}).", param, ctx)

    def _describe_range(self) -> str:
        return _range_in_words(self)


class _Number(click.FloatRange):
    """A number, whose range is in words in the help and in the error."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is not a number ({_range_in_words(self)}).", param, ctx)

    def _describe_range(self) -> str:
        return _range_in_words(self)


def _range_in_words(kind: click.IntRange | click.FloatRange) -> str:
    """``at least 1``, ``at least 0 and at most 100``, as :meth:`zoo.Option.describe` says it."""
    least = [] if kind.min is None else [f"at least {kind.min:,}"]
    most = [] if kind.max is None else [f"at most {kind.max:,}"]
    return " and ".join(least + most)


def whole_number(minimum: int, maximum: int | None = None) -> click.IntRange:
    """The type of options that take a whole number in a range."""
    return _WholeNumber(minimum, maximum)


def number(minimum: float, maximum: float | None = None) -> click.FloatRange:
    """The type of options that take a number in a range."""
    return _Number(minimum, maximum)


PICTURE = _Picture(path_type=Path, dir_okay=False)
"""The type of options that take the file of a plot, ``FILE.png``."""
DRAWING = _Drawing(path_type=Path, dir_okay=False)
"""The type of options that take the file of a drawing, ``FILE.svg``."""

ARGUMENTS = "zoo.arguments"
"""The key of the arguments of this invocation in the ``meta`` of a click context."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
data_dir_option = click.option(
    "--data-dir",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    show_default="$ZOO_DATA, else the user's cache",
    help="Folder of the datasets.",
)
runs_dir_option = click.option(
    "--runs-dir",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    show_default="$ZOO_RUNS, else ./runs",
    help="Folder of the runs.",
)
target_option = click.option("--target", metavar="COLUMN", help="Target column of a CSV file.")
data_settings_option = click.option(
    "--data-option",
    "data_options",
    multiple=True,
    metavar="NAME=VALUE",
    type=SETTING,
    help="Option of the dataset; repeatable.",
)


def plugin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--plugins-dir`` and ``--trace-plugins``, which set environment variables for one command."""
    folder = click.option(
        "--plugins-dir",
        metavar="FOLDER",
        type=click.Path(exists=True, file_okay=False),
        is_eager=True,
        expose_value=False,
        callback=lambda ctx, _, value: _set_until_closed(ctx, PLUGINS_DIR, value),
        show_default="$ZOO_PLUGINS_DIR",
        help="Load the Python files in this folder as plugins too.",
    )
    trace = click.option(
        "--trace-plugins",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=lambda ctx, _, value: _set_until_closed(ctx, TRACE, "1" if value else None),
        help="Print each plugin import and hook call with its duration.",
    )
    return folder(trace(command))


def _set_until_closed(ctx: click.Context, variable: str, value: str | None) -> None:
    """Set an environment variable until the command ends; the processes that it starts inherit it."""
    if value is None:
        return
    before = os.environ.get(variable)
    os.environ[variable] = os.path.abspath(value) if variable == PLUGINS_DIR else value

    def restore() -> None:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before

    if not ctx.resilient_parsing:  # shell completion computes its answer after the context is closed
        ctx.call_on_close(restore)
