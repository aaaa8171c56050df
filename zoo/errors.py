"""What can go wrong, in words for the person at the keyboard.

Every error that a user can cause is a :class:`ZooError` whose text is one line: what happened and what to do.
The library raises them; only the command line turns them into exit codes.
"""

from __future__ import annotations

from collections.abc import Iterable


class ZooError(Exception):
    """Something could not be done."""


class UsageError(ZooError):
    """The request itself is wrong: a name, an option or a value."""


class UnknownName(UsageError):
    """A name that nobody registered."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str) -> None:
        close = closest(name, known)
        guess = f" Did you mean {close!r}?" if close else ""
        super().__init__(f"There is no {kind} named {name!r}.{guess} {hint}")
        self.name = name
        self.closest = close


class InvalidValue(UsageError):
    """A value of the wrong type, out of its range, or not among its choices."""


class PluginError(ZooError):
    """A plugin that could not be loaded, or that registered something unusable."""


class BuildError(ZooError):
    """A network that cannot be built with these options for this input."""


class DataError(ZooError):
    """Data that cannot be used."""


class DataUnavailable(DataError):
    """Data that is neither on disk nor reachable. A dataset's loader raises it; a stand-in may take its place."""


class DeviceUnavailable(ZooError):
    """A device that was asked for and that this machine does not have."""


class RunNotFound(ZooError):
    """No run answers to a name, or none has a checkpoint."""


class RunBusy(ZooError):
    """A run that another process is training."""


class OutOfMemory(ZooError):
    """A computation that needs more memory than there is."""


class PeerFailed(ZooError):
    """Another process of the same training failed, and with it this one."""


class TrainingDiverged(ZooError):
    """The loss became NaN or infinite."""


class TrainingInterrupted(ZooError):
    """A signal stopped the training; everything needed to resume it is on disk."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class ExportError(ZooError):
    """A model that cannot be written in the format asked for."""


class ExportRefused(ExportError):
    """An exported file that failed its certificate. It was not put in place."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, or None when nothing comes near."""
    import difflib  # only when someone mistyped: start-up stays lean

    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None
