"""Damaged and foreign input: each fault is one printable line that names the file, and what is sound still works."""

import copy
import csv
import json
import os
import random
import shutil

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import zoo
from zoo.formatting import brief, printable
from zoo.models.description import ModelDescription
from zoo.runs.checkpoint import load_tensors, load_tensors_with_hash
from zoo.runs.record import BestMetadata, Position
from zoo.runs.run import Run, load_run

FORGED = "x\nError: forged\x1b[31m\r\u202e"
WRONG = (None, True, -1, 1.5, "text", FORGED, [], [1], {}, {"a": None}, 10**30, 1e308, [[[]]])


@pytest.fixture
def run(tiny_runs, runs_dir):
    """A copy of the run, beside a second, sound one."""
    shutil.copytree(tiny_runs / "tiny-cnn", runs_dir / "tiny-cnn")
    (good,) = (runs_dir / "tiny-cnn").iterdir()
    bad = good.with_name("20200101-000000")
    shutil.copytree(good, bad)
    return Run.read(bad)


def good_runs(runs_dir):
    return [found.folder.name for found in zoo.list_runs(runs_dir)]


def assert_one_line(text):
    """It is one printable line."""
    assert printable(text) == text
    assert len(text) < 2_000


def every_field(content, path=()):
    """The path of each field of a JSON value, with those of nested fields."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in pairs:
        yield (*path, key)
        yield from every_field(value, (*path, key))


def replaced(content, path, value):
    """A copy of a JSON value with another value at ``path``."""
    made = copy.deepcopy(content)
    place = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return made


def without(content, path):
    """A copy of a JSON value without the entry at ``path``."""
    made = copy.deepcopy(content)
    place = made
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return made


# run.json


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"format": 1}',
        b'{"format": true}',
        b'{"format": "1"}',
        b'{"format": 2}',
        b'{"format": 1e400}',
        b'{"format": ' + b"9" * 5_000 + b"}",
        b"[" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b"\x00" * 100,
        b"\xff\xfe{\x00}\x00",
        '{"format": 1}'.encode("utf-16"),
        b'{"format": 1, "architecture": "\xff"}',
        b'{"format": 1, "architecture": "\\ud800"}',
    ],
    ids=lambda content: repr(content[:30]),
)
def test_a_damaged_run_is_listed_with_the_reason_and_hides_no_other(run, runs_dir, content, zoo_command):
    (run.folder / "run.json").write_bytes(content)
    good, (damaged,) = zoo.scan_runs(runs_dir)
    assert len(good) == 1
    assert (damaged.name, damaged.folder) == ("tiny-cnn/20200101-000000", run.folder)
    assert_one_line(damaged.reason)
    assert str(run.folder / "run.json") in damaged.reason
    shown = zoo_command("runs", "--runs-dir", runs_dir)
    assert shown.code == 0
    assert "20200101-000000  damaged" in shown.out
    assert damaged.reason[:60] in shown.out
    (first, second) = json.loads(zoo_command("runs", "--json", "--runs-dir", runs_dir).out)
    assert first["status"] == "finished"
    assert second == {"run": str(run.folder), "status": "damaged", "error": damaged.reason}
    assert zoo.find_run("tiny-cnn", runs_dir).folder.name != run.folder.name
    assert zoo_command("eval", run.folder).code == 1


def test_every_wrong_field_of_a_run_is_named_or_harmless(run, runs_dir):
    """Each field in turn gets each wrong value, or is missing; commands that read the run do not fail unexpectedly."""
    config = run.config
    refused = 0
    for path in every_field(config):
        changed = [replaced(config, path, value) for value in WRONG] + [without(config, path)]
        for content in changed:
            (run.folder / "run.json").write_text(json.dumps(content))
            good, damaged = zoo.scan_runs(runs_dir)
            assert len(good) + len(damaged) == 2
            assert good
            for found in damaged:
                assert_one_line(found.reason)
            refused += len(damaged)
            zoo.commandline.views.runs(good, damaged)
    assert refused > 500


@pytest.mark.parametrize("value", [b'"\xff"', b"1e999", b"1" * 5_000], ids=["not UTF-8", "too large", "too long"])
def test_a_field_that_no_schema_has_must_be_json_too(run, runs_dir, value):
    content = (run.folder / "run.json").read_bytes()
    (run.folder / "run.json").write_bytes(content.replace(b"{", b'{"of_a_later_version": ' + value + b", ", 1))
    _, (damaged,) = zoo.scan_runs(runs_dir)
    assert "is damaged" in damaged.reason
    assert_one_line(damaged.reason)


def test_the_message_names_the_field(run):
    (run.folder / "run.json").write_text(json.dumps(replaced(run.config, ("data", "labels", 1), 7)))
    with pytest.raises(zoo.RunNotFound, match=r"run\.json is damaged: .*\$\.data\.labels\[1\]"):
        load_run(run.folder)


def test_fields_of_a_later_version_are_kept(run, runs_dir):
    config = run.config | {"from_the_future": {"a": [1]}}
    config["checkpoints"]["seconds"] = 3
    (run.folder / "run.json").write_text(json.dumps(config))
    assert load_run(run.folder).config == config
    assert len(good_runs(runs_dir)) == 2


def test_what_is_no_file_is_no_run_or_a_damaged_one(run, runs_dir, zoo_command):
    folder = runs_dir / "tiny-cnn"
    (folder / "a-file").write_text("x")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    for name in ("with-pipe", "with-device", "with-folder"):
        (folder / name).mkdir()
    os.mkfifo(folder / "with-pipe" / "run.json")
    (folder / "with-device" / "run.json").symlink_to("/dev/zero")
    (folder / "with-folder" / "run.json").mkdir()
    (runs_dir / "loop").symlink_to("loop")
    good, damaged = zoo.scan_runs(runs_dir)
    assert len(good) == 2
    assert [found.folder.name for found in damaged] == ["with-device", "with-folder", "with-pipe"]
    for found in damaged:
        assert zoo_command("eval", found.folder).error
    for name in ("a-file", "loop", "pipe"):
        assert zoo_command("eval", folder / name).code == 2
    assert "runs folder" in zoo_command("runs", "--runs-dir", folder / "a-file").error


def test_names_that_are_not_utf_8_are_shown_escaped(run, runs_dir, zoo_command):
    odd = os.fsdecode(bytes(run.folder) + b"\xff\x1b[31m\nError: forged")
    run.folder.rename(odd)
    result = zoo_command("runs", "--runs-dir", runs_dir)
    assert result.code == 0
    assert r"20200101-000000\udcff\x1b[31m Error: forged" in result.out
    assert "\x1b" not in result.out
    assert len(result.out.splitlines()) == 3
    assert "\x1b" not in zoo_command("runs", "--json", "--runs-dir", runs_dir).out
    (folder, _) = sorted(
        entry["run"] for entry in json.loads(zoo_command("runs", "--json", "--runs-dir", runs_dir).out)
    )
    assert folder == odd


@pytest.mark.parametrize("reference", ["~nosuchuser/x", "x" * 5_000, "a\0b", ",".join("1234.5" for _ in range(2_000))])
@pytest.mark.parametrize("command", ["eval", "report", "predict", "export"])
def test_a_reference_that_is_no_path_is_one_line(command, reference, runs_dir, zoo_command):
    more = {"predict": ["1,2"], "export": ["--onnx"]}.get(command, [])
    result = zoo_command(command, reference, *more, "--runs-dir", runs_dir)
    assert result.code in (1, 2)
    assert "unexpected" not in result.error


@pytest.mark.parametrize("option", ["--runs-dir", "--data-dir"])
def test_the_home_of_an_unknown_user_is_one_line(option, zoo_command):
    result = zoo_command("train", "lenet", "--dataset", "digits", option, "~nosuchuser/x")
    assert result.code == 2
    assert "home folder" in result.error


# metrics.jsonl


def test_epochs_with_different_metrics_are_one_table(run):
    first, *others = run.metrics()
    run.set_metrics([first, *(entry | {"validation": {**entry["validation"], "r2": 0.5}} for entry in others)])
    run.write_table()
    with run.table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["validation_r2"] for row in rows] == ["", *["0.5"] * len(others)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: [lines[0], lines[0]], "epoch 1 follows epoch 1"),
        (lambda lines: [lines[1], lines[0]], "epoch 1 follows epoch 2"),
        (lambda lines: [lines[0], b"\0" * 300 + b"\n"], "line 2"),
        (lambda lines: [b"".join(lines).decode().encode("utf-16")], "line 1"),
        (lambda lines: [lines[0], b'{"epoch": 2}\n'], "missing required field"),
        (lambda lines: [lines[0].replace(b'"lr": 0', b'"lr": NaN')], "line 1"),
        (lambda lines: [lines[0], lines[1].replace(b'"accuracy"', b'"other"')], "main metric"),
        (lambda lines: [b'{"epoch": 1, "train": ' + b"[" * 10_000 + b"\n"], "line 1"),
    ],
)
def test_damaged_metrics_name_the_line_and_a_run_goes_on_without_them(
    run, runs_dir, tiny_registry, change, words, caplog
):
    path = run.folder / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))
    with pytest.raises(zoo.ZooError, match=f"(?i){words}") as caught:
        run.metrics()
    assert_one_line(str(caught.value))
    assert str(path) in str(caught.value)
    zoo.resume(str(run.folder), epochs=3, registry=tiny_registry, runs_dir=runs_dir)
    assert "are lost" in caplog.text
    assert [entry["epoch"] for entry in Run.read(run.folder).metrics()][-1] == 3


def test_missing_epochs_in_the_metrics_are_no_error(run):
    path = run.folder / "metrics.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[1])
    assert [entry["epoch"] for entry in run.metrics()] == [2]
    assert run.epochs_done() == 2


# checkpoints


def header_of(content):
    return 8 + int.from_bytes(content[:8], "little")


def with_header(content, change):
    """The checkpoint with a changed JSON header."""
    end = header_of(content)
    header = json.loads(content[8:end])
    text = json.dumps(change(header) or header).encode()
    return len(text).to_bytes(8, "little") + text + content[end:]


def change_metadata(path, value):
    def change(header):
        metadata = json.loads(header["__metadata__"]["zoo"])
        *above, last = path
        place = metadata
        for key in above:
            place = place[key]
        place[last] = value
        header["__metadata__"]["zoo"] = json.dumps(metadata)

    return change


def first_tensor(**entries):
    def change(header):
        name = next(name for name in header if name != "__metadata__")
        header[name] |= entries

    return change


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:4],
        lambda content: content[:-1],
        lambda content: (2**63).to_bytes(8, "little") + content[8:],
        lambda content: (10**8).to_bytes(8, "little") + content[8:],
        lambda content: content + b"x",
        lambda content: with_header(content, lambda header: {"__metadata__": {"zoo": "{}"}}),
        lambda content: with_header(content, lambda header: {"__metadata__": {"zoo": "[" * 10_000}}),
        lambda content: with_header(content, lambda header: {"__metadata__": []}),
        lambda content: with_header(content, lambda header: [header]),
        lambda content: with_header(content, first_tensor(dtype="F4")),
        lambda content: with_header(content, first_tensor(dtype="I32")),
        lambda content: with_header(content, first_tensor(data_offsets=[4, 12])),
        lambda content: with_header(content, first_tensor(data_offsets=[-1, 2**70])),
        lambda content: with_header(content, first_tensor(shape=[2**40, 2**40])),
        lambda content: with_header(content, change_metadata(["data"], [])),
        lambda content: with_header(content, change_metadata(["data", "input_shape"], [1, "a"])),
        lambda content: with_header(content, change_metadata(["data", "input_shape"], [])),
        lambda content: with_header(content, change_metadata(["data", "num_outputs"], 0)),
        lambda content: with_header(content, change_metadata(["data", "num_outputs"], 10**9)),
        lambda content: with_header(content, change_metadata(["data", "num_outputs"], 3)),
        lambda content: with_header(content, change_metadata(["architecture"], 3)),
        lambda content: with_header(content, change_metadata(["architecture"], FORGED)),
        lambda content: with_header(content, change_metadata(["architecture"], "lenet")),
        lambda content: with_header(content, change_metadata(["architecture"], "nothing")),
        lambda content: with_header(content, change_metadata(["options"], {"dropout": "x"})),
        lambda content: with_header(content, change_metadata(["options"], {FORGED: 1})),
        lambda content: with_header(content, change_metadata(["plugin"], {})),
        lambda content: with_header(content, change_metadata(["task"], "other")),
        lambda content: with_header(content, change_metadata(["hyperparameters"], {"lr": "x"})),
        lambda content: with_header(content, change_metadata(["data", "columns"], [{"name": "x"}])),
    ],
)
def test_a_damaged_checkpoint_is_one_line(run, runs_dir, tiny_registry, damage, zoo_command):
    run.best.write_bytes(damage(run.best.read_bytes()))
    result = zoo_command("eval", run.folder, registry=tiny_registry)
    assert result.code in (1, 2)
    assert_one_line(result.error)
    assert "unexpected" not in result.error
    assert zoo_command("eval", "tiny-cnn", "--runs-dir", runs_dir, registry=tiny_registry).code == 0


def test_flipped_bits_in_the_header_never_raise_anything_else(run):
    """The tensors are either those of the file or refused; only metadata can change without a notice."""
    numbers = random.Random(5)
    for path, kind in ((run.best, BestMetadata), (run.last, Position)):
        content = path.read_bytes()
        for _ in range(300):
            place, bit = numbers.randrange(header_of(content)), numbers.randrange(8)
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            try:
                load_tensors(path, kind)
            except zoo.ZooError as error:
                assert_one_line(printable(error))
        path.write_bytes(content)


def test_a_checkpoint_of_another_run_does_not_resume(run, tiny_registry):
    shutil.copy(run.best, run.last)
    with pytest.raises(zoo.ZooError, match="checkpoint"):
        zoo.resume(str(run.folder), epochs=9, registry=tiny_registry)
    assert Run.read(run.folder).status == "finished"


def test_a_checkpoint_that_is_a_pipe_does_not_hang(run):
    run.best.unlink()
    os.mkfifo(run.best)
    with pytest.raises(zoo.ZooError, match="regular file"):
        load_tensors_with_hash(run.best)


# descriptions

DESCRIPTION = {
    "architecture": "lenet",
    "task": "classification",
    "input_shape": [1, 28, 28],
    "labels": ["a", "b"],
    "dataset": "mnist",
    "columns": [],
    "test": {"accuracy": 0.9},
    "normalisation": {"mean": [1.0], "std": [2.0]},
    "checkpoint_sha256": "0" * 64,
}


@pytest.mark.parametrize("field", DESCRIPTION)
def test_a_wrong_field_of_a_description_is_named_or_refused(field):
    for value in WRONG:
        try:
            found = ModelDescription.from_dict(DESCRIPTION | {field: value})
        except zoo.ZooError as error:
            assert_one_line(str(error))
        else:
            assert (found.takes_images, found.label(0), found.column_name(0)) is not None
            assert found.mean_pixel is None or found.mean_pixel >= -(10**300)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(field=st.sampled_from(sorted(DESCRIPTION)), text=st.text(max_size=40) | JSON.map(json.dumps))
@example(field="labels", text="[" * 10_000)
@example(field="input_shape", text="[" + "9" * 5_000 + "]")
@example(field="test", text='{"accuracy": 1e400}')
@example(field="checkpoint_sha256", text="")
@example(field="input_shape", text="\u0663")
def test_any_text_in_the_metadata_of_an_onnx_file_is_read_or_refused(field, text):
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in DESCRIPTION.items()}
    try:
        ModelDescription.from_metadata(texts | {field: text})
    except zoo.ZooError as error:
        assert "\n" not in str(error)  # noqa: PT017


# recorded results


def test_damaged_results_of_a_plugin_are_one_line_and_hide_nothing(tmp_path, registry, zoo_command, tiny):
    record = json.loads(registry.architectures["lenet"].results.read_text())
    path = tmp_path / "results.json"
    registry.add(zoo.Plugin("tiny", "third-party", "1.0", "tiny_plugin"), tiny)
    spec = registry.architecture("tiny-cnn")
    object.__setattr__(spec, "results", path)
    try:
        for field in record:
            for value in WRONG:
                path.write_text(json.dumps(record | {field: value}))
                zoo.commandline.views.architecture(zoo.architecture_facts(registry, spec))
        for content in ("", "[" * 10_000, '{"format": 1}', '{"format": 2}', "\0"):
            path.write_text(content)
            result = zoo_command("list", registry=registry)
            assert result.code == 0
            assert "Cannot read the results of tiny-cnn" in result.err
            assert "resnet-mini" in result.out
    finally:
        object.__setattr__(spec, "results", None)


# what is printed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本", "plain é 日本"),
        ("a\nb", r"a\nb"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\u202eback\u2028", r"\u202eback\u2028"),
        ("\udcff", r"\udcff"),
        ("\x9b2J\x00", r"\x9b2J\x00"),
        ("\u00a0 \u200d", "\u00a0 \u200d"),
    ],
)
def test_control_characters_are_escaped(text, shown):
    assert printable(text) == shown
    assert "\x1b" not in printable(text, lines=True)


def test_a_value_that_cannot_be_shown_is_described():
    class Evil:
        def __repr__(self):
            raise RuntimeError

    recursive = []
    recursive.append(recursive)
    assert brief(Evil()) == "<Evil>"
    assert brief(recursive) == "[[...]]"
    assert brief("x" * 1_000).endswith("...")
    assert brief(10**5_000) == "<int>"


def test_an_error_line_cannot_be_forged(zoo_command):
    result = zoo_command("info", FORGED)
    assert len(result.err.splitlines()) == 1
    assert "\x1b" not in result.err
    result = zoo_command("train", "lenet", "--set", f"{FORGED}=1")
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("option", ["--task", "--dataset"])
def test_an_unknown_filter_is_refused(option, zoo_command):
    assert zoo_command("list", option, "nix").code == 2


def test_a_data_folder_that_is_a_file_is_refused(tmp_path, zoo_command):
    (tmp_path / "file").write_text("x")
    assert zoo_command("datasets", "--data-dir", tmp_path / "file").code == 2


def test_a_forged_label_or_file_name_stays_in_its_line(run, tiny_registry, zoo_command, tmp_path):
    content = run.best.read_bytes()
    labels = change_metadata(["data", "labels"], ["across\nError: forged", "\x1b[31malong"])
    run.best.write_bytes(with_header(content, labels))
    odd = tmp_path / "x\nError: forged\x1b[31m.png"
    odd.write_bytes(b"no image")
    for command in (("eval", run.folder), ("predict", run.folder, odd)):
        result = zoo_command(*command, registry=tiny_registry)
        assert "\x1b" not in result.out + result.err
        assert not [line for line in (result.out + result.err).splitlines() if line.startswith("Error: forged")]
