"""Files are written completely or not at all, and equal checkpoints have equal bytes."""

import contextlib
import errno
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from zoo import ZooError
from zoo.files import (
    make_folder,
    recover,
    replacing,
    replacing_together,
    sha256,
    unwritable,
    write_text,
    write_together,
)
from zoo.journal import locked
from zoo.runs.checkpoint import load_model_state, load_tensors, load_tensors_with_hash, model_state, save_tensors

needs_permissions = pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")


def test_an_incomplete_file_is_never_visible(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_earlier_file_survives_a_write_that_fails(error, tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(error), replacing(path) as temporary:
        temporary.write_text("new")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.glob(".*")) == []


def test_a_full_disk_gives_one_line_and_keeps_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ZooError, match="No space left on device") as caught:
        write_text(path, "new")
    assert str(path) in str(caught.value)
    assert path.read_text() == "old"


def test_file_permissions_follow_the_umask(tmp_path):
    write_text(tmp_path / "a", "x")
    (tmp_path / "b").write_text("x")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "b").stat().st_mode)


def test_a_folder_that_is_a_file_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ZooError, match=r"Cannot use .*below as a folder: .*file is not a folder"):
        make_folder(tmp_path / "file" / "below")


def test_a_folder_that_is_a_link_to_nothing_is_refused_in_one_line(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(ZooError, match=r"Cannot use .*link as a folder: .*link is not a folder\. Choose another name"):
        make_folder(link)


@needs_permissions
def test_a_read_only_folder_is_refused_in_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ZooError, match="Permission denied"):
        make_folder(tmp_path)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "Permission denied. Choose a folder that can be written to."),
        (errno.ENOSPC, "No space left on device. Free some space, or choose another folder."),
        (errno.ENAMETOOLONG, "File name too long. Choose a shorter name."),
    ],
)
def test_a_file_that_cannot_be_written_comes_with_advice(number, advice):
    assert str(unwritable(Path("a"), OSError(number, os.strerror(number)))) == f"Cannot write a: {advice}"


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(3, 2))


def test_equal_weights_give_equal_bytes(tmp_path):
    metadata = {f"key{i}": i for i in range(20)}
    digests = set()
    for i in range(5):
        model = network().to(memory_format=torch.channels_last if i % 2 else torch.contiguous_format)
        save_tensors(tmp_path / "a", model_state(model), dict(sorted(metadata.items(), reverse=bool(i % 2))))
        digests.add(sha256(tmp_path / "a"))
    assert len(digests) == 1


def test_weights_and_description_can_be_read(tmp_path):
    model = network()
    save_tensors(tmp_path / "a", model_state(model), {"labels": ["null", "ä"]})
    tensors, metadata = load_tensors(tmp_path / "a")
    other = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(3, 2))
    load_model_state(other, tensors)
    assert metadata == {"labels": ["null", "ä"]}
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(4, 3, bias=False)
        self.decode = nn.Linear(4, 3, bias=False)
        self.decode.weight = self.encode.weight


def test_tied_weights_are_stored_once_and_stay_tied(tmp_path):
    model = Tied()
    save_tensors(tmp_path / "a", model_state(model), {})
    tensors, _ = load_tensors(tmp_path / "a")
    assert tensors.keys() == {"encode.weight"}
    other = Tied()
    load_model_state(other, tensors)
    assert other.decode.weight is other.encode.weight
    assert torch.equal(other.decode.weight, model.encode.weight)


@pytest.mark.parametrize("other", [nn.Linear(3, 2), nn.Linear(4, 3, bias=False), nn.Conv2d(3, 2, 1)])
def test_a_checkpoint_of_another_network_is_refused_in_one_line(other, tmp_path):
    save_tensors(tmp_path / "a", model_state(nn.Linear(4, 3)), {})
    with pytest.raises(ZooError, match="does not fit") as caught:
        load_model_state(other, load_tensors(tmp_path / "a")[0])
    assert "\n" not in str(caught.value)


