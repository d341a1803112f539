"""The ledger in a SQLite file: tampering, crashes, other processes, a full disk, and reading that leaves nothing behind."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.errors import ConfigError, LedgerError, NotLeader
from syncd.ledger import chain
from syncd.ledger.chain import START, Fault, link
from syncd.ledger.storage.schema import NEWEST, SQLITE_TRIGGERS
from syncd.ledger.storage.sqlite import SqliteDatabase
from syncd.ledger.storage.store import SqlLedger
from syncd.model import Draft, Head
from tests.heads import ODD_LINES
from tests.ledgers import HandClock, draft, untold, url_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path):
    """Where the ledger is to lie; there is nothing yet."""
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
async def opened():
    """Opens ledgers and closes them at the end."""
    ledgers: list[SqlLedger] = []

    def open_(path: Path, *, create: bool = True, busy_seconds: float = 30.0, clock: HandClock | None = None) -> SqlLedger:
        ledgers.append(SqlLedger.open(url_of(path), clock or HandClock(), untold, create=create, busy_seconds=busy_seconds))
        return ledgers[-1]

    yield open_
    for ledger in ledgers:
        await ledger.close()


@contextmanager
def child(verb: str, path: Path, number: int = 0):
    """A process that does *verb* on a ledger; killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.ledgers", verb, url_of(path), str(number)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def tamper(path: Path, *statements: str) -> None:
    """What somebody with a shell does: the triggers away, then the change."""
    with closing(sqlite3.connect(path)) as connection:
        for name in SQLITE_TRIGGERS:
            connection.execute(f"DROP TRIGGER IF EXISTS {name}")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def listing(path: Path) -> list[str]:
    """The names beside a ledger."""
    return sorted(entry.name for entry in path.parent.iterdir())


# -------------------------------------------------------------------------------------------------------- tampering

REHASHED = link(Draft("noted", {"number": 99}, "z2", "c1"), at="2026-10-01T08:00:00.000000Z", term=1, previous=START)

TAMPERINGS = {
    "an edited body": ("UPDATE chain SET body = replace(body, '2', '7') WHERE seq = 3", 3, "entry 3 was edited"),
    "a byte that is no text": ("UPDATE chain SET body = CAST(x'7b22ff7d' AS TEXT) WHERE seq = 3", 3, "entry 3 was edited"),
    "a body that is a blob": ("UPDATE chain SET body = CAST(body AS BLOB) WHERE seq = 3", 3, "entry 3 was edited"),
    "another kind": ("UPDATE chain SET kind = 'paused' WHERE seq = 3", 3, "entry 3 was edited"),
    "another time": ("UPDATE chain SET at = '2027-10-01T08:00:00.000000Z' WHERE seq = 3", 3, "entry 3 was edited"),
    "another term": ("UPDATE chain SET term = 2 WHERE seq = 3", 3, "entry 3 was edited"),
    "a deleted entry": ("DELETE FROM chain WHERE seq = 3", 3, "entry 3 is missing: after entry 2 comes entry 4"),
    "a deleted beginning": ("DELETE FROM chain WHERE seq < 3", 1, "entries 1 to 2 are missing"),
    "a moved entry": ("UPDATE chain SET seq = 9 WHERE seq = 3", 3, "entry 3 is missing"),
    "a rewritten hash": (f"UPDATE chain SET hash = '{REHASHED.hash}' WHERE seq = 3", 3, "entry 3 was edited"),
    "a cut tail": ("DELETE FROM chain WHERE seq > 3", 4, "entry 4 is missing: the chain ended at entry 5"),
    "an emptied chain": ("DELETE FROM chain", 1, "entry 1 is missing: the chain ended at entry 5"),
    "an edited head": ("UPDATE chain SET body = '{}' WHERE seq = 5", 5, "entry 5 was edited"),
}

#: What only somebody who remembers an earlier head can see.
UNSEEN_FROM_SCRATCH = {"a cut tail", "an emptied chain"}


