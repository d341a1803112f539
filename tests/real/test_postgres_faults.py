"""A PostgreSQL ledger when the server stops, crashes, cuts connections, or a former leader still holds the lock."""

from __future__ import annotations

import asyncio
import os
import time

import psycopg
import pytest

from syncd.errors import ConfigError, LedgerError, NotLeader
from syncd.host.clock import SystemClock
from syncd.ledger.storage.store import SqlLedger
from syncd.model import Draft
from tests import postgres
from tests.acceptance.company import TRIGGER, Company
from tests.acceptance.conftest import company, prefork
from tests.ledgers import untold

__all__ = ["company", "prefork"]


@pytest.fixture
def own_server():
    """A server for one test to stop and start."""
    reason = postgres.missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with postgres.running() as started:
        yield started


def opened(url: str) -> SqlLedger:
    return SqlLedger.open(url, SystemClock(), untold, create=True, busy_seconds=2.0)


async def test_nothing_is_appended_while_the_server_is_down_and_it_goes_on_afterwards(own_server):
    """No ledger, no effect; and no restart of ours is needed."""
    ledger = opened(own_server.database())
    await ledger.append([Draft("noted", {"number": 1})])
    await asyncio.to_thread(own_server.stop)
    with pytest.raises(LedgerError, match=r"cannot be reached|connection"):
        await ledger.append([Draft("noted", {"number": 2})])
    with pytest.raises(LedgerError):
        await ledger.history()
    await asyncio.to_thread(own_server.start)
    await ledger.append([Draft("noted", {"number": 3})])
    assert 2 == (await ledger.history()).head.seq
    assert (await ledger.verify()).ok
    await ledger.close()


async def test_a_crash_of_the_server_loses_nothing_that_was_given_back(own_server):
    """Killed in the middle of appends: every append that returned is there, and the chain verifies."""
    url = own_server.database()
    ledger = opened(url)
    written = 0

    async def append() -> None:
        nonlocal written
        for number in range(10_000):
            await ledger.append([Draft("noted", {"number": number})])
            written += 1

    work = asyncio.create_task(append())
    await asyncio.sleep(0.5)
    await asyncio.to_thread(own_server.stop, "immediate")
    with pytest.raises(LedgerError):
        await work
    await asyncio.to_thread(own_server.start)
    history = await ledger.history()
    assert history.head.seq - written in (0, 1)  # the one in hand may or may not have happened
    assert "" == history.broken
    assert (await ledger.verify()).ok
    await ledger.close()


async def test_a_lock_lost_with_its_session_is_found_out_before_the_next_effect(postgres_server):
    """Another one takes over; the former holder's next append is refused, so there is no effect without a ledger."""
    url = postgres_server.database()
    one, two = opened(url), opened(url)
    async with one.writer(0) as former:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        async with two.writer(5) as newer:
            assert newer > former
            await two.append([Draft("noted", {})], term=newer)
            with pytest.raises(NotLeader, match="newer writer"):
                await one.append([Draft("noted", {})], term=former)
    await one.close()
    await two.close()


async def test_a_later_leader_by_lease_ends_the_hold_of_a_former_one(postgres_server):
    """A frozen process keeps its session; who leads now need not wait for it, and it can write no more."""
    url = postgres_server.database()
    frozen, leader = opened(url), opened(url)
    async with frozen.writer(0, lease=4) as former:
        async with leader.writer(0, lease=5) as newer:
            await leader.append([Draft("noted", {})], term=newer)
        with pytest.raises((NotLeader, LedgerError)):
            await frozen.append([Draft("noted", {})], term=former)
    await frozen.close()
    await leader.close()


@pytest.mark.parametrize("lease", [0, 4])
async def test_a_hand_verb_or_the_same_leader_is_never_overtaken(postgres_server, lease):
    """Without a higher number one waits."""
    url = postgres_server.database()
    holder, other = opened(url), opened(url)
    async with holder.writer(0, lease=lease):
        with pytest.raises(NotLeader, match="process"):
            async with other.writer(0, lease=4):
                pass
    await holder.close()
    await other.close()


