"""``zoo reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import zoo
from zoo.commandline import (
    TrainingDisplay,
    ZooCommand,
    data_dir_option,
    json_option,
    print_json,
    registry_of,
    runs_dir_option,
    show,
    views,
    whole_number,
)

from .training_options import device_option, processes_option


@click.command(cls=ZooCommand)
@click.argument("name")
@click.option("--trials", metavar="N", type=whole_number(1), show_default="all", help="Repeat only N trainings.")
@processes_option(default=1)
@click.option("--reuse", is_flag=True, help="Use existing runs with the same recipe, data and seed.")
@click.option(
    "--record", metavar="FOLDER", type=click.Path(path_type=Path), help="Write results and weights into this folder."
)
@device_option
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
