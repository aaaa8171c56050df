"""User files as tokens and signals: whatever they hold is samples or errors in one line."""

import io

import numpy as np
import pytest

from zoo.inputs.reader import load_reader
from zoo.inputs.user_files import read_samples, read_samples_of

SHAPE = (2, 3)
NOTHING = "no samples: nothing to predict"


@pytest.fixture
def signals(registry):
    return load_reader(registry.input("signal"), SHAPE, {})


@pytest.fixture
def letters(registry):
    return load_reader(registry.input("tokens"), (5,), {"vocabulary": ("a", "b"), "lower": True})


def read(reader, path, content):
    """The samples of a file with this content; on a stream it holds the same, or has a similar error."""
    path.write_bytes(content)
    found = list(read_samples([path], reader, ""))
    streamed = list(read_samples_of(reader, str(path), io.BytesIO(content)))
    assert [kind_of(sample) for sample in found] == [kind_of(sample) for sample in streamed]
    return found


def kind_of(sample):
    """The error without what NumPy says, or the values."""
    return sample.error.partition(":")[0] or sample.array.tolist()


def array_file(array, **options):
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"1,2,3,4,5,6\n", [[[1, 2, 3], [4, 5, 6]]]),
        (b"1;2;3;4;5;6\r\n\r\n6 5 4 3 2 1\r\n", [[[1, 2, 3], [4, 5, 6]], [[6, 5, 4], [3, 2, 1]]]),
        (b"left,right\n1,4\n2,5\n3,6\n", [[[1, 2, 3], [4, 5, 6]]]),
        ("1\t4\n2\t5\n3\t6".encode("utf-16"), [[[1, 2, 3], [4, 5, 6]]]),
        (array_file(np.arange(6).reshape(2, 3)), [[[0, 1, 2], [3, 4, 5]]]),
        (array_file(np.arange(12.0).reshape(2, 2, 3)), [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]),
    ],
)
def test_signals_are_read_from_lines_columns_and_arrays(content, wanted, signals, tmp_path):
    found = read(signals, tmp_path / "file", content)
    assert [sample.error for sample in found] == [""] * len(wanted)
    assert [sample.array.tolist() for sample in found] == wanted
    assert all(sample.array.dtype == np.float32 for sample in found)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", NOTHING),
        (b"\n \n", NOTHING),
        (b"left,right\n", NOTHING),
        (b"1,2,3,4,5\n", "5 values, but the model takes 2 channels of 3 values: 6 in each line, or 2 in each of 3"),
        (b"1,2,3,4,5,\n", "value 6 is missing"),
        (b"1,2,3,4,5,nan\n", "value 6 is 'nan', which is not a number"),
        (b"1,2,3,4,5,1_0\n", "value 6 is '1_0', which is not a number"),
        (b"1,2,3,4,5,1e999\n", "value 3 of channel 2 is inf, which is too large"),
        (b"1,2,3,4,5,1e39\n", "value 3 of channel 2 is 1e+39, which is too large"),
        (b"1,4\n2,5\n", "2 lines of values, but the model takes 2 channels of 3 values"),
        (b"1,4\n2,5\n3,6\n4,7\n", "more than 3 lines"),
        (b"1,4\n2\n3,6\n", "1 values, not 2"),
        (b"\xff\xfe\xff\x00\x9f", "not text"),
        (b"1,2,3\0,4,5,6\n", "not text in UTF-8: it contains NUL bytes"),
        (b"\x93NUMPY", "not an array of NumPy"),
        (array_file(np.zeros((2, 3)))[:-8], "not an array of NumPy"),
        (array_file(np.zeros((2, 4))), "an array of shape (2, 4), but the model takes 2 channels of 3 values"),
        (array_file(np.zeros((0, 2, 3))), NOTHING),
        (array_file(np.array([{}], dtype=object), allow_pickle=True), "not an array of NumPy"),
        (array_file(np.zeros((2, 3), complex)), "an array of type complex128, not of numbers"),
        (array_file(np.array([["a"]])), "an array of type <U1, not of numbers"),
        (array_file(np.full((2, 3), np.nan)), "value 1 of channel 1 is missing (NaN)"),
    ],
)
def test_a_file_that_holds_no_signal_gives_one_line(content, error, signals, tmp_path):
    (sample,) = read(signals, tmp_path / "file", content)
    assert sample.array is None
    assert error in sample.error
    assert "\n" not in sample.error


def test_a_wrong_line_does_not_stop_the_others(signals, tmp_path):
    found = read(signals, tmp_path / "file", b"1,2,3,4,5,6\n1,2\n1,2,3,4,5,x\n6,5,4,3,2,1\n")
    assert [bool(sample.error) for sample in found] == [False, True, True, False]
    assert found[-1].source.endswith("file:4")


def test_a_header_that_promises_more_than_the_file_holds_is_refused(signals, tmp_path):
    content = array_file(np.zeros((1, 2, 3))).replace(b"(1, 2, 3)", b"(9999999999, 2, 3)")
    path = tmp_path / "file.npy"
    path.write_bytes(content)
    (sample,) = read_samples([path], signals, "")
    assert "not an array of NumPy" in sample.error


@pytest.mark.parametrize(
    ("content", "errors"),
    [
        (b"ab\n\n  BA  \n", ["", ""]),
        (b"abababa\na\n", ["7 characters, but the model takes at most 5", ""]),
        (b"", [NOTHING]),
        (b" \n\t\n", [NOTHING]),
        (b"a\0\n", ["not text in UTF-8: it contains NUL bytes; give its encoding, such as --encoding latin-1"]),
        (b"caf\xe9\n", ["not text in UTF-8; give its encoding, such as --encoding latin-1"]),
    ],
)
def test_texts_are_sequences_or_errors(content, errors, letters, tmp_path):
    found = read(letters, tmp_path / "file", content)
    assert len(found) == len(errors)
    for sample, error in zip(found, errors, strict=True):
        assert sample.error.startswith(error)
        assert (sample.array is None) == bool(error)


def test_the_first_unknown_letter_is_named(letters, tmp_path):
    (sample,) = read(letters, tmp_path / "file", "a漢x\n".encode())
    assert sample.unseen == {"a character": "漢"}
    assert sample.array.tolist() == [2, 1, 1, 0, 0]


def test_texts_and_signals_are_read_in_the_given_encoding(letters, signals, tmp_path):
    path = tmp_path / "file"
    path.write_bytes("é\n".encode("latin-1"))
    (text,) = read_samples([path], letters, "latin-1")
    assert text.unseen == {"a character": "é"}
    path.write_bytes("1,2,3,4,5,6\n".encode("utf-16-le"))  # without a byte order mark
    (signal,) = read_samples([path], signals, "utf-16-le")
    assert signal.array.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_what_is_no_file_is_an_error(letters, tmp_path):
    found = list(read_samples([tmp_path / "missing", tmp_path, "a\0b"], letters, ""))
    assert [sample.error for sample in found] == ["no such file", "a folder, not a file", "no such file"]


def test_a_sample_of_another_shape_or_type_than_declared_is_an_error(letters, tmp_path, monkeypatch):
    monkeypatch.setattr(type(letters), "_sample", lambda self, source, *rest: _sample(source))
    (sample,) = read(letters, tmp_path / "file", b"a\n")
    assert sample.array is None
    assert sample.error == "the reader of tokens gave float64 [3], not int64 [5]"


def _sample(source):
    from zoo import InputSample

    return InputSample(source, np.zeros(3))
