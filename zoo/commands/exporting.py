"""``zoo export`` and ``zoo verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import zoo
from zoo.commandline import (
    ZooCommand,
    complete_trained,
    data_dir_option,
    json_option,
    print_json,
    registry_of,
    runs_dir_option,
    terminal,
    views,
)

from .export_options import ExportCommand, chosen_formats, chosen_reduction, exporter_options

provider_option = click.option(
    "--provider",
    "providers",
    multiple=True,
    type=click.Choice(["cpu", "cuda"], case_sensitive=False),
    help="An execution provider that has to be tested; repeatable. [those that run here]",
)


@click.command(cls=ExportCommand)
@click.argument("name", metavar="NAME|RUN", shell_complete=complete_trained)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file, or a folder for it. [./NAME.onnx]")
@click.option(
    "--bundle", type=click.Path(path_type=Path), help="A folder for the file and all that is needed to use it."
)
@click.option(
    "--no-preprocess", "raw", is_flag=True, help="Leave normalisation out: the file takes standardised floats."
)
@click.option(
    "--max-drop", type=float, help="Points of accuracy (percent of an error) that a smaller form may lose. [1]"
)
@provider_option
@click.option("--reproducible", is_flag=True, help="Export again in another process and folder; refuse other bytes.")
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def export(ctx: click.Context, /, name: str, as_json: bool, raw: bool, max_drop: float | None, **given: Any) -> None:
    """Write a trained network as a proven file.

    It is the best checkpoint of the architecture's best run, or of the RUN given. The file is put in place only if
    it passes every check. What was checked stands beside it, in FILE.json.

    \b
    zoo export resnet-mini --onnx
    zoo export runs/resnet-mini/20260101-120000 --onnx -o model.onnx
    zoo export resnet-mini --onnx --int8 --max-drop 0.5
    zoo export resnet-mini --onnx --bundle resnet/
    """
    registry = registry_of(ctx)
    formats = chosen_formats(registry, given)
    if len(formats) != 1:
        raise zoo.UsageError(f"Choose one format: {', '.join(f'--{known}' for known in registry.exporters)}.")
    reduction = chosen_reduction(registry, formats[0], given)
    if max_drop is not None and not reduction:
        raise zoo.UsageError("--max-drop goes with a smaller form, such as --int8.")
    options = exporter_options(registry, formats[0], given)
    kept = ("data_dir", "runs_dir", "bundle", "providers", "reproducible")
    options |= {key: given[key] for key in kept} | {"reduction": reduction, "preprocess": not raw}
    options |= {} if max_drop is None else {"max_drop": max_drop}
    certificate = zoo.export(name, formats[0], given["output"], registry=registry, **options)
    if as_json:
        print_json(certificate.to_dict())
    else:
        terminal.show(*views.certificate(certificate))


@click.command(cls=ZooCommand)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--against", metavar="NAME|RUN", help="What to judge it against. [the checkpoint that the file names]")
@click.option("--no-preprocess", "raw", is_flag=True, help="With --against: the file takes standardised floats.")
@provider_option
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def verify(ctx: click.Context, /, file: Path, as_json: bool, raw: bool, **given: Any) -> None:
    """Check an exported file again, on this machine.

    Its hash, structure and reference vectors; and where the weights that it was made from are at hand, its numbers on
    every provider and the whole test split. A file of another tool is checked as far as it goes. What could not be
    checked is told with the reason.

    \b
    zoo verify resnet-mini.onnx
    zoo verify resnet-mini.onnx --provider cuda
    zoo verify foreign.onnx --against resnet-mini
    """
    found = zoo.verify(file, preprocess=not raw, registry=registry_of(ctx), **given)
    if as_json:
        print_json(found.to_dict())
    else:
        terminal.show(*views.verification(found))
    if not found.passed:
        failed = next(check for check in found.checks if not check.passed)
        raise zoo.ExportRefused(f"{file} is not what it should be. {failed.gate}: {failed.summary}.")
