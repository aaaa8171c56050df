"""The conformance suite in a plugin author's own tests: three lines, one test for each check.

    @pytest.mark.zoo("my-net")
    def test_it_keeps_what_plugins_promise(zoo_check):
        zoo_check()

It is loaded by pytest itself wherever the zoo is installed, so it imports nothing before a test asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..registry.registry import Registry
    from .check import Bench, Demand, Subject

_MARKER = "zoo(*names): the plugins, distributions or things registered that `zoo_check` checks; all, unless given"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each check of each subject."""
    if "zoo_check" not in metafunc.fixturenames:
        return
    from ..errors import ZooError
    from .check import DEMANDS, find_subjects

    marker = metafunc.definition.get_closest_marker("zoo")
    registry = _registry(metafunc.config)
    try:
        subjects = find_subjects(registry, marker.args if marker else (), _commands(registry))
    except ZooError as error:
        raise pytest.UsageError(f"{error} Is it installed in this environment? `pip install -e .`") from error
    if not subjects:
        raise pytest.UsageError("No plugin is installed here beyond the built-in ones; `pip install -e .` first.")
    cases = [(subject, demand) for subject in subjects for demand in DEMANDS[subject.kind]]
    names = [f"{subject.kind}-{subject.name}-{demand.name}" for subject, demand in cases]
    metafunc.parametrize("_zoo_case", cases, ids=names)


@pytest.fixture(scope="session")
def _zoo_benches(pytestconfig: pytest.Config) -> Iterator[Callable[[Subject], Bench]]:
    """The bench of a subject: one for all its checks, so that it is trained once."""
    import contextlib

    from .check import bench_for

    with contextlib.ExitStack() as stack:
        benches: dict[str, Bench] = {}

        def bench(subject: Subject) -> Bench:
            if str(subject) not in benches:
                benches[str(subject)] = stack.enter_context(bench_for(subject, _registry(pytestconfig)))
            return benches[str(subject)]

        yield bench


@pytest.fixture
def _zoo_case() -> None:
    """Which check of which subject; :func:`pytest_generate_tests` says."""


@pytest.fixture
def zoo_check(_zoo_case: tuple[Subject, Demand], _zoo_benches: Callable[[Subject], Bench]) -> Callable[[], None]:
    """Run one check: the test passes, is skipped with the reason, or fails with the reason and what to do."""

    def run() -> None:
        from .check import judge

        subject, demand = _zoo_case
        verdict = judge(_zoo_benches(subject), demand)
        if verdict.status == "skipped":
            pytest.skip(verdict.reason)
        if verdict.status == "failed":
            pytest.fail(f"{subject}: {verdict.reason}\n{verdict.remedy}", pytrace=False)

    return run


_REGISTRY: pytest.StashKey[Any] = pytest.StashKey()


def _registry(config: pytest.Config) -> Registry:
    """The installed plugins, loaded once in a session."""
    from ..registry.registry import create_registry

    if _REGISTRY not in config.stash:
        config.stash[_REGISTRY] = create_registry()
    registry: Registry = config.stash[_REGISTRY]
    return registry


def _commands(registry: Registry) -> list[str]:
    """The names of the plugins' commands; a name of the zoo's own is refused by the command itself."""
    return list(registry.commands(()))
