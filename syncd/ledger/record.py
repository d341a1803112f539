"""What is written into the ledger, made of what the rest of syncd speaks of: one function per kind of entry. What each kind
says stands in ``entries``.

Nothing personal stands in a body: names and addresses travel in ``Draft.personal``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from syncd.ledger import entries
from syncd.ledger.entry import draft, from_rfc3339, rfc3339
from syncd.model import (
    Acknowledgement,
    Action,
    Announcement,
    Approval,
    Decision,
    Draft,
    EffectOutcome,
    Guard,
    Head,
    Intent,
    MemoryChange,
    OperationLog,
    Plan,
    SeenEffect,
    Sighting,
    Verdict,
    Witnesses,
    WitnessState,
    ZoomAccount,
    licence_word,
    sha256_of,
)

__all__ = ["from_rfc3339", "rfc3339"]

FORMAT = "syncd.ledger/1"

#: Accounts named in one memory entry: keeps entries readable and appends small.
MEMORY_CHUNK = 1000


def opened(ledger_id: str, zoom_account: str, directory: str, mode: str = "", beside: int = 0) -> Draft:
    """The first entry: binds the ledger to one Zoom account and one directory. *mode*: the one it is begun in; *beside*: how
    many reports of an earlier ledger lie in the folder."""
    return draft(entries.LedgerOpened(FORMAT, ledger_id, zoom_account, directory, mode, beside))


def accepted(*, by: str, because: str, missing: Iterable[Head] = (), directory: str = "") -> Draft:
    """Somebody says that this ledger is meant as it is. *missing*: published heads that are not in it; *directory*: the one it
    belongs to from here on, if it is another."""
    heads = tuple((head.seq, head.hash) for head in missing)
    return draft(entries.LedgerAccepted(by, because, heads, directory))


def restored(backup: Head, lost: Head) -> Draft:
    """A backup that ends at *backup* was put back where a ledger ended at *lost*."""
    return draft(entries.LedgerRestored(backup.seq, backup.hash, lost.seq, lost.hash))


def cycle_read(cycle: str, facts: entries.ReadFacts) -> Draft:
    """What a cycle read and measured, written before its first effect."""
    return draft(entries.CycleRead(facts), cycle=cycle)


def cycle_ended(cycle: str, says: entries.CycleEnded) -> Draft:
    """How a cycle, a person's verb or an undo ended."""
    return draft(says, cycle=cycle)


def memory(cycle: str, change: MemoryChange) -> list[Draft]:
    """What a good read changed in the memory of pairs and of people gone, in chunks."""
    pairs = sorted(change.pairs.items())
    numbers = sorted(change.numbers.items())
    drafts = [
        draft(entries.Memory(pairs=dict(pairs[at : at + MEMORY_CHUNK])), cycle=cycle) for at in range(0, len(pairs), MEMORY_CHUNK)
    ]
    drafts += [
        draft(entries.Memory(numbers=dict(numbers[at : at + MEMORY_CHUNK])), cycle=cycle)
        for at in range(0, len(numbers), MEMORY_CHUNK)
    ]
    for field in ("entitled", "gone", "back", "returning", "not_returning", "unclear", "seen_active", "vanished"):
        names = sorted(getattr(change, field))
        drafts += [
            draft(msgspec.convert({field: names[at : at + MEMORY_CHUNK], "at": change.at}, entries.Memory), cycle=cycle)
            for at in range(0, len(names), MEMORY_CHUNK)
        ]
    return drafts


def decided(cycle: str, decision: Decision, changed_at: datetime | None = None) -> Draft:
    """A decision that differs from the last one recorded for this account. *changed_at*: when the directory says its person
    was changed last; evidence of when they left, but no difference by itself."""
    account = decision.account
    return draft(
        decision_made(decision, changed_at),
        subject=account.zoom_id or "",
        cycle=cycle,
        personal=personal_of(account, decision.department),
    )


def decision_made(decision: Decision, changed_at: datetime | None = None) -> entries.DecisionMade:
    """The recorded part of a decision; equal fingerprints mean nothing changed."""
    account = decision.account
    return entries.DecisionMade(
        decision.action.value,
        decision.reason.value,
        account.status.value,
        account.role,
        licence_word(account.type),
        decision.directory_id,
        decision.matched_by,
        decision.group_path,
        decision.notes,
        decision.since,
        decision.due_at,
        changed_at,
    )


def personal_of(account: ZoomAccount, department: str = "") -> dict[str, str]:
    """Names and addresses of an account, to lie beside the chain."""
    return {"email": account.email, "display_name": account.display_name, "department": department or account.department}


