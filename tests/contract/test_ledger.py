"""What every ledger promises, whatever database holds it. Each kind of ledger joins by one more ``LedgerKind``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.errors import LedgerError, NotLeader
from syncd.events import Event, Noted
from syncd.ledger import chain, record
from syncd.ledger.chain import Fault, verify, verify_export
from syncd.ledger.entry import read
from syncd.ledger.storage.store import SqlLedger
from syncd.model import Draft, Head
from tests.ledgers import HandClock, draft, untold, url_of

KINDS: dict[str, Callable[[pytest.FixtureRequest, Path], str]] = {
    "sqlite": lambda _, directory: url_of(directory / "ledger.db"),
    "postgresql": lambda request, _: request.getfixturevalue("postgres_server").database(),
}


class Ledgers:
    """Opens ledgers on one database, as processes would; all share a clock."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = HandClock()
        self.told: list[Event] = []
        self._open: list[SqlLedger] = []

    def open(self, *, create: bool = True, keep_personal_seconds: float | None = None) -> SqlLedger:
        ledger = SqlLedger.open(
            self.url, self.clock, self.told.append, create=create, keep_personal_seconds=keep_personal_seconds
        )
        self._open.append(ledger)
        return ledger

    async def close(self) -> None:
        for ledger in self._open:
            await ledger.close()


@pytest.fixture(params=KINDS)
async def ledgers(request, tmp_path):
    """A database that does not exist yet."""
    made = Ledgers(KINDS[request.param](request, tmp_path))
    yield made
    await made.close()


def named(number: int, name: str) -> Draft:
    """An entry about somebody with a name and an address."""
    return Draft("noted", {"number": number}, subject=f"z{number}", personal={"name": name, "email": f"{name}@corp.example"})


async def all_of(lines):
    """Everything an async iterator gives."""
    return [line async for line in lines]


# --------------------------------------------------------------------------------------------- appending, replaying


async def test_of_processes_that_start_together_one_binds_a_new_ledger(ledgers):
    """Both saw it empty; the chain has one beginning, and both know it."""
    one, two = ledgers.open(), ledgers.open()
    assert ["", ""] == [(await each.history()).ledger_id for each in (one, two)]

    await asyncio.gather(one.begin(record.opened("first", "a", "d")), two.begin(record.opened("second", "b", "d")))

    bound = [(await each.history()).ledger_id for each in (one, two)]
    assert bound[0] == bound[1] != ""
    assert 1 == (await one.head()).seq


async def test_a_new_ledger_is_empty(ledgers):
    """Its head is (0, "")."""
    ledger = ledgers.open()

    history = await ledger.history()

    assert Head(0, "") == await ledger.head() == history.head
    assert "" == history.broken


async def test_what_was_appended_is_replayed(ledgers):
    """By this process and by the next one, entry for entry."""
    ledger = ledgers.open()
    first = await ledger.append([draft(1), draft(2)], term=1)
    second = await ledger.append([draft(3)], term=1)

    head = Head(3, second[0].hash)
    assert head == await ledger.head() == (await ledger.history()).head == (await ledgers.open().history()).head
    assert [*first, *second] == await all_of(ledgers.open().entries())
    assert verify([*first, *second]) is None


async def test_appending_nothing_does_nothing(ledgers):
    """No entry, no error."""
    assert () == await ledgers.open().append([])


async def test_the_history_is_folded_further_not_anew(ledgers):
    """A daemon asks every cycle, so only what is new is read."""
    ledger = ledgers.open()
    await ledger.append([draft(1)], term=3)
    before = await ledger.history()
    assert before is await ledger.history()
    ledger._follower._history = replace(before, ledger_id="remembered")
    await ledgers.open().append([draft(2)], term=4)

    after = await ledger.history()

    assert (2, 4, "remembered") == (after.head.seq, after.term, after.ledger_id)
    assert (1, 3) == (before.head.seq, before.term)  # what was given out stays as it was


