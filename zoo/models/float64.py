"""The float64 reference: a network computed in float64 wherever it computes in float32.

``module.double()`` is not enough, because a network may cast, and its next layer then gets float32. Here float32 stands
for float64 everywhere: in weights, casts, constants and new tensors. Other types keep their meaning. A cast to an
integer type drops the fraction. A cast to half precision rounds, and so does every operation on tensors of half
precision: it is computed in float64, and its result is rounded once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode

WIDER = {torch.float32: torch.float64, torch.complex64: torch.complex128}
HALF = (torch.float16, torch.bfloat16)

_aten = torch.ops.aten
_AS_THEY_ARE = {_aten._to_copy, _aten.copy_, _aten.lift_fresh, _aten.detach, _aten.clone}
"""Operations on tensors of half precision that need no arithmetic; views are others."""
BRANCHES = (torch.ops.higher_order.cond, torch.ops.higher_order.while_loop)
FEW_PLACES, LARGE_WEIGHT = 16, 2**16
"""A convolution to images of at most so many pixels, with a weight of at least so many elements, is one product."""
_CONV2D_DEFAULTS: tuple[Any, ...] = (None, (1, 1), (0, 0), (1, 1), 1)


class Float64Reference(nn.Module):
    """A copy of a model that computes in float64; it takes inputs of the model's own type.

    Args:
        model: inputs ``[N, …]`` to a tuple of outputs; it is not changed.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = copy.deepcopy(model)._apply(widened)  # type: ignore[no-untyped-call]

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """All outputs ``[N, …]`` for ``inputs`` ``[N, …]``."""
        # cloned, because a network may change its input in place
        with _Float64():  # type: ignore[no-untyped-call]
            outputs: tuple[Tensor, ...] = self.model(widened(inputs.clone()))
        return outputs


def widened(tensor: Tensor) -> Tensor:
    """``tensor`` in float64 if it is in float32; likewise for complex numbers."""
    return tensor.to(WIDER[tensor.dtype]) if tensor.dtype in WIDER else tensor


def control_flow(func: Any, args: tuple[Any, ...], mode: TorchDispatchMode) -> Any:
    """Run a branch or a loop of torch in Python, so that ``mode`` sees the operations inside."""
    cond, while_loop = BRANCHES
    if func is cond:
        predicate, if_true, if_false, operands = args
        with mode:
            return (if_true if bool(predicate) else if_false)(*operands)
    if func is while_loop:
        condition, body, carried, additional = args
        with mode:
            while bool(condition(*carried, *additional)):
                carried = body(*carried, *additional)
        return carried
    raise NotImplementedError(f"{func} is neither a branch nor a loop")


