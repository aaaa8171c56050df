"""What layers and functions of torch are called in a picture of a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import activation as activations

_COPIES = frozenset(
    {"contiguous", "to", "float", "clone", "detach", "type", "requires_grad_", "data", "view_as", "alias"}
)
"""Functions that give the same numbers in the same order; a picture leaves them out."""
_ARITHMETIC = {
    "add": ("add", "+"),
    "sub": ("subtract", "−"),
    "subtract": ("subtract", "−"),
    "mul": ("multiply", "×"),
    "multiply": ("multiply", "×"),
    "div": ("divide", "÷"),
    "divide": ("divide", "÷"),
    "truediv": ("divide", "÷"),
}
_OTHER = {"cat": "concatenate", "concat": "concatenate", "getitem": "select", "matmul": "matrix product"}
_LAYERS = {name.lower(): name for name in dir(nn) if name[:1].isupper() and isinstance(getattr(nn, name), type)}
"""The layer that computes the same as a function: ``relu`` is ``ReLU``, ``max_pool2d`` is ``MaxPool2d``."""
_ACTIVATIONS = {name for name in activations.__all__ if name != "MultiheadAttention"} | {"GELU", "tanh", "sigmoid"}
_COUNTED = {"groups": "groups", "num_layers": "layers", "num_heads": "heads"}
_ATTRIBUTES = ("kernel_size", "stride", "dilation", "output_size", "bidirectional", "p", *_COUNTED)
"""Attributes of torch's layers that a picture shows."""
_LONGEST = 40


def is_activation(kind: str) -> bool:
    """Whether ``kind`` is applied to each number on its own."""
    return kind in _ACTIVATIONS


def is_normalisation(kind: str) -> bool:
    """Whether ``kind`` shifts and scales."""
    return "Norm" in kind


def module_words(module: nn.Module) -> tuple[str, str]:
    """The kind of a layer, and what distinguishes it from others of the kind."""
    kind = type(module).__name__
    if not type(module).__module__.startswith("torch."):
        return kind, ""
    return kind, _detail(kind, {name: getattr(module, name, None) for name in _ATTRIBUTES})


def _detail(kind: str, values: Mapping[str, Any]) -> str:
    """``5×5, stride 2``."""
    square = 2 if kind.endswith("2d") else 3 if kind.endswith("3d") else 1
    kernel, stride, dilation = (_size(values.get(name), square) for name in ("kernel_size", "stride", "dilation"))
    usual = kernel if "Pool" in kind else _size(1, square)
    words = [kernel, f"stride {_once(stride)}" if kernel and stride not in ("", usual) else ""]
    words.append(f"dilation {_once(dilation)}" if kernel and dilation not in ("", _size(1, square)) else "")
    words.append(f"to {_size(values['output_size'], square)}" if values.get("output_size") is not None else "")
    counts = {name: value for name, value in values.items() if type(value) is int and value > 1}
    words += [f"{counts[name]} {word}" for name, word in _COUNTED.items() if name in counts]
    words.append("both directions" if values.get("bidirectional") is True else "")
    words.append(f"{values['p']:g}" if "Dropout" in kind and isinstance(values.get("p"), float) else "")
    return ", ".join(filter(None, words))


def _size(value: Any, dimensions: int) -> str:
    """``5×5`` for ``(5, 5)``, and for 5 in two dimensions; empty for anything else."""
    if type(value) is int:
        value = (value,) * dimensions
    if isinstance(value, tuple | list) and all(isinstance(item, int) for item in value):
        return "×".join(map(str, value))
    return ""


def _once(text: str) -> str:
    """``2`` for ``2×2``."""
    parts = set(text.split("×"))
    return parts.pop() if len(parts) == 1 else text


def is_copy(func: Any) -> bool:
    """Whether a function only copies numbers, or gives them another type."""
    return _name(func) in _COPIES


def function_words(
    func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], sources: int, weights: bool
) -> tuple[str, str]:
    """The kind of a function, and what distinguishes this call.

    Args:
        sources: the number of results of other steps among its arguments.
        weights: whether there are parameters among them.
    """
    name = _name(func)
    plain = name.removesuffix("_")
    if plain == "rsub" and args:
        return f"{_operand(args)} − x", ""
    plain = plain[1:] if plain[:1] in "ir" and plain[1:] in _ARITHMETIC else plain
    if plain in _ARITHMETIC:
        word, sign = _ARITHMETIC[plain]
        if sources > 1:
            return word, ""
        return f"{sign} {'parameters' if weights else _operand(args)}", ""
    if plain == "getitem":
        return "select", _index(args[1]) if len(args) > 1 else ""
    kind = _LAYERS.get(plain.replace("_", ""), _OTHER.get(plain, plain.replace("_", " ")))
    return kind, _call_detail(kind, args, kwargs)


def _call_detail(kind: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    given = dict(kwargs)
    if "Pool" in kind and len(args) > 1:
        given["output_size" if "Adaptive" in kind else "kernel_size"] = args[1]
        if len(args) > 2 and "Adaptive" not in kind:
            given["stride"] = args[2]
    return _detail(kind, {key: given[key] for key in ("kernel_size", "stride", "output_size") if key in given})


def _name(func: Any) -> str:
    """The name of a function, a method or the property that a getter reads."""
    name = getattr(func, "__name__", type(func).__name__)
    if name == "__get__":
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    in_place = name.endswith("_") and not name.endswith("__")
    return str(name).strip("_") + ("_" if in_place else "")


def _operand(args: tuple[Any, ...]) -> str:
    """The number beside the tensor; ``constants`` if there is more than one number."""
    found = [value for value in args if isinstance(value, int | float)]
    return f"{found[0]:g}" if found else "constants"


def _index(index: Any) -> str:
    """``[:, -1]``."""
    parts = index if isinstance(index, tuple) else (index,)
    text = ", ".join(map(_index_part, parts))
    return f"[{text}]" if len(text) <= _LONGEST else ""


def _index_part(part: Any) -> str:
    if isinstance(part, slice):
        ends = ["" if end is None else str(end) for end in (part.start, part.stop)]
        return ":".join(ends) + (f":{part.step}" if part.step is not None else "")
    if isinstance(part, Tensor):
        return "…"
    return "..." if part is Ellipsis else str(part)
