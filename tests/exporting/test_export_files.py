"""Files of an export: names that are refused, links, folders in use, bundles as one unit, log files of the user."""

import json
import os
import sys
from pathlib import Path

import pytest
import test_export_failures as failures

import zoo
from zoo import ExportError, UsageError
from zoo.captured_output import capture_output
from zoo.exporting.export import write_verified
from zoo.exporting.request import ExportRequest
from zoo.files import sha256
from zoo.models.trained import load_trained
from zoo.runs.run import Run

posix = pytest.mark.skipif(sys.platform == "win32", reason="files of POSIX")
source, target = failures.source, failures.target  # fixtures


def words(content="fine"):
    """An exporter that writes a text."""
    return failures.exporter(lambda source, path: path.write_text(content))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# Names


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("x.txt", "x.txt is no name for a file of --onnx: it must end with .onnx"),
        ("x.pt2", "must end with .onnx"),
        ("x", "must end with .onnx"),
        (".onnx", "must end with .onnx"),
        ("notes.txt", "must end with .onnx"),
        ("", "is empty"),
        ("  ", "is empty"),
        ("~nosuchuser/x.onnx", "~nosuchuser"),
        ("/dev/null", "is a device or a pipe"),
        ("pipe.onnx", "is a device or a pipe"),
        ("to-notes.onnx", "notes.txt, which to-notes.onnx links to, is no name"),
    ],
)
@posix
def test_an_output_that_is_no_name_for_the_format_is_refused_before_any_work(output, reason, zoo_command):
    Path("notes.txt").write_text("mine")
    Path("to-notes.onnx").symlink_to("notes.txt")
    os.mkfifo("pipe.onnx")
    result = zoo_command("export", "linear-regression", "--onnx", "-o", output)
    assert result.code == 2
    assert reason in result.error
    assert Path("notes.txt").read_text() == "mine"
    assert names(Path()) == ["notes.txt", "pipe.onnx", "to-notes.onnx"]


@pytest.mark.parametrize("field", ["output", "bundle"])
@pytest.mark.parametrize(("name", "reason"), [("x\0.onnx", "contains NUL"), ("", "is empty")])
def test_a_name_that_no_file_can_have_is_refused_in_the_library_too(field, name, reason, registry):
    with pytest.raises(UsageError, match=reason):
        ExportRequest(registry.exporter("onnx"), **{field: name})


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("file.onnx/x.onnx", "file.onnx is a file"),
        ("file.onnx/", "file.onnx is a file"),
        ("n" * 300 + ".onnx", "Choose a shorter name"),
        ("n" * 248 + ".onnx", "Choose a shorter name"),
        ("taken.onnx", "taken.onnx.json: it is a folder"),
    ],
    ids=["below a file", "slash", "long", "long certificate", "folder in place of the certificate"],
)
def test_an_output_that_the_system_cannot_write_is_one_line_and_nothing_is_replaced(output, reason, zoo_command):
    Path("file.onnx").write_text("old")
    Path("taken.onnx").write_text("old")
    Path("taken.onnx.json").mkdir()
    before = names(Path())
    result = zoo_command("export", "linear-regression", "--onnx", "-o", output)
    assert result.code == 1
    assert reason in result.error
    assert Path("taken.onnx").read_text() == Path("file.onnx").read_text() == "old"
    assert names(Path()) == before


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("new/", "new/tiny.txt"),
        ("new/deeper/", "new/deeper/tiny.txt"),
        (".", "tiny.txt"),
        ("./", "tiny.txt"),
        ("..", "../tiny.txt"),
        ("new/x.txt", "new/x.txt"),
        ("x.y.txt", "x.y.txt"),
    ],
)
def test_a_folder_is_made_if_the_name_ends_with_a_slash(output, expected, source):
    certificate = write_verified(source, ExportRequest(words(), output))
    assert certificate.file == Path(expected)
    assert Path(expected).read_text() == "fine"


def test_a_folder_that_was_made_for_an_export_that_fails_is_taken_away(source):
    with pytest.raises(ExportError, match="wrote no file"):
        write_verified(source, ExportRequest(words(""), "new/"))
    assert not Path("new").exists()


