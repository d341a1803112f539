"""What the ledger keeps: links of the chain, and what they say once they are read back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from syncd.model.canonical import canonical_json
from syncd.model.words import Guard

#: The numbers of entries are less than this: databases keep them in 64 bits.
SEQ_END = 2**63

#: A hash as the chain writes it: SHA-256, hexadecimal.
_HASH = re.compile("[0-9a-f]{64}")

#: A head in a line of text; no number of more digits is one.
_HEAD = re.compile(r"\s*([0-9]{1,19})\s+(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Draft:
    """A ledger entry before it has its place. *personal* (names, addresses) is kept beside the chain, under a salted
    hash that the ledger puts into the body as ``who``; it can be blanked later and the chain still verifies."""

    kind: str
    body: Mapping[str, object]
    subject: str = ""  # zoom id, approval id, …; never an address
    cycle: str = ""
    personal: Mapping[str, str] | None = None
    clock_verified: bool = True  # False: no service's time was at hand to hold this process's clock against


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One link of the chain. *body* is the exact canonical JSON that was hashed."""

    seq: int  # from 1, without gaps
    at: str  # RFC 3339 UTC, microseconds, never earlier than the entry before
    cycle: str
    term: int  # leadership term of the writer; 0 for people's entries (approve, pause, …)
    kind: str
    subject: str
    body: str
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: what a document quotes so that a cut-off tail shows."""

    seq: int
    hash: str

    @classmethod
    def of(cls, seq: object, hash_: object) -> Head | None:
        """A head as it was found outside of the ledger, where anybody may have written it; None for what no ledger ever ends
        with: it would be looked for in the chain, or accepted into it, and there is no such entry."""
        if not isinstance(seq, int) or isinstance(seq, bool) or not 0 < seq < SEQ_END:
            return None
        return cls(seq, hash_) if isinstance(hash_, str) and _HASH.fullmatch(hash_) else None

    @classmethod
    def of_line(cls, line: str) -> Head | None:
        """The same of the text NUMBER HASH."""
        found = _HEAD.fullmatch(line)
        return cls.of(int(found[1]), found[2]) if found is not None else None


@dataclass(frozen=True, slots=True)
class Gone:
    """Memory of somebody not entitled: when the first good read showed it, and which good read that was (a count)."""

    since: datetime
    read: int


@dataclass(frozen=True, slots=True)
class Deactivated:
    """The latest deactivation of an account that syncd knows it did, with what the account had before."""

    at: datetime
    cycle: str
    by: str  # cycle | hand | undo
    type: int | None = None
    plan: str | None = None
    role_id: str | None = None
    reason: str = ""
    seen_active: bool = False  # a later read showed it active although we did not reactivate it
    reactivated_at: datetime | None = None  # when we reactivated it since
    person: str = ""  # directory id of who had left, where the directory showed them

    @property
    def stands(self) -> bool:
        """Whether the account is off because we switched it off: neither we nor anybody else took that back since."""
        return self.reactivated_at is None and not self.seen_active


@dataclass(frozen=True, slots=True)
class Hold:
    """Somebody said: leave this account alone. *until* None: until released."""

    by: str
    because: str
    at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Zoom refused a change of this account for good; *fingerprint* is what must stay the same for it to count."""

    at: datetime
    code: int | None
    says: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Approval:
    """Lets the reviewed effects of one plan pass the named guards, once each, until it expires."""

    id: str
    plan_digest: str
    policy_digest: str
    guards: tuple[Guard, ...]
    effects: frozenset[tuple[str, str]]  # (zoom_id, action) as reviewed
    by: str
    because: str
    at: datetime
    expires_at: datetime
    on_the_way: frozenset[str] = frozenset()  # zoom ids reviewed beside the effects: within the grace, or unclear
    signature: str = ""  # SSHSIG of whoever approved; empty: not signed
    os_user: str = ""  # whose process gave it, on which host: evidence, and nothing is decided by it
    host: str = ""
    accepts: Mapping[str, float | str] = field(default_factory=dict)  # measured values that become baselines once it counts
    good_read: bool = False  # the plan was read for this approval, and the read was a good one
    complete: tuple[Guard, ...] | None = None  # guards for which as many people approved as must; None: all of them

    def message(self, ledger_id: str) -> bytes:
        """What is signed: canonical JSON of all that decides what it lets pass, and who says so."""
        return canonical_json(
            {
                "plan": self.plan_digest,
                "policy": self.policy_digest,
                "guards": [guard.value for guard in self.guards],
                "effects": sorted(list(effect) for effect in self.effects),
                "by": self.by,
                "because": self.because,
                "expires_at": self.expires_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
                "ledger": ledger_id,
            }
        ).encode()


