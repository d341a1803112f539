"""A ledger copied beside a running writer, and put back: into SQLite and PostgreSQL, with what it lost recorded."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.errors import LedgerError, NotLeader, UsageError
from syncd.ledger import record
from syncd.ledger.storage.backup import PutBack, back_up, head_of_file, put_back
from syncd.ledger.storage.database import Database
from syncd.ledger.storage.store import SqlLedger
from syncd.model import Head
from tests.ledgers import HandClock, draft, untold, url_of

WHO = {"by": "Ann Lee", "because": "ticket"}

KINDS: dict[str, Callable[[pytest.FixtureRequest, Path], str]] = {
    "sqlite": lambda _, directory: url_of(directory / "state" / "ledger.db"),
    "postgresql": lambda request, _: request.getfixturevalue("postgres_server").database(),
}


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that does not exist yet."""
    return KINDS[request.param](request, tmp_path)


async def grown(url: str, *numbers: int) -> Head:
    """The ledger with more entries; its head."""
    ledger = SqlLedger.open(url, HandClock(), untold, create=True)
    try:
        await ledger.begin(record.opened("id", "zoom", "file:", "enforce"))
        await ledger.append([draft(number, text="x" * 2000) for number in numbers])
        return await ledger.head()
    finally:
        await ledger.close()


async def said(url: str) -> tuple[Head, bool]:
    """Head, and whether the whole ledger is in order."""
    ledger = SqlLedger.open(url, HandClock(), untold, create=False)
    try:
        found = await ledger.verify()
        return found.head, found.ok
    finally:
        await ledger.close()


def free(database: Database) -> Callable[[], None]:
    """The writer lock, which nobody has."""
    lock = database.writer_lock()
    assert lock.take(1, "here", "now")
    return lock.release


async def put(url: str, file: Path) -> PutBack:
    return await asyncio.to_thread(put_back, url, file, "stamp", free)


async def test_a_backup_is_the_ledger_as_it_was_in_one_file(url: str, tmp_path: Path) -> None:
    """Not readable for everybody, nothing beside it, and the chain verifies."""
    head = await grown(url, 1, 2, 3)
    file = tmp_path / "copies.db"

    assert head == await asyncio.to_thread(back_up, url, file)

    assert (head, True) == await said(url_of(file))
    assert 0o640 == stat.S_IMODE(file.stat().st_mode)
    assert ["copies.db"] == [name for name in os.listdir(tmp_path) if name.startswith("copies")]  # noqa: PTH208


def test_a_backup_beside_a_writer_that_never_rests_is_whole(tmp_path: Path) -> None:
    """Each one ends somewhere the writer had been."""
    place = url_of(tmp_path / "ledger.db")
    program = [sys.executable, "-m", "tests.ledgers", "append-for-ever", place, "3"]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            for number in range(5):
                assert back_up(place, tmp_path / f"{number}.db") == head_of_file(tmp_path / f"{number}.db")
        finally:
            writer.kill()


async def test_no_backup_is_overwritten_and_none_is_made_of_nothing(url: str, tmp_path: Path) -> None:
    """A word about it, and no file left."""
    with pytest.raises(UsageError, match="holds no ledger"):
        await asyncio.to_thread(back_up, url, tmp_path / "one.db")
    assert not (tmp_path / "one.db").exists()
    await grown(url, 1)
    (tmp_path / "one.db").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        await asyncio.to_thread(back_up, url, tmp_path / "one.db")
    assert "mine" == (tmp_path / "one.db").read_text()


async def test_a_backup_put_back_says_what_was_lost_and_keeps_it_aside(url: str, tmp_path: Path) -> None:
    """Terms go on from the newest that was ever given out."""
    before = await grown(url, 1, 2)
    file = tmp_path / "copy.db"
    await asyncio.to_thread(back_up, url, file)
    lost = await grown(url, 3, 4)
    ledger = SqlLedger.open(url, HandClock(), untold, create=True)
    async with ledger.writer(0):
        pass
    async with ledger.writer(0) as newest:
        pass
    await ledger.close()

    done = await put(url, file)

    assert (before, lost) == (done.backup, done.lost)
    assert done.aside is not None
    assert (lost, True) == await said(url_of(done.aside))
    assert (before, True) == await said(url)
    ledger = SqlLedger.open(url, HandClock(), untold, create=True)
    async with ledger.writer(0) as term:
        assert term > newest
    await ledger.close()


