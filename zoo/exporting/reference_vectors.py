"""Reference vectors: a few inputs, their expected outputs, and how far a file may be from them on any machine.

In a certificate they are JSON. In a bundle they are ``test_data_set_0/input_0.pb`` and ``output_0.pb``, the
convention of the ONNX Model Zoo, which ONNX tools read.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ZooError

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[Any]

# the tolerance of ONNX's own test runner, for vectors without limits
RELATIVE, ABSOLUTE = 1e-3, 1e-7


@dataclass(frozen=True, slots=True)
class ReferenceVectors:
    """One batch of inputs with the expected outputs.

    Args:
        inputs: ``[N, …]``, of the type that the file takes.
        outputs: float32 ``[N, …]`` for each output, by its name and in the file's order.
        limits: the largest absolute error of each output, in its units; None for the tolerance of ONNX's test runner.
    """

    inputs: Array
    outputs: dict[str, Array]
    limits: tuple[float, ...] | None = None

    def largest_excess(self, got: Sequence[Array]) -> tuple[float, str]:
        """The largest error as a part of the limit, and the name of its output.

        NaN, a missing output and a wrong shape count as infinite.

        Args:
            got: a file's outputs ``[N, …]`` for :attr:`inputs`, in the same order.
        """
        worst = (0.0, "")
        for place, (name, want) in enumerate(self.outputs.items()):
            worst = max(worst, (self._excess(place, want, got), name))
        return worst

    def _excess(self, place: int, want: Array, got: Sequence[Array]) -> float:
        if place >= len(got) or got[place].shape != want.shape:
            return float("inf")
        error = np.abs(got[place].astype(np.float64) - want)
        allowed = self.limits[place] if self.limits else ABSOLUTE + RELATIVE * np.abs(want)
        ratio = float((error / allowed).max())
        return ratio if ratio == ratio else float("inf")

    def to_json(self) -> dict[str, Any]:
        """JSON values; each array has its type, its shape and its little-endian bytes in base64."""
        outputs = [{"name": name, **_array_to_json(array)} for name, array in self.outputs.items()]
        return {"input": _array_to_json(self.inputs), "outputs": outputs, "limits": self.limits and list(self.limits)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> ReferenceVectors:
        """The reference vectors that :meth:`to_json` gave ``content`` for.

        Raises:
            ZooError: ``content`` is damaged.
        """
        try:
            return cls(
                _array_from_json(content["input"]),
                {entry["name"]: _array_from_json(entry) for entry in content["outputs"]},
                content["limits"] and tuple(content["limits"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ZooError(f"The reference vectors of the certificate are damaged: {error!r}.") from error

    def tensor(self) -> Tensor:
        """The inputs, for a :class:`zoo.Runtime`."""
        import torch

        return torch.from_numpy(self.inputs)


def test_data_files(vectors: ReferenceVectors, input_name: str) -> dict[str, bytes]:
    """The content of ``input_0.pb``, ``output_0.pb`` …, by file name, each a serialised TensorProto."""
    from onnx import numpy_helper

    named = [("input_0.pb", input_name, vectors.inputs)]
    named += [(f"output_{i}.pb", name, array) for i, (name, array) in enumerate(vectors.outputs.items())]
    return {file: numpy_helper.from_array(array, name).SerializeToString() for file, name, array in named}


def read_test_data(file: Path) -> dict[str, ReferenceVectors]:
    """The reference vectors in the folders ``test_data_set_N`` beside ``file``, by folder name.

    A folder for a model with several inputs is skipped.

    Raises:
        ZooError: a file of the folders cannot be read.
    """
    from onnx import TensorProto, numpy_helper

    def tensor(path: Path) -> tuple[str, Array]:
        proto = TensorProto()
        try:
            proto.ParseFromString(path.read_bytes())
            return proto.name, numpy_helper.to_array(proto)
        except Exception as error:  # protobuf's own kinds, and onnx's for types that numpy lacks
            raise ZooError(f"Cannot read the reference vector {path}: {error}.") from error

    found = {}
    for folder in sorted(file.parent.glob("test_data_set_*")):
        inputs, outputs = list(folder.glob("input_*.pb")), list(folder.glob("output_*.pb"))
        if len(inputs) == 1 and outputs:
            ordered = sorted(outputs, key=lambda path: int(path.stem.removeprefix("output_")))
            # the name is optional; the number in the file name says which output it is
            read = [tensor(path) for path in ordered]
            expected = {name or f"output {place}": array for place, (name, array) in enumerate(read)}
            found[folder.name] = ReferenceVectors(tensor(inputs[0])[1], expected)
    return found


def _array_to_json(array: Array) -> dict[str, Any]:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    data = base64.b64encode(little.tobytes()).decode("ascii")
    return {"type": array.dtype.name, "shape": list(array.shape), "base64": data}


def _array_from_json(entry: dict[str, Any]) -> Array:
    kind = np.dtype(entry["type"]).newbyteorder("<")
    flat = np.frombuffer(base64.b64decode(entry["base64"], validate=True), kind)
    return flat.astype(kind.newbyteorder("=")).reshape(entry["shape"])
