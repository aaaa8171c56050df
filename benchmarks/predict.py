"""Compare time and memory of `zoo predict FILE.onnx` with a bare script with Pillow and onnxruntime.

    python benchmarks/predict.py FILE.onnx [FILES]

FILE.onnx must take grey images, such as the file of `zoo export resnet-mini --onnx`. Both programs run alternately,
each in a new process. The ratio is that of the medians. Memory is the peak resident memory of the process.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

RUNS = 5
FEW = 200
BARE = """
import os, sys, json, numpy as np, onnxruntime
from PIL import Image
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
names = sorted(os.listdir(sys.argv[2]))
for first in range(0, len(names), 64):
    batch = names[first : first + 64]
    images = np.stack([np.asarray(Image.open(os.path.join(sys.argv[2], name)))[None] for name in batch])
    for name, answer in zip(batch, session.run(None, {"input": images})[1]):
        print(name, labels[answer.argmax()], *answer.tolist(), sep=",")
"""


def measured(command: list[str]) -> tuple[float, int]:
    """Wall-clock seconds of a command, and its peak resident memory in bytes."""
    script = (
        "import resource, subprocess, sys, time; began = time.perf_counter(); "
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
        "print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)"
    )
    out = subprocess.run([sys.executable, "-c", script, *command], capture_output=True, text=True, check=True).stdout
    seconds, peak = out.split()
    return float(seconds), int(peak)


def main() -> None:
    """Print a table."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    model, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    zoo = shutil.which("zoo")
    if zoo is None:
        sys.exit("Install the zoo first: pip install .")
    with tempfile.TemporaryDirectory() as scratch:
        folders = {size: _pictures(model, Path(scratch) / str(size), size) for size in (1, FEW, count)}
        print(f"{'files':>7}{'zoo s':>9}{'bare s':>9}{'ratio':>8}{'zoo MB':>9}{'bare MB':>9}")
        for size, folder in folders.items():
            pairs = [
                (
                    measured([zoo, "predict", model, folder, "--csv"]),
                    measured([sys.executable, "-c", BARE, model, folder]),
                )
                for _ in range(RUNS + 1)
            ][1:]
            ours, least = (statistics.median(side[0] for side in column) for column in zip(*pairs, strict=True))
            memory = [max(side[1] for side in column) / 1e6 for column in zip(*pairs, strict=True)]
            print(f"{size:>7,}{ours:>9.2f}{least:>9.2f}{ours / least:>8.2f}{memory[0]:>9.1f}{memory[1]:>9.1f}")


def _pictures(model: str, folder: Path, count: int) -> str:
    """Write ``count`` PNG files with noise in the input size of the model; return the folder."""
    import numpy as np
    import onnxruntime
    from PIL import Image

    metadata = onnxruntime.InferenceSession(model).get_modelmeta().custom_metadata_map
    channels, height, width = json.loads(metadata["input_shape"])
    if channels != 1:
        sys.exit("FILE.onnx must take grey images.")
    random = np.random.RandomState(0)
    folder.mkdir()
    for place in range(count):
        pixels = random.randint(0, 256, (height, width)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{place:06}.png")
    return str(folder)


if __name__ == "__main__":
    main()
