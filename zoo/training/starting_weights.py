"""Initial weights from another run, architecture or file (transfer learning), and parameters that stay frozen."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import DataUnavailable, UsageError, ZooError
from ..files import sha256
from ..folders import expanded
from ..models.trained import find_trained
from ..runs.checkpoint import load_tensors, model_state
from ..runs.hub import WEIGHTS, downloaded, is_hub_reference
from ..runs.record import BestMetadata
from ..specs.architecture import Architecture
from ..specs.references import resolve_reference
from .request import TrainingRequest

_CHECKPOINT = ".safetensors"
log = logging.getLogger("zoo")


def load_starting_weights(model: nn.Sequential, request: TrainingRequest) -> str | None:
    """Copy the weights that ``request.init_from`` names into ``model``, and warn about those that it does not have.

    The normalisation stays as it was fitted to the data.

    Returns:
        The source of the weights for ``run.json``; None if the request names none.

    Raises:
        UsageError: the name is unknown, or no weight matches.
        ZooError: the checkpoint cannot be read.
    """
    if not request.init_from:
        return None
    if request.init_from in request.architecture.origins:
        source = str(request.init_from)
        tensors: Mapping[str, Tensor] = _load_origin(request.architecture, source)
        missing = copy_matching(model, {f"network.{name}": tensor for name, tensor in tensors.items()}, source)
    elif is_hub_reference(request.init_from):
        with downloaded(request.init_from, [WEIGHTS]) as found:
            path = found.folder / WEIGHTS
            source = f"{found.pinned} (SHA-256 {sha256(path)})"
            tensors, _ = load_tensors(path, BestMetadata)
        missing = copy_matching(model, tensors, found.pinned)
    else:
        path = expanded(request.init_from)
        _refuse_other_sources(request)
        if not os.path.isfile(path):
            path = find_trained(str(request.init_from), request.runs_folder, request.registry).checkpoint
        source = f"{path} (SHA-256 {sha256(path)})"
        tensors, metadata = _load_checkpoint(path)
        missing = copy_matching(model, tensors, f"{path} ({metadata.get('architecture', 'of unknown architecture')})")
    if missing:
        log.warning("%s has no matching weights for %s; trained from scratch.", request.init_from, ", ".join(missing))
    return source


def _refuse_other_sources(request: TrainingRequest) -> None:
    """Refuse an exported file, and weights that only other architectures have.

    Raises:
        UsageError: the message says what to give instead.
    """
    source, name = str(request.init_from), request.architecture.name
    formats = {spec.suffix.lower(): spec.name for spec in request.registry.exporters.values()}
    suffixes = [suffix for suffix in formats if source.lower().endswith(suffix)]
    if suffixes and suffixes != [_CHECKPOINT]:
        raise UsageError(
            f"{source} is an exported file ({formats[max(suffixes, key=len)]}), which cannot be trained further. Give "
            "--init-from the run or the architecture that it was exported from (`zoo runs`), or a "
            "checkpoint file best.safetensors."
        )
    others = [spec.name for spec in request.registry.architectures.values() if source in spec.origins]
    if others:
        raise UsageError(
            f"{name} has no {source} weights; {', '.join(others[:3])}{' and others' if len(others) > 3 else ''} have. "
            f"Train one of them, or give --init-from a run or the file of a checkpoint of {name}."
        )


def _load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the metadata of a checkpoint.

    Raises:
        UsageError: the file has another name than checkpoints have, and is none.
        ZooError: it is damaged.
    """
    try:
        return load_tensors(path)
    except ZooError as error:
        if path.suffix.lower() == _CHECKPOINT:
            raise
        raise UsageError(
            f"{path} is not a checkpoint. --init-from takes a run (`zoo runs`), an architecture with shipped weights, "
            "the file best.safetensors of a run, or one of the Hugging Face Hub, hf:USER/NAME."
        ) from error


def _load_origin(architecture: Architecture, name: str) -> Mapping[str, Tensor]:
    """The weights of one of the architecture's origins.

    Raises:
        DataUnavailable: they cannot be downloaded or read; the message says what to do.
    """
    tensors: Mapping[str, Tensor]
    try:
        tensors = resolve_reference(architecture.origins[name])()
    except ZooError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        text = f"Cannot load the weights {name} of {architecture.name}: {reason[:200]}."
        raise DataUnavailable(f"{text} Train without --init-from, or give the file of a checkpoint.") from error
    return tensors


def copy_matching(model: nn.Sequential, tensors: Mapping[str, Tensor], source: str) -> list[str]:
    """Copy every weight of the network that ``tensors`` has with the same name and shape.

    Args:
        tensors: weights by name, ``network.…``.
        source: name of the weights for the message.

    Returns:
        The names of the network's weights that were not found, such as those of a new head. They are not changed.

    Raises:
        UsageError: no weight matches.
    """
    own = {name: tensor for name, tensor in model_state(model).items() if name.startswith("network.")}
    matching = {name: tensors[name] for name in own if name in tensors and tensors[name].shape == own[name].shape}
    if not matching:
        raise UsageError(f"{source} has no weights that match this network by name and shape.")
    with torch.no_grad():
        for name, tensor in matching.items():
            own[name].copy_(tensor)
    return [name.removeprefix("network.") for name in own if name not in matching]


def freeze(network: nn.Module, patterns: Iterable[str]) -> None:
    """Exclude the parameters whose names match one of ``patterns`` (``conv1.*``, ``features``) from training.

    Raises:
        UsageError: a pattern matches no parameter, or all parameters are frozen.
    """
    parameters = dict(network.named_parameters())
    for pattern in patterns:
        found = [name for name in parameters if fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")]
        if not found:
            known = ", ".join(sorted({name.rpartition(".")[0] or name for name in parameters})[:12])
            raise UsageError(f"--freeze {pattern!r} matches no parameter. The network has: {known}.")
        for name in found:
            parameters[name].requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise UsageError("All parameters are frozen; nothing is left to train.")
