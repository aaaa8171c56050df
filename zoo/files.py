"""Writing files completely or not at all, and hashes of files.

`zoo runs` imports this module, so modules that only other commands need are imported where they are used.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import ZooError
from .journal import recover as recover
from .journal import sweep as sweep
from .replacement import Unit as Unit
from .replacement import unwritable as unwritable
from .replacement import writable_target as writable_target


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
    except (FileExistsError, NotADirectoryError) as error:
        blocker = next((path for path in (folder, *folder.parents) if path.exists() and not path.is_dir()), folder)
        raise ZooError(f"Cannot use {folder} as a folder: {blocker} is not a folder. Choose another name.") from error
    except OSError as error:
        raise unwritable(folder, error) from error
    except ValueError as error:
        raise ZooError(f"Cannot use {str(folder)!r} as a folder: a name cannot contain NUL.") from error
    return folder


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Context with a temporary path in the same folder; if the block succeeds, that file atomically replaces ``path``.

    A reader sees the complete old file or the complete new file, even after a power failure. The temporary file is
    empty at first; write to it in place. If ``path`` is a link, its target is replaced. An existing file keeps its
    permissions, a new one gets those of the umask.

    Raises:
        ZooError: ``path`` is a folder or a device, or its folder is missing, read-only or full.
    """
    with replacing_together(path) as (temporary,):
        yield temporary


@contextlib.contextmanager
def replacing_together(*paths: Path) -> Iterator[list[Path]]:
    """Like :func:`replacing` for several files of one folder, as one unit.

    After a kill at any moment, all are old, all are new, or the next command completes the replacement.

    Raises:
        ZooError: a name is a folder or a device, or the folder is missing, read-only or full.
    """
    with Unit(paths[0]) as unit:
        yield [unit.add(path) for path in paths]


def write_together(texts: Mapping[Path, str]) -> None:
    """Replace the content of several files of one folder with texts in UTF-8, as one unit."""
    with replacing_together(*texts) as temporaries:
        for temporary, text in zip(temporaries, texts.values(), strict=True):
            temporary.write_text(text, encoding="utf-8")


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
