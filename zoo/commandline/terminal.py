"""Progress on standard error while a command works: a training, or a count.

rich draws the training; it is imported only for that and only if standard error is a terminal.
"""

from __future__ import annotations

import io
import math
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeVar

from ..formatting import counted, duration, main_metric, metric_name, metric_text, printable, wrapped
from ..specs.hookspecs import hookimpl

if TYPE_CHECKING:
    from rich.console import Console

    from ..runs.run import Run
    from ..specs.columns import ColumnSummary


_T = TypeVar("_T")
MOST_COLUMNS, LARGEST_WIDTH = 40, 80
"""The summary of a table shows so many columns, in lines of so many characters."""
MOST_LINES = 25
"""A training of more than twice as many epochs prints about this many lines, not one an epoch."""

__all__ = ["CountDisplay", "TrainingDisplay", "show"]


def show(*texts: str) -> None:
    """Print lines of a result on standard output. Control characters are escaped, except ends of lines."""
    for text in texts:
        print(printable(text, lines=True))


def message_stream() -> TextIO:
    """Standard error, the stream of everything that is not a result."""
    return sys.stderr


class CountDisplay:
    """A live line with the number of items done and the rate.

    It is shown if standard error is a terminal and standard output, which gets the results, is not.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._live = message_stream().isatty() and not sys.stdout.isatty()

    def watch(self, items: Iterable[_T]) -> Iterator[_T]:
        """Yield ``items`` and count them."""
        began = shown = time.monotonic()
        for count, item in enumerate(items, 1):
            now = time.monotonic()
            if self._live and now - shown > 0.1:
                shown = now
                message_stream().write(f"\r\x1b[K{count:,} {self._what}, {count / (now - began):,.0f} a second")
                message_stream().flush()
            yield item
        self.clear()

    def clear(self) -> None:
        """Remove the live line."""
        if self._live:
            message_stream().write("\r\x1b[K")
            message_stream().flush()


class TrainingDisplay:
    """Shows a training on standard error: one line an epoch, and on a terminal a live line too.

    Pass it to a registry's :meth:`~zoo.Registry.listen`.
    """

    def __init__(self) -> None:
        self._console: Console | None = None
        self._status: Any = None
        self._began = time.monotonic()
        self._every, self._last, self._kept = 1, 0, False
        if message_stream().isatty():
            from rich.console import Console

            self._console = Console(file=message_stream(), highlight=False)

    @hookimpl
    def train_started(self, run: Run, start: Any) -> None:
        """Print the network, the data, the length and the device of the training."""
        self._began = time.monotonic()
        samples = start.samples
        for line in column_lines(start.columns):
            self._print(line)
        self._print_wrapped(
            f"{run.config['architecture']} ({counted(start.parameters, 'parameter')}) on {start.dataset}: "
            f"{samples['train']:,} training, {samples['validation']:,} validation, "
            f"{counted(samples['test'], 'test sample')}"
        )
        epochs, steps = counted(start.epochs, "epoch"), counted(start.steps_per_epoch, "step")
        self._print_wrapped(f"{epochs} of {steps} on {start.device}, into {run.folder}")
        if start.first_epoch > 1:
            self._print(f"resuming at epoch {start.first_epoch}")
            self._began -= _seconds_before(run)
        self._every = math.ceil(start.epochs / MOST_LINES) if start.epochs > 2 * MOST_LINES else 1
        self._last = start.epochs
        measured = "" if start.metric == "accuracy" else f"  (train and validation: {metric_name(start.metric)})"
        self._print(f"{'epoch':>5}  {'loss':>7}  {'train':>7}  {'validation':>10}  {'time':>7}{measured}")
        if self._console:
            self._status = self._console.status("", spinner="dots")
            self._status.start()

    @hookimpl
    def train_progressed(self, run: Run, progress: Any) -> None:
        """Update the live line."""
        if self._status:
            done = ((progress.epoch - 1) * progress.steps + progress.step) / (progress.epochs * progress.steps)
            filled = round(24 * done)
            self._status.update(
                f"[cyan]{'━' * filled}[/][dim]{'━' * (24 - filled)}[/] epoch {progress.epoch}/{progress.epochs}  "
                f"loss {progress.loss:.4f}  {metric_name(progress.metric_name)} "
                f"{metric_text(progress.metric_name, progress.metric)}  "
                f"{progress.samples_per_second:,.0f} samples/s  {duration(progress.seconds_left)} left"
            )

    @hookimpl
    def epoch_ended(self, run: Run, metrics: dict[str, Any]) -> None:
        """Print a line for the epoch, or for the last few if there are many; a star marks a new best checkpoint."""
        epoch, validation = metrics["epoch"], metrics["validation"]
        if (run.config["best"] or {}).get("epoch") == epoch:
            self._kept = True
        if epoch % self._every and epoch != self._last:
            return
        name = main_metric(validation)
        train, valid = metric_text(name, metrics["train"][name]), metric_text(name, validation[name])
        time_text = duration(time.monotonic() - self._began)
        star = "  *" if self._kept else ""
        self._print(f"{epoch:>5}  {metrics['train']['loss']:>7.4f}  {train:>7}  {valid:>10}  {time_text:>7}{star}")
        self._kept = False

    @hookimpl
    def train_ended(self, run: Run) -> None:
        """Remove the live line."""
        if self._status:
            self._status.stop()
            self._status = None

    def _print_wrapped(self, text: str) -> None:
        for line in wrapped(text, indent=2, stream=message_stream()).splitlines():
            self._print(line)

    def _print(self, text: str) -> None:
        line = printable(text)
        if self._console:
            self._console.print(_escape(line), soft_wrap=True)
        else:
            print(line, file=message_stream(), flush=True)


def column_lines(columns: Sequence[ColumnSummary]) -> list[str]:
    """The summary of a user table: a line for each column, at most 80 characters wide."""
    if not columns:
        return []
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, show_edge=False, pad_edge=False, header_style="")
    for place, (name, most) in enumerate(
        (("COLUMN", 20), ("READ AS", 26), ("DISTINCT", 8), ("MISSING", 7), ("RANGE", 99))
    ):
        align: Literal["left", "right"] = "right" if place in (2, 3) else "left"
        widest = max(cell_len(str(cell)) for cell in (name, *((c.name, c.use)[place] for c in columns if place < 2)))
        least = min(widest, most) if place < 4 else 0
        grid.add_column(name, min_width=least, max_width=most, justify=align, no_wrap=True, overflow="ellipsis")
    for column in columns[:MOST_COLUMNS]:
        distinct = "many" if column.distinct is None else f"{column.distinct:,}"
        cells = (column.name, column.use, distinct, f"{column.missing:,}", column.range)
        grid.add_row(*(Text(printable(cell)) for cell in cells))
    text = io.StringIO()
    width = max(40, min(LARGEST_WIDTH, shutil.get_terminal_size((LARGEST_WIDTH, 24)).columns))
    Console(file=text, width=width, height=24, color_system=None, legacy_windows=False).print(grid)
    lines = [line.rstrip() for line in text.getvalue().splitlines()]
    more = len(columns) - MOST_COLUMNS
    return [*lines, *([f"… and {counted(more, 'column')} more"] if more > 0 else []), ""]


def _seconds_before(run: Run) -> float:
    """The time of the epochs that were trained before a run was resumed."""
    return math.fsum(entry["train_seconds"] + entry["validation_seconds"] for entry in run.metrics())


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
