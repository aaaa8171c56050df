"""The messages between ``zoo verify`` and the process that runs a file: a JSON header, then the bytes of arrays.

Neither side trusts what it reads: the header is checked by a schema, and all sizes are limited. Nothing is pickled.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Annotated, Any, BinaryIO, Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import ZooError
from ..models.runtime import Inspection
from ..schema import LARGEST_JSON, parse_json

LARGEST_ARRAYS = 2**30
"""Bytes of all arrays of one message."""
_LENGTH = struct.Struct(">I")

ElementType = Literal[
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"
]


class ArrayHeader(msgspec.Struct, frozen=True):
    """Type and shape of an array whose bytes follow the header."""

    type: ElementType
    shape: Annotated[tuple[Annotated[int, msgspec.Meta(ge=0, le=2**40)], ...], msgspec.Meta(max_length=32)]

    @property
    def bytes(self) -> int:
        """The number of bytes that follow."""
        return math.prod(self.shape) * np.dtype(self.type).itemsize


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that both directions share."""

    arrays: Annotated[tuple[ArrayHeader, ...], msgspec.Meta(max_length=1000)] = ()


class Job(Message, frozen=True, kw_only=True):
    """The first message to the process: which file, which code, which limits.

    Args:
        file: the name of the file in the current folder of the process.
        inspect, open: the exporter's references.
        threads: for torch; 0 leaves its default.
        seconds: processor time that the process may use, over all threads.
    """

    file: str
    inspect: str
    open: str
    threads: int
    seconds: int


class Request(Message, frozen=True, kw_only=True):
    """Every other message to the process; ``runtime`` is a place in ``Answer.runtimes``."""

    action: Literal["inspect", "open", "run"]
    runtime: int = 0


class RuntimeName(msgspec.Struct, frozen=True):
    """A runtime that the process has opened."""

    provider: str
    mode: str


class Answer(Message, frozen=True, kw_only=True):
    """Every message from the process.

    Args:
        failed: why the request failed, in one line; empty if it did not.
        importable: whether the exporter's references can be imported in the process.
    """

    failed: str = ""
    importable: bool = True
    inspection: Inspection | None = None
    runtimes: tuple[RuntimeName, ...] = ()
    absent: dict[str, str] = {}


M = TypeVar("M", bound=Message)


class Closed(Exception):
    """The other side has closed the pipe."""


def send(stream: BinaryIO, message: Message, arrays: Sequence[NDArray[Any]] = ()) -> None:
    """Write ``message`` and ``arrays``.

    Raises:
        ZooError: an array is too large, or of a type that cannot be sent.
        OSError: the other side has closed the pipe.
    """
    headers = tuple(_header(array) for array in arrays)
    if sum(header.bytes for header in headers) > LARGEST_ARRAYS:
        raise ZooError(f"the arrays have more than {LARGEST_ARRAYS:,} bytes")
    content = msgspec.json.encode(msgspec.structs.replace(message, arrays=headers), enc_hook=_plain)
    if len(content) > LARGEST_JSON:
        raise ZooError(f"the description has more than {LARGEST_JSON:,} bytes")
    parts = [array.tobytes() for array in arrays]  # before the first byte is written, because memory may run out
    for part in (_LENGTH.pack(len(content)), content, *parts):
        stream.write(part)
    stream.flush()


def receive(stream: BinaryIO, kind: type[M]) -> tuple[M, list[NDArray[Any]]]:
    """Read a message of the type ``kind`` and its arrays.

    Raises:
        Closed: the other side has closed the pipe.
        ZooError: the message is too large, or not of this type.
    """
    (length,) = _LENGTH.unpack(_read(stream, _LENGTH.size))
    if length > LARGEST_JSON:
        raise ZooError(f"A message of {length:,} bytes is too large.")
    message = parse_json(bytes(_read(stream, length)), kind, "a message")
    if sum(header.bytes for header in message.arrays) > LARGEST_ARRAYS:
        raise ZooError("A message has arrays that are too large.")
    arrays = [np.frombuffer(_read(stream, h.bytes), h.type).reshape(h.shape) for h in message.arrays]
    return message, arrays


def _header(array: NDArray[Any]) -> ArrayHeader:
    try:
        return msgspec.convert({"type": array.dtype.name, "shape": list(array.shape)}, ArrayHeader)
    except msgspec.ValidationError:
        raise ZooError(f"an array of type {array.dtype.name} cannot be checked") from None


def _plain(value: Any) -> Any:
    """A JSON value for a number of NumPy."""
    if isinstance(value, np.generic):
        return value.item()
    raise ZooError(f"a value of type {type(value).__name__} is not a JSON value")


def _read(stream: BinaryIO, count: int) -> bytearray:
    content = bytearray()
    while len(content) < count:
        more = stream.read(min(count - len(content), 2**20))
        if not more:
            raise Closed
        content += more
    return content
