"""How a metric is written for people. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ORDER = ("accuracy", "auc", "f1", "mae", "rmse", "r2")
"""The metrics of the tasks, in the order that they are told in; the first that is there is the main one."""
PERCENTAGES = frozenset({"accuracy"})
NAMES = {"mae": "MAE", "rmse": "RMSE", "r2": "R²", "auc": "AUC", "f1": "F1"}


def told_metrics(metrics: Iterable[str]) -> list[str]:
    """The names of all but the loss, in :data:`ORDER`; others follow as they come."""
    names = [name for name in metrics if name != "loss"]
    return sorted(names, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))


def main_metric(metrics: Iterable[str]) -> str:
    """The name of the metric that matters most."""
    return told_metrics(metrics)[0]


def metric_name(name: str) -> str:
    """``MAE`` for ``mae``."""
    return NAMES.get(name, name)


def metric_text(name: str, value: float) -> str:
    """``99.29%`` for an accuracy, four digits for anything else."""
    if name in PERCENTAGES:
        return f"{value:.2%}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 10_000 else f"{value:,.0f}"


def metrics_text(metrics: Mapping[str, float]) -> str:
    """All but the loss: ``accuracy 76.97%, AUC 0.829, F1 0.651``."""
    return ", ".join(f"{metric_name(name)} {metric_text(name, metrics[name])}" for name in told_metrics(metrics))
