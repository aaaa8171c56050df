"""Hostile and dirty data: it is refused in one line, or read as it is; nothing hangs or is trained on unseen."""

import gzip
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn import datasets as bundled
from zoo.plugins.datasets import downloads, tables, vision

from zoo import DataError, DataUnavailable, ZooError, load_dataset
from zoo.data import image_store, table_reader
from zoo.data.images import read_image
from zoo.data.loading import load_named
from zoo.data.table_reader import read_blocks

posix = pytest.mark.skipif(os.name != "posix", reason="needs pipes, sockets and links")


def one_line(caught):
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed_bundle(found, change):
    def load(**kwargs):
        content = found(**kwargs)
        change(content)
        return content

    return load


def negate(content):
    content.data[:] = -content.data


def swap_targets(content):
    content.target[[0, -1]] = content.target[[-1, 0]]


@pytest.mark.parametrize("change", [negate, swap_targets])
@pytest.mark.parametrize("split", [0, 3])
@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("iris", "load_iris"),
        ("wine", "load_wine"),
        ("breast-cancer", "load_breast_cancer"),
        ("diabetes-progression", "load_diabetes"),
    ],
)
def test_changed_bundled_tables_are_refused_with_every_split(
    name, function, split, change, registry, tmp_path, monkeypatch
):
    spec = registry.dataset(name)
    assert load_dataset(spec, tmp_path, options={"split": split})
    monkeypatch.setattr(bundled, function, changed_bundle(getattr(bundled, function), change))
    with pytest.raises(DataError, match=f"{name} is other data than published .*Reinstall") as caught:
        load_dataset(spec, tmp_path, options={"split": split})
    one_line(caught)


def test_every_dataset_declares_its_fingerprint(registry):
    # the files of cifar10 are pickles: the checksum of each is checked before it is opened
    assert {spec.name for spec in registry.datasets.values() if not spec.fingerprint} <= {"cifar10"}


def negated_diabetes(path):
    rows = [row.split(",") for row in path.read_text().split()]
    return "\n".join(",".join([*(str(-float(cell)) for cell in row[:-1]), row[-1]]) for row in rows).encode()


def constant_column(path):
    header, *rows = path.read_text().splitlines()
    place = header.split(",").index("temp")
    cells = [row.split(",") for row in rows]
    return "\n".join([header, *(",".join([*row[:place], "0.5", *row[place + 1 :]]) for row in cells)]).encode()


@pytest.mark.mnist
@pytest.mark.parametrize(
    ("name", "options", "change"),
    [
        ("diabetes", {}, negated_diabetes),
        ("diabetes", {"split": 5}, negated_diabetes),
        ("bike-sharing", {}, constant_column),
    ],
)
def test_changed_tables_in_the_data_folder_are_refused(name, options, change, mnist_dir, registry, tmp_path):
    spec = registry.dataset(name)
    (file,) = spec.files
    if not (mnist_dir / file).is_file():
        pytest.skip(f"needs {file} in $ZOO_DATA")
    (tmp_path / "tabular").mkdir()
    (tmp_path / file).write_bytes(change(mnist_dir / file))
    with pytest.raises(DataError, match=rf"other data than published .*Delete {file} and run `zoo fetch {name}`") as e:
        load_dataset(spec, tmp_path, options=options)
    one_line(e)


