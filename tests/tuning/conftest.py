"""Fixtures of the tests of searches: a finished study, the tiny plugin as a file, a PostgreSQL server."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from servers import start_server

import zoo

pytest.importorskip("optuna", reason="Optuna is not installed (extra `tune`)")

TINY = Path(__file__).parent.parent / "tiny_plugin.py"
QUICK = {"epochs": 1, "device": "cpu"}


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory, tiny):
    """A study of two objectives with its winners trained. Read it only."""
    folder = tmp_path_factory.mktemp("finished-study")
    registry = zoo.create_registry()
    registry.add(zoo.Plugin("tiny", "third-party", "1.0", "tiny_plugin"), tiny)
    return zoo.tune(
        "tiny-cnn",
        trials=5,
        objectives="accuracy,params",
        space={"lr": "0.0001..0.5", "bias": "true,false"},
        seeds=2,
        study=folder / "study",
        runs_dir=folder / "runs",
        data_dir=folder / "data",
        registry=registry,
        dropout=0.0,
        **QUICK,
    )


@pytest.fixture
def tune(tiny_registry, tmp_path):
    """A function that runs a quick search with the tiny network."""

    def run(names="tiny-cnn", **arguments):
        usual = {"trials": 2, "seeds": 0, "study": tmp_path / "study", "runs_dir": tmp_path / "runs", **QUICK}
        return zoo.tune(names, **{**usual, "registry": tiny_registry, **arguments})

    return run


@pytest.fixture
def tiny_file(tmp_path, monkeypatch):
    """The tiny plugin as a file, which every process loads. The first training that uses it sleeps.

    Returns:
        A file that exists as soon as that training has begun.
    """
    marker = tmp_path / "first-training"
    folder = tmp_path / "plugin-files"
    folder.mkdir()
    sleeping = f"""
    import os, time
    try:
        os.close(os.open({str(marker)!r}, os.O_CREAT | os.O_EXCL))
        time.sleep(600)
    except FileExistsError:
        pass
    channels, height, width = input_shape
"""
    source = TINY.read_text().replace("    channels, height, width = input_shape\n", sleeping)
    (folder / f"tiny_{abs(hash(tmp_path))}.py").write_text(source)
    monkeypatch.setenv("ZOO_PLUGINS_DIR", str(folder))
    return marker


@pytest.fixture(scope="session")
def postgres():
    """The URL of an empty database in a PostgreSQL server that runs for these tests."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (extra `test`)")
    paths = {name: shutil.which(name) for name in ("initdb", "postgres")}
    if None in paths.values():
        pytest.skip("PostgreSQL is not installed: there is no initdb or postgres in $PATH")
    user = {}
    if hasattr(os, "getuid") and os.getuid() == 0:  # the server refuses to run as root
        import pwd

        names = {entry.pw_name for entry in pwd.getpwall()}
        if "postgres" not in names:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        user = {"user": "postgres", "group": pwd.getpwnam("postgres").pw_gid, "extra_groups": []}
    folder = Path(tempfile.mkdtemp(prefix="zoo-postgres-"))
    if user:
        if not all(parent.stat().st_mode & stat.S_IXOTH for parent in folder.parents):
            folder.rmdir()
            pytest.skip(f"the user postgres cannot reach {folder.parent}; set TMPDIR=/tmp")
        shutil.chown(folder, "postgres")
    common = {"cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **user}
    initdb = [paths["initdb"], "-D", folder / "data", "-A", "trust", "-U", "zoo", "--no-sync", "-E", "UTF8"]
    subprocess.run(initdb, check=True, **common)
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-F"]
    start = [paths["postgres"], "-D", folder / "data", *options]
    server, port = start_server(lambda port: [*start, "-p", str(port)], answers, **common)
    try:
        yield f"postgresql://zoo:secret@127.0.0.1:{port}/postgres"
    finally:
        server.send_signal(signal.SIGINT)  # SIGTERM would wait for the connections of this process
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


def answers(port):
    """Whether the server takes connections."""
    import psycopg

    with (
        contextlib.suppress(psycopg.OperationalError),
        psycopg.connect(f"host=127.0.0.1 port={port} user=zoo dbname=postgres"),
    ):
        return True
    return False
