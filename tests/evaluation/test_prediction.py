"""``zoo predict``: user images and rows, from a run, shipped weights or a bare file."""

import csv
import gzip
import io
import json
import os
import subprocess
import sys
import tracemalloc
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageDraw

import zoo
from zoo.evaluation.image_preparation import ImagePreparation, prepare_image
from zoo.evaluation.rows import _find_columns as find_columns


class Stdin:
    def __init__(self, content):
        self.buffer = io.BytesIO(content)


@pytest.fixture(scope="module")
def bikes_file(tmp_path_factory):
    """A network for a table with categories, trained for a few epochs."""
    folder = tmp_path_factory.mktemp("table")
    random = np.random.RandomState(0)
    with (folder / "sales.csv").open("w") as handle:
        handle.write("weather,price,open,sold\n")
        for _ in range(200):
            sun, price = random.randint(2), random.uniform(1, 5)
            handle.write(
                f"{'sun' if sun else 'rain'},{price:.3f},{random.randint(2)},{20 + 30 * sun - 3 * price:.3f}\n"
            )
    run = zoo.train(
        "bike-mlp",
        dataset=str(folder / "sales.csv"),
        data_options={"target": "sold"},
        epochs=10,
        runs_dir=folder / "runs",
    )
    return zoo.export(str(run.folder), "onnx", folder / "sales.onnx").file


@pytest.fixture(scope="module")
def digits():
    splits = zoo.load_dataset(zoo.create_registry().dataset("digits"), None).splits
    return splits.test.inputs.numpy()[:, 0], splits.test.targets.numpy()


def drawing(size=(600, 400), ground=255, ink=0):
    """A drawing of a seven, large and not centred."""
    picture = Image.new("L", size, ground)
    ImageDraw.Draw(picture).line([(60, 60), (200, 60), (110, 260)], fill=ink, width=26, joint="curve")
    return picture


def test_predictions_equal_those_of_onnxruntime(digits_file, digits, tmp_path, zoo_command):
    pixels, _ = digits
    session = onnxruntime.InferenceSession(digits_file, providers=["CPUExecutionProvider"])
    for k in range(70):  # more than one batch
        Image.fromarray(pixels[k]).save(tmp_path / f"{k:02}.png")
    found = list(zoo.predict(digits_file, [tmp_path]))
    wanted = session.run(None, {"input": pixels[:70, None]})[1]
    assert [answer.source for answer in found] == [str(tmp_path / f"{k:02}.png") for k in range(70)]
    given = np.array([list(answer.probabilities.values()) for answer in found])
    assert np.abs(given - wanted).max() < 1e-6
    assert not any(answer.steps for answer in found)  # images of the right size and mode are not changed


def test_a_run_and_its_file_give_the_same_predictions(digits_run, digits_file, zoo_command, digits, tmp_path):
    Image.fromarray(digits[0][0]).save(tmp_path / "x.png")
    answers = [
        json.loads(zoo_command("predict", what, tmp_path / "x.png", "--json").out)[0]
        for what in (digits_run.folder, digits_file)
    ]
    assert answers[0]["label"] == answers[1]["label"]
    assert answers[0]["probabilities"] == pytest.approx(answers[1]["probabilities"], abs=1e-5)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "I"])
@pytest.mark.parametrize("dark_on_light", [True, False])
def test_images_of_any_mode_size_and_colour_are_read(digits_file, tmp_path, mode, dark_on_light):
    picture = drawing() if dark_on_light else drawing(ground=0, ink=255)
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    else:
        picture = picture.convert("RGB").convert(mode) if mode in ("P", "CMYK") else picture.convert(mode)
    path = tmp_path / f"seven.{'tif' if mode in ('CMYK', 'F', 'I') else 'png'}"
    picture.save(path)
    (answer,) = zoo.predict(digits_file, [path])
    assert [answer] == list(zoo.predict(digits_file, path)) == list(zoo.predict(digits_file, str(path)))
    assert answer.label == "7"
    assert answer.steps == (("inverted", "framed") if dark_on_light else ("framed",))


def test_a_drawing_on_a_transparent_background(digits_file, tmp_path):
    picture = Image.new("RGBA", (600, 400), (0, 0, 0, 0))
    ImageDraw.Draw(picture).line([(60, 60), (200, 60), (110, 260)], fill=(0, 0, 0, 255), width=26, joint="curve")
    picture.save(tmp_path / "seven.png")
    (answer,) = zoo.predict(digits_file, [tmp_path / "seven.png"])
    assert answer.label == "7"


