"""The declarations of a dataset and of a kind of input. Imports no torch and loads no data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..formatting import brief
from .columns import Column, network_shape
from .declarations import declaration
from .options import Option, Value, check_all
from .references import Reference, resolve_reference
from .spec import Spec, option_problems, recipe_problems

ELEMENTS = ("uint8", "int64", "float32")
"""The types that raw samples can have."""
DEMOS = ("", "image", "table", "text", "curve")
"""What the browser demo can show to enter a sample; see :class:`Input`."""


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Input(Spec):
    """A kind of input: what a raw sample is, and everything that depends on it. Datasets name their kind.

    Args:
        name: lower case, words joined by dashes; datasets name it in ``input``.
        summary: one line.
        type: of the elements of a raw sample: ``uint8``, ``int64`` or ``float32``.
        dimensions: of one raw sample, without the batch: 2 for ``[C, T]``.
        holds: what a raw sample holds, in words and with its unit: ``pixels, 0 to 255``.
        methods: a subclass of :class:`zoo.InputMethods`: normalisation inside the model, random and hostile inputs.
            Default: :class:`zoo.InputMethods` itself, which standardises each channel.
        reader: a subclass of :class:`zoo.InputReader`: how ``zoo predict`` reads a user's file. It imports no torch.
            None: ``zoo predict`` says that it cannot.
        options: what a dataset sets in ``input_options``, for example a vocabulary. They are recorded with the model.
        demo: how a sample is entered in the browser demo: ``image``, ``table``, ``text`` (the reader has a
            vocabulary) or ``curve`` (numbers ``[C, T]``). Empty: ``zoo demo`` says that it cannot show this kind.
        shapes: usual shapes of a sample; ``zoo check`` builds networks for them.
    """

    type: str
    dimensions: int
    holds: str
    methods: Reference | None = None
    reader: Reference | None = None
    options: tuple[Option, ...] = ()
    demo: str = ""
    shapes: tuple[tuple[int, ...], ...] = ()

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with the values of the fields, a sentence each."""
        yield from Spec.problems(self)  # super() needs the class that slots=True replaces
        yield from option_problems(self.options)
        if self.type not in ELEMENTS:
            yield f"type must be one of {', '.join(ELEMENTS)}, not {brief(self.type)}."
        if not 1 <= self.dimensions <= _MOST_DIMENSIONS:
            yield f"dimensions must be from 1 to {_MOST_DIMENSIONS}."
        if not self.holds.strip() or not self.holds.isprintable() or len(self.holds) > _LONGEST_TEXT:
            yield f"holds must be one line of 1 to {_LONGEST_TEXT} printable characters."
        if self.demo not in DEMOS:
            yield f"demo must be one of {', '.join(filter(None, DEMOS))}, or empty, not {brief(self.demo)}."
        if not all(_is_shape(shape) and len(shape) == self.dimensions for shape in self.shapes):
            yield f"shapes must be tuples of {self.dimensions} whole numbers of at least 1."

    @property
    def references(self) -> list[tuple[str, Reference]]:
        """All references to code, each with the name of its field."""
        named = (("methods", self.methods), ("reader", self.reader))
        return [(name, reference) for name, reference in named if reference is not None]

    def sample_problems(self, shape: tuple[int, ...], options: Mapping[str, Any], columns: bool) -> Iterator[str]:
        """What is wrong with a dataset of this kind, a sentence each."""
        if len(shape) != self.dimensions:
            yield f"samples of the kind {self.name} have {self.dimensions} dimensions, not {len(shape)}."
        if columns and self.name != TABLE:
            yield f"columns are for the kind {TABLE}, not for {self.name}."
        try:
            self.check_options(options)
        except UsageError as error:
            yield f"input_options: {error}"

    def check_options(self, options: Mapping[str, Any]) -> dict[str, Value]:
        """All options with their values.

        Raises:
            UnknownName, InvalidValue: an option that the kind does not have, or a wrong value.
        """
        return check_all(self.options, options, self.name)

    def load(self, shape: tuple[int, ...], options: Mapping[str, Any], columns: tuple[Column, ...] = ()) -> Any:
        """A new object of ``methods`` for samples of ``shape``. Imports torch.

        Raises:
            PluginError: it cannot be imported.
        """
        return resolve_reference(self.methods or _METHODS)(self, shape, self.check_options(options), columns)


