"""Downloads into the data folder: one at a time, into a scratch folder, moved to their place when they are checked."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import filelock

from zoo import DataUnavailable

LOCK = ".fetch.lock"
PREFIX = ".fetch-"


@contextlib.contextmanager
def scratch_folder(name: str, folder: Path) -> Iterator[Path]:
    """Context with an empty folder in ``folder`` for the download of the dataset ``name``.

    Its name cannot be predicted. It is removed at the end, with what killed processes have left. A download
    waits for one that is going on. A data folder that a failed download has created is removed again.

    Raises:
        DataUnavailable: an OSError in the block: no network, no space, no permission.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            filelock.FileLock(folder / LOCK),
            tempfile.TemporaryDirectory(dir=folder, prefix=PREFIX, ignore_cleanup_errors=True) as scratch,
        ):
            yield Path(scratch)
    except OSError as error:
        raise unavailable(name, folder, error) from error
    finally:
        sweep(folder)
        for path in new:
            with contextlib.suppress(OSError):
                path.rmdir()  # only if it is empty


def sweep(folder: Path) -> None:
    """Remove what a killed download has left in the data folder, unless a download is going on or it is read-only."""
    if any(folder.glob(".fetch*")):
        with contextlib.suppress(OSError, filelock.Timeout), filelock.FileLock(folder / LOCK, timeout=0):
            for stray in folder.glob(f"{PREFIX}*"):
                shutil.rmtree(stray, ignore_errors=True)
            (folder / LOCK).unlink()  # a process that waits for it makes a new one


def move_in(files: dict[Path, Path]) -> None:
    """Move complete files to their places, each in one step. A reader sees the old file or the new one."""
    for file, place in files.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb+") as handle:
            os.fsync(handle.fileno())
        file.replace(place)


def unavailable(name: str, folder: Path, error: Exception) -> DataUnavailable:
    """``error`` of a download as one line."""
    return DataUnavailable(f"{name} is not in {folder} and could not be downloaded ({_cause(error)}).")


def _cause(error: Exception) -> str:
    """The cause in a few words: torchvision lists all mirrors, and the libraries wrap their errors."""
    text = " ".join(str(error).split())
    if "does not match the known hash" in text:
        return "the server sent another file than the published one"
    if isinstance(error, OSError) and error.strerror and not isinstance(error.strerror, Exception):
        text = error.strerror
    text = text.rsplit("got: ", 1)[-1].strip()
    text = re.sub(r"<urlopen error (?:\[Errno -?\d+\] )?(.*)>", r"\1", text)
    refused = re.search(r"(Name or service not known|Temporary failure in name resolution|Connection refused)", text)
    if refused or "Failed to resolve" in text or "Max retries exceeded" in text:
        text = "no connection: " + (refused[1] if refused else "the server cannot be reached")
    return text if len(text) <= 120 else text[:117] + "…"
