"""Reading JSON that may be damaged, foreign or hostile: its size is limited and its content is checked by a schema.

A schema is a :class:`msgspec.Struct`, a dataclass or any type that msgspec knows. Every error is one line that names
the file, the field and what is wrong.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, TypeVar

from .errors import ZooError

T = TypeVar("T")

LARGEST_JSON = 64 * 2**20
"""Bytes; a larger JSON file is refused before it is read. The largest that the zoo writes have about 5 MB."""
_CHUNK = 2**14


def read_json(path: Path, kind: type[T], what: str, hint: str = "") -> T:
    """The content of a JSON file, checked by a schema.

    Args:
        path: the file.
        kind: the type that the content must have.
        what: what the file is, for the message: ``the certificate``.
        hint: what to do if the file is damaged, as a sentence: ``Export the file again.``

    Raises:
        FileNotFoundError: there is no such file. The caller knows what that means.
        ZooError: the file cannot be read, is too large, is not JSON, or does not have the type.
    """
    return parse_json(read_limited(path, LARGEST_JSON, what), kind, f"{what} {path}", hint)


def parse_json(content: bytes | str, kind: type[T], what: str, hint: str = "") -> T:
    """The value of a JSON text, checked by a schema.

    Args:
        content: the text; bytes are UTF-8.
        kind, hint: as for :func:`read_json`.
        what: what the text is, with its file: ``the certificate net.onnx.json``.

    Raises:
        ZooError: it is not JSON, or does not have the type. The message names the field.
    """
    import msgspec  # light commands that read nothing do not pay for it

    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise ZooError(_damaged(what, error, hint)) from error


def convert(value: Any, kind: type[T], what: str, hint: str = "") -> T:
    """``value``, made of JSON values, as a value of the type ``kind``.

    Raises:
        ZooError: as for :func:`parse_json`.
    """
    import msgspec

    try:
        return msgspec.convert(value, kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:  # UnicodeError: half of a surrogate pair
        raise ZooError(_damaged(what, error, hint)) from error


def read_limited(path: Path, largest: int, what: str) -> bytes:
    """The content of a regular file of at most ``largest`` bytes.

    A pipe or a device would block for ever, or never end, so they are refused.

    Raises:
        FileNotFoundError: there is no such file.
        ZooError: it is not a regular file, is too large, or cannot be read.
    """
    try:
        # O_NONBLOCK: opening a pipe without a writer does not wait
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise ZooError(f"Cannot read {what} {path}: it is not a regular file.")
            if status.st_size > largest:
                raise ZooError(f"Cannot read {what} {path}: it has {status.st_size:,} bytes, at most {largest:,} fit.")
            return _read(handle, status.st_size, largest)
        finally:
            os.close(handle)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL byte
        raise ZooError(f"Cannot read {what} {path}: {getattr(error, 'strerror', None) or error}.") from error


def _read(handle: int, expected: int, largest: int) -> bytes:
    """The content of an open file of about ``expected`` bytes. It may grow while it is read."""
    parts, length = [], 0
    # Python allocates as many bytes as are asked for, which costs more than a small file
    while length <= largest and (part := os.read(handle, max(expected + 1 - length, _CHUNK))):
        parts.append(part)
        length += len(part)
    return b"".join(parts)[:largest]


def _damaged(what: str, error: Exception, hint: str) -> str:
    reason = "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())[:300]
    return " ".join(filter(None, (f"{what[:1].upper()}{what[1:]} is damaged: {reason.rstrip('.')}.", hint)))
