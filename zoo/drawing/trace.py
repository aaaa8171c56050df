"""Watch a network compute a batch: which layers and functions ran, inside which modules, and on which results.

The network runs as it is, so control flow, loops and shared layers need no special treatment: what ran is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .steps import INPUT, Scope, Step, Trace
from .words import function_words, is_copy, module_words

_BATCH = 2
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def trace(network: nn.Module, input_shape: Sequence[int], example: Tensor | None = None) -> Trace:
    """Run ``network`` on two samples in evaluation mode, and record what it computes.

    The mode of the network, the state of torch's random numbers and the statistics of the network stay as they are.

    Args:
        example: ``[2, *input_shape]``. Default: zeros.
    """
    inputs = torch.zeros(_BATCH, *input_shape) if example is None else example
    training = {module: module.training for module in network.modules()}
    watcher = _Watcher(network, inputs)
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad(), watcher:
            outputs = network.eval()(inputs)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        return _declared(network, tuple(input_shape), "The network did not run", reason)
    finally:
        watcher.remove_hooks()
        for module, mode in training.items():
            module.training = mode
    found = watcher.sources(_tensors(outputs))
    if not found:
        return _declared(network, tuple(input_shape), "The output does not depend on the input")
    return _reached(watcher.steps, found, tuple(input_shape))


def _reached(steps: Sequence[Step], outputs: Sequence[int], input_shape: tuple[int, ...]) -> Trace:
    """Only the steps that the outputs depend on, with new numbers."""
    needed, waiting = {INPUT}, list(outputs)
    while waiting:
        number = waiting.pop()
        if number not in needed:
            needed.add(number)
            waiting += steps[number].sources
    places = {number: place for place, number in enumerate(sorted(needed), start=INPUT)}
    kept = tuple(
        replace(steps[number], sources=tuple(places[source] for source in steps[number].sources))
        for number in sorted(needed - {INPUT})
    )
    return Trace(kept, tuple(places[number] for number in outputs), input_shape)


def _declared(network: nn.Module, input_shape: tuple[int, ...], problem: str, reason: str = "") -> Trace:
    """The layers in the order of their declaration, as a chain without shapes."""
    counted: set[int] = set()
    steps: list[Step] = []
    for name, module in _layers(network, ""):
        new, shared = _count(module.parameters(), counted)
        steps.append(Step(*module_words(module), name, (), (len(steps) - 1,), None, new, shared))
    return Trace(tuple(steps), (len(steps) - 1,), input_shape, problem, reason)


def _layers(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """The layers inside a module with their names."""
    for own, child in module.named_children():
        full = f"{name}.{own}" if name else own
        if not _is_layer(child):
            yield from _layers(child, full)
        elif not isinstance(child, _CONTAINERS):  # an empty one
            yield full, child


def _is_layer(module: nn.Module) -> bool:
    """Whether a module is drawn as one box: those of torch, which everyone knows, and those that contain no others."""
    return _is_of_torch(module) or next(module.children(), None) is None


def _is_of_torch(module: nn.Module) -> bool:
    return type(module).__module__.startswith("torch.") and not isinstance(module, _CONTAINERS)


def _count(parameters: Iterator[nn.Parameter], counted: set[int]) -> tuple[int, bool]:
    """How many trainable parameters are new, and whether there are some and none is new. Adds them to ``counted``."""
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    new = [parameter for parameter in trained if id(parameter) not in counted]
    counted.update(map(id, new))
    return sum(parameter.numel() for parameter in new), bool(trained) and not new


def _tensors(value: Any) -> list[Tensor]:
    """The tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [tensor for item in value for tensor in _tensors(item)]
    return []


@dataclass(slots=True)
class _Open:
    """A layer that is running."""

    module: nn.Module
    inputs: list[Tensor]
    versions: list[int] = field(default_factory=list)


