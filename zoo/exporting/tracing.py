"""Trace a model with torch.export, for a batch of any size. Export formats start from the result."""

from __future__ import annotations

import contextlib
import linecache
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.export import Dim, ExportedProgram

from ..errors import ExportError
from .source import BATCH_NAME, ExportSource

TRACE_BATCH = 3
"""Not 1, because torch.export takes a size of 1 for a constant."""

_NOT_THE_NETWORK = (str(Path(torch.__file__).parent), str(Path(logging.__file__).parent), "<")
_GUARDS = "torch.fx.experimental.symbolic_shapes"


def trace_program(source: ExportSource) -> ExportedProgram:
    """Trace ``source.model`` for a batch of any size.

    Args:
        source: its model takes ``[N, …]``; N becomes the symbolic dimension ``batch``.

    Returns:
        A program of torch.export.

    Raises:
        ExportError: the model cannot be traced; the message has the cause, the line of code and the remedy.
    """
    example = source.samples(TRACE_BATCH)
    try:
        with _fixed_batch_places() as places:
            return torch.export.export(source.model, (example,), dynamic_shapes=({0: Dim(BATCH_NAME)},))
    except Exception as error:  # torch raises many kinds, some private
        raise ExportError(f"{source.name} cannot be exported: {_cause(error, places)}") from error


def place_of(frames: traceback.StackSummary) -> str:
    """The innermost line that is of the network, not of torch or this module; empty if there is none."""
    for frame in reversed(frames):
        if not frame.filename.startswith(_NOT_THE_NETWORK) and Path(frame.filename) != Path(__file__):
            line = linecache.getline(frame.filename, frame.lineno or 0).strip()
            return f" at {frame.filename}:{frame.lineno} (`{line}`)"
    return ""


def _cause(error: BaseException, places: list[str]) -> str:
    """The cause, its place and the remedy in one line; torch's own message fills a page."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error)
    place = place_of(traceback.extract_tb(error.__traceback__))
    if "data-dependent" in text:
        return f"it branches on its data{place}. Use torch.where, torch.cond or torch.while_loop instead."
    if f"Constraints violated ({BATCH_NAME})" in text:
        where = places[-1] if places else place
        return (
            f"the batch size is fixed at {TRACE_BATCH} (that of the traced example){where}. Use -1 or x.shape[0] "
            "instead of a number, and do not branch on the batch size."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'}{place}"


@contextlib.contextmanager
def _fixed_batch_places() -> Iterator[list[str]]:
    """Collect the places where torch takes the batch size for a constant; its error does not name them."""
    places: list[str] = []

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if message.startswith("eval Eq(s") and f", {TRACE_BATCH}) " in message:
                places.append(place_of(traceback.extract_stack()))

    logger, watch = logging.getLogger(_GUARDS), Watch(logging.INFO)
    level, propagate, handlers = logger.level, logger.propagate, logger.handlers
    logger.setLevel(logging.INFO)
    logger.propagate, logger.handlers = False, [watch]
    try:
        yield places
    finally:
        logger.setLevel(level)
        logger.propagate, logger.handlers = propagate, handlers
