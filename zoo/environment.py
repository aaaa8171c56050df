"""The environment of a run, for its record: versions, machine and git commit."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

_PACKAGES = ("torch", "torchvision", "onnx", "onnxscript", "onnxruntime-gpu", "onnxruntime", "numpy", "safetensors")


def versions() -> dict[str, str]:
    """Versions of Python, the zoo and the libraries that a result depends on, if installed."""
    found = {"python": platform.python_version(), "pluggy-zoo": _version("pluggy-zoo") or "not installed"}
    for package in _PACKAGES:
        version = _version(package)
        if version:
            found[package] = version
    return found


def host() -> dict[str, str]:
    """Operating system and processor, without the machine's name."""
    return {"system": platform.system(), "machine": platform.machine(), "processor": processor()}


def processor() -> str:
    """Model name of the processor."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def git_commit() -> str | None:
    """The checked-out commit of the repository in the working directory; None if it is not a repository."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
