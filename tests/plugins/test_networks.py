"""Every registered architecture meets the contract for builders."""

import importlib
import re

import pytest
import torch

import zoo
from zoo import BuildError, Preprocess, create_registry
from zoo.models.build import assemble, build_network, count_parameters
from zoo.specs.hyperparameters import resolve
from zoo.training.starting_weights import copy_matching

blocks = importlib.import_module("zoo.plugins.resnet_mini.blocks")

ARCHITECTURES = create_registry().architectures
# For full-size networks only shapes are computed: their weights would take minutes and gigabytes.
NAMES = [name for name, spec in ARCHITECTURES.items() if spec.parameters < 2_000_000]
LARGE = [name for name in ARCHITECTURES if name not in NAMES]
SHAPES = [(1, 28, 28), (3, 32, 32), (3, 64, 64), (2, 28, 36)]


@pytest.mark.parametrize("name", NAMES)
def test_the_declared_number_of_parameters_is_correct(name, registry):
    assert count_parameters(zoo.create_model(name, registry=registry)) == registry.architecture(name).parameters


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64)], ids=str)
def test_a_large_network_takes_small_images_or_refuses_them_with_advice(name, shape, registry):
    problem = ""
    with torch.device("meta"):
        assert count_parameters(zoo.create_model(name, registry=registry)) == registry.architecture(name).parameters
        try:
            network = zoo.create_model(name, input_shape=shape, num_outputs=3, registry=registry)
        except BuildError as refusal:
            problem = str(refusal)
        else:
            assert network.eval()(torch.zeros(2, *shape)).shape == (2, 3)
    if problem:
        assert re.search(rf"{shape[1]}x{shape[2]} images; try --set resize=", problem)
        assert "\n" not in problem
        with torch.device("meta"):
            network = zoo.create_model(name, input_shape=shape, num_outputs=3, registry=registry, resize=224)
            assert network.eval()(torch.zeros(2, *shape)).shape == (2, 3)


def test_any_classifier_of_torchvision_is_found_by_its_name(registry):
    spec = registry.architecture("torchvision/squeezenet1_1")
    network = zoo.create_model(spec.name, input_shape=(1, 64, 64), num_outputs=4, registry=registry)
    assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 4)
    assert count_parameters(zoo.create_model(spec.name, registry=registry)) == spec.parameters
    with pytest.raises(zoo.UnknownName, match="torchvision/resnet18"):
        registry.architecture("torchvision/resnet19")


def test_torchvision_weights_are_copied_except_the_head(registry, monkeypatch):
    """The download of torchvision is replaced by new weights with the same names."""
    import torchvision

    spec = registry.architecture("torchvision/squeezenet1_1")
    made = torchvision.models.squeezenet1_1().state_dict()
    weights = torchvision.models.get_model_weights("squeezenet1_1")
    monkeypatch.setattr(weights, "get_state_dict", lambda *args, **kwargs: made)
    model = assemble(Preprocess.blank((3, 64, 64)), zoo.create_model(spec.name, num_outputs=4, registry=registry))
    tensors = spec.origins["torchvision"]()
    left = copy_matching(model, {f"network.{name}": tensor for name, tensor in tensors.items()}, "torchvision")
    assert left == ["model.classifier.1.weight", "model.classifier.1.bias"]
    assert torch.equal(model.network.model.features[0].weight, made["features.0.weight"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("num_outputs", [1, 10])
def test_a_network_is_built_for_other_inputs_and_outputs(name, shape, num_outputs, registry):
    network = zoo.create_model(name, input_shape=shape, num_outputs=num_outputs, registry=registry)
    inputs = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    logits = network(inputs)
    assert logits.shape == (3, num_outputs)
    assert logits.isfinite().all()
    logits.square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 15, 28), (1, 1, 1), (5,)], ids=str)
