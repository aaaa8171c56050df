"""Latency and throughput of a model, whatever runs it, side by side in one run."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..environment import host, versions
from ..errors import DeviceUnavailable, InvalidValue, UsageError
from ..formatting import html_table, time_text
from ..models.api import is_onnx_file, open_model
from ..models.description import ModelDescription
from ..models.inference import Array
from ..models.onnx_model import CPU, OnnxModel
from ..registry.registry import Registry, create_registry
from .memory_use import memory_of, noise
from .timing import Latency, measure

log = logging.getLogger("zoo")

BATCHES = (1, 8, 64)
SECONDS = 1.0
ANY_DROP = 100.0
"""Of the accuracy: what is timed here is not for use."""
DEVICES = ("cpu", "cuda")
CUDA = "CUDAExecutionProvider"
_Run = Callable[[Array], object]


@dataclass(frozen=True, slots=True)
class Timing:
    """One contender at one batch size.

    Args:
        contender: ``torch``, ``torch compiled``, ``onnxruntime``, ``onnxruntime int8``, or the file's name.
        device: ``cpu`` or ``cuda``.
        p50, p95: seconds a call, raw samples in memory to answers in memory.
        samples_per_second: by the median.
        bytes_added: resident memory that loading it and a batch of the largest size add to a fresh process that has
            imported the library already; None where unknown, as on CUDA and for what is compiled.
    """

    contender: str
    device: str
    batch: int
    p50: float
    p95: float
    samples_per_second: float
    bytes_added: int | None


@dataclass(frozen=True, slots=True)
class Bench:
    """What :func:`bench` measured."""

    model: str
    threads: int
    timings: tuple[Timing, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with the machine and the versions."""
        content = asdict(self)
        return content | {
            "timings": [asdict(timing) for timing in self.timings],
            "host": host(),
            "versions": versions(),
        }

    def _repr_html_(self) -> str:
        """A notebook's view."""
        rows = [
            (t.contender, t.device, t.batch, time_text(t.p50), time_text(t.p95), f"{t.samples_per_second:,.0f}")
            for t in self.timings
        ]
        return html_table(("by", "device", "batch", "median", "95%", "samples/s"), rows)


@dataclass(slots=True)
class _Contender:
    name: str
    device: str
    run: _Run
    bytes_added: int | None = None


