"""Photos of digits, answers that are unsure, and ``zoo predict --show``."""

import io
import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

import zoo
from zoo.evaluation.image_preparation import ImagePreparation, image_sources, prepare_image
from zoo.models.description import ModelDescription
from zoo.models.inference import calibrate, confidence


@pytest.fixture(scope="module")
def digits():
    splits = zoo.load_dataset(zoo.create_registry().dataset("digits"), None).splits
    return splits.test.inputs.numpy()[:, 0], splits.test.targets.numpy()


def paper(ruled=True, noise=4.0, size=(420, 300)):
    """Grey paper with a shadow, ruled lines and noise, float ``[H, W]``."""
    random = np.random.default_rng(0)
    picture = Image.new("L", size, 170)
    if ruled:
        for y in range(20, size[1], 45):
            ImageDraw.Draw(picture).line([(0, y), (size[0], y + 18)], fill=130, width=2)
    values = np.asarray(picture, dtype=float)
    values[:, : size[0] * 2 // 5] *= 0.6
    return values + random.normal(0, noise, values.shape)


def seven(values):
    """``values`` with a seven in blue ballpoint."""
    ink = Image.new("L", values.shape[::-1], 255)
    ImageDraw.Draw(ink).line([(120, 70), (230, 66), (150, 230)], fill=90, width=5, joint="curve")
    return (values * np.asarray(ink) / 255).clip(0, 255).astype(np.uint8)


def test_a_seven_on_ruled_paper_with_a_shadow(digits_file, tmp_path):
    for turned in (False, True):
        pixels = seven(paper())
        Image.fromarray(255 - pixels if turned else pixels).convert("RGB").save(tmp_path / "seven.jpg")
        (answer,) = zoo.predict(digits_file, [tmp_path / "seven.jpg"])
        assert answer.label == "7"
        assert answer.steps == (("framed",) if turned else ("inverted", "framed"))
        assert answer.pixels.shape == (1, 28, 28)
        assert (answer.pixels > 0).mean() < 0.3  # neither lines nor the shadow


@pytest.fixture
def strokes():
    """The description of a network for light strokes on black, such as MNIST digits."""
    content = {
        "architecture": "net",
        "task": "classification",
        "dataset": "mnist",
        "labels": ["0", "1"],
        "input": {"type": "uint8", "shape": ["batch", 1, 28, 28]},
        "input_shape": [1, 28, 28],
        "columns": [],
        "normalisation": {"mean": [33.0], "std": [78.0]},
    }
    return ModelDescription.from_dict(content, "net")


@pytest.mark.parametrize(
    ("choice", "steps"),
    [
        ({}, ("inverted", "framed")),
        ({"frame": "yes"}, ("inverted", "framed")),
        ({"frame": "yes", "invert": "yes"}, ("inverted", "framed")),
        ({"frame": "no"}, ("inverted", "crop to 28x28")),
        ({"frame": "no", "invert": "no"}, ("crop to 28x28",)),
        ({"frame": "no", "invert": "no", "fit": "stretch"}, ("stretch to 28x28",)),
    ],
)
def test_the_chosen_steps_are_made(choice, steps, strokes):
    stream = io.BytesIO()
    Image.fromarray(seven(paper(ruled=False))).save(stream, "png")
    pixels, found = prepare_image(stream.getvalue(), strokes, ImagePreparation(**choice))
    assert found == steps
    assert pixels.shape == (1, 28, 28)
    assert (pixels[0, 0, -1] > 128) == ("inverted" not in steps)  # the paper is light


@pytest.mark.parametrize("invert", ["auto", "yes"])
def test_dark_strokes_give_the_pixels_of_light_ones(invert, strokes):
    found = []
    for pixels, choice in ((seven(paper()), invert), (255 - seven(paper()), "auto" if invert == "auto" else "no")):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "png")
        found.append(prepare_image(stream.getvalue(), strokes, ImagePreparation(frame="yes", invert=choice))[0])
    assert np.array_equal(*found)
    assert 0 < (found[0] > 0).mean() < 0.3


@pytest.mark.parametrize("size", [(420, 300), (28, 28), (3, 2_000)])
def test_blank_paper_has_no_answer(digits_file, tmp_path, size, zoo_command):
    blank = paper(size=size) if min(size) > 28 else np.full(size[::-1], 180.0)
    Image.fromarray(blank.clip(0, 255).astype(np.uint8)).save(tmp_path / "blank.png")
    (answer,) = zoo.predict(digits_file, [tmp_path / "blank.png"])
    assert answer.error.startswith("no digit found")
    assert "--frame no" in answer.error
    assert answer.pixels is None
    assert zoo_command("predict", digits_file, tmp_path / "blank.png").code == 1
    (answer,) = zoo.predict(digits_file, [tmp_path / "blank.png"], preparation=ImagePreparation(frame="no"))
    assert answer.label


def test_images_in_the_size_of_the_network_keep_every_pixel(digits_file, digits, tmp_path):
    description = zoo.open_model(digits_file).description
    for pixels in digits[0][:20]:
        Image.fromarray(pixels).save(tmp_path / "x.png")
        prepared, steps = prepare_image(tmp_path / "x.png", description, ImagePreparation())
        assert np.array_equal(prepared[0], pixels)
        assert steps == ()


def test_a_drawing_may_cross_the_whole_image(digits_file, tmp_path):
    picture = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(picture).line([(150, 0), (150, 299)], fill=0, width=20)
    picture.save(tmp_path / "one.png")
    (answer,) = zoo.predict(digits_file, [tmp_path / "one.png"])
    assert answer.label == "1"


