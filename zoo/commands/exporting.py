"""``zoo export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import zoo
from zoo import terminal, views
from zoo.commandline import (
    ExportCommand,
    chosen_formats,
    complete_trained,
    data_dir_option,
    exporter_options,
    json_option,
    print_json,
    registry_of,
    runs_dir_option,
)


@click.command(cls=ExportCommand)
@click.argument("name", metavar="NAME|RUN", shell_complete=complete_trained)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file, or a folder for it. [./NAME.onnx]")
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def export(ctx: click.Context, /, name: str, as_json: bool, **given: Any) -> None:
    """Write a trained network as a proven file.

    It is the best checkpoint of the architecture's best run, or of the RUN given. The file is put in place only if
    it passes every check. What was checked stands beside it, in FILE.json.

    \b
    zoo export resnet-mini --onnx
    zoo export runs/resnet-mini/20260101-120000 --onnx -o model.onnx
    """
    registry = registry_of(ctx)
    formats = chosen_formats(registry, given)
    if len(formats) != 1:
        raise zoo.UsageError(f"Choose one format: {', '.join(f'--{known}' for known in registry.exporters)}.")
    options = exporter_options(registry, formats[0], given)
    options |= {"data_dir": given["data_dir"], "runs_dir": given["runs_dir"]}
    certificate = zoo.export(name, formats[0], given["output"], registry=registry, **options)
    if as_json:
        print_json(certificate.to_dict())
    else:
        terminal.show(*views.certificate(certificate))
