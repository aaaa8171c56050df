"""What an optimiser step needs: state of the optimiser, order of the samples, random numbers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import PluginError

Tensors = tuple[Tensor, ...] | list[Tensor]


def make_average(model: nn.Module, decay: float) -> AveragedModel | None:
    """An exponential moving average of the model's parameters and buffers; None if ``decay`` is 0.

    After n steps the decay is at most (1 + n) / (10 + n), so that the first steps of a short training do not dominate.
    """
    if not decay:
        return None
    average = AveragedModel(model, use_buffers=True)

    def update(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        steps = int(average.n_averaged)  # on the CPU: reading it does not wait for the device
        torch_update = get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))  # type: ignore[no-untyped-call]
        torch_update(averaged, current, count)

    average.multi_avg_fn = update
    return average


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = value


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of the optimiser as tensors by name: ``"INDEX.KEY"``, with the index of the parameter.

    Raises:
        PluginError: some of the state is not a tensor, so that the training could not be resumed.
    """
    state = {
        f"{index}.{key}": value
        for index, parameter in enumerate(_parameters(optimizer))
        for key, value in optimizer.state.get(parameter, {}).items()
        if value is not None
    }
    for name, value in state.items():
        if not isinstance(value, Tensor):
            key = name.partition(".")[2]
            raise PluginError(
                f"The optimiser {type(optimizer).__name__} keeps {key!r} of type {type(value).__name__} in its state, "
                "so the training could not be resumed. It must keep tensors."
            )
    return state


def load_optimizer_state(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Load what :func:`optimizer_state` returned, in the memory layout and on the device of each parameter."""
    parameters = _parameters(optimizer)
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        parameter = parameters[int(index)]
        if value.shape == parameter.shape:
            value = torch.empty_like(parameter).copy_(value)
        optimizer.state[parameter][key] = value.to(parameter.device)


def step_generator(seed: int, epoch: int, step: int, stream: int) -> torch.Generator:
    """A random generator on the CPU for one step, the same for every device and process.

    Args:
        stream: a negative number, so that several uses in a step draw different numbers.
    """
    return torch.Generator().manual_seed(_mix(_mix(seed, epoch, step), 0, stream))


def epoch_order(size: int, seed: int, epoch: int) -> Tensor:
    """The order of the training samples in an epoch, int64 ``[size]`` on the CPU: the same for every device."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(_mix(seed, epoch, -1)))


def seed_step(seed: int, epoch: int, step: int, rank: int = 0) -> None:
    """Seed the random numbers of one step, so that a resumed run draws the same numbers as an uninterrupted run.

    Args:
        rank: number of the process, for random numbers that differ between processes, such as those of dropout.
    """
    value = (_mix(seed, epoch, step) + 7_919 * rank) % 2**63
    # torch.manual_seed would store a traceback of each call if CUDA is not initialised yet
    torch.default_generator.manual_seed(value)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # pragma: no cover - needs CUDA
        torch.cuda.manual_seed_all(value)
    if torch.backends.mps.is_available():  # pragma: no cover - needs macOS
        torch.mps.manual_seed(value)


def initialise(network: nn.Module, scheme: str) -> None:
    """Initialise the weights of every linear and convolutional layer again, biases with zero; ``own`` changes nothing.

    Args:
        scheme: ``xavier`` (Glorot and Bengio, 2010), ``kaiming`` (He et al., 2015), ``normal`` (deviation 0.01),
            ``orthogonal`` (Saxe et al., 2014) or ``own``.
    """
    if scheme == "own":
        return
    draw: dict[str, Callable[[Tensor], Tensor]] = {
        "xavier": nn.init.xavier_uniform_,
        "kaiming": lambda weight: nn.init.kaiming_normal_(weight, nonlinearity="relu"),
        "normal": lambda weight: nn.init.normal_(weight, std=0.01),
        "orthogonal": nn.init.orthogonal_,
    }
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            draw[scheme](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _mix(seed: int, epoch: int, step: int) -> int:
    return ((seed * 1_000_003 + epoch) * 1_000_003 + step + 1) % 2**63
