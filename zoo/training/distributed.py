"""One training in several processes: a thin layer over the process groups and the launcher of torch.

Every process runs the same program on its part of each batch. Only the first process writes files and reports.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from ..errors import PeerFailed, UsageError
from ..interpreter import python_command, python_environment
from ..process import SIGNALS

_T = TypeVar("_T")
_REASON = "zoo/reason"
"""Key in torch's store of the reason why a process failed."""
AGREE_EVERY = 20
"""Number of steps after which several processes check whether one of them got a signal to stop."""


@dataclass(frozen=True, slots=True)
class World:
    """The processes of a training, as one of them sees them. With a single process no method communicates.

    Args:
        rank: number of this process, from 0.
        size: number of processes on all machines.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and reports."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """The part of ``count`` samples that this process computes. All parts together are the whole."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        return self._reduce(values, distributed.ReduceOp.SUM)

    def minimum(self, values: Tensor) -> Tensor:
        """The minimum over all processes."""
        return self._reduce(values, distributed.ReduceOp.MIN)

    def agree(self, number: int, device: torch.device) -> int:
        """The largest ``number`` of all processes, so that all continue with the same."""
        if self.size == 1:
            return number
        return int(self._reduce(torch.tensor(number, device=device), distributed.ReduceOp.MAX))

    def gather(self, values: Tensor) -> Tensor:
        """The ``[N, …]`` of all processes, concatenated in the order of their ranks; N may differ."""
        if self.size == 1:
            return values
        sizes = [torch.zeros(1, dtype=torch.int64, device=values.device) for _ in range(self.size)]
        distributed.all_gather(sizes, torch.tensor([len(values)], device=values.device))
        most = max(int(size) for size in sizes)
        padded = torch.zeros(most, *values.shape[1:], dtype=values.dtype, device=values.device)
        padded[: len(values)] = values
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        distributed.all_gather(parts, padded)
        return torch.cat([part[: int(size)] for part, size in zip(parts, sizes, strict=True)])

    def broadcast(self, value: _T | None) -> _T:
        """The ``value`` of the first process, in every process."""
        values: list[_T | None] = [value]
        if self.size > 1:
            distributed.broadcast_object_list(values)
        return cast(_T, values[0])

    def share_buffers(self, model: nn.Module) -> None:
        """Copy the buffers of the first process, such as the statistics of batch norm, to every process."""
        if self.size > 1:
            for buffer in model.buffers():
                distributed.broadcast(buffer, 0)

    @contextlib.contextmanager
    def first_before_others(self) -> Iterator[None]:
        """The first process runs the block, then the others do: they find the files that it downloaded."""
        if self.size > 1 and not self.first:
            distributed.barrier()
        yield
        if self.size > 1 and self.first:
            distributed.barrier()

    def _reduce(self, values: Tensor, operation: Any) -> Tensor:
        values = values.clone()
        if self.size > 1:
            distributed.all_reduce(values, operation)
        return values


ALONE = World()


def launched() -> bool:
    """Whether this process is one of several that torchrun started.

    Raises:
        UsageError: a variable that torchrun sets is not a number.
    """
    for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
        if not os.environ.get(name, "1").isdecimal():
            raise UsageError(f"${name} must be a whole number, as torchrun sets it, not {os.environ[name]!r}.")
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def own_device(name: str) -> str:
    """The device name for this process. If there are several processes, ``cuda`` becomes the GPU of the local rank.

    Raises:
        UsageError: several processes, but the name of a single device.
    """
    if not launched() or name == "cpu" or not torch.cuda.is_available():
        return name
    if name not in ("auto", "cuda"):
        raise UsageError(f"--device {name} names one device for several processes. Use --device cuda.")
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


@contextlib.contextmanager
def join(device: torch.device) -> Iterator[World]:
    """Connect to the other processes that torchrun started, if any, during the block.

    Raises:
        PeerFailed: another process failed or ended while this one waited for it. The message gives the reason.
    """
    if not launched():
        yield ALONE
        return
    end_with_launcher()
    if device.type == "cuda":  # pragma: no cover - needs CUDA
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    world = World(distributed.get_rank(), distributed.get_world_size())
    try:
        yield world
        distributed.barrier()  # to the others, a process that ends early looks like one that failed
    except PeerFailed:
        raise
    except BaseException as error:
        failure = peer_failure(error)
        if failure:
            raise failure from error
        _store_reason(world, error)
        raise
    finally:
        # raises if the other processes have already ended
        with contextlib.suppress(RuntimeError):
            distributed.destroy_process_group()


def peer_failure(error: BaseException, advice: str = "") -> PeerFailed | None:
    """A one-line error if the cause of ``error`` is that another process failed or ended; else None."""
    lost = isinstance(error, distributed.DistError) or (
        isinstance(error, RuntimeError) and _is_lost_connection(str(error))
    )
    if not lost:
        return None
    reason = "it ended without an error message; it may have been killed"
    with contextlib.suppress(RuntimeError):  # the store ends with the process that holds it
        store = _store()
        reason = store.get(_REASON).decode() if store.check([_REASON]) else reason
    return PeerFailed(f"Another process of this training failed ({reason}). {advice}".rstrip())


def _store_reason(world: World, error: BaseException) -> None:
    """Store the reason why this process fails, for :func:`peer_failure` in the others."""
    with contextlib.suppress(RuntimeError):
        _store().set(_REASON, f"process {world.rank}: {' '.join(str(error).split())}")


def _store() -> Any:
    return distributed.distributed_c10d._get_default_store()


def _is_lost_connection(message: str) -> bool:
    parts = ("Connection closed by peer", "Connection reset by peer", "gloo/transport", "NCCL", "Broken pipe")
    return any(part in message for part in parts)


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run ``zoo`` with ``arguments`` in several processes on this machine, as torchrun does.

    Returns:
        The exit code of the process that failed first; 0 if none failed.

    Raises:
        PeerFailed: a signal ended a process.
    """
    import logging

    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # torchrun logs a long report of each process; the first process prints what a user needs to know
    logging.disable(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
    )
    try:
        executable, *options = python_command("-m", "zoo", *arguments)
        with _environment(_for_processes()), _first_signal_raises(SignalException):
            elastic_launch(config, executable)(*options)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode > 0:
            return failure.exitcode
        name = signal.Signals(-failure.exitcode).name
        raise PeerFailed(
            f"Process {rank} of {processes} was ended by {name}. `zoo runs` shows the runs that can be resumed."
        ) from error
    except SignalException as error:
        return 128 + int(error.sigval)
    finally:
        logging.disable(logging.NOTSET)
    return 0


@contextlib.contextmanager
def _first_signal_raises(exception: type[Exception]) -> Iterator[None]:
    """Raise torch's exception for a signal: torch then passes the signal on and waits for the processes.

    Only the first one counts: a second would end the wait, and leave processes without a parent.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if not came:
            came = True
            raise exception(f"signal {number}", signal.Signals(number))

    before = {number: signal.getsignal(number) for number in SIGNALS}
    handled = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in handled:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number] or signal.SIG_DFL)


def _for_processes() -> dict[str, str]:
    """The environment of the processes that :func:`launch` starts. torch leaves the signals to this module."""
    return python_environment(ZOO_LAUNCHER=str(os.getpid()), TORCHELASTIC_SIGNALS_TO_HANDLE="")


def end_with_launcher() -> None:
    """On Linux, get SIGTERM when the process ``$ZOO_LAUNCHER``, which started this one, is killed."""
    parent = os.environ.get("ZOO_LAUNCHER")
    if not parent or sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != int(parent):
            os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the processes that the block starts."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
