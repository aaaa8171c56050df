"""Measure start-up: compared with importing click and pluggy, with and without thirty plugins, and with other programs.

    python benchmarks/startup.py [--runs 20] [--peers VIRTUAL-ENVIRONMENT]

The programs of a pair run alternately, so that a busy machine slows both. The ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLUGINS, PLUGINS_GOAL = 30, 2.5
PEERS = {"tox": 1.5, "llm": 2.5, "datasette": 2.5}
COMMANDS = ("list", "info resnet-mini", "datasets", "plugins", "runs")


PLUGIN = """
from zoo import Architecture, Option, hookimpl


@hookimpl
def register_architectures(register):
    register(
        Architecture(
            name="benchmark-net-{number}",
            summary="a network in a separate package",
            task="classification",
            builder="benchmark_plugin_{number}.model:build",
            dataset="mnist",
            parameters=7_850,
            hyperparameters={{"epochs": 5, "lr": 0.1}},
            options=(Option(name="width", default=32, help="units in the hidden layer", minimum=1),),
        )
    )
"""


def install_plugins(folder: Path, count: int) -> None:
    """Write packages as pip installs them, each with an entry point in the group ``zoo``."""
    for number in range(count):
        package = folder / f"benchmark_plugin_{number}"
        package.mkdir()
        (package / "__init__.py").write_text(PLUGIN.format(number=number))
        (package / "model.py").write_text(
            "def build(input_shape, num_outputs, width):\n    raise NotImplementedError\n"
        )
        info = folder / f"benchmark_plugin_{number}-1.0.dist-info"
        info.mkdir()
        name = f"Name: benchmark-plugin-{number}"
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\n{name}\nVersion: 1.0\nRequires-Dist: pluggy-zoo>=0.1\n")
        (info / "entry_points.txt").write_text(f"[zoo]\nbenchmark-net-{number} = benchmark_plugin_{number}\n")
        files = (
            f"{package.name}/__init__.py",
            f"{package.name}/model.py",
            f"{info.name}/METADATA",
            f"{info.name}/entry_points.txt",
        )
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in (*files, f"{info.name}/RECORD")))


def plugins_ratio(folder: Path, runs: int) -> float:
    """The median time of `zoo list` with the plugins in ``folder``, divided by that with the built-in plugins only."""
    command = [sys.executable, "-m", "zoo", "list"]
    none = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    pairs = [(seconds(command, none | {"PYTHONPATH": str(folder)}), seconds(command, none)) for _ in range(runs + 1)][
        1:
    ]
    many, few = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
    print(f"{f'with {PLUGINS} plugins':<20}{many:>10.1f}{few:>10.1f}{many / few:>8.2f}   goal {PLUGINS_GOAL}")
    return many / few


def seconds(command: list[str], environment: dict[str, str] | None = None) -> float:
    """Wall-clock time of one run of ``command``."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment)
    return time.perf_counter() - began


def peers_ratios(folder: Path, zoo: str, runs: int) -> None:
    """Print the median times of other command-line programs, divided by that of ``zoo``."""
    for name, goal in PEERS.items():
        program = folder / "bin" / name
        for command in ("--help", "list"):
            pairs = [(seconds([zoo, command]), seconds([str(program), "--help"])) for _ in range(runs + 1)][1:]
            ours, theirs = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
            print(f"zoo {command:<16}{ours:>10.1f}{theirs:>10.1f}{theirs / ours:>8.2f}   {name} --help, goal {goal}")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="number of runs of each program")
    parser.add_argument("--peers", type=Path, help="a virtual environment with tox, llm and datasette")
    given = parser.parse_args()
    zoo = shutil.which("zoo")
    if zoo is None:
        sys.exit("Install the zoo first: pip install .")
    bare = [sys.executable, "-c", "import click, pluggy"]
    print(f"{'command':<20}{'median ms':>10}{'other ms':>10}{'ratio':>8}   compared with")
    for command in COMMANDS:
        pairs = [(seconds([zoo, *command.split()]), seconds(bare)) for _ in range(given.runs + 1)][1:]
        ours, least = (statistics.median(column) * 1000 for column in zip(*pairs, strict=True))
        print(f"{'zoo ' + command:<20}{ours:>10.1f}{least:>10.1f}{ours / least:>8.2f}   importing click and pluggy")
    with tempfile.TemporaryDirectory() as folder:
        install_plugins(Path(folder), PLUGINS)
        plugins_ratio(Path(folder), given.runs)
    if given.peers is not None:
        peers_ratios(given.peers, zoo, given.runs)


if __name__ == "__main__":
    main()
