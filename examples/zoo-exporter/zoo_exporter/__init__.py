"""The exporter ``openvino``: ``zoo export NAME --openvino``. All commands import this file: no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import zoo


@zoo.hookimpl
def register_exporters(register: Callable[[zoo.Exporter], None]) -> None:
    """Register ``openvino``."""
    register(
        zoo.Exporter(
            name="openvino",
            summary="an OpenVINO model (IR) in a zip archive, raw input to probabilities, verified in OpenVINO",
            suffix=".openvino.zip",
            write="zoo_exporter.write:write",
            check="zoo_exporter.write:check_ir_version",
            inspect="zoo_exporter.read:inspect",
            open="zoo_exporter.read:open_model",
            options=(
                zoo.Option(
                    name="ir_version",
                    default=11,
                    help="version of the format; OpenVINO reads 10 since 2020, and 11 since 2022",
                    choices=(10, 11),
                ),
            ),
            reductions={"fp16": "zoo_exporter.write:to_fp16"},
            runners=(Path(__file__).with_name("run.py"),),
        )
    )
