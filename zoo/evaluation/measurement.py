"""Measure how long calls take and how much memory a model needs. Imports no torch, except to measure a checkpoint."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from ..folders import runs_folder
from ..interpreter import python_command, python_environment
from ..models.api import is_onnx_file, open_model
from ..models.description import ModelDescription
from ..models.inference import Array, InferenceModel
from ..models.onnx_model import OnnxModel
from ..registry.registry import create_registry

WARM_UP_CALLS = 5
LEAST_CALLS = 20
ROUNDS = 5
"""The measured calls take turns this often, so that other load on the machine affects all of them alike."""

Call = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a call takes.

    Args:
        p50: the median, in seconds.
        p95: the 95th percentile, in seconds.
    """

    p50: float
    p95: float


def random_batch(model: ModelDescription, size: int) -> Array:
    """A batch of random raw samples, uint8 ``[size, C, H, W]`` or float32 ``[size, F]``; of other kinds likewise.

    Random values, because a batch of zeros can run faster.
    """
    random = np.random.RandomState(0)
    if model.takes_images:
        return random.randint(0, 256, (size, *model.input_shape)).astype(np.uint8)
    if model.input_type != "float32":
        return random.randint(0, _tokens(model), (size, *model.input_shape)).astype(model.input_type)
    return random.normal(size=(size, *model.input_shape)).astype(np.float32)


def _tokens(model: ModelDescription) -> int:
    """The number of different whole numbers in a sample; 2 if the description does not name a vocabulary."""
    if model.input_type == "uint8":
        return 256
    vocabulary = model.input_options.get("vocabulary")
    return len(vocabulary) + 2 if isinstance(vocabulary, list) else 2


def measure_latency(calls: Mapping[str, Call], seconds: float) -> dict[str, Latency]:
    """Repeat each call for ``seconds``, at least :data:`LEAST_CALLS` times, after a warm-up that is not measured."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(WARM_UP_CALLS):
            call()
    for _ in range(ROUNDS):
        for name, call in calls.items():
            times[name] += _one_turn(call, seconds / ROUNDS)
    return {name: Latency(*np.percentile(own, [50, 95]).tolist()) for name, own in times.items()}


def _one_turn(call: Call, seconds: float) -> list[float]:
    """The seconds that each call took, over ``seconds`` in all."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    call()  # the turn of another call has filled the caches
    while len(times) < LEAST_CALLS // ROUNDS or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def measure_memory(reference: str, batch: int, threads: int, runs_dir: Path | str | None = None) -> int | None:
    """The resident memory, in bytes, that a model and one batch add to a fresh process; None if the process fails."""
    script = "import sys; from zoo.evaluation.measurement import print_added_memory; print_added_memory(*sys.argv[1:])"
    arguments = [reference, str(runs_folder(runs_dir)), str(batch), str(threads)]
    command = python_command("-c", script, *arguments)
    done = subprocess.run(command, env=python_environment(), capture_output=True, text=True)
    text = done.stdout.strip()
    return int(text) if done.returncode == 0 and text.isdigit() else None


def print_added_memory(reference: str, runs_dir: str, batch: str, threads: str) -> None:
    """Load a model, run one batch, and print by how many bytes that raises the resident memory of this process.

    :func:`measure_memory` runs it in a process of its own. Imported libraries do not count.
    """
    if is_onnx_file(reference):
        before = resident_bytes()
        model: InferenceModel = OnnxModel(reference, threads=int(threads))
    else:
        import torch

        from ..models import torch_model  # noqa: F401 (open_model needs it; imported before the first measurement)

        torch.set_num_threads(int(threads) or torch.get_num_threads())
        registry = create_registry()
        before = resident_bytes()
        model = open_model(reference, runs_dir=runs_dir, registry=registry)
    model.run(random_batch(model.description, int(batch)))
    print(max(0, resident_bytes() - before))


def resident_bytes() -> int:
    """The physical memory that this process occupies now, in bytes."""
    return int(psutil.Process().memory_info().rss)
