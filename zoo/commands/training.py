"""``zoo train``, ``zoo find-lr``, ``zoo fetch`` and ``zoo reproduce``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import zoo
from zoo.commandline import (
    PICTURE,
    SETTING,
    TrainingDisplay,
    ZooCommand,
    arguments_of,
    check_resumed_name,
    complete_architecture,
    complete_dataset,
    data_dir_option,
    data_settings_option,
    dataset_settings,
    epochs_given,
    json_option,
    print_json,
    refuse_beside_resume,
    registry_of,
    runs_dir_option,
    show,
    target_option,
    training_settings,
    views,
    was_given,
    whole_number,
)

_FROM_RECIPE = "from the recipe"
_device_option = click.option(
    "--device", metavar="DEVICE", default="auto", help="Device: auto, cpu, cuda, cuda:N or mps."
)
_EPOCHS = click.option("--epochs", metavar="N", show_default=_FROM_RECIPE, help="Passes over the training split.")
_NO_EPOCHS = click.option("--epochs", metavar="N", hidden=True, help="Refused: the number of steps is fixed.")
_DATA = (
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
    click.option("--seed", metavar="N", type=whole_number(0, 2**32 - 1), default=0, help="Random seed."),
    _device_option,
    click.option("--precision", metavar="PRECISION", show_default=_FROM_RECIPE, help="Arithmetic: fp32, bf16 or fp16."),
    click.option("--compile", is_flag=True, help="Compile the network with torch.compile."),
)
_COURSE = (
    click.option("--devices", metavar="N", type=whole_number(1), default=1, help="Train in N processes, one per GPU."),
    click.option("--init-from", metavar="RUN|NAME|FILE", help="Start from the weights of a run, architecture or file."),
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
    click.option("--log", metavar="PLUGIN", multiple=True, help="Log with this plugin, such as tensorboard."),
    click.option("--dry-run", is_flag=True, help="Try each part of a training on a few batches and keep nothing."),
    click.option("--resume", metavar="RUN", help="Continue a stopped run; with --epochs, extend a finished one."),
)


def _recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a recipe and its data, for a command with a fixed number of steps."""
    return _with(command, (*_DATA, _NO_EPOCHS, *_RECIPE))


