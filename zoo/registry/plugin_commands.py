"""What a plugin's commands are made of, so that they behave like the built-in ones."""

from __future__ import annotations

from typing import Any

import click


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


class PluginCommands(click.Group):
    """What a plugin puts its commands into: `@cli.command()` makes them like the built-in ones."""

    command_class = ZooCommand
