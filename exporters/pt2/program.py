"""Write, inspect and run programs of torch.export. They run without the network's code.

``torch.export.load`` evaluates expressions in the file and unpickles some of its parts, so a file can contain any code.
No check before the load can exclude that: torch and Python can even find different contents in one zip archive. So
:func:`inspect` and :func:`open_program` are only for files that this program has written, or that the user trusts.
"""

from __future__ import annotations

import functools
import io
import json
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.passes import move_to_device_pass

from zoo import ExportError, ExportSource, Inspection, Runtime, RuntimeFailed, Runtimes, TensorSpec, trace_program

_DESCRIPTION, _OUTPUTS = "description.json", "outputs.json"
BATCH_NAME = "batch"


def write(source: ExportSource, path: Path) -> None:
    """Write ``source`` to ``path``; the description and the names of the outputs are files inside it.

    Equal weights give equal bytes, for the same version of torch.

    Raises:
        ExportError: the model cannot be traced or written.
    """
    program = trace_program(source)
    _forget_origin(program)
    notes = {
        _DESCRIPTION: json.dumps(source.description, sort_keys=True, ensure_ascii=False),
        _OUTPUTS: json.dumps(source.task.outputs),
    }
    content = io.BytesIO()  # if torch wrote to a file, the file name would be part of the bytes
    try:
        torch.export.save(program, content, extra_files=notes)
    except Exception as error:  # torch raises many kinds, some of them private
        raise ExportError(f"torch cannot write {source.name} as a program: {_one_line(error)}") from error
    path.write_bytes(content.getvalue())


def inspect(path: Path) -> Inspection:
    """Check that a file is a complete program with finite weights, and list inputs and outputs. Runs code in it."""
    try:
        program, description, names = _load(path)
    except RuntimeFailed as error:
        return Inspection(str(error), "")
    taken = {node.name: node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs}
    given = program.graph.output_node().args[0]
    names = names or [node.name for node in given]
    nodes = sum(node.op == "call_function" for node in program.graph.nodes)
    infinite = [name for name, value in program.state_dict.items() if not bool(value.isfinite().all())]
    problem = (
        f"weights {infinite[0]!r} hold NaN or infinity; train again from an earlier checkpoint" if infinite else ""
    )
    return Inspection(
        problem=problem,
        summary=f"a torch.export program, {nodes} operation{'' if nodes == 1 else 's'}, any batch size",
        figures={"nodes": nodes, "schema": str(program.verifier.dialect)},
        description=description,
        inputs=tuple(_tensor(name, node.meta["val"]) for name, node in taken.items()),
        outputs=tuple(_tensor(name, node.meta["val"]) for name, node in zip(names, given, strict=True)),
    )


def open_program(path: Path) -> Runtimes:
    """The program as torch runs it, operation by operation, on the CPU and, if available, on CUDA.

    Loading it runs code in the file.

    Raises:
        RuntimeFailed: torch cannot load the file.
    """
    program, _, _ = _load(path)
    cpu = _runtime(program, "cpu")
    if not torch.cuda.is_available():
        return Runtimes((cpu,), {"CUDA": "no CUDA device"})
    cuda = _runtime(move_to_device_pass(_load(path)[0], "cuda"), "cuda")  # pragma: no cover - needs CUDA
    return Runtimes((cpu, cuda, cpu))  # pragma: no cover - needs CUDA


def _load(path: Path) -> tuple[ExportedProgram, dict[str, Any], list[str]]:
    """The program, its description and the names of its outputs; both are empty for a file of another tool."""
    notes, content = {_DESCRIPTION: "", _OUTPUTS: ""}, path.read_bytes()
    try:
        # from bytes, because torch requires the suffix .pt2, which the temporary file does not have
        program = torch.export.load(io.BytesIO(content), extra_files=notes)
    except Exception as error:  # torch raises many kinds, some of them private
        raise RuntimeFailed(f"torch cannot load the file: {_one_line(error)}") from error
    return program, json.loads(notes[_DESCRIPTION] or "{}"), json.loads(notes[_OUTPUTS] or "[]")


def _runtime(program: ExportedProgram, device: str) -> Runtime:
    return Runtime(device.upper(), "eager", functools.partial(_run, program.module(), device))


@torch.inference_mode()
def _run(module: nn.Module, device: str, inputs: Tensor) -> list[NDArray[Any]]:
    try:
        # TF32 rounds inputs to ten bits, which would hide errors of the file
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return [output.cpu().numpy() for output in module(inputs.to(device))]
    except Exception as error:  # see _load
        raise RuntimeFailed(
            f"torch cannot run the file at batch size {len(inputs)} ({device}): {_one_line(error)}"
        ) from error


def _forget_origin(program: ExportedProgram) -> None:
    """Remove source files and lines that torch notes, and the samples that were traced."""
    for module in program.graph_module.modules():
        for node in getattr(getattr(module, "graph", None), "nodes", ()):
            node.meta = {"val": node.meta["val"]} if "val" in node.meta else {}
    program._example_inputs = None


def _tensor(name: str, value: Tensor) -> TensorSpec:
    first, *rest = value.shape
    sizes = (BATCH_NAME if not isinstance(first, int) else first, *(int(size) for size in rest))
    return TensorSpec(name, str(value.dtype).removeprefix("torch."), sizes)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
