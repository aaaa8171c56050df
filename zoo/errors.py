"""The errors of the zoo.

Every error that a user can cause is a :class:`ZooError` with a one-line message: what happened and what to do.
The library raises them; only the command line turns them into exit codes.
"""

from __future__ import annotations

from collections.abc import Iterable


class ZooError(Exception):
    """Base class of all errors of the zoo."""


class UsageError(ZooError):
    """A wrong argument: a name, an option or a value."""


class UnknownName(UsageError):
    """A name that does not exist, with the closest existing name in the message."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str) -> None:
        close = closest(name, known)
        guess = f" Did you mean {close!r}?" if close else ""
        super().__init__(f"There is no {kind} named {name!r}.{guess} {hint}")
        self.kind = kind
        self.name = name
        self.closest = close


class InvalidValue(UsageError):
    """A value that has the wrong type, is out of range, or is not one of the choices."""


class PluginError(ZooError):
    """A plugin that cannot be loaded, or a declaration that is invalid."""


class MethodError(PluginError):
    """A method of a plugin's task or kind of input that fails, or returns something that it must not."""

    def __init__(self, message: str, method: str) -> None:
        super().__init__(message)
        self.method = method


class BuildError(ZooError):
    """A network that cannot be built with these options for this input shape."""


class DataError(ZooError):
    """Data that is invalid or does not fit."""


class DataUnavailable(DataError):
    """Data that is not on disk and cannot be downloaded. A dataset's loader raises it; the zoo may use a stand-in."""


class DeviceUnavailable(ZooError):
    """A requested device that this machine does not have."""


class RunNotFound(ZooError):
    """There is no run of this name, or it has no checkpoint."""


class RunBusy(ZooError):
    """Another process is training the run."""


class OutOfMemory(ZooError):
    """A computation needs more memory than the device has."""


class PeerFailed(ZooError):
    """Another process of the same distributed training failed, so this one stopped too."""


class TrainingDiverged(ZooError):
    """The loss became NaN or infinite."""


class TrainingInterrupted(ZooError):
    """A signal stopped the training. The run can be resumed."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class ExportError(ZooError):
    """A model cannot be written in the requested format."""


class ExportRefused(ExportError):
    """An exported file failed a gate, so it was discarded."""


class VerificationIncomplete(ExportError):
    """No check of an exported file failed, but some could not be made here."""


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most similar to ``name``; None if none is similar.

    A name that ``name`` begins (``resnet`` of ``resnet-mini``) or ends (``resnet18`` of ``torchvision/resnet18``) comes
    before names that are only spelled alike.
    """
    import difflib  # needed only for misspelled names; start-up stays fast

    by_lower = {candidate.lower(): candidate for candidate in known}
    short = name.lower()
    longer = [text for text in by_lower if short and text.startswith((f"{short}-", f"{short}_"))]
    longer = longer or [text for text in by_lower if short and text.endswith(f"/{short}")]
    if longer:
        return by_lower[min(longer, key=lambda text: (len(text), text))]
    matches = difflib.get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def line_in(error: BaseException, module: str) -> str:
    """The innermost line of an exception's traceback in the package of ``module``: ``FILE:LINE``; empty if none is."""
    line, trace = "", error.__traceback__
    while trace is not None:
        name = str(trace.tb_frame.f_globals.get("__name__"))
        if name.partition(".")[0] == module.partition(".")[0]:
            line = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return line


def is_about_memory(error: BaseException) -> bool:
    """Whether an exception of Python, or of a library in its text, says that there is not enough memory."""
    texts = (
        "not enough memory",
        "can't allocate memory",
        "Cannot allocate memory",
        "bad_alloc",
        "failed to map segment",
    )
    return isinstance(error, MemoryError) or any(text in str(error) for text in texts)
