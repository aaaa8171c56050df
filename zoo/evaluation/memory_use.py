"""The memory that a model needs, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from ..folders import runs_folder
from ..models.api import is_onnx_file, open_model
from ..models.description import ModelDescription
from ..models.inference import Array, InferenceModel
from ..models.onnx_model import OnnxModel
from ..registry.registry import create_registry


def noise(model: ModelDescription, batch: int) -> Array:
    """A batch of raw samples: what a sample holds makes no difference to the time, unless it is nothing but zeros."""
    random = np.random.RandomState(0)
    if model.takes_images:
        return random.randint(0, 256, (batch, *model.input_shape)).astype(np.uint8)
    return random.normal(size=(batch, *model.input_shape)).astype(np.float32)


def memory_of(reference: str, batch: int, threads: int, runs_dir: Path | str | None = None) -> int | None:
    """Bytes of resident memory that a model and one batch add to a fresh process, so that nothing else counts.

    None where they cannot be had.
    """
    script = "import sys; from zoo.evaluation.memory_use import tell_memory; tell_memory(*sys.argv[1:])"
    folder = str(runs_folder(runs_dir))
    arguments = [reference, folder, str(batch), str(threads)]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True)
    text = done.stdout.strip()
    return int(text) if done.returncode == 0 and text.isdigit() else None


def tell_memory(reference: str, runs_dir: str, batch: str, threads: str) -> None:
    """Print by how much loading a model and running a batch raises this process's resident memory.

    :func:`memory_of` runs it in a process of its own.
    """
    if is_onnx_file(reference):
        before = resident_bytes()
        model: InferenceModel = OnnxModel(reference, threads=int(threads))
    else:
        import torch

        from ..models import torch_model  # noqa: F401 (what is imported does not count)

        torch.set_num_threads(int(threads) or torch.get_num_threads())
        registry = create_registry()
        before = resident_bytes()
        model = open_model(reference, runs_dir=runs_dir, registry=registry)
    model.run(noise(model.description, int(batch)))
    after = resident_bytes()
    print("unknown" if before is None or after is None else max(0, after - before))


def resident_bytes() -> int | None:
    """The memory that this process holds at the moment; None where the system does not tell (only Linux does)."""
    if sys.platform != "linux":
        return None
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    import resource

    return pages * resource.getpagesize()
