"""``zoo draw``: a picture of a network, its layers, their shapes and parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UnknownName, UsageError
from ..files import make_folder, write_text
from ..folders import drawing_path, runs_folder
from ..formatting import counted, one_line, shortened
from ..models.api import create_model, is_onnx_file
from ..registry.registry import Registry, create_registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..inputs.methods import InputMethods
    from .structure import Chain, Item


@dataclass(frozen=True, slots=True)
class NetworkDrawing:
    """A picture of a network. A notebook shows it.

    Args:
        svg: the picture: an ``<svg>`` element, which is also the content of a file.
        description: the same content in words.
    """

    svg: str
    description: str

    def save(self, path: Path | str) -> Path:
        """Write the picture to a file and return its path. The file is replaced only when it is complete.

        Raises:
            UsageError: the name does not end in ``.svg``.
            ZooError: the file cannot be written.
        """
        target = drawing_path(path)
        make_folder(target.parent)
        write_text(target, self.svg)
        return target

    def _repr_svg_(self) -> str:
        return self.svg


def draw(
    network: str | nn.Module,
    *,
    input_shape: Sequence[int] | None = None,
    num_outputs: int | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
    **options: object,
) -> NetworkDrawing:
    """Draw a network: its layers, the shapes of their results, and their parameters.

    The network computes two samples, and the picture shows what it computed: branches, shortcuts and concatenations,
    whatever control flow led there. Normalisation of the data is not part of it. Blocks that follow each other and are
    built alike are drawn once. In a large network the innermost modules are drawn without their content.

    Args:
        network: an architecture, a run (its folder, or ``ARCHITECTURE/RUN``), or a module that takes
            ``[N, *input_shape]``.
        input_shape: the shape of one sample, without the batch dimension. Default: that of the architecture's dataset,
            or of the run's data. A module needs it.
        num_outputs: the number of outputs of an architecture. Default: that of its dataset.
        options: options of the architecture.

    Raises:
        UnknownName, InvalidValue: an unknown architecture or option, or an invalid value.
        RunNotFound: there is no such run.
        BuildError: the network cannot be built for this shape.
        UsageError: a module without ``input_shape``; options or shapes beside a run or a module.
    """
    if not isinstance(network, str):
        if input_shape is None or options or num_outputs is not None:
            raise UsageError("A module is drawn as it is: give it with input_shape, and with no options.")
        return draw_module(network, input_shape, type(network).__name__)
    if is_onnx_file(network):
        raise UsageError(f"{network} is an exported file. A drawing needs the architecture or the run.")
    from ..inputs.methods import input_of_dataset

    registry = registry or create_registry()
    shape = None if input_shape is None else tuple(input_shape)
    try:
        architecture = registry.architecture(network)
    except UnknownName:
        return _draw_run(
            network, runs_dir, registry, {**options, "input_shape": input_shape, "num_outputs": num_outputs}
        )
    module = create_model(network, input_shape=shape, num_outputs=num_outputs, registry=registry, **options)
    if shape is not None:
        return draw_module(module, shape, network)
    inputs = input_of_dataset(registry.dataset(architecture.dataset), registry)
    return draw_module(module, inputs.network_shape, network, inputs.blank()(_samples(inputs)))


def _draw_run(
    reference: str, runs_dir: Path | str | None, registry: Registry, given: Mapping[str, object]
) -> NetworkDrawing:
    """Draw the network of a run, which nothing can change."""
    from ..models.trained import find_trained

    trained = find_trained(reference, runs_folder(runs_dir), registry)
    if any(value is not None for value in given.values()):
        raise UsageError(f"{reference} is a run: its network is drawn as it was trained. Leave out options and shapes.")
    return draw_trained(trained.module, trained.metadata, registry)


def draw_trained(module: nn.Sequential, metadata: dict[str, Any], registry: Registry) -> NetworkDrawing:
    """Draw the network of a trained model.

    Args:
        module: the whole model, which begins with the normalisation.
        metadata: that of its checkpoint.
    """
    from ..inputs.methods import input_of_record

    inputs = input_of_record(metadata["data"], registry)
    example = module[0](_samples(inputs))
    return draw_module(module.get_submodule("network"), inputs.network_shape, metadata["architecture"], example)


def _samples(inputs: InputMethods) -> Tensor:
    """Two random raw samples."""
    import torch

    return inputs.examples(2, torch.Generator().manual_seed(0))


def draw_module(
    module: nn.Module, input_shape: Sequence[int], name: str, example: Tensor | None = None
) -> NetworkDrawing:
    """Draw a module that takes ``[N, *input_shape]``.

    Args:
        example: two samples; default: zeros.
    """
    from ..models.build import count_parameters
    from .layout import picture
    from .structure import structure
    from .trace import trace

    found = trace(module, input_shape, example)
    chain = structure(found)
    total, drawn = count_parameters(module), sum(step.parameters for step in found.steps)
    notes = []
    if found.problem:
        notes.append(f"{found.problem}: these are its layers in the order of their declaration.")
    elif total > drawn:
        notes.append(f"{counted(total - drawn, 'parameter')} in modules that a prediction does not use are not shown.")
    title = f"{name}: {counted(total, 'parameter')}"
    shape = tuple(input_shape)
    words = " ".join(_chain_words(chain))
    reason = f"({shortened(one_line(found.reason), 300)})" if found.reason else ""
    description = f"From top to bottom: input {_size(shape)}; {words} output. {' '.join([*notes, reason])}".rstrip()
    return NetworkDrawing(picture(chain, shape, title, description, notes), description)


def _chain_words(chain: Chain) -> Iterator[str]:
    for item in chain.items:
        yield from _item_words(item)


def _item_words(item: Item) -> Iterator[str]:
    """The content of a picture in words: a phrase for each layer, brackets for what belongs together."""
    from .steps import Step
    from .structure import Block, Branches

    if isinstance(item, Step):
        size = f" gives {_size(item.shape)}" if item.shape is not None else ""
        parameters = f", {counted(item.parameters, 'parameter')}" if item.parameters else ""
        yield one_line(f"{item.kind} {item.detail}").strip() + f"{size}{parameters};"
    elif isinstance(item, Block):
        times = f"{len(item.names)} times " if len(item.names) > 1 else ""
        size = f" gives {_size(item.shapes[-1])}" if item.shapes[-1] is not None else ""
        content = " ".join(_chain_words(item.body))
        inside = f" ({content.rstrip(';')})" if content else ""
        yield f"{times}{one_line(item.kind)} {one_line(item.names[0])}{inside}{size};"
    elif isinstance(item, Branches):
        words = [" ".join(_chain_words(chain)).rstrip(";") or "nothing" for chain in item.chains]
        yield "side by side " + " and ".join(f"[{text}]" for text in words) + ";"
    else:
        yield "connected crosswise [" + " ".join(text for part in item.items for text in _item_words(part)) + "];"


def _size(shape: tuple[int, ...] | None) -> str:
    return " × ".join(map(str, shape or ())) or "1"
