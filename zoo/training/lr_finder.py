"""The learning-rate finder: the training loss while the learning rate rises from far too low to far too high."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..data.splits import Split
from ..errors import UsageError, ZooError
from ..files import make_folder
from ..folders import picture_path
from ..models.devices import exact
from ..registry.registry import Registry, create_registry
from ..runs.curves import draw_rates
from ..runs.run import Run
from .distributed import ALONE
from .loop import batch_indices, train_step
from .plan import Plan, State, make_plan, make_state, zero_totals
from .preparation import prepare
from .request import make_request
from .run_folder import describe_run

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 200
SMOOTHING = 0.9
FALLEN = 0.25
"""The part of the drop of the loss that is behind at the suggested rate, at least."""
DIVERGED = 4.0
"""The search ends when the loss is this many times the lowest loss so far."""


@dataclass(frozen=True, slots=True)
class LRFinderResult:
    """The result of a learning-rate range test (Smith, 2015).

    Args:
        rates: the learning rate of each step, rising.
        losses: the training loss at each step, smoothed: an exponential moving average with decay 0.9.
        lowest: the learning rate at the lowest loss. Training is about to become unstable there.
        suggested: a tenth of ``lowest``, or, if that is higher, the rate at which the loss has fallen by a quarter of
            its whole drop. So it lies where the loss falls, not before.
        used: the peak learning rate that a training would use.
        plot: path of the figure.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    lowest: float
    suggested: float
    used: float
    plot: Path


def find_lr(
    architecture: str,
    *,
    output: Path | str | None = None,
    dataset: str | Path | None = None,
    data_options: Mapping[str, object] | None = None,
    seed: int = 0,
    device: str = "auto",
    data_dir: Path | str | None = None,
    registry: Registry | None = None,
    **settings: object,
) -> LRFinderResult:
    """Train up to 200 steps while the learning rate rises from 1e-6 to 10, and plot the loss. No run is created.

    The other arguments are those of :func:`zoo.train`.

    Args:
        output: path of the figure. Default: ``./ARCHITECTURE-lr.png``.

    Raises:
        UsageError: ``epochs`` is set; the number of steps is fixed.
        ZooError: the loss was never finite, or the figure cannot be written.
    """
    if "epochs" in settings:
        raise UsageError(f"The learning-rate finder takes up to {STEPS} steps, whatever the epochs. Leave out epochs.")
    request = make_request(
        registry or create_registry(),
        architecture,
        settings,
        dataset=dataset,
        data_options=data_options,
        data_dir=data_dir,
        seed=seed,
        device=device,
    )
    name = request.architecture.name
    path = picture_path(output or f"{name.replace('/', '-')}-lr.png")
    make_folder(path.parent)
    prepared = prepare(request)
    h = replace(prepared.hyperparameters, epochs=STEPS)  # enough epochs, even if each has only one step
    prepared = replace(prepared, hyperparameters=h)
    run = Run(path.parent, describe_run(request, prepared, ALONE), writes=False)
    plan = make_plan(run, prepared, ALONE)
    state = make_state(prepared.model, plan)
    with exact(plan.device, tf32=True):
        rates, losses = _raise_rate(plan, state)
    lowest = rates[losses.index(min(losses))]
    result = LRFinderResult(tuple(rates), tuple(losses), lowest, _suggest(rates, losses), h.lr, path)
    title = f"{name} on {prepared.data}, batches of {h.batch_size}, {h.optimizer}"
    draw_rates(path, title, rates, losses, result.suggested, h.lr, "--lr" if "lr" in settings else "recipe")
    return result


def _suggest(rates: Sequence[float], losses: Sequence[float]) -> float:
    """A rate at which the loss falls: a tenth of the rate with the lowest loss, unless the loss falls later only."""
    best = losses.index(min(losses))
    highest = max(losses[: best + 1])
    fallen = highest - FALLEN * (highest - losses[best])
    # backwards from the lowest loss: the first rates may have random dips
    start = next((place for place in range(best, -1, -1) if losses[place] >= fallen), best)
    return max(rates[best] / 10, rates[start])


def _raise_rate(plan: Plan, state: State) -> tuple[list[float], list[float]]:
    """Learning rates and smoothed losses up to the step where the training diverges."""
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    state.model.train()
    for step, batch in zip(range(STEPS), _batches(plan, state), strict=False):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
        state.totals = zero_totals(plan.device)
        train_step(plan, state, batch, rate)
        loss, _, samples, _ = state.totals.tolist()
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss / samples
        smooth = mean / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(smooth) or (losses and smooth > DIVERGED * min(losses)):
            break
        rates.append(rate)
        losses.append(smooth)
    if not losses:
        raise ZooError(f"The loss was not finite even at a learning rate of {LOWEST:g}.")
    return rates, losses


def _batches(plan: Plan, state: State) -> Iterator[Split]:
    """The training batches of one epoch after another. This moves the position in ``state``."""
    while True:
        for batch in plan.train.feed(list(batch_indices(plan, state)), plan.device):
            yield batch
            state.step += 1
        state.epoch, state.step = state.epoch + 1, 0
