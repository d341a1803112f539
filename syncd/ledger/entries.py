"""The kinds of ledger entry: for each what it says, and what that changes in the read model. All times are aware UTC.

To add a kind, add one class here: ``@kind("name")``, its fields, and ``fold`` if it changes what the ledger says so far
(none: it is evidence). ``record.py`` makes drafts of domain values. To say more in a kind that exists, add a field with a
default and raise ``newest`` in its decorator: older bodies still read, and an older program refuses the newer ones in words
instead of passing over what it does not know. A field is never taken away and never changes its meaning.

Fields that hold words (actions, reasons, statuses) are text: a word that is no longer used stays readable. Nothing personal
stands here: names and addresses lie beside the chain, under ``who``.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from syncd.ledger.entry import Entry, EntryTime, Part, kind
from syncd.model import Approval, Deactivated, Gone, Guard, Hold, Intent, LedgerEntry, RecordedPlan, Refusal

if TYPE_CHECKING:
    from syncd.ledger.history import Growing

#: How far back the largest good read is looked for.
BASELINE_WINDOW = timedelta(days=7)

#: How long a recorded plan may be approved, and over which time deactivations add up.
DAY = timedelta(hours=24)

Number = float | int


# --------------------------------------------------------------------------------------------------- the ledger itself


@kind("ledger.opened")
class LedgerOpened(Entry, frozen=True):
    """The first entry: binds the ledger to one Zoom account and one directory."""

    format: str
    ledger_id: str
    zoom_account: str
    directory: str

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Bound from here on."""
        history.ledger_id, history.zoom_account, history.directory = self.ledger_id, self.zoom_account, self.directory


@kind("head.signed")
class HeadSigned(Entry, frozen=True):
    """Somebody with the key of this id saw the chain end at the entry right before this one."""

    sequence: int
    hash: str
    key: str
    signature: str


@kind("report")
class ReportWritten(Entry, frozen=True):
    """A report file was written: its name and hash, so that a swapped file shows."""

    file: str
    sha256: str


@kind("report.removed")
class ReportsRemoved(Entry, frozen=True):
    """Report files that became too old were removed; their names and hashes stay in the ledger."""

    files: tuple[str, ...]
    written_before: datetime


# -------------------------------------------------------------------------------------------------------------- cycles


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
    measures: dict[str, Number]               # people, entitled, group:USE:ID, match_percent
    min_match_percent: Number
    plan: str                                 # digest
    policy: str                               # digest
    counts: dict[str, int]                    # decisions by action
    reasons: dict[str, int]
    tripped: tuple[TrippedGuard, ...]
    armed: bool | None = None                 # None: not in enforcing use
    policy_values: dict[str, Any] | None = None      # None: as in the entry before

    def fold(self, history: Growing, time: EntryTime) -> None:
        """The policy in use, and what a good read measured."""
        history.policy_digest = self.policy
        if self.armed is not None:
            history.armed = self.armed
            history.policy_in_use = self.policy_values if self.policy_values is not None else history.policy_in_use
        measures = {name: float(value) for name, value in self.measures.items()}
        plan = history.plans.get(self.plan)
        if plan is not None:
            history.plans[plan.digest] = replace(plan, at=time.measured, measures=measures)
        if not self.good or not time.verified:            # no rule may use this read's time: it counts for nothing
            return
        history.good_reads += 1
        history.active_in_scope = self.active_in_scope
        for name, value in measures.items():
            if name == "match_percent":
                if history.accepted_match_percent is not None and value >= self.min_match_percent:
                    history.accepted_match_percent = None
                continue
            _take_measure(history, name, value, time.measured)


def _take_measure(history: Growing, name: str, value: float, at: datetime) -> None:
    kept = [pair for pair in history.measures.get(name, ()) if pair[0] >= at - BASELINE_WINDOW]
    while kept and kept[-1][1] <= value:                  # a later, higher value makes an earlier, lower one irrelevant
        kept.pop()
    history.measures[name] = (*kept, (at, value))
    if name.startswith("group:") and value > 0:
        history.peopled.add(name)


