"""Leave an account alone, or stop doing so: the verb for emergencies, which needs nothing but the ledger and an id."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from syncd.errors import ConfigError, SourceError, UsageError
from syncd.ledger import record
from syncd.ledger.history import History
from syncd.model import Acknowledgement, Action, Person, Plan, Policy, Reason, address_key
from syncd.operations.dependencies import Dependencies
from syncd.operations.lookup import SPELLING, Found, Unreadable, find_accounts, near_accounts, without_account
from syncd.operations.manual import Request, Wanted
from syncd.planning.entitlement import standing
from syncd.planning.match import Addresses

#: How long a hand verb waits for a directory it can do without.
DIRECTORY_SECONDS = 15.0


async def hold(deps: Dependencies, names: Sequence[str], request: Request, until: datetime | None) -> Found:
    """Tells syncd to leave these accounts alone; those that Zoom answers oddly about are looked for in its list, and named
    when they are not there either. Raises UsageError when Zoom does not know one of them: then nothing is done."""
    found = await _known(deps, names)
    await deps.ledger.append(
        [
            record.held(
                account.zoom_id or "", by=request.by, because=request.because, until=until, personal=record.personal_of(account)
            )
            for account in found.accounts
        ]
    )
    return found


async def release(deps: Dependencies, names: Sequence[str], request: Request) -> Found:
    """Ends holds. Raises UsageError when Zoom does not know an address, or it is not on hold: then nothing is done."""
    found = await _known(deps, names)
    held = (await deps.ledger.history()).holds
    free = [account.email for account in found.accounts if account.zoom_id not in held]
    if free:
        raise UsageError(f"not on hold: {', '.join(free)}")
    await deps.ledger.append(
        [record.released(account.zoom_id or "", by=request.by, because=request.because) for account in found.accounts]
    )
    return found


async def acknowledge(deps: Dependencies, names: Sequence[str], request: Request, until: datetime) -> Found:
    """Says that these accounts are known to need manual action: they alert nobody until then, or until their facts change.
    Decisions go on. Raises UsageError when Zoom does not know one of them, or no row of it that waits for a person is known: then
    nothing is done."""
    found = await _known(deps, names)
    history, now = await deps.ledger.history(), deps.clock.now()
    if until <= now:
        raise UsageError(f"--until: {until:%Y-%m-%d %H:%M} UTC is in the past")
    idle = [account.email for account in found.accounts if account.zoom_id not in history.manual]
    if idle:
        raise UsageError(
            f"nothing needs manual action at: {', '.join(idle)}; nothing was done",
            "Only rows that the last recorded cycle called manual can be acknowledged.",
        )
    # ledger accept forgets what rows looked like, and an acknowledgement lasts while they look the same.
    forgotten = [account.email for account in found.accounts if account.zoom_id not in history.decided]
    if forgotten:
        raise UsageError(
            f"no standing manual row is known of: {', '.join(forgotten)}, since the ledger was accepted; nothing was done",
            "It is known again after the next cycle: acknowledge it then.",
        )
    await deps.ledger.append(
        [
            record.acknowledged(
                account.zoom_id or "",
                Acknowledgement(request.by, request.because, now, until, history.decided[account.zoom_id or ""]),
                record.personal_of(account),
            )
            for account in found.accounts
        ]
    )
    return found


def acknowledged_rows(plan: Plan, history: History, now: datetime) -> frozenset[str]:
    """Zoom ids of ``manual`` rows that somebody knows of, for as long as that stands and the facts behind the row are the
    same."""
    if not history.acknowledged:
        return frozenset()
    return frozenset(
        zoom_id
        for decision in plan.decisions
        if decision.action is Action.MANUAL
        and (zoom_id := decision.account.zoom_id or "") in history.acknowledged
        and now < history.acknowledged[zoom_id].until
        and history.acknowledged[zoom_id].fingerprint == record.decision_made(decision).fingerprint
    )


async def _known(deps: Dependencies, names: Sequence[str]) -> Found:
    found = await find_accounts(deps, names)
    if found.unknown or found.pending:
        near = await near_accounts(deps, found.unknown)
        raise UsageError(f"{without_account(found, near)}; nothing was done", SPELLING if found.unknown else "")
    return await _from_the_list(deps, found) if found.unreadable else found


async def _from_the_list(deps: Dependencies, found: Found) -> Found:
    """*found* with the accounts that only Zoom's list shows; a list that cannot be read changes nothing."""
    try:
        listed = (await deps.zoom.read()).accounts
    except SourceError:
        return found
    by_name = {account.zoom_id or "": account for account in listed} | {address_key(one.email): one for one in listed}
    accounts = {account.zoom_id: account for account in found.accounts}
    still: list[Unreadable] = []
    for odd in found.unreadable:
        account = by_name.get(odd.name) or by_name.get(address_key(odd.name))
        if account is None or account.zoom_id is None:
            still.append(odd)
        else:
            accounts[account.zoom_id] = account
    return replace(found, accounts=tuple(accounts.values()), unreadable=tuple(still))


async def unsure_to_hold(deps: Dependencies, policy: Policy, wanted: Wanted) -> tuple[str, ...]:
    """Which of the accounts to reactivate go on hold: those whose person is not surely entitled. A directory that cannot be
    asked within a few seconds counts as "not sure": a hold too many costs a release, one too few locks somebody out."""
    held = []
    addresses = Addresses(policy)
    answers = True  # a directory that did not answer once is not waited for again
    for account in (*(effect.account for effect in wanted.effects), *wanted.already):
        people: tuple[Person, ...] = ()
        try:
            async with asyncio.timeout(DIRECTORY_SECONDS):
                people = await deps.directory.recheck_person(None, addresses.forms(account.email)) if answers else ()
        except TimeoutError:
            answers = False
        except (SourceError, ConfigError):
            people = ()
        if not any(standing(person, policy, deps.clock.now()) is Reason.IN_STEP for person in people):
            held.append(account.zoom_id or "")
    return tuple(held)