async def test_an_append_continues_what_other_processes_appended(ledgers):
    """approve and pause append beside a running daemon."""
    daemon, person = ledgers.open(), ledgers.open()
    await daemon.append([draft(1)], term=1)
    await person.append([draft(2, kind="noted.paused")])
    entries = await daemon.append([draft(3)], term=1)

    assert 3 == entries[0].seq
    assert (await ledgers.open().history()).broken == ""


async def test_times_never_go_back(ledgers):
    """The clock of the other process may be behind."""
    ledger = ledgers.open()
    await ledger.append([draft(1)])
    ledgers.clock.pass_time(-3600)

    (entry,) = await ledger.append([draft(2)])

    assert "2026-10-01T08:00:00.000000Z" == entry.at
    assert (await ledger.verify()).ok


async def test_a_batch_is_written_whole_or_not_at_all(ledgers):
    """A draft that is not JSON takes all others of its batch with it."""
    ledger = ledgers.open()
    await ledger.append([draft(1)])

    with pytest.raises(TypeError):
        await ledger.append([draft(number) for number in range(3000)] + [draft(text=object())])

    assert 1 == (await ledger.head()).seq
    assert 2 == (await ledger.append([draft(2)]))[0].seq


async def test_a_large_batch_is_one_append(ledgers):
    """A first cycle brings an entry for each of 100,000 accounts."""
    ledger = ledgers.open()

    entries = await ledger.append([draft(number) for number in range(100_000)], term=1)

    history = await ledger.history()
    assert (100_000, 100_000, "") == (len(entries), history.head.seq, history.broken)


async def test_odd_text_goes_through(ledgers):
    """What directories and services hold: no character stops the record, and what UTF-8 cannot carry becomes ``?``."""
    ledger = ledgers.open()
    odd = 'a\x00b\ud800\u2028\U0001f600"\\'

    (entry,) = await ledger.append([Draft("noted", {"text": odd}, subject="z\udcff", personal={"name": odd})])

    (kept,) = (await ledger.personal([json.loads(entry.body)["who"]])).values()
    assert {"name": odd.replace("\ud800", "?")} == kept
    assert (await ledger.verify()).ok
    assert verify_export(await all_of(ledger.export())).ok


async def test_a_closed_ledger_refuses(ledgers):
    """With a word; closing twice is no error."""
    ledger = ledgers.open()
    await ledger.close()
    await ledger.close()

    with pytest.raises(LedgerError, match="closed"):
        await ledger.append([draft(1)])


# ------------------------------------------------------------------------------------------------- terms and writer


async def test_each_writer_gets_a_newer_term(ledgers):
    """Also when no entry was written in between."""
    async with ledgers.open().writer(0) as first:
        pass
    async with ledgers.open().writer(0) as second:
        pass

    assert (1, 2) == (first, second)


async def test_an_older_term_is_refused_once_a_newer_one_was_given(ledgers):
    """A writer that was frozen and came back changes nothing."""
    frozen, ledger = ledgers.open(), ledgers.open()
    async with frozen.writer(0) as old:
        await frozen.append([draft(1)], term=old)
    async with ledger.writer(0):
        with pytest.raises(NotLeader, match="its term is 2, this one's is 1"):
            await frozen.append([draft(2)], term=old)

    assert 1 == (await ledger.head()).seq


async def test_an_older_term_is_refused_once_a_newer_one_has_written(ledgers):
    """Terms may come from elsewhere: a lease counts them itself."""
    ledger = ledgers.open()
    await ledger.append([draft(1)], term=7)

    with pytest.raises(NotLeader):
        await ledger.append([draft(2)], term=6)
    async with ledger.writer(0) as term:
        assert 8 == term


async def test_people_are_never_refused_for_their_term(ledgers):
    """pause must work beside any leader; such entries carry term 0."""
    ledger = ledgers.open()
    await ledger.append([draft(1)], term=7)

    (entry,) = await ledger.append([draft(2, kind="noted.paused")])

    assert 0 == entry.term
    assert 7 == (await ledger.history()).term
    assert (await ledger.verify()).ok


