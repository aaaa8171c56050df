"""Choose the device of a computation, and make it exact."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch

from ..environment import processor
from ..errors import DeviceUnavailable, InvalidValue


def choose_device(name: str = "auto") -> torch.device:
    """The device for ``auto`` (cuda, else mps, else cpu), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        InvalidValue: the name is not one of these.
        DeviceUnavailable: this machine does not have the device.
    """
    if name == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        return torch.device(kind)
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda", "mps"):
        raise InvalidValue(f"Device {name!r} is not one of auto, cpu, cuda, cuda:N, mps.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        have = torch.cuda.device_count()
        found = f"{have} CUDA device{'s' if have > 1 else ''}" if have else "no CUDA device"
        raise DeviceUnavailable(f"{name} is not available: torch finds {found} on this machine. Use --device cpu.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise DeviceUnavailable("mps is not available: torch finds no MPS device on this machine. Use --device cpu.")
    return device


@contextlib.contextmanager
def exact(device: torch.device, *, tf32: bool) -> Iterator[None]:
    """Make cuDNN use deterministic algorithms, with or without TF32 (10-bit mantissas).

    Training may use TF32. Recorded metrics may not, because exported files are compared with them.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = before and tf32
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=tf32):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before


def arithmetic(device: torch.device) -> dict[str, Any]:
    """Everything, besides the code and its versions, that the last digits of a computation on ``device`` depend on.

    For example, a processor with other vector instructions adds numbers in another order.
    """
    if device.type == "cuda":
        return {
            "processor": torch.cuda.get_device_name(device),
            "capability": ".".join(map(str, torch.cuda.get_device_capability(device))),
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            "torch": torch.__version__,
        }
    return {
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "onednn": torch.backends.mkldnn.is_available() and torch._C._get_mkldnn_enabled(),  # type: ignore[no-untyped-call]
        "onednn_limit": os.environ.get("ONEDNN_MAX_CPU_ISA", os.environ.get("DNNL_MAX_CPU_ISA", "")),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }


def describe_device(device: torch.device) -> str:
    """The device as text: ``cpu, 2 threads`` or ``cuda:0, NVIDIA H200``."""
    if device.type == "cuda":
        return f"{device}, {torch.cuda.get_device_name(device)}"
    threads = torch.get_num_threads()
    return f"cpu, {threads} thread{'s' if threads > 1 else ''}" if device.type == "cpu" else str(device)
