"""A month as a ledger would hold it, written with the same functions that cycles use: who left, what was held, who decided.

    ann      disabled on the 5th, deactivated in the next cycle
    bob      absent on the 12th, held by max-deactivations, approved two days later
    carol    absent on the 7th, back within the grace
    dan      left on the 8th, but is an admin: only a person can do it
    eve      deactivated by hand on the 15th
    frank    left on the 20th, somebody deactivated them in Zoom first
    gina     gone on the 31st, deactivated on the 1st of November
    old      left in September and deactivated there: not of this month

Cycles run every hour, but none on the 25th; the grace was changed on the 18th; changes were paused for an hour on the 22nd.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from msgspec import convert

from syncd.evidence.periods import Asked, Period, Sample
from syncd.ledger import chain, record
from syncd.ledger.entries import CycleEnded, ReadFacts
from syncd.model import (
    Action,
    Approval,
    Decision,
    Draft,
    EffectOutcome,
    Guard,
    Intent,
    LedgerEntry,
    MemoryChange,
    OutcomeKind,
    Policy,
    Reason,
    Status,
    ZoomAccount,
)
from syncd.operations.schedule import Schedule

HOUR = timedelta(hours=1)
POLICY = Policy("zoom-account", ("corp.example",))
NAMES = ("ann", "bob", "carol", "dan", "eve", "frank", "gina", "old", "zoe")


def at(day: int, hour: int = 0, minute: int = 0, month: int = 10) -> datetime:
    """A moment of 2026, UTC."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def account(name: str, status: Status = Status.ACTIVE, *, name_shown: str = "") -> ZoomAccount:
    """Somebody's Zoom account."""
    return ZoomAccount(
        f"z-{name}", f"{name}@corp.example", status, name_shown or f"{name.title()} Doe", "2", "Member", 2, last_login_at=at(1, 7)
    )


@dataclass
class Chronicle:
    """Writes entries. ``personal`` is what a ledger keeps beside the chain."""

    entries: list[LedgerEntry] = field(default_factory=list)
    personal: dict[str, dict[str, str]] = field(default_factory=dict)
    policy: Policy = POLICY
    inactive: set[str] = field(default_factory=set)
    _numbers: int = 0
    _values_due: bool = True

    def write(self, now: datetime, *drafts: Draft, term: int = 1) -> None:
        """Appends entries at a moment."""
        for draft in drafts:
            tip = chain.Tip(self.entries[-1].seq, self.entries[-1].hash, self.entries[-1].at) if self.entries else chain.START
            who = ""
            if draft.personal is not None:
                who = chain.personal_ref(b"salt", chain.personal_text(draft.personal))
                self.personal[who] = dict(draft.personal)
            self.entries.append(chain.link(draft, at=chain.time_text(now), term=term, previous=tip, who=who))

    def new_policy(self, policy: Policy) -> None:
        """From the next cycle on."""
        self.policy, self._values_due = policy, True

    def unique(self, what: str) -> str:
        """A new id."""
        self._numbers += 1
        return f"{what}-{self._numbers}"

    def cycle(
        self,
        now: datetime,
        *decisions: Decision,
        memory: MemoryChange | None = None,
        result: str = "in_step",
        tripped: Sequence[tuple[str, int, int]] = (),
        effects: Sequence[tuple[Decision, EffectOutcome, str]] = (),
        good: bool = True,
        mode: str = "enforce",
    ) -> str:
        """One cycle that begins now and ends a minute later."""
        name = self.unique("cycle")
        read = {
            "mode": mode,
            "good": good,
            "source": "file",
            "directory_digest": "d" * 64,
            "zoom_digest": "z" * 64,
            "accounts": len(NAMES),
            "statuses": {"active": len(NAMES) - len(self.inactive), "inactive": len(self.inactive), "pending": 0},
            "active_in_scope": 8,
            "measures": {},
            "plan": "p" * 64,
            "policy": self.policy.digest(),
            "counts": {"keep": len(NAMES), "deactivate": 0, "reactivate": 0, "manual": 0},
            "reasons": {},
            "min_match_percent": 50,
            "tripped": [
                {"guard": guard, "measured": measured, "limit": limit, "unit": "accounts"} for guard, measured, limit in tripped
            ],
        }
        if self._values_due:
            read["policy_values"], self._values_due = self.policy.as_json(), False
        opening = [
            *(record.memory(name, memory) if memory is not None else []),
            *(record.decided(name, decision) for decision in decisions),
        ]
        quiet = not opening and not effects
        if not quiet:
            self.write(now + timedelta(seconds=10), record.cycle_read(name, convert(read, ReadFacts)), *opening)
        for decision, outcome, approval in effects:
            self.effect(name, now + timedelta(seconds=20), decision, outcome, approval=approval)
        ended = now + timedelta(minutes=1)
        body = {
            "mode": mode,
            "trigger": "schedule",
            "result": result,
            "success": result in ("in_step", "applied"),
            "started_at": record.rfc3339(now),
            "ended_at": record.rfc3339(ended),
            "outcomes": {},
            "version": "0.1.0",
            "policy": self.policy.digest(),
        }
        self.write(ended, record.cycle_ended(name, convert({**body, "read": read} if quiet else body, CycleEnded)))
        return name

    def effect(
        self, cycle: str, now: datetime, decision: Decision, outcome: EffectOutcome, *, by: str = "cycle", approval: str = ""
    ) -> None:
        """An intent and its outcome."""
        zoom = decision.account
        intent = Intent(
            self.unique("intent"),
            cycle,
            now,
            zoom.zoom_id or "",
            decision.action.value,
            by,
            decision.reason.value,
            record.before_of(zoom),
            approval,
        )
        self.write(now, record.intended(intent, zoom), record.settled(intent, outcome))
        if outcome.outcome is OutcomeKind.DONE and decision.action is Action.DEACTIVATE:
            self.inactive.add(zoom.zoom_id or "")

    def quiet(self, first: datetime, until: datetime) -> None:
        """A cycle every hour in which nothing happens."""
        while first < until:
            self.cycle(first)
            first += HOUR