async def test_only_one_writer_at_a_time(ledgers):
    """The second waits as long as it was told, then says who holds it."""
    first, second = ledgers.open(), ledgers.open()
    async with first.writer(0):
        began = ledgers.clock.monotonic()
        with pytest.raises(NotLeader, match=r"held by process \d+ on \S+ since 2026-10-01T.*; waited 60 s"):
            async with second.writer(60):
                pytest.fail("two writers")
        assert 60 == ledgers.clock.monotonic() - began


async def test_a_standby_takes_over(ledgers):
    """Waiting for ever ends when the writer ends."""
    first, second = ledgers.open(), ledgers.open()
    taken = asyncio.Event()

    async def stand_by():
        async with second.writer(None) as term:
            taken.set()
            return term

    async with first.writer(0):
        standby = asyncio.create_task(stand_by())
        await asyncio.sleep(0.05)
        assert not taken.is_set()

    assert 2 == await standby


async def test_the_writer_is_given_back_after_an_error(ledgers):
    """However its work ended."""
    ledger = ledgers.open()
    with pytest.raises(ZeroDivisionError):
        async with ledger.writer(0):
            raise ZeroDivisionError

    async with ledger.writer(0) as term:
        assert 2 == term


async def test_the_writer_is_not_re_entrant(ledgers):
    """It would wait for itself for ever: a bug, said at once."""
    ledger = ledgers.open()
    async with ledger.writer(0):
        with pytest.raises(RuntimeError):
            async with ledger.writer(None):
                pytest.fail("held twice")


# ---------------------------------------------------------------------------------------------------- personal data


async def test_names_lie_beside_the_chain(ledgers):
    """The body holds a reference, and nothing it was made of."""
    ledger = ledgers.open()

    (entry,) = await ledger.append([named(1, "ann")])

    who = json.loads(entry.body)["who"]
    assert "ann" not in entry.body
    assert {who: {"name": "ann", "email": "ann@corp.example"}} == await ledger.personal([who, "0" * 64])


async def test_the_same_name_of_the_same_subject_is_kept_once(ledgers):
    """In one batch and in later ones; another subject or another name has its own reference."""
    ledger = ledgers.open()
    entries = await ledger.append([named(1, "ann"), named(1, "ann"), named(2, "ann"), named(1, "anna")])
    entries += await ledger.append([named(1, "ann")])

    refs = [chain.who_of(entry) for entry in entries]

    assert refs[0] == refs[1] == refs[4]
    assert 3 == len(set(refs))


async def test_blanked_names_are_gone_and_the_chain_still_verifies(ledgers):
    """Those nobody mentioned since; a name that is mentioned afterwards starts anew."""
    ledger = ledgers.open()
    old, kept = await ledger.append([named(1, "ann"), named(2, "bob")])
    ledgers.clock.pass_time(3600)
    await ledger.append([named(2, "bob")])

    assert 1 == await ledger.blank_personal(ledgers.clock.now() - timedelta(minutes=1))

    assert [chain.who_of(kept)] == list(await ledger.personal([chain.who_of(old), chain.who_of(kept)]))
    assert (await ledger.verify()).ok
    (again,) = await ledger.append([named(1, "ann")])
    assert chain.who_of(again) != chain.who_of(old)


async def test_a_leader_blanks_old_names_once_a_day(ledgers):
    """``ledger.keep_personal``; a person's append does not."""
    ledger = ledgers.open(keep_personal_seconds=400 * 86_400.0)
    (old,) = await ledger.append([named(1, "ann")], term=1)
    ledgers.clock.pass_time(401 * 86_400.0)

    await ledger.append([draft(2)])
    assert 1 == len(await ledger.personal([chain.who_of(old)]))
    await ledger.append([draft(3)], term=1)

    assert {} == await ledger.personal([chain.who_of(old)])
    assert "personal.blanked" in [event.event for event in ledgers.told if isinstance(event, Noted)]