@dataclass(frozen=True, slots=True)
class Counted:
    """An effect that a cycle carried out, as the guards on sums add it up."""

    at: datetime
    action: str
    approved: bool  # reviewed or announced: it does not count
    reason: str = ""
    zoom_id: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """An effect announced in the ledger before it was tried."""

    id: str
    cycle: str
    at: datetime
    zoom_id: str
    action: str  # deactivate | reactivate | restore_licence | revoke_sessions
    by: str  # cycle | hand | undo
    reason: str
    before: Mapping[str, Any]  # status, type, plan, role_id
    approval: str = ""
    restore: Mapping[str, Any] | None = None  # licence to give back after a reactivation
    person: str = ""  # directory id of whom it is done for, where the directory shows somebody


@dataclass(frozen=True, slots=True)
class Announcement:
    """Leavers named beforehand: when they become known leavers between the two days, they count in no size guard, each once."""

    id: str
    zoom_ids: frozenset[str]
    starts_at: datetime
    ends_at: datetime
    by: str
    because: str
    at: datetime
    signature: str = ""
    os_user: str = ""
    host: str = ""

    def message(self, ledger_id: str) -> bytes:
        """What is signed."""
        return canonical_json(
            {
                "people": sorted(self.zoom_ids),
                "from": self.starts_at.astimezone(UTC).isoformat(),
                "by": self.by,
                "until": self.ends_at.astimezone(UTC).isoformat(),
                "because": self.because,
                "ledger": ledger_id,
            }
        ).encode()


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody knows of a standing ``manual`` row: it alerts nobody until then, or until its *fingerprint* changes."""

    by: str
    because: str
    at: datetime
    until: datetime
    fingerprint: str


@dataclass(frozen=True, slots=True)
class RecordedPlan:
    """A plan some cycle made: its effects, and by tripped read guard the values that approving it accepts."""

    digest: str
    policy_digest: str
    effects: tuple[tuple[str, str, str], ...]  # (zoom id, action, reason)
    at: datetime  # when a cycle made it last
    accepts: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)
    on_the_way: tuple[str, ...] = ()  # zoom ids within the grace or unclear when it was first made
    held_by: tuple[str, ...] = ()  # guards that tripped then


@dataclass(frozen=True, slots=True)
class MemoryChange:
    """What a good read adds to memory, by Zoom id. *at*: when the read began."""

    at: datetime
    pairs: Mapping[str, str] = field(default_factory=dict)  # new or other directory id
    numbers: Mapping[str, str] = field(default_factory=dict)  # directory id -> salted hash of the person's number
    entitled: frozenset[str] = frozenset()  # directory ids seen entitled, with no pair to show for it
    gone: frozenset[str] = frozenset()  # first good read that shows them not entitled
    back: frozenset[str] = frozenset()  # was gone, is entitled, or no longer active
    returning: frozenset[str] = frozenset()  # inactive: first good read that shows them entitled again
    not_returning: frozenset[str] = frozenset()  # was returning: not entitled, unclear or active now
    unclear: frozenset[str] = frozenset()  # was gone, and this read does not count for them
    seen_active: frozenset[str] = frozenset()  # deactivated by us, shown active, not by our doing
    vanished: frozenset[str] = frozenset()  # not in the list: grace and last decision are forgotten

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__dataclass_fields__ if name != "at")
