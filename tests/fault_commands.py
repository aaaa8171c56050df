"""Script of test_full_disk.py and benchmarks/faults.py: faults at every file operation of real commands.

    python tests/fault_commands.py FOLDER KIND:COMMAND:STEP …

KIND is kill, full, limit, read-only or vanish. Every STEP-th operation is tried, of kills the last ones first, because
they put the files in place. The last line on standard output is JSON: for each argument, the number of attempts by
outcome. Any broken rule ends the script with an exit code. Kills are counted on standard error as they happen.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import os
import shutil
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fault_injection as faults
import tiny_plugin
import torch

import zoo
from cli import cli
from zoo.commandline import run_command
from zoo.files import sha256

torch.set_num_threads(1)  # a forked process has no other threads
LIMITS = (1, 300, 3_000, 12_000, 40_000)
"""Bytes: the largest file that can be written."""


@dataclass
class Place:
    """The folders of a campaign: runs of two different trainings, and one exported file."""

    folder: Path
    registry: zoo.Registry
    old: zoo.Run
    new: zoo.Run
    file: Path

    @property
    def work(self) -> Path:
        """The folder that the commands write to."""
        return self.folder / "work"

    def run(self, *arguments: object) -> int:
        """Run a command. Its output is in ``out.txt``; an unexpected error is exit code 70."""
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = run_command(cli, [str(argument) for argument in arguments], self.registry)
        faults.lift_limit()  # for the output
        (self.folder / "out.txt").write_text(shown.getvalue())
        errors = [line for line in shown.getvalue().splitlines() if line.startswith("Error: ")]
        sound = len(errors) == (code != 0) and "unexpected" not in shown.getvalue() and "Traceback" not in errors
        return code if sound else 70

    def shown(self) -> str:
        """The output of the last command."""
        return (self.folder / "out.txt").read_text()


def prepare(folder: Path) -> Place:
    """Train twice and export once."""
    registry = zoo.create_registry()
    registry.add(zoo.Plugin("tiny", "third-party", "1.0", "tiny_plugin"), tiny_plugin)
    runs = [
        zoo.train("tiny-cnn", registry=registry, runs_dir=folder / "runs", epochs=1, device="cpu", seed=seed)
        for seed in (0, 1)
    ]
    file = folder / "file.onnx"
    zoo.export(str(runs[0].folder), output=file, registry=registry)
    return Place(folder, registry, *runs, file)


# What each command writes, and the rule that the files must obey after a fault: all old, all new, or not there.


def command(place: Place, name: str, run: zoo.Run) -> list[object]:
    """The command line of a campaign for the old or the new run."""
    work = place.work
    export = ["export", run.folder, "--onnx"]
    return {
        "train": ["train", "tiny-cnn", "--runs-dir", work / "runs", "--epochs", "2", "--device", "cpu"],
        "export": [*export, "-o", work / "x.onnx"],
        "int8": [*export, "--int8", "--max-drop", "100", "-o", work / "x.onnx"],
        "pt2": ["export", run.folder, "--pt2", "-o", work / "x.pt2"],
        "bundle": [*export, "--bundle", work / "bundle"],
        "report": ["report", run.folder, "-o", work / "report"],
        "demo": ["demo", place.file, "-o", work / "demo.html"],
        "eval": ["eval", run.folder, "-o", work / "plots"],
    }[name]


def versions(place: Place, name: str) -> set[str]:
    """For every file of the unit, which run it is of: ``old``, ``new``, or ``none`` if it is missing."""
    work = place.work
    files = {
        "export": [work / "x.onnx.json", work / "x.onnx"],
        "int8": [work / "x.onnx.json", work / "x.onnx"],
        "pt2": [work / "x.pt2.json", work / "x.pt2"],
        "bundle": [work / "bundle" / "model.onnx.json", work / "bundle" / "model.onnx"],
        "report": [work / "report" / "report.html", work / "report" / "model-card.md"],
    }.get(name, [])
    found = set()
    for path in files:
        if not path.exists():
            found.add("none")
        elif path.suffix in (".html", ".md"):
            found.add(next((age for age in ("old", "new") if getattr(place, age).folder.name in path.read_text()), "?"))
        else:
            certificate = (
                json.loads(files[0].read_text()) if files[0].exists() else {"file": {"sha256": ""}, "model": {}}
            )
            digest = certificate["model"].get("checkpoint_sha256")
            age = next((age for age in ("old", "new") if sha256(getattr(place, age).best) == digest), "?")
            whole = path is files[0] or certificate["file"]["sha256"] == sha256(path)
            found.add(age if whole else "?")
    if name == "report" and (work / "report" / "exports" / "tiny-cnn.onnx.json").exists():
        exported = work / "report" / "exports" / "tiny-cnn.onnx"
        certificate = json.loads(exported.with_name("tiny-cnn.onnx.json").read_text())
        assert certificate["file"]["sha256"] == sha256(exported)
    return found


def recover(place: Place, name: str) -> None:
    """What the next command does before it looks at a file."""
    from zoo.files import recover as complete

    for path in ("x.onnx", "x.pt2", "bundle/model.onnx", "report/report.html", "report/exports/tiny-cnn.onnx"):
        if (place.work / path).parent.is_dir():
            complete(place.work / path)


def start(place: Place, name: str, saved: Path | None) -> None:
    """The state before an attempt: empty, or as ``saved``."""
    shutil.rmtree(place.work, ignore_errors=True)
    if saved is None:
        place.work.mkdir()
    else:
        shutil.copytree(saved, place.work)


def earlier_states(place: Place, name: str) -> list[Path | None]:
    """An empty folder, and one that holds what the command wrote for the old run."""
    start(place, name, None)
    assert faults.attempt(lambda: place.run(*command(place, name, place.old)), lambda *_: None) == 0, place.shown()
    saved = place.folder / f"saved-{name}"
    shutil.rmtree(saved, ignore_errors=True)
    shutil.copytree(place.work, saved)
    return [None, saved]


def kill(place: Place, name: str, step: int) -> Counter[str]:
    """SIGKILL at every operation: old, new or repaired, and the next command leaves nothing behind."""
    found: Counter[str] = Counter()
    for saved in earlier_states(place, name):
        before = {"none"} if saved is None else {"old"}
        start(place, name, saved)
        action = functools.partial(place.run, *command(place, name, place.new))
        for at, torn in list(faults.kills(faults.operations(action)))[::-step]:
            start(place, name, saved)
            assert faults.attempt(action, faults.kill(at, torn)) == faults.KILLED, (name, at)
            pending = bool(list(place.work.rglob(".*.pending")))
            recover(place, name)
            state = versions(place, name)
            assert state in (before, {"new"}, set()), (name, at, state)
            found["repaired" if pending else "new" if state == {"new"} else "old"] += 1
            assert faults.attempt(action, lambda *_: None) == 0, place.shown()
            assert versions(place, name) in ({"new"}, set())
            assert name == "train" or not faults.stray(place.work), (name, at, faults.stray(place.work))
            print(f"{name}, {'new' if saved is None else 'used'} folder: {dict(found)}", file=sys.stderr, flush=True)
    return found


def injected(
    place: Place, name: str, step: int, fault: Callable[[int], Callable[..., None]], *, may_leave: bool = False
) -> Counter[str]:
    """A fault from the n-th operation on: one line and exit code 1, the earlier files are unharmed, nothing is left."""
    found: Counter[str] = Counter()
    for saved in earlier_states(place, name):
        before = {"none"} if saved is None else {"old"}
        start(place, name, saved)
        action = functools.partial(place.run, *command(place, name, place.new))
        for at in range(1, len(faults.operations(action)) + 1)[::step]:
            start(place, name, saved)
            code = faults.attempt(action, fault(at))
            examine(place, name, before, code, (name, at, saved), found, may_leave)
    return found


def examine(
    place: Place, name: str, before: set[str], code: int, where: object, found: Counter[str], may_leave: bool
) -> None:
    """After a fault that is an error of the system."""
    assert code in (0, 1), (where, code, place.shown())
    if not may_leave:
        pending = bool(list(place.work.rglob(".*.pending")))
        assert pending or not faults.stray(place.work), (where, faults.stray(place.work))
        recover(place, name)
        assert versions(place, name) in (before, {"new"}, set()), (where, versions(place, name), place.shown())
    found["one line, exit code 1" if code else "done in spite of it"] += 1


def limit(place: Place, name: str, step: int) -> Counter[str]:
    """No file can be larger than a limit: the fault comes in the middle of a write, also of a write in C++."""
    found: Counter[str] = Counter()
    for saved in earlier_states(place, name):
        for size in LIMITS[::step]:
            start(place, name, saved)
            action = functools.partial(place.run, *command(place, name, place.new))
            code = faults.attempt(action, lambda *_: None, limit=size)
            examine(place, name, {"none"} if saved is None else {"old"}, code, (name, size, saved), found, False)
    return found


def campaign(place: Place, kind: str, name: str, step: int) -> Counter[str]:
    """All attempts of one kind with one command."""
    if kind == "kill":
        return kill(place, name, step)
    if kind == "limit":
        return limit(place, name, step)
    if kind == "full":
        return injected(place, name, step, faults.full_disk)
    if kind == "read-only":
        return injected(place, name, step, faults.read_only, may_leave=True)
    return injected(place, name, step, lambda at: faults.vanish(at, place.work), may_leave=True)


def main(folder: Path, campaigns: list[str]) -> None:
    """Run the campaigns and print the counts."""
    logging.disable()
    os.chdir(folder)
    place = prepare(folder)
    faults.watch(place.work)
    counts = {}
    for each in campaigns:
        kind, name, step = each.split(":")
        counts[each] = dict(campaign(place, kind, name, int(step)))
    print(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
