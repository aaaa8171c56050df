"""From a model to the program that every export format begins with: its operations, for a batch of any size."""

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
from .checks import BATCH_NAME
from .source import ExportSource

# Traced at a batch of 1, some models come out fixed to it.
TRACE_BATCH = 3

_NOT_THE_NETWORK = (str(Path(torch.__file__).parent), str(Path(logging.__file__).parent), "<")
_GUARDS = "torch.fx.experimental.symbolic_shapes"


def trace_program(source: ExportSource) -> ExportedProgram:
    """The operations of ``source.model``, for a batch of any size.

    Raises:
        ExportError: the model does something that cannot be written down; the cause, the line of code and the remedy.
    """
    example = source.samples(TRACE_BATCH)
    try:
        with _frozen_batch_noticed() as frozen:
            return torch.export.export(source.model, (example,), dynamic_shapes=({0: Dim(BATCH_NAME)},))
    except Exception as error:  # torch raises many kinds, some private
        raise ExportError(f"{source.name} cannot be exported: {_cause(error, frozen)}") from error


def place_of(frames: traceback.StackSummary) -> str:
    """Where in the network it was: the innermost line that is neither torch's nor the library's own."""
    for frame in reversed(frames):
        if not frame.filename.startswith(_NOT_THE_NETWORK) and Path(frame.filename) != Path(__file__):
            line = linecache.getline(frame.filename, frame.lineno or 0).strip()
            return f" at {frame.filename}:{frame.lineno} (`{line}`)"
    return ""


def _cause(error: BaseException, frozen: list[str]) -> str:
    """The cause, its place and the remedy in one line; torch's own message is a page."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error)
    place = place_of(traceback.extract_tb(error.__traceback__))
    if "data-dependent" in text:
        return f"it branches on its data{place}. Use torch.where, torch.cond or torch.while_loop in place of Python."
    if f"Constraints violated ({BATCH_NAME})" in text:
        where = frozen[-1] if frozen else place
        return (
            f"the batch is fixed at {TRACE_BATCH}, the size that it was traced with{where}. Write -1 or x.shape[0] in "
            "place of a number, and no branch on the batch's size."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'}{place}"


@contextlib.contextmanager
def _frozen_batch_noticed() -> Iterator[list[str]]:
    """Collect the places where torch takes the batch for a constant: its error says that, but not where."""
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
