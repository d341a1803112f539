"""What the ledger shows for a period: everybody who left, when they lost access, and what an auditor asks beside it.

A pure fold: entries in their order go in (``Period.take``), plain JSON values come out (``Period.document``, format
``syncd.period/1``). There is no "now" in it: what is known ends with the ledger's last entry, so the same ledger and the
same settings always give the same document. Names are not in the chain; the caller resolves ``Period.references``.

Whoever left within the period, or was on the way out when it began, is told to the end of the ledger, beyond the period
too: the deactivation may lie in the next month.

From when on it is counted how long somebody kept access is the rule of ``model.offboarding`` (``measured_from`` says which).

More than 400 lines: one fold takes every kind of entry that a period tells, and its parts share what is known so far; what
stands for itself (overrides, missing, in_force, offboarding, witnesses) lies beside it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from syncd.evidence.comparing import Known, OtherLeavers, compared
from syncd.evidence.handing_over import HandoversOfPeriod, story_of
from syncd.evidence.in_force import InForce
from syncd.evidence.lockout import lockout_of
from syncd.evidence.missing import LOST, Missing
from syncd.evidence.offboarding import OffboardingCase, Story, Told, build_row
from syncd.evidence.overrides import Overrides, said_by_person
from syncd.evidence.witnesses import SeenByOthers, totals_of
from syncd.ledger import entries
from syncd.ledger.entry import Entry, from_rfc3339, rfc3339
from syncd.ledger.entry import read as read_entry
from syncd.model import ANEW, UNSHOWN, LedgerEntry, OutcomeKind, Shown, shown_after, shown_in_step
from syncd.operations.schedule import Schedule
from syncd.planning.policy_change import Change, changes_between

#: A line of the document: of somebody who left, or of an account that was kept.
Row = TypeVar("Row", bound=Mapping[str, object])

FORMAT = "syncd.period/1"

DAY = timedelta(days=1)

#: States of leavers who can still log in, as far as the ledger knows.
STILL_ACCESS = frozenset({"due", "within_grace", "manual", "on_hold", "exempt", "not_in_pilot", "left_alone", "put_back"})

#: Reasons that keep an account whatever becomes of its person.
_EXCEPTED = frozenset({"exempt", "on_hold"})

#: Reasons for which an account that is off stays so although its person is entitled.
_OFF_AND_ENTITLED = frozenset(
    {"deactivated_by_others", "deactivated_by_hand", "reactivation_off", "returning", "entitled_again", "ambiguous_match"}
)

#: A cycle itself takes time, and a machine may be late: only beyond this is a missing cycle called missing.
LATE_ENOUGH = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know: whole days of a time zone, the *last* one included. *promise*, *schedule*: for times before
    the ledger recorded what was in force; where it did, that counts."""

    first: date
    last: date
    promise: timedelta
    schedule: Schedule
    timezone: str = "UTC"
    others: OtherLeavers | None = None  # leavers of another system, to be held beside ours

    @property
    def start(self) -> datetime:
        """The period's first moment."""
        return self._midnight(self.first)

    @property
    def end(self) -> datetime:
        """The first moment after the period."""
        return self._midnight(self.last + DAY)

    def day_of(self, at: datetime) -> date:
        """The day of a moment where the company is."""
        return at.astimezone(ZoneInfo(self.timezone)).date()

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.timezone)).astimezone(UTC)

    def holds(self, at: datetime) -> bool:
        """Whether a moment lies in the period."""
        return self.start <= at < self.end


@dataclass(slots=True)
class _Cycle:
    """One cycle while its entries are read."""

    id: str
    at: datetime
    read: entries.ReadFacts | None = None


@dataclass(slots=True)
class _Stretch:
    """Consecutive cycles held by the same guards."""

    guards: tuple[str, ...]
    first: datetime
    last: datetime
    cycles: int = 1
    tripped: Sequence[entries.TrippedGuard] = ()


@dataclass(slots=True)
class _Kept:
    """An active account while an exemption or a hold keeps it, whoever left. *hold*: its entry, and what it says."""

    zoom_id: str
    reason: str
    since: datetime
    entry: int
    decision: entries.DecisionMade
    hold: tuple[int, entries.HoldPlaced] | None
    until: datetime | None = None
    nobody_since: datetime | None = None  # when a read first showed nobody with this address


@dataclass(slots=True)
class _Ended:
    """A cycle that ended."""

    id: str
    started: datetime
    ended: datetime
    result: str
    success: bool
    guards: tuple[str, ...]
    mode: str = ""


