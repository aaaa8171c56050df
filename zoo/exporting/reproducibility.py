"""The gate of ``--reproducible``: another process, in another folder, writes the same bytes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..errors import ExportError
from ..files import sha256
from ..specs.specs import Exporter, resolve_reference
from .certificate import Check
from .source import ExportSource

GATE = "reproducible"
SAMPLES = 64
SECONDS = 600


def check_reproducible(exporter: Exporter, source: ExportSource, path: Path, options: dict[str, Any]) -> Check:
    """Write ``source`` once more, elsewhere and under another order of Python's sets, and compare with ``path``."""
    few = source.test.take(torch.arange(SAMPLES) % len(source.test))
    order = (exporter.write, replace(source, test=few, calibration=None), path.name, options)
    try:
        pickled = pickle.dumps(order)
    except Exception as error:
        raise ExportError(f"{source.name} cannot be sent to another process to be written again: {error}") from error
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with tempfile.TemporaryDirectory() as elsewhere:
        command = [sys.executable, "-c", "from zoo.exporting.reproducibility import write_again; write_again()"]
        done = subprocess.run(
            command, input=pickled, cwd=elsewhere, env=environment, capture_output=True, timeout=SECONDS
        )
        again = Path(elsewhere) / path.name
        if done.returncode or not again.is_file():
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
            raise ExportError(f"{source.name} could not be written again in another process: {last[0]}")
        first, second = sha256(path), sha256(again)
    if first == second:
        return Check(GATE, True, "another process in another folder wrote the same bytes", {"sha256": first})
    summary = f"another process in another folder wrote other bytes, SHA-256 {second[:12]}… and not {first[:12]}…"
    return Check(GATE, False, summary, {"sha256": first, "again": second})


def write_again() -> None:
    """What the other process does: read the order from standard input and write to the working directory."""
    # from the parent process alone, through a pipe: nothing that others could have written is unpickled
    write, source, name, options = pickle.load(sys.stdin.buffer)
    resolve_reference(write)(source, Path(name), **options)