# ------------------------------------------------------------------------------------------------- looking at entries


async def test_entries_are_listed_by_what_is_asked(ledgers):
    """From a number, of kinds, of a cycle, about a subject, the newest first, so many."""
    ledger = ledgers.open()
    await ledger.append([Draft("abc"[n % 3], {}, subject=f"z{n % 2}", cycle=f"c{n // 10}") for n in range(20)])

    async def seqs(*args, **asked):
        return [entry.seq async for entry in ledger.entries(*args, **asked)]

    assert list(range(1, 21)) == await seqs()
    assert [18, 19, 20] == await seqs(18)
    assert [1, 2, 4, 5] == await seqs(1, ["a", "b"], limit=4)
    assert [20, 19, 18] == await seqs(reverse=True, limit=3)
    assert [20, 19] == await seqs(19, reverse=True)
    assert [12, 14, 16, 18, 20] == await seqs(cycle="c1", subject="z1")
    assert [] == await seqs(limit=0)


async def test_long_lists_are_read_piece_by_piece(ledgers):
    """Nothing is lost or told twice where the pieces meet."""
    ledger = ledgers.open()
    await ledger.append([draft(number) for number in range(4500)])

    assert list(range(1, 4501)) == [entry.seq async for entry in ledger.entries()]
    assert list(range(4500, 0, -1)) == [entry.seq async for entry in ledger.entries(reverse=True)]
    assert 4500 == len(await all_of(ledger.export()))


async def test_an_export_verifies_without_the_ledger(ledgers):
    """Names that are still kept are in it; blanked ones and side tables are not."""
    ledger = ledgers.open()
    await ledger.set_state("graph", {"delta_link": "CURSOR"})
    await ledger.append([named(1, "ann"), draft(2)], term=1)
    ledgers.clock.pass_time(60)
    await ledger.append([named(3, "bob")], term=1)
    await ledger.blank_personal(ledgers.clock.now() - timedelta(seconds=30))

    lines = await all_of(ledger.export())

    assert verify_export(lines, (await ledger.head()).hash).ok
    assert ["bob"] == [json.loads(line)["personal"]["name"] for line in lines if "personal" in json.loads(line)]
    assert not any("CURSOR" in line or "ann" in line for line in lines)


async def test_a_good_ledger_verifies(ledgers):
    """With the number of its entries, and a head published elsewhere in any letter case."""
    ledger = ledgers.open()
    entries = await ledger.append([draft(1), named(2, "ann"), draft(3)], term=1)

    found = await ledger.verify(entries[1].hash.upper())

    assert (True, 3, await ledger.head()) == (found.ok, found.entries, found.head)


async def test_a_head_that_is_not_in_the_chain_is_a_cut_tail(ledgers):
    """Also in a ledger that has become empty."""
    ledger = ledgers.open()

    assert Fault.CUT == (await ledger.verify("f" * 64)).problem.fault
    await ledger.append([draft(1)])
    assert Fault.CUT == (await ledger.verify("f" * 64)).problem.fault


async def test_totals_that_do_not_balance_are_found(ledgers):
    """The entry is named."""
    ledger = ledgers.open()
    await ledger.append([draft(1), Draft("planned", {"accounts": 9, "counts": {"keep": 8}})])

    problem = (await ledger.verify()).problem

    assert (2, Fault.TOTALS) == (problem.seq, problem.fault)


async def test_old_entries_are_verified_again_every_day(ledgers):
    """And whenever it is asked for."""
    ledger = ledgers.open()
    await ledger.append([draft(1)], term=1)
    await ledger.history()

    def verified():
        return [event.facts["entries"] for event in ledgers.told if isinstance(event, Noted) and event.event == "ledger.verified"]

    ledgers.clock.pass_time(86_399)
    await ledger.history()
    assert [] == verified()
    ledgers.clock.pass_time(1)
    await ledger.history()
    await ledger.history()
    assert [1] == verified()
    await ledger.verify_all()
    assert [1, 1] == verified()


# -------------------------------------------------------------------------------------------------------- side table


