"""``zoo demo``: a page that runs an exported file in the browser.

The tests in Chromium need chromium, chromedriver, selenium, and the dist folder of the npm package onnxruntime-web in
$ORT_WEB_DIST. They are skipped if one of these is missing.
"""

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import struct
import threading
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageDraw

import zoo
from zoo.reports.demo import _ASSETS, INTEGRITY, RUNTIME

DIST = os.environ.get("ORT_WEB_DIST")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1000,900",
    # a camera that shows a moving picture, and that needs no consent
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


OPEN_IMAGE = "zooDemo.openImage(new Blob([Uint8Array.from(atob(arguments[0]), (c) => c.charCodeAt(0))]))"
"""Opens an image, without a `fetch` that the policy of the page forbids."""
HOSTILE = "<img src=q onerror=alert(1)>'`${alert(2)}{{ 7 * 7 }}\u2028*/-->"
"""A name that is markup or code in HTML, in a script and in a template."""


@pytest.fixture(scope="module")
def table_file(tmp_path_factory):
    """A network for a table with a category. Its column, its category and its classes are called like markup."""
    folder = tmp_path_factory.mktemp("table")
    random = np.random.RandomState(0)
    with (folder / "plants.csv").open("w") as handle:
        handle.write(f"soil,water,{HOSTILE}\n")
        for _ in range(200):
            sand, water = random.randint(2), random.uniform(0, 9)
            dry = water + 3 * sand < 6
            handle.write(
                f"{'sand' if sand else '<b>clay</b>'},{water:.3f},{'</script>' if dry else f'reed & {HOSTILE}'}\n"
            )
    options = {"target": HOSTILE}
    run = zoo.train(
        "diabetes-mlp", dataset=str(folder / "plants.csv"), data_options=options, epochs=8, runs_dir=folder / "runs"
    )
    return zoo.export(str(run.folder), "onnx", folder / "plants.onnx").file


@pytest.fixture(scope="module")
def digits():
    return zoo.load_dataset(zoo.create_registry().dataset("digits"), None).splits.test.inputs.numpy()


def in_python(file, inputs):
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"input": inputs})[-1]


def test_the_page_contains_the_file_and_loads_only_the_runtime(digits_file, zoo_command, tmp_path):
    done = zoo_command("demo", digits_file, "-o", tmp_path / "page.html")
    assert done.code == 0
    page = (tmp_path / "page.html").read_text()
    inside = re.search(r'id="model">([^<]*)<', page)[1]
    assert base64.b64decode(inside) == digits_file.read_bytes()
    assert set(re.findall(r"https?://[^\"'\s<]+", page)) == {RUNTIME}
    assert not re.search(r'<(script|img|link)[^>]*(src|href)="http', page)


def test_a_run_is_exported_first(digits_run, tmp_path, zoo_command):
    assert zoo_command("demo", digits_run.folder, "-o", tmp_path / "page.html").code == 0
    assert "digits" in (tmp_path / "page.html").read_text()


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_names_are_neither_markup_nor_script(table_file, tmp_path):
    file = shutil.copy(table_file, tmp_path / HOSTILE.replace("/", ""))
    named = Path(file).rename(Path(file).with_suffix(".onnx"))
    page = zoo.demo_page(named)
    tags = Tags(page).found
    assert [tag for tag, _ in tags].count("script") == page.count("</script>") == 2  # the tags of the page
    assert {tag for tag, _ in tags}.isdisjoint({"img", "b"})
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert "\u2028" not in page[page.index('<script type="module">') :]
    assert page.count("49") == zoo.demo_page(table_file).count("49")


