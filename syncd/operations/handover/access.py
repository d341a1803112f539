"""The way over an active account, for a Zoom that hands over nothing of a deactivated one: made active, given a licence, closed
again if it is still there. A plan says so itself (``handover plan --reopen``), and its digest binds it; no other plan does it.

Each step is in the ledger before it is asked of Zoom. Whoever dies in between leaves an active account of somebody who is not
entitled: the next cycle switches it off as it does with anybody's. A request to open whose answer was lost may still be carried
out, so the account counts as opened by us until a look long after shows it inactive (``access_in_doubt``, ``settle_access``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from syncd.errors import AnswerLost, Refused, SourceError
from syncd.events import Noted
from syncd.ledger import entries
from syncd.ledger.entry import draft
from syncd.ledger.history import History
from syncd.ledger.record import personal_of
from syncd.model import HandoverDone, Stage, Status, ZoomAccount
from syncd.operations.dependencies import Dependencies, SendsWhile, stopped_by
from syncd.planning.handover import IN_FLIGHT, LICENSED

#: Looks after a change until it shows, and seconds between them.
LOOKS = 3
LOOK_SECONDS = 2.0

OPEN, CLOSE = "open", "close"


@dataclass(frozen=True, slots=True)
class Opened:
    """*why* it is not open; empty when a look shows it active and licensed. *lost*: it may become active yet."""

    why: str = ""
    lost: bool = False


async def open_access(deps: Dependencies, account: ZoomAccount, intent: str, term: int) -> Opened:
    """Makes the account active and gives it a licence. Raises LedgerError, NotLeader."""
    zoom_id = account.zoom_id or ""
    await _write(deps, account, intent, OPEN, "announced", term)
    found = await _ask_status(deps, zoom_id, active=True)
    await _write(deps, account, intent, OPEN, "not_done" if found.why else "done", term, found.why)
    return found if found.why else Opened(await _give_licence(deps, zoom_id))


async def close_access(deps: Dependencies, account: ZoomAccount, intent: str, term: int, *, lost: bool = False) -> str:
    """Deactivates the account again, whatever was asked meanwhile, unless it is gone or inactive. *lost*: the answer to opening
    it was. Why it may still be active; empty when a look shows that it is not. Raises LedgerError, NotLeader."""
    zoom_id = account.zoom_id or ""
    try:
        seen = await deps.zoom.get_account(zoom_id)
    except SourceError:
        seen = account
    if seen is None:
        return ""
    if seen.status is Status.INACTIVE:
        if not lost:  # never opened, or closed by somebody else
            await _write(deps, account, intent, CLOSE, "done", term)
        return ""
    await _write(deps, account, intent, CLOSE, "announced", term)
    with _sending(deps):
        why = (await _ask_status(deps, zoom_id, active=False)).why
    await _write(deps, account, intent, CLOSE, "not_done" if why else "done", term, why)
    if why:
        deps.tell(Noted("handover.left_open", "error", {"zoom_id": zoom_id, "why": why}))
    return why


def access_in_doubt(history: History, now: datetime) -> dict[str, HandoverDone]:
    """Accounts that count as opened by us, long after their handover ended: by Zoom id."""
    return {
        zoom_id: done
        for zoom_id, done in history.handovers.items()
        if done.item.reopen
        and done.state != Stage.HANDED_OVER
        and now - done.at >= IN_FLIGHT
        and (last := history.deactivated.get(zoom_id)) is not None
        and last.reactivated_at is not None
        and last.reactivated_at >= done.at
    }


async def settle_access(deps: Dependencies, term: int) -> None:
    """Writes down that accounts in doubt are inactive, where a look shows it: they are as they were. Raises SourceError,
    LedgerError, NotLeader."""
    for zoom_id, done in access_in_doubt(await deps.ledger.history(), deps.clock.now()).items():
        account = await deps.zoom.get_account(zoom_id)
        if account is not None and account.status is Status.INACTIVE:
            await _write(deps, account, done.intent, CLOSE, "done", term)


async def shows(deps: Dependencies, zoom_id: str, wanted: Callable[[ZoomAccount | None], bool]) -> bool:
    """Whether one of a few looks shows the account as *wanted* (it gets None where Zoom knows none). Raises SourceError."""
    for look in range(LOOKS):
        if look:
            await deps.clock.sleep(LOOK_SECONDS)
        if wanted(await deps.zoom.get_account(zoom_id)):
            return True
    return False


async def _ask_status(deps: Dependencies, zoom_id: str, *, active: bool) -> Opened:
    """Asks once, and looks. Why it is not so; empty when a look shows that it is."""
    wanted, said, lost = Status.ACTIVE if active else Status.INACTIVE, "", True

    def is_so(seen: ZoomAccount | None) -> bool:
        return seen is not None and seen.status is wanted

    try:
        if is_so(await deps.zoom.get_account(zoom_id)):  # an account that is so already is not asked for again
            return Opened()
        await deps.zoom.set_status(zoom_id, active=active)
    except AnswerLost as error:
        said = error.what
    except (Refused, SourceError) as error:
        said, lost = error.what, False
    try:
        if await shows(deps, zoom_id, is_so):
            return Opened()
    except SourceError as error:
        return Opened(said or error.what, lost)
    return Opened(said or f"it does not show as {wanted.value}", lost)


async def _give_licence(deps: Dependencies, zoom_id: str) -> str:
    """Takes a seat. Why there is none; empty when a look shows the licence."""
    said = ""
    try:
        if _has_licence(await deps.zoom.get_account(zoom_id)):
            return ""
        await deps.zoom.restore_licence(zoom_id, type_=LICENSED, plan=None)
    except (Refused, SourceError, AnswerLost) as error:
        said = error.what
    try:
        if await shows(deps, zoom_id, _has_licence):
            return ""
    except SourceError as error:
        return said or error.what
    return said or "it does not show as licensed"


def _has_licence(seen: ZoomAccount | None) -> bool:
    return seen is not None and seen.type == LICENSED


@contextmanager
def _sending(deps: Dependencies) -> Iterator[None]:
    """Somebody who asks syncd to stop does not keep a door open that it opened itself."""
    if not isinstance(deps.zoom, SendsWhile):
        yield
        return
    deps.zoom.send_only_while(lambda: True)
    try:
        yield
    finally:
        stopped_by(deps, deps.stopping)


async def _write(deps: Dependencies, account: ZoomAccount, intent: str, step: str, state: str, term: int, says: str = "") -> None:
    await deps.ledger.append(
        [
            draft(
                entries.AccessChanged(intent=intent, step=step, state=state, says=says),
                subject=account.zoom_id or "",
                personal=personal_of(account) if state == "announced" else None,
            )
        ],
        term=term,
    )
