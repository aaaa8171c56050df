"""The progress of a search on standard error: a live table of the best trials, or a line a trial."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..formatting import counted, duration, metric_name, metric_names, metric_text, printable, table
from .terminal import message_stream

if TYPE_CHECKING:
    from ..tuning.result import StudyResult, TrialResult

SHOWN = 8
"""Rows of the live table."""


class TuningDisplay:
    """Shows a search. Pass it as ``watch`` to :func:`zoo.tune`.

    On a terminal a table of the best trials is drawn in place; elsewhere each trial is a line.
    """

    def __init__(self) -> None:
        self.last: StudyResult | None = None
        """The latest state of the study."""
        self._began = time.monotonic()
        self._printed: set[int] = set()
        self._live: Any = None

    def __call__(self, found: StudyResult) -> None:
        """Show a new state."""
        self.last = found
        if message_stream().isatty():
            self._draw(found)
            return
        for trial in found.trials:
            if trial.seconds is not None and trial.number not in self._printed and trial.outcome != "waiting":
                self._printed.add(trial.number)
                print(printable(trial_line(trial, found)), file=message_stream(), flush=True)

    def close(self) -> None:
        """End the live table; its last state stays."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self, found: StudyResult) -> None:
        from rich.console import Console, Group
        from rich.live import Live
        from rich.text import Text

        if self._live is None:
            console = Console(file=message_stream(), highlight=False)
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(Group(best_table(found), Text(self._status(found))), refresh=True)

    def _status(self, found: StudyResult) -> str:
        counts = {name: sum(t.outcome == name for t in found.trials) for name in ("pruned", "rejected", "failed")}
        more = "".join(f", {count} {name}" for name, count in counts.items() if count)
        of = f"{found.counted} of " if found.wanted else ""
        trials = counted(found.wanted or found.counted, "trial")
        running = sum(trial.outcome == "running" for trial in found.trials)
        busy = f", {running} running" if running else ""
        return f"{of}{trials}{more}{busy}, {duration(time.monotonic() - self._began)}"


def best_table(found: StudyResult) -> Any:
    """The best trials as a rich table."""
    from rich.table import Table
    from rich.text import Text

    from ..tuning.objectives import title
    from ..tuning.result import settings_text

    grid = Table(box=None, show_edge=False, pad_edge=False, header_style="bold")
    names = found.definition.objectives
    for name in ("trial", "architecture", *(title(name) for name in names), "parameters", "settings"):
        grid.add_column(name, no_wrap=name != "settings", overflow="ellipsis")
    front = {trial.number for trial in found.front}
    for trial in found.finished[:SHOWN]:
        star = "*" if trial.number in front else ""
        cells = (f"{trial.number}{star}", trial.architecture, *_values(trial, found), _parameters(trial))
        grid.add_row(*(Text(printable(cell)) for cell in (*cells, settings_text(trial.settings))))
    return grid


def trial_line(trial: TrialResult, found: StudyResult) -> str:
    """A trial in a line, with a star if it is on the front."""
    from ..tuning.objectives import title
    from ..tuning.result import settings_text

    names = found.definition.objectives
    values = ", ".join(f"{title(n)} {text}" for n, text in zip(names, _values(trial, found), strict=False))
    star = "  *" if trial in found.front else ""
    what = values or f"{trial.outcome}: {trial.reason}"
    costs = f" ({counted(int(trial.costs['params']), 'parameter')})" if "params" in trial.costs else ""
    settings = settings_text(trial.settings)
    return f"trial {trial.number:<4} {trial.architecture}{costs}  {what}  {settings}{star}"


def _values(trial: TrialResult, found: StudyResult) -> list[str]:
    from ..tuning.objectives import value_text

    return [value_text(name, trial.values[name]) for name in found.definition.objectives if name in trial.values]


def _parameters(trial: TrialResult) -> str:
    return f"{trial.costs['params']:,.0f}" if "params" in trial.costs else "-"


def study_lines(found: StudyResult) -> list[str]:
    """``zoo tune``: the best trials, the winners on the test split, and what to do next."""
    from ..tuning.objectives import title

    front = found.front[:SHOWN]
    if not front:
        return ["no trial is finished"]
    names = found.definition.objectives
    columns = ("TRIAL", "ARCHITECTURE", *(title(name).upper() for name in names), "PARAMETERS", "SETTINGS")
    shown = [*front, *([found.default] if found.default and found.default not in front else [])]
    rows = [_cells(trial, found) for trial in shown]
    lines = [table(columns, rows, numeric=columns[2:-1], wrap=("SETTINGS",)), "(on the validation split)"]
    for one in found.finalists:
        spread = one.seeds.metrics()
        values = ", ".join(
            f"{metric_name(n)} {metric_text(n, spread[n]['mean'])} ±{metric_text(n, spread[n]['std'])}"
            for n in metric_names(spread)
        )
        lines.append(f"trial {one.trial.number:<4} test {values} ({counted(len(one.seeds.runs), 'seed')})")
    best = front[0].architecture
    lines.append(f"recipe   zoo train {best} --recipe {found.folder / 'recipe.json'}")
    if len(found.finalists) > 1:
        runs = " ".join(str(one.seeds.runs[0].folder) for one in found.finalists)
        lines.append(f"compare  zoo compare {runs}")
    return lines


def _cells(trial: TrialResult, found: StudyResult) -> tuple[str, ...]:
    from ..tuning.result import settings_text

    default = " (default recipe)" if trial.is_default else ""
    cells = (str(trial.number), trial.architecture + default, *_values(trial, found), _parameters(trial))
    return (*cells, settings_text(trial.settings))
