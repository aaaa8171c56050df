"""The search space: defaults from typed options, ranges and lists of the user, and their errors."""

import dataclasses

import pytest
from builtin_tasks import TASKS

import zoo
from zoo import InvalidValue, UnknownName, UsageError
from zoo.specs.hyperparameters import resolve
from zoo.tuning.objectives import direction, parse_objectives
from zoo.tuning.space import make_space, parse_dimension, suggest, typed

LR = zoo.Option(name="lr", default=0.05, above=0)
WIDTH = zoo.Option(name="width", default=16, minimum=1, maximum=1000)
SIZES = zoo.Option(name="sizes", default=(16, 32), minimum=1)
KIND = zoo.Option(name="kind", default="a", choices=("a", "b"))


@pytest.mark.parametrize(
    ("option", "text", "kind", "low", "high", "log"),
    [
        (LR, "0.001..0.1", "float", 0.001, 0.1, True),
        (LR, "0.05..0.1", "float", 0.05, 0.1, False),
        (LR, "1e-4..1", "float", 1e-4, 1, True),
        (WIDTH, "4..64", "int", 4, 64, True),
        (WIDTH, "4..8", "int", 4, 8, False),
    ],
)
def test_ranges(option, text, kind, low, high, log):
    found = parse_dimension(option, text, option.default)
    assert (found.kind, found.low, found.high, found.log) == (kind, low, high, log)
    assert low <= found.first <= high


def test_lists():
    assert parse_dimension(KIND, "b,a", "a").choices == ["b", "a"]
    assert parse_dimension(LR, "0.1,0.01", 0.05).choices == [0.1, 0.01]
    assert parse_dimension(LR, "0.1,0.01", 0.05).first == 0.1
    assert parse_dimension(SIZES, "8,16|32,64", (8, 16)).choices == ["8,16", "32,64"]


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        (LR, "0.1..0.001", r"the range must rise. Write lr=0.001..0.1."),
        (LR, "0.1..0.1", r"the range must rise. Write --set lr=0.1."),
        (LR, "0..0.1", r"lr must be a number \(above 0\), not 0."),
        (LR, "low..high", r"lr must be a number \(above 0\), not low."),
        (LR, "..0.1", r"lr must be a number"),
        (LR, "0.1..", r"lr must be a number"),
        (LR, "", r"lr must be a number"),
        (WIDTH, "1..2000", r"width must be a whole number \(at least 1 and at most 1000\), not 2000."),
        (WIDTH, "1.5..4", r"width must be a whole number"),
        (KIND, "a..b", r"a range needs numbers. Give a list: kind=A,B."),
        (KIND, "a,c", r"kind must be one of a, b, not c."),
        (SIZES, "1..9", r"a range needs numbers"),
    ],
)
def test_what_is_no_range(option, text, message):
    with pytest.raises(InvalidValue, match=message):
        parse_dimension(option, text, option.default)


def space_of(registry, texts=None, fixed=None, names=("tiny-cnn",)):
    fixed = fixed or {}
    chosen = {name: value for name, value in fixed.items() if name in ("lr", "epochs")}
    recipes = {name: resolve(registry.architecture(name).hyperparameters, chosen) for name in names}
    return make_space(registry, recipes, texts or {}, fixed)


def test_the_default_space_has_the_options_and_the_main_hyperparameters(tiny_registry):
    found = {d.name: d for d in space_of(tiny_registry)["tiny-cnn"]}
    assert found.keys() == {"dropout", "bias", "lr", "weight_decay", "batch_size"}
    assert (found["lr"].low, found["lr"].high, found["lr"].first) == pytest.approx((0.01, 1.0, 0.1))
    assert found["bias"].choices == [False, True]
    assert found["batch_size"].choices == [8, 16, 32]
    assert 0 <= found["dropout"].low < found["dropout"].high < 1


def test_the_user_narrows_adds_and_fixes(tiny_registry):
    found = {
        d.name: d
        for d in space_of(tiny_registry, {"lr": "0.2,0.3", "optimizer": "sgd,adamw"}, {"bias": False})["tiny-cnn"]
    }
    assert found["lr"].choices == [0.2, 0.3]
    assert found["optimizer"].first == "sgd"
    assert "bias" not in found


def test_a_search_over_optimisers_widens_the_range_of_the_rate(tiny_registry):
    found = {d.name: d for d in space_of(tiny_registry, {"optimizer": "sgd,adamw"})["tiny-cnn"]}
    assert found["lr"].low == pytest.approx(0.001)


def space_of_options(registry, *options):
    """What is searched of an architecture that has ``options``."""
    spec = dataclasses.replace(registry.architecture("tiny-cnn"), options=options)
    registry._specs[zoo.Architecture]["tiny-cnn"] = spec
    return {d.name: d for d in space_of(registry)["tiny-cnn"]}


