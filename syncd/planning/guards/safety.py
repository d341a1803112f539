"""Guards on state and plan: the ledger, a pause, protection, disputes, and a policy nobody has reviewed."""

from __future__ import annotations

from syncd.model import Action, Guard, Reason, Status, Verdict
from syncd.planning.decide import DISPUTED_FOR
from syncd.planning.guards.facts import Facts, Situation

#: Accounts named in a message; the document has them all.
NAMED = 5


def protected_in_plan(facts: Situation) -> Verdict:
    """A second look, apart from the decisions: no planned change may touch an exempt or role-protected account."""
    found = len(facts.protected)
    names = ", ".join(sorted(effect.account.email for effect in facts.protected)[:NAMED])
    return Verdict(
        Guard.PROTECTED_IN_PLAN,
        found > 0,
        found,
        0,
        "accounts",
        f"{found} changes {facts.asked} touch protected accounts" + (f": {names}" if names and facts.asked != "planned" else ""),
        "This should never happen: please report it with the cycle document. Nothing was changed."
        if facts.asked == "planned"
        else "Take them out of the list, or change the protect section; Zoom refuses admins and rooms anyway.",
    )


def ledger_broken(facts: Situation) -> Verdict:
    """The record of what was done does not verify."""
    broken = facts.history.broken
    return Verdict(
        Guard.LEDGER_BROKEN,
        bool(broken),
        1 if broken else 0,
        0,
        "ledgers",
        f"the ledger does not verify: {broken}" if broken else "the ledger verifies",
        "Run `syncd ledger verify`, keep the file as evidence, restore the last good copy. This guard cannot be approved.",
    )


def ledger_new(facts: Facts) -> Verdict:
    """A ledger that was begun in enforce mode, or is empty beside existing reports, and nobody said that this is right."""
    return Verdict(
        Guard.LEDGER_NEW,
        bool(facts.ledger_new),
        int(bool(facts.ledger_new)),
        0,
        "ledgers",
        facts.ledger_new or "the ledger is known",
        "Was there a ledger before? Then put it back (its holds, its pause and its approvals are missing here). If a new one is "
        "meant: syncd ledger accept --by NAME --because TEXT",
    )


def ledger_rolled_back(facts: Facts) -> Verdict:
    """A head that was published is not in the chain: this ledger is older than what was done."""
    missing = len(facts.missing_heads)
    return Verdict(
        Guard.LEDGER_ROLLED_BACK,
        missing > 0,
        missing,
        0,
        "heads",
        f"{missing} published heads of the ledger are not in its chain: {', '.join(facts.missing_heads[:NAMED])}"
        if missing
        else "every published head is in the chain",
        "An older copy was put back, or the end was lost: holds, pauses and spent approvals may be missing. Restore the newest "
        "copy; if there is none: syncd ledger accept --by NAME --because TEXT",
    )


def paused(facts: Situation) -> Verdict:
    """Somebody stopped all changes."""
    since = facts.history.paused_since
    tripped = since is not None and not facts.while_paused
    return Verdict(
        Guard.PAUSED,
        tripped,
        int(tripped),
        0,
        "pauses",
        f"paused by {facts.history.paused_by} since {since:%Y-%m-%d %H:%M} UTC: {facts.history.paused_because}"
        if since
        else "not paused",
        "When the reason is gone: syncd resume --by NAME --because TEXT"
        if facts.asked == "planned"
        else "If it must be now: add --while-paused",
    )


def flapping(facts: Facts) -> Verdict:
    """Accounts we deactivated come back to life: somebody or something disagrees with us. An account on hold (after an undo,
    say) does not count: there a person has spoken, and nobody needs to be found."""
    lately = {zoom_id for zoom_id, last in facts.history.deactivated.items() if facts.now - last.at < DISPUTED_FOR}
    alive = {
        zoom_id for zoom_id in lately if (account := facts.zoom.find(zoom_id)) is not None and account.status is Status.ACTIVE
    }
    back = sum(
        1
        for decision in (facts.plan.decisions if alive else ())
        if decision.account.zoom_id in alive and decision.reason is not Reason.ON_HOLD
    )
    limit = facts.policy.limits.max_flapping
    reviewed = facts.plan.counts[Action.DEACTIVATE] > 0 and not facts.uncovered(Guard.FLAPPING, Action.DEACTIVATE)
    return Verdict(
        Guard.FLAPPING,
        back > limit and not reviewed,
        back,
        limit,
        "accounts",
        f"{back} accounts came back to life within 24 h of our deactivation",
        "Find out who reactivates them (another provisioning tool, SSO, an administrator) before syncd goes on. " + facts.advice,
    )


def policy_changed(facts: Facts) -> Verdict:
    """The first deactivations under a new or widened policy wait for a review, until nobody unreviewed is left."""
    armed = facts.armed and bool(facts.unreviewed)
    due = len(facts.uncovered(Guard.POLICY_CHANGED, Action.DEACTIVATE)) if armed else 0
    return Verdict(
        Guard.POLICY_CHANGED,
        due > 0,
        due,
        0,
        "accounts",
        f"{due} deactivations are due under a policy nobody has reviewed yet" if armed else "the policy was reviewed",
        facts.advice,
    )