@pytest.mark.parametrize("name", TAMPERINGS)
async def test_tampering_is_found_and_the_first_bad_entry_named(opened, path, name):
    """By a process that starts, by one that was running, and by ``ledger verify`` with the head of a document."""
    statement, seq, says = TAMPERINGS[name]
    running = opened(path)
    head = (await running.append([draft(number) for number in range(5)], term=1))[-1].hash
    await running.history()
    tamper(path, statement)

    starting = await opened(path, create=False).history()
    assert (name in UNSEEN_FROM_SCRATCH) == (starting.broken == "")
    if name not in UNSEEN_FROM_SCRATCH:
        assert says in starting.broken
        assert seq - 1 == starting.head.seq

    assert says in (await running.verify_all()).broken

    problem = (await opened(path, create=False).verify(head)).problem
    assert seq == problem.seq


async def test_a_running_process_finds_a_cut_tail_at_its_next_look(opened, path):
    """The daemon asks every cycle and remembers how far the chain reached."""
    ledger = opened(path)
    await ledger.append([draft(number) for number in range(5)], term=1)
    await ledger.history()
    tamper(path, "DELETE FROM chain WHERE seq > 3")

    assert "tail was cut off" in (await ledger.history()).broken


async def test_what_was_appended_but_not_read_back_is_remembered_too(opened, path):
    """An intent that vanishes between its append and the next history."""
    ledger = opened(path)
    await ledger.append([draft(number) for number in range(5)], term=1)
    tamper(path, "DELETE FROM chain WHERE seq = 5")

    assert "entry 5 is missing" in (await ledger.history()).broken


async def test_a_chain_forged_anew_is_found_by_who_remembers(opened, path):
    """Every hash right, the whole file another one's history."""
    ledger = opened(path)
    await ledger.append([draft(number) for number in range(3)], term=1)
    await ledger.history()
    forged = REHASHED
    tamper(
        path,
        "DELETE FROM chain WHERE seq = 3",
        f"UPDATE chain SET body = '{forged.body}', hash = '{forged.hash}', previous_hash = '', kind = 'noted', "
        f"subject = 'z2', cycle = 'c1', at = '{forged.at}' WHERE seq = 1",
        "DELETE FROM chain WHERE seq = 2",
    )
    await opened(path).append([draft(1), draft(2)], term=1)

    assert (await opened(path, create=False).verify()).problem.fault is Fault.DAMAGED  # the triggers are gone
    assert "entry 3 was rewritten" in (await ledger.history()).broken


@pytest.mark.parametrize("name", ["an edited head", "a cut tail", "an emptied chain"])
async def test_nothing_is_appended_to_a_broken_end(opened, path, name):
    """An append would make a good chain of a bad one."""
    ledger = opened(path)
    await ledger.append([draft(number) for number in range(5)], term=1)
    tamper(path, TAMPERINGS[name][0])
    before = await ledger.head()

    with pytest.raises(LedgerError, match=re.escape(TAMPERINGS[name][2])):
        await ledger.append([draft(6)], term=1)
    assert before == await ledger.head()


async def test_nothing_is_appended_once_the_chain_was_found_broken(opened, path):
    """Even when its end is in order."""
    ledger = opened(path)
    await ledger.append([draft(number) for number in range(5)], term=1)
    tamper(path, TAMPERINGS["a deleted entry"][0])
    await ledger.history()

    with pytest.raises(LedgerError, match="entry 3 is missing"):
        await ledger.append([draft(6)], term=1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE chain SET kind = 'x' WHERE seq = 1",
        "DELETE FROM chain WHERE seq = 1",
        (
            "INSERT OR REPLACE INTO chain SELECT seq, at, cycle, term, 'x', subject, body, previous_hash, hash "
            "FROM chain WHERE seq = 1"
        ),
        "INSERT INTO chain SELECT seq + 5, at, cycle, term, kind, subject, body, previous_hash, hash FROM chain WHERE seq = 1",
    ],
)
async def test_the_database_itself_refuses_to_change_the_chain(opened, path, statement):
    """A slip in a shell does no harm."""
    ledger = opened(path)
    await ledger.append([draft(1), draft(2)])

    with closing(sqlite3.connect(path)) as connection, pytest.raises(sqlite3.IntegrityError, match="the chain"):
        connection.execute(statement)
    assert (await ledger.verify()).ok


