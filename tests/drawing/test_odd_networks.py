"""How unusual networks are drawn: constants, layers inside layers, shortcuts inside branches, blocks that grow."""

from xml.etree import ElementTree

import pytest
import torch
from torch import nn
from torch.nn import functional

import zoo
from zoo.drawing.structure import MOST_LAYERS, Block, Branches, Chain, Web, count_layers, structure
from zoo.drawing.trace import trace

SVG = "{http://www.w3.org/2000/svg}"


class Computes(nn.Module):
    """A network whose ``forward`` is a function of itself and its inputs."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, inputs):
        return self.function(self, inputs)


class Shortcut(nn.Module):
    """Two layers beside a line."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, inputs):
        return self.two(self.one(inputs)) + inputs


class Crossed(nn.Module):
    """Its connections are neither a chain nor branches."""

    def __init__(self, one=None):
        super().__init__()
        self.one, self.two = one or nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, inputs):
        first, second = self.one(inputs), self.two(inputs)
        return (first + second) * torch.tanh(first)


def texts_of(network, shape):
    root = ElementTree.fromstring(zoo.draw(network, input_shape=shape).svg)
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


def kinds(chain):
    """The kinds of the steps in nested lists, one for each branch."""
    return [
        [kinds(branch) for branch in item.chains] if isinstance(item, Branches) else getattr(item, "kind", "web")
        for item in chain.items
    ]


def test_a_network_that_ignores_its_input_is_drawn_as_it_is_declared():
    network = Computes(lambda self, inputs: self.layer(torch.zeros(2, 3)), layer=nn.Linear(3, 3))
    found = trace(network, (5,))
    assert found.problem == "The output does not depend on the input"
    assert [(step.kind, step.shape, step.parameters) for step in found.steps] == [("Linear", None, 12)]
    description = zoo.draw(network, input_shape=(5,)).description
    assert "The output does not depend on the input: these are its layers" in description
    assert "did not run" not in description


def test_empty_containers_are_not_drawn():
    def fail(self, inputs):
        raise RuntimeError("no")

    network = Computes(fail, empty=nn.Sequential(), full=nn.Sequential(nn.Linear(3, 2)), none=nn.ModuleList())
    assert [step.name for step in trace(network, (3,)).steps] == ["full.0"]


def test_a_layer_of_torch_that_calls_other_layers_is_one_box():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    (step,) = trace(nn.Sequential(layer), (3, 8)).steps
    assert step.kind == "TransformerEncoderLayer"
    assert step.shape == (3, 8)
    assert step.parameters == sum(parameter.numel() for parameter in layer.parameters())


def test_what_is_computed_from_parameters_alone_belongs_to_the_step_that_uses_it():
    def scaled(self, inputs):
        positive = functional.softplus(self.scale.requires_grad_())
        return self.layer(inputs) * positive / 2

    network = Computes(scaled, layer=nn.Linear(3, 3), scale=nn.Parameter(torch.ones(3)))
    steps = trace(network, (3,)).steps
    assert [(step.kind, step.parameters) for step in steps] == [("Linear", 12), ("× parameters", 3), ("÷ 2", 0)]


def test_what_a_layer_makes_of_a_constant_is_a_constant():
    def forward(self, inputs):
        return self.layer(inputs) + self.layer(torch.zeros(2, 3))

    steps = trace(Computes(forward, layer=nn.Linear(3, 3)), (3,)).steps
    assert [step.kind for step in steps] == ["Linear", "+ constants"]


class Several(nn.Module):
    """A layer that gives its input in a dictionary, a list and a tuple, with other values beside it."""

    def forward(self, inputs):
        return {"kept": inputs, "twice": [2 * inputs, (None, 3)]}


def test_a_shortcut_passes_a_layer_that_hands_on_its_input_in_a_dictionary():
    def forward(self, inputs):
        start = self.first(inputs)
        found = self.several(start)
        return self.last(found["kept"] + found["twice"][0]) + start

    network = Computes(forward, first=nn.Linear(3, 3), several=Several(), last=nn.Linear(3, 3))
    chain = structure(trace(network, (3,)))
    assert kinds(chain) == ["Linear", [["Several", "add", "Linear"], []], "add"]


