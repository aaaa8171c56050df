"""The CSV reader for training and prediction: rows in blocks, at constant memory. Imports polars only when it reads."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..errors import DataError, UsageError
from ..formatting import brief
from .cells import parse_numbers
from .user_paths import open_regular, why

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = ",;\t|"
BLOCK_BYTES = 2**20
LONGEST_LINE = 2**24
LARGEST_UNPACKED, LARGEST_RATIO = 2**28, 200
"""A packed file may have so many bytes when it is unpacked, or so many times its size."""
MOST_COLUMNS = 10_000
SPACES = "".join(c for c in map(chr, range(0x3001)) if c.isspace() and not "\x1c" <= c <= "\x1f")
"""What polars strips from both ends of a cell. Python's own ``strip`` removes four control characters too."""


def read_blocks(source: Path | BinaryIO, encoding: str = "") -> Iterator[pl.DataFrame]:
    """The rows of a CSV file (``.gz`` too), or of a stream such as standard input, as they arrive.

    The first row sets the number of columns, and the separator: the most frequent of comma, semicolon, tab and bar.
    Blank rows are left out.

    Args:
        encoding: of the text, as Python names it. Default: UTF-8, or UTF-16 after its byte order mark.

    Returns:
        Blocks of rows. Columns: ``line``, the line of the file on which a row ends, from 1; ``count``, the number of
        its cells; then the cells as text without surrounding spaces, in columns ``0``, ``1``, …. The cells that
        are missing in a short row are null.

    Raises:
        UsageError: there is no such encoding.
        DataError: the source cannot be read, or is not text in this encoding.
    """
    try:
        yield from _parse(_read_texts(source, encoding))
    except csv.Error as error:
        hint = "; is a quote not closed?" if "field limit" in str(error) else ""
        raise DataError(f"{why(error)}{hint}") from error


def read_lines(source: Path | BinaryIO, encoding: str = "") -> Iterator[tuple[int, str]]:
    """The lines of a text file or a stream without their ends, each with its number from 1. Otherwise as above."""
    number = 0
    for text in _read_texts(source, encoding):
        for line in text.removesuffix("\n").split("\n"):
            number += 1
            yield number, line


def _read_texts(source: Path | BinaryIO, encoding: str) -> Iterator[str]:
    """Whole lines of a file (``.gz`` too) or a stream, many at a time.

    Raises:
        UsageError: there is no such encoding.
        DataError: the source cannot be read, or is not text in this encoding.
    """
    check_encoding(encoding)
    try:
        if not isinstance(source, Path):
            # `read` would wait until a block is full
            yield from _texts(source.read1, encoding)  # type: ignore[attr-defined]
            return
        with open_regular(source) as file:
            yield from _texts(_unpacked(file) if source.suffix == ".gz" else file.read, encoding)
    except UnicodeError as error:
        raise NotText(encoding) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(why(error).rstrip(".")) from error


class NotText(DataError):
    """The source is not text in the expected encoding; the option that sets another one is not known here."""

    def __init__(self, encoding: str, detail: str = "") -> None:
        super().__init__(f"not text in {encoding or 'UTF-8'}{detail}")


def check_encoding(encoding: str) -> None:
    """Raises:
    UsageError: Python has no text encoding of this name.
    """
    if not encoding:
        return
    try:
        found = codecs.lookup(encoding)
        found.incrementaldecoder()
    except (LookupError, TypeError, ValueError) as error:
        raise UsageError(f"There is no encoding {brief(encoding)}. Known: utf-8, utf-16, latin-1, cp1252, …") from error
    if not getattr(found, "_is_text_encoding", True):
        raise UsageError(f"{brief(encoding)} is not an encoding of text. Known: utf-8, utf-16, latin-1, cp1252, …")


def _unpacked(file: BinaryIO) -> Callable[[int], bytes]:
    """Reads what is packed in ``file``, as long as that is no bomb: text is never packed to a hundredth."""
    unpacked = gzip.GzipFile(fileobj=file, mode="rb")
    largest = max(LARGEST_UNPACKED, LARGEST_RATIO * os.fstat(file.fileno()).st_size)
    count = 0

    def read(size: int) -> bytes:
        nonlocal count
        content = unpacked.read(size)
        count += len(content)
        if count > largest:
            raise DataError(f"it unpacks to more than {LARGEST_RATIO} times its size")
        return content

    return read


