"""The contenders of a benchmark: every way to run a model. Imports torch only for checkpoints."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DeviceUnavailable, UsageError
from ..models.api import is_onnx_file, open_model
from ..models.description import ModelDescription
from ..models.inference import Array
from ..models.onnx_model import CPU, OnnxModel
from ..registry.registry import Registry
from .measurement import measure_memory, random_batch

log = logging.getLogger("zoo")

ANY_DROP = 100.0
"""A quantised file is timed whatever accuracy it loses."""
DEVICES = ("cpu", "cuda")
CUDA = "CUDAExecutionProvider"
Run = Callable[[Array], object]
"""From raw samples in memory to outputs in memory."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of :func:`zoo.bench` that the contenders need.

    Args:
        device: ``cpu``, or ``cuda`` for both.
        compiled: also run ``torch.compile``.
        reductions: also run exported files of this kind: ``int8``, ``fp16``.
        threads: the number of threads in each call; 0 means the default of each library.
        largest: the largest batch size, for the memory.
        several: whether the names of the contenders must include the model.
        data_dir: the data folder.
        runs_dir: the runs folder.
        registry: the registry.
    """

    device: str
    compiled: bool
    reductions: tuple[str, ...]
    threads: int
    largest: int
    several: bool
    data_dir: Path | str | None
    runs_dir: Path | str | None
    registry: Registry


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to run a model.

    Args:
        name: see :attr:`zoo.Timing.contender`.
        device: ``cpu`` or ``cuda``.
        run: the call that is timed.
        bytes_added: see :attr:`zoo.Timing.bytes_added`.
    """

    name: str
    device: str
    run: Run
    bytes_added: int | None = None


def open_contenders(
    references: Sequence[Path | str], settings: Settings, folder: Path
) -> tuple[ModelDescription, list[Contender]]:
    """The description of the first model, and the contenders of all models.

    Args:
        references: exported files, architectures or runs.
        settings: see :class:`Settings`.
        folder: an empty folder for exported files.

    Raises:
        DeviceUnavailable, UsageError, ZooError, RunNotFound, ExportError: as for :func:`zoo.bench`.
    """
    first: ModelDescription | None = None
    contenders: list[Contender] = []
    for place, reference in enumerate(references):
        if is_onnx_file(reference):
            description, own = _of_file(Path(reference), settings, Path(reference).stem)
        else:
            description, own = _of_checkpoint(str(reference), settings, folder / str(place))
        first = first or description
        if (description.input_shape, description.input_kind) != (first.input_shape, first.input_kind):
            raise UsageError(
                f"{first.name} takes inputs of shape {first.input_shape} ({first.input_kind}), {description.name} "
                f"takes {description.input_shape} ({description.input_kind}). Only models with the same input can "
                "be timed together."
            )
        contenders += own
    assert first is not None
    return first, contenders


def _of_file(path: Path, settings: Settings, name: str) -> tuple[ModelDescription, list[Contender]]:
    contenders = []
    providers = [("cpu", CPU), ("cuda", CUDA)] if settings.device == "cuda" else [("cpu", CPU)]
    for device, provider in providers:
        model = OnnxModel(path, provider, settings.threads)
        added = measure_memory(str(path), settings.largest, settings.threads) if device == "cpu" else None
        contenders.append(Contender(name, device, model.run, added))
    return model.description, contenders


def _of_checkpoint(reference: str, settings: Settings, folder: Path) -> tuple[ModelDescription, list[Contender]]:
    """The model in torch on each device, and its exported files in onnxruntime."""
    import torch

    from ..exporting.export import export

    prefix = f"{reference} " if settings.several else ""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailable("cuda is not available: torch finds no CUDA device on this machine. Use --device cpu.")
    folder.mkdir()
    to_onnx = functools.partial(
        export,
        reference,
        "onnx",
        data_dir=settings.data_dir,
        runs_dir=settings.runs_dir,
        registry=settings.registry,
    )
    file = to_onnx(folder).file
    contenders: list[Contender] = []
    for device in DEVICES[: DEVICES.index(settings.device) + 1]:
        contenders += _in_torch(reference, settings, device, prefix)
    description, own = _of_file(file, settings, f"{prefix}onnxruntime")
    contenders += own
    for name in settings.reductions:
        smaller = to_onnx(folder / f"{name}.onnx", reduction=name, max_drop=ANY_DROP).file
        contenders += _of_file(smaller, settings, f"{prefix}onnxruntime {name}")[1]
    return description, contenders


def _in_torch(reference: str, settings: Settings, device: str, prefix: str) -> Iterator[Contender]:
    model = open_model(reference, runs_dir=settings.runs_dir, registry=settings.registry)
    module = model.module.to(device)  # type: ignore[attr-defined]
    on_cpu = device == "cpu"
    added = measure_memory(reference, settings.largest, settings.threads, settings.runs_dir) if on_cpu else None
    yield Contender(f"{prefix}torch", device, _torch_run(module, device), added)
    if settings.compiled:
        samples = random_batch(model.description, settings.largest)
        yield from _compiled(module, device, samples, f"{prefix}torch compiled")


def _compiled(module: Any, device: str, samples: Array, name: str) -> Iterator[Contender]:
    """The model in ``torch.compile``, if that works here: it needs a C++ compiler, or Triton."""
    import torch

    run = _torch_run(torch.compile(module, dynamic=True), device)
    try:
        run(samples)
    except Exception as error:  # torch raises exceptions of many kinds, most of them private
        log.warning("torch.compile does not work here: %s", " ".join(str(error).split())[:200])
        return
    yield Contender(name, device, run)


def _torch_run(module: Any, device: str) -> Run:
    import torch

    def run(inputs: Array) -> object:
        with torch.inference_mode():
            return [output.cpu() for output in module(torch.from_numpy(inputs).to(device))]

    return run


@contextlib.contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Let torch use this many threads for the time being; 0 changes nothing."""
    import torch

    before = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
