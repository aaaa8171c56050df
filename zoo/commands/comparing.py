"""``zoo compare`` and ``zoo bench``: quality and speed of several models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

import zoo
from zoo.commandline import (
    PICTURE,
    ZooCommand,
    check_dataset_name,
    data_dir_option,
    json_option,
    number,
    print_json,
    registry_of,
    runs_dir_option,
    show,
    tables,
    whole_number,
)


@click.command(cls=ZooCommand)
@click.argument("names", metavar="NAME|RUN|FILE.onnx...", nargs=-1)
@click.option("--dataset", metavar="NAME", help="In place of names: compare all results and runs on this dataset.")
@click.option("--latency", is_flag=True, help="Measure the latency of one sample too.")
@click.option("--plot", metavar="FILE.png", type=PICTURE, help="Plot the metric against each cost.")
@click.option("--curves", metavar="FILE.png", type=PICTURE, help="Plot the validation curves of the runs.")
@runs_dir_option
@json_option
@click.pass_context
def compare(
    ctx: click.Context, /, names: tuple[str, ...], plot: Path | None, curves: Path | None, as_json: bool, **given: Any
) -> None:
    """Compare models that were evaluated on the same data.

    An architecture stands for its recorded results. A run stands for all runs that differ from it only in the seed.
    Differences from the best are tested for significance: Games and Howell's test, corrected for the choice of the
    best. It covers the chance of the seeds only. A star marks the Pareto front: no other model is better and costs no
    more.

    \b
    Examples:
      zoo compare resnet-mini cnn-mini lenet --plot mnist.png
      zoo compare --dataset digits
      zoo compare resnet-mini/20260101-120000 lenet/20260101-130000
    """
    registry = registry_of(ctx)
    if given["dataset"] is not None and not names:
        check_dataset_name(given["dataset"], registry, zoo.list_runs(zoo.runs_folder(given["runs_dir"])))
    found = zoo.compare(names, registry=registry, **given)
    pictures = []
    if plot is not None:
        pictures.append(zoo.draw_comparison(found, plot))
    if curves is not None:
        pictures.append(zoo.draw_run_curves(found, curves))
    if as_json:
        print_json(found.to_dict() | {"pictures": [str(path) for path in pictures]})
        return
    show(*tables.comparison(found), *(f"picture  {path}" for path in pictures))


@click.command(cls=ZooCommand)
@click.argument("names", metavar="NAME|RUN|FILE.onnx...", nargs=-1, required=True)
@click.option(
    "--batch-size",
    "batches",
    metavar="N",
    type=whole_number(1),
    multiple=True,
    default=(1, 8, 64),
    help="Samples in one call; repeatable.",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="cuda measures both cpu and cuda.")
@click.option("--compile", "compiled", is_flag=True, help="Measure torch.compile too.")
@click.option("--int8", "reductions", flag_value="int8", multiple=True, help="Measure the 8-bit exported file too.")
@click.option("--fp16", "reductions", flag_value="fp16", multiple=True, help="Measure the 16-bit exported file too.")
@click.option("--threads", metavar="N", type=whole_number(0), default=1, help="Threads per call; 0 = library default.")
@click.option("--seconds", metavar="S", type=number(0), default=1.0, help="Time per model and batch size.")
@click.option("--plot", metavar="FILE.png", type=PICTURE, help="Plot latency and throughput against batch size.")
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def bench(ctx: click.Context, /, names: tuple[str, ...], plot: Path | None, as_json: bool, **given: Any) -> None:
    """Measure latency, throughput and memory use of models.

    An architecture or run is measured in torch and, after an export, in onnxruntime; a file only in onnxruntime. The
    models take turns. A call takes raw samples in memory and returns predictions in memory. Memory is what a loaded
    model and one batch add to the process.

    \b
    Examples:
      zoo bench resnet-mini --int8
      zoo bench net.onnx net-int8.onnx --batch-size 1 --batch-size 32
      zoo bench resnet-mini --device cuda --compile --plot speed.png
    """
    if all(map(zoo.is_onnx_file, names)):
        _refuse_for_files(given)
    found = zoo.bench(names, registry=registry_of(ctx), **given)
    pictures = [zoo.draw_bench(found, plot)] if plot is not None else []
    if as_json:
        print_json(found.to_dict() | {"pictures": [str(path) for path in pictures]})
        return
    show(*tables.bench(found), *(f"picture  {path}" for path in pictures))


def _refuse_for_files(given: Mapping[str, Any]) -> None:
    """Refuse options that need a network in torch; exported files are measured as they are.

    Raises:
        UsageError: one was given.
    """
    flags = [f"--{name}" for name in given["reductions"]] + (["--compile"] if given["compiled"] else [])
    if flags:
        remedy = "`zoo export NAME --onnx --int8` writes a smaller file, which `zoo bench` takes too."
        raise zoo.UsageError(f"{flags[0]} is for architectures and runs; a file is measured as it is. {remedy}")
