"""Following a chain: what is new is verified and folded, and what was seen before must still be there.

One follower belongs to one ledger object and its thread. It may begin at a checkpoint; then what came before it is not looked
at, which is for verbs of people only (see ``checkpoint.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from syncd.events import Noted
from syncd.ledger import chain
from syncd.ledger.chain import START, Fault, Problem, Tip
from syncd.ledger.history import Growing, History
from syncd.ledger.storage import checkpoint, rows
from syncd.ledger.storage.sql import Connection
from syncd.model import LedgerEntry
from syncd.ports import Clock

#: Entries that were verified once are verified again after so long, although only later ones are read in between.
VERIFY_AGAIN_SECONDS = 86_400.0


class Follower:
    """*keeps* False: every look begins anew (a reader's look may be run twice). *note* is told from the thread."""

    def __init__(self, clock: Clock, note: Callable[[Noted], None], *, keeps: bool, from_checkpoint: bool) -> None:
        self._clock = clock
        self._note = note
        self._keeps = keeps
        self._from_checkpoint = from_checkpoint
        self._history = History()
        self._tip = START  # how far the history was folded
        self._verified_at = clock.monotonic()
        self._refused_at = START  # where the chain ended when a roll-back was last looked at
        self.seen: dict[int, str] = {}  # the furthest entry this object has seen in the chain

    @property
    def broken(self) -> str:
        """Why the chain did not verify when it was last followed."""
        return self._history.broken

    def saw(self, entry: LedgerEntry) -> None:
        """An entry of ours was committed."""
        self.seen = {entry.seq: entry.hash}

    def follow(self, connection: Connection, *, again: bool = False) -> History:
        """The history up to the end of the chain. *again*: every entry is read and verified anew. Raises LedgerError for an
        entry this program does not understand."""
        if not self._keeps:
            self._history, self._tip = History(), START
        if self._history.broken:
            return self._accepted_since(connection) or self._history
        now = self._clock.monotonic()
        again = again or now - self._verified_at >= VERIFY_AGAIN_SECONDS
        problem = None
        if again and self._tip.seq:
            tip, problem = self._walk(connection, START, lambda _: None)
            self._note(
                Noted("ledger.verified", "error" if problem else "info", {"entries": tip.seq, "problem": str(problem or "")})
            )
        if again or self._tip.seq == 0:
            self._verified_at = now
        problem = problem or (moved(connection, {self._tip.seq: self._tip.hash}) if self._tip.seq else None)
        if problem is None:
            problem = self._fold(connection, whole=again or not self._from_checkpoint)
        if problem:
            self._history = replace(self._history, broken=str(problem))
        elif self._tip.seq:
            self.seen = {self._tip.seq: self._tip.hash}
        return self._history

    def _fold(self, connection: Connection, *, whole: bool) -> Problem | None:
        """Folds what is new. From the beginning: *whole*, and compared with the checkpoint; or from the checkpoint on."""
        kept = checkpoint.load(connection) if self._tip.seq == 0 else None
        if kept is not None and not whole:
            self._history, self._tip = kept.history, kept.tip
        growing = Growing(self._history)

        def take(entry: LedgerEntry) -> None:
            growing.take(entry)
            if whole and kept is not None and entry.seq == kept.tip.seq and not checkpoint.same(growing.grown(), kept.history):
                self._note(
                    Noted(
                        "ledger.checkpoint_wrong",
                        "error",
                        {
                            "entry": entry.seq,
                            "do": "Somebody wrote what the chain does not say beside it: verbs of people read it. "
                            "Run syncd ledger verify and look who can write the ledger.",
                        },
                    )
                )

        self._tip, problem = self._walk(connection, self._tip, take)
        self._history = growing.grown()
        return problem

    def _accepted_since(self, connection: Connection) -> History | None:
        """A chain that lost what was seen is broken, until it verifies by itself and somebody accepted since that it is older
        (``ledger accept`` after a failover to a copy that lagged, say): then it is followed from its beginning."""
        last = rows.last_entry(connection)
        if last is None or (last.seq, last.hash) == (self._refused_at.seq, self._refused_at.hash):
            return None
        self._refused_at = Tip(last.seq, last.hash)
        growing, before, seen = Growing(History()), self._history, self.seen
        self.seen = {}
        tip, problem = self._walk(connection, START, growing.take)
        now = growing.grown()
        if problem is not None or not now.accepted_heads - before.accepted_heads:
            self.seen = seen
            return None
        self._history, self._tip, self.seen = now, tip, {tip.seq: tip.hash}
        self._note(Noted("ledger.accepted", "warning", {"head_sequence": tip.seq, "was": before.broken}))
        return now

    def _walk(self, connection: Connection, tip: Tip, accept: Callable[[LedgerEntry], None]) -> tuple[Tip, Problem | None]:
        """Reads what comes after *tip*, verifying each entry before it is accepted."""
        for entry in rows.entries_after(connection, tip.seq):
            problem = chain.problem_of(entry, tip) or chain.not_as_seen(entry, self.seen)
            if problem:
                return tip, problem
            accept(entry)
            tip = tip.after(entry)
        return tip, chain.cut_since(tip, self.seen)


def alone(entry: LedgerEntry) -> Problem | None:
    """Whether an entry gives its own hash, whatever stands before it."""
    return chain.problem_of(entry, Tip(entry.seq - 1, entry.previous_hash))


def moved(connection: Connection, seen: dict[int, str]) -> Problem | None:
    """Whether entries that were seen before are no longer there as they were."""
    for seq in seen:
        entry = rows.entry_at(connection, seq)
        if entry is None:
            end = Tip(rows.head_of(connection).seq)
            return chain.cut_since(end, seen) or Problem(seq, Fault.GAP, f"entry {seq} is missing: it was there before")
        problem = alone(entry) or chain.not_as_seen(entry, seen)
        if problem:
            return problem
    return None
