"""Rows of a file: which columns they have, with and without a header, and why a cell cannot be used."""

import io

import numpy as np
import pytest

from zoo import Column, DataError
from zoo.evaluation.rows import parse_row, read_rows
from zoo.models.description import ModelDescription

SALES = (
    Column(name="weather", kind="category", values=(0.0, 1.0), labels=("rain", "sun")),
    Column(name="price", reading="decimal=, percent"),
    Column(name="month", source="day", reading="month of day.month.year"),
)


def described(*columns, width=0):
    return ModelDescription("net", "regression", (width or len(columns),), ("y",), columns, "data", "net/1", None, {})


def read(text, description):
    return [(line, row.error or row.values.tolist()) for line, row in read_rows(io.BytesIO(text.encode()), description)]


def test_a_model_that_names_no_columns_takes_as_many_as_it_has_inputs():
    model = described(width=2)
    assert read("1,2\n3,4\n", model) == [(1, [1.0, 2.0]), (2, [3.0, 4.0])]
    assert read("a,b\n3,4\n", model) == [(2, [3.0, 4.0])]
    with pytest.raises(DataError, match=r"^3 columns, but net takes 2$"):
        read("1,2,3\n", model)


def test_a_cell_of_a_model_that_names_no_columns_is_named_by_its_place():
    model = described(width=2)
    assert read("1,x\n,2\n", model) == [(2, "column 1 is missing")]
    assert read("1,2\n1,x\n", model)[1] == (2, "column 2 is 'x', which is not a number")


def test_the_first_row_of_a_file_without_names_is_data():
    assert read('sun,"2,5%",1.12.2026\n', described(*SALES)) == [(1, [1.0, 2.5, 12.0])]
    assert read("4,5\n6,7\n", described(Column(name="a"), Column(name="b")))[0] == (1, [4.0, 5.0])


@pytest.mark.parametrize("header", ["weather,price,fog", "snow,2%,1.12.2026"])
def test_a_first_row_with_a_name_or_an_unknown_category_is_a_header(header):
    """One name is enough: the file was meant to have a header, and a column is missing."""
    with pytest.raises(DataError, match=r"^lacks the columns? .*day; it has "):
        read(f'{header}\nsun,"2,5%",1.12.2026\n', described(*SALES))


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("sun,2.5,1.12.2026", "price is '2.5', which is not a number as in the training data (decimal=, percent)"),
        ('sun,"2,5%",2026-12-01', "day is '2026-12-01', which is not a date such as day.month.year"),
    ],
)
def test_a_cell_in_another_notation_is_told_the_one_of_the_training_data(row, error):
    assert parse_row(row, described(*SALES)).error == error


def test_a_category_that_the_training_data_lack_is_none_of_them():
    row = parse_row('snow,"2,5%",1.12.2026', described(*SALES))
    assert row.unseen == {"weather": "snow"}
    assert np.isnan(row.values[0])


def test_the_rows_of_a_file_in_another_encoding_are_read_with_its_name():
    model = described(Column(name="Größe"), Column(name="b"))
    text = io.BytesIO("b,Größe\n1,2\n".encode("latin-1"))
    assert [row.values.tolist() for _, row in read_rows(text, model, "latin-1")] == [[2.0, 1.0]]
    text.seek(0)
    with pytest.raises(DataError, match="give its encoding, such as --encoding latin-1"):
        list(read_rows(text, model))
