"""User paths: text that cannot be a path, and files that are no regular files, are refused. Imports nothing heavy."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO


def as_path(text: Path | str) -> Path:
    """``text`` as a path, ``~`` expanded; unchanged if there is no such user."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:  # ~nosuchuser
        return path


def kind_of(path: Path) -> str:
    """``file``, ``folder``, ``other`` for a pipe, a socket or a device, or ``missing``.

    Text that cannot be a path is ``missing``: it is too long or has a NUL character.

    Raises:
        OSError: it cannot be looked at: a loop of links, or a folder without permission.
    """
    try:
        mode = path.stat().st_mode
    except ValueError:  # a NUL character
        return "missing"
    except OSError as error:
        if isinstance(error, FileNotFoundError | NotADirectoryError) or _too_long(path):
            return "missing"
        raise
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


def _too_long(path: Path) -> bool:
    text = os.fsencode(path)
    return len(text) > 4095 or any(len(part) > 255 for part in text.split(os.sep.encode()))


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading. A pipe would block for ever, and a device may never end.

    Raises:
        OSError: it is not a regular file, or cannot be opened. ``strerror`` is the reason in a few words.
    """
    # O_NONBLOCK: opening a pipe without a writer does not wait
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(0, "a folder" if stat.S_ISDIR(mode) else "not a regular file")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def why(error: BaseException) -> str:
    """The reason of an error in one line, without its number and path."""
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
