"""``zoo report``: a self-contained HTML report and a model card."""

import dataclasses
import json
import re
import shlex
import shutil
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

import zoo
from zoo.reports.exported_file import exported_file
from zoo.reports.hub import hub_facts
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
        self.tags, self.attributes = set(), set()
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.svgs += tag == "svg"
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
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
    assert page.svgs == 4  # network, curves, confusion, calibration
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
    assert "chapter 8, Deeper networks, of the course" in text
    assert "residual1 Residual" in text
    assert (run_folder / "network.svg").read_text().startswith("<svg")
    assert "](network.svg)" in (run_folder / "model-card.md").read_text()
    assert len(re.findall(r"<img", (run_folder / "report.html").read_text())) == round((1 - accuracy) * 360)


def test_the_front_matter_of_the_model_card_is_valid(run_folder, zoo_command, digits_run):
    yaml = pytest.importorskip("yaml")
    done = json.loads(zoo_command("report", run_folder, "--json").out)
    card = (run_folder / "model-card.md").read_text()
    assert done["card"] == str(run_folder / "model-card.md")
    _, front, body = card.split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["pipeline_tag"] == "image-classification"
    assert facts["license"] == "unknown"  # whoever trained the run chooses it
    assert "datasets" not in facts  # the hub does not have it
    assert facts["metrics"] == ["accuracy"]
    (result,) = facts["model-index"][0]["results"]
    assert result["task"] == {"type": "image-classification", "name": "classification"}
    assert result["dataset"] == {"name": "digits", "type": "digits", "split": "test"}
    assert result["metrics"][0]["value"] == digits_run.config["results"]["test"]["accuracy"]
    assert "# resnet-mini/" in body
    assert "\n\n\n\n" not in body


@pytest.fixture(scope="session")
def exported(digits_runs, made_once):
    """A run with an export, made once."""
    (run,) = zoo.list_runs(digits_runs)

    def export(folder):
        shutil.copytree(run.folder, folder / "resnet-mini" / run.folder.name)
        zoo.report(str(folder / "resnet-mini" / run.folder.name))

    return made_once("reported", export) / "resnet-mini" / run.folder.name


def test_an_exported_file_of_the_same_checkpoint_is_reused(exported, registry, tmp_path):
    folder = tmp_path / "exports"
    shutil.copytree(exported / "exports", folder)
    model = zoo.open_model(str(exported), registry=registry)
    given = {"data_dir": None, "runs_dir": exported.parent.parent, "registry": registry}
    first = exported_file(str(exported), model, folder, **given)
    before = first.path.stat().st_mtime_ns
    assert exported_file(str(exported), model, folder, **given).path.stat().st_mtime_ns == before
    certificate = first.path.with_name("resnet-mini.onnx.json")
    content = json.loads(certificate.read_text())
    content["model"]["checkpoint_sha256"] = "0" * 64  # of another checkpoint: an older export
    certificate.write_text(json.dumps(content))
    assert exported_file(str(exported), model, folder, **given).path.stat().st_mtime_ns != before


def edited(change):
    """Damage that changes the JSON of the certificate."""

    def damage(file, certificate):
        content = json.loads(certificate.read_text())
        change(content)
        certificate.write_text(json.dumps(content))

    return damage


def other_weight(file, certificate):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (other_weight, "The file was changed after its export"),
        (lambda file, certificate: file.write_bytes(b""), "The file was changed after its export"),
        (lambda file, certificate: certificate.write_text("{"), "is damaged"),
        (lambda file, certificate: certificate.write_text("[" * 10_000), "is damaged"),
        (lambda file, certificate: certificate.write_bytes(b"\xff\xfe\0"), "is damaged"),
        (edited(lambda content: content.update(passed=False)), "is damaged: `passed` is not true"),
        (edited(lambda content: content["checks"][0].update(passed=False)), "did not pass"),
        (edited(lambda content: content.update(checks=None)), "is damaged"),
        (edited(lambda content: content["checks"][0].update(summary="perfect")), "its digest is wrong"),
        (edited(lambda content: content["checks"].pop()), "its digest is wrong"),
    ],
)
def test_a_file_that_is_not_proven_is_found_and_kept(exported, registry, tmp_path, damage, reason):
    folder = tmp_path / "exports"
    shutil.copytree(exported / "exports", folder)
    file = folder / "resnet-mini.onnx"
    damage(file, file.with_name("resnet-mini.onnx.json"))
    before = file.read_bytes()
    model = zoo.open_model(str(exported), registry=registry)
    given = {"data_dir": None, "runs_dir": exported.parent.parent, "registry": registry}
    assert reason in exported_file(str(exported), model, folder, **given).problem
    assert file.read_bytes() == before


