"""The help text of every command as Markdown, for `cog` in cli.md."""

import click

from cli import cli
from zoo import create_registry
from zoo.registry.entry_points import find_entry_points
from zoo.registry.plugin import DISTRIBUTION


def reference() -> str:
    """The group, then one section a command, with the built-in plugins only, whatever else is installed."""
    builtin = [point for point in find_entry_points() if point.distribution == DISTRIBUTION]
    looks = {
        "terminal_width": 100,
        "max_content_width": 100,
        "help_option_names": ["-h", "--help"],
        "show_default": True,
    }
    root = click.Context(cli, info_name="zoo", obj=create_registry(builtin), **looks)
    parts = [f"## zoo\n\n```text\n{cli.get_help(root)}\n```\n"]
    for name in cli.builtin:
        command = cli.get_command(root, name)
        ctx = click.Context(command, info_name=name, parent=root, **looks)
        parts.append(f"## zoo {name}\n\n```text\n{command.get_help(ctx)}\n```\n")
    return "\n".join(parts)
