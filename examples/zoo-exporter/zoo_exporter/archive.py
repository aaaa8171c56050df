"""The file: a zip archive, stored without compression, with the two files of an OpenVINO model.

The zoo writes, hashes and certifies one file for each export, and an OpenVINO model (IR, intermediate representation)
is two: operators as XML, and weights as plain bytes. Any program for archives unpacks them.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

from zoo import RuntimeFailed

GRAPH, WEIGHTS = "model.xml", "model.bin"
# equal models must give equal bytes, so every archive has the same time
_TIME = (1980, 1, 1, 0, 0, 0)


class Model(NamedTuple):
    """The content of both files."""

    graph: bytes
    weights: bytes


def pack(model: Model, path: Path) -> None:
    """Write an archive with both files to ``path``."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in zip((GRAPH, WEIGHTS), model, strict=True):
            archive.writestr(zipfile.ZipInfo(name, _TIME), content)


def unpack(path: Path) -> Model:
    """Read both files.

    Raises:
        RuntimeFailed: ``path`` is not an archive that :func:`pack` wrote. A compressed file in it is refused too: it
            could be a thousand times as large as the archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if [entry.filename for entry in entries] != [GRAPH, WEIGHTS]:
                raise RuntimeFailed(f"the archive must hold {GRAPH} and {WEIGHTS}, and nothing else")
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise RuntimeFailed("the files in the archive must not be compressed")
            return Model(*map(archive.read, entries))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise RuntimeFailed(f"not a zip archive: {one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """The message of an error in one line."""
    return " ".join(str(error).split())[:300].rstrip(".")
