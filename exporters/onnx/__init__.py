"""``zoo export NAME --onnx``."""

from __future__ import annotations

from collections.abc import Callable

from zoo import Exporter, Option, hookimpl


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Register ``onnx``."""
    register(
        Exporter(
            name="onnx",
            summary="one ONNX file, raw input to probabilities, proven in onnxruntime",
            suffix=".onnx",
            write="zoo.exporters.onnx.write:write",
            check="zoo.exporters.onnx.check:check",
            options=(
                Option(name="opset", default=20, help="version of the ONNX operator set", minimum=18, maximum=26),
            ),
        )
    )