@kind("cycle.read")
class CycleRead(Entry, frozen=True):
    """What a cycle read and measured, written before its first effect."""

    read: ReadFacts

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """As what was read says."""
        self.read.fold(history, time)


@kind("cycle.ended")
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

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """The last cycle, and the last that went well."""
        if self.read is not None:
            self.read.fold(history, time)
        history.last_cycle, history.last_cycle_at, history.last_result = entry.cycle, time.measured, self.result
        if self.success:
            history.last_success_at = time.measured


@kind("memory")
class Memory(Entry, frozen=True):
    """What a good read changed in the memory of pairs and of people gone, by Zoom id. One entry holds one of the fields."""

    pairs: dict[str, str] = msgspec.field(default_factory=dict)       # Zoom id -> directory id
    gone: tuple[str, ...] = ()                # the first good read that shows them not entitled
    back: tuple[str, ...] = ()                # were gone: are entitled, or no longer active
    unclear: tuple[str, ...] = ()             # were gone, and this read does not count for them
    seen_active: tuple[str, ...] = ()         # deactivated by us, shown active, not by our doing
    vanished: tuple[str, ...] = ()            # not in the list: grace and last decision are forgotten
    at: datetime | None = None                # when the read began

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Pairs stay when an account vanishes: missing in one list is no proof that it is no more."""
        since = self.at or time.measured
        if self.pairs:
            history.pairs.update(self.pairs)
        for zoom_id in self.gone if time.verified else ():        # a grace must not begin at a time nobody vouches for
            history.gone[zoom_id] = Gone(since, history.good_reads)
        for zoom_id in self.back:
            history.gone.pop(zoom_id, None)
        for zoom_id in self.unclear:
            if zoom_id in history.gone:
                history.gone[zoom_id] = replace(history.gone[zoom_id], read=history.gone[zoom_id].read + 1)
        for zoom_id in self.seen_active:
            if zoom_id in history.deactivated:
                history.deactivated[zoom_id] = replace(history.deactivated[zoom_id], seen_active=True)
        for zoom_id in self.vanished:
            history.gone.pop(zoom_id, None)
            history.decided.pop(zoom_id, None)


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
    changed_at: datetime | None = None        # when the directory says its person was changed last

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Known by its fingerprint."""
        history.decided[entry.subject] = self.fingerprint

    @property
    def fingerprint(self) -> str:
        """Equal means unchanged. Neither what lies beside the chain nor ``changed_at`` is a difference."""
        own = msgspec.structs.replace(self, v=1, who="", measured_at=None, clock_unverified=False, changed_at=None)
        return sha256(msgspec.json.encode(own)).hexdigest()[:16]


@kind("plan")
class PlanMade(Entry, frozen=True):
    """The effects of a plan not seen before, so that somebody can approve or undo exactly them. *measures*: what the read
    behind it measured, when no entry about that read follows."""

    digest: str
    policy: str
    effects: tuple[tuple[str, str, str], ...]             # Zoom id, action, reason
    measures: dict[str, Number] | None = None

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """May be approved for a day."""
        at = time.measured
        for digest in [digest for digest, plan in history.plans.items() if plan.at < at - DAY]:
            del history.plans[digest]
        measures = {name: float(value) for name, value in (self.measures or {}).items()}
        history.plans[self.digest] = RecordedPlan(self.digest, self.policy, self.effects, at, measures)


# ------------------------------------------------------------------------------------------------------------- effects


