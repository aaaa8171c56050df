"""``zoo export``, ``zoo verify`` and ``zoo publish``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import zoo
from zoo.commandline import (
    ZooCommand,
    complete_trained,
    data_dir_option,
    export_views,
    json_option,
    print_json,
    registry_of,
    runs_dir_option,
    show,
    was_given,
    whole_number,
)

from .export_options import ExportCommand, chosen_formats, chosen_reduction, exporter_options

provider_option = click.option(
    "--provider",
    "providers",
    multiple=True,
    type=click.Choice(["cpu", "cuda"], case_sensitive=False),
    show_default="all that run here",
    help="Execution provider to check; repeatable.",
)


@click.command(cls=ExportCommand)
@click.argument("name", metavar="NAME|RUN", shell_complete=complete_trained)
@click.option(
    "-o",
    "--output",
    metavar="FILE|FOLDER",
    type=click.Path(path_type=str),  # not a Path, which loses a slash at the end
    show_default="./NAME.FORMAT",
    help="File to write, or its folder; a new folder ends with a slash.",
)
@click.option(
    "--bundle",
    metavar="FOLDER",
    type=click.Path(path_type=str),
    help="New or empty folder for the file and everything needed to use it.",
)
@click.option(
    "--no-preprocess", "raw", is_flag=True, help="Leave out the normalisation: the file takes normalised floats."
)
@click.option(
    "--max-drop",
    metavar="X",
    type=float,
    default=1.0,
    help="Largest drop of a smaller form: points of accuracy, or percent of the error.",
)
@provider_option
@click.option("--reproducible", is_flag=True, help="Export twice, in two processes; fail if the bytes differ.")
@click.option(
    "--sign",
    metavar="KEY",
    help="Sign file and certificate with this private key (PEM), or with an identity: sigstore.",
)
@click.option("--log", metavar="PLUGIN", multiple=True, help="Add the file to the run at this tracker, such as mlflow.")
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def export(ctx: click.Context, /, name: str, as_json: bool, raw: bool, **given: Any) -> None:
    """Export a trained network to a verified file.

    Exports the best checkpoint of RUN, or of the best run of the architecture NAME. The file is written only if it
    passes all checks. Its certificate, FILE.json, lists them.

    \b
    Examples:
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
    if was_given(ctx, "max_drop") and not reduction:
        raise zoo.UsageError("--max-drop goes with a smaller form, such as --int8.")
    options = exporter_options(ctx, formats[0], given)
    kept = ("data_dir", "runs_dir", "bundle", "providers", "reproducible", "max_drop", "sign", "log")
    options |= {key: given[key] for key in kept} | {"reduction": reduction, "preprocess": not raw}
    certificate = zoo.export(name, formats[0], given["output"], registry=registry, **options)
    if as_json:
        print_json(certificate.to_dict())
    else:
        show(*export_views.certificate(certificate))


@click.command(cls=ZooCommand)
@click.argument("file", metavar="FILE|hf:USER/NAME", type=click.Path(path_type=Path))
@click.option(
    "--against",
    metavar="NAME|RUN",
    show_default="the checkpoint that the file names",
    help="Compare with this checkpoint.",
)
@click.option("--no-preprocess", "raw", is_flag=True, help="With --against: the file takes normalised floats.")
@provider_option
@click.option("--allow-partial", is_flag=True, help="Accept checks that cannot be made here: exit code 0, not 3.")
@click.option(
    "--max-drop",
    metavar="X",
    type=float,
    default=1.0,
    show_default=True,
    help="Largest accepted drop of a smaller form: points of accuracy, or percent of the error.",
)
@click.option(
    "--seed",
    metavar="N",
    type=whole_number(0, 2**32 - 1),
    show_default="drawn anew",
    help="Seed of the random inputs and batch sizes, to repeat a result.",
)
@click.option("--trust", is_flag=True, help="Open a .pt2 file, and run the code that it may contain.")
@click.option(
    "--key",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Public key or certificate (PEM): require its signature of FILE and certificate, FILE.sig.",
)
@click.option("--identity", metavar="NAME", default="", help="Require the signature of this Sigstore identity.")
@click.option("--identity-provider", metavar="URL", default="", help="With --identity: who vouches for it.")
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def verify(ctx: click.Context, /, file: Path, as_json: bool, raw: bool, allow_partial: bool, **given: Any) -> None:
    """Check an exported file again, on this machine.

    Compares the file with everything in its certificate. If the checkpoint and its data are available, it also writes
    the file again from the checkpoint, checks the outputs on every provider for new random inputs, and the whole test
    split. The table gives the reason for each check that could not be made. A file from another tool gets the checks
    that are possible.

    \b
    Exit codes:
      0  everything that the export proved holds again
      1  a check failed
      2  wrong usage
      3  no check failed, but some could not be made here

    \b
    Examples:
      zoo verify resnet-mini.onnx
      zoo verify resnet-mini.onnx --provider cuda
      zoo verify other.onnx --against resnet-mini
      zoo verify hf:USER/NAME
    """
    found = zoo.verify(file, preprocess=not raw, registry=registry_of(ctx), **given)
    if as_json:
        print_json(found.to_dict())
    else:
        show(*export_views.verification(found))
    if not found.passed:
        failed = next(check for check in found.checks if not check.passed)
        raise zoo.ExportRefused(f"{found.file} failed a check. {failed.gate}: {failed.summary}.")
    if not found.complete and not allow_partial:
        gate, reason = next(iter(found.not_checked.items()))
        raise zoo.VerificationIncomplete(
            f"{found.file} is verified in part only. {gate}: {reason.rstrip('.')}. --allow-partial accepts this."
        )


@click.command(cls=ZooCommand)
@click.argument("name", metavar="NAME|RUN", shell_complete=complete_trained)
@click.option("--to", metavar="USER/NAME", help="Upload the folder to this repository of the Hugging Face Hub.")
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    show_default="published/ in the folder of the run",
    help="New or empty folder, or one of an earlier `zoo publish`.",
)
@click.option("--private", is_flag=True, help="With --to: the repository is private.")
@click.option("--license", metavar="NAME", help="Licence of the weights, such as apache-2.0, for the model card.")
@click.option("--notes", metavar="FILE.md", help="End the model card with the text of this file.")
@click.option("--sign", metavar="KEY", help="Sign the exported file and its certificate, as `zoo export --sign`.")
@data_dir_option
@runs_dir_option
@json_option
@click.pass_context
def publish(ctx: click.Context, /, name: str, to: str | None, as_json: bool, **given: Any) -> None:
    """Write a folder for others: weights, verified ONNX file, certificate and model card.

    NAME stands for its best run. With --to the folder is uploaded, with your login of `hf auth login` or the token in
    $HF_TOKEN. Others use it with `zoo verify hf:USER/NAME` and `zoo train NAME --init-from hf:USER/NAME`.

    \b
    Examples:
      zoo publish resnet-mini
      zoo publish runs/resnet-mini/20260101-120000 -o resnet/
      zoo publish resnet-mini --to USER/resnet-mini --private --license apache-2.0
    """
    made = zoo.publish(name, to, registry=registry_of(ctx), **given)
    if as_json:
        print_json({"folder": str(made.folder), "files": list(made.files), "uploaded": made.uploaded or None})
        return
    click.echo(f"folder  {made.folder}  ({len(made.files)} files)")
    if made.uploaded:
        click.echo(f"hub     {made.address}")
        click.echo(f"verify  zoo verify {made.uploaded}")
    else:
        click.echo(f"upload  zoo publish {name} --to USER/NAME")
