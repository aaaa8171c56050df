"""Wrong and doubtful input: each message is one line and says the next step."""

import importlib.metadata
import re
from pathlib import Path

import click
import pytest
from PIL import Image

import zoo
from zoo.commandline import number, run_command, whole_number
from zoo.errors import closest
from zoo.evaluation.assess import _recorded_data
from zoo.registry.packages import missing_packages


@pytest.fixture
def files():
    """An image, a folder of images, a table and files of other kinds in the working folder."""
    Image.new("L", (28, 28)).save("x.png")
    for label in ("a", "b"):
        folder = Path("photos", label)
        folder.mkdir(parents=True)
        for place in range(6):
            Image.new("L", (28, 28), 40 * place).save(folder / f"{place}.png")
    Path("t.csv").write_text("a,b,ill\n" + "1,2,yes\n3,4,no\n" * 20)
    Path("t.zip").write_bytes(b"PK")
    Path("t.onnx").write_bytes(b"onnx")


@pytest.mark.parametrize(
    ("command", "code", "text"),
    [
        ("list --min-accuracy 0.99", 2, "in percent. Did you mean --min-accuracy 99,"),
        ("list --min-accuracy 0.9945", 2, "Did you mean --min-accuracy 99.45,"),
        ("list --min-accuracy 101", 2, "'101' is not a number (at least 0 and at most 100)"),
        ("list --task foo", 2, "There are: classification, binary, regression"),
        ("list --dataset mnits", 2, "Did you mean 'mnist'?"),
        ("train resnet", 2, "Did you mean 'resnet-mini'?"),
        ("train resnet18", 2, "Did you mean 'torchvision/resnet18'?"),
        ("train cnn-mini --dataset x.png", 1, "a folder with a subfolder of images for each class"),
        ("train cnn-mini --dataset t.zip", 1, "Unpack it"),
        ("train cnn-mini --dataset t.onnx", 1, "file of a model"),
        ("train cnn-mini --set lr 0.1", 2, "Write --set lr=0.1."),
        ("train --set lr 0.1", 2, "Write --set lr=0.1."),
        ("train cnn-mini --set lr", 2, "Write --set lr=VALUE."),
        ("train cnn-mini --set lr --seed 1", 2, "Write --set lr=VALUE."),
        ("train cnn-mini --dataset photos --data-option size 32", 2, "Write --data-option size=32."),
        ("train cnn-mini --dataset bike-sharing", 1, "`zoo list --task regression` shows the architectures for it."),
        ("train cnn-mini --dataset photos --target ill", 2, "its subfolders are the classes. Leave out --target."),
        ("train cnn-mini --dataset digits --target ill", 2, "it has its own target. Leave out --target."),
        ("train cnn-mini --dataset digits --init-from t.onnx", 2, "best.safetensors"),
        ("train cnn-mini --dataset digits --init-from torchvision", 2, "cnn-mini has no torchvision weights"),
        ("train cnn-mini --seed -1", 2, "'-1' is not a whole number (at least 0 and at most 4,294,967,295)"),
        ("compare --dataset mnits", 2, "Did you mean 'mnist'?"),
        ("runs --dataset mnits", 2, "Did you mean 'mnist'?"),
        ("bench t.onnx --int8", 2, "--int8 is for architectures and runs"),
        ("bench t.onnx t.onnx --compile", 2, "--compile is for architectures and runs"),
        ("datasets --data-dir x.png", 2, "x.png is not a folder"),
        ("find-lr lenet --epochs 3", 2, "Leave out epochs."),
        ("find-lr lenet --set epochs=3", 2, "Leave out epochs."),
        ("find-lr lenet -o x.foo", 2, "ends in .png"),
        ("report x.onnx", 2, "zoo report NAME"),
        ("report ~nosuchuser/run", 2, "home folder of this user"),
        ("report linear-regression -o ~nosuchuser/x", 2, "home folder of this user"),
        ("export linear-regression --onnx -o ~nosuchuser/x.onnx", 2, "home folder of this user"),
        ("demo ~nosuchuser/x.onnx", 2, "home folder of this user"),
    ],
)
def test_the_message_says_the_next_step(files, zoo_command, command, code, text):
    done = zoo_command(*command.split())
    assert (done.code, done.out) == (code, "")
    assert text in done.error


def test_what_is_right_is_not_refused(zoo_command, files):
    assert zoo_command("list", "--min-accuracy", "99.5").code == 0
    assert zoo_command("list", "--min-accuracy", "1").code == 0
    assert zoo_command("list", "--min-accuracy", "0").code == 0
    assert zoo_command("runs", "--dataset", "digits").code == 0


def test_a_dataset_of_a_run_can_be_compared_and_listed(zoo_command, tmp_path):
    (tmp_path / "marks.csv").write_text("a,ill\n" + "1,yes\n3,no\n" * 20)
    runs = tmp_path / "runs"
    zoo.train(
        "logistic-regression", dataset=tmp_path / "marks.csv", data_options={"target": "ill"}, epochs=1, runs_dir=runs
    )
    assert "marks-csv" in zoo_command("runs", "--dataset", "marks-csv", "--runs-dir", runs).out
    assert "Did you mean 'marks-csv'?" in zoo_command("runs", "--dataset", "mark-csv", "--runs-dir", runs).error
    assert "fewer than two models" in zoo_command("compare", "--dataset", "marks-csv", "--runs-dir", runs).error


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet", "resnet-mini"),
        ("RESNET", "resnet-mini"),
        ("resnet18", "torchvision/resnet18"),
        ("lenett", "lenet"),
        ("resnet-mni", "resnet-mini"),
        ("", None),
        ("zzzz", None),
    ],
)
def test_the_closest_name(name, expected):
    assert closest(name, ["lenet", "resnet-mini", "torchvision/resnet18", "torchvision/resnet152"]) == expected


