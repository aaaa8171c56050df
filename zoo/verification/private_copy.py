"""Take one private copy of a file and its certificate: signature, hash, size and content are all those of this copy.

Whoever can write to the user's folder could otherwise exchange the file between two checks.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import ZooError
from ..exporting.certificate import certificate_path
from ..schema import LARGEST_JSON, read_limited

_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class PrivateCopy:
    """A file and its certificate, as they were at one time.

    Args:
        original: the user's file, for messages and for what is beside it.
        path: the copy of the file, with the same name.
        sha256: of the copy, in hexadecimal.
        size: of the copy, in bytes.
        certificate: the content of the certificate; None if there is none.
    """

    original: Path
    path: Path
    sha256: str
    size: int
    certificate: bytes | None

    @property
    def files(self) -> dict[str, Path]:
        """The files that a signature covers, by the names that the user's files have."""
        certificate = certificate_path(self.original).name
        return {self.original.name: self.path} | (
            {} if self.certificate is None else {certificate: certificate_path(self.path)}
        )


@contextlib.contextmanager
def private_copy(file: Path) -> Iterator[PrivateCopy]:
    """``file`` and its certificate in a temporary folder that only this user can enter; it is removed afterwards.

    Raises:
        ZooError: the file or its certificate cannot be read, or the temporary folder is full.
    """
    with tempfile.TemporaryDirectory(prefix="zoo-verify-", ignore_cleanup_errors=True) as folder:
        path = Path(folder) / file.name
        digest, size = copy_and_hash(file, path)
        certificate: bytes | None = None
        with contextlib.suppress(FileNotFoundError):
            certificate = read_limited(certificate_path(file), LARGEST_JSON, "the certificate")
        if certificate is not None:
            certificate_path(path).write_bytes(certificate)
        yield PrivateCopy(file, path, digest, size, certificate)


def copy_and_hash(source: Path, target: Path) -> tuple[str, int]:
    """Copy a file; the SHA-256 of the copy in hexadecimal, and its size in bytes.

    Raises:
        ZooError: the file cannot be copied.
    """
    digest, size = hashlib.sha256(), 0
    try:
        with source.open("rb") as reader, target.open("xb") as writer:
            while chunk := reader.read(_CHUNK):
                digest.update(chunk)
                size += writer.write(chunk)
    except OSError as error:
        raise ZooError(f"Cannot copy {source} to the temporary folder {target.parent}: {error.strerror}.") from error
    return digest.hexdigest(), size
