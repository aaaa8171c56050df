"""The parts of an optimiser step."""

import itertools

import pytest
import torch
from torch import nn

import zoo
from zoo.specs.hyperparameters import resolve
from zoo.training.optimisation import (
    epoch_order,
    initialise,
    load_optimizer_state,
    make_average,
    optimizer_state,
    seed_step,
)
from zoo.training.recipe_parts import load_parts


def rates_of(h, total):
    """The learning rate of each of ``total`` steps."""
    parts = load_parts(h, "classification", zoo.create_registry())
    return [parts.rate(h, step, total) for step in range(total)]


def make_optimizer(model, h):
    return load_parts(h, "classification", zoo.create_registry()).optimizer(model, h)


def test_one_cycle_rises_to_the_peak_and_falls_towards_zero():
    h = resolve({"lr": 0.4, "warmup": 0.25})
    rates = rates_of(h, 100)
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.4)
    assert peak in (24, 25)
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[-1] < 0.001
    assert rates[0] > 0


def test_constant_stays_level_after_its_warm_up():
    h = resolve({"lr": 0.4, "warmup": 0.1, "schedule": "constant"})
    rates = rates_of(h, 100)
    assert rates[:9] == sorted(rates[:9])
    assert set(rates[10:]) == {0.4}


def test_linear_falls_by_the_same_amount_each_step():
    h = resolve({"lr": 0.4, "warmup": 0.0, "schedule": "linear"})
    rates = rates_of(h, 100)
    falls = [first - second for first, second in itertools.pairwise(rates)]
    assert falls == pytest.approx([falls[0]] * 99)
    assert 0 < rates[-1] < 0.005


def test_step_falls_twice_to_a_tenth():
    h = resolve({"lr": 0.4, "warmup": 0.0, "schedule": "step"})
    rates = rates_of(h, 100)
    assert rates == pytest.approx([0.4] * 50 + [0.04] * 25 + [0.004] * 25)


@pytest.mark.parametrize("schedule", ["one-cycle", "linear", "step", "constant"])
@pytest.mark.parametrize("total", [1, 2, 3])
@pytest.mark.parametrize("warmup", [0.0, 0.25, 0.9])
def test_the_rate_is_positive_however_short_the_run(total, warmup, schedule):
    h = resolve({"lr": 0.4, "warmup": warmup, "schedule": schedule})
    assert all(0 < rate <= 0.4 for rate in rates_of(h, total))


def test_each_epoch_has_every_sample_once_in_another_order():
    first, second, other_seed = epoch_order(100, 0, 1), epoch_order(100, 0, 2), epoch_order(100, 1, 1)
    for order in (first, second, other_seed):
        assert sorted(order.tolist()) == list(range(100))
    assert len({tuple(order.tolist()) for order in (first, second, other_seed)}) == 3
    assert torch.equal(first, epoch_order(100, 0, 1))


def test_the_random_numbers_of_a_step_do_not_depend_on_earlier_ones():
    seed_step(0, 2, 5)
    first = torch.rand(3)
    torch.rand(7)
    seed_step(0, 2, 5)
    assert torch.equal(torch.rand(3), first)
    seed_step(0, 2, 6)
    assert not torch.equal(torch.rand(3), first)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_state_of_an_optimiser_is_restored(name):
    def step(model, optimizer):
        optimizer.zero_grad()
        model(torch.ones(2, 3, 5, 5)).square().sum().backward()
        optimizer.step()

    models, optimizers = [], []
    for _ in range(2):
        torch.manual_seed(0)
        models.append(nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last))
        optimizers.append(make_optimizer(models[-1], resolve({"optimizer": name, "lr": 1e-3})))
    step(models[0], optimizers[0])
    models[1].load_state_dict(models[0].state_dict())
    load_optimizer_state(optimizers[1], {k: v.clone().contiguous() for k, v in optimizer_state(optimizers[0]).items()})
    for model, optimizer in zip(models, optimizers, strict=True):
        step(model, optimizer)
    assert torch.equal(models[0].weight, models[1].weight)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_the_optimiser_is_bit_identical_to_that_of_torch(name):
    h = zoo.Hyperparameters(optimizer=name, lr=0.05, weight_decay=0.1, momentum=0.8)
    mine, theirs = (torch.nn.Linear(7, 3) for _ in range(2))
    theirs.load_state_dict(mine.state_dict())
    plain = {
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.999), weight_decay=0.1, fused=True),
        "sgd": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.1, fused=True),
    }[name](theirs.parameters())
    optimizer = make_optimizer(mine, h)
    for step in range(5):
        for network, optimiser in ((mine, optimizer), (theirs, plain)):
            optimiser.zero_grad()
            network(torch.full((2, 7), step + 1.0)).square().sum().backward()
            optimiser.step()
    assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), theirs.parameters(), strict=True))
    assert isinstance(optimizer, type(plain))
    assert torch.is_grad_enabled()


def test_the_decay_of_the_moving_average_grows_with_the_steps():
    network = torch.nn.Linear(1, 1, bias=False)
    average = make_average(network, 0.9)
    expected = 0.0
    for step in range(120):
        with torch.no_grad():
            network.weight.fill_(step)
        average.update_parameters(network)
        decay = min(0.9, (1 + step) / (10 + step)) if step else 0.0
        expected = decay * expected + (1 - decay) * step
        assert average.module.weight.item() == pytest.approx(expected, rel=1e-5)
    assert 119 - average.module.weight.item() == pytest.approx(9, rel=1e-2), "a decay of 0.9 lags nine steps behind"


@pytest.mark.parametrize(
    ("scheme", "deviation"),
    [("xavier", (2 / 500) ** 0.5), ("kaiming", (2 / 300) ** 0.5), ("normal", 0.01), ("orthogonal", 300**-0.5)],
)
def test_the_weights_of_a_scheme_have_its_deviation_and_biases_are_zero(scheme, deviation):
    torch.manual_seed(0)
    layer = nn.Linear(300, 200)
    initialise(nn.Sequential(layer, nn.BatchNorm1d(200)), scheme)
    assert float(layer.weight.detach().std()) == pytest.approx(deviation, rel=0.02)
    assert not layer.bias.detach().any()


def test_the_own_scheme_of_a_network_changes_nothing():
    layer = nn.Linear(3, 2)
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    initialise(layer, "own")
    assert all(torch.equal(tensor, before[name]) for name, tensor in layer.state_dict().items())
