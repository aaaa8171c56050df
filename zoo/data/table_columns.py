"""How each column of a CSV file is used: as numbers, a category, the parts of a date, or not at all."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..formatting import brief
from ..specs.columns import Column
from ..specs.options import Option, as_argument
from ..specs.task import Task
from .cells import PARTS, PLAIN, WEEKDAYS, Notation, category_key, why_no_number
from .table_statistics import MOST_CATEGORIES, ColumnCells, Reading

OPTIONS = (
    Option(name="target", default="", help="the target column; --target is short for it"),
    Option(name="drop", default=("",), help="columns to leave out"),
    Option(name="keep", default=("",), help="columns to use although they look like identifiers, constants or leaks"),
    Option(name="categories", default=("",), help="columns of numbers to use as categories, not as quantities"),
    Option(name="decimal", default="auto", help="the decimal mark of numbers", choices=("auto", ".", ",")),
    Option(
        name="thousands",
        default="auto",
        help="the separator of thousands in numbers",
        choices=("auto", ",", ".", "'", "space"),
    ),
    Option(
        name="dates",
        default="auto",
        help="which comes first in dates such as 1/2/2024",
        choices=("auto", "day-first", "month-first"),
    ),
    Option(name="encoding", default="auto", help="encoding of the text; auto: UTF-8, or UTF-16 with a byte order mark"),
    Option(name="test", default=0.2, help="fraction of the rows in the test split", above=0, below=1),
    Option(name="split", default=0, help="seed of the random test split", minimum=0),
)

FEW_OTHERS = 20
"""If at most one of so many cells is something else, it is a mistake in a column of numbers or dates."""
FEWEST_TEXTS = 20
"""More different texts are no categories if most of them occur once."""


@dataclass(frozen=True, slots=True)
class Declared:
    """How a table was read for a training, so that it or another one is read in the same way.

    Args:
        columns: the columns of the model.
        labels: the names of the classes; for a regression, of the target.
        target_reading: how the numbers of the target are written; see :attr:`zoo.Column.reading`. None: unknown.
    """

    columns: tuple[Column, ...]
    labels: tuple[str, ...]
    target_reading: str | None = None


def declare_all(
    cells: Sequence[ColumnCells], categories: Collection[str], reading: Reading
) -> tuple[list[Column], dict[str, str]]:
    """The columns for those of the file, and why others cannot be used, by name: ``empty`` or ``text``.

    Args:
        categories: columns that the user wants as categories.

    Raises:
        DataError: a column cannot be read without an option of the user.
    """
    columns: list[Column] = []
    unused = {}
    for own in cells:
        declared = declare_columns(own, own.name in categories, reading) if own.present else []
        columns += declared
        if not own.present:
            unused[own.name] = "empty"
        elif not declared:
            unused[own.name] = "text"
    check_points(columns, {own.name: own for own in cells}, reading)
    return columns, unused


def declare_columns(cells: ColumnCells, categorical: bool, reading: Reading) -> list[Column]:
    """The columns that a column of the file becomes: several for a date, none for text that is no category.

    Args:
        categorical: whether the user wants a category.

    Raises:
        DataError: the column cannot be read without an option of the user.
    """
    if categorical:
        if not cells.few:
            raise DataError(too_many(reading.file, cells.name))
        return [_declare_category(cells)]
    if cells.boolean():
        return [_declare_category(cells, "boolean")]
    notation = find_notation(cells, reading)
    if notation is not None:
        return [Column(name=cells.name, reading=str(notation))]
    form = _find_form(cells, reading)
    if form:
        return _declare_date(cells.name, form, cells.has_times)
    distinct = cells.distinct
    if distinct is not None and distinct > FEWEST_TEXTS and distinct * 2 > cells.present:
        return []
    if not cells.few:
        raise DataError(too_many(reading.file, cells.name))
    return [_declare_category(cells)]


def too_many(file: str, name: str) -> str:
    """The message for a column of text that is no category."""
    return (
        f"{file}: {name} has more than {MOST_CATEGORIES} different values, too many for a category. "
        f"Leave it out with {data_option('drop', name)}."
    )


def data_option(option: str, column: str) -> str:
    """The words of the command that name a column in an option, quoted for a shell."""
    return f"--data-option {shlex.quote(f'{option}={as_argument((column,))}')}"


def _declare_category(cells: ColumnCells, reading: str = "") -> Column:
    """Numbers are values if float32 has them exactly; else the values are the places of the labels."""
    labels = cells.labels()
    if all(map(_is_exact, labels)):
        return Column(name=cells.name, kind="category", values=tuple(map(float, labels)))
    places = tuple(map(float, range(len(labels))))
    return Column(name=cells.name, kind="category", values=places, labels=labels, reading=reading)


def _is_exact(label: str) -> bool:
    """Whether a label is a number that float32 has exactly."""
    try:
        with np.errstate(over="ignore"):
            value = float(np.float32(label))
    except ValueError:
        return False
    return bool(np.isfinite(value)) and category_key(label) == category_key(repr(value))


def find_notation(cells: ColumnCells, reading: Reading, is_target: bool = False) -> Notation | None:
    """How the numbers of a column are written; None if it does not hold numbers.

    Raises:
        DataError: they can be read in two ways, or not as the user says, or a few cells are no numbers.
    """
    allowed = {notation: count for notation, count in cells.numbers.items() if reading.allows(notation)}
    usual = reading.usual
    if usual in allowed and allowed[usual].fits == cells.present:
        chosen = usual
    else:
        best = max((count.fits for count in allowed.values()), default=0)
        fitting = [notation for notation, count in allowed.items() if count.fits == best]
        chosen = fitting[0] if fitting else PLAIN
        if best == cells.present and len({allowed[notation].total for notation in fitting}) > 1:
            raise DataError(_two_ways(cells, reading))
    if cells.numbers[PLAIN].fits == cells.present and cells.points > cells.groups:
        chosen, allowed = PLAIN, cells.numbers  # it has one meaning, whatever the user says of other columns
    fits = allowed[chosen].fits if chosen in allowed else 0
    if fits < cells.present:
        _check_others(cells, fits, chosen, reading, is_target)
        return None
    if 0 < cells.percents < cells.present:
        raise DataError(
            f"{reading.file}: some cells of {cells.name} end with % and others do not. Write all in one way, or leave "
            f"the column out with {data_option('drop', cells.name)}."
        )
    return Notation(chosen.decimal, chosen.thousands, cells.percents > 0)


def _two_ways(cells: ColumnCells, reading: Reading) -> str:
    plain = cells.numbers[PLAIN].first_other
    example = brief(plain[1]) if plain else "these"
    return (
        f"{reading.file}: the numbers of {cells.name}, such as {example}, can be read in two ways. Say which with "
        "--data-option decimal=, (a decimal comma) or thousands=, (thousands)."
    )


def _check_others(cells: ColumnCells, fits: int, chosen: Notation, reading: Reading, is_target: bool) -> None:
    """Raises:
    DataError: most cells are numbers, or look like numbers in a notation that is not allowed.
    """
    most = max(count.fits for count in cells.numbers.values())
    if (max(fits, most) + cells.odd) * FEW_OTHERS < cells.present * (FEW_OTHERS - 1):
        return
    other = cells.numbers[chosen].first_other if chosen in cells.numbers else cells.numbers[PLAIN].first_other
    found = cells.first_odd or other
    assert found is not None
    line, cell = found
    start = f"{reading.file}, line {line}: {cells.name} is {brief(cell)}"
    if most > fits and not cells.first_odd:
        raise DataError(
            f"{start}, which does not fit --data-option decimal and thousands. Correct them, or use the column as "
            f"text with --data-option categories={cells.name}."
        )
    rest = "but other rows have numbers" if fits and not is_target else "which is not a number"
    raise DataError(f"{start}, {rest}{why_no_number(cell)}.")


def check_points(columns: Iterable[Column], cells: Mapping[str, ColumnCells], reading: Reading) -> None:
    """Raises:
    DataError: one column has decimal commas, and in another ``1.234`` may mean 1234.
    """
    commas = next((column.name for column in columns if "decimal=," in column.reading), "")
    for column in columns:
        own = cells[column.file_column]
        is_plain = column.kind == "number" and not column.reading and reading.decimal == "auto"
        if commas and is_plain and own.points and own.points == own.groups:
            raise DataError(
                f"{reading.file}: {commas} has decimal commas, so the points of {column.name} may separate thousands. "
                "Say so with --data-option decimal=, or write decimal points everywhere."
            )


def _find_form(cells: ColumnCells, reading: Reading) -> str:
    """The form of the dates of a column; empty if it does not hold dates.

    Raises:
        DataError: day and month could be either way round, or a few cells are no dates.
    """
    found = [item for item in cells.date_readings() if item[1].fits * FEW_OTHERS >= cells.present * (FEW_OTHERS - 1)]
    if len(found) > 1 and reading.dates != "auto":
        found = [item for item in found if item[0].startswith(reading.dates.removesuffix("-first"))] or found
    if not found:
        return ""
    if len(found) > 1:
        raise DataError(
            f"{reading.file}: the dates of {cells.name} can be read as {found[0][0]} or as {found[1][0]}. Say which "
            "with --data-option dates=day-first or dates=month-first."
        )
    form, count = found[0]
    if count.fits < cells.present and count.first_other:
        line, cell = count.first_other
        raise DataError(
            f"{reading.file}, line {line}: {cells.name} is {brief(cell)}, but other rows have dates ({form}). Correct "
            f"it, or leave the column out with {data_option('drop', cells.name)}."
        )
    return form


def _declare_date(name: str, form: str, times: bool) -> list[Column]:
    columns = []
    for part in PARTS if times else PARTS[:-1]:
        known = {"month": range(1, 13), "weekday": range(1, 8), "hour": range(24)}.get(part, range(0))
        columns.append(
            Column(
                name=f"{name} ({part})",
                kind="category" if known else "number",
                values=tuple(map(float, known)),
                labels=WEEKDAYS if part == "weekday" else (),
                source=name,
                reading=f"{part} of {form}",
            )
        )
    return columns


def find_labels(target: ColumnCells, task: Task, reading: Reading) -> tuple[tuple[str, ...], Notation]:
    """The names of the classes, or of the target of a regression; and how its numbers are written.

    Raises:
        DataError: the target does not suit the task.
    """
    name, file = target.name, reading.file
    if task.predicts == "numbers":
        notation = find_notation(target, reading, is_target=True)
        if notation is None:
            line, cell = target.numbers[reading.usual].first_other or (0, "")
            raise DataError(
                f"{file}, line {line}: {name} is {brief(cell)}, which is not a number{why_no_number(cell)}."
            )
        return (name,), notation
    labels = target.labels()
    different = str(len(labels)) if target.few else f"more than {MOST_CATEGORIES}"
    if task.labels and len(labels) != len(task.labels):
        raise DataError(
            f"{file}: {name} has {different} different values, but a {task.name} target has {len(task.labels)}. "
            "`zoo list --task TASK` shows architectures for other targets."
        )
    if len(labels) < 2 or not target.few:
        raise DataError(
            f"{file}: {name} has {different} different values, which are no classes. "
            "`zoo list --task TASK` shows architectures for another task, such as regression."
        )
    return labels, PLAIN
