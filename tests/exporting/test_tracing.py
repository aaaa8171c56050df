"""What a network does that no file can repeat is noted with its line, and what torch refuses gets a remedy."""

import random
import sys
import time
import traceback
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from zoo.exporting import tracing
from zoo.exporting.tracing import Observation, first_line, generator_states, is_of_the_network, own_name, place_of

HERE = SimpleNamespace(f_code=SimpleNamespace(co_filename=__file__, co_name="forward"), f_lineno=1, f_back=None)
"""A frame of this file, which is not of the library, so it may define a network."""
LIBRARY = SimpleNamespace(f_code=SimpleNamespace(co_filename=torch.__file__, co_name="f"), f_lineno=1, f_back=None)


def calls(*events):
    """What is noted of the calls of functions, as Python reports them to a profiler."""
    observation = Observation(nn.Linear(1, 1), torch.zeros(1))
    for event in events:
        observation._note_call(*event)
    return observation.calls


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (time.time, "time.time()"),
        (random.Random(0).random, "random.random()"),
    ],
)
def test_a_call_of_a_clock_or_of_random_numbers_is_noted_with_its_line(function, name):
    assert list(calls((HERE, "c_call", function), (HERE, "c_return", function))) == [name]
    assert calls((HERE, "c_call", function))[name].startswith(f" at {__file__}:1 (`")
    assert calls((LIBRARY, "c_call", function)) == {}


def test_a_function_of_random_that_is_written_in_python_is_noted_where_the_network_calls_it():
    inside = SimpleNamespace(f_code=SimpleNamespace(co_filename=random.__file__, co_name="randint"), f_back=HERE)
    assert list(calls((inside, "call", None))) == ["random.randint()"]
    for caller in (LIBRARY, None):
        elsewhere = SimpleNamespace(f_code=inside.f_code, f_back=caller)
        assert calls((elsewhere, "call", None)) == {}


def test_other_functions_are_not_noted():
    assert calls((HERE, "c_call", len), (HERE, "c_call", "text".upper), (HERE, "call", None)) == {}


def test_a_profiler_of_the_user_stays():
    def profiler(*_):
        return None

    sys.setprofile(profiler)
    try:
        with Observation(nn.Linear(1, 1), torch.zeros(1)):
            assert sys.getprofile() is profiler
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(None)


class Draws(nn.Module):
    """Holds a generator of each kind."""

    def __init__(self):
        super().__init__()
        self.python = random.Random(0)
        self.old = np.random.RandomState(0)
        self.new = np.random.default_rng(0)


@pytest.mark.parametrize("name", ["python", "old", "new"])
def test_a_generator_that_a_network_keeps_is_observed(name):
    network = nn.Sequential(Draws())
    before = generator_states(network)
    getattr(network[0], name).random() if name != "old" else network[0].old.rand()
    changed = [about for about, state in generator_states(network).items() if state != before[about]]
    assert changed == [f"numbers of its {name}"]


@pytest.mark.parametrize(("chance", "harmless"), [(0.0, True), (1.0, True), (0.5, False)])
def test_dropout_that_drops_nothing_or_all_is_not_random(chance, harmless):
    drawn = torch.ops.aten.bernoulli.p
    assert tracing._has_no_effect(drawn, (torch.zeros(1), chance), {}) is harmless
    assert tracing._has_no_effect(drawn, (torch.zeros(1),), {"p": chance}) is harmless
    assert not tracing._has_no_effect(torch.ops.aten.bernoulli.default, (torch.zeros(1),), {})
    assert not tracing._has_no_effect(torch.ops.aten.rand.default, ([1],), {})


def test_a_network_of_python_is_none():
    assert is_of_the_network(__file__)
    assert not is_of_the_network(traceback.__file__)
    assert not is_of_the_network(torch.__file__)
    assert place_of(traceback.StackSummary.from_list([("<string>", 1, "f", "x")])) == ""


def test_the_first_line_of_an_error_is_enough():
    assert first_line(ValueError("\n  one.\ntwo")) == "ValueError: one"
    assert first_line(KeyError()) == "KeyError: no message"


def test_names_are_those_of_the_network_itself():
    assert own_name("0.network.head.weight") == "head.weight"
    assert own_name(".1.scale") == "scale"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("Could not extract specialized integer from data-dependent expression u0", "turns a tensor into a Python"),
        ("Could not guard on data-dependent expression Eq(u0, 1)", "branches on its data. Use torch.where"),
        ("Constraints violated (batch)! - Not all values are valid", "branches on the batch size. Predictions must"),
        (
            "Constraints violated (batch)! your code specialized it to be a constant (3)",
            "the batch size is fixed at 3 (that of the traced example). Use -1 or x.shape[0]",
        ),
        (".numpy() is not supported for tensor subclasses.", "it calls .numpy(), which no file can do"),
        ("anything else.\nmore", "RuntimeError: anything else"),
    ],
)
def test_what_torch_refuses_gets_a_remedy(text, remedy):
    error = ValueError("outer")
    error.__cause__ = RuntimeError(text)
    assert remedy in tracing._cause(error, [])


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("for row in x:", "A loop over the samples has a fixed number of steps"),
        ("x.view(len(x), -1)", "len() gives a fixed number"),
        ("x.view(3, -1)", "Use -1 or x.shape[0] instead of a number"),
    ],
)
def test_a_fixed_batch_size_gets_the_remedy_for_its_line(line, remedy):
    text = "Constraints violated (batch)! specialized it to be a constant (3)"
    guards = [("Ne(s0, 1)", " at other.py:1 (`other`)"), ("Eq(s0, 3)", f" at net.py:1 (`{line}`)"), ("Eq(s0, 3)", "")]
    found = tracing._cause(RuntimeError(text), guards)
    assert f" at net.py:1 (`{line}`)" in found
    assert remedy in found


def test_a_branch_on_the_batch_size_is_named_where_it_is():
    guards = [("Ne(s0, 1)", " at net.py:2 (`if len(x) > 1:`)"), ("Ne(s0, 2)", "")]
    found = tracing._cause(RuntimeError("Constraints violated (batch)!"), guards)
    assert found.startswith("it branches on the batch size at net.py:2 (`if len(x) > 1:`).")
