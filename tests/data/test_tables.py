"""Tables: bundled ones and user CSV files."""

import dataclasses
import gzip
import hashlib
import io
import threading
import zipfile
from http.server import ThreadingHTTPServer

import numpy as np
import pytest
import torch
from test_downloads import Mirror
from zoo.plugins.datasets import tables

import zoo
from zoo import Column, DataError, DataUnavailable, UsageError, is_present, load_dataset
from zoo.data.loading import load_again, load_named
from zoo.inputs.preprocess import TablePreprocess

COLUMNS = (
    Column(name="age"),
    Column(name="kind", kind="category", values=(1.0, 3.0)),
    Column(name="flag", kind="as-is"),
)
NAN = float("nan")


def test_each_column_is_encoded_according_to_its_kind():
    raw = torch.tensor([[10.0, 1.0, 0.0], [30.0, 3.0, 1.0], [NAN, 2.0, NAN], [20.0, NAN, 1.0]])
    seen = TablePreprocess.fit(raw, COLUMNS)(raw)
    deviation = (200 / 3) ** 0.5
    expected = [[-10 / deviation, 0, 1, 0], [10 / deviation, 1, 0, 1], [0, 2 / 3, 0, 0], [0, 1, 0, 0]]
    torch.testing.assert_close(seen, torch.tensor(expected))


def test_an_empty_column_and_a_constant_column_stay_finite():
    columns = (Column(name="empty"), Column(name="constant"))
    raw = torch.tensor([[NAN, 5.0], [NAN, 5.0]])
    assert torch.equal(TablePreprocess.fit(raw, columns)(raw), torch.zeros(2, 2))


def test_a_table_of_categories_only_can_be_used():
    columns = (Column(name="kind", kind="category", values=(0.0, 1.0, 2.0)),)
    raw = torch.tensor([[2.0], [0.0]])
    assert TablePreprocess.fit(raw, columns)(raw).tolist() == [[0, 0, 1], [1, 0, 0]]


BUNDLED = ["breast-cancer", "diabetes-progression", "iris", "line", "study-hours", "wine"]


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_tables_need_neither_files_nor_network(name, registry, tmp_path, no_network):
    data = load_dataset(registry.dataset(name), tmp_path)
    assert data.splits.train.inputs.dtype == torch.float32
    assert data.spec.stand_in == ""


def test_another_seed_gives_another_test_split(registry, tmp_path):
    spec = registry.dataset("iris")
    first, again, other = (load_dataset(spec, tmp_path, options={"split": seed}) for seed in (1, 1, 2))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    with pytest.raises(zoo.UnknownName, match="folds"):
        load_dataset(spec, tmp_path, options={"folds": 3})


@pytest.fixture
def server(monkeypatch):
    found = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    found.extra_length = 0
    table = "".join(f"{i % 9},{i % 3},72,35,0,33.6,0.627,{i},{i % 2}\n" for i in range(768)).encode()
    found.files = {"diabetes.csv": table, "bike.zip": bike_archive()}
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    home = f"http://127.0.0.1:{found.server_port}"
    monkeypatch.setattr(tables, "DIABETES_URL", f"{home}/diabetes.csv")
    monkeypatch.setattr(tables, "DIABETES_SHA256", hashlib.sha256(table).hexdigest())
    monkeypatch.setattr(tables, "BIKE_URL", f"{home}/bike.zip")
    monkeypatch.setattr(tables, "TIMEOUT_SECONDS", 0.5)
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def bike_archive(rows=tables.BIKE_ROWS):
    """A table with the size and totals of that of UCI, with invented hours."""
    header = "instant,dteday,season,yr,mnth,hr,holiday,weekday,workingday,weathersit,temp,atemp,hum,windspeed"
    header += ",casual,registered,cnt"
    lines = [header]
    total = tables.BIKE_RENTALS
    for i in range(rows):
        day = np.datetime64("2011-01-01") + i // 24
        count = total // rows + (1 if i < total % rows else 0)
        lines.append(f"{i},{day},1,0,1,{i % 24},0,6,0,1,0.24,0.28,0.81,0,3,13,{count}")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("hour.csv", "\r\n".join(lines))
        archive.writestr("Readme.txt", "not needed")
    return content.getvalue()


@pytest.mark.parametrize("name", ["diabetes", "bike-sharing"])
def test_a_table_is_downloaded_checked_and_read(name, server, registry, tmp_path):
    spec = registry.dataset(name)
    if name == "bike-sharing":  # the invented hours fill fewer days
        loaded = tables.load_bike_sharing(tmp_path, download=True)
        assert len(loaded.train) + len(loaded.validation) + len(loaded.test) == tables.BIKE_ROWS
    else:  # invented measurements
        loaded = load_dataset(dataclasses.replace(spec, fingerprint=""), tmp_path).splits
        assert (len(loaded.train) + len(loaded.validation), len(loaded.test)) == (614, 154)
    assert is_present(spec, tmp_path)
    assert sorted(path.name for path in (tmp_path / "tabular").iterdir()) == [spec.files[0].rpartition("/")[2]]