def _texts(read: Callable[[int], bytes], encoding: str) -> Iterator[str]:
    """Whole lines, many at a time; every line end becomes ``\\n``."""
    rest, decoder = "", None
    while content := read(BLOCK_BYTES):
        if decoder is None:
            while len(content) < 2 and (more := read(BLOCK_BYTES)):  # a byte order mark needs two bytes
                content += more
            name = encoding or ("utf-16" if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8")
            name = "utf-8-sig" if codecs.lookup(name).name == "utf-8" else name
            decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(name)(), translate=True)
        new = decoder.decode(content)
        if "\0" in new:
            raise NotText(encoding, ": it contains NUL bytes")
        text = rest + new
        end = text.rfind("\n") + 1
        rest = text[end:]
        if len(rest) > LONGEST_LINE:
            raise DataError(f"a line has more than {LONGEST_LINE:,} characters")
        if end:
            yield text[:end]
    rest += decoder.decode(b"", final=True) if decoder else ""
    if rest:
        yield rest


def _parse(texts: Iterator[str]) -> Iterator[pl.DataFrame]:
    separator, width, line = "", 0, 1
    for text in texts:
        if not separator:
            content = re.search(rf"[^\s{SEPARATORS}]", text)
            start = text.rfind("\n", 0, content.start()) + 1 if content else len(text)
            line += text.count("\n", 0, start)
            if not content:
                continue
            text = text[start:]
            first = text.partition("\n")[0]
            separator = max(SEPARATORS, key=first.count)
            if first.count(separator) >= MOST_COLUMNS:
                raise DataError(f"more than {MOST_COLUMNS:,} columns")
        if '"' in text:
            rows, used = _quoted_rows(text, texts, line, separator, width)
        else:
            rows, used = _plain_rows(text, line, separator, width), text.count("\n")
        line += used
        width = rows.width - 2
        if len(rows):
            yield rows


def _plain_rows(text: str, line: int, separator: str, width: int) -> pl.DataFrame:
    """The rows of a text without quotes. ``line`` is the number of its first line; ``width`` is 0 before the first row.

    ``polars.read_csv`` is faster, but it pads short rows silently, and its errors have no line numbers.
    """
    import polars as pl

    rows = pl.DataFrame({"text": text.split("\n")}).with_row_index("line", line)
    rows = rows.filter(pl.col("text").str.contains(rf"[^\s{separator}]"))
    rows = rows.select("line", pl.col("text").str.split(separator)).with_columns(count=pl.col("text").list.len())
    width = width or (rows["count"][0] if len(rows) else 0)
    cells = (pl.col("text").list.get(place, null_on_oob=True).alias(str(place)) for place in range(width))
    return rows.select("line", "count", *(cell.str.strip_chars() for cell in cells))


def _quoted_rows(text: str, texts: Iterator[str], line: int, separator: str, width: int) -> tuple[pl.DataFrame, int]:
    """As :func:`_plain_rows`, for a text with quotes, and the number of lines that were read.

    The csv module reads them: it accepts quotes inside a cell (``5" pipe``), which polars refuses. If ``text`` ends
    inside a quoted cell, more of ``texts`` is read.
    """
    import polars as pl

    complete = False

    def read_lines() -> Iterator[str]:
        nonlocal complete
        for content in itertools.chain([text], texts):
            complete = False
            *lines, last = io.StringIO(content)
            yield from lines
            complete = True
            yield last

    reader = csv.reader(read_lines(), delimiter=separator)
    found: list[tuple[int, list[str]]] = []
    while not complete:
        cells = [cell.strip(SPACES) for cell in next(reader)]
        if any(cells):
            found.append((line + reader.line_num - 1, cells))
    width = width or (len(found[0][1]) if found else 0)
    content: dict[str, Any] = {"line": [number for number, _ in found], "count": [len(cells) for _, cells in found]}
    for place in range(width):
        content[str(place)] = [cells[place] if place < len(cells) else None for _, cells in found]
    schema = {name: pl.UInt32 if name in ("line", "count") else pl.String for name in content}
    return pl.DataFrame(content, schema=schema), reader.line_num


def check_header(path: Path, header: Sequence[str]) -> None:
    """Raises:
    DataError: the first row of a table does not name its columns, each by another name.
    """
    if not any(header):
        raise DataError(f"{path} is empty.")
    import polars as pl

    if parse_numbers(pl.Series(header, dtype=pl.String))[0].null_count() == 0:
        raise DataError(f"{path}: the first line must name the columns; it holds numbers.")
    known = set()
    for place, name in enumerate(header):
        if not name:
            raise DataError(f"{path}: column {place + 1} has no name.")
        if name in known:
            raise DataError(f"{path}: two columns are called {brief(name)}.")
        known.add(name)