IDX = {f"{part}-{kind}": None for part in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")}


def idx(dimensions, values=b""):
    return bytes((0, 0, 8, len(dimensions))) + b"".join(size.to_bytes(4, "big") for size in dimensions) + values


@pytest.fixture
def idx_folder(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in IDX:
        content = idx((5, 28, 28), bytes(5 * 784)) if "images" in name else idx((5,), bytes(5))
        (raw / name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(
    "content",
    [
        b"",
        idx((5, 28)),
        idx((2**32 - 1, 28, 28)),
        idx((2**31, 2**31, 4)),
        idx((5, 28, 28), bytes(10)),
        idx((5,) * 255),
        idx((5,), bytes(5)),
        b"\x1f\x8b" + bytes(100),
    ],
)
def test_idx_files_with_false_headers_are_refused(content, idx_folder, registry):
    (idx_folder / "MNIST" / "raw" / "t10k-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=r"damaged \(t10k-images.*Delete them and run `zoo fetch mnist`") as caught:
        load_dataset(registry.dataset("mnist"), idx_folder, download=False)
    one_line(caught)


@posix
def test_idx_files_that_are_pipes_or_devices_are_refused(idx_folder, registry):
    path = idx_folder / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match="not an idx file"):
        vision.load_mnist(idx_folder, download=False)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match="not an idx file"):
        vision.load_mnist(idx_folder, download=False)


@pytest.mark.mnist
@pytest.mark.parametrize("change", ["swapped labels", "exchanged splits"])
def test_changed_labels_of_mnist_are_refused(change, mnist_dir, registry, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (mnist_dir / "MNIST" / "raw").iterdir():
        shutil.copyfile(file, raw / file.name)
    labels = bytearray((raw / "t10k-labels-idx1-ubyte").read_bytes())
    labels[8:] = labels[:7:-1] if change == "exchanged splits" else bytes((labels[9], labels[8])) + labels[10:]
    (raw / "t10k-labels-idx1-ubyte").write_bytes(labels)
    with pytest.raises(
        DataError, match=r"other data than published .*t10k-labels-idx1-ubyte and run `zoo fetch mnist`"
    ):
        load_dataset(registry.dataset("mnist"), tmp_path)


# ---- the cache of decoded images


def picture(seed=0, size=(8, 8)):
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, size, dtype=np.uint8))


@pytest.fixture
def pets(tmp_path):
    folder = tmp_path / "pets"
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for number in range(6):
            picture(number).save(folder / label / f"{number}.png")
    return folder


def load_cached(folder, registry, tmp_path, **options):
    return load_named(str(folder), registry, "classification", tmp_path / "data", {"hold": "disk"} | options)


def load(folder, registry, tmp_path, **options):
    return load_named(str(folder), registry, "classification", tmp_path / "data", options)


def flip(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "overwritten bytes": lambda place: flip(place / "train.npy"),
    "truncated": lambda place: os.truncate(place / "test.npy", 140),
    "missing file": lambda place: (place / "validation.npy").unlink(),
    "another type": lambda place: np.save(place / "train.npy", np.zeros((8, 1, 8, 8), np.int8)),
    "another shape": lambda place: np.save(place / "train.npy", np.zeros((9, 1, 8, 8), np.uint8)),
    "a pickle": lambda place: np.save(place / "train.npy", np.array([{}], object), allow_pickle=True),
    "an archive": lambda place: (place / "train.npy").write_bytes(b"PK\3\4" + bytes(636)),
    "no list": lambda place: (place / "store.json").unlink(),
    "list of another type": lambda place: (place / "store.json").write_text('{"fingerprint": 3}'),
    "list of a later version": lambda place: (place / "store.json").write_text('{"fingerprint": "x", "format": 9}'),
    "list of NUL bytes": lambda place: (place / "store.json").write_bytes(bytes(90)),
    "another fingerprint": lambda place: (place / "store.json").write_text(json.dumps({"fingerprint": "0" * 64})),
    "a file": lambda place: (shutil.rmtree(place), place.write_text("x")),
    "vanished": shutil.rmtree,
}


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_decoded_images_are_decoded_again(how, pets, registry, tmp_path):
    before = load_cached(pets, registry, tmp_path).fingerprint
    images = tmp_path / "data" / "images"
    (place,) = images.glob("[!.]*")
    DAMAGES[how](place)
    after = load_cached(pets, registry, tmp_path)
    assert after.fingerprint == before
    assert torch.equal(after.splits.train.inputs, load(pets, registry, tmp_path).splits.train.inputs)
    assert sorted(path.name for path in images.iterdir()) == [".lock", place.name]


@posix
def test_pipes_in_place_of_decoded_images_do_not_block(pets, registry, tmp_path):
    before = load_cached(pets, registry, tmp_path)
    (place,) = (tmp_path / "data" / "images").glob("[!.]*")
    for name in ("train.npy", "store.json"):
        (place / name).unlink()
        os.mkfifo(place / name)
        assert load_cached(pets, registry, tmp_path).fingerprint == before.fingerprint


def test_two_trainings_decode_a_folder_once(pets, registry, tmp_path, monkeypatch):
    decoded = []

    def read(path, *others):
        decoded.append(path)
        return read_image(path, *others)

    monkeypatch.setattr(image_store, "read_image", read)
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(load_cached(pets, registry, tmp_path).fingerprint))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert len(decoded) == 12


def test_a_full_disk_while_images_are_decoded_is_one_line_and_leaves_nothing(pets, registry, tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(ZooError, match="No space left on device") as caught:
            load_cached(pets, registry, tmp_path)
    one_line(caught)
    assert [path.name for path in (tmp_path / "data" / "images").iterdir()] == [".lock"]
    assert load_cached(pets, registry, tmp_path)


def test_damaged_pixels_leave_no_half_written_images(pets, registry, tmp_path, monkeypatch):
    def read(path, *others):
        if path.name == "0.png":
            raise OSError("image file is truncated")
        return read_image(path, *others)

    monkeypatch.setattr(image_store, "read_image", read)
    with pytest.raises(DataError, match=r"0\.png \(image file is truncated\).*corrupt=skip"):
        load_cached(pets, registry, tmp_path)
    assert [path.name for path in (tmp_path / "data" / "images").iterdir()] == [".lock"]


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_read_only_data_folder_is_read_or_refused_in_one_line(pets, registry, tmp_path):
    before = load_cached(pets, registry, tmp_path)
    images = tmp_path / "data" / "images"
    images.chmod(0o555)
    try:
        assert load_cached(pets, registry, tmp_path).fingerprint == before.fingerprint
        with pytest.raises(ZooError, match="Cannot write") as caught:
            load_cached(pets, registry, tmp_path, size=(4,))
        one_line(caught)
    finally:
        images.chmod(0o755)


@posix
@pytest.mark.parametrize("step", [21, pytest.param(1, marks=pytest.mark.campaign)])
def test_kills_while_data_is_written_lose_nothing(step, tmp_path):
    script = Path(__file__).with_name("kills.py")
    command = [sys.executable, script, tmp_path / "kills", "fresh,damaged,fetch", str(step)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kills = json.loads(done.stdout)
    assert kills.keys() == {"fresh", "damaged", "fetch"}
    assert min(kills.values()) >= 2


# ---- folders of images


@posix
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "loop"])
def test_what_is_no_file_is_no_dataset(kind, registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("x.csv")
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(path))
        server.close()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    with pytest.raises(DataError, match=r"not a regular file|x\.csv") as caught:
        load_named("x.csv", registry, "regression", tmp_path, {"target": "a"})
    one_line(caught)


@pytest.mark.parametrize("name", ["~nosuchuser/x.csv", "a" * 300 + ".csv", "x/" * 3000, "a\0b.csv", "/dev/null/x.csv"])
def test_text_that_is_no_path_is_refused_in_one_line(name, registry, tmp_path):
    with pytest.raises(DataUnavailable, match="There is no file or folder") as caught:
        load_named(name, registry, "regression", tmp_path, {})
    one_line(caught)


@posix
@pytest.mark.parametrize("kind", ["pipe", "device", "broken link", "folder loop"])
def test_what_is_no_file_in_a_folder_of_images_is_named(kind, pets, registry, tmp_path):
    path = pets / "cat" / "z.png"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"device": "/dev/zero", "broken link": "gone.png", "folder loop": "."}[kind])
    with pytest.raises(DataError, match=r"1 file in .*z\.png \((not a regular file|No such file|a folder)") as caught:
        load(pets, registry, tmp_path)
    one_line(caught)
    data = load(pets, registry, tmp_path, corrupt="skip")
    assert sum(map(len, (data.splits.train, data.splits.validation, data.splits.test))) == 12


