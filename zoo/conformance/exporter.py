"""Checks of an exporter: it writes a correct network, and its own checks refuse wrong files."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path

import torch

from ..data.loading import read_dataset
from ..errors import ExportRefused, ZooError
from ..exporting.certificate import Certificate
from ..exporting.export import write_verified
from ..exporting.gates import Gates
from ..exporting.request import ExportRequest
from ..exporting.source import ExportSource, make_source
from ..models.trained import load_trained
from ..training.train import train
from .check import Problem, Workspace
from .fixtures import DATA, NETWORK, add_network


def writes(workspace: Workspace) -> str:
    """Export a small trained network."""
    certificate = _exported(workspace)
    return f"{certificate.bytes:,} bytes; {', '.join(check.gate for check in certificate.checks)} passed"


def repeatable(workspace: Workspace) -> str:
    """Write the same network twice and compare the files."""
    again = write_verified(_source(workspace), _request(workspace, "again"))
    if again.sha256 != _exported(workspace).sha256:
        raise Problem(
            "writing the same network twice gives different files", "Remove time stamps, paths and random names."
        )
    return f"SHA-256 {again.sha256[:12]}…, equal twice"


def refuses_other_weights(workspace: Workspace) -> str:
    """Check a correct file against a network whose weights differ by 1 %."""
    source = _source(workspace)
    other = copy.deepcopy(source.model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.01)
    gate = _refusal(workspace, dataclasses.replace(source, model=other, recorded=None), _exported(workspace).file)
    if not gate:
        raise Problem(
            "a file whose weights differ from those of the network by 1 % passes its checks",
            "Let `check` run the file and compare its outputs with those of ExportSource.in_float64().",
        )
    return f"refused by {gate}"


def refuses_damage(workspace: Workspace) -> str:
    """Check the first two thirds of a correct file."""
    content = _exported(workspace).file.read_bytes()
    damaged = _path(workspace, "damaged")
    damaged.write_bytes(content[: 2 * len(content) // 3])
    gate = _refusal(workspace, _source(workspace), damaged)
    if not gate:
        raise Problem(
            "a truncated file passes its checks",
            "Let `check` read the file at the path that it gets.",
        )
    return f"refused by {gate}"


def _refusal(workspace: Workspace, source: ExportSource, path: Path) -> str:
    """The name of the gate that refuses ``path``; empty if all pass. An exception refuses the file too."""
    try:
        for check in Gates(source, ExportRequest(workspace.exporter), path).check_file():
            if not check.passed:
                return str(check.gate)
    except Exception as error:
        return type(error).__name__
    return ""


def _exported(workspace: Workspace) -> Certificate:
    """Export the network once for all checks."""
    if "certificate" not in workspace.cache:
        try:
            workspace.cache["certificate"] = write_verified(_source(workspace), _request(workspace, "correct"))
        except ZooError as error:
            raise _not_written(workspace, error) from error
    certificate: Certificate = workspace.cache["certificate"]
    return certificate


def _not_written(workspace: Workspace, error: ZooError) -> Problem:
    """Why a correct network was not exported, and what to do."""
    text = str(error).partition(" Details: ")[0]  # the log is removed with the folder of the checks
    if text.startswith("Cannot write "):  # the folder of the checks can be written to
        return Problem(
            "what it wrote cannot be moved to its place, as a folder", "Write one file, at the path that `write` gets."
        )
    if "wrote no file" in text:
        return Problem(text, "Let `write` write the file at the path that it gets, with something in it.")
    if "checked nothing" in text:
        return Problem("it has no checks", "Let `check` yield at least one zoo.Check, or give `inspect` and `open`.")
    if isinstance(error, ExportRefused):
        reason = f"it refuses a correct network: {text}"
        return Problem(reason, "Allow rounding errors: float32 results differ in the last bits.")
    reason = f"it fails for a correct network: {text}"
    return Problem(reason, "Correct that error; `write` returns nothing, `check` yields zoo.Check(...).")


def _source(workspace: Workspace) -> ExportSource:
    if "source" not in workspace.cache:
        registry = workspace.registry
        add_network(registry, registry.usual_task("class"))
        try:
            run = train(
                NETWORK,
                registry=registry,
                runs_dir=workspace.scratch / "runs",
                data_dir=workspace.scratch,
                device="cpu",
            )
        except ZooError as error:  # not the fault of the exporter
            raise RuntimeError(f"the test network could not be trained: {error}") from error
        data = read_dataset(registry.dataset(DATA), registry, workspace.scratch)
        workspace.cache["source"] = make_source(load_trained(run, registry), data)
    source: ExportSource = workspace.cache["source"]
    return source


def _request(workspace: Workspace, name: str) -> ExportRequest:
    return ExportRequest(workspace.exporter, _path(workspace, name))


def _path(workspace: Workspace, name: str) -> Path:
    return workspace.scratch / f"{name}{workspace.exporter.suffix}"