def test_the_policy_allows_only_what_the_page_contains(table_file):
    page = zoo.demo_page(table_file)
    (policy,) = [given["content"] for tag, given in Tags(page).found if given.get("http-equiv")]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    script, style = page.split('<script type="module">')[1], page.split("<style>")[1]
    hashes = [
        base64.b64encode(hashlib.sha256(text.split(end)[0].encode()).digest()).decode()
        for text, end in ((script, "</script>"), (style, "</style>"))
    ]
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{hashes[0]}' 'wasm-unsafe-eval' blob:"
    assert rules["style-src"] == f"'sha256-{hashes[1]}'"
    assert rules["connect-src"] == RUNTIME
    assert "style=" not in page


def test_the_page_accepts_only_the_known_files_of_the_runtime(table_file):
    page = zoo.demo_page(table_file)
    for name, integrity in zip(_ASSETS.values(), INTEGRITY.values(), strict=True):
        assert re.fullmatch(r"sha384-[A-Za-z0-9+/]{64}", integrity)
        assert f'"integrity": "{integrity}", "name": "{name}"' in page
    assert len(re.findall(r"\bfetch\(", page)) == len(re.findall(r"\bfetch\([^)]*\{ integrity,", page)) == 1
    assert re.findall(r"\bimport\([^)]*", page) == [
        'import(URL.createObjectURL(new Blob([code], { type: "text/javascript" }'
    ]


@pytest.mark.skipif(not DIST, reason="needs $ORT_WEB_DIST")
def test_the_known_hashes_are_those_of_the_npm_package():
    for key, name in _ASSETS.items():
        digest = hashlib.sha384((Path(DIST) / name).read_bytes()).digest()
        assert INTEGRITY[key] == f"sha384-{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    "runtime", ["javascript:alert(1)/", "https://a/ 'unsafe-inline'/", "https://a/b", 'http://a"/']
)
def test_the_address_of_the_runtime_cannot_change_the_policy(table_file, runtime):
    with pytest.raises(zoo.UsageError, match="runtime must be an address"):
        zoo.demo_page(table_file, runtime=runtime)


def test_a_folder_without_the_runtime_gives_one_line(digits_file, zoo_command, tmp_path):
    error = zoo_command("demo", digits_file, "--assets", tmp_path).error
    assert "ort.wasm.bundle.min.mjs" in error
    assert "npm install" in error


@pytest.fixture(scope="module")
def port():
    """The port of a demo that is served."""
    addresses, ready = [], threading.Event()

    def on_ready(address):
        addresses.append(address)
        ready.set()

    threading.Thread(target=zoo.serve, args=("<p>ü</p>", 0, on_ready), daemon=True).start()
    assert ready.wait(10)
    assert addresses[0].startswith("http://127.0.0.1:")
    return int(addresses[0].rstrip("/").rpartition(":")[2])


