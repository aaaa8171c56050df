"""``zoo report``: a self-contained HTML report and a model card."""

import json
import re
import shlex
import shutil
from html.parser import HTMLParser

import pytest

import zoo
from zoo.runs.command_line import repeat_command


@pytest.fixture
def run_folder(digits_run, tmp_path):
    """A copy of the run: a report writes into it."""
    folder = tmp_path / "runs" / "resnet-mini" / digits_run.folder.name
    shutil.copytree(digits_run.folder, folder)
    return folder


class Page(HTMLParser):
    """The files that a page loads, and its text. Fails if tags do not match."""

    VOID = frozenset({"meta", "br", "img", "input", "link", "hr"})

    def __init__(self, text):
        super().__init__()
        self.loads, self.words, self.open, self.svgs = [], [], [], 0
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.svgs += tag == "svg"
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "action") and not value.startswith(("#", "data:")):
                self.loads.append(value)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_data(self, data):
        self.words.append(data)


def test_the_report_is_complete_and_self_contained(run_folder, zoo_command, digits_run):
    done = zoo_command("report", run_folder)
    assert done.code == 0, done.err
    page = Page((run_folder / "report.html").read_text())
    assert page.loads == []
    assert page.svgs == 3  # curves, confusion, calibration
    text = " ".join(" ".join(page.words).split())
    certificate = json.loads((run_folder / "exports" / "resnet-mini.onnx.json").read_text())
    accuracy = digits_run.config["results"]["test"]["accuracy"]
    expected = [
        f"{accuracy:.2%}",
        digits_run.config["data"]["fingerprint"],
        certificate["file"]["sha256"],
        *(check["summary"] for check in certificate["checks"]),
        "zoo train resnet-mini --dataset digits --epochs 6",
        "onnxruntime.InferenceSession",
        digits_run.config["versions"]["torch"],
    ]
    for fact in expected:
        assert fact in text, fact
    assert len(re.findall(r"<img", (run_folder / "report.html").read_text())) == round((1 - accuracy) * 360)


def test_the_front_matter_of_the_model_card_is_valid(run_folder, zoo_command, digits_run):
    yaml = pytest.importorskip("yaml")
    done = json.loads(zoo_command("report", run_folder, "--json").out)
    card = (run_folder / "model-card.md").read_text()
    assert done["card"] == str(run_folder / "model-card.md")
    _, front, body = card.split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["pipeline_tag"] == "image-classification"
    assert facts["datasets"] == ["digits"]
    (result,) = facts["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == digits_run.config["results"]["test"]["accuracy"]
    assert "# resnet-mini/" in body
    assert "\n\n\n\n" not in body


def test_an_exported_file_of_the_same_checkpoint_is_reused(run_folder, zoo_command):
    first = zoo.report(str(run_folder))
    before = first.file.stat().st_mtime_ns
    assert zoo.report(str(run_folder)).file.stat().st_mtime_ns == before
    text = first.file.with_name("resnet-mini.onnx.json").read_text()
    first.file.with_name("resnet-mini.onnx.json").write_text(
        text.replace('"checkpoint_sha256": "', '"checkpoint_sha256": "0')
    )
    assert zoo.report(str(run_folder)).file.stat().st_mtime_ns != before


def test_the_report_of_a_regression_shows_errors(zoo_command, tmp_path):
    zoo.train("linear-regression", runs_dir=tmp_path / "runs", epochs=3)
    done = zoo_command("report", "linear-regression", "--runs-dir", tmp_path / "runs", "-o", tmp_path / "report")
    assert done.code == 0, done.err
    page = Page((tmp_path / "report" / "report.html").read_text())
    assert page.svgs == 2
    assert "predicted y" in " ".join(page.words)


def test_without_the_dataset_the_report_has_no_test_results(run_folder, zoo_command, tmp_path):
    """The run was trained on data with another fingerprint, which is not available."""
    config = json.loads((run_folder / "run.json").read_text())
    config["data"]["fingerprint"] = "0" * 64
    (run_folder / "run.json").write_text(json.dumps(config))
    from zoo.runs.checkpoint import load_tensors, save_tensors

    tensors, metadata = load_tensors(run_folder / "best.safetensors")
    metadata["data"]["fingerprint"] = "0" * 64
    save_tensors(run_folder / "best.safetensors", tensors, metadata)
    done = zoo_command("report", run_folder)
    assert done.code == 0
    assert "The report has no results" in done.err
    page = Page((run_folder / "report.html").read_text())
    assert page.svgs == 1
    assert "There is no exported file" in " ".join(page.words)


def test_a_missing_run_gives_one_line(zoo_command):
    assert "zoo train" in zoo_command("report", "resnet-mini").error


def test_the_command_line_of_a_run_gives_the_same_weights(tiny_registry, tmp_path, zoo_command):
    settings = {"epochs": 2, "lr": 0.07, "weight_decay": 0.000123456789, "dropout": 0.1, "seed": 3}
    first = zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=tmp_path / "a", **settings)
    command = repeat_command(first.config, tiny_registry)
    assert command.count("--set") == 2
    words = shlex.split(command)[1:]
    assert zoo_command(*words, "--runs-dir", tmp_path / "b", registry=tiny_registry).code == 0
    again = zoo.find_run("tiny-cnn", tmp_path / "b", ["tiny-cnn"])
    assert again.best.read_bytes() == first.best.read_bytes()