@posix
def test_links_to_folders_are_not_followed_and_no_class(pets, registry, tmp_path):
    (pets / "cat" / "again").symlink_to(pets / "cat")
    assert len(load(pets, registry, tmp_path).splits.test) == 2
    (pets / "loop").symlink_to(".")
    with pytest.raises(DataError, match="is a link to a folder that contains it"):
        load(pets, registry, tmp_path)


@posix
@pytest.mark.parametrize("name", ["cat\nError: forged", "cat\x1b[31m", b"caf\xe9"])
def test_class_names_that_cannot_be_shown_are_refused(name, pets, registry, tmp_path):
    try:
        os.rename(pets / "cat", os.path.join(os.fsencode(pets), os.fsencode(name)))
    except OSError:
        pytest.skip("this file system has no such names")
    with pytest.raises(DataError, match="characters that are no text") as caught:
        load(pets, registry, tmp_path)
    one_line(caught)
    str(caught.value).encode()


@posix
@pytest.mark.parametrize("name", ["a\nb.png", "\x1b[31m.png", b"caf\xe9.png", "x" * 240 + ".png"])
def test_any_file_name_in_a_class_is_read(name, pets, registry, tmp_path):
    try:
        os.rename(pets / "cat" / "0.png", os.path.join(os.fsencode(pets / "cat"), os.fsencode(name)))
    except OSError:
        pytest.skip("this file system has no such names")
    held, cached = load(pets, registry, tmp_path), load_cached(pets, registry, tmp_path)
    assert held.fingerprint == cached.fingerprint


