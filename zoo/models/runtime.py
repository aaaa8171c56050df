"""What an exporter plugin tells of a file: what is in it, and every way to run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from ..errors import ExportError


class RuntimeFailed(ExportError):
    """A file that a runtime cannot load or run."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """One way to run a file.

    Args:
        provider: what it really runs on, ``CPU`` or ``CUDA``; never what was only asked for.
        mode: what else makes it different: ``optimised``, ``as written``.
        run: raw inputs ``[N, …]`` on the CPU to all outputs, one array each. It raises :class:`RuntimeFailed`.
    """

    provider: str
    mode: str
    run: Callable[[Tensor], list[NDArray[Any]]]

    def __str__(self) -> str:
        return f"{self.provider} {self.mode}"


@dataclass(frozen=True, slots=True)
class Runtimes:
    """Every way to run a file on this machine.

    Args:
        all: the first runs the file most literally, the last most as users will: on the CPU with all optimisation.
        absent: the providers that do not run here, and why.
    """

    all: tuple[Runtime, ...]
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def literal(self) -> Runtime:
        """The one that changes least of what is written in the file."""
        return self.all[0]

    @property
    def usual(self) -> Runtime:
        """The one that users will have."""
        return self.all[-1]

    @property
    def usual_of_each_provider(self) -> list[Runtime]:
        """The last of every provider."""
        return list({runtime.provider: runtime for runtime in self.all}.values())


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A named input or output: its type as numpy calls it, and its shape; a symbolic dimension is its name."""

    name: str
    type: str
    shape: tuple[str | int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.type}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class Inspection:
    """What can be told of a file without running it.

    Args:
        problem: what is wrong with the file itself, in one line; empty where nothing is.
        summary: one line, for people, of what it is.
        figures: the same, for machines.
        description: what was written into it; texts and what JSON can hold.
        inputs: name, type and shape of each input; a symbolic dimension is its name.
        outputs: likewise.
    """

    problem: str
    summary: str
    figures: dict[str, Any] = field(default_factory=dict)
    description: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
