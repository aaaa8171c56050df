"""Measure reading at scale: a folder of 100,000 images, and a table of 10,000,000 rows. Each step is a process.

    python benchmarks/data_scale.py [images|table] [COUNT]

The data is made in a temporary folder ($TMPDIR; at most 2 GB) and deleted. Printed for each step: seconds of processor
time, seconds of wall clock, and the largest resident memory, both also as more than that of a process that only imports
the zoo.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

IMAGES, ROWS, BLOCK = 100_000, 10_000_000, 100_000


def make_images(folder: Path, count: int) -> None:
    """Colour noise of 32x32 pixels in ten classes."""
    from PIL import Image

    random = np.random.RandomState(0)
    for label in range(10):
        (folder / f"class{label}").mkdir(parents=True)
    for number in range(count):
        pixels = random.randint(0, 64, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"class{number % 10}" / f"{number:06}.png", compress_level=1)


def make_table(path: Path, count: int) -> None:
    """Six numbers, a category of five words, and a target, in about 60 bytes a row."""
    random = np.random.RandomState(0)
    words = ("red", "green", "blue", "black", "white")
    with path.open("w", encoding="ascii") as handle:
        handle.write("a,b,c,d,e,f,colour,target\n")
        for start in range(0, count, BLOCK):
            values = random.standard_normal((min(BLOCK, count - start), 7))
            colours = random.randint(0, 5, len(values))
            handle.writelines(
                f"{row[0]:.5f},{row[1]:.5f},{row[2]:.5f},{row[3]:.5f},{row[4]:.5f},{row[5]:.5f},{words[colour]},{row[6]:.4f}\n"
                for row, colour in zip(values.tolist(), colours.tolist(), strict=True)
            )


def list_folder(source: Path, scratch: Path) -> None:
    """List the files and read the header of each."""
    from zoo.data.image_folder import OPTIONS, open_folder
    from zoo.specs.options import check_all

    open_folder(source, "images", check_all(OPTIONS, {}, "images"))


def load(source: Path, scratch: Path, options: dict[str, Any], task: str) -> str:
    """Load the data as a training does; its fingerprint."""
    from zoo import create_registry
    from zoo.data.loading import load_named

    return load_named(str(source), create_registry(), task, scratch, options).fingerprint


STEPS: dict[str, Callable[[Path, Path], object]] = {
    "imports only": lambda source, scratch: None,
    "images: list, read headers": list_folder,
    "images: decode into memory": lambda source, scratch: load(source, scratch, {"hold": "memory"}, "classification"),
    "images: decode into files": lambda source, scratch: load(source, scratch, {"hold": "disk"}, "classification"),
    "images: second start, from files": lambda source, scratch: load(
        source, scratch, {"hold": "disk"}, "classification"
    ),
    "table: read, divide, fingerprint": lambda source, scratch: load(
        source, scratch, {"target": "target"}, "regression"
    ),
}


def run_step(name: str, source: str, scratch: str) -> None:
    """Run one step in this process, and print what it took as JSON."""
    import zoo.data.loading  # noqa: F401  (its import is not counted)

    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.monotonic()
    STEPS[name](Path(source), Path(scratch))
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    used = {"cpu": seconds, "wall": time.monotonic() - began, "peak": after.ru_maxrss / 1024, "base": before.ru_maxrss}
    print(json.dumps(used))


def measure(name: str, source: Path, scratch: Path) -> None:
    """Run one step in a child process."""
    command = [sys.executable, __file__, "step", name, str(source), str(scratch)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    used = json.loads(done.stdout.splitlines()[-1])
    more = used["peak"] - used["base"] / 1024
    print(
        f"{name:34}  {used['cpu']:7.1f} s CPU  {used['wall']:7.1f} s  {used['peak']:6.0f} MiB  (+{more:.0f})",
        flush=True,
    )


def main() -> None:
    """Make the data, and run the steps."""
    kinds = [sys.argv[1]] if len(sys.argv) > 1 else ["images", "table"]
    with tempfile.TemporaryDirectory(prefix="zoo-scale-") as folder:
        for kind in kinds:
            count = int(sys.argv[2]) if len(sys.argv) > 2 else (IMAGES if kind == "images" else ROWS)
            source = Path(folder, "images" if kind == "images" else "table.csv")
            (make_images if kind == "images" else make_table)(source, count)
            size = sum(path.stat().st_size for path in (source.rglob("*") if source.is_dir() else [source]))
            print(f"{kind}: {count:,}, {size / 1e6:,.0f} MB", flush=True)
            for name in STEPS:
                if name.startswith(kind):
                    measure(name, source, Path(folder, "data"))


if __name__ == "__main__":
    if sys.argv[1:2] == ["step"]:
        run_step(*sys.argv[2:])
    else:
        main()
