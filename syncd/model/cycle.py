"""How effects ended, and everything one cycle found, planned and did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from syncd.model.account import ZoomSnapshot
from syncd.model.directory import DirectorySnapshot, Person
from syncd.model.entries import Approval, Head
from syncd.model.handover import Contents
from syncd.model.plan import CalendarState, Decision, Plan, Verdict
from syncd.model.witness import Seen, SeenByOthers
from syncd.model.words import Guard, Mode, OutcomeKind, Result, Trigger


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
    sent_at: datetime | None = None  # when the request that counted left


@dataclass(frozen=True, slots=True)
class Look:
    """What a look was about: Zoom ids, and for each when the watch noticed something (*seen*) and when the directory says that it
    was changed (*changed*, where it tells)."""

    accounts: frozenset[str]
    seen: Mapping[str, datetime] = field(default_factory=dict)
    changed: Mapping[str, datetime] = field(default_factory=dict)


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
    unclear: tuple[Person, ...] = ()  # people who could not be read, and who matter
    zoom: ZoomSnapshot | None = None
    verdicts: tuple[Verdict, ...] = ()
    good_read: bool = True  # none of the read guards tripped: only then does it show anybody gone
    outcomes: Mapping[tuple[str, str], EffectOutcome] = field(default_factory=dict)
    held: Mapping[tuple[str, str], tuple[Guard, ...]] = field(default_factory=dict)
    next_openings: Mapping[tuple[str, str], datetime] = field(default_factory=dict)  # of effects a window denies
    calendar: tuple[CalendarState, ...] = ()  # what windows let be done now; empty: there are none
    approvals: tuple[Approval, ...] = ()
    witness: Mapping[tuple[str, str], Seen] = field(default_factory=dict)  # changes done, by others who saw them
    foreign: tuple[SeenByOthers, ...] = ()  # what somebody else did to accounts in scope lately, the latest first
    contents: tuple[Contents, ...] | None = None  # what deactivated accounts hold; None: no handover is configured
    measures: Mapping[str, float] = field(default_factory=dict)  # what guards compare with later reads
    known_leavers: tuple[Decision, ...] = ()  # of what guards hold: to be shown first, with the command below
    commands: tuple[str, ...] = ()  # complete commands for a held plan; with addresses, so never logged
    warnings: tuple[str, ...] = ()  # what is probably not meant, without holding anything
    free_licences: int | None = None  # before a plan that reactivates, where Zoom tells
    head: Head = field(default_factory=lambda: Head(0, ""))
    off_the_record: bool = False  # this machine's clock is wrong: neither ledger nor reports hold this cycle
    why: str = ""  # what stopped it: unreadable source, stop, fault; never an address
    do: str = ""  # what the operator should do about it
    exit_code: int = 0
    written: int = 0  # writes sent to Zoom

    @cached_property
    def foreign_ids(self) -> frozenset[str]:
        """Accounts that somebody else changed lately."""
        return frozenset(one.zoom_id for one in self.foreign if one.zoom_id)

    look: Look | None = None  # of a look at some people only, between two cycles

    @property
    def told(self) -> tuple[Decision, ...]:
        """The decisions that the document names: every one, or those of the people a look was about."""
        decisions = self.plan.decisions if self.plan is not None else ()
        return (
            decisions
            if self.look is None
            else tuple(one for one in decisions if one.account.zoom_id is not None and one.account.zoom_id in self.look.accounts)
        )

    def changed_at(self, decision: Decision) -> datetime | None:
        """When the directory says that this person was changed; None where it does not tell."""
        zoom_id = decision.account.zoom_id
        if self.look is not None and zoom_id is not None and zoom_id in self.look.changed:
            return self.look.changed[zoom_id]
        return self._changed.get(decision.directory_id or "")

    def left(self, decision: Decision) -> tuple[datetime | None, str | None]:
        """From when on the time of somebody who is leaving counts, and why from then: see ``leaving.left``. A read that is not
        good shows nobody leaving whom no earlier one did."""
        if not self.good_read and self.plan is not None and decision.since == self.plan.made_at:
            return None, None
        return decision.left(self.changed_at(decision))

    @cached_property
    def _changed(self) -> Mapping[str, datetime]:
        people = self.directory.people if self.directory is not None else ()
        return {person.id: person.changed_at for person in people if person.changed_at is not None}
