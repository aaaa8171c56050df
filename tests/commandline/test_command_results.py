"""What commands do with a result of the library: print it, write it, pass it on, or leave it to another process."""

import dataclasses
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import cli
import zoo
from zoo.commandline import runner
from zoo.commandline.settings import check_resumed_name
from zoo.commandline.terminal import TrainingDisplay
from zoo.commands.prediction import _Messages
from zoo.evaluation.reproduce import Reproduction
from zoo.formatting import METRICS
from zoo.runs.run import load_run

OLD_RUN = Path(__file__).parents[1] / "fixtures" / "0.1-rooms" / "run"


@pytest.fixture
def page(monkeypatch):
    """The page of ``zoo demo`` is made at once; the arguments of each call are kept."""
    calls = []
    monkeypatch.setattr(zoo, "demo_page", lambda name, **given: calls.append(name) or "<p>page</p>")
    return calls


# --- zoo demo


@pytest.mark.parametrize(
    ("name", "file"),
    [("exports/my.net.onnx", "my.net-demo.html"), ("torchvision/resnet18", "torchvision-resnet18-demo.html")],
)
def test_the_page_of_a_demo_is_called_after_its_file_or_architecture(zoo_command, page, name, file):
    done = zoo_command("demo", name)
    assert done.out == f"{file}  11 bytes; open it in a browser\n"
    assert Path(file).read_text() == "<p>page</p>"
    assert page == [name]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_a_served_page_ends_with_ctrl_c_and_is_stopped_by_other_signals(zoo_command, page, monkeypatch, number, code):
    def serve(content, port, ready):
        ready(f"http://127.0.0.1:{port}/")
        os.kill(os.getpid(), number)

    monkeypatch.setattr(zoo, "serve", serve)
    done = zoo_command("demo", "lenet", "--serve", "--port", 9000)
    assert (done.code, done.out) == (code, "http://127.0.0.1:9000/  (Ctrl-C stops it)\n")
    assert done.err == ("" if code == 0 else "Error: Stopped by SIGTERM.\n")
    assert not list(Path().glob("*.html"))


# --- zoo train


def test_a_training_on_several_devices_is_started_with_the_same_arguments(zoo_command, monkeypatch):
    started = []
    monkeypatch.setattr(zoo, "launch", lambda count, arguments: started.append((count, arguments)) or 7)
    assert zoo_command("train", "lenet", "--devices", 3, "--epochs", 1).code == 7
    assert started == [(3, ["train", "lenet", "--devices", "3", "--epochs", "1"])]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_of_several_processes_only_the_first_prints_the_result(zoo_command, monkeypatch, options):
    found = load_run(OLD_RUN)
    for writes in (True, False):
        run = zoo.Run(found.folder, found.config, writes=writes)
        monkeypatch.setattr(zoo, "train", lambda *_, run=run, **__: run)
        done = zoo_command("train", "linear-regression", *options)
        assert done.code == 0, done.err
        assert bool(done.out) == writes


@pytest.mark.parametrize(("processes", "shown"), [(1, True), (2, False)])
def test_the_epochs_of_trainings_side_by_side_are_not_shown(zoo_command, registry, monkeypatch, processes, shown):
    given = {}
    found = SimpleNamespace(to_dict=lambda: {"seeds": [0, 1]})
    monkeypatch.setattr(zoo, "train_seeds", lambda name, seeds, **more: given.update(more, seeds=seeds) or found)
    done = zoo_command("train", "lenet", "--seeds", 2, "--processes", processes, "--json")
    assert json.loads(done.out) == {"seeds": [0, 1]}
    assert (given["seeds"], given["processes"]) == ([0, 1], processes)
    assert any(isinstance(plugin, TrainingDisplay) for plugin in registry.manager.get_plugins()) == shown


def test_another_process_than_the_first_does_not_look_for_the_run(registry, runs_dir, monkeypatch):
    with pytest.raises(zoo.ZooError, match="lenet/gone"):
        check_resumed_name("lenet", "lenet/gone", runs_dir, registry)
    monkeypatch.setenv("RANK", "1")
    check_resumed_name("lenet", "lenet/gone", runs_dir, registry)


@pytest.mark.parametrize(
    ("error", "printed"),
    [(zoo.TrainingDiverged("diverged"), False), (zoo.PeerFailed("gone"), False), (zoo.ZooError("my disk"), True)],
)
def test_of_several_processes_only_the_first_prints_the_errors_of_all(zoo_command, monkeypatch, error, printed):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(zoo, "train", fail)
    assert zoo_command("train", "lenet").error == str(error)
    monkeypatch.setattr(runner, "_FIRST_PROCESS", False)
    done = zoo_command("train", "lenet")
    assert (done.code, done.err) == (1, f"Error: {error}\n" if printed else "")


# --- zoo list, zoo runs, zoo plugins


def test_architectures_without_results_are_listed_after_those_with_results(zoo_command, tiny_registry):
    spec = tiny_registry.architecture("tiny-cnn")
    tiny_registry._specs[zoo.Architecture]["tiny-cnn"] = dataclasses.replace(spec, dataset="mnist")
    done = zoo_command("list", "--sort", "accuracy", "--dataset", "mnist", "--json", registry=tiny_registry)
    found = json.loads(done.out)
    assert found[-1]["name"] == "tiny-cnn"
    accuracies = [facts["results"]["metrics"]["accuracy"]["mean"] for facts in found if facts["results"]]
    assert len(accuracies) > 1
    assert accuracies == sorted(accuracies, reverse=True)


