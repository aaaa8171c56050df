"""Inspect an ONNX file without running it: whether it is valid, and its contents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from zoo import Check, ExportSource, Inspection, TensorSpec


def inspect(path: Path) -> Inspection:
    """Check that a file is valid ONNX (full checker, strict shape inference), self-contained and has finite weights."""
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        return Inspection(f"not an ONNX file: {_one_line(error)}", "")
    initialised = {tensor.name for tensor in model.graph.initializer}  # old files list weights as inputs too
    opset, nodes = _opset(model), len(model.graph.node)
    inputs = tuple(_tensor(item) for item in model.graph.input if item.name not in initialised)
    first = inputs[0].shape[0] if inputs and inputs[0].shape else "?"
    batch = f"batch size fixed at {first}" if isinstance(first, int) else "any batch size"
    return Inspection(
        problem=_invalid(model),
        summary=f"valid ONNX, opset {opset}, IR {model.ir_version}, {nodes} nodes, {batch}",
        figures={
            "opset": {item.domain or "ai.onnx": item.version for item in model.opset_import},
            "ir_version": model.ir_version,
            "nodes": nodes,
        },
        description={entry.key: _parsed(entry.value) for entry in model.metadata_props},
        inputs=inputs,
        outputs=tuple(_tensor(item) for item in model.graph.output),
    )


def check_opset(source: ExportSource, path: Path, opset: int) -> Iterator[Check]:
    """Check that the file has the requested opset: for some requests torch writes another one."""
    model = onnx.load(path)
    written = _opset(model)
    figures = {"asked": opset, "written": written, "ir_version": model.ir_version}
    wrong = f"opset {opset} was requested, but torch wrote {written}; use --opset {written} or another version of torch"
    yield Check("opset", written == opset, f"opset {written}, as requested" if written == opset else wrong, figures)


def _invalid(model: onnx.ModelProto) -> str:
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            return f"weights {tensor.name!r} are stored in another file"
    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return f"not valid ONNX: {_one_line(error)}"
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
            return f"weights {tensor.name!r} hold NaN or infinity; train again from an earlier checkpoint"
    return ""


def _opset(model: onnx.ModelProto) -> int:
    return int(next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0))


def _tensor(item: onnx.ValueInfoProto) -> TensorSpec:
    kind = item.type.tensor_type
    shape: tuple[str | int, ...] = tuple(dim.dim_param or dim.dim_value or "?" for dim in kind.shape.dim)
    return TensorSpec(item.name, str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)), shape)


def _parsed(text: str) -> Any:
    """The value of a JSON text; any other text unchanged."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
