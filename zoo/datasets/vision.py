"""MNIST, Fashion-MNIST and CIFAR-10 through torchvision: its readers, its mirrors, its checksums."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torchvision

from zoo import DataError, DataUnavailable, Split, Splits

TIMEOUT_SECONDS = 15.0

# torchvision checks MD5; the idx files are held against the dataset's fingerprint, the archive of pickles against this
ARCHIVES = {
    "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
}


def load_mnist(folder: Path, download: bool) -> Splits:
    """Read ``folder/MNIST/raw``, after fetching it there if ``download``.

    Returns:
        60,000 training and 10,000 test images, uint8 ``[N, 1, 28, 28]``, black background.

    Raises:
        DataUnavailable: the files are not there, and could not be or were not to be fetched.
    """
    return _load("mnist", torchvision.datasets.MNIST, folder, download)


def load_fashion_mnist(folder: Path, download: bool) -> Splits:
    """Read ``folder/FashionMNIST/raw``, after fetching it there if ``download``.

    Returns:
        60,000 training and 10,000 test images, uint8 ``[N, 1, 28, 28]``, black background.

    Raises:
        DataUnavailable: as for :func:`load_mnist`.
    """
    return _load("fashion-mnist", torchvision.datasets.FashionMNIST, folder, download)


def load_cifar10(folder: Path, download: bool) -> Splits:
    """Read ``folder/cifar-10-batches-py``, after fetching it there if ``download``.

    The files are pickles; torchvision unpickles them only if their checksums are those of the published ones.

    Returns:
        50,000 training and 10,000 test images, uint8 ``[N, 3, 32, 32]``.

    Raises:
        DataUnavailable: as for :func:`load_mnist`.
    """
    return _load("cifar10", torchvision.datasets.CIFAR10, folder, download)


def _load(name: str, reader: Any, folder: Path, download: bool) -> Splits:
    if download:
        fetch(name, reader, folder)
    try:
        return Splits(_read(reader, folder, train=True), _read(reader, folder, train=False))
    except RuntimeError as error:
        if "not found" in str(error).lower():
            base = folder / getattr(reader, "base_folder", name)
            if base.is_dir():
                raise DataError(
                    f"The files of {name} in {base} are damaged. Delete them and fetch it again."
                ) from error
            raise DataUnavailable(f"{name} is not in {folder}.") from error
        raise


def fetch(name: str, reader: Any, folder: Path) -> None:
    """Download a dataset of torchvision's into ``folder``. It appears there complete and checked, or not at all.

    Args:
        name: for messages.
        reader: torchvision's class.

    Raises:
        DataUnavailable: no mirror answered, or the folder cannot be written to.
    """
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}-") as scratch:
            talk = io.StringIO()  # torchvision prints a bar for each file
            with _patience(TIMEOUT_SECONDS), contextlib.redirect_stdout(talk), contextlib.redirect_stderr(talk):
                reader(scratch, download=True)
            _move_in(Path(scratch), folder)
    except (OSError, RuntimeError) as error:  # URLError and time-outs are OSErrors
        if new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        reason = " ".join(str(error).split())
        raise DataUnavailable(f"{name} is not in {folder} and could not be downloaded ({_short(reason)}).") from error


def _move_in(scratch: Path, folder: Path) -> None:
    """Move every file to its place below ``folder``, leaving the archives that they came in behind.

    Raises:
        RuntimeError: an archive is not the published one.
    """
    for name, sha256 in ARCHIVES.items():
        archive = scratch / name
        if archive.is_file():
            with archive.open("rb") as handle:
                if hashlib.file_digest(handle, "sha256").hexdigest() != sha256:
                    raise RuntimeError(f"{name} is not the published file")
    for file in sorted(scratch.rglob("*")):
        if file.is_file() and file.suffix != ".gz":
            place = folder / file.relative_to(scratch)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, place)


def _read(reader: Any, folder: Path, train: bool) -> Split:
    dataset = reader(folder, train=train)
    images = torch.as_tensor(dataset.data)
    images = images.unsqueeze(1) if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
    return Split(images, torch.as_tensor(dataset.targets, dtype=torch.int64))


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
