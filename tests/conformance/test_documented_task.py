"""The task with a scale that docs/plugins.md explains meets the contract, and its scale survives a checkpoint."""

import re
import sys
from pathlib import Path

import pytest
import torch

import zoo
from zoo.models.guarded_task import load_task
from zoo.registry.entry_points import find_entry_points
from zoo.specs.hyperparameters import resolve

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
PLUGIN = """
import zoo

@zoo.hookimpl
def register_tasks(register):
    metric = zoo.Metric(name="miss", higher_is_better=False)
    register(zoo.Task(name="counts", summary="counts", methods="zoo_counts_parts:Counts", predicts="numbers",
                      metrics=(metric,), outputs=("rates",)))

@zoo.hookimpl
def register_datasets(register):
    register(zoo.Dataset(name="made-counts", summary="counts", task="counts", loader=load, input_shape=(3,),
                         num_outputs=2, sizes={"train": 300, "test": 200}, licence="none", source="made here"))

@zoo.hookimpl
def register_architectures(register):
    register(zoo.Architecture(name="count-line", summary="a line", task="counts", dataset="made-counts",
                              builder=build, parameters=8, hyperparameters={"lr": 0.02, "grad_clip": 1.0}))

def load(folder, download):
    import torch
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn(500, 3, generator=random)
    targets = torch.poisson(5 * torch.rand(500, 2, generator=random), generator=random)
    return zoo.Splits(zoo.Split(inputs[:300], targets[:300]), zoo.Split(inputs[300:], targets[300:]))

def build(input_shape, num_outputs):
    from torch import nn
    if len(input_shape) != 1:
        raise ValueError("it takes the columns of a table")
    return nn.Linear(input_shape[0], num_outputs)
"""


@pytest.fixture
def documented(tmp_path, monkeypatch):
    section = PAGE.read_text(encoding="utf-8").partition("## Tasks")[2].partition("\n## ")[0]
    methods = next(code for code in re.findall(r"```python\n(.*?)```", section, re.DOTALL) if "class Counts(" in code)
    folder = tmp_path / "counts"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    sources = {"zoo_counts": PLUGIN, "zoo_counts_parts": methods}
    for name, source in sources.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    yield zoo.create_registry([*find_entry_points(), zoo.EntryPoint("counts", "1.0", "counts", "zoo_counts")])
    for name in sources:
        sys.modules.pop(name, None)


def test_it_meets_the_plugin_contract(documented):
    results = {found.check: found for found in zoo.check("counts", registry=documented)}
    wrong = {found.check: found.reason for found in results.values() if found.status == "failed"}
    assert not wrong
    for name in ("loss", "averages", "metrics", "checkpoint", "resume", "export"):
        assert results[name].status == "passed", results[name]


def test_the_scale_is_loaded_and_an_evaluation_adds_the_metrics_of_numbers(documented, tmp_path):
    run = zoo.train("count-line", registry=documented, runs_dir=tmp_path, data_dir=tmp_path, epochs=1, device="cpu")
    means = documented.dataset("made-counts").loader(tmp_path, False).train.targets.mean(dim=0)
    model = zoo.load(str(run.folder), registry=documented).module
    assert torch.allclose(model[2].mean, means, atol=0.3)  # the validation split is held out of it
    found = zoo.assess(str(run.folder), registry=documented, data_dir=tmp_path)
    assert {"miss", "mae", "rmse", "r2"} <= found.metrics.keys()
    assert found.metrics["miss"].value == pytest.approx(found.metrics["mae"].value)


def test_fit_gets_zeros_to_load_a_checkpoint_and_restore_gets_the_module(documented, tmp_path, monkeypatch):
    run = zoo.train("count-line", registry=documented, runs_dir=tmp_path, data_dir=tmp_path, epochs=1, device="cpu")
    methods, given = type(load_task(documented.task("counts")).methods), {}
    for name in ("fit", "restore"):
        original = getattr(methods, name)

        def noted(self, first, *rest, name=name, original=original):
            given[name] = first
            return original(self, first, *rest)

        monkeypatch.setattr(methods, name, noted)
    zoo.load(str(run.folder), registry=documented)
    assert torch.equal(given["fit"], torch.zeros(1, 2))
    assert (given["restore"].mean > 0.5).all()


def test_the_targets_in_units_of_the_network_are_what_the_module_turns_back(documented):
    targets = torch.tensor([[1.0, 4.0], [3.0, 2.0]])
    task = load_task(documented.task("counts")).fit(targets, resolve({}))
    assert torch.allclose(task.postprocess()(task.network_targets(targets)), targets)
