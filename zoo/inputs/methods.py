"""What a kind of input needs torch for: normalisation inside the model, random and hostile samples."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import PluginError
from ..registry.registry import Registry
from ..specs.columns import Column, columns_from_json
from ..specs.dataset import IMAGE, TABLE, Dataset, Input
from ..specs.options import Value
from .preprocess import Preprocess
from .probing import extreme_inputs, probe_inputs


class InputMethods:
    """What a kind of input computes; ``zoo.Input(methods=…)`` names a subclass, or nothing for this class.

    The methods of this class suit numbers whose first dimension are the channels, ``[N, C, …]``: each channel is
    standardised inside the model, and the gates try the range of the test split. A subclass overrides what is
    different. Every object has ``spec``, ``shape``, ``options`` and ``columns``.

    Args:
        spec: the declaration of the kind.
        shape: of one raw sample.
        options: all options of the kind, as the dataset sets them.
        columns: the columns of a table; empty for other kinds.
    """

    normalises = True
    """Whether the model takes raw samples. If not, inputs are what :meth:`fit` gives."""

    def __init__(
        self,
        spec: Input,
        shape: tuple[int, ...],
        options: Mapping[str, Value],
        columns: tuple[Column, ...] = (),
    ) -> None:
        self.spec, self.shape, self.options, self.columns = spec, shape, options, columns

    # data

    def problem(self, inputs: Tensor) -> str:
        """What is wrong with the raw inputs ``[N, …]`` of a split, in words that follow "the train split …".

        Empty if nothing is. Shape and type have been checked. Default: no infinite and no missing number.
        """
        if inputs.is_floating_point():
            if inputs.isinf().any():
                return "has inputs that are infinite"
            if inputs.isnan().any():
                return "has missing inputs (NaN), but declares no columns"
        return ""

    def examples(self, count: int, generator: torch.Generator) -> Tensor:
        """``count`` random raw samples ``[count, *shape]``, for checks of networks and gates."""
        size = (count, *self.shape)
        if self.spec.type == "float32":
            return torch.randn(size, generator=generator)
        return torch.randint(0, 256, size, generator=generator).to(getattr(torch, self.spec.type))

    # model

    def fit(self, inputs: Tensor) -> nn.Module:
        """The normalisation that fits the raw training inputs ``[N, …]``: the first part of the model.

        It is exported with the network, so torch.export must be able to trace it for any batch size. A method
        ``describe()`` gives its figures for JSON.
        """
        return Preprocess.fit(inputs)

    def blank(self) -> nn.Module:
        """The same module with values of the right shapes, to load a checkpoint into."""
        return Preprocess.blank(self.shape)

    @property
    def network_shape(self) -> tuple[int, ...]:
        """The shape of one sample behind the normalisation: the ``input_shape`` of a builder."""
        return self.shape

    def builder_arguments(self) -> dict[str, Any]:
        """Keyword arguments that every builder gets beside its options, such as the size of a vocabulary."""
        return {}

    # gates

    def extremes(self, real: Tensor, samples: Tensor, random: torch.Generator) -> Iterator[tuple[str, Tensor]]:
        """Hostile inputs for the gates of an export, each kind with its name: extremes and noise, always the same.

        Args:
            real: a batch of real samples; each hostile batch has its shape and type.
            samples: the inputs of the test split.
            random: for everything that is drawn.
        """
        return extreme_inputs(real, samples, random, missing=self.accepts_missing)

    def probes(self, real: Tensor, samples: Tensor, random: torch.Generator) -> Iterator[tuple[str, Tensor]]:
        """Hostile inputs that ``zoo verify`` draws anew each time, so that no file can be made for them.

        The arguments are those of :meth:`extremes`.
        """
        return probe_inputs(real, samples, random, missing=self.accepts_missing)

    @property
    def accepts_missing(self) -> bool:
        """Whether a raw sample may have missing values (NaN)."""
        return bool(self.columns) and self.normalises

    def without_normalisation(self) -> InputMethods:
        """The methods for a model that takes what :meth:`fit` gives; those of the default for other numbers."""
        other = copy.copy(self)
        other.normalises = False
        return other


def load_input(kind: Input, shape: tuple[int, ...], options: Mapping[str, Any], columns: Any = ()) -> InputMethods:
    """The methods of a kind of input for samples of ``shape``.

    Raises:
        PluginError: they cannot be imported, or are no :class:`InputMethods`.
    """
    try:
        methods = kind.load(tuple(shape), options, tuple(columns))
    except PluginError:
        raise
    except Exception as error:  # the code of a plugin may raise anything
        text = " ".join(str(error).split())
        raise PluginError(f"{kind.label}: methods failed: {type(error).__name__}: {text}.") from error
    if not isinstance(methods, InputMethods):
        raise PluginError(f"{kind.label}: methods must be a subclass of zoo.InputMethods.")
    return methods


def input_of_dataset(spec: Dataset, registry: Registry) -> InputMethods:
    """The methods for the samples of a dataset.

    Raises:
        UsageError, PluginError: no plugin registers its kind of input, or the plugin is broken.
    """
    return load_input(
        registry.input_of(spec.input, spec.input_shape), spec.input_shape, spec.input_options, spec.columns
    )


def input_of_record(data: Mapping[str, Any], registry: Registry) -> InputMethods:
    """The methods for the samples of a run or a checkpoint. The errors are those of :func:`input_of_dataset`.

    Args:
        data: the entry ``data`` of ``run.json`` or of the metadata of a checkpoint.
    """
    shape = tuple(data["input_shape"])
    kind = registry.input_of(data.get("input") or "", shape)
    return load_input(kind, shape, data.get("input_options") or {}, columns_from_json(data.get("columns") or ()))


def input_entries(spec: Dataset, registry: Registry) -> dict[str, Any]:
    """What a run records of the kind of input; nothing for the kinds that runs always had."""
    kind = registry.input_of(spec.input, spec.input_shape)
    if kind.name in (IMAGE, TABLE):
        return {}
    return {"input": kind.name, "input_options": dict(kind.check_options(spec.input_options))}
