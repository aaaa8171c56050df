"""Shell completion."""

import os
import shutil
import subprocess
import sys

import pytest

import zoo

ASK = "import cli; cli.main()"


def complete(words):
    environment = os.environ | {
        "_ZOO_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run([sys.executable, "-c", ASK], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("zoo pl", ["plugins"]),
        ("zoo train resnet-", ["resnet-mini"]),
        ("zoo info goo", ["googlenet-mini"]),
        ("zoo info breast", ["breast-cancer"]),
        ("zoo list --input to", ["tokens"]),
        ("zoo runs goo", ["googlenet-mini"]),
        ("zoo export goo", ["googlenet-mini"]),
        ("zoo fetch fash", ["fashion-mnist"]),
        ("zoo train lenet --dataset iri", ["iris"]),
        ("zoo list --plugin pluggy", ["pluggy-zoo"]),
        ("zoo check resnet-m", ["resnet-mini"]),
        ("zoo train --ep", ["--epochs"]),
        ("zoo new x --kind da", ["dataset"]),
    ],
)
def test_names_are_completed(words, expected):
    assert complete(words) == expected


def test_runs_and_plugins_of_a_folder_are_completed(runs_dir, tiny_registry, tmp_path):
    run = zoo.train("tiny-cnn", epochs=1, registry=tiny_registry, runs_dir=runs_dir)
    assert complete(f"zoo export --runs-dir {runs_dir} tiny") == [run.name]
    folder = tmp_path / "nets"
    folder.mkdir()
    (folder / "broken.py").write_text("1 / 0")  # completion does not report it
    (folder / "tabbed.py").write_text(
        "import zoo\n@zoo.hookimpl\ndef register_datasets(register):\n"
        "    register(zoo.Dataset(name='tabbed', summary='s', task='binary', loader='m:l', input_shape=(1,),"
        " num_outputs=1))\n"
    )
    assert complete(f"zoo --plugins-dir {folder} fetch tab") == ["tabbed"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_accepts_the_script(shell, zoo_command, monkeypatch):
    script = zoo_command("completion", shell).out
    assert "_ZOO_COMPLETE" in script
    monkeypatch.setenv("SHELL", f"/bin/{shell}")
    assert zoo_command("completion").out == script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_unknown_shell_is_one_clear_line(zoo_command, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/dash")
    assert "`zoo completion bash`" in zoo_command("completion").error
    assert "'dash' is not one of" in zoo_command("completion", "dash").error


def test_list_shows_the_architectures_of_one_plugin(zoo_command, tiny_registry):
    def shown(*arguments):
        return [line.split()[0] for line in zoo_command("list", *arguments).out.splitlines()[1:]]

    assert shown("--plugin", "tiny") == shown("--plugin", "third-party") == ["tiny-cnn"]
    assert shown("--plugin", "lenet") == ["lenet"]
    assert "tiny-cnn" not in shown("--plugin", "pluggy-zoo")
    assert "Did you mean 'third-party'?" in zoo_command("list", "--plugin", "third-prty").error
