"""A checkpoint: verbs of people begin there, nobody is fooled by one that the chain does not vouch for."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.events import Noted
from syncd.ledger import record
from syncd.ledger.history import History
from syncd.ledger.storage import checkpoint
from syncd.ledger.storage.store import SqlLedger
from syncd.model import Approval, Guard, Head
from tests.ledgers import HandClock, draft, url_of

WHO = {"by": "Ann Lee", "because": "ticket"}


class Place:
    """A ledger file, opened as a daemon (which follows everything) or as a verb of a person does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = HandClock()
        self.told: list[object] = []

    async def history(self, *, from_checkpoint: bool, create: bool = True) -> History:
        ledger = self.open(from_checkpoint=from_checkpoint, create=create)
        try:
            return await ledger.history()
        finally:
            await ledger.close()

    def open(self, *, from_checkpoint: bool = False, create: bool = True) -> SqlLedger:
        return SqlLedger.open(url_of(self.path), self.clock, self.told.append, create=create, from_checkpoint=from_checkpoint)

    def sql(self, *statements: str, values: tuple[object, ...] = ()) -> None:
        """Behind everybody's back, the triggers away."""
        with contextlib.closing(sqlite3.connect(self.path)) as database, database:
            for name in ("chain_no_update", "chain_no_delete", "chain_in_order"):
                database.execute(f"DROP TRIGGER IF EXISTS {name}")
            for statement in statements:
                database.execute(statement, values)

    def state(self) -> str:
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            found = database.execute("SELECT value FROM state WHERE key = 'checkpoint'").fetchone()
        return found[0] if found else ""


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    """A ledger with something of most kinds in it, and a checkpoint before its last two entries."""
    made = Place(tmp_path / "ledger.db")
    ledger = made.open()
    now = made.clock.now()
    approval = Approval(
        "a1",
        "plan",
        "policy",
        (Guard.MAX_DEACTIVATIONS,),
        frozenset({("z1", "deactivate")}),
        "Ann",
        "known",
        now,
        now + timedelta(days=1),
        accepts={"people": 3},
    )
    await ledger.append(
        [
            record.opened("id", "zoom", "file:", "enforce"),
            record.held("z1", **WHO, until=None, personal=None),
            record.approved(approval),
            record.paused(**WHO),
            *(draft(number) for number in range(checkpoint.EVERY)),
        ]
    )
    await ledger.history()
    await ledger.checkpoint(record.checkpointed, term=0)
    await ledger.append([draft(1), record.resumed(**WHO)])
    await ledger.close()
    return made


async def test_a_verb_begins_at_the_checkpoint_and_knows_the_same(place: Place) -> None:
    """Entry for entry, whether it may write or only reads; what came before is not followed, so a fault there is found by
    whoever follows everything."""
    whole = await place.history(from_checkpoint=False)
    for create in (True, False):
        assert checkpoint.same(whole, await place.history(from_checkpoint=True, create=create))
    place.sql("UPDATE chain SET body = '{\"number\":77}' WHERE seq = 9")

    assert "" == (await place.history(from_checkpoint=True)).broken
    assert "entry 9 was edited" in (await place.history(from_checkpoint=False)).broken


async def test_what_comes_after_the_checkpoint_is_verified(place: Place) -> None:
    """An edited entry there is found at once."""
    last = (await place.history(from_checkpoint=True)).head.seq
    place.sql(f"UPDATE chain SET body = '{{\"number\":77}}' WHERE seq = {last - 1}")

    assert f"entry {last - 1} was edited" in (await place.history(from_checkpoint=True)).broken


@pytest.mark.parametrize(
    "change",
    [
        lambda kept: kept | {"content": checkpoint.row_of(Head(0, ""), checkpoint.packed(History()))},
        lambda kept: kept | {"hash": "0" * 64},
        lambda kept: kept | {"seq": kept["seq"] - 1},
        lambda kept: kept | {"made_by": "0.1.0/abc"},
        lambda kept: {},
    ],
    ids=["content", "hash", "place", "version", "nothing"],
)
async def test_one_that_the_chain_does_not_vouch_for_is_not_used(place: Place, change) -> None:
    """Then the whole chain is followed: it is slower, and right."""
    kept = json.loads(place.state())
    place.sql("UPDATE state SET value = ? WHERE key = 'checkpoint'", values=(json.dumps(change(kept)),))
    place.sql("UPDATE chain SET body = '{\"number\":77}' WHERE seq = 9")

    assert "entry 9 was edited" in (await place.history(from_checkpoint=True)).broken


async def test_a_history_swapped_for_another_whole_one_is_not_used(place: Place) -> None:
    """A hold taken out of the content: its hash is not the one in the chain."""
    kept = json.loads(place.state())
    whole = await place.history(from_checkpoint=False)
    forged = checkpoint.packed(History(head=Head(kept["seq"], kept["hash"]), ledger_id=whole.ledger_id))
    place.sql(
        "UPDATE state SET value = ? WHERE key = 'checkpoint'",
        values=(checkpoint.row_of(Head(kept["seq"], kept["hash"]), forged),),
    )

    assert "z1" in (await place.history(from_checkpoint=True)).holds


async def test_a_forged_one_with_an_entry_that_vouches_for_it_is_told_by_whoever_follows_everything(place: Place) -> None:
    """Somebody who can append can vouch for what they like; the daemon compares it with the chain."""
    ledger = place.open()
    history = await ledger.history()
    forged = checkpoint.packed(History(head=history.head, ledger_id="id"))
    await ledger.append([record.checkpointed(checkpoint.digest_of(forged))])
    await ledger.close()
    place.sql("UPDATE state SET value = ? WHERE key = 'checkpoint'", values=(checkpoint.row_of(history.head, forged),))
    place.told.clear()

    assert "z1" in (await place.history(from_checkpoint=False)).holds
    assert ["ledger.checkpoint_wrong"] == [one.event for one in place.told if isinstance(one, Noted)]


async def test_a_right_one_is_not_told(place: Place) -> None:
    """Nobody is alarmed by an ordinary ledger."""
    place.told.clear()
    await place.history(from_checkpoint=False)
    assert [] == place.told


async def test_one_is_made_only_when_enough_came(place: Place) -> None:
    """A quiet cycle adds no checkpoint of its own."""
    ledger = place.open()
    before = await ledger.head()
    await ledger.checkpoint(record.checkpointed, term=0)
    assert before == await ledger.head()
    await ledger.append([draft(number) for number in range(checkpoint.EVERY)])
    await ledger.checkpoint(record.checkpointed, term=0)
    assert before.seq + checkpoint.EVERY + 1 == (await ledger.head()).seq
    assert (await ledger.verify()).ok
    await ledger.close()
