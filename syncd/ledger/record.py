"""What is written into the ledger: one function per kind of entry. ``history.py`` is its mirror and reads them back.

Nothing personal stands in a body: names and addresses travel in ``Draft.personal``. Times are RFC 3339 UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from syncd.model import (
    Action,
    Approval,
    Decision,
    Draft,
    EffectOutcome,
    Head,
    Intent,
    Plan,
    Verdict,
    ZoomAccount,
    licence_word,
)
from syncd.planning.memory import MemoryChange

FORMAT = "syncd.ledger/1"

#: Accounts named in one memory entry: keeps entries readable and appends small.
MEMORY_CHUNK = 1000


def rfc3339(moment: datetime) -> str:
    """``2026-11-25T19:00:00.000000Z``; fractions are left out when they are zero."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def from_rfc3339(text: str) -> datetime:
    """The moment a ledger or document time names, aware UTC. Raises ValueError."""
    return datetime.fromisoformat(text).astimezone(UTC)


def opened(ledger_id: str, zoom_account: str, directory: str) -> Draft:
    """The first entry: binds the ledger to one Zoom account and one directory."""
    return Draft("ledger.opened", {"format": FORMAT, "ledger_id": ledger_id, "zoom_account": zoom_account,
                                   "directory": directory})


def cycle_read(cycle: str, facts: Mapping[str, Any]) -> Draft:
    """What a cycle read and measured, written before its first effect. *facts*: see ``cycle.read_facts``."""
    return Draft("cycle.read", {"read": dict(facts)}, cycle=cycle)


def cycle_ended(cycle: str, body: Mapping[str, Any], facts: Mapping[str, Any] | None) -> Draft:
    """How a cycle ended. Carries the read facts when the cycle wrote nothing before, so that a quiet one is one entry."""
    return Draft("cycle.ended", {**body, **({"read": dict(facts)} if facts is not None else {})}, cycle=cycle)


def memory(cycle: str, change: MemoryChange) -> list[Draft]:
    """What a good read changed in the memory of pairs and of people gone, in chunks."""
    drafts: list[Draft] = []
    pairs = sorted(change.pairs.items())
    drafts += [Draft("memory", {"pairs": dict(pairs[at:at + MEMORY_CHUNK])}, cycle=cycle)
               for at in range(0, len(pairs), MEMORY_CHUNK)]
    for field in ("gone", "back", "unclear", "seen_active", "vanished"):
        names: Sequence[str] = sorted(getattr(change, field))
        drafts += [Draft("memory", {field: list(names[at:at + MEMORY_CHUNK]), "at": rfc3339(change.at)}, cycle=cycle)
                   for at in range(0, len(names), MEMORY_CHUNK)]
    return drafts


def decided(cycle: str, decision: Decision, changed_at: datetime | None = None) -> Draft:
    """A decision that differs from the last one recorded for this account. *changed_at*: when the directory says its person
    was changed last; evidence of when he left, but no difference by itself."""
    account = decision.account
    body = decision_body(decision)
    return Draft(
        "decision",
        {**body, "changed_at": rfc3339(changed_at)} if changed_at is not None else body,
        subject=account.zoom_id or "",
        cycle=cycle,
        personal=personal_of(account, decision.department),
    )


def decision_body(decision: Decision) -> dict[str, Any]:
    """The recorded part of a decision; equal bodies mean nothing changed."""
    account = decision.account
    body: dict[str, Any] = {
        "action": decision.action.value,
        "reason": decision.reason.value,
        "status": account.status.value,
        "role": account.role,
        "licence": licence_word(account.type),
        "directory_id": decision.directory_id,
        "matched_by": decision.matched_by,
        "group_path": list(decision.group_path),
        "notes": list(decision.notes),
        "since": rfc3339(decision.since) if decision.since else None,
        "due_at": rfc3339(decision.due_at) if decision.due_at else None,
    }
    return {key: value for key, value in body.items() if value not in (None, [])}


def personal_of(account: ZoomAccount, department: str = "") -> dict[str, str]:
    """Names and addresses of an account, to lie beside the chain."""
    return {"email": account.email, "display_name": account.display_name, "department": department or account.department}


def plan_made(cycle: str, plan: Plan, measures: Mapping[str, float] | None = None) -> Draft:
    """The effects of a plan not seen before, so that somebody can approve or undo exactly them. *measures*: what the read
    behind it measured, when no entry about that read follows."""
    return Draft("plan", {
        "digest": plan.digest,
        "policy": plan.policy_digest,
        "effects": [[*effect.key, effect.reason.value] for effect in plan.effects],
        **({"measures": dict(measures)} if measures is not None else {}),
    }, cycle=cycle)


