"""Replace files completely or not at all, several as one unit; ``zoo/journal.py`` describes how and why that holds."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from . import journal as journals
from .errors import ZooError
from .journal import Entry

_ADVICE = {
    errno.ENOSPC: "Free some space, or choose another folder.",
    errno.EDQUOT: "Free some space, or choose another folder.",
    errno.EFBIG: "Raise the limit of file sizes, or choose another folder.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.ENOENT: "Its folder is missing: create it, or choose another.",
    errno.ELOOP: "It is a link to itself: choose another name.",
}


def unwritable(path: Path, error: OSError) -> ZooError:
    """``error`` as a one-line error about ``path``."""
    advice = _ADVICE.get(error.errno or 0, "Choose a folder that can be written to.")
    return ZooError(f"Cannot write {path}: {error.strerror or error}. {advice}")


def writable_target(path: Path) -> Path:
    """The file that writing to ``path`` changes: ``path`` itself, or what it links to.

    Raises:
        ZooError: it is a folder, a device or a pipe, or its name is too long.
    """
    try:
        if os.path.islink(path):
            path = Path(os.path.realpath(path))
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return path
    except NotADirectoryError as error:
        blocker = next((parent for parent in path.parents if os.path.isfile(parent)), path.parent)
        raise ZooError(f"Cannot write {path}: {blocker} is a file, not a folder. Choose another name.") from error
    except OSError as error:
        raise unwritable(path, error) from error
    except ValueError as error:
        raise ZooError(f"Cannot write {str(path)!r}: a file name cannot contain NUL.") from error
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a link to itself" if stat.S_ISLNK(mode) else "a device or a pipe"
        raise ZooError(f"Cannot write {path}: it is {what}, not a file. Choose another name.")
    return path


class Unit:
    """Files that are replaced together. It is a context; leaving it without an error replaces them.

    Args:
        first: the first file; its folder holds the journal.

    Raises:
        ZooError: a name is a folder or a device, or a folder is missing, read-only or full. Every old file is still
            there, unless the message says that the next command completes the replacement.
    """

    def __init__(self, first: Path) -> None:
        self._first = writable_target(first)
        self._folder = self._first.parent
        self._files: list[_File] = []
        self._made: list[Path] = []
        self._journal_needs_parts = False
        self._done = False

    def __enter__(self) -> Unit:
        try:
            journals.sweep(self._folder)
        except OSError as error:
            raise unwritable(self._first, error) from error
        return self

    def add(self, path: Path) -> Path:
        """A temporary file, empty, whose content will become that of ``path``. Write to it in place.

        Args:
            path: in the folder of the first file, or in a folder directly in that, which is created if missing.
        """
        target = self._own(path)
        try:
            if target.parent != self._folder:
                if not target.parent.is_dir():
                    target.parent.mkdir()
                    self._made.append(target.parent)
                journals.sweep(target.parent)
            self._files.append(_File(target, *journals.create_part(target)))
        except OSError as error:
            raise unwritable(path, error) from error
        return self._files[-1].part

    def remove(self, path: Path) -> None:
        """Delete an old file together with the replacement of the others."""
        self._files.append(_File(self._own(path), path, None, removed=True))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                self._replace()
                self._done = True
        except OSError as problem:
            raise unwritable(self._first, problem) from problem
        finally:
            self._discard()
        if isinstance(error, OSError):
            raise unwritable(self._first, error) from error

    def _own(self, path: Path) -> Path:
        """The target of ``path``, as a path below the folder of the first file."""
        target = writable_target(path)
        if target.parent != self._folder and target.parent.parent != self._folder:
            if os.path.realpath(target.parent) != os.path.realpath(self._folder):
                raise ZooError(f"Cannot write {path}: it links to a file in another folder. Delete the link.")
            target = self._folder / target.name
        elif target.parent != self._folder and os.path.islink(target.parent):
            raise ZooError(f"Cannot write {path}: its folder is a link. Delete the link.")
        return target

    def _replace(self) -> None:
        for file in self._files:
            file.complete()
        journal = journals.journal_path(self._first)
        with journals.locked(self._folder):
            for file in self._files:  # again: somebody may have made a folder of that name
                writable_target(file.target)
            journals.finish(journal)
            if len(self._files) == 1:
                os.replace(self._files[0].part, self._files[0].target)
                journals.sync_folder(self._folder)
            elif self._files:
                self._replace_by(journal, [file.entry(self._folder) for file in self._files])

    def _replace_by(self, journal: Path, entries: list[Entry]) -> None:
        try:
            journals.write_journal(journal, entries)
            journals.apply(self._folder, entries)
        except BaseException as error:  # also Ctrl-C: it must not delete what the journal needs
            started = any(entry.old != entry.new and journals.is_in_place(self._folder, entry) for entry in entries)
            self._journal_needs_parts = started and journal.exists()
            if not self._journal_needs_parts:
                journal.unlink(missing_ok=True)
                raise
            if not isinstance(error, OSError):
                raise
            raise ZooError(
                f"{self._first} is half replaced: {error.strerror or error}. The next command that reads or writes it "
                "completes that."
            ) from error
        journal.unlink(missing_ok=True)

    def _discard(self) -> None:
        """Delete what is left of this unit, unless a journal needs it."""
        for file in self._files:
            file.close()
            if not (file.removed or self._done or self._journal_needs_parts):
                with contextlib.suppress(OSError):
                    file.part.unlink(missing_ok=True)
        for folder in self._made:
            with contextlib.suppress(OSError):  # not empty: the unit is in place
                folder.rmdir()


@dataclass(slots=True)
class _File:
    """A file of a unit: its name, its temporary file, and the handle that holds the lock on that."""

    target: Path
    part: Path
    handle: int | None
    removed: bool = False

    def complete(self) -> None:
        """Sync the new content. An existing file keeps its permissions, as with a plain ``open``."""
        if self.removed:
            return
        with open(self.part, "rb+") as handle:
            os.fsync(handle.fileno())
        with contextlib.suppress(OSError):
            os.chmod(self.part, stat.S_IMODE(os.stat(self.target).st_mode) & 0o777)
        if os.name == "nt":  # pragma: no cover - needs Windows, where an open file cannot be renamed
            self.close()

    def close(self) -> None:
        """Give up the lock."""
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None

    def entry(self, folder: Path) -> Entry:
        """The file as the journal in ``folder`` lists it."""
        name, old = journals.encoded(self.target, folder), journals.digest(self.target)
        if self.removed:
            return Entry(name, old)
        return Entry(name, old, journals.encoded(self.part, folder), journals.digest(self.part))