def damage_checkpoint(path, damage):
    save_tensors(path, model_state(network()), {})
    whole = path.read_bytes()
    path.unlink()
    if damage == "foreign":
        save_file({"x": torch.zeros(1)}, path)
    elif damage == "pipe":
        os.mkfifo(path)
    elif damage != "missing":
        path.write_bytes({"truncated": whole[:-10], "empty": b"", "text": b"not a checkpoint at all"}[damage])


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "foreign", "missing"])
def test_a_damaged_checkpoint_is_refused_in_one_line(damage, tmp_path):
    path = tmp_path / "a.safetensors"
    damage_checkpoint(path, damage)
    with pytest.raises(ZooError, match=r"a\.safetensors") as caught:
        load_tensors(path)
    assert "\n" not in str(caught.value)


# Several files as one unit

PAIR = ("x.onnx", "x.onnx.json")


def write_pair(folder, text):
    write_together({folder / name: text for name in PAIR})


def contents(folder):
    return {name: (folder / name).read_text() for name in PAIR if (folder / name).exists()}


def half_replaced(folder, **changes):
    """A pair whose first file is new and whose second file waits under its temporary name, with its journal."""
    parts = [f".{name}.{place:016x}.part" for place, name in enumerate(PAIR)]
    digests = [hashlib.sha256(text).hexdigest() for text in (b"old", b"new")]
    entries = [
        dict(name=name, old=digests[0], part=part, new=digests[1]) for name, part in zip(PAIR, parts, strict=True)
    ]
    entries[1] |= changes
    (folder / PAIR[0]).write_text("new")
    (folder / PAIR[1]).write_text("old")
    (folder / parts[1]).write_text("new")
    (folder / ".x.onnx.pending").write_text(json.dumps({"format": 1, "files": entries}))


def test_a_half_replaced_pair_is_completed_with_a_note(tmp_path, caplog):
    half_replaced(tmp_path)
    recover(tmp_path / "x.onnx")
    assert contents(tmp_path) == dict.fromkeys(PAIR, "new")
    assert list(tmp_path.glob(".*")) == []
    assert "killed while it replaced x.onnx, x.onnx.json; this is completed now" in caplog.text


def test_a_link_to_a_half_replaced_file_completes_it(tmp_path):
    half_replaced(tmp_path)
    (tmp_path / "link.onnx").symlink_to("x.onnx")
    recover(tmp_path / "link.onnx")
    assert contents(tmp_path) == dict.fromkeys(PAIR, "new")


def test_a_file_that_changed_after_the_kill_is_not_replaced(tmp_path, caplog):
    half_replaced(tmp_path)
    (tmp_path / "x.onnx.json").write_text("mine")
    recover(tmp_path / "x.onnx")
    assert contents(tmp_path) == {"x.onnx": "new", "x.onnx.json": "mine"}
    assert list(tmp_path.glob(".*")) == []
    assert "have changed since. Write them again." in caplog.text


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/b/c", "linked/outside", "..", "", "x\0y"])
def test_a_journal_cannot_name_files_of_other_folders(name, tmp_path):
    folder = tmp_path / "download"
    folder.mkdir()
    (tmp_path / "outside").write_text("old")
    (folder / "linked").symlink_to(tmp_path)
    half_replaced(folder, name=name)
    recover(folder / "x.onnx")
    assert contents(folder) == {"x.onnx": "new", "x.onnx.json": "old"}
    assert (tmp_path / "outside").read_text() == "old"


