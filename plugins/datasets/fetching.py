"""Files from their public homes: checked, whole or not at all, never waited for without end."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
import zipfile
from pathlib import Path

import pooch
import requests

from zoo import DataUnavailable

TIMEOUT_SECONDS = 15.0


def fetch_file(name: str, url: str, sha256: str | None, target: Path, member: str = "") -> None:
    """Download ``url`` to ``target``, which appears there complete and checked, or not at all.

    Args:
        name: of the dataset, for messages.
        sha256: of the download; None where only its content can be judged, afterwards.
        member: the file inside a zip archive that is wanted.

    Raises:
        DataUnavailable: the server did not answer, or gave something else, or the folder cannot be written to.
    """
    folder = target.parent
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}-") as scratch:
            downloader = pooch.HTTPDownloader(timeout=TIMEOUT_SECONDS)
            known = f"sha256:{sha256}" if sha256 else None
            got = Path(pooch.retrieve(url, known, path=scratch, fname="download", downloader=downloader))
            if member:
                with zipfile.ZipFile(got) as archive:
                    got = Path(archive.extract(member, scratch))
            shutil.move(got, target)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, requests.RequestException) as error:
        for path in new:
            with contextlib.suppress(OSError):
                path.rmdir()
        where = target.parents[1]
        raise DataUnavailable(f"{name} is not in {where} and could not be downloaded ({_short(error)}).") from error


def _short(error: Exception) -> str:
    if "does not match the known hash" in str(error):
        return "the server gave another file than the published one"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text if len(text) <= 120 else text[:117] + '…'}"
