"""MNIST, Fashion-MNIST and CIFAR-10, with the mirrors and checksums of torchvision.

Torchvision is imported only for a download and for CIFAR-10: the import takes longer than an epoch on MNIST.
Idx files are read here.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import socket
import stat
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zoo import DataError, DataUnavailable, Split, Splits

from .downloads import move_in, scratch_folder, sweep, unavailable

TIMEOUT_SECONDS = 15.0
LARGEST_IDX = 2**28
"""Bytes; the largest published file has 47 million."""

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
    sweep(folder)
    if download:
        fetch("cifar10", reader, folder)
    try:
        return Splits(_read_pickles(reader, folder, train=True), _read_pickles(reader, folder, train=False))
    except RuntimeError as error:
        if "not found" in str(error).lower():
            base = folder / reader.base_folder
            if base.is_dir():
                raise _damaged("cifar10", base, "their checksums are not those of the published files") from error
            raise DataUnavailable(f"cifar10 is not in {folder}.") from error
        raise


def _load_idx(name: str, reader: str, folder: Path, download: bool) -> Splits:
    """A dataset of four idx files in ``folder/reader/raw``; ``reader`` is the name of torchvision's class."""
    sweep(folder)
    if download:
        import torchvision

        fetch(name, getattr(torchvision.datasets, reader), folder)
    raw = folder / reader / "raw"
    try:
        return Splits(*(_read_idx_pair(raw, part) for part in ("train", "t10k")))
    except FileNotFoundError as error:
        raise DataUnavailable(f"{name} is not in {folder}.") from error
    except (OSError, ValueError) as error:
        raise _damaged(name, raw, getattr(error, "strerror", None) or str(error)) from error


def _read_idx_pair(raw: Path, part: str) -> Split:
    images, labels = (
        read_idx(raw / f"{part}-{kind}-ubyte", dimensions)
        for kind, dimensions in (("images-idx3", 3), ("labels-idx1", 1))
    )
    return Split(images.unsqueeze(1), labels.to(torch.int64))


def read_idx(path: Path, dimensions: int) -> torch.Tensor:
    """Read an idx file of bytes (http://yann.lecun.com/exdb/mnist): a header with the shape, then the values.

    Raises:
        ValueError: the file has another format or length, or another number of dimensions.
    """
    # O_NONBLOCK: opening a pipe without a writer does not wait
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_IDX:
            raise ValueError(f"{path.name} is not an idx file of bytes")
        content = np.fromfile(file, np.uint8)
    head = content[: 4 + 4 * dimensions].tobytes()
    start = 4 + 4 * dimensions
    if head[:4] != bytes((0, 0, 8, dimensions)) or len(head) < start:
        raise ValueError(f"{path.name} is not an idx file of bytes in {dimensions} dimensions")
    shape = struct.unpack_from(f">{dimensions}I", head, 4)
    if len(content) != start + math.prod(shape):
        raise ValueError(f"{path.name} does not hold the values that its header says")
    return torch.from_numpy(content[start:].reshape(shape))


def _damaged(name: str, base: Path, why: str) -> DataError:
    return DataError(f"The files of {name} in {base} are damaged ({why}). Delete them and run `zoo fetch {name}`.")


def fetch(name: str, reader: Any, folder: Path) -> None:
    """Download a dataset of torchvision into ``folder``, where it appears complete and checked, or not at all.

    Args:
        name: for messages.
        reader: torchvision's class.

    Raises:
        DataUnavailable: no mirror sent the right files, or the folder is not writable.
    """
    try:
        with scratch_folder(name, folder) as scratch:
            output = io.StringIO()  # torchvision prints a progress bar for each file
            with _timeout(TIMEOUT_SECONDS), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                reader(scratch, download=True)
            _check_archives(scratch)
            files = (file for file in sorted(scratch.rglob("*")) if file.is_file() and file.suffix != ".gz")
            move_in({file: folder / file.relative_to(scratch) for file in files})
    except (RuntimeError, EOFError, ValueError, zlib.error) as error:  # what torchvision and a broken archive raise
        raise unavailable(name, folder, error) from error


def _check_archives(scratch: Path) -> None:
    """Raises:
    RuntimeError: an archive is not the published one.
    """
    for name, sha256 in ARCHIVES.items():
        archive = scratch / name
        if archive.is_file():
            with archive.open("rb") as handle:
                if hashlib.file_digest(handle, "sha256").hexdigest() != sha256:
                    raise RuntimeError(f"{name} is not the published file")


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
