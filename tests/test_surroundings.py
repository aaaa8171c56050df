"""The ``zoo`` command in odd surroundings: environment, terminal, limits, working directory, user."""

import datetime
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import zoo
from zoo.commandline import table
from zoo.formatting import wrapped

pytestmark = pytest.mark.skipif(os.name == "nt", reason="surroundings of POSIX")

PROGRAM = "import sys, cli; cli.main(sys.argv[1:])"
TRAIN = ["train", "linear-regression", "--epochs", "2", "--device", "cpu"]
LIGHT = [["--help"], ["list"], ["info", "lenet"], ["datasets"], ["runs"]]
WORK = [
    TRAIN,
    ["runs"],
    ["export", "linear-regression", "--onnx"],
    ["verify", "linear-regression.onnx"],
    ["predict", "linear-regression.onnx", "x=2"],
    ["report", "linear-regression"],
]
ASCII = {"LANG": "C", "LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def limit(name, value):
    import resource

    resource.setrlimit(getattr(resource, name), (value, value))


SURROUNDINGS = {
    "no HOME": {"environment": {"HOME": None, "ZOO_DATA": None}},
    "HOME that cannot be written": {"environment": {"HOME": "/proc/nowhere", "ZOO_DATA": None}},
    "LANG=C": {"environment": ASCII},
    "PYTHONIOENCODING=ascii": {"environment": {"PYTHONIOENCODING": "ascii"}},
    "COLUMNS=20": {"environment": {"COLUMNS": "20"}},
    "COLUMNS=0": {"environment": {"COLUMNS": "0"}},
    "COLUMNS=abc": {"environment": {"COLUMNS": "abc"}},
    "NO_COLOR": {"environment": {"NO_COLOR": "1"}},
    "FORCE_COLOR": {"environment": {"FORCE_COLOR": "1"}},
    "TERM=dumb": {"environment": {"TERM": "dumb"}},
    "no TERM": {"environment": {"TERM": None}},
    "python -O": {"flags": ["-O"]},
    "python -OO": {"flags": ["-OO"]},
    "PYTHONWARNINGS=error": {"environment": {"PYTHONWARNINGS": "error"}},
    "PYTHONDONTWRITEBYTECODE": {"environment": {"PYTHONDONTWRITEBYTECODE": "1"}},
    "TZ": {"environment": {"TZ": "Pacific/Chatham"}},
    "TZ nonsense": {"environment": {"TZ": ":::/no such\n"}},
    "OMP_NUM_THREADS=abc": {"environment": {"OMP_NUM_THREADS": "abc"}},
    "umask 077": {"before": functools.partial(os.umask, 0o077)},
    "umask 000": {"before": functools.partial(os.umask, 0)},
    "ulimit -n 64": {"before": functools.partial(limit, "RLIMIT_NOFILE", 64)},
    "spaces and a newline": {"folder": b"a b\nc"},
    "a name that is not UTF-8": {"folder": b"f\xff\xfe"},
}


def command(folder, *arguments, environment=None, flags=(), before=None):
    """Run the command in ``folder``; return exit code, output and errors."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("ZOO_", "PYTHON"))}
    path = os.pathsep.join(
        filter(os.path.isabs, sys.path)
    )  # Python does not start with a relative one in a lost folder
    variables = keep | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path, "TERM": "xterm", "LANG": "C.UTF-8"}
    variables |= environment or {}
    done = subprocess.run(
        [sys.executable, *flags, "-c", PROGRAM, *map(str, arguments)],
        cwd=folder,
        env={name: value for name, value in variables.items() if value is not None},
        preexec_fn=before,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    out, err = (text.decode("utf-8", "backslashreplace") for text in (done.stdout, done.stderr))
    assert "Traceback" not in out + err
    assert "unexpected" not in err
    return done.returncode, out, err


def folder_in(top, name=b"here"):
    folder = os.path.join(os.fsencode(top), name)
    os.mkdir(folder)
    return folder


def works(top, commands, *, folder=b"here", **settings):
    place = folder_in(top, folder)
    for arguments in commands:
        code, out, err = command(place, *arguments, **settings)
        assert (code, "Warning" in err) == (0, False), (arguments, out, err)


@pytest.mark.parametrize("name", SURROUNDINGS)
def test_a_light_command_works(tmp_path, name):
    works(tmp_path, [["info", "lenet"]], **SURROUNDINGS[name])


@pytest.mark.slow
def test_a_training_works_in_all_of_them_at_once(tmp_path):
    """Those that exclude each other aside."""
    variables = ASCII | {"HOME": None, "ZOO_DATA": None, "COLUMNS": "20", "NO_COLOR": "1", "TERM": None}
    variables |= {"PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1", "TZ": ":::/no such\n"}

    def before():
        os.umask(0o077)
        limit("RLIMIT_NOFILE", 64)

    settings = {"environment": variables, "flags": ["-OO"], "before": before, "folder": b"a b\nc\xff"}
    works(tmp_path, [TRAIN, ["runs"]], **settings)


@pytest.mark.campaign
@pytest.mark.parametrize("name", SURROUNDINGS)
def test_every_command_works(tmp_path, name):
    works(tmp_path, LIGHT + WORK, **SURROUNDINGS[name])


@pytest.mark.slow
def test_text_that_the_terminal_cannot_show(tmp_path):
    """Names of classes and columns in Greek and German, a terminal that knows ASCII only."""
    place = folder_in(tmp_path)
    rows = "".join(f"{k % 9},{'άλφα' if k % 2 else 'β'}\n" for k in range(60))
    Path(os.fsdecode(place), "data.csv").write_text(f"größe,kind\n{rows}", encoding="utf-8")
    train = ["train", "diabetes-mlp", "--dataset", "data.csv", "--target", "kind", "--epochs", "1", "--json"]
    code, out, err = command(place, *train, environment=ASCII)
    assert code == 0, err
    assert "άλφα" in json.loads(out)["data"]["labels"]
    assert out.isascii()


@pytest.mark.parametrize(
    ("variables", "part"),
    [
        ({"ZOO_DATA": "/dev/null"}, "/dev/null"),
        pytest.param({"ZOO_DATA": "~nosuchuser/x"}, "~nosuchuser", marks=pytest.mark.slow),
        pytest.param({"ZOO_RUNS": "/dev/null/x"}, "/dev/null/x", marks=pytest.mark.slow),
        pytest.param({"ZOO_RUNS": "\n\x1b[31mError: x"}, None, marks=pytest.mark.slow),
        ({"WORLD_SIZE": "many"}, "WORLD_SIZE"),
    ],
)
def test_nonsense_in_a_variable_is_one_line(tmp_path, variables, part):
    code, _, err = command(folder_in(tmp_path), *TRAIN, environment=variables)
    assert code == (0 if part is None else 2), err
    assert "\x1b" not in err
    assert part is None or (err.count("Error: ") == 1 and part in err.splitlines()[-1])


@pytest.mark.parametrize("megabytes", [300, 700])
def test_too_little_memory_is_one_line(tmp_path, megabytes):
    before = functools.partial(limit, "RLIMIT_AS", megabytes * 2**20)
    code, _, err = command(folder_in(tmp_path), *TRAIN, before=before)
    assert code == 1
    assert "memory" in err
    assert len(err.splitlines()) == 1


def test_a_working_directory_that_is_gone(tmp_path):
    place = folder_in(tmp_path)
    for arguments in (["list"], TRAIN):
        os.makedirs(place, exist_ok=True)
        code, _, err = command(place, *arguments, before=functools.partial(os.rmdir, place))
        assert code == 1
        assert err == "Error: Cannot use the working directory: No such file or directory. Change to another one.\n"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
def test_another_user():
    """Without the rights of root: read-only folders are refused in one line, and the own ones work."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as top:
        os.chmod(top, 0o755)
        own, foreign = Path(top, "own"), Path(top, "foreign")
        for folder in (own, foreign):
            folder.mkdir(0o755)
        os.chown(own, 65_534, 65_534)

        def become_nobody():
            os.setgid(65_534)
            os.setuid(65_534)

        settings = {"environment": {"HOME": "/nonexistent", "ZOO_DATA": None}, "before": become_nobody}
        try:
            subprocess.run([sys.executable, "-c", "import torch"], preexec_fn=become_nobody, cwd="/", check=True)
        except (OSError, subprocess.SubprocessError):
            pytest.skip("another user cannot read the installation")
        assert command(own, *TRAIN, **settings)[0] == 0
        code, _, err = command(foreign, *TRAIN, **settings)
        assert code == 1
        assert "Permission denied" in err.splitlines()[-1]
        assert not list(foreign.iterdir())


def test_a_clock_in_1970(tmp_path, monkeypatch, tiny_registry):
    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(1970, 1, 1, tzinfo=tz)

    monkeypatch.setattr("datetime.datetime", Clock)
    for _ in range(2):
        zoo.train("tiny-cnn", registry=tiny_registry, runs_dir=tmp_path, epochs=1)
    names = sorted(run.folder.name for run in zoo.list_runs(tmp_path))
    assert names == ["19700101-000000", "19700101-000000-2"]


@pytest.mark.parametrize("columns", [40, 80, 99, 130])
def test_wide_tables_leave_out_columns_on_a_narrow_terminal_only(monkeypatch, columns):
    monkeypatch.setattr(shutil, "get_terminal_size", lambda fallback: os.terminal_size((columns, 24)))
    names = ("NAME", "A", "B", "NOTE")
    rows = [("x" * 30, "y" * 30, "z" * 30, "some words")]
    monkeypatch.setattr("sys.stdout.isatty", lambda: False, raising=False)
    whole = table(names, rows, wrap=("NOTE",), one_line=True, optional=("B", "A"))
    assert whole.splitlines()[0].split() == list(names)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    shown = table(names, rows, wrap=("NOTE",), one_line=True, optional=("B", "A"))
    kept = {40: ["NAME", "NOTE"], 80: ["NAME", "A", "NOTE"], 99: ["NAME", "A", "NOTE"], 130: list(names)}
    assert shown.splitlines()[0].split() == kept[columns]
    lines = wrapped("one two " * 20, indent=3).splitlines()
    assert max(map(len, lines)) <= columns
    assert len(lines) > 1
