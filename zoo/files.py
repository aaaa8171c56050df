"""Writing files completely or not at all, and hashes of files.

`zoo runs` imports this module, so modules that only other commands need are imported where they are used.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import ZooError


def unwritable(path: Path, error: OSError) -> ZooError:
    """``error`` as a one-line error about ``path``."""
    return ZooError(f"Cannot write {path}: {error.strerror or error}. Choose a folder that can be written to.")


def make_folder(folder: Path) -> Path:
    """Create ``folder`` and its parents, and check that it is writable.

    Raises:
        ZooError: the folder cannot be created or is not writable.
    """
    import tempfile

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Context with a temporary path in the same folder; if the block succeeds, that file atomically replaces ``path``.

    A reader sees the complete old file or the complete new file, even after a power failure.

    Raises:
        ZooError: the folder is missing, read-only or full.
    """
    with replacing_together(path) as (temporary,):
        yield temporary


@contextlib.contextmanager
def replacing_together(*paths: Path) -> Iterator[list[Path]]:
    """Like :func:`replacing` for several files. None is replaced before all new files are complete and on disk.

    Raises:
        ZooError: a folder is missing, read-only or full.
    """
    temporaries = [path.with_name(f".{path.name}.{os.getpid()}.part") for path in paths]
    try:
        yield temporaries
        for temporary in temporaries:
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
        for path, temporary in zip(paths, temporaries, strict=True):
            temporary.replace(path)
        for folder in {path.parent for path in paths}:
            _sync_folder(folder)
    except OSError as error:
        raise unwritable(paths[0], error) from error
    finally:
        for temporary in temporaries:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace the content of ``path`` with ``text`` in UTF-8, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def json_text(content: Any) -> str:
    """``content`` as indented JSON. NaN is an error."""
    import json

    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, content: Any) -> None:
    """Replace the content of ``path`` with ``content`` as indented JSON, completely or not at all."""
    write_text(path, json_text(content))


def sha256(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    import hashlib

    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power failure. Not on Windows, where folders cannot be opened."""
    with contextlib.suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
