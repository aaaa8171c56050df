"""Values of options with a unit, and settings that are given twice or without a value."""

from types import SimpleNamespace

import click
import pytest

from zoo import UnknownName, UsageError
from zoo.commandline.options import COUNT, LATENCY, SIZE, TIME
from zoo.commandline.settings import _pairs, check_dataset_name, data_settings, epochs_given, search_space
from zoo.commands.export_options import chosen_formats, chosen_reduction


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (COUNT, "20k", 20_000),
        (COUNT, "1.5M", 1_500_000),
        (COUNT, "2G", 2_000_000_000),
        (COUNT, "20", 20),
        (COUNT, 7, 7),
        (TIME, "10m", 600.0),
        (TIME, " 2 h", 7_200.0),
        (TIME, 5, 5.0),
        (LATENCY, "50us", 50e-6),
        (SIZE, "1.5MB", 1_500_000.0),
        (SIZE, "2KiB", 2_048.0),
    ],
)
def test_a_value_with_a_unit(kind, text, value):
    assert kind.convert(text, None, None) == pytest.approx(value)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (COUNT, "many", "'many' is not a count; write 20000, 20k or 1.5M."),
        (COUNT, "-1", "'-1' is not a count"),
        (COUNT, "1e15", "'1e15' is not a count"),
        (COUNT, "", "'' is not a count"),
        (TIME, "2 weeks", "'2 weeks' is not a time; write 30s, 10m or 2h."),
        (TIME, "h", "'h' is not a time"),
        (TIME, "0s", "'0s' is not a time above 0"),
        (LATENCY, "50", "'50' is not a latency; write 50us or 2ms."),
        (SIZE, "1.2.3", "'1.2.3' is not a size"),
        (SIZE, "99999999999999GB", "is not a size above 0"),
    ],
)
def test_a_value_that_is_none_is_refused(kind, text, message):
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    assert message in str(caught.value)


def test_a_setting_is_given_once_and_with_a_value():
    assert search_space({"space": ["lr=0.1..1", "bias=true,false"]}) == {"lr": "0.1..1", "bias": "true,false"}
    with pytest.raises(UsageError, match=r"^lr is set twice\.$"):
        search_space({"space": ["lr=1", "lr=2"]})
    with pytest.raises(UsageError, match=r"^epochs is set twice\.$"):
        _pairs("--set", ["epochs=1"], {"epochs": "2"})
    with pytest.raises(UsageError, match=r"--set 'lr' does not have the form NAME=VALUE. Write --set lr=VALUE"):
        _pairs("--set", ["lr"], ())
    assert (epochs_given({"epochs": None}), epochs_given({"epochs": "3"})) == (None, 3)


@pytest.mark.parametrize(
    ("reference", "options", "error", "message"),
    [
        ("digits", {"target": "y"}, UsageError, "--target is for CSV files; digits is none: it has its own target"),
        ("digits", {"data_options": ["sise=3"]}, UnknownName, "sise"),
    ],
)
def test_an_option_that_the_data_do_not_have_is_refused(reference, options, error, message, registry):
    given = {"target": None, "data_options": ()} | options
    with pytest.raises(error, match=message):
        data_settings(registry, reference, given)
    assert data_settings(registry, reference, {"target": None, "data_options": ()}) == {}


def test_a_dataset_is_registered_or_that_of_a_run(registry):
    run = SimpleNamespace(record=SimpleNamespace(data=SimpleNamespace(name="mine.csv")))
    check_dataset_name("digits", registry, [])
    check_dataset_name("mine.csv", registry, [run])
    with pytest.raises(UnknownName, match="Did you mean 'digits'"):
        check_dataset_name("digts", registry, [run])


def test_one_smaller_form_of_the_chosen_format():
    formats = {name: SimpleNamespace(reductions=reductions) for name, reductions in
        (("onnx", {"int8": "f", "fp16": "f"}), ("pt2", {}))}  # fmt: skip
    registry = SimpleNamespace(exporters=formats, exporter=formats.get)
    none = {"reduction_int8": False, "reduction_fp16": False, "format_onnx": True, "format_pt2": False}
    assert chosen_formats(registry, none) == ["onnx"]
    assert chosen_reduction(registry, "onnx", none) == ""
    assert chosen_reduction(registry, "onnx", none | {"reduction_int8": True}) == "int8"
    with pytest.raises(UsageError, match=r"^Choose one smaller form: --fp16 or --int8\.$"):
        chosen_reduction(registry, "onnx", none | {"reduction_int8": True, "reduction_fp16": True})
    with pytest.raises(UsageError, match=r"^--int8 is not a form of --pt2\.$"):
        chosen_reduction(registry, "pt2", none | {"reduction_int8": True})
