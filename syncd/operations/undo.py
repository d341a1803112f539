"""Puts back what a cycle changed: status and licence, as a plan of its own, judged by what Zoom shows now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncd.errors import UsageError
from syncd.execution.licences import RESTORED, licences_owed
from syncd.ledger.history import History
from syncd.model import Action, Decision, Intent, Policy, ZoomAccount, address_key
from syncd.operations.dependencies import Dependencies, intact_history
from syncd.operations.lookup import find_accounts
from syncd.operations.manual import (
    Request,
    Wanted,
    by_hand,
    judge_request,
    offer_for_approval,
    protected_among,
    settle_interrupted,
)
from syncd.planning.entitlement import KNOWN_LEAVERS

#: Characters of a cycle's id that must be given at least.
CYCLE_PREFIX_MIN = 8

#: Instead of an id: the last cycle that changed something and was no undo itself.
LAST = "last"

#: Cycles that are listed when none is named.
LISTED = 10

_STATUS_CHANGES = frozenset({"deactivate", "reactivate"})


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of a cycle's changes are put back: all but *excluded*; with *only* or *reasons* no others. Names are addresses
    or Zoom ids."""

    only: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Undoing:
    """What putting a cycle back comes to. *known_leavers*: zoom ids of those whom it deactivated as people known to have
    left; giving their access back is asked for once more. *later*: accounts that something changed again since, with that
    change: what they are now is not this cycle's doing, so it is not put back with it."""

    cycle: str
    wanted: Wanted
    known_leavers: frozenset[str]
    later: tuple[tuple[ZoomAccount, Intent], ...] = ()


@dataclass(frozen=True, slots=True)
class ChangedCycle:
    """One line of the list: a cycle that changed something."""

    cycle: str
    at: datetime
    by: str
    changes: Mapping[str, int]
    reasons: Mapping[str, int]


def changed_cycles(history: History) -> list[ChangedCycle]:
    """Every cycle that changed a status, the latest first."""
    found = []
    for cycle, done in history.done_in.items():
        changes = [intent for intent, _ in done if intent.action in _STATUS_CHANGES]
        if changes:
            found.append(
                ChangedCycle(
                    cycle,
                    max(intent.at for intent in changes),
                    changes[0].by,
                    dict(Counter(intent.action for intent in changes)),
                    dict(Counter(intent.reason for intent in changes)),
                )
            )
    return sorted(found, key=lambda one: (one.at, one.cycle), reverse=True)


async def wanted_by_undo(
    deps: Dependencies, policy: Policy, cycle: str, request: Request, term: int = 0, choice: Choice | None = None
) -> Undoing:
    """What putting back a cycle would change; protected accounts are left out and named, and so are those that Zoom answers
    oddly about, and those that were changed again later. Raises UsageError when the ledger knows no change of that cycle, or
    *choice* names nothing of it; SourceError, LedgerError, NotLeader."""
    choice = choice or Choice()
    history = await _settled(deps, cycle, term)
    done = _changes_of(history, cycle)
    of_reason = [intent for intent in done if not choice.reasons or intent.reason in choice.reasons]
    named = await find_accounts(deps, [intent.zoom_id for intent in of_reason])
    accounts = {account.zoom_id: account for account in named.accounts}
    chosen = _chosen(of_reason, accounts, choice, sorted({intent.reason for intent in done}))
    effects: list[Decision] = []
    already: list[ZoomAccount] = []
    later: list[tuple[ZoomAccount, Intent]] = []
    restore: dict[str, Mapping[str, Any]] = {}
    latest = {intent.zoom_id: intent for intent, _ in history.done.values() if intent.action in _STATUS_CHANGES}
    for intent in chosen:
        account = accounts.get(intent.zoom_id)
        if account is None:
            continue
        if account.status.value == intent.before.get("status"):
            already.append(account)
            continue
        if (last := latest[intent.zoom_id]).cycle != intent.cycle:
            later.append((account, last))
            continue
        action = Action.REACTIVATE if intent.action == "deactivate" else Action.DEACTIVATE
        effects.append(by_hand(account, action))
        had = {**intent.before, **(intent.restore or {})}
        if action is Action.REACTIVATE and policy.restore_licence and had.get("type") in RESTORED:
            restore[intent.zoom_id] = {"type": had["type"], "plan": had.get("plan")}
    protected = {effect.key: effect.account for effect in await protected_among(deps, policy, history, effects)}
    leavers = frozenset(intent.zoom_id for intent in chosen if intent.action == "deactivate" and intent.reason in KNOWN_LEAVERS)
    free = sorted(
        (effect for effect in effects if effect.key not in protected),
        key=lambda effect: (effect.account.zoom_id not in leavers, effect.account.email),
    )
    restore |= licences_owed([one for one in free if one.action is Action.DEACTIVATE], history, policy)  # promised, not given yet
    meant = {intent.zoom_id for intent in chosen}
    verdicts = await judge_request(deps, policy, history, free, request)
    await offer_for_approval(deps, policy, history, free, verdicts, term)
    wanted = Wanted(
        tuple(free),
        tuple(already),
        tuple(name for name in (*named.unknown, *named.pending) if name in meant),
        tuple(protected.values()),
        tuple(odd for odd in named.unreadable if odd.name in meant),
        verdicts,
        restore,
    )
    return Undoing(done[0].cycle, wanted, leavers, tuple(later))


