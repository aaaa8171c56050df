"""Open and run a file that somebody else may have written, in a process of its own with limits of time and memory.

The process works on a private copy of the file, alone in a temporary folder. A crash, an endless loop or too much
memory ends that process only and is one error. This is no sandbox: it does not stop code that a faulty library runs.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from numpy.typing import NDArray
from torch import Tensor, get_num_threads

from ..errors import PluginError, ZooError
from ..models.runtime import Inspection, Runtime, RuntimeFailed, Runtimes
from ..specs.exporter import Exporter
from ..specs.references import Reference, resolve_reference
from .messages import Answer, Closed, Job, Message, Request, RuntimeName, receive, send
from .private_copy import copy_and_hash
from .watch import START_SECONDS, Limits, Watch, worker_process

REQUEST_SECONDS = 300.0
"""For one request: reading the file, opening it in all runtimes, or running one batch."""
TOTAL_SECONDS = 4 * 3600.0
MEMORY_BYTES, MEMORY_PER_FILE_BYTE = 4 * 2**30, 16
"""What the process may add to the memory of its libraries: a fixed part, and a part for each byte of the file."""


class OpenedFile(Protocol):
    """A file whose contents can be listed and which can be run."""

    @property
    def sha256(self) -> str:
        """Of the bytes that are inspected and run, in hexadecimal."""

    @property
    def inspection(self) -> Inspection:
        """The contents of the file."""

    def runtimes(self) -> Runtimes:
        """Every way to run the file. Raises :class:`RuntimeFailed`."""


@contextlib.contextmanager
def isolated(
    exporter: Exporter,
    path: Path,
    *,
    seconds: float = REQUEST_SECONDS,
    total_seconds: float = TOTAL_SECONDS,
    memory: int | None = None,
) -> Iterator[OpenedFile]:
    """``path`` in a process of its own, which ends with the block.

    An exporter whose ``inspect`` or ``open`` cannot be imported by name in another process (a function in a notebook)
    runs in this process.

    Args:
        exporter: it must have ``inspect`` and ``open``.
        path: the file. All that is done uses one copy of it, whose hash is ``sha256``.
        seconds: the longest time for one request.
        total_seconds: the longest time for the whole block, and the processor time of one core for it.
        memory: bytes that the process may add to those of its libraries; by default it depends on the size of the file.

    Raises:
        ZooError: the file cannot be copied, or the process cannot be started.
    """
    inspect, open_ = _import_string(exporter.inspect), _import_string(exporter.open)
    with tempfile.TemporaryDirectory(prefix="zoo-verify-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder) / f"file{exporter.suffix}"
        digest, size = copy_and_hash(path, copy)
        limits = Limits(seconds, total_seconds, memory or MEMORY_BYTES + MEMORY_PER_FILE_BYTE * size)
        if inspect and open_:
            job = Job(
                file=copy.name,
                inspect=inspect,
                open=open_,
                threads=get_num_threads(),
                seconds=int(total_seconds) * (os.cpu_count() or 1),
            )
            with worker_process(Path(folder)) as process, Watch(process, limits) as watch:
                opened = _IsolatedFile(process, watch, digest)
                if opened.start(job):
                    yield opened
                    return
        yield _HereFile(exporter, copy, digest)


def _import_string(reference: Reference | None) -> str:
    """Where another process can import ``reference`` from; empty if it may not be the same object there."""
    if isinstance(reference, str) or reference is None:
        return reference or ""
    name = f"{getattr(reference, '__module__', '')}:{getattr(reference, '__qualname__', '')}"
    with contextlib.suppress(PluginError, ValueError):
        if "<" not in name and not name.startswith("__main__") and resolve_reference(name) is reference:
            return name
    return ""


@dataclass(eq=False)
class _HereFile:
    """A file that is opened in this process, because the exporter's functions exist only here."""

    exporter: Exporter
    path: Path
    sha256: str

    @functools.cached_property
    def inspection(self) -> Inspection:
        found: Inspection = resolve_reference(self.exporter.inspect or "")(self.path)
        return found

    def runtimes(self) -> Runtimes:
        opened: Runtimes = resolve_reference(self.exporter.open or "")(self.path)
        return opened


@dataclass(slots=True, eq=False)
class _IsolatedFile:
    """A file in another process."""

    process: subprocess.Popen[bytes]
    watch: Watch
    sha256: str
    _inspection: Inspection | None = None
    _failed: str = ""

    def start(self, job: Job) -> bool:
        """Send the job; whether the exporter's references can be imported in the process."""
        answer, _ = self._ask(job, "starting the process that opens the file")
        self.watch.libraries_loaded()
        return answer.importable

    @property
    def inspection(self) -> Inspection:
        """The contents of the file; a crash is a problem of the file."""
        if self._inspection is None:
            try:
                answer, _ = self._ask(Request(action="inspect"), "reading the file")
                self._inspection = answer.inspection or Inspection("the exporter described nothing", "")
            except RuntimeFailed as error:
                self._inspection = Inspection(str(error), "")
        return self._inspection

    def runtimes(self) -> Runtimes:
        """Every way to run the file; each call of ``Runtime.run`` is a request to the process."""
        answer, _ = self._ask(Request(action="open"), "opening the file")
        runtimes = tuple(
            Runtime(name.provider, name.mode, functools.partial(self._run, place, name))
            for place, name in enumerate(answer.runtimes)
        )
        return Runtimes(runtimes, answer.absent)

    def _run(self, place: int, name: RuntimeName, inputs: Tensor) -> list[NDArray[Any]]:
        doing = f"running a batch of {len(inputs)} ({name.provider} {name.mode})"
        _, outputs = self._ask(Request(action="run", runtime=place), doing, [inputs.numpy()])
        return outputs

    def _ask(
        self, message: Message, doing: str, arrays: Sequence[NDArray[Any]] = ()
    ) -> tuple[Answer, list[NDArray[Any]]]:
        """Send a message and wait for its answer."""
        if self._failed:
            raise RuntimeFailed(self._failed)
        self.watch.begin_request(START_SECONDS if isinstance(message, Job) else self.watch.limits.seconds)
        try:
            send(cast(BinaryIO, self.process.stdin), message, arrays)
            answer, outputs = receive(cast(BinaryIO, self.process.stdout), Answer)
        except (Closed, OSError):
            self._failed = f"{doing} {self.watch.end_of_process()}"
            raise RuntimeFailed(self._failed) from None
        except ZooError as error:
            self._failed = f"{doing} failed: {error}"
            raise RuntimeFailed(self._failed) from error
        finally:
            self.watch.end_request()
        if answer.failed and answer.importable:
            raise RuntimeFailed(answer.failed)
        return answer, outputs