@pytest.mark.parametrize("how", ["corrupt", "truncated", "cut off", "not found", "error", "slow"])
@pytest.mark.parametrize("name", ["diabetes", "bike-sharing"])
def test_a_failed_download_leaves_no_files_and_gives_one_line(name, how, server, registry, tmp_path):
    file = "bike.zip" if name == "bike-sharing" else "diabetes.csv"
    good = server.files[file]
    server.files[file] = {
        "corrupt": bytes(reversed(good)),
        "truncated": good[:-200],
        "cut off": good[:-200],
        "not found": 404,
        "error": 500,
        "slow": 3.0,
    }[how]
    server.extra_length = 200 if how == "cut off" else 0
    folder = tmp_path / "data"
    with pytest.raises(DataUnavailable, match=f"{name} is not in .* could not be downloaded") as caught:
        load_dataset(registry.dataset(name), folder)
    assert "\n" not in str(caught.value)
    assert not folder.exists()
    server.files[file], server.extra_length = good, 0
    # a second attempt, when the server works
    again = tables.load_diabetes(folder, True, 0) if name == "diabetes" else tables.load_bike_sharing(folder, True)
    assert len(again.train) > len(again.test) > 0


def test_a_bike_table_with_other_content_is_refused(server, tmp_path):
    server.files["bike.zip"] = bike_archive(1_000)
    with pytest.raises(DataError, match=r"1,000 rows and 3,292,679 rentals, not 17,379 and"):
        tables.load_bike_sharing(tmp_path, download=True)


@pytest.mark.mnist
@pytest.mark.parametrize("name", ["diabetes", "bike-sharing"])
def test_the_real_tables_are_read_without_the_network(name, mnist_dir, registry, no_network):
    spec = registry.dataset(name)
    if not is_present(spec, mnist_dir):
        pytest.skip(f"needs {spec.files[0]} in $ZOO_DATA")
    data = load_dataset(spec, mnist_dir)
    if name == "bike-sharing":
        assert len(data.splits.test) == 502
        assert data.splits.test.inputs[:, 2].unique().tolist() == [12.0]
    else:
        whole = tables.read_diabetes(mnist_dir, download=False)
        assert whole.inputs[0].tolist()[:4] == [6, 148, 72, 35]
        # the counts that the literature gives: pregnancies have zeros, the others have missing values
        assert whole.inputs.isnan().sum(0).tolist() == [0, 5, 35, 227, 374, 11, 0, 0]
        assert int((whole.inputs[:, 0] == 0).sum()) == 111
        assert float(whole.inputs[:, 7].min()) == 21
        assert int(whole.targets.sum()) == 268  # 1 is ill
        assert spec.labels == ("healthy", "diabetes")


@pytest.mark.mnist
def test_half_of_the_diabetes_rows_are_never_tested(mnist_dir, no_network):
    if not (mnist_dir / tables.DIABETES_FILE).is_file():
        pytest.skip(f"needs {tables.DIABETES_FILE} in $ZOO_DATA")
    whole = tables.read_diabetes(mnist_dir, download=False)
    never, other = tables.diabetes_halves(whole.targets)
    assert sorted([*never.tolist(), *other.tolist()]) == list(range(768))
    chosen_on = {row.tobytes() for row in whole.inputs[never].numpy()}
    for seed in range(10):
        splits = tables.load_diabetes(mnist_dir, False, seed)
        tested = {row.tobytes() for row in splits.test.inputs.numpy()}
        trained = {row.tobytes() for row in splits.train.inputs.numpy()}
        assert not tested & chosen_on
        assert chosen_on <= trained
        assert len(tested | trained) == 768


PEOPLE = """name,age,city,income,ill
Ann,30,Rome,100,no
Bo,40,Oslo,,yes
Cy,,Rome,300,no
Di,60,,400,yes
Ed,50,Oslo,500,no
Flo,20,Rome,250,yes
"""


