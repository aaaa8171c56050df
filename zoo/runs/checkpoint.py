"""Checkpoints: safetensors files with a JSON description in their metadata, written completely or not at all."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from safetensors import torch as safetensors_torch
from torch import Tensor, nn

from ..errors import ZooError
from ..files import replacing
from ..formatting import one_line, shortened
from ..schema import parse_json, read_limited
from .record import BestMetadata

LARGEST = 64 * 2**30
"""Bytes; a larger checkpoint is refused."""
LARGEST_HEADER = 100 * 10**6
"""Bytes, as in safetensors itself."""
# Only one key: safetensors writes several keys in random order, so equal content would not give equal bytes.
_KEY = "zoo"


class Header(Struct):
    """What is read from the header of a safetensors file before safetensors itself reads it."""

    metadata: dict[str, str] = field(name="__metadata__", default_factory=dict)


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write ``tensors`` and ``metadata`` to ``path``. Equal content gives equal bytes.

    Raises:
        ZooError: the file cannot be written. An earlier file is kept.
    """
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    content = safetensors_torch.save(plain, {_KEY: json.dumps(metadata, sort_keys=True, ensure_ascii=False)})
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def load_tensors(path: Path, kind: type = dict) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and metadata that :func:`save_tensors` wrote.

    Args:
        kind: the schema of the metadata, such as :class:`zoo.runs.record.BestMetadata`.

    Raises:
        ZooError: the file is missing, damaged, not a checkpoint of the zoo, or its metadata does not fit ``kind``.
    """
    return load_tensors_with_hash(path, kind)[:2]


def load_tensors_with_hash(path: Path, kind: type = BestMetadata) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """What :func:`load_tensors` reads, and the SHA-256 of the file in hexadecimal, all from one read.

    A training may replace the file at any time; tensors and hash are still of the same checkpoint. The file is in
    memory twice for a moment.

    Raises:
        ZooError: as for :func:`load_tensors`.
    """
    try:
        content = read_limited(path, LARGEST, "the checkpoint")
    except FileNotFoundError as error:
        raise ZooError(f"Cannot read the checkpoint {path}: there is no such file.") from error
    text = _description(content, path)
    try:
        tensors = safetensors_torch.load(content)
    except Exception as error:  # safetensors and torch raise many kinds for a damaged header
        raise ZooError(f"Cannot read the checkpoint {path}: {shortened(one_line(error), 300).rstrip('.')}.") from error
    what = f"the description in the checkpoint {path}"
    parse_json(text, kind, what)
    return tensors, parse_json(text, dict[str, Any], what), hashlib.sha256(content).hexdigest()


def _description(content: bytes, path: Path) -> str:
    """The zoo's entry in the metadata of a safetensors file.

    Raises:
        ZooError: there is none, or the header is damaged.
    """
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(len(content) - 8, LARGEST_HEADER):
        raise ZooError(f"Cannot read the checkpoint {path}: its header is damaged.")
    header = parse_json(content[8 : 8 + length], Header, f"the header of the checkpoint {path}")
    text = header.metadata.get(_KEY)
    if text is None:
        raise ZooError(f"{path} is not a checkpoint of the zoo: it has no description by the zoo.")
    return text


def model_state(model: nn.Module) -> dict[str, Tensor]:
    """The model's parameters and buffers by name. Tied weights (shared memory) appear once, under their first name."""
    first = _first_names(model)
    return {name: tensor for name, tensor in model.state_dict().items() if first[name] == name}


def load_model_state(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Load ``tensors`` into ``model``. Tied weights stay tied.

    Raises:
        ZooError: names, shapes or types differ from the model's, because the architecture has changed.
    """
    first = _first_names(model)
    expected = {name for name in first if first[name] == name}
    own = model.state_dict()
    odd = sorted(expected ^ tensors.keys()) or sorted(n for n in expected if not _alike(own[n], tensors[n]))
    if odd:
        raise ZooError(f"The checkpoint does not fit the network as it is built now: {odd[0]} differs.")
    state = OrderedDict((name, tensors[first[name]]) for name in first)
    # the versions of the modules, without which some of torchvision's refuse to load: the code is the same
    state._metadata = getattr(own, "_metadata", None)  # type: ignore[attr-defined]
    model.load_state_dict(state)


def _alike(own: Tensor, other: Tensor) -> bool:
    return own.shape == other.shape and own.dtype == other.dtype


def _first_names(model: nn.Module) -> dict[str, str]:
    """For each entry of the state, the name of the first entry with the same memory: its own name, unless tied."""
    seen: dict[tuple[Any, ...], str] = {}
    names = {}
    for name, tensor in model.state_dict().items():
        place = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride(), tensor.dtype) if tensor.numel() else (name,)
        names[name] = seen.setdefault(place, name)
    return names
