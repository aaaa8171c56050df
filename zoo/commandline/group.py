"""The ``zoo`` group: its commands, imported when they are used, and what they share during one invocation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from ..errors import PluginError, UnknownName, ZooError, is_about_memory, line_in
from ..formatting import printable
from ..registry.plugin import describe_error
from ..registry.registry import Registry, create_registry
from ..specs.references import resolve_reference
from .options import ARGUMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLUGIN_SECTION = "Plugin commands"


class ZooGroup(click.Group):
    """The built-in commands, each imported when it is used, and after them those of the plugins.

    Args:
        sections: the sections of ``zoo --help``: for each heading the names of its commands, each with the
            reference ``"module:command"``.
        runs_files: the names of the commands that run exported files.
    """

    def __init__(
        self, *args: Any, sections: Mapping[str, Mapping[str, str]], runs_files: Sequence[str] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.runs_files = runs_files
        self.sections = {heading: tuple(commands) for heading, commands in sections.items()}
        self.builtin = {name: reference for commands in sections.values() for name, reference in commands.items()}

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> click.Context:
        """As click does; keeps the arguments for :func:`arguments_of`."""
        arguments = list(args)
        try:
            ctx = super().make_context(info_name, args, *rest, **extra)
        except KeyboardInterrupt as error:
            raise click.Abort from error
        ctx.meta[ARGUMENTS] = arguments
        return ctx

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names: the built-in commands section by section, then those of the plugins."""
        return [*self.builtin, *sorted(self.plugin_commands(ctx))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A built-in command, else a plugin's."""
        if cmd_name in self.builtin:
            return cast("click.Command", resolve_reference(self.builtin[cmd_name]))
        return self.plugin_commands(ctx).get(cmd_name)

    def files_to_run(self, arguments: Sequence[str]) -> list[str]:
        """The exported files among ``arguments`` if they are those of a command that runs files."""
        command = next((argument for argument in arguments if argument in self.builtin), "")
        return [name for name in arguments if name.lower().endswith(".onnx")] if command in self.runs_files else []

    def plugin_commands(self, ctx: click.Context) -> Mapping[str, click.Command]:
        """The commands of the plugins."""
        return registry_of(ctx).commands(self.builtin)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands under the headings of their sections, with the whole first sentence of their help."""
        sections = {**self.sections, PLUGIN_SECTION: tuple(sorted(self.plugin_commands(ctx)))}
        width = max(map(len, self.list_commands(ctx)))
        for heading, names in sections.items():
            commands = ((name, self.get_command(ctx, name)) for name in names)
            rows = [
                (name.ljust(width), command.get_short_help_str(limit=1_000))
                for name, command in commands
                if command is not None and not command.hidden
            ]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def get_help(self, ctx: click.Context) -> str:
        """As click does; control characters in texts of plugins are escaped."""
        return printable(super().get_help(ctx), lines=True)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, but an unexpected error in the code of a plugin names the plugin."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:  # click would print an empty line
            raise click.Abort from error
        except EOFError as error:  # click would report Ctrl-C
            raise ZooError(
                f"A file or a stream ended too early: {str(error) or 'nothing was left to read'}."
            ) from error
        except (ZooError, click.ClickException, click.exceptions.Exit, click.Abort, OSError):
            raise
        except Exception as error:
            message = "" if is_about_memory(error) else _of_plugin(error, ctx)
            if not message:
                raise
            raise PluginError(f"{message}: {describe_error(error)}. --debug shows the traceback.") from error

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does, but the error for an unknown command suggests the closest one."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise UnknownName("command", args[0], self.list_commands(ctx), "`zoo --help` shows them all.")
        return super().resolve_command(ctx, args)


def _of_plugin(error: Exception, ctx: click.Context) -> str:
    """Which plugin failed where, in words, if an unexpected error comes from one that is not part of the zoo."""
    registry = registry_of(ctx)
    name = ctx.invoked_subcommand or ""
    owner = registry.command_owner(name)
    if owner is not None:
        return f"zoo {name}, a command of plugin {owner}, failed"
    for plugin in registry.plugins:
        module = registry.module_name(plugin)
        line = line_in(error, module) if module and not plugin.builtin else ""
        if line:
            return f"The code of plugin {plugin} failed at {line}"
    return ""


def registry_of(ctx: click.Context) -> Registry:
    """The registry of this invocation, created when first used."""
    root = ctx.find_root()
    if root.obj is None:
        root.obj = create_registry()
    registry: Registry = root.obj
    return registry


def load_everything(ctx: click.Context) -> list[str]:
    """Have the plugins register their commands too, and import what their declarations refer to.

    What fails is recorded in the registry, as for :func:`zoo.create_registry`.

    Returns:
        The names of the plugins' commands.
    """
    from ..registry.declared import check_declared

    root = ctx.find_root().command
    names = list(root.plugin_commands(ctx)) if isinstance(root, ZooGroup) else []
    check_declared(registry_of(ctx))
    return names


def arguments_of(ctx: click.Context) -> list[str]:
    """The arguments of this invocation of ``zoo``, to start the same in other processes."""
    return list(ctx.meta[ARGUMENTS])
