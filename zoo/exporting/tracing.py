"""Trace a model with torch.export, for a batch of any size, and find the lines of the network that do something."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import linecache
import logging
import random
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.utils._python_dispatch import TorchDispatchMode

from ..errors import ExportError
from ..models.float64 import BRANCHES, control_flow
from .source import BATCH_NAME, ExportSource

TRACE_BATCH = 3
"""Not 1, because torch.export takes a size of 1 for a constant."""

_ZOO = str(Path(__file__).parents[1])
_PLUGINS = str(Path(_ZOO) / "plugins")
_NOT_THE_NETWORK = (*(str(Path(module.__file__ or "").parent) for module in (torch, logging, numpy)), "<", _ZOO)
_PYTHON = str(Path(logging.__file__).parents[1])
_GUARDS = "torch.fx.experimental.symbolic_shapes"


def trace_program(source: ExportSource) -> ExportedProgram:
    """Trace ``source.model`` for a batch of any size.

    Args:
        source: its model takes ``[N, …]``; N becomes the symbolic dimension ``batch``.

    Returns:
        A program of torch.export.

    Raises:
        ExportError: the model cannot be traced; the message has the cause, the line of code and the remedy.
    """
    example = source.samples(TRACE_BATCH)
    try:
        with _guards_on_the_batch() as guards:
            return torch.export.export(source.model, (example,), dynamic_shapes=({0: Dim(BATCH_NAME)},))
    except Exception as error:  # torch raises many kinds, some private
        raise ExportError(f"{source.name} cannot be exported: {_cause(error, guards)}") from error


def place_of(frames: traceback.StackSummary) -> str:
    """The innermost line that is of the network, not of torch or the zoo, as `` at FILE:LINE (CODE)``; or empty."""
    for frame in reversed(frames):
        if is_of_the_network(frame.filename):
            line = linecache.getline(frame.filename, frame.lineno or 0).strip()
            return f" at {frame.filename}:{frame.lineno} (`{line}`)"
    return ""


def place_of_error(error: BaseException) -> str:
    """The line of the network that raised ``error``, likewise."""
    return place_of(traceback.extract_tb(error.__traceback__))


def place_now(outside: int) -> str:
    """The line of the network that runs now, likewise.

    Args:
        outside: the number of outer frames that called the network; they are not searched.
    """
    return place_of(traceback.StackSummary.from_list(list(traceback.extract_stack())[outside:]))


def depth() -> int:
    """The number of frames of the caller, for :func:`place_now`."""
    frame, count = sys._getframe(1), 0
    while frame is not None:
        frame, count = frame.f_back, count + 1  # type: ignore[assignment]
    return count


def is_of_the_network(filename: str) -> bool:
    """Whether a source file may define a network: it is not of Python, torch, NumPy or the zoo's own library."""
    if filename.startswith(_PYTHON) and "site-packages" not in filename:
        return False
    return filename.startswith(_PLUGINS) or not filename.startswith(_NOT_THE_NETWORK)


def first_line(error: BaseException) -> str:
    """The type of an error and the first line of its message; torch's own messages fill a page."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300].rstrip('.') if lines else 'no message'}"


def _cause(error: BaseException, guards: list[tuple[str, str]]) -> str:
    """The cause, its place and the remedy in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    text, place = str(error), place_of_error(error)
    if re.search(r"data-dependent expression (zuf|u)\d+ \(|Could not extract specialized integer", text):
        return (
            f"it turns a tensor into a Python number (float(), int(), .item() or .tolist()){place}, which no file can "
            "do. Calculate with the tensor itself."
        )
    if "data-dependent" in text:
        return f"it branches on its data{place}. Use torch.where, torch.cond or torch.while_loop instead."
    if f"Constraints violated ({BATCH_NAME})" in text:
        return _about_the_batch(text, place, guards)
    if ".numpy() is not supported" in text:
        return f"it calls .numpy(){place}, which no file can do. Use operations of torch."
    return first_line(error) + place


def _about_the_batch(text: str, place: str, guards: list[tuple[str, str]]) -> str:
    """The cause if the program would hold for some batch sizes only."""
    if "specialized it to be a constant" not in text:
        where = next((found for _, found in reversed(guards) if found), place)
        return f"it branches on the batch size{where}. Predictions must not depend on it: remove the branch."
    fixes = [found for guard, found in guards if guard.startswith("Eq(")]
    where = next((found for found in reversed(fixes) if found), place)
    fixed = f"the batch size is fixed at {TRACE_BATCH} (that of the traced example){where}. "
    if re.search(r"\bfor\b.*\bin\b", where):
        return fixed + "A loop over the samples has a fixed number of steps: compute the whole batch at once."
    if re.search(r"\blen\(", where):
        return fixed + "len() gives a fixed number: use x.shape[0] instead."
    return fixed + "Use -1 or x.shape[0] instead of a number, and do not branch on the batch size."


@contextlib.contextmanager
def _guards_on_the_batch() -> Iterator[list[tuple[str, str]]]:
    """Collect the conditions that torch sets on the batch size, and their places; its error does not name them."""
    guards: list[tuple[str, str]] = []
    outside = depth()

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found = re.match(r"eval (.*?) \[guard added\]", record.getMessage())
            if found:
                guards.append((found[1], place_now(outside)))

    logger, watch = logging.getLogger(_GUARDS), Watch(logging.INFO)
    level, propagate, handlers = logger.level, logger.propagate, logger.handlers
    logger.setLevel(logging.INFO)
    logger.propagate, logger.handlers = False, [watch]
    try:
        yield guards
    finally:
        logger.setLevel(level)
        logger.propagate, logger.handlers = propagate, handlers


