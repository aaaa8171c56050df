"""How far correct float32 programs scatter: the estimate compared with real float32 sums, and the limits from it."""

import types

import numpy as np
import pytest
import torch
from builtin_tasks import TASKS
from torch import nn

import zoo
from zoo.exporting import rounding
from zoo.exporting.limits import MULTIPLE, OF_TORCH, ErrorSize, error_limits
from zoo.exporting.numerics import CAP, LARGEST, REAL, RMS, Case, compare, make_cases
from zoo.exporting.rounding import ROWS, UNIT, Disturbance, deviations
from zoo.exporting.source import ExportSource

OF_WEIGHTS = rounding._disturbed_weights


@pytest.fixture(autouse=True)
def every_operation(monkeypatch):
    """Every operation of these tests is disturbed, and not the weights in its place."""

    def refuse(*args):
        raise AssertionError("an operation could not be disturbed")

    monkeypatch.setattr(rounding, "_disturbed_weights", refuse)


class Model(nn.Module):
    """A network from a function; float64 inside, a tuple out."""

    def __init__(self, function, *layers):
        super().__init__()
        self.function, self.layers = function, nn.ModuleList(layers).double()

    def forward(self, inputs):
        return (self.function(inputs.double() if inputs.is_floating_point() else inputs, *self.layers),)


class LogitsAndProbabilities(nn.Linear):
    def __init__(self):
        super().__init__(4, 3)

    def forward(self, inputs):
        logits = super().forward(inputs)
        return logits, torch.softmax(logits, 1)


def scatter_of(model, inputs):
    """The absolute deviations of the only output of the model."""
    with torch.no_grad():
        exact = [output.double().numpy() for output in model(inputs)]
    return deviations(model, inputs, exact)[0]


def linear(weights):
    layer = nn.Linear(weights.shape[1], weights.shape[0], bias=False)
    layer.weight.data.copy_(torch.from_numpy(weights))
    return layer


@pytest.mark.parametrize(("terms", "mean"), [(64, 0.0), (4096, 0.0), (4096, 1.0)])
def test_a_sum_scatters_as_float32_sums_in_random_orders_do(terms, mean):
    random = np.random.default_rng(0)
    x = (random.standard_normal(terms) + mean).astype(np.float32)
    w = (np.ones(terms) if mean else random.standard_normal(terms)).astype(np.float32)
    exact = float(x.astype(np.float64) @ w.astype(np.float64))
    orders = (random.permutation(terms) for _ in range(300))
    errors = [float(np.cumsum((x * w)[order], dtype=np.float32)[-1]) - exact for order in orders]
    found = scatter_of(Model(lambda x, layer: layer(x), linear(w[None])), torch.from_numpy(x)[None])
    ratio = np.sqrt((found**2).mean()) / np.sqrt(np.square(errors).mean())
    assert 1 <= ratio < 2


@pytest.mark.parametrize("mean", [0.0, 1.0])
@pytest.mark.parametrize("pooled", [False, True])
def test_a_mean_scatters_as_float32_sums_in_random_orders_do(mean, pooled):
    random = np.random.default_rng(0)
    x = (random.standard_normal(4096) + mean).astype(np.float32)
    exact = float(x.astype(np.float64).mean())
    orders = (random.permutation(len(x)) for _ in range(300))
    errors = [float(np.cumsum(x[order], dtype=np.float32)[-1]) / len(x) - exact for order in orders]
    function = nn.AvgPool2d(64) if pooled else lambda x: x.mean((2, 3))
    found = scatter_of(Model(function), torch.from_numpy(x).view(1, 1, 64, 64))
    assert 1 <= np.sqrt((found**2).mean()) / np.sqrt(np.square(errors).mean()) < 2


