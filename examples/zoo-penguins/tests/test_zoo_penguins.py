"""These tests need no network: a local server with a few rows replaces the public one."""

import functools
import hashlib
import http.server
import threading

import pytest
import zoo_penguins

import zoo

ROWS = """species,island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex
Adelie,Torgersen,39.1,18.7,181,3750,male
Gentoo,Biscoe,NA,NA,NA,NA,NA
Chinstrap,Dream,46.5,17.9,192,3500,female
"""


@pytest.mark.zoo("zoo-penguins")
def test_the_plugin_contract(zoo_check):
    zoo_check()


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The folder of a local server that replaces the public one."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=running.serve_forever, daemon=True).start()
    monkeypatch.setattr(zoo_penguins, "URL", f"http://127.0.0.1:{running.server_port}/penguins.csv")
    monkeypatch.setattr(zoo_penguins, "SHA256", hashlib.sha256(ROWS.encode()).hexdigest())
    yield folder
    running.shutdown()
    running.server_close()


def test_the_file_is_downloaded_checked_and_loaded(server, tmp_path, monkeypatch):
    monkeypatch.setattr(zoo_penguins, "TEST_SAMPLES", 1)
    (server / "penguins.csv").write_text(ROWS)
    splits = zoo_penguins.load(tmp_path / "data", download=True)
    assert (tmp_path / "data" / zoo_penguins.FILE).read_text() == ROWS
    rows = {zoo_penguins.SPECIES[int(t)]: row.tolist() for part in (splits.train, splits.test)
            for row, t in zip(part.inputs, part.targets, strict=True)}  # fmt: skip
    assert rows["Adelie"] == pytest.approx([2, 1, 39.1, 18.7, 181, 3750])
    assert rows["Gentoo"][0] == 0
    assert all(number != number for number in rows["Gentoo"][1:])


def test_a_different_file_is_refused_and_removed(server, tmp_path):
    (server / "penguins.csv").write_text(ROWS[:100])
    with pytest.raises(zoo.DataUnavailable, match="could not be downloaded"):
        zoo_penguins.load(tmp_path / "data", download=True)
    assert not (tmp_path / "data" / zoo_penguins.FILE).exists()


def test_a_missing_file_without_download_is_unavailable(tmp_path):
    with pytest.raises(zoo.DataUnavailable, match="is not in"):
        zoo_penguins.load(tmp_path, download=False)