def gone(now: datetime, *names: str) -> MemoryChange:
    """The first good read that shows them gone."""
    return MemoryChange(now, gone=frozenset(f"z-{name}" for name in names))


def back(now: datetime, *names: str) -> MemoryChange:
    """A good read that shows them no longer leaving."""
    return MemoryChange(now, back=frozenset(f"z-{name}" for name in names))


def done(now: datetime) -> EffectOutcome:
    """Carried out and verified."""
    return EffectOutcome(OutcomeKind.DONE, "", "inactive", "basic", now + timedelta(seconds=21), now + timedelta(seconds=22), 1)


def leaver(name: str, action: Action, reason: Reason, since: datetime, grace: timedelta = timedelta(0)) -> Decision:
    """A decision about somebody who left."""
    absent = reason is Reason.ABSENT_FROM_DIRECTORY
    return Decision(
        account(name),
        action,
        reason,
        None if absent else f"guid-{name}",
        None if absent else "address",
        since=since,
        due_at=since + grace,
        department="Sales",
    )


def entitled(name: str) -> Decision:
    """A decision about somebody in step."""
    return Decision(
        account(name), Action.KEEP, Reason.IN_STEP, f"guid-{name}", "address", ("Zoom Users", "Sales"), department="Sales"
    )


def october() -> Chronicle:
    """The whole story, up to noon of the 2nd of November."""
    told = Chronicle()
    told.write(at(29, 8, month=9), record.opened("ledger-1", "zoom-account", "file:/srv/people.csv"))
    told.cycle(at(29, 9, month=9), *(entitled(name) for name in NAMES))
    _september(told)
    told.quiet(at(30, 10, month=9), at(5, 9))
    _ann(told)
    told.quiet(at(5, 11), at(7, 9))
    _carol(told)
    told.quiet(at(7, 11), at(8, 9))
    _dan(told)
    told.quiet(at(8, 10), at(12, 9))
    _bob(told)
    told.quiet(at(14, 12), at(15, 9))
    _eve(told)
    told.quiet(at(15, 10), at(18, 9))
    told.new_policy(replace(POLICY, grace=timedelta(hours=8), protect_accounts=("ceo@corp.example",)))
    told.quiet(at(18, 9), at(20, 9))
    _frank(told)
    told.quiet(at(20, 11), at(22, 9))
    told.write(at(22, 9), record.paused(by="Ann Lee", because="Zoom maintenance"), term=0)
    told.write(at(22, 9, 50), record.resumed(by="Ann Lee", because="It is over"), term=0)
    told.quiet(at(22, 10), at(25))
    told.quiet(at(26), at(31, 23))
    _gina(told)
    told.quiet(at(1, 1, month=11), at(2, 12, month=11))
    return told


def _september(told: Chronicle) -> None:
    now = at(30, 9, month=9)
    old = leaver("old", Action.DEACTIVATE, Reason.DISABLED_IN_DIRECTORY, now)
    told.cycle(now, old, memory=gone(now, "old"), result="applied", effects=[(old, done(now), "")])


