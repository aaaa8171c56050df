"""Runs tests against a mutant, in a process that begins with everything heavy imported; used by mutation.py.

The tests and the library are in a copy of the repository, so that processes which the tests start see the mutant too.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = (
    "torch",
    "torchvision",
    "numpy",
    "scipy.stats",
    "sklearn.metrics",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "polars",
    "PIL.Image",
    "matplotlib.pyplot",
    "rich.table",
    "click",
)
PASSED, FAILED, LIMIT = "survived", "killed", "killed by the time limit"


def import_heavy() -> None:
    """Import what every test needs and no mutant changes."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["MPLBACKEND"] = "Agg"
    for name in HEAVY:
        importlib.import_module(name)


def copy_repository(target: Path) -> None:
    """What git knows or would add, without the rest of the working tree."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


@contextmanager
def changed(path: Path, source: str, number: int) -> Generator[None]:
    """The file has this source inside the block. Its time differs each time, so that Python compiles it again."""
    original, times = path.read_bytes(), path.stat()
    try:
        path.write_text(source)
        os.utime(path, (times.st_atime, times.st_mtime + number))
        yield
    finally:
        path.write_bytes(original)
        os.utime(path, (times.st_atime, times.st_mtime))


def in_a_fork(copy: Path, output: Path, limit: float, work: Callable[[], int]) -> int | None:
    """The exit status of the function in a forked process, or None if the time limit stopped it."""
    child = os.fork()
    if not child:
        status = 70
        try:
            os.setsid()
            log = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(log, stream)
            os.chdir(copy)
            sys.path.insert(0, str(copy))
            os.environ["PYTHONPATH"] = str(copy)
            status = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            _end_group(child)
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    _end_group(child)
    os.waitpid(child, 0)
    return None


def _end_group(child: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


def measure(copy: Path, file: str, results: Path) -> dict[str, Any]:
    """Which lines each test of this file runs, and how long it takes; ``seconds`` and ``lines`` by name of the test."""

    def work() -> int:
        import coverage

        sources = [str(copy / folder / "*") for folder in ("zoo", "plugins", "exporters")]
        cover = coverage.Coverage(data_file=None, include=sources, config_file=False)
        cover.start()
        recorder = _Recorder(cover)
        pytest.main([*OPTIONS, file], plugins=[recorder])
        cover.stop()
        data = cover.get_data()
        lines = {
            str(Path(name).relative_to(copy)): {line: sorted(filter(None, tests)) for line, tests in found.items()}
            for name in data.measured_files()
            if (found := data.contexts_by_lineno(name))
        }
        results.write_text(json.dumps({"seconds": recorder.seconds, "lines": lines}))
        return 0

    status = in_a_fork(copy, results.with_suffix(".log"), 1200, work)
    if status or not results.is_file():
        raise SystemExit(f"{file}: its tests ended with status {status}; see {results.with_suffix('.log')}")
    return dict(json.loads(results.read_text()))


OPTIONS = ("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--tb=line")


class _Recorder:
    """Notes the seconds of each test that passes, and names it to the measurement of lines."""

    def __init__(self, cover: Any) -> None:
        self._cover = cover
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        self._cover.switch_context(item.nodeid)
        begun = time.monotonic()
        try:
            return (yield)
        finally:
            self._cover.switch_context("")
            if item.nodeid in self.seconds:
                self.seconds[item.nodeid] = round(time.monotonic() - begun, 3)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.seconds[report.nodeid] = 0.0
        elif report.failed:
            self.seconds.pop(report.nodeid, None)


class _Chosen:
    """Only the chosen tests, in their order."""

    def __init__(self, names: list[str]) -> None:
        self._place = {name: place for place, name in enumerate(names)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        chosen = [item for item in items if item.nodeid in self._place]
        items[:] = sorted(chosen, key=lambda item: self._place[item.nodeid])


def outcome(copy: Path, names: list[str], limit: float, log: Path) -> str:
    """What these tests, up to the first that fails, say about the source that is in the copy now."""
    files = list(dict.fromkeys(name.partition("::")[0] for name in names))
    return run_files(copy, files, limit, log, [_Chosen(names)])


def run_files(copy: Path, files: list[str], limit: float, log: Path, plugins: Sequence[object] = ()) -> str:
    """As :func:`outcome`, with all tests of files."""
    status = in_a_fork(copy, log, limit, lambda: int(pytest.main([*OPTIONS, "-x", *files], plugins=[*plugins])))
    if status is None:
        return LIMIT
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise SystemExit(f"no test was run; see {log}")
    return PASSED if status == pytest.ExitCode.OK else FAILED
