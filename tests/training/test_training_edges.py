"""Parts of a training at their edges: no finite loss, mapped images, measured steps, damaged checkpoints."""

import dataclasses
import importlib
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from training_helpers import train

import zoo
from zoo import TrainingDiverged, ZooError
from zoo.data.splits import Split
from zoo.registry.entry_points import find_entry_points
from zoo.runs.checkpoint import load_tensors, save_tensors
from zoo.training import loop, preparation, time_budget
from zoo.training.distributed import ALONE
from zoo.training.optimisation import initialise
from zoo.training.preparation import prepare
from zoo.training.recipe import _table_recipe
from zoo.training.request import make_request
from zoo.training.resuming import load_last, save_last


class Nothing(nn.Module):
    """A network whose outputs are no numbers."""

    def __init__(self, input_shape, num_outputs, **_):
        super().__init__()
        self.layer = nn.Linear(16, num_outputs)

    def forward(self, inputs):
        return self.layer(inputs.flatten(1)) * float("nan")


def test_a_network_without_a_finite_loss_has_no_learning_rate(tiny_registry, tmp_path):
    spec = dataclasses.replace(tiny_registry.architecture("tiny-cnn"), builder=Nothing, parameters=34)
    tiny_registry._specs[zoo.Architecture]["tiny-cnn"] = spec
    with pytest.raises(ZooError, match=r"^The loss was not finite even at a learning rate of 1e-06\.$"):
        zoo.find_lr("tiny-cnn", registry=tiny_registry, output=tmp_path / "rates.png", device="cpu")
    assert not list(tmp_path.glob("*.png"))


def test_a_validation_that_is_not_finite_ends_a_training(tiny_registry, runs_dir, monkeypatch):
    real = loop.evaluate

    def evaluate(*given, **more):
        found = real(*given, **more)
        return dataclasses.replace(found, metrics={**found.metrics, "loss": float("inf")})

    monkeypatch.setattr(loop, "evaluate", evaluate)
    with pytest.raises(TrainingDiverged, match=r"no longer finite at step 12 of epoch 1 .*Try --lr"):
        train(tiny_registry, runs_dir, epochs=2)
    (run,) = zoo.list_runs(runs_dir)
    assert (run.status, run.metrics()) == ("failed", [])


@pytest.mark.parametrize("scheme", ["xavier", "kaiming", "normal", "orthogonal"])
def test_layers_with_and_without_bias_are_initialised(scheme):
    network = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4), nn.LayerNorm(4))
    for parameter in network.parameters():
        nn.init.constant_(parameter, 7.0)
    initialise(network, scheme)
    assert not (network[0].weight == 7).any()
    assert not (network[1].weight == 7).any()
    assert network[1].bias.tolist() == [0.0] * 4
    assert network[2].weight.tolist() == [7.0] * 4


def test_the_normalisation_of_images_on_disk_is_fitted_to_evenly_spaced_ones(monkeypatch):
    monkeypatch.setattr(preparation, "MAPPED_SAMPLES", 4)
    inputs, targets = torch.arange(10.0)[:, None], torch.zeros(10)
    assert preparation._inputs_to_fit(Split(inputs, targets, mapped=True)).flatten().tolist() == [0, 3, 6, 9]
    assert preparation._inputs_to_fit(Split(inputs, targets)) is inputs
    assert preparation._inputs_to_fit(Split(inputs[:4], targets[:4], mapped=True)).flatten().tolist() == [0, 1, 2, 3]


def test_without_an_optimiser_for_tables_a_table_keeps_the_recipe(registry):
    alone = zoo.create_registry([point for point in find_entry_points() if point.name != "recipe-parts"])
    assert _table_recipe(alone) == {}
    assert _table_recipe(registry)["lr"] > 0


@pytest.mark.parametrize(("seconds", "steps"), [(1e-6, 4), (40, 5), (1_000, 8)])
def test_steps_are_measured_after_the_first_ones_for_a_part_of_the_time(
    tiny_registry, runs_dir, monkeypatch, seconds, steps
):
    """The clock says that each of the first three steps, which allocate memory, takes 100 s, and the others 1 s."""
    request = make_request(tiny_registry, "tiny-cnn", {}, device="cpu", runs_dir=runs_dir, seconds=seconds)
    prepared = prepare(request)
    clock, taken = [0.0], []

    def step(*_):
        taken.append(1)
        clock[0] += 100.0 if len(taken) <= 3 else 1.0

    monkeypatch.setattr(time_budget, "train_step", step)
    monkeypatch.setattr(time_budget, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    run = zoo.Run(runs_dir, {"architecture": "tiny-cnn"}, writes=False)
    plan = time_budget.make_plan(run, prepared, ALONE)
    assert plan.steps_per_epoch == 12
    assert time_budget._seconds_of_step(plan, prepared, request) == 1.0
    assert len(taken) == steps


# --- checkpoints to resume from


def make_state(scale=None):
    model = nn.Sequential(nn.Linear(3, 2))
    optimizer = torch.optim.SGD(model.parameters())
    scaler = torch.amp.GradScaler("cpu", init_scale=scale or 1.0, enabled=scale is not None)
    return loop.State(model, model, optimizer, scaler, torch.zeros(4, dtype=torch.float64))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda tensors, position: tensors.pop("totals"), r"is not one to resume tiny/1 from\.$"),
        (lambda tensors, position: tensors.update(totals=torch.zeros(3)), r"is not one to resume tiny/1 from\.$"),
        (lambda tensors, position: position.update(scaler={}), r"is not one to resume tiny/1 from\.$"),
        (
            lambda tensors, position: tensors.update({"other.x": torch.zeros(1)}),
            r"is damaged: it has an unknown tensor 'other\.x'\.$",
        ),
    ],
)
def test_a_checkpoint_that_is_none_to_resume_from_is_one_line(tmp_path, change, problem):
    run = SimpleNamespace(last=tmp_path / "checkpoint.safetensors", name="tiny/1")
    save_last(SimpleNamespace(run=run, world=ALONE), make_state())
    assert load_last(run, make_state(), ALONE)
    tensors, position = load_tensors(run.last)
    change(tensors, position)
    save_tensors(run.last, tensors, position)
    with pytest.raises(ZooError, match=f"^The checkpoint .*{problem}"):
        load_last(run, make_state(), ALONE)


def test_the_scale_of_the_gradients_of_half_precision_is_kept(tmp_path):
    run = SimpleNamespace(last=tmp_path / "checkpoint.safetensors", name="tiny/1")
    save_last(SimpleNamespace(run=run, world=ALONE), make_state(scale=256.0))
    state = make_state(scale=2.0)
    assert load_last(run, state, ALONE)
    assert state.scaler.get_scale() == 256.0


def test_training_may_use_tf32_and_results_may_not(tiny_registry, runs_dir, monkeypatch):
    """Only a CUDA device shows the difference: with TF32 it is faster, and an exported file differs from it."""
    asked = []

    def recorded(name):
        module = importlib.import_module(name)
        real = module.exact

        def exact(device, *, tf32):
            asked.append((name, tf32))
            return real(device, tf32=tf32)

        monkeypatch.setattr(module, "exact", exact)

    for name in ("zoo.training.execution", "zoo.models.scores"):
        recorded(name)
    train(tiny_registry, runs_dir, epochs=1)
    assert set(asked) == {("zoo.training.execution", True), ("zoo.models.scores", False)}
