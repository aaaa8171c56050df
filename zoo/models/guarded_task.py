"""The methods of a task as the zoo calls them: every error names the task and the method, and results are checked."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import PluginError
from ..formatting import brief
from ..specs.hyperparameters import Hyperparameters
from ..specs.task import Task
from .tasks import TaskMethods


def load_task(task: Task) -> GuardedTask:
    """The methods of ``task``.

    Raises:
        PluginError: they cannot be imported, are incomplete, or are no :class:`TaskMethods`.
    """
    try:
        methods = task.load()
    except PluginError:
        raise
    except Exception as error:  # the code of a plugin may raise anything
        text = " ".join(str(error).split())
        raise PluginError(f"{task.label}: methods failed: {type(error).__name__}: {text}.") from error
    if not isinstance(methods, TaskMethods):
        kind = type(methods).__name__
        raise PluginError(f"{task.label}: methods must be a subclass of zoo.TaskMethods, not {kind}.")
    if getattr(methods, "spec", None) is not task:
        raise task.fault("__init__", "must call super().__init__(spec)")
    return GuardedTask(methods)


class GuardedTask(TaskMethods):
    """A task whose errors name the task and the method, and whose results are checked.

    All methods raise :class:`zoo.errors.MethodError`, a :class:`zoo.PluginError`.

    Args:
        methods: what the plugin declares.
    """

    def __init__(self, methods: TaskMethods) -> None:
        super().__init__(methods.spec)
        self.methods = methods
        self.whole_split = methods.whole_split

    def fit(self, targets: Tensor, hyperparameters: Hyperparameters) -> TaskMethods:
        """A guarded task."""
        return self._task("fit", self._call("fit", targets, hyperparameters))

    def restore(self, postprocess: nn.Module | None) -> TaskMethods:
        """A guarded task."""
        return self._task("restore", self._call("restore", postprocess))

    def to(self, device: torch.device) -> TaskMethods:
        """A guarded task."""
        return self._task("to", self._call("to", device))

    def network_targets(self, targets: Tensor) -> Tensor:
        """A tensor ``[N, …]``."""
        return self._rows("network_targets", self._call("network_targets", targets), len(targets))

    def postprocess(self) -> nn.Module | None:
        """A module or None."""
        module: nn.Module | None = self._call("postprocess")
        self._expect("postprocess", module is None or isinstance(module, nn.Module), module, "a torch.nn.Module")
        return module

    def loss(self, outputs: Tensor, targets: Tensor, hyperparameters: Hyperparameters) -> Tensor:
        """A scalar through which gradients flow."""
        loss: Tensor = self._call("loss", outputs, targets, hyperparameters)
        scalar = isinstance(loss, Tensor) and loss.shape == () and loss.is_floating_point()
        self._expect("loss", scalar, loss, "a float scalar: the mean over the batch, .mean()")
        if outputs.requires_grad and torch.is_grad_enabled() and not loss.requires_grad:
            raise self.spec.fault("loss", "returned a number without a gradient: compute it from the outputs")
        return loss

    def measure(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The loss, the main metric and others, float ``[N]`` each."""
        found: dict[str, Tensor] = self._call("measure", outputs, targets)
        self._expect("measure", isinstance(found, dict), found, "a dictionary of tensors")
        for name in ("loss", self.metric):
            if name not in found:
                given = ", ".join(map(str, found)) or "nothing"
                raise self.spec.fault("measure", f"returned {given}, but no {name}: loss and {self.metric} are needed")
        for name, values in found.items():
            self._one_each("measure", values, len(outputs), f" for {name}")
        return found

    def metric_of_each(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Float ``[N]``."""
        if type(self.methods).metric_of_each is TaskMethods.metric_of_each:
            return self.measure(outputs, targets)[self.metric]
        values: Tensor = self._call("metric_of_each", outputs, targets)
        self._one_each("metric_of_each", values, len(outputs), "")
        return values

    def summarise(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """Numbers by name."""
        return self._numbers("summarise", self._call("summarise", outputs, targets))

    def baseline(self, known: Tensor, targets: Tensor) -> dict[str, float]:
        """Numbers by name."""
        return self._numbers("baseline", self._call("baseline", known, targets))

    def score(self, metrics: dict[str, float]) -> tuple[float, ...]:
        """A tuple of numbers."""
        found: tuple[float, ...] = self._call("score", metrics)
        self._expect("score", isinstance(found, tuple) and all(map(_is_number, found)), found, "a tuple of numbers")
        return found

    def decisions(self, outputs: Tensor) -> Tensor:
        """Int64 ``[N, …]``."""
        made = self._rows("decisions", self._call("decisions", outputs), len(outputs))
        self._expect("decisions", made.dtype == torch.int64, made, "int64")
        return made

    def margins(self, outputs: Tensor) -> Tensor:
        """Float ``[N, …]``."""
        margins = self._rows("margins", self._call("margins", outputs), len(outputs))
        self._expect("margins", margins.is_floating_point(), margins, "a float tensor")
        return margins

    def answers(self) -> nn.Module:
        """A module."""
        module: nn.Module = self._call("answers")
        self._expect("answers", isinstance(module, nn.Module), module, "a torch.nn.Module")
        return module

    def target_problem(self, targets: Tensor, num_outputs: int) -> str:
        """A text."""
        problem: str = self._call("target_problem", targets, num_outputs)
        self._expect("target_problem", isinstance(problem, str), problem, "a text, which is empty if nothing is wrong")
        return problem

    def example_targets(
        self, count: int, input_shape: tuple[int, ...], num_outputs: int, generator: torch.Generator
    ) -> Tensor:
        """A tensor ``[count, …]``."""
        made = self._call("example_targets", count, input_shape, num_outputs, generator)
        return self._rows("example_targets", made, count)

    def describe(self, answer: Any, labels: tuple[str, ...]) -> dict[str, float]:
        """Numbers by name."""
        return self._numbers("describe", self._call("describe", answer, labels))

    def _call(self, method: str, *arguments: Any) -> Any:
        with self.spec.guard(method):
            return getattr(self.methods, method)(*arguments)

    def _expect(self, method: str, fine: bool, found: Any, wanted: str) -> None:
        if not fine:
            raise self.spec.fault(method, f"returned {_shown(found)}; return {wanted}")

    def _task(self, method: str, found: Any) -> TaskMethods:
        self._expect(method, isinstance(found, TaskMethods), found, "an object of the class")
        return found if isinstance(found, GuardedTask) else GuardedTask(found)

    def _rows(self, method: str, found: Any, count: int) -> Tensor:
        fine = isinstance(found, Tensor) and found.shape[:1] == (count,)
        self._expect(method, fine, found, f"a tensor with a row for each of the {count} samples")
        rows: Tensor = found
        return rows

    def _one_each(self, method: str, values: Any, count: int, of: str) -> None:
        if not (isinstance(values, Tensor) and values.shape == (count,) and values.is_floating_point()):
            wanted = f"a float tensor [{count}], one number for each sample"
            raise self.spec.fault(method, f"returned {_shown(values)}{of}; return {wanted}")

    def _numbers(self, method: str, found: Any) -> dict[str, float]:
        fine = isinstance(found, dict) and all(isinstance(name, str) and _is_number(found[name]) for name in found)
        self._expect(method, fine, found, "a dictionary from names to numbers: float(…)")
        numbers: dict[str, float] = found
        return numbers


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: object) -> str:
    """What a method returned, for a message: a tensor by its type and shape."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {list(value.shape)}"
    return brief(value)
