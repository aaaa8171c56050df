"""The first gates: the model, the writing and the structure of the file. None of them runs the file."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ExportError
from ..files import sha256
from ..models.runtime import Inspection, TensorSpec
from ..specs.references import resolve_reference
from .certificate import Check
from .limits import error_limits
from .request import ExportRequest
from .source import BATCH_NAME, INPUT_NAME, ExportSource

MODEL_SAMPLES = 16
"""Test samples that the gates of the model run on."""
BATCH_TOLERANCE = 1e-3
"""As a part of the largest output: far more than rounding, far less than an effect of batch statistics."""
REWRITE_SAMPLES, REWRITE_SECONDS = 64, 600
"""Test samples that the second process gets, and the time that it may take."""


def check_determinism(source: ExportSource) -> Check:
    """Two runs of the model with different seeds give equal outputs. If not, no file can be compared with it."""
    inputs = source.samples(MODEL_SAMPLES)
    try:
        first, second = (_run_seeded(source.model, inputs, seed) for seed in (1, 2))
    except Exception as error:
        cause = " ".join(str(error).split())
        return Check("determinism", False, f"{source.name} cannot run a batch of {len(inputs)} test samples: {cause}")
    if all(torch.equal(a, b) for a, b in zip(first, second, strict=True)):
        return Check("determinism", True, f"two runs with different seeds give equal outputs ({len(inputs)} samples)")
    return Check(
        "determinism",
        False,
        f"{source.name} gives different outputs for the same input in evaluation mode: something in it draws "
        "random numbers (dropout that ignores eval(), random depth). Make it depend on self.training",
    )


def check_independence(source: ExportSource) -> Check:
    """Predictions do not depend on the rest of the batch: two half batches give what the whole batch gives."""
    inputs = source.samples(MODEL_SAMPLES)
    whole = _run_seeded(source.model, inputs, 1)
    halves = zip(*(_run_seeded(source.model, half, 1) for half in inputs.chunk(2)), strict=True)
    pairs = [(a, torch.cat(b)) for a, b in zip(whole, halves, strict=True)]
    if all(_nearly_equal(a, b) for a, b in pairs) or _differ_by_rounding(source, inputs, pairs):
        return Check("independence", True, f"predictions do not depend on batch size ({len(inputs)} samples)")
    return Check(
        "independence",
        False,
        f"predictions of {source.name} depend on the other samples of the batch, in evaluation mode: something in it "
        "uses statistics of the batch (a BatchNorm left in training mode, for example). Make eval() reach every layer",
    )


def _nearly_equal(one: Tensor, other: Tensor) -> bool:
    """Whether two outputs differ by no more than torch's algorithms for different batch sizes may."""
    return bool((one - other).abs().max() <= BATCH_TOLERANCE * one.abs().max())


def _differ_by_rounding(source: ExportSource, inputs: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> bool:
    """Whether outputs differ by no more than twice the error limit, because each of the two may be off by the limit.

    If large terms cancel out, rounding alone can exceed a fixed part of the output.
    """
    reference = source.in_float64()
    with torch.no_grad():
        exact = [output.double().numpy() for output in reference(inputs)]
    limits = error_limits(reference, inputs, exact)
    return all(
        bool((one - other).abs().max() <= 2 * limit.largest) for (one, other), limit in zip(pairs, limits, strict=True)
    )


@torch.inference_mode()
def _run_seeded(model: nn.Module, inputs: Tensor, seed: int) -> tuple[Tensor, ...]:
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    outputs: tuple[Tensor, ...] = model(inputs)
    return outputs


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
    environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with tempfile.TemporaryDirectory() as elsewhere:
        command = [sys.executable, "-c", "from zoo.exporting.checks import write_again; write_again()"]
        done = subprocess.run(
            command, input=pickled, cwd=elsewhere, env=environment, capture_output=True, timeout=REWRITE_SECONDS
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
