"""Several models side by side: what each costs, how good it is, and which differences chance does not explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import RunNotFound, UsageError
from ..folders import runs_folder
from ..formatting import html_table, main_metric, metric_text
from ..models.api import is_onnx_file, open_model
from ..registry.registry import Registry, create_registry
from ..runs.run import Run, find_run, list_runs
from ..specs.results import mean_and_deviation, pareto, recorded_results
from .benchmark import latency_of

COSTS = ("parameters", "bytes", "latency")
LOWER_IS_BETTER = frozenset({"mae", "rmse", "loss"})
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of those that are compared.

    Args:
        name: as it was given.
        dataset: what it was judged on.
        metric: the main metric of its task.
        values: that metric on the test split, one for each training that differs by the seed only.
        source: ``recorded``, ``runs`` or ``file``.
        costs: some of :data:`COSTS`: parameters, bytes of the checkpoint or file, seconds for one sample.
        run: the run it is, for its curves.
    """

    name: str
    dataset: str
    metric: str
    values: tuple[float, ...]
    source: str
    costs: dict[str, float]
    run: Run | None = field(default=None, repr=False)

    @property
    def mean(self) -> float:
        """Of the values."""
        return mean_and_deviation(self.values)["mean"]

    @property
    def deviation(self) -> float:
        """Sample standard deviation; 0 of a single value."""
        return mean_and_deviation(self.values)["std"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What :func:`compare` found.

    Args:
        candidates: the best mean first.
        p_values: for each candidate the probability that chance alone puts it that far from the first: Welch's t-test,
            corrected by Holm's method for how many are compared; None where there are not two trainings of both.
    """

    metric: str
    dataset: str
    candidates: tuple[Candidate, ...]
    p_values: tuple[float | None, ...]

    def front(self, cost: str) -> list[Candidate]:
        """The Pareto front: those that no other beats in ``cost`` without being worse in the metric, cheapest first."""
        return pareto(
            [candidate for candidate in self.candidates if cost in candidate.costs],
            [candidate.costs[cost] for candidate in self.candidates if cost in candidate.costs],
            [self._goodness(candidate) for candidate in self.candidates if cost in candidate.costs],
        )

    def verdict(self, place: int) -> str:
        """Whether a candidate is behind the first, as far as the seeds can tell."""
        if place == 0:
            return "best mean"
        first, other, p = self.candidates[0], self.candidates[place], self.p_values[place]
        counts = f"{len(first.values)} and {len(other.values)} trainings"
        if p is None:
            return f"{counts}: seeds cannot tell"
        if p < SIGNIFICANT:
            return f"behind (p {p:.2g}, {counts})"
        return f"no difference that {counts} can tell (p {p:.2g})"

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        fronts = {cost: [candidate.name for candidate in self.front(cost)] for cost in COSTS}
        return {
            "metric": self.metric,
            "dataset": self.dataset,
            "candidates": [
                {
                    "name": candidate.name,
                    "source": candidate.source,
                    "values": list(candidate.values),
                    "mean": candidate.mean,
                    "std": candidate.deviation,
                    **{cost: candidate.costs.get(cost) for cost in COSTS},
                    "p_value": p,
                    "verdict": self.verdict(place),
                }
                for place, (candidate, p) in enumerate(zip(self.candidates, self.p_values, strict=True))
            ],
            "pareto": {cost: names for cost, names in fronts.items() if names},
        }

    def _repr_html_(self) -> str:
        """A notebook's view."""
        columns = ("name", self.metric, "deviation", "trainings", *COSTS, "against the best")
        rows = [
            (
                candidate.name,
                metric_text(self.metric, candidate.mean),
                metric_text(self.metric, candidate.deviation),
                len(candidate.values),
                *(candidate.costs.get(cost, "-") for cost in COSTS),
                self.verdict(place),
            )
            for place, candidate in enumerate(self.candidates)
        ]
        return html_table(columns, rows)

    def _goodness(self, candidate: Candidate) -> float:
        return -candidate.mean if self.metric in LOWER_IS_BETTER else candidate.mean


def compare(
    references: Sequence[str] = (),
    *,
    dataset: str | None = None,
    latency: bool = False,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Comparison:
    """Compare architectures, runs and exported files that were judged on the same data.

    An architecture stands for its recorded results, or for its best run where it has none; a run stands for all
    finished runs that differ from it by the seed only.

    Args:
        references: those to compare; all that were judged on ``dataset``, unless given.
        dataset: in place of references: every architecture recorded on it, and every recipe among the runs.
        latency: also time one sample, each model on one thread by what runs it: torch, or onnxruntime for a file.

    Raises:
        UsageError: fewer than two, or judged on different data, or both references and a dataset.
        RunNotFound, UnknownName, ZooError: one of them cannot be found, or has no results.
    """
    registry = registry or create_registry()
    folder = runs_folder(runs_dir)
    if dataset is not None:
        if references:
            raise UsageError("Give models to compare, or a dataset, not both.")
        references = _all_on(dataset, registry, folder)
    if len(references) < 2:
        raise UsageError(
            f"There are not two models on {dataset} to compare." if dataset else "Give two or more to compare."
        )
    found = [_candidate(reference, registry, folder, latency) for reference in dict.fromkeys(references)]
    first = found[0]
    for other in found[1:]:
        if (other.dataset, other.metric) != (first.dataset, first.metric):
            raise UsageError(
                f"{first.name} was judged on {first.dataset}, {other.name} on {other.dataset}: only what was judged on "
                "the same data can be compared."
            )
    lower = first.metric in LOWER_IS_BETTER
    found.sort(key=lambda candidate: candidate.mean if lower else -candidate.mean)
    return Comparison(first.metric, first.dataset, tuple(found), _p_values(found))


def _all_on(dataset: str, registry: Registry, folder: Path) -> list[str]:
    """Every architecture recorded on ``dataset``, and the best run of every recipe that was trained on it."""
    found = []
    for spec in registry.architectures.values():
        record = recorded_results(spec)
        if record is not None and record["dataset"] == dataset:
            found.append(spec.name)
    chosen: list[Run] = []
    for run in list_runs(folder):
        judged = run.config["data"]["name"] == dataset and run.status == "finished" and run.config["results"]
        if judged and not any(_is_sister(run, other) for other in chosen):
            chosen.append(run)
    return found + [run.name for run in chosen]


def _candidate(reference: str, registry: Registry, folder: Path, latency: bool) -> Candidate:
    if is_onnx_file(reference):
        made = _from_file(reference)
    else:
        spec = registry.architectures.get(reference)
        record = recorded_results(spec) if spec else None
        if spec is not None and record is not None:
            name = main_metric(record["metrics"])
            values = tuple(trial["test"][name] for trial in record["trials"])
            costs = {"parameters": record["parameters"], "bytes": record["bytes"]}
            made = Candidate(reference, record["dataset"], name, values, "recorded", costs)
        else:
            made = _from_run(reference, find_run(reference, folder, registry.architectures), folder)
    if latency:
        made.costs["latency"] = latency_of(reference, folder, registry)
    return made


def _from_file(reference: str) -> Candidate:
    description = open_model(reference).description
    if not description.test:
        raise RunNotFound(f"{reference} holds no test metrics; `zoo eval {reference}` measures them.")
    name = main_metric(description.test)
    size = Path(reference).expanduser().stat().st_size
    return Candidate(reference, description.dataset, name, (description.test[name],), "file", {"bytes": size})


def _from_run(reference: str, run: Run, folder: Path) -> Candidate:
    if not run.config["results"]:
        raise RunNotFound(
            f"{run.name} has no test results: it is {run.status}. `zoo train --resume {run.folder}` ends it."
        )
    runs = {other.config["seed"]: other for other in reversed(list_runs(folder, run.config["architecture"]))}
    sisters = {seed: other for seed, other in runs.items() if _is_sister(run, other)} | {run.config["seed"]: run}
    name = main_metric(run.config["results"]["test"])
    values = tuple(sisters[seed].config["results"]["test"][name] for seed in sorted(sisters))
    costs = {"parameters": run.config["parameters"], "bytes": run.best.stat().st_size}
    return Candidate(reference, run.config["data"]["name"], name, values, "runs", costs, run)


def _is_sister(run: Run, other: Run) -> bool:
    """Whether two finished runs differ by the seed only."""
    keys = ("architecture", "options", "hyperparameters", "init_from", "freeze")
    same = all(run.config.get(key) == other.config.get(key) for key in keys)
    data = run.config["data"]["fingerprint"] == other.config["data"]["fingerprint"]
    return same and data and other.status == "finished" and bool(other.config["results"])


def _p_values(candidates: Sequence[Candidate]) -> tuple[float | None, ...]:
    """Welch's test of each against the first, by Holm's step-down correction (1979)."""
    raw = [_welch(candidates[0].values, other.values) for other in candidates[1:]]
    order = sorted((place for place, p in enumerate(raw) if p is not None), key=lambda place: raw[place] or 0.0)
    corrected: list[float | None] = [None] * len(raw)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (raw[place] or 0.0) * (len(order) - rank)))
        corrected[place] = highest
    return (None, *corrected)


def _welch(first: Sequence[float], second: Sequence[float]) -> float | None:
    if len(first) < 2 or len(second) < 2:
        return None
    if not (mean_and_deviation(first)["std"] or mean_and_deviation(second)["std"]):
        return float(mean_and_deviation(first)["mean"] == mean_and_deviation(second)["mean"])
    from scipy.stats import ttest_ind

    return float(ttest_ind(first, second, equal_var=False).pvalue)
