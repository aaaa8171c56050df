"""The exported file of a report: found beside it and checked, or exported now."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ExportError, ZooError
from ..exporting.certificate import Check
from ..exporting.export import export
from ..files import make_folder, recover, sha256
from ..models.torch_model import TorchModel
from ..registry.registry import Registry
from ..verification.certificate_file import CheckEntry, read_certificate

log = logging.getLogger("zoo")


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """An exported file and its certificate.

    Args:
        path: the file.
        problem: why the file cannot be trusted, as a sentence; empty if it is the one that its certificate describes.
            Only then the other entries hold.
        sha256: of the file, in hexadecimal.
        bytes: its size.
        checks: the checks of the export; all of them passed.
    """

    path: Path
    problem: str = ""
    sha256: str = ""
    bytes: int = 0
    checks: Sequence[Check | CheckEntry] = ()


def exported_file(
    reference: str,
    model: TorchModel,
    folder: Path,
    *,
    data_dir: Path | str | None,
    runs_dir: Path | str | None,
    registry: Registry,
) -> ExportedFile | None:
    """The exported file of ``model`` in ``folder``. If there is none for its checkpoint, export it now.

    A file that is not the one in its certificate, or has a damaged certificate, stays as it is and is reported.

    Args:
        reference: the model, as for :func:`zoo.export`.

    Returns:
        None if the model cannot be exported; the reason is logged.
    """
    path = folder / f"{model.trained.metadata['architecture'].replace('/', '-')}.onnx"
    try:
        found = _existing(path, model.trained.sha256)
    except ZooError as error:
        return ExportedFile(path, problem=str(error))
    if found is not None:
        return found
    try:
        made = export(reference, "onnx", make_folder(folder), data_dir=data_dir, runs_dir=runs_dir, registry=registry)
    except ExportError as error:
        log.warning("%s The report has no exported file.", error)
        return None
    return ExportedFile(made.file, sha256=made.sha256, bytes=made.bytes, checks=made.checks)


def _existing(path: Path, checkpoint: str) -> ExportedFile | None:
    """The file at ``path`` if it was made of this checkpoint, by a version of the zoo that binds the certificate.

    Raises:
        ZooError: the certificate is damaged, or is not the one of this file.
    """
    recover(path)
    recorded = read_certificate(path) if path.is_file() else None
    if recorded is None or recorded.bound is None or recorded.entries.model.get("checkpoint_sha256") != checkpoint:
        return None
    entries = recorded.entries
    if recorded.expected_digest != recorded.bound.digest:
        raise ZooError("The certificate was edited: its digest is wrong.")
    digest = sha256(path)
    if (digest, path.stat().st_size) != (entries.file.sha256, entries.file.bytes):
        raise ZooError("The file was changed after its export: its SHA-256 is not the one in the certificate.")
    return ExportedFile(path, sha256=digest, bytes=entries.file.bytes, checks=entries.checks)