def plan_made(cycle: str, plan: Plan, verdicts: Iterable[Verdict] = ()) -> Draft:
    """The effects of a plan not seen before, so that somebody can approve or undo exactly them, what approving it for a
    tripped read guard accepts, and who is within the grace or unclear beside."""
    effects = tuple((*effect.key, effect.reason.value) for effect in plan.effects)
    accepts = {guard: dict(values) for guard, values in plan.accepts.items()}
    tripped = tuple(one.guard.value for one in verdicts if one.tripped)
    return draft(
        entries.PlanMade(plan.digest, plan.policy_digest, effects, None, on_the_way(plan), accepts, tripped), cycle=cycle
    )


def on_the_way(plan: Plan) -> tuple[str, ...]:
    """Zoom ids of those who may become due without anything new to see."""
    return tuple(one.account.zoom_id or "" for one in plan.on_the_way)


def approved(approval: Approval, complete: Sequence[Guard] | None = None) -> Draft:
    """Somebody lets a plan pass. *complete*: the guards for which as many people approved as must; what the plan measured for
    those becomes the baseline, and their sums begin anew, once a cycle finds that it counts. None: one is enough."""
    return draft(
        entries.ApprovalGiven(
            approval.plan_digest,
            approval.policy_digest,
            approval.guards,
            tuple(sorted(approval.effects)),
            approval.by,
            approval.because,
            approval.expires_at,
            dict(approval.accepts),
            tuple(sorted(approval.on_the_way)),
            approval.signature,
            approval.os_user,
            approval.host,
            approval.good_read,
            tuple(complete) if complete is not None else None,
        ),
        subject=approval.id,
    )


def approval_counts(cycle: str, approval: str) -> Draft:
    """A cycle found that this approval counts: what it accepts is the measure from here on."""
    return draft(entries.ApprovalCounts(), cycle=cycle, subject=approval)


def announced(one: Announcement, personal: Mapping[str, str]) -> Draft:
    """Somebody names leavers to come. *personal*: their addresses by zoom id, to lie beside the chain."""
    return draft(
        entries.PeopleAnnounced(
            tuple(sorted(one.zoom_ids)), one.starts_at, one.ends_at, one.by, one.because, one.signature, one.os_user, one.host
        ),
        subject=one.id,
        personal=personal,
    )


def intended(intent: Intent, account: ZoomAccount) -> Draft:
    """An effect about to be tried: written, durably, before the request leaves."""
    return draft(
        entries.IntentAnnounced(
            intent.id,
            intent.action,
            intent.by,
            intent.reason,
            dict(intent.before),
            intent.approval,
            dict(intent.restore) if intent.restore is not None else None,
            intent.person,
        ),
        subject=intent.zoom_id,
        cycle=intent.cycle,
        personal=personal_of(account),
    )


def before_of(account: ZoomAccount) -> dict[str, object]:
    """What an account had before a change: Zoom strips licences and does not give them back."""
    return {
        "status": account.status.value,
        "type": account.type,
        "plan": account.plan,
        "licences": account.licences,
        "role_id": account.role_id,
        "role": account.role,
        "last_login_at": rfc3339(account.last_login_at) if account.last_login_at is not None else None,
    }


def settled(intent: Intent, outcome: EffectOutcome, refusal: Mapping[str, object] | None = None, cycle: str = "") -> Draft:
    """How an announced effect ended. *refusal*: code, says and fingerprint of a refusal for good."""
    return draft(
        entries.OutcomeSettled(
            intent.id,
            intent.action,
            outcome.outcome.value,
            outcome.reason,
            outcome.status_after,
            outcome.licence_after,
            outcome.done_at,
            outcome.verified_at,
            outcome.attempts,
            msgspec.convert(refusal, entries.RefusalSaid) if refusal is not None else None,
        ),
        subject=intent.zoom_id,
        cycle=cycle or intent.cycle,
    )


def troubled(cycle: str, zoom_id: str, action: str, *, reason: str, says: str, code: int | None, fingerprint: str) -> Draft:
    """A due change failed for what Zoom answered about this one account. Two cycles in a row make it a person's task;
    *fingerprint* is what must stay the same for that."""
    return draft(entries.TroubleMet(action, reason, code, says, fingerprint), subject=zoom_id, cycle=cycle)


def held(zoom_id: str, *, by: str, because: str, until: datetime | None, personal: Mapping[str, str] | None) -> Draft:
    """An account is to be left alone, until a time or until released."""
    return draft(entries.HoldPlaced(by, because, until), subject=zoom_id, personal=personal)


def acknowledged(zoom_id: str, one: Acknowledgement, personal: Mapping[str, str] | None) -> Draft:
    """Somebody knows of a standing ``manual`` row."""
    return draft(entries.RowAcknowledged(one.by, one.because, one.until, one.fingerprint), subject=zoom_id, personal=personal)


def released(zoom_id: str, *, by: str, because: str) -> Draft:
    """A hold ends."""
    return draft(entries.HoldReleased(by, because), subject=zoom_id)


def paused(*, by: str, because: str) -> Draft:
    """All changes stop until resumed."""
    return draft(entries.ChangesPaused(by, because))


