"""Run an exported ONNX file in onnxruntime. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ..errors import DeviceUnavailable, ZooError
from ..folders import expanded
from ..schema import LARGEST_JSON, read_limited
from .description import ModelDescription
from .inference import Array, InferenceModel
from .onnx_file import read_onnx

log = logging.getLogger("zoo")

CPU = "CPUExecutionProvider"
_TYPES = {
    "tensor(uint8)": np.uint8,
    "tensor(int64)": np.int64,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


class OnnxModel(InferenceModel):
    """A file that ``zoo export --onnx`` wrote, run by onnxruntime.

    Args:
        path: the file.
        provider: the execution provider.
        threads: the number of threads in each call; 0 means onnxruntime's default.
        just_written: this process wrote the file, so that no certificate is missed.

    Raises:
        ZooError: the file is missing or damaged, was changed after its export, needs another file, or was not written
            by ``zoo export``.
        DeviceUnavailable: the provider is not available on this machine.
    """

    engine = "onnxruntime"

    def __init__(self, path: Path | str, provider: str = CPU, threads: int = 0, *, just_written: bool = False) -> None:
        self.path = expanded(path)
        self.session = open_session(self.path, provider, threads, just_written=just_written)
        metadata = self.session.get_modelmeta().custom_metadata_map
        try:
            self.description = ModelDescription.from_metadata(metadata)
        except ZooError as error:
            raise ZooError(f"{self.path} was not written by `zoo export`: {error}") from error
        given = self.session.get_inputs()[0]
        self._input, self._type = given.name, _TYPES.get(given.type, np.float32)

    def run(self, inputs: Array) -> tuple[Array, ...]:
        """See :meth:`InferenceModel.run`."""
        try:
            outputs = self.session.run(None, {self._input: inputs.astype(self._type, copy=False)})
        except Exception as error:  # onnxruntime's exceptions have no common base class
            raise ZooError(f"onnxruntime cannot run {self.path}: {_line(error)}") from error
        return tuple(output.astype(np.float32, copy=False) for output in outputs)


def open_session(path: Path, provider: str = CPU, threads: int = 0, *, just_written: bool = False) -> Any:
    """An onnxruntime session that really runs on ``provider``. The arguments are those of :class:`OnnxModel`.

    Raises:
        ZooError: the file is missing or damaged, was changed after its export, or needs another file.
        DeviceUnavailable: the provider is not available on this machine.
    """
    content = read_onnx(path)
    if not just_written:
        check_unchanged(path, content)
    onnxruntime.set_default_logger_severity(4)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    _prepare(provider)
    providers: Sequence[str] = [provider] if provider == CPU else [provider, CPU]
    try:
        session = onnxruntime.InferenceSession(content, settings, providers=providers)
    except Exception as error:  # see OnnxModel.run
        if provider != CPU and "provider" in str(error).lower():
            raise DeviceUnavailable(f"{provider} does not run here: {_line(error)} Use --device cpu.") from error
        raise ZooError(f"{path} is not an ONNX file that onnxruntime can load: {_line(error)}") from error
    if session.get_providers()[0] != provider:  # onnxruntime falls back to the CPU without an error
        raise DeviceUnavailable(f"{provider} does not run here. Use --device cpu.")
    return session


def check_unchanged(path: Path, content: bytes) -> None:
    """If a certificate lies beside ``path``, compare its hash with that of ``content``.

    A file without a certificate, or beside JSON of another tool, is used as it is, and a note says so.

    Args:
        path: the file.
        content: its bytes, as they are used.

    Raises:
        ZooError: the file was changed after its export.
    """
    certificate = path.with_name(f"{path.name}.json")
    recorded = _recorded_hash(certificate)
    if not recorded:
        what = "is not a certificate" if certificate.exists() else "is missing"
        log.warning(
            "%s %s, so nothing shows that %s is unchanged. `zoo verify` says more.", certificate, what, path.name
        )
    if recorded and recorded != hashlib.sha256(content).hexdigest():
        raise ZooError(
            f"{path} was changed after its export: its SHA-256 is not the one in {path.name}.json. Run "
            f"`zoo verify {path}`, or export it again."
        )


def _recorded_hash(certificate: Path) -> str:
    """The hash in a certificate; empty if there is no certificate."""
    try:
        read: Any = json.loads(read_limited(certificate, LARGEST_JSON, "the certificate"))
    except (FileNotFoundError, ZooError, ValueError, RecursionError):
        return ""
    entry = read.get("file") if isinstance(read, dict) else None
    digest = entry.get("sha256") if isinstance(entry, dict) else None
    return digest if isinstance(digest, str) else ""


def _prepare(provider: str) -> None:
    """Load CUDA's libraries from the packages that pip installed."""
    if provider == "CUDAExecutionProvider" and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
