"""One person's leaving, as the ledger tells it: from the read that first showed them gone to the state verified at Zoom.

``OffboardingCase`` collects while entries pass by; ``build_row`` makes the finished ``Story``. ``period`` decides whose
stories are wanted. The same account can leave twice (re-hired, brought back): each time is an offboarding of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from syncd.evidence.in_force import InForce
from syncd.ledger.entries import DecisionMade, IntentAnnounced, OutcomeSettled
from syncd.ledger.entry import rfc3339
from syncd.model import LedgerEntry, OutcomeKind, Shown, left, licence_word, promise_met, shown_after

#: In place of a decision that was never recorded.
_NONE = DecisionMade("", "", "")

#: How a story can stand at the end of the ledger, and what that means.
STATES = {
    "deactivated": "syncd deactivated the account and saw it inactive",
    "deactivated_by_others": "somebody else deactivated or locked it before syncd did",
    "gone_from_zoom": "the account is no longer in Zoom",
    "put_back": "syncd deactivated the account, and a person had it put back: undo or by hand",
    "entitled_again": "the person was entitled again before the account was deactivated",
    "exempt": "the account came under an exemption",
    "on_hold": "somebody put the account on hold",
    "within_grace": "gone from the directory, the grace is still running",
    "due": "past the grace and not deactivated: held, failed, or the ledger ends before the next cycle",
    "manual": "only a person can do it: see the reason",
    "not_in_pilot": "not among the accounts of the pilot, so nothing is done",
    "left_alone": "no longer among the accounts syncd may change: see the reason",
}


@dataclass(slots=True)
class Deactivation:
    """One try to deactivate."""

    intent: str
    at: datetime
    cycle: str
    by: str
    reason: str
    before: Mapping[str, Any]
    approval: str
    outcome: OutcomeSettled | None = None
    done_at: datetime | None = None


@dataclass
class OffboardingCase:
    """Collects what entries say of one leaving. *shown*: what reads showed of them before and since; *before*: the last decision
    while they were still entitled."""

    zoom_id: str
    first_entry: int
    seen: datetime | None  # first good read that showed them gone; None: nobody saw it, a person asked
    shown: Shown
    before: DecisionMade | None
    decision: DecisionMade | None = None
    decided_at: datetime | None = None  # when the deactivation was first decided
    tries: list[Deactivation] = field(default_factory=list)
    others: dict[str, tuple[str, str]] = field(default_factory=dict)  # other intents: id -> action, by
    put_back_in: str = ""  # the undo or hand verb that reactivated them
    closed: str = ""  # a word of STATES, once nothing more is to be done
    back_at: datetime | None = None
    back_in: str = ""  # the cycle whose read showed that they are no longer leaving
    who: str = ""
    events: list[dict[str, object]] = field(default_factory=list)

    @property
    def began(self) -> datetime:
        """When the story begins: first seen gone, or first tried."""
        return self.seen or (self.tries[0].at if self.tries else datetime.max.replace(tzinfo=UTC))

    @property
    def done(self) -> Deactivation | None:
        """The deactivation that was carried out, if one was."""
        return next((one for one in self.tries if one.done_at is not None), None)

    @property
    def locked_out(self) -> bool:
        """Whether syncd deactivated them."""
        return self.done is not None

    @property
    def ended(self) -> datetime | None:
        """When nothing more was to be done; None: still open."""
        done = self.done
        return done.done_at if done is not None else self.back_at

    @property
    def by(self) -> str:
        """Who deactivated or tried to: cycle, hand, undo."""
        last = self.done or (self.tries[-1] if self.tries else None)
        return last.by if last is not None else ""

    @property
    def cycle(self) -> str:
        """The cycle of the deactivation, or of the last try."""
        last = self.done or (self.tries[-1] if self.tries else None)
        return last.cycle if last is not None else ""

    def note(self, entry: LedgerEntry, at: datetime, says: str) -> None:
        """One more line of the story."""
        self.events.append({"at": _text(at), "says": says, "entry": entry.seq, "cycle": entry.cycle or None})

    def decided(self, says: DecisionMade, at: datetime, entry: LedgerEntry) -> None:
        """A decision while they are leaving."""
        self.who = says.who or self.who
        if self.done is not None:  # inactive now: in step
            return
        self.decision = says
        self.shown = shown_after(self.shown, says.reason, says.status, says.since, says.changed_at) or self.shown
        if says.action == "deactivate" and self.decided_at is None:
            self.decided_at = at
        due = f", due {rfc3339(says.due_at)}" if says.due_at is not None else ""
        self.note(entry, at, f"decided: {says.action}, {says.reason}{due}")

    def back(self, at: datetime, entry: LedgerEntry) -> None:
        """A good read shows that they are no longer leaving; the decision of the same cycle says why."""
        if self.done is None:
            self.closed, self.back_at, self.back_in = "entitled_again", at, entry.cycle

    def explained(self, says: DecisionMade, at: datetime, entry: LedgerEntry) -> None:
        """The decision of the cycle in which they came back."""
        self.who = says.who or self.who
        self.closed = (
            "deactivated_by_others"
            if says.status == "inactive"
            else {"exempt": "exempt", "on_hold": "on_hold"}.get(says.reason, "entitled_again")
        )
        self.note(
            entry,
            at,
            {
                "deactivated_by_others": "found inactive, which syncd did not do",
                "exempt": "exempt from now on",
                "on_hold": "on hold from now on",
                "entitled_again": "entitled again",
            }[self.closed],
        )

    def vanished(self, at: datetime, entry: LedgerEntry) -> None:
        """The account is not in Zoom's list any more."""
        if self.done is None:
            self.closed, self.back_at = "gone_from_zoom", at
        self.note(entry, at, "no longer among Zoom's accounts")

    def announced(self, says: IntentAnnounced, at: datetime, entry: LedgerEntry) -> None:
        """An intent."""
        self.who = self.who or says.who  # a decision's names know the department too
        if says.action == "deactivate":
            self.tries.append(Deactivation(says.id, at, entry.cycle, says.by, says.reason, says.before, says.approval))
        else:
            self.others[says.id] = (says.action, says.by)
        under = f", under approval {says.approval}" if says.approval else ""
        self.note(entry, at, f"about to {says.action.replace('_', ' ')} ({says.by}, {says.reason}{under})")

    def settled(self, says: OutcomeSettled, done_at: datetime, entry: LedgerEntry) -> None:
        """How an intent of this story ended."""
        mine = next((one for one in self.tries if one.intent == says.intent), None)
        if mine is None and says.intent not in self.others:
            return
        if mine is not None:
            mine.outcome = says
            mine.done_at = done_at if says.outcome == OutcomeKind.DONE else None
        elif says.outcome == OutcomeKind.DONE and self.done is not None:
            action, by = self.others[says.intent]
            if action == "reactivate" and by != "cycle":
                self.closed, self.put_back_in = "put_back", entry.cycle
        said = [f"{says.action.replace('_', ' ')}: {says.outcome}"]
        said += [says.reason] if says.reason else []
        said += [f"seen {says.status_after}"] if says.status_after else []
        said += [f"licence {says.licence_after}"] if says.licence_after else []
        self.note(entry, says.verified_at or done_at, ", ".join(said))


