"""Whether sound exports are refused, on this machine made to stand for many.

    python benchmarks/refusals.py make FOLDER [--share 1.0]
    python benchmarks/refusals.py check FOLDER          once for each setting of the environment, see below
    python benchmarks/refusals.py table FOLDER

`make` writes sound networks to FOLDER: every architecture, untrained, after one epoch, and fully trained, many seeds,
each with its ONNX file. `check` takes every file through the gates of an export: determinism, independence, structure,
numerics, providers, test split, with torch and onnxruntime at 1, 2 and 4 threads, with oneDNN and without. Start it
once for each of the instruction sets that the processor has:

    ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 python benchmarks/refusals.py check FOLDER
    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/refusals.py check FOLDER
    ATEN_CPU_CAPABILITY=avx512 ONEDNN_MAX_CPU_ISA=AVX512_CORE python benchmarks/refusals.py check FOLDER

`table` counts refusals, and verifies the reference vectors of the certificate of every setting with what every other
setting computed.

To make many files quickly, the files of one architecture are the first one with other weights in it. That this gives
the bytes that a full export gives is checked for the second one of each stage; where it does not, all are exported in
full. What is computed in float64 does not depend on the settings, and is computed once for all settings of a process.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import logging
import os
import pickle
import random
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

import zoo
from zoo import numerics, rounding, scatter
from zoo.certificate import Check
from zoo.hyperparameters import resolve
from zoo.judging import check_determinism, check_independence, check_structure, judge
from zoo.loading import LoadedDataset
from zoo.numerics import BATCHES, LARGEST, RMS, compare_all, golden_vectors, make_cases
from zoo.preparation import prepare_model
from zoo.specs import resolve_reference
from zoo.subject import ExportSubject, make_subject
from zoo.tasks import TASKS
from zoo.trained import load_trained

TABLES = {"linear-regression", "logistic-regression", "diabetes-mlp", "bike-mlp"}
QUICK = {*TABLES, "softmax-regression", "fashion-mlp", "mnist-mlp", "cnn-mini", "lenet"}
SLOW = {"densenet-mini"}
LARGE = ("alexnet", "vgg11", "vgg16", "googlenet", "resnet18", "resnet50", "resnet152", "densenet121")
LARGE_IMAGE = (1, 32, 32)
COUNTS = {"quick": (120, 60, 8), "usual": (30, 20, 4), "slow": (15, 8, 2), "large": (1, 0, 0)}
"""How many seeds: untrained, after one epoch, fully trained."""
FEW_EPOCHS = 40
"""As long as a recipe of hundreds of epochs is trained here at most."""
SETTINGS = ((1, True), (2, True), (4, True), (1, False))
"""Threads, and whether torch uses oneDNN."""
TORCH = "torch"


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("make", "check", "table"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="part of the seeds that are made")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    match given.action:
        case "make":
            make_all(given.folder, given.share)
        case "check":
            check_all(given.folder)
        case "table":
            print(table(given.folder))


# Making networks and their files


def make_all(folder: Path, share: float) -> None:
    """Every network and its file, for each architecture in turn."""
    registry = zoo.create_registry()
    made = 0
    names = [name for name in registry.architectures if not name.startswith("torchvision/")]
    for name in [*names, *(f"torchvision/{large}" for large in LARGE)]:
        place = folder / name.replace("/", "-")
        place.mkdir(parents=True, exist_ok=True)
        # equal weights, such as those that are not trained yet, are stored once: another program for each stage
        writers: dict[str, Writer] = defaultdict(lambda: Writer(registry.exporter("onnx")))
        for stage, seed, subject in networks(name, registry, share):
            stem = place / f"{stage}-{seed}"
            writers[stage](subject, stem.with_suffix(".onnx"))
            small = dataclasses.replace(subject, test=None, calibration=None)  # type: ignore[arg-type]
            stem.with_suffix(".subject").write_bytes(pickle.dumps(small))
            made += 1
        exchanges = ", ".join(f"{stage} {writer.exchanges}" for stage, writer in writers.items())
        print(f"{made:5d} after {name}; weights exchanged: {exchanges}", flush=True)


def kind_of(name: str) -> str:
    """Which of :data:`COUNTS` an architecture has."""
    if name.startswith("torchvision/"):
        return "large"
    return "quick" if name in QUICK else "slow" if name in SLOW else "usual"


def networks(name: str, registry: zoo.Registry, share: float) -> Iterator[tuple[str, int, ExportSubject]]:
    """Stage, seed and subject of each network of an architecture."""
    untrained, brief, full = (max(1, round(count * share)) if count else 0 for count in COUNTS[kind_of(name)])
    data = data_of(name, registry)
    for seed in range(untrained):
        yield "untrained", seed, untrained_subject(name, registry, data, seed)
    with tempfile.TemporaryDirectory() as runs:
        for stage, count in (("one epoch", brief), ("trained", full)):
            for seed in range(count):
                yield stage, seed, trained_subject(name, registry, data, seed, stage, Path(runs))


@functools.cache
def data_of(name: str, registry: zoo.Registry) -> LoadedDataset:
    """The architecture's own table; for images the digits that come with scikit-learn, enlarged for torchvision."""
    dataset = registry.architecture(name).dataset if name in TABLES else "digits"
    data = zoo.load_dataset(registry.dataset(dataset), zoo.data_folder())
    if kind_of(name) != "large":
        return data
    enlarge = functools.partial(nn.functional.interpolate, size=LARGE_IMAGE[1:], mode="bilinear")
    splits = {
        part: dataclasses.replace(split, inputs=enlarge(split.inputs.float()).round().to(torch.uint8))
        for part, split in splits_of(data.splits)
    }
    spec = dataclasses.replace(data.spec, input_shape=LARGE_IMAGE)
    return dataclasses.replace(data, spec=spec, splits=dataclasses.replace(data.splits, **splits))


