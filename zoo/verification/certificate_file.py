"""Read a certificate, which may be damaged or forged: its schema and its formats."""

from __future__ import annotations

import base64
import binascii
import json
import math
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from ..errors import ZooError
from ..exporting.certificate import CERTIFICATE_FORMAT, certificate_path, digest
from ..exporting.reference_vectors import ReferenceVectors
from ..files import recover
from ..schema import LARGEST_JSON, convert, parse_json, read_limited

_AGAIN = "Export the file again."
_RENAMED = {"judged_on": "evaluated_on", "golden": "reference_vectors"}
"""Names of format 2, with those of later formats."""

Text = Annotated[str, Meta(max_length=1000)]
Name = Annotated[str, Meta(min_length=1, max_length=1000)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Size = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Shape = Annotated[tuple[Size, ...], Meta(max_length=16)]
Limit = Annotated[float, Meta(gt=0)]


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The exported file."""

    name: Name
    sha256: Digest
    bytes: Annotated[int, Meta(gt=0)]


class FormEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the file was written."""

    exporter: Name
    reduction: Text
    options: dict[str, Any]


class TensorEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input or output; a dimension of any size has a name."""

    name: Name
    type: Name
    shape: Annotated[tuple[Size | Text, ...], Meta(max_length=16)]


class InterfaceEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All inputs and outputs, in the file's order."""

    inputs: Annotated[tuple[TensorEntry, ...], Meta(min_length=1)]
    outputs: Annotated[tuple[TensorEntry, ...], Meta(min_length=1)]


class CheckEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One check, which passed."""

    gate: Name
    passed: bool
    summary: str
    figures: dict[str, Any]


class ArrayEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An array; ``base64`` has its bytes."""

    type: Name
    shape: Shape
    base64: str


class NamedArrayEntry(ArrayEntry, frozen=True, forbid_unknown_fields=True):
    """An expected output."""

    name: Name


class VectorsEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The reference vectors."""

    input: ArrayEntry
    outputs: Annotated[tuple[NamedArrayEntry, ...], Meta(min_length=1)]
    limits: tuple[Limit, ...]


class Format3(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A certificate of format 2 or 3; the names are those of format 3."""

    format: int
    passed: bool
    file: FileEntry
    origin: Text
    model: dict[str, Any]
    evaluated_on: Text
    checks: Annotated[tuple[CheckEntry, ...], Meta(min_length=1)]
    reference_vectors: VectorsEntry | None
    versions: dict[str, Text]


class Format4(Format3, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A certificate of format 4: it binds its content by a digest."""

    form: FormEntry
    interface: InterfaceEntry | None
    contents: dict[str, Any] | None
    digest: Digest


class RecordedCertificate(msgspec.Struct, frozen=True):
    """A certificate that was read, in the terms of format 4. It is well-formed, and may still be wrong.

    Args:
        entries: its content; of an earlier format, ``Format3``.
        vectors: the reference vectors; None if there are none.
        expected_digest: the digest of its content; empty for formats without one.
    """

    entries: Format3
    vectors: ReferenceVectors | None
    expected_digest: str

    @property
    def bound(self) -> Format4 | None:
        """The content, if it is bound by a digest; None for formats 2 and 3."""
        return self.entries if isinstance(self.entries, Format4) else None


def read_certificate(file: Path) -> RecordedCertificate | None:
    """The certificate beside ``file``; None if there is none. Raises as :func:`parse_certificate`."""
    recover(file)
    path = certificate_path(file)
    try:
        content = read_limited(path, LARGEST_JSON, "the certificate")
    except FileNotFoundError:
        return None
    return parse_certificate(content, path)


def parse_certificate(content: bytes, path: Path) -> RecordedCertificate:
    """The certificate with this content.

    Args:
        content: what was read.
        path: of the certificate, for messages.

    Raises:
        ZooError: it cannot be read, does not follow the schema, or is of a format that this version does not know.
    """
    what = f"the certificate {path}"
    read = parse_json(content, dict[str, Any], what, _AGAIN)
    written_as = read.get("format")
    if type(written_as) is not int or written_as not in (2, 3, CERTIFICATE_FORMAT):
        raise ZooError(f"{path} is not a certificate that this version of the zoo can read. {_AGAIN}")
    values = {_RENAMED.get(key, key): value for key, value in read.items()} if written_as == 2 else read
    entries = convert(values, Format4 if written_as == CERTIFICATE_FORMAT else Format3, what, _AGAIN)
    problem = _malformed(entries)
    if problem:
        raise ZooError(f"{what[:1].upper()}{what[1:]} is damaged: {problem}. {_AGAIN}")
    vectors = ReferenceVectors.from_json(values["reference_vectors"]) if entries.reference_vectors else None
    return RecordedCertificate(entries, vectors, digest(read) if isinstance(entries, Format4) else "")


def _malformed(entries: Format3) -> str:
    """What the schema cannot say; empty if the content is well-formed."""
    if not entries.passed:
        return "`passed` is not true"
    failed = next((check.gate for check in entries.checks if not check.passed), "")
    if failed:
        return f"the check {failed!r} did not pass"
    vectors = entries.reference_vectors
    if vectors is None:
        return ""
    if len(vectors.limits) != len(vectors.outputs):
        return f"it has {len(vectors.limits)} limits for {len(vectors.outputs)} outputs"
    return next(filter(None, map(_wrong_array, (vectors.input, *vectors.outputs))), "") or _wrong_rows(vectors)


_TYPES = {"uint8": 1, "float16": 2, "float32": 4, "float64": 8, "int8": 1, "int32": 4, "int64": 8}
"""Types of arrays in a certificate, with the bytes of an element."""


def _wrong_array(entry: ArrayEntry) -> str:
    if entry.type not in _TYPES:
        return f"the reference vectors are of type {entry.type!r}"
    try:
        size = len(base64.b64decode(entry.base64, validate=True))
    except (binascii.Error, ValueError):
        return "the reference vectors are not base64"
    expected = math.prod(entry.shape) * _TYPES[entry.type]
    if not entry.shape or not expected:
        return "the reference vectors are empty"
    return "" if size == expected else f"a reference vector has {size} bytes, its shape needs {expected}"


def _wrong_rows(vectors: VectorsEntry) -> str:
    names = [output.name for output in vectors.outputs]
    if len(set(names)) != len(names):
        return "two outputs of the reference vectors have one name"
    rows = {entry.shape[0] for entry in (vectors.input, *vectors.outputs)}
    return "" if len(rows) == 1 else "the reference vectors have different numbers of samples"


def same_json(one: Any, other: Any) -> bool:
    """Whether two values are equal as JSON: a tuple equals a list, but 1 does not equal true or 1.0."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
