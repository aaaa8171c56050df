"""Compare models on the same dataset: their metric, their costs, and which differences are significant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import RunNotFound, UsageError
from ..folders import expanded, runs_folder
from ..formatting import html_table, is_better, main_metric, metric_text
from ..models.api import is_onnx_file, open_model
from ..registry.registry import Registry, create_registry
from ..runs.finding import find_run, list_runs
from ..runs.run import Run
from ..specs.results import mean_and_deviation, pareto, recorded_results
from .benchmark import latency_of

COSTS = ("parameters", "bytes", "latency")
SIGNIFICANT = 0.05
"""A difference with a smaller p-value is significant."""
TEST = "Games-Howell, corrected for the choice of the best; it covers the chance of the seeds only"
_SAME_RECIPE = ("architecture", "options", "hyperparameters", "init_from", "freeze")
"""The entries of ``run.json`` in which runs with the same recipe agree."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One of the compared models.

    Args:
        name: the architecture, run or file, as it was passed to :func:`compare`.
        dataset: the name of the dataset that the model was evaluated on.
        metric: the main metric of its task: ``accuracy`` or ``mae``.
        values: that metric on the test split, one value for each run that differs only in the seed. An accuracy is
            between 0 and 1, an MAE in the target's units.
        source: where the values come from: ``recorded`` with the plugin, ``runs``, or the metadata of a ``file``.
        costs: some of :data:`COSTS`: the number of trainable ``parameters``, the ``bytes`` of the checkpoint or file,
            and the ``latency`` in seconds for one sample.
        run: the run, if the candidate is one; its curves can be drawn.
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
        """The mean of the values."""
        return mean_and_deviation(self.values)["mean"]

    @property
    def deviation(self) -> float:
        """The sample standard deviation of the values; 0 for a single value."""
        return mean_and_deviation(self.values)["std"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of :func:`compare`.

    Args:
        metric: the metric that is compared.
        dataset: the name of the dataset that all were evaluated on.
        candidates: the compared models, the best mean first.
        p_values: one for each candidate, of the difference between its mean and that of the first: Games and Howell's
            test, which corrects for the choice of the best. It covers the chance of the seeds only, not that of the
            test samples. None for the first, and if one of the two has a single run.
    """

    metric: str
    dataset: str
    candidates: tuple[Candidate, ...]
    p_values: tuple[float | None, ...]

    def front(self, cost: str) -> list[Candidate]:
        """The candidates on the Pareto front of the metric and ``cost``, the cheapest first."""
        known = [candidate for candidate in self.candidates if cost in candidate.costs]
        costs = [candidate.costs[cost] for candidate in known]
        return pareto(known, costs, [self._goodness(candidate) for candidate in known])

    def result(self, place: int) -> str:
        """Whether the candidate at ``place`` is significantly worse than the first, in words."""
        if place == 0:
            return "best mean"
        p = self.p_values[place]
        if p is None:
            return "not tested: a test needs at least 2 runs of both"
        return f"{'significantly worse' if p < SIGNIFICANT else 'no significant difference'} (p = {p:.2g})"

    def short_result(self, place: int) -> str:
        """:meth:`result` in a word or two, for a column of a table."""
        p = self.p_values[place]
        if place == 0 or p is None:
            return "untested" if place else "best"
        return f"{'worse' if p < SIGNIFICANT else 'unclear'} {'<0.0001' if p < 1e-4 else f'{p:.2g}'}"

    def to_dict(self) -> dict[str, Any]:
        """The fields for JSON, with the Pareto fronts."""
        fronts = {cost: [candidate.name for candidate in self.front(cost)] for cost in COSTS}
        return {
            "metric": self.metric,
            "dataset": self.dataset,
            "test": TEST,
            "candidates": [
                {
                    "name": candidate.name,
                    "source": candidate.source,
                    "values": list(candidate.values),
                    "mean": candidate.mean,
                    "std": candidate.deviation,
                    **{cost: candidate.costs.get(cost) for cost in COSTS},
                    "p_value": p,
                    "result": self.result(place),
                }
                for place, (candidate, p) in enumerate(zip(self.candidates, self.p_values, strict=True))
            ],
            "pareto": {cost: names for cost, names in fronts.items() if names},
        }

    def _repr_html_(self) -> str:
        """The candidates as a table in a notebook."""
        columns = ("name", self.metric, "deviation", "runs", *COSTS, "compared with the best")
        rows = [
            (
                candidate.name,
                metric_text(self.metric, candidate.mean),
                metric_text(self.metric, candidate.deviation),
                len(candidate.values),
                *(candidate.costs.get(cost, "-") for cost in COSTS),
                self.result(place),
            )
            for place, candidate in enumerate(self.candidates)
        ]
        return html_table(columns, rows)

    def _goodness(self, candidate: Candidate) -> float:
        return candidate.mean if is_better(self.metric, 1.0, 0.0) else -candidate.mean


def compare(
    references: Sequence[str] = (),
    *,
    dataset: str | None = None,
    latency: bool = False,
    runs_dir: Path | str | None = None,
    registry: Registry | None = None,
) -> Comparison:
    """Compare architectures, runs and exported files that were evaluated on the same dataset.

    An architecture stands for its recorded results, or for its best run if it has none. A run stands for all finished
    runs that differ from it only in the seed.

    Args:
        references: two or more architectures, runs or exported files.
        dataset: compare all models on this dataset instead: every architecture with recorded results, and the best run
            of every recipe.
        latency: also time one sample on one thread: in torch, or in onnxruntime for a file.

    Raises:
        UsageError: fewer than two models, models on different datasets, or both ``references`` and ``dataset``.
        RunNotFound, UnknownName, ZooError: a model cannot be found, or has no results.
    """
    if isinstance(references, str):
        references = (references,)  # one model, not a sequence of letters
    registry = registry or create_registry()
    folder = runs_folder(runs_dir)
    if dataset is not None:
        if references:
            raise UsageError("Give either models to compare or a dataset, not both.")
        references = _all_on(dataset, registry, folder)
    if len(references) < 2:
        raise UsageError(
            f"There are fewer than two models on {dataset} to compare."
            if dataset
            else "Give two or more models to compare."
        )
    return compare_candidates(
        [_candidate(reference, registry, folder, latency) for reference in dict.fromkeys(references)]
    )


def compare_candidates(candidates: Sequence[Candidate]) -> Comparison:
    """Order candidates by their mean, the best first, and test the others against it.

    Raises:
        UsageError: they were evaluated on different datasets.
    """
    first = candidates[0]
    for other in candidates[1:]:
        if (other.dataset, other.metric) != (first.dataset, first.metric):
            raise UsageError(
                f"{first.name} was evaluated on {first.dataset}, {other.name} on {other.dataset}. "
                "Only models on the same dataset can be compared."
            )
    higher = is_better(first.metric, 1.0, 0.0)
    found = sorted(candidates, key=lambda candidate: -candidate.mean if higher else candidate.mean)
    return Comparison(first.metric, first.dataset, tuple(found), _p_values(found))


def _all_on(dataset: str, registry: Registry, folder: Path) -> list[str]:
    """Every architecture with recorded results on ``dataset``, and the best run there of every recipe."""
    found = []
    for spec in registry.architectures.values():
        record = recorded_results(spec)
        if record is not None and record["dataset"] == dataset:
            found.append(spec.name)
    chosen: list[Run] = []
    for run in list_runs(folder):
        evaluated = run.config["data"]["name"] == dataset and run.status == "finished" and run.config["results"]
        if evaluated and not any(_same_recipe(run, other) for other in chosen):
            chosen.append(run)
    return found + [run.name for run in chosen]


def _candidate(reference: str, registry: Registry, folder: Path, latency: bool) -> Candidate:
    if is_onnx_file(reference):
        candidate = _from_file(reference)
    else:
        spec = registry.architectures.get(reference)
        record = recorded_results(spec) if spec else None
        if spec is not None and record is not None:
            name = main_metric(record["metrics"])
            values = tuple(trial["test"][name] for trial in record["trials"])
            costs = {"parameters": record["parameters"], "bytes": record["bytes"]}
            candidate = Candidate(reference, record["dataset"], name, values, "recorded", costs)
        else:
            candidate = _from_run(reference, find_run(reference, folder, registry.architectures), folder)
    if latency:
        candidate.costs["latency"] = latency_of(reference, folder, registry)
    return candidate


def _from_file(reference: str) -> Candidate:
    description = open_model(reference).description
    if not description.test:
        raise RunNotFound(f"{reference} contains no test metrics. `zoo eval {reference}` computes them.")
    name = main_metric(description.test)
    size = expanded(reference).stat().st_size
    return Candidate(reference, description.dataset, name, (description.test[name],), "file", {"bytes": size})


def _from_run(reference: str, run: Run, folder: Path) -> Candidate:
    if not run.config["results"]:
        raise RunNotFound(
            f"{run.name} has no test results: it is {run.status}. Run `zoo train --resume {run.folder}` to finish it."
        )
    runs = {other.config["seed"]: other for other in reversed(list_runs(folder, run.config["architecture"]))}
    seeds = {seed: other for seed, other in runs.items() if _same_recipe(run, other)} | {run.config["seed"]: run}
    name = main_metric(run.config["results"]["test"])
    values = tuple(seeds[seed].config["results"]["test"][name] for seed in sorted(seeds))
    costs = {"parameters": run.config["parameters"], "bytes": run.best.stat().st_size}
    return Candidate(reference, run.config["data"]["name"], name, values, "runs", costs, run)


def _same_recipe(run: Run, other: Run) -> bool:
    """Whether ``other`` is finished and differs from ``run`` at most in the seed."""
    same = all(run.config.get(key) == other.config.get(key) for key in _SAME_RECIPE)
    data = run.config["data"]["fingerprint"] == other.config["data"]["fingerprint"]
    return same and data and other.status == "finished" and bool(other.config["results"])


def _p_values(candidates: Sequence[Candidate]) -> tuple[float | None, ...]:
    """The p-value of each candidate against the first, the best mean, by the test of Games and Howell (1976).

    It is Tukey's test for groups that differ in variance and size. It corrects for all pairs of candidates, and so for
    the choice of the best among them.
    """
    tested = [candidate for candidate in candidates if len(candidate.values) > 1]
    found = [_games_howell(candidates[0].values, other.values, len(tested)) for other in candidates[1:]]
    return (None, *found)


def _games_howell(first: Sequence[float], second: Sequence[float], groups: int) -> float | None:
    """The p-value of the difference of two means out of ``groups``; None if one of the two has fewer than two values.

    One degree of freedom less than in Welch's formula: with it, ten models of five equal runs differ in 5.4% of cases.
    """
    if len(first) < 2 or len(second) < 2:
        return None
    (mean, spread), (other_mean, other_spread) = (mean_and_deviation(values).values() for values in (first, second))
    parts = [spread**2 / len(first), other_spread**2 / len(second)]
    if not sum(parts):
        return float(mean == other_mean)  # scipy would return NaN
    from scipy.stats import studentized_range

    sizes = [len(first) - 1, len(second) - 1]
    freedom = sum(parts) ** 2 / sum(part**2 / size for part, size in zip(parts, sizes, strict=True))
    distance = abs(mean - other_mean) / (sum(parts) / 2) ** 0.5
    return float(studentized_range.sf(distance, groups, max(min(sizes), freedom - 1)))