def test_images_are_prepared_like_those_of_mnist(digits_file, tmp_path):
    drawing().save(tmp_path / "seven.png")
    model = zoo.open_model(digits_file)
    array, _ = prepare_image(tmp_path / "seven.png", model.description, ImagePreparation())
    ink = array[0].astype(float)
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    assert max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1 in (20, 21)  # centred within a pixel
    centre = [(ink.sum(axis) @ (np.arange(28) + 0.5)) / ink.sum() for axis in (0, 1)]
    assert centre == pytest.approx([14, 14], abs=0.6)


def test_the_preparation_of_an_image_can_be_chosen(digits_file, tmp_path, zoo_command):
    drawing().save(tmp_path / "seven.png")
    file = tmp_path / "seven.png"
    message = zoo_command("predict", digits_file, file).err
    assert "was inverted" in message
    assert "--invert no" in message
    assert "was framed" in message
    left = zoo_command("predict", digits_file, file, "--invert", "no", "--frame", "no", "--fit", "stretch", "--json")
    assert json.loads(left.out)[0]["steps"] == ["stretch to 28x28"]


def test_bad_files_are_reported_and_the_others_predicted(digits_file, digits, tmp_path, zoo_command):
    folder = tmp_path / "mixed"
    (folder / "below").mkdir(parents=True)
    Image.fromarray(digits[0][0]).save(folder / "a.png")
    Image.fromarray(digits[0][1]).save(folder / "below" / "z.png")
    (folder / "empty.png").touch()
    (folder / "notes.txt").write_text("no image, and not named as one")
    (folder / "text.png").write_text("hello")
    (folder / "cut.png").write_bytes((folder / "a.png").read_bytes()[:60])
    Image.new("L", (40_000, 3), 7).save(folder / "wide.png")
    Image.new("1", (40_000, 12_000)).save(folder / "huge.png")
    (tmp_path / "nothing").mkdir()
    done = zoo_command("predict", digits_file, folder, tmp_path / "nothing", tmp_path / "gone.png", "--json")
    answers = {answer["source"].rpartition("/")[2]: answer for answer in json.loads(done.out)}
    assert {name for name, answer in answers.items() if "label" in answer} == {"a.png", "z.png"}
    errors = {name: answer["error"] for name, answer in answers.items() if "error" in answer}
    assert errors["empty.png"] == "empty file"
    assert errors["text.png"] == "not an image"
    assert errors["wide.png"].startswith("no digit found")
    assert errors["nothing"] == "no images in this folder: nothing to predict"
    assert errors["gone.png"] == "no such file"
    assert "100,000,000 pixels" in errors["huge.png"]
    assert "cut.png" in errors
    assert done.code == 1
    assert done.error == "7 of 9 inputs could not be read; see above."
    assert sum("empty.png" in line for line in done.err.splitlines()) == 1


def test_standard_input(digits_file, digits, tmp_path, zoo_command, monkeypatch):
    Image.fromarray(digits[0][0]).save(tmp_path / "a.png")
    Image.fromarray(digits[0][1]).save(tmp_path / "b.png")
    monkeypatch.setattr("sys.stdin", Stdin((tmp_path / "a.png").read_bytes()))
    assert zoo_command("predict", digits_file, "-").out.splitlines()[1].endswith("  -")
    monkeypatch.setattr("sys.stdin", Stdin(f"{tmp_path / 'a.png'}\n{tmp_path / 'b.png'}\n".encode()))
    assert len(zoo_command("predict", digits_file, "-").out.splitlines()) == 3


@pytest.mark.parametrize(
    ("header", "places"),
    [
        (["price", "weather"], {"weather": 1, "price": 0}),
        (["Price", "WEATHER"], {"weather": 1, "price": 0}),
        (["Price", "price", "other"], {"price": 1}),
        (["weather", "PRICE"], {"weather": 0}),  # the target
    ],
)
def test_columns_are_found_by_name_and_the_target_is_not_one_of_them(header, places):
    table = SimpleNamespace(labels=("PRICE",), predicts="numbers")
    assert find_columns(header, ["weather", "price"], table) == places


def test_two_columns_that_could_be_meant_are_named():
    table = SimpleNamespace(labels=("a", "b"), predicts="class")
    with pytest.raises(zoo.DataError, match="has 2 columns that could be price: Price, PRICE"):
        find_columns(["Price", "PRICE"], ["price"], table)


