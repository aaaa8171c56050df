"""User tables: how columns are read, what is left out, and the same reading in training, evaluation and prediction."""

import csv
import json
import random
import re
import shlex

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from zoo import Column, DataError, UsageError
from zoo.data.cells import DATE_FORMS, MISSING, Notation, category_key, parse_dates, parse_numbers, to_values
from zoo.data.loading import load_again, load_named
from zoo.data.table_findings import _is_unrelated
from zoo.inputs.preprocess import TablePreprocess
from zoo.runs.command_line import repeat_command

ROWS = 40


def write_table(path, columns, separator=",", encoding="utf-8"):
    """A CSV file of ``columns``: lists of cells by name."""
    with path.open("w", newline="", encoding=encoding) as handle:
        writer = csv.writer(handle, delimiter=separator)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def choices(*cells):
    return random.Random(0).choices(cells, k=ROWS)


@pytest.fixture
def load(tmp_path, registry):
    """Load a table of the given columns and a random target ``y``."""

    def load(columns, task="regression", separator=",", written="utf-8", **options):
        numbers = random.Random(1)
        columns = {"y": [round(numbers.gauss(0, 1), 3) for _ in range(ROWS)]} | columns
        path = write_table(tmp_path / "t.csv", columns, separator, written)
        return load_named(str(path), registry, task, tmp_path, {"target": "y"} | options)

    return load


def used(data):
    return [column.name for column in data.spec.columns]


def values_of(data, place=0):
    splits = data.splits
    return torch.cat([splits.train.inputs, splits.validation.inputs, splits.test.inputs])[:, place]


@pytest.mark.parametrize(
    ("cells", "options", "reading", "expected"),
    [
        (("1,5", "2,25"), {}, "decimal=,", {1.5, 2.25}),
        (("1.234,5", "10"), {}, "decimal=, thousands=.", {1234.5, 10}),
        (("1,234.5", "10"), {}, "thousands=,", {1234.5, 10}),
        (("1,234,567", "10"), {}, "thousands=,", {1234567, 10}),
        (("1 234,5", "10"), {}, "decimal=, thousands=space", {1234.5, 10}),
        (("1'234.5", "10"), {}, "thousands='", {1234.5, 10}),
        (("1,500", "2,500"), {"decimal": ","}, "decimal=,", {1.5, 2.5}),
        (("1,500", "2,500"), {"thousands": ","}, "thousands=,", {1500, 2500}),
        (("1.500", "2.500"), {"decimal": ","}, "decimal=, thousands=.", {1500, 2500}),
        (("1.500", "2.500"), {}, "", {1.5, 2.5}),
        (("1.5", "2"), {"decimal": ","}, "", {1.5, 2}),
        (("5%", "7.5 %"), {}, "percent", {5, 7.5}),
        (("5,5%", "7%"), {}, "decimal=, percent", {5.5, 7}),
        (("+1e3", "-.5"), {}, "", {1000, -0.5}),
        (("#N/A", "NA", "-nan", "NULL", "<NA>", "NaT", "1", "2"), {}, "", {1, 2}),
    ],
)
def test_numbers_are_read_as_they_are_written(cells, options, reading, expected, load):
    data = load({"a": choices(*cells)}, **options)
    assert data.spec.columns == (Column(name="a", reading=reading),)
    found = values_of(data)
    assert set(found[~found.isnan()].tolist()) == expected


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (("1,500", "2,500"), r"can be read in two ways. Say which with --data-option decimal=, .* or thousands=,"),
        (("1_000", "2_000"), "line 2: a is '[12]_000', which is not a number"),
        (("inf", "2"), "a is 'inf', but other rows have numbers"),
        (("1e400", "2"), "a is '1e400', but other rows have numbers"),
        (("5%", "7"), "some cells of a end with % and others do not"),
        (("1/2/2024", "3/4/2024"), "dates=day-first or dates=month-first"),
        (("2024-01-05",) * 30 + ("2024-02-06",) * 30 + ("soon",), "a is 'soon', but other rows have dates"),
    ],
)
def test_what_cannot_be_read_for_sure_is_refused_with_the_remedy(cells, problem, load):
    with pytest.raises(DataError, match=problem) as caught:
        load({"a": [*(list(cells) * ROWS)[: ROWS - 1], cells[-1]]})
    assert "\n" not in str(caught.value)


