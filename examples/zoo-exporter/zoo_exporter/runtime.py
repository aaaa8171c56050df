"""OpenVINO without its usage statistics: it sends them over the network with every import, without a question."""

import sys

# with None in its place, the import of the package that sends them fails, and OpenVINO does without
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino  # noqa: E402

__all__ = ["openvino"]
