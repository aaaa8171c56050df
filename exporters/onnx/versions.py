"""Which opset and IR version each onnxruntime reads, and which opsets an export tries. Imports no torch."""

from __future__ import annotations

from zoo import UsageError

READS = {
    "1.14": (18, 8),
    "1.15": (19, 9),
    "1.16": (19, 9),
    "1.17": (20, 9),
    "1.18": (21, 10),
    "1.19": (21, 10),
    "1.20": (21, 10),
    "1.21": (22, 10),
    "1.22": (22, 10),
    "1.23": (23, 11),
    "1.24": (25, 13),
    "1.25": (26, 13),
}
"""The highest opset and IR version by version of onnxruntime: measured on its Python packages, 1.14 as published [1].
Newer versions read more.

[1] https://onnxruntime.ai/docs/reference/compatibility.html
"""
LOWEST, HIGHEST = 18, 26
"""The opsets that can be requested; torch writes none below 18."""
TRIED = (18, 20, 23)
"""The opsets that are tried in this order if none is requested: those that added operators which torch writes."""


def candidates(opset: int, runtime: str) -> tuple[int, ...]:
    """The opsets to try, in this order.

    Args:
        opset: the requested one; 0 for the lowest that the network needs.
        runtime: the version of onnxruntime that must read the file, as ``1.17``; empty for any.

    Raises:
        UsageError: both are given.
    """
    if opset and runtime:
        raise UsageError(f"Give --opset or --runtime, not both: onnxruntime {runtime} decides which opset is possible.")
    if opset:
        return (opset,)
    return tuple(number for number in TRIED if not runtime or number <= READS[runtime][0])
