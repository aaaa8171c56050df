"""The functions behind the declarations of :mod:`zoo_lion`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class Lion(torch.optim.Optimizer):
    """Lion (Chen et al., 2023): the sign of a moving average, with decoupled weight decay."""

    def __init__(self, parameters: list[Tensor], lr: float, betas: tuple[float, float], weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One step."""
        for group in self.param_groups:
            fast, slow = group["betas"]
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["average"] = torch.zeros_like(parameter)  # all state is a tensor, so that a run can resume
                average, gradient = state["average"], parameter.grad
                update = average.mul(fast).add_(gradient, alpha=1 - fast).sign_()
                parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"])
                average.mul_(slow).add_(gradient, alpha=1 - slow)


def lion(
    parameters: list[Tensor], *, lr: float, momentum: float, weight_decay: float, betas: tuple[float, ...]
) -> torch.optim.Optimizer:
    """Lion over ``parameters``. It has its own ``betas`` and does not use ``momentum``."""
    if len(betas) != 2:
        raise ValueError("betas needs two numbers")
    return Lion(parameters, lr, (betas[0], betas[1]), weight_decay)


def polynomial(progress: float, power: float) -> float:
    """The part of the run that is left, to the power of ``power``."""
    return float((1 - progress) ** power)


def draw_salt(shape: tuple[int, ...], generator: torch.Generator, salt: float) -> Tensor:
    """A number from 0 to 1 for each pixel ``[N, 1, H, W]``."""
    return torch.rand(shape[0], 1, *shape[2:], generator=generator)


def apply_salt(inputs: Tensor, drawn: Tensor, salt: float) -> Tensor:
    """Set ``salt`` of the pixels of uint8 images to black or white, half each."""
    black, white = torch.zeros_like(inputs), torch.full_like(inputs, 255)
    return torch.where(drawn < salt / 2, black, torch.where(drawn > 1 - salt / 2, white, inputs))


def focal(outputs: Tensor, targets: Tensor, gamma: float) -> Tensor:
    """The mean over the batch of (1 - p)**gamma times the cross-entropy, with p the probability of the target."""
    entropy = functional.cross_entropy(outputs, targets, reduction="none")
    return ((1 - torch.exp(-entropy)) ** gamma * entropy).mean()
