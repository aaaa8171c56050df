"""Captured output: what torch, onnx and onnxruntime print and log goes to a log file, which is kept after an error."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import stat
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from .errors import ExportError, ZooError
from .files import write_text

_LOGGERS = ("torch", "onnxscript", "onnx_ir", "onnxruntime", "root")
_FIRST_LINE = "Log of the zoo: "
"""How a log file begins. Only a file that begins so is replaced or deleted; any other belongs to the user."""
_NAMES = 10


def log_path(target: Path) -> Path:
    """``FILE.log`` beside ``FILE``; if the user has a file of that name, ``FILE.1.log`` and so on.

    Raises:
        ZooError: the user has files of all these names.
    """
    for path in log_paths(target):
        if not os.path.lexists(path) or _is_log(path):
            return path
    raise ZooError(f"There is no free name for a log file beside {target}.")


def log_paths(target: Path) -> list[Path]:
    """Every name that the log file of ``target`` can have."""
    return [target.with_name(f"{target.name}{f'.{place}' if place else ''}.log") for place in range(_NAMES)]


def _is_log(path: Path) -> bool:
    """Whether ``path`` is a log file of the zoo."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False  # a link, a device or a pipe
        with path.open("rb") as handle:
            return handle.read(len(_FIRST_LINE)) == _FIRST_LINE.encode()
    except OSError:
        return False


@contextlib.contextmanager
def capture_output(target: Path, what: str) -> Iterator[None]:
    """Keep the output of libraries from the terminal while the block runs.

    If the block fails, output and traceback are written to a log file beside ``target``, and the error names that
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
        with contextlib.suppress(ZooError):  # if the log cannot be written, the error itself still matters more
            log = log_path(target)
            trace = "".join(traceback.format_exception(error))
            write_text(log, f"{_FIRST_LINE}{what}, {target.name!r}\n{output.getvalue()}\n{trace}")
            text = f"{text.removesuffix('.')}. Details: {log}"
        raise (type(error) if known else ExportError)(text) from error
    for log in log_paths(target):
        with contextlib.suppress(OSError):  # a folder that cannot be written to does not spoil a success
            if _is_log(log):
                log.unlink()


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
