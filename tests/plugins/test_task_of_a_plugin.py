"""A task of a plugin from training to export: the masks of examples/zoo-segmentation."""

import dataclasses
import json
import re
import shutil
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import zoo
from zoo.data.loading import load_again
from zoo.exporting.source import make_source
from zoo.exporting.split_check import check_test_split
from zoo.formatting import METRICS
from zoo.models.trained import load_trained
from zoo.registry.entry_points import find_entry_points
from zoo.reports.report_plots import report_plots
from zoo.runs.finding import find_run
from zoo.specs.settings import check_places

EXAMPLE = Path(__file__).parents[2] / "examples" / "zoo-segmentation"


@pytest.fixture(scope="module")
def segmentation():
    """A registry with the example, which is on the import path as after an installation."""
    sys.path.insert(0, str(EXAMPLE))
    point = zoo.EntryPoint("zoo-segmentation", "0.1.0", "zoo-segmentation", "zoo_segmentation", ">=0.1")
    yield zoo.create_registry([*find_entry_points(), point])
    sys.path.remove(str(EXAMPLE))


@pytest.fixture(autouse=True)
def metrics_of_the_example(clean_surroundings, segmentation):
    """The metrics that loading the plugin declares: this module loads it once for all tests."""
    METRICS.update({metric.name: metric.format for metric in segmentation.tasks["segmentation"].metrics})


@pytest.fixture(scope="module")
def trained(segmentation, made_once):
    """The folder of all runs, with one short training in it, and its exported file."""

    def train(folder):
        given = {"registry": segmentation, "data_dir": folder}
        run = zoo.train("segment-mini", epochs=1, runs_dir=folder, device="cpu", **given)
        zoo.export(str(run.folder), "onnx", folder / "net.onnx", **given)

    folder = made_once("masks", train)
    (run,) = zoo.list_runs(folder)
    return folder, run, folder / "net.onnx"


@pytest.fixture
def command(segmentation, trained, zoo_command):
    """A function that runs a command with the plugin, on a copy of the runs."""
    shutil.copytree(trained[0], "runs")

    def run(*arguments):
        return zoo_command(*arguments, registry=segmentation)

    return run


def test_a_run_records_the_metrics_of_the_task(trained):
    _, run, _ = trained
    results = run.config["results"]
    assert list(results["test"]) == ["loss", "iou", "pixel_accuracy"]
    assert results["baseline"].keys() == {"iou"}
    assert "calibration" not in results


def test_an_evaluation_has_the_metrics_and_the_worst_samples(command, trained):
    shown = command("eval", "segment-mini", "--runs-dir", "runs")
    assert shown.code == 0, shown.err
    assert "pixel accuracy" in shown.out
    assert "WORST SAMPLES" in shown.out
    content = json.loads(command("eval", trained[2], "--json").out)
    assert content["metrics"]["iou"]["value"] == pytest.approx(trained[1].config["results"]["test"]["iou"], abs=1e-3)
    values = [sample["iou"] for sample in content["worst"]]
    assert values == sorted(values)
    assert "confusion" not in content


def test_the_plots_of_a_report_are_the_worst_samples(trained, segmentation, tmp_path):
    folder, _, file = trained
    found = zoo.assess(file, registry=segmentation, data_dir=folder)
    made = report_plots(None, found, segmentation)
    worst = made.pop("worst_samples")
    assert not any(made.values())
    assert [sample["sample"] for sample in worst] == found.worst(20).tolist()
    assert all(re.fullmatch(r"IoU [\d.]+%?", sample["metric"]) for sample in worst)
    assert all(sample["image"].startswith("data:image/png;base64,") for sample in worst)
    assert zoo.draw_assessment(found, tmp_path / "plots") == []


def test_a_prediction_is_described_by_the_task(command, trained, segmentation):
    import zoo_segmentation_parts as parts

    Image.fromarray(parts.draw(1, seed=9).inputs[0, 0].numpy()).save("scene.png")
    for model in ("segment-mini", trained[2]):
        shown = command("predict", model, "scene.png", "--json", "--runs-dir", "runs")
        assert shown.code == 0, shown.err
        (answer,) = json.loads(shown.out)
        assert list(answer["values"]) == [f"share of {name}" for name in ("background", "circle", "square", "triangle")]
        assert sum(answer["values"].values()) == pytest.approx(1)