class _Float64(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While this is active, float32 means float64."""

    supports_higher_order_operators = True

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, torch._ops.HigherOrderOperator):
            return control_flow(func, args, self) if func in BRANCHES else func(*args, **kwargs)
        tensors = list(_tensors((args, kwargs)))
        if not tensors:  # a new tensor: its values are those of float32
            return _each(widened, func(*args, **kwargs))
        args, kwargs = _each(WIDER.get, args, torch.dtype), _each(WIDER.get, kwargs, torch.dtype)
        half = None
        if any(tensor.dtype in HALF for tensor in tensors) and not _moves(func):
            half = _half_type(func, tensors, kwargs)
        elif func.tags and torch.Tag.pointwise in func.tags and not any(map(_is_float_or_bool, tensors)):
            if not func._schema.is_mutable and _is_float32(func, args, kwargs):
                return func(*_each(_from_integer, args), **_each(_from_integer, kwargs))
        elif all(tensor.dtype not in WIDER for tensor in tensors):
            # another mode, which disturbs or records the operations, must see the convolution itself
            alone = _get_current_dispatch_mode() is None
            return _each(widened, compute(func, args, kwargs) if alone else func(*args, **kwargs))
        return self._converted(func, args, kwargs, half)

    def _converted(self, func: Any, args: Any, kwargs: Any, half: torch.dtype | None) -> Any:
        """Call ``func`` with tensors in float64; those that it changes in place are changed, in their own type."""
        changes = func._schema.is_mutable
        replaced: list[tuple[Tensor, Tensor]] = []

        def convert(tensor: Tensor) -> Tensor:
            if tensor.dtype not in WIDER and (tensor.dtype not in HALF or _moves(func)):
                return tensor
            other = tensor.double() if tensor.dtype in HALF else widened(tensor)
            replaced.append((tensor, other))
            return other

        result = func(*_each(convert, args), **_each(convert, kwargs))
        for own, other in replaced if changes else ():
            own.copy_(other)
        owners = {id(other): own for own, other in replaced}

        def finish(tensor: Tensor) -> Tensor:
            if changes and id(tensor) in owners:
                return owners[id(tensor)]
            return tensor.to(half) if half is not None and tensor.dtype == torch.float64 else widened(tensor)

        return _each(finish, result)


def compute(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of ``func``; for some convolutions in float64 several times faster than torch, equal up to rounding.

    In float64, torch convolves the images of a batch one by one. If the images are small and the weight is large, as in
    the last layers of large networks, most of the time goes into reading the weight again for each image. One product
    of matrices for the whole batch reads it once.
    """
    settings = None if kwargs else _as_product(func, args)
    if settings is None:
        return func(*args, **kwargs)
    images, weight, bias, stride, padding, dilation, (height, width) = settings
    columns = functional.unfold(images, weight.shape[2:], dilation, padding, stride).transpose(1, 2)
    product = columns.reshape(-1, columns.shape[2]) @ weight.flatten(1).t()
    if bias is not None:
        product += bias
    by_place = product.view(len(images), height * width, -1)
    return by_place.transpose(1, 2).contiguous().view(len(images), -1, height, width)


def _as_product(func: Any, args: tuple[Any, ...]) -> list[Any] | None:
    """The settings of a convolution that is faster as one product, and the size of its images; None for others."""
    if func is _aten.convolution.default and len(args) == 9:
        *settings, transposed, _, groups = args
    elif func is _aten.conv2d.default:  # what inference mode calls; arguments with their default are left out
        *settings, groups = [*args, *_CONV2D_DEFAULTS[len(args) - 2 :]]
        transposed = False
    else:
        return None
    images, weight, _, *pairs = settings
    if transposed or groups != 1 or images.ndim != 4 or len(images) < 2 or any(len(pair) != 2 for pair in pairs):
        return None
    if weight.ndim != 4 or weight.numel() < LARGE_WEIGHT or {images.dtype, weight.dtype} != {torch.float64}:
        return None
    # torch keeps another layout of the images in the result
    if images.device.type != "cpu" or not (images.is_contiguous() and weight.is_contiguous()):
        return None
    axes = zip(images.shape[2:], weight.shape[2:], *pairs, strict=True)
    size = [(long + 2 * pad - apart * (kernel - 1) - 1) // step + 1 for long, kernel, step, pad, apart in axes]
    return [*settings, size] if min(size) > 0 and size[0] * size[1] <= FEW_PLACES else None


def _moves(func: Any) -> bool:
    return bool(func.is_view) or func.overloadpacket in _AS_THEY_ARE


def _half_type(func: Any, tensors: list[Tensor], kwargs: dict[str, Any]) -> torch.dtype | None:
    """The type of half precision in which torch gives the result of ``func``; None if the result is float32."""
    if isinstance(kwargs.get("dtype"), torch.dtype):
        return None if kwargs["dtype"] not in HALF else kwargs["dtype"]
    floats = [tensor for tensor in tensors if tensor.is_floating_point()]
    if torch.Tag.pointwise not in func.tags:
        floats = floats[:1]  # normalisation of half precision may have weights in float32
    # a number takes the type of the tensors
    kinds = {tensor.dtype for tensor in [one for one in floats if one.ndim] or floats}
    return next(iter(kinds)) if len(kinds) == 1 and kinds <= set(HALF) else None


def _is_float_or_bool(tensor: Tensor) -> bool:
    return tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool


def _from_integer(tensor: Tensor) -> Tensor:
    return tensor.double()


def _is_float32(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether the results of ``func`` for integers are float32."""
    return any(tensor.dtype in WIDER for tensor in _tensors(func(*args, **kwargs)))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _each(function: Callable[[Any], Any], value: Any, kind: type = Tensor) -> Any:
    """``value`` with ``function`` applied to every tensor in it; ``None`` from it keeps the item."""
    if isinstance(value, kind):
        found = function(value)
        return value if found is None else found
    if isinstance(value, list | tuple):
        return type(value)(_each(function, item, kind) for item in value)
    if isinstance(value, dict):
        return {key: _each(function, item, kind) for key, item in value.items()}
    return value