def test_points_beside_decimal_commas_are_ambiguous(load):
    columns = {"a": choices("1,5", "2,5"), "b": choices("1.500", "2.250")}
    with pytest.raises(DataError, match="a has decimal commas, so the points of b may separate thousands"):
        load(columns, separator=";")
    data = load(columns, separator=";", decimal=",")
    assert set(values_of(data, 1).tolist()) == {1500, 2250}


@pytest.mark.parametrize(
    "cells", [("yes", "No", "YES"), ("true", "False", "TRUE"), ("y", "N", "Y"), ("on", "Off", "ON")]
)
def test_booleans_are_read_in_any_case(cells, load):
    (column,) = load({"a": choices(*cells)}).spec.columns
    assert (column.kind, column.reading, len(column.labels)) == ("category", "boolean", 2)
    found = to_values([load_series(["yEs", "tRUE", "Y", "oN"])], [column])
    assert np.nansum(found.array) == 1
    assert load({"y": choices(*cells), "x": range(ROWS)}, "binary").spec.num_outputs == 1


def load_series(cells):
    import polars as pl

    return pl.Series(cells, dtype=pl.String)


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("%Y-%m-%d", {}),
        ("%Y-%m-%dT%H:%M:%SZ", {}),
        ("%Y-%m-%d %H:%M:%S.5+02:00", {}),
        ("%d.%m.%Y", {}),
        ("%d.%m.%y %H:%M", {}),
        ("%d/%m/%Y", {}),
        ("%m/%d/%Y %I:%M %p", {}),
        ("%d-%m-%Y", {}),
        ("%d %B %Y", {}),
        ("%b %d, %Y", {}),
        ("%m/%d/%Y", {"dates": "month-first"}),
    ],
)
def test_a_date_becomes_parts(form, options, load):
    import datetime

    first = datetime.datetime(2022, 1, 1, 1)
    moments = [first + datetime.timedelta(days=29 * k, hours=k) for k in range(ROWS)]
    data = load({"when": [moment.strftime(form) for moment in moments]}, **options)
    parts = [(m.year, m.month, m.isoweekday(), m.hour) for m in moments]
    wanted = 3 + ("%H" in form or "%I" in form)
    assert used(data) == [f"when ({part})" for part in ("year", "month", "weekday", "hour")[:wanted]]
    assert " ".join(data.spec.columns[2].labels) == "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
    assert {column.source for column in data.spec.columns} == {"when"}
    found = to_values([load_series([moments[7].strftime(form)])] * wanted, data.spec.columns).array[0].tolist()
    seen = [
        not column.values or value in column.values for column, value in zip(data.spec.columns, parts[7], strict=False)
    ]
    assert [v for v, ok in zip(found, seen, strict=True) if ok] == [
        v for v, ok in zip(parts[7], seen, strict=False) if ok
    ]


def test_categories_keep_their_numbers_exactly(load):
    data = load(
        {"a": [16777216 + k % 4 for k in range(ROWS)], "b": choices("0.1", "0.10000001")}, categories=("a", "b")
    )
    large, small = data.spec.columns
    assert large.labels == ("16777216", "16777217", "16777218", "16777219")
    found = to_values([load_series(["16777219", "16777217.0", "16777215"])], [large])
    assert found.array[:2, 0].tolist() == [3, 1]
    assert found.unseen[:, 0].tolist() == [False, False, True]
    found = to_values([load_series(["0.1", "0.10", "0.10000001"])], [small])
    assert found.array[:, 0].tolist() == [0, 0, 1]


def test_classes_are_ordered_by_number_and_then_by_word(load):
    data = load({"class": choices("b", "10", "9", "-1", "a", "2.5")}, target="class", task="classification")
    assert data.spec.labels == ("-1", "2.5", "9", "10", "a", "b")


def test_a_category_that_was_rounded_to_float32_is_known_by_its_number():
    column = Column(name="a", kind="category", values=(float(np.float32(0.1)), 16777216.0))
    found = to_values([load_series(["0.1", "16777216", "16777217"])], [column])
    assert found.unseen[:, 0].tolist() == [False, False, True]
    with pytest.raises(zoo.PluginError, match="different float32 numbers"):
        Column(name="a", kind="category", values=(16777216.0, 16777217.0))