def test_outputs_that_cancel_scatter_like_their_terms():
    large = np.float32([[3000.0, -3000.0, 0.5]])
    found = scatter_of(Model(lambda x, layer: layer(x / 3), linear(large)), torch.ones(1, 3))
    assert 100 * UNIT < found.max() < 5_000 * UNIT


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x[:, :1] == 3.0,
        lambda x: torch.cat([x, x.flip(1)], dim=1),
        lambda x: torch.relu(x).reshape(-1, 2, 2).transpose(1, 2).amax(2),
        lambda x: 2 * x - 1,
        lambda x: torch.where(x > 2, x, torch.zeros_like(x)),
        lambda x: x.to(torch.int64) % 2,
    ],
    ids=["equal", "cat", "max", "representable", "where", "integers"],
)
def test_exact_operations_are_not_disturbed(function):
    inputs = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    assert scatter_of(Model(lambda x: function(x).double()), inputs).max() == 0


@pytest.mark.parametrize(
    ("function", "low", "high"),
    [
        (lambda x: x / 3, 0.2, 1),
        (lambda x: torch.sigmoid(x - 30), 0.5, 2.1),  # libraries round such functions to units of 1
        (lambda x: torch.softmax(x, dim=1), 0.5, 4),
        (lambda x: nn.functional.gelu(-x), 0.5, 7),
        (lambda x: nn.functional.layer_norm(x, (4,)), 0.5, 40),
        (lambda x: nn.functional.avg_pool2d(x.view(-1, 1, 2, 2) / 3, 2), 0.1, 6),
        (lambda x: x.div(7).mul_(3).add_(1), 0.5, 8),
        (lambda x: (x / 3).mv(x[0]).view(-1, 1), 2, 60),
        (lambda x: torch.addmv(x[:, 0], x / 3, x[0]).view(-1, 1), 2, 60),
        (lambda x: torch.dot(x[0] / 3, x[0]).expand(len(x), 1), 2, 60),
    ],
    ids=["division", "sigmoid", "softmax", "gelu", "normalisation", "pooling", "in-place", "mv", "addmv", "dot"],
)
def test_every_kind_of_operation_has_the_error_of_its_kind(function, low, high):
    inputs = torch.tensor([[1.0, 2.0, 3.0, 2.5]])
    assert low * UNIT < scatter_of(Model(function), inputs).max() < high * UNIT


def resized(images, size, mode):
    return nn.functional.interpolate(images, size=(size, size), mode=mode)


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize(("before", "after"), [(28, 32), (60, 100), (30, 13)])
def test_an_image_of_another_size_scatters_as_if_its_places_were_computed_in_float32(before, after, smooth):
    """As onnxruntime does, whose error is up to sixty times that of torch."""
    images = torch.rand(ROWS, 1, before, before, generator=torch.Generator().manual_seed(0))
    images = nn.functional.avg_pool2d(images, 9, 1, padding=4) if smooth else images
    found = scatter_of(Model(lambda x: resized(x, after, "bilinear")), images)
    place = (np.arange(after, dtype=np.float32) + np.float32(0.5)) / np.float32(after / before) - np.float32(0.5)
    low = np.clip(np.floor(place), 0, before - 2).astype(int)
    part = np.clip(place.astype(np.float64) - low, 0, 1)
    weights = np.zeros((after, before))
    weights[np.arange(after), low], weights[np.arange(after), low + 1] = 1 - part, part
    errors = weights @ images.double().numpy() @ weights.T - resized(images.double(), after, "bilinear").numpy()
    ratio = np.sqrt((found**2).mean() / np.square(errors).mean())
    assert 0.7 < ratio < 20
    assert np.abs(errors).max() < MULTIPLE * found.max()


@pytest.mark.parametrize(("after", "moves"), [(64, False), (16, False), (48, True)])
def test_the_places_of_an_image_that_is_scaled_by_a_power_of_two_are_exact(after, moves):
    """Columns of 1 and -1 in turn show an error of a place, and the rounding of their sums is small."""
    image = (1 - 2 * (torch.arange(32.0) % 2)).expand(ROWS, 1, 32, 32)
    found = scatter_of(Model(lambda x: resized(x, after, "bilinear")), image)
    assert (found.max() > 16 * UNIT) == moves


