"""``zoo report``: the HTML report and the model card of a run."""

from __future__ import annotations

import base64
import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, ExportError
from ..evaluation.assess import assess
from ..evaluation.assessment import Assessment
from ..evaluation.tables import interval_text
from ..exporting.certificate import certificate_path
from ..exporting.export import export
from ..folders import runs_folder
from ..formatting import duration, main_metric, metric_name, metric_names, metric_text, size_text
from ..models.inference import InferenceModel
from ..models.torch_model import TorchModel
from ..models.trained import load_trained
from ..registry.registry import Registry, create_registry
from ..runs.command_line import repeat_command
from ..runs.curves import curves_figure
from ..runs.run import Run, find_run
from .pages import render, task_text, write_page
from .plots import calibration_figure, confusion_figure, residuals_figure, svg, themed

log = logging.getLogger("zoo")

MOST_WRONG = 24
REPORT, CARD = "report.html", "model-card.md"
_PIPELINES = {
    (True, "classification"): "image-classification",
    (False, "classification"): "tabular-classification",
    (False, "binary"): "tabular-classification",
    (True, "binary"): "image-classification",
    (False, "regression"): "tabular-regression",
    (True, "regression"): "image-feature-extraction",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What :func:`report` wrote.

    Args:
        page: one self-contained HTML file.
        card: the model card: Markdown with the front matter of Hugging Face.
        file: the exported file that both describe; None if there is none.
    """

    page: Path
    card: Path
    file: Path | None


def report(
    reference: str,
    output: Path | str | None = None,
    *,
    data_dir: Path | str | None = None,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Report:
    """Write the report and the model card of a run. If the run is not exported yet, export it first.

    Args:
        reference: the folder of a run, ``ARCHITECTURE/RUN``, or an architecture for its best run.
        output: the folder for both files and for ``exports/``; the folder of the run, unless given.

    Raises:
        RunNotFound, UnknownName: there is no such run with a checkpoint.
        ZooError: a file cannot be written.
    """
    registry = registry or create_registry()
    run = find_run(reference, runs_folder(runs_dir), registry.architectures)
    folder = Path(output).expanduser() if output is not None else run.folder
    model = TorchModel(load_trained(run, registry))
    assessment = _assessed(model, registry, data_dir)
    certificate = _certificate(run, model, folder / "exports", registry, data_dir) if assessment else None
    facts = _facts(run, model, registry, assessment, certificate)
    page = write_page(render("report.html", **facts, **_plots(run, assessment)), folder / REPORT)
    card = write_page(render("model-card.md", **facts), folder / CARD)
    made = folder / "exports" / certificate["file"]["name"] if certificate else None
    return Report(page, card, made)


def _assessed(model: InferenceModel, registry: Registry, data_dir: Path | str | None) -> Assessment | None:
    """The metrics of the run on its test split; None if the data is not available."""
    try:
        return assess(model, registry=registry, data_dir=data_dir)
    except DataError as error:
        log.warning("%s The report has no results on the test split.", error)
        return None


def _certificate(
    run: Run, model: TorchModel, folder: Path, registry: Registry, data_dir: Path | str | None
) -> dict[str, Any] | None:
    """The certificate of the exported file in ``folder``. If there is none for this checkpoint, export it now."""
    path = certificate_path(folder / f"{run.config['architecture'].replace('/', '-')}.onnx")
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found["model"]["checkpoint_sha256"] == model.trained.sha256 and path.with_suffix("").is_file():
            return found
    except (OSError, ValueError, KeyError):
        pass
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return export(str(run.folder), "onnx", folder, data_dir=data_dir, registry=registry).to_dict()
    except ExportError as error:
        log.warning("%s The report has no exported file.", error)
        return None


def _facts(
    run: Run,
    model: TorchModel,
    registry: Registry,
    assessment: Assessment | None,
    certificate: dict[str, Any] | None,
) -> dict[str, Any]:
    """The template variables of both pages."""
    config, description = run.config, model.description
    spec = registry.architectures.get(config["architecture"])
    dataset = registry.datasets.get(config["data"]["name"])
    recorded = description.test or {}
    metrics = [(metric_name(name), metric_text(name, recorded[name])) for name in metric_names(recorded)]
    if assessment:
        found = assessment.metrics
        metrics = [(metric_name(name), interval_text(name, found[name])) for name in metric_names(found)]
    return {
        "run": run,
        "config": config,
        "model": description,
        "spec": spec,
        "dataset": dataset,
        "metrics": metrics,
        "training": duration(config["results"]["train_seconds"]) if config["results"] else "",
        "recorded": {name: recorded[name] for name in metric_names(recorded)},
        "pipeline": _PIPELINES[description.takes_images, description.task],
        "assessment": assessment,
        "certificate": certificate,
        "size": size_text(certificate["file"]["bytes"]) if certificate else "",
        "command": repeat_command(config, registry),
        "task": task_text(description.task),
        "input_text": _input_text(description.takes_images, description.input_shape),
        "sample": _sample(description.takes_images, description.input_shape),
        "interval_text": interval_text,
        "json": lambda value: json.dumps(value, ensure_ascii=False),
    }


def _input_text(images: bool, shape: tuple[int, ...]) -> str:
    """``1 x 28 x 28 pixels, uint8, 0 to 255``."""
    if images:
        return f"{' x '.join(map(str, shape))} pixels, uint8, 0 to 255"
    return f"{shape[0]} column{'s' if shape[0] != 1 else ''}, float32, in their original units"


def _sample(images: bool, shape: tuple[int, ...]) -> str:
    """Python code that makes a batch of one sample."""
    return f"np.zeros((1, {', '.join(map(str, shape))}), np.{'uint8' if images else 'float32'})"


def _plots(run: Run, assessment: Assessment | None) -> dict[str, Any]:
    """The template variables of the report only: its plots and its wrong predictions."""
    entries, best = run.metrics(), run.config["best"] or {}
    metric = main_metric(entries[0]["validation"]) if entries else ""
    with themed():
        curves = svg(curves_figure("", metric, entries, best.get("epoch"))) if entries else ""
    plots: dict[str, Any] = {
        "curves": curves,
        "confusion": "",
        "calibration": "",
        "residuals": "",
        "wrong_predictions": [],
    }
    if assessment is None:
        return plots
    if not assessment.model.decides:
        return plots | {"residuals": svg(residuals_figure(assessment))}
    return plots | {
        "confusion": svg(confusion_figure(assessment)),
        "calibration": svg(calibration_figure(assessment)),
        "wrong_predictions": [_wrong_prediction(assessment, int(place)) for place in assessment.worst(MOST_WRONG)],
    }


def _wrong_prediction(assessment: Assessment, place: int) -> dict[str, Any]:
    """One wrong prediction: the sample, the predicted and the true class, and the image if there is one."""
    predicted, true = int(assessment.decisions[place]), int(assessment.targets[place])
    found: dict[str, Any] = {
        "sample": place,
        "predicted": assessment.model.label(predicted),
        "confidence": f"{assessment.probabilities[place, predicted]:.0%}",
        "true": assessment.model.label(true),
        "image": "",
    }
    if assessment.model.takes_images:
        from PIL import Image

        array = assessment.inputs[place]
        content = io.BytesIO()
        Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0)).save(content, "png")
        found["image"] = "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
    return found
