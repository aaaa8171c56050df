"""The metrics of a plugin's task for an evaluation, computed by the task's own methods in torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..formatting import is_better
from ..models.inference import Array
from .intervals import Metric, mean_of

if TYPE_CHECKING:
    from ..models.tasks import TaskMethods


def measured(methods: TaskMethods, outputs: Array, targets: Array) -> dict[str, Metric]:
    """All metrics of a task, as functions of the chosen samples: those of each sample, then those of a whole split.

    Args:
        outputs: the first output of the model, float32 ``[N, …]``.
        targets: of the same samples, ``[N, …]``.
    """
    import torch

    made, true = torch.from_numpy(outputs), torch.from_numpy(targets)
    with torch.inference_mode():
        found = {name: mean_of(values.double().numpy()) for name, values in methods.measure(made, true).items()}
        if not methods.whole_split:
            return found
        names = list(methods.summarise(made, true))

    def of_split(name: str) -> Metric:
        def metric(chosen: Array) -> float:
            index = torch.from_numpy(np.asarray(chosen))
            with torch.inference_mode():
                return methods.summarise(made[index], true[index]).get(name, float("nan"))

        return metric

    return found | {name: of_split(name) for name in names}


def main_values(methods: TaskMethods, outputs: Array, targets: Array) -> Array:
    """The main metric of each sample, float64 ``[N]``."""
    import torch

    with torch.inference_mode():
        values = methods.metric_of_each(torch.from_numpy(outputs), torch.from_numpy(targets))
    return values.double().numpy()


def worst_values(methods: TaskMethods, outputs: Array, targets: Array, count: int) -> list[dict[str, float]]:
    """The worst ``count`` samples for JSON: the number of each as ``sample``, and its main metric by name."""
    values = main_values(methods, outputs, targets)
    places = worst_samples(methods, outputs, targets)[:count]
    return [{"sample": int(place), methods.metric: float(values[place])} for place in places]


def worst_samples(methods: TaskMethods, outputs: Array, targets: Array) -> Array:
    """The indices of all samples, int64 ``[N]``, the one with the worst main metric first."""
    values = main_values(methods, outputs, targets)
    ascending = np.argsort(values, kind="stable")
    return ascending if is_better(methods.metric, 1.0, 0.0) else np.argsort(-values, kind="stable")