def test_a_cubic_interpolation_scatters_more_than_a_linear_one():
    images = torch.rand(ROWS, 1, 28, 28, generator=torch.Generator().manual_seed(0)) / 100 + 1
    linear, cubic = (scatter_of(Model(lambda x, m=mode: resized(x, 32, m)), images) for mode in ("bilinear", "bicubic"))
    assert 2 * linear.max() < cubic.max() < 40 * UNIT


def test_operations_inside_branches_and_loops_are_disturbed():
    def branch(x):
        return torch.cond(x.sum() > 0, lambda x: x / 3, lambda x: x.clone(), (x,))

    def loop(x):
        return torch.while_loop(lambda x: (x > 1).any(), lambda x: (x / 3,), (x,))[0]

    for function in (branch, loop):
        found = scatter_of(Model(function), torch.tensor([[1.0, 2.0, 4.0]]))
        assert 0.2 * UNIT < found.max() < 4 * UNIT


def test_the_weights_are_disturbed_if_an_operation_cannot_be(monkeypatch):
    def refuse(*args, **kwargs):
        raise NotImplementedError

    monkeypatch.setattr(Disturbance, "_sum", refuse)
    monkeypatch.setattr(rounding, "_disturbed_weights", OF_WEIGHTS)
    weights = np.float32([[1.0, 1.0]])
    found = scatter_of(Model(lambda x, layer: layer(x), linear(weights)), torch.ones(1, 2))
    assert 0.5 * UNIT < found.max() < 5 * UNIT


def test_the_estimate_is_deterministic_and_leaves_the_global_generator_alone():
    model, inputs = Model(lambda x, layer: layer(x), nn.Linear(4, 2)), torch.rand(5, 4)
    torch.manual_seed(3)
    first = scatter_of(model, inputs)
    assert first.shape == (ROWS, 2)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))
    np.testing.assert_array_equal(first, scatter_of(model, inputs))
    assert len(np.unique(first)) == first.size


def test_a_run_that_overflows_counts_as_exact():
    model = Model(lambda x: torch.sqrt(x - x / 3 * 3))
    assert np.isfinite(scatter_of(model, torch.ones(1, 1))).all()


def case(error, limit, kind=REAL, rows=64):
    """One output of zeros in float64; torch is off by ``error``."""
    inputs = torch.arange(rows, dtype=torch.float32)[:, None]
    exact = np.zeros((rows, 2))
    return Case(kind, inputs, [exact], [exact + error], [limit])


def compared(found, mine):
    source = types.SimpleNamespace(task=types.SimpleNamespace(outputs=("logits",)))
    runtime = zoo.Runtime("CPU", "", lambda inputs: [mine])
    return {comparison.measure: comparison for comparison in compare(source, [runtime], found)}


def test_a_small_error_of_all_samples_is_found_by_the_root_mean_square():
    limit = ErrorSize(1e-5, np.full(2, 2e-6))
    biased = np.zeros((64, 2))
    biased[:, 1] = 3e-6
    found = compared(case(1e-7, limit), biased)
    assert found[LARGEST].of_limit == pytest.approx(0.3)
    assert found[RMS].of_limit == pytest.approx(1.5)
    assert found[RMS].torch_error == pytest.approx(1e-7)


def test_a_large_error_of_one_sample_is_found_by_the_largest_error():
    limit = ErrorSize(1e-5, np.full(2, 2e-6))
    alone = np.zeros((64, 2))
    alone[5, 0] = 1.2e-5
    found = compared(case(1e-7, limit), alone)
    assert found[LARGEST].of_limit == pytest.approx(1.2)
    assert found[RMS].of_limit < 1


def test_the_root_mean_square_of_few_samples_is_not_compared():
    limit = ErrorSize(1e-5, np.full(2, 2e-6))
    assert compared(case(0, limit, rows=7), np.full((7, 2), 3e-6)).keys() == {LARGEST}


@pytest.mark.parametrize("mine", [np.full((64, 2), np.nan), np.zeros((64, 3))], ids=["NaN", "shape"])
def test_nan_and_a_wrong_shape_are_infinitely_wrong(mine):
    found = compared(case(0, ErrorSize(1e-5, np.full(2, 2e-6))), mine)
    assert found[LARGEST].of_limit == float("inf")


