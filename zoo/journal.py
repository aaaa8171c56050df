"""Temporary files, locks and journals: how several files are replaced as one unit, and repaired after a kill.

How a unit is written (:class:`zoo.replacement.Unit` does it):

1. Every new file is written under a temporary name in its folder, ``.NAME.<random>.part``. The name cannot be guessed,
   and the file is created with ``O_EXCL``, so that no link placed there by others is followed. The process holds a lock
   (``flock``) on it; the lock ends with the process, however that ends.
2. All temporary files are synced to the disk.
3. One rename puts the journal ``.NAME.pending`` in place: name, temporary name and hashes of every file. This rename is
   the moment of decision. A unit of one file needs no journal; its own rename decides.
4. The temporary files are renamed to their names, the folders are synced, and the journal is deleted.

Why it holds: after a kill before step 3, every old file is untouched; the temporary files have no living owner, and the
next command that writes in the folder deletes them. After a kill in step 4, each file of the journal is either in place
or complete under its temporary name; :func:`recover` finishes the renames, and can itself be killed and repeated. Steps
3 and 4 run under a lock on the folder, so processes never mix their files: the last one wins with all its files.

A journal can come from elsewhere, in a downloaded folder for example. So it can name only files in its own folder and
in real folders directly in that, and a file is replaced or deleted only if its content is the one that the journal
recorded; a file that somebody changed after the kill stays as it is.

Limits: without ``fcntl`` (Windows), or on a file system without ``flock``, temporary files are not swept, because
the zoo cannot know whether their owner still runs. A reader that opens two files of a unit while another process
replaces them can see one old and one new file; ``zoo verify`` reports a wrong hash then.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from .errors import ZooError

log = logging.getLogger("zoo")

FORMAT = 1
_PART = re.compile(r"\..+\.[0-9a-f]{16}\.part", re.DOTALL)
_LONGEST = 180
"""Bytes of a name that a temporary name repeats; file systems allow 255 in all."""


@dataclass(slots=True)
class Entry:
    """A file in a journal. Names are relative to its folder; bytes that are not UTF-8 are kept as Latin-1.

    Args:
        name: of the file.
        old: the SHA-256 of its content before; empty if there was no file.
        part: its temporary name; empty if the file is to be deleted.
        new: the SHA-256 of its new content; empty if the file is to be deleted.
    """

    name: str
    old: str
    part: str = ""
    new: str = ""


@dataclass(slots=True)
class _Journal:
    format: int
    files: list[Entry] = field(default_factory=list)


def recover(path: Path) -> None:
    """Complete the replacement of ``path`` and of the other files of its unit, if a killed process left it half done.

    Commands call this before they read a file that is one of a unit. If there is nothing to do, it costs one look at
    the folder.

    Args:
        path: the first file of the unit: the exported file, not its certificate.

    Raises:
        ZooError: the folder cannot be written to.
    """
    path = Path(os.path.realpath(path)) if os.path.islink(path) else path
    journal = journal_path(path)
    if not os.path.lexists(journal):
        return
    try:
        with locked(path.parent):
            finish(journal)
    except OSError as error:
        raise ZooError(
            f"{path} was being replaced when the process was killed, and this cannot be completed here: "
            f"{error.strerror or error}. Repeat the command as a user who may write to {path.parent}."
        ) from error


def sweep(folder: Path) -> None:
    """Complete the interrupted replacements in ``folder``, and delete the temporary files of dead processes."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(".")]
    journals = [name for name in names if name.endswith(".pending")]
    parts = [name for name in names if _PART.fullmatch(name)]
    if not journals and not parts:
        return
    with locked(folder):
        for name in journals:
            with contextlib.suppress(OSError):
                finish(folder / name)
        for name in parts:
            _delete_if_abandoned(folder / name)


def journal_path(path: Path) -> Path:
    """The journal of the unit whose first file is ``path``."""
    return path.with_name(f".{_shortened(path.name)}.pending")


