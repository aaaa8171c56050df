"""The building blocks of the ``zoo`` command, for the built-in commands and those of plugins."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import TrainingInterrupted, UnknownName, UsageError, ZooError
from .registry import Registry, create_registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="The data folder. [$ZOO_DATA, else the user's cache]"
)
runs_dir_option = click.option(
    "--runs-dir", type=click.Path(path_type=Path), help="The folder that holds the runs. [$ZOO_RUNS, else ./runs]"
)


class ZooCommand(click.Command):
    """A command with ``-h`` beside ``--help``, and ``--debug``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings = {"help_option_names": ["-h", "--help"], **self.context_settings}

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, ``--debug`` and ``--help``."""
        debug = click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the traceback of an error.")
        *own, help_option = super().get_params(ctx)
        return [*own, debug, help_option]


class ZooGroup(click.Group):
    """The built-in commands, and after them those of the plugins."""

    command_class = ZooCommand

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names; the built-in ones in the order of their definition."""
        return [*self.commands, *sorted(registry_of(ctx).commands(self.commands))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A built-in command, else a plugin's."""
        return self.commands.get(cmd_name) or registry_of(ctx).commands(self.commands).get(cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does, but an unknown command answers with the closest."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise UnknownName("command", args[0], self.list_commands(ctx), "`zoo --help` shows them all.")
        return super().resolve_command(ctx, args)


class ExportCommand(ZooCommand):
    """A command with a flag for each registered export format, and the options of them all."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The fixed parameters, and behind NAME what the exporter plugins add: ``format_…`` and ``option_…``."""
        exporters = registry_of(ctx).exporters.values()
        flags = [
            click.Option([f"--{spec.name}", f"format_{_identifier(spec.name)}"], is_flag=True, help=f"{spec.summary}.")
            for spec in exporters
        ]
        options = {option.name: option for spec in exporters for option in spec.options}
        added = [
            click.Option(
                [f"--{name.replace('_', '-')}", f"option_{name}"],
                help=f"{option.help}: {option.describe()}. [{option.default}]",
            )
            for name, option in options.items()
        ]
        argument, *rest = super().get_params(ctx)
        return [argument, *flags, *added, *rest]


def chosen_formats(registry: Registry, given: Mapping[str, Any]) -> list[str]:
    """The names of the exporters whose flags were given to an :class:`ExportCommand`."""
    return [name for name in registry.exporters if given[f"format_{_identifier(name)}"]]


def registry_of(ctx: click.Context) -> Registry:
    """The registry of this invocation, made when first asked for."""
    root = ctx.find_root()
    if root.obj is None:
        root.obj = create_registry()
    registry: Registry = root.obj
    return registry


def print_json(content: Any) -> None:
    """A result for machines, on standard output."""
    import json

    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def run_command(cli: click.Group, arguments: Sequence[str], registry: Registry | None = None) -> int:
    """Run ``cli`` and give its exit code; an error is one line on standard error.

    0 is done, 1 failed, 2 wrong usage, 128 + N stopped by signal N (130 for Ctrl-C).
    """
    _talk_on_stderr()
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
        click.echo(f"Error: {message}", err=True)
        return code


def _identifier(flag: str) -> str:
    return flag.replace("-", "_")


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
    return f"{type(error).__name__}: {text}. This should not happen; --debug shows where it did.", 1


class _Notes(logging.Handler):
    """Shows what the library has to say (a stand-in in use, a plugin that failed) on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"Note: {record.getMessage()}", err=True)


def _talk_on_stderr() -> None:
    logger = logging.getLogger("zoo")
    if not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes())
