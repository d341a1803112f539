"""What is looked for in a chain while it is followed from its first entry on: signatures, published heads, changes seen.

Each witness is told every good entry once, in order, in bounded memory, whether the entries come from a database or from an
export. Values in, values out: whether a signature fits is asked of a function, for mathematics is an adapter's business.

A signed head says: whoever has the key found this chain at its end. It covers everything before it; what comes after it is
covered by the next one. A chain cut back to an earlier signed head still verifies: only a head kept elsewhere shows that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from syncd.errors import LedgerError
from syncd.ledger import entries
from syncd.ledger.chain import Fault, Problem, Tip
from syncd.ledger.entry import decode, from_rfc3339
from syncd.model import Announcement, Approval, Head, LedgerEntry

#: The kind of entry that signs the head before it.
HEAD_SIGNED = entries.HeadSigned.kind

#: The version of ``ledger.opened`` from which on whoever blanks names and addresses lists them in an entry.
WITH_LISTS = 2

#: What a person asks for is signed at once, so none of these stands unsigned for longer than a moment.
ASKED_FOR = frozenset(
    {
        "pause",
        "resume",
        "hold",
        "release",
        "approval",
        "people",
        "acknowledgement",
        "review",
        "ledger.accepted",
        "ledger.restored",
    }
)

#: By so much a clock may be set back between looking for what is too old and writing that down.
SET_BACK = timedelta(minutes=10)

#: (key's id, message, signature) -> whether it fits; None: that key is not at hand.
Fits = Callable[[str, bytes, str], bool | None]


def head_message(head: Head) -> bytes:
    """What is signed of a head: three lines that anybody can write with a text editor."""
    return f"syncd.head/1\n{head.seq}\n{head.hash}\n".encode()


@dataclass
class SignedHeads:
    """Follows the signed heads. Without *fits* only their place is judged: each must name the very head before it."""

    fits: Fits | None = None
    valid: Callable[[str, str], bool] = lambda _key, _at: True  # whether a key was in use at a time
    count: int = 0  # of signed heads; with *fits*, those of a key at hand
    last: Head = field(default_factory=lambda: Head(0, ""))  # the furthest of them
    by_others: dict[str, int] = field(default_factory=dict)  # keys that are not at hand -> their first entry
    _cycle: tuple[int, str] | None = None  # the first cycle that ended after it: which entry, which cycle
    _asked: tuple[int, str] | None = None  # what a person asked for first after it: which entry, its kind
    _at_once: bool = False  # whether what people ask for is signed at once in this chain: not by earlier versions

    def begin(self) -> None:
        """Forgets what was taken: the chain is followed from its first entry on again."""
        self.count, self.last, self.by_others, self._cycle = 0, Head(0, ""), {}, None
        self._asked, self._at_once = None, False

    def take(self, entry: LedgerEntry) -> Problem | None:
        """One more good entry; what is wrong with the signature in it, or None."""
        if entry.kind == "cycle.ended" and self._cycle is None:
            self._cycle = entry.seq, entry.cycle
        if entry.kind in ASKED_FOR and self._asked is None:
            self._asked = entry.seq, entry.kind
        if entry.kind != HEAD_SIGNED:
            return None
        head = Head(entry.seq - 1, entry.previous_hash)
        says = _signed(entry)
        if says is None or (says.sequence, says.hash) != (head.seq, head.hash):
            return _signature(
                entry.seq,
                f"entry {entry.seq} signs another head than the one before it: entries were rewritten after they were signed",
            )
        fits = self.fits(says.key, head_message(head), says.signature) if self.fits is not None else True
        if fits is None:
            self.by_others.setdefault(says.key, entry.seq)
            return None
        if not fits:
            return _signature(
                entry.seq,
                f"entry {entry.seq}: its signature does not fit the head before it: it was forged, or "
                f"entries up to {head.seq} were rewritten after they were signed",
            )
        if not self.valid(says.key, entry.at):
            return _signature(
                entry.seq,
                f"entry {entry.seq}: it was signed at {entry.at} with the key {says.key}, which was not "
                "in use then (valid-after and valid-before in the file of keys)",
            )
        self.count, self.last, self._cycle, self._asked = self.count + 1, head, None, None
        self._at_once = self._at_once or not entry.cycle
        return None

    def end(self, tip: Tip) -> Problem | None:
        """What is wrong when no further entry comes: with *fits*, every cycle that ended must be covered."""
        if self.fits is None:
            return None
        if tip.seq == 0:
            return _signature(
                1, "there is no entry at all, and so no signature: everything was cut off, or nothing was written yet"
            )
        others = "".join(
            f"; entry {seq} is signed with the key {key}, which was not given" for key, seq in self.by_others.items()
        )
        if self.count == 0:
            return _signature(1, f"no head is signed with a key that was given{others}")
        if self._cycle is not None:
            seq, cycle = self._cycle
            return _signature(
                seq,
                f"entry {seq} (the end of cycle {cycle}) and what follows is covered by no signature: "
                f"the last signed head is entry {self.last.seq}{others}",
            )
        if self._asked is not None and self._at_once:
            seq, kind = self._asked
            return _signature(
                seq,
                f"entry {seq} ({kind}) is covered by no signature, and syncd signs what a person asks for at once: it was "
                "changed or made up, or written where the key could not be read (then the next cycle signs it), or that verb is "
                f"at work: ask the person it names{others}",
            )
        return None


#: (signature, message, name) -> whether somebody of that name signed it.
SignedBy = Callable[[str, bytes, str], bool]


@dataclass
class SignedApprovals:
    """Follows approvals and announcements: whose signature fits. Unsigned ones are counted; one that does not fit is a fault."""

    fits: SignedBy
    signed: int = 0
    unsigned: int = 0
    _ledger_id: str = ""

    def begin(self) -> None:
        """Forgets what was taken."""
        self.signed, self.unsigned, self._ledger_id = 0, 0, ""

    def take(self, entry: LedgerEntry) -> Problem | None:
        """One more good entry. Raises LedgerError when this program does not understand it."""
        if entry.kind == entries.LedgerOpened.kind:
            self._ledger_id = decode(entries.LedgerOpened, entry).ledger_id
        if entry.kind not in (entries.ApprovalGiven.kind, entries.PeopleAnnounced.kind):
            return None
        given = _given(entry)
        if not given.signature:
            self.unsigned += 1
        elif self.fits(given.signature, given.message(self._ledger_id), given.by):
            self.signed += 1
        else:
            return _signature(
                entry.seq,
                f"entry {entry.seq}: its signature was not made by {given.by} over what it says: it was "
                "forged or changed, or the key is not among --signers",
            )
        return None

    def end(self, _: Tip) -> Problem | None:
        """Nothing is missing at the end."""
        return None


def _given(entry: LedgerEntry) -> Approval | Announcement:
    at = from_rfc3339(entry.at)
    if entry.kind == entries.ApprovalGiven.kind:
        one = decode(entries.ApprovalGiven, entry)
        return Approval(
            entry.subject,
            one.plan,
            one.policy,
            one.guards,
            frozenset(one.effects),
            one.by,
            one.because,
            at,
            one.expires_at,
            signature=one.signature,
        )
    said = decode(entries.PeopleAnnounced, entry)
    return Announcement(
        entry.subject, frozenset(said.accounts), said.starts_at, said.ends_at, said.by, said.because, at, said.signature
    )


@dataclass
class PublishedHeads:
    """Which of the heads that were written down elsewhere the chain does not hold."""

    wanted: Mapping[int, frozenset[str]]
    last_at: str = ""  # the time of the last of them that is there
    _there: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, heads: Iterable[Head]) -> PublishedHeads:
        """Of heads in any order, the same one several times too."""
        wanted: dict[int, set[str]] = {}
        for head in heads:
            wanted.setdefault(head.seq, set()).add(head.hash)
        return cls({seq: frozenset(hashes) for seq, hashes in wanted.items()})

    def begin(self) -> None:
        """Forgets what was taken."""
        self._there.clear()
        self.last_at = ""

    def take(self, entry: LedgerEntry) -> Problem | None:
        """One more good entry."""
        if entry.seq in self.wanted:
            self._there[entry.seq], self.last_at = entry.hash, entry.at
        return None

    def end(self, _: Tip) -> Problem | None:
        """Losing a head is told by ``lost``: the chain itself may be in order."""
        return None

    @property
    def lost(self) -> list[Head]:
        """Heads that are not in the chain, in their order."""
        return [
            Head(seq, hash_)
            for seq, hashes in sorted(self.wanted.items())
            for hash_ in sorted(hashes)
            if self._there.get(seq) != hash_
        ]


@dataclass
class SeenChanges:
    """Counts what others saw of changes: confirmed by event, by log, and what was not ours."""

    by_event: int = 0
    by_log: int = 0
    foreign: int = 0

    def begin(self) -> None:
        """Forgets what was taken."""
        self.by_event = self.by_log = self.foreign = 0

    def take(self, entry: LedgerEntry) -> Problem | None:
        """One more good entry. Raises LedgerError when this program does not understand it."""
        if entry.kind == entries.ChangeSeen.kind:
            says = decode(entries.ChangeSeen, entry)
            self.foreign += says.state == "foreign"
            self.by_event += says.state == "confirmed" and says.source == "event"
            self.by_log += says.state == "confirmed" and says.source == "log"
        return None

    def end(self, _: Tip) -> Problem | None:
        """Nothing is missing at the end."""
        return None


def _signature(seq: int, what: str) -> Problem:
    return Problem(seq, Fault.SIGNATURE, what)


def duration_in(value: object) -> timedelta | None:
    """A time in force, as an entry has it; None where it says none."""
    return timedelta(seconds=value) if isinstance(value, int | float) else None


def _signed(entry: LedgerEntry) -> entries.HeadSigned | None:
    try:
        return decode(entries.HeadSigned, entry)
    except LedgerError:
        return None
