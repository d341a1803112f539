"""Needs Prometheus' and Alertmanager's programs; without them these tests are skipped with the reason, in CI they fail."""

from __future__ import annotations

import os

import pytest

from tests.acceptance.conftest import company, prefork
from tests.alerts import watching

__all__ = ["company", "prefork"]


@pytest.fixture(autouse=True)
def programs() -> None:
    """Everything here runs them."""
    reason = watching.missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
