"""The cycle document (``syncd.cycle/1``): one JSON object that says everything a cycle read, decided, judged and did.

The counts are control totals: every Zoom account read is in exactly one decision, and the four counts add up to
``zoom.accounts``. Times are RFC 3339 UTC. Readers ignore keys they do not know.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from syncd.model import Action, CycleReport, Decision, EffectOutcome, OutcomeKind, Status, Verdict, WitnessState, licence_word
from syncd.reports.licences import released_in
from syncd.reports.words import left_out

FORMAT = "syncd.cycle/1"

_EFFECTS = frozenset({Action.DEACTIVATE, Action.REACTIVATE})
_NO_OUTCOME = EffectOutcome(OutcomeKind.NOT_TRIED)

#: One row as text. Made once: ``json.dumps`` with an option would make an encoder for every row.
_line = json.JSONEncoder(ensure_ascii=False).encode
_quoted = json.encoder.encode_basestring


def cycle_document(report: CycleReport, omit: tuple[str, ...] = ()) -> dict[str, Any]:
    """The whole document. *omit*: ``display_name``, ``department``, where the evidence must do without them."""
    return {
        **head(report),
        "decisions": [decision_row(report, decision, omit) for decision in _decisions(report)],
        **tail(report),
    }


def written(report: CycleReport, omit: tuple[str, ...] = ()) -> Iterator[str]:
    """The document as text, piece by piece: a decision a line, so that a large one needs no large string."""
    first, last = (json.dumps(part, ensure_ascii=False, indent=1) for part in (head(report), tail(report)))
    yield first[:-2] + ',\n "decisions": ['
    separator = "\n  "
    decided_at = _line(moment(report.plan.made_at if report.plan is not None else None))
    for decision in _decisions(report):
        plain = not omit and decision.action not in _EFFECTS
        row = _plain_row(report, decision, decided_at) if plain else _line(decision_row(report, decision, omit))
        yield separator + row
        separator = ",\n  "
    yield "\n ],\n" + last[2:] + "\n"


def decision_row(report: CycleReport, decision: Decision, omit: tuple[str, ...] = ()) -> dict[str, Any]:
    """One decision with its outcome, if it asked for a change."""
    account = decision.account
    effect = decision.action in _EFFECTS
    tried = report.outcomes.get(decision.key) if effect else None
    held = report.held.get(decision.key, ()) if effect else ()
    opening = report.next_openings.get(decision.key) if effect else None
    outcome = tried or _NO_OUTCOME
    row = {
        "zoom_id": account.zoom_id,
        "email": account.email,
        "display_name": account.display_name or None,
        "status": account.status.value,
        "action": decision.action.value,
        "reason": decision.reason.value,
        "directory_id": decision.directory_id,
        "matched_by": decision.matched_by,
        "group_path": list(decision.group_path) or None,
        "department": decision.department or None,
        "notes": list(decision.notes),
        "since": moment(decision.since),
        "due_at": moment(decision.due_at),
        "next_opening": moment(opening),
        "role": account.role or account.role_id,
        "licence": licence_word(account.type),
        "last_login_at": moment(account.last_login_at),
        "outcome": outcome.outcome.value if effect else None,
        "outcome_reason": (outcome.reason or ("held_by " + " ".join(held) if held else "window" if opening else None))
        if effect
        else None,
        "status_after": outcome.status_after,
        "licence_after": outcome.licence_after,
        "witness": witness_word(report, decision),
        "moments": moments(report, decision, outcome) if effect and tried is not None else None,
        "decided_at": moment(report.plan.made_at if report.plan is not None else None),
        "done_at": moment(outcome.done_at),
        "verified_at": moment(outcome.verified_at),
        "attempts": outcome.attempts,
    }
    if omit:
        for key in left_out(omit):
            row.pop(key, None)
    return row


def _plain_row(report: CycleReport, decision: Decision, decided_at: str) -> str:
    """``decision_row`` of a decision that changes nothing, as text: nearly every row of a large document is one, and the usual
    way takes four times as long. A test holds the two equal."""
    account = decision.account
    return (
        f'{{"zoom_id": {_text(account.zoom_id)}, "email": {_quoted(account.email)}, '
        f'"display_name": {_text(account.display_name or None)}, "status": "{account.status}", '
        f'"action": "{decision.action}", "reason": "{decision.reason}", '
        f'"directory_id": {_text(decision.directory_id)}, '
        f"{_of_many(decision.matched_by, decision.group_path, decision.department, decision.notes)}, "
        f'"since": {_time(decision.since)}, "due_at": {_time(decision.due_at)}, "next_opening": null, '
        f"{_as_in_zoom(account.role or account.role_id, account.type)}, "
        f'"last_login_at": {_time(account.last_login_at)}, '
        f'"outcome": null, "outcome_reason": null, "status_after": null, "licence_after": null, '
        f'"witness": {_text(witness_word(report, decision))}, "moments": null, "decided_at": {decided_at}, '
        f'"done_at": null, "verified_at": null, "attempts": {_NO_OUTCOME.attempts}}}'
    )


@lru_cache(maxsize=4096)
def _of_many(matched_by: str | None, group_path: tuple[str, ...], department: str, notes: tuple[str, ...]) -> str:
    """A part of a row that is the same for many accounts: made once for them."""
    return (
        f'"matched_by": {_text(matched_by)}, "group_path": {_line(group_path) if group_path else "null"}, '
        f'"department": {_text(department or None)}, "notes": {_line(notes)}'
    )


@lru_cache(maxsize=1024)
def _as_in_zoom(role: str | None, type_: int | None) -> str:
    """As ``_of_many``."""
    return f'"role": {_text(role)}, "licence": {_text(licence_word(type_))}'


def _time(value: datetime | None) -> str:
    return "null" if value is None else f'"{moment(value)}"'


def _text(value: str | None) -> str:
    return "null" if value is None else _quoted(value)


def moments(report: CycleReport, decision: Decision, outcome: EffectOutcome) -> dict[str, str | None]:
    """The way of one change, from the directory to what a later read of Zoom showed. *changed*: as the directory tells, where it
    does; *seen*: by the watch; *event*: told by Zoom itself."""
    seen = report.look.seen.get(decision.account.zoom_id or "") if report.look is not None else None
    return {
        "changed": moment(report.changed_at(decision)),
        "seen": moment(seen),
        "decided": moment(report.plan.made_at if report.plan is not None else None),
        "sent": moment(outcome.sent_at),
        "answered": moment(outcome.done_at),
        "verified": moment(outcome.verified_at),
        "event": moment(told.at) if (told := report.witness.get(decision.key)) is not None and told.by == "event" else None,
    }


def witness_word(report: CycleReport, decision: Decision) -> str | None:
    """How a change that was done stands with those who saw it; ``foreign`` where somebody else changed the account lately. None
    for everything else."""
    if report.witness and (seen := report.witness.get(decision.key)) is not None:
        return seen.state.value
    return WitnessState.FOREIGN.value if decision.account.zoom_id in report.foreign_ids else None


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """One guard's verdict."""
    return {
        "guard": verdict.guard.value,
        "tripped": verdict.tripped,
        "measured": verdict.measured,
        "limit": verdict.limit,
        "unit": verdict.unit,
        "says": verdict.says,
        "do": verdict.do if verdict.tripped else "",
    }


