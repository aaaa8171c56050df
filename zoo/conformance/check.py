"""The conformance suite: what every plugin promises, checked one promise at a time.

Here is what is checked of whom, and how a verdict is told; nothing of it imports torch. The checks themselves are the
functions of the modules beside this one.
"""

from __future__ import annotations

import contextlib
import functools
import io
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UnknownName, ZooError
from ..registry.plugin import Plugin, describe_error
from ..registry.registry import Registry, create_registry
from ..specs.specs import Architecture, Dataset, Exporter, resolve_reference

LARGE = 5_000_000
"""Parameters from which on a network is only built in outline: training it would take minutes and gigabytes."""


class Problem(ZooError):
    """What a check found wrong, and how to mend it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


class NotChecked(ZooError):
    """Why a check could not be made here."""


@dataclass(frozen=True, slots=True)
class Demand:
    """One promise: its name, what it says, and the module of the function that checks it."""

    name: str
    promise: str
    module: str


def _demands(module: str, **promises: str) -> tuple[Demand, ...]:
    return tuple(Demand(name.replace("_", "-"), promise, module) for name, promise in promises.items())


DEMANDS: dict[str, tuple[Demand, ...]] = {
    "plugin": _demands(
        "plugin",
        loads="it is imported and everything that it registers is accepted",
        cheap="importing it brings in nothing heavy and takes no time worth naming",
        references="everything that it names by import string is there and can be called",
        package="its package says which versions of pluggy-zoo it works with",
    ),
    "architecture": _demands(
        "architecture",
        dataset="its dataset is registered and has its task",
        parameters="it has as many trainable parameters as it declares",
        shapes="it builds for several input shapes and output counts, or refuses in one line, and gives finite outputs",
        batches="each sample's output is its own, whatever else is in the batch, at batch size 1 too",
        gradients="every parameter gets a finite gradient",
        logits="it returns logits or raw predictions, not probabilities",
        seed="the same seed gives the same weights",
        evaluation="in evaluation mode it is deterministic and changes nothing in itself",
        learns="it can learn one batch by heart",
    )
    + _demands(
        "training",
        trains="the shared trainer trains it",
        checkpoint="its checkpoint, loaded again, gives the same outputs",
        resume="a training stopped after an epoch and resumed ends with the same bytes as one that was not",
        export="it leaves as an ONNX file that passes its certificate",
        weights="the weights and results that it ships are there and can be read",
    ),
    "dataset": _demands(
        "dataset",
        described="it says where it comes from, under what licence, and how large it is",
        offline="without a network it says that it is not there, and touches none",
        loads="shapes, types, ranges and sizes are as declared",
        fingerprint="reading it twice gives the same data, that of the fingerprint where one is declared",
        labels="every class occurs in training and test",
        disjoint="the test split is not in the training split",
        stand_in="its stand-in has the same shape and task",
    ),
    "exporter": _demands(
        "exporter",
        writes="it writes a sound network and its own checks pass",
        repeatable="the same network gives the same bytes",
        refuses_other_weights="a file of slightly other weights is refused",
        refuses_damage="a file cut short is refused",
    ),
    "command": _demands(
        "command",
        help="its help explains it, with an example",
        cheap="asking for its help imports nothing heavy",
    ),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked: a plugin, or one thing that a plugin registered."""

    kind: str
    name: str
    plugin: Plugin

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What came of one check.

    Args:
        kind, name: of the subject.
        check: name of the check.
        status: ``passed``, ``failed`` or ``skipped``.
        reason: what was seen, in one line.
        remedy: what to do about it; empty unless it failed.
        seconds: what it took.
    """

    kind: str
    name: str
    check: str
    status: str
    reason: str
    remedy: str = ""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


@dataclass(slots=True, eq=False)
class Bench:
    """Where one subject is checked: what its checks share, so that a training is made once.

    Args:
        registry: a copy, which checks may add to.
        data_dir: the data folder.
        download: whether data may be fetched.
        scratch: an empty folder.
    """

    subject: Subject
    registry: Registry
    data_dir: Path
    download: bool
    scratch: Path
    made: dict[str, Any] = field(default_factory=dict)

    @property
    def architecture(self) -> Architecture:
        """The architecture that is checked."""
        return self.registry.architecture(self.subject.name)

    @property
    def dataset(self) -> Dataset:
        """The dataset that is checked, or that the architecture is made for."""
        if self.subject.kind == "dataset":
            return self.registry.dataset(self.subject.name)
        return self.registry.dataset(self.architecture.dataset)

    @property
    def exporter(self) -> Exporter:
        """The exporter that is checked."""
        return self.registry.exporter(self.subject.name)


def find_subjects(registry: Registry, names: Iterable[str] = (), commands: Iterable[str] = ()) -> list[Subject]:
    """What ``names`` mean: plugins and all that they registered, distributions, or single things registered.

    Args:
        names: everything that is not built in, where there are none.
        commands: names of the commands of plugins, where they are known.

    Raises:
        UnknownName: nothing is called so.
    """
    wanted, commands = list(names), list(commands)
    if not wanted:
        return [subject for subject in _everything(registry, commands) if not subject.plugin.builtin]
    chosen: list[Subject] = []
    for name in wanted:
        with contextlib.suppress(UnknownName):
            registry.architecture(name)  # one that a plugin knows but does not list is registered now
        everything = _everything(registry, commands)
        found = [s for s in everything if name in (s.plugin.name, s.plugin.distribution)]
        found = found or [s for s in everything if s.name == name]
        if not found:
            known = {n for s in everything for n in (s.name, s.plugin.name, s.plugin.distribution)}
            raise UnknownName("plugin, distribution or thing registered", name, known, "`zoo plugins` shows them all.")
        chosen += [subject for subject in found if subject not in chosen]
    return chosen


def _everything(registry: Registry, commands: Iterable[str]) -> list[Subject]:
    subjects = [Subject("plugin", plugin.name, plugin) for plugin in registry.plugins if not plugin.blocked]
    for spec, plugin in registry.declared():
        subjects.append(Subject(type(spec).__name__.lower(), spec.name, plugin))
    for name in commands:
        owner = registry.command_owner(name)
        if owner is not None:
            subjects.append(Subject("command", name, owner))
    return sorted(subjects, key=lambda subject: registry.plugins.index(subject.plugin))


def check(
    *names: str,
    data_dir: Path | str | None = None,
    download: bool = False,
    registry: Registry | None = None,
    commands: Iterable[str] = (),
) -> Iterator[CheckResult]:
    """Run the conformance suite, one verdict after another.

    Args:
        names: of plugins, distributions, architectures, datasets, exporters; everything not built in, unless given.
        data_dir: the data folder; see :func:`zoo.data_folder`.
        download: fetch datasets that are not there; without it, what needs them is skipped.
        commands: the names of plugins' commands, where they were asked for.

    Raises:
        UnknownName: nothing is called so.
    """
    registry = registry or create_registry()
    for subject in find_subjects(registry, names, commands):
        with bench_for(subject, registry, data_dir, download) as bench:
            for demand in DEMANDS[subject.kind]:
                yield judge(bench, demand)


@contextlib.contextmanager
def bench_for(
    subject: Subject, registry: Registry, data_dir: Path | str | None = None, download: bool = False
) -> Iterator[Bench]:
    """A place to check ``subject``, removed afterwards."""
    from ..folders import data_folder

    with tempfile.TemporaryDirectory(prefix="zoo-check-") as scratch:
        yield Bench(subject, registry.copy(), data_folder(data_dir), download, Path(scratch))


def judge(bench: Bench, demand: Demand) -> CheckResult:
    """The verdict on one demand; whatever a plugin does wrong is a verdict, never an exception."""
    function = resolve_reference(f"{__package__}.{demand.module}:{demand.name.replace('-', '_')}")
    verdict = functools.partial(CheckResult, bench.subject.kind, bench.subject.name, demand.name)
    began = time.perf_counter()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            reason = function(bench)
        outcome = ("passed", reason or demand.promise, "")
    except NotChecked as error:
        outcome = ("skipped", str(error), "")
    except Problem as error:
        outcome = ("failed", str(error), error.remedy)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        outcome = ("failed", describe_error(error), f"It promises: {demand.promise}.")
    return verdict(*outcome, seconds=round(time.perf_counter() - began, 2))