@dataclass(frozen=True)
class Told:
    """What telling a story needs beside it. *until*: the ledger's last entry, where knowledge ends."""

    in_force: InForce
    until: datetime
    approvals: Mapping[str, Mapping[str, object]]
    asked_by: Mapping[str, Mapping[str, object]]  # cycle of a hand verb or undo -> by, because
    held: Sequence[tuple[datetime, datetime, tuple[str, ...]]]  # first, last, guards
    witness: Callable[[str], str | None] = lambda _: None  # intent -> how it stands with who saw it


@dataclass(frozen=True)
class Story:
    """A finished story: plain values, names apart."""

    zoom_id: str
    who: str
    sort_at: datetime
    values: dict[str, object]

    def row(self, personal: Mapping[str, str]) -> dict[str, object]:
        """The story with names and addresses, where they are still kept."""
        names = {name: personal.get(name) or None for name in ("email", "display_name", "department")}
        return {"zoom_id": self.zoom_id, **names, **self.values}


def build_row(offboarding: OffboardingCase, known: Told) -> Story:
    """One story to the end of the ledger."""
    last = offboarding.done or (offboarding.tries[-1] if offboarding.tries else None)
    decision, earlier = offboarding.decision or _NONE, offboarding.before or _NONE
    outcome = last.outcome if last is not None else None
    verified_at = outcome.verified_at if outcome is not None else None
    before: Mapping[str, Any] = last.before if last is not None else {}
    approval = known.approvals.get(last.approval, {}) if last is not None else {}
    asked = known.asked_by.get(offboarding.put_back_in or offboarding.cycle, {})
    left_at, measured_from = left(offboarding.seen, offboarding.shown, decision.reason)
    locked = verified_at if offboarding.done is not None and verified_at is not None else offboarding.ended
    state = _state(offboarding)
    closed_otherwise = state in ("put_back", "entitled_again", "exempt", "on_hold", "not_in_pilot", "left_alone")
    kept_until = locked if closed_otherwise and left_at is not None else None
    delay = None if (closed_otherwise and state != "put_back") or locked is None or left_at is None else locked - left_at
    reason = (last.reason if last is not None else decision.reason) or ""
    reason = "" if reason == "in_step" else reason  # off before anybody had to judge why they left
    promise = known.in_force.promise_at(left_at) if left_at is not None else None
    met = (
        promise_met(
            left_at,
            kept_until if closed_otherwise else locked if delay is not None else None,
            known.until,
            promise,
            promised=not closed_otherwise,
        )
        if promise is not None and (not closed_otherwise or kept_until is not None)
        else None
    )
    values = {
        "state": state,
        "reason": reason or None,
        "directory_id": decision.directory_id or earlier.directory_id,
        "matched_by": decision.matched_by or earlier.matched_by,
        "group_path": list(decision.group_path or earlier.group_path) or None,
        "notes": list(decision.notes) or None,
        "role": before.get("role") or decision.role,
        "status_before": before.get("status") or decision.status or None,
        "status_after": outcome.status_after if outcome is not None else None,
        "licence": licence_word(before.get("type")) or decision.licence,
        "licence_after": outcome.licence_after if outcome is not None else None,
        "licence_released": offboarding.done is not None and before.get("type") == 2,
        "last_login_at": before.get("last_login_at"),
        "last_entitled_at": _text(offboarding.shown.entitled_at),
        "changed_at": _text(decision.changed_at),
        "first_seen_at": _text(offboarding.seen),
        "due_at": _text(decision.due_at),
        "decided_at": _text(offboarding.decided_at),
        "acted_at": _text(last.done_at) if last is not None else None,
        "verified_at": _text(verified_at),
        "ended_at": _text(offboarding.ended),
        "measured_from": measured_from,
        "lockout_seconds": _lockout(offboarding, verified_at),
        "delay_seconds": round(delay.total_seconds(), 3) if delay is not None else None,
        "promise_seconds": promise.total_seconds() if promise is not None else None,
        "promise_met": met,
        "late_by": "window" if met is False and _late_by_window(left_at, locked, reason, known) else None,
        "outcome": outcome.outcome if outcome is not None else None,
        "outcome_reason": (outcome.reason or None) if outcome is not None else None,
        "attempts": len(offboarding.tries),
        "by": offboarding.by or None,
        "asked_by": asked.get("by"),
        "asked_because": asked.get("because"),
        "approval": (last.approval or None) if last is not None else None,
        "approved_by": approval.get("by"),
        "approved_because": approval.get("because"),
        "held_by": _held_by(offboarding, known),
        "witness": known.witness(offboarding.done.intent) if offboarding.done is not None else None,
        "cycle": offboarding.cycle or None,
        "first_entry": offboarding.first_entry,
        "deactivations": [_text(one.done_at) for one in offboarding.tries if one.done_at is not None],
        "events": sorted(offboarding.events, key=lambda event: (event["entry"], event["at"])),
    }
    return Story(offboarding.zoom_id, offboarding.who or earlier.who, offboarding.began, values)


