"""python run.py [FILE]: FILE holds raw samples, one behind the other: bytes for pixels, little-endian numbers else."""

import json
import sys
from pathlib import Path

import torch

here = Path(__file__).parent
notes = {"outputs.json": ""}
program = torch.export.load(here / "model.pt2", extra_files=notes)
given = json.loads(notes["outputs.json"])[-1]
(taken,) = (node.meta["val"] for node in program.graph.nodes if node.name in program.graph_signature.user_inputs)
raw = bytearray(Path(sys.argv[1] if len(sys.argv) > 1 else here / "sample.bin").read_bytes())
samples = torch.frombuffer(raw, dtype=taken.dtype).reshape(-1, *map(int, taken.shape[1:]))
labels = (here / "labels.txt").read_text(encoding="utf-8").splitlines()
for answers in program.module()(samples)[-1]:
    answer = answers.reshape(len(answers), -1).mean(dim=1).tolist()  # of a mask, the mean of each class
    shown = [answer.index(max(answer))] if given == "probabilities" else range(len(answer))
    print(", ".join(f"{labels[i]} {answer[i]:.5f}" for i in shown))
