"""Coverage-guided fuzzing of the readers of user data with atheris, which is not a dependency: `pip install atheris`.

    python benchmarks/fuzz.py csv|gz|idx [CORPUS] [-max_total_time=SECONDS]

An input may be refused by a DataError (csv, gz) or a ValueError (idx) of one line; any other exception is a crash.
"""

from __future__ import annotations

import gzip
import io
import os
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["zoo.data.cells", "zoo.data.table_reader", "zoo.plugins.datasets.vision"]):
    from zoo.plugins.datasets import vision

    from zoo.data import cells, table_reader

from zoo import DataError

SCRATCH = Path(tempfile.mkdtemp(prefix="zoo-fuzz-"))


def check_message(error: Exception) -> None:
    """An error is one line."""
    assert "\n" not in str(error)


def read_csv(content: bytes) -> None:
    """Rows have increasing lines, and the columns of the first row."""
    line, width = 0, 0
    try:
        for block in table_reader.read_blocks(io.BytesIO(content)):
            width = width or block.width
            assert block.width == width
            assert len(block)
            assert block["line"][0] > line
            line = block["line"][-1]
            for place in range(width - 2):
                numbers, missing = cells.parse_numbers(block[str(place)])
                assert len(numbers) == len(missing) == len(block)
    except DataError as error:
        check_message(error)


def read_gz(content: bytes) -> None:
    """Half of the inputs are packed first; the others must be refused, or happen to be packed."""
    packed = gzip.compress(content[1:], 1) if content[:1] > b"\x80" else content
    path = SCRATCH / "t.csv.gz"
    path.write_bytes(packed)
    try:
        for block in table_reader.read_blocks(path):
            assert block.width >= 3
    except DataError as error:
        check_message(error)


def read_idx(content: bytes) -> None:
    """A tensor of the dimensions that were asked for, or a ValueError."""
    path = SCRATCH / "images-idx3-ubyte"
    path.write_bytes(content[1:])
    try:
        assert vision.read_idx(path, 3 if content[:1] > b"\x80" else 1).ndim in (1, 3)
    except ValueError as error:
        check_message(error)


def main() -> None:
    """Fuzz the reader that is named first."""
    target = {"csv": read_csv, "gz": read_gz, "idx": read_idx}[sys.argv.pop(1)]
    os.nice(10)
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
