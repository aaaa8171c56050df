"""The float64 reference: every operation on float32 is one on float64, and half precision keeps its roundings."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.models.float64 import FEW_PLACES, LARGE_WEIGHT, Float64Reference, compute

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


def matrix_products(images, layer):
    """The result of a convolution by :func:`compute`, and whether it was one product of matrices."""
    found = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            found.append(func.overloadpacket)
            return func(*args, **(kwargs or {}))

    settings = (layer.stride, layer.padding, layer.dilation, layer.transposed, layer.output_padding, layer.groups)
    with torch.no_grad(), Watch():
        result = compute(torch.ops.aten.convolution.default, (images, layer.weight, layer.bias, *settings), {})
    return result, torch.ops.aten.mm in found


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("size", "settings"),
    [
        ((1, 1), {"kernel_size": 3, "padding": 1}),
        ((4, 4), {"kernel_size": 1}),
        ((7, 5), {"kernel_size": (3, 1), "stride": (2, 3), "padding": (1, 0)}),
        ((8, 8), {"kernel_size": 3, "stride": 2, "padding": 2, "dilation": 2}),
    ],
)
def test_a_convolution_of_small_images_is_one_product_with_the_result_of_torch(size, settings, bias):
    torch.manual_seed(0)
    layer = nn.Conv2d(256, 256, **settings, bias=bias).double()
    images = torch.randn(5, 256, *size, dtype=torch.float64)
    result, product = matrix_products(images, layer)
    with torch.no_grad():
        wanted = layer(images)
    assert product
    assert result.is_contiguous()
    torch.testing.assert_close(result, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Conv2d(256, 256, 3, padding=1), (1, 256, 2, 2)),
        (nn.Conv2d(256, 256, 1), (2, 256, 4, FEW_PLACES // 4 + 1)),
        (nn.Conv2d(256, LARGE_WEIGHT // 256 - 1, 1), (2, 256, 1, 1)),
        (nn.Conv2d(512, 512, 1, groups=2), (2, 512, 1, 1)),
        (nn.ConvTranspose2d(256, 256, 1), (2, 256, 1, 1)),
        (nn.Conv1d(256, 256, 3), (2, 256, 4)),
    ],
    ids=["one image", "large images", "small weight", "groups", "transposed", "one axis"],
)
def test_any_other_convolution_is_left_to_torch(layer, shape):
    layer, images = layer.double(), torch.randn(shape, dtype=torch.float64)
    result, product = matrix_products(images, layer)
    assert not product
    with torch.no_grad():
        assert torch.equal(result, layer(images))


def test_images_in_another_memory_layout_keep_it():
    layer = nn.Conv2d(256, 256, 1).double()
    images = torch.randn(2, 256, 2, 2, dtype=torch.float64).to(memory_format=torch.channels_last)
    result, product = matrix_products(images, layer)
    assert not product
    assert result.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_reference_uses_the_product_unless_a_mode_has_to_see_the_convolution(mode, monkeypatch):
    class Tuple(nn.Conv2d):
        def forward(self, inputs):
            return (super().forward(inputs),)

    reference, seen, products = Float64Reference(Tuple(256, 256, 1)), [], []
    unfold = nn.functional.unfold
    monkeypatch.setattr(nn.functional, "unfold", lambda *args: products.append(args) or unfold(*args))
    images = torch.randn(3, 256, 2, 2)

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(func.overloadpacket)
            return func(*args, **(kwargs or {}))

    with mode():
        (alone,) = reference(images)
        assert len(products) == 1
        with Watch():
            (watched,) = reference(images)
    assert len(products) == 1
    assert seen[-1] in (torch.ops.aten.convolution, torch.ops.aten.conv2d)
    torch.testing.assert_close(alone, watched, rtol=1e-13, atol=1e-13)
