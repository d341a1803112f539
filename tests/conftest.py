"""Real services that several rooms of tests use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """A real PostgreSQL server."""
    reason = postgres.missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with postgres.running() as started:
        yield started


#: Rooms that start the same heavy services (a domain, an API server, a container build): one worker does them all.
_HEAVY = frozenset({"real", "deploy", "alerts", "image"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keeps the tests of a file, and all tests of heavy services, in one worker."""
    here = Path(__file__).parent
    for item in items:
        path = item.path.relative_to(here)
        heavy = path.parts[0] in _HEAVY or path.name == "test_directory_contract.py"
        item.add_marker(pytest.mark.xdist_group("heavy" if heavy else str(path)))
