"""What cycles read, remember and decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from syncd.ledger.entries.witness import forget_old
from syncd.ledger.entry import Entry, EntryTime, Number, Part, kind
from syncd.model import ANEW, UNSHOWN, Gone, LedgerEntry, RecordedPlan, Shown, shown_after, shown_in_step

if TYPE_CHECKING:
    from syncd.ledger.history import Growing

#: How far back the largest good read is looked for.
BASELINE_WINDOW = timedelta(days=7)

#: How long a recorded plan may be approved, and over which time deactivations add up.
DAY = timedelta(hours=24)

#: Over which time the slow drip adds up.
MONTH = timedelta(days=30)


class TrippedGuard(Part, frozen=True):
    """A guard that tripped, with what it measured."""

    guard: str
    measured: Number | None
    limit: Number | None
    unit: str


class ReadFacts(Part, frozen=True):
    """What a cycle read, measured and decided, in totals. *armed* and *policy_values*: see ``operations.cycle``."""

    mode: str
    good: bool
    source: str
    directory_digest: str
    zoom_digest: str
    accounts: int
    statuses: dict[str, int]
    active_in_scope: int
    measures: dict[str, Number]  # people, entitled, group:USE:ID, match_percent
    min_match_percent: Number
    plan: str  # digest
    policy: str  # digest
    counts: dict[str, int]  # decisions by action
    reasons: dict[str, int]
    tripped: tuple[TrippedGuard, ...]
    armed: bool | None = None  # None: not in enforcing use
    policy_values: dict[str, object] | None = None  # None: as in the entry before
    groups: dict[str, str] = msgspec.field(default_factory=dict)  # since 2: entry of the configuration -> object it means
    view: str = ""  # since 2: which copy of the directory was read
    as_of: datetime | None = None  # since 2: when what was read was written
    look: bool = False  # since 2: only some people were read again, on top of the last whole read

    def fold(self, history: Growing, time: EntryTime, cycle: str, began: datetime) -> None:
        """The policy in use, and what a good read measured, which *began* then. A look is no read to measure by."""
        if self.look:
            return
        history.policy_digest = self.policy
        history.last_good_cycle_at = time.measured
        if self.armed is not None:
            history.approvals_before = stricter(history.approvals_before, history.policy_in_use or {}) if self.armed else {}
            history.armed = self.armed
            history.policy_in_use = self.policy_values if self.policy_values is not None else history.policy_in_use
        measures = {name: float(value) for name, value in self.measures.items()}
        plan = history.plans.get(self.plan)
        if plan is not None:
            history.plans[plan.digest] = replace(plan, at=time.measured)
        if not self.good or not time.verified:  # no rule may use this read's time: it counts for nothing
            return
        history.good_reads += 1
        history.good_read, history.good_read_at, history.good_read_before = cycle, began, history.good_read_at
        if self.policy != history.good_policy:  # leavers that pile up in report mode were in step there, too
            history.good_policy = self.policy if self.armed is not None else ""
            history.good_policy_since = history.good_reads
        history.groups.update(self.groups)
        if self.view != history.view:
            history.view_since = time.measured if history.view else None
            history.view = self.view
        history.as_of, history.good_digest = self.as_of or history.as_of, self.directory_digest
        for past in (history.entitled_until, history.protected_until):
            for zoom_id in [zoom_id for zoom_id, (_, until) in past.items() if until < time.measured - BASELINE_WINDOW]:
                del past[zoom_id]
        history.active_in_scope = self.active_in_scope
        for name, value in measures.items():
            if name == "match_percent":
                if history.accepted_match_percent is not None and value >= self.min_match_percent:
                    history.accepted_match_percent = None
                continue
            _take_measure(history, name, value, time.measured)


def stricter(rules: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """What asks more of approvals, of two recorded policies (``Policy.as_json``) or what this gave before."""
    return {
        "approvals_required": max(rules.get("approvals_required", 1), others.get("approvals_required", 1)),
        "approvers": rules.get("approvers") or others.get("approvers") or [],
        "signers": rules.get("signers") or others.get("signers") or [],
    }


def _take_measure(history: Growing, name: str, value: float, at: datetime) -> None:
    kept = [pair for pair in history.measures.get(name, ()) if pair[0] >= at - BASELINE_WINDOW]
    while kept and kept[-1][1] <= value:  # a later, higher value makes an earlier, lower one irrelevant
        kept.pop()
    history.measures[name] = (*kept, (at, value))
    if name.startswith("group:") and value > 0:
        history.peopled.add(name)


@kind("cycle.read", newest=2)
class CycleRead(Entry, frozen=True):
    """What a cycle read and measured, written before its first effect."""

    read: ReadFacts

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """As what was read says."""
        self.read.fold(history, time, entry.cycle, time.measured)


@kind("cycle.ended", newest=2)
class CycleEnded(Entry, frozen=True):
    """How a cycle, a person's verb or an undo ended. *read*: of a cycle that wrote nothing before, so that a quiet one is one
    entry. *by*, *because*: of a person's verb or undo, which reads no directory."""

    mode: str
    trigger: str
    result: str
    success: bool
    started_at: datetime
    ended_at: datetime
    version: str
    policy: str
    outcomes: dict[str, int] | None = None
    by: str | None = None
    because: str | None = None
    read: ReadFacts | None = None
    look: bool = False  # since 2: of a look at some people
    looks: dict[str, int] | None = None  # since 2: looks since the last whole cycle, by result, that left no entry

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """The last cycle, and the last that went well; looks in between are none."""
        if self.look:
            return
        if self.read is not None:
            self.read.fold(history, time, entry.cycle, self.started_at)
        elif entry.cycle == history.good_read:  # now its true beginning is known
            history.good_read_at = self.started_at
        forget_old(history, time.measured)
        history.same_results = history.same_results + 1 if history.last_result == self.result else 1
        history.last_cycle, history.last_cycle_at, history.last_result = entry.cycle, time.measured, self.result
        if self.success:
            history.last_success_at = time.measured


