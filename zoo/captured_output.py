"""Keeping the tools quiet: what torch, onnx and onnxruntime have to say goes to a log file, named where it matters."""

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

_NOISY = ("torch", "onnxscript", "onnx_ir", "onnxruntime", "root")


def log_path(target: Path) -> Path:
    """``FILE.log`` beside ``FILE``."""
    return target.with_name(target.name + ".log")


@contextlib.contextmanager
def capture_output(target: Path, what: str) -> Iterator[None]:
    """Keep what the tools say in the block from the terminal. Where the block fails and there is more to tell than the
    one line of the error, it is in the log file beside ``target``, and the error names it.

    Args:
        what: is being done, for an error that nobody foresaw: ``The exporter onnx``.

    Raises:
        ZooError: the block's own; :class:`zoo.ExportError` for any other exception.
    """
    talk = io.StringIO()
    try:
        with _collected(talk):
            yield
    except OSError:
        raise  # a full disk; whoever opened the file says so
    except Exception as error:
        known = isinstance(error, ZooError)
        text = str(error) if known else f"{what} failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        if known and not talk.getvalue().strip() and error.__cause__ is None:
            raise
        log = log_path(target)
        with contextlib.suppress(ZooError):  # no room for a log is no reason to hide the error
            write_text(log, f"{talk.getvalue()}\n{''.join(traceback.format_exception(error))}")
            text = f"{text.removesuffix('.')}. Details: {log}"
        raise (type(error) if known else ExportError)(text) from error
    log_path(target).unlink(missing_ok=True)  # of an earlier failure


@contextlib.contextmanager
def _collected(talk: io.StringIO) -> Iterator[None]:
    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: object = None,
        line: str | None = None,
    ) -> None:
        talk.write(warnings.formatwarning(message, category, filename, lineno))

    handler = logging.StreamHandler(talk)
    loggers = [logging.getLogger(name) for name in _NOISY]
    before = [(logger.handlers, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [handler], False
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(talk), contextlib.redirect_stderr(talk):
            warnings.simplefilter("always")
            warnings.showwarning = show
            yield
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
