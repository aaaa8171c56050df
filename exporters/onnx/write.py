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

INPUT_NAME = "input"
BATCH_NAME = "batch"


def write(source: ExportSource, path: Path, opset: int) -> None:
    """Write ``source`` to ``path``: raw input, named outputs, symbolic batch, description in ``metadata_props``.

    Equal weights give equal bytes, for the same versions of torch and onnx.

    Raises:
        ExportError: the model cannot be traced, or torch cannot express it in ONNX.
    """
    program = trace_program(source)
    try:
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
    except Exception as error:  # torch raises many kinds, some of them private
        raise ExportError(f"torch cannot write {source.name} as ONNX: {_cause(error, program)}") from error
    assert exported is not None  # only the older tracer returns None
    model = exported.model_proto
    _name_the_batch(model)
    _forget_origin(model)
    _describe(model, source)
    path.write_bytes(model.SerializeToString(deterministic=True))


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
        if isinstance(graph, onnx.GraphProto):
            yield from (*graph.initializer, *graph.input, *graph.output)
        for node in graph.node:
            yield node
            for attribute in node.attribute:
                attribute.doc_string = ""
                graphs += [attribute.g] if attribute.HasField("g") else attribute.graphs


def _describe(model: onnx.ModelProto, source: ExportSource) -> None:
    """Write the description to ``metadata_props``: texts unchanged, other values as JSON."""
    del model.metadata_props[:]
    for key, value in sorted(source.description.items()):
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
        model.metadata_props.add(key=key, value=text)


def _cause(error: BaseException, program: torch.export.ExportedProgram) -> str:
    """The cause in one line; for an operation that ONNX lacks, with the line of the network."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error)
    missing = re.search(r"No ONNX function found for <OpOverload\(op='([^']+)'", text)
    if missing is None:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'}"
    name = missing[1].removeprefix("aten.")
    # torch may have decomposed the operation that the network calls (linalg_svd) into others (_linalg_svd)
    for node in program.graph.nodes:
        if name.strip("_") in str(node.target) and node.meta.get("stack_trace"):
            place = _innermost(node.meta["stack_trace"])
            break
    else:
        place = ""
    return (
        f"ONNX has no operator for {missing[1]}{place}. Use other operations, or leave it out of the exported network."
    )


def _innermost(stack_trace: str) -> str:
    frames = re.findall(r'File "([^"]+)", line (\d+), in \w+\n\s*(.+)', stack_trace)
    return f" at {frames[-1][0]}:{frames[-1][1]} (`{frames[-1][2].strip()}`)" if frames else ""