@kind("memory", newest=2)
class Memory(Entry, frozen=True):
    """What a good read changed in the memory of pairs and of people gone, by Zoom id. One entry holds one of the fields."""

    pairs: dict[str, str] = msgspec.field(default_factory=dict)  # Zoom id -> directory id
    numbers: dict[str, str] = msgspec.field(default_factory=dict)  # directory id -> salted hash of the person's number
    entitled: tuple[str, ...] = ()  # directory ids seen entitled for the first time, with no pair to show for it
    gone: tuple[str, ...] = ()  # the first good read that shows them not entitled
    back: tuple[str, ...] = ()  # were gone: are entitled, or no longer active
    returning: tuple[str, ...] = ()  # inactive: the first good read that shows their person entitled again
    not_returning: tuple[str, ...] = ()  # were returning: not entitled, unclear or active now
    unclear: tuple[str, ...] = ()  # were gone, and this read does not count for them
    seen_active: tuple[str, ...] = ()  # deactivated by us, shown active, not by our doing
    vanished: tuple[str, ...] = ()  # not in the list: grace and last decision are forgotten
    at: datetime | None = None  # when the read began

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Pairs stay when an account vanishes: missing in one list is no proof that it is no more."""
        since = self.at or time.measured
        self._fold_who_is_who(history)
        for zoom_id in self.returning:
            history.returning[zoom_id] = Gone(since, history.good_reads)
        for zoom_id in self.not_returning:
            history.returning.pop(zoom_id, None)
        for zoom_id in self.gone if time.verified else ():  # a grace must not begin at a time nobody vouches for
            history.gone[zoom_id] = Gone(since, history.good_reads)
        for zoom_id in self.back:
            history.gone.pop(zoom_id, None)
        for zoom_id in self.unclear:
            if zoom_id in history.gone:
                history.gone[zoom_id] = replace(history.gone[zoom_id], read=history.gone[zoom_id].read + 1)
        for zoom_id in self.seen_active:
            if zoom_id in history.deactivated:
                history.deactivated[zoom_id] = replace(history.deactivated[zoom_id], seen_active=True)
                history.shown[zoom_id] = Shown(again_at=since)
        for zoom_id in self.vanished:
            history.gone.pop(zoom_id, None)
            history.returning.pop(zoom_id, None)
            history.decided.pop(zoom_id, None)
            history.out_of_step.pop(zoom_id, None)
            history.shown.pop(zoom_id, None)
            history.manual.discard(zoom_id)

    def _fold_who_is_who(self, history: Growing) -> None:
        if self.pairs:  # looked at only then: a container is copied when it is
            history.pairs.update(self.pairs)
        if self.numbers:
            history.numbers.update(self.numbers)
        if self.entitled:
            history.entitled.update(self.entitled)


@kind("decision")
class DecisionMade(Entry, frozen=True):
    """A decision that differs from the last one recorded for this account."""

    action: str
    reason: str
    status: str
    role: str | None = None
    licence: str | None = None
    directory_id: str | None = None
    matched_by: str | None = None
    group_path: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    since: datetime | None = None
    due_at: datetime | None = None
    changed_at: datetime | None = None  # when the directory says its person was changed last

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Known by its fingerprint. Which good read showed an account in step last: the one this comes from is counted."""
        self._shown(history, entry)
        if self.reason == "in_step" and self.status == "active":
            history.out_of_step.pop(entry.subject, None)
        elif entry.subject not in history.out_of_step:
            history.out_of_step[entry.subject] = history.good_reads - 1 if entry.subject in history.decided else 0
        history.decided[entry.subject] = self.fingerprint
        self._belongs(history, entry.subject, time)
        (history.manual.add if self.action == "manual" else history.manual.discard)(entry.subject)

    def _shown(self, history: Growing, entry: LedgerEntry) -> None:
        """What was shown of who is leaving. A look comes after the newest good read, any other decision is part of it."""
        known = history.shown.get(entry.subject, ANEW) if entry.subject in history.decided else UNSHOWN
        if entry.subject in history.decided and entry.subject not in history.out_of_step:
            until = history.good_read_before if entry.cycle == history.good_read else history.good_read_at
            known = shown_in_step(known, until)
        shown = shown_after(known, self.reason, self.status, self.since, self.changed_at)
        if shown is not None:
            history.shown[entry.subject] = shown
        else:
            history.shown.pop(entry.subject, None)

    def _belongs(self, history: Growing, zoom_id: str, time: EntryTime) -> None:
        """By which group somebody is entitled or protected, and until when they were."""
        entitled = self.group_path[0] if self.reason == "in_step" and self.status == "active" and self.group_path else ""
        protected = self.group_path[0] if "exempt_directory_group" in self.notes and self.group_path else ""
        for now, present, past in (
            (entitled, history.entitled_through, history.entitled_until),
            (protected, history.protected_through, history.protected_until),
        ):
            if now:
                present[zoom_id] = now
                past.pop(zoom_id, None)
            elif zoom_id in present:
                past[zoom_id] = (present.pop(zoom_id), time.measured)

    @property
    def fingerprint(self) -> str:
        """Equal means unchanged. Neither what lies beside the chain nor ``changed_at`` is a difference."""
        own = msgspec.structs.replace(self, v=1, who="", measured_at=None, clock_unverified=False, changed_at=None)
        return sha256(msgspec.json.encode(own)).hexdigest()[:16]


@kind("plan", newest=2)
class PlanMade(Entry, frozen=True):
    """The effects of a plan not seen before, so that somebody can approve or undo exactly them; by tripped read guard the
    values that approving it accepts. *measures*: of 0.1.0."""

    digest: str
    policy: str
    effects: tuple[tuple[str, str, str], ...]  # Zoom id, action, reason
    measures: dict[str, Number] | None = None
    on_the_way: tuple[str, ...] = ()  # since 2: Zoom ids within the grace or unclear when it was first made
    accepts: dict[str, dict[str, Number | str]] = msgspec.field(default_factory=dict)
    held_by: tuple[str, ...] = ()  # guards that tripped when it was first made

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """May be approved for a day."""
        at = time.measured
        for digest in [digest for digest, plan in history.plans.items() if plan.at < at - DAY]:
            del history.plans[digest]
        history.plans[self.digest] = RecordedPlan(
            self.digest, self.policy, self.effects, at, self.accepts, self.on_the_way, self.held_by
        )
