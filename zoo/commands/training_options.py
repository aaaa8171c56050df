"""The options of the commands that train: data, recipe, course."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from zoo.commandline import SETTING, TIME, complete_dataset, data_settings_option, target_option, whole_number

_FROM_RECIPE = "from the recipe"
device_option = click.option(
    "--device", metavar="DEVICE", default="auto", help="Device: auto, cpu, cuda, cuda:N or mps."
)
_EPOCHS = click.option("--epochs", metavar="N", show_default=_FROM_RECIPE, help="Passes over the training split.")
_NO_EPOCHS = click.option("--epochs", metavar="N", hidden=True, help="Refused: the number of steps is fixed.")
_TIME = click.option("--time", "seconds", metavar="T", type=TIME, help="Train the epochs that fit: 30s, 10m, 2h.")
DATA = (
    click.option(
        "--dataset",
        metavar="NAME|PATH",
        shell_complete=complete_dataset,
        show_default="the architecture's dataset",
        help="Dataset: a name, a folder of images with a subfolder for each class, or a CSV file.",
    ),
    target_option,
    data_settings_option,
)
_RECIPE = (
    click.option("--batch-size", metavar="N", show_default=_FROM_RECIPE, help="Samples per optimiser step."),
    click.option("--lr", metavar="RATE", show_default=_FROM_RECIPE, help="Peak learning rate."),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        type=SETTING,
        help="Any other setting; repeatable. `zoo info NAME` lists them.",
    ),
    click.option(
        "--recipe",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Settings from a file of `zoo tune`; other options come before it.",
    ),
    click.option("--seed", metavar="N", type=whole_number(0, 2**32 - 1), default=0, help="Random seed."),
    device_option,
    click.option("--precision", metavar="PRECISION", show_default=_FROM_RECIPE, help="Arithmetic: fp32, bf16 or fp16."),
    click.option("--compile", is_flag=True, help="Compile the network with torch.compile."),
)


def processes_option(**more: Any) -> Callable[..., Any]:
    """The option ``--processes``."""
    text = "Trainings at the same time, for several seeds."
    return click.option("--processes", metavar="N", type=whole_number(1), help=text, **more)


_COURSE = (
    click.option("--devices", metavar="N", type=whole_number(1), default=1, help="Train in N processes, one per GPU."),
    click.option("--init-from", metavar="RUN|NAME|FILE|hf:USER/NAME", help="Start from these weights."),
    click.option("--freeze", multiple=True, metavar="PATTERN", help="Freeze matching parameters; repeatable."),
    click.option(
        "--checkpoint-epochs",
        metavar="N",
        type=whole_number(0),
        default=0,
        help="Save a checkpoint for --resume every N epochs; 0 = after an epoch, at most every 2 s.",
    ),
    click.option(
        "--checkpoint-steps",
        metavar="N",
        type=whole_number(0),
        default=0,
        help="Save a checkpoint for --resume every N steps too; 0 = no.",
    ),
    click.option(
        "--seeds",
        metavar="N",
        type=whole_number(1),
        help="Train N times, from the seed of --seed; print mean and deviation.",
    ),
    processes_option(show_default="one for each GPU or core"),
    click.option("--log", metavar="PLUGIN", multiple=True, help="Log with tensorboard, mlflow, wandb; repeatable."),
    click.option("--dry-run", is_flag=True, help="Try each part of a training on a few batches and keep nothing."),
    click.option("--resume", metavar="RUN", help="Continue a stopped run; with --epochs, extend a finished one."),
)


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a recipe and its data, for a command with a fixed number of steps."""
    return with_options(command, (*DATA, _NO_EPOCHS, *_RECIPE))


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `zoo train`, in the order of its help."""
    return with_options(command, (*DATA, _EPOCHS, _TIME, *_RECIPE, *_COURSE))


def with_options(command: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    """``command`` with ``options``, in this order in its help."""
    for option in reversed(options):
        command = option(command)
    return command
