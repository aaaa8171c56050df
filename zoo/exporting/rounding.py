"""How far correct float32 programs scatter around the exact result: Monte Carlo arithmetic on a network.

Processors and libraries sum in different orders, so correct float32 programs differ in their last digits. How much
depends on the network and its input. This module measures it: the network runs in float64, and the result of every
operation is disturbed by a random error of the size of a float32 rounding error there. The output is one that a float32
program could have computed. Its distance from the undisturbed float64 output shows how far any such program may be off.

Rounding to float32 changes a result by up to ``UNIT`` of its value, and each error up to that is about equally
likely. So a rounded result ``x`` becomes ``x * (1 + UNIT * r)``, where ``r`` is uniform in [-1, 1] [1].

A sum of ``k`` products rounds ``k`` products and ``k`` partial sums. The partial sums depend on the order of summation.
Let ``s`` be the sum and ``q`` the sum of the squared products. A squared partial sum is ``p = s**2 / 3 + q / 6`` on
average over all orders. In a product of matrices the order of storage can give more, and then ``p`` is that. So ``s``
becomes ``s + UNIT * r * sqrt(q + k * p)``. Rounding errors have either sign and partly cancel: hence the root of
``k``; a worst-case bound has ``k`` [2, 3].

[1] D. Stott Parker, Monte Carlo Arithmetic: exploiting randomness in floating-point arithmetic, UCLA CSD-970002, 1997.
[2] N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, SIAM 2002, chapters 3 and 4.
[3] N. J. Higham, T. Mary, A New Approach to Probabilistic Rounding Error Analysis, SIAM J. Sci. Comput. 41(5), 2019.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..models.float64 import compute, control_flow

Array = NDArray[Any]

UNIT = 2.0**-24
"""The largest relative error of one rounding to float32."""
ROWS = 128
"""Disturbed samples. With so many, the largest deviation differs by less than a tenth between two seeds."""
STEP_UNITS = 16.0
"""Before an operation with steps, rounding for example, a value is disturbed by so many units: few runs have to cross
every step that one of many correct programs may cross."""
PLACE_UNITS = 2.0
"""The place of a pixel in an image of another size is a quotient of two sizes times an index: two roundings."""
CUBIC_UNITS = 16.0
"""The weights of a cubic interpolation are polynomials: their terms, up to 6, cancel out in each of two axes."""
BLOCKS = 16
"""Partial sums that are computed in the order of storage."""
CHUNK = 64
"""Samples in one forward pass, to limit its memory."""


def deviations(reference: nn.Module, inputs: Tensor, exact: list[Array]) -> list[Array]:
    """How far disturbed runs are from the exact outputs.

    Args:
        reference: inputs ``[N, …]`` to a tuple of outputs, computed in float64.
        inputs: ``[N, …]``; fewer than :data:`ROWS` are repeated, more are ignored.
        exact: the outputs of ``reference`` for ``inputs``, one array ``[N, …]`` each.

    Returns:
        For each output an array ``[ROWS, …]`` of absolute deviations, in the output's units; 0 if a run overflows.
    """
    places = torch.arange(ROWS) % len(inputs)
    chunks = [_disturbed(reference, inputs[chunk], seed) for seed, chunk in enumerate(torch.split(places, CHUNK))]
    rows = places.numpy()
    found = []
    for output, want in zip(zip(*chunks, strict=True), exact, strict=True):
        deviation = np.abs(torch.cat(output).double().numpy() - want[rows])
        found.append(np.where(np.isfinite(deviation), deviation, 0.0))
    return found


def _disturbed(reference: nn.Module, inputs: Tensor, seed: int) -> tuple[Tensor, ...]:
    """The outputs of one run. If an operation cannot be disturbed, weights and outputs are disturbed instead."""
    outputs: tuple[Tensor, ...]
    try:
        with torch.no_grad(), Disturbance(seed):
            outputs = reference(inputs)
    except Exception:  # an operation without a float32 version, for example; plugins may use any operation
        outputs = _disturbed_weights(reference, inputs, Disturbance(seed))
    return outputs


@torch.no_grad()
def _disturbed_weights(reference: nn.Module, inputs: Tensor, disturbance: Disturbance) -> tuple[Tensor, ...]:
    other = copy.deepcopy(reference)
    for tensor in (*other.parameters(), *other.buffers()):
        tensor.copy_(_each(disturbance.scaled, tensor))
    outputs: tuple[Tensor, ...] = other(inputs)
    return tuple(_each(disturbance.scaled, output) for output in outputs)


class Disturbance(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While this is active, the result of every operation on float64 tensors has a random float32 rounding error.

    An operation that torch composes of others is disturbed in its parts. The error depends on the kind of operation:

    - moving, comparing and choosing values: none;
    - a cast to half precision: one rounding to that type, because an operation may have been computed in it;
    - a cast to integers and rounding, which have steps: :data:`STEP_UNITS` roundings of the input;
    - a sum of products, a mean: as described at the top of this module;
    - a function with values in [-1, 1], sigmoid for example: two units of 1, however small the value, because
      libraries approximate such functions by polynomials;
    - an unbounded activation, GELU for example: two units of its input, or of 1 if the input is smaller;
    - interpolation to another size: :data:`PLACE_UNITS` roundings of every place, then as the last point;
    - another elementwise function: one rounding, unless float32 can represent the result;
    - any other operation, normalisation for example: one rounding of every input and one of the result, as a backward
      stable algorithm guarantees.

    Args:
        seed: of the random errors.
    """

    supports_higher_order_operators = True

    def __init__(self, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._random = torch.Generator().manual_seed(seed)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if isinstance(func, torch._ops.HigherOrderOperator):
            return control_flow(func, args, self)
        operation = func.overloadpacket
        if func.is_view or operation in _MOVES:
            return func(*args, **kwargs)
        if operation in _STEPS:
            return func(_STEPS[operation](self, args[0], kwargs.get("dtype")), *args[1:], **kwargs)
        if operation in _SUMS:
            return self._sum(func, args, kwargs, _SUMS[operation](args))
        if operation in _PRODUCTS:
            left, right = (args[place] for place in _PRODUCTS[operation])
            return self._sum(func, args, kwargs, left.shape[-1], _in_storage_order(left, right))
        if operation in _MEANS:
            return self._mean(func, args, kwargs)
        if operation in _RESIZED:
            return self._resized(func, args, kwargs, _RESIZED[operation])
        if operation in _BOUNDED or operation in _ACTIVATIONS:
            scale = args[0].abs().clamp_(min=1) if operation in _ACTIVATIONS else 1.0
            return self._approximated(func(*args, **kwargs), scale)
        if torch.Tag.pointwise not in func.tags and not func._schema.is_mutable:
            args, kwargs = _each(self.scaled, args), _each(self.scaled, kwargs)
        result = func(*args, **kwargs)
        is_argument = any(result is argument for argument in args)
        return result if is_argument and not func._schema.is_mutable else _each(self._round, result)

    def scaled(self, value: Tensor) -> Tensor:
        """``value`` with an error of one rounding in each element."""
        return value.addcmul(value, self._uniform(value), value=UNIT)

    def _sum(
        self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], terms: float, in_order: Tensor | float = 0.0
    ) -> Tensor:
        # the size of an error is computed in float32, which is faster
        squares: Tensor = func(*_each(_square, args), **kwargs)
        result: Tensor = compute(func, args, kwargs)
        return self._summed(result, squares, terms, in_order)

    def _mean(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        result: Tensor = func(*args, **kwargs)
        pooled = func.overloadpacket in _WINDOWS
        terms = float(math.prod(args[1])) if pooled else args[0].numel() / max(1, result.numel())
        # each product is one over the number of terms times the element
        squares: Tensor = func(*_each(_square, args), **kwargs) / terms
        return self._summed(result, squares, terms)

    def _summed(self, result: Tensor, squares: Tensor, terms: float, in_order: Tensor | float = 0.0) -> Tensor:
        """``result`` with the error of a sum of ``terms`` products.

        Args:
            squares: the sum of the squared products.
            in_order: the mean square of the partial sums in the order of storage; used if it is larger than the average
                over all orders.
        """
        partial = (squares / 6).add_(result.float().square_(), alpha=1 / 3)
        partial = torch.maximum(partial, torch.as_tensor(in_order, dtype=partial.dtype))
        error = squares.add_(partial, alpha=terms).sqrt_()
        return result.add_(error.mul_(self._uniform(result)), alpha=UNIT)

    def _resized(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], axes: int) -> Tensor:
        """Images ``[N, C, …]`` of another size, each stretched a little along its last axes, by a factor of its own."""
        value, corner = args[0], int(args[2])
        for axis, after in zip(range(-axes, 0), func(*args, **kwargs).shape[-axes:], strict=True):
            if math.frexp(max(1, after - corner) / max(1, value.shape[axis] - corner))[0] == 0.5:
                continue  # a power of two: every place is exact
            factor = self._uniform(value[(slice(None), *[slice(1)] * (value.ndim - 1))])
            place = torch.arange(1, value.shape[axis], device=value.device).view(-1, *[1] * (-axis - 1))
            # an error of p units in place p moves the value by p units of the difference to its neighbour
            moved = nn.functional.pad(value.diff(dim=axis) * place, [*[0, 0] * (-axis - 1), 0, 1])
            value = value.addcmul(moved, factor, value=PLACE_UNITS * UNIT)
        result: Tensor = func(self.scaled(value), *args[1:], **kwargs)
        units = CUBIC_UNITS if "bicubic" in str(func) else 1.0
        return result.addcmul_(result, self._uniform(result), value=units * UNIT)

    def _round(self, value: Tensor) -> Tensor:
        return value.addcmul_(value, self._where_inexact(value), value=UNIT)

    def _approximated(self, value: Tensor, scale: Tensor | float = 1.0) -> Tensor:
        return value.add_(self._uniform(value) * scale, alpha=2 * UNIT)

    def _before_cast(self, value: Tensor, kind: torch.dtype | None) -> Tensor:
        """``value`` with the error that a cast to a coarser type brings out."""
        if value.dtype != torch.float64 or kind is None:
            return value
        if kind in _HALF_UNITS:
            return value.addcmul(value, self._where_inexact(value, kind), value=_HALF_UNITS[kind])
        return value if kind.is_floating_point or kind.is_complex else self._near_a_step(value)

    def _near_a_step(self, value: Tensor, kind: torch.dtype | None = None) -> Tensor:
        """``value`` with an error that is large enough to cross a step that correct programs may cross."""
        return value.addcmul(value, self._where_inexact(value), value=STEP_UNITS * UNIT)

    def _where_inexact(self, value: Tensor, kind: torch.dtype = torch.float32) -> Tensor:
        """Uniform in [-1, 1] where ``value`` is not a number of the type ``kind``, else 0."""
        # converted back, because torch compares tensors of two types several times slower
        return self._uniform(value).masked_fill_(value == value.to(kind).to(value.dtype), 0)

    def _uniform(self, like: Tensor) -> Tensor:
        return torch.rand(like.shape, generator=self._random, device="cpu").mul_(2).sub_(1).to(like.device)