def test_the_limit_is_a_multiple_of_the_scatter_and_at_least_the_error_of_torch():
    model, inputs = Model(lambda x, layer: layer(x), nn.Linear(40, 3)), torch.rand(64, 40)
    exact = [output.detach().numpy() for output in model(inputs)]
    scatter = deviations(model, inputs, exact)[0]
    (alone,) = error_limits(model, inputs, exact)
    assert alone.largest == MULTIPLE * scatter.max()
    np.testing.assert_allclose(alone.rms, MULTIPLE * np.sqrt((scatter**2).mean(axis=0)))
    error = 2 * alone.largest
    unlucky, few = [exact[0] + error], [exact[0][:3] + error]
    (with_torch,) = error_limits(model, inputs, exact, [unlucky])
    assert with_torch.largest == pytest.approx(error, rel=0.1)
    np.testing.assert_allclose(with_torch.rms, np.minimum(error, OF_TORCH * alone.rms), rtol=0.1)
    (with_few,) = error_limits(model, inputs, exact, [few])
    assert with_few.largest == pytest.approx(error, rel=0.1)
    np.testing.assert_array_equal(with_few.rms, alone.rms)


def test_an_error_of_torch_itself_widens_the_limit_by_a_fixed_multiple_at_most():
    model, inputs = Model(lambda x, layer: layer(x), nn.Linear(40, 3)), torch.rand(64, 40)
    exact = [output.detach().numpy() for output in model(inputs)]
    (alone,) = error_limits(model, inputs, exact)
    (with_torch,) = error_limits(model, inputs, exact, [[exact[0] + 1e-2]])
    assert with_torch.largest == OF_TORCH * alone.largest
    np.testing.assert_allclose(with_torch.rms, OF_TORCH * alone.rms)


def test_the_limit_has_a_maximum_for_any_error_of_torch(monkeypatch):
    monkeypatch.setattr("zoo.exporting.limits.deviations", lambda *args: [np.ones((ROWS, 3)), np.ones((ROWS, 3))])
    inputs = torch.rand(40, 4, generator=torch.Generator().manual_seed(0))
    test = zoo.Split(inputs, torch.zeros(40, dtype=torch.int64))
    cases = make_cases(ExportSource("tiny", LogitsAndProbabilities(), TASKS["classification"], test, None, {}))
    for output in range(2):
        largest = max(float(np.abs(case.exact[output]).max()) for case in cases)
        assert {case.limits[output].largest for case in cases} == {CAP * largest}
        assert all((case.limits[output].rms == CAP * largest).all() for case in cases)


def test_outputs_that_nearly_cancel_are_not_refused():
    """torch can be exact by chance, while another order of summation has the rounding errors of the large terms."""
    weights = np.float32([[3000.3, -3000.3, 0.7]])
    model, inputs = Model(lambda x, layer: layer(x), linear(weights)), torch.ones(1, 3)
    exact = [output.detach().numpy() for output in model(inputs)]
    in_order, in_another = ((weights[0, a] + weights[0, b]) + weights[0, c] for a, b, c in ((0, 1, 2), (0, 2, 1)))
    assert in_order == exact[0]
    error = abs(float(in_another) - float(exact[0][0, 0]))
    assert error > 16 * 2 * UNIT * float(exact[0][0, 0])  # a limit in roundings of the output would refuse this
    (limit,) = error_limits(model, inputs, exact, [[np.float32([[in_order]])]])
    assert error < limit.largest < 100 * error


def test_the_scatter_of_a_convolution_is_the_same_if_it_is_computed_as_one_product(monkeypatch):
    torch.manual_seed(0)
    model = Model(lambda x, layer: layer(x), nn.Conv2d(256, 256, 3, padding=1))
    inputs, plain = torch.randn(4, 256, 2, 2), []
    as_product = scatter_of(model, inputs)
    monkeypatch.setattr(rounding, "compute", lambda func, args, kwargs: plain.append(func) or func(*args, **kwargs))
    np.testing.assert_allclose(as_product, scatter_of(model, inputs), rtol=1e-4, atol=1e-12)
    assert plain
