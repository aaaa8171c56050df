"""The declarations of recipe parts: optimisers, schedules, augmentations and losses that recipes name. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .declarations import declaration
from .hyperparameters import NO_PART
from .options import Option
from .references import Reference
from .spec import Spec, option_problems


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RecipePart(Spec):
    """What all recipe parts have in common.

    A recipe chooses a part by its name, ``--set optimizer=lion``, and sets its options beside the hyperparameters,
    ``--set betas=0.9,0.99``.
    """

    options: tuple[Option, ...] = ()

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with the values of the fields, a sentence each."""
        yield from Spec.problems(self)  # super() needs the class that slots=True replaces
        yield from option_problems(self.options, beside_hyperparameters=True)
        if self.name in NO_PART.values():
            yield f"{self.name} stands for no part; choose another name."


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Optimizer(RecipePart):
    """An optimiser that recipes choose with the hyperparameter ``optimizer``.

    Args:
        name: lower case; ``lion`` for ``--set optimizer=lion``.
        summary: one line.
        build: ``build(parameters, *, lr, momentum, weight_decay, **options) -> torch.optim.Optimizer`` over a list of
            parameters. The trainer sets ``lr`` of every parameter group before each step. To resume, it saves the
            tensors in ``optimizer.state``, so all state must be there, as tensors; ``step()`` gets no closure.
        lr_for_tables: a peak learning rate that is safe for tables of any number of standardised columns, also
            correlated ones. A table that a recipe was not made for is then learned with this optimiser in place of
            the default one. None: that is not known.
        options: the keyword arguments of ``build`` that users can set.
    """

    build: Reference
    lr_for_tables: float | None = None

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with the values of the fields, a sentence each."""
        yield from RecipePart.problems(self)
        if self.lr_for_tables is not None and self.lr_for_tables <= 0:
            yield "lr_for_tables must be above 0."

    @property
    def references(self) -> list[tuple[str, Reference]]:
        """All references to code, each with the name of its field."""
        return [("build", self.build)]


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Schedule(RecipePart):
    """A learning rate schedule that recipes choose with the hyperparameter ``schedule``.

    Args:
        name: lower case; ``polynomial`` for ``--set schedule=polynomial``.
        summary: one line.
        factor: ``factor(progress, **options) -> float``: the learning rate as a fraction of its peak, called after the
            warm-up. ``progress`` is 0 at the end of the warm-up, and just below 1 at the last step. Nothing else may
            change the result, because a resumed run calls it again.
        whole_run: whether ``progress`` is the fraction of the whole run instead, with the warm-up: 1 at the last step.
        options: the keyword arguments of ``factor`` that users can set.
    """

    factor: Reference
    whole_run: bool = False

    @property
    def references(self) -> list[tuple[str, Reference]]:
        """All references to code, each with the name of its field."""
        return [("factor", self.factor)]


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Augmentation(RecipePart):
    """A random augmentation of training inputs that recipes choose with the hyperparameter ``augment``.

    It is applied to the raw inputs, before the augmentations that the zoo has. Random numbers are drawn apart from
    their use, for the whole batch: so the augmentation of a sample does not depend on the number of processes, and a
    resumed run draws the same.

    Args:
        name: lower case; ``salt`` for ``--set augment=salt``.
        summary: one line.
        draw: ``draw(shape, generator, **options) -> Tensor``: everything random, float or int ``[N, …]`` on the CPU,
            drawn with the ``torch.Generator`` that it gets. ``shape`` is that of the batch, ``(N, channels, height,
            width)`` for images.
        apply: ``apply(inputs, drawn, **options) -> Tensor``: the augmented inputs, of the same shape and type as
            ``inputs``, or float32 in the same range. Images are uint8 from 0 to 255; each row of ``drawn`` belongs to a
            row of ``inputs``, and is on the same device. It must not change ``inputs``, nor draw random numbers.
        moves: whether it moves pixels to other places. Then it is refused for data that are no images, and if a task
            has a target for each pixel, because targets do not move.
        options: the keyword arguments of both functions that users can set.
    """

    draw: Reference
    apply: Reference
    moves: bool = False

    @property
    def references(self) -> list[tuple[str, Reference]]:
        """All references to code, each with the name of its field."""
        return [("draw", self.draw), ("apply", self.apply)]


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Loss(RecipePart):
    """A training loss that recipes choose with the hyperparameter ``loss``, in place of the task's own.

    It replaces only what the optimiser minimises. The loss of the validation, metrics and the choice of the best
    checkpoint stay those of the task. ``label_smoothing`` and ``huber`` belong to the task's own loss.

    Args:
        name: lower case; ``focal`` for ``--set loss=focal``.
        summary: one line.
        compute: ``compute(outputs, targets, **options) -> Tensor``, a scalar: the mean over the batch. ``outputs`` are
            those of the network, float32 ``[N, K]``. ``targets`` are int64 ``[N]``, or for a regression the
            standardised targets, float32 ``[N, K]``.
        tasks: the tasks that it is for.
        options: the keyword arguments of ``compute`` that users can set.
    """

    compute: Reference
    tasks: tuple[str, ...]

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with the values of the fields, a sentence each."""
        yield from RecipePart.problems(self)
        if not self.tasks:
            yield "tasks must name at least one task."

    @property
    def references(self) -> list[tuple[str, Reference]]:
        """All references to code, each with the name of its field."""
        return [("compute", self.compute)]


PARTS: Mapping[str, type[RecipePart]] = {
    "optimizer": Optimizer,
    "schedule": Schedule,
    "augment": Augmentation,
    "loss": Loss,
}
"""The hyperparameters that choose a recipe part, each with the kind of part."""