def _each(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """``value`` with ``function`` applied to every float64 tensor in it, and to both parts of complex numbers."""
    if isinstance(value, Tensor):
        if value.dtype == torch.complex128:
            return torch.view_as_complex(function(torch.view_as_real(value.resolve_conj())))
        return function(value) if value.dtype == torch.float64 else value
    if isinstance(value, list | tuple):
        return type(value)(_each(function, item) for item in value)
    if isinstance(value, dict):
        return {key: _each(function, item) for key, item in value.items()}
    return value


def _square(value: Tensor) -> Tensor:
    return value.float().square_()


def _in_storage_order(left: Tensor, right: Tensor) -> Tensor:
    """The mean square of the partial sums of ``left @ right``, summed in the order in which the products lie in memory.

    Neighbouring pixels are similar, and so are their weights. Their products have the same sign, so the partial sums
    grow larger than in a random order.
    """
    length = -(-left.shape[-1] // BLOCKS)
    pairs = zip(torch.split(left, length, -1), torch.split(right, length, -2), strict=True)
    blocks = torch.stack([some.float() @ others.float() for some, others in pairs])
    return blocks.cumsum_(0).square_().mean(0)


def _convolution_terms(args: tuple[Any, ...]) -> float:
    weight, transposed, groups = args[1], bool(args[6]), int(args[8])
    taken = weight.shape[0] // groups if transposed else weight.shape[1]
    return float(taken * math.prod(weight.shape[2:]))


def _named(names: str) -> set[Any]:
    """Operations by name, without those that this version of torch lacks."""
    return {getattr(_aten, name) for name in names.split() if hasattr(_aten, name)}


_aten = torch.ops.aten
_PRODUCTS = {_aten.mm: (0, 1), _aten.bmm: (0, 1), _aten.addmm: (1, 2), _aten.baddbmm: (1, 2)}
"""Matrix products: the positions of the two factors among the arguments."""
_SUMS: dict[Any, Callable[[tuple[Any, ...]], float]] = {
    _aten.convolution: _convolution_terms,
    _aten.mv: lambda args: float(args[0].shape[-1]),
    _aten.addmv: lambda args: float(args[1].shape[-1]),
    _aten.dot: lambda args: float(args[0].shape[-1]),
}
"""Other sums of products: the number of terms, from the arguments."""
_WINDOWS = _named("avg_pool2d avg_pool3d")
_MEANS = _named("mean _adaptive_avg_pool2d _adaptive_avg_pool3d") | _WINDOWS
_BOUNDED = _named("sigmoid sigmoid_ tanh tanh_ erf sin cos _softmax")
_ACTIVATIONS = _named("gelu silu silu_ mish mish_ elu elu_ celu selu softplus hardswish hardswish_ log_sigmoid_forward")
_RESIZED = dict.fromkeys(_named("upsample_linear1d"), 1) | dict.fromkeys(_named("upsample_trilinear3d"), 3)
_RESIZED |= dict.fromkeys(_named("upsample_bilinear2d upsample_bicubic2d"), 2)
_RESIZED |= dict.fromkeys(_named("_upsample_bilinear2d_aa _upsample_bicubic2d_aa"), 2)
"""Interpolation: the number of axes that get another size."""
_HALF_UNITS = {torch.float16: 2.0**-11, torch.bfloat16: 2.0**-8}
"""The largest relative error of one rounding to a type of half precision."""
_STEPS: dict[Any, Callable[..., Tensor]] = {
    _aten._to_copy: Disturbance._before_cast,
    **dict.fromkeys(_named("round floor ceil trunc"), Disturbance._near_a_step),
}
"""Operations whose result jumps where the input crosses a step: what the input becomes."""
_MOVES = _named(
    "_unsafe_view abs amax amin argmax cat clamp clamp_min clone constant_pad_nd copy_ embedding empty fill_ "
    "flip full gather index index_select lift_fresh max max_pool2d_with_indices max_pool3d_with_indices maximum min "
    "minimum neg new_zeros reflection_pad2d relu relu_ replication_pad2d roll sort stack topk unsafe_split "
    "upsample_nearest2d where zeros zeros_like"
)