@kind("intent")
class IntentAnnounced(Entry, frozen=True):
    """An effect about to be tried: written, durably, before the request leaves. The subject is the account's Zoom id."""

    id: str
    action: str
    by: str                                   # cycle | hand | undo
    reason: str
    before: dict[str, Any]                    # what the account had: see ``record.before_of``
    approval: str
    restore: dict[str, Any] | None

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Open until its outcome."""
        history.intents[self.id] = Intent(self.id, entry.cycle, time.measured, entry.subject, self.action, self.by, self.reason,
                                          self.before, self.approval, self.restore)


class RefusalSaid(Part, frozen=True):
    """A refusal for good."""

    code: int | None
    says: str
    fingerprint: str


@kind("outcome")
class OutcomeSettled(Entry, frozen=True):
    """How an announced effect ended. *status_after*, *licence_after*: what a read after it showed."""

    intent: str
    action: str
    outcome: str
    reason: str
    status_after: str | None
    licence_after: str | None
    done_at: datetime | None
    verified_at: datetime | None
    attempts: int
    refusal: RefusalSaid | None = None

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """The intent is settled; what was done is remembered as ours."""
        intent = history.intents.pop(self.intent, None)
        if intent is None:
            return
        effect = (intent.zoom_id, intent.action)
        if self.refusal is not None:
            history.refusals[effect] = Refusal(time.measured, self.refusal.code, self.refusal.says, self.refusal.fingerprint)
        if self.outcome != "done":
            return
        done_at = self.done_at or time.measured
        history.refusals.pop(effect, None)
        if intent.approval:                   # reviewed more than once, for several guards: used up in each of them
            history.used.update((id_, *effect) for id_, one in history.approvals.items() if effect in one.effects)
        history.done[intent.id] = (intent, self.licence_after or "")
        if intent.action == "deactivate":
            before = intent.before
            history.deactivated[intent.zoom_id] = Deactivated(
                done_at, intent.cycle, intent.by, before.get("type"), before.get("plan"), before.get("role_id"), intent.reason)
            if intent.by == "cycle":
                history.deactivations = (
                    *(one for one in history.deactivations if one[0] >= time.measured - DAY), (done_at, bool(intent.approval)))
        elif intent.action == "reactivate" and intent.zoom_id in history.deactivated:
            history.deactivated[intent.zoom_id] = replace(history.deactivated[intent.zoom_id], reactivated_at=done_at)


# -------------------------------------------------------------------------------------------------------------- people


@kind("approval")
class ApprovalGiven(Entry, frozen=True):
    """Somebody lets a plan pass. The subject is the approval's id. *accepts*: measured values that become baselines."""

    plan: str
    policy: str
    guards: tuple[Guard, ...]
    effects: tuple[tuple[str, str], ...]      # Zoom id, action
    by: str
    because: str
    expires_at: datetime
    accepts: dict[str, Number]

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Stands until it expires."""
        at = time.measured
        for id_ in [id_ for id_, one in history.approvals.items() if one.expires_at < at]:
            del history.approvals[id_]
        history.used = {use for use in history.used if use[0] in history.approvals}
        history.approvals[entry.subject] = Approval(entry.subject, self.plan, self.policy, self.guards, frozenset(self.effects),
                                                    self.by, self.because, at, self.expires_at)
        for name, value in self.accepts.items():
            if name == "match_percent":
                history.accepted_match_percent = float(value)
            elif name.startswith("emptied:"):
                history.peopled.discard(name.removeprefix("emptied:"))
            else:
                history.measures[name] = ((at, float(value)),)


@kind("hold")
class HoldPlaced(Entry, frozen=True):
    """An account is to be left alone, until a time or until released. The subject is its Zoom id."""

    by: str
    because: str
    until: datetime | None

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """The latest one counts."""
        history.holds[entry.subject] = Hold(self.by, self.because, time.measured, self.until)


@kind("release")
class HoldReleased(Entry, frozen=True):
    """A hold ends."""

    by: str
    because: str

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Gone."""
        history.holds.pop(entry.subject, None)


@kind("pause")
class ChangesPaused(Entry, frozen=True):
    """All changes stop until resumed."""

    by: str
    because: str

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """Pauses do not stack: the first counts from when it began, the last says why."""
        if history.paused_since is None:
            history.paused_since = time.measured
        history.paused_by, history.paused_because = self.by, self.because


@kind("resume")
class ChangesResumed(Entry, frozen=True):
    """Changes may go on."""

    by: str
    because: str

    def fold(self, history: Growing, entry: LedgerEntry, time: EntryTime) -> None:
        """One ends them all."""
        history.paused_since, history.paused_by, history.paused_because = None, "", ""


@kind("undo")
class CycleUndone(Entry, frozen=True):
    """Somebody puts back what a cycle changed."""

    of: str
    by: str
    because: str