def splits_of(splits: zoo.Splits) -> Iterator[tuple[str, zoo.Split]]:
    """The splits by name."""
    for field in dataclasses.fields(splits):
        split = getattr(splits, field.name)
        if isinstance(split, zoo.Split):
            yield field.name, split


def untrained_subject(name: str, registry: zoo.Registry, data: LoadedDataset, seed: int) -> ExportSubject:
    """A network as it is initialised."""
    architecture = registry.architecture(name)
    recipe = resolve(architecture.hyperparameters)
    task = TASKS[architecture.task].fit(data.splits.train.targets, recipe)
    model = prepare_model(architecture, data, task, {}, recipe, seed)
    return ExportSubject(
        name=name,
        model=nn.Sequential(model, task.answers()).eval(),
        task=task,
        test=data.splits.test,
        recorded=None,
        description={"architecture": name, "columns": [column.name for column in data.spec.columns]},
        judged_on=str(data),
    )


def trained_subject(
    name: str, registry: zoo.Registry, data: LoadedDataset, seed: int, stage: str, runs: Path
) -> ExportSubject:
    """The best checkpoint of a training."""
    usual = resolve(registry.architecture(name).hyperparameters | dict(data.spec.hyperparameters.get(name, {}))).epochs
    epochs = 1 if stage == "one epoch" else min(usual, FEW_EPOCHS)
    run = zoo.train(name, dataset=data.spec.name, seed=seed, epochs=epochs, runs_dir=runs, registry=registry)
    return make_subject(load_trained(run, registry), data)


class Writer:
    """Writes subjects of one architecture: the first by the exporter, the others by exchanging its weights."""

    def __init__(self, exporter: zoo.Exporter) -> None:
        self.full = resolve_reference(exporter.write)
        self.first: onnx.ModelProto | None = None
        self.places: dict[str, str] = {}
        self.exchanges: bool | None = None

    def __call__(self, subject: ExportSubject, path: Path) -> None:
        if self.exchanges:
            path.write_bytes(self.exchanged(subject))
            return
        self.full(subject, path, opset=20)
        if self.first is None:
            self.first = onnx.load(path)
            state = subject.model.state_dict()
            self.places = {
                tensor.name: key for tensor in self.first.graph.initializer if (key := place_of(tensor.name, state))
            }
        elif self.exchanges is None:
            self.exchanges = self.exchanged(subject) == stripped(onnx.load(path))

    def exchanged(self, subject: ExportSubject) -> bytes:
        """The first file with the weights of ``subject``."""
        assert self.first is not None
        model, state = onnx.ModelProto(), subject.model.state_dict()
        model.CopyFrom(self.first)
        for tensor in model.graph.initializer:
            if tensor.name in self.places:
                value = state[self.places[tensor.name]].numpy()
                tensor.raw_data = np.ascontiguousarray(value).tobytes()
        return stripped(model)


def place_of(name: str, state: dict) -> str:
    """The weight that an initialiser holds, by its name."""
    return next((key for key in state if key == name or name.endswith(f".{key}")), "")


def stripped(model: onnx.ModelProto) -> bytes:
    """The bytes of the program, without the description."""
    del model.metadata_props[:]
    return model.SerializeToString(deterministic=True)


# Checking them


def check_all(folder: Path) -> None:
    """Every file through the gates under every setting of threads and oneDNN; a line of JSON for each."""
    registry = zoo.create_registry()
    inspect = resolve_reference(registry.exporter("onnx").inspect)
    isa = f"{os.environ.get('ATEN_CPU_CAPABILITY', 'native')}, {os.environ.get('ONEDNN_MAX_CPU_ISA', 'native')}"
    out = folder / f"results-{isa.replace(', ', '-')}.jsonl"
    with out.open("w") as lines:
        paths = sorted(folder.glob("*/*.subject"))
        random.Random(0).shuffle(paths)  # so that what has been done so far stands for all
        for path in paths:
            small = pickle.loads(path.read_bytes())
            subject = dataclasses.replace(small, test=data_of(small.name, registry).splits.test)
            for entry in check_one(subject, path.with_suffix(".onnx"), inspect):
                lines.write(json.dumps({"file": str(path.relative_to(folder)), "isa": isa} | entry) + "\n")
            lines.flush()


