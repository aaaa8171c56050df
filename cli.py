"""The ``zoo`` command: the table of its commands. Each command is imported when it is used."""

from __future__ import annotations

import sys

_hook = sys.unraisablehook
_lost = False


def _keep_interrupt(caught: sys.UnraisableHookArgs) -> None:
    """Keep a Ctrl-C that Python would only print: one in a callback, such as those of its locks of imports."""
    global _lost
    _lost = _lost or caught.exc_type is KeyboardInterrupt
    if caught.exc_type is not KeyboardInterrupt:
        _hook(caught)


sys.unraisablehook = _keep_interrupt
try:
    from collections.abc import Sequence
    from typing import TYPE_CHECKING

    import click

    import zoo
    from zoo.commandline import ZooGroup, plugin_options, run_process

    sys.unraisablehook = _hook
    if _lost:
        raise KeyboardInterrupt
except KeyboardInterrupt:  # Ctrl-C before the command has its own handler
    sys.stderr.write("Error: Interrupted.\n")
    raise SystemExit(130) from None

if TYPE_CHECKING:
    from zoo import Registry

COMMANDS = {
    "Explore": {
        "list": "zoo.commands.listing:list_",
        "info": "zoo.commands.listing:info",
        "draw": "zoo.commands.showing:draw",
        "datasets": "zoo.commands.listing:datasets",
        "runs": "zoo.commands.listing:runs",
    },
    "Train": {
        "train": "zoo.commands.training:train",
        "tune": "zoo.commands.tuning:tune",
        "find-lr": "zoo.commands.training:find_lr",
        "fetch": "zoo.commands.training:fetch",
    },
    "Evaluate": {
        "eval": "zoo.commands.evaluation:evaluate",
        "predict": "zoo.commands.prediction:predict",
        "compare": "zoo.commands.comparing:compare",
        "bench": "zoo.commands.comparing:bench",
        "report": "zoo.commands.showing:report",
        "demo": "zoo.commands.showing:demo",
        "reproduce": "zoo.commands.reproducing:reproduce",
    },
    "Export": {
        "export": "zoo.commands.exporting:export",
        "verify": "zoo.commands.exporting:verify",
        "publish": "zoo.commands.exporting:publish",
    },
    "Extend": {
        "plugins": "zoo.commands.plugins:plugins",
        "install": "zoo.commands.plugins:install",
        "uninstall": "zoo.commands.plugins:uninstall",
        "new": "zoo.commands.scaffolding:new",
        "check": "zoo.commands.checking:check",
        "completion": "zoo.commands.completing:completion",
    },
}
"""The commands by section of ``zoo --help``."""
RUNS_FILES = ("eval", "predict", "compare", "bench", "demo")
"""The commands that run exported files in their own process; ``verify`` has another for them."""


@click.group(
    cls=ZooGroup,
    sections=COMMANDS,
    runs_files=RUNS_FILES,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    epilog="`zoo COMMAND --help` shows the options of a command, with examples.",
)
@click.version_option(zoo.__version__, prog_name="zoo")
@plugin_options
def cli() -> None:
    """Small neural networks that train for real and export to verified ONNX files.

    \b
    Examples:
      zoo list                            show the networks that you can train
      zoo train googlenet-mini            train one and keep its best checkpoint
      zoo export googlenet-mini --onnx    export it to a verified ONNX file
    """


def main(arguments: Sequence[str] | None = None, registry: Registry | None = None) -> None:
    """Run the command and exit.

    Args:
        arguments: used in place of ``sys.argv[1:]``.
        registry: used in place of the installed plugins.
    """
    sys.exit(run_process(cli, sys.argv[1:] if arguments is None else arguments, registry))


if __name__ == "__main__":
    main()
