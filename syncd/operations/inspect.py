"""What is known of one person: for ``account show`` (quick, one account), ``explain`` (every step of a whole cycle) and
``check`` (whoever owns the Zoom account)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, Protocol, runtime_checkable

from syncd.concurrency import side_by_side
from syncd.errors import AccountUnreadable, ConfigError, ExitCode, SourceError
from syncd.ledger.history import History
from syncd.ledger.record import rfc3339
from syncd.model import CycleReport, Decision, Person, Policy, Reason, WitnessState, ZoomAccount, licence_word
from syncd.operations.dependencies import Dependencies
from syncd.operations.handover.ended import handed_over_told
from syncd.operations.in_words import advice, standing_in_words
from syncd.operations.lookup import AT_ONCE, look_up, near_accounts, near_addresses
from syncd.planning.entitlement import standing
from syncd.planning.match import Addresses
from syncd.planning.protection import Protection
from syncd.planning.witness import effects_of, state_of
from syncd.ports import Directory, Zoom

#: How long one account waits for the directory: in an emergency that is what is down, and the rest is shown all the same.
DIRECTORY_SECONDS = 15.0


@runtime_checkable
class ShowsAhead(Protocol):
    """A Zoom that can tell what a user has ahead and left behind. None: the app may not know."""

    async def meetings_ahead(self, zoom_id: str) -> tuple[int, datetime | None] | None:
        """How many meetings the user hosts from now on, and when the first begins. Raises SourceError."""

    async def recordings(self, zoom_id: str) -> int | None:
        """Cloud recordings of the last 30 days. Raises SourceError."""


@runtime_checkable
class KnowsOwners(Protocol):
    """A Zoom that can tell who owns the account."""

    async def owners(self) -> tuple[ZoomAccount, ...]:
        """Whoever has the role Owner. Raises SourceError."""


async def look_at_all(deps: Dependencies, policy: Policy, addresses: Sequence[str]) -> list[dict[str, Any]]:
    """``look_at`` for each address, in their order, several at a time; progress is told. Raises SourceError."""
    shown = await look_up(deps, addresses)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(address: str, account: ZoomAccount | AccountUnreadable | None) -> dict[str, Any]:
        async with gate:
            return await row_of(deps, policy, address, account)

    rows = await side_by_side(one(address, account) for address, account in shown)
    near = await near_accounts(deps, [name for name, account in shown if account is None])
    for row in rows:
        if row["email"] in near and row["status"] == "unknown":
            row["near"] = list(near[row["email"]])
    return rows


async def look_at(deps: Dependencies, policy: Policy, address: str) -> dict[str, Any]:
    """One account as Zoom, the directory and the ledger show it right now. Raises SourceError when Zoom cannot be asked; a
    directory that cannot be asked is said in the row."""
    return await row_of(deps, policy, address, (await look_up(deps, [address]))[0][1])


async def row_of(
    deps: Dependencies, policy: Policy, address: str, shown: ZoomAccount | AccountUnreadable | None
) -> dict[str, Any]:
    """The row of one account that Zoom was asked about, with what the directory and the ledger say."""
    problem = shown if isinstance(shown, AccountUnreadable) else None
    account = None if isinstance(shown, AccountUnreadable) else shown
    history = await deps.ledger.history()
    row: dict[str, Any] = {"email": address, "status": "unknown", "zoom_id": None, "entitled": None}
    if problem is not None:
        row |= {"problem": problem.what, "do": problem.do}
    if account is not None:
        row |= {
            "email": account.email,
            "status": account.status.value,
            "zoom_id": account.zoom_id,
            "role": account.role or account.role_id,
            "licence": licence_word(account.type),
            "last_login_at": rfc3339(account.last_login_at) if account.last_login_at else None,
        }
    try:
        async with asyncio.timeout(DIRECTORY_SECONDS):
            people = await deps.directory.recheck_person(
                history.pairs.get(row["zoom_id"] or ""), Addresses(policy).forms(address)
            )
        # Whom several people may own is entitled as soon as one of them is; nobody found: not entitled.
        standings = [standing(person, policy, deps.clock.now()) for person in people]
        row["entitled"] = None if Reason.DIRECTORY_UNCLEAR in standings else Reason.IN_STEP in standings
        row["directory"] = "; ".join(_said(person, policy, deps.clock.now()) for person in people) or "nobody found"
    except (SourceError, ConfigError) as error:
        row["directory"] = f"not readable: {error.what}"
    except TimeoutError:
        row["directory"] = f"not readable: no answer within {DIRECTORY_SECONDS:.0f} s"
    row |= await _ahead(deps, account)
    held = history.on_hold(row["zoom_id"] or "", deps.clock.now())
    hold = history.holds.get(row["zoom_id"] or "") if held else None
    last = history.deactivated.get(row["zoom_id"] or "")
    row["on_hold"] = f"{hold.by}: {hold.because}" + (f" (until {rfc3339(hold.until)})" if hold.until else "") if hold else None
    row["deactivated_by_us"] = f"{rfc3339(last.at)} ({last.by}, {last.reason}, cycle {last.cycle})" if last else None
    return row


async def _ahead(deps: Dependencies, account: ZoomAccount | None) -> dict[str, Any]:
    """Upcoming meetings and recordings, empty where the app may not know: nothing about the account depends on them."""
    row: dict[str, Any] = {"upcoming_meetings": None, "next_meeting_at": None, "recordings_30_days": None}
    if account is None or account.zoom_id is None or not isinstance(deps.zoom, ShowsAhead):
        return row
    try:
        meetings = await deps.zoom.meetings_ahead(account.zoom_id)
        if meetings is not None:
            row |= {"upcoming_meetings": meetings[0], "next_meeting_at": rfc3339(meetings[1]) if meetings[1] else None}
        row["recordings_30_days"] = await deps.zoom.recordings(account.zoom_id)
    except SourceError:
        return row
    return row


@dataclass(frozen=True)
class Sides:
    """The two services, to be asked about whoever owns the account."""

    directory: Directory
    zoom: Zoom


async def owner_lines(deps: Sides | Dependencies, policy: Policy) -> list[tuple[str, bool, str]]:
    """Lines for ``syncd check``: whether whoever owns the Zoom account, for whom our token acts, is under protection. A
    finding that begins with ``warning:`` is no fault. Raises SourceError."""
    if not isinstance(deps.zoom, KnowsOwners):
        return []
    _, groups = await deps.zoom.list_roles_and_groups()
    addresses = Addresses(policy)
    protection = Protection(policy, groups, addresses)
    lines = []
    for owner in await deps.zoom.owners():
        try:
            people = await deps.directory.recheck_person(None, addresses.forms(owner.email))
        except (SourceError, ConfigError):  # the directory has lines of its own
            people = ()
        exempt = protection.exempt(owner, addresses.key(owner.email), people)
        role = (
            "their role keeps them from being deactivated"
            if protection.protected(owner)
            else ("nothing keeps them from being deactivated once they leave")
        )
        lines.append(
            (
                "owner",
                True,
                f"{owner.email} is protected ({exempt})"
                if exempt
                else f"warning: {owner.email} owns the Zoom account, and our token acts for them; {role}, but they are not in "
                "protect: add them to protect.accounts",
            )
        )
    lines.append(
        (
            "credential",
            True,
            "Zoom does not tell who made the app, and the app may end with them: let it be an account in protect.accounts",
        )
    )
    return lines


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
        decision
        for decision in report.plan.decisions
        if addresses.key(decision.account.email) == key or (decision.directory_id in ids and decision.directory_id is not None)
    ]
    matched = {decision.directory_id for decision in decisions}
    matched |= {history.pairs.get(decision.account.zoom_id or "") for decision in decisions}
    people += [person for person in report.directory.people if person.id in matched - ids]
    story["exit_code"] = ExitCode.DONE if people or decisions else ExitCode.USAGE  # nobody: probably misspelt
    if not people and not decisions:
        everybody = [account.email for account in report.zoom.accounts]
        everybody += [one for person in report.directory.people for one in person.addresses]
        story["near"] = list(near_addresses(address, everybody))
    story["in_scope"] = addresses.in_scope(address)
    story["directory"] = [_person(person, policy, report.plan.made_at) for person in people]
    story["accounts"] = [_account(report, decision, history) for decision in decisions]
    if report.contents is not None:
        told_of = {one.zoom_id: one for one in report.contents}
        for account in story["accounts"]:
            account["handover"] = told_of[account["zoom_id"]].as_json() if account["zoom_id"] in told_of else None
    story["seen_by_others"] = _seen(history, {one["zoom_id"] for one in story["accounts"]}, report.plan.made_at)
    story["unclear"] = [{"id": person.id, "cause": person.cause} for person in report.unclear]
    story["unresolved"] = report.directory.unresolved_says or None
    story["tripped"] = [verdict.guard.value for verdict in report.verdicts if verdict.tripped]
    return story


async def deletions(deps: Dependencies, policy: Policy, address: str) -> dict[str, Any]:
    """Who had this address and was deleted, and when, where the directory still knows. Nothing when it cannot be asked:
    the story is complete without it."""
    try:
        found = await deps.directory.deleted(Addresses(policy).forms(address))
    except SourceError:
        return {}
    return {"deleted": [{"id": id_, "deleted_at": rfc3339(at)} for id_, at in found]}


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
        if person["hint"]:
            yield f"             it is {person['hint']}"
        for use in ("entitled_by", "leaver_by", "protected_by"):
            if person[use]:
                yield f"             {use.replace('_', ' ')} {' > '.join(person[use])}"
    if not story["directory"]:
        yield "  directory  nobody has this address"
    for gone in story.get("deleted", ()):
        yield f"             {gone['id']} had it and was deleted at {gone['deleted_at']}"
    for account in story["accounts"]:
        yield from _account_told(account, {person["id"] for person in story["directory"]})
    if not story["accounts"]:
        yield from _no_account_told(story)
    yield from chain.from_iterable(map(handed_over_told, story.get("handovers", ())))
    yield from map(_seen_told, story.get("seen_by_others", ()))
    yield from _unclear_told(story)


def _unclear_told(story: dict[str, Any]) -> Iterator[str]:
    for person in story["unclear"]:
        yield f"  unclear    {person['id']}: {person['cause']}; accounts that may be theirs are left alone"
    if story.get("unresolved"):
        yield f"  unresolved {story['unresolved']}"


def _no_account_told(story: dict[str, Any]) -> Iterator[str]:
    yield "  Zoom       no account"
    if story.get("near"):
        yield f"  near       {', '.join(story['near'])}: is one of these meant?"


def _account_told(account: dict[str, Any], there: Collection[str]) -> Iterator[str]:
    yield (
        f"  Zoom       {account['email']} ({account['zoom_id']}): {account['status']}, role {account['role']}, "
        f"{account['licence']}"
    )
    if account["matched_by"]:
        yield f"             matched by {account['matched_by']}"
    if account["remembered"] not in (None, account["directory_id"]):
        gone = "" if account["remembered"] in there else ", whom the directory does not show any more"
        yield f"             remembered for {account['remembered']}{gone}"
    if account["deactivated_by_us"]:
        yield f"             we deactivated it at {account['deactivated_by_us']}"
    yield f"  decision   {account['action']}, because {account['reason']}" + (
        f" ({', '.join(account['notes'])})" if account["notes"] else ""
    )
    if account["do"]:
        yield f"  do         {account['do']}"
    if account["since"]:
        yield f"             not entitled since {account['since']}, due at {account['due_at']}"
    if account["left_at"]:
        yield f"             the promise counts from {account['left_at']} ({account['measured_from']})"
    if account["held_by"]:
        yield f"             held by {', '.join(account['held_by'])}"
    if account.get("handover"):
        yield from _handover_told(account["handover"])


def _handover_told(content: dict[str, Any]) -> Iterator[str]:
    stage = content["stage"] + (f" ({content['reason']})" if content["reason"] else "")
    yield f"  handover   {stage}" + (f", due at {content['due_at']}" if content["due_at"] else "")
    if content["receiver"]:
        yield f"             to {content['receiver']} ({content['rule']})"
    elif content["no_receiver"]:
        yield f"             waiting for a receiver: {content['no_receiver']}"
    held = content["inventory"]
    yield (
        "             it held "
        + ", ".join(f"{kind.replace('_', ' ')} {held[kind]}" for kind in held)
        + (f" (counted at {content['counted_at']})")
        if held
        else "             what it holds was not counted yet"
    )


def _seen(history: History, zoom_ids: set[str | None], now: datetime) -> list[dict[str, Any]]:
    """Changes of these accounts of the last month, ours and those of others, in their order."""
    ours = [
        {
            "at": rfc3339(one.done_at or one.announced_at),
            "what": one.action,
            "state": state_of(one, history, now).value,
            "source": one.seen_by,
            "seen_at": rfc3339(one.seen_at) if one.seen_at is not None else None,
        }
        for one in effects_of(history).values()
        if one.zoom_id in zoom_ids
    ]
    foreign = [
        {
            "at": rfc3339(one.at),
            "what": one.what,
            "state": WitnessState.FOREIGN.value,
            "source": one.source,
            "seen_at": rfc3339(one.at),
        }
        for one in history.foreign
        if one.zoom_id and one.zoom_id in zoom_ids
    ]
    return sorted([*ours, *foreign], key=lambda row: str(row["at"]))


def _seen_told(one: dict[str, Any]) -> str:
    by = f" by {one['source']} at {one['seen_at']}" if one["source"] else ""
    not_ours = ": not our doing" if one["state"] == "foreign" else ""
    return f"  seen       {one['what']} at {one['at']}, {one['state']}{by}{not_ours}"


def _said(person: Person, policy: Policy, now: datetime) -> str:
    return f"{person.display_name or person.id}: {standing_in_words(person, policy, now)}"


def _person(person: Person, policy: Policy, now: datetime) -> dict[str, Any]:
    return {
        "id": person.id,
        "display_name": person.display_name,
        "addresses": list(person.addresses),
        "enabled": person.enabled,
        "expires_at": rfc3339(person.expires_at) if person.expires_at else None,
        "department": person.department,
        "entitled_by": list(person.entitled_by),
        "leaver_by": list(person.leaver_by),
        "protected_by": list(person.protected_by),
        "unclear": person.cause or None,
        "mailbox": person.mailbox or None,
        "hint": person.mailbox_hint or None,
        "standing": standing_in_words(person, policy, now),
    }


def _account(report: CycleReport, decision: Decision, history: History) -> dict[str, Any]:
    account = decision.account
    last = history.deactivated.get(account.zoom_id or "")
    gone = history.gone.get(account.zoom_id or "")
    left_at, measured_from = report.left(decision)
    return {
        "zoom_id": account.zoom_id,
        "email": account.email,
        "status": account.status.value,
        "role": account.role or account.role_id,
        "licence": licence_word(account.type),
        "matched_by": decision.matched_by,
        "directory_id": decision.directory_id,
        "remembered": history.pairs.get(account.zoom_id or ""),
        "group_path": list(decision.group_path),
        "action": decision.action.value,
        "reason": decision.reason.value,
        "notes": list(decision.notes),
        "since": rfc3339(decision.since) if decision.since else None,
        "due_at": rfc3339(decision.due_at) if decision.due_at else None,
        "left_at": rfc3339(left_at) if left_at else None,
        "measured_from": measured_from,
        "good_reads_gone": history.good_reads - gone.read + 1 if gone is not None else 0,
        "held_by": [guard.value for guard in report.held.get(decision.key, ())],
        "deactivated_by_us": f"{rfc3339(last.at)} in cycle {last.cycle}" if last is not None else None,
        "do": advice(decision) or None,
    }
