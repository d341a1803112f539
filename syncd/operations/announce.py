"""Leavers named beforehand, so that the end of a term or a season does not look like a disaster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syncd.errors import UsageError
from syncd.ledger import record
from syncd.model import Announcement, Policy, ZoomAccount
from syncd.operations.approve import authorised
from syncd.operations.dependencies import Dependencies
from syncd.operations.lookup import find_accounts, near_accounts, without_account
from syncd.planning.approved import only_authorised, people_of

#: How long an announcement may reach: longer, and nobody remembers who is on the list.
LONGEST = timedelta(days=45)


@dataclass(frozen=True, slots=True)
class Announced:
    """An announcement as recorded. *people*: how many have announced all of these leavers so far, of those required."""

    announcement: Announcement
    accounts: tuple[ZoomAccount, ...]
    people: int


async def announce(
    deps: Dependencies,
    policy: Policy,
    addresses: Sequence[str],
    starts_at: datetime,
    ends_at: datetime,
    *,
    by: str,
    because: str,
    sign: Callable[[bytes], str] | None = None,
    os_user: str = "",
    host: str = "",
) -> Announced:
    """Records that these people leave between the two moments: known leavers among them count in no size guard, each once.

    Raises UsageError (a time that is over, turned round or too long; addresses that Zoom does not know, all at once; somebody
    who may not approve), SourceError, LedgerError.
    """
    now = deps.clock.now()
    if not starts_at < ends_at or ends_at <= now:
        raise UsageError(
            "--from and --until: the time ends before it begins, or is over", "Write --from 2026-07-01 --until 2026-07-31."
        )
    if (ends_at - starts_at).days > LONGEST.days:  # a last day named as a date counts to its end
        raise UsageError(
            f"--from and --until: {(ends_at - starts_at).days} days; at most {LONGEST.days} can be announced",
            "Announce the rest when its time comes.",
        )
    found = await find_accounts(deps, addresses)
    found = replace(found, unknown=(*found.unknown, *(one.name for one in found.unreadable)))
    if found.unknown or found.pending:
        near = await near_accounts(deps, found.unknown)
        raise UsageError(
            f"nothing was announced: {without_account(found, near)}",
            "Check the spelling in --people." if found.unknown else "Take them out of --people.",
        )
    history = await deps.ledger.history()
    zoom_ids = frozenset(account.zoom_id or "" for account in found.accounts)
    one = Announcement(deps.clock.unique(), zoom_ids, starts_at, ends_at, by, because, now, os_user=os_user, host=host)
    one = authorised(one, policy, history, deps.signature_fits, sign)
    addresses_beside = {account.zoom_id or "": account.email for account in found.accounts}
    await deps.ledger.append([record.announced(one, addresses_beside)])
    known = only_authorised(history, policy, deps.signature_fits, now).announced.values()
    same = [other for other in known if one.zoom_ids <= other.zoom_ids and other.ends_at > now]
    return Announced(one, found.accounts, len(people_of([one, *same])))