def chunk(kind, content):
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def png(width, height, rows=b""):
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\0\0\0\0"
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def encoded(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


BAD_IMAGES = {
    "empty": (b"", "empty file"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    "html": (b"<!doctype html><p>404", "not an image"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) print\n", "not an image"),
    "bomb": (png(60_000, 60_000), "pixels"),
    "large": (png(12_000, 10_000), "pixels"),
    "header only": (png(30, 30)[:33], ""),
    "no pixels": (png(30, 30), ""),
    "nought wide": (png(0, 30), ""),
    "not numbers": (encoded(Image.fromarray(np.full((9, 9), np.nan, np.float32)), "TIFF"), r"not numbers \(NaN\)"),
    "wrong checksum": (png(30, 30)[:20] + b"\xff" + png(30, 30)[21:], ""),
}


@pytest.mark.parametrize("kind", BAD_IMAGES)
def test_bad_images_are_refused_or_skipped(kind, pets, registry, tmp_path, caplog):
    content, problem = BAD_IMAGES[kind]
    (pets / "dog" / "bad.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"1 file in .*bad\.png \(.*{problem}") as caught:
        load(pets, registry, tmp_path)
    one_line(caught)
    data = load(pets, registry, tmp_path, corrupt="skip")
    assert sum(map(len, (data.splits.train, data.splits.validation, data.splits.test))) == 12
    assert "bad.png" in caplog.text


GOOD_IMAGES = {
    "one pixel": lambda: encoded(picture(size=(1, 1)), "PNG"),
    "very wide": lambda: encoded(Image.new("L", (65_535, 1), 9), "PNG"),
    "16 bits": lambda: encoded(Image.fromarray(np.full((9, 9), 700, np.uint16)), "PNG"),
    "four inks": lambda: encoded(picture().convert("CMYK"), "JPEG"),
    "transparent palette": lambda: encoded(picture().convert("P"), "PNG", transparency=3),
    "animation": lambda: encoded(picture(), "GIF", save_all=True, append_images=[picture(1), picture(2)]),
    "wrong suffix": lambda: encoded(picture(), "JPEG"),
    "tiff named png": lambda: encoded(picture(), "TIFF"),
    "float": lambda: encoded(Image.fromarray(np.full((9, 9), [-np.inf, np.inf, 0.5] * 3, np.float32)), "TIFF"),
}


@pytest.mark.parametrize("kind", GOOD_IMAGES)
@pytest.mark.filterwarnings("error")
def test_unusual_images_are_read(kind, pets, registry, tmp_path):
    (pets / "dog" / "odd.png").write_bytes(GOOD_IMAGES[kind]())
    data = load(pets, registry, tmp_path, size=(8,))
    assert sum(map(len, (data.splits.train, data.splits.validation, data.splits.test))) == 13


# ---- tables

ROWS = "".join(f"{i},{i * 2}\n" for i in range(20))
PACKED = gzip.compress(("a,b\n" + ROWS).encode(), mtime=0)


def read_table(path, registry, **options):
    return load_named(str(path), registry, "regression", path.parent, {"target": "b"} | options)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("t.csv", b"a,b\n1\0,2\n" + ROWS.encode(), "NUL"),
        ("t.csv", ("a,b\n" + ROWS).encode("utf-16-le"), "NUL"),
        ("t.csv", "a,b\né,1\n".encode("latin-1"), "UTF-8"),
        ("t.csv", f"a,b\n1e308,1\n{ROWS}", r"line 2: a is '1e308', .*larger than float32"),
        ("t.csv", f"a,b\n1e400,1\n{ROWS}", r"line 2: a is '1e400'"),
        ("t.csv", f"a,b\n1,inf\n{ROWS}", r"line 2: b is 'inf', which is not a number"),
        ("t.csv", f"a,b\n1_000,1\n{ROWS}", "a is '1_000', but other rows have numbers"),
        ("t.csv", "a,b\n" + "x" * 10_000_000 + ",1\n" + ROWS, r"a is 'x{50,99}\.\.\., but"),
        ("t.csv", 'a,b\n"' + "x" * 200_000 + '",1\n' + ROWS, "field larger than field limit"),
        ("t.csv", 'a,b\n1,"2\n' + ROWS * 2_000, "is a quote not closed"),
        ("t.csv", ",".join(f"c{i}" for i in range(100_000)) + "\n1,2\n", "more than 10,000 columns"),
        ("t.csv", "\n" * 1_000, "is empty"),
        ("t.csv", "a,b\n1,2,3\n", "line 2: 3 cells under 2 columns"),
        ("t.csv.gz", PACKED[:-10], "Cannot read .* as a table"),
        ("t.csv.gz", PACKED[:30] + bytes([PACKED[30] ^ 255]) + PACKED[31:], "Cannot read .* as a table"),
        ("t.csv.gz", PACKED[:-8] + bytes([PACKED[-8] ^ 1]) + PACKED[-7:], "CRC check failed"),
        ("t.csv.gz", PACKED + b"more", "Not a gzipped file"),
        ("t.csv.gz", b"a,b\n1,2\n", "Not a gzipped file"),
    ],
)
def test_dirty_tables_are_refused_in_one_line(name, content, problem, registry, tmp_path):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=problem) as caught:
        read_table(path, registry)
    assert len(one_line(caught)) < 600


@pytest.mark.parametrize("line", [b"1,1\n", b" \n", b"1,\n"])
def test_a_packed_bomb_is_refused_at_bounded_memory(line, tmp_path, monkeypatch):
    monkeypatch.setattr(table_reader, "LARGEST_UNPACKED", 2**22)
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + line * 2**22, mtime=0))
    with pytest.raises(DataError, match="unpacks to more than 200 times its size"):
        for block in read_blocks(path):
            assert len(block) <= table_reader.BLOCK_BYTES
    path.write_bytes(gzip.compress(b"a,b\n" + bytes(2**24), mtime=0))
    with pytest.raises(DataError, match="NUL"):
        list(read_blocks(path))


