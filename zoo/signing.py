"""Signatures of exported files: one signature, in ``FILE.sig``, covers a file and its certificate together.

The format is that of OpenSSF model signing, so ``model_signing verify`` reads it too. Keys work without a network;
Sigstore identities need one. The package ``model-signing`` is an extra: ``pip install pluggy-zoo[sign]``.
"""

from __future__ import annotations

import base64
import contextlib
import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from .errors import UsageError, ZooError
from .folders import expanded
from .schema import parse_json, read_limited

SIGSTORE = "sigstore"
"""In place of a private key: sign with the identity that the user proves to Sigstore in a browser."""
LARGEST_KEY, LARGEST_SIGNATURE = 2**16, 2**20
_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"


def signature_path(file: Path) -> Path:
    """``FILE.sig`` beside ``FILE``."""
    return file.with_name(file.name + ".sig")


class Signer:
    """Signs files with a private key, or with an identity of Sigstore.

    Args:
        key: an elliptic-curve private key (P-256, P-384 or P-521) in a PEM file without a password, or ``sigstore``. It
            is read now, so that a long export does not end with a wrong key.

    Raises:
        ZooError: the key cannot be used, or the extra is not installed.
    """

    def __init__(self, key: Path | str) -> None:
        self._config = _model_signing().signing.Config()
        with _one_line(f"Cannot sign with {key}"):
            if str(key) == SIGSTORE:
                self._config.use_sigstore_signer()
            else:
                self._config.use_elliptic_key_signer(private_key=expanded(key))

    def sign(self, files: Mapping[str, Path], signature: Path) -> None:
        """Write one signature of all ``files``.

        Args:
            files: the files by the names that they will have.
            signature: where to write it.

        Raises:
            ZooError: Sigstore cannot be reached, or refuses.
        """
        with _folder_of(files) as folder, _one_line("The files cannot be signed"):
            self._config.sign(folder, signature)


@dataclass(frozen=True, slots=True)
class Verifier:
    """Whose signature is required: that of a key, or of an identity that Sigstore knows.

    Args:
        key: a public key, or an X.509 certificate that holds it, in a PEM file. Dates and issuer of a certificate are
            not checked: whoever chooses the file trusts the key in it.
        identity: the signer's name at Sigstore, such as an e-mail address.
        provider: the address of the service that vouches for the identity.
    """

    key: Path | str | None = None
    identity: str = ""
    provider: str = ""

    def __post_init__(self) -> None:
        if (self.key is None) == (not self.identity) or bool(self.identity) != bool(self.provider):
            raise UsageError("Give a public key, or an identity together with its provider.")

    @property
    def signer(self) -> str:
        """Who must have signed, for messages."""
        return self.identity or f"the key in {self.key}"

    def problem(self, files: Mapping[str, Path], signature: Path) -> str:
        """Why ``signature`` is not a valid signature of exactly ``files``, in one line; empty if it is.

        Args:
            files: the files by their names.
            signature: the signature.

        Raises:
            ZooError: the public key cannot be used, or the extra is not installed.
        """
        config = self._config()
        try:
            content = read_limited(signature, LARGEST_SIGNATURE, "the signature")
        except FileNotFoundError:
            return f"there is no signature {signature}"
        except ZooError as error:
            return str(error).rstrip(".")
        try:
            with _folder_of(files) as folder:
                copy = folder.with_name("signature")  # the same bytes are verified and read
                copy.write_bytes(content)
                with contextlib.redirect_stdout(io.StringIO()):
                    config.verify(folder, copy)
            signed = _signed_names(content)
        except Exception as error:  # the library raises many kinds for a foreign signature
            changed = [name for name in files if f"mismatch for '{name}'" in str(error).replace("\\", "")]
            if changed:
                return f"{' and '.join(changed)}: not what {self.signer} signed in {signature.name}"
            return f"{signature.name} is not a signature of these files by {self.signer}: {_text(error)}"
        if signed != sorted(files):
            return f"{signature.name} covers {', '.join(signed)}, not {', '.join(sorted(files))}"
        return ""

    def _config(self) -> Any:
        config = _model_signing().verifying.Config()
        if self.key is None:
            with _one_line("Cannot use Sigstore"):
                return config.use_sigstore_verifier(identity=self.identity, oidc_issuer=self.provider)
        with _one_line(f"Cannot use the public key {self.key}"):
            key = _public_key(_read(expanded(self.key), LARGEST_KEY, "the public key"))
            with tempfile.TemporaryDirectory(prefix="zoo-sign-") as scratch:
                path = Path(scratch) / "key.pem"
                path.write_bytes(key)
                return config.use_elliptic_key_verifier(public_key=path)


def _model_signing() -> Any:
    try:
        import model_signing
    except ImportError as error:
        raise ZooError(f"Signatures need an extra: pip install pluggy-zoo[sign] ({error}).") from error
    return model_signing


def _public_key(content: bytes) -> bytes:
    """The public key in PEM, taken out of a certificate if it is one."""
    if _CERTIFICATE not in content:
        return content
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_pem_x509_certificate(content).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class _Resource(msgspec.Struct):
    name: str


class _Predicate(msgspec.Struct):
    resources: list[_Resource]


class _Statement(msgspec.Struct):
    predicate: _Predicate


class _Envelope(msgspec.Struct):
    payload: str


class _Bundle(msgspec.Struct, rename={"envelope": "dsseEnvelope"}):
    envelope: _Envelope


def is_signature_of(path: Path, file: Path) -> bool:
    """Whether ``path`` is a signature in our format of a file with the name of ``file``, valid or not."""
    try:
        return file.name in _signed_names(read_limited(path, LARGEST_SIGNATURE, "the signature"))
    except (OSError, ValueError, ZooError):
        return False


def _signed_names(content: bytes) -> list[str]:
    """The names of the files that a signature covers: a signer may have left out some of a folder."""
    bundle = parse_json(content, _Bundle, "the signature")
    statement = parse_json(base64.b64decode(bundle.envelope.payload), _Statement, "the signature")
    return sorted(resource.name for resource in statement.predicate.resources)


@contextlib.contextmanager
def _folder_of(files: Mapping[str, Path]) -> Iterator[Path]:
    """A temporary folder that holds copies of ``files`` and nothing else."""
    with tempfile.TemporaryDirectory(prefix="zoo-sign-") as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        for name, path in files.items():
            shutil.copyfile(path, folder / name)
        yield folder


def _read(path: Path, largest: int, what: str) -> bytes:
    try:
        return read_limited(path, largest, what)
    except FileNotFoundError:
        raise ZooError(f"There is no file {path}, which should hold {what}.") from None


@contextlib.contextmanager
def _one_line(what: str) -> Iterator[None]:
    try:
        yield
    except ZooError:
        raise
    except OSError as error:
        raise ZooError(f"{what}: {error.strerror}.") from error
    except Exception as error:  # libraries of cryptography raise many kinds
        raise ZooError(f"{what}: {_text(error)}.") from error


def _text(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(". ") or type(error).__name__
