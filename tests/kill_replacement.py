"""Script of test_files.py: kill the replacement of a pair at every operation, and its repair too; print the counts."""

import functools
import json
import logging
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from fault_injection import KILLED, attempt, kill, kills, operations, stray, watch

from zoo.files import Unit, recover, write_together

ENOUGH = 500


def main(folder: Path) -> None:
    """Try every operation, with and without earlier files, for a pair and for a unit like a bundle."""
    found = {"kills": 0, "old": 0, "new": 0, "repaired": 0, "kills in the repair": 0}
    logging.disable()  # a note for each repair
    watch(folder)
    for action in (pair, bundle):
        for earlier in ("", "old"):
            home = folder / f"{action.__name__}-{earlier}"
            start(home, earlier)
            write = functools.partial(action, home, "new")
            for at, torn in kills(operations(write)):
                start(home, earlier)
                assert attempt(write, kill(at, torn)) == KILLED, at
                found["kills"] += 1
                examine(home, earlier, action, found)
    print(json.dumps(found))


def pair(home: Path, text: str) -> None:
    """Replace a file and its certificate."""
    write_together({home / "x.onnx": text, home / "x.onnx.json": text})


def bundle(home: Path, text: str) -> None:
    """Replace a pair and a file in a folder, and delete an old file."""
    with Unit(home / "x.onnx") as unit:
        for name in ("x.onnx", "x.onnx.json", "vectors/input"):
            unit.add(home / name).write_text(text)
        if (home / "vectors" / "stale").exists():
            unit.remove(home / "vectors" / "stale")


def start(home: Path, earlier: str) -> None:
    """The state before an attempt."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    if earlier:
        bundle(home, earlier)
        (home / "vectors" / "stale").write_text(earlier)


def examine(home: Path, earlier: str, action: Callable[[Path, str], None], found: dict[str, int]) -> None:
    """After a kill: all files are old, or the repair makes all of them new; the next command leaves nothing behind."""
    before = state(home)
    if any(home.glob(".*.pending")):
        found["kills in the repair"] += repair_with_kills(home)
    recover(home / "x.onnx")
    after = state(home)
    names = ("x.onnx", "x.onnx.json") if action is pair else ("x.onnx", "x.onnx.json", "vectors/input")
    contents = {after.get(name, "") for name in names}
    assert contents in ({earlier}, {"new"}), after
    assert action is pair or ("vectors/stale" in after) == (contents == {"old"}), after
    found["repaired" if before != after else "old" if contents == {earlier} else "new"] += 1
    action(home, "next")
    assert not stray(home), stray(home)
    assert set(state(home).values()) <= {"next", earlier}


def repair_with_kills(home: Path) -> int:
    """Kill the repair at its first operation, then at its second, and so on: each continues the one before."""
    for at in range(1, ENOUGH):
        if attempt(lambda: recover(home / "x.onnx"), kill(at)) != KILLED:
            return at - 1
    raise AssertionError("the repair never ends")


def state(home: Path) -> dict[str, str]:
    """The content of every file of the unit."""
    return {
        path.relative_to(home).as_posix(): path.read_text()
        for path in home.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
