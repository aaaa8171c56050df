"""Downloads of datasets, from a server that works or fails, and reading them from disk."""

import gzip
import hashlib
import http.server
import io
import pickle
import shutil
import struct
import tarfile
import threading
import time

import numpy as np
import pytest
import torch
import torchvision
from zoo.plugins.datasets import vision

from zoo import DataError, DataUnavailable, is_present, load_dataset

NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def idx_file(name):
    """A well-formed file of 20 samples."""
    if "images" in name:
        return struct.pack(">IIII", 0x803, 20, 28, 28) + bytes(range(256)) * (20 * 28 * 28 // 256) + bytes(64)
    return struct.pack(">II", 0x801, 20) + bytes(i % 10 for i in range(20))


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves the entries of ``server.files``: bytes, an HTTP status, or seconds to wait without an answer."""

    def do_GET(self):
        answer = self.server.files.get(self.path.strip("/"), 404)
        if isinstance(answer, float):
            time.sleep(answer)
            return
        if isinstance(answer, int):
            self.send_error(answer)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer) + self.server.extra_length))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


@pytest.fixture
def mirror(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    server.files = {f"{name}.gz": gzip.compress(idx_file(name), mtime=0) for name in NAMES}
    server.extra_length = 0
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in server.files.items()]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_fashion_mnist_is_downloaded_in_the_same_way(mirror, tmp_path, monkeypatch):
    for name in ("resources", "mirrors"):
        monkeypatch.setattr(torchvision.datasets.FashionMNIST, name, getattr(torchvision.datasets.MNIST, name))
    splits = vision.load_fashion_mnist(tmp_path, download=True)
    assert splits.test.inputs.shape == (20, 1, 28, 28)
    assert (tmp_path / "FashionMNIST" / "raw" / NAMES[0]).is_file()


CIFAR_FILES = [*(f"data_batch_{part}" for part in range(1, 6)), "test_batch"]


@pytest.fixture
def cifar(mirror, monkeypatch):
    """An archive like CIFAR-10's, of six images a file, on the server."""
    content = io.BytesIO()
    sums = {}
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for number, name in enumerate([*CIFAR_FILES, "batches.meta"]):
            batch = {"data": np.full((6, 3072), number, np.uint8), "labels": list(range(6))}
            entry = {"label_names": ["a"] * 10} if name == "batches.meta" else batch
            data = pickle.dumps(entry)
            sums[name] = hashlib.md5(data).hexdigest()
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    mirror.files["cifar-10-python.tar.gz"] = content.getvalue()
    reader = torchvision.datasets.CIFAR10
    monkeypatch.setattr(reader, "url", f"{torchvision.datasets.MNIST.mirrors[0]}cifar-10-python.tar.gz")
    monkeypatch.setattr(reader, "tgz_md5", hashlib.md5(content.getvalue()).hexdigest())
    monkeypatch.setattr(reader, "train_list", [(name, sums[name]) for name in CIFAR_FILES[:5]])
    monkeypatch.setattr(reader, "test_list", [("test_batch", sums["test_batch"])])
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": sums["batches.meta"]})
    sha256 = hashlib.sha256(content.getvalue()).hexdigest()
    monkeypatch.setattr(vision, "ARCHIVES", {"cifar-10-python.tar.gz": sha256})
    return mirror


def test_cifar10_is_downloaded_checked_and_read(cifar, tmp_path, registry):
    splits = vision.load_cifar10(tmp_path / "data", download=True)
    assert splits.train.inputs.shape == (30, 3, 32, 32)
    assert splits.train.inputs.dtype == torch.uint8
    assert splits.train.inputs[:, 0, 0, 0].tolist() == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6 + [4] * 6
    assert splits.test.targets.tolist() == [0, 1, 2, 3, 4, 5]
    assert is_present(registry.dataset("cifar10"), tmp_path / "data")
    assert list((tmp_path / "data").glob("*.gz")) == []
    (tmp_path / "data" / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"something else")
    with pytest.raises(DataError, match="damaged"):
        load_dataset(registry.dataset("cifar10"), tmp_path / "data")


@pytest.mark.parametrize("how", ["corrupt", "truncated", "cut off", "not found", "error", "slow", "another"])
def test_a_failed_download_of_cifar10_leaves_no_files(how, cifar, tmp_path, monkeypatch, registry):
    monkeypatch.setattr(vision, "TIMEOUT_SECONDS", 0.3)
    name = "cifar-10-python.tar.gz"
    good = cifar.files[name]
    answers = {"corrupt": bytes(reversed(good)), "not found": 404, "error": 500, "slow": 2.0, "another": good}
    cifar.files[name] = answers.get(how, good[:-20])
    cifar.extra_length = 20 if how == "cut off" else 0
    if how == "another":
        monkeypatch.setattr(vision, "ARCHIVES", {name: "0" * 64})
    with pytest.raises(DataUnavailable, match=r"cifar10 is not in .* could not be downloaded"):
        load_dataset(registry.dataset("cifar10"), tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_mnist_is_downloaded_checked_and_read(mirror, tmp_path, capfd):
    splits = vision.load_mnist(tmp_path, download=True)
    assert splits.train.inputs.shape == (20, 1, 28, 28)
    assert splits.train.inputs.dtype == torch.uint8
    assert splits.test.targets.tolist() == [i % 10 for i in range(20)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MNIST", "work"]
    assert capfd.readouterr() == ("", "")


def damage(server, how):
    name = f"{NAMES[2]}.gz"
    if how == "corrupt":
        server.files[name] = bytes(reversed(server.files[name]))
    elif how == "truncated":
        server.files[name] = server.files[name][:-20]
    elif how == "cut off":
        server.files[name] = server.files[name][:-20]
        server.extra_length = 20
    elif how == "not found":
        server.files[name] = 404
    elif how == "error":
        server.files[name] = 500
    elif how == "slow":
        server.files[name] = 2.0


@pytest.mark.parametrize("how", ["corrupt", "truncated", "cut off", "not found", "error", "slow"])
def test_a_failed_download_leaves_no_files_and_gives_one_line(how, mirror, tmp_path, monkeypatch, registry):
    monkeypatch.setattr(vision, "TIMEOUT_SECONDS", 0.3)
    damage(mirror, how)
    with pytest.raises(DataUnavailable, match="could not be downloaded") as caught:
        vision.load_mnist(tmp_path, download=True)
    assert "\n" not in str(caught.value)
    assert not is_present(registry.dataset("mnist"), tmp_path)
    assert list(tmp_path.rglob("*ubyte*")) == []


def test_a_failed_download_removes_the_folder_that_it_created(mirror, tmp_path):
    mirror.files = {}
    with pytest.raises(DataUnavailable):
        vision.load_mnist(tmp_path / "mistyped", download=True)
    assert not (tmp_path / "mistyped").exists()


def test_a_second_attempt_after_a_failed_download_succeeds(mirror, tmp_path):
    good = dict(mirror.files)
    damage(mirror, "truncated")
    with pytest.raises(DataUnavailable):
        vision.load_mnist(tmp_path, download=True)
    mirror.files = good
    assert len(vision.load_mnist(tmp_path, download=True).test) == 20


def test_without_permission_to_download_the_network_is_not_used(mirror, tmp_path):
    mirror.files = {}
    with pytest.raises(DataUnavailable, match=str(tmp_path)):
        vision.load_mnist(tmp_path, download=False)


def test_files_with_other_content_are_refused(tmp_path, registry):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in NAMES:
        (raw / name).write_bytes(idx_file(name))
    with pytest.raises(DataError, match="mnist"):
        load_dataset(registry.dataset("mnist"), tmp_path)


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\0\0\x08\x03\0\0", b"\0\0\x0d\x01\0\0\0\1" + bytes(4), b"PK\3\4"])
@pytest.mark.parametrize("name", [NAMES[0], NAMES[3]])
def test_a_file_that_is_not_idx_is_reported_as_damaged(content, name, tmp_path, registry):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for each in NAMES:
        (raw / each).write_bytes(content if each == name else idx_file(each))
    with pytest.raises(DataError, match=r"The files of mnist in .* are damaged.*zoo fetch mnist"):
        load_dataset(registry.dataset("mnist"), tmp_path)


def test_idx_files_of_a_wrong_length_are_refused(tmp_path):
    path = tmp_path / "file"
    for extra in (b"", b"more"):
        path.write_bytes((idx_file(NAMES[0]) + extra)[: -1 if not extra else None])
        with pytest.raises(ValueError, match="does not hold"):
            vision.read_idx(path, 3)
    path.write_bytes(idx_file(NAMES[0]))
    assert vision.read_idx(path, 3).shape == (20, 28, 28)


@pytest.mark.mnist
def test_images_are_equal_to_those_of_torchvision(mnist_dir):
    ours, theirs = vision.load_mnist(mnist_dir, download=False).test, torchvision.datasets.MNIST(mnist_dir, train=False)
    assert torch.equal(ours.inputs[:, 0], theirs.data)
    assert torch.equal(ours.targets, theirs.targets)


@pytest.mark.mnist
def test_the_real_mnist_is_read_without_the_network(mnist_dir, registry, no_network):
    data = load_dataset(registry.dataset("mnist"), mnist_dir)
    assert data.fingerprint == registry.dataset("mnist").fingerprint
    assert (len(data.splits.train), len(data.splits.validation), len(data.splits.test)) == (55_000, 5_000, 10_000)
    assert data.splits.test.targets[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.mnist
@pytest.mark.parametrize("damage", ["truncated", "one pixel"])
def test_a_damaged_copy_of_the_real_mnist_is_refused(damage, mnist_dir, registry, tmp_path):
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
