"""Read an ONNX file, and refuse one that asks for the content of other files. Imports no torch."""

from __future__ import annotations

from pathlib import Path

from ..errors import ZooError
from ..files import recover
from ..schema import read_limited

LARGEST_ONNX = 2**31 - 1
"""Bytes; protobuf, the encoding of ONNX, cannot hold more in one file."""


def read_onnx(path: Path | str) -> bytes:
    """The bytes of an ONNX file that is complete in itself, as all files of the zoo are.

    Weights of an ONNX file can be stored in any other file that it names, so a foreign file could read files of the
    user. Give onnxruntime these bytes and not the path: the file may change in between.

    Raises:
        ZooError: the file is missing, is not ONNX, or has weights in another file.
    """
    path = Path(path)
    recover(path)
    try:
        content = read_limited(path, LARGEST_ONNX, "the ONNX file")
    except FileNotFoundError:
        raise ZooError(f"There is no file {path}.") from None
    problem = foreign_data(content)
    if problem:
        raise ZooError(f"{path} is refused: {problem}.")
    return content


def foreign_data(content: bytes) -> str:
    """Why the bytes of an ONNX file are refused: they are not ONNX, or need another file; empty if they are sound."""
    from google.protobuf.message import DecodeError, Message
    from onnx import ModelProto, TensorProto

    try:
        waiting: list[Message] = [ModelProto.FromString(content)]
    except DecodeError:
        return "it is not an ONNX file"
    while waiting:  # all parts: weights, attributes, subgraphs, functions
        part = waiting.pop()
        if isinstance(part, TensorProto):
            if part.data_location == TensorProto.EXTERNAL or part.external_data:
                return f"weights {part.name!r} are stored in another file; export it with all weights inside"
            continue
        for _, value in part.ListFields():
            if isinstance(value, Message):
                waiting.append(value)
            elif not isinstance(value, str | bytes | int | float):
                waiting += [item for item in value if isinstance(item, Message)]
    return ""
