import pytest
from hypothesis import given
from hypothesis import strategies as st

import zoo
from zoo import InvalidValue, Option, PluginError, UnknownName
from zoo.registry.recipe_parts import part_options
from zoo.specs.hyperparameters import OPTIONS, resolve
from zoo.specs.options import as_argument
from zoo.specs.settings import parse_settings, split_settings


@pytest.mark.parametrize(
    ("default", "text", "value"),
    [
        (1, "3", 3),
        (0.5, "3", 3.0),
        (0.5, "1e-3", 0.001),
        ("a", "b", "b"),
        (True, "no", False),
        (False, "TRUE", True),
        ((6, 4), "7, 3", (7, 3)),
        ((6, 4), "9", (9,)),
        (("",), "", ("",)),
        (("",), "a, b b ,c", ("a", "b b", "c")),
        (("",), '"width, mm", age', ("width, mm", "age")),
        (("",), '5" disc,"a ""b"""', ('5" disc', 'a "b"')),
    ],
)
def test_a_text_becomes_a_value_of_the_defaults_type(default, text, value):
    parsed = Option(name="x", default=default).parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        (Option(name="x", default=1), "1.5"),
        (Option(name="x", default=1), ""),
        (Option(name="x", default=1, minimum=1), "0"),
        (Option(name="x", default=0.5, above=0), "0"),
        (Option(name="x", default=0.5, below=1), "1"),
        (Option(name="x", default=0.5, maximum=1), "1.1"),
        (Option(name="x", default=0.5), "nan"),
        (Option(name="x", default=0.5), "inf"),
        (Option(name="x", default=True), "maybe"),
        (Option(name="x", default="a", choices=("a", "b")), "c"),
        (Option(name="x", default=(6, 4), minimum=1), "7,0"),
        (Option(name="x", default=(6, 4)), "7,,3"),
        (Option(name="x", default=("a",), choices=("a", "b")), "a,c"),
    ],
)
def test_invalid_text_is_refused_with_the_allowed_values(option, text):
    with pytest.raises(InvalidValue) as caught:
        option.parse(text)
    assert option.describe() in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ['"width, mm', '"a"b,c', "a\nb"])
def test_a_list_with_wrong_quotes_is_refused_with_the_rule(text):
    with pytest.raises(InvalidValue, match="written in double quotes") as caught:
        Option(name="x", default=("",)).parse(text)
    assert "\n" not in str(caught.value)


LIST_ITEMS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).map(str.strip)
FINITE = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(LIST_ITEMS, min_size=1) | st.lists(FINITE, min_size=1))
def test_a_list_is_read_back_from_the_command_that_repeats_it(items):
    assert list(Option(name="x", default=(type(items[0])(),)).parse(as_argument(items))) == items


@pytest.mark.parametrize(
    ("default", "value"), [(1, True), (1, 1.0), (1, "1"), (0.5, "1"), ("a", 1), (True, 1), ((1,), 1), ((1,), ())]
)
def test_a_value_of_another_type_is_refused(default, value):
    with pytest.raises(InvalidValue):
        Option(name="x", default=default).check(value)


@pytest.mark.parametrize(
    "declaration",
    [
        {"name": "no identifier", "default": 1},
        {"name": "x", "default": None},
        {"name": "x", "default": ()},
        {"name": "x", "default": 0, "minimum": 1},
        {"name": "x", "default": "c", "choices": ("a", "b")},
    ],
)
def test_an_option_with_an_invalid_default_is_a_plugin_error(declaration):
    with pytest.raises(PluginError):
        Option(**declaration)


def test_every_hyperparameter_has_a_help_text():
    assert all(option.help for option in OPTIONS)


def test_later_sources_of_hyperparameters_override_earlier_ones():
    assert resolve({"epochs": 3, "lr": 0.5}, {"epochs": 4}).epochs == 4
    assert resolve({"epochs": 3, "lr": 0.5}, {"epochs": 4}).lr == 0.5


def test_settings_reach_training_or_the_architecture_by_name(tiny_registry):
    tiny_cnn = tiny_registry.architecture("tiny-cnn")
    settings = parse_settings(tiny_cnn, {"lr": "1", "dropout": "0.4", "bias": "off"})
    chosen, own = split_settings(tiny_cnn, settings, part_options(tiny_registry))
    assert chosen == {"lr": 1.0}
    assert own == {"dropout": 0.4, "bias": False}


def test_the_error_for_an_unknown_setting_suggests_the_closest(tiny_registry):
    with pytest.raises(UnknownName, match="Did you mean 'dropout'") as caught:
        parse_settings(tiny_registry.architecture("tiny-cnn"), {"dropuot": "0.4"})
    assert "batch_size" in str(caught.value)


def test_all_mistakes_of_a_declaration_are_named_at_once():
    with pytest.raises(PluginError) as caught:
        zoo.Architecture(name="net", sumary="s", task="classification", dataset=3, parameters="x", options=[])
    text = str(caught.value)
    for problem in (
        "no field 'sumary'. Did you mean 'summary'?",
        "the field 'summary' is missing.",
        "the field 'builder' is missing.",
        "dataset must be a string, not 3.",
        "parameters must be a whole number, not 'x'.",
        "options must be a tuple of zoo.Option(...)",
    ):
        assert problem in text
    assert "\n" not in text


def test_all_wrong_values_of_a_declaration_are_named_at_once():
    with pytest.raises(PluginError) as caught:
        zoo.Dataset(
            name="Big Data",
            summary="",
            task="guessing",
            loader="nowhere",
            input_shape=(0,),
            num_outputs=3,
            labels=("one", "two"),
            hyperparameters={"lr": -1},
            options=(Option(name="a", default=1), Option(name="a", default=2)),
        )
    text = str(caught.value)
    for problem in (
        "a name is lower-case letters",
        "summary must be one line",
        "'nowhere' is not of the form 'package.module:name'.",
        "input_shape and num_outputs must be 1 or more.",
        "lr must be a number (above 0), not -1",
        "two options named 'a'",
    ):
        assert problem in text