def test_a_result_that_is_multiplied_by_itself_is_not_a_constant():
    steps = trace(Computes(lambda self, inputs: (inputs * inputs) + torch.ones(4)), (4,)).steps
    assert [step.kind for step in steps] == ["multiply", "+ constants"]


def test_functions_are_named_with_their_settings():
    def forward(self, inputs):
        pooled = functional.max_pool2d(inputs, 2, 1)
        pooled = functional.avg_pool2d(pooled, 3, 2)
        chosen = pooled.flatten(1)[:, torch.tensor([0, 1])]
        return functional.linear(chosen.T.mT, self.weight)

    steps = trace(Computes(forward, weight=nn.Parameter(torch.ones(3, 2))), (2, 4, 4)).steps
    assert [(step.kind, step.detail) for step in steps][:4] == [
        ("MaxPool2d", "2×2, stride 1"),
        ("AvgPool2d", "3×3, stride 2"),
        ("Flatten", ""),
        ("select", "[:, …]"),
    ]
    assert [step.kind for step in steps][4:] == ["T", "mT", "Linear"]


def test_a_module_that_only_contains_another_one_is_not_drawn():
    chain = structure(trace(nn.Sequential(nn.Sequential(Shortcut()), nn.ReLU()), (4,)))
    assert [item.kind for item in chain.items] == ["Shortcut", "ReLU"]
    assert chain.items[0].names == ("0.0",)


def test_a_shortcut_inside_a_branch_stays_in_that_branch():
    def forward(self, inputs):
        first = torch.relu(inputs)
        return first + torch.tanh(first) + torch.sigmoid(inputs)

    chain = structure(trace(Computes(forward), (4,)))
    (branches, join) = chain.items
    assert join.kind == "add"
    assert sorted(map(str, kinds(Chain((branches,)))[0])) == ["['ReLU', [['Tanh'], []], 'add']", "['Sigmoid']"]


def test_equal_blocks_with_crossed_connections_are_drawn_once():
    chain = structure(trace(nn.Sequential(Crossed(), Crossed(), Crossed(nn.ReLU())), (4,)))
    assert [item.names for item in chain.items] == [("0", "1"), ("2",)]
    assert any(isinstance(item, Web) for item in chain.items[0].body.items)


def empty_blocks(item):
    """How many blocks inside ``item`` are drawn without their content."""
    inside = item.body.items if isinstance(item, Block) else getattr(item, "items", getattr(item, "chains", ()))
    return (isinstance(item, Block) and not inside) + sum(map(empty_blocks, inside))


@pytest.mark.timeout(60)
def test_a_large_network_loses_the_content_of_blocks_in_branches_and_in_crossed_connections():
    class Large(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList(
                nn.Sequential(nn.Linear(4, 4), *[nn.ReLU()] * (number % 5 + 1), nn.Linear(4, 4)) for number in range(12)
            )

        def forward(self, inputs):
            for one, two in zip(self.blocks[::2], self.blocks[1::2], strict=True):
                first, second = one(inputs), two(inputs)
                inputs = (first + second) * torch.tanh(first)  # crossed
                inputs = inputs + one(inputs)  # a shortcut
            return inputs

    chain = structure(trace(Large(), (4,)))
    assert count_layers(chain) <= MOST_LAYERS
    assert {type(item) for item in chain.items} >= {Branches, Web}
    assert empty_blocks(chain) == 18


def test_blocks_that_grow_show_their_shapes():
    blocks = [nn.Sequential(nn.Linear(2**n, 2 ** (n + 1)), nn.ReLU()) for n in range(2, 5)]
    assert "the first is shown; 4 → 8 → 16 → 32" in texts_of(nn.Sequential(*blocks), (4,))
