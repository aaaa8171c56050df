"""Kill a training a hundred times, resume it each time, and compare the result with an uninterrupted training.

    python benchmarks/kills.py [KILLS]

Real processes get SIGKILL at random times. Checkpoints are written after every second step, so most kills hit a write.
tests/training/test_killing.py does the same a few times.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Train runs with up to ten kills each, until the number of kills is reached."""
    path = Path(__file__).parents[1] / "tests" / "training" / "test_killing.py"
    spec = importlib.util.spec_from_file_location("test_killing", path)
    assert spec is not None
    assert spec.loader is not None
    killing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(killing)
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as scratch:
        whole = killing.comparable(killing.train_uninterrupted(Path(scratch) / "whole"))
        kills = runs = equal = 0
        while kills < wanted:
            runs += 1
            run, killed = killing.train_with_kills(Path(scratch) / str(runs), 10, random.Random(runs))
            kills += killed
            equal += killing.comparable(run) == whole
            print(f"{kills} kills in {runs} runs; {equal} runs equal the uninterrupted one", flush=True)


if __name__ == "__main__":
    main()
