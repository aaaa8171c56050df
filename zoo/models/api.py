"""The small questions that a script asks: what is there, build me one, give me the trained one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UnknownName
from ..folders import runs_folder
from ..registry.registry import Registry, create_registry
from ..specs.specs import Architecture, Dataset

if TYPE_CHECKING:
    from torch import nn

    from .inference import InferenceModel
    from .trained import TrainedModel


def list_architectures(registry: Registry | None = None, *, plugin: str | None = None) -> list[Architecture]:
    """All architectures, by name.

    Args:
        plugin: only those that this plugin, or the plugins of this distribution, registered.

    Raises:
        UnknownName: there is no such plugin or distribution.
    """
    registry = registry or create_registry()
    found = registry.architectures.values()
    if plugin is None:
        return list(found)
    names = {known.name for known in registry.plugins} | {known.distribution for known in registry.plugins}
    if plugin not in names:
        raise UnknownName("plugin or distribution", plugin, names, "`zoo plugins` shows them all.")
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
    """A new, untrained network: standardised floats ``[N, *input_shape]`` to logits ``[N, num_outputs]``.

    Args:
        name: of the architecture.
        input_shape: of one sample; that of the architecture's own dataset, unless given.
        num_outputs: likewise.
        options: of the architecture.

    Raises:
        UnknownName, InvalidValue: a name or value that the architecture does not know.
        BuildError: it cannot be built for that shape.
    """
    from .build import build_network

    registry = registry or create_registry()
    architecture = registry.architecture(name)
    dataset = registry.dataset(architecture.dataset)
    return build_network(
        architecture, input_shape or dataset.network_shape, num_outputs or dataset.num_outputs, options
    )


def load(reference: str, *, runs_dir: Path | str | None = None, registry: Registry | None = None) -> TrainedModel:
    """The best checkpoint of a run, or of an architecture's best run, ready to use on the CPU.

    Where nothing was trained yet, it is the weights that came with the architecture.

    ``load("resnet-mini").module(images)`` takes raw samples, uint8 ``[N, C, H, W]``, and gives logits.

    Raises:
        RunNotFound: nothing was trained under that name, and it came without weights.
        ZooError: the checkpoint is damaged, or the architecture has changed since.
    """
    from .trained import find_trained

    registry = registry or create_registry()
    return find_trained(reference, runs_folder(runs_dir), registry)


def open_model(
    reference: Path | str, *, runs_dir: Path | str | None = None, registry: Registry | None = None
) -> InferenceModel:
    """A trained model that takes arrays and answers: an exported file, or what :func:`load` finds.

    ``open_model("resnet-mini.onnx").run(images)`` takes uint8 ``[N, C, H, W]`` and gives ``(logits, probabilities)``.
    A file needs onnxruntime only: torch is not imported.

    Args:
        reference: a file ``NAME.onnx``, an architecture, ``ARCHITECTURE/RUN``, or a run's folder.

    Raises:
        ZooError: the file is missing, damaged, or not one of the zoo's.
        RunNotFound, UnknownName: as for :func:`load`.
    """
    if is_onnx_file(reference):
        from .onnx_model import OnnxModel

        return OnnxModel(reference)
    from .torch_model import TorchModel

    return TorchModel(load(str(reference), runs_dir=runs_dir, registry=registry))


def is_onnx_file(reference: Path | str) -> bool:
    """Whether ``reference`` is an exported file, there or not, by its name."""
    return str(reference).lower().endswith(".onnx")
