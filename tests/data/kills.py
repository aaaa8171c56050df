"""Kill a process at each of its file operations: while it decodes images into files, or downloads a dataset.

    python tests/data/kills.py FOLDER fresh,damaged,fetch [STEP]

Prints the number of kills in each mode as JSON. After each kill another process does the same; it must get the same
data and leave nothing stray. With STEP, only every STEP-th operation is tried. A process of its own, because it forks.
"""

import hashlib
import http.server
import itertools
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import numpy as np
from PIL import Image
from zoo.plugins.datasets import tables

from zoo import create_registry, fingerprint
from zoo.data.loading import load_named

EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.listdir", "os.scandir", "fsync"}


def make_images(folder):
    random = np.random.RandomState(0)
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for number in range(6):
            Image.fromarray(random.randint(0, 256, (8, 8), dtype=np.uint8)).save(folder / label / f"{number}.png")


def decode(folder):
    images = str(folder / "source")
    return load_named(images, create_registry(), "classification", folder / "data", {"hold": "disk"}).fingerprint


def fetch(folder):
    present = (folder / "data" / tables.DIABETES_FILE).is_file()
    return fingerprint(tables.load_diabetes(folder / "data", not present, 0))


def serve():
    """A server on this machine with a table of the shape of the diabetes table."""
    content = "".join(f"1,2,72,35,0,33.6,0.627,{i},{i % 2}\n" for i in range(768)).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tables.DIABETES_URL = f"http://127.0.0.1:{server.server_port}/diabetes.csv"
    tables.DIABETES_SHA256 = hashlib.sha256(content).hexdigest()


def kill_at(number, below):
    """Let this process kill itself before its file operation of this number below a folder."""
    count = itertools.count(1)

    def watch(event, arguments):
        if event not in EVENTS:
            return
        text = os.fsdecode(arguments[0]) if event != "fsync" and isinstance(arguments[0], str | Path | bytes) else below
        if text.startswith(below) and next(count) == number:
            os.kill(os.getpid(), signal.SIGKILL)

    sync = os.fsync
    os.fsync = lambda handle: (watch("fsync", ()), sync(handle))[1]
    sys.addaudithook(watch)


def in_child(action):
    """Run ``action`` in a child process; return whether it was killed, and its result."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, str(action()).encode())
            os._exit(0)
        except BaseException as error:
            os.write(writing, repr(error).encode())
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        found = pipe.read().decode()
    return os.WIFSIGNALED(os.waitpid(child, 0)[1]), found


def prepare(data, mode):
    if mode != "damaged":
        shutil.rmtree(data)
    for path in (data / "images").glob("*/train.npy"):
        content = bytearray(path.read_bytes())
        content[-5] ^= 1
        path.write_bytes(content)


def contents(data):
    return sorted(str(path.relative_to(data)) for path in data.rglob("*"))


def kill_often(folder, mode, step):
    """Kill a process before every ``step``-th of its operations; return how many were killed."""
    data = folder / "data"
    make_images(folder / "source")
    action = fetch if mode == "fetch" else decode
    _, expected = in_child(lambda: action(folder))
    names, kills, killed = contents(data), -1, True
    while killed:
        kills += 1
        number = 1 + kills * step
        prepare(data, mode)
        killed, found = in_child(lambda number=number: (kill_at(number, str(data)), action(folder))[1])
        assert killed or found == expected, found
        assert in_child(lambda: action(folder)) == (False, expected), number
        assert contents(data) == names, (number, contents(data))
    return kills


if __name__ == "__main__":
    serve()
    steps = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    print(json.dumps({mode: kill_often(Path(sys.argv[1], mode), mode, steps) for mode in sys.argv[2].split(",")}))
