"""Names to declarations: what the registry answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ..errors import UnknownName, UsageError
from ..formatting import brief
from ..specs.architecture import Architecture
from ..specs.dataset import Dataset, Input
from ..specs.exporter import Exporter
from ..specs.recipe_parts import PARTS, Loss, RecipePart
from ..specs.spec import Spec
from ..specs.task import Task
from .plugin import Plugin

_S = TypeVar("_S", bound=Spec)

DECLARATIONS: dict[str, type[Spec]] = {
    "register_tasks": Task,
    "register_inputs": Input,
    "register_architectures": Architecture,
    "register_datasets": Dataset,
    "register_exporters": Exporter,
    "register_optimizers": PARTS["optimizer"],
    "register_schedules": PARTS["schedule"],
    "register_augmentations": PARTS["augment"],
    "register_losses": PARTS["loss"],
}
"""The hooks that register declarations, in the order in which they are called, each with the kind of declaration."""


class Lookup(ABC):
    """The declarations of all plugins by name, and the plugin of each."""

    def __init__(self) -> None:
        self._specs: dict[type[Spec], dict[str, Any]] = {kind: {} for kind in DECLARATIONS.values()}
        self._owners: dict[tuple[type[Spec], str], Plugin] = {}

    @abstractmethod
    def _ask_for(self, name: str) -> None:
        """Ask all plugins for an architecture that none of them listed. The first one that knows it registers it."""

    @property
    def architectures(self) -> Mapping[str, Architecture]:
        """All registered architectures by name, sorted by name."""
        return dict(sorted(self._specs[Architecture].items()))

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        """All datasets by name, sorted by name."""
        return dict(sorted(self._specs[Dataset].items()))

    @property
    def exporters(self) -> Mapping[str, Exporter]:
        """All export formats by name, sorted by name."""
        return dict(sorted(self._specs[Exporter].items()))

    @property
    def tasks(self) -> Mapping[str, Task]:
        """All tasks by name, in the order of their registration: those of the library first."""
        return dict(self._specs[Task])

    @property
    def inputs(self) -> Mapping[str, Input]:
        """All kinds of input by name, in the order of their registration: those of the library first."""
        return dict(self._specs[Input])

    def architecture(self, name: str) -> Architecture:
        """The architecture called ``name``. Plugins may know more than they list (hook ``find_architecture``).

        Raises:
            UnknownName: there is none; the message contains the closest name.
        """
        if name not in self._specs[Architecture]:
            self._ask_for(name)
        return self._find(Architecture, name, "`zoo list` shows them all.")

    def dataset(self, name: str) -> Dataset:
        """The dataset called ``name``.

        Raises:
            UnknownName: there is none; the message contains the closest name.
        """
        return self._find(Dataset, name, "`zoo datasets` shows them all.")

    def exporter(self, name: str) -> Exporter:
        """The export format called ``name``.

        Raises:
            UnknownName: there is none; the message contains the closest name.
        """
        return self._find(Exporter, name, "`zoo export --help` shows them all.")

    def task(self, name: str) -> Task:
        """The task called ``name``.

        Raises:
            UnknownName: there is none; the message contains the closest name.
        """
        return self._find(Task, name, f"There are: {', '.join(self.tasks)}.")

    def input(self, name: str) -> Input:
        """The kind of input called ``name``.

        Raises:
            UnknownName: there is none; the message contains the closest name.
        """
        known = self.inputs
        if name not in known:
            raise UnknownName("kind of input", name, known, f"There are: {', '.join(known)}.")
        return known[name]

    def input_of(self, name: str, shape: Sequence[int]) -> Input:
        """The kind of input of a dataset: by its name; without one, the first kind of samples with such a shape.

        Raises:
            UnknownName: there is no kind of this name.
            UsageError: no plugin registers a kind of samples with so many dimensions.
        """
        if name:
            return self.input(name)
        for kind in self._specs[Input].values():
            if kind.dimensions == len(shape):
                return kind  # type: ignore[no-any-return]
        known = ", ".join(f"{kind.name} ({kind.dimensions})" for kind in self._specs[Input].values())
        raise UsageError(
            f"No kind of input has samples of {len(shape)} dimensions; there are: {known}. A dataset names another one "
            "in `input`."
        )

    def usual_task(self, predicts: str, labels: int = 0) -> Task:
        """The task for user files, whose targets say only what they predict: the first one that was registered.

        Args:
            predicts: ``class`` or ``numbers``.
            labels: the number of classes; two are a binary task if there is one. 0: the dataset decides.

        Raises:
            UsageError: no plugin registers such a task.
        """
        found = [task for task in self._specs[Task].values() if task.predicts == predicts]
        for wanted in dict.fromkeys((labels, 0)):
            for task in found:
                if len(task.labels) == wanted:
                    return task  # type: ignore[no-any-return]
        raise UsageError(f"No plugin registers a task that predicts {predicts}; see `zoo plugins`.")

    def recipe_parts(self, kind: str) -> Mapping[str, RecipePart]:
        """The recipe parts by name, in the order of registration. ``kind`` is a hyperparameter: ``optimizer``."""
        return dict(self._specs[PARTS[kind]])

    def declared(self) -> list[tuple[Spec, Plugin]]:
        """All declarations with their plugins, in the order of registration."""
        return [(self._specs[kind][name], plugin) for (kind, name), plugin in self._owners.items()]

    def owner(self, spec: Spec) -> Plugin:
        """The plugin that registered ``spec``."""
        return self._owners[type(spec), spec.name]

    def task_problems(self, spec: Spec) -> list[str]:
        """What is wrong with the tasks that a declaration names. They can be of any plugin."""
        names = (
            (spec.task,) if isinstance(spec, Architecture | Dataset) else spec.tasks if isinstance(spec, Loss) else ()
        )
        known = self.tasks
        problems = [f"task {brief(name)} is not one of {', '.join(known)}." for name in names if name not in known]
        if isinstance(spec, Dataset) and spec.task in known:
            problems += known[spec.task].dataset_problems(spec.num_outputs, spec.labels)
        return problems

    def input_problems(self, spec: Spec) -> list[str]:
        """What is wrong with the kind of input that a dataset names. It can be of any plugin."""
        if not isinstance(spec, Dataset):
            return []
        try:
            kind = self.input_of(spec.input, spec.input_shape)
        except UsageError as error:
            return [str(error)]
        return list(kind.sample_problems(spec.input_shape, spec.input_options, bool(spec.columns)))

    def _find(self, kind: type[_S], name: str, hint: str) -> _S:
        known: dict[str, _S] = self._specs[kind]
        if name not in known:
            raise UnknownName(kind.__name__.lower(), name, known, hint)
        return known[name]
