"""``zoo completion``."""

from __future__ import annotations

import os

import click
from click.shell_completion import get_completion_class

import zoo
from zoo.commandline import ENVIRONMENT, ZooCommand

SHELLS = ("bash", "zsh", "fish")


@click.command(cls=ZooCommand)
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.pass_context
def completion(ctx: click.Context, shell: str | None) -> None:
    """Print the script for shell completion.

    The shell then completes commands, options and names after Tab. Without an argument, the script is for the shell
    in $SHELL. Add the line for your shell to its start-up file.

    \b
    Examples:
      eval "$(zoo completion bash)"       in ~/.bashrc
      eval "$(zoo completion zsh)"        in ~/.zshrc
      zoo completion fish | source        in ~/.config/fish/config.fish
    """
    name = shell or os.path.basename(os.environ.get("SHELL", ""))
    kind = get_completion_class(name) if name in SHELLS else None
    if kind is None:
        raise zoo.UsageError(f"Name the shell: {', '.join(f'`zoo completion {known}`' for known in SHELLS)}.")
    click.echo(kind(ctx.find_root().command, {}, "zoo", ENVIRONMENT).source())
