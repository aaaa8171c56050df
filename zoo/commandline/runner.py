"""Run the ``zoo`` command: exit codes, errors as one line, and the library's notes on standard error."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from ..errors import PeerFailed, TrainingDiverged, TrainingInterrupted, UsageError, ZooError
from .completion import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..registry.registry import Registry

# of several processes that torchrun started, only the first prints notes and the errors that all of them meet
_FIRST_PROCESS = os.environ.get("RANK", "0") == "0"


def run_command(cli: click.Group, arguments: Sequence[str], registry: Registry | None = None) -> int:
    """Run ``cli`` and return its exit code; an error is one line on standard error.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 128 + N stopped by signal N (130 for Ctrl-C).
    """
    _show_notes()
    try:
        code = cli.main(list(arguments), prog_name="zoo", standalone_mode=False, obj=registry)
        return code if isinstance(code, int) else 0
    except BrokenPipeError:  # `zoo list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return error.exit_code
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in arguments:
            import traceback

            traceback.print_exc()
        message, code = _explain(error)
        if _FIRST_PROCESS or not isinstance(error, PeerFailed | TrainingDiverged | TrainingInterrupted):
            click.echo(f"Error: {message}", err=True)
        return code


def print_json(content: Any) -> None:
    """Print a result as JSON on standard output."""
    import json

    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def _explain(error: BaseException) -> tuple[str, int]:
    """An error as one line and an exit code."""
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return "Interrupted.", 130
    if isinstance(error, click.ClickException):
        ctx = getattr(error, "ctx", None)
        hint = f" See `{ctx.command_path} --help`." if ctx else ""
        return error.format_message() + hint, error.exit_code
    if isinstance(error, TrainingInterrupted):
        return str(error), 128 + error.signal_number
    if isinstance(error, ZooError):
        return str(error), 2 if isinstance(error, UsageError) else 1
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}. This error is unexpected; --debug shows the traceback.", 1


class _Notes(logging.Handler):
    """Prints the library's messages (a stand-in is used, a plugin failed) on standard error, each once a command."""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
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