@pytest.mark.parametrize(
    ("cell", "key"),
    [("1", "1e0"), ("1.0", "1e0"), ("+10", "1e1"), ("-0", "0"), ("007", "007"), ("a", "a"), ("1_0", "1_0")],
)
def test_the_key_of_a_category(cell, key):
    assert category_key(cell) == key


def test_an_identifier_varies_with_the_classes_less_than_three_deviations():
    """Kruskal and Wallis: with three classes, chance gives 2 with a deviation of 2, so the limit is 8."""
    low, high = [0, 1, 2, 3, 4, 5, 15, 22], [7, 11, 13, 18, 19, 20, 21, 23]
    values = np.arange(24.0)
    targets = np.array([0 if k in low else 2 if k in high else 1 for k in range(24)])
    assert not _is_unrelated(values, targets)  # the statistic is 8
    targets[[6, 7]] = targets[[7, 6]]
    assert _is_unrelated(values, targets)  # 7.8
    assert _is_unrelated(-1000 * values, targets)  # only the order counts


def test_what_is_no_use_is_left_out_and_can_be_kept(load, caplog):
    numbers = random.Random(1)
    target = [round(numbers.gauss(0, 1), 3) for _ in range(ROWS)]
    columns = {
        "id": list(range(1001, 1001 + ROWS)),
        "name": [f"n{k}" for k in range(ROWS)],
        "leak": [3 * value + 1 for value in target],
        "fall": [5 - 2 * value for value in target],
        "same": ["x"] * ROWS,
        "empty": [""] * ROWS,
        "area": [500 + k * k for k in np.argsort(np.argsort(target)).tolist()],
        "city": choices("Rome", "Oslo"),
    }
    columns["area"] = [value + 7 * (k % 5) for k, value in enumerate(columns["area"])]
    data = load(columns)
    assert used(data) == ["area", "city"]
    reasons = {"id": "identifier", "name": "text", "leak": "leak", "fall": "leak", "same": "constant", "empty": "empty"}
    assert data.table.unused == reasons
    for name in ("id", "leak", "same"):
        assert f"--data-option keep={name} uses it" in caplog.text
    uses = {line.name: line.use for line in data.table.summary}
    assert uses["id"] == "left out: identifier"
    assert uses["area"] == "number"
    assert used(load(columns, keep=("id", "leak", "same"))) == ["id", "leak", "same", "area", "city"]


def test_columns_with_commas_and_quotes_are_kept_and_dropped(tmp_path, zoo_command):
    awkward = 'id, "old"'
    columns = {
        "y": choices("1.5", "2.5", "3.25"),
        awkward: range(ROWS),
        "a, b": choices("1", "2"),
        "c": choices("3", "4"),
    }
    path = write_table(tmp_path / "t.csv", columns)
    words = ["train", "linear-regression", "--dataset", path, "--target", "y", "--epochs", "1", "--runs-dir", tmp_path]
    told = " ".join(zoo_command(*words).err.split())
    found = re.search(r"--data-option ('keep=.*?') uses it", told)
    kept = [*words[:-1], tmp_path / "kept", *shlex.split(found[0].removesuffix(" uses it"))]
    result = zoo_command(*kept, "--data-option", 'drop="a, b"')
    assert result.code == 0
    (run,) = zoo.list_runs(tmp_path / "kept")
    assert run.config["data"]["options"] | {"keep": [awkward], "drop": ["a, b"]} == run.config["data"]["options"]
    assert [column["name"] for column in run.config["data"]["columns"]] == [awkward, "c"]
    repeated = shlex.split(repeat_command(run.config, zoo.create_registry()))
    assert zoo_command(*repeated[1:], "--runs-dir", tmp_path / "again").code == 0
    (again,) = zoo.list_runs(tmp_path / "again")
    assert again.config["data"] == run.config["data"]


def test_a_code_for_the_class_is_a_leak(load):
    columns = {
        "y": ["abc"[k % 3] for k in range(ROWS)],
        "code": [k % 3 + 7 for k in range(ROWS)],
        "x": choices(1, 2, 3),
    }
    assert used(load(columns, "classification")) == ["x"]
    columns["code"][5] = 7
    assert used(load(columns, "classification")) == ["code", "x"]


