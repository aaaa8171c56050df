"""What is known about a file without opening it: its signature, and its hash and the digest of its certificate."""

from __future__ import annotations

from ..exporting.certificate import Check, certificate_path
from ..models.runtime import Inspection
from ..signing import Verifier, signature_path
from ..specs.exporter import Exporter
from .binding import FileUnderTest, check_hash_of
from .certificate_file import parse_certificate
from .private_copy import PrivateCopy


def check_signature(copy: PrivateCopy, verifier: Verifier) -> Check:
    """Whether ``FILE.sig`` is a signature of the file and its certificate by ``verifier``'s signer.

    Raises:
        ZooError: the public key cannot be used, or the extra ``sign`` is not installed.
    """
    if copy.certificate is None:
        problem = f"there is no {certificate_path(copy.original).name}"
    else:
        problem = verifier.problem(copy.files, signature_path(copy.original))
    return Check("signature", not problem, problem or f"{verifier.signer} signed the file and its certificate")


def check_unopened(copy: PrivateCopy, exporter: Exporter, max_drop: float) -> tuple[list[Check], dict[str, str]]:
    """The checks of a file that is not opened, because a file of this format can contain code; and what is missing.

    Raises:
        ZooError: the certificate cannot be read.
    """
    reason = f"a file {exporter.suffix} can contain code, which runs when it is opened; --trust opens this one"
    missing = {"everything that opens the file": reason}
    if copy.certificate is None:
        return [], missing | {"hash, certificate": "there is no certificate beside the file; export the file again"}
    certificate = parse_certificate(copy.certificate, certificate_path(copy.original))
    file = FileUnderTest(
        path=copy.original,
        sha256=copy.sha256,
        bytes=copy.size,
        exporter=exporter,
        inspection=Inspection("", ""),
        certificate=certificate,
        max_drop=max_drop,
    )
    checks = [check_hash_of(file, certificate)]
    if certificate.bound is not None:
        edited = certificate.bound.digest != certificate.expected_digest
        wrong = "the certificate was edited: its digest does not fit its content"
        checks.append(Check("certificate", not edited, wrong if edited else "its digest fits its content"))
    return checks, missing