async def test_removed_triggers_are_reported(opened, path):
    """They are the first thing somebody removes."""
    ledger = opened(path)
    await ledger.append([draft(1)])
    tamper(path)

    problem = (await ledger.verify()).problem

    assert (Fault.DAMAGED, True) == (problem.fault, "chain_no_delete" in str(problem))


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        (
            "CREATE TRIGGER chain_no_delete BEFORE DELETE ON chain WHEN OLD.seq > 9 BEGIN SELECT RAISE(ABORT, 'x'); END",
            "changed what guards the chain against changes: chain_no_delete",
        ),
        (
            "CREATE TRIGGER later AFTER INSERT ON chain BEGIN UPDATE personal SET value = NULL; END",
            "added triggers to the ledger: later",
        ),
    ],
)
async def test_triggers_are_compared_by_their_words(opened, path, statement, says):
    """One of the same name that guards less is none; an additional one does what nobody asked for."""
    ledger = opened(path)
    await ledger.append([draft(1)])
    with closing(sqlite3.connect(path)) as connection:
        if "chain_no_delete" in statement:
            connection.execute("DROP TRIGGER chain_no_delete")
        connection.execute(statement)
        connection.commit()

    problem = (await ledger.verify()).problem

    assert (Fault.DAMAGED, True) == (problem.fault, says in str(problem)), problem


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE personal SET value = replace(value, 'Ann', 'Bob')", "is not the one that was recorded"),
        ("UPDATE personal SET salt = zeroblob(16)", "is not the one that was recorded"),
        ("UPDATE personal SET value = NULL", "is not the one that was recorded"),
        ("DELETE FROM personal", "was removed, not blanked"),
    ],
)
async def test_personal_data_that_was_tampered_with_is_found(opened, path, statement, says):
    """At the first entry that refers to it; the chain itself still verifies."""
    ledger = opened(path)
    await ledger.append([draft(1), Draft("noted", {}, subject="z1", personal={"name": "Ann"})])
    tamper(path, statement)

    problem = (await ledger.verify()).problem

    assert (2, Fault.PERSONAL, True) == (problem.seq, problem.fault, says in str(problem))
    assert "" == (await ledger.history()).broken


async def test_an_edited_name_is_not_used_again(opened, path):
    """A new entry must not vouch for it."""
    ledger = opened(path)
    ann = Draft("noted", {}, subject="z1", personal={"name": "Ann"})
    bob = Draft("noted", {}, subject="z1", personal={"name": "Bob"})
    (first,) = await ledger.append([ann])
    tamper(path, "UPDATE personal SET value = replace(value, 'Ann', 'Bob')")

    (second,) = await ledger.append([bob])

    assert chain.who_of(first) != chain.who_of(second)


async def test_a_fence_set_back_lets_no_older_writer_in(opened, path):
    """The terms in the chain count too."""
    ledger = opened(path)
    await ledger.append([draft(1)], term=5)
    tamper(path, "UPDATE fence SET term = 0")

    with pytest.raises(NotLeader):
        await ledger.append([draft(2)], term=4)


async def test_any_byte_flipped_in_the_file_is_harmless_or_found(opened, path):
    """Never another history: the entries are read as they were, or the ledger is broken or unreadable."""
    ledger = opened(path)
    written = await ledger.append([Draft("noted", {"n": n}, subject=f"z{n}", personal={"name": f"Ann {n}"}) for n in range(30)])
    await ledger.close()
    whole = path.read_bytes()
    chance = random.Random(20261001)
    found = 0
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        try:
            copy = opened(path, create=False)
            history = await copy.history()
            entries = tuple([entry async for entry in copy.entries()])
            assert history.broken or entries == written
            found += bool(history.broken)
        except LedgerError:
            found += 1
    assert found > 20


# -------------------------------------------------------------------------------------------------- other processes


async def test_a_process_killed_while_appending_loses_nothing_it_was_told(opened, path):
    """What append gave back is there, batches are whole, the chain verifies, and the next process goes on."""
    with child("append-for-ever", path, 50) as process:
        told = [process.stdout.readline() for _ in range(8)][-1]
        process.send_signal(signal.SIGKILL)
        process.wait()
        told = (process.stdout.read().splitlines(keepends=True) or [told])[-1]
    seq, hash_ = told.split()

    ledger = opened(path)
    history = await ledger.history()

    assert "" == history.broken
    assert int(seq) <= history.head.seq
    assert 0 == history.head.seq % 50
    assert (await ledger.verify(hash_)).ok
    assert history.head.seq + 1 == (await ledger.append([draft(1)]))[0].seq


