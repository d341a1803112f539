"""The nouns: frozen values that every room speaks of. Standard library only; times are aware UTC.

A snapshot exists only if it is whole: whoever builds one has proved that every page came, that totals tie and that
nothing in it stands for "could not be read". Doubt about the whole is ``errors.SourceError``; doubt about one person is
``Person.unclear``, which makes that person unknown and never absent.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Any


class Mode(StrEnum):
    """How much a process may change: ``report`` never writes to Zoom."""

    REPORT = "report"
    ENFORCE = "enforce"


class Trigger(StrEnum):
    """Why a cycle ran."""

    SCHEDULE = "schedule"
    REQUEST = "request"          # POST /sync
    PLAN = "plan"
    APPLY = "apply"
    APPROVE = "approve"
    UNDO = "undo"
    ACCOUNT = "account"


class Status(StrEnum):
    """A Zoom account's state."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    PENDING = "pending"


class Action(StrEnum):
    """What a decision asks for."""

    KEEP = "keep"
    DEACTIVATE = "deactivate"
    REACTIVATE = "reactivate"
    MANUAL = "manual"


class Reason(StrEnum):
    """Why a decision is what it is; the same word stands in documents, logs, metrics and the ledger."""

    OUT_OF_SCOPE = "out_of_scope"
    INVITATION_PENDING = "invitation_pending"
    ON_HOLD = "on_hold"
    EXEMPT = "exempt"
    IN_STEP = "in_step"
    DIRECTORY_UNCLEAR = "directory_unclear"
    PROTECTED = "protected"
    REACTIVATED_BY_OTHERS = "reactivated_by_others"
    IN_LEAVERS_GROUP = "in_leavers_group"
    DISABLED_IN_DIRECTORY = "disabled_in_directory"
    EXPIRED_IN_DIRECTORY = "expired_in_directory"
    LEFT_GROUPS = "left_groups"
    ABSENT_FROM_DIRECTORY = "absent_from_directory"
    WITHIN_GRACE = "within_grace"
    REACTIVATION_OFF = "reactivation_off"
    DEACTIVATED_BY_HAND = "deactivated_by_hand"
    AMBIGUOUS_MATCH = "ambiguous_match"
    ENTITLED_AGAIN = "entitled_again"
    DEACTIVATED_BY_OTHERS = "deactivated_by_others"
    REFUSED_BY_ZOOM = "refused_by_zoom"
    NOT_IN_PILOT = "not_in_pilot"
    BY_HAND = "by_hand"          # hand verbs and undo only: a person asked for it