def test_choices_are_searched_if_there_are_several(tiny_registry):
    single = zoo.Option(name="single", default="a", choices=("a",))
    word = zoo.Option(name="word", default="a")
    found = space_of_options(tiny_registry, KIND, single, word, SIZES)
    assert found["kind"].choices == ["a", "b"]
    assert not found.keys() & {"single", "word", "sizes"}


@pytest.mark.parametrize(
    ("limits", "kind", "low", "high"),
    [
        ({"default": 16}, "int", 4, 32),
        ({"default": 16, "minimum": 6, "maximum": 20}, "int", 6, 20),
        ({"default": 4, "above": 3, "below": 6}, "int", 4, 5),
        ({"default": 0, "minimum": 0, "maximum": 3}, "int", 0, 3),
        ({"default": 0.5}, "float", 0.125, 1.0),
        ({"default": 0.5, "minimum": 0.25, "maximum": 4.0}, "float", 0.25, 4.0),
        ({"default": 0.5, "above": 0, "below": 1}, "float", 0.09, 0.9),
    ],
)
def test_numbers_are_searched_around_the_default_inside_the_limits(tiny_registry, limits, kind, low, high):
    option = zoo.Option(name="size", **limits)
    found = space_of_options(tiny_registry, option)["size"]
    assert (found.kind, found.first) == (kind, limits["default"])
    assert (found.low, found.high) == pytest.approx((low, high))
    assert all(option.check(type(found.first)(end)) is not None for end in (found.low, found.high))


def test_a_number_without_room_is_not_searched(tiny_registry):
    options = zoo.Option(name="off", default=0), zoo.Option(name="exact", default=2, minimum=2, maximum=2)
    assert not space_of_options(tiny_registry, *options).keys() & {"off", "exact"}


def test_a_trial_draws_whole_numbers_for_a_range_of_whole_numbers(tiny_registry):
    import optuna

    space = {"tiny-cnn": list(space_of_options(tiny_registry, WIDTH).values())}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    drawn = [suggest(study.ask(), ["tiny-cnn"], space)[1]["width"] for _ in range(20)]
    assert all(type(width) is int and 4 <= width <= 32 for width in drawn)
    assert len(set(drawn)) > 1


@pytest.mark.parametrize(
    ("texts", "fixed", "error", "message"),
    [
        ({"lrr": "1..2"}, {}, UnknownName, "There is no setting of tiny-cnn named 'lrr'. Did you mean 'lr'"),
        ({"lr": "1..2"}, {"lr": 0.1}, UsageError, "lr is both fixed"),
        ({}, {"dropuot": 0.1}, UnknownName, "There is no setting of tiny-cnn named 'dropuot'. Did you mean 'dropout'"),
    ],
)
def test_names_in_the_space(tiny_registry, texts, fixed, error, message):
    with pytest.raises(error, match=message):
        space_of(tiny_registry, texts, fixed)


def test_ranges_that_differ_have_their_own_keys(tiny_registry):
    spec = tiny_registry.architecture("tiny-cnn")
    other = dataclasses.replace(spec, name="tiny-two", hyperparameters={**spec.hyperparameters, "lr": 0.3})
    tiny_registry._specs[zoo.Architecture]["tiny-two"] = other
    names = ["tiny-cnn", "tiny-two"]
    space = space_of(tiny_registry, names=names)
    keys = {name: {d.name: d.key for d in space[name]} for name in names}
    assert keys["tiny-cnn"]["lr"] == "tiny-cnn: lr"
    assert keys["tiny-two"]["lr"] == "tiny-two: lr"
    assert keys["tiny-cnn"]["dropout"] == keys["tiny-two"]["dropout"] == "dropout"

    class Trial:
        def suggest_categorical(self, key, choices):
            return choices[-1]

        def suggest_float(self, key, low, high, log):
            return low

    name, settings = suggest(Trial(), names, space)
    assert name == "tiny-two"
    assert settings["lr"] == pytest.approx(0.03)
    assert settings["batch_size"] == 32


def test_a_list_is_a_tuple_again(tiny_registry):
    spec = dataclasses.replace(tiny_registry.architecture("tiny-cnn"), options=(SIZES,))
    assert typed(spec, tiny_registry, {"sizes": "8,16", "lr": 0.1}) == {"sizes": (8, 16), "lr": 0.1}


def test_objectives():
    assert parse_objectives(None, TASKS["regression"].spec) == ["mae"]
    assert parse_objectives("accuracy, params", TASKS["classification"].spec) == ["accuracy", "params"]
    with pytest.raises(UnknownName, match=r"no objective named 'acuracy'. Did you mean 'accuracy'"):
        parse_objectives("acuracy", TASKS["classification"].spec)
    with pytest.raises(InvalidValue, match="named once"):
        parse_objectives("loss,loss", TASKS["binary"].spec)
    assert [direction(name) for name in ("mae", "r2", "loss", "params")] == [
        "minimize",
        "maximize",
        "minimize",
        "minimize",
    ]
