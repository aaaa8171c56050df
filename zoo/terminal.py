"""What the terminal shows: tables, and a training as it goes on.

Everything is plain text unless the stream is a terminal; rich is imported only then.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TextIO

from .hookspecs import hookimpl

if TYPE_CHECKING:
    from rich.console import Console

    from .runs import Run


__all__ = ["TrainingDisplay", "duration", "show", "table"]


def table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], numeric: Sequence[str] = (), wrap: Sequence[str] = ()
) -> str | Any:
    """Rows under a header, for standard output: a rich table on a terminal, aligned text elsewhere.

    Args:
        numeric: names of columns to align to the right.
        wrap: names of columns that may wrap where the terminal is narrow; the others stay whole.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(columns), *cells]) for i in range(len(columns))]
    if sys.stdout.isatty():
        from rich.table import Table

        rich_table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for column, width in zip(columns, widths, strict=True):
            justify: Literal["left", "right"] = "right" if column in numeric else "left"
            rich_table.add_column(
                column, justify=justify, overflow="fold", min_width=min(width, 12) if column in wrap else width
            )
        for row in cells:
            rich_table.add_row(*(_escape(cell) for cell in row))
        return rich_table
    lines = []
    for row in [list(columns), *cells]:
        parts = [c.rjust(w) if n in numeric else c.ljust(w) for c, w, n in zip(row, widths, columns, strict=True)]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)


def show(*things: Any) -> None:
    """Print texts and tables to standard output."""
    for thing in things:
        if isinstance(thing, str):
            print(thing)
        else:
            from rich.console import Console
            from rich.measure import Measurement

            console = Console()
            # where not even wrapping makes it fit, the terminal may break lines; nothing is cut off
            needed = Measurement.get(console, console.options.update(width=10_000), thing).minimum
            Console(width=max(console.width, needed)).print(thing)


def duration(seconds: float) -> str:
    """``7 s``, ``1:05``, ``2:03:04``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def talk_stream() -> TextIO:
    """Where everything is said that is not a result."""
    return sys.stderr


class TrainingDisplay:
    """Shows a training on standard error: a live line on a terminal, one line an epoch in both cases.

    Give it to a registry's :meth:`~zoo.Registry.listen`.
    """

    def __init__(self) -> None:
        self._console: Console | None = None
        self._status: Any = None
        self._began = time.monotonic()
        if talk_stream().isatty():
            from rich.console import Console

            self._console = Console(file=talk_stream(), highlight=False)

    @hookimpl
    def train_started(self, run: Run, start: Any) -> None:
        """Say what is trained on what."""
        self._began = time.monotonic()
        samples = start.samples
        self._say(
            f"{run.config['architecture']} ({start.parameters:,} parameters) on {start.dataset}: "
            f"{samples['train']:,} training, {samples['validation']:,} validation, {samples['test']:,} test samples"
        )
        epochs = "1 epoch" if start.epochs == 1 else f"{start.epochs} epochs"
        self._say(f"{epochs} of {start.steps_per_epoch} steps on {start.device}, into {run.folder}")
        if start.first_epoch > 1:
            self._say(f"going on with epoch {start.first_epoch}")
        self._say(f"{'epoch':>5}  {'loss':>7}  {'train':>7}  {'validation':>10}  {'time':>7}")
        if self._console:
            self._status = self._console.status("", spinner="dots")
            self._status.start()

    @hookimpl
    def train_progressed(self, run: Run, progress: Any) -> None:
        """Move the live line."""
        if self._status:
            done = ((progress.epoch - 1) * progress.steps + progress.step) / (progress.epochs * progress.steps)
            filled = round(24 * done)
            self._status.update(
                f"[cyan]{'━' * filled}[/][dim]{'━' * (24 - filled)}[/] epoch {progress.epoch}/{progress.epochs}  "
                f"loss {progress.loss:.4f}  {progress.metric_name} {progress.metric:.2%}  "
                f"{progress.samples_per_second:,.0f} samples/s  {duration(progress.seconds_left)} left"
            )

    @hookimpl
    def epoch_ended(self, run: Run, metrics: dict[str, Any]) -> None:
        """One line for the epoch; a star where its checkpoint is kept."""
        validation = metrics["validation"]
        name = next(key for key in validation if key != "loss")
        star = "  *" if (run.config["best"] or {}).get("epoch") == metrics["epoch"] else ""
        self._say(
            f"{metrics['epoch']:>5}  {metrics['train']['loss']:>7.4f}  {metrics['train'][name]:>7.2%}  "
            f"{validation[name]:>10.2%}  {duration(time.monotonic() - self._began):>7}{star}"
        )

    @hookimpl
    def train_ended(self, run: Run) -> None:
        """Take the live line away."""
        if self._status:
            self._status.stop()
            self._status = None

    def _say(self, line: str) -> None:
        if self._console:
            self._console.print(_escape(line), soft_wrap=True)
        else:
            print(line, file=talk_stream(), flush=True)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
