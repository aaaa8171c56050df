"""Smaller forms of a proven ONNX file: eight-bit integers, half precision."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

import zoo
from zoo import ExportError, ExportSource

CALIBRATION_BATCH = 64


def to_int8(source: ExportSource, proven: Path, path: Path) -> None:
    """Static quantisation in QDQ form, weights per channel, ranges from training samples.

    Weights keep seven bits (``reduce_range``): with eight, processors without VNNI overflow in silence, and a file
    should mean the same on all of them.
    """
    assert source.calibration is not None
    plain = path.with_name(f"plain-{path.name}")
    # the ranges of intermediate values are looked up by name, and those that torch noted have other types
    model = onnx.load(proven)
    del model.graph.value_info[:]
    onnx.save(model, plain)
    try:
        quantize_static(
            plain,
            path,
            _Samples(plain, source),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    except Exception as error:  # of every kind
        raise ExportError(f"onnxruntime cannot quantise {source.name}: {' '.join(str(error).split())[:300]}") from error
    _finish(onnx.load(path), model, path, "int8")


def to_fp16(source: ExportSource, proven: Path, path: Path) -> None:
    """Weights and arithmetic in half precision; inputs and outputs as they were."""
    model = onnx.load(proven)
    try:
        smaller = OnnxModel(convert_float_to_float16(model, keep_io_types=True))
        smaller.topological_sort()  # the casts of inputs are put behind what takes them
    except Exception as error:  # of every kind
        raise ExportError(f"onnxruntime cannot halve {source.name}: {' '.join(str(error).split())[:300]}") from error
    _finish(smaller.model, onnx.load(proven), path, "fp16")


def _finish(model: onnx.ModelProto, proven: onnx.ModelProto, path: Path, precision: str) -> None:
    """Pin what the tools write of themselves, and say what the file is."""
    model.producer_name, model.producer_version = "pluggy-zoo", zoo.__version__
    del model.metadata_props[:], model.graph.value_info[:]
    model.metadata_props.extend(proven.metadata_props)
    model.metadata_props.add(key="precision", value=precision)
    path.write_bytes(model.SerializeToString(deterministic=True))


class _Samples(CalibrationDataReader):  # type: ignore[misc]
    """The calibration samples, a batch at a time."""

    def __init__(self, path: Path, source: ExportSource) -> None:
        assert source.calibration is not None
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self._name = session.get_inputs()[0].name
        self._batches = iter(torch.split(source.calibration, CALIBRATION_BATCH))

    def get_next(self) -> dict[str, object] | None:
        """The next batch, None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch.numpy()}
