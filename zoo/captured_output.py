"""Captured output: what torch, onnx and onnxruntime print and log goes to a log file, which is kept after an error."""

from __future__ import annotations

import contextlib
import io
import logging
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from .errors import ExportError, ZooError
from .files import write_text

_LOGGERS = ("torch", "onnxscript", "onnx_ir", "onnxruntime", "root")


def log_path(target: Path) -> Path:
    """``FILE.log`` beside ``FILE``."""
    return target.with_name(target.name + ".log")


@contextlib.contextmanager
def capture_output(target: Path, what: str) -> Iterator[None]:
    """Keep the output of libraries from the terminal while the block runs.

    If the block fails, output and traceback are written to the log file beside ``target``, and the error names that
    file; without output or an underlying error, there is nothing to add and no log file. A successful block deletes the
    log file of an earlier failure.

    Args:
        target: the file that the block writes or checks.
        what: the subject of the message for an unexpected error: ``The exporter onnx``.

    Raises:
        ZooError: raised by the block; the message may get the name of the log file.
        ExportError: the block raised any other exception.
    """
    output = io.StringIO()
    try:
        with _redirected(output):
            yield
    except OSError:
        raise  # a full disk, for example; the caller's `replacing` makes the message
    except Exception as error:
        known = isinstance(error, ZooError)
        text = str(error) if known else f"{what} failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if known and not output.getvalue().strip() and error.__cause__ is None:
            raise
        log = log_path(target)
        with contextlib.suppress(ZooError):  # if the log cannot be written, the error itself still matters more
            write_text(log, f"{output.getvalue()}\n{''.join(traceback.format_exception(error))}")
            text = f"{text.removesuffix('.')}. Details: {log}"
        raise (type(error) if known else ExportError)(text) from error
    log_path(target).unlink(missing_ok=True)


@contextlib.contextmanager
def _redirected(output: io.StringIO) -> Iterator[None]:
    """Send printed text, warnings and the log records of noisy libraries to ``output``."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: object = None,
        line: str | None = None,
    ) -> None:
        output.write(warnings.formatwarning(message, category, filename, lineno))

    handler = logging.StreamHandler(output)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [handler], False
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            warnings.simplefilter("always")
            warnings.showwarning = show
            yield
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
