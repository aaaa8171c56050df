"""The exporter ``pt2``: ``zoo export NAME --pt2``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo import Exporter, hookimpl


@hookimpl
def register_exporters(register: Callable[[Exporter], None]) -> None:
    """Register ``pt2``."""
    register(
        Exporter(
            name="pt2",
            summary="one torch.export file, raw input to probabilities, verified in torch without the network's code",
            suffix=".pt2",
            write="zoo.exporters.pt2.program:write",
            inspect="zoo.exporters.pt2.program:inspect",
            open="zoo.exporters.pt2.program:open_program",
            opens_safely=False,  # torch.export.load evaluates expressions in the file, and can unpickle
            runners=(Path(__file__).parent / "runners" / "run.py",),
        )
    )