async def test_state_is_kept_beside_the_chain(ledgers):
    """Any JSON value, over processes, overwritten in place; none is None."""
    ledger = ledgers.open()
    assert await ledger.get_state("budget") is None
    await ledger.set_state("budget", {"left": 5, "text": "Ü\ud800"})
    await ledger.set_state("budget", {"left": 4, "text": "Ü\ud800"})

    assert {"left": 4, "text": "Ü?"} == await ledgers.open().get_state("budget")
    assert 0 == (await ledger.head()).seq


# ------------------------------------------------------------------------------------------------------ reading only


async def test_a_ledger_that_is_not_there_is_an_empty_one_to_read(ledgers):
    """``syncd plan`` before the first ``apply``."""
    ledger = ledgers.open(create=False)

    assert Head(0, "") == (await ledger.history()).head == await ledger.head()
    assert (await ledger.verify()).ok
    assert [] == await all_of(ledger.entries()) == await all_of(ledger.export())
    assert ({}, None) == (await ledger.personal(["0" * 64]), await ledger.get_state("budget"))


async def test_a_ledger_opened_to_read_shows_what_is_appended(ledgers):
    """At each call, in use by a writer or not."""
    reader, writer = ledgers.open(create=False), ledgers.open()
    await writer.append([draft(1)], term=1)
    assert 1 == (await reader.history()).head.seq
    await writer.append([draft(2)], term=1)
    assert 2 == (await reader.history()).head.seq
    await writer.close()

    assert (2, "") == ((await reader.history()).head.seq, (await reader.history()).broken)


async def test_a_ledger_opened_to_read_refuses_to_write(ledgers):
    """Whatever is asked."""
    await ledgers.open().append([draft(1)])
    ledger = ledgers.open(create=False)

    for refused in (ledger.append([draft(2)]), ledger.set_state("a", 1), ledger.blank_personal(datetime(2030, 1, 1, tzinfo=UTC))):
        with pytest.raises(LedgerError, match="for reading only"):
            await refused
    with pytest.raises(LedgerError, match="for reading only"):
        async with ledger.writer(0):
            pytest.fail("written")
    assert 1 == (await ledger.head()).seq


async def test_open_tells_of_a_new_ledger_once(ledgers):
    """So that an operator who mistyped the URL sees it in the log."""
    ledgers.open()
    ledgers.open()
    SqlLedger.open(ledgers.url, ledgers.clock, untold, create=False)

    assert ["ledger.created"] == [event.event for event in ledgers.told if isinstance(event, Noted)]


async def test_an_entry_keeps_the_clock_as_measured_where_the_chain_holds_its_time_back(ledgers):
    """Somebody's clock was an hour ahead: the chain stays in order, and a pause began when it began."""
    ledger = ledgers.open()
    await ledger.append([draft(1)], term=1)
    ahead = ledgers.clock.now()
    ledgers.clock.time -= timedelta(hours=1)
    (entry,) = await ledger.append([replace(record.paused(by="Kim", because="x"), clock_verified=False)])

    time = read(entry).time(entry)
    assert (ahead, ahead - timedelta(hours=1), False) == (time.chained, time.measured, time.verified)
    assert ahead - timedelta(hours=1) == (await ledger.history()).paused_since
    assert (await ledger.verify()).ok


async def test_a_chain_that_is_fine_and_not_understood_is_an_error_of_the_reader(ledgers):
    """A newer syncd wrote it: its history is refused in words, it still verifies and exports, and nothing is half taken."""
    ledger = ledgers.open()
    await ledger.append([draft(1), Draft("of.tomorrow", {"v": 1})], term=1)

    with pytest.raises(LedgerError, match=r"entry 2 is of the kind 'of.tomorrow'.*newer syncd") as refused:
        await ledger.history()

    assert "Upgrade" in refused.value.do
    assert 0 == ledger._follower._history.head.seq
    assert (await ledger.verify()).ok
    assert 2 == len([line async for line in ledger.export()])
