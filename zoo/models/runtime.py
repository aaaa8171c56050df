"""What an exporter plugin knows about a file: its contents, and every way to run it. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from ..errors import ExportError

if TYPE_CHECKING:  # a file is opened and run in a process of its own, which should start fast
    from torch import Tensor


class RuntimeFailed(ExportError):
    """A runtime cannot load or run a file."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """One way to run a file.

    Args:
        provider: the execution provider that really runs it, ``CPU`` or ``CUDA``; not the one that was requested.
        mode: what else distinguishes this runtime: ``optimised``, ``as written``, ``eager``.
        run: computes all outputs, one array ``[N, …]`` each in the file's order, from inputs ``[N, …]`` on the CPU, of
            the type and in the units that the file takes. Raises :class:`RuntimeFailed`.
        run_array: the same for an array; None if the runtime needs torch. ``zoo verify`` runs a file in a process of
            its own, which then does without torch and starts in a fraction of the time.
    """

    provider: str
    mode: str
    run: Callable[[Tensor], list[NDArray[Any]]]
    run_array: Callable[[NDArray[Any]], list[NDArray[Any]]] | None = None

    def __str__(self) -> str:
        return f"{self.provider} {self.mode}"


@dataclass(frozen=True, slots=True)
class Runtimes:
    """Every way to run a file on this machine.

    Args:
        all: at least one runtime. The first runs the file most literally, without optimisation. The last is the one
            that most users will have: on the CPU, with every optimisation.
        absent: the providers that do not run here, each with the reason.
    """

    all: tuple[Runtime, ...]
    absent: Mapping[str, str] = field(default_factory=dict)

    @property
    def literal(self) -> Runtime:
        """The runtime that changes the file least before it runs it."""
        return self.all[0]

    @property
    def usual(self) -> Runtime:
        """The runtime that most users will have."""
        return self.all[-1]

    @property
    def usual_of_each_provider(self) -> list[Runtime]:
        """The last runtime of every provider."""
        return list({runtime.provider: runtime for runtime in self.all}.values())


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A named input or output of a file.

    Args:
        name: of the input or output.
        type: of its elements, as NumPy calls it: ``uint8``, ``float32`` …
        shape: its size in each dimension; a symbolic dimension is a name, ``batch`` for the first of exported models.
    """

    name: str
    type: str
    shape: tuple[str | int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.type}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class Inspection:
    """The contents of a file, read without running it.

    Args:
        problem: what is wrong with the file, in one line; empty if it is valid.
        summary: what the file is, in one line: format, version, size of the graph, batch size.
        figures: the same as JSON values, by name, for the certificate.
        description: the metadata in the file, by name: texts and JSON values.
        inputs: every input, in the file's order.
        outputs: every output, in the file's order.
        operators: how often each operator occurs, by name; empty if the exporter does not list them.
        weights: the SHA-256 of type, shape and values of each array of weights, sorted; empty likewise.
    """

    problem: str
    summary: str
    figures: dict[str, Any] = field(default_factory=dict)
    description: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    operators: Mapping[str, int] = field(default_factory=dict)
    weights: tuple[str, ...] = ()