def resumed(*, by: str, because: str) -> Draft:
    """Changes may go on."""
    return draft(entries.ChangesResumed(by, because))


def undone(cycle: str, of_cycle: str, *, by: str, because: str) -> Draft:
    """Somebody puts back what a cycle changed."""
    return draft(entries.CycleUndone(of_cycle, by, because), cycle=cycle)


def reported(cycle: str, file: str, sha256: str, making: Mapping[str, object] | None = None) -> Draft:
    """A report file was written: its name and hash, so that a swapped file shows. *making*: how a period's report was made."""
    return draft(entries.ReportWritten(file, sha256, dict(making) if making is not None else None), cycle=cycle)


def reviewed(of: str, *, by: str, note: str) -> Draft:
    """A person looked at a cycle or a month."""
    return draft(entries.CycleReviewed(of, by, note))


def report_unfiled(cycle: str, why: str) -> Draft:
    """A cycle ended, and its line or report is not in the folder yet."""
    return draft(entries.ReportUnfiled(why), cycle=cycle)


def reports_filed(cycle: str, cycles: int) -> Draft:
    """A process comes to its orderly end, having filed so many cycles, this one last; none that ended waits to be filed."""
    return draft(entries.ReportsFiled(cycles), cycle=cycle)


def in_force(cycle: str, values: Mapping[str, object], since: datetime) -> Draft:
    """What evidence is judged by from the beginning of this cycle on."""
    return draft(entries.PolicyInForce(since, dict(values)), cycle=cycle)


def report_removed(cycle: str, files: Sequence[str], written_before: datetime) -> Draft:
    """Report files older than ``reports.keep`` were removed; their names and hashes stay in the ledger."""
    return draft(entries.ReportsRemoved(tuple(sorted(files)), written_before), cycle=cycle)


def head_signed(cycle: str, head: Head, key: str, signature: str, filed: str = "") -> Draft:
    """Somebody with the key of this id saw the chain end at *head*, the entry right before this one. *filed*: the cycle that this
    process filed last."""
    return draft(entries.HeadSigned(head.seq, head.hash, key, signature, filed), cycle=cycle)


def witnesses_set(configured: Witnesses) -> Draft:
    """Which witnesses are configured from here on."""
    return draft(entries.WitnessesSet(configured.events, configured.operation_log))


def seen(sighting: Sighting, state: WitnessState, digest: str, intent: str, seconds: float | None) -> Draft:
    """Somebody else saw a change. Whose account it was and who did it lies beside the chain."""
    names = {name: value for name, value in (("email", sighting.address), ("operator", sighting.operator)) if value}
    return draft(
        entries.ChangeSeen(
            sighting.source.value,
            sighting.what.value,
            state.value,
            sighting.at,
            digest,
            intent,
            seconds,
            tuple(sorted(sighting.fields)),
        ),
        subject=sighting.zoom_id,
        personal=names or None,
    )


def doubted(intent: str, effect: SeenEffect) -> Draft:
    """The log has a line near a change of ours that nobody understands."""
    at = effect.done_at or effect.announced_at
    return draft(
        entries.ChangeSeen("log", effect.action, "unknown", at, sha256_of(["log", intent]), intent), subject=effect.zoom_id
    )


def log_compared(log: OperationLog) -> Draft:
    """Zoom's operation log was read to its end over a time."""
    return draft(entries.LogCompared(log.since, log.until, log.lines, len(log.unreadable)))


def tripped_of(verdicts: Iterable[Verdict]) -> tuple[entries.TrippedGuard, ...]:
    """The tripped guards with what they measured; the others only by being absent."""
    return tuple(entries.TrippedGuard(one.guard.value, one.measured, one.limit, one.unit) for one in verdicts if one.tripped)


def changes_by_action(plan: Plan) -> dict[str, int]:
    """Planned effects by action, for totals."""
    return {action.value: plan.counts[action] for action in (Action.DEACTIVATE, Action.REACTIVATE)}


def blanked(refs: Sequence[str], unused_since: datetime) -> list[Draft]:
    """Names and addresses that no entry had referred to since then were blanked, in chunks."""
    return [
        draft(entries.PersonalBlanked(len(some), unused_since, tuple(some)))
        for at in range(0, len(refs), MEMORY_CHUNK)
        if (some := refs[at : at + MEMORY_CHUNK])
    ]


def upgraded(from_version: str, to_version: str, blanked: Sequence[str], *, rules_changed: bool = False) -> Draft:
    """Another version of syncd goes on with this ledger, in which these rows are blank."""
    return draft(entries.LedgerUpgraded(from_version, to_version, rules_changed, tuple(blanked)))


def checkpointed(digest: str) -> Draft:
    """What the ledger says so far was put beside the chain; its hash."""
    return draft(entries.CheckpointMade(digest))