async def test_a_backup_that_holds_everything_loses_nothing(url: str, tmp_path: Path) -> None:
    """What is there is a part of it."""
    head = await grown(url, 1)
    file = tmp_path / "copy.db"
    await asyncio.to_thread(back_up, url, file)

    done = await put(url, file)

    assert done.backup == done.lost == head


async def test_a_backup_put_back_where_nothing_is_left(tmp_path: Path) -> None:
    """What was there is known from the file beside it, if that is still there."""
    place = tmp_path / "state" / "ledger.db"
    await grown(url_of(place), 1)
    await asyncio.to_thread(back_up, url_of(place), tmp_path / "copy.db")
    lost = await grown(url_of(place), 2)
    place.unlink()

    done = await put(url_of(place), tmp_path / "copy.db")

    assert (lost, None) == (done.lost, done.aside)
    place.unlink()
    place.with_name("ledger.db.head").unlink()
    assert Head(0, "") == (await put(url_of(place), tmp_path / "copy.db")).lost
    shutil.rmtree(place.parent)
    assert Head(0, "") == (await put(url_of(place), tmp_path / "copy.db")).lost
    shutil.rmtree(place.parent)
    place.parent.write_text("in the way")
    with pytest.raises(LedgerError, match="cannot be made or written"):
        await put(url_of(place), tmp_path / "copy.db")


async def test_a_damaged_ledger_is_kept_aside_as_it_is(tmp_path: Path) -> None:
    """Nothing can be copied out of it, and nothing is thrown away."""
    place = tmp_path / "ledger.db"
    await grown(url_of(place), 1)
    await asyncio.to_thread(back_up, url_of(place), tmp_path / "copy.db")
    place.write_bytes(b"no database at all" * 100)

    done = await put(url_of(place), tmp_path / "copy.db")

    assert done.aside is not None
    assert done.aside.read_bytes().startswith(b"no database")
    assert (done.backup, True) == await said(url_of(place))


async def test_a_backup_that_was_edited_is_not_put_back(url: str, tmp_path: Path) -> None:
    """And what is there stays."""
    head = await grown(url, 1, 2)
    file = tmp_path / "copy.db"
    await asyncio.to_thread(back_up, url, file)
    content = file.read_bytes()
    assert b"xxxx" in content
    file.write_bytes(content.replace(b"xxxx", b"xxxy"))

    with pytest.raises(LedgerError, match="does not verify"):
        await put(url, file)
    assert (head, True) == await said(url)


async def test_nothing_is_put_back_while_a_cycle_runs(url: str, tmp_path: Path) -> None:
    """The writer lock comes first."""
    await grown(url, 1)
    file = tmp_path / "copy.db"
    await asyncio.to_thread(back_up, url, file)
    head = await grown(url, 2)

    def taken(database: Database) -> Callable[[], None]:
        raise NotLeader("a cycle runs")

    with pytest.raises(NotLeader):
        await asyncio.to_thread(put_back, url, file, "stamp", taken)
    assert (head, True) == await said(url)


async def test_a_running_process_notices_and_goes_on_once_it_is_accepted(url: str, tmp_path: Path) -> None:
    """Its own last entry is gone: broken, until somebody accepts the older chain. Nobody has to restart it."""
    await grown(url, 1)
    file = tmp_path / "copy.db"
    await asyncio.to_thread(back_up, url, file)
    running = SqlLedger.open(url, HandClock(), untold, create=True)
    await running.append([draft(2), draft(3)])
    lost = (await running.history()).head
    await put(url, file)

    assert "cut off" in (await running.history()).broken
    with pytest.raises(LedgerError):
        await running.append([draft(4)])
    other = SqlLedger.open(url, HandClock(), untold, create=True)
    await other.append([draft(5)])
    assert (await running.history()).broken
    await other.append([record.accepted(missing=[lost], **WHO)])
    await other.close()

    now = await running.history()
    assert ("", True) == (now.broken, now.paused_since is not None)
    await running.append([draft(6)])
    await running.close()
