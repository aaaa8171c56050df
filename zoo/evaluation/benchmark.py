"""Benchmark models: latency, throughput and memory, all measured side by side in one run."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..environment import host, versions
from ..errors import InvalidValue, UsageError
from ..formatting import html_table, time_text
from ..models.api import is_onnx_file, open_model
from ..models.description import ModelDescription
from ..models.inference import InferenceModel
from ..models.onnx_model import OnnxModel
from ..registry.registry import Registry, create_registry
from .contenders import DEVICES, Contender, Settings, open_contenders, torch_threads
from .measurement import measure_latency, random_batch

BATCHES = (1, 8, 64)
SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Timing:
    """One contender (a model, what runs it, and the device) at one batch size.

    Args:
        contender: ``torch``, ``torch compiled``, ``onnxruntime``, ``onnxruntime int8``, or the name of the file; with
            the name of the model in front if several models are timed.
        device: ``cpu`` or ``cuda``.
        batch: samples in one call.
        p50: the median time of a call, in seconds, from raw samples in memory to outputs in memory.
        p95: the 95th percentile of that time, in seconds.
        samples_per_second: samples in one second, at the median time.
        bytes_added: the resident memory, in bytes, that loading the model and running a batch of the largest size add
            to a fresh process that has already imported the library; None on CUDA and for compiled models.
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
    """What :func:`bench` measured.

    Args:
        model: the name of the first model.
        threads: the number of threads in each call; 0 means the default of each library.
        timings: one for each contender and batch size.
    """

    model: str
    threads: int
    timings: tuple[Timing, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields for JSON, with the machine and the versions of the libraries."""
        content = asdict(self)
        return content | {
            "timings": [asdict(timing) for timing in self.timings],
            "host": host(),
            "versions": versions(),
        }

    def _repr_html_(self) -> str:
        """The timings as a table in a notebook."""
        rows = [
            (t.contender, t.device, t.batch, time_text(t.p50), time_text(t.p95), f"{t.samples_per_second:,.0f}")
            for t in self.timings
        ]
        return html_table(("runtime", "device", "batch", "median", "p95", "samples/s"), rows)


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
    """Time models that take the same input. They take turns, so that other load on the machine affects all alike.

    A name or a run is timed in torch and, after an export, in onnxruntime; a file in onnxruntime.

    Args:
        references: exported files, architectures or runs.
        batches: the batch sizes.
        device: ``cpu``, or ``cuda`` for both.
        compiled: also time ``torch.compile``.
        reductions: also time smaller exported files: ``int8``, ``fp16``. Ignored for references that are files.
        threads: the number of threads in each call; 0 means the default of each library.
        seconds: how long to repeat each call, for each contender and batch size.

    Raises:
        DeviceUnavailable: ``device`` is ``cuda``, but CUDA is not available.
        UsageError: the models take different inputs, or a value is invalid.
        ZooError, RunNotFound, ExportError: as for :func:`open_model` and :func:`export`.
    """
    if device not in DEVICES:
        raise InvalidValue(f"Device {device!r} is not one of {', '.join(DEVICES)}.")
    if not references or not batches or min(batches) < 1:
        raise UsageError("Give at least one model, and batch sizes of at least 1.")
    several = len(references) > 1
    registry = registry or create_registry()
    settings = Settings(
        device, compiled, tuple(reductions), threads, max(batches), several, data_dir, runs_dir, registry
    )
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        if not all(is_onnx_file(reference) for reference in references):
            stack.enter_context(torch_threads(threads))
        model, contenders = open_contenders(references, settings, Path(folder))
        timings = [timing for batch in batches for timing in _time(contenders, model, batch, seconds)]
    return Bench(model.name, threads, tuple(timings))


def latency_of(reference: str, runs_dir: Path | str | None, registry: Registry, *, just_written: bool = False) -> float:
    """The median seconds for one sample, on one thread, by torch, or by onnxruntime for a file.

    Args:
        just_written: this process wrote the file, so that no certificate is missed.

    Raises:
        ZooError, RunNotFound: as for :func:`open_model`.
    """
    if is_onnx_file(reference):
        return _latency(OnnxModel(reference, threads=1, just_written=just_written))
    model = open_model(reference, runs_dir=runs_dir, registry=registry)
    with torch_threads(1):
        return _latency(model)


def _latency(model: InferenceModel) -> float:
    sample = random_batch(model.description, 1)
    return measure_latency({"": lambda: model.run(sample)}, SECONDS / 2)[""].p50


def _time(contenders: Sequence[Contender], model: ModelDescription, batch: int, seconds: float) -> Iterator[Timing]:
    inputs = random_batch(model, batch)
    calls = {f"{c.name} {c.device}": (lambda run=c.run: run(inputs)) for c in contenders}
    latencies = measure_latency(calls, seconds)
    for contender in contenders:
        latency = latencies[f"{contender.name} {contender.device}"]
        rate = batch / latency.p50
        yield Timing(contender.name, contender.device, batch, latency.p50, latency.p95, rate, contender.bytes_added)
