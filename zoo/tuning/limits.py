"""Before the search: architectures whose network is always the same, and exceeds a limit, are left out."""

from __future__ import annotations

import logging

from msgspec.structs import replace

from ..errors import UsageError
from .definition import Definition
from .trial import Worker

log = logging.getLogger("zoo")


def within_limits(definition: Definition, worker: Worker) -> Definition:
    """``definition`` without the architectures that cannot meet the limits, whatever the trial.

    Networks that depend on a searched option are measured in each trial.

    Raises:
        UsageError: none is left.
        ExportError: a network cannot be exported, and a limit or an objective is about the file.
    """
    reasons: dict[str, str] = {}
    for name in definition.architectures:
        own = {option.name for option in worker.registry.architecture(name).options}
        if not any(dimension.name in own for dimension in definition.space[name]):
            excess = worker.excess(name)
            reasons |= {name: excess} if excess else {}
    kept = [name for name in definition.architectures if name not in reasons]
    text = "; ".join(f"{name} has {reason}" for name, reason in reasons.items())
    if not kept:
        raise UsageError(f"No network meets the limits: {text}. Raise the limit, or name smaller networks.")
    if reasons:
        log.warning("Left out of the search: %s.", text)
    return replace(definition, architectures=kept, space={name: definition.space[name] for name in kept})