def test_the_only_column_is_kept(load, caplog):
    assert used(load({"x": list(range(ROWS)), "y": [2 * k + 1 for k in range(ROWS)]})) == ["x"]
    assert "x is kept as the only column" in caplog.text


def test_a_constant_target_is_refused(load):
    with pytest.raises(DataError, match="y is 3 in all rows; there is nothing to learn"):
        load({"y": [3] * ROWS, "x": choices(1, 2)})


def test_categories_come_from_the_training_rows(load):
    columns = {"a": choices("p", "q"), "x": choices(1, 2, 3)}
    data = load(columns)
    found = []
    for row in range(0, ROWS, 4):
        changed = columns | {"a": [*columns["a"][:row], "rare", *columns["a"][row + 1 :]]}
        again = load(changed)
        found.append("rare" in again.spec.columns[0].labels)
        assert found[-1] or int(torch.isnan(values_of(again)).sum()) == 1
    assert 0 < sum(found) < len(found)
    assert len(data.spec.columns) == 2


def test_columns_that_differ_in_case_only_are_two_columns(load):
    data = load({"A": choices("1", "2"), "a": choices("5", "6", "7")})
    assert used(data) == ["A", "a"]
    assert set(values_of(data, 0).tolist()) == {1, 2}


@pytest.mark.parametrize(
    ("encoding", "options"),
    [("utf-8-sig", {}), ("utf-16", {}), ("latin-1", {"encoding": "latin-1"}), ("cp1252", {"encoding": "cp1252"})],
)
def test_text_in_other_encodings(encoding, options, load):
    data = load({"a": choices("ä", "ö")}, written=encoding, **options)
    assert data.spec.columns[0].labels == ("ä", "ö")


def test_an_unknown_encoding_is_refused_with_the_remedy(load):
    with pytest.raises(
        DataError, match=r"not text in UTF-8\. Give its encoding, such as --data-option encoding=latin-1"
    ):
        load({"a": choices("ä", "ö")}, written="latin-1")
    for name in ("klingon", "zlib", "rot13"):
        with pytest.raises(UsageError, match="encoding"):
            load({"a": choices("p", "q")}, encoding=name)