async def test_two_processes_append_at_once(opened, path):
    """None is lost, none is told twice, and the file is made by whichever comes first."""
    with child("append", path, 150) as first, child("append", path, 150) as second, child("append", path, 0) as third:
        assert [0, 0, 0] == [process.wait() for process in (first, second, third)]

    ledger = opened(path, create=False)
    history = await ledger.history()

    assert (300, "") == (history.head.seq, history.broken)
    assert sorted([*range(150), *range(150)]) == sorted([int(entry.subject[1:]) async for entry in ledger.entries()])
    assert (await ledger.verify()).ok


async def test_the_writer_lock_of_a_killed_process_is_free(opened, path):
    """The kernel gives it back; nobody has to remove a file."""
    ledger = opened(path)
    with child("hold", path) as process:
        assert "term 1\n" == process.stdout.readline()
        with pytest.raises(NotLeader, match=f"held by process {process.pid} on "):
            async with ledger.writer(1):
                pytest.fail("two writers")
        await ledger.append([draft(1, kind="paused")])  # a person's entry goes in beside it
        process.send_signal(signal.SIGKILL)
        process.wait()
        async with ledger.writer(0) as term:
            assert 2 == term


async def test_a_ledger_in_use_by_a_writer_is_read_with_its_newest_entries(opened, path):
    """``syncd plan`` beside a running daemon, and after the daemon was killed: its files are left as they are."""
    opened(path)
    with child("hold", path, 3) as process:
        process.stdout.readline()
        before = listing(path)

        assert 3 == (await opened(path, create=False).history()).head.seq

        assert before == listing(path)
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = listing(path)
    assert 3 == (await opened(path, create=False).history()).head.seq
    assert before == listing(path)


async def test_a_writer_that_keeps_the_database_locked_is_reported(opened, path):
    """A shell with an open transaction: named as what it is, after the wait."""
    ledger = opened(path, busy_seconds=0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(LedgerError, match="another process kept it locked"):
            await ledger.append([draft(1)])
        assert 0 == (await ledger.history()).head.seq  # reading goes on

    assert 1 == (await ledger.append([draft(1)]))[0].seq


@pytest.mark.parametrize("line", [line for line in ODD_LINES if line.isprintable()])
async def test_a_spoilt_head_beside_the_ledger_stops_nobody(opened, path, line):
    """It names none, and the next entry writes it anew."""
    ledger = opened(path)
    await ledger.append([draft(1)])
    path.with_name("ledger.db.head").write_text(line, encoding="utf-8")
    assert () == ledger.published()

    (entry,) = await ledger.append([draft(2)])

    assert (Head(2, entry.hash),) == ledger.published()


# ------------------------------------------------------------------------------------------------ reading only


async def test_reading_leaves_the_directory_as_it_is(opened, path):
    """Neither a ledger, nor a directory, nor SQLite's own files, nor a lock are made."""
    reader = opened(path, create=False)
    await reader.history()
    assert not path.parent.exists()
    writer = opened(path)
    async with writer.writer(0) as term:
        await writer.append([draft(1)], term=term)
    await writer.close()
    before = {name: (path.parent / name).stat().st_mtime_ns for name in listing(path)}
    assert ["ledger.db", "ledger.db.head", "ledger.db.lock"] == sorted(before)

    assert 1 == (await reader.history()).head.seq
    assert (await reader.verify()).ok
    assert 1 == len([line async for line in reader.export()])

    assert before == {name: (path.parent / name).stat().st_mtime_ns for name in listing(path)}


async def test_a_read_during_which_the_file_changed_is_done_again(opened, path):
    """A daemon that starts, writes and stops meanwhile: the file at rest was not as it was first seen."""
    writer = opened(path)
    await writer.append([draft(1)])
    await writer.close()
    reader = opened(path, create=False)
    seen = []

    def work(connection):
        seen.append(connection.value("SELECT count(*) FROM chain"))
        if len(seen) == 1:
            with child("append", path, 2) as process:
                assert 0 == process.wait()
        return seen[-1]

    assert 3 == reader._database.read(work, 0)
    assert [1, 3] == seen


async def test_a_copied_ledger_is_read_where_nothing_may_be_written(opened, path, tmp_path):
    """An auditor's copy."""
    writer = opened(path)
    await writer.append([draft(1)])
    await writer.close()
    copy = tmp_path / "evidence" / "copy of ledger %20?#.db"
    copy.parent.mkdir()
    shutil.copy(path, copy)
    copy.chmod(0o400)
    copy.parent.chmod(0o500)
    try:
        assert 1 == (await opened_plain(copy).history()).head.seq
        assert [copy.name] == listing(copy)
    finally:
        copy.parent.chmod(0o700)


def opened_plain(path: Path) -> SqlLedger:
    """A reader of a path that cannot be written as a URL."""
    return SqlLedger(SqliteDatabase(path, writable=False, busy_seconds=1.0), HandClock(), untold, None)


async def test_an_empty_file_is_an_empty_ledger(opened, path):
    """A first start that was killed at once leaves one."""
    path.parent.mkdir()
    path.touch()

    assert 0 == (await opened(path, create=False).history()).head.seq
    assert 1 == (await opened(path).append([draft(1)]))[0].seq


# ------------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name,address\n" * 400, "not a SQLite database"),
        (b"SQLite format 3\0" + b"\xff" * 4000, r"not a SQLite database|damaged|cannot be"),
    ],
)
async def test_a_file_that_is_no_database_is_refused(opened, path, create, content, says):
    """And left as it is."""
    path.parent.mkdir()
    path.write_bytes(content)

    with pytest.raises(LedgerError, match=says):
        await opened(path, create=create).history()
    assert content == path.read_bytes()


