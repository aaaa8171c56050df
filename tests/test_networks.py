"""Every registered architecture keeps the builder's contract."""

import importlib

import pytest
import torch

import zoo
from zoo import BuildError, create_registry
from zoo.model import count_parameters

blocks = importlib.import_module("zoo.plugins.resnet_mini.blocks")

NAMES = sorted(create_registry().architectures)
SHAPES = [(1, 28, 28), (3, 32, 32), (3, 64, 64), (2, 28, 36)]


@pytest.mark.parametrize("name", NAMES)
def test_the_declared_number_of_parameters_is_the_built_one(name, registry):
    assert count_parameters(zoo.create_model(name, registry=registry)) == registry.architecture(name).parameters


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("num_outputs", [2, 10])
def test_it_builds_for_other_inputs_and_outputs(name, shape, num_outputs, registry):
    network = zoo.create_model(name, input_shape=shape, num_outputs=num_outputs, registry=registry)
    inputs = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    logits = network(inputs)
    assert logits.shape == (3, num_outputs)
    assert logits.isfinite().all()
    logits.square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 15, 28), (1, 1, 1), (5,)], ids=str)
def test_an_odd_input_is_built_for_or_refused_in_one_line(name, shape, registry):
    try:
        network = zoo.create_model(name, input_shape=shape, num_outputs=3, registry=registry)
    except BuildError as error:
        assert name in str(error)
        assert "\n" not in str(error)
    else:
        assert network.eval()(torch.zeros(2, *shape)).shape == (2, 3)


@pytest.mark.parametrize("name", ["googlenet-mini", "resnet-mini", "cnn-mini", "alexnet-mini", "lenet", "vgg-mini"])
def test_a_convolution_refuses_what_is_too_small_or_no_image(name, registry):
    for shape in ((1, 1, 28), (5,)):
        with pytest.raises(BuildError, match=name):
            zoo.create_model(name, input_shape=shape, registry=registry)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_weights(name, registry):
    states = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        states.append(torch.cat([p.flatten() for p in zoo.create_model(name, registry=registry).parameters()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_option_is_refused(name, registry):
    with pytest.raises(zoo.UnknownName, match="of_this_name"):
        zoo.create_model(name, registry=registry, of_this_name=1)


def test_a_builder_that_fails_is_named(registry, tiny_registry):
    import dataclasses

    def broken(input_shape, num_outputs, **options):
        raise RuntimeError("first line\nsecond line")

    spec = dataclasses.replace(tiny_registry.architecture("tiny-cnn"), builder=broken)
    from zoo.model import build_network

    with pytest.raises(BuildError, match="tiny-cnn failed: RuntimeError: first line second line"):
        build_network(spec, (1, 4, 4), 2, {})


def test_googlenet_mini_is_the_one_that_is_taught(registry):
    network = zoo.create_model("googlenet-mini", registry=registry)
    inputs = torch.randn(2, 1, 28, 28)
    inception = network.inception1(torch.randn(2, 10, 12, 12))
    assert inception.shape == (2, 88, 12, 12)
    assert network.fc.in_features == 1408
    # no activation inside the block: it is linear up to its biases
    zero = network.inception1(torch.zeros(2, 10, 12, 12))
    x = torch.randn(2, 10, 12, 12)
    torch.testing.assert_close(
        network.inception1(2 * x) - zero, 2 * (network.inception1(x) - zero), atol=1e-4, rtol=1e-4
    )
    assert network(inputs).shape == (2, 10)


def test_resnet_mini_adds_its_input_before_the_last_activation(registry):
    network = zoo.create_model("resnet-mini", registry=registry)
    block = network.residual1
    assert type(block) is blocks.Residual
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(2, 16, 12, 12)
    assert torch.equal(block(x), x.relu())
    assert network.fc.in_features == 512


OPTIONS = [
    (name, option.name, choice)
    for name, spec in sorted(create_registry().architectures.items())
    for option in spec.options
    for choice in option.choices or (option.default,)
]


@pytest.mark.parametrize(("name", "option", "choice"), OPTIONS)
def test_every_choice_of_every_option_builds_a_network_that_learns(name, option, choice, registry):
    torch.manual_seed(0)
    dataset = registry.dataset(registry.architecture(name).dataset)
    network = zoo.create_model(name, registry=registry, num_outputs=10, **{option: choice})
    inputs, targets = torch.randn(16, *dataset.network_shape), torch.arange(16) % 10
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(300):
        loss = torch.nn.functional.cross_entropy(network(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
        if losses[-1] < 0.8 * losses[0]:
            return
    pytest.fail(f"the loss went from {losses[0]:.3f} to {losses[-1]:.3f}")


def test_the_declared_forms_of_the_residual_block_are_those_that_can_be_built(registry):
    (option,) = registry.architecture("resnet-mini").options
    assert option.choices == tuple(blocks.BLOCKS)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("original", lambda x: x.relu()),
        ("constant-scaling", lambda x: 0.5 * x.relu()),
        ("exclusive-gating", lambda x: 0.5 * x.relu()),
        ("shortcut-only-gating", lambda x: 0.5 * x.relu()),
        ("conv-shortcut", lambda x: 0 * x),
        ("dropout-shortcut", lambda x: x.relu()),
        ("bn-original", lambda x: x.relu()),
        ("bn-after-addition", lambda x: 0 * x),
        ("relu-before-addition", lambda x: x),
        ("relu-pre-activation", lambda x: x),
        ("full-pre-activation", lambda x: x),
    ],
)
def test_with_all_weights_zero_only_the_shortcut_is_left(form, expected):
    block = blocks.BLOCKS[form](4).eval()
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(block(x), expected(x))


def test_pooling_before_the_activation_gives_what_the_taught_order_gives(registry):
    network = zoo.create_model("resnet-mini", registry=registry)
    pool, relu = torch.nn.functional.max_pool2d, torch.relu
    inputs = torch.randn(4, 1, 28, 28)
    x = network.residual1(pool(relu(network.conv1(inputs)), 2))
    x = network.residual2(pool(relu(network.conv2(x)), 2))
    assert torch.equal(network(inputs), network.fc(x.flatten(1)))


def test_a_gate_starts_with_its_shortcut_open():
    gate = blocks.ExclusiveGating(4)
    x = torch.rand(2, 4, 5, 5)
    torch.testing.assert_close(gate(x), x, atol=0.05, rtol=0)
