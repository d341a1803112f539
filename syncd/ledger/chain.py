"""The hash chain: what makes a ledger that cannot be changed quietly.

    hash = SHA-256("syncd.ledger/1" LF + canonical JSON of {seq, at, cycle, term, kind, subject, body, previous_hash})

*body* goes in as a string: the exact text that lies in the ledger, never serialised again for checking. Names and
addresses are no part of it: the body holds only ``who``, a salted hash of them, so they can be blanked later.

Values in, values out: where entries come from, and what follows from a fault, is not known here. A chain alone cannot
show that its tail was cut off; whoever kept an earlier head (a document, a log line, a running process) can.

More than 400 lines: whoever wants to know what the chain proves reads this one file from top to bottom.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from json.encoder import encode_basestring as _quoted  # a string as canonical JSON spells it
from typing import Protocol

from syncd.errors import LedgerError
from syncd.model import Draft, Head, LedgerEntry, canonical_json

#: Stands before every hashed entry, so that no hash of another format can be passed off as one of ours.
DOMAIN = b"syncd.ledger/1\n"

_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_REF = re.compile(r"[0-9a-f]{64}")
_JSON = json.JSONDecoder()


class Fault(StrEnum):
    """What can be wrong with an entry."""

    EDITED = "edited"  # its content does not give its hash
    GAP = "gap"  # entries before it are missing
    ORDER = "order"  # it comes again, or too late
    RELINKED = "relinked"  # it does not continue the entry before it: one of the two was rewritten
    REWRITTEN = "rewritten"  # another entry stood here when the chain was last seen
    CUT = "cut"  # an end that was seen before is gone
    TERM = "term"  # an older leadership term writes after a newer one
    TIME = "time"  # it is older than the entry before it
    TOTALS = "totals"  # its counts do not add up to the accounts read
    SIGNATURE = "signature"  # a signed head does not fit, or cycles are covered by no signature
    PERSONAL = "personal"  # the name or address beside it is not the one that was recorded
    UNREADABLE = "unreadable"  # a line of an export that is none
    EARLY = "early"  # it says that evidence was removed before its time
    DAMAGED = "damaged"  # the database that holds the chain finds a fault in itself


@dataclass(frozen=True, slots=True)
class Problem:
    """The first bad entry of a chain. ``str`` is one line for operators."""

    seq: int
    fault: Fault
    what: str

    def __str__(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True)
class Tip:
    """All that must be known of a chain to continue it, or to check what continues it."""

    seq: int = 0
    hash: str = ""
    at: str = ""
    term: int = 0  # the newest leadership term so far; people's entries (0) do not count

    @property
    def head(self) -> Head:
        """What documents quote."""
        return Head(self.seq, self.hash)

    def after(self, entry: LedgerEntry) -> Tip:
        """The tip once *entry* was accepted."""
        return Tip(entry.seq, entry.hash, entry.at, max(self.term, entry.term))


#: The tip of a chain without entries.
START = Tip()


@dataclass(frozen=True, slots=True)
class Verification:
    """How a whole chain was found: so many good *entries* up to *head*, and the first *problem*, if there is one."""

    entries: int
    head: Head
    problem: Problem | None = None

    @property
    def ok(self) -> bool:
        """Whether everything that was looked at is in order."""
        return self.problem is None


class AuditCheck(Protocol):
    """Looks for something in a chain while it is followed; see ``ledger.audit``."""

    def begin(self) -> None:
        """The chain is followed from its first entry on; possibly not for the first time."""

    def take(self, entry: LedgerEntry) -> Problem | None:
        """One more good entry; what is wrong with it, or None."""

    def end(self, tip: Tip) -> Problem | None:
        """There is no further entry; what is wrong with that, or None."""


# ------------------------------------------------------------------------------------------------------- one entry


def hash_of(seq: int, at: str, cycle: str, term: int, kind: str, subject: str, body: str, previous_hash: str) -> str:
    """The hash of an entry, hexadecimal. *body* is taken as it stands."""
    # Canonical JSON put together by hand, keys in their sorted order: a third of the time, and every entry passes here often.
    text = (
        f'{{"at":{_quoted(at)},"body":{_quoted(body)},"cycle":{_quoted(cycle)},"kind":{_quoted(kind)},'
        f'"previous_hash":{_quoted(previous_hash)},"seq":{seq},"subject":{_quoted(subject)},"term":{term}}}'
    )
    # Half a surrogate pair is never written (see link), but an edited byte may read as one: it must not stop the check.
    return hashlib.sha256(DOMAIN + text.encode("utf-8", "surrogatepass")).hexdigest()


def link(draft: Draft, *, at: str, term: int, previous: Tip, who: str = "") -> LedgerEntry:
    """Gives a draft its place after *previous*. *at* is a ``time_text``, the writer's clock as measured: one that went back is
    held at the entry before, and then the body keeps what was measured.

    *who* is the reference of the draft's personal data and goes into the body. Text that UTF-8 cannot carry (half a
    surrogate pair from an odd file name or service) becomes ``?``: one such name must not stop the record.
    Raises TypeError or ValueError when the body is not JSON (NaN included).
    """
    when = max(at, previous.at)
    beside: dict[str, object] = {"who": who} if who else {}
    if at != when:
        beside["measured_at"] = at
    if not draft.clock_verified:
        beside["clock_unverified"] = True
    body = well_formed(canonical_json({**draft.body, **beside}))
    cycle, kind, subject = well_formed(draft.cycle), well_formed(draft.kind), well_formed(draft.subject)
    seq = previous.seq + 1
    hash_ = hash_of(seq, when, cycle, term, kind, subject, body, previous.hash)
    return LedgerEntry(seq, when, cycle, term, kind, subject, body, previous.hash, hash_)


def time_text(at: datetime) -> str:
    """RFC 3339 UTC with six digits of a second, always 27 characters: later times sort later as text."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def personal_ref(salt: bytes, value: str) -> str:
    """The reference of personal data: SHA-256 over the salt and the canonical JSON *value*. Without the salt, names
    cannot be guessed from it."""
    return hashlib.sha256(salt + value.encode("utf-8", "surrogatepass")).hexdigest()


