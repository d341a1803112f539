"""One person's leaving, as the ledger tells it: from the read that first showed him gone to the state verified at Zoom.

``Episode`` collects while entries pass by; ``told`` makes the finished ``Story``. ``period`` decides whose stories are
wanted. The same account can leave twice (re-hired, brought back): each time is an episode of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from syncd.model import LedgerEntry, licence_word

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
    outcome: dict[str, Any] | None = None
    done_at: datetime | None = None


@dataclass
class Episode:
    """Collects what entries say of one leaving. *before*: the last decision while he was still entitled."""

    zoom_id: str
    first_entry: int
    seen: datetime | None                     # first good read that showed him gone; None: nobody saw it, a person asked
    last_entitled: datetime | None            # the good read before, if it showed him entitled
    before: dict[str, Any]
    decision: dict[str, Any] = field(default_factory=dict)
    decided_at: datetime | None = None        # when the deactivation was first decided
    tries: list[Deactivation] = field(default_factory=list)
    others: dict[str, tuple[str, str]] = field(default_factory=dict)    # other intents: id -> action, by
    put_back_in: str = ""                     # the undo or hand verb that reactivated him
    closed: str = ""                          # a word of STATES, once nothing more is to be done
    back_at: datetime | None = None
    back_in: str = ""                         # the cycle whose read showed that he is no longer leaving
    who: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)

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
        """Whether syncd deactivated him."""
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

    def decided(self, body: dict[str, Any], at: datetime, entry: LedgerEntry) -> None:
        """A decision while he is leaving."""
        self.who = body.get("who") or self.who
        if self.done is not None:             # inactive now: in step
            return
        self.decision = body
        if body["action"] == "deactivate" and self.decided_at is None:
            self.decided_at = at
        due = f", due {body['due_at']}" if body.get("due_at") else ""
        self.note(entry, at, f"decided: {body['action']}, {body['reason']}{due}")

    def back(self, at: datetime, entry: LedgerEntry) -> None:
        """A good read shows that he is no longer leaving; the decision of the same cycle says why."""
        if self.done is None:
            self.closed, self.back_at, self.back_in = "entitled_again", at, entry.cycle

    def explained(self, body: dict[str, Any], at: datetime, entry: LedgerEntry) -> None:
        """The decision of the cycle in which he came back."""
        self.who = body.get("who") or self.who
        self.closed = (
            "deactivated_by_others" if body["status"] == "inactive"
            else {"exempt": "exempt", "on_hold": "on_hold"}.get(body["reason"], "entitled_again")
        )
        self.note(entry, at, {
            "deactivated_by_others": "found inactive, which syncd did not do", "exempt": "exempt from now on",
            "on_hold": "on hold from now on", "entitled_again": "entitled again",
        }[self.closed])

    def vanished(self, at: datetime, entry: LedgerEntry) -> None:
        """The account is not in Zoom's list any more."""
        if self.done is None:
            self.closed, self.back_at = "gone_from_zoom", at
        self.note(entry, at, "no longer among Zoom's accounts")

    def announced(self, body: dict[str, Any], at: datetime, entry: LedgerEntry, approval: str) -> None:
        """An intent."""
        self.who = self.who or body.get("who") or ""              # a decision's names know the department too
        if body["action"] == "deactivate":
            self.tries.append(Deactivation(body["id"], at, entry.cycle, body["by"], body["reason"], body["before"], approval))
        else:
            self.others[body["id"]] = (body["action"], body["by"])
        under = f", under approval {approval}" if approval else ""
        self.note(entry, at, f"about to {body['action'].replace('_', ' ')} ({body['by']}, {body['reason']}{under})")

    def settled(self, body: dict[str, Any], done_at: datetime, entry: LedgerEntry) -> None:
        """How an intent of this story ended."""
        mine = next((one for one in self.tries if one.intent == body["intent"]), None)
        if mine is None and body["intent"] not in self.others:
            return
        if mine is not None:
            mine.outcome = body
            mine.done_at = done_at if body["outcome"] == "done" else None
        elif body["outcome"] == "done" and self.done is not None:
            action, by = self.others[body["intent"]]
            if action == "reactivate" and by != "cycle":
                self.closed, self.put_back_in = "put_back", entry.cycle
        said = [f"{body['action'].replace('_', ' ')}: {body['outcome']}"]
        said += [body["reason"]] if body.get("reason") else []
        said += [f"seen {body['status_after']}"] if body.get("status_after") else []
        said += [f"licence {body['licence_after']}"] if body.get("licence_after") else []
        self.note(entry, _moment(body["verified_at"]) if body.get("verified_at") else done_at, ", ".join(said))


@dataclass(frozen=True)
class Told:
    """What telling a story needs beside it. *until*: the ledger's last entry, where knowledge ends."""

    promise: timedelta
    until: datetime
    approvals: Mapping[str, Mapping[str, Any]]
    asked_by: Mapping[str, Mapping[str, Any]]                            # cycle of a hand verb or undo -> by, because
    held: Sequence[tuple[datetime, datetime, tuple[str, ...]]]           # first, last, guards


@dataclass(frozen=True)
class Story:
    """A finished story: plain values, names apart."""

    zoom_id: str
    who: str
    sort_at: datetime
    values: dict[str, Any]

    def row(self, personal: Mapping[str, str]) -> dict[str, Any]:
        """The story with names and addresses, where they are still kept."""
        names = {name: personal.get(name) or None for name in ("email", "display_name", "department")}
        return {"zoom_id": self.zoom_id, **names, **self.values}