def test_a_network_for_colours_can_be_framed(tmp_path):
    description = zoo.ModelDescription("net", "classification", (3, 32, 32), ("a", "b"), (), "d", "r", None, {})
    Image.fromarray(seven(paper())).save(tmp_path / "x.png")
    prepared, _ = prepare_image(tmp_path / "x.png", description, ImagePreparation(frame="yes"))
    assert prepared.shape == (3, 32, 32)
    assert (prepared[0] == prepared[2]).all()


def made_up_logits(sharpness, classes=5, samples=4_000):
    """Logits that are calibrated, multiplied by ``sharpness``, and targets drawn from their probabilities."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 3, (samples, classes))
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances = (odds / odds.sum(axis=1, keepdims=True)).cumsum(axis=1)
    targets = (random.random((samples, 1)) > chances).sum(axis=1)
    return (logits * sharpness).astype(np.float32), targets


@pytest.mark.parametrize("sharpness", [0.4, 1.0, 3.0])
def test_the_temperature_is_found(sharpness):
    logits, targets = made_up_logits(sharpness)
    found = calibrate(logits, targets)
    assert found["temperature"] == pytest.approx(sharpness, rel=0.1)
    right = logits.argmax(axis=1) == targets
    sure = confidence(logits, found["temperature"]) >= found["limit"]
    assert 0.02 <= (~sure)[right].mean() <= 0.201
    assert right[sure].mean() > right.mean()


def test_a_binary_task_is_calibrated_like_two_classes():
    logits, targets = made_up_logits(2.0, classes=2)
    one = (logits[:, 1] - logits[:, 0])[:, None]
    assert calibrate(one, targets) == pytest.approx(calibrate(logits, targets), abs=2e-3)


@pytest.mark.parametrize(("logits", "targets"), [([[1.0, 0.0]], [1]), ([[np.nan, 0.0]], [0]), ([[np.inf, 0.0]], [0])])
def test_what_cannot_be_calibrated_is_not(logits, targets):
    assert calibrate(np.array(logits), np.array(targets)) is None


def test_a_run_and_its_file_carry_the_calibration(digits_run, digits_file):
    recorded = digits_run.config["results"]["calibration"]
    assert recorded.keys() == {"temperature", "limit"}
    for reference in (str(digits_run.folder), digits_file):
        description = zoo.open_model(reference).description
        assert description.calibration == (recorded["temperature"], recorded["limit"])
    assert zoo.verify(digits_file, runs_dir=digits_run.folder.parent.parent).passed


def test_shipped_classifiers_are_calibrated(registry):
    description = zoo.open_model("resnet-mini", registry=registry, runs_dir="/nonexistent").description
    temperature, limit = description.calibration
    assert 0.1 < temperature < 3
    assert 0.9 < limit < 1


def test_an_unsure_answer_is_marked(digits_file, digits, tmp_path, zoo_command):
    mixed = (digits[0][0] // 2 + digits[0][1] // 2).astype(np.uint8)
    Image.fromarray(digits[0][0]).save(tmp_path / "a.png")
    Image.fromarray(np.roll(mixed, 9, axis=0)).save(tmp_path / "b.png")
    done = zoo_command("predict", digits_file, tmp_path, "--json")
    temperature, limit = zoo.open_model(digits_file).description.calibration
    for answer in json.loads(done.out):
        logits = zoo.open_model(digits_file).run(np.asarray(Image.open(answer["source"]))[None, None])[0]
        assert answer["unsure"] is bool(confidence(logits, temperature)[0] < limit)
        assert "pixels" not in answer
    shown = zoo_command("predict", digits_file, tmp_path)
    assert shown.out.count("  unsure  ") == done.out.count('"unsure": true')
    assert "is unsure" in shown.err


def test_what_the_network_was_given_is_shown(digits_file, digits, tmp_path, zoo_command):
    Image.fromarray(digits[0][0]).save(tmp_path / "a.png")
    assert zoo_command("predict", digits_file, tmp_path / "a.png", "--show", tmp_path / "seen.png").code == 0
    shown = np.asarray(Image.open(tmp_path / "seen.png").convert("L"))
    assert np.array_equal(shown[:280:10, ::10], digits[0][0])
    done = zoo_command("predict", digits_file, tmp_path, "--show", tmp_path / "new" / "seen")
    assert done.code == 0
    assert [path.name.split("-")[0] for path in sorted((tmp_path / "new" / "seen").iterdir())] == ["00001", "00002"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("a.png", "overwrites no file"),
        (".", "new or an empty folder"),
        ("notes.txt", "ends in .png"),
        ("x.png", "several"),
    ],
)
def test_a_wrong_path_to_show_is_one_line_and_changes_no_file(
    digits_file, digits, tmp_path, zoo_command, target, message
):
    for name in ("a.png", "b.png"):
        Image.fromarray(digits[0][0]).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("mine")
    before = {name: (tmp_path / name).read_bytes() for name in ("a.png", "b.png", "notes.txt")}
    inputs = [tmp_path / name for name in ("a.png", "b.png")]
    done = zoo_command("predict", digits_file, *inputs, "--show", tmp_path / target)
    assert done.code == 2
    assert message in done.error
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_a_folder_gives_its_images_in_order_without_hidden_ones(tmp_path):
    """Trash and thumbnails of a file manager are in hidden folders."""
    for name in ("b/2.PNG", "b/1.png", "a.jpg", ".hidden.png", ".trash/3.png", "b/.thumbs/4.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    names = [name for name, _ in image_sources([tmp_path])]
    assert names == [str(tmp_path / name) for name in ("a.jpg", "b/1.png", "b/2.PNG")]
