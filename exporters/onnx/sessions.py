"""Open a file in onnxruntime in every way that works on this machine. Imports no torch, unless for CUDA."""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnxruntime
from numpy.typing import NDArray

from zoo import Runtime, RuntimeFailed, Runtimes, ZooError, read_onnx

if TYPE_CHECKING:
    from torch import Tensor

_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
# TF32 rounds inputs to ten bits, which would hide errors of the file
_OPTIONS = {_CPU: {}, _CUDA: {"use_tf32": "0"}}
_LEVELS = {
    "as written": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "optimised": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_FATAL = 4


def open_sessions(path: Path) -> Runtimes:
    """A session for each execution provider that really runs, first with graph optimisation off, then on.

    Raises:
        RuntimeFailed: onnxruntime cannot load the file, or the file needs another file.
    """
    onnxruntime.set_default_logger_severity(_FATAL)
    try:
        content = read_onnx(path)
    except ZooError as error:
        raise RuntimeFailed(str(error)) from error
    cuda, why = _cuda_sessions(content)
    literal, usual = _sessions(content, _CPU)
    return Runtimes((literal, *cuda, usual), {"CUDA": why} if why else {})


def _cuda_sessions(content: bytes) -> tuple[list[Runtime], str]:
    """The runtimes on CUDA, or why there are none."""
    if _CUDA not in onnxruntime.get_available_providers():
        return [], "this build of onnxruntime has no CUDA"
    if not _has_cuda_driver():
        return [], "no CUDA device"
    import torch

    if not torch.cuda.is_available():
        return [], "no CUDA device"
    # torch has loaded most libraries that the provider needs; this loads the others from where pip installed them
    onnxruntime.preload_dlls()
    sessions = _sessions(content, _CUDA)
    return sessions, "" if sessions else "onnxruntime fell back to the CPU; are its CUDA libraries installed?"


def _has_cuda_driver() -> bool:
    """Whether the library of the driver can be loaded, as torch loads it; the import of torch takes seconds."""
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


def _sessions(content: bytes, provider: str) -> list[Runtime]:
    """Runtimes as written and optimised on ``provider``; none if onnxruntime falls back to another provider."""
    found = []
    for mode, level in _LEVELS.items():
        settings = onnxruntime.SessionOptions()
        settings.graph_optimization_level = level
        try:
            session = onnxruntime.InferenceSession(content, settings, providers=[(provider, _OPTIONS[provider])])
        except Exception as error:  # onnxruntime's exceptions have no common base class
            raise RuntimeFailed(f"onnxruntime cannot load the file: {_one_line(error)}") from error
        if session.get_providers()[0] == provider:  # onnxruntime falls back to another provider silently
            name = provider.removesuffix("ExecutionProvider")
            about = (session, f"{name} {mode}")
            run, run_array = functools.partial(_run, *about), functools.partial(_run_array, *about)
            found.append(Runtime(name, mode, run, run_array))
    return found


def _run(session: onnxruntime.InferenceSession, name: str, inputs: Tensor) -> list[NDArray[Any]]:
    return _run_array(session, name, inputs.numpy())


def _run_array(session: onnxruntime.InferenceSession, name: str, inputs: NDArray[Any]) -> list[NDArray[Any]]:
    try:
        outputs: list[NDArray[Any]] = session.run(None, {session.get_inputs()[0].name: inputs})
    except Exception as error:  # see _sessions
        cause = _one_line(error)
        raise RuntimeFailed(f"onnxruntime cannot run the file at batch size {len(inputs)} ({name}): {cause}") from error
    return outputs


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
