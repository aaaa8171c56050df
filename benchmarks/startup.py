"""What `zoo list` costs beside the least that any click and pluggy program costs.

    python benchmarks/startup.py [RUNS]

Both are run in turn, so that a machine that is busy with something else slows both; the ratio of the medians counts.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time

GOAL = 2.0
COMMANDS = ("list", "info resnet-mini", "datasets", "plugins", "runs")


def seconds(command: list[str]) -> float:
    """Wall-clock time of one run of ``command``."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Print a table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    zoo = shutil.which("zoo")
    if zoo is None:
        sys.exit("Install the zoo first: pip install .")
    bare = [sys.executable, "-c", "import click, pluggy"]
    print(f"{'command':<20}{'median ms':>10}{'bare ms':>10}{'ratio':>8}   goal {GOAL}")
    for command in COMMANDS:
        pairs = [(seconds([zoo, *command.split()]), seconds(bare)) for _ in range(runs + 1)][1:]
        ours, least = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
        print(f"{'zoo ' + command:<20}{ours:>10.1f}{least:>10.1f}{ours / least:>8.2f}")


if __name__ == "__main__":
    main()