def _ann(told: Chronicle) -> None:
    now = at(5, 9)
    ann = leaver("ann", Action.DEACTIVATE, Reason.DISABLED_IN_DIRECTORY, now)
    told.cycle(now, ann, memory=gone(now, "ann"), result="applied", effects=[(ann, done(now), "")])
    now = at(5, 10)
    told.cycle(now, Decision(account("ann", Status.INACTIVE), Action.KEEP, Reason.IN_STEP), memory=back(now, "ann"))


def _carol(told: Chronicle) -> None:
    now = at(7, 9)
    told.cycle(now, leaver("carol", Action.KEEP, Reason.WITHIN_GRACE, now, 4 * HOUR), memory=gone(now, "carol"))
    told.cycle(at(7, 10), entitled("carol"), memory=back(at(7, 10), "carol"))


def _dan(told: Chronicle) -> None:
    now = at(8, 9)
    told.cycle(now, leaver("dan", Action.MANUAL, Reason.PROTECTED, now), memory=gone(now, "dan"))


def _bob(told: Chronicle) -> None:
    now = at(12, 9)
    bob = leaver("bob", Action.DEACTIVATE, Reason.ABSENT_FROM_DIRECTORY, now)
    told.cycle(now, bob, memory=gone(now, "bob"), result="held", tripped=[("max-deactivations", 30, 25)])
    for hour in range(1, 50):
        told.cycle(now + hour * HOUR, result="held", tripped=[("max-deactivations", 30, 25)])
    when = at(14, 10, 30)
    approval = Approval(
        "approval-1",
        "p" * 64,
        told.policy.digest(),
        (Guard.MAX_DEACTIVATIONS,),
        frozenset({bob.key}),
        "Ann Lee",
        "Sales was sold, ticket 4711",
        when,
        when + timedelta(hours=24),
        os_user="alee",
        host="ops1",
    )
    told.write(when, record.approved(approval), term=0)
    told.cycle(at(14, 11), result="applied", effects=[(bob, done(at(14, 11)), "approval-1")])


def _eve(told: Chronicle) -> None:
    now = at(15, 9)
    eve = Decision(account("eve"), Action.DEACTIVATE, Reason.BY_HAND)
    name = told.unique("cycle")
    told.effect(name, now, eve, done(now), by="hand")
    told.write(
        now + timedelta(minutes=1),
        record.cycle_ended(
            name,
            convert(
                {
                    "mode": "enforce",
                    "trigger": "account",
                    "result": "applied",
                    "success": False,
                    "started_at": record.rfc3339(now),
                    "ended_at": record.rfc3339(now),
                    "version": "0.1.0",
                    "policy": told.policy.digest(),
                    "by": "Ben Ray",
                    "because": "Lost laptop, ticket 4712",
                },
                CycleEnded,
            ),
        ),
    )
    told.write(
        now + timedelta(minutes=2),
        record.held(
            "z-zoe", by="Ben Ray", because="On leave", until=at(1, month=12), personal=record.personal_of(account("zoe"))
        ),
        term=0,
    )


def _frank(told: Chronicle) -> None:
    now = at(20, 9)
    told.cycle(now, leaver("frank", Action.KEEP, Reason.WITHIN_GRACE, now, 8 * HOUR), memory=gone(now, "frank"))
    told.cycle(
        at(20, 10), Decision(account("frank", Status.INACTIVE), Action.KEEP, Reason.IN_STEP), memory=back(at(20, 10), "frank")
    )


def _gina(told: Chronicle) -> None:
    now = at(31, 23)
    gina = leaver("gina", Action.KEEP, Reason.WITHIN_GRACE, now, HOUR)
    told.cycle(now, gina, memory=gone(now, "gina"))
    now = at(1, 0, month=11)
    gina = leaver("gina", Action.DEACTIVATE, Reason.DISABLED_IN_DIRECTORY, at(31, 23))
    told.cycle(now, gina, result="applied", effects=[(gina, done(now), "")])


ASKED = Asked(date(2026, 10, 1), date(2026, 10, 31), timedelta(hours=24), Schedule(HOUR))


def document(told: Chronicle, asked: Asked = ASKED, sample: Sample | None = None) -> dict[str, object]:
    """The period's document of a chronicle."""
    period = Period(asked)
    for entry in told.entries:
        period.take(entry)
    assert set(period.references) <= set(told.personal)
    return period.document(told.personal, sample)
