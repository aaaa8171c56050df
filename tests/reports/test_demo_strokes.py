"""The script of ``zoo demo`` in node: it finds the strokes of a digit as ``zoo predict`` does, the same to a pixel."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image, ImageDraw

import zoo
from zoo.evaluation.strokes import SETTINGS, find_digit, has_dark_strokes
from zoo.models.inference import confidence
from zoo.reports.pages import render

NODE = shutil.which("node")
RUN = """
const fs = require("fs");
const images = JSON.parse(fs.readFileSync(0, "utf8"));
const answers = images.map(({ pixels, w, h, K, drawn }) => {
  const dark = hasDarkStrokes(pixels, w, h, K), found = findDigit(pixels, w, h, 28, 28, dark, K, drawn);
  return { dark, found: found && Array.from(found) };
});
console.log(JSON.stringify(answers));
"""


def photo(seed, size, ground, ink, noise, pen=9, light=False):
    """A digit on paper with a ruled line and a shadow, uint8 ``[H, W]``."""
    random = np.random.default_rng(seed)
    width, height = size
    picture = Image.new("L", size, ground)
    draw = ImageDraw.Draw(picture)
    draw.line([(0, height // 3), (width, height // 3 + width // 12)], fill=ground + (ink - ground) // 3, width=2)
    points = (random.uniform(0.25, 0.75, (5, 2)) * size).tolist()
    draw.line([tuple(point) for point in points], fill=ink, width=pen, joint="curve")
    values = np.asarray(picture, dtype=float)
    values[:, : width // 3] *= 0.7
    return (values + random.normal(0, noise, values.shape)).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def images():
    drawn = Image.new("L", (336, 336), 0)
    ImageDraw.Draw(drawn).line([(60, 60), (200, 60), (110, 260)], fill=255, width=26, joint="curve")
    return [
        photo(0, (391, 250), 200, 60, 4),
        photo(3, (211, 300), 120, 40, 3, pen=2),
        photo(4, (90, 61), 230, 20, 2, pen=4),
        photo(5, (300, 217), 30, 220, 2),  # chalk
        photo(6, (180, 170), 255, 0, 0, pen=40),
        np.asarray(drawn),
        255 - np.asarray(drawn)[:300],
        np.full((240, 320), 180, dtype=np.uint8),
        np.random.default_rng(7).normal(150, 9, (200, 333)).clip(0, 255).astype(np.uint8),
        np.random.default_rng(8).integers(0, 256, (5, 7), dtype=np.uint8),
        np.array([[9]], dtype=np.uint8),
        np.full((3, 2_000), 9, dtype=np.uint8),
    ]


@pytest.mark.skipif(not NODE, reason="needs node")
def test_the_page_finds_the_same_strokes_to_a_pixel(images):
    given = [
        {"pixels": image.ravel().tolist(), "w": image.shape[1], "h": image.shape[0], "K": SETTINGS} for image in images
    ]
    script = render("strokes.js") + RUN
    done = subprocess.run([NODE, "-e", script], input=json.dumps(given), capture_output=True, text=True, check=True)
    for place, (image, answer) in enumerate(zip(images, json.loads(done.stdout), strict=True)):
        dark = has_dark_strokes(image)
        found = find_digit(image, 28, 28, dark)
        assert answer["dark"] == dark, place
        assert answer["found"] == (None if found is None else found.ravel().tolist()), place


@pytest.mark.skipif(not NODE, reason="needs node")
@pytest.mark.parametrize("points", [[(96, 84), (242, 84), (158, 252)], [(80, 160), (270, 160), (190, 300)]])
def test_a_long_straight_stroke_that_was_drawn_on_the_page_is_no_ruled_line(points):
    """The top of a 7 that is as long as a ruled line."""
    picture = Image.new("L", (336, 336), 0)
    ImageDraw.Draw(picture).line(points, fill=255, width=27, joint="curve")
    given = {"pixels": np.asarray(picture).ravel().tolist(), "w": 336, "h": 336, "K": SETTINGS, "drawn": True}
    script = render("strokes.js") + RUN
    done = subprocess.run([NODE, "-e", script], input=json.dumps([given]), capture_output=True, text=True, check=True)
    found = np.array(json.loads(done.stdout)[0]["found"]).reshape(28, 28)
    upper = np.flatnonzero(found[:12].max(axis=0) > 128)
    assert upper.max() - upper.min() >= 10


def test_photos_have_a_digit_and_paper_has_none(images):
    found = [find_digit(image, 28, 28, has_dark_strokes(image)) for image in images]
    assert all(image is not None and image.max() == 255 for image in found[:7])
    assert found[7] is found[8] is found[10] is found[11] is None


PAGE = """
class Element {
  constructor() {
    Object.assign(this, { children: [], listeners: {}, style: {}, dataset: {}, files: [], hidden: false,
      width: 0, height: 0, textContent: "", value: "2", labels: {}, classes: new Set() });
    this.classList = { toggle: (name, on) => (on ? this.classes.add(name) : this.classes.delete(name)),
      remove: (name) => this.classes.delete(name) };
  }
  addEventListener(name, act) { this.listeners[name] = act; }
  append(...items) { this.children.push(...items); }
  replaceChildren() { this.children = []; }
  querySelector() { return new Element(); }
  querySelectorAll() { return this.children; }
  setAttribute(name, value) { this.labels[name] = value; }
  getBoundingClientRect() { return { left: 0, top: 0, width: this.width, height: this.height }; }
  setPointerCapture() {}
  click() { this.listeners.click(); }
  add(option) { this.children.push(option); }
  get options() { return this.children; }
  getContext() {
    const canvas = this;
    this.ink ??= [];
    return {
      fillRect() { canvas.ink = []; }, clearRect() {}, drawImage() {}, beginPath() {}, stroke() {}, putImageData() {},
      moveTo(x, y) { this.at = [x, y]; },
      lineTo(x, y) { canvas.ink.push([...this.at, x, y]); this.at = [x, y]; },
      getImageData(x0, y0, w, h) {
        const data = new Uint8ClampedArray(4 * w * h);
        for (const [ax, ay, bx, by] of canvas.ink) for (let k = 0; k <= 200; k++) {
          const x = Math.round(ax + ((bx - ax) * k) / 200), y = Math.round(ay + ((by - ay) * k) / 200);
          for (let v = y - 9; v <= y + 9; v++) for (let u = x - 9; u <= x + 9; u++)
            if (u >= 0 && v >= 0 && u < w && v < h) data.fill(255, 4 * (v * w + u), 4 * (v * w + u) + 4);
        }
        return { data };
      },
    };
  }
}
const elements = {};
const byId = (id) => (elements[id] ??= new Element());
globalThis.document = { getElementById: byId, addEventListener() {}, createElement: () => new Element() };
globalThis.window = globalThis;
globalThis.OffscreenCanvas = Element;
globalThis.ImageData = class { constructor(w, h) { this.data = new Uint8ClampedArray(4 * w * h); } };
globalThis.createImageBitmap = async () => { throw new Error("no image"); };
globalThis.Option = class { constructor(text, value) { Object.assign(this, { text, value: String(value) }); } };
process.on("unhandledRejection", () => {}); // there is no network: the runtime is not loaded
const say = (name) => {
  said[name] = [byId("prediction").textContent, byId("error").textContent, zooDemo.inputPixels().length];
};
const said = {};
"""
USE = """
const canvas = elements.drawing;
const draw = (points) => {
  const event = ([clientX, clientY]) => ({ clientX, clientY, pointerId: 1 });
  canvas.listeners.pointerdown(event(points[0]));
  points.slice(1).forEach((point) => canvas.listeners.pointermove(event(point)));
  canvas.listeners.pointerup();
};
const pause = () => new Promise((done) => setTimeout(done, 400));
const press = (key) => canvas.listeners.keydown({ key, preventDefault() {} });
say("start");
draw([[90, 70], [220, 70], [130, 260]]);
await pause(); say("drawn");
elements.undo.click(); say("undone");
press(" "); for (let k = 0; k < 8; k++) press("ArrowDown");
await pause(); say("keys");
press("Escape"); say("cleared");
draw([[90, 70], [220, 70], [130, 260]]); await pause();
await zooDemo.openImage({ name: "x.txt" }); say("wrong file");
said.sure = isUnsure([0.99, 0.01]); said.unsure = isUnsure([0.6, 0.4]);
console.log(JSON.stringify(said));
process.exit(0);
"""


def script_of(page):
    """The script in a page; without onnxruntime-web."""
    script = page.split('<script type="module">')[1].split("</script>")[0]
    return re.sub(r"ready = start\(\);", 'ready = Promise.reject(new Error("no runtime"));', script)


def in_node(script, folder):
    (folder / "page.mjs").write_text(script)
    done = subprocess.run([NODE, folder / "page.mjs"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not NODE, reason="needs node")
def test_the_page_has_no_answer_without_a_digit(digits_file, tmp_path):
    script = script_of(zoo.demo_page(digits_file))
    temperature, limit = zoo.open_model(digits_file).description.calibration
    said = in_node(PAGE + script + USE, tmp_path)
    assert said["start"][::2] == ["Draw a digit", 0]
    assert said["drawn"][2] == 784
    assert said["undone"][::2] == ["Draw a digit", 0]
    assert said["keys"][2] == 784
    assert said["cleared"][::2] == ["Draw a digit", 0]
    assert said["wrong file"] == ["No image", "x.txt is not an image that the browser can read.", 0]
    for name, values in (("sure", [0.99, 0.01]), ("unsure", [0.6, 0.4])):
        logits = np.log(np.array([values]))
        assert said[name] is bool(confidence(logits, temperature)[0] < limit)


@pytest.mark.skipif(not NODE, reason="needs node")
def test_the_page_of_a_table_starts_from_a_real_row(tmp_path):
    random = np.random.default_rng(0)
    rows = [f"{water:.3f},{weight:.2f},{int(water + weight > 9)}" for water, weight in random.uniform(0, 9, (60, 2))]
    (tmp_path / "plants.csv").write_text("water_a_day,weight,ill\n" + "\n".join(rows) + "\n")
    options = {"target": "ill"}
    run = zoo.train(
        "logistic-regression",
        dataset=str(tmp_path / "plants.csv"),
        data_options=options,
        epochs=1,
        runs_dir=tmp_path / "runs",
    )
    page = zoo.demo_page(str(run.folder))
    settings = json.loads(re.search(r"const demo = (\{.*\});", page)[1])
    row = [column["initial"] for column in settings["columns"]]
    assert any(row == pytest.approx([float(cell) for cell in text.split(",")[:2]], rel=1e-5) for text in rows)
    assert "Reset to the first row" in page
    assert not any("_" in column["title"] for column in settings["columns"])
