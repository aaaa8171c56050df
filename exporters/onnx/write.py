"""From a torch module to one ONNX file that says what it is and nothing of where it was made."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import onnx
import torch

import zoo
from zoo import ExportError, ExportSubject

INPUT_NAME = "input"
# Traced at a batch of 1, some models come out fixed to it.
TRACE_BATCH = 3
_NOISY = ("torch.onnx", "torch.export", "torch.fx", "torch._dynamo", "onnxscript", "onnx_ir")


def write(subject: ExportSubject, path: Path, opset: int) -> None:
    """Write ``subject`` to ``path``: raw input, named outputs, symbolic batch, description in ``metadata_props``.

    Equal weights give equal bytes, for the same versions of torch and onnx.

    Raises:
        ExportError: torch cannot express the model in ONNX.
    """
    example = subject.test.inputs[:TRACE_BATCH]
    try:
        with quiet():
            program = torch.onnx.export(
                subject.model,
                (example,),
                input_names=[INPUT_NAME],
                output_names=list(subject.task.outputs),
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=opset,
                external_data=False,
                dynamo=True,  # the older tracer exports branches on data without an error, and wrongly
                verbose=False,
            )
    except Exception as error:  # torch raises many kinds, some private
        raise ExportError(f"torch cannot export {subject.name} to ONNX: {_cause(error)}") from error
    assert program is not None  # only the older tracer gives None
    model = program.model_proto
    _forget_origin(model)
    _describe(model, subject)
    path.write_bytes(model.SerializeToString(deterministic=True))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep torch's exporter from writing to the terminal; what it raises says enough."""
    talk = io.StringIO()
    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(talk), contextlib.redirect_stderr(talk):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _forget_origin(model: onnx.ModelProto) -> None:
    """Remove what torch notes of source files and lines: paths of this machine, and different bytes on the next."""
    model.producer_name, model.producer_version = "pluggy-zoo", zoo.__version__
    model.doc_string = model.graph.doc_string = ""
    items = [model.graph, *model.graph.node, *model.graph.initializer]
    items += [*model.graph.input, *model.graph.output, *model.graph.value_info]
    for item in items:
        item.doc_string = ""
        del item.metadata_props[:]


def _describe(model: onnx.ModelProto, subject: ExportSubject) -> None:
    """Put the description in ``metadata_props``: a text as it is, everything else as JSON."""
    del model.metadata_props[:]
    for key, value in sorted(subject.description.items()):
        text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
        model.metadata_props.add(key=key, value=text)


def _cause(error: BaseException) -> str:
    """The innermost cause and its place in one line; torch's own message is a page."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # torch quotes the line of the network that it was at, as a traceback does
    quoted = re.findall(r'File "([^"]+)", line (\d+), in \w+\n\s*(.+)', text)
    place = f" at {quoted[-1][0]}:{quoted[-1][1]} (`{quoted[-1][2].strip()}`)" if quoted else ""
    if "data-dependent" in text:
        return f"it branches on its data{place}. Use torch.where, torch.cond or torch.while_loop in place of Python."
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'}{place}"