def test_a_journal_cannot_move_or_delete_other_files(tmp_path):
    (tmp_path / "thesis.txt").write_text("new")
    half_replaced(tmp_path, part="thesis.txt")
    recover(tmp_path / "x.onnx")
    half_replaced(tmp_path, name="thesis.txt", part="", new="")
    recover(tmp_path / "x.onnx")
    assert (tmp_path / "thesis.txt").read_text() == "new"


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 1, "files": [1]}', b"\xff", b"[" * 100_000])
def test_a_file_that_is_no_journal_is_ignored(content, tmp_path, caplog):
    (tmp_path / ".x.onnx.pending").write_bytes(content)
    recover(tmp_path / "x.onnx")
    assert "is ignored" in caplog.text
    write_pair(tmp_path, "new")
    assert contents(tmp_path) == dict.fromkeys(PAIR, "new")


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_kill_at_any_operation_leaves_a_pair_that_is_old_or_new_or_repaired(tmp_path):
    script = Path(__file__).with_name("kill_replacement.py")
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] >= 100
    assert min(found.values()) > 10, found


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
def test_temporary_files_of_dead_processes_are_swept_and_those_of_living_ones_are_not(tmp_path):
    dead = tmp_path / ".a.txt.0123456789abcdef.part"
    dead.write_text("half")
    foreign = tmp_path / ".theirs.part"
    foreign.write_text("theirs")
    with replacing(tmp_path / "a.txt") as living:
        assert not dead.exists()
        write_text(tmp_path / "b.txt", "b")
        assert living.exists()
        living.write_text("a")
    names = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert names == {".theirs.part", "a.txt", "b.txt"}


def test_temporary_names_cannot_be_guessed_and_no_link_is_followed(tmp_path):
    names = set()
    for _ in range(3):
        with replacing(tmp_path / "a.txt") as temporary:
            names.add(temporary.name)
    assert len(names) == 3
    assert all(re.fullmatch(r"\.a\.txt\.[0-9a-f]{16}\.part", name) for name in names)


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
def test_a_link_or_a_pipe_with_a_temporary_name_is_left_alone(tmp_path):
    (tmp_path / "theirs").write_text("theirs")
    link, pipe = (tmp_path / f".a.txt.{number * 16}.part" for number in "01")
    link.symlink_to("theirs")
    os.mkfifo(pipe)
    write_text(tmp_path / "a.txt", "new")
    assert link.is_symlink()
    assert pipe.is_fifo()
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_a_pair_is_written_through_a_link_to_its_folder_and_to_no_other_folder(tmp_path):
    (tmp_path / "real" / "below").mkdir(parents=True)
    (tmp_path / "other" / "deep" / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    write_together({tmp_path / "real" / "a": "1", tmp_path / "link" / "b": "2"})
    assert (tmp_path / "real" / "b").read_text() == "2"
    (tmp_path / "real" / "c").symlink_to(tmp_path / "other" / "deep" / "below" / "c")
    with pytest.raises(ZooError, match="links to a file in another folder"):
        write_together({tmp_path / "real" / "a": "3", tmp_path / "real" / "c": "4"})
    assert (tmp_path / "real" / "a").read_text() == "1"


def test_a_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link.txt").symlink_to("real/a.txt")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "real" / "a.txt").read_text() == "new"


def test_an_existing_file_keeps_its_permissions(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    (tmp_path / "a.txt").chmod(0o600)
    write_text(tmp_path / "a.txt", "new")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: os.mkfifo(path), "it is a device or a pipe"),
        (lambda path: path.symlink_to("/dev/null"), "it is a device or a pipe"),
        (lambda path: path.symlink_to(path.name), "it is a link to itself"),
    ],
    ids=["folder", "pipe", "link to a device", "link to itself"],
)
@pytest.mark.skipif(sys.platform == "win32", reason="files of POSIX")
def test_nothing_of_a_pair_is_replaced_if_one_name_cannot_be_written(make, words, tmp_path):
    (tmp_path / "x.onnx").write_text("old")
    make(tmp_path / "x.onnx.json")
    with pytest.raises(ZooError, match=words) as caught:
        write_pair(tmp_path, "new")
    assert "\n" not in str(caught.value)
    assert (tmp_path / "x.onnx").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("x")) == sorted(PAIR)
    assert not list(tmp_path.glob(".*"))


