"""python run.py [FILE]: FILE holds raw samples, one behind the other: bytes for pixels, little-endian float32 else."""

import sys
import zipfile
from pathlib import Path

import numpy as np
import openvino

here = Path(__file__).parent
with zipfile.ZipFile(here / "model.openvino.zip") as archive:
    model = openvino.Core().read_model(archive.read("model.xml"), archive.read("model.bin"))
# in float32: without this, OpenVINO computes in bfloat16 on processors that can
compiled = openvino.Core().compile_model(model, "CPU", {"EXECUTION_MODE_HINT": "ACCURACY"})
taken, given = compiled.input(0), compiled.outputs[-1]
raw = Path(sys.argv[1] if len(sys.argv) > 1 else here / "sample.bin").read_bytes()
shape = [-1, *(size.get_length() for size in list(taken.get_partial_shape())[1:])]
samples = np.frombuffer(raw, taken.get_element_type().to_dtype()).reshape(shape)
labels = (here / "labels.txt").read_text(encoding="utf-8").splitlines()
for answer in compiled(samples)[given].tolist():
    shown = [answer.index(max(answer))] if given.any_name == "probabilities" else range(len(answer))
    print(", ".join(f"{labels[i]} {answer[i]:.5f}" for i in shown))
