"""The float64 reference: every operation on float32 is one on float64, and half precision keeps its roundings."""

import pytest
import torch
from torch import nn

from zoo.models.float64 import Float64Reference

INPUTS = torch.tensor([[0.1, -1.7, 3.3], [2.9, 0.7, -0.3]])
WEIGHT = torch.tensor([0.3, 1.1, -0.9])


class Model(nn.Module):
    """A network from a function of the inputs and a weight in float32."""

    def __init__(self, function):
        super().__init__()
        self.function, self.weight = function, nn.Parameter(WEIGHT.clone(), requires_grad=False)

    def forward(self, inputs):
        return (self.function(inputs, self.weight),)


def reference_of(function):
    (output,) = Float64Reference(Model(function))(INPUTS)
    return output


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: (x * w).sum(1) / 3,
        lambda x, w: x @ torch.linspace(0, 1, 3).to(x.dtype),
        lambda x, w: nn.functional.layer_norm(x, (3,), w),
        lambda x, w: torch.view_as_real(torch.fft.fft(x * w)),
        lambda x, w: torch.cond(x.sum() > 0, lambda x: x / 3, lambda x: x / 7, (x,)),
        lambda x, w: torch.while_loop(lambda x: (x > 1).any(), lambda x: (x / 3,), (x,))[0],
        lambda x, w: x.clone().div_(3).add_(w),
    ],
    ids=["arithmetic", "constants", "normalisation", "complex", "branch", "loop", "in place"],
)
def test_float32_stands_for_float64(function):
    found, want = reference_of(function), function(INPUTS.double(), WEIGHT.double())
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, want, rtol=1e-14, atol=1e-14)


def test_a_cast_to_float32_rounds_nothing():
    found = reference_of(lambda x, w: (x / 3).float() + (w / 3).to(torch.float32))
    assert torch.equal(found, INPUTS.double() / 3 + WEIGHT.double() / 3)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_an_operation_on_half_precision_is_rounded_once(half):
    x = INPUTS.to(half).double()
    w = WEIGHT.to(half).double()
    once = (x * w).to(half).double()
    assert torch.equal(reference_of(lambda x, w: (x.to(half) * w.to(half)).float()), once)
    # the sum is rounded to half precision, and not its terms
    assert torch.equal(reference_of(lambda x, w: x.to(half).sum(1).float()), x.sum(1).to(half).double())
    # its result is asked for in float32, so it is not rounded at all
    assert torch.equal(reference_of(lambda x, w: x.to(half).sum(1, dtype=torch.float32)), x.sum(1))
    # a number takes the type of the tensor, and so does a tensor without dimensions
    for third in (1 / 3, torch.tensor(1 / 3)):
        found = reference_of(lambda x, w, third=third: (x.to(half) * third).float())
        torch.testing.assert_close(found, (x / 3).to(half).double(), rtol=0, atol=0)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_and_float32_together_are_float32(half):
    found = reference_of(lambda x, w: x.to(half) * w)
    assert found.dtype == torch.float64
    assert torch.equal(found, INPUTS.to(half).double() * WEIGHT.double())


def test_a_change_in_place_of_half_precision_is_rounded_and_seen_through_its_views():
    def change(x, w):
        halved = x.half()
        halved[0].mul_(1 / 3)
        return halved.float()

    want = INPUTS.half().double()
    want[0] = (want[0] * (1 / 3)).half().double()
    assert torch.equal(reference_of(change), want)


def test_operations_on_integers_are_exact_and_their_quotients_are_in_float64():
    found = reference_of(lambda x, w: (x * 10).round().long().sum(1))
    assert found.dtype == torch.int64
    assert found.tolist() == [17, 33]
    found = reference_of(lambda x, w: (x * 10).round().long() / 7)
    assert torch.equal(found, torch.tensor([[1, -17, 33], [29, 7, -3]], dtype=torch.float64) / 7)
    found = reference_of(lambda x, w: (x > 0).float().mean(1))
    assert torch.equal(found, torch.tensor([2, 2], dtype=torch.float64) / 3)


def test_the_model_and_its_inputs_stay_as_they_are():
    model, inputs = Model(lambda x, w: x.mul_(w)), INPUTS.clone()
    Float64Reference(model)(inputs)
    assert model.weight.dtype == torch.float32
    assert torch.equal(inputs, INPUTS)
