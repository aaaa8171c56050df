"""What the certificate adds to a bare export: `zoo.export` beside `torch.onnx.export`, session and test split.

    python benchmarks/export.py NAME|RUN

Needs a finished run. Both are measured in this process, after a warm-up export, in turn.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch

import zoo

ROUNDS = 3
BATCH = 500


def bare(model: torch.nn.Module, images: torch.Tensor, path: Path) -> None:
    """The least that a person writes by hand: export, open, run the test split."""
    dynamic = ({0: torch.export.Dim("batch")},)
    torch.onnx.export(model, (images[:3],), path, dynamic_shapes=dynamic, external_data=False, verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    np.concatenate([session.run(None, {name: batch.numpy()})[0] for batch in images.split(BATCH)])


def seconds(action) -> float:
    """Wall-clock time of ``action()``."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main() -> None:
    """Print both times and their ratio."""
    reference = sys.argv[1]
    registry = zoo.create_registry()
    run = zoo.find_run(reference, zoo.runs_folder(), registry.architectures)
    trained = zoo.load(reference, registry=registry)
    folder = zoo.data_folder(remembered=run.config.get("data_folder"))
    images = zoo.load_dataset(registry.dataset(run.config["data"]["name"]), folder).splits.test.inputs
    with tempfile.TemporaryDirectory() as scratch:
        actions = {
            "bare": lambda: bare(trained.module, images, Path(scratch) / "bare.onnx"),
            "zoo": lambda: zoo.export(reference, output=Path(scratch) / "zoo.onnx", registry=registry),
        }
        times: dict[str, list[float]] = {name: [] for name in actions}
        for _ in range(ROUNDS + 1):
            for name, action in actions.items():
                times[name].append(seconds(action))
    ours, theirs = (statistics.median(times[name][1:]) for name in ("zoo", "bare"))
    print(f"{run.name}, {len(images):,} test samples")
    print(f"zoo.export {ours:.2f} s, bare {theirs:.2f} s, ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