@pytest.mark.parametrize("logger", ["tensorboard", "mlflow", "wandb"])
def test_a_logger_without_its_packages_is_refused_before_training(logger, zoo_command, monkeypatch, tmp_path):
    usual = importlib.metadata.version

    def version(name):
        if name == logger:
            raise importlib.metadata.PackageNotFoundError(name)
        return usual(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    done = zoo_command("train", "linear-regression", "--log", logger, "--runs-dir", tmp_path / "runs")
    assert done.code == 2
    assert f"pip install 'pluggy-zoo[{logger}]'" in done.error
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        (["none-such>=2; extra == 'x'", "pytest; extra == 'x'", "other-none; extra == 'y'"], ["none-such"]),
        (['none-such[a]>=2 ; python_version > "3" and extra == "x"'], ["none-such"]),
        (["none-such"], []),
        (None, []),
    ],
)
def test_missing_packages_of_an_extra(monkeypatch, lines, missing):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    assert missing_packages("anything", "x") == missing


def test_a_distribution_that_is_not_installed_misses_nothing():
    assert missing_packages("no-such-distribution", "x") == []


def test_runs_with_results_come_first(zoo_command, tmp_path):
    runs = tmp_path / "runs"
    for name in ("linear-regression", "logistic-regression"):
        zoo.train(name, epochs=1, runs_dir=runs)
    (stopped,) = zoo.list_runs(runs, "linear-regression")
    stopped.config |= {"status": "interrupted", "results": None}
    stopped.save()
    lines = zoo_command("runs", "--runs-dir", runs).out.splitlines()[1:]
    assert [line.split("/")[0] for line in lines] == ["logistic-regression", "linear-regression"]


def test_the_time_of_a_resumed_training_goes_on(zoo_command, tmp_path):
    runs = tmp_path / "runs"
    run = zoo.train("linear-regression", epochs=2, runs_dir=runs)
    lines = run.folder.joinpath("metrics.jsonl").read_text().splitlines()
    text = "\n".join(re.sub(r'"train_seconds": ?[\d.e-]+', '"train_seconds": 3600', line) for line in lines)
    run.folder.joinpath("metrics.jsonl").write_text(text + "\n")
    done = zoo_command("train", "--resume", run.folder, "--epochs", "3")
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if re.match(r" +3 ", line)]
    assert "2:00:0" in line


def test_ranges_are_in_words_everywhere():
    from cli import cli

    # a command keeps the help option of its first context, so that it must be one with the names of the zoo
    ctx = click.Context(cli, info_name="zoo", **cli.context_settings)
    for name in cli.list_commands(ctx):
        command = cli.get_command(ctx, name)
        text = command.get_help(click.Context(command, info_name=name, parent=ctx))
        assert not re.search(r"x>=|<=x|x<=", text), name


def test_forms_have_help_of_their_own():
    from cli import cli

    ctx = click.Context(cli, info_name="zoo", **cli.context_settings)
    command = cli.get_command(ctx, "export")
    inner = click.Context(command, info_name="export", parent=ctx)
    texts = {option.name: option.help for option in command.get_params(inner) if option.name.startswith("reduction_")}
    assert len(texts) == len(set(texts.values())) >= 2


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [(whole_number(1), "1", 1), (whole_number(0, 5), "5", 5), (number(0), "0.5", 0.5)],
)
def test_ends_of_a_range_are_inside(kind, text, value):
    assert kind.convert(text, None, None) == value


HELP = "\x1b[31mred\x07 \u202eback"


def test_help_of_plugins_has_no_control_characters(add_plugin, capsys):
    """Of a command of the zoo's class, of click's own, and of a group with a command inside."""
    source = f"""
import click
@zoo.hookimpl
def register_commands(cli):
    @cli.command(help={HELP!r})
    @click.option("--x", help={HELP!r})
    def mine(x): pass
    cli.add_command(click.Command("plain", help={HELP!r}))
    group = click.Group("many", help={HELP!r})
    group.add_command(click.Command("inner", help={HELP!r}))
    cli.add_command(group)
"""
    from cli import cli

    registry = zoo.create_registry([add_plugin("loud", source)])
    for words in (["--help"], ["mine", "--help"], ["plain", "--help"], ["many", "--help"], ["many", "inner", "--help"]):
        assert run_command(cli, words, registry) == 0
        out = capsys.readouterr().out
        assert "red" in out
        assert not set(out) & set("\x1b\x07\u202e")


def test_home_folders_are_resolved_in_one_place():
    """``Path.expanduser`` raises RuntimeError for an unknown user; zoo.folders.expanded gives a message instead."""
    rooms = Path(zoo.__file__).parent
    allowed = {rooms / "folders.py", rooms / "data" / "user_paths.py"}
    found = [path for path in rooms.rglob("*.py") if ".expanduser()" in path.read_text() and path not in allowed]
    assert found == []


@pytest.mark.parametrize(
    ("shape", "remedy"),
    [([2], "or give --dataset PATH and --target COLUMN."), ([1, 8, 8], "or give --dataset PATH.")],
)
def test_a_file_trained_on_own_data_says_what_eval_needs(registry, tmp_path, shape, remedy):
    content = {"architecture": "net", "task": "binary", "dataset": "t-csv", "labels": [], "input_shape": shape}
    content["checkpoint_sha256"] = "0" * 64
    description = zoo.ModelDescription.from_dict(content)
    with pytest.raises(zoo.DataUnavailable, match=re.escape(remedy)):
        _recorded_data(description, registry, tmp_path, {})
