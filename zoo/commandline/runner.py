"""Run the ``zoo`` command: exit codes, errors as one line, and the library's notes on standard error."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from ..crash_guard import LibraryCrashed, can_guard, run_guarded
from ..errors import (
    PeerFailed,
    TrainingDiverged,
    TrainingInterrupted,
    UsageError,
    VerificationIncomplete,
    ZooError,
    is_about_memory,
)
from ..formatting import printable, shortened
from ..process import Interrupted, end_quietly, stop_signals, take_streams
from .completion import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..registry.registry import Registry
    from .group import ZooGroup

# of several processes that torchrun started, only the first prints notes and the errors that all of them meet
_FIRST_PROCESS = os.environ.get("RANK", "0") == "0"


def run_process(cli: ZooGroup, arguments: Sequence[str], registry: Registry | None = None) -> int:
    """As :func:`run_command`, in a process that does nothing else: it handles signals and makes the streams safe.

    A command that runs exported files does so in a child process, because a file can crash the library that runs it.
    """
    failure = take_streams()
    try:
        os.getcwd()
    except OSError as error:  # torch's libraries end the process without a reason
        click.echo(f"Error: Cannot use the working directory: {error.strerror}. Change to another one.", err=True)
        return 1
    try:
        files = cli.files_to_run(arguments) if can_guard() else []
        if files:
            return _run_guarded(lambda: run_command(cli, arguments, registry, failure), files)
        return run_command(cli, arguments, registry, failure)
    finally:
        end_quietly()


def _run_guarded(command: Callable[[], int], files: Sequence[str]) -> int:
    try:
        return run_guarded(command, ", ".join(files))
    except LibraryCrashed as error:
        examine = f"`zoo verify {files[0]}` examines it with limits of time and memory."
        click.echo(f"Error: {printable(str(error))} The file may be damaged or hostile: {printable(examine)}", err=True)
        return 1
    except Interrupted as error:
        message, code = _explain(error, error.signal_number)
        click.echo(f"Error: {message}", err=True)
        return code


def run_command(
    cli: click.Group,
    arguments: Sequence[str],
    registry: Registry | None = None,
    output_failure: Callable[[], OSError | None] = lambda: None,
) -> int:
    """Run ``cli`` and return its exit code; an error is one line on standard error.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a file was verified in part only, 128 + N stopped by signal N
    (130 for Ctrl-C).

    Args:
        output_failure: gives the reason why standard output could not be written, or None.
    """
    _show_notes()
    with stop_signals() as stop:
        try:
            code = cli.main(list(arguments), prog_name="zoo", standalone_mode=False, obj=registry)
            sys.stdout.flush()  # an error has to be seen here, not when Python ends
            return code if isinstance(code, int) else 0
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            return error.exit_code
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            failure = output_failure() or (error if isinstance(error, BrokenPipeError) else None)
            if failure:
                return _output_failed(failure)
            if isinstance(error, SystemExit):
                raise
            if "--debug" in arguments:
                import traceback

                traceback.print_exc()
            message, code = _explain(error, stop.number)
            if _FIRST_PROCESS or not isinstance(
                error, PeerFailed | TrainingDiverged | TrainingInterrupted | click.Abort
            ):
                click.echo(f"Error: {printable(message)}", err=True)
            return code


def print_json(content: Any) -> None:
    """Print a result as JSON on standard output. Control characters in texts are escaped: none gets to a terminal."""
    import json

    text = json.dumps(content, indent=2, ensure_ascii=False)
    plain = (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "") != "utf8"
    if plain or printable(text, lines=True) != text:
        text = json.dumps(content, indent=2)
    click.echo(text)


def _output_failed(error: OSError) -> int:
    """The exit code if standard output cannot be written: 0 if its reader has read enough, as ``head`` does."""
    with contextlib.suppress(OSError, ValueError):  # what is still in the buffer must not fail again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return 0
    click.echo(f"Error: Cannot write to standard output: {error.strerror}.", err=True)
    return 1


def _explain(error: BaseException, signal_number: int) -> tuple[str, int]:
    """An error as one line and an exit code.

    Args:
        signal_number: the signal that stopped the command, or 0.
    """
    if isinstance(error, TrainingInterrupted):
        return str(error), 128 + error.signal_number
    if signal_number or isinstance(error, click.Abort | KeyboardInterrupt):
        # libraries turn an exception during their import into others, so the signal decides
        number = signal.Signals(signal_number or signal.SIGINT)
        return ("Interrupted." if number == signal.SIGINT else f"Stopped by {number.name}."), 128 + number
    if isinstance(error, click.ClickException):
        ctx = getattr(error, "ctx", None)
        hint = f" See `{ctx.command_path} --help`." if ctx else ""
        return " ".join(error.format_message().split()) + hint, error.exit_code
    if isinstance(error, VerificationIncomplete):
        return str(error), 3
    if isinstance(error, ZooError):
        return str(error), 2 if isinstance(error, UsageError) else 1
    if is_about_memory(error):
        return "There is not enough memory for this command, or its limit (`ulimit -v`) is too low.", 1
    text = shortened(" ".join(str(error).split()), 1_000)
    return f"{type(error).__name__}: {text}. This error is unexpected; --debug shows the traceback.", 1


class _Notes(logging.Handler):
    """Prints the library's messages (a stand-in is used, a plugin failed) on standard error, each once a command."""

    def emit(self, record: logging.LogRecord) -> None:
        text = printable(record.getMessage())
        if record.name == "zoo.trace":
            click.echo(f"Trace: {text}", err=True)
            return
        context = click.get_current_context(silent=True)
        shown = context.meta.setdefault(__name__, set()) if context else set()
        if text not in shown:
            shown.add(text)
            click.echo(f"Note: {text}", err=True)


def _show_notes() -> None:
    logger = logging.getLogger("zoo")
    if ENVIRONMENT in os.environ:  # a note would disturb shell completion
        logger.disabled = True
        return
    if _FIRST_PROCESS and not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes())
