"""A PostgreSQL ledger behind a connection pooler: one that hands sessions around is refused, one that keeps them works."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from syncd.errors import LedgerError
from syncd.host.clock import SystemClock
from syncd.ledger.storage.store import SqlLedger
from syncd.model import Draft
from tests import postgres
from tests.ledgers import untold
from tests.real.pooler import pooling


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    reason = postgres.missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with postgres.running() as started:
        yield started


def opened(port: int, database: str) -> SqlLedger:
    return SqlLedger.open(
        f"postgresql://postgres@127.0.0.1:{port}/{database}", SystemClock(), untold, create=True, busy_seconds=2.0
    )


@pytest.mark.parametrize("latest", [True, False])
async def test_a_transaction_pooler_is_recognised_and_refused(server: postgres.Server, latest: bool) -> None:
    """However it picks sessions: two daemons could hold one lock. Nothing is written."""
    database = server.database().rpartition("/")[2]
    with (
        pooling(server.port, database, mode="transaction", latest=latest) as pooler,
        pytest.raises(LedgerError, match="connection pooler in transaction mode") as refused,
    ):
        opened(pooler.port, database)

    assert "session mode" in refused.value.do
    ledger = opened(server.port, database)
    assert 0 == (await ledger.head()).seq
    await ledger.close()


async def test_a_session_pooler_works(server: postgres.Server) -> None:
    """Each connection keeps its session: locks, appends and reads are as without it."""
    database = server.database().rpartition("/")[2]
    with pooling(server.port, database, mode="session") as pooler:
        ledger = opened(pooler.port, database)
        async with ledger.writer(0.0) as term:
            await ledger.append([Draft("noted", {"number": 1})], term=term)
        assert 1 == (await ledger.head()).seq
        await ledger.close()


async def test_a_pooler_that_refuses_what_a_session_asks_for_is_named(server: postgres.Server) -> None:
    """As some do with any parameter they do not know."""
    database = server.database().rpartition("/")[2]
    with (
        pooling(server.port, database, mode="transaction", options=False) as pooler,
        pytest.raises(LedgerError, match="a connection pooler answers in its place") as refused,
    ):
        opened(pooler.port, database)

    assert "ignore_startup_parameters" in refused.value.do