def create_part(target: Path) -> tuple[Path, int]:
    """A new temporary file for ``target``, empty, and the handle that holds the lock on it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    while True:
        part = target.with_name(f".{_shortened(target.name)}.{os.urandom(8).hex()}.part")
        handle = os.open(part, flags, 0o666)
        _lock(handle, wait=True)
        if os.fstat(handle).st_nlink or os.name == "nt":
            return part, handle
        os.close(handle)  # a sweep came between creation and lock


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Only one process at a time completes a unit in ``folder``."""
    if os.name == "nt":  # pragma: no cover - needs Windows
        import filelock

        with filelock.FileLock(folder / ".zoo.lock"):
            yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle, wait=True)
        yield
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Make a rename survive a power failure. Not on Windows, where folders cannot be opened."""
    with contextlib.suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_journal(journal: Path, entries: list[Entry]) -> None:
    """Step 3. The caller holds the lock on the folder."""
    import msgspec

    part, handle = create_part(journal)
    try:
        with open(handle, "wb") as file:
            file.write(msgspec.json.encode(_Journal(FORMAT, entries)))
            file.flush()
            os.fsync(handle)
        os.replace(part, journal)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    sync_folder(journal.parent)


def finish(journal: Path) -> None:
    """Complete the unit of a journal that a killed process left, if there is one. The caller holds the lock."""
    from .schema import read_json

    folder = journal.parent
    try:
        entries = read_json(journal, _Journal, "the journal").files
        for entry in entries:
            _inside(folder, entry.name)
            if entry.part and not _PART.fullmatch(_inside(folder, entry.part).name):
                raise ZooError(f"The journal {journal} names {_decoded(entry.part)!r} as a temporary file.")
    except FileNotFoundError:
        return
    except ZooError as error:  # not of the zoo: its journals are complete, or they are not there
        log.warning("%s It is ignored.", error)
        return
    names = ", ".join(_decoded(entry.name) for entry in entries)
    if all(is_in_place(folder, entry) or _is_ready(folder, entry) for entry in entries):
        apply(folder, entries)
        log.warning("A process was killed while it replaced %s; this is completed now.", names)
    elif not all(_is_old(folder, entry) for entry in entries):
        log.warning("A process was killed while it replaced %s, and they have changed since. Write them again.", names)
    for entry in entries:
        if entry.part:
            _delete_if_abandoned(_inside(folder, entry.part))
    journal.unlink(missing_ok=True)


def apply(folder: Path, entries: list[Entry]) -> None:
    """Step 4: put every file of a unit in place. It can be repeated. The caller holds the lock."""
    for entry in entries:
        if not entry.part:
            _inside(folder, entry.name).unlink(missing_ok=True)
            continue
        try:
            os.replace(_inside(folder, entry.part), _inside(folder, entry.name))
        except FileNotFoundError:
            if not is_in_place(folder, entry):
                raise
    for parent in {_inside(folder, entry.name).parent for entry in entries}:
        sync_folder(parent)


def is_in_place(folder: Path, entry: Entry) -> bool:
    """Whether the file has its new content, or is deleted if it is to be deleted."""
    path = _inside(folder, entry.name)
    return digest(path) == entry.new if entry.part else not os.path.lexists(path)


def _is_ready(folder: Path, entry: Entry) -> bool:
    """Whether the file can be replaced: the new content is complete, and the old one is still what it was."""
    known = _is_old(folder, entry) or not os.path.lexists(_inside(folder, entry.name))
    return known and (not entry.part or digest(_inside(folder, entry.part)) == entry.new)


def _is_old(folder: Path, entry: Entry) -> bool:
    return digest(_inside(folder, entry.name)) == entry.old


def digest(path: Path) -> str:
    """The SHA-256 of a regular file in hexadecimal; empty if it is missing or anything else."""
    import hashlib

    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return ""
        with open(path, "rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def encoded(path: Path, folder: Path) -> str:
    """The name of ``path`` in a journal in ``folder``."""
    return os.fsencode(path.relative_to(folder).as_posix()).decode("latin-1")


def _decoded(name: str) -> str:
    return os.fsdecode(name.encode("latin-1", "replace"))


def _inside(folder: Path, name: str) -> Path:
    """The path of a name in a journal.

    Raises:
        ZooError: it leads out of the folder of the journal.
    """
    parts = PurePosixPath(_decoded(name)).parts
    plain = all(part != ".." and Path(part).name == part and "\0" not in part for part in parts)
    path = folder.joinpath(*parts)
    if not 1 <= len(parts) <= 2 or not plain or (len(parts) == 2 and path.parent.is_symlink()):
        raise ZooError(f"A journal in {folder} names a file outside of its folder.")
    return path


def _delete_if_abandoned(part: Path) -> None:
    """Delete a temporary file unless its owner lives, that is, holds its lock."""
    with contextlib.suppress(OSError):
        handle = os.open(part, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode) and _lock(handle, wait=False):
                part.unlink(missing_ok=True)
        finally:
            os.close(handle)


def _lock(handle: int, wait: bool) -> bool:
    """Lock an open file or folder until its handle is closed. Returns whether that worked."""
    try:
        import fcntl
    except ImportError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def _shortened(name: str) -> str:
    """``name``, or if it is long its beginning and a hash of it, so that a longer name can be made of it."""
    import hashlib

    content = os.fsencode(name)
    if len(content) <= _LONGEST:
        return name
    return content[: _LONGEST - 40].decode("utf-8", "ignore") + "~" + hashlib.sha256(content).hexdigest()[:16]
