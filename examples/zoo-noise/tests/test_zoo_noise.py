import json

import click.testing
import pytest
from zoo_noise import accuracies, register_commands

import zoo


@pytest.mark.zoo("zoo-noise")
def test_it_keeps_what_plugins_promise(zoo_check):
    zoo_check()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with one training."""
    folder = tmp_path_factory.mktemp("runs")
    zoo.train("cnn-mini", dataset="digits", epochs=4, runs_dir=folder, data_dir=folder)
    return folder


def test_without_noise_it_is_the_recorded_accuracy_and_much_noise_costs_much(runs):
    registry = zoo.create_registry()
    none, some, much = accuracies("cnn-mini", (0, 30, 255), 0, registry, runs, runs)
    (run,) = zoo.list_runs(runs)
    assert none["accuracy"] == pytest.approx(run.config["results"]["test"]["accuracy"], abs=0.003)
    assert none["accuracy"] > much["accuracy"] + 0.2
    assert some["accuracy"] >= much["accuracy"]
    assert accuracies("cnn-mini", (30,), 0, registry, runs, runs) == [some]


def test_the_command_prints_a_line_a_level(runs):
    group = click.Group("zoo")
    register_commands(group)
    assert list(group.commands) == ["noise"]
    folders = ["--runs-dir", str(runs), "--data-dir", str(runs)]
    run = click.testing.CliRunner().invoke(group, ["noise", "cnn-mini", *folders, "--level", "0", "--level", "50"])
    assert run.exit_code == 0, run.output
    assert [line.split()[0] for line in run.output.splitlines()] == ["NOISE", "0", "50"]
    told = click.testing.CliRunner().invoke(group, ["noise", "cnn-mini", *folders, "--json"])
    assert [row["level"] for row in json.loads(told.output)] == [0, 16, 32, 64, 96]


def test_what_takes_no_images_is_refused():
    with pytest.raises(zoo.UsageError, match="no classifier of images"):
        accuracies("diabetes-mlp", (1,), 0, zoo.create_registry())