class OutcomeKind(StrEnum):
    """How an effect ended."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    NOT_TRIED = "not_tried"


class Result(StrEnum):
    """How a cycle ended."""

    IN_STEP = "in_step"
    PLANNED = "planned"
    APPLIED = "applied"
    PARTIAL = "partial"
    HELD = "held"
    UNREADABLE = "unreadable"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class Guard(StrEnum):
    """Everything that can hold a plan."""

    DIRECTORY_EMPTY = "directory-empty"
    DIRECTORY_SHRUNK = "directory-shrunk"
    GROUP_EMPTIED = "group-emptied"
    SENTINEL_MISSING = "sentinel-missing"
    MATCH_RATE = "match-rate"
    ZOOM_EMPTY = "zoom-empty"
    CLOCK_SKEW = "clock-skew"
    PROTECTED_IN_PLAN = "protected-in-plan"
    LEDGER_BROKEN = "ledger-broken"
    PAUSED = "paused"
    MAX_DEACTIVATIONS = "max-deactivations"
    MAX_DEACTIVATIONS_PERCENT = "max-deactivations-percent"
    MAX_DEACTIVATIONS_PER_DAY = "max-deactivations-per-day"
    FLAPPING = "flapping"
    POLICY_CHANGED = "policy-changed"
    MAX_REACTIVATIONS = "max-reactivations"


def address_key(address: str) -> str:
    """The form in which two addresses are compared: trimmed, NFC, case folded.

    Zoom's letter case of ``email`` is not documented and directories keep what people typed, so case never counts.
    """
    text = address.strip()
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def canonical_json(value: Any) -> str:
    """One spelling for one value: sorted keys, no blanks, no NaN. What digests and the ledger hash."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_of(value: Any) -> str:
    """Hexadecimal SHA-256 of the canonical JSON of *value*."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


# ---------------------------------------------------------------------------------------------------- the directory


@dataclass(frozen=True, slots=True)
class Person:
    """One person of the directory, as one read showed him.

    The three paths name groups from the configured one down to the one he stands in directly; empty: not a member.
    ``expires_at`` None: never. ``unclear`` says why this person could not be read; then nothing else may be concluded.
    """

    id: str                                   # objectGUID, Entra object id, or the id column of a file
    addresses: tuple[str, ...] = ()           # keys (see address_key), the main one first
    display_name: str = ""
    enabled: bool = True
    expires_at: datetime | None = None
    entitled_by: tuple[str, ...] = ()
    leaver_by: tuple[str, ...] = ()
    protected_by: tuple[str, ...] = ()
    guest: bool = False
    department: str = ""
    unclear: str = ""
    changed_at: datetime | None = None        # last change in the directory, where it tells


class GroupUse(StrEnum):
    """What a configured directory group is for."""

    ENTITLING = "entitling"
    LEAVERS = "leavers"
    PROTECTING = "protecting"


@dataclass(frozen=True, slots=True)
class DirectoryGroup:
    """A configured group as read: *members* counts the people in it, nested ones included. *exists* false: nothing in the
    directory shows that there is such a group (a file names groups only beside their members)."""

    id: str
    name: str
    use: GroupUse
    members: int
    exists: bool = True


@dataclass(frozen=True, slots=True)
class DirectorySnapshot:
    """Everybody of the directory, provably whole. *unresolved* names members that could not be looked up although the
    read may go on (``unresolved_members: unknown``): then nobody may be called absent."""

    source: str                               # active_directory | entra | file
    read_at: datetime
    people: tuple[Person, ...]                # sorted by id, ids unique
    groups: tuple[DirectoryGroup, ...]
    digest: str
    unresolved: tuple[str, ...] = ()
    clock_offset_seconds: float | None = None     # the directory's clock minus ours

    @classmethod
    def whole(
        cls,
        source: str,
        read_at: datetime,
        people: Iterable[Person],
        groups: Iterable[DirectoryGroup] = (),
        *,
        unresolved: Iterable[str] = (),
        clock_offset_seconds: float | None = None,
    ) -> DirectorySnapshot:
        """Builds a snapshot; the caller vouches that nothing is missing. Raises ValueError on an id given twice."""
        ordered = tuple(sorted(people, key=lambda person: person.id))
        for before, after in pairwise(ordered):
            if before.id == after.id:
                raise ValueError(f"two people with the id {after.id}")
        listed = tuple(sorted(groups, key=lambda group: (group.use, group.id)))
        digest = hashlib.sha256()
        for person in ordered:
            digest.update(repr((
                person.id, person.addresses, person.enabled, person.expires_at and person.expires_at.isoformat(),
                person.entitled_by, person.leaver_by, person.protected_by, person.guest, person.unclear,
            )).encode())
        digest.update(repr([(group.id, group.use.value, group.members) for group in listed]).encode())
        return cls(source, read_at, ordered, listed, digest.hexdigest(), tuple(sorted(unresolved)), clock_offset_seconds)


# ------------------------------------------------------------------------------------------------------------- Zoom


#: Zoom's ``type`` of a user, in words. 3 (on-prem) and 99 (none) are struck out in today's documents but still met.
LICENCES: Mapping[int, str] = {1: "basic", 2: "licensed", 3: "on_prem", 4: "unassigned", 99: "none"}


def licence_word(type_: int | None) -> str | None:
    """The word documents use for Zoom's numeric user type; an unknown number is shown as ``type_N``."""
    return None if type_ is None else LICENCES.get(type_, f"type_{type_}")


@dataclass(frozen=True, slots=True)
class ZoomAccount:
    """One Zoom user as one read showed him. Pending users have no id."""

    zoom_id: str | None
    email: str                                # as Zoom gave it
    status: Status
    display_name: str = ""
    role_id: str | None = None
    role: str | None = None                   # the role's name, None when its id is in no role list
    type: int | None = None                   # see LICENCES
    plan: str | None = None                   # plan_united_type: an opaque string
    licences: str | None = None               # license_info_list as canonical JSON, recorded for the evidence
    group_ids: tuple[str, ...] = ()
    department: str = ""
    last_login_at: datetime | None = None
    created_at: datetime | None = None
    room: bool = False                        # known to be a Zoom Room


