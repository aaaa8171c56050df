"""Measure the time of exports through all gates, for the table of all architectures in the documentation.

    python benchmarks/export.py [--write docs/exports.json] [NAME …]

For each architecture, in one process, after a warm-up, alternately, in processor seconds:

- bare: `torch.onnx.export` and one onnxruntime session
- certified: an export of the same checkpoint through all gates, with four test samples, so evaluation takes no time

Then it measures once the export with up to 10,000 test samples, and the latency of the file in onnxruntime and of the
model in eager torch. Architectures without shipped weights (those of torchvision) are initialised with a fixed seed
and use 1,000 samples of 32x32 pixels.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import onnxruntime
import torch
from torch import nn
from torch.nn import functional

import zoo
from zoo.environment import host, versions
from zoo.exporting.export import write_verified
from zoo.exporting.quantisation import latencies
from zoo.exporting.request import ExportRequest
from zoo.exporting.source import ExportSource, load_test_data, make_source
from zoo.inputs.preprocess import Preprocess
from zoo.models.build import assemble, build_network
from zoo.models.guarded_task import load_task
from zoo.models.trained import load_shipped
from zoo.specs.references import resolve_reference

FEW = 4
LARGE_SAMPLES, LARGE_SIZE = 1_000, 32
BATCH = 1


def source_of(name: str, registry: zoo.Registry, samples: int) -> ExportSource:
    """The shipped weights and their test split; for a network without weights, initial weights and digits."""
    architecture = registry.architecture(name)
    if architecture.shipped_weights:
        trained = load_shipped(name, registry)
        source = make_source(trained, load_test_data(trained, registry, zoo.data_folder()))
        return first(source, samples)
    digits = zoo.load_dataset(registry.dataset("mnist"), zoo.data_folder(), download=False).splits.test
    few = digits.inputs[: min(samples, LARGE_SAMPLES)].float()
    enlarged = functional.interpolate(few, size=(LARGE_SIZE, LARGE_SIZE), mode="bilinear").round().to(torch.uint8)
    torch.manual_seed(0)
    network = build_network(architecture, (1, LARGE_SIZE, LARGE_SIZE), 10, {})
    task = load_task(registry.task("classification"))
    return ExportSource(
        name=name,
        model=nn.Sequential(assemble(Preprocess.fit(enlarged), network), task.answers()).eval(),
        task=task,
        test=zoo.Split(enlarged, digits.targets[: len(enlarged)]),
        recorded=None,
        description={"architecture": name},
        evaluated_on="mnist",
    )


def first(source: ExportSource, samples: int) -> ExportSource:
    """``source`` with the first of its test samples, without the recorded metrics, which are of all samples."""
    if samples >= len(source.test):
        return source
    return dataclasses.replace(source, test=source.test.take(torch.arange(samples)), recorded=None)


def bare(source: ExportSource, path: Path) -> None:
    """The shortest program without the zoo: export, open, run one batch."""
    inputs = source.samples(3)
    dynamic = ({0: torch.export.Dim("batch")},)
    torch.onnx.export(source.model, (inputs,), path, dynamic_shapes=dynamic, external_data=False, verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    session.run(None, {session.get_inputs()[0].name: inputs.numpy()})


def seconds(action) -> float:
    """Processor time of ``action()``, which depends little on other programs."""
    began = time.process_time()
    action()
    return time.process_time() - began


def speed_against_torch(source: ExportSource, path: Path, exporter: zoo.Exporter) -> float:
    """The speed of the file divided by that of eager torch, for one sample: the best of alternating runs."""

    def eager(inputs: torch.Tensor) -> list:
        with torch.inference_mode():
            return [output.numpy() for output in source.model(inputs)]

    usual = resolve_reference(exporter.open)(path).usual
    slow, fast = latencies([zoo.Runtime("CPU", "eager torch", eager), usual], source.samples(BATCH))
    return min(slow) / min(fast)


def measure(name: str, registry: zoo.Registry, rounds: int) -> dict:
    """All figures of one architecture."""
    exporter, options = registry.exporter("onnx"), {"opset": 0}
    full = source_of(name, registry, 10_000)
    few = first(full, FEW)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "zoo.onnx"
        actions = {
            "bare": lambda: bare(few, Path(scratch) / "bare.onnx"),
            "certified": lambda: write_verified(few, ExportRequest(exporter, path, options)),
        }
        times: dict[str, list[float]] = {key: [] for key in actions}
        for _ in range(rounds + 1):
            for key, action in actions.items():
                times[key].append(seconds(action))
        began = time.process_time()
        certificate = write_verified(full, ExportRequest(exporter, path, options))
        whole = time.process_time() - began
        checks = {check.gate: check.figures for check in certificate.checks}
        ran = [checks["numerics"], *checks["providers"]["ran"].values()]
        return {
            "name": name,
            "trained": registry.architecture(name).shipped_weights is not None,
            "nodes": checks["structure"]["nodes"],
            "bytes": certificate.bytes,
            "error_over_torch": max(entry["largest_error_over_torch"] for entry in ran),
            "of_limit": max(entry["of_limit"] for entry in checks["providers"]["ran"].values()),
            "samples": checks["test split"]["samples"],
            "changed": len(checks["test split"].get("changed", ())),
            "bare_seconds": statistics.median(times["bare"][1:]),
            "certified_seconds": statistics.median(times["certified"][1:]),
            "seconds": whole,
            "speedup": speed_against_torch(few, path, exporter),
        }


def main() -> None:
    """Print one line for each architecture; with ``--write``, write all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--write", type=Path, help="the JSON file to write")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    registry = zoo.create_registry()
    rows = []
    for name in given.names or registry.architectures:
        row = measure(name, registry, given.rounds)
        rows.append(row)
        print(
            f"{name}: bare {row['bare_seconds']:.2f} s, certified {row['certified_seconds']:.2f} s, "
            f"ratio {row['certified_seconds'] / row['bare_seconds']:.2f}; with {row['samples']:,} samples "
            f"{row['seconds']:.2f} s; {row['changed']} predictions changed; "
            f"{row['speedup']:.2f} times as fast as eager torch",
            flush=True,
        )
        if given.write:
            write(given.write, rows)


def write(path: Path, rows: list[dict]) -> None:
    """Write ``rows`` to ``path``. They replace earlier rows with the same names; other rows stay."""
    earlier = json.loads(path.read_text())["rows"] if path.exists() else []
    kept = {row["name"]: row for row in [*earlier, *rows]}
    about = {"host": host(), "threads": torch.get_num_threads(), "versions": versions()}
    content = about | {"rows": [kept[name] for name in sorted(kept)]}
    path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
