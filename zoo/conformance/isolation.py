"""Load each plugin alone, in a process of its own: which one ends the process, hangs, or changes global state."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..interpreter import python_command, python_environment
from ..registry.entry_points import EntryPoint, find_entry_points
from ..registry.loading import import_limit, in_order, is_blocked
from ..registry.plugin import Plugin
from ..registry.plugin_files import find_plugin_files

LIMIT = 30.0
"""The seconds that a plugin gets, unless ``ZOO_PLUGIN_TIMEOUT`` is set."""

_CODE = "from zoo.conformance.global_state import main; main()"
_MOST = 5
"""So many changes of global state are named."""
_DOING = {"": "starting Python", "import": "its import", "hooks": "one of its hooks"}


@dataclass(frozen=True, slots=True)
class IsolatedPlugin:
    """What a plugin did when it was loaded alone in a process of its own.

    Args:
        name, distribution, version, value: of its entry point; ``value`` is the path of a plugin in a single file.
        faults: what is wrong, one line each; empty if nothing is.
        seconds: how long the process ran.
        adds: what it registers, ``optimizer lion``.
    """

    name: str
    distribution: str
    version: str
    value: str
    faults: tuple[str, ...]
    seconds: float
    adds: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """``ok`` or ``failed``."""
        return "failed" if self.faults else "ok"

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "faults": list(self.faults), "adds": list(self.adds), "status": self.status}


def load_isolated(entry_points: Iterable[EntryPoint] | None = None) -> list[IsolatedPlugin]:
    """Load plugins one by one, each in a process of its own. This process loads none of them.

    Args:
        entry_points: the plugins; by default, all that are installed and not built in, and the files in
            ``$ZOO_PLUGINS_DIR``, without those that ``ZOO_LOAD_PLUGINS`` or ``ZOO_BLOCK_PLUGINS`` blocks.

    Raises:
        UsageError: ``ZOO_PLUGIN_TIMEOUT`` is not a number of seconds.
    """
    seconds = import_limit() or LIMIT
    if entry_points is None:
        found = [*find_entry_points(), *find_plugin_files()]
        entry_points = [point for point in in_order(found) if _is_wanted(point)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda point: _load(point, seconds), entry_points))


def _is_wanted(point: EntryPoint) -> bool:
    plugin = Plugin(point.name, point.distribution, point.version, point.value)
    return not plugin.builtin and not is_blocked(plugin)


def _load(point: EntryPoint, seconds: float) -> IsolatedPlugin:
    began = time.perf_counter()
    faults, adds = load_alone(point, seconds)
    took = round(time.perf_counter() - began, 2)
    value = point.file or point.value
    return IsolatedPlugin(point.name, point.distribution, point.version, value, tuple(faults), took, tuple(adds))


def load_alone(point: EntryPoint, seconds: float = LIMIT) -> tuple[list[str], list[str]]:
    """What is wrong with a plugin that is loaded alone, one line each, and what it registers.

    Errors come first, then changes of global state.
    """
    ended, report = _process(point, seconds)
    if not ended and "torch" in report["modules"]:  # it may have replaced functions of torch
        ended, report = _process(point, seconds, "torch")
    if ended:
        return [ended], []
    changed = report["changed"]
    more = [f"changes {len(changed) - _MOST} more things"] if len(changed) > _MOST else []
    return [*report["errors"], *changed[:_MOST], *more], report["adds"]


def _process(point: EntryPoint, seconds: float, first: str = "") -> tuple[str, dict[str, Any]]:
    """Load it in another process: how that process failed, empty if it did not, and its report."""
    with tempfile.TemporaryDirectory(prefix="zoo-plugin-") as scratch:
        path = Path(scratch, "stages")
        command = python_command("-c", _CODE, json.dumps(asdict(point)), str(path), first)
        environment = python_environment(ZOO_STRICT="0", ZOO_TRACE_PLUGINS="0")
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # what it starts is ended with it
        )
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
        stages = list(_stages(path))
    last: dict[str, Any] = stages[-1] if stages else {"stage": ""}
    doing = _DOING.get(last["stage"], "its end")
    if code is None:
        return f"{doing} takes more than {seconds:g} s", {}
    if last["stage"] != "done":
        return f"{doing} ends the process ({_how(code)})", {}
    return (f"the process fails at its end ({_how(code)})", {}) if code else ("", last)


def _stages(path: Path) -> Iterator[dict[str, Any]]:
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)
    except (OSError, ValueError):  # it ended before the first line, or within one
        return


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and everything in its session."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:  # pragma: no cover - needs Windows
        process.kill()
    process.wait()


def _how(code: int) -> str:
    """An exit code in words; a negative one is a signal."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