def test_an_unusual_input_shape_works_or_gives_one_line(name, shape, registry):
    try:
        network = zoo.create_model(name, input_shape=shape, num_outputs=3, registry=registry)
    except BuildError as refusal:
        problem = str(refusal)
    else:
        problem = ""
        assert network.eval()(torch.zeros(2, *shape)).shape == (2, 3)
    assert not problem or (name in problem and "\n" not in problem)


@pytest.mark.parametrize("name", ["googlenet-mini", "resnet-mini", "cnn-mini", "alexnet-mini", "lenet", "vgg-mini"])
def test_a_convolutional_network_refuses_small_images_and_other_inputs(name, registry):
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

    with pytest.raises(BuildError, match="tiny-cnn failed: RuntimeError: first line second line"):
        build_network(spec, (1, 4, 4), 2, {})


def test_googlenet_mini_is_the_network_of_the_course(registry):
    network = zoo.create_model("googlenet-mini", registry=registry)
    inputs = torch.randn(2, 1, 28, 28)
    inception = network.inception1(torch.randn(2, 10, 12, 12))
    assert inception.shape == (2, 88, 12, 12)
    assert network.fc.in_features == 1408
    # the block has no activation inside: it is linear except for its biases
    zero = network.inception1(torch.zeros(2, 10, 12, 12))
    x = torch.randn(2, 10, 12, 12)
    torch.testing.assert_close(
        network.inception1(2 * x) - zero, 2 * (network.inception1(x) - zero), atol=1e-4, rtol=1e-4
    )
    assert network(inputs).shape == (2, 10)


def sizes(network):
    """The shapes of all weights except biases, in order."""
    return [tuple(p.shape) for name, p in network.named_parameters() if not name.endswith("bias")]


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("linear-regression", [(1, 1)]),
        ("logistic-regression", [(1, 1)]),
        ("diabetes-mlp", [(6, 8), (4, 6), (1, 4)]),
        ("bike-mlp", [(10, 81), (1, 10)]),
        ("softmax-regression", [(10, 784)]),
        ("fashion-mlp", [(430, 784), (10, 430)]),
        ("mnist-mlp", [(512, 784), (256, 512), (128, 256), (64, 128), (10, 64)]),
        ("cnn-mini", [(10, 1, 5, 5), (20, 10, 5, 5), (10, 320)]),
        ("lenet", [(6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)]),
        ("rnn-mini", [(384, 28), (384, 128), (384,), (384,), (10, 128)]),
    ],
)
def test_course_networks_have_the_layers_of_the_course(name, weights, registry):
    found = sizes(zoo.create_model(name, registry=registry))
    assert found == weights if name != "rnn-mini" else sorted(found) == sorted(weights)


def test_the_inception_block_can_have_the_activations_of_the_paper(registry):
    linear, with_relu = (
        zoo.create_model("googlenet-mini", registry=registry, activation=name) for name in ("none", "relu")
    )
    assert sizes(linear) == sizes(with_relu)
    x = torch.randn(3, 10, 12, 12)
    assert (linear.inception1(x) < 0).any()
    assert not (with_relu.inception1(x) < 0).any()
    with_relu.load_state_dict(linear.state_dict())
    images = torch.randn(2, 1, 28, 28)
    assert not torch.equal(with_relu(images), linear(images))


def test_the_sources_say_where_the_taught_networks_differ(registry):
    googlenet, lenet = registry.architecture("googlenet-mini"), registry.architecture("lenet")
    assert "Inception v2 and v3" in googlenet.source
    assert "without activations" in googlenet.summary
    assert "scaled tanh" in {option.name: option.help for option in lenet.options}["face"]


def test_diabetes_mlp_has_options_for_activation_and_widths(registry):
    network = zoo.create_model("diabetes-mlp", registry=registry, activation="relu", widths=(7, 3))
    assert sizes(network) == [(7, 8), (3, 7), (1, 3)]
    assert sum(isinstance(module, torch.nn.ReLU) for module in network.modules()) == 2


@pytest.mark.parametrize("name", ["softmax-regression", "fashion-mlp"])
def test_initial_weights_have_a_small_standard_deviation(name, registry):
    for weight in zoo.create_model(name, registry=registry).parameters():
        assert float(weight.detach().std()) < 0.011
        assert weight.ndim == 2 or not weight.any()


