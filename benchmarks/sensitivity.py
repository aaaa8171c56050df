"""The smallest change of a single weight that the numbers of a certificate notice, for each small architecture.

    python benchmarks/sensitivity.py [NAME …]

A float32 copy of the shipped network takes the place of the file. One of its weights is changed by a part of the
largest weight of its tensor, a little more each time, until `numerics` refuses it. Printed are the smallest part that
was noticed for any weight, and the median over weights, drawn from all tensors alike.
"""

from __future__ import annotations

import copy
import logging
import statistics
import sys
import warnings

import torch
from export import subject_of

import zoo
from zoo.exporting.numerics import check_numerics, make_cases
from zoo.exporting.source import ExportSource

WEIGHTS = 60
STEPS = [10 ** (exponent / 4) for exponent in range(-28, 1)]
"""Parts of the largest weight: from 1e-7 to 1."""


def smallest_noticed(source: ExportSource) -> list[float]:
    """For each weight the smallest part that is noticed; infinite where even the largest is not."""
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

        def noticed(part: float, flat=flat, place=place, before=before, largest=largest) -> bool:
            flat[place] = before + part * largest
            return not check_numerics(source, cases, runtime).passed

        found.append(next((part for part in bisected(noticed)), float("inf")))
        flat[place] = before
    return found


def bisected(noticed) -> list[float]:
    """The first of :data:`STEPS` that is noticed, if any: what is noticed at one step is at every larger one."""
    low, high = 0, len(STEPS)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if noticed(STEPS[middle]) else (middle + 1, high)
    return STEPS[low : low + 1]


def main() -> None:
    """One line for each architecture."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    registry = zoo.create_registry()
    small = [name for name in registry.architectures if registry.architecture(name).shipped_weights]
    print("| architecture | smallest | median | never |\n|---|--:|--:|--:|")
    for name in sys.argv[1:] or small:
        found = smallest_noticed(subject_of(name, registry, 1_000))
        never = sum(part == float("inf") for part in found)
        print(f"| `{name}` | {min(found):.1e} | {statistics.median(found):.1e} | {never} |", flush=True)


if __name__ == "__main__":
    main()