def test_the_options_of_the_split(load):
    columns = {"a": choices("p", "q", "r")}
    first, again, other = (load(columns, split=seed) for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert [len(load(columns, test=share).splits.test) for share in (0.1, 0.5)] == [4, 20]
    assert used(load(columns | {"b": choices(1, 2)}, drop=("a",))) == ["b"]


# --- the same reading after the training


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of a German table with dates, decimal commas, percent and booleans; the run, the table and the file."""
    folder = tmp_path_factory.mktemp("own")
    choose = random.Random(0)
    columns = {
        "Nr": [str(k) for k in range(80)],
        "when": [f"{k % 28 + 1:02}.{k % 12 + 1:02}.2024" for k in range(80)],
        "A": [f"{choose.uniform(0, 9):.2f}".replace(".", ",") for _ in range(80)],
        "share": [f"{choose.randint(0, 99)},5%" for _ in range(80)],
        "ok": [choose.choice(["yes", "No", "YES"]) for _ in range(80)],
        "city": [choose.choice(["Köln", "Bonn"]) for _ in range(80)],
        "a": [f"{choose.uniform(0, 9):.2f}".replace(".", ",") for _ in range(80)],
    }
    path = write_table(folder / "t.csv", columns, ";", "utf-16")
    run = zoo.train(
        "linear-regression",
        dataset=path,
        data_options={"target": "a"},
        epochs=2,
        runs_dir=folder / "runs",
        device="cpu",
    )
    file = zoo.export(run.folder, "onnx", folder / "own.onnx").file
    return run, path, file, columns


def test_what_is_left_out_is_recorded(trained, registry):
    run, path, _, _ = trained
    assert run.config["data"]["left_out"] == {"Nr": "identifier"}
    data = load_again(run.config, registry, path.parent)
    assert data.fingerprint == run.config["data"]["fingerprint"]
    assert data.table.unused == {}


@pytest.mark.parametrize("engine", ["run", "file"])
def test_rows_are_read_as_in_the_training(engine, trained, registry):
    run, path, file, columns = trained
    reference = run.folder if engine == "run" else file
    data = load_again(run.config, registry, path.parent)
    model = zoo.open_model(reference)
    expected = {round(float(v), 3) for s in ("train", "validation", "test") for v in own_outputs(model, data, s)}
    answers = list(zoo.predict(reference, path))
    assert not [answer.error for answer in answers if answer.error]
    assert {round(answer.values["a"], 3) for answer in answers} == expected
    row = {name: columns[name][3] for name in ("when", "A", "share", "ok", "city")}
    by_line = next(iter(zoo.predict(reference, ";".join(f"{k}={v}" for k, v in row.items()).replace(",", ".")))).error
    assert by_line  # decimal points are not what the model was trained with
    assert len({answer.source for answer in answers}) == 80


def own_outputs(model, data, split):
    return model.outputs(getattr(data.splits, split).inputs.numpy())[:, 0]


def test_an_unseen_category_counts_as_none(trained, tmp_path, zoo_command):
    run, _, file, columns = trained
    rows = [[columns[name][0] for name in columns if name != "a"] for _ in range(2)]
    names = [name for name in columns if name != "a"]
    for row, city in zip(rows, ("Paris", ""), strict=True):
        row[names.index("city")] = city
    path = write_table(tmp_path / "new.csv", dict(zip(names, zip(*rows, strict=True), strict=True)), ";")
    found = [[answer.values["a"] for answer in zoo.predict(reference, path)] for reference in (run.folder, file)]
    assert found[0][0] == found[0][1]
    assert found[1][0] == found[1][1]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-5)
    done = zoo_command("predict", file, path)
    assert done.code == 0
    assert "city is 'Paris', which the training data lack: it counts as none of its values" in done.err
    (first, second) = json.loads(zoo_command("predict", file, path, "--json").out)
    assert first["unseen"] == {"city": "Paris"}
    assert "unseen" not in second


@pytest.mark.parametrize("name", ["city", "ok", "when (weekday)"])
def test_codes_outside_the_categories_count_as_none_in_the_file(name, trained, registry):
    run, _, file, _ = trained
    data = load_again(run.config, registry, run.folder)
    place = used(data).index(name)
    codes = [float("nan"), -1.0, -0.0001, 0.5, 99.0, 1e30, float("inf"), *data.spec.columns[place].values]
    rows = np.repeat(data.splits.test.inputs[:1].numpy(), len(codes), axis=0)
    rows[:, place] = codes
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (outputs,) = session.run(None, {"input": rows})
    outside = len(codes) - len(data.spec.columns[place].values)
    assert (outputs[:outside] == outputs[0]).all()
    assert (outputs[outside:] != outputs[0]).all(), "each category has a weight"
    np.testing.assert_allclose(outputs, zoo.open_model(run.folder).run(rows)[0], rtol=1e-4)


def test_a_file_in_another_encoding_is_predicted(trained, tmp_path, zoo_command):
    _, path, file, _ = trained
    (tmp_path / "new.csv").write_text(path.read_text("utf-16"), encoding="latin-1")
    done = zoo_command("predict", file, tmp_path / "new.csv")
    assert "not text in UTF-8; give its encoding, such as --encoding latin-1" in done.err
    assert zoo_command("predict", file, tmp_path / "new.csv", "--encoding", "latin-1").code == 0


def test_another_table_is_evaluated_by_the_columns_of_the_model(trained, tmp_path):
    run, _, file, columns = trained
    other = {name: cells[:30] for name, cells in columns.items() if name != "Nr"}
    path = write_table(tmp_path / "other.csv", other, ";")
    made = [zoo.assess(reference, dataset=str(path), data_options={"target": "a"}) for reference in (run.folder, file)]
    assert made[0].samples == made[1].samples == 6


def test_the_target_is_not_taken_for_a_column_of_the_same_letter(trained, tmp_path, zoo_command):
    _, _, file, columns = trained
    lacking = {name: cells for name, cells in columns.items() if name != "A"}
    path = write_table(tmp_path / "lacking.csv", lacking, ";")
    assert "lacks the column A" in zoo_command("predict", file, path).err


def test_the_summary_is_shown_once_in_80_columns(tmp_path, zoo_command, monkeypatch):
    columns = {"y": choices(1, 2, 3, 4), "a rather long name of a column with more words": choices("p" * 60, "q" * 60)}
    columns["id"] = [str(k) for k in range(ROWS)]
    write_table(tmp_path / "t.csv", columns)
    done = zoo_command(
        "train", "linear-regression", "--dataset", tmp_path / "t.csv", "--target", "y", "--dry-run", "--device", "cpu"
    )
    lines = done.err.splitlines()
    assert done.code == 0
    (start,) = [place for place, line in enumerate(lines) if line.startswith("COLUMN")]
    table = lines[start : start + 4]
    assert max(map(len, table)) <= 80
    assert "target" in table[1]
    assert "category" in table[2]
    assert "left out: identifier" in table[3]


# --- categories in torch and ONNX


def test_unseen_codes_are_all_zeros_in_torch():
    columns = (Column(name="k", kind="category", values=(0.0, 1.0, 2.0), labels=("a", "b", "c")),)
    module = TablePreprocess.fit(torch.tensor([[0.0], [1.0]]), columns)
    raw = torch.tensor([[float("nan")], [3.0], [-1.0], [0.5], [1.0]])
    assert module(raw).tolist() == [[0, 0, 0]] * 4 + [[0, 1, 0]]


# --- against polars


CELLS = st.one_of(
    st.integers(-(2**60), 2**60).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    st.sampled_from(["", "NA", "NaN", "?", "null", "x", "é", "inf", "1_0", "1,5", "5%", "0x1", "yes"]),
    st.text(st.characters(codec="utf-8", exclude_characters='\0\r\n"'), max_size=5),
)


@settings(derandomize=True, max_examples=150, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=8), quote=st.booleans())
def test_random_tables_are_read_as_polars_reads_them(rows, quote):
    import io

    import polars as pl

    from zoo.data.table_reader import read_blocks

    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL, lineterminator="\n").writerows(
        [("a", "b", "c"), *rows]
    )
    content = text.getvalue().encode()
    ours = [row[2:] for block in read_blocks(io.BytesIO(content)) for row in block.rows()][1:]
    theirs = pl.read_csv(content, infer_schema=False).fill_null("")
    stripped = theirs.select(pl.all().str.strip_chars()).rows()
    assert ours == [row for row in stripped if any(row)]
    for place in range(3):
        cells = load_series([row[place] for row in ours])
        numbers, missing = parse_numbers(cells)
        wanted = [number if number is not None and abs(number) <= 3.4028235e38 else None for number in floats(cells)]
        assert numbers.to_list() == wanted
        assert not (numbers.is_not_null() & missing).any()


def floats(cells):
    import polars as pl

    return cells.cast(pl.Float64, strict=False).to_list()


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    number=st.integers(-(10**9), 10**9),
    places=st.integers(0, 4),
    decimal=st.sampled_from(".,"),
    thousands=st.sampled_from(["", ",", ".", "'", "space"]),
)
def test_written_numbers_are_read_back(number, places, decimal, thousands):
    if thousands == decimal:
        return
    text = f"{number / 10**places:,.{places}f}"
    mark = {"space": "\u202f"}.get(thousands, thousands)
    text = text.translate({ord(","): mark, ord("."): decimal})
    found = parse_numbers(load_series([text]), Notation(decimal, thousands))[0].item()
    assert found == pytest.approx(number / 10**places, rel=1e-12)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(cells=st.lists(st.text(max_size=12), max_size=5), form=st.sampled_from(DATE_FORMS))
def test_any_text_is_a_date_or_none(cells, form):
    found = parse_dates(load_series(cells), form)
    assert len(found) == len(cells)
    assert found.filter(found["year"].is_null())["hour"].null_count() == found["year"].null_count()


# --- linear regression


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
def test_linear_regression_is_near_least_squares_at_any_scale(seed, tmp_path, registry):
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    numbers = np.random.default_rng(seed)
    inputs = numbers.normal(size=(200, 6)) * 10.0 ** numbers.uniform(-6, 6, 6)
    inputs[:, 1] += 1e3 * inputs[:, 1].std()  # far from zero
    target = (inputs / inputs.std(0)) @ numbers.normal(size=6) + 0.5 * numbers.normal(size=200)
    columns = {f"x{k}": inputs[:, k].tolist() for k in range(6)} | {"y": (3e6 + 1e6 * target).tolist()}
    path = write_table(tmp_path / "t.csv", columns)
    run = zoo.train(
        "linear-regression",
        dataset=path,
        data_options={"target": "y"},
        seed=seed,
        runs_dir=tmp_path,
        device="cpu",
        registry=registry,
    )
    splits = load_again(run.config, registry, tmp_path).splits
    best = make_pipeline(StandardScaler(), LinearRegression())
    best.fit(splits.train.inputs.double().numpy(), splits.train.targets.numpy())
    reached = run.config["results"]["test"]["r2"]
    assert reached > best.score(splits.test.inputs.double().numpy(), splits.test.targets.numpy()) - 0.03


# --- options of a dataset that change the number of samples


def load_some(folder, download, *, count):
    inputs = torch.arange(2.0 * count).reshape(count, 2)
    return zoo.Splits(zoo.Split(inputs[:-2], torch.zeros(count - 2, 1)), zoo.Split(inputs[-2:], torch.zeros(2, 1)))


def declare_some(**fields):
    options = (zoo.Option(name="count", default=10, minimum=5),)
    known = {"task": "regression", "loader": load_some, "input_shape": (2,), "num_outputs": 1, "options": options}
    return zoo.Dataset(name="some", summary="some numbers", **known, **fields)


def test_an_option_may_change_the_number_of_samples(tmp_path, registry):
    from zoo.data.read import read_dataset

    mark = zoo.fingerprint(load_some(tmp_path, False, count=10))
    spec = declare_some(sizes={"train": 8, "test": 2}, fingerprint=mark)
    assert len(read_dataset(spec, registry, tmp_path, options={"count": 30}).splits.train) == 25
    assert read_dataset(spec, registry, tmp_path).fingerprint == mark
    wrong = declare_some(sizes={"train": 9})
    assert len(read_dataset(wrong, registry, tmp_path, options={"count": 30}).splits.train) == 25
    with pytest.raises(DataError, match="has 8 samples, not 9 as declared in `sizes` for the default options"):
        read_dataset(wrong, registry, tmp_path)
    with pytest.raises(DataError, match="other data than published"):
        read_dataset(declare_some(fingerprint="0" * 64), registry, tmp_path, options={"count": 30})


def test_the_options_of_a_folder_of_images(tmp_path, registry):
    from PIL import Image

    for place, name in enumerate(("a", "b")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(10):
            Image.new("RGB", (8, 8), (20 * k, 90 * place, 7)).save(tmp_path / "photos" / name / f"{k}.png")

    def load(**options):
        return load_named(str(tmp_path / "photos"), registry, "classification", tmp_path, options)

    first, again, other = (load(split=seed) for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert len(load(test=0.5).splits.test) == 10
    assert load(colour="grey", size=(4, 4), fit="stretch").spec.input_shape == (1, 4, 4)


def test_missing_values_are_read_in_any_case():
    words = [spelt for word in MISSING for spelt in (word, word.upper(), word.title())]
    numbers, missing = parse_numbers(load_series(["na", "NA", "NaN", *words]))
    assert missing.all()
    assert numbers.null_count() == len(numbers)


def test_only_finite_decimal_numbers_are_numbers():
    others = ["1_000", "inf", "-Infinity", "1e39", "0x10", "1 2", "--1", "1,5"]
    numbers, missing = parse_numbers(load_series(["-1.5", "+2", "3e2", ".5", "3.4028235e38", *others]))
    assert numbers.to_list() == [-1.5, 2.0, 300.0, 0.5, 3.4028235e38, *[None] * len(others)]
    assert not missing.any()


def test_a_cell_that_a_short_row_does_not_have_is_wrong_and_not_missing():
    """A missing value is one that the file says is missing; a row that ends early is damaged."""
    columns = [Column(name="size"), Column(name="kind", kind="category", labels=("a", "b"), values=(0.0, 1.0))]
    found = to_values([load_series([None, "NA", "1"]), load_series([None, "", "b"])], columns)
    assert found.wrong[:, 0].tolist() == [True, False, False]
    assert found.unseen[:, 1].tolist() == [True, False, False]
