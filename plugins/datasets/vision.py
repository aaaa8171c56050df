"""MNIST, Fashion-MNIST and CIFAR-10, with the mirrors and checksums of torchvision.

Torchvision is imported only for a download and for CIFAR-10: the import takes longer than an epoch on MNIST.
Idx files are read here.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import shutil
import socket
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo import DataError, DataUnavailable, Split, Splits

TIMEOUT_SECONDS = 15.0

# torchvision checks MD5; MNIST is also checked by its fingerprint, the archive of pickles by this SHA-256
ARCHIVES = {
    "cifar-10-python.tar.gz": "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
}


def load_mnist(folder: Path, download: bool) -> Splits:
    """Read ``folder/MNIST/raw``; if ``download``, download it first.

    Returns:
        60,000 training and 10,000 test images, uint8 ``[N, 1, 28, 28]``, black background.

    Raises:
        DataUnavailable: the files are missing, and could not or must not be downloaded.
    """
    return _load_idx("mnist", "MNIST", folder, download)


def load_fashion_mnist(folder: Path, download: bool) -> Splits:
    """Read ``folder/FashionMNIST/raw``; if ``download``, download it first.

    Returns:
        60,000 training and 10,000 test images, uint8 ``[N, 1, 28, 28]``, black background.

    Raises:
        DataUnavailable: as for :func:`load_mnist`.
    """
    return _load_idx("fashion-mnist", "FashionMNIST", folder, download)


def load_cifar10(folder: Path, download: bool) -> Splits:
    """Read ``folder/cifar-10-batches-py``; if ``download``, download it first.

    The files are pickles; torchvision unpickles them only if their checksums are those of the published files.

    Returns:
        50,000 training and 10,000 test images, uint8 ``[N, 3, 32, 32]``.

    Raises:
        DataUnavailable: as for :func:`load_mnist`.
    """
    import torchvision

    reader = torchvision.datasets.CIFAR10
    if download:
        fetch("cifar10", reader, folder)
    try:
        return Splits(_read_pickles(reader, folder, train=True), _read_pickles(reader, folder, train=False))
    except RuntimeError as error:
        if "not found" in str(error).lower():
            base = folder / reader.base_folder
            if base.is_dir():
                raise _damaged("cifar10", base) from error
            raise DataUnavailable(f"cifar10 is not in {folder}.") from error
        raise


def _load_idx(name: str, reader: str, folder: Path, download: bool) -> Splits:
    """A dataset of four idx files in ``folder/reader/raw``; ``reader`` is the name of torchvision's class."""
    if download:
        import torchvision

        fetch(name, getattr(torchvision.datasets, reader), folder)
    raw = folder / reader / "raw"
    try:
        return Splits(*(_read_idx_pair(raw, part) for part in ("train", "t10k")))
    except FileNotFoundError as error:
        raise DataUnavailable(f"{name} is not in {folder}.") from error
    except ValueError as error:
        raise _damaged(name, raw) from error


def _read_idx_pair(raw: Path, part: str) -> Split:
    images, labels = (read_idx(raw / f"{part}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    return Split(images.unsqueeze(1), labels.to(torch.int64))


def read_idx(path: Path) -> torch.Tensor:
    """Read an idx file of bytes (http://yann.lecun.com/exdb/mnist): a header with the shape, then the values.

    Raises:
        ValueError: the file has another format or length.
    """
    content = np.fromfile(path, np.uint8)
    head = content[:1028].tobytes().ljust(4)
    zeros, kind, dimensions = struct.unpack_from(">HBB", head)
    start = 4 + 4 * dimensions
    if zeros or kind != 8 or len(head) < start:
        raise ValueError(f"{path} is not an idx file of bytes")
    shape = struct.unpack_from(f">{dimensions}I", head, 4)
    if len(content) != start + math.prod(shape):
        raise ValueError(f"{path} does not hold {shape} values")
    return torch.from_numpy(content[start:].reshape(shape))


def _damaged(name: str, base: Path) -> DataError:
    return DataError(f"The files of {name} in {base} are damaged. Delete them and run `zoo fetch {name}`.")


def fetch(name: str, reader: Any, folder: Path) -> None:
    """Download a dataset of torchvision into ``folder``, where it appears complete and checked, or not at all.

    Args:
        name: for messages.
        reader: torchvision's class.

    Raises:
        DataUnavailable: no mirror sent the right files, or the folder is not writable.
    """
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}-") as scratch:
            output = io.StringIO()  # torchvision prints a progress bar for each file
            with _timeout(TIMEOUT_SECONDS), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                reader(scratch, download=True)
            _move_in(Path(scratch), folder)
    except (OSError, RuntimeError) as error:  # URLError and time-outs are OSErrors
        if new:
            with contextlib.suppress(OSError):
                folder.rmdir()
        reason = " ".join(str(error).split())
        raise DataUnavailable(f"{name} is not in {folder} and could not be downloaded ({_short(reason)}).") from error


def _move_in(scratch: Path, folder: Path) -> None:
    """Move every file except the downloaded archives to its place below ``folder``.

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


def _read_pickles(reader: Any, folder: Path, train: bool) -> Split:
    dataset = reader(folder, train=train)
    images = torch.as_tensor(dataset.data).permute(0, 3, 1, 2).contiguous()
    return Split(images, torch.as_tensor(dataset.targets, dtype=torch.int64))


@contextlib.contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Set a time-out for all connections: torchvision sets none."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _short(reason: str) -> str:
    """The last cause in an error of torchvision, which lists all mirrors."""
    cause = reason.rsplit("got: ", 1)[-1].strip()
    return cause if len(cause) <= 120 else cause[:117] + "…"
