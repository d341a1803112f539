"""What the ledger says so far: an immutable value, and the questions a cycle asks of it.

``fold`` gives the value after one more entry, ``Growing`` the one after many; what was given out before stays as it was.
What each entry changes stands with its kind in ``entries``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from syncd.ledger import entries
from syncd.ledger.entry import draft, read, rfc3339
from syncd.model import (
    ANEW,
    UNSHOWN,
    Acknowledgement,
    Announcement,
    Approval,
    Counted,
    Deactivated,
    Draft,
    ForeignChange,
    Gone,
    Guard,
    HandoverDone,
    HandoverPlan,
    Head,
    Hold,
    Intent,
    Inventory,
    LeaverMemory,
    LedgerEntry,
    RecordedPlan,
    Refusal,
    SeenEffect,
    Shown,
    Witnesses,
    shown_in_step,
)

BASELINE_WINDOW = entries.BASELINE_WINDOW
DAY = entries.DAY
MONTH = entries.MONTH


@dataclass(frozen=True)
class History:
    """The read model of a ledger. All times in it are measured ones, which rules may use."""

    head: Head = field(default_factory=lambda: Head(0, ""))
    tip_at: datetime | None = None  # the latest time of a checked clock in it, since somebody accepted the ledger
    broken: str = ""  # why the chain does not verify; everything after that entry is left out
    ledger_id: str = ""
    zoom_account: str = ""  # the ledger is bound to these two at first use
    directory: str = ""
    term: int = 0
    begun_in: str = ""  # the mode it was begun in; empty: by 0.1.0
    begun_beside: int = 0  # reports of an earlier ledger that lay in the folder when this one was begun
    accepted: bool = False  # somebody said that this ledger is meant, new or restored as it is
    rolled_back_from: Head | None = None  # the head that a restore lost, until somebody accepts that
    accepted_heads: AbstractSet[tuple[int, str]] = field(default_factory=frozenset)  # missing ones that no longer count
    # memory of good reads
    pairs: Mapping[str, str] = field(default_factory=dict)  # zoom id -> directory id
    numbers: Mapping[str, str] = field(default_factory=dict)  # directory id -> salted hash of the person's number
    entitled: AbstractSet[str] = field(default_factory=frozenset)  # directory ids once seen entitled, beside those in pairs
    gone: Mapping[str, Gone] = field(default_factory=dict)  # zoom id -> since when not entitled
    returning: Mapping[str, Gone] = field(default_factory=dict)  # zoom id -> since when entitled again, though inactive
    good_reads: int = 0
    good_read: str = ""  # cycle of the newest good read, when it began, and when the one before it did
    good_read_at: datetime | None = None
    good_read_before: datetime | None = None
    measures: Mapping[str, Sequence[tuple[datetime, float]]] = field(default_factory=dict)  # people, entitled, group:ID
    peopled: AbstractSet[str] = field(default_factory=frozenset)  # groups that had members, unless accepted as empty
    accepted_match_percent: float | None = None
    active_in_scope: int = 0  # of the last good read
    groups: Mapping[str, str] = field(default_factory=dict)  # entry of the configuration -> the object it means
    view: str = ""  # copy of the directory that the last good read was from, and since when not another
    view_since: datetime | None = None
    as_of: datetime | None = None  # when what it read was written, where the source says so
    good_digest: str = ""  # of the directory it read
    good_policy: str = ""  # of the last good read in enforcing use, and which one was the first under it
    good_policy_since: int = 0
    # what was changed, asked for and answered
    deactivated: Mapping[str, Deactivated] = field(default_factory=dict)
    counted: Sequence[Counted] = ()  # changes of status by cycles, of the last 30 days
    sums_begun: Mapping[Guard, datetime] = field(default_factory=dict)  # guard on a sum -> its last approval
    holds: Mapping[str, Hold] = field(default_factory=dict)
    refusals: Mapping[tuple[str, str], Refusal] = field(default_factory=dict)
    troubles: Mapping[tuple[str, str], datetime] = field(default_factory=dict)  # failed for this account alone, once: when
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    heeded: AbstractSet[str] = field(default_factory=frozenset)  # those of them whose values are the measure by now
    announced: Mapping[str, Announcement] = field(default_factory=dict)  # announcement id -> people who will leave
    acknowledged: Mapping[str, Acknowledgement] = field(default_factory=dict)  # zoom id -> a manual row somebody knows of
    used: AbstractSet[tuple[str, str, str]] = field(default_factory=frozenset)  # (approval id, zoom id, action)
    plans: Mapping[str, RecordedPlan] = field(default_factory=dict)
    intents: Mapping[str, Intent] = field(default_factory=dict)  # announced, not settled yet
    done: Mapping[str, tuple[Intent, str]] = field(default_factory=dict)  # intent id -> effect done, licence after
    # handing content over
    leavers: Mapping[str, LeaverMemory] = field(default_factory=dict)  # zoom id -> what reads showed of its person
    inventories: Mapping[str, tuple[datetime, Inventory]] = field(default_factory=dict)  # zoom id -> what it held, when
    inventory_refs: Mapping[str, str] = field(default_factory=dict)  # zoom id -> where that lies beside the chain
    handover_plans: Mapping[str, HandoverPlan] = field(default_factory=dict)  # by digest
    handovers: Mapping[str, HandoverDone] = field(default_factory=dict)  # zoom id -> the latest one
    hold_releases: Mapping[str, Mapping[str, datetime]] = field(default_factory=dict)  # zoom id -> who said it is over
    paused_since: datetime | None = None
    paused_because: str = ""
    paused_by: str = ""
    # policy in enforcing use
    policy_in_use: Mapping[str, object] | None = None
    policy_digest: str = ""  # of the last cycle of either mode
    armed: bool = False
    approvals_before: Mapping[str, object] = field(default_factory=dict)  # while armed: the strictest rules it was woken under
    # decisions and cycles
    decided: Mapping[str, str] = field(default_factory=dict)  # zoom id -> digest of the last recorded decision
    entitled_through: Mapping[str, str] = field(default_factory=dict)  # zoom id -> group that entitles its person
    entitled_until: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)  # group that did within the last 7 days
    protected_through: Mapping[str, str] = field(default_factory=dict)  # the same for protecting groups
    protected_until: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)
    manual: AbstractSet[str] = field(default_factory=frozenset)  # zoom ids whose last recorded decision waits for a person
    out_of_step: Mapping[str, int] = field(default_factory=dict)  # zoom id -> last good read that showed it in step; 0: none
    shown: Mapping[str, Shown] = field(default_factory=dict)  # zoom id -> what was shown of who is out of step
    last_cycle: str = ""
    last_cycle_at: datetime | None = None
    last_success_at: datetime | None = None
    last_result: str = ""
    same_results: int = 0  # how many of the last cycles ended as the last one did
    last_good_cycle_at: datetime | None = None  # read both sides whole and made a plan
    opened_at: datetime | None = None
    # what others saw, of the last month
    witnesses: Sequence[tuple[datetime, Witnesses]] = ()  # which were configured from when on; all of them
    effects: Mapping[str, SeenEffect] = field(default_factory=dict)  # intent id -> change of ours, in order, and who saw it
    foreign: Sequence[ForeignChange] = ()
    logs_read: Sequence[tuple[datetime, datetime]] = ()  # times over which Zoom's log was read to its end

    # --------------------------------------------------------------------------------------------------- questions

    def baseline(self, measure: str, now: datetime) -> float | None:
        """The highest value of a measure over the good reads of the last 7 days (of the last good read when all are
        older), or since a lower one was approved. None: never measured."""
        values = self.measures.get(measure)
        if not values:
            return None
        recent = [value for at, value in values if at >= now - BASELINE_WINDOW]
        return max(recent) if recent else values[-1][1]

    def on_hold(self, zoom_id: str, now: datetime) -> bool:
        """Whether somebody asked to leave this account alone, and still does."""
        hold = self.holds.get(zoom_id)
        return hold is not None and (hold.until is None or now < hold.until)

    def approval_rules(self) -> dict[str, Any]:
        """What was asked of approvals before ``policy-changed`` was woken, at its strictest, as far as there is a policy in use
        (``approvals_required``, ``approvers``, ``signers``)."""
        return entries.stricter(self.approvals_before, self.policy_in_use or {})

    def shown_in_step(self, zoom_id: str, policy_digest: str) -> bool:
        """Whether an earlier good read in enforcing use of this policy showed this account active and its person entitled."""
        if self.good_policy != policy_digest:
            return False
        last = self.out_of_step.get(zoom_id)
        return zoom_id in self.decided if last is None else last >= self.good_policy_since

    def last_shown(self, zoom_id: str, now: datetime) -> Shown:
        """What earlier reads showed of an account that the read of *now* shows active and out of step."""
        last = self.deactivated.get(zoom_id)
        if last is not None and last.stands:
            return Shown(again_at=now)
        if zoom_id in self.decided and zoom_id not in self.out_of_step:
            return shown_in_step(self.shown.get(zoom_id), self.good_read_at)
        return self.shown.get(zoom_id, ANEW) if zoom_id in self.decided else UNSHOWN

    @property
    def done_in(self) -> dict[str, list[tuple[Intent, str]]]:
        """Cycle -> effects done in it, with the licence after."""
        cycles: dict[str, list[tuple[Intent, str]]] = {}
        for intent, licence in self.done.values():
            cycles.setdefault(intent.cycle, []).append((intent, licence))
        return cycles

    def heeding(self, approvals: Iterable[str], now: datetime) -> History:
        """The history as it is once these approvals count."""
        return self.foreseen([draft(entries.ApprovalCounts(), subject=id_) for id_ in approvals], now)

    def foreseen(self, drafts: Sequence[Draft], at: datetime) -> History:
        """A history as it would be after these entries, for a dry run that may not write them."""
        return _folded(
            self,
            (
                LedgerEntry(
                    self.head.seq,
                    rfc3339(at),
                    draft.cycle,
                    0,
                    draft.kind,
                    draft.subject,
                    json.dumps(dict(draft.body)),
                    "",
                    self.head.hash,
                )
                for draft in drafts
            ),
        )


class Growing:
    """A history while entries are folded into it. A container is copied when it is first looked at, so the history it began
    with, and each one it gave, stay as they were. The fields are those of ``History``, as they may be changed."""

    head: Head
    tip_at: datetime | None
    broken: str
    ledger_id: str
    zoom_account: str
    directory: str
    term: int
    begun_in: str
    begun_beside: int
    accepted: bool
    rolled_back_from: Head | None
    accepted_heads: set[tuple[int, str]]
    pairs: dict[str, str]
    numbers: dict[str, str]
    entitled: set[str]
    gone: dict[str, Gone]
    returning: dict[str, Gone]
    good_reads: int
    good_read: str
    good_read_at: datetime | None
    good_read_before: datetime | None
    measures: dict[str, Sequence[tuple[datetime, float]]]
    peopled: set[str]
    accepted_match_percent: float | None
    active_in_scope: int
    groups: dict[str, str]
    view: str
    view_since: datetime | None
    as_of: datetime | None
    good_digest: str
    good_policy: str
    good_policy_since: int
    deactivated: dict[str, Deactivated]
    counted: Sequence[Counted]
    sums_begun: dict[Guard, datetime]
    holds: dict[str, Hold]
    refusals: dict[tuple[str, str], Refusal]
    troubles: dict[tuple[str, str], datetime]
    approvals: dict[str, Approval]
    heeded: set[str]
    announced: dict[str, Announcement]
    acknowledged: dict[str, Acknowledgement]
    used: set[tuple[str, str, str]]
    plans: dict[str, RecordedPlan]
    intents: dict[str, Intent]
    done: dict[str, tuple[Intent, str]]
    leavers: dict[str, LeaverMemory]
    inventories: dict[str, tuple[datetime, Inventory]]
    inventory_refs: dict[str, str]
    handover_plans: dict[str, HandoverPlan]
    handovers: dict[str, HandoverDone]
    hold_releases: dict[str, Mapping[str, datetime]]
    paused_since: datetime | None
    paused_because: str
    paused_by: str
    policy_in_use: Mapping[str, object] | None
    policy_digest: str
    armed: bool
    approvals_before: dict[str, object]
    decided: dict[str, str]
    entitled_through: dict[str, str]
    entitled_until: dict[str, tuple[str, datetime]]
    protected_through: dict[str, str]
    protected_until: dict[str, tuple[str, datetime]]
    manual: set[str]
    out_of_step: dict[str, int]
    shown: dict[str, Shown]
    last_cycle: str
    last_cycle_at: datetime | None
    last_success_at: datetime | None
    last_result: str
    same_results: int
    last_good_cycle_at: datetime | None
    opened_at: datetime | None
    witnesses: Sequence[tuple[datetime, Witnesses]]
    effects: dict[str, SeenEffect]
    foreign: Sequence[ForeignChange]
    logs_read: Sequence[tuple[datetime, datetime]]

    def __init__(self, history: History) -> None:
        self._began = history

    def __getattr__(self, name: str) -> object:
        # Asked only for what was not touched yet.
        value = getattr(self._began, name)
        mine = set(value) if isinstance(value, frozenset | set) else dict(value) if isinstance(value, dict) else value
        setattr(self, name, mine)
        return mine

    def take(self, entry: LedgerEntry) -> None:
        """Takes one more entry into account. Raises LedgerError when this program does not understand it; then nothing has
        changed."""
        says = read(entry)
        self.head = Head(entry.seq, entry.hash)
        self.term = max(self.term, entry.term)
        time = says.time(entry)
        if time.verified:
            self.tip_at = max(self.tip_at or time.measured, time.measured)
        says.fold(self, entry, time)

    def grown(self) -> History:
        """The history after all that was taken. Whatever is taken later does not change it."""
        changed = {name: value for name, value in vars(self).items() if name != "_began"}
        if changed:
            self.__dict__ = {"_began": replace(self._began, **changed)}
        return self._began


def fold(history: History, entry: LedgerEntry) -> History:
    """The history after one more entry. Raises LedgerError when this program does not understand it."""
    return _folded(history, (entry,))


def _folded(history: History, new: Iterable[LedgerEntry]) -> History:
    growing = Growing(history)
    for entry in new:
        growing.take(entry)
    return growing.grown()
