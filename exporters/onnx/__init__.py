"""The exporter ``onnx``: ``zoo export NAME --onnx``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Exporter, Option, hookimpl

from .versions import HIGHEST, LOWEST, READS


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Register ``onnx``."""
    register(
        Exporter(
            name="onnx",
            summary="one ONNX file, raw input to probabilities, verified in onnxruntime",
            suffix=".onnx",
            write="zoo.exporters.onnx.write:write",
            check="zoo.exporters.onnx.structure:check_opset",
            inspect="zoo.exporters.onnx.structure:inspect",
            open="zoo.exporters.onnx.sessions:open_sessions",
            options=(
                Option(
                    name="opset",
                    default=0,
                    help="version of the ONNX operator set; 0: the lowest that the network needs",
                    choices=(0, *range(LOWEST, HIGHEST + 1)),
                ),
                Option(
                    name="runtime",
                    default="",
                    help="oldest onnxruntime that must read the file, as 1.17",
                    choices=("", *READS),
                ),
            ),
            runners=tuple(Path(__file__).parent / "runners" / name for name in ("run.py", "run.mjs", "run.cc")),
            reductions={
                "int8": "zoo.exporters.onnx.quantise:to_int8",
                "fp16": "zoo.exporters.onnx.quantise:to_fp16",
            },
        )
    )
