"""Recipe files: written by `zoo tune`, read by `zoo train --recipe` and by declarations."""

import dataclasses
import json

import pytest

import zoo
from zoo import PluginError, ZooError
from zoo.recipe_file import RecipeFile, read_recipe


@pytest.fixture
def recipe(tmp_path):
    """A recipe for the tiny network."""
    settings = {"lr": 0.0123456789, "epochs": 2, "dropout": 0.4, "optimizer": "adamw"}
    return RecipeFile("tiny-cnn", settings, {"trial": 7}).write(tmp_path / "recipe.json")


def test_a_recipe_can_be_read_again(recipe):
    found = read_recipe(recipe)
    assert found.architecture == "tiny-cnn"
    assert found.settings["lr"] == 0.0123456789
    assert found.about == {"trial": 7}


def test_train_takes_a_recipe_and_options_come_before_it(zoo_command, tiny_registry, runs_dir, recipe):
    command = ("train", "tiny-cnn", "--recipe", recipe, "--epochs", 1, "--set", "momentum=0.5", "--runs-dir", runs_dir)
    done = zoo_command(*command, "--json", registry=tiny_registry)
    config = json.loads(done.out)
    used = config["hyperparameters"]
    assert (used["lr"], used["optimizer"], used["epochs"], used["momentum"]) == (0.0123456789, "adamw", 1, 0.5)
    assert config["options"]["dropout"] == 0.4


def test_a_declaration_can_name_a_recipe(tiny_registry, recipe):
    before = tiny_registry.architecture("tiny-cnn")
    spec = dataclasses.replace(before, recipe=recipe)
    assert spec.hyperparameters == {**before.hyperparameters, "lr": 0.0123456789, "epochs": 2, "optimizer": "adamw"}
    assert {option.name: option.default for option in spec.options} == {"dropout": 0.4, "bias": True}
    missing = dataclasses.replace(before, recipe=recipe.with_name("later.json"))
    assert missing.hyperparameters == before.hyperparameters


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "its format is not 1"),
        ({"settings": [1]}, r"settings is \[1\]"),
        ({"architecture": None}, "architecture is null"),
        ({"about": 3}, "about is 3"),
    ],
)
def test_a_damaged_recipe_is_an_error_that_names_the_field(recipe, tiny_registry, changes, message):
    recipe.write_text(json.dumps(json.loads(recipe.read_text()) | changes))
    with pytest.raises(ZooError, match=message):
        read_recipe(recipe)
    with pytest.raises(PluginError, match=rf"Architecture 'tiny-cnn': .*{message}"):
        dataclasses.replace(tiny_registry.architecture("tiny-cnn"), recipe=recipe)


def test_what_is_no_recipe(recipe, zoo_command, tiny_registry):
    assert "There is no recipe" in zoo_command("train", "lenet", "--recipe", recipe.with_name("no.json")).error
    assert "is for tiny-cnn, not for lenet" in zoo_command("train", "lenet", "--recipe", recipe).error
    recipe.write_text("{")
    assert "is damaged" in zoo_command("train", "tiny-cnn", "--recipe", recipe, registry=tiny_registry).error


def test_a_recipe_of_a_declaration_must_fit_it(tiny_registry, recipe):
    spec = tiny_registry.architecture("tiny-cnn")
    RecipeFile("tiny-cnn", {"rl": 1}).write(recipe)
    with pytest.raises(PluginError, match="no setting of training named 'rl'"):
        dataclasses.replace(spec, recipe=recipe)
    RecipeFile("tiny-cnn", {"dropout": 3.0}).write(recipe)
    with pytest.raises((PluginError, zoo.InvalidValue), match="dropout must be"):
        dataclasses.replace(spec, recipe=recipe)
    RecipeFile("other", {}).write(recipe)
    with pytest.raises(PluginError, match="is for 'other'"):
        dataclasses.replace(spec, recipe=recipe)
