"""``edge-cnn``: its options, the number of parameters of each design, and its parts."""

import importlib

import pytest
import torch

import zoo
from zoo import BuildError

model = importlib.import_module("zoo.plugins.edge_cnn.model")


def block_size(channels_in, channels_out, kernel, convolution, squeeze_excite):
    """The parameters of a block, counted by hand."""
    places, pairs = kernel**2, channels_in * channels_out
    weights = {"plain": places * pairs, "separable": places * channels_in + pairs}
    middle = channels_out // 4
    gates = middle * (channels_out + 1) + channels_out * (middle + 1)
    return weights[convolution] + 2 * channels_out + (gates if squeeze_excite else 0)


@pytest.mark.parametrize("convolution", ["plain", "separable"])
@pytest.mark.parametrize("squeeze_excite", [False, True])
@pytest.mark.parametrize("pooling", ["average", "depthwise"])
@pytest.mark.parametrize(
    ("widths", "blocks", "kernels"),
    [((8, 8, 12), (1, 2), (3, 5)), ((4, 8), (2,), (1,)), ((8, 8, 12, 16), (1, 1, 1), (7, 5, 3))],
)
def test_options_set_the_number_of_parameters(convolution, squeeze_excite, pooling, widths, blocks, kernels, registry):
    network = zoo.create_model(
        "edge-cnn",
        registry=registry,
        widths=widths,
        blocks=blocks,
        kernels=kernels,
        convolution=convolution,
        squeeze_excite=squeeze_excite,
        pooling=pooling,
    )
    expected, channels = 25 * widths[0] + 2 * widths[0], widths[0]
    for count, width, kernel in zip(blocks, widths[1:], kernels, strict=True):
        for _ in range(count):
            expected += block_size(channels, width, kernel, convolution, squeeze_excite)
            channels = width
    places = (14 // 2 ** (len(blocks) - 1)) ** 2
    expected += (places + 2) * channels if pooling == "depthwise" else 0
    expected += 10 * channels + 10
    assert sum(parameter.numel() for parameter in network.parameters()) == expected
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


def test_the_default_has_fewer_than_8000_parameters(registry):
    assert registry.architecture("edge-cnn").parameters < 8_000


@pytest.mark.parametrize(
    ("lists", "problem"),
    [
        ({"widths": (16, 16)}, "blocks lists 2 stages, so widths needs 3 numbers, not 2"),
        ({"blocks": (1,)}, "blocks lists 1 stage, so widths needs 2 numbers, not 3"),
        ({"kernels": (3, 3, 3)}, "blocks lists 2 stages, so kernels needs 2 numbers, not 3"),
        ({"kernels": (3, 4)}, "kernels must be odd numbers, not 3, 4"),
    ],
)
def test_lists_that_do_not_fit_are_refused_in_one_line(lists, problem, registry):
    with pytest.raises(BuildError, match=f"edge-cnn.*{problem}") as refusal:
        zoo.create_model("edge-cnn", registry=registry, **lists)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("shape", [(1, 3, 28), (1, 28, 3), (5,), (28, 28)], ids=str)
def test_small_images_and_other_inputs_are_refused_with_the_smallest_size(shape, registry):
    with pytest.raises(BuildError, match=r"edge-cnn.*at least 4x4 pixels"):
        zoo.create_model("edge-cnn", input_shape=shape, registry=registry)


@pytest.mark.parametrize("pooling", ["average", "depthwise"])
def test_the_smallest_image_is_accepted(pooling, registry):
    network = zoo.create_model("edge-cnn", input_shape=(3, 4, 4), num_outputs=2, registry=registry, pooling=pooling)
    assert network(torch.randn(3, 3, 4, 4)).shape == (3, 2)


@pytest.mark.parametrize("separable", [False, True])
def test_a_block_adds_its_input_if_the_number_of_channels_stays(separable):
    x = torch.randn(2, 4, 5, 5)
    for channels_out, expected in (4, x.relu()), (6, torch.zeros(2, 6, 5, 5)):
        block = model.Block(4, channels_out, 3, separable, squeeze_excite=False).eval()
        for parameter in block.parameters():
            torch.nn.init.zeros_(parameter)
        assert torch.equal(block(x), expected)


def test_a_separable_block_computes_each_channel_by_itself_then_mixes_them():
    block = model.Block(3, 5, kernel=3, separable=True, squeeze_excite=False)
    x = torch.zeros(1, 3, 7, 7)
    x[0, 1, 3, 3] = 1.0
    reached = block.depthwise(x).detach().abs().sum((2, 3))[0] > 0
    assert reached.tolist() == [False, True, False]
    assert (block.conv(block.depthwise(x)).detach().abs().sum((2, 3)) > 0).all()


def test_squeeze_and_excitation_multiplies_each_channel_by_one_factor():
    torch.manual_seed(0)
    part = model.SqueezeExcite(8)
    x = torch.rand(2, 8, 3, 5) + 0.5
    factors = (part(x) / x).detach()
    assert torch.allclose(factors, factors[:, :, :1, :1].expand_as(factors), rtol=1e-5)
    assert ((factors > 0) & (factors < 1)).all()
    # they depend on the means of all channels, not on the places of the pixels
    assert torch.allclose((part(x.flip(2, 3)) / x.flip(2, 3)).detach(), factors, rtol=1e-5)
    other = x.clone()
    other[:, 0] *= 3
    assert not torch.allclose((part(other) / other).detach()[:, 1:], factors[:, 1:], rtol=1e-4)


def test_depthwise_pooling_weighs_places_and_average_pooling_does_not(registry):
    torch.manual_seed(0)
    x = torch.randn(2, 32, 7, 7)
    learned, mean = (
        zoo.create_model("edge-cnn", registry=registry, widths=(8, 16, 32), pooling=pooling).eval().pool
        for pooling in ("depthwise", "average")
    )
    assert torch.allclose(mean(x), mean(x.flip(2)), atol=1e-6)
    assert not torch.allclose(learned(x), learned(x.flip(2)), atol=1e-3)
    assert learned(x).shape == mean(x).shape == (2, 32, 1, 1)


@pytest.mark.parametrize("convolution", ["plain", "separable"])
def test_a_trained_variant_with_squeeze_and_excitation_is_exported_and_passes_all_gates(
    convolution, registry, runs_dir, tmp_path
):
    options = {"convolution": convolution, "squeeze_excite": True, "widths": (8, 8, 12), "blocks": (1, 1)}
    zoo.train("edge-cnn", dataset="digits", epochs=1, registry=registry, runs_dir=runs_dir, **options)
    certificate = zoo.export("edge-cnn", "onnx", tmp_path / "x.onnx", runs_dir=runs_dir, registry=registry)
    assert all(check.passed for check in certificate.checks)
