"""Folders of user images as data."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import zoo
from zoo import DataError, UsageError
from zoo.data.images import read_image
from zoo.data.loading import load_again, load_named
from zoo.runs.checkpoint import load_tensors


def picture(mode="L", size=(20, 12), seed=0):
    """Noise, ``size`` wide and high."""
    random = np.random.RandomState(seed)
    return Image.fromarray(random.randint(0, 256, (size[1], size[0], 3), dtype=np.uint8), "RGB").convert(mode)


def fill(folder, classes=("cat", "dog"), count=10, **kwargs):
    for label in classes:
        (folder / label).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            picture(seed=hash((label, i)) % 1000, **kwargs).save(folder / label / f"{i}.png")
    return folder


def load(folder, registry, usual_size=0, **options):
    return load_named(str(folder), registry, "classification", folder, options, usual_size)


def test_each_folder_is_a_class(tmp_path, registry):
    folder = fill(tmp_path / "Pets!")
    (folder / "cat" / "notes.txt").write_text("no image")
    (folder / "dog" / ".hidden.png").write_text("not looked at")
    data = load(folder, registry)
    assert data.spec.name == "pets"
    assert data.spec.labels == ("cat", "dog")
    assert data.spec.input_shape == (1, 12, 20)
    splits = data.splits
    assert (len(splits.train) + len(splits.validation), len(splits.test)) == (16, 4)
    assert splits.test.targets.tolist() == [0, 0, 1, 1]
    assert splits.train.inputs.dtype == torch.uint8


def test_folders_of_splits_are_respected(tmp_path, registry):
    fill(tmp_path / "train", count=6)
    fill(tmp_path / "Val", count=2)
    fill(tmp_path / "test", count=3)
    splits = load(tmp_path, registry).splits
    assert [len(split) for split in (splits.train, splits.validation, splits.test)] == [12, 4, 6]


def test_another_seed_draws_another_test_split(tmp_path, registry):
    folder = fill(tmp_path / "pets")
    first, same, other = (load(folder, registry, split=seed).splits.test.inputs for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_a_registered_name_comes_before_a_folder_of_that_name(tmp_path, registry, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "digits")
    assert load_named("digits", registry, "classification", tmp_path, {}).path is None
    assert load_named("./digits", registry, "classification", tmp_path, {}).spec.name == "own-digits"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_every_mode_is_read(mode, tmp_path):
    path = tmp_path / f"x.{'tif' if mode in ('CMYK', 'I;16') else 'png'}"
    if mode == "I;16":
        Image.fromarray(np.full((12, 20), 40_000, np.uint16)).save(path)
    else:
        picture(mode).save(path)
    grey, colour = read_image(path, (1, 12, 20)), read_image(path, (3, 12, 20))
    assert (grey.shape, grey.dtype) == ((1, 12, 20), np.uint8)
    assert colour.shape == (3, 12, 20)
    if mode == "I;16":
        assert (grey == round(40_000 / 257)).all()


def test_transparency_is_white_and_images_are_rotated_upright(tmp_path):
    Image.new("RGBA", (4, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert (read_image(tmp_path / "clear.png", (3, 4, 4)) == 255).all()
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([0, 0, 0, 200, 0, 0])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "palette.png", transparency=0)
    pixels = read_image(tmp_path / "palette.png", (3, 4, 4))
    assert pixels[:, 0, 1].tolist() == [200, 0, 0]
    assert (pixels[:, 1:] == 255).all()
    image = Image.new("L", (4, 2), 0)
    image.putpixel((0, 0), 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # EXIF: rotate by 90 degrees clockwise
    image.save(tmp_path / "turned.png", exif=exif)
    pixels = read_image(tmp_path / "turned.png", (1, 4, 2))[0]
    assert np.argwhere(pixels).tolist() == [[0, 1]]


def test_photos_that_are_stored_rotated_have_the_shape_in_which_they_are_seen(tmp_path, registry):
    folder = fill(tmp_path / "pets", count=4)
    exif = Image.Exif()
    for path in folder.glob("*/*.png"):
        exif[0x0112] = 5 + int(path.stem)  # EXIF: the four orientations that exchange height and width
        Image.open(path).save(path, exif=exif)
    data = load(folder, registry)
    assert data.spec.input_shape == (1, 20, 12)
    assert data.splits.test.inputs.shape[1:] == (1, 20, 12)


def test_suffixes_in_upper_case_are_images_too(tmp_path, registry):
    folder = fill(tmp_path / "pets", count=4)
    for path in folder.glob("*/[01].png"):
        path.rename(path.with_suffix(".PNG"))
    splits = load(folder, registry).splits
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 8


def test_other_shapes_are_cropped_padded_or_stretched(tmp_path):
    image = np.zeros((10, 20), np.uint8)
    image[:, 5:15] = 200
    Image.fromarray(image).save(tmp_path / "wide.png")
    crop, pad, stretch = (read_image(tmp_path / "wide.png", (1, 10, 10), fit)[0] for fit in ("crop", "pad", "stretch"))
    assert (crop == 200).all()
    assert (pad[0] == 0).all()
    assert (pad[5, 3:7] == 200).all()
    assert (stretch[:, 0] == 0).all()
    assert (stretch[:, 5] == 200).all()


@pytest.mark.parametrize(
    ("sizes", "options", "usual", "shape"),
    [
        ([(20, 12)], {}, 0, (1, 12, 20)),
        ([(20, 12), (30, 30)], {}, 0, (1, 64, 64)),
        ([(200, 200)], {}, 0, (1, 64, 64)),
        ([(200, 200)], {}, 224, (1, 224, 224)),
        ([(20, 12)], {"size": (32,)}, 224, (1, 32, 32)),
        ([(20, 12)], {"size": (8, 16), "colour": "rgb"}, 0, (3, 8, 16)),
    ],
)
def test_the_size_to_which_images_are_resized(sizes, options, usual, shape, tmp_path, registry):
    folder = tmp_path / "pictures"
    for i, size in enumerate(sizes):
        for label in ("a", "b"):
            (folder / label).mkdir(exist_ok=True, parents=True)
            for copy in range(4):
                picture(size=size).save(folder / label / f"{i}{copy}.png")
    data = load(folder, registry, usual, **options)
    assert data.spec.input_shape == shape
    assert tuple(data.splits.train.inputs.shape[1:]) == shape


@pytest.mark.parametrize("damage", ["empty", "text", "truncated"])
def test_damaged_files_are_named_and_refused_or_skipped_by_choice(damage, tmp_path, registry, caplog):
    folder = fill(tmp_path / "pets", size=(40, 40))
    broken = folder / "dog" / "3.png"
    content = {"empty": b"", "text": b"hello", "truncated": broken.read_bytes()[:400]}[damage]
    broken.write_bytes(content)
    with pytest.raises(DataError, match=r"3\.png .*corrupt=skip") as caught:
        load(folder, registry)
    assert "\n" not in str(caught.value)
    data = load(folder, registry, corrupt="skip")
    splits = data.splits
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 19
    assert any(message.endswith(").") and "3.png (" in message for message in caplog.messages)


@pytest.mark.parametrize(
    ("classes", "count", "problem"),
    [
        ((), 0, "it has none"),
        (("cat",), 3, "it has only one, cat"),
        (("cat", "dog"), 0, "class cat has no images"),
    ],
)
def test_a_folder_that_is_not_a_dataset_is_refused(classes, count, problem, tmp_path, registry):
    folder = tmp_path / "pictures"
    folder.mkdir()
    fill(folder, classes=classes, count=count)
    with pytest.raises(DataError, match=problem):
        load(folder, registry)


def test_an_invalid_size_and_colour_are_refused(tmp_path, registry):
    folder = fill(tmp_path / "pictures")
    with pytest.raises(DataError, match="size is height and width"):
        load(folder, registry, size=(1, 2, 3))
    with pytest.raises(UsageError, match="colour must be one of"):
        load(folder, registry, colour="blue")


def test_a_training_on_a_user_folder_resumes_and_exports(tmp_path, registry, runs_dir, zoo_command):
    folder = fill(tmp_path / "pets", size=(20, 20), mode="RGB")
    result = zoo_command(
        "train", "cnn-mini", "--dataset", folder, "--data-option", "test=0.3", "--epochs", 2, "--runs-dir", runs_dir
    )
    assert result.code == 0, result.err
    run = zoo.find_run("cnn-mini", runs_dir, registry.architectures)
    assert run.config["data"]["options"]["size"] == [20, 20]
    assert load_again(run.config, registry, tmp_path).spec.input_shape == (3, 20, 20)
    assert zoo_command("export", "cnn-mini", "--onnx", "--runs-dir", runs_dir).code == 0
    (folder / "cat" / "0.png").unlink()
    result = zoo_command("export", "cnn-mini", "--onnx", "--runs-dir", runs_dir)
    assert "no longer the data" in result.error


def test_an_architecture_for_another_task_is_refused(tmp_path, zoo_command):
    fill(tmp_path / "pets")
    result = zoo_command("train", "bike-mlp", "--dataset", tmp_path / "pets")
    remedy = "`zoo list --task classification` shows the architectures for it."
    assert result.error == f"bike-mlp learns regression, but pets is for classification. {remedy}"


def test_an_option_that_the_data_does_not_have_is_refused(tmp_path, zoo_command):
    fill(tmp_path / "pets")
    result = zoo_command("train", "cnn-mini", "--dataset", tmp_path / "pets", "--data-option", "sise=3")
    assert result.code == 2
    assert "Did you mean 'size'?" in result.error
    assert "Leave out --target" in zoo_command("train", "cnn-mini", "--target", "x").error


def test_images_on_disk_are_the_same_as_in_memory(tmp_path, registry):
    folder = fill(tmp_path / "pets", count=30)
    held = load_named(str(folder), registry, "classification", tmp_path / "data", {"hold": "memory"})
    mapped = load_named(str(folder), registry, "classification", tmp_path / "data", {"hold": "disk"})
    assert mapped.fingerprint == held.fingerprint
    for name in ("train", "validation", "test"):
        first, second = getattr(held.splits, name), getattr(mapped.splits, name)
        assert (first.mapped, second.mapped) == (False, True)
        assert torch.equal(first.inputs, second.inputs)
        assert torch.equal(first.targets, second.targets)


def test_images_are_decoded_to_disk_again_only_if_one_changed(tmp_path, registry, monkeypatch):
    folder, data = fill(tmp_path / "pets", count=10), tmp_path / "data"
    options = {"hold": "disk"}
    before = load_named(str(folder), registry, "classification", data, options)
    with monkeypatch.context() as patch:
        patch.setattr("zoo.data.image_store.read_image", lambda *_: pytest.fail("decoded again"))
        again = load_named(str(folder), registry, "classification", data, options)
    assert again.fingerprint == before.fingerprint
    picture(seed=4_000).save(folder / "cat" / "0.png")
    changed = load_named(str(folder), registry, "classification", data, options)
    assert changed.fingerprint != before.fingerprint


def test_a_training_from_disk_equals_one_from_memory(tmp_path, registry, runs_dir):
    folder = fill(tmp_path / "pets", count=40, size=(12, 12))
    weights = []
    for hold in ("memory", "disk"):
        run = zoo.train(
            "lenet",
            dataset=folder,
            data_options={"hold": hold, "size": (28, 28)},
            epochs=2,
            batch_size=16,
            runs_dir=runs_dir,
            data_dir=tmp_path / "data",
            registry=registry,
            device="cpu",
        )
        weights.append(load_tensors(run.best)[0])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_full_disk_is_reported_before_anything_is_written(tmp_path, registry, monkeypatch):
    folder = fill(tmp_path / "pets", count=5)
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(DataError, match="has room for"):
        load_named(str(folder), registry, "classification", tmp_path / "data", {"hold": "disk"})