async def without(
    deps: Dependencies, policy: Policy, undoing: Undoing, left_out: frozenset[str], request: Request, term: int = 0
) -> Undoing:
    """The same without these accounts (zoom ids), judged anew. Raises SourceError, LedgerError, NotLeader."""
    wanted = undoing.wanted
    effects = tuple(effect for effect in wanted.effects if effect.account.zoom_id not in left_out)
    history = await deps.ledger.history()
    verdicts = await judge_request(deps, policy, history, effects, request)
    await offer_for_approval(deps, policy, history, effects, verdicts, term)
    return Undoing(
        undoing.cycle,
        Wanted(effects, wanted.already, wanted.unknown, wanted.protected, wanted.unreadable, verdicts, wanted.restore),
        undoing.known_leavers - left_out,
        undoing.later,
    )


async def _settled(deps: Dependencies, cycle: str, term: int) -> History:
    """The ledger's history once what that cycle left open is settled. Raises UsageError for a name that is too short."""
    if cycle != LAST and len(cycle) < CYCLE_PREFIX_MIN:
        raise UsageError(
            f"{cycle!r} names no cycle; give {CYCLE_PREFIX_MIN} characters of it or more, or: last", "See: syncd undo"
        )
    history = await intact_history(deps)
    interrupted = sorted(
        {intent.zoom_id for intent in history.intents.values() if cycle == LAST or intent.cycle.startswith(cycle)}
    )
    if not interrupted:
        return history
    await settle_interrupted(deps, (await find_accounts(deps, interrupted)).accounts, term)
    return await deps.ledger.history()


def _changes_of(history: History, cycle: str) -> list[Intent]:
    """The changes of a status that a cycle made: by its id, the beginning of it, or ``last``. Raises UsageError."""
    cycles = (
        [one for one in changed_cycles(history) if one.by != "undo"][:1]
        if cycle == LAST
        else [one for one in changed_cycles(history) if one.cycle.startswith(cycle)]
    )
    if not cycles:
        raise UsageError(f"the ledger knows no change that cycle {cycle} made", "See: syncd undo")
    if len(cycles) > 1:
        raise UsageError(f"{cycle} is the beginning of several cycles; give more of it")
    return [intent for intent, _ in history.done_in[cycles[0].cycle] if intent.action in _STATUS_CHANGES]


def _chosen(
    done: Sequence[Intent], accounts: Mapping[str | None, ZoomAccount], choice: Choice, reasons: Sequence[str]
) -> list[Intent]:
    """Those of *done* that are to be put back. *reasons*: all there are in the cycle. Raises UsageError for a name that stands
    for none of them."""
    names: dict[str, set[str]] = {}
    for intent in done:
        account = accounts.get(intent.zoom_id)
        names[intent.zoom_id] = {intent.zoom_id} | ({address_key(account.email)} if account is not None else set())
    every = set().union(*names.values()) if names else set()

    def asked_for(given: Sequence[str]) -> set[str]:
        strange = [name for name in given if name not in every and address_key(name) not in every]
        if strange:
            raise UsageError(
                f"that cycle changed nothing of {', '.join(strange)}; nothing was done",
                "See what it changed: syncd ledger show --cycle CYCLE",
            )
        return {name if name in every else address_key(name) for name in given}

    only, excluded = asked_for(choice.only), asked_for(choice.excluded)
    chosen = [intent for intent in done if (not only or names[intent.zoom_id] & only) and not names[intent.zoom_id] & excluded]
    if not chosen:
        raise UsageError(
            "nothing is left to put back by --only, --except and --reason; nothing was done",
            f"Reasons in that cycle: {', '.join(reasons)}",
        )
    return chosen
