"""The end of a legal hold that a person said, by two people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from syncd.errors import UsageError
from syncd.ledger import entries
from syncd.ledger.entry import draft
from syncd.ledger.history import History
from syncd.model import Approval, Guard, HandoverRules, Policy, ZoomAccount
from syncd.operations.dependencies import Dependencies
from syncd.operations.lookup import find_accounts, near_accounts, without_account
from syncd.planning.match import Addresses
from syncd.planning.protection import Patterns

_END_IT_THERE = "A hold that stands in the configuration or in a directory group is ended there first."


async def release_hold(
    deps: Dependencies,
    policy: Policy,
    rules: HandoverRules,
    names: Sequence[str],
    by: str,
    because: str,
    authorise: Callable[[Approval], Approval],
) -> list[tuple[str, bool]]:
    """Says that legal holds on these accounts' content are over; each is, once two different people said so within a week.
    (address, whether it is over now). One that still stands in the configuration or in a directory group is not. Raises
    UsageError, SourceError, LedgerError."""
    found = await find_accounts(deps, names)
    found = replace(found, unknown=(*found.unknown, *(one.name for one in found.unreadable)))
    if found.unknown or found.pending:
        raise UsageError(f"nothing was released: {without_account(found, await near_accounts(deps, found.unknown))}")
    history = await deps.ledger.history()
    free = [
        account.email
        for account in found.accounts
        if (memory := history.leavers.get(account.zoom_id or "")) is None or not memory.held
    ]
    if free:
        raise UsageError(f"no legal hold is remembered for: {', '.join(free)}", _END_IT_THERE)
    standing = [account.email for account in found.accounts if await _stands(deps, policy, rules, history, account)]
    if standing:
        raise UsageError(f"nothing was released: a legal hold still stands for: {', '.join(standing)}", _END_IT_THERE)
    now, drafts = deps.clock.now(), []
    for account in found.accounts:
        zoom_id = account.zoom_id or ""
        given = authorise(
            Approval(
                deps.clock.unique(),
                f"release:{zoom_id}",
                policy.digest(),
                (Guard.HANDOVER,),
                frozenset({(zoom_id, "release")}),
                by,
                because,
                now,
                now + entries.RELEASE_LASTS,
            )
        )
        drafts.append(draft(entries.LegalHoldReleased(by=by, because=because, signature=given.signature), subject=zoom_id))
    await deps.ledger.append(drafts)
    after = (await deps.ledger.history()).leavers
    return [(account.email, not after[account.zoom_id or ""].held) for account in found.accounts]


async def _stands(deps: Dependencies, policy: Policy, rules: HandoverRules, history: History, account: ZoomAccount) -> bool:
    """Whether the configuration or the directory says so right now: then two people saying otherwise would end nothing."""
    addresses = Addresses(policy)
    people = await deps.directory.recheck_person(history.pairs.get(account.zoom_id or ""), addresses.forms(account.email))
    keys = [addresses.key(account.email), *(key for person in people for key in person.addresses)]
    return Patterns(rules.hold_accounts, addresses).any(keys) or any(person.held_by for person in people)
