"""What a search can optimise: the metrics of the validation split, and the costs of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import InvalidValue, UnknownName
from ..formatting import PERCENTAGES, metric_name, metric_text, size_text, time_text

METRICS: Mapping[str, tuple[str, ...]] = {
    "classification": ("accuracy", "loss"),
    "binary": ("accuracy", "auc", "f1", "loss"),
    "regression": ("mae", "rmse", "r2", "loss"),
}
"""The metrics of each task; the first is the default objective."""
COSTS = ("params", "bytes", "latency")
MINIMISED = frozenset({"loss", "mae", "rmse", *COSTS})


def parse_objectives(text: str | Sequence[str] | None, task: str) -> list[str]:
    """The names of the objectives.

    Args:
        text: ``accuracy,params``, or the names; None: the main metric of the task.

    Raises:
        UnknownName: the task has no such metric, and it is no cost.
        InvalidValue: a name is there twice.
    """
    if text is None:
        return [METRICS[task][0]]
    names = [name.strip() for name in text.split(",")] if isinstance(text, str) else list(text)
    known = (*METRICS[task], *COSTS)
    for name in names:
        if name not in known:
            raise UnknownName("objective", name, known, f"For {task} there are: {', '.join(known)}.")
    if len(set(names)) < len(names):
        raise InvalidValue(f"Each objective can be named once, not {','.join(names)}.")
    return names


def direction(name: str) -> str:
    """``minimize`` or ``maximize``, as Optuna writes it."""
    return "minimize" if name in MINIMISED else "maximize"


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


def is_percentage(name: str) -> bool:
    """Whether the values are fractions that are shown in percent."""
    return name in PERCENTAGES