def test_a_file_that_is_not_proven_is_one_line_of_the_report(exported, zoo_command, tmp_path):
    folder = tmp_path / "resnet-mini" / exported.name
    shutil.copytree(exported, folder)
    file = folder / "exports" / "resnet-mini.onnx"
    other_weight(file, None)
    before = file.read_bytes()
    done = zoo_command("report", folder, "--json")
    assert done.code == 0
    assert json.loads(done.out)["file"] is None
    assert file.read_bytes() == before
    for page in ((folder / "report.html").read_text(), (folder / "model-card.md").read_text()):
        text = " ".join(unescape(page).replace("\\", "").split())
        assert text.count("NOT verified") == 1
        assert "The file was changed after its export" in text
        assert "all checks passed" not in text
        assert "SHA-256 of the file" not in text


HOSTILE = "<img src=q onerror=alert(1)>\"'`|[x](javascript:alert(2)){{ 7 * 7 }}-->"


def test_names_are_not_markup(tmp_path, zoo_command):
    """Column, class, dataset and run are called like markup."""
    table = tmp_path / f"{HOSTILE.replace('/', '')}.csv"
    quoted = HOSTILE.replace('"', '""')
    rows = "".join(f'{k % 7},"{quoted}"\n' if k % 2 else f"{k % 5},</script></table>```\n" for k in range(60))
    table.write_text(f'"{quoted}",kind\n{rows}')
    run = zoo.train(
        "diabetes-mlp", dataset=str(table), data_options={"target": "kind"}, epochs=1, runs_dir=tmp_path / "runs"
    )
    named = f"{HOSTILE}\u2028x"
    folder = run.folder.rename(run.folder.with_name(named))
    done = zoo_command("report", folder, "-o", tmp_path / "report")
    assert done.code == 0, done.err
    page = Page((tmp_path / "report" / "report.html").read_text())
    assert page.loads == []
    assert page.tags.isdisjoint({"img", "script", "iframe", "object", "a"})
    assert not {name for name in page.attributes if name.startswith("on")}
    assert "onerror=alert(1)" in " ".join(page.words)
    card = (tmp_path / "report" / "model-card.md").read_text()
    _, front, body = card.split("---\n", 2)
    yaml = pytest.importorskip("yaml")
    facts = yaml.safe_load(front)
    assert facts["model-index"][0]["name"] == f"diabetes-mlp/{named}"
    blocks = re.findall(r"^(`{3,})\w+\n.*?\n\1$", body, flags=re.DOTALL | re.MULTILINE)
    outside = re.sub(r"^(`{3,})\w+\n.*?\n\1$", "", body, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 2
    assert "<img" not in outside
    assert "</script>" not in outside
    assert "[x](" not in outside.replace("\\[", "")
    assert "\u2028" not in outside


def test_the_page_may_load_and_run_nothing(exported):
    page = (exported / "report.html").read_text()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.split("; ")[0] == "default-src 'none'"
    assert "script-src" not in policy
    assert "connect-src" not in policy


def test_shipped_weights_have_a_report_without_curves(zoo_command, tmp_path):
    done = zoo_command("report", "linear-regression", "--runs-dir", tmp_path / "none", "--json")
    assert done.code == 0, done.err
    made = json.loads(done.out)
    assert made["page"] == "linear-regression-report/report.html"
    assert made["file"] == "linear-regression-report/exports/linear-regression.onnx"
    text = " ".join(Page(Path(made["page"]).read_text()).words)
    assert "the report has no curves" in text
    assert "weights of linear-regression" in text
    assert "all checks passed" in text
    assert "zoo train linear-regression" in text
    assert "weights of linear-regression" in Path(made["card"]).read_text()
    assert zoo_command("report", "linear-regression", "--runs-dir", tmp_path / "none").code == 0  # the file is reused


def test_a_file_has_no_report(zoo_command):
    error = zoo_command("report", "net.onnx").error
    assert "is an exported file" in error
    assert "zoo report NAME" in error


def test_the_report_of_a_regression_shows_errors(zoo_command, tmp_path):
    zoo.train("linear-regression", runs_dir=tmp_path / "runs", epochs=3)
    done = zoo_command("report", "linear-regression", "--runs-dir", tmp_path / "runs", "-o", tmp_path / "report")
    assert done.code == 0, done.err
    page = Page((tmp_path / "report" / "report.html").read_text())
    assert page.svgs == 3
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
    assert page.svgs == 2
    assert "There is no exported file" in " ".join(page.words)


def test_a_missing_run_gives_one_line(zoo_command):
    assert "zoo train" in zoo_command("report", "torchvision/resnet18").error


def test_the_command_line_of_a_run_gives_the_same_weights(tiny_registry, tmp_path, zoo_command):
    settings = {"epochs": 2, "lr": 0.07, "weight_decay": 0.000123456789, "dropout": 0.1, "seed": 3}
    first = zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=tmp_path / "a", **settings)
    command = repeat_command(first.config, tiny_registry)
    assert {"weight_decay=0.000123456789", "dropout=0.1"} <= set(shlex.split(command))
    words = shlex.split(command)[1:]
    assert zoo_command(*words, "--runs-dir", tmp_path / "b", registry=tiny_registry).code == 0
    again = zoo.find_run("tiny-cnn", tmp_path / "b", ["tiny-cnn"])
    assert again.best.read_bytes() == first.best.read_bytes()