def test_a_folder_that_appears_while_a_pair_is_written_keeps_the_old_pair(tmp_path):
    (tmp_path / "x.onnx").write_text("old")
    with pytest.raises(ZooError, match="it is a folder"), replacing_together(*(tmp_path / name for name in PAIR)):
        (tmp_path / "x.onnx.json").mkdir()
    assert (tmp_path / "x.onnx").read_text() == "old"
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("at", [1, 2, 3], ids=["journal", "first file", "second file"])
def test_a_rename_that_fails_keeps_the_old_pair_or_lets_the_next_command_complete_the_new_one(
    at, tmp_path, monkeypatch
):
    write_pair(tmp_path, "old")
    renamed, genuine = [], os.replace

    def replace(old, new):
        renamed.append(new)
        if len(renamed) == at:
            raise OSError(28, "No space left on device")
        genuine(old, new)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(ZooError, match="No space left on device"):
        write_pair(tmp_path, "new")
    recover(tmp_path / "x.onnx")
    assert contents(tmp_path) == dict.fromkeys(PAIR, "new" if at == 3 else "old")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("at", [1, 2, 3, 4], ids=["journal", "first file", "second file", "after"])
def test_ctrl_c_while_a_pair_is_replaced_loses_nothing(at, tmp_path, monkeypatch):
    write_pair(tmp_path, "old")
    done, genuine = [], os.replace

    def replace(old, new):
        done.append(new)
        if len(done) == at:
            raise KeyboardInterrupt
        genuine(old, new)

    monkeypatch.setattr(os, "replace", replace)
    with contextlib.suppress(KeyboardInterrupt):
        write_pair(tmp_path, "new")
    recover(tmp_path / "x.onnx")
    assert contents(tmp_path) == dict.fromkeys(PAIR, "new" if at >= 3 else "old")
    assert not list(tmp_path.glob(".*"))


def test_long_names_and_names_that_are_not_unicode(tmp_path):
    for name in ("n" * 250, "ä" * 125, os.fsdecode(b"\xff\xfe")):
        pair = {tmp_path / name: "a", tmp_path / "second": name[:3].encode("utf-8", "replace").decode()}
        write_together(pair)
        assert (tmp_path / name).read_text() == "a"
    with pytest.raises(ZooError, match="Choose a shorter name"):
        write_together({tmp_path / "short": "a", tmp_path / ("n" * 256): "b"})
    assert not (tmp_path / "short").exists()


def test_concurrent_writers_never_mix_their_pairs(tmp_path):
    stop = threading.Event()

    def write(text):
        while not stop.is_set():
            write_pair(tmp_path, text)

    writers = [threading.Thread(target=write, args=(text,)) for text in "abc"]
    for writer in writers:
        writer.start()
    for _ in range(100):
        with locked(tmp_path):  # no process is between its renames
            found = contents(tmp_path)
        assert len(set(found.values())) <= 1, found
    stop.set()
    for writer in writers:
        writer.join()
    assert contents(tmp_path).keys() == set(PAIR)
    assert not list(tmp_path.glob(".*"))


# Hash and weights


def test_weights_and_hash_are_of_one_checkpoint_while_another_process_replaces_it(tmp_path):
    path, stop = tmp_path / "best.safetensors", threading.Event()
    known = {}
    for value in range(3):
        save_tensors(path, {"value": torch.full((10_000,), float(value))}, {"value": value})
        known[sha256(path)] = value

    def train():
        while not stop.is_set():
            for value in range(3):
                save_tensors(path, {"value": torch.full((10_000,), float(value))}, {"value": value})

    trainer = threading.Thread(target=train)
    trainer.start()
    try:
        for _ in range(200):
            tensors, metadata, digest = load_tensors_with_hash(path, dict)
            assert known[digest] == metadata["value"] == tensors["value"][0] == tensors["value"][-1]
    finally:
        stop.set()
        trainer.join()


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "foreign", "missing", "pipe"])
@pytest.mark.skipif(sys.platform == "win32", reason="files of POSIX")
def test_a_damaged_checkpoint_is_refused_when_it_is_read_with_its_hash(damage, tmp_path):
    path = tmp_path / "a.safetensors"
    damage_checkpoint(path, damage)
    with pytest.raises(ZooError, match=r"a\.safetensors") as caught:
        load_tensors_with_hash(path)
    assert "\n" not in str(caught.value)