def moment(value: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second unless there are fractions."""
    if value is None:
        return None
    return (value if value.tzinfo is UTC else value.astimezone(UTC)).isoformat().replace("+00:00", "Z")


def _decisions(report: CycleReport) -> tuple[Decision, ...]:
    return report.told


def head(report: CycleReport) -> dict[str, Any]:
    """Everything that stands before the decisions."""
    plan, directory, zoom = report.plan, report.directory, report.zoom
    counts: Mapping[Action, int] = plan.counts if plan is not None else dict.fromkeys(Action, 0)
    return {
        "format": FORMAT,
        "cycle_id": report.cycle_id,
        "mode": report.mode.value,
        "trigger": report.trigger.value,
        "result": report.result.value,
        **({"look": True} if report.look is not None else {}),
        "started_at": moment(report.started_at),
        "ended_at": moment(report.ended_at),
        "plan_digest": plan.digest if plan is not None else None,
        "policy_digest": report.policy_digest,
        "version": report.version,
        "problem": {"says": report.why, "do": report.do} if report.why else None,
        "directory": None
        if directory is None
        else {
            "source": directory.source,
            "read_at": moment(directory.read_at),
            "people": len(directory.people),
            "entitled": report.entitled,
            "groups": [
                {"id": group.id, "name": group.name, "members": group.members, "use": group.use.value}
                for group in directory.groups
            ],
            "unresolved": len(directory.unresolved),
            "unclear": [{"id": person.id, "cause": person.cause} for person in report.unclear],
            "digest": directory.digest,
        },
        "zoom": None
        if zoom is None
        else {
            "read_at": moment(zoom.read_at),
            "accounts": len(zoom.accounts),
            **{status.value: zoom.count(status) for status in Status},
            "digest": zoom.digest,
            "free_licences": report.free_licences,
        },
        "licences_released": released_in(report),
        "counts": {action.value: counts[action] for action in Action},
        "reasons": {reason.value: count for reason, count in (plan.reasons if plan is not None else {}).items()},
        "guards": [verdict_row(verdict) for verdict in report.verdicts],
        "warnings": list(report.warnings),
    }


def tail(report: CycleReport) -> dict[str, Any]:
    """Everything that stands after the decisions."""
    return {
        "approvals": [
            {
                "id": approval.id,
                "plan": approval.plan_digest,
                "guards": [guard.value for guard in approval.guards],
                "by": approval.by,
                "because": approval.because,
                "at": moment(approval.at),
                "expires_at": moment(approval.expires_at),
            }
            for approval in report.approvals
        ],
        "seen_by_others": [
            {
                "zoom_id": one.zoom_id or None,
                "email": one.email or None,
                "what": one.what,
                "at": moment(one.at),
                "source": one.source,
                "operator": one.operator or None,
                "fields": list(one.fields),
            }
            for one in report.foreign
        ],
        **(
            {
                "handover": [one.as_json() for one in report.contents],
                "waiting_for_a_receiver": [
                    {"zoom_id": one.zoom_id, "email": one.email, "why": one.why_none}
                    for one in report.contents
                    if one.waits_for_a_receiver
                ],
            }
            if report.contents is not None
            else {}
        ),
        "ledger": {"head_sequence": report.head.seq, "head_hash": report.head.hash},
    }
