"""Files of decoded images: splits of their own, links, what killed processes leave, and what cannot be used."""

import filelock
import numpy as np
import pytest
import torch
from PIL import Image

from zoo import DataError, ZooError
from zoo.data.loading import load_named

LEFT = ".killed"


def fill(folder, classes=("cat", "dog"), count=5):
    random = np.random.RandomState(len(folder.name))
    for label in classes:
        (folder / label).mkdir(parents=True)
        for number in range(count):
            pixels = random.randint(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number}.png")
    return folder


@pytest.fixture
def load(tmp_path, registry):
    """A function that loads a folder of images, by default from files of decoded images."""

    def load(folder, hold="disk", **options):
        return load_named(str(folder), registry, "classification", tmp_path / "data", {"hold": hold} | options)

    return load


@pytest.fixture
def images(tmp_path):
    """The folder of decoded images."""
    return tmp_path / "data" / "images"


def leave_behind(images):
    """What a killed process leaves: a folder, a file and a link to something else."""
    kept = images.parent / "kept.txt"
    kept.write_text("kept")
    (images / LEFT).mkdir()
    (images / LEFT / "train.npy").write_bytes(b"half")
    (images / f"{LEFT}-file").write_text("half")
    (images / f"{LEFT}-link").symlink_to(kept)
    return kept


def hidden(images):
    return sorted(path.name for path in images.glob(".*") if path.name != ".lock")


def test_decoded_splits_of_their_own_are_those_in_memory(tmp_path, load):
    for name in ("train", "val", "test"):
        fill(tmp_path / "pets" / name)
    held, mapped = load(tmp_path / "pets", "memory"), load(tmp_path / "pets")
    assert mapped.fingerprint == held.fingerprint
    for name in ("train", "validation", "test"):
        assert torch.equal(getattr(held.splits, name).inputs, getattr(mapped.splits, name).inputs)


def test_links_to_images_are_decoded_again_if_the_image_changed(tmp_path, load):
    folder, store = tmp_path / "pets", fill(tmp_path / "store")
    for path in sorted(store.glob("*/*.png")):
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / path.parent.name / path.name).symlink_to(path)
    before = load(folder).fingerprint
    assert before == load(store).fingerprint
    Image.new("L", (8, 8)).save(store / "cat" / "0.png")
    assert load(folder).fingerprint != before


def test_what_killed_processes_have_left_is_removed_when_the_images_are_used(tmp_path, load, images, monkeypatch):
    folder = fill(tmp_path / "pets")
    before = load(folder)
    kept = leave_behind(images)
    monkeypatch.setattr("zoo.data.image_store.read_image", lambda *_: pytest.fail("decoded again"))
    assert load(folder).fingerprint == before.fingerprint
    assert hidden(images) == []
    assert kept.read_text() == "kept"


def test_what_another_process_is_building_is_left_alone(tmp_path, load, images):
    folder = fill(tmp_path / "pets")
    before = load(folder)
    leave_behind(images)
    with filelock.FileLock(images / ".lock"):
        assert load(folder).fingerprint == before.fingerprint
        assert hidden(images) == [LEFT, f"{LEFT}-file", f"{LEFT}-link"]


def test_a_lock_that_cannot_be_taken_is_one_line(tmp_path, load, images):
    (images / ".lock").mkdir(parents=True)
    with pytest.raises(ZooError, match=r"^Cannot write .*\.lock: [^.]*\. Choose a folder that can be written to\.$"):
        load(fill(tmp_path / "pets"))


def test_a_test_split_without_images_of_a_class_is_used(tmp_path, load):
    fill(tmp_path / "pets" / "train")
    fill(tmp_path / "pets" / "test", classes=("dog",), count=3)
    data = load(tmp_path / "pets", "memory")
    assert data.spec.labels == ("cat", "dog")
    assert data.splits.test.targets.tolist() == [1, 1, 1]


def test_a_folder_of_damaged_images_only_is_refused(tmp_path, load):
    folder = fill(tmp_path / "pets")
    for path in folder.glob("*/*.png"):
        path.write_text("no image")
    with pytest.raises(DataError, match=r"^None of the images can be read\.$"):
        load(folder, "memory", corrupt="skip")
