"""The click classes of plugin commands, which give them the same common options as the built-in commands."""

from __future__ import annotations

from typing import Any

import click


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


class PluginCommands(click.Group):
    """The group that ``register_commands`` gets as ``cli``. Its ``@cli.command()`` makes a :class:`ZooCommand`."""

    command_class = ZooCommand