def check_one(subject: ExportSubject, file: Path, inspect: object) -> Iterator[dict]:
    """What came of one file, under every setting."""
    structure = check_structure(dataclasses.replace(subject, description={}), inspect(file))  # type: ignore[operator]
    scatter.deviations = once(rounding.deviations)
    numerics._run_exact = once(run_exact)
    for count, onednn in SETTINGS:
        torch.set_num_threads(count)
        with torch.backends.mkldnn.flags(enabled=onednn):
            checks: list[Check] = [structure, check_determinism(subject), check_independence(subject)]
            cases = make_cases(subject)
            golden = golden_vectors(subject, cases)
            runtimes = sessions(file, min(count, 2))
            checks += judge(subject, cases, runtimes)
            comparisons = compare_all(subject, cases, runtimes.all)
        torch.set_num_threads(1)
        yield {
            "setting": f"{count} thread{'s' * (count > 1)}, oneDNN {'on' if onednn else 'off'}",
            "refused": [f"{check.gate}: {check.summary}" for check in checks if not check.passed],
            "of_limit": {
                measure: max((c.of_limit for c in comparisons if c.measure == measure), default=0.0)
                for measure in (LARGEST, RMS)
            }
            | {TORCH: max(torch_of_limit(subject, case) for case in cases if len(case.inputs) == max(BATCHES))},
            "golden": golden.to_json(),
            "got": [array.tolist() for array in runtimes.usual.run(golden.tensor())],
        }


def torch_of_limit(subject: ExportSubject, case: numerics.Case) -> float:
    """The largest error of torch's own float32, as a part of the limit that would hold without it."""
    deviations = scatter.deviations(subject.in_float64(), case.inputs, case.exact)
    return max(
        float(np.abs(own - exact).max()) / max(scatter.MULTIPLE * float(deviation.max()), scatter.SMALLEST)
        for own, exact, deviation in zip(case.own, case.exact, deviations, strict=True)
    )


run_exact = numerics._run_exact


def once(function):
    """``function``, which is called once for each inputs."""
    known: dict[bytes, object] = {}

    def call(model: nn.Module, inputs: torch.Tensor, *rest: object) -> object:
        key = inputs.numpy().tobytes()
        if key not in known:
            known[key] = function(model, inputs, *rest)
        return known[key]

    return call


def sessions(file: Path, threads: int) -> zoo.Runtimes:
    """The file in onnxruntime, as written and optimised, with that many threads."""
    found = []
    for mode, level in (
        ("as written", onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL),
        ("optimised", onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL),
    ):
        settings = onnxruntime.SessionOptions()
        settings.graph_optimization_level, settings.intra_op_num_threads = level, threads
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # several of these share the cores
        session = onnxruntime.InferenceSession(file, settings, providers=["CPUExecutionProvider"])
        found.append(
            zoo.Runtime("CPU", mode, lambda inputs, session=session: session.run(None, {"input": inputs.numpy()}))
        )
    return zoo.Runtimes(tuple(found), {})


# Counting


def table(folder: Path) -> str:
    """Refusals by setting, and of certificates that are verified under another setting than they were made under."""
    rows: dict[tuple[str, str], Counter] = defaultdict(Counter)
    nearest: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: dict.fromkeys((LARGEST, RMS, TORCH), 0.0))
    by_file: dict[str, list[dict]] = defaultdict(list)
    refusals = []
    for results in sorted(folder.glob("results-*.jsonl")):
        for line in results.read_text().splitlines():
            entry = json.loads(line)
            key = (entry["isa"], entry["setting"])
            rows[key]["exports"] += 1
            rows[key]["refused"] += bool(entry["refused"])
            nearest[key] = {measure: max(part, entry["of_limit"][measure]) for measure, part in nearest[key].items()}
            refusals += [f"{entry['file']}, {key}: {reason}" for reason in entry["refused"]]
            by_file[entry["file"]].append(entry)
    verified, wrong, furthest = across(by_file)
    lines = [
        "| instructions of torch, oneDNN | setting | exports | refused | largest error, of its limit | mean error |"
    ]
    lines += ["|---|---|--:|--:|--:|--:|"]
    for key, row in rows.items():
        parts = " | ".join(f"{part:.0%}" for part in nearest[key].values())
        lines.append(f"| {key[0]} | {key[1]} | {row['exports']:,} | {row['refused']} | {parts} |")
    lines += ["", f"{verified:,} certificates verified under another setting: {wrong} refused, at most {furthest:.0%}"]
    return "\n".join([*lines, *refusals])


def across(by_file: dict[str, list[dict]]) -> tuple[int, int, float]:
    """How many pairs of settings there are, how many of them disagree, and the largest part of a limit."""
    verified = wrong = 0
    furthest = 0.0
    for entries in by_file.values():
        answers = {json.dumps(entry["got"]): entry["got"] for entry in entries}
        for entry in entries:
            golden = zoo.golden.GoldenVectors.from_json(entry["golden"])
            excess = max(golden.largest_excess([np.float32(a) for a in got])[0] for got in answers.values())
            verified += len(entries)
            wrong += excess > 1
            furthest = max(furthest, excess)
    return verified, wrong, furthest


if __name__ == "__main__":
    main()
