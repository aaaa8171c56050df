"""One training in several processes: torch's own process groups and launcher, in the few words that the trainer needs.

Every process runs the same program on its share of each batch; the first alone writes and tells.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, distributed, nn

from ..data.splits import Split
from ..errors import PeerFailed, UsageError

_T = TypeVar("_T")
_REASON = "zoo/reason"
AGREE_EVERY = 20
"""Steps between two looks, by all processes together, at whether one of them was asked to stop."""


@dataclass(frozen=True, slots=True)
class World:
    """The processes of a training, seen from one of them. With one process every method costs nothing.

    Args:
        rank: which of them this is, from 0.
        size: how many there are, on all machines.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes and tells."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """This process's part of ``count`` samples. The parts of all processes, in order, are the whole."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def share(self, split: Split) -> Split:
        """This process's samples of ``split``."""
        part = self.part(len(split))
        return Split(split.inputs[part], split.targets[part])

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes."""
        return self._reduce(values, distributed.ReduceOp.SUM)

    def minimum(self, values: Tensor) -> Tensor:
        """The smallest of all processes'."""
        return self._reduce(values, distributed.ReduceOp.MIN)

    def agree(self, number: int, device: torch.device) -> int:
        """The largest number that any process has: all go on with the same."""
        if self.size == 1:
            return number
        return int(self._reduce(torch.tensor(number, device=device), distributed.ReduceOp.MAX))

    def gather(self, values: Tensor) -> Tensor:
        """The ``[N, …]`` of all processes behind one another; N may differ."""
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

    def broadcast(self, thing: _T | None) -> _T:
        """What the first process has, in every process."""
        things: list[_T | None] = [thing]
        if self.size > 1:
            distributed.broadcast_object_list(things)
        return cast(_T, things[0])

    def share_buffers(self, model: nn.Module) -> None:
        """Give every process the first's running statistics."""
        if self.size > 1:
            for buffer in model.buffers():
                distributed.broadcast(buffer, 0)

    @contextlib.contextmanager
    def first_before_others(self) -> Iterator[None]:
        """The first process runs the block, then the others do: what it fetches, they find."""
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
    """Whether this process is one of several that torchrun started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def own_device(name: str) -> str:
    """The device of this process, where each of several has one: ``cuda`` is the local rank's.

    Raises:
        UsageError: one device was named for them all.
    """
    if not launched() or name == "cpu" or not torch.cuda.is_available():
        return name
    if name not in ("auto", "cuda"):
        raise UsageError(f"--device {name} names one device for several processes. Use --device cuda.")
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"


@contextlib.contextmanager
def join(device: torch.device) -> Iterator[World]:
    """Meet the other processes that torchrun started, if any, for the time of the block.

    Raises:
        PeerFailed: another process failed, or is gone, while this one waited for it. The message says why.
    """
    if not launched():
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    world = World(distributed.get_rank(), distributed.get_world_size())
    try:
        yield world
        distributed.barrier()  # a process that ends early looks like one that failed
    except PeerFailed:
        raise
    except BaseException as error:
        told = peer_failure(error)
        if told:
            raise told from error
        _leave_word(world, error)
        raise
    finally:
        # the others may be gone: then there is nobody to take leave of
        with contextlib.suppress(RuntimeError):
            distributed.destroy_process_group()


def peer_failure(error: BaseException, advice: str = "") -> PeerFailed | None:
    """``error`` as one line where it befell this process because another is gone; None where it is its own."""
    lost = isinstance(error, distributed.DistError) or (isinstance(error, RuntimeError) and _is_loss(str(error)))
    if not lost:
        return None
    reason = "it ended without a word; was it killed?"
    with contextlib.suppress(RuntimeError):  # the store goes with the process that holds it
        store = _store()
        reason = store.get(_REASON).decode() if store.check([_REASON]) else reason
    return PeerFailed(f"Another process of this training failed ({reason}). {advice}".rstrip())


def _leave_word(world: World, error: BaseException) -> None:
    """Say why this process fails to those that will miss it."""
    with contextlib.suppress(RuntimeError):
        _store().set(_REASON, f"process {world.rank}: {' '.join(str(error).split())}")


def _store() -> Any:
    return distributed.distributed_c10d._get_default_store()


def _is_loss(text: str) -> bool:
    words = ("Connection closed by peer", "Connection reset by peer", "gloo/transport", "NCCL", "Broken pipe")
    return any(word in text for word in words)


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run ``zoo`` with ``arguments`` in several processes on this machine, with torchrun's engine.

    Returns:
        The exit code: that of the process that failed first, 0 where none did.

    Raises:
        PeerFailed: a process was ended from outside.
    """
    import logging

    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    # torchrun speaks of each process at length; what a person needs to know, the first process says
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
        elastic_launch(config, sys.executable)("-m", "zoo", *arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode > 0:
            return failure.exitcode
        name = signal.Signals(-failure.exitcode).name
        raise PeerFailed(
            f"Process {rank} of {processes} was ended by {name}. `zoo runs` shows what can be resumed."
        ) from error
    except SignalException as error:
        return 128 + int(error.sigval)
    finally:
        logging.disable(logging.NOTSET)
    return 0
