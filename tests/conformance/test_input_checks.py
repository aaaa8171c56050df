"""``zoo check`` finds the faults of a kind of input."""

import numpy as np
import pytest
import torch
from torch import nn

import zoo


class Doubles(zoo.InputMethods):
    def examples(self, count, generator):
        return super().examples(count, generator).double()


class OwnRandomness(zoo.InputMethods):
    def examples(self, count, generator):
        return torch.rand(count, *self.shape)


class Disagrees(zoo.InputMethods):
    def problem(self, inputs):
        return "is always wrong"


class Centred(nn.Module):
    def forward(self, inputs):
        return inputs - inputs.mean(0)

    def describe(self):
        return {}


class OfTheBatch(zoo.InputMethods):
    def fit(self, inputs):
        return Centred()


class WrongShape(zoo.InputMethods):
    @property
    def network_shape(self):
        return (3,)


class Forgetful(zoo.InputMethods):
    def fit(self, inputs):
        module = super().fit(inputs)
        module.mean = nn.Buffer(module.mean, persistent=False)
        return module

    def blank(self):
        module = super().blank()
        module.mean = nn.Buffer(module.mean, persistent=False)
        return module


class Harmless(zoo.InputMethods):
    def extremes(self, real, samples, random):
        yield "all zero", torch.zeros_like(real)

    def probes(self, real, samples, random):
        return self.extremes(real, samples, random)


class OtherShape(zoo.InputMethods):
    def extremes(self, real, samples, random):
        yield "one", real[:1]


class NotFinite(zoo.InputMethods):
    def extremes(self, real, samples, random):
        yield "infinite", torch.full_like(real, float("inf"))


class AnotherEachTime(zoo.InputMethods):
    def extremes(self, real, samples, random):
        yield "noise", torch.rand_like(real)


class Infinite(nn.Module):
    def forward(self, inputs):
        return inputs / 0

    def describe(self):
        return {}


class DividesByZero(zoo.InputMethods):
    def fit(self, inputs):
        return Infinite()


class SilentReader(zoo.InputReader):
    def read(self, name, source, encoding):
        yield zoo.InputSample(name, error="first line\nsecond line")


FAULTS = {
    Doubles: ("examples", "examples gives torch.float64"),
    OwnRandomness: ("examples", "random numbers of its own"),
    Disagrees: ("examples", "a split of examples is always wrong"),
    OfTheBatch: ("normalises", "depends on the batch"),
    WrongShape: ("normalises", "its normalisation gives"),
    Forgetful: ("normalises", "another normalisation"),
    Harmless: ("hostile", "only all zero"),
    OtherShape: ("hostile", "'one' is torch.float32 [1, 4]"),
    AnotherEachTime: ("hostile", "'noise' differs for one seed"),
    DividesByZero: ("normalises", "its normalisation gives numbers that are not finite"),
    NotFinite: ("hostile", "'infinite' is not finite behind the normalisation"),
}


class Plugin:
    def __init__(self, methods=None, reader=None, shapes=((4,),)):
        self.methods, self.reader, self.shapes = methods, reader, shapes

    @zoo.hookimpl
    def register_inputs(self, register) -> None:
        register(
            zoo.Input(
                name="faulty",
                summary="a kind",
                type="float32",
                dimensions=1,
                holds="numbers",
                methods=self.methods,
                reader=self.reader,
                shapes=self.shapes,
            )
        )


def result_of(registry, plugin, name):
    """The result of one check, and of those that it needs."""
    from zoo.conformance.check import find_items, open_workspace, run_check
    from zoo.conformance.contract import REQUIREMENTS

    registry.add(zoo.Plugin("faulty", "third-party", "1.0", "faulty"), plugin)
    (item,) = [item for item in find_items(registry, ["faulty"]) if item.kind == "input"]
    with open_workspace(item, registry) as workspace:
        (wanted,) = [requirement for requirement in REQUIREMENTS["input"] if requirement.name == name]
        return run_check(workspace, wanted)


@pytest.mark.parametrize("methods", FAULTS, ids=lambda methods: methods.__name__)
def test_a_fault_of_a_kind_is_found(methods, registry):
    check, reason = FAULTS[methods]
    found = result_of(registry, Plugin(methods), check)
    assert found.status == "failed", found
    assert reason in found.reason
    assert found.remedy


def test_a_reader_with_an_error_of_two_lines_is_found(registry):
    found = result_of(registry, Plugin(reader=SilentReader), "reads")
    assert found.status == "failed"
    assert "the error is 'first line\\nsecond line'" in found.reason


def test_a_kind_without_methods_has_no_fault(registry):
    assert result_of(registry, Plugin(), "hostile").status == "passed"


class BoldReader(zoo.InputReader):
    def read(self, name, source, encoding):
        yield zoo.InputSample(name, np.full(4, np.nan, np.float32))


def test_a_reader_of_samples_that_no_split_may_hold_is_found(registry):
    found = result_of(registry, Plugin(reader=BoldReader), "reads")
    assert found.status == "failed"
    assert found.reason == "empty is read as a sample that no split may hold"


def test_a_kind_without_a_reader_has_nothing_to_read(registry):
    found = result_of(registry, Plugin(), "reads")
    assert (found.status, found.reason) == ("passed", "it declares no reader")


def test_a_kind_of_unknown_shape_is_not_checked(registry):
    found = result_of(registry, Plugin(shapes=()), "examples")
    assert found.status == "skipped"
    assert found.reason == "no dataset is of the kind faulty, and it declares no shapes"
