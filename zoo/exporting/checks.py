"""The gates that every exported file has to pass, whatever its format, before it is put in place.

A  determinism   the model itself gives the same twice
   independence  and gives a sample the same whatever else is in its batch
   structure     the file is whole, says what it is, and takes a batch of any size
B  numerics      run as it is written, it is as close to float64 as torch is
D  providers     so is every other way to run it
C  test split    every test sample is decided as torch decides it, and the metric is the recorded one
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from ..models.runtime import Inspection, RuntimeFailed, Runtimes, TensorSpec
from .certificate import Check
from .numerics import Case, check_numerics, check_providers
from .scatter import limits_of
from .source import ExportSource
from .split_check import check_test_split

SEVERAL = 16
BATCH_TOLERANCE = 1e-3
"""Part of the largest output: far more than rounding does, far less than the statistics of another batch do."""
INPUT_NAME, BATCH_NAME = "input", "batch"


def check_determinism(source: ExportSource) -> Check:
    """Run the model twice under different seeds: what differs then cannot be proven equal to anything."""
    inputs = source.samples(SEVERAL)
    try:
        first, second = (_run_seeded(source.model, inputs, seed) for seed in (1, 2))
    except Exception as error:
        cause = " ".join(str(error).split())
        return Check("determinism", False, f"{source.name} cannot run a batch of {len(inputs)} test samples: {cause}")
    if all(torch.equal(a, b) for a, b in zip(first, second, strict=True)):
        return Check("determinism", True, f"two runs of {len(inputs)} samples under different seeds are equal")
    return Check(
        "determinism",
        False,
        f"{source.name} gives different outputs for the same input in evaluation mode: something in it draws "
        "random numbers (dropout that ignores eval(), random depth). Make it depend on self.training",
    )


def check_independence(source: ExportSource) -> Check:
    """What a sample is answered does not depend on what else is in its batch: two half batches give the same."""
    inputs = source.samples(SEVERAL)
    whole = _run_seeded(source.model, inputs, 1)
    halves = zip(*(_run_seeded(source.model, half, 1) for half in inputs.chunk(2)), strict=True)
    pairs = [(a, torch.cat(b)) for a, b in zip(whole, halves, strict=True)]
    if all(_nearly_equal(a, b) for a, b in pairs) or _apart_by_rounding(source, inputs, pairs):
        return Check("independence", True, f"{len(inputs)} samples are answered alike in batches of another size")
    return Check(
        "independence",
        False,
        f"{source.name} answers for a sample by what else is in its batch, in evaluation mode: something in it takes "
        "means over the batch (a BatchNorm left in training mode, say). Have train(False) reach it",
    )


def _nearly_equal(one: Tensor, other: Tensor) -> bool:
    """Apart by no more than what torch's algorithms for one and another batch size may differ by."""
    return bool((one - other).abs().max() <= BATCH_TOLERANCE * one.abs().max())


def _apart_by_rounding(source: ExportSource, inputs: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> bool:
    """Apart by no more than two correct float32 programs may be, each off to its side: of outputs that cancel out, more
    than a part of the output."""
    reference = source.in_float64()
    with torch.no_grad():
        exact = [output.double().numpy() for output in reference(inputs)]
    limits = limits_of(reference, inputs, exact)
    return all(
        bool((one - other).abs().max() <= 2 * limit.largest) for (one, other), limit in zip(pairs, limits, strict=True)
    )


def check_structure(source: ExportSource, inspection: Inspection) -> Check:
    """The file is sound, takes and gives what the source does, at any batch size, and carries its description."""
    problem = inspection.problem or wrong_interface(source, inspection)
    if not problem:
        missing = sorted(source.description.keys() - inspection.description.keys())
        problem = f"the description lacks {', '.join(missing)}" if missing else ""
    return Check("structure", not problem, problem or inspection.summary, inspection.figures)


def wrong_interface(source: ExportSource, inspection: Inspection) -> str:
    """What is wrong with names, types and shapes of what goes in and out."""
    inputs, outputs = inspection.inputs, inspection.outputs
    batch = inputs[0].shape[0] if inputs and inputs[0].shape else None
    if isinstance(batch, int):
        return (
            f"the batch is fixed at {batch}: something in the network depends on it, a hard-coded size in view() or "
            "reshape(), or a branch on its shape; write -1 or x.shape[0] in its place"
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
            return f"output {output.name!r} has the fixed batch {list(output.shape[:1])}"
    return ""


def judge(source: ExportSource, cases: list[Case], runtimes: Runtimes, wanted: Iterable[str] = ()) -> Iterator[Check]:
    """The gates that run the file: B, D and C.

    Args:
        cases: from :func:`zoo.exporting.numerics.make_cases`.
        wanted: execution providers that have to be tested; the others are where they run.
    """
    gate = "numerics"
    try:
        yield check_numerics(source, cases, runtimes.literal)
        gate = "providers"
        yield check_providers(source, cases, runtimes, wanted)
        gate = "test split"
        yield from check_test_split(source, runtimes.usual_of_each_provider)
    except RuntimeFailed as error:
        yield Check(gate, False, str(error))


@torch.inference_mode()
def _run_seeded(model: nn.Module, inputs: Tensor, seed: int) -> tuple[Tensor, ...]:
    torch.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)
    outputs: tuple[Tensor, ...] = model(inputs)
    return outputs