@posix
def test_a_link_stays_and_file_and_certificate_are_written_at_its_target(source, tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.txt"
    link.symlink_to("real/model.txt")
    certificate = write_verified(source, ExportRequest(words(), link))
    assert link.is_symlink()
    assert certificate.file == tmp_path / "real" / "model.txt"
    assert names(tmp_path / "real") == ["model.txt", "model.txt.json"]


@pytest.mark.parametrize("drop", ["nan", "inf", "-1", "-inf", "1e400"])
def test_a_budget_that_is_no_number_is_refused(drop, zoo_command):
    result = zoo_command("export", "linear-regression", "--onnx", "--fp16", f"--max-drop={drop}")
    assert result.code == 2
    assert "max_drop must be a number of at least 0" in result.error


@pytest.mark.parametrize("option", ["--data-dir", "--runs-dir"])
@pytest.mark.parametrize("value", ["file", "file/below"])
def test_a_file_in_place_of_a_folder_is_named(option, value, zoo_command):
    Path("file").write_text("mine")
    result = zoo_command("export", "linear-regression", "--onnx", option, value)
    assert result.code == 2
    assert f"Cannot use {value} as the {option[2:6]} folder: file is not a folder." in result.error


def test_an_export_beside_its_own_leavings_works(source, target):
    for _ in range(2):
        write_verified(source, ExportRequest(words(), target))
    assert names(target.parent) == ["model.txt", "model.txt.json"]


# Bundles


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "model"
    zoo.export("linear-regression", bundle=folder, data_dir=folder.parent)
    return folder


def test_a_bundle_replaces_an_earlier_one_and_its_stale_files(bundle):
    for name in ("test_data_set_0/output_7.pb", "preprocessor_config.json"):
        (bundle / name).write_text("stale")
    (bundle / "labels.txt").write_text("old")
    before = names(bundle)
    zoo.export("linear-regression", bundle=bundle, data_dir=bundle.parent)
    assert names(bundle) == [name for name in before if name != "preprocessor_config.json"]
    assert names(bundle / "test_data_set_0") == ["input_0.pb", "output_0.pb"]
    assert (bundle / "labels.txt").read_text() != "old"
    assert json.loads((bundle / "model.onnx.json").read_text())["file"]["sha256"] == sha256(bundle / "model.onnx")


@pytest.mark.parametrize("name", ["notes.txt", "model.pt2", "data/x.csv", "config.json", "labels.txt"])
def test_a_bundle_into_a_folder_in_use_is_refused(name, zoo_command):
    file = Path("used", name)
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    result = zoo_command("export", "linear-regression", "--onnx", "--bundle", "used")
    assert result.code == 2
    assert "used is in use" in result.error
    assert [path for path in Path("used").rglob("*") if path.is_file()] == [file]


def test_an_earlier_bundle_with_a_file_of_the_user_is_refused(bundle, zoo_command):
    (bundle / "notes.txt").write_text("mine")
    result = zoo_command("export", "linear-regression", "--onnx", "--bundle", bundle)
    (bundle / "notes.txt").unlink()
    assert result.code == 2
    assert "it holds 'notes.txt'" in result.error


def test_a_bundle_in_place_of_a_file_is_refused(zoo_command):
    Path("file").write_text("mine")
    result = zoo_command("export", "linear-regression", "--onnx", "--bundle", "file")
    assert result.code == 1
    assert "file is a file" in result.error


# Log files


def test_a_success_keeps_the_log_file_of_the_user(target):
    own = target.with_name("model.txt.log")
    own.write_text("my own notes")
    with capture_output(target, "The exporter words"):
        pass
    assert own.read_text() == "my own notes"


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("elsewhere"), lambda path: path.touch()])
def test_a_failure_writes_its_log_beside_the_file_of_the_user(make, source, target):
    own = target.with_name("model.txt.log")
    make(own)
    for _ in range(2):  # the second replaces the log of the first
        with pytest.raises(ExportError, match=r"Details: .*model\.txt\.1\.log$"):
            write_verified(source, ExportRequest(failures.exporter(failures.talks_and_fails), target))
    assert names(target.parent) == ["model.txt.1.log", "model.txt.log"]
    write_verified(source, ExportRequest(words(), target))
    assert names(target.parent) == ["model.txt", "model.txt.json", "model.txt.log"]


# Weights and results


def test_results_of_another_checkpoint_are_left_out(digits_run, registry):
    assert load_trained(digits_run, registry).results == digits_run.config["results"]
    stale = json.loads(json.dumps(digits_run.config))
    stale["best"]["epoch"] += 100
    stale["results"]["test"] = {"accuracy": 0.0}
    # what was read before a resumed training replaced the checkpoint; run.json is right again
    assert load_trained(Run(digits_run.folder, stale), registry).results == digits_run.config["results"]


def test_results_are_none_while_run_json_is_of_another_checkpoint(digits_run, registry, tmp_path):
    import shutil

    folder = shutil.copytree(digits_run.folder, tmp_path / "copy")
    stale = json.loads((folder / "run.json").read_text())
    stale["best"]["epoch"] += 100
    (folder / "run.json").write_text(json.dumps(stale))
    assert load_trained(Run(folder, stale), registry).results is None
