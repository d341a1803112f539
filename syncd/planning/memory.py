"""What a good read adds to memory: who was matched to whom, who is gone since when, who is back.

Only good reads (whole, no read guard tripped) count; others neither advance nor reset anything. A person who could not be
read keeps what is remembered, and the read does not count for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from syncd.ledger.history import History
from syncd.model import Action, MemoryChange, Plan, Reason, Status, ZoomAccount

#: Decisions on an active account whose person is known not to be entitled.
_NOT_ENTITLED = frozenset(
    {
        Reason.PROTECTED,
        Reason.REACTIVATED_BY_OTHERS,
        Reason.IN_LEAVERS_GROUP,
        Reason.DISABLED_IN_DIRECTORY,
        Reason.EXPIRED_IN_DIRECTORY,
        Reason.LEFT_GROUPS,
        Reason.ABSENT_FROM_DIRECTORY,
        Reason.WITHIN_GRACE,
        Reason.REFUSED_BY_ZOOM,
        Reason.NOT_IN_PILOT,
        Reason.AMBIGUOUS_MATCH,
    }
)

#: Decisions on an inactive account that its person is entitled to again.
_ENTITLED_AGAIN = frozenset(
    {
        Reason.RETURNING,
        Reason.ENTITLED_AGAIN,
        Reason.DEACTIVATED_BY_OTHERS,
        Reason.PROTECTED,
        Reason.REFUSED_BY_ZOOM,
        Reason.NOT_IN_PILOT,
    }
)


def seen_active(plan: Plan, history: History) -> MemoryChange:
    """What even a read that is whole but not good shows for certain: whom we deactivated and somebody brought back."""
    return MemoryChange(
        plan.made_at,
        seen_active=frozenset(
            decision.account.zoom_id
            for decision in plan.decisions
            if decision.account.zoom_id is not None and _brought_back(decision.account, history)
        ),
    )


def remember(plan: Plan, history: History) -> MemoryChange:
    """Compares the decisions of a good read with what is remembered."""
    gone: set[str] = set()
    back: set[str] = set()
    unclear: set[str] = set()
    returning: set[str] = set()
    active: set[str] = set()
    seen: set[str] = set()
    for decision in plan.decisions:
        account = decision.account
        zoom_id = account.zoom_id
        if zoom_id is None:
            continue
        seen.add(zoom_id)
        if _brought_back(account, history):
            active.add(zoom_id)
        if decision.reason in (Reason.OUT_OF_SCOPE, Reason.INVITATION_PENDING):
            continue
        if account.status is Status.INACTIVE and decision.reason in _ENTITLED_AGAIN:
            returning.add(zoom_id)
        was_gone = zoom_id in history.gone
        if decision.reason is Reason.DIRECTORY_UNCLEAR:
            if was_gone:
                unclear.add(zoom_id)
        elif _is_gone(decision.action, decision.reason, account.status):
            if not was_gone:
                gone.add(zoom_id)
        elif was_gone:
            back.add(zoom_id)
    known = history.gone.keys() | history.decided.keys()
    return MemoryChange(
        plan.made_at,
        _new_in(plan.pairs, history.pairs),
        _new_in(plan.numbers, history.numbers),
        plan.entitled - set(plan.pairs.values()) - history.entitled,
        frozenset(gone),
        frozenset(back),
        frozenset(returning - history.returning.keys()),
        frozenset(history.returning.keys() - returning),
        frozenset(unclear),
        frozenset(active),
        frozenset(known - seen),
    )


def _new_in(found: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in found.items() if known.get(name) != value}


def _brought_back(account: ZoomAccount, history: History) -> bool:
    last = history.deactivated.get(account.zoom_id or "")
    return account.status is Status.ACTIVE and last is not None and last.stands


def _is_gone(action: Action, reason: Reason, status: Status) -> bool:
    # An exempt or held account starts its grace afresh when it comes under the rules again: in doubt it stays longer.
    return status is Status.ACTIVE and action is not Action.REACTIVATE and reason in _NOT_ENTITLED
