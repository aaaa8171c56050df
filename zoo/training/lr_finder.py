"""Which learning rate to try: the loss while the rate rises from far too low to far too high."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ..data.splits import Split
from ..errors import ZooError
from ..files import make_folder
from ..folders import data_folder
from ..models.devices import choose_device, exact
from ..registry.registry import Registry, create_registry
from ..runs.curves import draw_rates
from ..runs.run import Run
from ..specs.settings import split_settings
from .distributed import ALONE
from .execution import make_plan, make_state
from .loop import shares, train_step
from .optimisation import set_learning_rate
from .plan import Plan, State, no_totals
from .preparation import describe_run, prepare

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 200
SMOOTHING = 0.9
DIVERGED = 4.0
"""Times the lowest loss so far at which the test ends."""


@dataclass(frozen=True, slots=True)
class LRFinderResult:
    """A learning rate range test (Smith, 2015).

    Args:
        rates: the learning rate of each step.
        losses: the loss there, an average in which earlier steps fade by a tenth a step.
        lowest: the rate at the lowest loss: there, training is about to become unstable.
        suggested: a tenth of that.
        used: the recipe's own peak rate.
        plot: the picture.
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
    """Train for 200 steps while the learning rate rises from 1e-6 to 10, and draw the loss. Nothing else is kept.

    Args:
        output: the picture, ``./ARCHITECTURE-lr.png`` unless given.

    The others are those of :func:`zoo.train`.

    Raises:
        ZooError: the loss was never finite, or the picture cannot be written.
    """
    registry = registry or create_registry()
    spec = registry.architecture(architecture)
    chosen, options = split_settings(spec, settings)
    path = Path(output or f"{spec.name.replace('/', '-')}-lr.png").expanduser()
    make_folder(path.parent)
    torch_device = choose_device(device)
    ready = prepare(
        spec,
        registry,
        dataset,
        data_folder(data_dir),
        seed,
        settings=chosen,
        options=options,
        data_options=data_options,
    )
    h = replace(ready.hyperparameters, epochs=STEPS)  # as many passes as ever needed
    config = describe_run(registry, spec, ready.data, options, h, seed, torch_device, ready.model)
    run = Run(path.parent, config, writes=False)
    plan = make_plan(run, registry, ready.data, h, ready.task, seed, torch_device, ALONE)
    state = make_state(ready.model, plan)
    with exact(torch_device, tf32=True):
        rates, losses = _rise(plan, state)
    lowest = rates[losses.index(min(losses))]
    result = LRFinderResult(tuple(rates), tuple(losses), lowest, lowest / 10, h.lr, path)
    title = f"{spec.name} on {ready.data}, batches of {h.batch_size}, {h.optimizer}"
    draw_rates(path, title, rates, losses, result.suggested, h.lr)
    return result


def _rise(plan: Plan, state: State) -> tuple[list[float], list[float]]:
    """Rates and smoothed losses, up to where training falls apart."""
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    state.model.train()
    for step, batch in zip(range(STEPS), _batches(plan, state), strict=False):
        rate = LOWEST * (HIGHEST / LOWEST) ** (step / (STEPS - 1))
        state.totals = no_totals(plan.device)
        set_learning_rate(state.optimizer, rate)
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
    """Epoch after epoch, the position in ``state`` moving along."""
    while True:
        for batch in plan.train.feed(list(shares(plan, state)), torch.device(plan.device)):
            yield batch
            state.step += 1
        state.epoch, state.step = state.epoch + 1, 0