@pytest.fixture
def people(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    return path


def load_own(path, registry, task, **options):
    return load_named(str(path), registry, task, path.parent, options)


def test_a_user_table_is_read_with_kinds_and_missing_values(people, registry):
    data = load_own(people, registry, "binary", target="ill", drop=("name",), test=0.34)
    assert data.spec.labels == ("no", "yes")
    assert [(c.name, c.kind, c.labels) for c in data.spec.columns] == [
        ("age", "number", ()),
        ("city", "category", ("Oslo", "Rome")),
        ("income", "number", ()),
    ]
    splits = data.splits
    inputs = torch.cat([splits.train.inputs, splits.validation.inputs, splits.test.inputs])
    assert len(splits.test) == 2
    assert int(inputs.isnan().sum()) == 3
    assert data.spec.network_shape == (4,)


@pytest.mark.parametrize(
    ("task", "target", "outputs", "labels"),
    [
        ("classification", "city", 2, ("Oslo", "Rome")),
        ("regression", "age", 1, ("age",)),
        ("binary", "ill", 1, ("no", "yes")),
    ],
)
def test_the_target_is_read_according_to_the_task(task, target, outputs, labels, people, registry, caplog):
    data = load_own(people, registry, task, target=target)
    assert (data.spec.num_outputs, data.spec.labels) == (outputs, labels)
    if target in ("city", "age"):
        assert f"1 rows have no {target} and are left out" in caplog.text


def test_columns_of_numbers_can_be_categories(tmp_path, registry):
    path = tmp_path / "t.csv"
    path.write_text("hour;count\n" + "\n".join(f"{i % 3};{i}" for i in range(12)))
    data = load_own(path, registry, "regression", target="count", categories=("hour",))
    assert data.spec.columns == (Column(name="hour", kind="category", values=(0.0, 1.0, 2.0)),)


@pytest.mark.parametrize(
    ("content", "options", "problem"),
    [
        ("", {}, "is empty"),
        ("a,b\n", {}, "no rows"),
        ("a,b\n1,2\n", {}, "one row"),
        ("1,2\n3,4\n5,6\n", {}, "must name the columns"),
        ("a,a\n1,2\n3,4\n", {}, "two columns are called 'a'"),
        ("a,\n1,2\n3,4\n", {}, "column 2 has no name"),
        ("a,b\n1,2\n3\n", {}, "line 3: 1 cells under 2 columns"),
        ("a,b\n1,2\n3,4\n", {"target": ""}, "Give --target COLUMN; it has: a, b"),
        ("a,bee\n1,2\n3,4\n", {"target": "bea"}, "Did you mean 'bee'"),
        ("a,b\n1,2\n3,4\n", {"drop": ("c",)}, "no column"),
        ("a,b\n1,2\n3,x\n", {}, "line 3: b is 'x', which is not a number"),
        ("a,b\nx,\ny,NA\n", {}, "no rows with a b"),
        ("a,b\n,1\nNA,2\n", {}, "no column to predict b from"),
        ("a,b\n" + "\n".join(f"{'oops' if i == 30 else i},{i}" for i in range(60)), {}, "line 32: a is 'oops'"),
        ("a,b\n" + "\n".join(f"w{i},{i}" for i in range(101)), {}, "no column to predict b from"),
        (b"a,b\n\xff\xfe\x00,1\n", {}, "Cannot read"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_line(content, options, problem, tmp_path, registry):
    path = tmp_path / "t.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((DataError, UsageError), match=problem) as caught:
        load_own(path, registry, "regression", **({"target": "b"} | options))
    assert "\n" not in str(caught.value)


def test_a_target_that_does_not_suit_the_task_is_refused(people, registry):
    with pytest.raises(DataError, match="income has 5 different values, but a binary target has 2"):
        load_own(people, registry, "binary", target="income")
    with pytest.raises(DataError, match="line 2: city is 'Rome', which is not a number"):
        load_own(people, registry, "regression", target="city")


def test_compressed_tab_separated_windows_files_are_read_too(tmp_path, registry):
    path = tmp_path / "t.tsv.gz"
    path.write_bytes(gzip.compress("\ufeffa\tb\r\n1\t2\r\n3\t4\r\n5\t7\r\n".encode()))
    data = load_own(path, registry, "regression", target="b")
    assert [column.name for column in data.spec.columns] == ["a"]


def test_a_training_on_a_user_table_exports_with_raw_columns(people, registry, runs_dir, tmp_path):
    run = zoo.train(
        "diabetes-mlp",
        dataset=people,
        data_options={"target": "ill", "drop": ("name",)},
        epochs=3,
        runs_dir=runs_dir,
        registry=registry,
    )
    assert run.config["data"]["path"] == str(people)
    assert load_again(run.config, registry, tmp_path).fingerprint == run.config["data"]["fingerprint"]
    certificate = zoo.export(run.name, "onnx", tmp_path / "ill.onnx", runs_dir=runs_dir, registry=registry)
    import onnxruntime

    session = onnxruntime.InferenceSession(certificate.file, providers=["CPUExecutionProvider"])
    rows = np.array([[35.0, 1.0, 200.0], [np.nan, np.nan, np.nan]], np.float32)
    logits, probabilities = session.run(None, {"input": rows})
    assert np.isfinite(logits).all()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    people.write_text(PEOPLE.replace("Ann,30", "Ann,31"))
    with pytest.raises(DataError, match="no longer the data"):
        zoo.export(run.name, "onnx", tmp_path / "ill.onnx", runs_dir=runs_dir, registry=registry)


def test_a_missing_path_is_refused(zoo_command):
    result = zoo_command("train", "diabetes-mlp", "--dataset", "nowhere.csv", "--target", "x")
    assert result.code == 1
    assert "There is no file or folder nowhere.csv" in result.error
