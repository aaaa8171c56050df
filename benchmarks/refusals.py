"""Count correct exports that are refused, under settings that give the arithmetic of many machines.

    python benchmarks/refusals.py make FOLDER [--share 1.0]
    python benchmarks/refusals.py check FOLDER          once for each setting of the environment, see below
    python benchmarks/refusals.py table FOLDER

`make` writes networks and their ONNX files to FOLDER: every architecture, untrained, after one epoch and fully
trained, with many seeds. `check` checks every file with the gates of an export: determinism, independence, structure,
numerics, providers and test split. torch and onnxruntime run with 1, 2 and 4 threads, with and without oneDNN. Start
`check` once for each instruction set of the processor:

    ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 python benchmarks/refusals.py check FOLDER
    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/refusals.py check FOLDER
    ATEN_CPU_CAPABILITY=avx512 ONEDNN_MAX_CPU_ISA=AVX512_CORE python benchmarks/refusals.py check FOLDER

`table` counts the refusals. It also compares the reference vectors of every setting with the outputs of every other
setting.

Results in float64 do not depend on the settings. They are computed once for all settings of a process.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import pickle
import random
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from sound_networks import QUICK, data_of, make_all
from torch import nn

import zoo
from zoo.exporting import limits, numerics, rounding
from zoo.exporting.certificate import Check
from zoo.exporting.checks import check_structure
from zoo.exporting.gates import check_outputs
from zoo.exporting.model_checks import check_determinism, check_independence
from zoo.exporting.numerics import BATCHES, LARGEST, RMS, compare_all, make_cases, make_reference_vectors
from zoo.exporting.reference_vectors import ReferenceVectors
from zoo.exporting.source import ExportSource
from zoo.specs.references import resolve_reference

SETTINGS = ((1, True), (2, True), (4, True), (1, False))
"""Threads, and whether torch uses oneDNN."""
TORCH = "torch"


def main() -> None:
    """Run the action on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("make", "check", "table"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="share of the seeds to use")
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


# Checking


def check_all(folder: Path) -> None:
    """Check every file under every setting of threads and oneDNN; write a line of JSON for each.

    Files that an earlier call has checked are skipped.
    """
    registry = zoo.create_registry()
    inspect = resolve_reference(registry.exporter("onnx").inspect)
    isa = f"{os.environ.get('ATEN_CPU_CAPABILITY', 'native')}, {os.environ.get('ONEDNN_MAX_CPU_ISA', 'native')}"
    out = folder / f"results-{isa.replace(', ', '-')}.jsonl"
    done = {json.loads(line)["file"] for line in out.read_text().splitlines()} if out.exists() else set()
    paths = [path for path in folder.glob("*/*.source") if str(path.relative_to(folder)) not in done]
    # the quick ones first, in random order, so that results of an interrupted check are representative
    paths = sorted(paths, key=lambda path: (path.parent.name not in QUICK, random.Random(str(path)).random()))
    with out.open("a") as lines:
        for path in paths:
            small = pickle.loads(path.read_bytes())
            source = dataclasses.replace(small, test=data_of(small.name, registry).splits.test)
            for entry in check_one(source, path.with_suffix(".onnx"), inspect):
                lines.write(json.dumps({"file": str(path.relative_to(folder)), "isa": isa} | entry) + "\n")
            lines.flush()


def check_one(source: ExportSource, file: Path, inspect: object) -> Iterator[dict]:
    """Yield the result of one file under every setting."""
    structure = check_structure(dataclasses.replace(source, description={}), inspect(file))  # type: ignore[operator]
    limits.deviations = once(rounding.deviations)
    numerics.run_exact = once(run_exact)
    for count, onednn in SETTINGS:
        torch.set_num_threads(count)
        with torch.backends.mkldnn.flags(enabled=onednn):
            checks: list[Check] = [structure, check_determinism(source), check_independence(source)]
            cases = make_cases(source)
            vectors = make_reference_vectors(source, cases)
            runtimes = sessions(file, min(count, 2))
            checks += check_outputs(source, cases, runtimes)
            comparisons = compare_all(source, cases, runtimes.all)
        torch.set_num_threads(1)
        yield {
            "setting": f"{count} thread{'s' * (count > 1)}, oneDNN {'on' if onednn else 'off'}",
            "refused": [f"{check.gate}: {check.summary}" for check in checks if not check.passed],
            "of_limit": {
                measure: max((c.of_limit for c in comparisons if c.measure == measure), default=0.0)
                for measure in (LARGEST, RMS)
            }
            | {TORCH: max(torch_of_limit(source, case) for case in cases if len(case.inputs) == max(BATCHES))},
            "reference_vectors": vectors.to_json(),
            "outputs": [array.tolist() for array in runtimes.usual.run(vectors.tensor())],
        }


def torch_of_limit(source: ExportSource, case: numerics.Case) -> float:
    """The largest float32 error of torch as a share of the limit that is computed from the disturbed runs only."""
    deviations = limits.deviations(source.in_float64(), case.inputs, case.exact)
    return max(
        float(np.abs(own - exact).max()) / max(limits.MULTIPLE * float(deviation.max()), limits.SMALLEST)
        for own, exact, deviation in zip(case.float32, case.exact, deviations, strict=True)
    )


run_exact = numerics.run_exact


def once(function):
    """``function`` with a cache: it is called once for the same inputs."""
    known: dict[bytes, object] = {}

    def call(model: nn.Module, inputs: torch.Tensor, *rest: object) -> object:
        key = inputs.numpy().tobytes()
        if key not in known:
            known[key] = function(model, inputs, *rest)
        return known[key]

    return call


def sessions(file: Path, threads: int) -> zoo.Runtimes:
    """The file in onnxruntime with ``threads`` threads, without and with graph optimisation."""
    found = []
    for mode, level in (
        ("as written", onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL),
        ("optimised", onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL),
    ):
        settings = onnxruntime.SessionOptions()
        settings.graph_optimization_level, settings.intra_op_num_threads = level, threads
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # several sessions share the cores
        session = onnxruntime.InferenceSession(file, settings, providers=["CPUExecutionProvider"])
        found.append(
            zoo.Runtime("CPU", mode, lambda inputs, session=session: session.run(None, {"input": inputs.numpy()}))
        )
    return zoo.Runtimes(tuple(found), {})


# Counting


def table(folder: Path) -> str:
    """The refusals of each setting, and those of reference vectors that another setting verifies."""
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
        "| instruction sets of torch, oneDNN | setting | exports | refused | largest error "
        "| root mean square | torch |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for key, row in rows.items():
        parts = " | ".join(f"{part:.0%}" for part in nearest[key].values())
        lines.append(f"| {key[0]} | {key[1]} | {row['exports']:,} | {row['refused']} | {parts} |")
    lines += ["", f"{verified:,} reference vectors compared: {wrong} refused, at most {furthest:.0%} of a limit"]
    return "\n".join([*lines, *refusals])


def across(by_file: dict[str, list[dict]]) -> tuple[int, int, float]:
    """The number of pairs of settings, how many of them disagree, and the largest share of a limit."""
    verified = wrong = 0
    furthest = 0.0
    for entries in by_file.values():
        outputs = {json.dumps(entry["outputs"]): entry["outputs"] for entry in entries}
        for entry in entries:
            vectors = ReferenceVectors.from_json(entry["reference_vectors"])
            excess = max(vectors.largest_excess([np.float32(a) for a in other])[0] for other in outputs.values())
            verified += len(entries)
            wrong += excess > 1
            furthest = max(furthest, excess)
    return verified, wrong, furthest


if __name__ == "__main__":
    main()
