"""The click classes of plugin commands, which give them the same common options as the built-in commands."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any

import click

from ..formatting import brief, printable
from .plugin import DISTRIBUTION, Plugin

_LONGEST_NAME = 100
_NAME = re.compile(r"[a-z0-9]+([-_][a-z0-9]+)*")


class ZooCommand(click.Command):
    """A click command with ``-h`` as a short form of ``--help``, and with ``--debug``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings = {"help_option_names": ["-h", "--help"], **self.context_settings}

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The command's own parameters, then ``--debug`` and ``--help``."""
        debug = click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the traceback of an error.")
        *own, help_option = super().get_params(ctx)
        return [*own, debug, help_option]

    def get_help(self, ctx: click.Context) -> str:
        """As click does; control characters in texts of plugins are escaped."""
        return printable(super().get_help(ctx), lines=True)


class PluginCommands(click.Group):
    """The group that ``register_commands`` gets as ``cli``. Its ``@cli.command()`` makes a :class:`ZooCommand`."""

    command_class = ZooCommand


def sort_out(
    group: click.Group, taken: Container[str], owners: Mapping[str, Plugin]
) -> tuple[dict[str, click.Command], list[str]]:
    """The commands of a plugin that can be used, by name, and what is wrong with the others.

    Args:
        group: what the plugin added its commands to.
        taken: the names of the built-in commands.
        owners: the plugins of the commands that are registered already.
    """
    accepted, problems = {}, []
    for name, command in list(group.commands.items()):
        if not isinstance(command, click.Command):
            problems.append(f"command {brief(name)} is not a click command.")
        elif not isinstance(name, str) or not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
            problems.append(f"command {brief(name)} must be named in lower-case letters and digits, joined by - or _.")
        elif name in taken or name in owners:
            owner = owners.get(name, DISTRIBUTION)
            problems.append(f"command {name!r} is already registered by {owner}; choose another name.")
        else:
            accepted[name] = command
            _escape_help(command)
    return accepted, problems


def _escape_help(command: click.Command) -> None:
    """Escape control characters in the help of a command of any class, and of its subcommands."""
    usual = command.get_help
    setattr(command, "get_help", lambda ctx: printable(usual(ctx), lines=True))  # noqa: B010 - it is a method
    for other in (getattr(command, "commands", None) or {}).values():
        if isinstance(other, click.Command):
            _escape_help(other)