def test_rows_by_name_in_any_order(bikes_file, tmp_path, zoo_command, monkeypatch):
    table = "open;note;price;WEATHER\n1;x;2.5;sun\n0;;;rain\n1;x;3.0;sun\n"
    (tmp_path / "rows.csv").write_text(table)
    with gzip.open(tmp_path / "rows.csv.gz", "wt") as handle:
        handle.write(table)
    found = [list(zoo.predict(bikes_file, [tmp_path / name])) for name in ("rows.csv", "rows.csv.gz")]
    assert [answer.source.rpartition(":")[2] for answer in found[0]] == ["2", "3", "4"]
    assert [answer.values for answer in found[0]] == [answer.values for answer in found[1]]
    session = onnxruntime.InferenceSession(bikes_file, providers=["CPUExecutionProvider"])
    raw = np.array([[1, 2.5, 1], [0, np.nan, 0], [1, 3.0, 1]], dtype=np.float32)
    wanted = session.run(None, {"input": raw})[0][:, 0]
    assert [answer.values["sold"] for answer in found[0]] == pytest.approx(wanted.tolist(), rel=1e-5)
    assert wanted[0] > wanted[1]  # the network has learned the effect of sun
    monkeypatch.setattr("sys.stdin", Stdin(table.encode()))
    piped = zoo_command("predict", bikes_file, "-", "--csv")
    rows = list(csv.DictReader(io.StringIO(piped.out)))
    assert [float(row["sold"]) for row in rows] == pytest.approx(wanted.tolist(), rel=1e-5)


def test_rows_on_the_command_line(bikes_file, zoo_command):
    by_name, by_place = zoo.predict(bikes_file, ["weather=sun,price=2.5,open=1", "sun,2.5,1"])
    assert by_name.values == by_place.values
    assert "SOLD" in zoo_command("predict", bikes_file, "weather=sun").out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weather,open,sold\nsun,1,3\n", "lacks the column price; it has weather, open, sold"),
        ("weather,price,open\nsun,cheap,1\nsun,1,1\n", "rows.csv:2: price is 'cheap', which is not a number"),
        ("weather,price,open\nsun,inf,1\nsun,1,1\n", "rows.csv:2: price is 'inf', which is not a number"),
        ("weather,price,open\nsun,1\nsun,1,1\n", "rows.csv:2: 2 cells, but the first line has 3"),
        ("", "no rows"),
        ("weather,price,open\n", "rows.csv: no rows under the header: nothing to predict"),
        ("\x00\x00", "not text in UTF-8"),
        ("weather,Price,PRICE,open\nsun,1,2,1\n", "has 2 columns that could be price: Price, PRICE"),
        ("weather,price,open\nsun,1e400,1\n", "rows.csv:2: price is '1e400', which is not a number"),
        ("weather,price,open\nsun," + "x" * 1_000_000 + ",1\n", "rows.csv:2: price is 'xxxx"),
    ],
)
def test_bad_rows_are_reported_and_the_others_predicted(bikes_file, tmp_path, zoo_command, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text(text)
    done = zoo_command("predict", bikes_file, "rows.csv", "sun,2,1")
    assert message in done.err
    assert done.out.splitlines()[-1].endswith("sun,2,1")
    assert done.code == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("wether=sun", "did you mean 'weather'"),
        ("1,2", "2 numbers, but"),
        ("colour=red", "there is no column 'colour'"),
    ],
)
def test_a_bad_row_on_the_command_line(bikes_file, zoo_command, row, message):
    assert message in zoo_command("predict", bikes_file, row).err


def test_missing_values_without_declared_columns_are_refused(zoo_command, digits_file, tmp_path):
    """A model without declared columns has no replacement for a missing value."""
    description = zoo.ModelDescription("net", "regression", (2,), ("y",), (), "d", "r", None, {})
    from zoo.evaluation.rows import parse_row

    assert parse_row("1,nan", description).error == "column 2 is missing"