@pytest.mark.slow
def test_report_card_and_demo_show_the_task(command, trained):
    shown = command("report", "segment-mini", "--runs-dir", "runs", "-o", "report")
    assert shown.code == 0, shown.err
    page, card = Path("report", "report.html").read_text(), Path("report", "model-card.md").read_text()
    assert "<h2>Worst samples</h2>" in page
    assert page.count("data:image/png;base64") == 20
    assert "Confusion matrix" not in page
    assert "pipeline_tag: image-segmentation" in card
    assert command("demo", trained[2], "-o", "demo.html").code == 0
    assert 'id="mask"' in Path("demo.html").read_text()


@pytest.mark.slow
def test_an_exported_file_verifies_and_says_what_it_predicts(command, trained):
    import onnx

    shown = command("verify", trained[2], "--runs-dir", "runs", "--allow-partial")
    assert shown.code == 0, shown.out + shown.err
    metadata = {entry.key: entry.value for entry in onnx.load(trained[2]).metadata_props}
    assert metadata["predicts"] == "discrete"
    assert json.loads(metadata["labels"])[0] == "background"


@pytest.mark.slow
def test_a_bundle_prints_a_line_for_each_sample(command, tmp_path):
    import subprocess

    made = command("export", "segment-mini", "--onnx", "--bundle", "bundle", "--runs-dir", "runs")
    assert made.code == 0, made.err
    done = subprocess.run([sys.executable, "bundle/run.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(line.split()[0] in ("background", "circle", "square", "triangle") for line in done.stdout.splitlines())
    assert "problem_type" not in json.loads(Path("bundle/config.json").read_text())


@pytest.mark.parametrize(("change", "passes"), [(0.0, True), (1e-7, True), (0.05, False)])
def test_the_test_split_gate_compares_every_pixel(change, passes, trained, segmentation):
    folder, run, _ = trained
    found = load_trained(find_run(str(run.folder), folder), segmentation)
    source = make_source(found, load_again(run.config, segmentation, folder))
    few = dataclasses.replace(source, test=source.test.take(slice(80)), recorded=None)
    generator = torch.Generator().manual_seed(0)

    def wrong(inputs):
        with torch.inference_mode():
            logits, probabilities = source.model(inputs)
        noise = change * (2 * torch.rand(logits.shape, generator=generator) - 1)
        return [(logits + noise).numpy(), probabilities.numpy()]

    (check,) = check_test_split(few, [zoo.Runtime("CPU", "disturbed", wrong)])
    assert check.passed == passes, check.summary
    assert ("differ from torch" in check.summary) or passes


@pytest.mark.parametrize(
    "setting",
    [{"shift": 2}, {"flip": True}, {"rotate": 10.0}, {"zoom": 0.1}, {"crop": 0.2}, {"augment": "elastic"}],
    ids=lambda setting: next(iter(setting)),
)
def test_images_are_not_moved_away_from_their_masks(setting, segmentation, tmp_path):
    (name,) = setting
    with pytest.raises(zoo.UsageError, match=f"{name}.* would move the images and not their targets"):
        zoo.train("segment-mini", epochs=1, registry=segmentation, data_dir=tmp_path, device="cpu", **setting)
    assert not zoo.list_runs()


def test_pixels_may_change_where_they_are():
    check_places({"colour": 0.3, "erase": 0.2, "shift": 0}, (1, 32, 32), (32, 32))
    check_places({"shift": 2}, (1, 32, 32), ())
    check_places({"shift": 2}, (1, 32, 32), (4,))
    with pytest.raises(zoo.UsageError, match="shift"):
        check_places({"shift": 2}, (1, 32, 32), (3, 32, 32))


def test_without_its_plugin_a_file_says_which_task_is_missing(trained, zoo_command):
    Image.new("L", (32, 32)).save("scene.png")
    for arguments in (("predict", trained[2], "scene.png"), ("eval", trained[2])):
        shown = zoo_command(*arguments)
        assert shown.code != 0
        assert "segment-mini needs the task 'segmentation', which no plugin registers here" in shown.error