class _Watcher(TorchFunctionMode):
    """Records the layers of a network by hooks, and between them the functions of torch."""

    def __init__(self, network: nn.Module, inputs: Tensor) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self._names = {id(module): name for name, module in network.named_modules()}
        self._producers = {id(inputs): INPUT}
        self._weights: dict[int, list[nn.Parameter]] = {}  # results that depend on parameters only
        self._kept: list[Any] = [inputs]  # an id holds as long as its object
        self._scopes: list[Scope] = []
        self._open: list[_Open] = []
        self._calls = 0
        self._counted: set[int] = set()
        self._handles = [
            handle
            for module in network.modules()
            for handle in (
                module.register_forward_pre_hook(self._enter, with_kwargs=True),
                module.register_forward_hook(self._leave, with_kwargs=True),
            )
        ]
        self._network = network

    def remove_hooks(self) -> None:
        """Leave the network without hooks."""
        for handle in self._handles:
            handle.remove()

    def sources(self, tensors: Sequence[Tensor]) -> tuple[int, ...]:
        """The steps that ``tensors`` are results of, each once."""
        found = [self._producers[id(tensor)] for tensor in tensors if id(tensor) in self._producers]
        return tuple(dict.fromkeys(found))

    def _enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        if self._open:
            return
        name = self._names[id(module)]
        if not _is_layer(module) or (module is self._network and not _is_of_torch(module)):
            self._calls += 1
            self._scopes.append(Scope(name, type(module).__name__, self._calls))
            return
        inputs = _tensors((args, kwargs))
        self._open.append(_Open(module, inputs, [tensor._version for tensor in inputs]))

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        if not self._open:
            self._scopes.pop()
            return None
        running = self._open[-1]
        if running.module is not module:
            return None
        self._open.pop()
        words = module_words(module)
        return self._record(
            *words, self._names[id(module)], running.inputs, running.versions, output, module.parameters()
        )

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run ``func`` and record it, unless a layer is running."""
        kwargs = kwargs or {}
        if self._open:
            return func(*args, **kwargs)
        inputs = _tensors((args, kwargs))
        versions = [tensor._version for tensor in inputs]
        output = func(*args, **kwargs)
        results = _tensors(output)
        if not results:
            return output
        weights = [weight for tensor in inputs for weight in self._weights_of(tensor)]
        sources = self.sources(inputs)
        if not sources:
            self._keep(results, self._weights, weights)
            return output
        if is_copy(func) and len(sources) == 1:
            self._keep(results, self._producers, sources[0])
            return output
        results_among = sum(id(tensor) in self._producers for tensor in inputs)  # ``x * x`` has two, of one step
        kind, detail = function_words(func, args, kwargs, results_among, bool(weights))
        return self._record(kind, detail, "", inputs, versions, output, iter(weights))

    def _weights_of(self, tensor: Tensor) -> list[nn.Parameter]:
        return [tensor] if isinstance(tensor, nn.Parameter) else self._weights.get(id(tensor), [])

    def _keep(self, tensors: Sequence[Tensor], table: dict[int, Any], value: Any) -> None:
        table.update((id(tensor), value) for tensor in tensors)
        self._kept.append(tensors)

    def _record(
        self,
        kind: str,
        detail: str,
        name: str,
        inputs: Sequence[Tensor],
        versions: Sequence[int],
        output: Any,
        parameters: Iterator[nn.Parameter],
    ) -> Any:
        """Add a step, and return ``output``.

        A result that is one of the inputs, unchanged, becomes a tensor of its own: whoever takes the input later does
        not take the result of this step.
        """
        same = {id(tensor) for tensor, version in zip(inputs, versions, strict=True) if tensor._version == version}
        output = _map(output, lambda tensor: tensor.view_as(tensor) if id(tensor) in same else tensor)
        results = _tensors(output)
        sources = self.sources(inputs)
        if not sources or not results:
            return output
        new, shared = _count(parameters, self._counted)
        scopes = tuple(self._scopes[1:])  # without the network itself
        self.steps.append(Step(kind, detail, name, scopes, sources, _shape(results[0]), new, shared))
        self._keep(results, self._producers, len(self.steps) - 1)
        return output


def _map(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """``value`` with every tensor changed; plain tuples, lists and dictionaries are followed."""
    if isinstance(value, Tensor):
        return change(value)
    if type(value) in (tuple, list):
        return type(value)(_map(item, change) for item in value)
    if type(value) is dict:
        return {key: _map(item, change) for key, item in value.items()}
    return value


def _shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape of one sample, if the first dimension is that of the batch."""
    shape = tuple(tensor.shape)
    return shape[1:] if shape[:1] == (_BATCH,) else shape
