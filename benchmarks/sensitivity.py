"""Find the smallest relative change of a single weight that is noticed, for each network that ships weights.

    python benchmarks/sensitivity.py [--write docs/sensitivity.json] [NAME …]

A float32 copy of the network replaces the file. In each of up to eight layers two weights are changed, one at a time:
the largest, and the one whose gradient is the median of its layer. The script finds the smallest change, as a part of
the weight itself, that fails `numerics`. `zoo verify` also writes the file again from its checkpoint and compares the
bytes, so it notices every change; the script tries that with a single bit.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import statistics
import sys
import tempfile
import warnings
from pathlib import Path

import torch
from export import source_of

import zoo
from zoo.exporting.numerics import BATCHES, check_numerics, make_cases
from zoo.exporting.source import ExportSource
from zoo.files import sha256
from zoo.specs.references import resolve_reference

LAYERS = 8
OPTIONS = {"opset": 0}
STEPS = [10 ** (exponent / 2) for exponent in range(-14, 1)]
"""Relative changes: from 1e-7 to 1."""


def measure(source: ExportSource) -> dict:
    """For each weight of both kinds the smallest change that is noticed; None if none is, up to doubling it."""
    copied, cases = copy.deepcopy(source.model), [c for c in make_cases(source) if len(c.inputs) == max(BATCHES)]
    every = [parameter for parameter in copied.parameters() if parameter.numel()]
    chosen = [every[place * len(every) // min(LAYERS, len(every))] for place in range(min(LAYERS, len(every)))]

    @torch.inference_mode()
    def run(inputs: torch.Tensor) -> list:
        return [output.numpy() for output in copied(inputs)]

    runtime, found = zoo.Runtime("CPU", "changed", run), {"largest": [], "median": []}
    gradients = torch.autograd.grad(copied(source.samples(max(BATCHES)))[0].square().sum(), chosen, allow_unused=True)
    for parameter, gradient in zip(chosen, gradients, strict=True):
        flat = parameter.detach().view(-1)
        places = {"largest": int(flat.abs().argmax())}
        if gradient is not None:
            size = gradient.reshape(-1).abs()
            places["median"] = int((size - size.median()).abs().argmin())
        for kind, place in places.items():
            before = float(flat[place])

            def noticed(part: float, flat=flat, place=place, before=before) -> bool:
                flat[place] = before * (1 + part)
                return not check_numerics(source, cases, runtime).passed

            found[kind].append(first_of(noticed) if before else None)
            flat[place] = before
    return {"layers": len(chosen), **found, "rebuild": notices_a_bit(source)}


def first_of(noticed) -> float | None:
    """The first of :data:`STEPS` that is noticed; None if none is. Every larger step is noticed too."""
    low, high = 0, len(STEPS)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if noticed(STEPS[middle]) else (middle + 1, high)
    return STEPS[low] if low < len(STEPS) else None


def notices_a_bit(source: ExportSource) -> bool:
    """Whether the file has other bytes if one bit of one weight is another."""
    exporter = zoo.create_registry().exporter("onnx")
    changed = copy.deepcopy(source.model)
    flat = next(parameter for parameter in changed.parameters() if parameter.numel()).detach().view(-1)
    place = int(flat.abs().argmax())
    flat[place] = torch.nextafter(flat[place], torch.tensor(0.0))
    with tempfile.TemporaryDirectory() as folder:
        hashes = []
        for number, model in enumerate((source.model, changed)):
            path = Path(folder) / f"{number}.onnx"
            resolve_reference(exporter.write)(dataclasses.replace(source, model=model), path, **OPTIONS)
            hashes.append(sha256(path))
    return hashes[0] != hashes[1]


def main() -> None:
    """Print one line for each architecture, and write the figures as JSON."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    arguments = sys.argv[1:]
    target = Path(arguments.pop(arguments.index("--write") + 1)) if "--write" in arguments else None
    names = [name for name in arguments if name != "--write"]
    registry = zoo.create_registry()
    rows = []
    for name in names or [name for name in registry.architectures if registry.architecture(name).shipped_weights]:
        row = {"name": name, **measure(source_of(name, registry, 1_000))}
        rows.append(row)
        medians = {k: statistics.median(x or float("inf") for x in row[k]) for k in ("largest", "median") if row[k]}
        print(name, medians, row["rebuild"], flush=True)
        if target:
            target.write_text(json.dumps({"versions": {"torch": torch.__version__}, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