def test_packed_parts_one_after_another_are_one_table(registry, tmp_path):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(PACKED + gzip.compress(ROWS.encode(), mtime=0) + bytes(100))
    splits = read_table(path, registry).splits
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 40


@pytest.mark.parametrize("rows", [2, 3, 4])
def test_a_table_that_is_too_small_to_divide_says_so(rows, registry, tmp_path, caplog):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{i},{i}\n" for i in range(rows)))
    read_table(path, registry)
    assert f"too few training samples to divide ({rows - 1})" in caplog.text
    path.write_text("a,b\n" + ROWS)
    caplog.clear()
    read_table(path, registry)
    assert "too few training samples" not in caplog.text


@posix
def test_a_path_that_no_run_can_record_is_refused(registry, tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.csv")
    try:
        Path(os.fsdecode(path)).write_text("a,b\n" + ROWS)
    except OSError:
        pytest.skip("this file system has no such names")
    with pytest.raises(DataError, match="not text in UTF-8"):
        read_table(Path(os.fsdecode(path)), registry)


# ---- downloads


def test_no_network_is_said_in_words(registry, tmp_path, no_network):
    for name in ("mnist", "diabetes"):
        with pytest.raises(DataUnavailable, match="could not be downloaded") as caught:
            load_dataset(registry.dataset(name), tmp_path / "data")
        assert "<" not in one_line(caught)
        assert "HTTP" not in one_line(caught)
    assert not (tmp_path / "data").exists()


def test_a_full_disk_during_a_download_is_one_line_and_leaves_nothing(registry, tmp_path, monkeypatch):
    def retrieve(url, known, path, fname, downloader):
        (path / fname).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables.pooch, "retrieve", retrieve)
    with pytest.raises(DataUnavailable, match="No space left on device") as caught:
        load_dataset(registry.dataset("diabetes"), tmp_path / "data")
    one_line(caught)
    assert not (tmp_path / "data").exists()


def test_what_a_killed_download_has_left_is_removed_by_the_next_command(registry, tmp_path):
    (tmp_path / ".fetch-abc").mkdir()
    (tmp_path / ".fetch-abc" / "download").write_bytes(b"half")
    (tmp_path / ".fetch.lock").touch()
    with pytest.raises(DataUnavailable):
        load_dataset(registry.dataset("diabetes"), tmp_path, download=False)
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


def test_two_downloads_at_once_wait_for_each_other(tmp_path):
    inside, most = [], []

    def download():
        with downloads.scratch_folder("x", tmp_path) as scratch:
            inside.append(scratch)
            most.append(len(inside))
            (scratch / "file").write_text("x")
            downloads.move_in({scratch / "file": tmp_path / "sub" / "file"})
            inside.remove(scratch)

    threads = [threading.Thread(target=download) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4
    assert (tmp_path / "sub" / "file").read_text() == "x"
