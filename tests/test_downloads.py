"""Datasets that are fetched: from a server that behaves well or badly, and read from disk."""

import gzip
import hashlib
import http.server
import shutil
import struct
import threading
import time

import pytest
import torch
import torchvision

from zoo import DataError, DataUnavailable, is_present, load_dataset
from zoo.datasets import vision

NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def idx_file(name):
    """A well-formed file of 20 samples."""
    if "images" in name:
        return struct.pack(">IIII", 0x803, 20, 28, 28) + bytes(range(256)) * (20 * 28 * 28 // 256) + bytes(64)
    return struct.pack(">II", 0x801, 20) + bytes(i % 10 for i in range(20))


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves the files in ``server.files``, each bytes, an HTTP status, or a number of seconds to hang."""

    def do_GET(self):
        answer = self.server.files.get(self.path.strip("/"), 404)
        if isinstance(answer, float):
            time.sleep(answer)
            return
        if isinstance(answer, int):
            self.send_error(answer)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer) + self.server.promised_too_much))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


@pytest.fixture
def mirror(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.files = {f"{name}.gz": gzip.compress(idx_file(name), mtime=0) for name in NAMES}
    server.promised_too_much = 0
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in server.files.items()]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_is_fetched_checked_and_read(mirror, tmp_path, capfd):
    splits = vision.load_mnist(tmp_path, download=True)
    assert splits.train.inputs.shape == (20, 1, 28, 28)
    assert splits.train.inputs.dtype == torch.uint8
    assert splits.test.targets.tolist() == [i % 10 for i in range(20)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MNIST", "work"]
    assert capfd.readouterr() == ("", "")


def spoil(server, how):
    name = f"{NAMES[2]}.gz"
    if how == "corrupt":
        server.files[name] = bytes(reversed(server.files[name]))
    elif how == "truncated":
        server.files[name] = server.files[name][:-20]
    elif how == "cut off":
        server.files[name] = server.files[name][:-20]
        server.promised_too_much = 20
    elif how == "not found":
        server.files[name] = 404
    elif how == "error":
        server.files[name] = 500
    elif how == "slow":
        server.files[name] = 2.0


@pytest.mark.parametrize("how", ["corrupt", "truncated", "cut off", "not found", "error", "slow"])
def test_a_bad_download_leaves_nothing_and_says_why_in_one_line(how, mirror, tmp_path, monkeypatch, registry):
    monkeypatch.setattr(vision, "TIMEOUT_SECONDS", 0.3)
    spoil(mirror, how)
    with pytest.raises(DataUnavailable, match="could not be downloaded") as caught:
        vision.load_mnist(tmp_path, download=True)
    assert "\n" not in str(caught.value)
    assert not is_present(registry.dataset("mnist"), tmp_path)
    assert list(tmp_path.rglob("*ubyte*")) == []


def test_a_folder_that_a_failed_download_made_is_taken_away_again(mirror, tmp_path):
    mirror.files = {}
    with pytest.raises(DataUnavailable):
        vision.load_mnist(tmp_path / "mistyped", download=True)
    assert not (tmp_path / "mistyped").exists()


def test_a_second_try_after_a_bad_download_succeeds(mirror, tmp_path):
    good = dict(mirror.files)
    spoil(mirror, "truncated")
    with pytest.raises(DataUnavailable):
        vision.load_mnist(tmp_path, download=True)
    mirror.files = good
    assert len(vision.load_mnist(tmp_path, download=True).test) == 20


def test_without_leave_to_download_it_does_not_touch_the_network(mirror, tmp_path):
    mirror.files = {}
    with pytest.raises(DataUnavailable, match=str(tmp_path)):
        vision.load_mnist(tmp_path, download=False)


def test_files_that_hold_something_else_are_refused(tmp_path, registry):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in NAMES:
        (raw / name).write_bytes(idx_file(name))
    with pytest.raises(DataError, match="mnist"):
        load_dataset(registry.dataset("mnist"), tmp_path)


@pytest.mark.mnist
def test_the_real_one_is_read_without_the_network(mnist_dir, registry, no_network):
    data = load_dataset(registry.dataset("mnist"), mnist_dir)
    assert data.fingerprint == registry.dataset("mnist").fingerprint
    assert (len(data.splits.train), len(data.splits.validation), len(data.splits.test)) == (55_000, 5_000, 10_000)
    assert data.splits.test.targets[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.mnist
@pytest.mark.parametrize("damage", ["truncated", "one pixel"])
def test_a_damaged_copy_of_the_real_one_is_refused(damage, mnist_dir, registry, tmp_path):
    shutil.copytree(mnist_dir / "MNIST", tmp_path / "MNIST", copy_function=shutil.copyfile)
    path = tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    path.parent.chmod(0o755)
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        del content[-1000:]
    else:
        content[5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="mnist") as caught:
        load_dataset(registry.dataset("mnist"), tmp_path)
    assert "\n" not in str(caught.value)
