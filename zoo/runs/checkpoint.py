"""Weights on disk: safetensors, written whole or not at all, described by one block of JSON inside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors_torch
from torch import Tensor, nn

from ..errors import ZooError
from ..files import replacing

# One key only: safetensors writes several in an order that changes from run to run, and with it the file's bytes.
_KEY = "zoo"


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write ``tensors`` and ``metadata`` to ``path``; equal content gives equal bytes.

    Raises:
        ZooError: the file cannot be written. An earlier one is still there.
    """
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    content = safetensors_torch.save(plain, {_KEY: json.dumps(metadata, sort_keys=True, ensure_ascii=False)})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What :func:`save_tensors` wrote.

    Raises:
        ZooError: the file is missing, damaged, or not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = (handle.metadata() or {}).get(_KEY)
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise ZooError(f"Cannot read the checkpoint {path}: {error}.") from error
    if metadata is None:
        raise ZooError(f"{path} is no checkpoint of the zoo: it lacks the description that the zoo writes.")
    return tensors, json.loads(metadata)


def model_state(model: nn.Module) -> dict[str, Tensor]:
    """The model's parameters and buffers by name. Of tensors that share memory (tied weights) only the first."""
    first = _first_names(model)
    return {name: tensor for name, tensor in model.state_dict().items() if first[name] == name}


def load_model_state(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put ``tensors`` into ``model``; weights that are tied stay tied.

    Raises:
        ZooError: names or shapes do not fit, because the architecture has changed since.
    """
    first = _first_names(model)
    expected = {name for name in first if first[name] == name}
    own = model.state_dict()
    odd = sorted(expected ^ tensors.keys()) or sorted(n for n in expected if own[n].shape != tensors[n].shape)
    if odd:
        raise ZooError(f"The checkpoint does not fit the network as it is built now: {odd[0]} differs.")
    model.load_state_dict({name: tensors[first[name]] for name in first})


def _first_names(model: nn.Module) -> dict[str, str]:
    """For each entry of the state, the first entry that has the same memory: itself, unless tied."""
    seen: dict[tuple[Any, ...], str] = {}
    names = {}
    for name, tensor in model.state_dict().items():
        place = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype) if tensor.numel() else (name,)
        names[name] = seen.setdefault(place, name)
    return names