def _state(offboarding: OffboardingCase) -> str:
    if offboarding.done is not None:
        return offboarding.closed if offboarding.put_back_in else "deactivated"
    if offboarding.closed:
        return offboarding.closed
    decision = offboarding.decision or _NONE
    action, reason = decision.action, decision.reason
    if action == "manual":
        return "manual"
    if action == "deactivate" or (offboarding.tries and not reason):
        return "due"
    if reason in ("within_grace", "not_in_pilot"):
        return reason
    return "left_alone" if reason else "within_grace"


def _lockout(offboarding: OffboardingCase, verified_at: datetime | None) -> float | None:
    """From the change in the directory to verified deactivated; None where the directory did not tell, or what it told of is
    older than the last read that showed them entitled, and so is another change."""
    changed = offboarding.decision.changed_at if offboarding.decision is not None else None
    if offboarding.done is None or verified_at is None or changed is None or changed > verified_at:
        return None
    entitled = offboarding.shown.entitled_at
    told = offboarding.seen is None if entitled is None else changed > entitled
    return round((verified_at - changed).total_seconds(), 3) if told else None


def _late_by_window(left_at: datetime | None, ended: datetime | None, reason: str, known: Told) -> bool:
    """Whether somebody who was late would have been in time but for the operator's calendar."""
    if left_at is None:
        return False
    until = ended or known.until
    return until - left_at - known.in_force.denied_between(reason, left_at, until) <= known.in_force.promise_at(left_at)


def _held_by(offboarding: OffboardingCase, known: Told) -> list[str]:
    """Guards that tripped in cycles while the deactivation was due."""
    if offboarding.decided_at is None:
        return []
    until = offboarding.ended or known.until
    return sorted(
        {
            guard
            for first, last, guards in known.held
            if first <= until and last >= offboarding.decided_at
            for guard in guards
            if guard != "max-reactivations"
        }
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
