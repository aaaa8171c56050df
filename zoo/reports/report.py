"""``zoo report``: the HTML report and the model card of a run, or of the weights that come with an architecture."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..drawing.draw import draw_trained
from ..errors import DataError, UsageError
from ..evaluation.assess import assess
from ..evaluation.assessment import Assessment
from ..evaluation.tables import interval_text
from ..files import make_folder, write_together
from ..folders import expanded, runs_folder
from ..formatting import duration, metric_name, metric_names, metric_text, size_text
from ..models.api import is_onnx_file
from ..models.description import ModelDescription
from ..models.inference import InferenceModel
from ..models.torch_model import TorchModel
from ..models.trained import find_trained
from ..registry.registry import Registry, create_registry
from ..runs.command_line import repeat_command
from ..runs.run import Run, load_run
from ..specs.results import recorded_results
from .exported_file import ExportedFile, exported_file
from .hub import hub_facts
from .pages import render, task_text
from .report_plots import report_plots

log = logging.getLogger("zoo")

REPORT, CARD, PICTURE = "report.html", "model-card.md", "network.svg"


@dataclass(frozen=True, slots=True)
class Report:
    """What :func:`report` wrote.

    Args:
        page: one self-contained HTML file.
        card: the model card: Markdown with the front matter of Hugging Face.
        drawing: the drawing of the network, which the card shows.
        file: the exported file that both describe; None if there is none, or if it is not the one in its certificate.
    """

    page: Path
    card: Path
    drawing: Path
    file: Path | None


def report(
    reference: str,
    output: Path | str | None = None,
    *,
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Report:
    """Write the report, the model card and the drawing of a model. If it is not exported yet, export it first.

    Args:
        reference: the folder of a run, ``ARCHITECTURE/RUN``, or an architecture for its best run, or for the weights
            that ship with it if it has no run.
        output: the folder for these files and for ``exports/``. Default: the folder of the run; for shipped weights
            ``./ARCHITECTURE-report``.

    Raises:
        RunNotFound, UnknownName: there is no such run with a checkpoint, and no shipped weights.
        UsageError: ``reference`` is an exported file.
        ZooError: a file cannot be written.
    """
    registry = registry or create_registry()
    if is_onnx_file(reference):
        raise UsageError(
            f"{reference} is an exported file. A report needs the run or the architecture: "
            "`zoo report NAME`. `zoo verify` checks a file."
        )
    model = TorchModel(find_trained(reference, runs_folder(runs_dir), registry))
    run = None if model.trained.shipped else load_run(model.trained.checkpoint.parent)
    architecture = model.trained.metadata["architecture"]
    default = run.folder if run else Path(f"{architecture.replace('/', '-')}-report")
    folder = expanded(output) if output is not None else default
    assessment = assessed(model, registry, data_dir)
    exported = None
    if assessment:
        model_name = str(run.folder) if run else architecture
        exported = exported_file(
            model_name, model, folder / "exports", data_dir=data_dir, runs_dir=runs_dir, registry=registry
        )
    facts = page_facts(run, model, registry, assessment, exported)
    facts["use"] = render("use.txt", **facts)
    page, card, picture = make_folder(folder) / REPORT, folder / CARD, folder / PICTURE
    drawing = draw_trained(model.trained.module, model.trained.metadata, registry)
    report_text = render("report.html", **facts, **report_plots(run, assessment, registry), drawing=drawing.svg)
    write_together({page: report_text, card: render("model-card.md", **facts, picture=PICTURE), picture: drawing.svg})
    return Report(page, card, picture, exported.path if exported and not exported.problem else None)


def assessed(model: InferenceModel, registry: Registry, data_dir: Path | str | None) -> Assessment | None:
    """The metrics of the model on its test split; None if the data is not available."""
    try:
        return assess(model, registry=registry, data_dir=data_dir)
    except DataError as error:
        log.warning("%s The report has no results on the test split.", error)
        return None


def _record(run: Run | None, model: TorchModel, registry: Registry) -> dict[str, Any]:
    """What the pages tell about the training: ``run.json``, or for shipped weights what is recorded with them."""
    trained = model.trained
    if run is not None:
        return run.config | {"best": run.config["best"] and {"epoch": trained.metadata["epoch"]}}
    parameters = sum(parameter.numel() for parameter in trained.module.parameters())
    spec = registry.architectures.get(trained.metadata["architecture"])
    recorded = (recorded_results(spec) if spec else None) or {}
    unknown: dict[str, Any] = {
        "host": {},
        "git_commit": None,
        "started": "",
        "results": None,
        "threads": 0,
        "device": "cpu",
    }
    return {
        **unknown,
        **{key: recorded[key] for key in ("host",) if key in recorded},
        **trained.metadata,
        "status": "weights that come with the architecture",
        "parameters": parameters,
        "best": {"epoch": trained.metadata["epoch"]},
    }


def page_facts(
    run: Run | None,
    model: TorchModel,
    registry: Registry,
    assessment: Assessment | None,
    exported: ExportedFile | None,
    licence: str = "",
) -> dict[str, Any]:
    """The template variables of both pages; ``licence`` is the one that the owner of a run has chosen."""
    config, description = _record(run, model, registry), model.description
    recorded = description.test or {}
    metrics = [(metric_name(name), metric_text(name, recorded[name])) for name in metric_names(recorded)]
    if assessment:
        found = assessment.metrics
        metrics = [(metric_name(name), interval_text(name, found[name])) for name in metric_names(found)]
    verified = exported if exported and not exported.problem else None
    return {
        "name": model.trained.origin,
        "repository": "",
        "reference": model.trained.origin if run else config["architecture"],
        "shipped": run is None,
        "config": config,
        "model": description,
        "spec": registry.architectures.get(config["architecture"]),
        "dataset": registry.datasets.get(config["data"]["name"]),
        "metrics": metrics,
        "training": duration(config["results"]["train_seconds"]) if config["results"] else "",
        "hub": hub_facts(
            registry.datasets.get(config["data"]["name"]),
            bool(config["data"]["stand_in_for"]),
            {name: recorded[name] for name in metric_names(recorded)},
            None if run else config["plugin"]["distribution"],
            licence,
        ),
        "pipeline": _pipeline(description, registry),
        "assessment": assessment,
        "exported": verified,
        "problem": exported.problem if exported else "",
        "size": size_text(verified.bytes) if verified else "",
        "file_name": exported.path.name if exported else f"{config['architecture'].replace('/', '-')}.onnx",
        "command": repeat_command(config, registry),
        "task": task_text(description),
        "input_text": description.input_text,
        "sample": _sample(description),
        "interval_text": interval_text,
    }


def _pipeline(description: ModelDescription, registry: Registry) -> str:
    """The pipeline of the Hugging Face Hub for a model; empty if its task names none."""
    return registry.task(description.task).pipelines.get(description.input_kind, "")


def _sample(description: ModelDescription) -> str:
    """Python code that makes a batch of one sample."""
    return f"np.zeros((1, {', '.join(map(str, description.input_shape))}), np.{description.input_type})"
