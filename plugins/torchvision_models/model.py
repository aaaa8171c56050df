"""torchvision's classifiers as a builder of the zoo: any number of outputs, grey or colour images, any valid size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from zoo import DataUnavailable


class TorchvisionClassifier(nn.Module):
    """``[N, 1 or 3, H, W]`` to logits ``[N, num_outputs]``.

    Args:
        model: torchvision's network, for three channels.
        resize: height and width that images are resized to first; 0: no resizing.
    """

    def __init__(self, model: nn.Module, resize: int) -> None:
        super().__init__()
        self.model = model
        self.resize = resize

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of ``inputs``."""
        if inputs.shape[1] == 1:
            inputs = inputs.expand(-1, 3, -1, -1)
        if self.resize:
            size = (self.resize, self.resize)
            inputs = functional.interpolate(inputs, size=size, mode="bilinear", align_corners=False)
        return self.model(inputs)  # type: ignore[no-any-return]


def build(name: str, input_shape: tuple[int, ...], num_outputs: int, resize: int) -> nn.Module:
    """Build torchvision's ``name`` with a new head and without auxiliary heads.

    Raises:
        ValueError: there is no such network, or it does not accept this input shape.
    """
    if name not in names():
        raise ValueError(f"torchvision has no classifier named {name!r}")
    if len(input_shape) != 3 or input_shape[0] not in (1, 3):
        raise ValueError("it needs images with one or three channels")
    network = TorchvisionClassifier(_make(name, num_outputs), resize)
    _refuse_too_small(name, input_shape, num_outputs, resize)
    return network


def pretrained(name: str) -> dict[str, Tensor]:
    """torchvision's ImageNet weights, by the parameter names of :class:`TorchvisionClassifier`.

    Raises:
        ValueError: torchvision has no weights for this network.
        DataUnavailable: the file is neither in torch's cache folder nor can it be downloaded, or it is damaged.
    """
    weights = torchvision.models.get_model_weights(name)
    best = getattr(weights, "DEFAULT", None)
    if best is None:
        raise ValueError(f"torchvision has no weights for {name}")
    # read as tensors, never as code; the file's hash is part of its name
    try:
        tensors = best.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # of the network, the hash, or a damaged file
        raise DataUnavailable(_advice(best.url, error)) from error
    return {f"model.{key}": tensor for key, tensor in tensors.items()}


def _advice(url: str, error: Exception) -> str:
    """Which file is missing or damaged, where it belongs, and what to do without it."""
    file = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    reason = " ".join(str(error).split())[:200]
    if file.is_file():
        return f"{file} is damaged ({reason}). Delete it, and run the command again with a network."
    return (
        f"Cannot download {file.name} ({reason}). Save {url} in the folder {file.parent}, or train without "
        "--init-from, or from the weights of a run, architecture or file: --init-from NAME."
    )


def names() -> list[str]:
    """The names of torchvision's image classifiers, without the quantised ones."""
    return list(torchvision.models.list_models(module=torchvision.models))


def _make(name: str, num_outputs: int) -> nn.Module:
    builder = torchvision.models.get_model_builder(name)
    given: dict[str, Any] = {"weights": None, "num_classes": num_outputs}
    if name in ("googlenet", "inception_v3"):
        # the auxiliary heads give additional outputs during training
        given |= {"aux_logits": False, "init_weights": True}
    network: nn.Module = builder(**given)
    return network


def _refuse_too_small(name: str, input_shape: tuple[int, ...], num_outputs: int, resize: int) -> None:
    """Check the image size with a forward pass on the meta device, which computes shapes only."""
    trial = TorchvisionClassifier(_without_memory(name, num_outputs), resize).eval()
    with torch.device("meta"):
        try:
            trial(torch.empty(2, *input_shape))
        except (RuntimeError, AssertionError, ValueError) as error:
            size = "x".join(map(str, input_shape[1:]))
            raise ValueError(f"torchvision's {name} does not take {size} images; try --set resize=64 or 224") from error


def count(name: str, num_outputs: int) -> int:
    """The number of parameters, counted on the meta device without allocating memory."""
    return sum(parameter.numel() for parameter in _without_memory(name, num_outputs).parameters())


def _without_memory(name: str, num_outputs: int) -> nn.Module:
    """The network on the meta device. RegNet computes its widths with tensors, so it is built on the CPU first."""
    try:
        with torch.device("meta"):
            return _make(name, num_outputs)
    except (RuntimeError, NotImplementedError):
        return _make(name, num_outputs).to("meta")
