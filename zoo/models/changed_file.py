"""Refuse to use an exported file that is not the one its certificate was written for. Imports no torch."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from ..errors import ZooError
from ..schema import LARGEST_JSON, read_limited

log = logging.getLogger("zoo")


def check_unchanged(path: Path, content: bytes) -> None:
    """If a certificate lies beside ``path``, compare its hash with that of ``content``.

    A file without a certificate, or beside JSON of another tool, is used as it is, and a note says so.

    Args:
        path: the file.
        content: its bytes, as they are used.

    Raises:
        ZooError: the file was changed after its export.
    """
    certificate = path.with_name(f"{path.name}.json")
    recorded = _recorded_hash(certificate)
    if not recorded:
        what = "is not a certificate" if certificate.exists() else "is missing"
        log.warning(
            "%s %s, so nothing shows that %s is unchanged. `zoo verify` says more.", certificate, what, path.name
        )
    if recorded and recorded != hashlib.sha256(content).hexdigest():
        raise ZooError(
            f"{path} was changed after its export: its SHA-256 is not the one in {path.name}.json. Run "
            f"`zoo verify {path}`, or export it again."
        )


def _recorded_hash(certificate: Path) -> str:
    """The hash in a certificate; empty if there is no certificate."""
    try:
        read: Any = json.loads(read_limited(certificate, LARGEST_JSON, "the certificate"))
    except (FileNotFoundError, ZooError, ValueError, RecursionError):
        return ""
    entry = read.get("file") if isinstance(read, dict) else None
    digest = entry.get("sha256") if isinstance(entry, dict) else None
    return digest if isinstance(digest, str) else ""