@dataclass
class Period:
    """Takes the whole ledger, in order, and tells the period. *sampling*: accounts that were kept are to be named, too."""

    asked: Asked
    sampling: bool = False
    _ledger: dict[str, object] = field(default_factory=dict)
    _first_at: datetime | None = None
    _last_at: datetime | None = None
    _head: tuple[int, str] = (0, "")
    _entries: int = 0
    _cycle: _Cycle | None = None
    _good_read: datetime | None = None  # when the newest good read began
    _good_before: datetime | None = None  # and the one before it
    _good_cycle: str = ""
    _decided: dict[str, entries.DecisionMade] = field(default_factory=dict)  # zoom id -> the last decision
    _shown: dict[str, Shown] = field(default_factory=dict)  # zoom id -> what was shown of who is out of step
    _before: dict[str, entries.DecisionMade] = field(default_factory=dict)  # zoom id -> the one before "deactivate"
    _at_the_end: dict[str, tuple[int, datetime, entries.DecisionMade]] = field(default_factory=dict)  # of the period
    _kept: dict[str, _Kept] = field(default_factory=dict)  # by Zoom id, those that last until now
    _kept_before: list[_Kept] = field(default_factory=list)
    _holds: dict[str, tuple[int, entries.HoldPlaced]] = field(default_factory=dict)
    #: See ``_left_while_off``.
    _off: dict[str, tuple[LedgerEntry, entries.DecisionMade, entries.DecisionMade]] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)  # zoom ids of people whom reads show not entitled
    _open: dict[str, OffboardingCase] = field(default_factory=dict)
    _latest: dict[str, OffboardingCase] = field(default_factory=dict)
    _offboardings: list[OffboardingCase] = field(default_factory=list)
    _intents: dict[str, tuple[str, datetime]] = field(default_factory=dict)  # open ones: id -> (zoom id, at)
    _approvals: dict[str, dict[str, Any]] = field(default_factory=dict)
    _used: Counter[str] = field(default_factory=Counter)
    _overrides: Overrides = field(default_factory=Overrides)
    _missing: Missing = field(default_factory=Missing)
    _asked_by: dict[str, dict[str, object]] = field(default_factory=dict)  # hand cycle -> by, because
    _changes: list[dict[str, object]] = field(default_factory=list)
    _values: dict[str, object] | None = None
    _digest: str = ""
    _mode: str = ""
    _version: str = ""
    _ended: list[_Ended] = field(default_factory=list)
    _paused: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    _stretches: list[_Stretch] = field(default_factory=list)
    _days: dict[date, dict[str, int]] = field(default_factory=dict)
    _counted: Counter[str] = field(default_factory=Counter)
    _unbalanced: list[str] = field(default_factory=list)
    _reads: int = 0
    _seen_by_others: SeenByOthers = field(default_factory=SeenByOthers)
    _handovers: HandoversOfPeriod = field(default_factory=HandoversOfPeriod)
    _after_made: int = 0  # entries about reports of periods since the last other one
    _reviews: list[dict[str, Any]] = field(default_factory=list)
    _in_force: InForce = field(init=False)

    def __post_init__(self) -> None:
        self._in_force = InForce(self.asked.promise, self.asked.schedule)

    # -------------------------------------------------------------------------------------------------------- the fold

    def take(self, entry: LedgerEntry) -> None:
        """Takes one more entry. Raises LedgerError for one that this program does not understand."""
        says = read_entry(entry)
        at = says.time(entry).measured
        self._first_at = self._first_at or at
        # Reports that were made of the ledger are no part of what it tells: the next report says the same.
        made = isinstance(says, entries.ReportWritten) and says.making is not None
        self._after_made += made or (self._after_made > 0 and isinstance(says, entries.HeadSigned))
        if made or (self._after_made and isinstance(says, entries.HeadSigned)):
            return
        self._entries, self._after_made = self._entries + 1 + self._after_made, 0
        self._head, self._last_at = (entry.seq, entry.hash), at
        self._seen_by_others.take(entry, says, at)
        self._handovers.take(entry, says, at)
        self._missing.take(entry, says, at)
        self._take_word(entry, says, at)
        self._heard(entry, says, at)

    def _heard(self, entry: LedgerEntry, says: Entry, at: datetime) -> None:
        match says:
            case entries.DecisionMade():
                self._take_decision(entry, says, at)
            case entries.IntentAnnounced():
                self._take_intent(entry, says, at)
            case entries.OutcomeSettled():
                self._take_outcome(entry, says, at)
            case entries.Memory():
                self._take_memory(entry, says, at)
            case entries.CycleEnded():
                self._take_cycle_ended(entry, says, at)
            case entries.CycleRead():
                self._take_cycle_read(entry, says, at)
            case _:
                self._take_by_person(entry, says, at)

    def _take_by_person(self, entry: LedgerEntry, says: Entry, at: datetime) -> None:
        match says:
            case entries.ApprovalGiven():
                self._take_approval(entry, says, at)
            case entries.HoldPlaced():
                self._take_hold(entry, says, at)
            case entries.ChangesPaused():
                self._take_pause(entry, says, at)
            case entries.ChangesResumed():
                self._take_resume(entry, says, at)
            case entries.LedgerOpened():
                self._take_ledger_opened(entry, says, at)
            case entries.PolicyInForce():
                self._take_in_force(entry, says, at)
            case entries.CycleReviewed():
                self._reviews.append(
                    {"at": text(at), "of": says.of, "by": says.by, "note": says.note or None, "entry": entry.seq}
                )
            case entries.InventoryTaken() | entries.HandoverAnnounced() | entries.HandoverSettled() | entries.AccessChanged():
                self._take_handover(entry, says, at)
            case _:
                pass  # no part of a period

    def _take_handover(self, entry: LedgerEntry, says: Entry, at: datetime) -> None:
        if isinstance(says, entries.HandoverAnnounced):
            self._used.update(says.approvals)
        offboarding, told = self._latest.get(entry.subject), story_of(says)
        if offboarding is not None and told is not None:
            offboarding.note(entry, at, told)

    def _take_in_force(self, entry: LedgerEntry, says: entries.PolicyInForce, at: datetime) -> None:
        before = self._in_force.records[-1].values if self._in_force.records else None
        self._in_force.take(entry.seq, says)
        if before is not None:
            self._changed(entry, at, changes_between(before, says.values))

    def _take_ledger_opened(self, entry: LedgerEntry, says: entries.LedgerOpened, at: datetime) -> None:
        self._ledger = {"ledger_id": says.ledger_id, "zoom_account": says.zoom_account, "directory": says.directory}

    def _take_cycle_read(self, entry: LedgerEntry, says: entries.CycleRead, at: datetime) -> None:
        self._cycle = _Cycle(entry.cycle, at, says.read)
        self._take_read(entry, says.read, at)

    def _take_cycle_ended(self, entry: LedgerEntry, says: entries.CycleEnded, at: datetime) -> None:
        started, read = says.started_at, says.read
        if read is not None:
            self._take_read(entry, read, started)
        elif self._cycle is not None and self._cycle.id == entry.cycle:
            read = self._cycle.read
            if self._good_cycle == entry.cycle:  # now its true beginning is known
                self._good_read = started
        self._cycle = None
        if says.because is not None:  # a hand verb or undo: it reads no directory, so it is no cycle
            self._asked_by[entry.cycle] = {"by": says.by, "because": says.because}
            return
        if says.look:  # nor is a look: it proves nothing about everybody else
            self._counted["looks"] += self.asked.holds(started)
            return
        if read is not None and read.good:
            self._begin_while_off(started)
        guards = tuple(sorted(one.guard for one in read.tripped)) if read is not None else ()
        self._ended.append(_Ended(entry.cycle, started, at, says.result, says.success, guards, says.mode))
        if self.asked.holds(started):
            self._counted["cycles"] += 1
            self._counted["result:" + says.result] += 1
            self._counted["mode:" + says.mode] += 1
            self._day(started)["cycles"] += 1
            self._day(started)["good"] += says.success
            self._day(started)["report_mode"] += says.mode == "report"
        for name, was, now in (("mode", self._mode, says.mode), ("version", self._version, says.version)):
            if was and was != now:
                self._changed(entry, at, [Change(name, was, now)])
        self._mode, self._version = says.mode, says.version

    def _take_read(self, entry: LedgerEntry, read: entries.ReadFacts, at: datetime) -> None:
        if read.look:
            return
        if read.good:
            self._good_before, self._good_read, self._good_cycle = self._good_read, at, entry.cycle
        self._take_policy(entry, read, at)
        self._take_guards(read, at)
        if not self.asked.holds(at):
            return
        self._reads += 1
        if sum(read.counts.values()) != read.accounts or sum(read.statuses.values()) != read.accounts:
            self._unbalanced.append(entry.cycle)
        self._day(at).update(read.statuses)
        self._counted["accounts"] = read.accounts

    def _take_policy(self, entry: LedgerEntry, read: entries.ReadFacts, at: datetime) -> None:
        values = read.policy_values
        if values is not None:
            if self._values is not None and values != self._values:
                self._changed(entry, at, changes_between(self._values, values), self._digest, read.policy)
            self._values = values
        self._digest = read.policy

    def _changed(self, entry: LedgerEntry, at: datetime, changes: list[Change], was: str = "", now: str = "") -> None:
        if self.asked.holds(at):
            self._changes += [
                {
                    "at": text(at),
                    "key": one.key,
                    "before": one.before,
                    "after": one.after,
                    "digest_before": was or None,
                    "digest_after": now or None,
                    "cycle": entry.cycle,
                    "entry": entry.seq,
                }
                for one in changes
            ]

    def _take_guards(self, read: entries.ReadFacts, at: datetime) -> None:
        guards = tuple(sorted(one.guard for one in read.tripped))
        last = self._stretches[-1] if self._stretches else None
        if last is not None and last.guards == guards:
            last.last, last.cycles = at, last.cycles + 1
        else:
            self._stretches.append(_Stretch(guards, at, at, 1, read.tripped))

    def _take_memory(self, entry: LedgerEntry, says: entries.Memory, at: datetime) -> None:
        seen = says.at or at
        self._gone = (self._gone | set(says.gone)) - set(says.back) - set(says.vanished)
        for zoom_id in says.gone:
            if zoom_id not in self._open:
                self._begin(entry, zoom_id, seen, at, "the first good read that shows this account's person not entitled")
        for zoom_id in says.back:
            offboarding = self._open.pop(zoom_id, None)
            if offboarding is not None:
                offboarding.back(seen, entry)
        for zoom_id in says.seen_active:
            self._brought_back(entry, zoom_id, seen)
        for zoom_id in says.vanished:
            offboarding = self._open.pop(zoom_id, None)
            if offboarding is not None:
                offboarding.vanished(seen, entry)
            self._decided.pop(zoom_id, None)
            self._shown.pop(zoom_id, None)
            self._off.pop(zoom_id, None)
            if at < self.asked.end:
                self._at_the_end.pop(zoom_id, None)
            self._no_longer_kept(zoom_id, seen)

    def _begin(self, entry: LedgerEntry, zoom_id: str, seen: datetime | None, at: datetime, says: str) -> OffboardingCase:
        before = self._decided.get(zoom_id)
        shown = self._last_shown(zoom_id, entry.cycle) if seen is not None else UNSHOWN
        offboarding = OffboardingCase(zoom_id, entry.seq, seen, shown, before)
        offboarding.note(entry, seen or at, says)
        self._open[zoom_id] = self._latest[zoom_id] = offboarding
        self._offboardings.append(offboarding)
        return offboarding

    def _seen_by_watch(self, entry: LedgerEntry, says: entries.IntentAnnounced, at: datetime) -> OffboardingCase | None:
        """The story of somebody whom a look saw leaving, between two reads: it begins with the look, and the newest good read
        before showed them entitled if that was the last word about them. None: it was no look."""
        decision = self._decided.get(entry.subject)
        read = self._cycle.read if self._cycle is not None and self._cycle.id == entry.cycle else None
        if says.by != "cycle" or read is None or not read.look or decision is None or decision.since is None:
            return None
        offboarding = OffboardingCase(
            entry.subject,
            entry.seq,
            decision.since,
            self._last_shown(entry.subject, entry.cycle),
            self._before.get(entry.subject),
            decision=decision,
            decided_at=at,
        )
        offboarding.note(entry, decision.since, "seen leaving by the watch")
        self._open[entry.subject] = self._latest[entry.subject] = offboarding
        self._offboardings.append(offboarding)
        return offboarding

    def _last_shown(self, zoom_id: str, cycle: str) -> Shown:
        """What was shown of an account before *cycle*. A look comes after the newest good read, any other is that read."""
        last, known = self._decided.get(zoom_id), self._shown.get(zoom_id)
        if last is not None and (last.reason, last.status) == ("in_step", "active"):
            return shown_in_step(known, self._good_before if cycle == self._good_cycle else self._good_read)
        return known or (ANEW if last is not None else UNSHOWN)

    def _brought_back(self, entry: LedgerEntry, zoom_id: str, seen: datetime) -> None:
        """Deactivated by us, and active again by somebody else's doing. Not entitled: they are leaving once more. Entitled: what
        somebody asked of us by hand is over."""
        says, open_ = "found active again, which syncd did not do", self._open.get(zoom_id)
        self._shown[zoom_id] = again = Shown(again_at=seen)
        if open_ is not None and open_.locked_out and zoom_id in self._gone:
            self._begin(entry, zoom_id, seen, seen, says)
            return
        if open_ is not None and open_.locked_out:
            del self._open[zoom_id]
        elif open_ is not None:  # the same read shows them gone
            open_.shown = again
        if zoom_id in self._latest:
            self._latest[zoom_id].note(entry, seen, says)

    def _take_decision(self, entry: LedgerEntry, says: entries.DecisionMade, at: datetime) -> None:
        before = self._decided.get(entry.subject)
        if before is not None and says.action == "deactivate" != before.action:
            self._before[entry.subject] = before
        shown = self._last_shown(entry.subject, entry.cycle)
        after = shown_after(shown, says.reason, says.status, says.since, says.changed_at)
        self._shown.pop(entry.subject, None)
        if after is not None:
            self._shown[entry.subject] = after
        self._decided[entry.subject] = says
        if at < self.asked.end:
            self._at_the_end[entry.subject] = (entry.seq, at, says)
        if entry.subject in self._kept or says.reason in _EXCEPTED:
            self._take_kept(entry, says, at)
        offboarding = self._open.get(entry.subject)
        latest = self._latest.get(entry.subject)
        self._off.pop(entry.subject, None)
        if offboarding is None and before is not None and _left_while_off(says, before):
            self._off[entry.subject] = (entry, says, before)
        elif offboarding is not None:
            offboarding.decided(says, at, entry)
        elif latest is not None and latest.back_in == entry.cycle:  # the same read says why they are no longer leaving
            latest.explained(says, at, entry)

    def _begin_while_off(self, seen: datetime) -> None:
        """A good read shows it. Their story is over as it begins: whoever switched the account off, syncd did not."""
        for zoom_id, (entry, says, before) in self._off.items():
            entitled = self._good_before if before.status == "active" else None
            offboarding = OffboardingCase(zoom_id, entry.seq, seen, Shown(entitled), before, decision=says)
            offboarding.back(seen, entry)
            offboarding.explained(says, seen, entry)
            self._latest[zoom_id] = offboarding
            self._offboardings.append(offboarding)
        self._off.clear()

    def _take_kept(self, entry: LedgerEntry, says: entries.DecisionMade, at: datetime) -> None:
        kept, reason = self._kept.get(entry.subject), says.reason
        if kept is not None and kept.reason == reason and says.status == "active":
            kept.decision = says
            kept.nobody_since = (kept.nobody_since or at) if says.directory_id is None else None
            return
        self._no_longer_kept(entry.subject, at)
        if reason in _EXCEPTED and says.status == "active":
            hold = self._holds.get(entry.subject) if reason == "on_hold" else None
            nobody_since = at if says.directory_id is None else None
            self._kept[entry.subject] = _Kept(entry.subject, reason, at, entry.seq, says, hold, nobody_since=nobody_since)

    def _no_longer_kept(self, zoom_id: str, at: datetime) -> None:
        kept = self._kept.pop(zoom_id, None)
        if kept is not None:
            kept.until = at
            self._kept_before.append(kept)

    def _take_approval(self, entry: LedgerEntry, says: entries.ApprovalGiven, at: datetime) -> None:
        self._approvals[entry.subject] = {
            "id": entry.subject,
            "at": text(at),
            "by": says.by,
            "because": says.because,
            "guards": [guard.value for guard in says.guards],
            "plan": says.plan,
            "changes": len(says.effects),
            "typed_by": f"{says.os_user}@{says.host}" if says.os_user and says.host else None,
            "signed": bool(says.signature),
            "expires_at": text(says.expires_at),
            "entry": entry.seq,
        }
        for zoom_id, action in says.effects:
            offboarding = self._open.get(zoom_id)
            if offboarding is not None and action == "deactivate":
                offboarding.note(entry, at, f"approved past {', '.join(says.guards)} by {says.by}: {says.because}")

    def _take_intent(self, entry: LedgerEntry, says: entries.IntentAnnounced, at: datetime) -> None:
        self._intents[says.id] = (entry.subject, at)
        action, approval = says.action, says.approval
        if approval:
            self._used[approval] += 1
        if self.asked.holds(at):
            self._counted["intents"] += 1
        offboarding = self._open.get(entry.subject)
        if action == "deactivate" and (offboarding is None or offboarding.locked_out):
            offboarding = self._seen_by_watch(entry, says, at) or self._begin(
                entry, entry.subject, None, at, "to be deactivated, though no read had shown them gone"
            )
        offboarding = offboarding or self._latest.get(entry.subject)
        if offboarding is not None:
            offboarding.announced(says, at, entry)

    def _take_outcome(self, entry: LedgerEntry, says: entries.OutcomeSettled, at: datetime) -> None:
        zoom_id, announced_at = self._intents.pop(says.intent, (entry.subject, at))
        done_at = says.done_at or at
        if self.asked.holds(announced_at):
            self._counted["settled"] += 1
        if self.asked.holds(done_at if says.outcome == OutcomeKind.DONE else at):
            self._counted[f"{says.action}.{says.outcome}"] += 1
            if says.action == "deactivate" and says.outcome == OutcomeKind.DONE:
                self._day(done_at)["deactivated"] += 1
        if (says.action, says.outcome) == ("deactivate", OutcomeKind.DONE):
            self._shown.pop(zoom_id, None)  # whoever is active again begins anew
            if done_at < self.asked.end:
                self._at_the_end.pop(zoom_id, None)
        offboarding = self._latest.get(zoom_id)
        if offboarding is not None:
            offboarding.settled(says, done_at, entry)

    def _take_hold(self, entry: LedgerEntry, says: entries.HoldPlaced, at: datetime) -> None:
        self._holds[entry.subject] = (entry.seq, says)
        if entry.subject in self._kept and self._kept[entry.subject].reason == "on_hold":  # prolonged
            self._kept[entry.subject].hold = self._holds[entry.subject]

    def _take_pause(self, entry: LedgerEntry, says: entries.ChangesPaused, at: datetime) -> None:
        if not self._paused or self._paused[-1][1] is not None:
            self._paused.append((at, None))

    def _take_resume(self, entry: LedgerEntry, says: entries.ChangesResumed, at: datetime) -> None:
        if self._paused and self._paused[-1][1] is None:
            self._paused[-1] = (self._paused[-1][0], at)

    def _take_word(self, entry: LedgerEntry, says: Entry, at: datetime) -> None:
        decided = self._decided.get(entry.subject)
        self._overrides.take(entry, says, at, decided.who if decided is not None else "")
        offboarding = self._open.get(entry.subject) if entry.subject else None
        told = said_by_person(says)
        if offboarding is not None and told is not None:
            what, details = told
            offboarding.note(
                entry, at, f"{what} {details} by {getattr(says, 'by', '')}: {getattr(says, 'because', '')}".replace("  ", " ")
            )

    def _day(self, at: datetime) -> dict[str, int]:
        return self._days.setdefault(self.asked.day_of(at), {"cycles": 0, "good": 0, "report_mode": 0, "deactivated": 0})

    # ---------------------------------------------------------------------------------------------------- the answers

    @property
    def references(self) -> list[str]:
        """Which personal data the document needs."""
        looked_at = self._at_the_end.values() if self.sampling or self.asked.others is not None else ()
        kept = {says.who for _, _, says in looked_at if says.action == "keep" or self.asked.others is not None}
        kept |= {one.decision.who for one in self._kept_in_period()}
        seen = set(self._seen_by_others.references(self.asked.start, self.asked.end))
        overruled = set(self._overrides.references(self.asked.start, self.asked.end))
        handed = set(self._handovers.references(self.asked.start, self.asked.end))
        return sorted((seen | {one.who for one in self._told()} | overruled | kept | handed) - {""})

    def _kept_sample(self, personal: Mapping[str, Mapping[str, str]], sample: Sample) -> dict[str, object]:
        """Kept accounts, picked as leavers are: that nobody is missing shows among those who were not touched."""
        kept = [
            {
                "zoom_id": zoom_id,
                "email": personal.get(says.who, {}).get("email"),
                "reason": says.reason,
                "status": says.status,
                "directory_id": says.directory_id,
                "matched_by": says.matched_by,
                "group_path": list(says.group_path) or None,
                "decided_at": text(at),
                "entry": seq,
                "first_entry": seq,
            }
            for zoom_id, (seq, at, says) in sorted(self._at_the_end.items())
            if says.action == "keep" and says.status == "active"
        ]
        chosen = sample.of(kept)
        return {**sample.described(len(kept), len(chosen)), "rows": chosen}

    def document(self, personal: Mapping[str, Mapping[str, str]], sample: Sample | None = None) -> dict[str, object]:
        """Everything, as plain JSON values. *personal*: names and addresses by reference; whatever was blanked is null."""
        stories = self._stories()
        rows = [story.row(personal.get(story.who, {})) for story in stories]
        chosen = rows if sample is None else sample.of(rows)
        until = self._covered_until()
        missing = self._missing.rows(self.asked.start, self.asked.end)
        others = self._seen_by_others.rows(self.asked.start, self.asked.end, self._last_at or self.asked.start, personal)
        return {
            "format": FORMAT,
            "period": {
                "from": self.asked.first.isoformat(),
                "to": self.asked.last.isoformat(),
                "starts_at": text(self.asked.start),
                "ends_before": text(self.asked.end),
                "days": (self.asked.last - self.asked.first).days + 1,
                "timezone": self.asked.timezone,
            },
            "ledger": {
                **self._ledger,
                "entries": self._entries,
                "first_at": text(self._first_at),
                "last_at": text(self._last_at),
                "head_sequence": self._head[0],
                "head_hash": self._head[1],
            },
            "settings": {
                "promise_seconds": self._in_force.promise_at(self.asked.end).total_seconds(),
                "schedule": _schedule_words(self._in_force.schedule_at(self.asked.end)),
                "recorded": bool(self._in_force.records),
            },
            "in_force": self._in_force.told(self.asked.start, self.asked.end),
            "coverage": self._coverage(),
            "reviews": [
                one
                for one in self._reviews
                if one["of"] in self._months() or one["of"] in self._cycles_in_period() or self.asked.holds(moment(one["at"]))
            ],
            "missing": missing,
            "covered_until": text(until),
            "totals": self._totals(rows, missing),
            "lockout": lockout_of(rows),
            "balances": self._balances(rows),
            "sample": sample.described(len(rows), len(chosen)) if sample is not None else None,
            "kept_sample": self._kept_sample(personal, sample) if sample is not None else None,
            "leavers": chosen,
            "late": [[row["zoom_id"], row["first_entry"]] for row in rows if row["promise_met"] is False],
            "kept": self._kept_told(personal),
            "seen_by_others": others,
            "witnesses": totals_of(others),
            "gaps": self._gaps(until),
            "guards": self._held(),
            "changes": self._changes,
            "approvals": [
                {**one, "used": self._used[one["id"]]}
                for one in self._approvals.values()
                if self.asked.holds(moment(one["at"])) or self._used_in(one["id"], rows)
            ],
            **self._handed_over(personal),
            **self._compared(personal, rows),
            "overrides": self._overrides.rows(self.asked.start, self.asked.end, personal),
            "days": [
                {"day": day.isoformat(), **counts}
                for day, counts in sorted(self._days.items())
                if self.asked.first <= day <= self.asked.last
            ],
        }

    def _still_access(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Whoever of the leavers can still log in, by the last that is told of them, and whom an exception keeps: Zoom id and
        why."""
        last = {row["zoom_id"]: row for row in rows}
        kept = {one.zoom_id: one.reason for one in self._kept_in_period() if one.until is None or one.until >= self.asked.end}
        return {zoom_id: _why_still(row) for zoom_id, row in last.items() if row["state"] in STILL_ACCESS} | kept

    def _coverage(self) -> dict[str, object]:
        """What the evidence of the period rests on, before anything is concluded from it."""
        inside = [one for one in self._ended if self.asked.holds(one.started)]
        wanted = [self.asked.first + DAY * number for number in range((self.asked.last - self.asked.first).days + 1)]
        days = {self.asked.day_of(one.started) for one in inside}
        good = {self.asked.day_of(one.started) for one in inside if one.success}
        acted = {self.asked.day_of(one.started) for one in inside if one.mode == "enforce"}
        return {
            "days": len(wanted),
            "days_with_cycles": len(days),
            "days_with_good_cycles": len(good),
            "days_detected_only": len(days - acted),
            "cycles": len(inside),
            "good_cycles": sum(one.success for one in inside),
            "without_good_cycle": [day.isoformat() for day in wanted if day not in good],
        }

    def _months(self) -> set[str]:
        first, months = self.asked.first.replace(day=1), set()
        while first <= self.asked.last:
            months.add(f"{first:%Y-%m}")
            first = (first + DAY * 32).replace(day=1)
        return months

    def _cycles_in_period(self) -> set[str]:
        return {one.id for one in self._ended if self.asked.holds(one.started)}

    def _told(self) -> list[OffboardingCase]:
        """Who began to leave in the period, or was on the way out when it began."""
        end, start = self.asked.end, self.asked.start
        return [one for one in self._offboardings if one.began < end and (one.ended is None or one.ended >= start)]

    def _stories(self) -> list[Story]:
        end = self._last_at or self.asked.start
        known = Told(
            self._in_force,
            end,
            self._approvals,
            self._asked_by,
            [(stretch.first, stretch.last, stretch.guards) for stretch in self._stretches if stretch.guards],
            lambda intent: self._seen_by_others.state(intent, end),
        )
        return sorted((build_row(one, known) for one in self._told()), key=lambda story: (story.sort_at, story.zoom_id))

    def _covered_until(self) -> datetime:
        return min(self.asked.end, self._last_at) if self._last_at is not None else self.asked.start

    def _used_in(self, id_: str, rows: Sequence[Mapping[str, object]]) -> bool:
        return any(row["approval"] == id_ for row in rows) or id_ in self._handovers.approvals(self.asked.start, self.asked.end)

    def _handed_over(self, personal: Mapping[str, Mapping[str, str]]) -> dict[str, object]:
        """Handovers asked of Zoom in the period; nothing where the ledger never heard of any."""
        if not self._handovers.configured:
            return {}
        return {"handovers": self._handovers.rows(self.asked.start, self.asked.end, personal, self._approvals)}

    def _kept_in_period(self) -> list[_Kept]:
        return [
            one
            for one in (*self._kept_before, *self._kept.values())
            if one.since < self.asked.end and (one.until is None or one.until >= self.asked.start)
        ]

    def _kept_told(self, personal: Mapping[str, Mapping[str, str]]) -> Sequence[Mapping[str, object]]:
        """Exceptions in force in the period, those whose person is in no directory read first. Decisions do not judge whether
        their people are entitled, so they cannot stand among the leavers."""
        kept = sorted(self._kept_in_period(), key=lambda one: (one.decision.directory_id is not None, one.since, one.entry))
        return [
            {
                "zoom_id": one.zoom_id,
                "email": personal.get(one.decision.who, {}).get("email"),
                "reason": one.reason,
                "directory_id": one.decision.directory_id,
                "matched_by": one.decision.matched_by,
                "group_path": list(one.decision.group_path) or None,
                "role": one.decision.role,
                "notes": list(one.decision.notes) or None,
                "nobody_since": text(one.nobody_since),
                "since": text(one.since),
                "until": text(one.until),
                "by": one.hold[1].by if one.hold else None,
                "because": one.hold[1].because if one.hold else None,
                "hold_entry": one.hold[0] if one.hold else None,
                "entry": one.entry,
            }
            for one in kept
        ]

    def _held(self) -> list[dict[str, object]]:
        return [
            {
                "guard": one.guard,
                "first_at": text(stretch.first),
                "last_at": text(stretch.last),
                "cycles": stretch.cycles,
                "measured": one.measured,
                "limit": one.limit,
                "unit": one.unit,
            }
            for stretch in self._stretches
            if stretch.guards and stretch.first < self.asked.end and stretch.last >= self.asked.start
            for one in stretch.tripped
        ]

    def _totals(self, rows: Sequence[Mapping[str, Any]], missing: Sequence[Mapping[str, object]]) -> dict[str, object]:
        counted = self._counted
        return {
            "leavers": len(rows),
            "still_access": len(still := self._still_access(rows)),
            "still_access_by": dict(sorted(Counter(still.values()).items())),
            "entries_lost": any(one["what"] in LOST for one in missing),
            "late_by_window": sum(row["late_by"] == "window" for row in rows),
            "states": dict(sorted(Counter(row["state"] for row in rows).items())),
            "promise_met": sum(row["promise_met"] is True for row in rows),
            "promise_missed": sum(row["promise_met"] is False for row in rows),
            "promise_open": sum(row["promise_met"] is None for row in rows),
            "deactivated": counted["deactivate.done"],
            "reactivated": counted["reactivate.done"],
            "failed": counted["deactivate.failed"] + counted["reactivate.failed"],
            "skipped": counted["deactivate.skipped"] + counted["reactivate.skipped"],
            "licences_released": sum(
                row["licence_released"] for row in rows if row["acted_at"] and self.asked.holds(moment(row["acted_at"]))
            ),
            "cycles": counted["cycles"],
            "looks": counted["looks"],
            "results": {
                name.removeprefix("result:"): count for name, count in sorted(counted.items()) if name.startswith("result:")
            },
            "modes": {name.removeprefix("mode:"): count for name, count in sorted(counted.items()) if name.startswith("mode:")},
            "accounts": counted["accounts"] if self._reads else None,
        }

    def _compared(self, personal: Mapping[str, Mapping[str, str]], rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
        """All leavers beside the other list, whatever sample is shown; of whoever is none, what the ledger knows instead."""
        if self.asked.others is None:
            return {}
        known = {
            email: Known(says.reason, says.status, text(self._latest[zoom_id].seen) if zoom_id in self._latest else None)
            for zoom_id, (_, _, says) in self._at_the_end.items()
            if (email := personal.get(says.who, {}).get("email"))
        }
        return {"compared": compared(rows, self.asked.others, self.asked.first, self.asked.last, known)}

    def _balances(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, object]]:
        """Sums that must be equal, each side counted its own way."""
        states = Counter(row["state"] for row in rows)
        shown = sum(1 for row in rows for at in row["deactivations"] if self.asked.holds(moment(at)))
        open_ = sum(1 for _, at in self._intents.values() if self.asked.holds(at))
        return [
            {
                "says": "Leavers by what became of them",
                "parts": dict(sorted(states.items())),
                "whole": "leavers",
                "number": len(rows),
            },
            {
                "says": "Deactivations the chain records in the period, and those told here",
                "parts": {"told of the leavers": shown},
                "whole": "recorded as done",
                "number": self._counted["deactivate.done"],
            },
            {
                "says": "Changes announced before they were tried, and how they ended",
                "parts": {"settled": self._counted["settled"], "still open": open_},
                "whole": "announced",
                "number": self._counted["intents"],
            },
            {
                "says": "Cycles whose decisions add up to the accounts they read",
                "parts": {"add up": self._reads - len(self._unbalanced)},
                "whole": "whole reads",
                "number": self._reads,
            },
        ]

    def _gaps(self, until: datetime) -> list[dict[str, object]]:
        """Times in the period without a good cycle that were longer than the schedule explains."""
        if self._first_at is None:
            return [{"from": text(self.asked.start), "until": text(self.asked.end), "why": "the ledger is empty"}]
        found: list[dict[str, Any]] = []
        if self._first_at > self.asked.start:
            begins = min(self._first_at, self.asked.end)
            found.append(self._gap(self.asked.start, begins, "before the ledger begins", "not_covered"))
        good = [one for one in self._ended if one.success]
        before = self._first_at
        for one in [*good, None]:
            after = one.started if one is not None else until
            # What reaches into the period by less than a cycle takes is told by the period beside it.
            reaches = before < self.asked.end - LATE_ENOUGH and after > self.asked.start + LATE_ENOUGH
            if reaches and self._overdue(before, after):
                found.append(self._gap(max(before, self.asked.start), min(after, self.asked.end), "", "no_good_cycle"))
            before = one.ended if one is not None else before
        if until < self.asked.end:
            found.append(self._gap(max(until, self.asked.start), self.asked.end, "after the ledger's last entry", "not_covered"))
        return [one for one in found if one["seconds"] > 0]

    def _overdue(self, before: datetime, after: datetime) -> bool:
        """Whether a scheduled cycle between the two moments is missing: the second one after *before* is past due."""
        schedule = self._in_force.schedule_at(before)
        first = schedule.next_after(before, before, 0.0)
        second = schedule.next_after(first, first, 0.0)
        return after > second + schedule.jitter + LATE_ENOUGH

    def _gap(self, start: datetime, end: datetime, why: str, kind: str) -> dict[str, Any]:
        inside = [one for one in self._ended if start <= one.started < end]
        results = Counter(one.result for one in inside)
        guards = sorted({guard for one in inside for guard in one.guards})
        paused = any(since < end and (resumed is None or resumed > start) for since, resumed in self._paused)
        said = [why] if why else [f"{count} {result}" for result, count in sorted(results.items())] or ["no cycle ended"]
        said += [f"held by {', '.join(guards)}"] if guards else []
        said += ["paused"] if paused else []
        return {
            "from": text(start),
            "until": text(end),
            "seconds": (end - start).total_seconds(),
            "kind": kind,
            "why": "; ".join(said),
        }


@dataclass(frozen=True, slots=True)
class Sample:
    """Which leavers to look at closely: the *size* lowest by SHA-256 of ``seed:zoom id:first entry``. Anybody can repeat
    the choice, and nobody can steer it without choosing the seed."""

    size: int
    seed: str

    def of(self, rows: Sequence[Row]) -> list[Row]:
        """The chosen ones, in the order of the report."""
        ranked = sorted(rows, key=self._rank)[: self.size]
        wanted = {(row["zoom_id"], row["first_entry"]) for row in ranked}
        return [row for row in rows if (row["zoom_id"], row["first_entry"]) in wanted]

    def described(self, population: int, chosen: int) -> dict[str, object]:
        """How the choice was made, for whoever repeats it."""
        return {
            "asked_for": self.size,
            "chosen": chosen,
            "of": population,
            "seed": self.seed,
            "method": "the lowest SHA-256 of seed:zoom_id:first_entry",
        }

    def _rank(self, row: Mapping[str, object]) -> str:
        return hashlib.sha256(f"{self.seed}:{row['zoom_id']}:{row['first_entry']}".encode()).hexdigest()


moment = from_rfc3339


def _why_still(row: Mapping[str, object]) -> str:
    """Why a leaver can still log in. What is due was tried and failed, or is held, or its turn has not come."""
    if row["state"] != "due":
        return str(row["state"])
    return "failed" if row["outcome"] == OutcomeKind.FAILED else "held" if row["held_by"] else "due"


def _left_while_off(says: entries.DecisionMade, before: entries.DecisionMade) -> bool:
    """Whether the person left and nothing is due, for the account is off already: reads remember nobody as gone then."""
    if (says.reason, says.status) != ("in_step", "inactive") or "claimed_by_alias" in says.notes:
        return False
    return (before.reason, before.status) == ("in_step", "active") or (
        before.status == "inactive" and before.reason in _OFF_AND_ENTITLED
    )


def text(at: datetime | None) -> str | None:
    """RFC 3339 UTC, or None."""
    return None if at is None else rfc3339(at)


def _schedule_words(schedule: Schedule) -> str:
    if schedule.cron is not None:
        return f"cron {schedule.cron} ({schedule.timezone})"
    seconds = int((schedule.interval or timedelta()).total_seconds())
    return f"every {seconds // 60} min" if seconds % 60 == 0 else f"every {seconds} s"