def approved(approval: Approval, accepts: Mapping[str, Any]) -> Draft:
    """Somebody lets a plan pass. *accepts*: measured values that become baselines (see ``core.approvals.accepts``)."""
    return Draft("approval", {
        "plan": approval.plan_digest,
        "policy": approval.policy_digest,
        "guards": [guard.value for guard in approval.guards],
        "effects": sorted(list(effect) for effect in approval.effects),
        "by": approval.by,
        "because": approval.because,
        "expires_at": rfc3339(approval.expires_at),
        "accepts": dict(accepts),
    }, subject=approval.id)


def intended(intent: Intent, account: ZoomAccount) -> Draft:
    """An effect about to be tried: written, durably, before the request leaves."""
    return Draft("intent", {
        "id": intent.id,
        "action": intent.action,
        "by": intent.by,
        "reason": intent.reason,
        "before": dict(intent.before),
        "approval": intent.approval,
        "restore": dict(intent.restore) if intent.restore is not None else None,
    }, subject=intent.zoom_id, cycle=intent.cycle, personal=personal_of(account))


def before_of(account: ZoomAccount) -> dict[str, Any]:
    """What an account had before a change: Zoom strips licences and does not give them back."""
    return {"status": account.status.value, "type": account.type, "plan": account.plan, "licences": account.licences,
            "role_id": account.role_id, "role": account.role,
            "last_login_at": rfc3339(account.last_login_at) if account.last_login_at is not None else None}


def settled(intent: Intent, outcome: EffectOutcome, refusal: Mapping[str, Any] | None = None, cycle: str = "") -> Draft:
    """How an announced effect ended. *refusal*: code, says and fingerprint of a refusal for good."""
    return Draft("outcome", {
        "intent": intent.id,
        "action": intent.action,
        "outcome": outcome.outcome.value,
        "reason": outcome.reason,
        "status_after": outcome.status_after,
        "licence_after": outcome.licence_after,
        "done_at": rfc3339(outcome.done_at) if outcome.done_at else None,
        "verified_at": rfc3339(outcome.verified_at) if outcome.verified_at else None,
        "attempts": outcome.attempts,
        **({"refusal": dict(refusal)} if refusal is not None else {}),
    }, subject=intent.zoom_id, cycle=cycle or intent.cycle)


def held(zoom_id: str, *, by: str, because: str, until: datetime | None, personal: Mapping[str, str] | None) -> Draft:
    """An account is to be left alone, until a time or until released."""
    return Draft("hold", {"by": by, "because": because, "until": rfc3339(until) if until else None}, subject=zoom_id,
                 personal=personal)


def released(zoom_id: str, *, by: str, because: str) -> Draft:
    """A hold ends."""
    return Draft("release", {"by": by, "because": because}, subject=zoom_id)


def paused(*, by: str, because: str) -> Draft:
    """All changes stop until resumed."""
    return Draft("pause", {"by": by, "because": because})


def resumed(*, by: str, because: str) -> Draft:
    """Changes may go on."""
    return Draft("resume", {"by": by, "because": because})


def undone(cycle: str, of_cycle: str, *, by: str, because: str) -> Draft:
    """Somebody puts back what a cycle changed."""
    return Draft("undo", {"of": of_cycle, "by": by, "because": because}, cycle=cycle)


def reported(cycle: str, file: str, sha256: str) -> Draft:
    """A report file was written: its name and hash, so that a swapped file shows."""
    return Draft("report", {"file": file, "sha256": sha256}, cycle=cycle)


def report_removed(cycle: str, files: Sequence[str], written_before: datetime) -> Draft:
    """Report files older than ``reports.keep`` were removed; their names and hashes stay in the ledger."""
    return Draft("report.removed", {"files": sorted(files), "written_before": rfc3339(written_before)}, cycle=cycle)


def head_signed(cycle: str, head: Head, key: str, signature: str) -> Draft:
    """Somebody with the key of this id saw the chain end at *head*, the entry right before this one."""
    return Draft("head.signed", {"sequence": head.seq, "hash": head.hash, "key": key, "signature": signature}, cycle=cycle)


def verdicts_body(verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """The tripped guards with what they measured; the others only by being absent."""
    return [{"guard": one.guard.value, "measured": one.measured, "limit": one.limit, "unit": one.unit}
            for one in verdicts if one.tripped]


def changes_by_action(plan: Plan) -> dict[str, int]:
    """Planned effects by action, for totals."""
    return {action.value: plan.counts[action] for action in (Action.DEACTIVATE, Action.REACTIVATE)}
