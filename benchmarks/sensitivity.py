"""Find the smallest change of a single weight that the gate `numerics` detects, for each small architecture.

    python benchmarks/sensitivity.py [NAME …]

A float32 copy of the shipped network replaces the file. One of its weights is changed by a fraction of the largest
weight of its tensor. The script finds the smallest fraction that fails `numerics`. It prints the smallest fraction of
all weights, the median over the weights, and the number of weights for which no change was detected. Every tensor has
the same number of weights in the sample.
"""

from __future__ import annotations

import copy
import logging
import statistics
import sys
import warnings

import torch
from export import source_of

import zoo
from zoo.exporting.numerics import check_numerics, make_cases
from zoo.exporting.source import ExportSource

WEIGHTS = 60
STEPS = [10 ** (exponent / 4) for exponent in range(-28, 1)]
"""Fractions of the largest weight: from 1e-7 to 1."""


def smallest_detected(source: ExportSource) -> list[float]:
    """For each weight the smallest fraction that is detected; infinite if none is."""
    random = torch.Generator().manual_seed(0)
    cases, copied = make_cases(source), copy.deepcopy(source.model)
    tensors = [parameter for parameter in copied.parameters() if parameter.numel()]

    @torch.inference_mode()
    def run(inputs: torch.Tensor) -> list:
        return [output.numpy() for output in copied(inputs)]

    runtime, found = zoo.Runtime("CPU", "changed", run), []
    for index in range(WEIGHTS):
        flat = tensors[index % len(tensors)].detach().view(-1)
        place = int(torch.randint(len(flat), (1,), generator=random))
        before, largest = float(flat[place]), float(flat.abs().max())

        def detected(fraction: float, flat=flat, place=place, before=before, largest=largest) -> bool:
            flat[place] = before + fraction * largest
            return not check_numerics(source, cases, runtime).passed

        found.append(next(iter(bisected(detected)), float("inf")))
        flat[place] = before
    return found


def bisected(detected) -> list[float]:
    """The first of :data:`STEPS` that is detected, in a list; empty if none is. Every larger step is detected too."""
    low, high = 0, len(STEPS)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if detected(STEPS[middle]) else (middle + 1, high)
    return STEPS[low : low + 1]


def main() -> None:
    """Print one line for each architecture."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    registry = zoo.create_registry()
    small = [name for name in registry.architectures if registry.architecture(name).shipped_weights]
    print("| architecture | smallest | median | not detected |\n|---|--:|--:|--:|")
    for name in sys.argv[1:] or small:
        found = smallest_detected(source_of(name, registry, 1_000))
        undetected = sum(fraction == float("inf") for fraction in found)
        print(f"| `{name}` | {min(found):.1e} | {statistics.median(found):.1e} | {undetected} |", flush=True)


if __name__ == "__main__":
    main()
