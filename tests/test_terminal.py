import re
import sys

import pytest

from zoo import terminal

COLUMNS = ("RUN", "STATUS", "TEST", "WHAT IT IS")
ROWS = [
    ("resnet-mini/20260101-120000", "finished", "99.58%", "a longer text of several words, which may be wrapped"),
    ("x", "interrupted", "-", "[bold]no markup[/bold]"),
]


def test_without_a_terminal_a_table_is_aligned_text():
    lines = terminal.table(COLUMNS, ROWS, numeric=("TEST",)).splitlines()
    assert len(lines) == 3
    assert {line.index(word) for line, word in zip(lines, ("STATUS", "finished", "interrupted"), strict=True)} == {29}
    assert lines[2].index("-") == lines[0].index("TEST") + 3
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_on_a_terminal_of_any_width_nothing_is_cut_off(width, monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    terminal.show("a line", terminal.table(COLUMNS, ROWS, numeric=("TEST",), wrap=("WHAT IT IS",)))
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    for row in ROWS:
        for cell in row[:3]:
            assert cell in text
    words = text.split()
    assert all(word in words for word in ROWS[0][3].split())
    assert "".join(ROWS[1][3].split()) in "".join(words)
    assert text.startswith("a line\nRUN")
    assert max(len(line.rstrip()) for line in text.splitlines()) <= max(width, 63)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00"), (125, "2:05"), (3_725, "1:02:05"), (-3, "0 s")]
)
def test_durations_read_as_a_clock(seconds, text):
    assert terminal.duration(seconds) == text