def test_runs_of_the_task_of_a_plugin_show_its_metric_as_the_plugin_says(zoo_command, tmp_path):
    folder = tmp_path / "runs" / "linear-regression" / "one"
    shutil.copytree(OLD_RUN, folder)
    content = json.loads((folder / "run.json").read_text())
    content["best"]["validation"] = {"loss": 0.1, "overlap": 0.25}
    content |= {"status": "interrupted", "results": None}
    (folder / "run.json").write_text(json.dumps(content))
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "overlapping.py").write_text(
        "import zoo\n\n@zoo.hookimpl\ndef register_tasks(register):\n"
        "    metrics = (zoo.Metric(name='overlap', title='overlap', percent=True),)\n"
        "    register(zoo.Task(name='overlapping', summary='s', methods='overlapping:Methods', predicts='discrete',\n"
        "                      metrics=metrics, outputs=('logits',)))\n\nclass Methods:\n    pass\n"
    )
    assert "overlap" not in METRICS
    shown = zoo_command("--plugins-dir", plugins, "runs", "--runs-dir", tmp_path / "runs", registry=None)
    assert shown.code == 0, shown.err
    assert "25.00%" in shown.out


def test_without_settings_of_plugins_a_line_says_so(zoo_command, monkeypatch):
    monkeypatch.setattr(zoo, "settings_facts", lambda registry: [])
    done = zoo_command("plugins", "--settings")
    assert done.out == ""
    assert done.err.startswith("No installed plugin has settings.\n")
    assert json.loads(zoo_command("plugins", "--settings", "--json").out) == []


def test_the_folder_of_plugins_is_that_of_the_user_again_after_the_command(zoo_command, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(zoo, "data_folder", lambda given: seen.append(os.environ["ZOO_PLUGINS_DIR"]) or tmp_path)
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("ZOO_PLUGINS_DIR", "mine")
    zoo_command("--plugins-dir", tmp_path / "other", "datasets")
    assert seen == [str(tmp_path / "other")]
    assert os.environ["ZOO_PLUGINS_DIR"] == "mine"


# --- zoo reproduce, zoo predict


@pytest.fixture
def reproduced(monkeypatch):
    """``zoo reproduce`` has trained twice; there is no recorded result."""
    tests = ({"loss": 1.0, "accuracy": 0.5}, {"loss": 1.0, "accuracy": 0.75})
    runs = tuple(SimpleNamespace(name=f"net/{k}", config={"results": {"test": test}}) for k, test in enumerate(tests))
    record = {"metrics": {"accuracy": {"mean": 0.625, "std": 0.125}}, "trials": [{}, {}]}
    made = Reproduction(record, None, runs)
    monkeypatch.setattr(zoo, "reproduce", lambda name, **_: made)
    return made


def test_a_first_reproduction_has_nothing_to_compare_with(zoo_command, reproduced):
    shown = zoo_command("reproduce", "lenet")
    *trials, now, recorded = shown.out.splitlines()
    assert [line.split()[0] for line in trials] == ["net/0", "net/1"]
    assert now.split() == ["now", "62.50%", "±12.50%", "(2", "trainings)"]
    assert recorded.split() == ["recorded", "nothing"]
    assert shown.code == 0
    facts = json.loads(zoo_command("reproduce", "lenet", "--json").out)
    assert facts == {"reproduced": False, "difference": None, **reproduced.record}


def test_a_reproduction_is_recorded_where_the_author_says(zoo_command, reproduced, registry, monkeypatch):
    written = []
    monkeypatch.setattr(zoo, "record", lambda *given: written.append(given))
    assert zoo_command("reproduce", "lenet", "--record", "plugins/mine").code == 0
    assert written == [(reproduced, Path("plugins/mine"), registry)]


def test_each_column_with_an_unknown_value_is_named_once(capsys):
    messages = _Messages(SimpleNamespace(clear=lambda: None), None, rows=True)
    unseen = [{"city": "Bern"}, {"city": "Rome", "day": "Sunday"}, {"day": "Monday"}]
    usual = {"error": "", "unsure": False, "steps": ()}
    answers = [SimpleNamespace(source=f"row {k}", unseen=one, **usual) for k, one in enumerate(unseen)]
    assert list(messages.watch(answers)) == answers
    notes = capsys.readouterr().err.splitlines()
    assert [note[:29] for note in notes] == ["Note: row 0: city is 'Bern', ", "Note: row 1: day is 'Sunday',"]


# --- the start of the command


def test_a_ctrl_c_that_python_only_prints_is_kept_and_other_errors_are_shown(monkeypatch):
    shown = []
    monkeypatch.setattr(cli, "_hook", shown.append)
    monkeypatch.setattr(cli, "_lost", False)
    other, pressed = SimpleNamespace(exc_type=ValueError), SimpleNamespace(exc_type=KeyboardInterrupt)
    cli._keep_interrupt(other)
    assert (shown, cli._lost) == ([other], False)
    cli._keep_interrupt(pressed)
    cli._keep_interrupt(other)
    assert (shown, cli._lost) == ([other, other], True)
    assert sys.unraisablehook is not cli._keep_interrupt, "it is for the imports only"
