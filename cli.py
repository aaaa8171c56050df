"""The ``zoo`` command: its table of contents. Each command is imported when it is used."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

import zoo
from zoo.commandline import ZooGroup, plugin_options, run_command

if TYPE_CHECKING:
    from zoo import Registry

COMMANDS = {
    "list": "zoo.commands.listing:list_",
    "info": "zoo.commands.listing:info",
    "datasets": "zoo.commands.listing:datasets",
    "fetch": "zoo.commands.training:fetch",
    "plugins": "zoo.commands.listing:plugins",
    "train": "zoo.commands.training:train",
    "find-lr": "zoo.commands.training:find_lr",
    "runs": "zoo.commands.listing:runs",
    "eval": "zoo.commands.evaluation:evaluate",
    "predict": "zoo.commands.prediction:predict",
    "compare": "zoo.commands.comparing:compare",
    "bench": "zoo.commands.comparing:bench",
    "report": "zoo.commands.showing:report",
    "demo": "zoo.commands.showing:demo",
    "export": "zoo.commands.exporting:export",
    "verify": "zoo.commands.exporting:verify",
    "reproduce": "zoo.commands.training:reproduce",
    "new": "zoo.commands.scaffolding:new",
    "check": "zoo.commands.checking:check",
    "completion": "zoo.commands.completing:completion",
}


@click.group(cls=ZooGroup, builtin=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zoo.__version__, prog_name="zoo")
@plugin_options
def cli() -> None:
    """Small neural networks that train for real and leave as ONNX files proven right.

    \b
    zoo list                             what can be trained
    zoo train googlenet-mini             train it, keep the best checkpoint
    zoo export googlenet-mini --onnx     that checkpoint as ONNX, proven equal in onnxruntime
    """


def main(arguments: Sequence[str] | None = None, registry: Registry | None = None) -> None:
    """Run the command and exit.

    Args:
        arguments: in place of ``sys.argv[1:]``.
        registry: in place of the installed plugins.
    """
    sys.exit(run_command(cli, sys.argv[1:] if arguments is None else arguments, registry))


if __name__ == "__main__":
    main()
