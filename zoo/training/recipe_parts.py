"""The recipe parts of a training: optimiser, schedule, augmentation and loss."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import PluginError, UsageError, ZooError
from ..formatting import one_line
from ..models.tasks import TaskMethods
from ..registry.recipe_parts import find_part
from ..registry.registry import Registry
from ..specs.hyperparameters import Hyperparameters, named_parts
from ..specs.options import as_text
from ..specs.recipe_parts import Loss, Schedule
from ..specs.references import resolve_reference
from .optimisation import step_generator

AUGMENTATION_STREAM = -2
"""It draws from its own random numbers, so that it does not change those of the hyperparameters such as `shift`."""


@dataclass(frozen=True, slots=True)
class RecipeParts:
    """What a recipe computes with. The functions have their options already; None: the recipe names no such part.

    Args:
        build: the optimiser over a list of parameters.
        factor: the learning rate after the warm-up, as a fraction of the peak.
        whole_run: whether ``factor`` gets the progress of the whole run.
        draw, apply: the augmentation of the training inputs.
        compute: the loss.
        names: the names of the parts by hyperparameter, for error messages.
        options: the values of their options by hyperparameter, likewise.
    """

    build: Callable[..., torch.optim.Optimizer]
    factor: Callable[[float], float]
    whole_run: bool
    draw: Callable[[tuple[int, ...], torch.Generator], Tensor] | None
    apply: Callable[[Tensor, Tensor], Tensor] | None
    compute: Callable[[Tensor, Tensor], Tensor] | None
    names: dict[str, str]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def optimizer(self, model: nn.Module, h: Hyperparameters) -> torch.optim.Optimizer:
        """The optimiser over the trainable parameters of ``model``.

        Raises:
            UsageError: the plugin refuses these values.
            PluginError: the plugin fails, or returns no optimiser over exactly these parameters.
        """
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        given = {"lr": h.lr, "momentum": h.momentum, "weight_decay": h.weight_decay}
        with self._blamed("optimizer", given):
            made = self.build(parameters, **given)
        if not isinstance(made, torch.optim.Optimizer):
            raise self._fault("optimizer", f"build returned {type(made).__name__}, not a torch.optim.Optimizer")
        if {id(p) for group in made.param_groups for p in group["params"]} != set(map(id, parameters)):
            raise self._fault("optimizer", "build left out some of the parameters, or added others")
        return made

    def rate(self, h: Hyperparameters, step: int, total_steps: int) -> float:
        """The learning rate of optimiser step ``step`` (from 0) of ``total_steps``: a linear rise, then the schedule.

        Raises:
            PluginError: the plugin fails, or returns no finite number of at least 0.
        """
        rise, position = h.warmup * total_steps, step + 1
        if position < rise:
            return h.lr * position / rise
        progress = position / total_steps if self.whole_run else (position - rise) / (total_steps + 1 - rise)
        with self._blamed("schedule"):
            factor = self.factor(progress)
        if not isinstance(factor, int | float) or not math.isfinite(factor) or factor < 0:
            raise self._fault("schedule", f"the factor at progress {progress:.3g} is {factor!r}, not a number from 0")
        return h.lr * float(factor)

    def augment(self, inputs: Tensor, batch: int, part: slice, position: tuple[int, int, int]) -> Tensor:
        """Apply the augmentation, if the recipe names one, to the inputs of a part of a batch.

        Args:
            inputs: ``[n, …]``, the inputs of the part; for mixup ``[2n, …]``, followed by their partners.
            batch: samples in the whole batch.
            part: which of them are computed here.
            position: seed of the training, epoch and step, from which the random numbers are drawn.

        Raises:
            PluginError: the plugin fails, or returns something of another shape or type.
        """
        if self.draw is None or self.apply is None:
            return inputs
        generator = step_generator(*position, AUGMENTATION_STREAM)
        with self._blamed("augment"):
            drawn = self.draw((batch, *inputs.shape[1:]), generator)
            if not isinstance(drawn, Tensor) or not drawn.ndim or len(drawn) != batch:
                raise self._fault("augment", f"draw must return a tensor with {batch} rows, one for each sample")
            rows = drawn[part]
            if len(inputs) > len(rows):  # the partners of mixup
                rows = torch.cat([rows, drawn.roll(-1, 0)[part]])
            augmented = self.apply(inputs, rows.to(inputs.device))
        if not isinstance(augmented, Tensor) or augmented.shape != inputs.shape:
            raise self._fault("augment", f"apply must return a tensor of shape {tuple(inputs.shape)}")
        if augmented.dtype not in (inputs.dtype, torch.float32):
            raise self._fault("augment", f"apply returned {augmented.dtype}, not {inputs.dtype} or torch.float32")
        return augmented

    def loss(self, task: TaskMethods, outputs: Tensor, targets: Tensor, h: Hyperparameters) -> Tensor:
        """The training loss, a scalar. ``outputs`` are those of the network.

        Raises:
            PluginError: the plugin fails, or returns no scalar.
        """
        if self.compute is None:
            return task.loss(outputs, targets, h)
        with self._blamed("loss"):
            loss = self.compute(outputs, task.network_targets(targets))
        if not isinstance(loss, Tensor) or loss.shape != ():
            raise self._fault("loss", "compute must return a scalar tensor")
        return loss

    @contextmanager
    def _blamed(self, kind: str, given: Mapping[str, Any] | None = None) -> Iterator[None]:
        """Context for plugin code: an exception says which part failed. Running out of memory has its own message.

        A ``ValueError`` or ``TypeError`` of a part that the user can set is about these values.

        Args:
            given: values of the recipe that the part gets beside its options.
        """
        try:
            yield
        except (ZooError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            values = {**(given or {}), **self.options.get(kind, {})}
            if values and isinstance(error, ValueError | TypeError) and _is_raised_inside(error):
                chosen = ", ".join(f"{name}={as_text(value)}" for name, value in values.items())
                what = f"The {kind} {self.names[kind]} cannot be built with {chosen}"
                raise UsageError(f"{what}: {one_line(error).rstrip('.')}.") from error
            raise self._fault(kind, f"{type(error).__name__}: {one_line(error)}") from error

    def _fault(self, kind: str, reason: str) -> PluginError:
        return PluginError(f"The {kind} {self.names[kind]} failed: {reason}.")


def _is_raised_inside(error: Exception) -> bool:
    """Whether the code of the part raised it. If not, the part does not take the arguments that it must take."""
    file = __file__
    for frame, _ in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
    return file != __file__


def load_parts(hyperparameters: Hyperparameters, task: str, registry: Registry) -> RecipeParts:
    """The recipe parts that the hyperparameters name.

    Raises:
        UnknownName: no plugin registers a part of that name.
        UsageError: the loss is not for this task.
        PluginError: a function of a plugin cannot be imported.
    """
    chosen = named_parts(hyperparameters.as_dict())
    functions: dict[str, Any] = dict.fromkeys(("build", "factor", "draw", "apply", "compute"))
    functions["whole_run"] = False
    options: dict[str, dict[str, Any]] = {}
    for kind, name in chosen.items():
        part = find_part(registry, kind, name)
        if isinstance(part, Loss) and task not in part.tasks:
            raise UsageError(f"The loss {name} is for {' and '.join(part.tasks)}, not for {task}.")
        options[kind] = {
            known.name: hyperparameters.part_options.get(known.name, known.default) for known in part.options
        }
        functions |= {
            name_of: partial(resolve_reference(reference), **options[kind]) for name_of, reference in part.references
        }
        if isinstance(part, Schedule):
            functions["whole_run"] = part.whole_run
    return RecipeParts(**functions, names=chosen, options=options)