def bench(
    references: Sequence[Path | str],
    *,
    batches: Sequence[int] = BATCHES,
    device: str = "cpu",
    compiled: bool = False,
    reductions: Sequence[str] = (),
    threads: int = 1,
    seconds: float = SECONDS,
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Bench:
    """Time models that take the same input; they take turns, so that what else the machine does meets them all.

    A name or a run is timed in torch and, exported, in onnxruntime; a file in onnxruntime.

    Args:
        references: exported files, architectures or runs.
        batches: samples in one call.
        device: ``cpu``, or ``cuda`` for CUDA beside it.
        compiled: also by ``torch.compile``.
        reductions: smaller forms of the exported file too: ``int8``, ``fp16``; not of references that are files.
        threads: of one call, for every contender; 0 leaves it to each of them.
        seconds: for each contender and batch size.

    Raises:
        DeviceUnavailable: CUDA was asked for, and is not there.
        UsageError: they take different inputs, or a value makes no sense.
        ZooError, RunNotFound, ExportError: as for :func:`open_model` and :func:`export`.
    """
    if device not in DEVICES:
        raise InvalidValue(f"Device {device!r} is not one of {', '.join(DEVICES)}.")
    if not references or not batches or min(batches) < 1:
        raise UsageError("Give a model, and batch sizes of at least 1.")
    registry = registry or create_registry()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        contenders: list[_Contender] = []
        first: ModelDescription | None = None
        for place, reference in enumerate(references):
            settings = _Settings(device, compiled, tuple(reductions), threads, max(batches), len(references) > 1)
            if is_onnx_file(reference):
                description, made = _of_file(Path(reference), settings, Path(reference).stem)
            else:
                stack.enter_context(_torch_threads(threads))
                description, made = _of_checkpoint(
                    str(reference), settings, folder / str(place), data_dir, runs_dir, registry
                )
            first = first or description
            if description.input_shape != first.input_shape:
                raise UsageError(
                    f"{first.name} takes {first.input_shape}, {description.name} {description.input_shape}."
                )
            contenders += made
        assert first is not None
        timings = [timing for batch in batches for timing in _at(contenders, first, batch, seconds)]
    return Bench(first.name, threads, tuple(timings))


@dataclass(frozen=True, slots=True)
class _Settings:
    device: str
    compiled: bool
    reductions: tuple[str, ...]
    threads: int
    largest: int
    named: bool
    """Whether the contenders have to say which model they are of."""


def _at(contenders: Sequence[_Contender], model: ModelDescription, batch: int, seconds: float) -> Iterator[Timing]:
    inputs = noise(model, batch)
    calls = {f"{c.name} {c.device}": (lambda run=c.run: run(inputs)) for c in contenders}
    found: dict[str, Latency] = measure(calls, seconds)
    for contender in contenders:
        taken = found[f"{contender.name} {contender.device}"]
        rate = batch / taken.p50
        yield Timing(contender.name, contender.device, batch, taken.p50, taken.p95, rate, contender.bytes_added)


def _of_file(path: Path, settings: _Settings, name: str) -> tuple[ModelDescription, list[_Contender]]:
    made = []
    providers = [("cpu", CPU), ("cuda", CUDA)] if settings.device == "cuda" else [("cpu", CPU)]
    description = None
    for device, provider in providers:
        model = OnnxModel(path, provider, settings.threads)
        description = model.description
        added = memory_of(str(path), settings.largest, settings.threads) if device == "cpu" else None
        made.append(_Contender(name, device, model.run, added))
    assert description is not None
    return description, made


def _of_checkpoint(
    reference: str,
    settings: _Settings,
    folder: Path,
    data_dir: Path | str | None,
    runs_dir: Path | str | None,
    registry: Registry,
) -> tuple[ModelDescription, list[_Contender]]:
    import torch

    from ..exporting.export import export

    prefix = f"{reference} " if settings.named else ""
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise DeviceUnavailable("cuda was asked for, but this machine has no CUDA device that torch can use.")
    folder.mkdir()
    file = export(reference, "onnx", folder, data_dir=data_dir, runs_dir=runs_dir, registry=registry).file
    made = []
    for device in DEVICES[: DEVICES.index(settings.device) + 1]:
        model = open_model(reference, runs_dir=runs_dir, registry=registry)
        module = model.module.to(device)  # type: ignore[attr-defined]
        added = memory_of(reference, settings.largest, settings.threads, runs_dir) if device == "cpu" else None
        made.append(_Contender(f"{prefix}torch", device, _torch_run(module, device), added))
        if settings.compiled:
            samples = noise(model.description, settings.largest)
            made += _compiled(module, device, samples, f"{prefix}torch compiled")
    description, exported = _of_file(file, settings, f"{prefix}onnxruntime")
    for name in settings.reductions:
        smaller = export(
            reference,
            "onnx",
            folder / f"{name}.onnx",
            reduction=name,
            max_drop=ANY_DROP,
            data_dir=data_dir,
            runs_dir=runs_dir,
            registry=registry,
        )
        exported += _of_file(smaller.file, settings, f"{prefix}onnxruntime {name}")[1]
    return description, made + exported


def _compiled(module: Any, device: str, samples: Array, name: str) -> list[_Contender]:
    """By ``torch.compile``, where it works here: it needs a C++ compiler, or Triton."""
    import torch

    run = _torch_run(torch.compile(module, dynamic=True), device)
    try:
        run(samples)
    except Exception as error:  # torch raises many kinds, most private
        log.warning("torch.compile does not work here: %s", " ".join(str(error).split())[:200])
        return []
    return [_Contender(name, device, run)]


def _torch_run(module: Any, device: str) -> _Run:
    import torch

    def run(inputs: Array) -> object:
        with torch.inference_mode():
            return [output.cpu() for output in module(torch.from_numpy(inputs).to(device))]

    return run


@contextlib.contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    import torch

    usual = torch.get_num_threads()
    if threads:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


def latency_of(reference: str, runs_dir: Path | str | None, registry: Registry) -> float:
    """Seconds that one sample takes, on one thread, by torch, or by onnxruntime for a file.

    Raises:
        ZooError, RunNotFound: as for :func:`open_model`.
    """
    if is_onnx_file(reference):
        model: Any = OnnxModel(reference, threads=1)
        sample = noise(model.description, 1)
        return measure({"": lambda: model.run(sample)}, SECONDS / 2)[""].p50
    model = open_model(reference, runs_dir=runs_dir, registry=registry)
    sample = noise(model.description, 1)
    with _torch_threads(1):
        return measure({"": lambda: model.run(sample)}, SECONDS / 2)[""].p50
