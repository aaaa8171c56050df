"""The page of a study: what was searched, what was found, and the plots."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ..evaluation.compare import TEST, Candidate, compare_candidates
from ..files import make_folder, write_json, write_text
from ..formatting import duration, metric_name, metric_names, metric_text, size_text, time_text
from ..tuning.objectives import title, value_text
from ..tuning.result import Finalist, StudyResult, TrialResult, settings_text, trial_to_dict
from .pages import render, write_page
from .plots import save_png, svg
from .study_plots import coordinates_figure, front_figure, history_figure, importance_figure, importances

PAGE, TRIALS, TABLE, PLOTS = "study.html", "trials.json", "trials.csv", "plots"
MOST_ROWS = 30


def write_study(found: StudyResult) -> Path:
    """Write the page of a study, its plots as PNG files, and its trials as JSON and CSV, into its folder.

    Returns:
        The path of the page.

    Raises:
        ZooError: the folder cannot be written to.
    """
    folder = make_folder(found.folder)
    write_json(folder / TRIALS, [trial_to_dict(trial) for trial in found.trials])
    write_text(folder / TABLE, _csv(found))
    figures = _figures(found)
    if figures:
        make_folder(folder / PLOTS)
    for name, (figure, _) in figures.items():
        save_png(figure, folder / PLOTS / f"{name}.png")
    pictures = {name: svg(figure, text) for name, (figure, text) in figures.items()}
    return write_page(render("study.html", **_facts(found), pictures=pictures), folder / PAGE)


def _figures(found: StudyResult) -> dict[str, tuple[Figure, str]]:
    """The plots, each with what it shows in words."""
    if not found.finished:
        return {}
    best = found.finished[0]
    name = found.definition.objectives[0]
    text = f"{title(name)} of {len(found.finished)} finished trials; the best is {value_text(name, best.values[name])}"
    made = {"history": (history_figure(found), text)}
    shares = importances(found)
    if shares:
        words = ", ".join(f"{key} {share:.0%}" for key, share in shares.items())
        made["importances"] = importance_figure(shares), f"Importance of the settings: {words}"
    if any(found.definition.space.values()):
        made["parallel-coordinates"] = coordinates_figure(found), "The settings of each finished trial"
    front = front_figure(found)
    if front is not None:
        made["pareto-front"] = front, f"The Pareto front of {title(name)} and costs"
    return made


def _facts(found: StudyResult) -> dict[str, Any]:
    definition = found.definition
    limits = definition.limits
    limit_texts = {
        "parameters": None if limits.params is None else f"{limits.params:,}",
        "bytes of the file": None if limits.bytes is None else size_text(limits.bytes),
        "latency": None if limits.latency is None else time_text(limits.latency),
    }
    outcomes = ("finished", "pruned", "rejected", "failed", "stopped", "running")
    counts = {name: sum(trial.outcome == name for trial in found.trials) for name in outcomes}
    return {
        "name": found.name,
        "definition": definition,
        "searched": {a: [d.describe() for d in ds] for a, ds in definition.space.items()},
        "fixed": settings_text(definition.fixed),
        "limits": {name: text for name, text in limit_texts.items() if text is not None},
        "counts": {name: count for name, count in counts.items() if count},
        "headings": [title(name) for name in definition.objectives],
        "rows": [_row(trial, found) for trial in found.finished[:MOST_ROWS]],
        "hidden": max(0, len(found.finished) - MOST_ROWS),
        "finalists": _finalists(found),
        "command": _compare(found),
        "test": TEST,
    }


def _compare(found: StudyResult) -> str:
    """The command that compares the winners; empty if there is only one."""
    runs = [str(one.seeds.runs[0].folder) for one in found.finalists]
    return " ".join(["zoo compare", *runs]) if len(runs) > 1 else ""


def _row(trial: TrialResult, found: StudyResult) -> dict[str, Any]:
    return {
        "number": trial.number,
        "front": trial in found.front,
        "default": trial.is_default,
        "architecture": trial.architecture,
        "values": [value_text(name, trial.values[name]) for name in found.definition.objectives],
        "parameters": f"{trial.costs['params']:,.0f}" if "params" in trial.costs else "-",
        "time": duration(trial.seconds or 0),
        "settings": settings_text(trial.settings),
    }


def _finalists(found: StudyResult) -> list[dict[str, Any]]:
    """The winners in the order of the search, each compared with the one that has the best mean on the test split."""
    if not found.finalists:
        return []
    data = found.definition.data_name
    compared = compare_candidates(
        [
            Candidate(str(one.trial.number), data, one.seeds.metric, one.seeds.values(), "runs", {})
            for one in found.finalists
        ]
    )
    results = {candidate.name: compared.result(place) for place, candidate in enumerate(compared.candidates)}
    return [_finalist(one, results[str(one.trial.number)]) for one in found.finalists]


def _finalist(one: Finalist, result: str) -> dict[str, Any]:
    spread = one.seeds.metrics()
    return {
        "trial": one.trial.number,
        "architecture": one.trial.architecture,
        "recipe": one.recipe.name,
        "seeds": len(one.seeds.runs),
        "result": result,
        "metrics": [
            (metric_name(name), f"{metric_text(name, spread[name]['mean'])} ±{metric_text(name, spread[name]['std'])}")
            for name in metric_names(spread)
        ],
    }


def _csv(found: StudyResult) -> str:
    names = sorted({name for trial in found.trials for name in trial.settings})
    costs = sorted({name for trial in found.trials for name in trial.costs} - set(found.definition.objectives))
    head = ["trial", "outcome", "architecture", *found.definition.objectives, *costs, "seconds", *names, "reason"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    for trial in found.trials:
        values = [trial.values.get(name, "") for name in found.definition.objectives]
        measured = [trial.costs.get(name, "") for name in costs]
        settings = [trial.settings.get(name, "") for name in names]
        seconds = "" if trial.seconds is None else round(trial.seconds, 3)
        row = [trial.number, trial.outcome, trial.architecture, *values, *measured, seconds, *settings, trial.reason]
        writer.writerow(row)
    return text.getvalue()
