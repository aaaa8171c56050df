"""What a network computed: its steps, and the modules that contain them."""

from __future__ import annotations

from dataclasses import dataclass

INPUT = -1
"""The number of the network's input among the steps."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One call of a module that contains others.

    Args:
        name: the module's name in the network, such as ``features.2``.
        kind: the name of its class.
        call: its number among all calls; a module can be called several times.
    """

    name: str
    kind: str
    call: int


@dataclass(frozen=True, slots=True)
class Step:
    """A layer or a function that ran.

    Args:
        kind: ``Conv2d``, ``ReLU``, ``add``.
        detail: what its kind leaves open, such as ``5×5, stride 2``.
        name: the layer's name in the network; empty for a function.
        scopes: the modules that contain it, the outermost first.
        sources: the numbers of the steps whose results it takes.
        shape: of its result for one sample; None if unknown.
        parameters: trainable ones that no earlier step has used.
        shared: whether all its parameters belong to an earlier step too.
    """

    kind: str
    detail: str
    name: str
    scopes: tuple[Scope, ...]
    sources: tuple[int, ...]
    shape: tuple[int, ...] | None
    parameters: int = 0
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Trace:
    """What a network computed.

    Args:
        steps: in the order in which they ran; only those that the output depends on.
        outputs: the numbers of the steps whose results the network returned.
        input_shape: of one sample.
        problem: why the steps are the layers in the order of their declaration, a sentence without its end: the network
            did not run, or its output does not depend on the input.
        reason: the error with which the network did not run.
    """

    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    input_shape: tuple[int, ...]
    problem: str = ""
    reason: str = ""
