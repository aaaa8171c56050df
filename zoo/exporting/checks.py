"""The gates of the writing and of the structure of the file. None of them runs the file."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from ..errors import ExportError
from ..files import sha256
from ..interpreter import python_command, python_environment
from ..models.runtime import Inspection, TensorSpec
from ..specs.references import resolve_reference
from .certificate import Check
from .request import ExportRequest
from .source import BATCH_NAME, INPUT_NAME, ExportSource

REWRITE_SAMPLES, REWRITE_SECONDS = 64, 600
"""Test samples that the second process gets, and the time that it may take."""


def check_reproducible(source: ExportSource, request: ExportRequest, path: Path) -> Check:
    """Another process, in another folder and with another hash seed of Python, writes the same bytes as ``path``.

    Raises:
        ExportError: the source cannot be sent to another process, or that process cannot write the file.
    """
    few = source.test.take(torch.arange(REWRITE_SAMPLES) % len(source.test))
    job = (request.exporter.write, replace(source, test=few, calibration=None), path.name, request.options)
    try:
        pickled = pickle.dumps(job)
    except Exception as error:
        raise ExportError(f"{source.name} cannot be sent to another process to be written again: {error}") from error
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            python_command("-c", "from zoo.exporting.checks import write_again; write_again()"),
            input=pickled,
            cwd=elsewhere,
            env=python_environment(PYTHONHASHSEED=seed),
            capture_output=True,
            timeout=REWRITE_SECONDS,
        )
        again = Path(elsewhere) / path.name
        if done.returncode or not again.is_file():
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
            raise ExportError(f"{source.name} could not be written again in another process: {last[0]}")
        first, second = sha256(path), sha256(again)
    if first == second:
        return Check("reproducible", True, "another process in another folder wrote the same bytes", {"sha256": first})
    summary = f"another process in another folder wrote different bytes: SHA-256 {second[:12]}…, not {first[:12]}…"
    return Check("reproducible", False, summary, {"sha256": first, "again": second})


def write_again() -> None:
    """In the other process of :func:`check_reproducible`: read the job from standard input, write to this folder."""
    # only the parent process writes to this pipe, so the pickle is trusted
    write, source, name, options = pickle.load(sys.stdin.buffer)
    resolve_reference(write)(source, Path(name), **options)


def check_structure(source: ExportSource, inspection: Inspection) -> Check:
    """The file is valid, has the inputs and outputs of ``source`` for any batch size, and holds its description."""
    problem = inspection.problem or _wrong_interface(source, inspection)
    if not problem:
        missing = sorted(source.description.keys() - inspection.description.keys())
        problem = f"the description lacks {', '.join(missing)}" if missing else ""
    return Check("structure", not problem, problem or inspection.summary, inspection.figures)


def _wrong_interface(source: ExportSource, inspection: Inspection) -> str:
    """What is wrong with names, types and shapes of inputs and outputs; empty if nothing is."""
    inputs, outputs = inspection.inputs, inspection.outputs
    batch = inputs[0].shape[0] if inputs and inputs[0].shape else None
    if isinstance(batch, int):
        return (
            f"the batch size is fixed at {batch}: the network has a number in view() or reshape(), or branches on the "
            "shape of its input; use -1 or x.shape[0] instead"
        )
    samples = source.test.inputs
    wanted = TensorSpec(INPUT_NAME, str(samples.dtype).removeprefix("torch."), (BATCH_NAME, *samples.shape[1:]))
    if inputs != (wanted,):
        return f"the input is {', '.join(map(str, inputs))}, not {wanted}"
    names = [output.name for output in outputs]
    if names != list(source.task.outputs):
        return f"the outputs are {names}, not {list(source.task.outputs)}"
    for output in outputs:
        if output.shape[:1] != (BATCH_NAME,):
            return f"the batch size of output {output.name!r} is fixed at {list(output.shape[:1])}"
    return ""
