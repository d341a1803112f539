"""What was blanked is said by an entry, in every database: rows that somebody else emptied are found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from syncd.ledger import record
from syncd.ledger.blankings import Blankings
from syncd.ledger.chain import Fault, verify_export, who_of
from syncd.ledger.entry import read
from syncd.ledger.storage.store import SqlLedger
from syncd.model import Draft
from tests.contract.test_ledger import KINDS, Ledgers, all_of, draft, named
from tests.tampering import tamper

KEEP = 400 * 86_400.0
EMPTY = "UPDATE personal SET value = NULL, salt = NULL, blanked_at = '2026-01-01T00:00:00.000000Z'"
OPENED = record.opened("ledger", "account", "directory")


@pytest.fixture(params=KINDS)
async def ledgers(request, tmp_path):
    """A database that does not exist yet."""
    made = Ledgers(KINDS[request.param](request, tmp_path))
    yield made
    await made.close()


async def kinds_of(ledger: SqlLedger) -> list[str]:
    return [entry.kind async for entry in ledger.entries()]


async def old_one(ledgers: Ledgers) -> None:
    """A ledger as 0.1.0 began it."""
    ledger = ledgers.open()
    body = {key: value for key, value in OPENED.body.items() if key != "v"}
    await ledger.append([Draft("ledger.opened", body), named(1, "ann"), named(2, "bob")], term=1)


async def test_a_leader_that_blanks_says_which_rows(ledgers):
    """In the same write; whoever asks for it by hand, too. Another day nothing is left to blank, and nothing is said."""
    ledger = ledgers.open(keep_personal_seconds=KEEP)
    _, ann, bob = await ledger.append([OPENED, named(1, "ann"), named(2, "bob")], term=1)
    ledgers.clock.pass_time(KEEP / 2)
    await ledger.append([named(2, "bob")], term=1)
    ledgers.clock.pass_time(KEEP / 2 + 60)

    await ledger.append([draft(3)], term=1)

    (said,) = [read(entry) async for entry in ledger.entries(kinds=["personal.blanked"])]
    assert ((who_of(ann),), 1) == (said.refs, said.rows)
    assert (await ledger.verify()).ok
    ledgers.clock.pass_time(KEEP / 2)
    assert 1 == await ledger.blank_personal()
    assert [(who_of(ann),), (who_of(bob),)] == [read(entry).refs async for entry in ledger.entries(kinds=["personal.blanked"])]
    ledgers.clock.pass_time(KEEP)
    await ledger.append([draft(4)], term=1)
    assert 2 == (await kinds_of(ledger)).count("personal.blanked")
    assert (await ledger.verify()).ok


async def test_rows_that_somebody_else_emptied_are_found(ledgers):
    """As syncd itself would leave them, and in an export too."""
    ledger = ledgers.open()
    await ledger.append([OPENED, named(1, "ann"), draft(2)], term=1)
    tamper(ledgers.url, EMPTY)

    problem = (await ledger.verify()).problem
    blank: set[str] = set()
    exported = verify_export(await all_of(ledger.export()), checks=[Blankings(blank)], blank=blank)

    assert (Fault.PERSONAL, Fault.PERSONAL) == (problem.fault, exported.problem.fault)
    assert "somebody emptied them" in str(problem)


async def test_an_export_that_syncd_blanked_is_intact(ledgers):
    """The entry of it is in the export."""
    ledger = ledgers.open()
    await ledger.append([OPENED, named(1, "ann"), draft(2)], term=1)
    ledgers.clock.pass_time(60)
    await ledger.blank_personal(ledgers.clock.now())

    blank: set[str] = set()
    found = verify_export(await all_of(ledger.export()), checks=[Blankings(blank)], blank=blank)

    assert (None, 1) == (found.problem, len(blank))


async def test_what_0_1_0_blanked_is_listed_once(ledgers):
    """It wrote no entry of it. From then on every further row needs one."""
    await old_one(ledgers)
    tamper(ledgers.url, EMPTY + " WHERE subject = 'z1'")
    ledger = ledgers.open()
    assert (await ledger.verify()).ok

    for _ in range(2):
        await ledger.upgraded(lambda blank: record.upgraded("0.1.0", "0.2.0", blank), term=2)

    (said,) = [read(entry) async for entry in ledger.entries(kinds=["ledger.upgraded"])]
    assert (1, "0.1.0") == (len(said.blanked), said.from_version)
    assert (await ledger.verify()).ok
    tamper(ledgers.url, EMPTY)
    assert "somebody emptied them" in str((await ledger.verify()).problem)


async def test_what_a_newer_version_blanked_first_is_not_listed_as_older(ledgers):
    """The entry of the upgrade names what no other entry does."""
    await old_one(ledgers)
    tamper(ledgers.url, EMPTY + " WHERE subject = 'z1'")
    ledger = ledgers.open()
    ledgers.clock.pass_time(60)
    assert 1 == await ledger.blank_personal(datetime(2090, 1, 1, tzinfo=UTC))

    await ledger.upgraded(lambda blank: record.upgraded("0.1.0", "0.2.0", blank), term=2)

    listed = [read(entry) async for entry in ledger.entries(kinds=["ledger.upgraded", "personal.blanked"])]
    assert 2 == len({*listed[0].refs, *listed[1].blanked})
    assert (await ledger.verify()).ok


async def test_many_rows_are_named_in_pieces(ledgers):
    """No entry grows without bound."""
    ledger = ledgers.open()
    await ledger.append([OPENED, *(named(number, f"p{number}") for number in range(2100))])
    ledgers.clock.pass_time(60)

    assert 2100 == await ledger.blank_personal(ledgers.clock.now() - timedelta(seconds=1))

    assert [1000, 1000, 100] == [read(entry).rows async for entry in ledger.entries(kinds=["personal.blanked"])]
    assert (await ledger.verify()).ok


async def test_a_trigger_of_postgresql_that_guards_less_is_found(request):
    """Its function replaced, its condition narrowed, or an additional one; a rule or a kind of table that goes round it."""
    for statement, says in (
        (
            "CREATE OR REPLACE FUNCTION chain_no_update() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
            "changed what guards the chain against changes: chain_no_update",
        ),
        (
            (
                "DROP TRIGGER chain_no_update ON chain; CREATE TRIGGER chain_no_update BEFORE UPDATE ON chain FOR EACH ROW "
                "EXECUTE FUNCTION chain_no_update()"
            ),
            "changed what guards the chain against changes: chain_no_update",
        ),
        (
            (
                "DROP TRIGGER chain_in_order ON chain; CREATE TRIGGER chain_in_order BEFORE INSERT ON chain FOR EACH ROW "
                "WHEN (NEW.seq < 5) EXECUTE FUNCTION chain_in_order()"
            ),
            "changed what guards the chain against changes: chain_in_order",
        ),
        (
            "CREATE TRIGGER more AFTER UPDATE ON personal FOR EACH ROW EXECUTE FUNCTION chain_no_update()",
            "added triggers to the ledger: more",
        ),
        ("CREATE RULE gone AS ON DELETE TO chain DO INSTEAD NOTHING", "tables of the ledger are: rule gone of chain"),
        ("CREATE RULE kept AS ON UPDATE TO personal DO INSTEAD NOTHING", "tables of the ledger are: rule kept of personal"),
        ("CREATE TABLE more () INHERITS (chain)", "tables of the ledger are: more as a part of chain"),
        ("ALTER TABLE personal ENABLE ROW LEVEL SECURITY", "tables of the ledger are: row security of personal"),
        ("ALTER TABLE state SET UNLOGGED", "tables of the ledger are: state is not logged"),
    ):
        made = Ledgers(request.getfixturevalue("postgres_server").database())
        try:
            ledger = made.open()
            await ledger.append([OPENED])
            assert (await ledger.verify()).ok
            with psycopg.connect(made.url, autocommit=True) as connection:
                connection.execute(statement)
            problem = (await ledger.verify()).problem
            assert (Fault.DAMAGED, True) == (problem.fault, says in str(problem)), problem
        finally:
            await made.close()
