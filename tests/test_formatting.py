import sys

import pytest

from zoo import formatting

COLUMNS = ("RUN", "STATUS", "TEST", "DESCRIPTION")
ROWS = [
    ("resnet-mini/20260101-120000", "finished", "99.58%", "a longer text of several words, which may be wrapped"),
    ("x", "interrupted", "-", "[bold]no markup[/bold]"),
]
LONG = "a text that is much longer than what a terminal of usual width can show beside all the other columns"


@pytest.fixture(autouse=True)
def unknown_width(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)


def test_a_table_is_aligned_text():
    lines = formatting.table(COLUMNS, ROWS, numeric=("TEST",)).splitlines()
    assert len(lines) == 3
    assert {line.index(word) for line, word in zip(lines, ("STATUS", "finished", "interrupted"), strict=True)} == {29}
    assert lines[2].index("-") == lines[0].index("TEST") + 3
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", range(20, 130))
def test_on_a_terminal_of_any_width_nothing_is_cut_off(width, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    lines = formatting.table(COLUMNS, ROWS, numeric=("TEST",), wrap=("DESCRIPTION",)).splitlines()
    text = "\n".join(lines)
    for row in ROWS:
        assert all(cell in text for cell in row[:3])
        assert all(word in text.split() for word in row[3].split())
    # the smallest line: columns that cannot wrap, and sixteen characters for the last column
    assert max(map(len, lines)) <= max(width, 27 + 11 + 6 + 3 * 2 + 16)


@pytest.mark.parametrize("width", [20, 40, 41, 42, 80])
def test_no_character_of_a_long_word_is_lost(width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    word = "".join(map(chr, range(0x100, 0x180)))
    text = formatting.table(("A", "B", "C"), [(f"x {word}", "name", f"{word} y")], wrap=("A", "C"))
    assert sorted("".join(text.split())) == sorted(f"ABCxname{word}{word}y")


def test_in_a_pipe_text_wraps_at_a_fixed_width_and_nothing_else_does():
    name = "n" * 60
    lines = formatting.table(("NAME", "TEXT"), [(name, LONG)], wrap=("TEXT",)).splitlines()
    assert lines[1].startswith(f"{name}  a text")
    assert len(lines) > 3
    assert max(map(len, lines)) <= formatting.WIDTH


def test_in_a_pipe_a_row_can_stay_on_one_line(monkeypatch):
    table = ("NAME", "TEXT"), [("x", LONG)]
    assert formatting.table(*table, wrap=("TEXT",), one_line=True).splitlines()[1] == f"x     {LONG}"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    assert len(formatting.table(*table, wrap=("TEXT",), one_line=True).splitlines()) == 3


def test_wide_characters_are_aligned_by_their_width():
    _, short, long = formatting.table(("LABEL", "N"), [("猫", 1), ("日本語", 2)]).splitlines()
    assert short == "猫" + " " * 6 + "1"  # each of these characters is two columns wide
    assert long == "日本語" + " " * 2 + "2"


def test_a_table_without_rows_is_its_header():
    assert formatting.table(("A", "B"), []) == "A  B"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (125, "2:05"), (3_725, "1:02:05"), (-3, "0 s")]
)
def test_durations_are_formatted_like_a_clock(seconds, text):
    assert formatting.duration(seconds) == text
