"""The building blocks of the ``zoo`` command, for the built-in commands and those of plugins."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from ..errors import PeerFailed, PluginError, TrainingDiverged, TrainingInterrupted, UnknownName, UsageError, ZooError
from ..registry.plugin import describe_error
from ..registry.registry import Registry, create_registry
from ..specs.hyperparameters import OPTIONS
from ..specs.options import unknown_option
from ..specs.settings import parse_settings
from ..specs.specs import resolve_reference
from .completion import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from ..specs.specs import Architecture

_ARGUMENTS = "zoo.arguments"
# of several processes that torchrun started, the first says what all of them meet
_SPEAKS = os.environ.get("RANK", "0") == "0"

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="The data folder. [$ZOO_DATA, else the user's cache]"
)
runs_dir_option = click.option(
    "--runs-dir", type=click.Path(path_type=Path), help="The folder that holds the runs. [$ZOO_RUNS, else ./runs]"
)


class _Count(click.ParamType[int]):
    """A whole number, in full or as ``20k``, ``1.5M``."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        if isinstance(value, int):
            return value
        factor = {"k": 1_000, "m": 1_000_000, "g": 1_000_000_000}.get(value[-1:].lower(), 1)
        try:
            count = float(value[:-1] if factor > 1 else value) * factor
        except ValueError:
            count = -1
        if not 0 <= count < 1e15:
            self.fail(f"{value!r} is no count; write 20000, 20k or 1.5M.", param, ctx)
        return round(count)


COUNT = _Count()
"""For options that take a count."""


class ZooGroup(click.Group):
    """The built-in commands, each imported when it is used, and after them those of the plugins."""

    def __init__(self, *args: Any, builtin: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.builtin = builtin  # name: "module:command"

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        """As click does, and the arguments are kept for commands that start the same in other processes."""
        arguments = list(args)
        ctx = super().make_context(info_name, args, *rest, **extra)
        ctx.meta[_ARGUMENTS] = arguments
        return ctx

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names; the built-in ones in the order of their definition."""
        return [*self.builtin, *sorted(self.foreign(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A built-in command, else a plugin's."""
        if cmd_name in self.builtin:
            return cast("click.Command", resolve_reference(self.builtin[cmd_name]))
        return self.foreign(ctx).get(cmd_name)

    def foreign(self, ctx: click.Context) -> Mapping[str, click.Command]:
        """The commands of the plugins."""
        return registry_of(ctx).commands(self.builtin)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, but what a plugin's command did not foresee names the plugin."""
        try:
            return super().invoke(ctx)
        except (ZooError, click.ClickException, click.exceptions.Exit, click.Abort, OSError):
            raise
        except Exception as error:
            name = ctx.invoked_subcommand or ""
            owner = registry_of(ctx).command_owner(name)
            if owner is None:
                raise
            told = f"zoo {name}, a command of plugin {owner}, failed: {describe_error(error)}. --debug shows where."
            raise PluginError(told) from error

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does, but an unknown command answers with the closest."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise UnknownName("command", args[0], self.list_commands(ctx), "`zoo --help` shows them all.")
        return super().resolve_command(ctx, args)


def training_settings(architecture: Architecture, given: Mapping[str, Any]) -> dict[str, Any]:
    """``--epochs`` and its like, and every ``--set``, as values of their types."""
    texts = {key: given[key] for key in ("epochs", "batch_size", "lr", "precision") if given[key] is not None}
    texts |= {"compile": "true"} if given["compile"] else {}
    texts |= _pairs("--set", given["settings"], texts)
    return dict(parse_settings(architecture, texts))


def epochs_given(given: Mapping[str, Any]) -> int | None:
    """``--epochs`` as a number, beside ``--resume``."""
    option = next(option for option in OPTIONS if option.name == "epochs")
    return None if given["epochs"] is None else int(option.parse(given["epochs"]))  # type: ignore[arg-type]


def dataset_settings(registry: Registry, architecture: Architecture, given: Mapping[str, Any]) -> dict[str, Any]:
    """``--target`` and every ``--data-option``, as values of their types."""
    return data_settings(registry, given["dataset"] or architecture.dataset, given)


def data_settings(registry: Registry, reference: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """``--target`` and every ``--data-option`` for the data ``reference``, as values of their types."""
    texts = {"target": given["target"]} if given["target"] is not None else {}
    texts |= _pairs("--data-option", given["data_options"], texts)
    if not texts:
        return {}
    from ..data.loading import dataset_options

    known = {option.name: option for option in dataset_options(reference, registry)}
    for name in texts:
        if name not in known:
            raise unknown_option(name, known, f"the data {reference}")
    return {name: known[name].parse(text) for name, text in texts.items()}


def refuse_beside_resume(ctx: click.Context) -> None:
    """A resumed run keeps what it was started with; naming something else is a mistake.

    Raises:
        UsageError: something was named.
    """
    free = {"resume", "epochs", "device", "devices", "data_dir", "runs_dir", "as_json"}
    for parameter in ctx.command.params:
        name = str(parameter.name)
        if name not in free and ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            flag = "NAME" if isinstance(parameter, click.Argument) else parameter.opts[0]
            if ctx.params[name] is not None and ctx.params[name] != ():
                raise UsageError(f"{flag} cannot go with --resume: a resumed run keeps what it was started with.")


def _pairs(flag: str, settings: Sequence[str], taken: Container[str]) -> dict[str, str]:
    """``NAME=VALUE``, each once."""
    texts: dict[str, str] = {}
    for setting in settings:
        key, separator, text = setting.partition("=")
        if not separator:
            raise UsageError(f"{flag} {setting!r} is not of the form NAME=VALUE.")
        if key in taken or key in texts:
            raise UsageError(f"{key} is set twice.")
        texts[key] = text
    return texts


def registry_of(ctx: click.Context) -> Registry:
    """The registry of this invocation, made when first asked for."""
    root = ctx.find_root()
    if root.obj is None:
        root.obj = create_registry()
    registry: Registry = root.obj
    return registry


def load_everything(ctx: click.Context) -> list[str]:
    """Have the plugins register their commands too, and look up what they name: the last that can go wrong.

    Returns:
        The names of their commands.
    """
    root = ctx.find_root().command
    names = list(root.foreign(ctx)) if isinstance(root, ZooGroup) else []
    registry_of(ctx).check_references()
    return names


def arguments_of(ctx: click.Context) -> list[str]:
    """The arguments that this ``zoo`` was started with."""
    return list(ctx.meta[_ARGUMENTS])


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
        if _SPEAKS or not isinstance(error, PeerFailed | TrainingDiverged | TrainingInterrupted):
            click.echo(f"Error: {message}", err=True)
        return code


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
        text = record.getMessage()
        if record.name == "zoo.trace":
            click.echo(f"Trace: {text}", err=True)
            return
        context = click.get_current_context(silent=True)
        said = context.meta.setdefault(__name__, set()) if context else set()
        if text not in said:  # what a command does in several steps is told once
            said.add(text)
            click.echo(f"Note: {text}", err=True)


def _talk_on_stderr() -> None:
    logger = logging.getLogger("zoo")
    if ENVIRONMENT in os.environ:  # nobody wants to read a note after Tab
        logger.disabled = True
        return
    if _SPEAKS and not any(isinstance(handler, _Notes) for handler in logger.handlers):
        logger.addHandler(_Notes())