def personal_text(personal: Mapping[str, str]) -> str:
    """The canonical JSON of personal data, as it is stored and hashed."""
    return well_formed(canonical_json(dict(personal)))


def who_of(entry: LedgerEntry) -> str:
    """The reference of the personal data beside an entry; empty when it has none."""
    if '"who":"' not in entry.body:
        return ""
    who = _body(entry).get("who")
    return who if isinstance(who, str) and _REF.fullmatch(who) else ""


def measured_mention(entry: LedgerEntry) -> tuple[str, str] | None:
    """The reference of the personal data beside an entry, and when the entry was written by its writer's own clock."""
    if '"who":"' not in entry.body:
        return None
    body = _body(entry)
    who, at = body.get("who"), body.get("measured_at", entry.at)
    return (who, at) if isinstance(who, str) and isinstance(at, str) and _REF.fullmatch(who) else None


def well_formed(text: str) -> str:
    """*text* with ``?`` for every half of a surrogate pair, which no UTF-8 and so no database can carry."""
    return str(text) if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _body(entry: LedgerEntry) -> dict[str, object]:
    try:
        body = json.loads(entry.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


# ------------------------------------------------------------------------------------------------------- the chain


def problem_of(entry: LedgerEntry, tip: Tip) -> Problem | None:
    """What is wrong with *entry* as the one that continues *tip*, or None."""
    seq = entry.seq
    if seq > tip.seq + 1:
        missing = f"entry {tip.seq + 1} is" if seq == tip.seq + 2 else f"entries {tip.seq + 1} to {seq - 1} are"
        where = f"after entry {tip.seq}" if tip.seq else "at the beginning"
        return Problem(tip.seq + 1, Fault.GAP, f"{missing} missing: {where} comes entry {seq}")
    if seq <= tip.seq:
        return Problem(seq, Fault.ORDER, f"entry {seq} is out of order: it comes after entry {tip.seq}")
    if not _sound(entry):
        return Problem(seq, Fault.EDITED, f"entry {seq} was edited: its content does not give its hash")
    if entry.previous_hash != tip.hash:
        return Problem(seq, Fault.RELINKED, f"entry {seq} does not continue entry {tip.seq}: one of the two was rewritten")
    if entry.at < tip.at:
        return Problem(seq, Fault.TIME, f"entry {seq} goes back in time: {entry.at} after {tip.at}")
    if 0 < entry.term < tip.term:
        return Problem(seq, Fault.TERM, f"entry {seq} falls back to leadership term {entry.term} after term {tip.term}")
    return None


def verify(entries: Iterable[LedgerEntry], tip: Tip = START) -> Problem | None:
    """The first entry that does not continue the chain from *tip* on, or None."""
    for entry in entries:
        problem = problem_of(entry, tip)
        if problem:
            return problem
        tip = tip.after(entry)
    return None


def audit(
    entries: Iterable[LedgerEntry],
    *,
    head: str = "",
    seen: Mapping[int, str] | None = None,
    inspect: Callable[[LedgerEntry], str] = lambda _: "",
    checks: Sequence[AuditCheck] = (),
) -> Verification:
    """Follows a whole chain from entry 1, in bounded memory, up to its first problem: links, times, terms, control totals.

    *head*: the hash of an entry, published elsewhere, that must be found. *seen*: sequence numbers and hashes that must
    still stand where they stood. *inspect* may find something wrong with the personal data of an entry (else ``""``).
    *checks* are told every good entry.
    """
    seen = seen or {}
    tip, found = START, not head
    for check in checks:
        check.begin()
    for entry in entries:
        problem = problem_of(entry, tip) or not_as_seen(entry, seen) or _unbalanced(entry)
        if problem is None and (says := inspect(entry)):
            problem = Problem(entry.seq, Fault.PERSONAL, f"entry {entry.seq}: {says}")
        if problem is None:
            problem = _told(checks, entry)
        if problem:
            return Verification(tip.seq, tip.head, problem)
        tip = tip.after(entry)
        found = found or entry.hash == head
    problem = cut_since(tip, seen)
    if problem is None and not found:
        problem = Problem(
            tip.seq + 1,
            Fault.CUT,
            (f"no entry has the hash {head}: the chain ends at entry {tip.seq}; its tail was cut off, or it is another one"),
        )
    problem = problem or _first(check.end(tip) for check in checks)
    return Verification(tip.seq, tip.head, problem)


def _told(checks: Sequence[AuditCheck], entry: LedgerEntry) -> Problem | None:
    """What a check finds in a good entry; words that this program does not understand are found, too."""
    try:
        return _first(check.take(entry) for check in checks)
    except LedgerError as error:
        return Problem(entry.seq, Fault.EDITED, f"{error.what}: it was edited and hashed anew, or a newer syncd wrote it")


def _first(problems: Iterable[Problem | None]) -> Problem | None:
    """The first problem; every check is asked all the same."""
    return next((one for one in list(problems) if one is not None), None)


def not_as_seen(entry: LedgerEntry, seen: Mapping[int, str]) -> Problem | None:
    """Whether another entry stood in this place before."""
    before = seen.get(entry.seq, entry.hash)
    if before == entry.hash:
        return None
    return Problem(
        entry.seq, Fault.REWRITTEN, f"entry {entry.seq} was rewritten: its hash was {before[:12]}… and is {entry.hash[:12]}… now"
    )


def cut_since(tip: Tip, seen: Mapping[int, str]) -> Problem | None:
    """Whether the chain, which ends at *tip*, reached further before."""
    furthest = max(seen, default=0)
    if furthest <= tip.seq:
        return None
    return Problem(
        tip.seq + 1,
        Fault.CUT,
        f"entry {tip.seq + 1} is missing: the chain ended at entry {furthest} before and "
        f"ends at entry {tip.seq} now: its tail was cut off",
    )


def _sound(entry: LedgerEntry) -> bool:
    """Whether an entry is made of the right kinds of values, and gives its hash."""
    texts = (entry.at, entry.cycle, entry.kind, entry.subject, entry.body, entry.previous_hash, entry.hash)
    if not all(type(text) is str for text in texts) or type(entry.term) is not int or entry.term < 0:
        return False
    return _AT.fullmatch(entry.at) is not None and entry.hash == hash_of(
        entry.seq, entry.at, entry.cycle, entry.term, entry.kind, entry.subject, entry.body, entry.previous_hash
    )


def _unbalanced(entry: LedgerEntry) -> Problem | None:
    """A body (or what it ``read``) with ``counts`` and ``accounts`` must balance: every account is in exactly one decision."""
    if '"counts":{' not in entry.body:
        return None
    body = _body(entry)
    read = body.get("read")
    body = read if isinstance(read, dict) else body
    counts, accounts = body.get("counts"), body.get("accounts")
    if not isinstance(counts, dict) or not isinstance(accounts, int):
        return None
    total = sum(number for number in counts.values() if isinstance(number, int))
    if total == accounts:
        return None
    return Problem(
        entry.seq, Fault.TOTALS, (f"entry {entry.seq}: its counts add up to {total}, but {accounts} accounts were read")
    )


# ------------------------------------------------------------------------------------------------------ the export


@dataclass(frozen=True, slots=True)
class Exported:
    """One line of an export: an entry, and beside it the personal data with its salt (empty when there is none)."""

    entry: LedgerEntry
    personal: Mapping[str, str] | None = None
    salt: str = ""  # hexadecimal


def export_line(exported: Exported) -> str:
    """An entry as one line of canonical JSON, the body as an object, without the line end."""
    entry = exported.entry
    # Built by hand, so that the body's own text goes through unchanged; the keys stand in their sorted order.
    personal = (
        ""
        if exported.personal is None
        else (f'"personal":{personal_text(exported.personal)},"personal_salt":{_quoted(exported.salt)},')
    )
    return (
        f'{{"at":{_quoted(entry.at)},"body":{entry.body},"cycle":{_quoted(entry.cycle)},"hash":{_quoted(entry.hash)},'
        f'"kind":{_quoted(entry.kind)},{personal}"previous_hash":{_quoted(entry.previous_hash)},"seq":{entry.seq},'
        f'"subject":{_quoted(entry.subject)},"term":{entry.term}}}'
    )


def read_line(line: str) -> Exported:
    """The entry of an exported line. Raises ValueError when the line is not exactly as ``export_line`` writes it."""
    try:
        fields = json.loads(line)
        start = len('{"at":') + len(_quoted(fields["at"])) + len(',"body":')
        _, end = _JSON.raw_decode(line, start)
        entry = LedgerEntry(
            fields["seq"],
            fields["at"],
            fields["cycle"],
            fields["term"],
            fields["kind"],
            fields["subject"],
            line[start:end],
            fields["previous_hash"],
            fields["hash"],
        )
        exported = Exported(entry, fields.get("personal"), fields.get("personal_salt", ""))
        if type(entry.seq) is int and export_line(exported) == line:
            return exported
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        pass  # whatever is wrong with it: such a line was not written by us
    raise ValueError("not a line that a ledger export writes")


def verify_export(
    lines: Iterable[str],
    head: str = "",
    checks: Sequence[AuditCheck] = (),
    blank: set[str] | None = None,
) -> Verification:
    r"""Checks an export without the ledger: every line, the chain, control totals, personal data against its reference, that
    *head* (a hash published elsewhere) is in it, and what *checks* look for. A file is read line by line, with
    newline="\n". *blank* takes the references of names and addresses that are not beside their entries."""
    current: Exported | None = None
    bad: Problem | None = None

    def entries() -> Iterator[LedgerEntry]:
        nonlocal current, bad
        for number, line in enumerate(lines, start=1):
            try:
                current = read_line(line.removesuffix("\n"))
            except ValueError as error:
                bad = Problem(number, Fault.UNREADABLE, f"line {number} of the export was edited: it is {error}")
                return
            yield current.entry

    def inspect(entry: LedgerEntry) -> str:
        if current is None or current.personal is None:
            if blank is not None and (who := who_of(entry)):
                blank.add(who)
            return ""
        return "" if _belongs(current, who_of(entry)) else "the name or address beside it is not the one that was recorded"

    verification = audit(entries(), head=head, inspect=inspect, checks=checks)
    return Verification(verification.entries, verification.head, bad) if bad else verification


def _belongs(exported: Exported, who: str) -> bool:
    try:
        salt = bytes.fromhex(exported.salt)
    except ValueError:
        return False
    return personal_ref(salt, personal_text(exported.personal or {})) == who
