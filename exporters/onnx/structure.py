"""Inspect an ONNX file without running it: whether it is valid, and its contents."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from zoo import Check, Inspection, TensorSpec

from .versions import READS

if TYPE_CHECKING:  # it needs torch, and the process that opens a file does without
    from zoo import ExportSource

_STANDARD = ("", "ai.onnx", "ai.onnx.ml")
_RANDOM = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}
_TENSOR = onnx.TensorProto


def inspect(path: Path) -> Inspection:
    """Check that a file is valid ONNX (full checker, strict shape inference) and safe to compare.

    It must be self-contained, with finite weights, standard operators, and none that draws random numbers. Branches,
    loops and functions are included.
    """
    try:
        content = path.read_bytes()
        model = onnx.load_model_from_string(content)
    except (DecodeError, OSError) as error:
        return Inspection(f"not an ONNX file: {_one_line(error)}", "")
    initialised = {tensor.name for tensor in model.graph.initializer}  # old files list weights as inputs too
    opset, nodes = _opset(model), len(model.graph.node)
    inputs = tuple(_tensor(item) for item in model.graph.input if item.name not in initialised)
    first = inputs[0].shape[0] if inputs and inputs[0].shape else "?"
    batch = f"batch size fixed at {first}" if isinstance(first, int) else "any batch size"
    problem = _invalid(model, content)
    return Inspection(
        problem=problem,
        summary=f"valid ONNX, opset {opset}, IR {model.ir_version}, {nodes} node{'' if nodes == 1 else 's'}, {batch}",
        figures={
            "opset": {item.domain or "ai.onnx": item.version for item in model.opset_import},
            "ir_version": model.ir_version,
            "nodes": nodes,
        },
        description={entry.key: _parsed(entry.value) for entry in model.metadata_props},
        inputs=inputs,
        outputs=tuple(_tensor(item) for item in model.graph.output),
        operators=Counter(f"{node.domain}.{node.op_type}".lstrip(".") for node in _nodes(model)),
        weights=() if problem else tuple(sorted(map(_fingerprint, _weights(model)))),
    )


def check_opset(source: ExportSource, path: Path, opset: int = 0, runtime: str = "") -> Iterator[Check]:
    """Check that the file has the requested opset, or that the requested onnxruntime reads it.

    For some requests torch writes another opset.
    """
    model = onnx.load(path)
    written, ir = _opset(model), model.ir_version
    figures: dict[str, Any] = {"asked": opset, "written": written, "ir_version": ir}
    problem, summary = "", f"opset {written}, IR {ir}, the lowest that the network needs"
    if opset:
        summary = f"opset {opset}, as requested"
        if written != opset:
            problem = f"opset {opset} was requested, but torch wrote {written}; use --opset {written} or another torch"
    if runtime:
        figures["runtime"] = runtime
        summary = f"opset {written}, IR {ir}, which onnxruntime {runtime} reads"
        highest, highest_ir = READS[runtime]
        if written > highest or ir > highest_ir:
            reads = f"onnxruntime {runtime} reads opset {highest} and IR {highest_ir}"
            problem = f"{reads}, the file has {written} and {ir}"
    yield Check("opset", not problem, problem or summary, figures)


def _invalid(model: onnx.ModelProto, content: bytes) -> str:
    problem = _outside(model) or _not_repeatable(model)
    if problem:
        return problem
    try:
        # the bytes, because a model would be turned into bytes again for each check
        onnx.checker.check_model(content, full_check=True)
        onnx.shape_inference.infer_shapes(content, check_type=True, strict_mode=True, data_prop=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        return f"not valid ONNX: {_one_line(error)}"
    return _not_finite(model)


def _outside(model: onnx.ModelProto) -> str:
    """What the file takes from elsewhere, or hides from the checks; empty if nothing."""
    for tensor in (*_weights(model), *_constants(model)):
        if tensor.data_location == _TENSOR.EXTERNAL or tensor.external_data:
            return f"weights {tensor.name!r} are stored in another file"
    graphs = [part for part in _graphs(model) if isinstance(part, onnx.GraphProto)]
    if any(graph.sparse_initializer for graph in graphs) or any(
        attribute.HasField("sparse_tensor") or attribute.sparse_tensors for attribute in _attributes(model)
    ):
        return "it has sparse weights, which runtimes treat differently"
    if model.training_info:
        return "it holds a program for training"
    keys = [entry.key for entry in model.metadata_props]
    twice = next((key for key in keys if keys.count(key) > 1), "")
    return f"its description has the entry {twice!r} twice" if twice else ""


def _not_repeatable(model: onnx.ModelProto) -> str:
    """The operator whose result is random or not defined by ONNX; empty if there is none."""
    functions = {(function.domain, function.name) for function in model.functions}
    for node in _nodes(model):
        if (node.domain, node.op_type) in functions:
            continue
        if node.domain not in _STANDARD:
            return f"operator {node.op_type} is of the domain {node.domain!r}, not of standard ONNX"
        if node.op_type in _RANDOM:
            return f"operator {node.op_type} draws random numbers"
        if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2] and not _is_false(model, node.input[2]):
            return "operator Dropout is in training mode, so it draws random numbers"
    return ""


def _is_false(model: onnx.ModelProto, name: str) -> bool:
    """Whether a value is the constant false."""
    values = [tensor for tensor in model.graph.initializer if tensor.name == name]
    values += [
        attribute.t
        for node in _nodes(model)
        if node.op_type == "Constant" and name in node.output
        for attribute in node.attribute
        if attribute.HasField("t")
    ]
    return len(values) == 1 and not onnx.numpy_helper.to_array(values[0]).any()


def _not_finite(model: onnx.ModelProto) -> str:
    for tensor in _weights(model):
        if not np.isfinite(_as_floats(tensor)).all():
            return f"weights {tensor.name!r} hold NaN or infinity; train again from an earlier checkpoint"
    for tensor in _constants(model):
        values = _as_floats(tensor)
        # one infinite value is a mask or the bound of a range
        if np.isnan(values).any() or not (values.size == 1 or np.isfinite(values).all()):
            return f"the constant {tensor.name!r} holds NaN or infinity"
    if any(np.isnan([attribute.f, *attribute.floats]).any() for attribute in _attributes(model)):
        return "an operator has NaN as a setting"
    return ""


def _as_floats(tensor: onnx.TensorProto) -> np.ndarray[Any, Any]:
    """The values of a tensor of floats, of any width; none for other types."""
    values = onnx.numpy_helper.to_array(tensor)
    if values.dtype.kind in "fc":
        return values
    wide = "float" in values.dtype.name  # bfloat16 and float8, which are no types of NumPy
    return values.astype(np.float32) if wide else np.zeros(0)


def _fingerprint(tensor: onnx.TensorProto) -> str:
    """The SHA-256 of type, shape and values."""
    values = onnx.numpy_helper.to_array(tensor)
    digest = hashlib.sha256(f"{tensor.data_type} {list(values.shape)} ".encode())
    if values.dtype.kind == "O":
        digest.update(str(values.tolist()).encode())
    else:  # as bytes without a copy, because weights can be large; some types of ONNX have no buffer of their own
        digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto | onnx.FunctionProto]:
    """The graph, its functions, and all branches and bodies of loops."""
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else attribute.graphs


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    for graph in _graphs(model):
        yield from graph.node


def _attributes(model: onnx.ModelProto) -> Iterator[onnx.AttributeProto]:
    for node in _nodes(model):
        yield from node.attribute
    for function in model.functions:
        yield from function.attribute_proto


def _weights(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    for graph in _graphs(model):
        if isinstance(graph, onnx.GraphProto):
            yield from graph.initializer


def _constants(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    for attribute in _attributes(model):
        yield from [attribute.t] if attribute.HasField("t") else attribute.tensors


def _opset(model: onnx.ModelProto) -> int:
    return int(next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 0))


def _tensor(item: onnx.ValueInfoProto) -> TensorSpec:
    kind = item.type.tensor_type
    shape: tuple[str | int, ...] = tuple(dim.dim_param or dim.dim_value or "?" for dim in kind.shape.dim)
    return TensorSpec(item.name, str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)), shape)


def _parsed(text: str) -> Any:
    """The value of a JSON text; any other text unchanged, such as one with NaN, or nested too deeply."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