class Observation(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Note what a model does that no file can repeat, with the lines of the network.

    Args:
        model: the model that runs while this is active.
        inputs: its input.
    """

    supports_higher_order_operators = True

    def __init__(self, model: nn.Module, inputs: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.random: list[str] = []
        """Operations that drew random numbers, each with its place."""
        self.writes: dict[str, str] = {}
        """The places where parameters, buffers and attributes were changed, by name; ``""`` is the input."""
        self.calls: dict[str, str] = {}
        """The places that called Python's clocks and random numbers, by function."""
        self.autocast: list[str] = []
        self._owners = {
            one.untyped_storage().data_ptr(): name for name, one in model.state_dict(keep_vars=True).items()
        }
        self._owners[inputs.untyped_storage().data_ptr()] = ""
        self._modules = {id(module): name for name, module in model.named_modules()}
        self._stack, self._outside = contextlib.ExitStack(), 0

    def __enter__(self) -> Observation:
        self._outside = depth()
        set_attribute, enter_autocast = nn.Module.__setattr__, torch.autocast.__enter__

        def setting(module: nn.Module, name: str, value: Any) -> None:
            self._note_write(".".join(filter(None, (self._modules.get(id(module), ""), name))))
            set_attribute(module, name, value)

        def entering(context: torch.autocast) -> Any:
            if context._enabled:
                self.autocast.append(self._place())
            return enter_autocast(context)  # type: ignore[no-untyped-call]

        self._stack.enter_context(mock.patch.object(nn.Module, "__setattr__", setting))
        self._stack.enter_context(mock.patch.object(torch.autocast, "__enter__", entering))
        if sys.getprofile() is None:  # a profiler of the user stays; it does without the places of calls
            self._stack.callback(sys.setprofile, None)
            sys.setprofile(self._note_call)
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *caught: Any) -> None:
        super().__exit__(*caught)  # type: ignore[no-untyped-call]
        self._stack.close()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, torch._ops.HigherOrderOperator):
            return control_flow(func, args, self) if func in BRANCHES else func(*args, **kwargs)
        if torch.Tag.nondeterministic_seeded in func.tags and not _has_no_effect(func, args, kwargs):
            generator = kwargs.get("generator") or torch.default_generator
            before = generator.get_state()
            result = func(*args, **kwargs)
            if not torch.equal(before, generator.get_state()):
                self.random.append(f"{func.overloadpacket.__name__.strip('_')}(){self._place()}")
        else:
            result = func(*args, **kwargs)
        if func._schema.is_mutable:
            for argument, value in zip(func._schema.arguments, args, strict=False):
                if argument.alias_info is not None and argument.alias_info.is_write and isinstance(value, Tensor):
                    name = self._owners.get(value.untyped_storage().data_ptr())
                    if name is not None:
                        self._note_write(name)
        return result

    def _place(self) -> str:
        return place_now(self._outside)

    def _note_write(self, name: str) -> None:
        self.writes.setdefault(name, self._place())

    def _note_call(self, frame: Any, event: str, function: Any) -> None:
        if event == "call" and frame.f_code.co_filename == random.__file__:
            if frame.f_back is not None and is_of_the_network(frame.f_back.f_code.co_filename):
                self._note_line(f"random.{frame.f_code.co_name}()", frame.f_back)
        elif event == "c_call" and is_of_the_network(frame.f_code.co_filename):
            owner = getattr(function, "__self__", None)
            source = getattr(function, "__module__", None) or type(owner).__module__
            if source in _UNREPEATABLE or isinstance(owner, random.Random) or owner is datetime.datetime:
                self._note_line(f"{source.strip('_')}.{function.__name__}()", frame)

    def _note_line(self, function: str, frame: Any) -> None:
        line = traceback.FrameSummary(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)
        self.calls.setdefault(function, place_of(traceback.StackSummary.from_list([line])))


_UNREPEATABLE = ("time", "posix", "nt", "_random", "numpy.random.mtrand", "numpy.random._generator")
"""Python's modules whose functions give other values in every run."""


def own_name(name: str) -> str:
    """The name that an attribute has in the network itself, without the modules that the zoo put around it."""
    return re.sub(r"^\.?(\d+\.)*(network\.)?", "", name)


def generator_states(model: nn.Module) -> dict[str, str]:
    """The states of the random generators of Python and NumPy, and of those that ``model`` keeps, by a description."""
    found = {"numbers of Python's random": random.getstate(), "numbers of numpy.random": numpy.random.get_state()}
    for name, module in model.named_modules():
        for attribute, value in vars(module).items():
            about = f"numbers of its {own_name(f'{name}.{attribute}')}"
            if isinstance(value, random.Random):
                found[about] = value.getstate()
            elif isinstance(value, numpy.random.RandomState):
                found[about] = value.get_state()
            elif isinstance(value, numpy.random.Generator):
                found[about] = value.bit_generator.state
    with numpy.printoptions(threshold=sys.maxsize):
        return {name: hashlib.sha256(repr(state).encode()).hexdigest() for name, state in found.items()}


def _has_no_effect(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a random operation always gives the same: Bernoulli draws (of dropout) with probability 0 or 1."""
    if not func.overloadpacket.__name__.startswith("bernoulli"):
        return False
    chances = [value for value in (*args[1:], *kwargs.values()) if isinstance(value, int | float)]
    return bool(chances) and chances[0] in (0, 1)
