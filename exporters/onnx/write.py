"""Write one ONNX file with a description of the model, and without traces of the machine that wrote it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
import torch

import zoo
from zoo import ExportError, ExportSource, trace_program

from .versions import candidates

INPUT_NAME = "input"
BATCH_NAME = "batch"
_TORCH = str(Path(torch.__file__).parent)


def write(source: ExportSource, path: Path, opset: int = 0, runtime: str = "") -> None:
    """Write ``source`` to ``path``: raw input, named outputs, symbolic batch, description in ``metadata_props``.

    Equal weights give equal bytes, for the same versions of torch and onnx.

    Args:
        opset: the requested opset; 0 for the lowest that the network needs. The IR version is the lowest for it.
        runtime: the version of onnxruntime that must read the file; empty for any.

    Raises:
        UsageError: both an opset and a runtime are given.
        ExportError: the model cannot be traced, torch cannot express it in ONNX, or the runtime is too old for it.
    """
    opsets = candidates(opset, runtime)
    program = trace_program(source)
    _refuse_bfloat16(source, program)
    model, failures = None, []
    for number in opsets:
        try:
            model = _converted(source, program, number)
            break
        except Exception as error:  # torch raises many kinds, some of them private
            failures.append(error)
    if model is None:
        cause = cause_of(failures[0], program)
        old = f" (opset {opsets[-1]} is the last that onnxruntime {runtime} reads)" if runtime else ""
        raise ExportError(f"torch cannot write {source.name} as ONNX{old}: {cause}") from failures[0]
    _name_the_batch(model)
    _forget_origin(model)
    _describe(model, source)
    use_lowest_ir(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _converted(source: ExportSource, program: torch.export.ExportedProgram, opset: int) -> onnx.ModelProto:
    # never the older tracer: it exports branches on data wrongly and without an error
    exported = torch.onnx.export(
        program,
        input_names=[INPUT_NAME],
        output_names=list(source.task.outputs),
        opset_version=opset,
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    assert exported is not None  # only the older tracer returns None
    model: onnx.ModelProto = exported.model_proto
    return model


def use_lowest_ir(model: onnx.ModelProto) -> None:
    """Give ``model`` the lowest IR version for its opsets, so that old runtimes read it."""
    model.ir_version = onnx.helper.find_min_ir_version_for(model.opset_import)


def _refuse_bfloat16(source: ExportSource, program: torch.export.ExportedProgram) -> None:
    """Refuse a network that computes in bfloat16, for which onnxruntime has hardly any operators on the CPU."""
    for node in program.graph.nodes:
        value = node.meta.get("val")
        if node.op == "call_function" and isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16:
            raise ExportError(
                f"{source.name} cannot be exported: it computes in bfloat16{_place(node)}, for which onnxruntime lacks "
                "operators on the CPU. Use float16 or float32 instead."
            )


def _name_the_batch(model: onnx.ModelProto) -> None:
    """Rename torch's symbol for the batch size to ``batch``, because viewers show it."""
    symbol = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    if symbol:
        for item in (*model.graph.input, *model.graph.output, *model.graph.value_info):
            for dimension in item.type.tensor_type.shape.dim:
                if dimension.dim_param:  # the symbol, or an expression that contains it
                    dimension.dim_param = re.sub(rf"\b{re.escape(symbol)}\b", BATCH_NAME, dimension.dim_param)


def _forget_origin(model: onnx.ModelProto) -> None:
    """Remove source files and lines that torch writes: they show paths of this machine and make the bytes differ."""
    model.producer_name, model.producer_version = "pluggy-zoo", zoo.__version__
    model.doc_string = ""
    for item in _parts(model):
        item.doc_string = ""
        del item.metadata_props[:]


def _parts(model: onnx.ModelProto) -> Iterator[Any]:
    """Every part that can have a doc string, including those in branches, loops and functions."""
    graphs: list[Any] = [model.graph, *model.functions]
    while graphs:
        graph = graphs.pop()
        yield graph
        yield from graph.value_info
        yield from graph.node
        settings = [attribute for node in graph.node for attribute in node.attribute]
        if isinstance(graph, onnx.GraphProto):
            yield from (*graph.initializer, *graph.input, *graph.output)
        else:
            settings += graph.attribute_proto
        for attribute in settings:
            attribute.doc_string = ""
            graphs += [attribute.g] if attribute.HasField("g") else attribute.graphs


def _describe(model: onnx.ModelProto, source: ExportSource) -> None:
    """Write the description to ``metadata_props``: texts unchanged, other values as JSON."""
    del model.metadata_props[:]
    for key, value in sorted(source.description.items()):
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
        model.metadata_props.add(key=key, value=text)


def cause_of(error: BaseException, program: torch.export.ExportedProgram) -> str:
    """The cause in one line, with the line of the network that calls for it."""
    chain = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    text = str(chain[-1])
    missing = re.search(r"No ONNX function found for <OpOverload\(op='([^']+)'", text)
    if missing is not None:
        return (
            f"ONNX has no operator for {missing[1]}{_place_of_operator(missing[1], program)}. Use other operations, or "
            "leave it out of the exported network."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    cause = f"{type(chain[-1]).__name__}: {lines[0][:300].rstrip('.') if lines else 'no message'}"
    # torch names the node that it was about to translate, in one of the outer errors
    failed = next((found for one in chain if (found := re.search(r"node %(\w+)", str(one)))), None)
    node = next((node for node in program.graph.nodes if failed and node.name == failed[1]), None)
    return f"{cause}{_place(node)}" if node is not None else cause


def _place_of_operator(operator: str, program: torch.export.ExportedProgram) -> str:
    """The line that calls ``operator``, or one that torch decomposed into it: linalg_svd into _linalg_svd."""
    name = operator.rpartition(".")[2].strip("_") if operator.count(".") == 1 else operator.split(".")[1].strip("_")
    return next((place for node in program.graph.nodes if name in str(node.target) and (place := _place(node))), "")


def _place(node: torch.fx.Node) -> str:
    """The innermost line of the network that made ``node``, as `` at FILE:LINE (CODE)``; empty if unknown."""
    frames = re.findall(r'File "([^"]+)", line (\d+), in \S+\n\s*(.+)', node.meta.get("stack_trace") or "")
    own = [frame for frame in frames if not frame[0].startswith(_TORCH)] or frames
    return f" at {own[-1][0]}:{own[-1][1]} (`{own[-1][2].strip()}`)" if own else ""
