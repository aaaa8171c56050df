"""The conformance suite on an exporter: that it writes what is sound, and above all that it refuses what is not."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import torch

from ..data.loading import load_dataset
from ..errors import ExportError, ZooError
from ..exporting.certificate import Certificate
from ..exporting.export import judge_file, write_proven
from ..exporting.source import ExportSource, make_source
from ..models.trained import load_trained
from ..specs.options import check_all
from ..training.train import train
from .check import Bench, Problem
from .fixtures import DATA, NETWORK, add_network


def writes(bench: Bench) -> str:
    """A small network, trained for a moment."""
    proven = _proven(bench)
    if not proven.checks:
        raise Problem("it checks nothing", "Let `check` yield at least one zoo.Check.")
    return f"{proven.bytes:,} bytes; {', '.join(check.gate for check in proven.checks)} passed"


def repeatable(bench: Bench) -> str:
    """Written twice."""
    again = write_proven(bench.exporter, _subject(bench), _path(bench, "again"), _options(bench))
    if again.sha256 != _proven(bench).sha256:
        raise Problem(
            "writing the same network twice gives different files", "Leave out time stamps, paths and random names."
        )
    return f"SHA-256 {again.sha256[:12]}…, twice"


def refuses_other_weights(bench: Bench) -> str:
    """A sound file, held against a network whose weights differ by one part in a hundred."""
    subject = _subject(bench)
    other = copy.deepcopy(subject.model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.01)
    gate = _refusal(bench, dataclasses.replace(subject, model=other, recorded=None), _proven(bench).file)
    if not gate:
        raise Problem(
            "a file whose weights differ from the network's by 1 % passes its checks",
            "Let `check` run the file and compare its outputs with the network's, against ExportSource.in_float64().",
        )
    return f"refused by {gate}"


def refuses_damage(bench: Bench) -> str:
    """A sound file, cut to two thirds."""
    content = _proven(bench).file.read_bytes()
    damaged = _path(bench, "damaged")
    damaged.write_bytes(content[: 2 * len(content) // 3])
    gate = _refusal(bench, _subject(bench), damaged)
    if not gate:
        raise Problem(
            "a file that was cut short passes its checks",
            "Let `check` read the file itself, from the path it is given.",
        )
    return f"refused by {gate}"


def _refusal(bench: Bench, subject: ExportSource, path: Path) -> str:
    """The gate that refuses ``path``; empty where it passes. An exception is a refusal too: no file is put in place."""
    try:
        for verdict in judge_file(bench.exporter, subject, path, _options(bench)):
            if not verdict.passed:
                return str(verdict.gate)
    except Exception as error:
        return type(error).__name__
    return ""


def _proven(bench: Bench) -> Certificate:
    """The network's file, written once."""
    if "proven" not in bench.made:
        try:
            bench.made["proven"] = write_proven(bench.exporter, _subject(bench), _path(bench, "sound"), _options(bench))
        except ExportError as error:
            raise Problem(
                f"it refuses a sound network: {error}", "Compare within rounding: float32 differs in the last bits."
            ) from error
    proven: Certificate = bench.made["proven"]
    return proven


def _subject(bench: Bench) -> ExportSource:
    if "subject" not in bench.made:
        registry = bench.registry
        add_network(registry)
        try:
            run = train(
                NETWORK, registry=registry, runs_dir=bench.scratch / "runs", data_dir=bench.scratch, device="cpu"
            )
        except ZooError as error:  # the suite's own network: no fault of the exporter
            raise RuntimeError(f"the suite's own network could not be trained: {error}") from error
        data = load_dataset(registry.dataset(DATA), bench.scratch)
        bench.made["subject"] = make_source(load_trained(run, registry), data)
    subject: ExportSource = bench.made["subject"]
    return subject


def _options(bench: Bench) -> dict[str, Any]:
    return check_all(bench.exporter.options, {}, f"--{bench.exporter.name}")


def _path(bench: Bench, name: str) -> Path:
    return bench.scratch / f"{name}{bench.exporter.suffix}"
