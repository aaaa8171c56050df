"""The first gate: the file is what it should be, before anything is run."""

from __future__ import annotations

import numpy as np
import onnx

from zoo import Check, ExportSubject

from .write import INPUT_NAME


def check_structure(subject: ExportSubject, model: onnx.ModelProto, opset: int) -> Check:
    """The file is valid ONNX, of the opset asked for, complete in itself, with a symbolic batch throughout."""
    problem = _invalid(model) or _wrong_opset(model, opset) or _wrong_interface(subject, model)
    written = {item.domain or "ai.onnx": item.version for item in model.opset_import}
    figures = {"opset": written, "ir_version": model.ir_version, "nodes": len(model.graph.node)}
    fine = (
        f"valid ONNX, opset {written.get('ai.onnx')}, IR {model.ir_version}, {len(model.graph.node)} nodes, batch free"
    )
    return Check("structure", not problem, problem or fine, figures)


def _invalid(model: onnx.ModelProto) -> str:
    try:
        onnx.checker.check_model(model, full_check=True)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return "not valid ONNX: " + " ".join(str(error).split())[:300]
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            return f"weights {tensor.name!r} are in another file"
        values = onnx.numpy_helper.to_array(tensor)
        if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
            return f"weights {tensor.name!r} hold NaN or infinity"
    return ""


def _wrong_opset(model: onnx.ModelProto, opset: int) -> str:
    written = {item.version for item in model.opset_import if item.domain in ("", "ai.onnx")}
    return "" if written == {opset} else f"opset {opset} was asked for, but torch wrote {sorted(written)}"


def _wrong_interface(subject: ExportSubject, model: onnx.ModelProto) -> str:
    """Names, types and shapes of what goes in and out, and the description."""
    inputs = [(item.name, _shape(item), item.type.tensor_type.elem_type) for item in model.graph.input]
    kind = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(str(subject.test.inputs.dtype).removeprefix("torch.")))
    wanted = [(INPUT_NAME, ["batch", *subject.test.inputs.shape[1:]], kind)]
    batch = inputs[0][1][0] if inputs and inputs[0][1] else None
    if isinstance(batch, int):
        return f"the batch is fixed at {batch}: something in the network depends on it (a hard-coded view, a branch)"
    if inputs != wanted:
        return f"the input is {inputs}, not {wanted}"
    names = [item.name for item in model.graph.output]
    if names != list(subject.task.outputs):
        return f"the outputs are {names}, not {list(subject.task.outputs)}"
    for item in model.graph.output:
        if _shape(item)[:1] != ["batch"]:
            return f"output {item.name!r} has the fixed batch {_shape(item)[:1]}"
    missing = sorted(subject.description.keys() - {entry.key for entry in model.metadata_props})
    return f"the description lacks {', '.join(missing)}" if missing else ""


def _shape(item: onnx.ValueInfoProto) -> list[str | int]:
    return [dim.dim_param or dim.dim_value for dim in item.type.tensor_type.shape.dim]
