"""A ledger moves between SQLite and PostgreSQL with its chain, its names and its term intact."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

import pytest

from syncd.errors import LedgerError, NotLeader, UsageError
from syncd.ledger.storage.copying import copy_ledger
from syncd.ledger.storage.store import SqlLedger
from syncd.model import Draft
from tests.ledgers import HandClock, untold, url_of


async def filled(url: str) -> list[str]:
    """A ledger with some entries; its export."""
    ledger = SqlLedger.open(url, HandClock(), untold, create=True)
    async with ledger.writer(0) as term:
        await ledger.append(
            [Draft("noted", {"number": n}, subject=f"z{n}", personal={"email": f"p{n}@corp.example"}) for n in range(4500)],
            term=term,
        )
    lines = [line async for line in ledger.export()]
    await ledger.close()
    return lines


async def exported(url: str) -> list[str]:
    ledger = SqlLedger.open(url, HandClock(), untold, create=False)
    lines = [line async for line in ledger.export()]
    assert (await ledger.verify()).ok
    await ledger.close()
    return lines


async def test_there_and_back_again(tmp_path, postgres_server):
    """SQLite, PostgreSQL, SQLite: every byte of the export is the same."""
    first, middle, last = url_of(tmp_path / "a.db"), postgres_server.database(), url_of(tmp_path / "b.db")
    lines = await filled(first)
    for source, target in ((first, middle), (middle, last)):
        head = await asyncio.to_thread(copy_ledger, source, target)
        assert 4500 == head.seq
        assert lines == await exported(target)


async def test_an_older_writer_is_refused_by_the_copy_too(tmp_path, postgres_server):
    """The newest term goes along."""
    first, second = url_of(tmp_path / "a.db"), postgres_server.database()
    await filled(first)
    await asyncio.to_thread(copy_ledger, first, second)
    ledger = SqlLedger.open(second, HandClock(), untold, create=True)
    async with ledger.writer(0) as term:
        assert 2 == term
        with pytest.raises(NotLeader):
            await ledger.append([Draft("noted", {})], term=1)
    await ledger.close()


async def test_nothing_is_overwritten(tmp_path):
    """The target must be empty, the source must hold something."""
    await filled(url_of(tmp_path / "a.db"))
    await filled(url_of(tmp_path / "b.db"))
    with pytest.raises(UsageError, match="holds a ledger already"):
        await asyncio.to_thread(copy_ledger, url_of(tmp_path / "a.db"), url_of(tmp_path / "b.db"))
    with pytest.raises(UsageError, match="holds no ledger"):
        await asyncio.to_thread(copy_ledger, url_of(tmp_path / "none.db"), url_of(tmp_path / "c.db"))


async def test_a_broken_chain_is_not_copied(tmp_path):
    """Moving is no way to launder an edit."""
    await filled(url_of(tmp_path / "a.db"))
    with closing(sqlite3.connect(tmp_path / "a.db")) as database, database:
        database.execute("DROP TRIGGER chain_no_update")
        database.execute("UPDATE chain SET body = '{}' WHERE seq = 7")
    with pytest.raises(LedgerError, match="entry 7"):
        await asyncio.to_thread(copy_ledger, url_of(tmp_path / "a.db"), url_of(tmp_path / "b.db"))