@dataclass(frozen=True, slots=True)
class ZoomSnapshot:
    """Every Zoom user of the account, provably whole: three walks that tied out."""

    account_id: str
    read_at: datetime
    accounts: tuple[ZoomAccount, ...]         # sorted by (zoom_id, email), ids unique
    digest: str
    roles: Mapping[str, str] = field(default_factory=dict)       # id -> name
    groups: Mapping[str, str] = field(default_factory=dict)      # id -> name, read only when protect.groups names any
    clock_offset_seconds: float | None = None

    @classmethod
    def whole(
        cls,
        account_id: str,
        read_at: datetime,
        accounts: Iterable[ZoomAccount],
        *,
        roles: Mapping[str, str] | None = None,
        groups: Mapping[str, str] | None = None,
        clock_offset_seconds: float | None = None,
    ) -> ZoomSnapshot:
        """Builds a snapshot; the caller vouches that nothing is missing. Raises ValueError on an id given twice."""
        ordered = tuple(sorted(accounts, key=lambda account: (account.zoom_id or "", account.email)))
        digest = hashlib.sha256()
        previous = None
        for account in ordered:
            if account.zoom_id is not None and account.zoom_id == previous:
                raise ValueError(f"two Zoom accounts with the id {previous}")
            previous = account.zoom_id
            digest.update(repr((account.zoom_id, account.email, account.status.value, account.role_id, account.type,
                                account.plan, account.group_ids)).encode())
        return cls(account_id, read_at, ordered, digest.hexdigest(), dict(roles or {}), dict(groups or {}),
                   clock_offset_seconds)

    def count(self, status: Status) -> int:
        """How many accounts have this status."""
        return sum(1 for account in self.accounts if account.status is status)


# ----------------------------------------------------------------------------------------------------------- policy


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers of the guards; None means the documented default that follows the size of the account."""

    max_deactivations: int | None = None
    max_deactivations_percent: float = 5.0
    percent_floor: int = 3
    max_deactivations_per_day: int | None = None
    max_reactivations: int = 50
    sentinels: tuple[str, ...] = ()
    min_directory_people: int = 1
    max_directory_shrink_percent: float = 10.0
    max_flapping: int = 5
    max_clock_skew: timedelta = timedelta(minutes=5)
    max_failing_writes_percent: float = 20.0
    min_match_percent: float = 50.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator asked for, as far as it decides who is changed. Built from the configuration by ``app``."""

    zoom_account_id: str
    domains: tuple[str, ...]                  # exact, or "*.domain" for its subdomains; lower case
    directory: str = "{}"                     # canonical JSON of the directory section without credentials and timeouts
    domain_aliases: tuple[tuple[str, str], ...] = ()
    pilot: tuple[str, ...] = ()
    ordinary_roles: tuple[str, ...] = ("member",)
    protect_accounts: tuple[str, ...] = ()
    protect_groups: tuple[str, ...] = ()
    protect_directory_groups: tuple[str, ...] = ()
    grace: timedelta = timedelta(hours=4)
    grace_reads: int = 2
    when_disabled: bool = True
    when_expired: bool = True
    grace_for_known_leavers: timedelta = timedelta(0)
    revoke_sessions: bool = False
    reactivate: str = "ours"                  # ours | any | never
    restore_licence: bool = True
    guests: bool = True                       # Entra only: whether a guest may be entitled
    limits: Limits = field(default_factory=Limits)

    def as_json(self) -> dict[str, Any]:
        """Every field as plain JSON; the ledger keeps it so that a later policy can be compared with it."""
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}

    def digest(self) -> str:
        """Identifies this policy: equal policies have equal digests."""
        return sha256_of(self.as_json())


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Limits):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


# --------------------------------------------------------------------------------------------------- plan and guards


