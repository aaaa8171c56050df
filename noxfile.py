"""The checks of ``.ci/run`` as sessions: ``nox`` runs the quick ones, ``nox -s slow`` another, ``nox -l`` lists them.

Only ``.ci/run --long`` runs ``slow`` and ``all_numbers``; they run each night, as do ``campaign`` and ``coverage``.

The sessions use the environment that nox runs in (``pip install -e '.[dev,docs]'``) and make none of their own, because
an environment with torch and CUDA needs several gigabytes. Change a command here and in ``.ci/run`` together:
``tests/test_docs.py`` compares them.
"""

from __future__ import annotations

import json
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests", "docs"]
nox.options.default_venv_backend = "none"

PARALLEL = ("-n", "logical", "--dist", "worksteal")
"""A process of tests for each core. A process keeps tests of one file together, because they share fixtures."""

OTHER_PROCESSOR = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "ZOO_TEST_THREADS": "2"}
"""Environment variables with which torch computes as on a processor without AVX, and with two threads."""


@nox.session
def tests(session: nox.Session) -> None:
    """All tests but the long ones. Arguments after ``--`` go to pytest."""
    session.run("pytest", *PARALLEL, *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """The long tests."""
    session.run("pytest", "-m", "slow", *PARALLEL, "--durations=10", *session.posargs)


@nox.session
def campaign(session: nox.Session) -> None:
    """The tests that take an hour and more: many kills, many surroundings, the largest networks."""
    session.run("pytest", "-m", "campaign", *PARALLEL, "--durations=10", *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Which lines and branches the quick and the long tests run, in started processes too."""
    env = {
        "COVERAGE_FILE": str(Path("build/coverage/data").absolute()),
        "COVERAGE_RCFILE": str(Path("setup.cfg").absolute()),
    }
    Path("build/coverage").mkdir(parents=True, exist_ok=True)
    session.run("coverage", "erase", env=env)
    for marks in ("not slow and not campaign", "slow"):
        session.run("coverage", "run", "-m", "pytest", "-q", "-m", marks, *PARALLEL, *session.posargs, env=env)
    session.run("coverage", "combine", "-q", env=env)
    session.run("coverage", "report", env=env)
    session.run("coverage", "json", "-q", "-o", "build/coverage/totals.json", env=env)
    if Path("build/coverage/totals.json").is_file():  # not if a test only lists the commands
        found = json.loads(Path("build/coverage/totals.json").read_text())["totals"]
        for what, count in (("lines", "statements"), ("branches", "branches")):
            missing, total = found[f"missing_{what}"], found[f"num_{count}"]
            print(f"{what}: {total - missing:,} of {total:,}, {1 - missing / total:.1%}")


@nox.session
def mutation(session: nox.Session) -> None:
    """Which small faults in the library the tests find; needs the extra ``mutation``. See benchmarks/mutation.md."""
    session.run("python", "benchmarks/mutation.py", *session.posargs)


@nox.session
def numbers(session: nox.Session) -> None:
    """A selection of tests of numbers, as on a processor without AVX, and with another number of threads.

    It has every gate, trainings that are equal to the last bit, and shipped weights.
    """
    session.run("pytest", *PARALLEL, "@tests/numbers.txt", env=OTHER_PROCESSOR)


@nox.session
def all_numbers(session: nox.Session) -> None:
    """All tests of numbers, as on a processor without AVX, and with another number of threads."""
    session.run("pytest", *PARALLEL, "@tests/all_numbers.txt", "-k", "not recorded_metrics", env=OTHER_PROCESSOR)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format of the code."""
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Type annotations: of the library, and of a user's script as an editor sees it."""
    session.run("mypy")
    session.run("pyright")


@nox.session
def docs(session: nox.Session) -> None:
    """Generated pages and pictures are up to date, and the documentation builds without a warning."""
    pages = ("cli", "results", "reference", "tutorial", "export")
    session.run("cog", "--check", *(f"docs/{page}.md" for page in pages))
    session.run("python", "docs/rooms.py", "--check")
    session.run("python", "docs/pictures.py", "--check")
    # reading a page executes it, and each process reads a few consecutive pages: many share the chapters evenly
    session.run("sphinx-build", "-q", "-W", "-j", "8", "-b", "html", "docs", "docs/_build")
