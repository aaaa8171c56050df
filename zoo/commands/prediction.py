"""``zoo predict``: predict the user's own images, table rows, texts and signals."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

import zoo
from zoo.commandline import (
    CountDisplay,
    ZooCommand,
    json_option,
    printable,
    registry_of,
    runs_dir_option,
    tables,
)

if TYPE_CHECKING:
    from zoo import Prediction


@click.command(cls=ZooCommand)
@click.argument("name", metavar="NAME|RUN|FILE.onnx")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "--invert",
    type=click.Choice(["auto", "yes", "no"]),
    default="auto",
    help="Invert images: swap light and dark. auto: if the training images have the opposite background.",
)
@click.option(
    "--frame",
    type=click.Choice(["auto", "yes", "no"]),
    default="auto",
    help="Crop drawings to their strokes and centre them, as in MNIST. auto: if the training images are like this.",
)
@click.option(
    "--fit",
    type=click.Choice(["crop", "pad", "stretch"]),
    default="crop",
    help="How to fit images with another aspect ratio.",
)
@click.option(
    "--encoding",
    metavar="NAME",
    default="",
    show_default="utf-8",
    help="Encoding of CSV files, such as latin-1.",
)
@click.option(
    "--show",
    metavar="FILE.png|FOLDER",
    help="Save the images that the network was given, with the answers: FILE.png for one image, else a new folder.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print the result as CSV on standard output.")
@runs_dir_option
@json_option
@click.pass_context
def predict(
    ctx: click.Context, /, name: str, inputs: tuple[str, ...], as_csv: bool, as_json: bool, **given: Any
) -> None:
    """Predict images, table rows, texts or signals.

    INPUT is an image of any format and size, a folder of images, a CSV file, a row (5.1,3.5,1.4,0.2 or
    temp=0.5,hum=0.8), or - for standard input: an image, file names one a line, or CSV rows. Images are converted to
    the format of the training images, and a note says how. Inputs that cannot be read are reported; the others are
    still predicted.

    For a network that takes tokens, INPUT is a text file with one sequence a line; for signals, a CSV file with one
    signal a line, or an array (.npy); or - for standard input.

    \b
    Examples:
      zoo predict resnet-mini drawing.png
      zoo predict resnet-mini.onnx scans/ --csv > predictions.csv
      zoo predict diabetes-mlp patients.csv --json
      zoo predict word-gru.onnx words.txt
      find . -name '*.png' | zoo predict resnet-mini.onnx -
    """
    if as_csv and as_json:
        raise zoo.UsageError("Choose one of --csv and --json.")
    registry = None if zoo.is_onnx_file(name) else registry_of(ctx)  # a file needs no plugins
    model = zoo.open_model(name, runs_dir=given["runs_dir"], registry=registry)
    known = model.description.takes_images or model.description.takes_rows
    if not known or model.description.predicts not in ("class", "numbers"):  # a plugin reads or describes samples
        registry = registry_of(ctx)
    preparation = zoo.ImagePreparation(given["invert"], given["frame"], given["fit"])
    if given["show"] and not model.description.takes_images:
        takes = (
            "rows of a table" if model.description.takes_rows else f"inputs of the kind {model.description.input_kind}"
        )
        raise zoo.UsageError(f"--show is for images, but {model.description.name} takes {takes}.")
    shown = zoo.ShownInputs(given["show"]) if given["show"] else None
    progress = CountDisplay("predicted")
    messages = _Messages(progress, shown, rows=model.description.takes_rows)
    answers = messages.watch(
        progress.watch(
            zoo.predict(model, inputs, preparation=preparation, encoding=given["encoding"], registry=registry)
        )
    )
    if as_json:
        _print_json(answers)
    elif as_csv:
        _print_csv(answers)
    else:
        for line in tables.predictions(answers, model.description):
            click.echo(printable(line))
    if messages.empty == messages.all:
        raise zoo.UsageError("There is nothing to predict: the inputs hold no samples.")
    if messages.failed:
        raise zoo.DataError(f"{messages.failed:,} of {messages.all:,} inputs could not be read; see above.")


class _Messages:
    """Prints each conversion of images once, and every input that could not be read."""

    def __init__(self, progress: CountDisplay, shown: zoo.ShownInputs | None, *, rows: bool) -> None:
        self._shown, self._rows = shown, rows
        self._said_unsure = False
        self.all = self.failed = self.empty = 0
        self._progress = progress
        self._steps: set[str] = set()
        self._unseen: set[str] = set()

    def watch(self, answers: Iterable[Prediction]) -> Iterator[Prediction]:
        for answer in answers:
            self.all += 1
            self.failed += bool(answer.error)
            self.empty += answer.error.endswith("nothing to predict")
            if answer.error:
                self._print(f"{answer.source}: {answer.error}")
            for column, cell in (answer.unseen or {}).items():
                if column not in self._unseen:
                    self._unseen.add(column)
                    counts = "none of its values (shown once for each column)" if self._rows else "unknown (shown once)"
                    self._print(
                        f"Note: {answer.source}: {column} is {cell[:40]!r}, which the training data lack: it counts as "
                        f"{counts}."
                    )
            if self._shown is not None:
                self._shown.save(answer)
            if answer.unsure and not self._said_unsure:
                self._said_unsure = True
                self._print(f"Note: {answer.source} is unsure: such answers are wrong more often (shown once).")
            for step in answer.steps:
                if step not in self._steps:
                    self._steps.add(step)
                    self._print(f"Note: {answer.source} {tables.step_text(step)}")
            yield answer

    def _print(self, line: str) -> None:
        self._progress.clear()
        click.echo(printable(line), err=True)


def _encodable(text: str) -> str:
    """``text`` with escapes for what UTF-8 cannot hold: a file name may have any bytes. JSON means the same."""
    return text.encode("utf-8", "backslashreplace").decode()


def _print_json(answers: Iterable[Prediction]) -> None:
    """Print a JSON list as the predictions come, one entry a line."""
    first = True
    sys.stdout.write("[")
    for answer in answers:
        text = _encodable(json.dumps(answer.to_dict(), ensure_ascii=False))
        sys.stdout.write(("\n" if first else ",\n") + text)
        first = False
    sys.stdout.write("\n]\n")


def _print_csv(answers: Iterable[Prediction]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    names: list[str] | None = None
    for answer in answers:
        named = answer.probabilities or answer.values
        if named is None:
            continue
        if names is None:
            names = list(named)
            head = ["input", "label", "probability", *(f"p({n})" for n in names)] if answer.label else ["input", *names]
            writer.writerow(head)
        own = [answer.label, answer.probability] if answer.label else []
        writer.writerow([_encodable(answer.source), *own, *named.values()])
