"""Accounts behind the addresses or ids somebody named: each as Zoom shows it now. One odd account never hides the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncd.concurrency import side_by_side
from syncd.errors import AccountUnreadable, SourceError
from syncd.events import Noted, ReadProgress
from syncd.execution.lifecycle import conclude_each
from syncd.execution.set_up import Parts, SameAnswers
from syncd.model import Status, ZoomAccount, address_key
from syncd.model.near import near_names
from syncd.operations.dependencies import Dependencies

#: How long the list of accounts may take when only near names are looked for.
LIST_SECONDS = 15.0

#: Near addresses for one name, and names for which they are looked for.
NEAR = 3
NEAR_FOR = 10

#: What to do about names that nobody has.
SPELLING = "Check the spelling: syncd explain ADDRESS says what both sides know."

#: Names told in one line; the others are counted.
NAMED = 20

#: Accounts looked up side by side; Zoom's limits hold whatever this is.
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An account that Zoom answers oddly about: as it was named (an address or an id), why, and what to do."""

    name: str
    why: str
    do: str


@dataclass(frozen=True, slots=True)
class Found:
    """*accounts*: each once, however often it is named; *unknown*: names behind which there is nothing."""

    accounts: tuple[ZoomAccount, ...]
    unknown: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    pending: tuple[str, ...] = ()  # names of invitations that nobody accepted: no accounts yet


def exit_code_of(unreadable: Sequence[Unreadable], *, others: bool) -> int:
    """4 when nothing that was asked for could be read, 5 when *others* could, 0 when all could."""
    return conclude_each(int(others), int(others) + len(unreadable))


async def find_accounts(deps: Dependencies, names: Sequence[str]) -> Found:
    """What is behind these addresses or ids. An invitation that nobody accepted is no account yet. Raises as ``look_up``."""
    accounts: dict[str, ZoomAccount] = {}
    unknown, unreadable, pending = [], [], []
    for name, seen in await look_up(deps, names):
        if isinstance(seen, AccountUnreadable):
            unreadable.append(Unreadable(name, seen.what, seen.do))
        elif seen is None:
            unknown.append(name)
        elif seen.zoom_id is None or seen.status is Status.PENDING:
            pending.append(name)
        else:
            accounts[seen.zoom_id] = seen
    return Found(tuple(accounts.values()), tuple(unknown), tuple(unreadable), tuple(pending))


async def near_accounts(deps: Dependencies, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """For each name the addresses in Zoom that are spelt nearly so. Nothing when its list cannot be read in a few seconds: what
    was misspelt stays misspelt all the same."""
    if not names:
        return {}
    try:
        async with asyncio.timeout(LIST_SECONDS):
            listed = (await deps.zoom.read()).accounts
    except (SourceError, TimeoutError):
        return {}
    there = [account.email for account in listed]
    return {name: near_addresses(name, there) for name in names[:NEAR_FOR]}


def near_addresses(name: str, addresses: Iterable[str]) -> tuple[str, ...]:
    """The few of *addresses* that were probably meant by *name*: the same person elsewhere first, then those spelt nearly so."""
    key = address_key(name)
    local = key.partition("@")[0]
    keys: dict[str, str] = {address_key(address): address for address in addresses}
    same = [one for one in keys if one.partition("@")[0] == local and one != key]
    found = [*same[:NEAR], *near_names(key, keys, NEAR, cutoff=0.85)]
    return tuple(keys[one] for one in dict.fromkeys(found) if one != key)[:NEAR]


def without_account(found: Found, near: Mapping[str, Sequence[str]]) -> str:
    """What to say of names behind which there is no account, invitations told apart and counted; nothing when there are none."""
    said = []
    if found.unknown:
        named = [f"{name} (near: {', '.join(near[name])})" if near.get(name) else name for name in found.unknown[:NAMED]]
        more = f" and {len(found.unknown) - NAMED} more" if len(found.unknown) > NAMED else ""
        said.append(f"Zoom knows no account {', '.join(named)}{more}")
    if found.pending:
        more = f" and {len(found.pending) - NAMED} more" if len(found.pending) > NAMED else ""
        one = len(found.pending) == 1
        said.append(
            f"{len(found.pending)} {'is an invitation' if one else 'are invitations'} that nobody has accepted, and no "
            f"account{'' if one else 's'} yet: {', '.join(found.pending[:NAMED])}{more}"
        )
    return "; ".join(said)


async def look_up(deps: Dependencies, names: Sequence[str]) -> list[tuple[str, ZoomAccount | AccountUnreadable | None]]:
    """What Zoom shows for each name, in their order; several side by side, with progress. Raises SourceError when Zoom cannot
    be asked, or when several accounts running meet the same odd answer, some of them from elsewhere in the list."""
    order = list(dict.fromkeys(names))
    queue, same = Parts(order), SameAnswers()
    shown: dict[str, ZoomAccount | AccountUnreadable | None] = {}

    async def work() -> None:
        while queue:
            elsewhere = same.doubted
            name = queue.take_elsewhere() if elsewhere else queue.take()
            odd: AccountUnreadable | None = None
            try:
                shown[name] = await deps.zoom.get_account(name)
            except AccountUnreadable as error:
                shown[name] = odd = error
                deps.tell(
                    Noted(
                        "account.unreadable",
                        "warning",
                        {"address" if "@" in name else "zoom_id": name, "why": error.what, "do": error.do},
                    )
                )
            if same.met(odd.answer if odd is not None else "", elsewhere=elsewhere) and odd is not None:
                raise odd
            if len(order) > 1:
                deps.tell(ReadProgress("zoom", len(shown), len(order)))

    await side_by_side(work() for _ in range(min(AT_ONCE, len(order))))
    return [(name, shown[name]) for name in order]
