"""Smaller forms of a verified ONNX file: eight-bit integers and half precision."""

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

from .write import use_lowest_ir

CALIBRATION_BATCH = 64


def to_int8(source: ExportSource, verified: Path, path: Path) -> None:
    """Write ``path``: static quantisation in QDQ form, weights per channel, ranges from training samples.

    Weights keep seven bits (``reduce_range``), because with eight, processors without VNNI overflow silently and give
    other outputs.

    Raises:
        ExportError: onnxruntime cannot quantise the model.
    """
    assert source.calibration is not None
    plain = path.with_name(f"plain-{path.name}")
    # ranges of intermediate values are looked up by name, and the value_info that torch wrote has other types
    model = onnx.load(verified)
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
    except Exception as error:  # onnxruntime raises many kinds
        raise ExportError(f"onnxruntime cannot quantise {source.name}: {' '.join(str(error).split())[:300]}") from error
    _finish(onnx.load(path), model, path, "int8")


def to_fp16(source: ExportSource, verified: Path, path: Path) -> None:
    """Write ``path``: weights and arithmetic in half precision, inputs and outputs unchanged.

    Raises:
        ExportError: onnxruntime cannot convert the model.
    """
    model = onnx.load(verified)
    try:
        smaller = OnnxModel(convert_float_to_float16(model, keep_io_types=True))
        smaller.topological_sort()  # the conversion puts casts of inputs behind the nodes that use them
    except Exception as error:  # onnxruntime raises many kinds
        raise ExportError(f"onnxruntime cannot convert {source.name}: {' '.join(str(error).split())[:300]}") from error
    _finish(smaller.model, onnx.load(verified), path, "fp16")


def _finish(model: onnx.ModelProto, verified: onnx.ModelProto, path: Path, precision: str) -> None:
    """Write the model, with the metadata of the verified file and the precision in place of the tools' own entries."""
    model.producer_name, model.producer_version = "pluggy-zoo", zoo.__version__
    del model.metadata_props[:], model.graph.value_info[:]
    model.metadata_props.extend(verified.metadata_props)
    model.metadata_props.add(key="precision", value=precision)
    use_lowest_ir(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


class _Samples(CalibrationDataReader):  # type: ignore[misc]
    """The calibration samples, in batches."""

    def __init__(self, path: Path, source: ExportSource) -> None:
        assert source.calibration is not None
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        self._name = session.get_inputs()[0].name
        self._batches = iter(torch.split(source.calibration, CALIBRATION_BATCH))

    def get_next(self) -> dict[str, object] | None:
        """The next batch; None after the last."""
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch.numpy()}
