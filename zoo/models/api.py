"""Functions for scripts: list architectures and datasets, create a model, load a trained one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UnknownName
from ..folders import runs_folder
from ..registry.registry import Registry, create_registry
from ..specs.architecture import Architecture
from ..specs.dataset import Dataset

if TYPE_CHECKING:
    from torch import nn

    from .inference import InferenceModel
    from .trained import TrainedModel


def list_architectures(registry: Registry | None = None, *, plugin: str | None = None) -> list[Architecture]:
    """All architectures, by name.

    Args:
        plugin: only the architectures of this plugin, or of this distribution's plugins.

    Raises:
        UnknownName: there is no such plugin or distribution.
    """
    registry = registry or create_registry()
    found = registry.architectures.values()
    if plugin is None:
        return list(found)
    names = {known.name for known in registry.plugins} | {known.distribution for known in registry.plugins}
    if plugin not in names:
        raise UnknownName("plugin or distribution", plugin, names, "`zoo plugins` lists all.")
    return [s for s in found if plugin in (registry.owner(s).name, registry.owner(s).distribution)]


def list_datasets(registry: Registry | None = None) -> list[Dataset]:
    """All datasets, by name."""
    return list((registry or create_registry()).datasets.values())


def create_model(
    name: str,
    *,
    input_shape: tuple[int, ...] | None = None,
    num_outputs: int | None = None,
    registry: Registry | None = None,
    **options: object,
) -> nn.Module:
    """A new, untrained network: standardised float32 ``[N, *input_shape]`` to logits ``[N, num_outputs]``.

    Args:
        name: the architecture.
        input_shape: the shape of one sample, without the batch dimension. Default: that of the architecture's dataset.
        num_outputs: the number of outputs. Default: that of the architecture's dataset.
        options: options of the architecture.

    Raises:
        UnknownName, InvalidValue: an unknown architecture or option, or an invalid value.
        BuildError: the network cannot be built for this shape.
    """
    from ..inputs.methods import input_of_dataset
    from .build import build_network

    registry = registry or create_registry()
    architecture = registry.architecture(name)
    dataset = registry.dataset(architecture.dataset)
    inputs = input_of_dataset(dataset, registry)
    shape = input_shape or inputs.network_shape
    return build_network(architecture, shape, num_outputs or dataset.num_outputs, options, inputs.builder_arguments())


def load(reference: str, *, runs_dir: Path | str | None = None, registry: Registry | None = None) -> TrainedModel:
    """Load the best checkpoint of a run, or of an architecture's best run, on the CPU.

    If there is no run of the architecture, load the weights that ship with it.

    ``load("resnet-mini").module(images)`` takes raw samples, uint8 ``[N, C, H, W]``, and returns logits.

    Args:
        reference: an architecture, ``ARCHITECTURE/RUN``, or a run's folder.

    Raises:
        RunNotFound: there is neither a run nor shipped weights.
        ZooError: the checkpoint is damaged, or the architecture has changed since the training.
    """
    from .trained import find_trained

    registry = registry or create_registry()
    return find_trained(reference, runs_folder(runs_dir), registry)


def open_model(
    reference: Path | str, *, runs_dir: Path | str | None = None, registry: Registry | None = None
) -> InferenceModel:
    """Open a trained model that runs on NumPy arrays: an exported file, or what :func:`load` loads.

    ``open_model("resnet-mini.onnx").run(images)`` takes uint8 ``[N, C, H, W]`` and returns ``(logits, probabilities)``.
    A file needs only onnxruntime; torch is not imported.

    Args:
        reference: a file ``NAME.onnx``, an architecture, ``ARCHITECTURE/RUN``, or a run's folder.

    Raises:
        ZooError: the file is missing, damaged, or was not written by ``zoo export``.
        RunNotFound, UnknownName: as for :func:`load`.
    """
    if is_onnx_file(reference):
        from .onnx_model import OnnxModel

        return OnnxModel(reference)
    from .torch_model import TorchModel

    return TorchModel(load(str(reference), runs_dir=runs_dir, registry=registry))


def is_onnx_file(reference: Path | str) -> bool:
    """Whether ``reference`` is the name of an ONNX file. The file need not exist."""
    return str(reference).lower().endswith(".onnx")
