"""Checkpoints: safetensors files with a JSON description in their metadata, written completely or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors_torch
from torch import Tensor, nn

from ..errors import ZooError
from ..files import replacing

# Only one key: safetensors writes several keys in random order, so equal content would not give equal bytes.
_KEY = "zoo"


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write ``tensors`` and ``metadata`` to ``path``. Equal content gives equal bytes.

    Raises:
        ZooError: the file cannot be written. An earlier file is kept.
    """
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    content = safetensors_torch.save(plain, {_KEY: json.dumps(metadata, sort_keys=True, ensure_ascii=False)})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and metadata that :func:`save_tensors` wrote.

    Raises:
        ZooError: the file is missing, damaged, or not a checkpoint of the zoo.
    """
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = (handle.metadata() or {}).get(_KEY)
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise ZooError(f"Cannot read the checkpoint {path}: {error}.") from error
    if metadata is None:
        raise ZooError(f"{path} is not a checkpoint of the zoo: it has no description by the zoo.")
    return tensors, json.loads(metadata)


def model_state(model: nn.Module) -> dict[str, Tensor]:
    """The model's parameters and buffers by name. Tied weights (shared memory) appear once, under their first name."""
    first = _first_names(model)
    return {name: tensor for name, tensor in model.state_dict().items() if first[name] == name}


def load_model_state(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load ``tensors`` into ``model``. Tied weights stay tied.

    Raises:
        ZooError: names or shapes differ from the model's, because the architecture has changed.
    """
    first = _first_names(model)
    expected = {name for name in first if first[name] == name}
    own = model.state_dict()
    odd = sorted(expected ^ tensors.keys()) or sorted(n for n in expected if own[n].shape != tensors[n].shape)
    if odd:
        raise ZooError(f"The checkpoint does not fit the network as it is built now: {odd[0]} differs.")
    model.load_state_dict({name: tensors[first[name]] for name in first})


def _first_names(model: nn.Module) -> dict[str, str]:
    """For each entry of the state, the name of the first entry with the same memory: its own name, unless tied."""
    seen: dict[tuple[Any, ...], str] = {}
    names = {}
    for name, tensor in model.state_dict().items():
        place = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype) if tensor.numel() else (name,)
        names[name] = seen.setdefault(place, name)
    return names
