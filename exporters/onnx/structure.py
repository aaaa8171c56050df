"""What is in an ONNX file, and whether it is sound, before anything is run."""

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
    """The file is ONNX, valid by the full checker and strict shape inference, whole in itself, with finite weights."""
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        return Inspection(f"it is no ONNX file: {_one_line(error)}", "")
    initialised = {tensor.name for tensor in model.graph.initializer}  # old files list weights as inputs too
    opset, nodes = _opset(model), len(model.graph.node)
    inputs = tuple(_tensor(item) for item in model.graph.input if item.name not in initialised)
    first = inputs[0].shape[0] if inputs and inputs[0].shape else "?"
    batch = f"batch fixed at {first}" if isinstance(first, int) else "batch free"
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
    """The opset that was asked for is the one that was written: torch answers some requests with another one."""
    model = onnx.load(path)
    written = _opset(model)
    figures = {"asked": opset, "written": written, "ir_version": model.ir_version}
    wrong = f"opset {opset} was asked for, but torch wrote {written}; ask for --opset {written}, or another torch"
    yield Check("opset", written == opset, f"{written} as asked" if written == opset else wrong, figures)


def _invalid(model: onnx.ModelProto) -> str:
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            return f"weights {tensor.name!r} are in another file"
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
    """What JSON holds; any other text as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
