"""SGD and AdamW of torch, with the fused kernels where torch has them."""

from __future__ import annotations

import inspect
from typing import TypeVar, cast

import torch
from torch import nn

T = TypeVar("T", bound=torch.optim.Optimizer)


def sgd(parameters: list[nn.Parameter], *, lr: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum; the weight decay is an L2 penalty."""
    fused, nesterov = _can_fuse(parameters), momentum > 0
    return _SGD(parameters, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, fused=fused)


def adamw(parameters: list[nn.Parameter], *, lr: float, momentum: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW with ``momentum`` as beta1 and 0.999 as beta2; the weight decay is decoupled."""
    fused, betas = _can_fuse(parameters), (momentum, 0.999)
    return _AdamW(parameters, lr=lr, betas=betas, weight_decay=weight_decay, fused=fused)


def _can_fuse(parameters: list[nn.Parameter]) -> bool:
    return all(parameter.device.type in ("cpu", "cuda") for parameter in parameters)


def _lean(optimizer: type[T]) -> type[T]:
    """A torch optimiser without its decorators. They import ``torch._dynamo``: longer than a short training.

    The decorators exclude the methods from ``torch.compile``. The trainer never compiles its optimiser.
    """
    methods = {name: inspect.unwrap(getattr(optimizer, name)) for name in ("add_param_group", "zero_grad", "step")}
    methods["step"] = torch.no_grad()(methods["step"])
    return cast("type[T]", type(optimizer.__name__, (optimizer,), methods))


_AdamW, _SGD = _lean(torch.optim.AdamW), _lean(torch.optim.SGD)
