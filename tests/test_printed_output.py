"""What the documents say that a command prints is what it prints. Figures that differ between machines are left out."""

import re
import shutil
from pathlib import Path

import pytest
from document_snippets import ROOT, snippets

# times, losses and accuracies, bytes of a file, names of runs, errors, the processor's part
VARYING = r"\d+:\d\d|\d{8}-\d{6}|\d+(\.\d+)?%|\d[\d,]* bytes|\d+(\.\d+)?e-\d+|\d+\.\d+|\d+ (ms|s|threads?)\b|\* *$"


def fixed(line):
    """A line without the figures that vary, and with one space for several."""
    return re.sub(r"\s+", " ", re.sub(VARYING, "#", line)).strip(" #")


def block(page, start):
    """The lines of the printed block of a page that begins with ``start``."""
    (found,) = [s for s in snippets("text") if s.path.name == page and s.text.startswith(start)]
    return found.text.splitlines()


def missing(expected, printed):
    """The lines of a document that a command did not print in this order. A line ``…`` stands for any lines."""
    rest = iter(fixed(line) for line in printed.splitlines())
    return [line for line in expected if line.strip() != "…" and fixed(line) not in rest]


def test_a_line_that_is_not_printed_is_found():
    assert missing(["one 1.5", "…", "three 3 s"], "one 2.5\ntwo\nthree 4 s\n") == []
    assert missing(["one", "four"], "one\ntwo\n") == ["four"]
    assert missing(["two", "one"], "one\ntwo\n") == ["one"]
    assert missing(["18 passed"], "19 passed\n") == ["18 passed"]


@pytest.mark.slow
@pytest.mark.usefixtures("no_plugin_modules")
def test_the_tutorial_shows_what_the_check_prints(zoo_command):
    Path("nets").mkdir()
    shutil.copy(ROOT / "examples" / "first-net" / "first_net.py", "nets")
    result = zoo_command("--plugins-dir", "nets", "check", registry=None)
    assert result.code == 0
    assert missing(block("tutorial.md", "plugin first_net"), result.out) == []


@pytest.mark.slow
@pytest.mark.mnist
def test_the_readme_shows_what_an_export_prints(zoo_command, mnist_dir):
    result = zoo_command("export", "googlenet-mini", "--onnx", "--data-dir", mnist_dir)
    assert result.code == 0
    # the last column is as wide as the terminal, so all lines are joined
    expected = fixed(" ".join(block("README.md", "googlenet-mini.onnx")))
    assert fixed(" ".join(result.out.splitlines())) == expected


@pytest.mark.slow
@pytest.mark.mnist
def test_the_readme_shows_what_a_training_prints(zoo_command, mnist_dir):
    """One epoch on MNIST: the lines, their order and all counts but that of the epochs."""
    short = ("--epochs", "1", "--set", "batch_size=64")  # one epoch alone would have half the batch
    result = zoo_command("train", "googlenet-mini", *short, "--data-dir", mnist_dir, "--device", "cpu")
    assert result.code == 0
    shown = block("README.md", "googlenet-mini (")
    expected = [re.sub(r"^6 epochs", "1 epoch", line) for line in shown if not re.match(r" +[2-6] ", line)]
    expected = [line.replace("checkpoint of epoch 6", "checkpoint of epoch 1") for line in expected]
    printed = result.err + result.out
    assert missing([line for line in expected if not line.startswith("googlenet")], printed) == []
    assert fixed(shown[0]) in [fixed(line) for line in printed.splitlines()]