async def test_a_full_disk_stops_appends_and_loses_nothing(own_server, tmp_path):
    """The database says so; what was there is there, and it goes on once there is room."""
    url = own_server.database()
    ledger = opened(url)
    await ledger.append([Draft("noted", {"number": 1})])
    with psycopg.connect(url, autocommit=True) as admin:  # the server's own code for a full disk, raised where it would be
        admin.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$"
        )
        admin.execute("CREATE TRIGGER full_disk BEFORE INSERT ON chain FOR EACH ROW EXECUTE FUNCTION full_disk()")
        with pytest.raises(LedgerError, match="the disk of the database is full"):
            await ledger.append([Draft("noted", {"number": 2})])
        admin.execute("DROP TRIGGER full_disk ON chain")
    await ledger.append([Draft("noted", {"number": 3})])
    assert 2 == (await ledger.history()).head.seq
    await ledger.close()


async def test_the_chain_refuses_changes(postgres_server):
    """Triggers keep mistakes out; taking them away is found."""
    url = postgres_server.database()
    ledger = opened(url)
    await ledger.append([Draft("noted", {"number": 1}), Draft("noted", {"number": 2})])
    with psycopg.connect(url, autocommit=True) as admin:
        for change in (
            "UPDATE chain SET kind = 'x'",
            "DELETE FROM chain",
            "TRUNCATE chain",
            "INSERT INTO chain SELECT seq + 5, at, cycle, term, kind, subject, body, previous_hash, hash FROM chain",
        ):
            with pytest.raises(psycopg.errors.RaiseException, match="the chain"):
                admin.execute(change)
        admin.execute("ALTER TABLE chain DISABLE TRIGGER chain_no_update")
        assert "chain_no_update" in str((await ledger.verify()).problem)
        admin.execute("UPDATE chain SET body = '{}' WHERE seq = 1")
    assert "entry 1" in str((await ledger.verify()).problem)
    await ledger.close()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"port": 1}, "cannot be reached"),
        ({"database": "nowhere"}, "no such database"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(postgres_server, change, says):
    """One line, with the fix, and no secret in it."""
    port = change.get("port", postgres_server.port)
    url = f"postgresql://postgres:s3cret-pw@127.0.0.1:{port}/{change.get('database', 'postgres')}"
    with pytest.raises((LedgerError, ConfigError)) as refused:
        opened(url)
    assert says in str(refused.value)
    assert "s3cret-pw" not in str(refused.value)


async def test_a_foreign_database_is_refused(postgres_server):
    """Somebody else's tables are not touched."""
    url = postgres_server.database()
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE TABLE payroll (id int)")
    with pytest.raises(LedgerError, match="not a ledger of syncd"):
        opened(url)


def test_a_daemon_that_starts_before_its_database_waits_alive_and_not_ready(company: Company, own_server) -> None:
    """No restart after restart: it says what it waits for, ends when asked to, and goes on when the database is there."""
    company.staff(5)
    company.configure({"ledger": {"url": own_server.database()}})
    own_server.stop()
    with company.running() as stopped:
        stopped.wait(lambda: stopped.events("ledger.awaited"), "waiting for the database")
        assert 0 == stopped.terminate()[0]
    with company.running() as daemon:
        daemon.wait(lambda: daemon.events("ledger.awaited"), "waiting for the database")
        assert (200, 503) == (daemon.get("/healthz")[0], daemon.get("/readyz")[0])
        assert [] == daemon.cycles()
        own_server.start()
        daemon.wait_ready()
        daemon.wait_cycles(1)


@pytest.mark.parametrize("when", ["between two cycles", "in the middle of one", "while one is filed"])
def test_a_frozen_database_does_not_keep_the_daemon_from_ending(company: Company, own_server, when: str) -> None:
    """The server takes what is sent and answers nothing: SIGTERM still ends the daemon well before it would be killed."""
    company.staff(5)
    company.configure({"ledger": {"url": own_server.database()}})
    with company.running() as daemon:
        daemon.wait_cycles(1)
        if when != "while one is filed":
            daemon.wait(lambda: daemon.metrics().get("syncd_next_cycle_timestamp_seconds"), "the first cycle to be filed")
        with own_server.frozen():
            time.sleep(3)  # longer than a look at the ledger between two cycles
            if when == "in the middle of one":
                assert 202 == daemon.get("/sync", method="POST", token=TRIGGER)[0]
                time.sleep(1)
            code, took = daemon.terminate()
    assert 0 == code
    assert took < 20


def test_a_database_that_will_not_come_by_itself_ends_the_daemon(company: Company, own_server) -> None:
    """A name that the server does not know is a mistake to repair, not something to wait for."""
    company.configure({"ledger": {"url": own_server.url("nowhere")}})
    with company.running() as daemon:
        assert 6 == daemon.process.wait(30)
