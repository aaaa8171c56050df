"""A wrong declaration is refused in a sentence that says what is wrong."""

import pytest

import zoo
from zoo import PluginError


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        (lambda: zoo.Column(name="size", kind="colour"), "kind 'colour' is not one of"),
        (lambda: zoo.Column(name="size", kind="category"), "a category lists its values, other kinds have none"),
        (lambda: zoo.Column(name="size", values=(1.0,)), "a category lists its values, other kinds have none"),
        (lambda: zoo.Column(name="size", kind="category", values=(1.0, 2.0), labels=("a",)), "1 labels for 2 values"),
        (lambda: zoo.Column(name="size", kind="category", values=(1.0, 1.0 + 1e-9)), "different float32 numbers"),
        (lambda: zoo.Option(name="two words", default=1), "is not an identifier"),
        (lambda: zoo.Option(name="size", default=None), "default must be a bool, int, float, str or tuple, not None"),
        (lambda: zoo.Option(name="size", default=(None,)), "is not a bool, int, float, str, or tuple of them"),
        (lambda: zoo.Option(name="size", default=2**54), "whole numbers are at most 2**53"),
        (lambda: zoo.Metric("accuracy"), r"fields are given by name, Metric(name=…)"),
    ],
)
def test_a_wrong_field_is_refused(declare, problem):
    with pytest.raises(PluginError) as caught:
        declare()
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"inspect": "mine:inspect"}, "inspect and open go together; give both, or neither."),
        ({"open": "mine:open"}, "inspect and open go together; give both, or neither."),
        ({"check": None}, "without inspect and open it must have a check, and no reductions."),
        ({"reductions": {"int8": "mine:f"}}, "without inspect and open it must have a check, and no reductions."),
        ({"suffix": "mine"}, "suffix 'mine' must begin with a dot."),
    ],
)
def test_an_exporter_opens_its_files_or_checks_them(fields, problem):
    usual = {"name": "mine", "summary": "a format", "suffix": ".mine", "write": "mine:write", "check": "mine:check"}
    assert list(zoo.Exporter(**usual).problems()) == []
    with pytest.raises(PluginError) as caught:
        zoo.Exporter(**(usual | fields))
    assert str(caught.value) == f"Exporter 'mine': {problem}"
