"""Tables whose columns or targets cannot be used, or only with an option; and other tables for a trained model."""

import csv
import random

import numpy as np
import polars as pl
import pytest
import torch

from zoo import Column, DataError, DataUnavailable, UsageError, load_dataset
from zoo.data.cells import Notation
from zoo.data.loading import load_for, load_named
from zoo.data.table_columns import Declared
from zoo.data.table_statistics import ColumnCells

ROWS = 40


@pytest.fixture
def load(tmp_path, registry):
    """Load a table of the given columns, and a random target ``y`` if they have none."""

    def load(columns, task="regression", declared=None, **options):
        rows, numbers = max(map(len, columns.values())), random.Random(1)
        columns = {"y": [round(numbers.gauss(0, 1), 3) for _ in range(rows)]} | columns
        path = tmp_path / "t.csv"
        with path.open("w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
        return load_named(str(path), registry, task, tmp_path, {"target": "y"} | options, declared=declared)

    return load


def used(data):
    return [column.name for column in data.spec.columns]


def several(*cells, rows=ROWS):
    return random.Random(0).choices(cells, k=rows)


# --- columns


@pytest.mark.parametrize("options", [{}, {"categories": ("code",)}])
def test_too_many_texts_are_no_category(load, options):
    """Wanted as a category, or texts that are repeated: nearly unique texts would be left out instead."""
    cells = [f"c{k % 101}" for k in range(303)]
    with pytest.raises(DataError, match=r"code has more than 100 different .*--data-option drop=code\.$"):
        load({"code": cells}, **options)
    assert len(load({"code": [f"c{k % 100}" for k in range(1_000)]}, **options).spec.columns[0].labels) == 100


def test_numbers_that_do_not_fit_the_options_are_named_with_the_line(load):
    cells = ["10,5", "1.234,5"] * (ROWS // 2)
    with pytest.raises(DataError, match=r"line 2: a is '10,5', which does not fit .* --data-option categories=a\.$"):
        load({"a": cells}, thousands=",")
    assert load({"a": cells}, thousands=".").spec.columns[0].reading == "decimal=, thousands=."
    assert load({"a": cells}, thousands=",", categories=("a",)).spec.columns[0].kind == "category"


@pytest.mark.parametrize(("dates", "months"), [("day-first", {2, 4}), ("month-first", {1, 3})])
def test_the_user_says_whether_days_or_months_come_first(load, dates, months):
    data = load({"when": several("1/2/2024", "3/4/2024")}, dates=dates)
    place = used(data).index("when (month)")
    assert set(data.splits.train.inputs[:, place].tolist()) == months


def test_a_table_of_constants_only_is_refused(load, caplog):
    with pytest.raises(DataError, match="has no column to predict y from"):
        load({"a": ["x"] * ROWS, "b": [7] * ROWS})
    assert "the column b is left out: it has the same value in all training rows." in caplog.text


def test_words_that_name_the_rows_are_not_kept_as_the_only_column(load, caplog):
    names = [f"n{k}" for k in range(15)]
    numbers = [k * k for k in range(15)]
    assert used(load({"name": names, "x": numbers, "y": numbers})) == ["x"]
    assert "x is kept as the only column, although it is another form of the target" in caplog.text


def test_a_copy_of_the_target_is_a_leak_even_in_few_rows(load):
    target = [3, 1, 4, 1, 5, 9, 2, 6]
    other = [2, 7, 1, 8, 2, 8, 1, 8]
    assert used(load({"y": target, "copy": target, "x": other})) == ["x"]
    assert used(load({"y": target, "double": [2 * k for k in target], "x": other})) == ["double", "x"]


def test_different_whole_numbers_are_an_identifier_unless_they_vary_with_the_target(load):
    numbers = random.Random(3)
    codes = numbers.sample(range(10_000), ROWS)
    target = [number + numbers.gauss(0, 1_000) for number in codes]
    size = [str(k % 7) for k in range(ROWS)]
    assert used(load({"code": codes, "size": size, "y": target})) == ["code", "size"]
    numbers.shuffle(target)
    assert used(load({"code": codes, "size": size, "y": target})) == ["size"]


# --- targets


@pytest.mark.parametrize(
    ("cells", "found"), [(["a"] * ROWS, "1"), ([f"w{k % 101}" for k in range(303)], "more than 100")]
)
def test_one_class_or_too_many_are_no_classes(load, cells, found):
    with pytest.raises(DataError, match=f"y has {found} different values, which are no classes.*`zoo list"):
        load({"y": cells, "x": range(len(cells))}, "classification")


def test_a_task_for_a_csv_file_is_one_that_tables_have(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1,2\n")
    with pytest.raises(UsageError, match=r"^task must be one of .*regression.*, not 'drawing'\.$"):
        load_dataset(str(path), tmp_path, task="drawing", target="y")


def test_a_missing_file_is_not_a_dataset_to_fetch(tmp_path, registry):
    with pytest.raises(DataUnavailable, match="There is no file or folder") as caught:
        load_for(registry.architecture("lenet"), registry, "./absent.csv", tmp_path, fall_back=True)
    assert "zoo fetch" not in str(caught.value)


# --- another table for a trained model

NUMBER, DATE = Column(name="x"), Column(name="d (year)", source="d", reading="year of year-month-day")
KIND = Column(name="kind", kind="category", values=(0.0, 1.0), labels=("p", "q"))


@pytest.mark.parametrize(
    ("column", "cells", "problem"),
    [
        (NUMBER, ["1", "2", "many"], "line 4: x is 'many', which is not a number"),
        (DATE, ["2024-01-01", "soon", "2024-01-03"], "line 3: d is 'soon', which is not a date"),
    ],
)
def test_a_cell_that_the_model_cannot_read_is_named_with_the_line(load, column, cells, problem):
    with pytest.raises(DataError, match=problem):
        load({column.file_column: cells, "y": [1, 2, 3]}, declared=Declared((column,), ("y",), ""))


def test_categories_that_the_training_data_lacks_are_counted(load, caplog):
    cells = ["p", "q", "other", "p", "new", "q", "p", "q", "p", "q"]
    data = load({"kind": cells}, declared=Declared((KIND,), ("y",), ""))
    assert "t.csv: 2 rows of kind have values that the training data lack" in caplog.text
    inputs = torch.cat([split.inputs for split in (data.splits.train, data.splits.validation, data.splits.test)])
    assert int(inputs.isnan().sum()) == 2


@pytest.mark.parametrize(
    ("task", "labels", "problem"),
    [
        ("classification", ("a", "b", "c"), "line 5: y is 'd', which is none of a, b, c"),
        ("binary", ("no", "yes"), "line 2: y is 'a', which is none of no, yes"),
        ("regression", ("y",), "line 2: y is 'a', which is not a number"),
    ],
)
def test_a_target_that_the_model_does_not_know_is_named_with_the_line(load, task, labels, problem):
    columns = {"x": [1, 2, 3, 4], "y": ["a", "b", "c", "d"]}
    with pytest.raises(DataError, match=problem):
        load(columns, task, Declared((NUMBER,), labels, ""))


# --- columns of several blocks


def counted_in_blocks(cells, size):
    found = ColumnCells("a")
    for start in range(0, len(cells), size):
        part = pl.Series(cells[start : start + size], dtype=pl.String)
        found.add(part, pl.Series(np.arange(start, start + len(part)) + 2))
    return found


def test_the_reading_of_many_rows_does_not_depend_on_their_blocks():
    numbers, dates = ["1.234,5", "10,25"] * 900, ["03.04.2024", "17.05.2024"] * 900
    whole, parts = (counted_in_blocks(numbers, size) for size in (1_800, 500))
    chosen = Notation(",", ".")
    assert parts.numbers[chosen].fits == whole.numbers[chosen].fits == 1_800
    assert parts.numbers[chosen].total == pytest.approx(whole.numbers[chosen].total)
    assert len(parts.numbers) < len(whole.numbers), "readings that fit few cells are given up"
    for size in (1_800, 500):
        readings = counted_in_blocks(dates, size).date_readings()
        assert [(form, count.fits) for form, count in readings] == [("day.month.year", 1_800)]


def test_different_texts_of_many_rows_are_counted_without_keeping_them():
    found = counted_in_blocks([f"t{k}" for k in range(600)], 200)
    assert not found.few
    assert len(found.kinds) == 200
    assert found.distinct == 600
