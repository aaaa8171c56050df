"""What a plugin declares: cheap, frozen data.

A declaration never imports torch. Whatever is heavy is named by an import string, ``"package.module:name"``,
and resolved when it is used.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import PluginError, UsageError, closest
from .columns import Column, network_shape
from .declarations import declaration
from .hyperparameters import NAMES as HYPERPARAMETER_NAMES
from .hyperparameters import resolve
from .options import Option

TASK_NAMES = ("classification", "binary", "regression")
"""The tasks of :mod:`zoo.models.tasks`, which imports torch and so cannot be asked here."""

Reference = str | Callable[..., Any]
"""A callable, or where to import it from: ``"package.module:name"``."""

_FLAG = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_EXPORT_FLAGS = frozenset(
    {"output", "bundle", "no-preprocess", "max-drop", "provider", "reproducible"}
    | {"data-dir", "runs-dir", "json", "debug", "help"}
)
_NAME = re.compile(r"[a-z0-9]+([-/_.][a-z0-9]+)*")


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Architecture:
    """A network that can be trained.

    Args:
        name: lower case, words joined by dashes; what a person types.
        summary: one line.
        task: what it learns: ``classification``, ``binary`` or ``regression``.
        builder: ``builder(input_shape, num_outputs, **options) -> torch.nn.Module``. ``input_shape`` is without the
            batch (``(channels, height, width)`` for images). The module returns logits. It raises ``ValueError`` in
            one line where it cannot be built for that shape.
        dataset: name of the dataset it is trained on unless another is asked for.
        parameters: number of trainable parameters, built with the default options for the default dataset.
        hyperparameters: the default recipe, over the library's defaults (see :mod:`zoo.specs.hyperparameters`).
        options: the keywords that the builder accepts.
        image_size: height and width to bring images of many sizes to, where the network was made for large ones.
        weights: a checkpoint (safetensors) that comes with the plugin: the best one of a training with the default
            recipe. It is used where nothing was trained yet.
        results: what the default recipe reaches, as ``zoo reproduce NAME --record`` writes it (JSON).
        origins: where else weights to start from can be had: by name, ``loader() -> dict`` from the network's parameter
            names to tensors. ``--init-from NAME`` takes them.
        tags: words to find it by.
        source: the paper or text it comes from.
    """

    name: str
    summary: str
    task: str
    builder: Reference
    dataset: str
    parameters: int
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[Option, ...] = ()
    image_size: int = 0
    weights: Path | None = None
    results: Path | None = None
    origins: Mapping[str, Reference] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        _check_declaration(self)
        if self.parameters < 0:
            raise PluginError(f"{_label(self)}: parameters must be a whole number, not {self.parameters!r}.")
        clashes = sorted(HYPERPARAMETER_NAMES & {option.name for option in self.options})
        if clashes:
            raise PluginError(
                f"{_label(self)}: option {clashes[0]!r} has the name of a hyperparameter; choose another."
            )

    @property
    def shipped_weights(self) -> Path | None:
        """:attr:`weights`, where the file is really there: a plugin names it before it is made."""
        return self.weights if self.weights is not None and self.weights.is_file() else None


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dataset:
    """Data that can be trained on.

    Args:
        name: lower case, words joined by dashes.
        summary: one line.
        task: what can be learnt from it: ``classification``, ``binary`` or ``regression``.
        loader: ``loader(folder, download) -> zoo.Splits``. ``folder`` is the data folder, shared by all datasets.
            With ``download`` false it must not touch the network. It raises :class:`zoo.DataUnavailable` when the
            data is not in ``folder`` and could not be fetched.
        input_shape: shape of one sample, ``(channels, height, width)`` for images.
        num_outputs: number of classes; 1 for binary; number of targets for regression.
        labels: the names of the classes, in order (two for binary); for regression, of the targets.
        columns: of a table: what each raw column holds. Without them, columns are numbers and none is missing.
        sizes: number of samples, as ``{"train": …, "test": …}``.
        files: paths inside the data folder that make the dataset present; none for a bundled one.
        fingerprint: what :func:`zoo.data.splits.fingerprint` gives for the right data; anything else is refused.
        licence: the licence of the data.
        source: where it comes from.
        stand_in: name of a bundled dataset of the same shape and task to use when this one cannot be had.
        hyperparameters: overrides for architectures whose recipe was made for another dataset, because this one is
            much smaller, say.
        options: keywords that the loader accepts beside ``folder`` and ``download``, set by ``--data-option``.
        trials: the options under which results are recorded, one training each, where a single test split is too
            small to tell; five seeds on the one test split, unless given.
    """

    name: str
    summary: str
    task: str
    loader: Reference
    input_shape: tuple[int, ...]
    num_outputs: int
    labels: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    fingerprint: str = ""
    licence: str = ""
    source: str = ""
    stand_in: str = ""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    options: tuple[Option, ...] = ()
    trials: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        _check_declaration(self)
        if self.task == "binary" and self.num_outputs != 1:
            raise PluginError(f"{_label(self)}: binary means one output, not {self.num_outputs}.")
        wanted = 2 if self.task == "binary" else self.num_outputs
        if self.labels and len(self.labels) != wanted:
            raise PluginError(f"{_label(self)}: {len(self.labels)} labels where {wanted} are needed.")
        if self.columns and self.input_shape != (len(self.columns),):
            raise PluginError(f"{_label(self)}: {len(self.columns)} columns for samples of shape {self.input_shape}.")

    @property
    def network_shape(self) -> tuple[int, ...]:
        """Shape of one sample behind the normalisation: what an architecture is built for."""
        return network_shape(self.input_shape, self.columns)


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Exporter:
    """A file format that a trained model can leave in.

    The library chooses the checkpoint, calls ``write`` on a temporary path, judges what was written, and puts file and
    certificate in place only if every gate was passed. Where ``inspect`` and ``open`` are given, its own gates judge
    (structure, numbers, providers, the whole test split), and ``zoo verify`` can repeat them; ``check`` adds to them.

    Args:
        name: the flag, ``onnx`` for ``zoo export NAME --onnx``.
        summary: one line.
        suffix: of the file, with its dot.
        write: ``write(subject, path, **options) -> None`` writes the file; ``subject`` is a :class:`zoo.ExportSource`.
            It raises :class:`zoo.ExportError` in one line where the model cannot be written.
        check: ``check(subject, path, **options) -> Iterator[zoo.Check]`` judges what only the format knows.
        inspect: ``inspect(path) -> zoo.Inspection`` tells what is in a file, and what is wrong with it.
        open: ``open(path) -> zoo.Runtimes`` gives every way to run a file on this machine.
        options: the keywords that ``write`` and ``check`` accept, each a flag of ``zoo export``.
        reductions: smaller forms by the name of their flag, ``int8`` for ``--int8``:
            ``reduce(subject, proven, path) -> None`` writes ``path`` from the proven file. It needs ``inspect`` and
            ``open``, and is judged by what it costs.
        runners: small programs that use a file named ``model`` and the suffix, copied into a bundle.
    """

    name: str
    summary: str
    suffix: str
    write: Reference
    check: Reference | None = None
    inspect: Reference | None = None
    open: Reference | None = None
    options: tuple[Option, ...] = ()
    reductions: Mapping[str, Reference] = field(default_factory=dict)
    runners: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        _check_name(self)
        for flag in (self.name, *self.reductions, *(option.name.replace("_", "-") for option in self.options)):
            if flag in _EXPORT_FLAGS or not _FLAG.fullmatch(flag):
                raise PluginError(f"{_label(self)}: --{flag} is no possible flag of `zoo export`; choose another name.")
        given = (self.write, self.check, self.inspect, self.open, *self.reductions.values())
        for reference in given:
            if reference is not None:
                _check_reference(self, reference)
        if (self.inspect is None) != (self.open is None):
            raise PluginError(f"{_label(self)}: inspect and open go together; give both, or neither.")
        if self.open is None and (self.check is None or self.reductions):
            raise PluginError(f"{_label(self)}: without inspect and open it must have a check, and no reductions.")
        if not self.suffix.startswith("."):
            raise PluginError(f"{_label(self)}: suffix {self.suffix!r} must begin with a dot.")


Spec = Architecture | Dataset | Exporter


def references_of(spec: Spec) -> list[tuple[str, Reference]]:
    """Everything that a declaration names by import string or callable, with the name of its field."""
    if isinstance(spec, Architecture):
        return [("builder", spec.builder), *((f"origins[{name!r}]", origin) for name, origin in spec.origins.items())]
    if isinstance(spec, Dataset):
        return [("loader", spec.loader)]
    named = [("write", spec.write), ("check", spec.check), ("inspect", spec.inspect), ("open", spec.open)]
    named += [(f"reductions[{name!r}]", reduce) for name, reduce in spec.reductions.items()]
    return [(field, reference) for field, reference in named if reference is not None]


def is_present(spec: Dataset, folder: Path) -> bool:
    """Whether all files of a dataset are in ``folder``; a bundled one always is."""
    return all((folder / name).is_file() for name in spec.files)


def resolve_reference(reference: Reference) -> Callable[..., Any]:
    """The callable that ``reference`` names, imported now.

    Raises:
        PluginError: it cannot be imported, or is not callable.
    """
    if not isinstance(reference, str):
        return reference
    module, _, name = reference.partition(":")
    try:
        home = importlib.import_module(module)
    except Exception as error:  # whatever a stranger's module does when it is imported
        text = " ".join(str(error).split())
        raise PluginError(f"Cannot import {reference!r}: {type(error).__name__}: {text}.") from error
    found = getattr(home, name, None)
    if found is None:
        close = closest(name, vars(home))
        guess = f" Did you mean {close!r}?" if close else ""
        raise PluginError(f"Cannot import {reference!r}: {module} has no {name!r}.{guess}")
    if not callable(found):
        raise PluginError(f"{reference!r} is not callable.")
    return found  # type: ignore[no-any-return]


def _label(spec: Spec) -> str:
    return f"{type(spec).__name__} {spec.name!r}"


def _check_name(spec: Spec) -> None:
    if not spec.summary.strip() or "\n" in spec.summary:
        raise PluginError(f"{_label(spec)}: summary must be one line, and not empty.")
    if not _NAME.fullmatch(spec.name):
        raise PluginError(f"{_label(spec)}: a name is lower-case letters and digits, joined by '-', '_', '.' or '/'.")


def _check_reference(spec: Spec, reference: Reference) -> None:
    if isinstance(reference, str):
        module, separator, name = reference.partition(":")
        if not (module and separator and name):
            raise PluginError(f"{_label(spec)}: {reference!r} is not of the form 'package.module:name'.")
    elif not callable(reference):
        raise PluginError(f"{_label(spec)}: {reference!r} is neither callable nor 'package.module:name'.")


def _check_declaration(spec: Architecture | Dataset) -> None:
    """What architectures and datasets have in common."""
    _check_name(spec)
    _check_reference(spec, spec.builder if isinstance(spec, Architecture) else spec.loader)
    if spec.task not in TASK_NAMES:
        raise PluginError(f"{_label(spec)}: task {spec.task!r} is not one of {', '.join(TASK_NAMES)}.")
    try:
        resolve(spec.hyperparameters)
    except UsageError as error:
        raise PluginError(f"{_label(spec)}: {error}") from error
