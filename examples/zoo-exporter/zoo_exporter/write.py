"""Write an OpenVINO model that holds the description, and no trace of the machine that wrote it."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from zoo import Check, ExportError, ExportSource, trace_program

from .archive import Model, one_line, pack, unpack
from .runtime import openvino


def write(source: ExportSource, path: Path, ir_version: int = 11) -> None:
    """Write ``source`` to ``path``: raw input, named outputs, a batch of any size, the description inside.

    Equal weights give equal bytes, for the same versions of torch and OpenVINO.

    Raises:
        ExportError: the model cannot be traced, or OpenVINO cannot express it.
    """
    program = trace_program(source)
    try:
        model = openvino.convert_model(program)
    except Exception as error:  # OpenVINO raises several kinds
        raise ExportError(f"OpenVINO cannot express {source.name}: {_cause(error)}") from error
    model.reshape({model.inputs[0]: openvino.PartialShape([-1, *source.test.inputs.shape[1:]])})
    model.set_friendly_name(source.name)
    model.set_rt_info(json.dumps(source.description, sort_keys=True), ["zoo", "description"])
    _pack(model, source, path, ir_version)


def check_ir_version(source: ExportSource, path: Path, ir_version: int = 11) -> Iterator[Check]:
    """Check that the file has the requested version."""
    written = int(ElementTree.fromstring(unpack(path).graph).get("version", 0))
    figures = {"asked": ir_version, "written": written}
    yield Check("ir version", written == ir_version, f"IR {written}, {ir_version} was requested", figures)


def to_fp16(source: ExportSource, verified: Path, path: Path) -> None:
    """Write ``path``: the weights in half precision; the arithmetic stays as it was.

    Raises:
        ExportError: OpenVINO cannot write the model.
    """
    full = unpack(verified)
    version = int(ElementTree.fromstring(full.graph).get("version", 0))
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder, "model.xml")
        openvino.save_model(openvino.Core().read_model(full.graph, full.weights), graph, compress_to_fp16=True)
        smaller = openvino.Core().read_model(graph.read_bytes(), graph.with_suffix(".bin").read_bytes())
    _pack(smaller, source, path, version)


def _pack(model: openvino.Model, source: ExportSource, path: Path, ir_version: int) -> None:
    """Write a model to ``path``, with names that do not depend on what this process did before."""
    _name(model, source.task.outputs)
    with tempfile.TemporaryDirectory() as folder:
        graph, weights = Path(folder, "model.xml"), Path(folder, "model.bin")
        try:
            openvino.serialize(model, graph, weights, f"IR_V{ir_version}")
        except RuntimeError as error:
            raise ExportError(f"OpenVINO cannot write {source.name}: {one_line(error)}") from error
        pack(Model(graph.read_bytes(), weights.read_bytes()), path)


def _name(model: openvino.Model, outputs: Sequence[str]) -> None:
    """Name the input and the outputs, and number all operators: OpenVINO's names count on from model to model."""
    for place, node in enumerate(model.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{place}")
        notes = node.get_rt_info()
        for key in [key for key in notes.keys() if key.startswith("fused_names")]:  # noqa: SIM118 (it is no dictionary)
            del notes[key]
        for output in node.outputs():
            output.get_tensor().set_names(set())
    model.inputs[0].get_node().set_friendly_name("input")
    model.inputs[0].get_tensor().set_names({"input"})
    for output, name in zip(model.outputs, outputs, strict=True):
        output.get_tensor().set_names({name})
        # version 10 has no names of outputs; its readers take that of the operator before the output
        output.get_node().input(0).get_source_output().get_node().set_friendly_name(name)


def _cause(error: BaseException) -> str:
    """The cause in one line; OpenVINO's own message is a page."""
    missing = re.search(r"No conversion rule found for operations: ([^\n]+)", str(error))
    if missing:
        return f"it has no operator for {missing[1].strip()}. Use other operations, or leave it out of the export"
    return f"{type(error).__name__}: {one_line(error)}"
