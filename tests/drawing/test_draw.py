"""``zoo draw`` and ``zoo.draw``: what is in the picture of a network, and what drawing leaves as it is."""

import importlib
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from torch import nn
from torch.nn import functional

import zoo
from zoo.drawing.layout import WIDTH
from zoo.drawing.structure import MOST_LAYERS, Block, Branches, Web, count_layers, structure
from zoo.drawing.trace import trace

EXAMPLES = Path(__file__).parents[2] / "examples"
SVG = "{http://www.w3.org/2000/svg}"
BUILT_IN = {
    *(
        "alexnet-mini",
        "bike-mlp",
        "cnn-mini",
        "densenet-mini",
        "diabetes-mlp",
        "edge-cnn",
        "fashion-mlp",
        "googlenet-mini",
        "lenet",
    ),
    *("linear-regression", "logistic-regression", "mnist-mlp", "resnet-mini", "rnn-mini", "softmax-regression"),
    *("lenet", "vgg-mini"),
}


def words(drawing):
    """The texts of a picture, which must be well-formed XML."""
    root = ElementTree.fromstring(drawing.svg)
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def chain_of(network, shape):
    return structure(trace(network, shape))


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_the_picture_of_a_built_in_network_shows_all_its_parameters(name, registry):
    architecture = registry.architecture(name)
    shape = registry.dataset(architecture.dataset).network_shape
    found = trace(zoo.create_model(name, registry=registry), shape)
    assert found.problem == ""
    assert sum(step.parameters for step in found.steps) == architecture.parameters
    drawing = zoo.draw(name, registry=registry)
    root = ElementTree.fromstring(drawing.svg)
    texts = words(drawing)
    assert texts[0] == f"{name}: {architecture.parameters:,} parameter{'s' if architecture.parameters != 1 else ''}"
    assert f"input {' × '.join(map(str, shape))}" in texts
    assert float(root.get("width")) <= WIDTH
    assert root.get("role") == "img"
    assert root.find(f"{SVG}title").text == texts[0]
    assert root.get("aria-label") == f"The layers of the network {texts[0]}"
    assert root.find(f"{SVG}desc").text == drawing.description


def test_every_built_in_architecture_is_tested(registry):
    assert {spec.name for spec in registry.architectures.values() if "/" not in spec.name} == BUILT_IN


def test_texts_are_inside_the_picture(registry):
    for name in sorted(BUILT_IN):
        root = ElementTree.fromstring(zoo.draw(name, registry=registry).svg)
        width, height = float(root.get("width")), float(root.get("height"))
        for box in root.iter(f"{SVG}rect"):
            assert float(box.get("width")) <= width
            assert float(box.get("height")) <= height


def test_the_branches_of_an_inception_block(registry):
    chain = chain_of(zoo.create_model("googlenet-mini", registry=registry), (1, 28, 28))
    first, second = (item for item in chain.items if isinstance(item, Block))
    branches, join = first.body.items
    assert [len(branch.items) for branch in branches.chains] == [1, 2, 3, 2]
    assert (join.kind, join.shape) == ("concatenate", (88, 12, 12))
    assert (first.names, second.names) == (("inception1",), ("inception2",))


def test_the_shortcut_of_a_residual_block_is_an_empty_branch(registry):
    chain = chain_of(zoo.create_model("resnet-mini", registry=registry), (1, 28, 28))
    block = next(item for item in chain.items if isinstance(item, Block))
    branches, join, _ = block.body.items
    assert [[step.kind for step in branch.items] for branch in branches.chains] == [["Conv2d", "ReLU", "Conv2d"], []]
    assert join.kind == "add"


def test_a_gated_shortcut_is_a_web(registry):
    chain = chain_of(zoo.create_model("resnet-mini", registry=registry, block="exclusive-gating"), (1, 28, 28))
    block = next(item for item in chain.items if isinstance(item, Block))
    web = block.body.items[0]
    assert isinstance(web, Web)
    assert [step.kind for step in web.items].count("multiply") == 2
    assert {source for source, target in web.edges if target - source > 1} >= {-1}