def test_a_file_needs_no_torch(digits_file, digits, tmp_path):
    Image.fromarray(digits[0][0]).save(tmp_path / "x.png")
    script = (
        "import sys, cli\n"
        "try:\n    cli.main(sys.argv[1:])\n"
        "finally:\n    print('torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "predict", digits_file, tmp_path / "x.png"], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[1].endswith("x.png")
    assert done.stderr.splitlines()[-1] == "False"


def test_memory_does_not_grow_with_the_number_of_files(digits_file, digits, tmp_path):
    Image.fromarray(digits[0][0]).save(tmp_path / "x.png")
    peaks = []
    answers = zoo.predict(digits_file, (tmp_path / "x.png" for _ in range(1_600)))
    tracemalloc.start()
    try:
        for count, _ in enumerate(answers, 1):
            if count in (400, 1_600):
                peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.1 + 100_000


def test_two_output_formats_at_once_are_refused(zoo_command, digits_file):
    assert zoo_command("predict", digits_file, "x.png", "--csv", "--json").code == 2


@pytest.mark.parametrize("content", [b"", b"\n \n"])
@pytest.mark.parametrize("what", ["digits_file", "bikes_file"])
def test_nothing_to_predict_is_said(what, content, zoo_command, monkeypatch, request):
    monkeypatch.setattr("sys.stdin", Stdin(content))
    done = zoo_command("predict", request.getfixturevalue(what), "-")
    assert done.code == 2
    assert done.error == "There is nothing to predict: the inputs hold no samples."


def test_a_header_without_rows_is_nothing_to_predict(bikes_file, zoo_command, tmp_path):
    (tmp_path / "rows.csv").write_text("weather,price,open\n")
    done = zoo_command("predict", bikes_file, tmp_path / "rows.csv")
    assert done.code == 2
    assert "no rows under the header" in done.err


def test_of_names_that_differ_in_case_the_exact_one_is_used(bikes_file, tmp_path):
    (tmp_path / "both.csv").write_text("PRICE,weather,price,open\n4,sun,1,1\n")
    (tmp_path / "one.csv").write_text("weather,Price,open\nsun,1,1\n")
    both, one = zoo.predict(bikes_file, [tmp_path / "both.csv", tmp_path / "one.csv"])
    assert both.values == one.values


BAD_INPUTS = ["~nosuchuser/x.csv", "x" * 5_000, "a\0b", "/dev/null/x", "1," * 60_000, "/dev/zero", "pipe", "loop"]


@pytest.mark.skipif(os.name != "posix", reason="needs pipes and links")
@pytest.mark.parametrize("what", ["digits_file", "bikes_file"])
def test_inputs_that_are_no_files_do_not_hide_the_others(what, digits, zoo_command, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.symlink("loop", "loop")
    os.mkdir("folder")
    os.mkfifo("folder/pipe.png")
    os.symlink("/dev/zero", "folder/zero.png")
    Image.fromarray(digits[0][0]).save("good.png")
    good = "good.png" if what == "digits_file" else "sun,2,1"
    done = zoo_command("predict", request.getfixturevalue(what), *BAD_INPUTS, "folder", good)
    assert done.code == 1
    assert done.out.splitlines()[-1].endswith(good)
    lines = [line for line in done.err.splitlines() if not line.startswith("Note")]
    assert len(lines) == len(BAD_INPUTS) + (3 if what == "digits_file" else 2)


@pytest.mark.parametrize(
    "content",
    [bytes(range(1, 200)), b"\x1b[31m" * 90, b"x" * 100_000, b"BM" + bytes(500), b"RIFF\x10\0\0\0WEBP" + bytes(9)],
)
def test_other_content_on_standard_input_is_one_line(content, digits_file, zoo_command, monkeypatch):
    monkeypatch.setattr("sys.stdin", Stdin(content))
    done = zoo_command("predict", digits_file, "-")
    assert done.code == 1
    assert len(done.err.splitlines()) == 2
    assert "\x1b" not in done.err


@pytest.mark.skipif(os.name != "posix", reason="needs names of any bytes")
@pytest.mark.parametrize("output", [(), ("--json",), ("--csv",)])
@pytest.mark.parametrize("name", [b"caf\xe9.png", b"a\nError: forged.png", b"\x1b[31m.png"])
def test_names_of_any_bytes_are_shown_in_one_line(name, output, digits_file, digits, tmp_path, zoo_command):
    folder = tmp_path / "names"
    folder.mkdir()
    try:
        Image.fromarray(digits[0][0]).save(tmp_path / "x.png")
        os.rename(tmp_path / "x.png", os.path.join(os.fsencode(folder), name))
        (folder / "bad\nError: forged.png").write_bytes(b"")
    except OSError:
        pytest.skip("this file system has no such names")
    done = zoo_command("predict", digits_file, folder, *output)
    assert done.code == 1
    assert "1 of 2" in done.error  # there is one line that begins with Error
    done.out.encode()
    assert "\x1b" not in done.out or output == ("--csv",)
    assert not any(line.startswith("Error: ") for line in done.out.splitlines()) or output == ("--csv",)
