"""Kill a training a hundred times, resume it each time, and compare the end with one that was left in peace.

    python benchmarks/kills.py [KILLS]

Real processes, SIGKILL at random instants, checkpoints after every second step: most kills hit one being written.
The same as tests/training/test_killing.py, which does it a few times.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Runs of up to ten kills each, until there were enough."""
    path = Path(__file__).parents[1] / "tests" / "training" / "test_killing.py"
    spec = importlib.util.spec_from_file_location("test_killing", path)
    assert spec is not None
    assert spec.loader is not None
    killing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(killing)
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as scratch:
        peaceful = killing.comparable(killing.train_in_peace(Path(scratch) / "peace"))
        kills = runs = equal = 0
        while kills < wanted:
            runs += 1
            run, survived = killing.train_under_fire(Path(scratch) / str(runs), 10, random.Random(runs))
            kills += survived
            equal += killing.comparable(run) == peaceful
            print(f"{kills} kills in {runs} runs; {equal} runs ended as the one in peace", flush=True)


if __name__ == "__main__":
    main()