def told(episode: Episode, known: Told) -> Story:
    """One story to the end of the ledger."""
    last = episode.done or (episode.tries[-1] if episode.tries else None)
    decision = episode.decision
    outcome: Mapping[str, Any] = (last.outcome or {}) if last is not None else {}
    before: Mapping[str, Any] = last.before if last is not None else {}
    approval = known.approvals.get(last.approval, {}) if last is not None else {}
    asked = known.asked_by.get(episode.put_back_in or episode.cycle, {})
    left, measured_from = _left(episode)
    locked = _moment(outcome["verified_at"]) if episode.done and outcome.get("verified_at") else episode.ended
    state = _state(episode)
    closed_otherwise = state in ("put_back", "entitled_again", "exempt", "on_hold", "not_in_pilot", "left_alone")
    kept_until = locked if closed_otherwise and left is not None else None
    delay = None if (closed_otherwise and state != "put_back") or locked is None or left is None else locked - left
    values = {
        "state": state,
        "reason": last.reason if last is not None else decision.get("reason"),
        "directory_id": decision.get("directory_id") or episode.before.get("directory_id"),
        "matched_by": decision.get("matched_by") or episode.before.get("matched_by"),
        "group_path": decision.get("group_path") or episode.before.get("group_path"),
        "notes": decision.get("notes"),
        "role": before.get("role") or decision.get("role"),
        "status_before": before.get("status") or decision.get("status"),
        "status_after": outcome.get("status_after"),
        "licence": licence_word(before.get("type")) or decision.get("licence"),
        "licence_after": outcome.get("licence_after"),
        "licence_released": episode.done is not None and before.get("type") == 2,
        "last_login_at": before.get("last_login_at"),
        "last_entitled_at": _text(episode.last_entitled),
        "changed_at": decision.get("changed_at"),
        "first_seen_at": _text(episode.seen),
        "due_at": decision.get("due_at"),
        "decided_at": _text(episode.decided_at),
        "acted_at": _text(last.done_at) if last is not None else None,
        "verified_at": outcome.get("verified_at"),
        "ended_at": _text(episode.ended),
        "measured_from": measured_from,
        "delay_seconds": round(delay.total_seconds(), 3) if delay is not None else None,
        "promise_met": _met(left, delay, kept_until, closed=closed_otherwise, known=known),
        "outcome": outcome.get("outcome"),
        "outcome_reason": outcome.get("reason") or None,
        "attempts": len(episode.tries),
        "by": episode.by or None,
        "asked_by": asked.get("by"),
        "asked_because": asked.get("because"),
        "approval": (last.approval or None) if last is not None else None,
        "approved_by": approval.get("by"),
        "approved_because": approval.get("because"),
        "held_by": _held_by(episode, known),
        "cycle": episode.cycle or None,
        "first_entry": episode.first_entry,
        "deactivations": [_text(one.done_at) for one in episode.tries if one.done_at is not None],
        "events": sorted(episode.events, key=lambda event: (event["entry"], event["at"])),
    }
    return Story(episode.zoom_id, episode.who or str(episode.before.get("who") or ""), episode.began, values)


def _state(episode: Episode) -> str:
    if episode.done is not None:
        return episode.closed if episode.put_back_in else "deactivated"
    if episode.closed:
        return episode.closed
    action, reason = episode.decision.get("action"), episode.decision.get("reason")
    if action == "manual":
        return "manual"
    if action == "deactivate" or (episode.tries and reason is None):
        return "due"
    if reason in ("within_grace", "not_in_pilot"):
        return str(reason)
    return "left_alone" if reason is not None else "within_grace"


def _left(episode: Episode) -> tuple[datetime | None, str | None]:
    """(from when on his time counts, why from then)"""
    changed = episode.decision.get("changed_at")
    if changed and episode.seen is not None and episode.decision.get("reason") == "disabled_in_directory":
        at = _moment(changed)
        if at <= episode.seen and (episode.last_entitled is None or at > episode.last_entitled):
            return at, "directory_change"
    if episode.last_entitled is not None:
        return episode.last_entitled, "last_seen_entitled"
    return (episode.seen, "first_seen") if episode.seen is not None else (None, None)


def _met(left: datetime | None, delay: timedelta | None, ended: datetime | None, *, closed: bool, known: Told) -> bool | None:
    """Whether the promise was kept; None: nothing was promised for him, or his time is still running.

    *ended*: when he was no longer leaving for another reason (entitled again, exempt, put back). If his time had run out
    before that, the promise was broken all the same.
    """
    if closed and left is not None and ended is not None and ended - left > known.promise:
        return False
    if delay is not None and not closed:
        return delay <= known.promise
    if closed or left is None:
        return None
    return False if known.until - left > known.promise else None


def _held_by(episode: Episode, known: Told) -> list[str]:
    """Guards that tripped in cycles while his deactivation was due."""
    if episode.decided_at is None:
        return []
    until = episode.ended or known.until
    return sorted({guard for first, last, guards in known.held if first <= until and last >= episode.decided_at
                   for guard in guards if guard != "max-reactivations"})


def _moment(of: str) -> datetime:
    return datetime.fromisoformat(of).astimezone(UTC)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")

