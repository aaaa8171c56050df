import sys

import pytest

from zoo import formatting

COLUMNS = ("RUN", "STATUS", "TEST", "WHAT IT IS")
ROWS = [
    ("resnet-mini/20260101-120000", "finished", "99.58%", "a longer text of several words, which may be wrapped"),
    ("x", "interrupted", "-", "[bold]no markup[/bold]"),
]


def test_without_a_terminal_a_table_is_aligned_text():
    lines = formatting.table(COLUMNS, ROWS, numeric=("TEST",)).splitlines()
    assert len(lines) == 3
    assert {line.index(word) for line, word in zip(lines, ("STATUS", "finished", "interrupted"), strict=True)} == {29}
    assert lines[2].index("-") == lines[0].index("TEST") + 3
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", range(20, 130))
def test_on_a_terminal_of_any_width_nothing_is_cut_off(width, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    lines = formatting.table(COLUMNS, ROWS, numeric=("TEST",), wrap=("WHAT IT IS",)).splitlines()
    text = "\n".join(lines)
    for row in ROWS:
        assert all(cell in text for cell in row[:3])
        assert all(word in text.split() for word in row[3].split())
    # what cannot wrap, and a last column of sixteen, are the least that a line takes
    assert max(map(len, lines)) <= max(width, 27 + 11 + 6 + 3 * 2 + 16)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (125, "2:05"), (3_725, "1:02:05"), (-3, "0 s")]
)
def test_durations_read_as_a_clock(seconds, text):
    assert formatting.duration(seconds) == text
