"""Measure what grows with use: 10,000 runs, 200 plugins, 5,000 epochs. Prints a table for RESULTS.md.

    python benchmarks/scale.py [--runs 10000] [--plugins 200] [--epochs 5000]

Each command runs in a process of its own. The time is its processor time, which a busy machine changes little, and the
memory is the peak of its resident set.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

FIXTURE = Path(__file__).parents[1] / "tests" / "fixtures" / "0.1-rooms" / "run"
ARCHITECTURES = 20
PLUGIN = """
import zoo

@zoo.hookimpl
def register_architectures(register):
    register(
        zoo.Architecture(
            name="scale-net-{number}", summary="a network", task="classification", builder="a:b", dataset="mnist",
            parameters=1,
        )
    )
"""
MEASURE = """
import json, resource, subprocess, sys, time
began = time.monotonic()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([done.returncode, time.monotonic() - began, used.ru_utime, used.ru_stime, used.ru_maxrss]))
"""


def main() -> None:
    """Make the folders, run the commands, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--plugins", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=5_000)
    given = parser.parse_args()
    print("| command | processor seconds | of them system | wall seconds | peak memory |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        runs, plugins = Path(scratch, "runs"), Path(scratch, "plugins")
        make_runs(runs, given.runs)
        make_plugins(plugins, given.plugins)
        for name, arguments in (
            (f"`zoo runs`, {given.runs:,} runs", ["runs", "--runs-dir", runs]),
            (f"`zoo runs NAME`, {given.runs // ARCHITECTURES:,} of them", ["runs", "net-3", "--runs-dir", runs]),
            (f"`zoo runs --json`, {given.runs:,} runs", ["runs", "--json", "--runs-dir", runs]),
            ("`zoo runs`, no run", ["runs", "--runs-dir", Path(scratch, "none")]),
            (f"`zoo list`, {given.plugins} plugins", ["--plugins-dir", plugins, "list"]),
            ("`zoo list`, no other plugin", ["list"]),
            ("`zoo train linear-regression`, 1 epoch", [*train(scratch), "--epochs", "1"]),
            (f"the same, {given.epochs:,} epochs", [*train(scratch), "--epochs", str(given.epochs)]),
        ):
            measure(name, *map(str, arguments))


def train(scratch: str) -> list[str]:
    """The beginning of a training of two parameters on twenty samples."""
    return ["train", "linear-regression", "--dataset", "line", "--device", "cpu", "--runs-dir", f"{scratch}/trained"]


def measure(name: str, *arguments: str) -> None:
    """Run ``zoo`` and print a row of the table."""
    command = [sys.executable, "-c", MEASURE, sys.executable, "-m", "zoo", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    code, wall, user, system, memory = json.loads(done.stdout)
    if code:
        raise SystemExit(f"zoo {' '.join(arguments)} ended with exit code {code}")
    print(f"| {name} | {user + system:.2f} | {system:.2f} | {wall:.2f} | {memory / 1_024:.0f} MiB |", flush=True)


def make_runs(folder: Path, count: int) -> None:
    """Write ``count`` finished runs of :data:`ARCHITECTURES` architectures, each with its own score."""
    config = json.loads((FIXTURE / "run.json").read_text(encoding="utf-8"))
    for number in range(count):
        name = f"net-{number % ARCHITECTURES}"
        place = folder / name / f"20260101-{number:06}"
        (place / "last").mkdir(parents=True)
        config["architecture"], config["best"]["score"][0] = name, -number / count
        (place / "run.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
        (place / "best.safetensors").write_bytes(b"weights")


def make_plugins(folder: Path, count: int) -> None:
    """Write ``count`` plugins of a single file."""
    folder.mkdir()
    for number in range(count):
        (folder / f"scale_plugin_{number}.py").write_text(PLUGIN.format(number=number), encoding="utf-8")


if __name__ == "__main__":
    main()
