"""One image for all tests here; skipped with a reason where it cannot be built, in CI that fails."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import company, prefork
from tests.image import store
from tests.image.store import Store

__all__ = ["company", "prefork"]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The Dockerfile's image, built for real."""
    reason = store.missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    built = Store(tmp_path_factory.mktemp("image"))
    try:
        built.build()
        yield built
    finally:
        built.clean()