@pytest.mark.parametrize("create", [True, False])
async def test_a_database_of_something_else_is_refused(opened, path, create):
    """A mistyped path must not put our tables into somebody's database."""
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE invoices (id)")

    with pytest.raises(LedgerError, match=r"not a ledger of syncd.*invoices"):
        await opened(path, create=create).history()


@pytest.mark.parametrize("create", [True, False])
async def test_a_newer_schema_is_refused(opened, path, create):
    """An older program must not write into what it does not know."""
    await opened(path).close()
    tamper(path, f"UPDATE schema_version SET version = {NEWEST + 1}")

    with pytest.raises(LedgerError, match=f"schema is version {NEWEST + 1}, this one knows up to {NEWEST}") as refused:
        await opened(path, create=create).history()
    assert 6 == refused.value.exit_code


async def test_a_directory_that_cannot_be_made_is_reported_with_the_fix(opened, tmp_path):
    """A file stands where the directory should be."""
    (tmp_path / "state").write_text("a file")

    with pytest.raises(LedgerError, match="cannot be made or written") as refused:
        opened(tmp_path / "state" / "ledger.db")
    assert "change ledger.url" in refused.value.do


@pytest.mark.parametrize("create", [True, False])
async def test_a_directory_in_place_of_the_file_is_reported(opened, path, create):
    """Not as a traceback."""
    path.mkdir(parents=True)

    with pytest.raises(LedgerError, match="directory"):
        await opened(path, create=create).history()


async def test_a_directory_in_which_nothing_can_be_made_is_reported(opened):
    """Not even root can make a file there."""
    with pytest.raises(LedgerError, match="cannot be made or written") as refused:
        opened(Path("/proc/self/ledger.db"))
    assert "Make /proc/self a directory that this user may write in" in refused.value.do


async def test_a_full_disk_is_reported_and_nothing_is_lost(opened, path):
    """The append that did not fit left nothing, and once there is space the next one goes in."""
    ledger = opened(path)
    await ledger.append([draft(1)])
    with ledger._database._transaction() as connection:
        pages = connection.value("PRAGMA page_count")
        connection.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(LedgerError, match="the disk is full") as refused:
        await ledger.append([draft(number, text="x" * 1000) for number in range(100)], term=9)
    assert "Free some space" in refused.value.do
    assert 1 == (await ledger.head()).seq

    with ledger._database._transaction() as connection:
        connection.execute("PRAGMA max_page_count = 1000000")
    assert 2 == (await ledger.append([draft(2)], term=1))[0].seq  # the term of the failed append does not count
    assert (await ledger.verify()).ok


