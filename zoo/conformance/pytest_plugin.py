"""The pytest plugin: the plugin contract in a plugin author's own tests, one test for each requirement.

    @pytest.mark.zoo("my-net")
    def test_the_plugin_contract(zoo_check):
        zoo_check()

pytest loads this module in every environment that has the zoo, so it imports the zoo only when a test uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..registry.registry import Registry
    from .check import CheckedItem, Workspace
    from .contract import Requirement

_MARKER = (
    "zoo(*names): the plugins, distributions, or what plugins registered, that `zoo_check` checks; "
    "everything that is not built in, unless given"
)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test for each requirement of each item."""
    if "zoo_check" not in metafunc.fixturenames:
        return
    from ..errors import ZooError
    from .check import find_items
    from .contract import REQUIREMENTS

    marker = metafunc.definition.get_closest_marker("zoo")
    registry = _registry(metafunc.config)
    try:
        items = find_items(registry, marker.args if marker else (), _commands(registry))
    except ZooError as error:
        raise pytest.UsageError(f"{error} Is it installed in this environment? `pip install -e .`") from error
    if not items:
        raise pytest.UsageError("No plugin is installed except the built-in ones; run `pip install -e .` first.")
    cases = [(item, requirement) for item in items for requirement in REQUIREMENTS[item.kind]]
    names = [f"{item.kind}-{item.name}-{requirement.name}" for item, requirement in cases]
    metafunc.parametrize("_zoo_case", cases, ids=names)


@pytest.fixture(scope="session")
def _zoo_workspaces(pytestconfig: pytest.Config) -> Iterator[Callable[[CheckedItem], Workspace]]:
    """The workspace of an item. All checks of the item share it, so the item is trained once."""
    import contextlib

    from .check import open_workspace

    with contextlib.ExitStack() as stack:
        workspaces: dict[str, Workspace] = {}

        def workspace(item: CheckedItem) -> Workspace:
            if str(item) not in workspaces:
                workspaces[str(item)] = stack.enter_context(open_workspace(item, _registry(pytestconfig)))
            return workspaces[str(item)]

        yield workspace


@pytest.fixture
def _zoo_case() -> None:
    """An item and a requirement; :func:`pytest_generate_tests` sets it."""


@pytest.fixture
def zoo_check(
    _zoo_case: tuple[CheckedItem, Requirement], _zoo_workspaces: Callable[[CheckedItem], Workspace]
) -> Callable[[], None]:
    """Run one check. The test passes, is skipped with the reason, or fails with the reason and what to do."""

    def run() -> None:
        from .check import run_check

        item, requirement = _zoo_case
        result = run_check(_zoo_workspaces(item), requirement)
        if result.status == "skipped":
            pytest.skip(result.reason)
        if result.status == "failed":
            pytest.fail(f"{item}: {result.reason}\n{result.remedy}", pytrace=False)

    return run


_REGISTRY: pytest.StashKey[Any] = pytest.StashKey()


def _registry(config: pytest.Config) -> Registry:
    """The installed plugins, loaded once in a test session."""
    from ..registry.registry import create_registry

    if _REGISTRY not in config.stash:
        config.stash[_REGISTRY] = create_registry()
    registry: Registry = config.stash[_REGISTRY]
    return registry


def _commands(registry: Registry) -> list[str]:
    """The names of the plugins' commands. A command with the name of a built-in one is refused when it is added."""
    return list(registry.commands(()))