@dataclass(frozen=True, slots=True)
class Decision:
    """What should happen to one Zoom account, and why. *since*: first good read that showed him gone."""

    account: ZoomAccount
    action: Action
    reason: Reason
    directory_id: str | None = None
    matched_by: str | None = None             # address | memory
    group_path: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    since: datetime | None = None
    due_at: datetime | None = None
    department: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Identifies an effect: which account, which change."""
        return (self.account.zoom_id or "", self.action.value)


#: Actions that change Zoom.
EFFECTS = frozenset({Action.DEACTIVATE, Action.REACTIVATE})


@dataclass(frozen=True)
class Plan:
    """Everything one cycle would do, and why: one decision per Zoom account read. Equal inputs give an equal digest."""

    made_at: datetime
    policy_digest: str
    decisions: tuple[Decision, ...]           # in the order of the snapshot: sorted by (zoom_id, email)

    @cached_property
    def effects(self) -> tuple[Decision, ...]:
        """The decisions that ask for a change."""
        return tuple(decision for decision in self.decisions if decision.action in EFFECTS)

    @cached_property
    def counts(self) -> dict[Action, int]:
        """Control totals: their sum is the number of accounts read."""
        totals = dict.fromkeys(Action, 0)
        for decision in self.decisions:
            totals[decision.action] += 1
        return totals

    @cached_property
    def reasons(self) -> dict[Reason, int]:
        """How many decisions have each reason; reasons nobody has are left out."""
        totals: dict[Reason, int] = {}
        for decision in self.decisions:
            totals[decision.reason] = totals.get(decision.reason, 0) + 1
        return dict(sorted(totals.items()))

    @cached_property
    def digest(self) -> str:
        """Covers the effects and the policy, so that an unrelated change elsewhere does not make a review stale."""
        return sha256_of({"policy": self.policy_digest, "effects": sorted([*e.key, e.reason.value] for e in self.effects)})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one guard measured, and what to do when it tripped."""

    guard: Guard
    tripped: bool
    measured: float | int | None
    limit: float | int | None
    unit: str
    says: str
    do: str = ""


# --------------------------------------------------------------------------------------------- what the ledger keeps


@dataclass(frozen=True, slots=True)
class Draft:
    """A ledger entry before it has its place. *personal* (names, addresses) is kept beside the chain, under a salted
    hash that the ledger puts into the body as ``who``; it can be blanked later and the chain still verifies."""

    kind: str
    body: Mapping[str, Any]
    subject: str = ""                         # zoom id, approval id, …; never an address
    cycle: str = ""
    personal: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One link of the chain. *body* is the exact canonical JSON that was hashed."""

    seq: int                                  # from 1, without gaps
    at: str                                   # RFC 3339 UTC, microseconds, never earlier than the entry before
    cycle: str
    term: int                                 # leadership term of the writer; 0 for people's entries (approve, pause, …)
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
    by: str                                   # cycle | hand | undo
    type: int | None = None
    plan: str | None = None
    role_id: str | None = None
    reason: str = ""
    seen_active: bool = False                 # a later read showed it active although we did not reactivate it
    reactivated_at: datetime | None = None    # when we reactivated it since


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
    effects: frozenset[tuple[str, str]]       # (zoom_id, action) as reviewed
    by: str
    because: str
    at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Intent:
    """An effect announced in the ledger before it was tried."""

    id: str
    cycle: str
    at: datetime
    zoom_id: str
    action: str                               # deactivate | reactivate | restore_licence | revoke_sessions
    by: str                                   # cycle | hand | undo
    reason: str
    before: Mapping[str, Any]                 # status, type, plan, role_id
    approval: str = ""
    restore: Mapping[str, Any] | None = None  # licence to give back after a reactivation


# ----------------------------------------------------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True)
class EffectOutcome:
    """How one effect ended. *status_after* and *licence_after* are what a read after it showed, never what was hoped."""

    outcome: OutcomeKind
    reason: str = ""
    status_after: str | None = None
    licence_after: str | None = None
    done_at: datetime | None = None
    verified_at: datetime | None = None
    attempts: int = 0


@dataclass(frozen=True)
class CycleReport:
    """Everything a cycle document says. *outcomes* and *held* are by ``Decision.key``; both are empty in a dry run."""

    cycle_id: str
    mode: Mode
    trigger: Trigger
    result: Result
    started_at: datetime
    ended_at: datetime
    version: str
    policy_digest: str
    plan: Plan | None = None
    directory: DirectorySnapshot | None = None
    entitled: int = 0
    zoom: ZoomSnapshot | None = None
    verdicts: tuple[Verdict, ...] = ()
    outcomes: Mapping[tuple[str, str], EffectOutcome] = field(default_factory=dict)
    held: Mapping[tuple[str, str], tuple[Guard, ...]] = field(default_factory=dict)
    approvals: tuple[Approval, ...] = ()
    measures: Mapping[str, float] = field(default_factory=dict)      # what guards compare with later reads
    free_licences: int | None = None          # before a plan that reactivates, where Zoom tells
    head: Head = field(default_factory=lambda: Head(0, ""))
    why: str = ""                             # what stopped it: unreadable source, stop, fault; never an address
    do: str = ""                              # what the operator should do about it
    exit_code: int = 0
    written: int = 0                          # writes sent to Zoom