def test_an_exported_file_is_not_exported_again(zoo_command):
    error = zoo_command("export", "net.onnx", "--onnx").error
    assert "is the name of a file" in error
    assert "zoo verify" in error


@pytest.mark.parametrize(
    "command",
    [
        ["compare", "lenet", "cnn-mini", "--plot", "x.foo"],
        ["compare", "lenet", "cnn-mini", "--curves", "x"],
        ["bench", "lenet", "--plot", "x.jpg"],
        ["find-lr", "lenet", "-o", "x.foo"],
    ],
)
def test_a_plot_is_a_png_file(zoo_command, command):
    done = zoo_command(*command)
    assert done.code == 2
    assert "ends in .png" in done.error
    assert not done.out
    assert not list(Path().iterdir())


def test_the_page_of_a_run_is_called_after_architecture_and_dataset(digits_run, zoo_command):
    assert zoo_command("demo", digits_run.folder).code == 0
    page = Path("resnet-mini-digits-demo.html")
    assert "<title>resnet-mini on digits: try it</title>" in page.read_text()


@pytest.mark.parametrize(
    ("name", "source", "stand_in", "shipped_by", "expected"),
    [
        ("mnist", "", False, "pluggy-zoo", ("mit", "ylecun/mnist")),
        ("mnist", "", True, None, ("unknown", "")),
        (
            "leaves",
            "https://huggingface.co/datasets/someone/leaves_2.0/tree/main",
            False,
            "none-such",
            ("unknown", "someone/leaves_2.0"),
        ),
        ("leaves", "https://example.org/datasets/someone/leaves", False, None, ("unknown", "")),
    ],
)
def test_the_card_has_the_ids_of_the_hub(registry, name, source, stand_in, shipped_by, expected):
    dataset = dataclasses.replace(registry.dataset("mnist"), name=name, source=source)
    found = hub_facts(dataset, stand_in, {"accuracy": 0.9, "auc": 0.8, "r2": 0.7}, shipped_by)
    assert (found.licence, found.dataset) == expected
    assert [metric["type"] for metric in found.metrics] == ["accuracy", "roc_auc", "r_squared"]
    assert [metric["name"] for metric in found.metrics] == ["accuracy", "AUC", "R²"]


def test_the_card_of_shipped_weights_has_their_licence(zoo_command, tmp_path):
    yaml = pytest.importorskip("yaml")
    done = json.loads(zoo_command("report", "linear-regression", "--runs-dir", tmp_path / "none", "--json").out)
    card = Path(done["card"]).read_text()
    facts = yaml.safe_load(card.split("---\n", 2)[1])
    assert facts["license"] == "mit"
    assert {"type", "value", "name"} == set(facts["model-index"][0]["results"][0]["metrics"][0])
    assert "**Licence:** MIT, as pluggy-zoo, with which the weights ship" in card


def test_tables_and_plots_of_the_report_have_names(exported):
    page = (exported / "report.html").read_text()
    assert re.findall(r"<th(?![^>]*scope=)[^>]*>", page) == []
    pictures = re.findall(r"<svg [^>]*>", page)
    assert len(pictures) == 4
    for picture in pictures:
        assert 'role="img"' in picture
        assert len(re.search(r'aria-label="([^"]*)"', picture)[1]) > 40
    assert all(re.search(r'alt="[^"]+"', image) for image in re.findall(r"<img [^>]*>", page))
    assert re.search(r"<figcaption>On average the model is [\d.]+% sure of its answer", page)
