"""``zoo eval``: evaluate a trained model on a split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import zoo
from zoo.commandline import (
    ZooCommand,
    complete_dataset,
    data_dir_option,
    data_settings,
    data_settings_option,
    json_option,
    print_json,
    registry_of,
    runs_dir_option,
    show,
    tables,
    target_option,
)


@click.command("eval", cls=ZooCommand)
@click.argument("name", metavar="NAME|RUN|FILE.onnx")
@click.option(
    "--split",
    metavar="SPLIT",
    type=click.Choice(["test", "validation", "train"]),
    default="test",
    help="Split to evaluate on: test, validation or train.",
)
@click.option(
    "--dataset",
    metavar="NAME|PATH",
    shell_complete=complete_dataset,
    show_default="the training dataset",
    help="Dataset to evaluate on: a name, a folder of images or a CSV file.",
)
@target_option
@data_settings_option
@click.option("-o", "--output", metavar="FOLDER", type=click.Path(path_type=Path), help="Save plots in this folder.")
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def evaluate(ctx: click.Context, /, name: str, output: Path | None, as_json: bool, **given: Any) -> None:
    """Evaluate a trained model on a whole split.

    Prints every metric with its 95% confidence interval. For a classifier: scores per class, the confusion matrix,
    calibration and the worst mistakes. For a regression: the residuals. A checkpoint and the file exported from it
    give the same results.

    \b
    Examples:
      zoo eval resnet-mini
      zoo eval resnet-mini.onnx -o plots
      zoo eval runs/resnet-mini/20260101-120000 --split validation --json
      zoo eval photos-net.onnx --dataset photos/
    """
    registry = registry_of(ctx)
    model = zoo.open_model(name, runs_dir=given["runs_dir"], registry=registry)
    options = data_settings(registry, given["dataset"] or model.description.dataset, given)
    chosen = {key: given[key] for key in ("split", "dataset", "data_dir", "runs_dir")}
    assessment = zoo.assess(model, data_options=options, registry=registry, **chosen)
    pictures = zoo.draw_assessment(assessment, output) if output is not None else []
    if as_json:
        print_json(assessment.to_dict() | {"pictures": [str(path) for path in pictures]})
        return
    show(*tables.assessment(assessment), *(f"picture  {path}" for path in pictures))
