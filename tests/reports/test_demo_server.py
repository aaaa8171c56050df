"""The server of ``zoo demo`` and the columns of its page."""

import pytest

from zoo.models.description import ModelDescription
from zoo.reports import demo


def test_only_errors_of_the_connection_are_not_shown(capsys):
    with demo._Server(("127.0.0.1", 0), None) as server:
        for error in (ConnectionResetError("gone"), ValueError("a fault of the server")):
            try:
                raise error
            except (OSError, ValueError):
                server.handle_error(None, ("127.0.0.1", 1))
    shown = capsys.readouterr().err
    assert "ValueError: a fault of the server" in shown
    assert "gone" not in shown


def described(**entries):
    content = {
        "architecture": "net",
        "task": "regression",
        "input_shape": [2],
        "labels": ["y"],
        "dataset": "data",
        "normalisation": {"mean": [1.5, -20.0], "std": [0.5, 0.0]},
    }
    return ModelDescription.from_dict(content | entries, "here")


@pytest.mark.parametrize(("row", "initial"), [(None, [1.5, -20.0]), ([3.25, 4.0], [3.25, 4.0])])
def test_columns_without_names_start_from_the_means_or_a_real_row(row, initial):
    columns = demo._settings(described(), "table", demo.RUNTIME, False, row)["columns"]
    assert [column["name"] for column in columns] == ["column 1", "column 2"]
    assert [column["initial"] for column in columns] == initial
    assert [(column["low"], column["high"]) for column in columns] == [(0.0, 3.0), (-20.0, -20.0)]
    assert all(column["values"] == column["labels"] == () for column in columns)
