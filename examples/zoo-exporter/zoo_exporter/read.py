"""Inspect and open a file. ``zoo verify`` does this in a process of its own, which imports no torch."""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from zoo import Inspection, Runtime, RuntimeFailed, Runtimes, TensorSpec

from .archive import Model, one_line, unpack
from .runtime import openvino

# On processors with instructions for it, OpenVINO computes in bfloat16 unless it is asked not to
SETTINGS = {"EXECUTION_MODE_HINT": "ACCURACY"}
_RANDOM = {"RandomUniform", "Multinomial"}
_KEEPS_STATE = {"ReadValue", "Assign"}
_FLOATS = {"f16": np.float16, "f32": np.float32, "f64": np.float64}


def inspect(path: Path) -> Inspection:
    """Check that a file is a valid model that can be compared: standard operators, none random, finite weights."""
    try:
        content = unpack(path)
        layers = _layers(content)
        model = _read(content)
        description = _description(model)
    except RuntimeFailed as error:
        return Inspection(str(error), "")
    version = int(ElementTree.fromstring(content.graph).get("version", 0))
    return Inspection(
        problem=_problem(layers, content),
        summary=f"valid OpenVINO IR {version}, {len(layers)} operators, any batch size",
        figures={"ir_version": version, "nodes": len(layers)},
        description=description,
        inputs=tuple(map(_tensor, model.inputs)),
        outputs=tuple(map(_tensor, model.outputs)),
        operators=Counter(layer.get("type", "") for layer in layers),
        weights=tuple(sorted(_fingerprints(layers, content))),
    )


def open_model(path: Path) -> Runtimes:
    """The model as OpenVINO runs it on the CPU, in float32.

    Raises:
        RuntimeFailed: OpenVINO cannot load the file.
    """
    core = openvino.Core()
    try:
        compiled = core.compile_model(_read(unpack(path)), "CPU", SETTINGS)
        usual = core.get_property("CPU", "INFERENCE_PRECISION_HINT").to_string()
    except RuntimeError as error:
        raise RuntimeFailed(f"OpenVINO cannot load the file: {one_line(error)}") from error
    run = functools.partial(_run, compiled)
    runtime = Runtime("CPU", "accuracy", lambda inputs: run(inputs.numpy()), run)
    absent = {"GPU": "this plugin runs files on the CPU only"}
    if usual != "f32":
        absent[f"CPU {usual}"] = "OpenVINO's default on this processor; set EXECUTION_MODE_HINT=ACCURACY"
    return Runtimes((runtime,), absent)


def _run(compiled: openvino.CompiledModel, inputs: NDArray[Any]) -> list[NDArray[Any]]:
    try:
        found = compiled(inputs)
        return [found[output].copy() for output in compiled.outputs]
    except RuntimeError as error:
        cause = one_line(error)
        raise RuntimeFailed(f"OpenVINO cannot run the file at batch size {len(inputs)}: {cause}") from error


def _read(content: Model) -> openvino.Model:
    """OpenVINO's own check of operators, types and shapes."""
    try:
        return openvino.Core().read_model(content.graph, content.weights)
    except RuntimeError as error:
        raise RuntimeFailed(f"OpenVINO cannot read the file: {one_line(error)}") from error


def _layers(content: Model) -> list[ElementTree.Element]:
    """Every operator, also those in branches and in bodies of loops."""
    if b"<!DOCTYPE" in content.graph or b"<!ENTITY" in content.graph:
        raise RuntimeFailed("the XML defines entities, which no model needs")
    try:
        return list(ElementTree.fromstring(content.graph).iter("layer"))
    except ElementTree.ParseError as error:
        raise RuntimeFailed(f"not XML: {one_line(error)}") from error


def _description(model: openvino.Model) -> dict[str, Any]:
    if not model.has_rt_info(["zoo", "description"]):
        return {}
    try:
        found = json.loads(str(model.get_rt_info(["zoo", "description"]).astype(str)))
    except (ValueError, RecursionError) as error:
        raise RuntimeFailed(f"the description is damaged: {one_line(error)}") from error
    return found if isinstance(found, dict) else {}


def _problem(layers: list[ElementTree.Element], content: Model) -> str:
    """What is wrong with the operators or the weights; empty if nothing is."""
    for layer in layers:
        kind, opset = layer.get("type", ""), layer.get("version", "")
        if not opset.startswith("opset"):
            return f"operator {kind} is of {opset!r}, not of OpenVINO's standard operators"
        if kind in _RANDOM:
            return f"operator {kind} draws random numbers"
        if kind in _KEEPS_STATE:
            return f"operator {kind} keeps a state between calls"
    for layer, data, place in _constants(layers):
        values = np.frombuffer(content.weights[place], _FLOATS.get(data.get("element_type", ""), np.uint8))
        # one infinite value is a mask or the bound of a range
        if values.dtype.kind == "f" and (np.isnan(values).any() or (values.size > 1 and not np.isfinite(values).all())):
            return f"the weights {layer.get('name')!r} hold NaN or infinity; train again from an earlier checkpoint"
    return ""


def _fingerprints(layers: list[ElementTree.Element], content: Model) -> Iterator[str]:
    """The SHA-256 of type, shape and values of each constant."""
    for _, data, place in _constants(layers):
        header = f"{data.get('element_type')} {data.get('shape')} ".encode()
        yield hashlib.sha256(header + content.weights[place]).hexdigest()


def _constants(layers: list[ElementTree.Element]) -> Iterator[tuple[ElementTree.Element, ElementTree.Element, slice]]:
    """Each constant: its operator, its attributes, and its place in the weights; OpenVINO has checked the bounds."""
    for layer in layers:
        data = layer.find("data")
        if layer.get("type") == "Const" and data is not None:
            start = int(data.get("offset", 0))
            yield layer, data, slice(start, start + int(data.get("size", 0)))


def _tensor(port: openvino.Output) -> TensorSpec:
    """An input or output; the free size is the batch."""
    sizes = [size.get_length() if size.is_static else "batch" for size in port.get_partial_shape()]
    names = port.get_names()
    return TensorSpec(min(names, default=""), str(port.get_element_type().to_dtype()), tuple(sizes))
