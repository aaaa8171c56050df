"""MNIST through torchvision: its reader, its mirrors, its checksums."""

from __future__ import annotations

import contextlib
import io
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
import torchvision

from zoo import DataUnavailable, Split, Splits

TIMEOUT_SECONDS = 15.0


def load(folder: Path, download: bool) -> Splits:
    """Read ``folder/MNIST/raw``, after fetching it there if ``download``.

    Returns:
        60,000 training and 10,000 test images, uint8 ``[N, 1, 28, 28]``, black background.

    Raises:
        DataUnavailable: the files are not there, and could not be or were not to be fetched.
    """
    if download:
        fetch(folder)
    try:
        return Splits(_read(folder, train=True), _read(folder, train=False))
    except RuntimeError as error:
        if "not found" in str(error).lower():
            raise DataUnavailable(f"mnist is not in {folder}.") from error
        raise


def fetch(folder: Path) -> None:
    """Download MNIST into ``folder``. It appears there complete and checked, or not at all.

    Raises:
        DataUnavailable: no mirror answered, or the folder cannot be written to.
    """
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".mnist-") as scratch:
            talk = io.StringIO()  # torchvision prints a bar for each file
            with _patience(TIMEOUT_SECONDS), contextlib.redirect_stdout(talk), contextlib.redirect_stderr(talk):
                torchvision.datasets.MNIST(scratch, download=True)
            raw = folder / "MNIST" / "raw"
            raw.mkdir(parents=True, exist_ok=True)
            for file in sorted((Path(scratch) / "MNIST" / "raw").glob("*-ubyte")):
                shutil.move(file, raw / file.name)
    except (OSError, RuntimeError) as error:  # URLError and time-outs are OSErrors
        if new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        reason = " ".join(str(error).split())
        raise DataUnavailable(f"mnist is not in {folder} and could not be downloaded ({_short(reason)}).") from error


def _read(folder: Path, train: bool) -> Split:
    dataset = torchvision.datasets.MNIST(folder, train=train)
    return Split(dataset.data.unsqueeze(1), dataset.targets.to(torch.int64))


@contextlib.contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Let no connection hang for longer: torchvision sets no time-out of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _short(reason: str) -> str:
    """The last cause of a torchvision error, which lists every mirror it tried."""
    cause = reason.rsplit("got: ", 1)[-1].strip()
    return cause if len(cause) <= 120 else cause[:117] + "…"
