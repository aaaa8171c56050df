"""timm's classifiers as builders of the zoo: any number of outputs and channels, any image size that they can take."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import DataUnavailable

Size = tuple[int, int]


class TimmClassifier(nn.Module):
    """Images ``[N, C, H, W]`` to logits ``[N, num_outputs]``.

    Args:
        model: timm's network.
        channels: that it takes; images with one channel are repeated.
        size: height and width that images are resized to; None: no resizing.
    """

    def __init__(self, model: nn.Module, channels: int, size: Size | None) -> None:
        super().__init__()
        self.model, self.channels, self.size = model, channels, size

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of ``inputs``."""
        if inputs.shape[1] != self.channels:
            inputs = inputs.expand(-1, self.channels, -1, -1)
        if self.size is not None:
            inputs = functional.interpolate(inputs, size=self.size, mode="bilinear", align_corners=False)
        return self.model(inputs)  # type: ignore[no-any-return]


def exists(name: str) -> bool:
    """Whether timm has a network of this name; ``resnet10t.c3_in1k`` is one with the name of its weights."""
    return timm.is_model(name) and ("." not in name or timm.models.is_model_pretrained(name))


def has_weights(name: str) -> bool:
    """Whether timm offers weights for this network."""
    described = timm.get_pretrained_cfg(name)
    return described is not None and bool(described.has_weights)


def default_size(name: str) -> int:
    """Height and width of the images that the network was made for."""
    described = timm.get_pretrained_cfg(name)
    return 224 if described is None else int(described.input_size[-1])


def count_parameters(name: str, input_shape: tuple[int, ...], num_outputs: int) -> int:
    """The number of trainable parameters, counted on the meta device without allocating memory."""
    channels, given = _channels(input_shape[0]), (input_shape[1], input_shape[2])
    size = _fitting_size(name, channels, given, 0) or (default_size(name),) * 2
    with torch.device("meta"):
        network = _make(name, channels, num_outputs, size)
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def build(name: str, input_shape: tuple[int, ...], num_outputs: int, resize: int) -> nn.Module:
    """Build timm's ``name`` with a new head and random weights.

    Args:
        resize: height and width that images are resized to; 0: their own, or the next size that the network takes.

    Raises:
        ValueError: there is no such network, or it does not accept this input shape.
    """
    if not exists(name):
        raise ValueError(f"timm has no network named {name!r}")
    if len(input_shape) != 3:
        raise ValueError("it needs images")
    channels, given = _channels(input_shape[0]), (input_shape[1], input_shape[2])
    size = _fitting_size(name, channels, given, resize)
    if size is None:
        wanted = f"{resize}x{resize}" if resize else f"{given[0]}x{given[1]}"
        raise ValueError(f"timm's {name} does not take {wanted} images; try --set resize={default_size(name)}")
    return TimmClassifier(_make(name, channels, num_outputs, size), channels, None if size == given else size)


def pretrained(name: str) -> dict[str, Tensor]:
    """timm's own weights, by the parameter names of :class:`TimmClassifier`. Downloads them if they are not there.

    Raises:
        DataUnavailable: they cannot be downloaded or read.
    """
    try:
        network = timm.create_model(name, pretrained=True)  # reads tensors, never code
    except Exception as error:  # of the network, or of a damaged file
        reason = " ".join(str(error).split())[:200]
        raise DataUnavailable(f"Cannot get timm's weights of {name} ({reason}). Train without --init-from.") from error
    return {f"model.{key}": tensor for key, tensor in network.state_dict().items()}


def _channels(channels: int) -> int:
    """The channels of the network: grey images become colour images, so that timm's weights fit."""
    return 3 if channels == 1 else channels


def _make(name: str, channels: int, num_outputs: int, size: Size) -> nn.Module:
    given: dict[str, Any] = {"pretrained": False, "in_chans": channels, "num_classes": num_outputs}
    described = timm.get_pretrained_cfg(name)
    if described is not None and described.fixed_input_size:
        given["img_size"] = size  # a transformer has weights for each place of the image
    network: nn.Module = timm.create_model(name, **given)
    return network


def _fitting_size(name: str, channels: int, given: Size, resize: int) -> Size | None:
    """The size of images that the network gets: ``resize``, their own, or the next that it takes; None if none fits."""
    if resize:
        return (resize, resize) if _takes(name, channels, (resize, resize)) else None
    steps = [(-(-given[0] // step) * step, -(-given[1] // step) * step) for step in (1, 16, 32)]
    steps.append((default_size(name),) * 2)
    return next((size for size in steps if _takes(name, channels, size)), None)


def _takes(name: str, channels: int, size: Size) -> bool:
    """Whether the network runs on images of this size, tried on the meta device, which computes shapes only."""
    with torch.device("meta"):
        try:
            network = _make(name, channels, 2, size).eval()
            network(torch.empty(2, channels, *size))
        except (RuntimeError, AssertionError, ValueError, TypeError):
            return False
    # a transformer that cuts images into patches would drop what is left over at their borders
    patch = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    return not isinstance(patch, tuple) or all(one % part == 0 for one, part in zip(size, patch, strict=True))
