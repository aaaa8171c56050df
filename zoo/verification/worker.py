"""The process that opens and runs a file for ``isolation``: it reads requests from standard input and answers them."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import PluginError, ZooError
from ..models.runtime import Inspection, Runtime, RuntimeFailed, Runtimes
from ..specs.references import resolve_reference
from .messages import Answer, Job, Request, RuntimeName, receive, send

LARGEST_WRITTEN_FILE = 2**16
"""Bytes; torch writes small temporary files when it loads a program."""
Received = tuple[Request, list[Any]]


def serve() -> None:
    """Answer requests until standard input is closed."""
    answers = _take_standard_output()
    requests = sys.stdin.buffer
    job, _ = receive(requests, Job)
    try:
        inspect, open_ = resolve_reference(job.inspect), resolve_reference(job.open)
    except PluginError as error:
        send(answers, Answer(failed=str(error), importable=False))
        return
    _limit_threads(job.threads)
    _limit_resources(job.seconds)
    send(answers, Answer())
    received: queue.Queue[Received] = queue.Queue()
    threading.Thread(target=_read_requests, args=(requests, received), daemon=True).start()
    _answer_all(answers, received, Path(job.file).absolute(), inspect, open_)


def _answer_all(
    answers: BinaryIO,
    received: queue.Queue[Received],
    path: Path,
    inspect: Callable[[Path], Inspection],
    open_: Callable[[Path], Runtimes],
) -> None:
    runtimes = Runtimes(())
    while True:
        request, arrays = received.get()
        answer, outputs = Answer(), []
        try:
            if request.action == "inspect":
                answer = Answer(inspection=inspect(path))
            elif request.action == "open":
                runtimes = open_(path)
                names = tuple(RuntimeName(runtime.provider, runtime.mode) for runtime in runtimes.all)
                answer = Answer(runtimes=names, absent=dict(runtimes.absent))
            else:
                outputs = _run(runtimes.all[request.runtime], arrays[0])
            send(answers, answer, outputs)
        except RuntimeFailed as error:
            send(answers, Answer(failed=str(error)))
        except Exception as error:  # the exporter and its libraries may raise anything on a foreign file
            text = str(error) if isinstance(error, ZooError) else f"{type(error).__name__}: {error}"
            send(answers, Answer(failed=" ".join(text.split())[:300]))


def _run(runtime: Runtime, inputs: Any) -> list[Any]:
    if runtime.run_array is not None:
        return runtime.run_array(inputs)
    import torch

    return runtime.run(torch.from_numpy(inputs))


def _limit_threads(threads: int) -> None:
    """Limit those of torch, if the exporter's modules have imported it; the import takes seconds."""
    if threads and "torch" in sys.modules:
        import torch

        torch.set_num_threads(threads)


def _read_requests(requests: BinaryIO, received: queue.Queue[Received]) -> None:
    """Receive requests while the main thread may be busy. When the pipe is closed, the process ends at once."""
    with contextlib.suppress(BaseException):
        while True:
            received.put(receive(requests, Request))
    os._exit(1)


def _take_standard_output() -> BinaryIO:
    """The pipe to the other process. What a library prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def _limit_resources(seconds: int) -> None:
    """No core dump, no large file, and an end even if the other process has ended. Windows has no such limits."""
    try:
        import resource
    except ImportError:
        return
    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: LARGEST_WRITTEN_FILE, resource.RLIMIT_CPU: seconds}
    for kind, limit in limits.items():
        _, hard = resource.getrlimit(kind)
        lower = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (lower, lower))