async def test_a_disk_that_refuses_in_the_middle_loses_nothing(opened, path):
    """A limit on the size of files, met for real: every append that was given back is there."""
    with child("append-until-full", path, 300_000) as process:
        said = process.stdout.read()
        assert 0 == process.wait()
    count, error, what = said.splitlines()[-1].split(" ", 2)

    assert "LedgerError" == error
    assert re.search("the disk", what)
    assert int(count) > 5
    history = await opened(path).history()
    assert (int(count), "") == (history.head.seq, history.broken)


async def test_a_ledger_that_was_replaced_under_us_is_reported(opened, path):
    """SQLite would go on writing into a file without a name."""
    ledger = opened(path)
    await ledger.append([draft(1)])
    path.rename(path.with_name("moved.db"))

    for call in (ledger.append([draft(2)]), ledger.history()):
        with pytest.raises(LedgerError, match="moved, removed or replaced"):
            await call


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://syncd:SECRET@db.example", "not a PostgreSQL address"),
        ("postgresql://syncd:SECRET@db.example:port/syncd", "not a PostgreSQL address"),
        ("mysql://syncd:SECRET@db.example/syncd", "not a ledger address"),
        ("sqlite://ledger.db", "not a ledger address"),
        ("sqlite:///", "not a ledger address"),
        ("sqlite:///:memory:", "not a ledger address"),
        ("sqlite:////tmp/ledger.db?mode=ro", "not a ledger address"),
        ("/var/lib/syncd/ledger.db", "not a ledger address"),
        ("", "not a ledger address"),
    ],
)
def test_a_url_that_names_no_ledger_is_refused(url, says):
    """Without showing it: it may hold a password."""
    with pytest.raises(ConfigError, match=says) as refused:
        SqlLedger.open(url, HandClock(), untold, create=True)
    assert "SECRET" not in str(refused.value)


async def test_three_slashes_name_a_path_from_here(tmp_path, monkeypatch):
    """Four name an absolute one."""
    monkeypatch.chdir(tmp_path)
    ledger = SqlLedger.open("sqlite:///demo/ledger.db", HandClock(), untold, create=True)
    await ledger.close()

    assert (tmp_path / "demo" / "ledger.db").is_file()


# -------------------------------------------------------------------------------------------------------- the file


async def test_the_file_is_not_for_everybody(opened, path):
    """Names and addresses lie in it."""
    before = os.umask(0)
    try:
        ledger = opened(path)
        async with ledger.writer(0) as term:
            await ledger.append([draft(1)], term=term)
    finally:
        os.umask(before)

    assert {0} == {(path.parent / name).stat().st_mode & 0o007 for name in listing(path)}


async def test_every_commit_is_flushed(opened, path):
    """Write-ahead log, and synchronous FULL (2): what append gave back survives a power cut."""
    ledger = opened(path)

    with ledger._database._transaction() as connection:
        found = [connection.value(f"PRAGMA {name}") for name in ("journal_mode", "synchronous")]

    assert ["wal", 2] == found


async def test_blanked_names_are_not_in_the_file_any_more(opened, path):
    """Not in free pages either."""
    clock = HandClock()
    ledger = opened(path, clock=clock)
    drafts = [Draft("noted", {}, subject=f"z{n}", personal={"name": f"Annabella {n}"}) for n in range(500)]
    await ledger.append(drafts)
    await ledger.blank_personal(clock.now() + timedelta(seconds=1))
    await ledger.close()

    assert b"Annabella" not in path.read_bytes()


async def test_names_stay_out_of_errors(opened, path):
    """The parameters of a statement are in no message."""
    ledger = opened(path)
    tamper(path, "DROP TABLE personal")

    with pytest.raises(LedgerError) as refused:
        await ledger.append([Draft("noted", {}, subject="z1", personal={"name": "Ann"})])
    assert "Ann" not in str(refused.value) + str(refused.value.__cause__)