IMAGE, TABLE = "image", "table"
"""The kinds of input that runs and exported files always had; they name no kind."""
_METHODS = "zoo.inputs.methods:InputMethods"
_MOST_DIMENSIONS, _LONGEST_TEXT = 7, 200


def _is_shape(value: object) -> bool:
    return isinstance(value, tuple) and all(type(size) is int and size >= 1 for size in value)


@declaration
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dataset(Spec):
    """Data to train on.

    Args:
        name: lower case, words joined by dashes.
        summary: one line.
        task: the name of a task: ``classification``, ``binary``, ``regression``, or one of a plugin.
        loader: ``loader(folder, download) -> zoo.Splits``. ``folder`` is the data folder, which all datasets share.
            If ``download`` is false, the loader must not use the network. If the data is not in ``folder`` and cannot
            be downloaded, the loader raises :class:`zoo.DataUnavailable`.
        input_shape: shape of one sample, ``(channels, height, width)`` for images.
        input: the name of the kind of input: ``image``, ``table``, ``signal``, ``tokens``, or one of a plugin. Default:
            by the number of dimensions: ``table`` for one, ``signal`` for two, ``image`` for three.
        input_options: the options of that kind, for example the vocabulary of tokens.
        num_outputs: number of classes; 1 for binary; number of targets for regression; for a plugin's task as it says.
        labels: the names of the classes, in order (two for binary), or of the targets of a regression: one for each
            output, unless the task has labels of its own.
        columns: for tables, a description of each raw column. Without it, all columns are numbers without missing
            values.
        sizes: number of samples in each split with the default options, ``{"train": …, "test": …}``. Other options may
            change the numbers.
        files: the files, as paths in the data folder, that must exist for the dataset to be present; empty for a
            bundled dataset.
        fingerprint: the expected :func:`zoo.fingerprint` of the splits with the default options; different data is
            refused, whatever the options.
        licence: the licence of the data.
        source: where the data comes from.
        stand_in: name of a bundled dataset of the same shape and task to use if this one is unavailable.
        hyperparameters: changes to the recipe of architectures whose default dataset is another one, for example
            because this dataset is much smaller.
        options: keyword arguments of the loader beside ``folder`` and ``download``. Users set them with
            ``--data-option``.
        trials: the options of each training run from which results are recorded, for datasets whose single test
            split is too small. By default, results come from five seeds on the one test split.
    """

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
    input: str = ""
    input_options: Mapping[str, Any] = field(default_factory=dict)

    def problems(self) -> Iterator[str]:
        """Everything that is wrong with the values of the fields, a sentence each."""
        yield from Spec.problems(self)  # super() needs the class that slots=True replaces
        yield from recipe_problems(self.hyperparameters)
        yield from option_problems(self.options)
        if not self.input_shape or min(self.input_shape) < 1 or self.num_outputs < 1:
            yield "input_shape and num_outputs must be 1 or more."
        if self.columns and self.input_shape != (len(self.columns),):
            yield f"{len(self.columns)} columns for samples of shape {self.input_shape}."

    @property
    def references(self) -> list[tuple[str, Reference]]:
        """All references to code, each with the name of its field."""
        return [("loader", self.loader)]

    @property
    def network_shape(self) -> tuple[int, ...]:
        """Shape of one sample after input normalisation: the ``input_shape`` of a builder.

        The methods of an unusual kind of input may change it: see :attr:`zoo.InputMethods.network_shape`.
        """
        return network_shape(self.input_shape, self.columns)


def is_present(spec: Dataset, folder: Path) -> bool:
    """Whether all files of a dataset are in ``folder``; always true for a bundled dataset."""
    return all(os.path.isfile(os.path.join(folder, name)) for name in spec.files)
