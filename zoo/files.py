"""Files that are written whole or not at all, and hashes of them.

`zoo runs` comes through here, so what only a training needs is imported where it is used.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import ZooError


def unwritable(path: Path, error: OSError) -> ZooError:
    """``error`` as one line about ``path``."""
    return ZooError(f"Cannot write {path}: {error.strerror or error}. Choose a folder that can be written to.")


def make_folder(folder: Path) -> Path:
    """Create ``folder`` and its parents, and prove that it can be written to.

    Raises:
        ZooError: the folder cannot be made or written to.
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
    """Give a temporary path beside ``path``; when the block ends well, it takes ``path``'s place at once.

    A reader sees the old file or the new one, never half of either, even if the machine stops here.

    Raises:
        ZooError: the folder is missing, read-only or full.
    """
    with replacing_together(path) as (temporary,):
        yield temporary


@contextlib.contextmanager
def replacing_together(*paths: Path) -> Iterator[list[Path]]:
    """As :func:`replacing`, for files that belong together: none takes its place before all are whole and on disk.

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
    """Replace ``path`` with ``text`` in UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def json_text(content: Any) -> str:
    """``content`` as the zoo writes JSON: indented, in UTF-8, without NaN."""
    import json

    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, content: Any) -> None:
    """Replace ``path`` with ``content`` as indented JSON, whole or not at all."""
    write_text(path, json_text(content))


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    import hashlib

    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut, where the system can open folders (not on Windows)."""
    with contextlib.suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