def test_dense_layers_are_drawn_once_with_their_number_and_the_growth_of_the_channels(registry):
    chain = chain_of(zoo.create_model("densenet-mini", registry=registry), (1, 28, 28))
    inner = [item for item in chain.items[0].body.items if isinstance(item, Block)]
    assert [len(block.names) for block in inner] == [4, 1, 4, 1, 4]
    assert [shape[0] for shape in inner[0].shapes] == [24, 36, 48, 60, 72]
    texts = words(zoo.draw("densenet-mini", registry=registry))
    assert "features.2 … 5 DenseLayer × 4" in texts
    assert "the first is shown; channels 24 → 36 → 48 → 60 → 72" in texts


class Odd(nn.Module):
    """Control flow, a shared layer, an operator with a parameter, and an unused result."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.shift = nn.Parameter(torch.ones(4))
        self.unused = nn.Linear(4, 2)

    def forward(self, inputs):
        x = inputs.flatten(1)
        for _ in range(3 if x.sum() == 0 else 1):
            x = functional.relu(self.layer(x))
        self.unused(x)
        return 1 - (x * 0.5 + self.shift)


def test_control_flow_shared_layers_and_operators():
    found = trace(Odd(), (4,))
    assert [(step.kind, step.parameters, step.shared) for step in found.steps] == [
        ("Flatten", 0, False),
        ("Linear", 20, False),
        ("ReLU", 0, False),
        ("Linear", 0, True),
        ("ReLU", 0, False),
        ("Linear", 0, True),
        ("ReLU", 0, False),
        ("× 0.5", 0, False),
        ("+ parameters", 4, False),
        ("1 − x", 0, False),
    ]
    texts = words(zoo.draw(Odd(), input_shape=(4,)))
    assert sum("same parameters" in text for text in texts) == 2
    assert "10 parameters in modules that a prediction does not use are not shown." in texts


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.dropout, self.relu, self.layer = nn.Dropout(), nn.ReLU(inplace=True), nn.Linear(4, 4)

    def forward(self, inputs):
        kept = inputs + 1
        changed = self.relu(kept)  # kept is changed too
        return self.layer(self.dropout(changed)) + kept


def test_a_shortcut_starts_before_a_layer_that_hands_on_its_input_and_after_one_that_works_in_place():
    chain = chain_of(InPlace(), (4,))
    assert [getattr(item, "kind", "") for item in chain.items] == ["+ 1", "ReLU", "", "add"]
    branches = chain.items[2]
    assert isinstance(branches, Branches)
    assert [[step.kind for step in branch.items] for branch in branches.chains] == [["Dropout", "Linear"], []]


class Fails(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList([nn.Linear(3, 2), nn.MultiheadAttention(4, 2)])

    def forward(self, inputs):
        raise RuntimeError("no zeros, <please>")


def test_a_network_that_does_not_run_is_drawn_as_it_is_declared():
    drawing = zoo.draw(Fails(), input_shape=(3,))
    texts = words(drawing)
    assert any("did not run" in text for text in texts)
    assert {"parts.0", "parts.1"} <= {part for text in texts for part in text.split(" · ")}
    assert not any("out_proj" in text for text in texts)
    assert "RuntimeError: no zeros, <please>" in drawing.description


def test_a_network_without_layers_can_be_drawn():
    class Nothing(nn.Module):
        def forward(self, inputs):
            return inputs

    assert "output" in " ".join(words(zoo.draw(Nothing(), input_shape=(3,))))


HOSTILE = '<script>alert("1")</script>&\x1b[31m\u202e' + "n" * 200


def test_names_are_not_markup_and_stay_in_their_box():
    network = nn.Sequential(type(HOSTILE, (nn.Identity,), {})(), nn.Linear(3, 3))
    network.add_module(f"{HOSTILE}\ud800", type(HOSTILE, (nn.Linear,), {"__module__": "x"})(3, 3))
    drawing = zoo.draw(network, input_shape=(3,))
    root = ElementTree.fromstring(drawing.svg.encode())
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "g", "text", "tspan", "path"}
    assert "\x1b" not in drawing.svg
    assert all(len(text) < 60 for text in words(drawing))


def test_drawing_changes_neither_the_network_nor_the_random_numbers():
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout())
    network[1].eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    zoo.draw(network, input_shape=(3,))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert [module.training for module in network] == [True, False, True]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_a_large_network_is_drawn_without_its_innermost_content():
    def block(number):
        layers = [nn.Linear(4, 4), nn.ReLU(), *[nn.Tanh()] * (number % 7 + 1)]
        return nn.Sequential(*layers)

    network = nn.Sequential(*(nn.Sequential(block(number), nn.Sigmoid(), block(number + 1)) for number in range(40)))
    chain = chain_of(network, (4,))
    assert count_layers(chain) <= MOST_LAYERS
    assert sum(item.parameters for item in chain.items) == 80 * 20


def test_the_command_writes_the_picture(zoo_command, tmp_path):
    done = zoo_command("draw", "lenet")
    assert (done.code, done.out) == (0, "lenet.svg\n")
    ElementTree.parse("lenet.svg")
    done = zoo_command("draw", "resnet-mini", "--set", "block=full-pre-activation", "-o", tmp_path / "new" / "b.svg")
    assert done.code == 0, done.err
    assert "Normalised" in (tmp_path / "new" / "b.svg").read_text()
    done = zoo_command("draw", "lenet", "--dataset", "cifar10", "-o", "c.svg")
    assert done.code == 0, done.err
    assert "input 3 × 32 × 32" in words(zoo.NetworkDrawing(Path("c.svg").read_text(), ""))


def test_the_command_draws_a_run(zoo_command, digits_run):
    done = zoo_command("draw", digits_run.folder, "-o", "run.svg")
    assert done.code == 0, done.err
    assert words(zoo.NetworkDrawing(Path("run.svg").read_text(), ""))[0] == "resnet-mini: 41,514 parameters"
    done = zoo_command("draw", digits_run.folder, "--dataset", "mnist")
    assert done.code == 2
    assert "its network is drawn as it was trained" in done.error


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["lenett"], 2, "There is no run or architecture named 'lenett'. Did you mean 'lenet'?"),
        (["lenet", "-o", "lenet.png"], 2, "Drawings are SVG files"),
        (["lenet", "--set", "face=new"], 2, "face must be one of"),
        (["lenet", "--set", "lr=0.1"], 2, "lr changes the training and not the network. Leave out --set lr=…."),
        (["lenet", "--set", "colour=red"], 2, "colour"),
        (["lenet", "--dataset", "diabetes"], 1, "cannot be built"),
        (["lenet", "--dataset", "mnits"], 2, "Did you mean 'mnist'?"),
        (["lenet.onnx"], 2, "lenet.onnx is an exported file. A drawing needs the architecture or the run."),
    ],
)
def test_wrong_input_gives_one_line(zoo_command, arguments, code, message):
    done = zoo_command("draw", *arguments)
    assert done.code == code, done.err
    assert message in done.error
    assert done.err.count("\n") <= 2


def test_a_module_needs_a_shape_and_takes_no_options():
    with pytest.raises(zoo.UsageError, match="with input_shape"):
        zoo.draw(nn.Linear(2, 2))
    with pytest.raises(zoo.UsageError, match="with no options"):
        zoo.draw(nn.Linear(2, 2), input_shape=(2,), width=3)


def test_a_notebook_shows_the_picture():
    drawing = zoo.draw(nn.Linear(2, 2), input_shape=(2,))
    assert drawing._repr_svg_() == drawing.svg
    assert re.match(r"<svg xmlns=", drawing.svg)


def test_a_network_for_texts_is_drawn_with_text_as_its_input(registry, monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES / "zoo-text")
    registry.add(zoo.Plugin("zoo-text", "third-party", "1.0", "zoo_text"), importlib.import_module("zoo_text"))
    drawing = zoo.draw("word-gru", registry=registry)
    assert "did not run" not in drawing.svg
    assert "Embedding" in drawing.description
    assert "GRU" in drawing.description
