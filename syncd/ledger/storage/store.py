"""The ledger: an append-only chain of entries in a database, with what lies beside it. Implements ``ports.Ledger``.

It promises that an entry it gave back is durable and continues the chain as it truly stands in the database (other
processes append too), that an older leadership term is refused, and that whoever asks for the history is told when the
chain is no longer what it was. It does not know what entries mean: that is ``ledger.entries``.

All database work runs in one thread of its own, so a commit never stops the loop and calls never overlap. A call that is
cancelled still ends in that thread: an append may have happened, and the next history shows it.

More than 400 lines: append, read and checkpoint share one thread and one tip, and the promise above is about all of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from syncd.errors import LedgerError, NotLeader
from syncd.events import Noted
from syncd.ledger import chain, record
from syncd.ledger.blankings import Blankings
from syncd.ledger.chain import START, AuditCheck, Fault, Problem, Tip, Verification
from syncd.ledger.history import History
from syncd.ledger.storage import checkpoint, personal, rows
from syncd.ledger.storage.clocks import demand_clock, measured_at, newest_measured, standing_now
from syncd.ledger.storage.database import Database, WriterLock, open_database
from syncd.ledger.storage.following import Follower, alone, moved
from syncd.ledger.storage.schema import NEWEST, structure_fault
from syncd.ledger.storage.sql import AT_ONCE, Connection, marks
from syncd.model import ClockStanding, Draft, Head, LedgerEntry, canonical_json
from syncd.ports import Clock, Tell

T = TypeVar("T")

#: How often personal data is looked through for what is too old.
DAILY_SECONDS = 86_400.0

#: How long a lock or a connection may take to be given back.
GIVE_BACK_SECONDS = 2.5

#: How often somebody who waits for the writer lock tries again.
LOCK_POLL_SECONDS = 0.25


class SqlLedger:
    """One ledger in one database. Made by ``open``."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        tell: Tell,
        keep_personal_seconds: float | None,
        *,
        from_checkpoint: bool = False,
        max_clock_skew_seconds: float | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._tell = tell
        self._keep_personal_seconds = keep_personal_seconds
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._closed = False
        self._writer_busy = False
        self._notes: list[Noted] = []  # found in the thread, told in the loop
        self._follower = Follower(
            clock, lambda note: self._notes.append(note), keeps=database.writable, from_checkpoint=from_checkpoint
        )
        self._blanked_at: float | None = None
        self._max_clock_skew_seconds = max_clock_skew_seconds
        self._standing = ClockStanding.UNASKED
        self._stood = (clock.now(), clock.monotonic())  # when that was said
        self._publishes = False  # whether the head kept outside is known to be one of this chain

    @classmethod
    def open(
        cls,
        url: str,
        clock: Clock,
        tell: Tell,
        *,
        create: bool,
        keep_personal_seconds: float | None = None,
        busy_seconds: float = 30.0,
        from_checkpoint: bool = False,
        max_clock_skew_seconds: float | None = None,
    ) -> SqlLedger:
        """Opens the ledger of *url*, making it or bringing it to the newest schema when *create*; otherwise it is only read,
        nothing is made, and a ledger that is not there is an empty one. Blocks for the time of a few small reads.

        *keep_personal_seconds*: how long names and addresses outlast their last mention (None: for ever); whoever appends
        as a leader blanks older ones, once a day. *busy_seconds*: how long to wait for another process in the middle of a
        write. *from_checkpoint*: the history may begin at a checkpoint, which a verb of a person does; the entries before it
        are not looked at then. *max_clock_skew_seconds*: how far this machine's clock may differ from the ledger's end, or its
        server's (None: nothing is looked at). Raises ConfigError (the URL), LedgerError (everything else).
        """
        database = open_database(url, create=create, busy_seconds=busy_seconds)
        try:
            found = database.prepare()
        except BaseException:
            database.close()
            raise
        if found is not None:
            event = "ledger.migrated" if found else "ledger.created"
            tell(Noted(event, "info", {"ledger": database.where, "from_version": found, "to_version": NEWEST}))
        return cls(
            database,
            clock,
            tell,
            keep_personal_seconds,
            from_checkpoint=from_checkpoint,
            max_clock_skew_seconds=max_clock_skew_seconds,
        )

    # -------------------------------------------------------------------------------------------------- the chain

    async def history(self) -> History:
        """See ``ports.Ledger.history``. Raises LedgerError, too, for an entry this program does not understand."""
        return await self._read(self._follower.follow, History())

    async def verify_all(self) -> History:
        """As ``history``, with every entry read and verified again from the first one on. Raises LedgerError."""
        return await self._read(lambda connection: self._follower.follow(connection, again=True), History())

    async def append(self, drafts: Sequence[Draft], *, term: int = 0) -> tuple[LedgerEntry, ...]:
        """See ``ports.Ledger.append``. All entries of one call have the same time."""
        return await self._run(lambda: self._append(drafts, term)) if drafts else ()

    async def begin(self, opened: Draft) -> None:
        """Appends *opened*, which binds a new ledger, unless one of its kind is there: of processes that start together one
        binds it, and the others have to look whether it is theirs. Raises as ``append``."""
        await self._run(lambda: self._begin(opened))

    def clock_is(self, standing: ClockStanding) -> None:
        """See ``ports.Ledger.clock_is``."""
        self._standing, self._stood = standing, (self._clock.now(), self._clock.monotonic())

    @property
    def clock_stands(self) -> bool:
        """Whether this machine's clock may say what is old: false where a service was to vouch for it, and none did."""
        return self._standing_now(self._clock.now()) not in (ClockStanding.UNKNOWN, ClockStanding.REFUTED)

    def _standing_now(self, now: datetime) -> ClockStanding:
        most = self._max_clock_skew_seconds
        return self._standing if most is None else standing_now(self._standing, (now, self._clock.monotonic()), self._stood, most)

    async def head(self) -> Head:
        """See ``ports.Ledger.head``."""
        return await self._read(rows.head_of, START.head)

    async def missing(self, heads: Sequence[Head]) -> tuple[Head, ...]:
        """Those of *heads*, published some time, that are not in the chain. Raises LedgerError."""
        numbers = sorted({head.seq for head in heads})
        there = await self._read(lambda connection: rows.hashes_at(connection, numbers), dict[int, str]())
        lost = {head for head in heads if head.seq and there.get(head.seq) != head.hash}
        return tuple(sorted(lost, key=lambda head: (head.seq, head.hash)))

    def published(self) -> tuple[Head, ...]:
        """The end of the chain as it was kept outside of the database when it was last written. Blocks for a small read."""
        return self._database.published()

    @property
    def keeps_head(self) -> bool:
        """Whether the end of the chain is kept outside of the database: then ``published`` gives it after a first entry."""
        return self._database.keeps_head

    async def fault_near_the_end(self) -> str:
        """What is wrong with the last entries, whatever stands before them; nothing, usually. Raises LedgerError."""
        return await self._read(_fault_near_the_end, "")

    async def seal(self, sign: Callable[[Head], Draft], *, term: int) -> LedgerEntry | None:
        """Appends what *sign* makes of the head, with nothing between the two; None when the head is of that kind already,
        or there is none. *sign* is called inside the write. Raises as ``append``, and what *sign* raises."""
        return await self._run(lambda: self._seal(sign, term))

    async def verify(self, head: str | None = None, checks: Sequence[AuditCheck] = ()) -> Verification:
        """Looks at everything, from the first entry on: the chain, its order, terms and control totals, the personal data
        beside it, the database itself; that *head*, the hash of an entry published elsewhere, is in it; and what *checks*
        look for. Raises LedgerError when it cannot be read; what is wrong with it is in what is given."""
        wanted = (head or "").strip().lower()
        return await self._read(
            lambda connection: self._audit(connection, wanted, checks),
            chain.audit((), head=wanted, seen=self._follower.seen, checks=checks),
        )

    async def entries(
        self,
        from_seq: int = 1,
        kinds: Sequence[str] = (),
        *,
        cycle: str = "",
        subject: str = "",
        reverse: bool = False,
        limit: int | None = None,
    ) -> AsyncIterator[LedgerEntry]:
        """Entries from *from_seq* on, of these *kinds*, of this *cycle*, about this *subject* (empty: any), at most *limit*;
        *reverse*: the newest first. Read piece by piece, so what is appended meanwhile is given too (not in reverse).
        Raises LedgerError."""
        asked: list[tuple[str, Sequence[object]]] = [("seq >= ?", (from_seq,))]
        asked += [(f"kind IN {marks(kinds)}", kinds)] if kinds else []
        asked += [(f"{column} = ?", (value,)) for column, value in (("cycle", cycle), ("subject", subject)) if value]
        given, piece = 0, asked
        while limit is None or given < limit:
            number = AT_ONCE if limit is None else min(AT_ONCE, limit - given)
            which = " AND ".join(condition for condition, _ in piece) + f" ORDER BY seq{' DESC' if reverse else ''} LIMIT ?"
            found = await self._piece(which, [*(value for _, values in piece for value in values), number])
            for entry in found:
                yield entry
            if len(found) < number:
                return
            given += number
            piece = [*asked, ("seq < ?" if reverse else "seq > ?", (found[-1].seq,))]

    async def export(self) -> AsyncIterator[str]:
        """The whole ledger as JSON lines without line ends, personal data that was not blanked beside each entry and outside
        of its hash. ``ledger.chain.verify_export`` checks them without this ledger. Raises LedgerError."""
        nothing: list[str] = []
        after, more = 0, True
        while more:
            lines, after = await self._read(partial(rows.export_lines, after=after), (nothing, after))
            more = len(lines) == AT_ONCE
            for line in lines:
                yield line

    async def checkpoint(self, made: Callable[[str], Draft], *, term: int) -> None:
        """Puts the history beside the chain, and *made* of its hash into it, when enough came since that was done last. Raises
        as ``append``."""
        await self._run(lambda: self._checkpoint(made, term))

    async def demand_term(self, term: int) -> None:
        """Raises NotLeader when a newer writer has taken the ledger over, LedgerError."""
        _demand_term(term, await self._read(rows.newest_term, 0))

    # ------------------------------------------------------------------------------------------------- the writer

    @asynccontextmanager
    async def writer(self, wait_seconds: float | None, lease: int = 0) -> AsyncIterator[int]:
        """See ``ports.Ledger.writer``. Once the new term is given, entries of older terms are refused. Not re-entrant:
        raises RuntimeError."""
        if self._writer_busy:
            raise RuntimeError("this ledger's writer is held, or waited for, already")
        self._writer_busy = True
        try:
            lock = self._database.writer_lock()
            await self._take(lock, wait_seconds, lease)
            try:
                yield await self._write(lambda connection: rows.raise_fence(connection, rows.newest_term(connection) + 1))
            finally:
                await self._ended(asyncio.ensure_future(self._run(lock.release)))
        finally:
            self._writer_busy = False

    async def _take(self, lock: WriterLock, wait_seconds: float | None, lease: int) -> None:
        began = self._clock.monotonic()
        while not await self._run(
            partial(
                lock.take,
                os.getpid(),
                socket.gethostname(),
                chain.time_text(self._clock.now()),
                lease,
            )
        ):
            waited = self._clock.monotonic() - began
            if wait_seconds is not None and waited >= wait_seconds:
                raise NotLeader(
                    f"the ledger {self._database.where} is held by {await self._run(lock.holder)}; waited {waited:.0f} s for it",
                    "Wait until that one ends, or stop it. pause, resume and approve work beside it.",
                )
            left = LOCK_POLL_SECONDS if wait_seconds is None else wait_seconds - waited
            await self._clock.sleep(min(LOCK_POLL_SECONDS, left))

    # -------------------------------------------------------------------------------------------- beside the chain

    async def personal(self, refs: Sequence[str]) -> dict[str, dict[str, str]]:
        """See ``ports.Ledger.personal``."""
        nothing: dict[str, tuple[dict[str, str], str]] = {}
        found = await self._read(lambda connection: personal.resolve(connection, refs), nothing)
        return {ref: words for ref, (words, _) in found.items()}

    async def blank_personal(self, older_than: datetime | None = None) -> int:
        """Blanks names and addresses that no entry has referred to since *older_than* (default: as long as they are kept);
        how many. The chain still verifies. Raises LedgerError."""
        before = older_than or self._kept_since()
        if before is None:
            return 0
        number = await self._run(lambda: self._blank_now(before))
        self._tell(Noted("personal.blanked", "info", {"rows": number, "unused_since": chain.time_text(before)}))
        return number

    async def upgraded(self, made: Callable[[Sequence[str]], Draft], *, term: int) -> None:
        """Appends what *made* of the rows that are blank and that no entry names, unless one of its kind is there: from then on
        every blank row needs an entry. Raises as ``append``."""
        await self._run(lambda: self._upgraded(made, term))

    async def get_state(self, key: str) -> Any:
        """See ``ports.Ledger.get_state``."""
        text = await self._read(lambda connection: connection.value("SELECT value FROM state WHERE key = ?", (key,)), None)
        try:
            return None if text is None else json.loads(text)
        except ValueError:
            return None  # an edited cursor or budget is as good as none: it is built anew

    async def set_state(self, key: str, value: Any) -> None:
        """See ``ports.Ledger.set_state``."""
        text = chain.well_formed(canonical_json(value))
        await self._write(lambda connection: _put_state(connection, key, text))

    async def close(self) -> None:
        """See ``ports.Ledger.close``. May be called again."""
        if not self._closed:
            self._closed = True
            await self._ended(asyncio.get_running_loop().run_in_executor(self._thread, self._database.close))
            self._thread.shutdown(wait=False)

    # ------------------------------------------------------------------------------------------ inside the thread

    async def _read(self, work: Callable[[Connection], T], otherwise: T) -> T:
        return await self._run(lambda: self._database.read(work, otherwise))

    async def _write(self, work: Callable[[Connection], T]) -> T:
        return await self._run(lambda: self._database.write(work))

    async def _piece(self, which: str, values: Sequence[object]) -> list[LedgerEntry]:
        return await self._read(lambda connection: rows.some_entries(connection, which, values), [])

    async def _ended(self, last: asyncio.Future[None]) -> None:
        """Waits for what gives something back. A server that does not answer cannot keep us from ending: its connections are
        cut, and with its session it frees what we held."""
        if not (await asyncio.wait({last}, timeout=GIVE_BACK_SECONDS))[0]:
            self._database.cut()
        await asyncio.shield(last)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise LedgerError(f"the ledger {self._database.where} was closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            notes, self._notes = self._notes, []
            for note in notes:
                self._tell(note)

    def _append(self, drafts: Sequence[Draft], term: int) -> tuple[LedgerEntry, ...]:
        if self._follower.broken:
            raise self._broken(self._follower.broken)
        now = self._clock.monotonic()
        kept_since = self._kept_since() if term else None
        if self._blanked_at is not None and now - self._blanked_at < DAILY_SECONDS:
            kept_since = None
        blanked: tuple[int, LedgerEntry | None] = (0, None)

        def extend(connection: Connection) -> tuple[LedgerEntry, ...]:
            nonlocal blanked, kept_since
            entries = self._extend(connection, drafts, term)
            if measured_at(entries[-1]) is None:
                kept_since = None  # a clock that nobody vouches for may be years ahead: what it makes old is lost for good
            blanked = self._blank(connection, kept_since, term) if kept_since else blanked
            return entries

        entries = self._database.write(extend)
        rows_blanked, last = blanked
        # Only now: what was not committed was never seen.
        self._committed(last or entries[-1])
        if kept_since:
            self._blanked_at = now
        if rows_blanked:
            self._notes.append(Noted("personal.blanked", "info", {"rows": rows_blanked, "unused_since": str(kept_since)}))
        return entries

    def _committed(self, entry: LedgerEntry) -> None:
        self._follower.saw(entry)
        # A head kept outside that is not in the chain shows a roll-back: it stays until somebody accepted that.
        self._publishes = self._publishes or self._database.read(self._may_publish, otherwise=True)
        if self._publishes:
            self._database.publish(Head(entry.seq, entry.hash))

    def _may_publish(self, connection: Connection) -> bool:
        kept = self._database.published()
        there = rows.hashes_at(connection, [head.seq for head in kept])
        return all(there.get(head.seq) == head.hash or rows.accepted_as_lost(connection, head) for head in kept)

    def _begin(self, opened: Draft) -> None:
        def put(connection: Connection) -> LedgerEntry | None:
            return None if rows.is_there(connection, opened.kind) else self._extend(connection, [opened], 0)[0]

        entry = self._database.write(put)
        if entry is not None:
            self._committed(entry)

    def _seal(self, sign: Callable[[Head], Draft], term: int) -> LedgerEntry | None:
        if self._follower.broken:
            raise self._broken(self._follower.broken)

        def extend(connection: Connection) -> LedgerEntry | None:
            last = rows.last_entry(connection)
            if last is None:
                return None
            draft = sign(Head(last.seq, last.hash))
            return None if draft.kind == last.kind else self._extend(connection, [draft], term)[0]

        entry = self._database.write(extend)
        if entry is not None:
            self._committed(entry)
        return entry

    def _checkpoint(self, made: Callable[[str], Draft], term: int) -> None:
        history = self._database.read(self._follower.follow, History())
        if history.broken:
            raise self._broken(history.broken)

        def put(connection: Connection) -> LedgerEntry | None:
            if rows.head_of(connection) != history.head or not checkpoint.due(connection, history.head):
                return None  # somebody appends just now: the next cycle makes it
            content = checkpoint.packed(history)
            _put_state(connection, checkpoint.KEY, checkpoint.row_of(history.head, content))
            return self._extend(connection, [made(checkpoint.digest_of(content))], term)[0]

        entry = self._database.write(put)
        if entry is not None:
            self._committed(entry)

    def _extend(self, connection: Connection, drafts: Sequence[Draft], term: int) -> tuple[LedgerEntry, ...]:
        newest = rows.newest_term(connection)
        _demand_term(term, newest)
        tip = self._true_tip(connection, newest)
        now = self._clock.now()
        if self._max_clock_skew_seconds is not None and not demand_clock(
            now,
            kinds={draft.kind for draft in drafts},
            term=term,
            standing=self._standing_now(now),
            database=self._database.now(connection),
            newest=lambda: newest_measured(rows.last_entries(connection)),
            max_skew_seconds=self._max_clock_skew_seconds,
        ):
            drafts = [replace(draft, clock_verified=False) for draft in drafts]
        at = chain.time_text(now)
        entries: list[LedgerEntry] = []
        for start in range(0, len(drafts), AT_ONCE):
            some = drafts[start : start + AT_ONCE]
            for draft, who in zip(some, personal.refer(connection, some, at), strict=True):
                entry = chain.link(draft, at=at, term=term, previous=tip, who=who)
                tip = tip.after(entry)
                entries.append(entry)
            rows.insert_entries(connection, entries[start:])
        if term > newest:
            rows.raise_fence(connection, term)
        return tuple(entries)

    def _true_tip(self, connection: Connection, newest_term: int) -> Tip:
        """Where the chain really ends. Raises LedgerError when its last entry is not sound, or what this object has
        seen before is not there any more."""
        last = rows.last_entry(connection)
        problem = (alone(last) if last else None) or moved(connection, self._follower.seen)
        if problem:
            raise self._broken(str(problem))
        return Tip(last.seq, last.hash, last.at, newest_term) if last else START

    def _audit(self, connection: Connection, head: str, checks: Sequence[AuditCheck]) -> Verification:
        beside = personal.faults(connection)
        checks = (*checks, Blankings(personal.blanked(connection), personal.last_mentions(connection)))

        def inspect(entry: LedgerEntry) -> str:
            who = chain.who_of(entry)
            # Blanking leaves the row, so a reference that leads nowhere means that somebody removed one.
            return beside.get(who, "the name or address beside it was removed, not blanked") if who else ""

        found = chain.audit(rows.every_entry(connection), head=head, seen=self._follower.seen, inspect=inspect, checks=checks)
        fault = (structure_fault(connection) or self._database.fault(connection)) if found.ok else ""
        return Verification(found.entries, found.head, Problem(0, Fault.DAMAGED, fault)) if fault else found

    def _blank(self, connection: Connection, older_than: datetime, term: int) -> tuple[int, LedgerEntry | None]:
        """How many rows were blanked, and the last entry that names them."""
        refs = personal.unused(connection, chain.time_text(older_than))
        if not refs:
            return 0, None
        named = self._extend(connection, record.blanked(refs, older_than), term)
        personal.blank(connection, refs, chain.time_text(self._clock.now()))
        return len(refs), named[-1]

    def _blank_now(self, older_than: datetime) -> int:
        number, last = self._database.write(lambda connection: self._blank(connection, older_than, 0))
        if last is not None:
            self._committed(last)
        return number

    def _upgraded(self, made: Callable[[Sequence[str]], Draft], term: int) -> None:
        def put(connection: Connection) -> LedgerEntry | None:
            draft = made(sorted(personal.blanked(connection) - rows.listed_as_blank(connection)))
            return None if rows.is_there(connection, draft.kind) else self._extend(connection, [draft], term)[0]

        entry = self._database.write(put)
        if entry is not None:
            self._committed(entry)

    def _kept_since(self) -> datetime | None:
        if self._keep_personal_seconds is None:
            return None
        return self._clock.now() - timedelta(seconds=self._keep_personal_seconds)

    def _broken(self, why: str) -> LedgerError:
        return LedgerError(
            f"the ledger {self._database.where} is broken: {why}; nothing is appended to it",
            "Keep the file as evidence, run syncd ledger verify, and put a copy of the ledger back.",
        )


def _demand_term(term: int, newest: int) -> None:
    if 0 < term < newest:
        raise NotLeader(
            f"a newer writer has taken the ledger over: its term is {newest}, this one's is {term}; nothing was written",
            "Nothing to do: the newer one goes on from here.",
        )


def _fault_near_the_end(connection: Connection) -> str:
    first = rows.entry_at(connection, max(1, rows.head_of(connection).seq - AT_ONCE))
    if first is None:
        return "" if rows.head_of(connection).seq == 0 else "entries are missing near its end"
    return str(chain.verify(rows.entries_after(connection, first.seq - 1), Tip(first.seq - 1, first.previous_hash)) or "")


def _put_state(connection: Connection, key: str, text: str) -> None:
    if connection.execute("UPDATE state SET value = ? WHERE key = ?", (text, key)).rowcount == 0:
        connection.execute("INSERT INTO state (key, value) VALUES (?, ?)", (key, text))
