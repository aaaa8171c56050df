"""What a search can optimise: the metrics of the validation split, and the costs of a network."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidValue, UnknownName
from ..formatting import is_better, metric_name, metric_text, size_text, time_text
from ..specs.task import Task

COSTS = ("params", "bytes", "latency")


def parse_objectives(text: str | Sequence[str] | None, task: Task) -> list[str]:
    """The names of the objectives.

    Args:
        text: ``accuracy,params``, or the names; None: the main metric of the task.

    Raises:
        UnknownName: the task has no such metric, and it is no cost.
        InvalidValue: a name is there twice.
    """
    if text is None:
        return [task.metric]
    names = [name.strip() for name in text.split(",")] if isinstance(text, str) else list(text)
    known = (*(metric.name for metric in task.metrics), "loss", *COSTS)
    for name in names:
        if name not in known:
            raise UnknownName("objective", name, known, f"For {task.name} there are: {', '.join(known)}.")
    if len(set(names)) < len(names):
        raise InvalidValue(f"Each objective can be named once, not {','.join(names)}.")
    return names


def direction(name: str) -> str:
    """``minimize`` or ``maximize``, as Optuna writes it."""
    return "minimize" if is_minimised(name) else "maximize"


def is_minimised(name: str) -> bool:
    """Whether a lower value of an objective is better: a cost, the loss, or a metric that is an error."""
    return name in ("loss", *COSTS) or not is_better(name, 1.0, 0.0)


def value_text(name: str, value: float) -> str:
    """A value of an objective with its unit."""
    if name == "params":
        return f"{value:,.0f}"
    if name == "bytes":
        return size_text(round(value))
    return time_text(value) if name == "latency" else metric_text(name, value)


def title(name: str) -> str:
    """The name of an objective as a heading."""
    return {"params": "parameters", "bytes": "bytes of the file", "latency": "latency"}.get(name, metric_name(name))
