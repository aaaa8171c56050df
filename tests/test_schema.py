"""Reading JSON: every kind of damage gives one line with the file and the field."""

import os

import msgspec
import pytest

from zoo import ZooError
from zoo.schema import LARGEST_JSON, convert, parse_json, read_json, read_limited


class Point(msgspec.Struct, forbid_unknown_fields=True):
    x: int
    names: list[str] = []


def test_a_correct_file_is_read(tmp_path):
    path = tmp_path / "point.json"
    path.write_text('{"x": 1, "names": ["a"]}')
    assert read_json(path, Point, "the point") == Point(1, ["a"])
    assert convert({"x": 2}, Point, "the point") == Point(2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "truncated"),
        (b"{", "truncated"),
        (b'{"x": 1} x', "trailing"),
        (b'{"x": "1"}', r"`\$\.x`"),
        (b'{"x": 1, "names": [1]}', r"`\$\.names\[0\]`"),
        (b'{"x": 1, "y": 1}', "unknown field `y`"),
        (b'{"x": NaN}', "malformed"),
        (b"{}", "required field `x`"),
        (b"\xff\xfe{\x00}\x00", "malformed"),
        (b'{"x": 1, "names": ["\xff"]}', "utf-8"),
        (b"[" * 10_000, "nested too deeply|got `array`"),
    ],
)
def test_damage_is_one_line_with_the_file(content, words, tmp_path):
    path = tmp_path / "point.json"
    path.write_bytes(content)
    with pytest.raises(ZooError, match=f"(?i){words}") as caught:
        read_json(path, Point, "the point", "Write it again.")
    message = str(caught.value)
    assert message.startswith(f"The point {path} is damaged: ")
    assert message.endswith(". Write it again.")
    assert "\n" not in message


def test_deep_nesting_in_any_value_is_refused():
    with pytest.raises(ZooError, match="nested too deeply"):
        parse_json(b"[" * 100_000 + b"]" * 100_000, object, "the text")


def test_a_missing_file_is_the_callers_concern(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "missing.json", Point, "the point")


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ZooError, match=r"not a regular file|Is a directory"):
            read_json(path, Point, "the point")
    with pytest.raises(ZooError, match="Cannot read the point"):
        read_json(tmp_path / "a\0b", Point, "the point")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(LARGEST_JSON + 1)
    with pytest.raises(ZooError, match="at most"):
        read_json(path, Point, "the point")


def test_a_file_of_the_largest_size_is_read(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc")
    assert read_limited(path, 3, "the file") == b"abc"
    with pytest.raises(ZooError, match="it has 3 bytes, at most 2 fit"):
        read_limited(path, 2, "the file")


def test_half_of_a_surrogate_pair_in_place_of_a_number_is_one_line():
    """JSON can hold it as an escape; msgspec cannot print it in its message. Found by benchmarks/fuzz_json.py."""
    with pytest.raises(ZooError, match=r"The metadata is damaged: .*surrogates"):
        convert({"loss": "\ud800"}, dict[str, float], "the metadata")