def answer_to(port, request):
    """The status and the body of the answer to a raw request."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body.decode()


def test_the_page_is_served_under_its_own_name(port):
    for host in ("127.0.0.1", "localhost", "LOCALHOST"):
        status, head, body = answer_to(port, f"GET / HTTP/1.0\nHost: {host}:{port}")
        assert (status, body) == (200, "<p>ü</p>")
        assert "Python" not in head
        assert "nosniff" in head
    assert answer_to(port, f"HEAD /?x=1 HTTP/1.0\nHost: localhost:{port}")[::2] == (200, "")
    with pytest.raises(zoo.ZooError, match="--port"):
        zoo.serve("", port, print)


@pytest.mark.parametrize(
    ("request_line", "host", "status"),
    [
        ("GET / HTTP/1.0", "attacker.example", 421),  # DNS rebinding
        ("GET / HTTP/1.0", "attacker.example:{port}", 421),
        ("GET / HTTP/1.0", "127.0.0.1", 421),  # without the port
        ("GET / HTTP/1.0", "127.0.0.1:1", 421),
        ("GET / HTTP/1.0", "127.0.0.1:{port}\nHost: attacker.example", 421),
        ("GET / HTTP/1.0", "", 421),
        ("GET /etc/passwd HTTP/1.0", "127.0.0.1:{port}", 404),
        ("GET /../../etc/passwd HTTP/1.0", "127.0.0.1:{port}", 404),
        ("GET //etc HTTP/1.0", "127.0.0.1:{port}", 404),
        ("GET http://attacker.example/ HTTP/1.0", "127.0.0.1:{port}", 404),
        ("POST / HTTP/1.0", "127.0.0.1:{port}", 501),
        ("OPTIONS / HTTP/1.0", "127.0.0.1:{port}", 501),
        ("PUT / HTTP/1.0", "127.0.0.1:{port}", 501),
    ],
)
def test_every_other_request_is_refused(port, request_line, host, status):
    found, _, body = answer_to(port, f"{request_line}\nHost: {host.format(port=port)}")
    assert found == status
    assert "ü" not in body
    assert "attacker" not in body


def test_a_browser_that_closes_the_connection_early_leaves_no_message(capfd):
    """The page is larger than what the connection can hold, so the server is still writing."""
    ready = threading.Event()
    found = []

    def on_ready(address):
        found.append(int(address.rstrip("/").rpartition(":")[2]))
        ready.set()

    threading.Thread(target=zoo.serve, args=("x" * 30_000_000, 0, on_ready), daemon=True).start()
    assert ready.wait(60)
    request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{found[0]}\r\n\r\n".encode()
    before = threading.active_count()
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", found[0]), timeout=30) as connection:
            connection.sendall(request)
            assert connection.recv(100).startswith(b"HTTP/1.0 200")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    while threading.active_count() > before:
        time.sleep(0.05)
    assert capfd.readouterr().err == ""


def test_it_is_served_to_this_machine_only(port):
    addresses = {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in addresses - {"127.0.0.1"}:
        with pytest.raises(OSError, match=r"refused|timed out|unreachable"):
            socket.create_connection((address, port), timeout=1)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver")
    for found, name in ((CHROMIUM, "chromium"), (DRIVER, "chromedriver"), (DIST, "$ORT_WEB_DIST")):
        if not found:
            pytest.skip(f"needs {name}")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


def open_page(browser, file, folder, **settings):
    path = zoo.write_page(zoo.demo_page(file, **settings), Path(folder) / "page.html")
    browser.get(path.as_uri())
    wait(browser, "zooDemo.ready")
    return path


def wait(browser, expression, *arguments):
    """The value of an asynchronous JavaScript ``expression`` in the page."""
    script = (
        f"const done = arguments[arguments.length - 1]; Promise.resolve({expression})"
        ".then(done, (e) => done(String(e)))"
    )
    return browser.execute_async_script(script, *arguments)


def console_errors(browser):
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_known_digits_in_chromium(browser, digits_file, digits, tmp_path):
    open_page(browser, digits_file, tmp_path, assets=DIST)
    wanted = in_python(digits_file, digits[:20])
    given = [wait(browser, "zooDemo.predict(arguments[0])", sample.ravel().tolist()) for sample in digits[:20]]
    assert np.abs(np.array(given) - wanted).max() < 1e-5
    text = browser.find_element("id", "prediction").text
    assert text.startswith(str(wanted[19].argmax()))
    assert not console_errors(browser)


def test_a_dropped_image_gives_the_same_input_as_in_python(browser, digits_file, digits, tmp_path):
    open_page(browser, digits_file, tmp_path, assets=DIST)
    for sample in (digits[3, 0], 255 - digits[4, 0]):
        Image.fromarray(sample).save(tmp_path / "x.png")
        content = base64.b64encode((tmp_path / "x.png").read_bytes()).decode()
        fetched = OPEN_IMAGE
        given = wait(browser, fetched, content)
        (answer,) = zoo.predict(digits_file, [tmp_path / "x.png"])
        assert np.abs(np.array(given) - list(answer.probabilities.values())).max() < 1e-5
    assert browser.find_element("id", "steps").text == "inverted"
    # a drawing of another size is redrawn, the same to a pixel
    picture = Image.new("L", (600, 400), 255)
    ImageDraw.Draw(picture).line([(60, 60), (200, 60), (110, 260)], width=26, joint="curve")
    picture.save(tmp_path / "x.png")
    given = wait(browser, fetched, base64.b64encode((tmp_path / "x.png").read_bytes()).decode())
    (answer,) = zoo.predict(digits_file, [tmp_path / "x.png"])
    assert np.abs(np.array(given) - list(answer.probabilities.values())).max() < 1e-5
    assert browser.find_element("id", "steps").text == "inverted, framed"


def test_a_colour_image(browser, tmp_path):
    random = np.random.RandomState(0)
    for label, channel in (("red", 0), ("blue", 2)):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for k in range(10):
            pixels = random.randint(0, 90, (16, 12, 3)).astype(np.uint8)
            pixels[..., channel] += 140
            Image.fromarray(pixels).save(tmp_path / "photos" / label / f"{k}.png")
    run = zoo.train(
        "cnn-mini",
        dataset=str(tmp_path / "photos"),
        data_options={"size": (16, 16)},
        epochs=2,
        runs_dir=tmp_path / "runs",
    )
    file = zoo.export(str(run.folder), "onnx", tmp_path / "colours.onnx").file
    open_page(browser, file, tmp_path, assets=DIST)
    pixels = random.randint(0, 256, (16, 16, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    content = base64.b64encode((tmp_path / "x.png").read_bytes()).decode()
    fetched = OPEN_IMAGE
    given = wait(browser, fetched, content)
    (answer,) = zoo.predict(file, [tmp_path / "x.png"])
    assert np.abs(np.array(given) - list(answer.probabilities.values())).max() < 1e-5
    assert browser.find_element("id", "drawing").is_displayed()  # it shows the file


def test_drawing_with_the_mouse(browser, digits_file, tmp_path):
    from selenium.webdriver import ActionChains

    open_page(browser, digits_file, tmp_path, assets=DIST)
    canvas = browser.find_element("id", "drawing")
    side = canvas.size["width"]
    strokes = ActionChains(browser, duration=20).move_to_element_with_offset(canvas, -side // 5, -side // 4)
    strokes.click_and_hold().move_by_offset(side * 2 // 5, 0).move_by_offset(-side // 4, side // 2).release().perform()
    browser.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 300))")
    seen = np.array(browser.execute_script("return zooDemo.inputPixels()"), dtype=np.uint8).reshape(1, 1, 28, 28)
    assert seen.max() > 200
    wanted = in_python(digits_file, seen)[0]
    given = wait(browser, "zooDemo.run(arguments[0])", seen.ravel().tolist())
    assert np.abs(np.array(given) - wanted).max() < 1e-5
    assert browser.find_element("id", "prediction").text.startswith("7")
    browser.find_element("id", "clear").click()
    browser.execute_async_script("setTimeout(arguments[0], 300)")
    assert not any(browser.execute_script("return zooDemo.inputPixels()"))
    assert browser.find_element("id", "prediction").text == "Draw a digit"


def settled(browser, element="prediction"):
    """The text of an element when it has not changed for half a second."""
    script = """
        const done = arguments[1], read = () => document.getElementById(arguments[0]).textContent;
        let seen = read(), since = performance.now();
        setTimeout(function look() {
            if (read() !== seen) [seen, since] = [read(), performance.now()];
            if (performance.now() - since > 500) done(seen); else setTimeout(look, 40);
        }, 200);"""
    return browser.execute_async_script(script, element)


def canvas_mean(browser):
    """The mean value of the three colours of the drawing."""
    return browser.execute_script(
        "const c = document.getElementById('drawing');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "let sum = 0; for (let i = 0; i < d.length; i += 4) sum += (d[i] + d[i + 1] + d[i + 2]) / 3;"
        "return sum / (d.length / 4);"
    )


def test_the_pen_undo_and_the_keys(browser, digits_file, tmp_path):
    from selenium.webdriver import Keys

    open_page(browser, digits_file, tmp_path, assets=DIST)
    canvas, pen = browser.find_element("id", "drawing"), browser.find_element("id", "pen")
    seven = Keys.ARROW_LEFT * 6 + Keys.ARROW_UP * 8 + " " + Keys.ARROW_RIGHT * 13 + Keys.ARROW_DOWN * 16 + " "
    light = []
    for key in (Keys.HOME, Keys.END):  # the thinnest and the widest pen
        pen.send_keys(key)
        canvas.send_keys(Keys.ESCAPE + seven)
        assert settled(browser).startswith(("1", "7"))  # an edge, not a digit; but never one stroke without the other
        seen = np.array(browser.execute_script("return zooDemo.inputPixels()")).reshape(28, 28)
        assert np.ptp(np.flatnonzero(seen.max(axis=0) > 128)) >= 8
        light.append(canvas_mean(browser))
    assert light[1] > 4 * light[0]
    assert browser.find_element("id", "hint").text.startswith("Pen up at column")
    canvas.send_keys(Keys.BACKSPACE)
    assert settled(browser) == "Draw a digit"
    canvas.send_keys(" " + Keys.ARROW_RIGHT * 3)
    browser.find_element("id", "undo").click()  # while the pen is down
    canvas.send_keys(Keys.ARROW_RIGHT * 3)
    assert settled(browser) == "Draw a digit"
    assert canvas_mean(browser) == 0
    assert not console_errors(browser)


def test_a_file_replaces_the_drawing_and_a_wrong_one_leaves_no_answer(browser, digits_file, tmp_path):
    from selenium.webdriver import ActionChains

    picture = Image.new("L", (600, 400), 255)
    ImageDraw.Draw(picture).line([(60, 60), (200, 60), (110, 260)], width=26, joint="curve")
    picture.save(tmp_path / "seven.png")
    (tmp_path / "wrong.png").write_text("no image")
    open_page(browser, digits_file, tmp_path, assets=DIST)
    canvas, file = browser.find_element("id", "drawing"), browser.find_element("id", "file")
    ActionChains(browser, duration=0).click_and_hold(canvas).move_by_offset(60, 9).release().perform()
    file.send_keys(str(tmp_path / "seven.png"))
    assert settled(browser).startswith("7")
    assert browser.find_element("id", "steps").text == "inverted, framed"
    assert canvas_mean(browser) > 100  # it shows the light picture
    file.send_keys(str(tmp_path / "wrong.png"))
    assert settled(browser) == "No image"
    assert browser.find_element("id", "error").text == "wrong.png is not an image that the browser can read."
    assert not browser.find_elements("css selector", ".bar")
    assert not browser.execute_script("return zooDemo.inputPixels()")
    assert canvas_mean(browser) == 0
    browser.find_element("id", "clear").click()
    assert settled(browser) == "Draw a digit"
    assert browser.find_element("id", "error").text == ""


def test_the_camera_takes_a_photo(browser, digits_file, tmp_path):
    from selenium.webdriver.support.ui import WebDriverWait

    def shows(text):
        """Wait for the camera, which takes its time on a busy machine."""
        WebDriverWait(browser, 60).until(lambda _: camera.text == text)

    open_page(browser, digits_file, tmp_path, assets=DIST)
    camera = browser.find_element("id", "camera")
    assert camera.text == "Use the camera"
    camera.click()
    shows("Take the photo")
    assert browser.find_element("id", "video").is_displayed()
    assert browser.execute_script("return document.getElementById('video').videoWidth") > 0
    camera.click()
    shows("Use the camera")
    assert not browser.find_element("id", "video").is_displayed()
    assert canvas_mean(browser) > 10  # it shows the photo
    assert settled(browser) != "Draw a digit"
    assert not console_errors(browser)


def test_an_unsure_answer_is_marked(browser, digits_file, digits, tmp_path):
    open_page(browser, digits_file, tmp_path, assets=DIST)
    temperature, limit = zoo.open_model(digits_file).description.calibration
    blends = [(part * digits[0] + (1 - part) * digits[9]).astype(np.uint8) for part in (1.0, 0.8, 0.6, 0.5, 0.4, 0.2)]
    unsure = []
    for sample in blends:
        powers = in_python(digits_file, sample[None])[0] ** (1 / temperature)
        unsure.append(bool(powers.max() / powers.sum() < limit))
        wait(browser, "zooDemo.predict(arguments[0])", sample.ravel().tolist())
        assert browser.find_element("id", "prediction").text.endswith("unsure") == unsure[-1]
    assert len(set(unsure)) == 2


def test_columns_are_filled_in(browser, table_file, tmp_path):
    from selenium.webdriver.support.ui import Select

    open_page(browser, table_file, tmp_path, assets=DIST)
    Select(browser.find_element("id", "column soil")).select_by_visible_text("sand")
    field = browser.find_element("id", "column water")
    field.clear()
    field.send_keys("8.5")
    browser.execute_async_script("setTimeout(arguments[0], 500)")
    description = zoo.open_model(table_file).description
    wanted = in_python(table_file, np.array([[description.columns[0].labels.index("sand"), 8.5]], dtype=np.float32))[0]
    shown = [bar.text for bar in browser.find_elements("css selector", ".bar output")]
    assert [float(text.rstrip("%")) for text in shown] == pytest.approx((100 * wanted).tolist(), abs=0.01)
    field.send_keys("\ue003" * 3)  # backspace
    browser.execute_async_script("setTimeout(arguments[0], 500)")
    (answer,) = zoo.predict(table_file, ["soil=sand"])
    shown = [bar.text for bar in browser.find_elements("css selector", ".bar output")]
    assert float(shown[0].rstrip("%")) == pytest.approx(100 * next(iter(answer.probabilities.values())), abs=0.01)
    assert not console_errors(browser)


def test_the_runtime_from_another_origin(browser, digits_file, digits, tmp_path):
    """As from a CDN."""
    with served(DIST) as address:
        open_page(browser, digits_file, tmp_path, runtime=address)
        given = wait(browser, "zooDemo.run(arguments[0])", digits[0].ravel().tolist())
    assert np.abs(np.array(given) - in_python(digits_file, digits[:1])[0]).max() < 1e-5


def test_a_missing_runtime_shows_an_error(browser, digits_file, tmp_path):
    open_page(browser, digits_file, tmp_path, runtime="http://127.0.0.1:9/")
    assert "--assets" in browser.find_element("id", "error").text


@contextlib.contextmanager
def served(folder):
    import http.server

    class Handler(http.server.SimpleHTTPRequestHandler):
        extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}  # noqa: RUF012

        def __init__(self, *args):
            super().__init__(*args, directory=folder)

        def end_headers(self):
            self.send_header("Access-Control-Allow-Origin", "*")
            super().end_headers()

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.mark.mnist
def test_the_shipped_network_on_known_test_digits(browser, registry, mnist_dir, tmp_path):
    file = zoo.export("resnet-mini", "onnx", tmp_path / "net.onnx", registry=registry, data_dir=mnist_dir).file
    test = zoo.load_dataset(registry.dataset("mnist"), mnist_dir).splits.test
    open_page(browser, file, tmp_path, assets=DIST)
    samples = test.inputs.numpy()[:50]
    given = [wait(browser, "zooDemo.run(arguments[0])", sample.ravel().tolist()) for sample in samples]
    assert np.abs(np.array(given) - in_python(file, samples)).max() < 1e-5
    assert json.dumps([int(np.argmax(row)) for row in given]) == json.dumps(test.targets[:50].tolist())