def _training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `zoo train`, in the order of its help."""
    return _with(command, (*_DATA, _EPOCHS, *_RECIPE, *_COURSE))


def _with(command: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command


@click.command(cls=ZooCommand)
@click.argument("name", shell_complete=complete_dataset)
@data_dir_option
@click.pass_context
def fetch(ctx: click.Context, name: str, data_dir: Path | None) -> None:
    """Download a dataset and check it.

    The dataset goes into the data folder. A dataset that is there already is only checked.

    \b
    Examples:
      zoo fetch mnist
      zoo fetch mnist --data-dir ~/data
    """
    spec = registry_of(ctx).dataset(name)
    folder = zoo.data_folder(data_dir)
    loaded = zoo.load_dataset(spec, folder)
    click.echo(f"{name} is {f'in {folder}' if spec.files else 'bundled'}. SHA-256 of the data: {loaded.fingerprint}")


@click.command(cls=ZooCommand)
@click.argument("name", required=False, shell_complete=complete_architecture)
@_training_options
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def train(ctx: click.Context, /, name: str | None, resume: str | None, as_json: bool, **given: Any) -> None:
    """Train a network and keep its best checkpoint.

    NAME is an architecture of `zoo list`. The best checkpoint is selected on the validation split and evaluated once
    on the test split. With --resume, NAME may be left out.

    \b
    Examples:
      zoo train googlenet-mini
      zoo train resnet-mini --dataset digits --epochs 20 --lr 0.1
      zoo train resnet-mini --set label_smoothing=0.1 --seed 3
      zoo train resnet-mini --dataset photos/ --data-option size=32
      zoo train diabetes-mlp --dataset patients.csv --target ill
      zoo train --resume runs/resnet-mini/20260101-120000
    """
    registry = registry_of(ctx)
    if resume is not None:
        refuse_beside_resume(ctx)
        if name is not None:
            check_resumed_name(name, resume, given["runs_dir"], registry)
    if given["devices"] > 1 and not zoo.launched():
        ctx.exit(zoo.launch(given["devices"], arguments_of(ctx)))
    common = {"registry": registry, "data_dir": given["data_dir"], "runs_dir": given["runs_dir"]}
    if resume is not None:
        registry.listen(TrainingDisplay())
        device = given["device"] if was_given(ctx, "device") else None
        run = zoo.resume(resume, epochs=epochs_given(given), device=device, **common)
    elif name is not None:
        architecture = registry.architecture(name)
        settings = training_settings(registry, architecture, given)
        data_options = dataset_settings(registry, architecture, given)
        registry.listen(TrainingDisplay())
        chosen = {key: given[key] for key in ("dataset", "seed", "device", "init_from", "freeze", "dry_run")}
        chosen |= {key: given[key] for key in ("checkpoint_epochs", "checkpoint_steps", "log")}
        run = zoo.train(name, data_options=data_options, **chosen, **common, **settings)
    else:
        raise zoo.UsageError("Give the NAME of an architecture, or --resume RUN. `zoo list` shows the names.")
    if not run.writes:
        return  # of several processes, the first one prints the result
    if as_json:
        print_json({"run": str(run.folder), **run.config})
    else:
        constant = registry.task(run.config["task"]).constant
        show(*(views.dry_run(run) if given["dry_run"] else views.trained(run, constant)))


@click.command("find-lr", cls=ZooCommand)
@click.argument("name")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=PICTURE,
    show_default="./NAME-lr.png",
    help="File of the plot.",
)
@_recipe_options
@data_dir_option
@json_option
@click.pass_context
def find_lr(ctx: click.Context, /, name: str, as_json: bool, **given: Any) -> None:
    """Find a learning rate with a short test training.

    Trains for 200 steps while the learning rate rises from 1e-6 to 10, and plots the loss. The suggested rate is a
    tenth of the rate with the lowest loss, or the rate at which the loss begins to fall, if that is higher.

    \b
    Examples:
      zoo find-lr lenet
      zoo find-lr lenet --dataset photos/ --set optimizer=adamw
    """
    registry = registry_of(ctx)
    architecture = registry.architecture(name)
    settings = training_settings(registry, architecture, given)
    data_options = dataset_settings(registry, architecture, given)
    chosen = {key: given[key] for key in ("output", "dataset", "seed", "device", "data_dir")}
    found = zoo.find_lr(name, registry=registry, data_options=data_options, **chosen, **settings)
    if as_json:
        print_json(asdict(found) | {"plot": str(found.plot)})
    else:
        show(*views.learning_rate(found, "--lr" if "lr" in settings else "recipe"))


@click.command(cls=ZooCommand)
@click.argument("name")
@click.option("--trials", metavar="N", type=whole_number(1), show_default="all", help="Repeat only N trainings.")
@click.option("--reuse", is_flag=True, help="Use existing runs with the same recipe, data and seed.")
@click.option(
    "--record", metavar="FOLDER", type=click.Path(path_type=Path), help="Write results and weights into this folder."
)
@_device_option
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def reproduce(ctx: click.Context, /, name: str, record: Path | None, as_json: bool, **given: Any) -> None:
    """Repeat the recorded trainings and compare the results.

    Trains with the default recipe, once for each seed. The exit code is 1 if the mean differs from the recorded mean
    by more than chance allows. --record is for authors of plugins.

    \b
    Examples:
      zoo reproduce softmax-regression
      zoo reproduce resnet-mini --trials 1
    """
    registry = registry_of(ctx)
    registry.listen(TrainingDisplay())
    made = zoo.reproduce(name, registry=registry, **given)
    if record is not None:
        zoo.record(made, record, registry)
    if as_json:
        print_json({"reproduced": made.reproduced, "difference": made.difference, **made.record})
    else:
        show(*views.reproduction(made))
    if record is None and made.recorded is not None and not made.reproduced:
        raise zoo.ZooError(f"{name} does not reproduce its recorded result.")
