"""What is known of one person: for ``account show`` (quick, one account) and ``explain`` (every step of a whole cycle)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from syncd.core.history import History
from syncd.core.match import Addresses
from syncd.core.record import rfc3339
from syncd.core.standing import standing
from syncd.cycle import World
from syncd.errors import SourceError
from syncd.model import CycleReport, Decision, Person, Policy, Reason, licence_word

_WORDS = {
    Reason.IN_STEP: "entitled",
    Reason.DIRECTORY_UNCLEAR: "could not be read",
    Reason.IN_LEAVERS_GROUP: "in a leaver group",
    Reason.DISABLED_IN_DIRECTORY: "disabled",
    Reason.EXPIRED_IN_DIRECTORY: "expired",
    Reason.LEFT_GROUPS: "in none of the entitling groups",
}


async def look_at(world: World, policy: Policy, address: str) -> dict[str, Any]:
    """One account as Zoom, the directory and the ledger show it right now. Raises SourceError when Zoom cannot be asked; a
    directory that cannot be asked is said in the row."""
    account = await world.zoom.look(address)
    history = await world.ledger.history()
    row: dict[str, Any] = {"email": address, "status": "unknown", "zoom_id": None}
    if account is not None:
        row |= {"email": account.email, "status": account.status.value, "zoom_id": account.zoom_id,
                "role": account.role or account.role_id, "licence": licence_word(account.type),
                "last_login_at": rfc3339(account.last_login_at) if account.last_login_at else None}
    try:
        people = await world.directory.look_again(history.pairs.get(row["zoom_id"] or ""), Addresses(policy).forms(address))
        row["directory"] = "; ".join(_said(person, policy, world.clock.now()) for person in people) or "nobody found"
    except SourceError as error:
        row["directory"] = f"not readable: {error.what}"
    hold = history.holds.get(row["zoom_id"] or "")
    last = history.deactivated.get(row["zoom_id"] or "")
    row["on_hold"] = f"{hold.by}: {hold.because}" + (f" (until {rfc3339(hold.until)})" if hold.until else "") if hold else None
    row["deactivated_by_us"] = f"{rfc3339(last.at)} ({last.by}, {last.reason}, cycle {last.cycle})" if last else None
    return row


def explained(report: CycleReport, history: History, policy: Policy, address: str) -> dict[str, Any]:
    """One person through every step of a dry run, as plain values."""
    story: dict[str, Any] = {"address": address, "exit_code": report.exit_code, "policy_digest": report.policy_digest}
    if report.plan is None or report.directory is None or report.zoom is None:
        return story | {"problem": report.why, "do": report.do}
    addresses = Addresses(policy)
    key = addresses.key(address)
    people = [person for person in report.directory.people if key in map(addresses.canonical, person.addresses)]
    ids = {person.id for person in people}
    decisions = [
        decision for decision in report.plan.decisions
        if addresses.key(decision.account.email) == key or (decision.directory_id in ids and decision.directory_id is not None)
    ]
    matched = {decision.directory_id for decision in decisions}
    people += [person for person in report.directory.people if person.id in matched - ids]
    story["exit_code"] = 0 if people or decisions else 5
    story["in_scope"] = addresses.in_scope(address)
    story["directory"] = [_person(person, policy, report.plan.made_at) for person in people]
    story["accounts"] = [_account(report, decision, history) for decision in decisions]
    story["tripped"] = [verdict.guard.value for verdict in report.verdicts if verdict.tripped]
    return story


def told(story: dict[str, Any]) -> Iterator[str]:
    """The story as lines for a person."""
    yield f"{story['address']}"
    if "problem" in story:
        yield f"  cannot be said: {story['problem']}"
        yield f"  {story['do']}"
        return
    if not story["in_scope"]:
        yield "  scope      its domain is not in scope.domains: none of syncd's business"
    for person in story["directory"]:
        yield f"  directory  {person['display_name'] or person['id']} ({person['id']}): {person['standing']}"
        yield f"             addresses {', '.join(person['addresses']) or 'none'}"
        for use in ("entitled_by", "leaver_by", "protected_by"):
            if person[use]:
                yield f"             {use.replace('_', ' ')} {' > '.join(person[use])}"
    if not story["directory"]:
        yield "  directory  nobody has this address"
    for account in story["accounts"]:
        yield from _account_told(account)
    if not story["accounts"]:
        yield "  Zoom       no account"


def _account_told(account: dict[str, Any]) -> Iterator[str]:
    yield (f"  Zoom       {account['email']} ({account['zoom_id']}): {account['status']}, role {account['role']}, "
           f"{account['licence']}")
    if account["matched_by"]:
        yield f"             matched by {account['matched_by']}"
    if account["deactivated_by_us"]:
        yield f"             we deactivated it at {account['deactivated_by_us']}"
    yield f"  decision   {account['action']}, because {account['reason']}" + (
        f" ({', '.join(account['notes'])})" if account["notes"] else "")
    if account["since"]:
        yield f"             not entitled since {account['since']}, due at {account['due_at']}"
    if account["held_by"]:
        yield f"             held by {', '.join(account['held_by'])}"


def _said(person: Person, policy: Policy, now: datetime) -> str:
    return f"{person.display_name or person.id}: {_WORDS[standing(person, policy, now)]}"


def _person(person: Person, policy: Policy, now: datetime) -> dict[str, Any]:
    return {
        "id": person.id, "display_name": person.display_name, "addresses": list(person.addresses), "enabled": person.enabled,
        "expires_at": rfc3339(person.expires_at) if person.expires_at else None, "department": person.department,
        "entitled_by": list(person.entitled_by), "leaver_by": list(person.leaver_by),
        "protected_by": list(person.protected_by), "unclear": person.unclear or None,
        "standing": _WORDS[standing(person, policy, now)],
    }


def _account(report: CycleReport, decision: Decision, history: History) -> dict[str, Any]:
    account = decision.account
    last = history.deactivated.get(account.zoom_id or "")
    gone = history.gone.get(account.zoom_id or "")
    return {
        "zoom_id": account.zoom_id, "email": account.email, "status": account.status.value,
        "role": account.role or account.role_id,
        "licence": licence_word(account.type), "matched_by": decision.matched_by, "directory_id": decision.directory_id,
        "group_path": list(decision.group_path), "action": decision.action.value, "reason": decision.reason.value,
        "notes": list(decision.notes), "since": rfc3339(decision.since) if decision.since else None,
        "due_at": rfc3339(decision.due_at) if decision.due_at else None,
        "good_reads_gone": history.good_reads - gone.read + 1 if gone is not None else 0,
        "held_by": [guard.value for guard in report.held.get(decision.key, ())],
        "deactivated_by_us": f"{rfc3339(last.at)} in cycle {last.cycle}" if last is not None else None,
    }