def test_lenet_has_a_modern_and_an_original_form(registry):
    modern, old = (zoo.create_model("lenet", registry=registry, face=face) for face in ("modern", "1998"))
    assert sizes(modern) == sizes(old)
    kinds = [{type(module) for module in network.modules()} for network in (modern, old)]
    assert torch.nn.MaxPool2d in kinds[0] - kinds[1]
    assert {torch.nn.Sigmoid, torch.nn.AvgPool2d} <= kinds[1] - kinds[0]


def test_rnn_mini_predicts_from_its_last_state(registry):
    network = zoo.create_model("rnn-mini", registry=registry).eval()
    images = torch.randn(2, 1, 28, 28)
    _, last = network.cell(images[:, 0])
    torch.testing.assert_close(network(images), network.fc(last[0]))


def test_the_output_of_a_dense_layer_contains_its_input(registry):
    network = zoo.create_model("densenet-mini", registry=registry).eval()
    layer = network.features[2]
    x = torch.randn(2, 24, 6, 6)
    assert torch.equal(layer(x)[:, :24], x)
    assert layer(x).shape == (2, 36, 6, 6)


def test_vgg_mini_is_built_from_its_options(registry):
    network = zoo.create_model("vgg-mini", registry=registry, convs=(2, 1), channels=(4, 8), norm=False)
    assert sizes(network)[:3] == [(4, 1, 3, 3), (4, 4, 3, 3), (8, 4, 3, 3)]
    with pytest.raises(BuildError, match="convs lists 2 blocks, but channels lists 1"):
        zoo.create_model("vgg-mini", registry=registry, convs=(2, 1), channels=(4,))


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
    for name in NAMES
    for spec in [ARCHITECTURES[name]]
    for option in spec.options
    for choice in option.choices or (option.default,)
]


@pytest.mark.parametrize(("name", "option", "choice"), OPTIONS)
def test_every_choice_of_every_option_builds_a_network_that_learns(name, option, choice, registry):
    torch.manual_seed(0)
    spec = registry.architecture(name)
    dataset, recipe = registry.dataset(spec.dataset), resolve(spec.hyperparameters)
    network = zoo.create_model(name, registry=registry, num_outputs=10, **{option: choice})
    inputs, targets = torch.randn(16, *dataset.network_shape), torch.arange(16) % 10
    rate = recipe.lr if recipe.optimizer == "adamw" else 1e-2  # a recipe with SGD has larger rates
    optimizer = torch.optim.Adam(network.parameters(), rate)
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


def test_every_declared_form_of_the_residual_block_can_be_built(registry):
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
def test_with_zero_weights_a_block_is_its_shortcut(form, expected):
    block = blocks.BLOCKS[form](4).eval()
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(block(x), expected(x))


def test_pooling_before_the_activation_gives_the_same_result(registry):
    network = zoo.create_model("resnet-mini", registry=registry)
    pool, relu = torch.nn.functional.max_pool2d, torch.relu
    inputs = torch.randn(4, 1, 28, 28)
    x = network.residual1(pool(relu(network.conv1(inputs)), 2))
    x = network.residual2(pool(relu(network.conv2(x)), 2))
    assert torch.equal(network(inputs), network.fc(x.flatten(1)))


def test_initial_gates_pass_the_shortcut():
    gate = blocks.ExclusiveGating(4)
    x = torch.rand(2, 4, 5, 5)
    torch.testing.assert_close(gate(x), x, atol=0.05, rtol=0)


@pytest.mark.parametrize("name", ["torchvision/regnet_x_400mf", "torchvision/mnasnet0_5"])
def test_networks_that_the_meta_device_or_a_plain_state_does_not_suit_are_built(name, registry):
    spec = registry.architecture(name)
    network = build_network(spec, (1, 28, 28), 10, {})
    assert sum(parameter.numel() for parameter in network.parameters()) == spec.parameters
