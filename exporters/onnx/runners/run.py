"""python run.py [FILE]: FILE holds raw samples, one behind the other: bytes for pixels, little-endian numbers else."""

import sys
from pathlib import Path

import numpy as np
import onnxruntime

here = Path(__file__).parent
session = onnxruntime.InferenceSession(here / "model.onnx", providers=["CPUExecutionProvider"])
(taken,), given = session.get_inputs(), session.get_outputs()[-1]
kind = {"tensor(uint8)": "u1", "tensor(int64)": "<i8"}.get(taken.type, "<f4")
samples = np.fromfile(sys.argv[1] if len(sys.argv) > 1 else here / "sample.bin", kind).reshape(-1, *taken.shape[1:])
labels = (here / "labels.txt").read_text(encoding="utf-8").splitlines()
for answer in session.run([given.name], {taken.name: samples})[0]:
    answer = answer.reshape(len(answer), -1).mean(axis=1)  # of a mask, the mean of each class
    shown = [answer.argmax()] if given.name == "probabilities" else range(len(answer))
    print(", ".join(f"{labels[i]} {answer[i]:.5f}" for i in shown))
