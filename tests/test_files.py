"""Files are written completely or not at all, and equal checkpoints have equal bytes."""

import os
import stat

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from zoo import ZooError
from zoo.files import make_folder, replacing, sha256, write_text
from zoo.runs.checkpoint import load_model_state, load_tensors, model_state, save_tensors

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
    with pytest.raises(ZooError, match="Cannot write"):
        make_folder(tmp_path / "file" / "below")


@needs_permissions
def test_a_read_only_folder_is_refused_in_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ZooError, match="Permission denied"):
        make_folder(tmp_path)


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


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "foreign", "missing"])
def test_a_damaged_checkpoint_is_refused_in_one_line(damage, tmp_path):
    path = tmp_path / "a.safetensors"
    save_tensors(path, model_state(network()), {})
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "missing":
        path.unlink()
    elif damage == "foreign":
        save_file({"x": torch.zeros(1)}, path)
    else:
        path.write_bytes(b"" if damage == "empty" else b"not a checkpoint at all")
    with pytest.raises(ZooError, match=r"a\.safetensors") as caught:
        load_tensors(path)
    assert "\n" not in str(caught.value)
