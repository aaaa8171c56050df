"""Wrong combinations of options, and errors that no command expects, are one line with an exit code."""

import os
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

import zoo
from zoo.commandline import runner
from zoo.commandline.runner import _explain


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "lenet", "x.png", "--csv", "--json"], "Choose one of --csv and --json."),
        (["predict", "linear-regression", "x=2", "--show", "seen"], "--show is for images, but"),
        (["plugins", "--isolated", "--settings"], "Use one of --isolated, --available and --settings."),
        (["export", "lenet"], "Choose one format: --onnx, --pt2."),
        (["export", "lenet", "--onnx", "--pt2"], "Choose one format: --onnx, --pt2."),
        (["export", "lenet", "--onnx", "--max-drop", "1"], "--max-drop goes with a smaller form, such as --int8."),
        (["compare", "lenet", "--dataset", "mnist"], "Give either models to compare or a dataset, not both."),
        (["compare", "lenet"], "Give two or more models to compare."),
        (["list", "--plugin", "lenett"], "Did you mean 'lenet'?"),
        (["tune"], "Give one of these: the NAME of one or more architectures, --resume STUDY, --join STUDY."),
        (["tune", "--join", "x", "--seeds", "2"], "--seeds cannot go with --join: the study has it already."),
    ],
)
def test_options_that_cannot_go_together(arguments, message, zoo_command):
    done = zoo_command(*arguments)
    assert done.code == 2
    assert message in done.error
    assert done.out == ""


def test_a_list_without_a_match_says_so(zoo_command):
    done = zoo_command("list", "no-such-*")
    assert (done.code, done.out, done.err) == (0, "", "No architecture matches. `zoo list` shows them all.\n")


def test_plugins_that_are_alone_here(zoo_command, monkeypatch):
    monkeypatch.setattr(zoo, "load_isolated", lambda *_: [])
    done = zoo_command("plugins", "--isolated")
    assert (done.code, done.err) == (0, "No plugin is installed except the built-in ones.\n")


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (EOFError(), 1, "Error: A file or a stream ended too early: nothing was left to read.\n"),
        (EOFError("Ran out of input"), 1, "Error: A file or a stream ended too early: Ran out of input.\n"),
        (KeyboardInterrupt(), 130, "Error: Interrupted.\n"),
        (MemoryError(), 1, "Error: There is not enough memory for this command"),
        (RuntimeError("std::bad_alloc"), 1, "Error: There is not enough memory for this command"),
        (ValueError("two\nlines"), 1, "Error: ValueError: two lines. This error is unexpected; --debug "),
        (zoo.VerificationIncomplete("in part only."), 3, "Error: in part only.\n"),
        (zoo.UsageError("wrong."), 2, "Error: wrong.\n"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_every_error_of_a_command_is_one_line(error, code, text, zoo_command, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(zoo, "list_datasets", fail)
    monkeypatch.setattr(zoo, "list_architectures", fail)
    done = zoo_command("list")
    assert done.code == code
    assert done.err.startswith(text)
    assert done.err.count("\n") == (1 if text else 0)


def test_the_end_of_python_is_not_an_error(zoo_command, monkeypatch):
    def leave(*_, **__):
        raise SystemExit(7)

    monkeypatch.setattr(zoo, "list_architectures", leave)
    with pytest.raises(SystemExit, match="7"):
        zoo_command("list")


def test_a_signal_decides_whatever_error_it_became():
    assert _explain(ImportError("torch"), 15) == ("Stopped by SIGTERM.", 143)
    assert _explain(ImportError("torch"), 2) == ("Interrupted.", 130)


def test_a_wrong_usage_names_the_help_of_its_command():
    context = click.Context(click.Command("list"), info_name="zoo list")
    assert _explain(click.UsageError("no such\noption", context), 0) == ("no such option See `zoo list --help`.", 2)
    assert _explain(click.FileError("x", "gone"), 0) == ("Could not open file 'x': gone", 1)


def test_a_full_disk_under_the_results_is_an_error(capsys):
    full = OSError(28, os.strerror(28))
    assert runner._output_failed(full) == 1
    assert capsys.readouterr().err == f"Error: Cannot write to standard output: {os.strerror(28)}.\n"
    assert runner._output_failed(BrokenPipeError()) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("uploaded", "lines"),
    [
        ("", ["folder  made  (2 files)", "upload  zoo publish lenet --to USER/NAME"]),
        ("hf:U/N", ["folder  made  (2 files)", "hub     https://hub/U/N", "verify  zoo verify hf:U/N"]),
    ],
)
def test_a_published_folder_says_what_to_do_next(uploaded, lines, zoo_command, monkeypatch):
    made = SimpleNamespace(folder=Path("made"), files=("a", "b"), uploaded=uploaded, address="https://hub/U/N")
    monkeypatch.setattr(zoo, "publish", lambda *_, **__: made)
    assert zoo_command("publish", "lenet").out.splitlines() == lines


def test_packages_are_removed_after_a_question(zoo_command, monkeypatch):
    removed, asked = [], []
    points = [zoo.EntryPoint("zoo-lion", "1.0", name, "lion") for name in ("lion", "tiger")]
    monkeypatch.setattr(zoo, "plugins_of", lambda package: points)
    monkeypatch.setattr(zoo, "uninstall_package", removed.append)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: asked.append(prompt) or "n")
    done = zoo_command("uninstall", "zoo-lion")
    assert (done.code, done.out) == (0, "Nothing was removed.\n")
    assert "Remove zoo-lion 1.0 with lion, tiger?" in done.err + "".join(asked)
    assert removed == []
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda prompt: "y")
    assert zoo_command("uninstall", "zoo-lion").out == "Removed zoo-lion 1.0 with lion, tiger.\n"
    assert zoo_command("uninstall", "zoo-lion", "--yes").out == "Removed zoo-lion 1.0 with lion, tiger.\n"
    assert removed == ["zoo-lion"] * 2


def test_an_installation_without_a_new_plugin_says_so(zoo_command, monkeypatch):
    monkeypatch.setattr(zoo, "install_packages", lambda packages: [])
    done = zoo_command("install", "numpy")
    assert (done.code, done.out) == (0, "")
    assert done.err == "No new plugin: `zoo plugins` lists those that are installed.\n"
