"""The declaration of a dataset. Imports no torch and loads no data."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .columns import Column, network_shape
from .declarations import declaration
from .options import Option
from .references import Reference
from .spec import Spec, option_problems, recipe_problems


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
        num_outputs: number of classes; 1 for binary; number of targets for regression; for a plugin's task as it says.
        labels: the names of the classes, in order (two for binary), or of the targets of a regression.
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
        """Shape of one sample after input normalisation: the ``input_shape`` of a builder."""
        return network_shape(self.input_shape, self.columns)


def is_present(spec: Dataset, folder: Path) -> bool:
    """Whether all files of a dataset are in ``folder``; always true for a bundled dataset."""
    return all(os.path.isfile(os.path.join(folder, name)) for name in spec.files)
