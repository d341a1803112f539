"""Walks a paged list of Zoom's and shows that it came whole, or says why not. Knows nothing of HTTP.

Zoom's list is no snapshot: users change while pages are read, page tokens end after 15 minutes, and nothing is documented
about order. So a walk counts only if the total was the same on every page and exactly that many different items came. A
walk that fails this is begun again from its first page, and given up after ``ATTEMPTS``; it is never taken as it stands.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from syncd.errors import SourceError
from syncd.events import Noted
from syncd.http.pace import backoff
from syncd.ports import Clock, Tell

T = TypeVar("T")

#: The first and two more: changes in mid-walk are ordinary in a large account, three in a row are not.
ATTEMPTS = 3


class NotWhole(Exception):
    """The list contradicts itself; the text says on which page and how, with numbers."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page: its items, the total of the whole list as this page gives it, and the token of the next page or ""."""

    items: Sequence[T]
    total: int
    next: str


async def walk(ask: Callable[[str, int], Awaitable[Page[T]]], accept: Callable[[T], bool]) -> None:
    """Asks for page after page until the last. *ask* gets the page token ("" at first) and the page's number from 1;
    *accept* keeps an item and says whether it is a new one. Raises NotWhole, and whatever *ask* raises."""
    token, number, collected = "", 0, 0
    total: int | None = None
    used: set[str] = set()
    while True:
        number += 1
        page = await ask(token, number)
        if total is not None and page.total != total:
            raise NotWhole(f"page {number} gives a total of {page.total}, the pages before gave {total}")
        total = page.total
        collected += sum([accept(item) for item in page.items])
        if collected > total:
            raise NotWhole(f"by page {number} {collected} came, more than the total of {total}")
        if not page.next:
            break
        if page.next in used:
            raise NotWhole(f"page {number} leads back to an earlier page ({collected} of {total} came)")
        if not page.items:
            raise NotWhole(f"page {number} is empty but says that more follow ({collected} of {total} came)")
        used.add(page.next)
        token = page.next
    if collected != total:
        raise NotWhole(f"{collected} of {total} came by the last page, {number}")


async def whole(
    name: str, attempt_once: Callable[[], Awaitable[T]], clock: Clock, tell: Tell, *, attempts: int = ATTEMPTS
) -> T:
    """What *attempt_once* gives, begun again when it raises NotWhole. *name* says of what, for messages. Raises
    SourceError after so many *attempts*."""
    attempt = 1
    while True:
        try:
            return await attempt_once()
        except NotWhole as finding:
            if attempt >= attempts:
                raise SourceError(
                    "zoom", f"zoom: the list of {name} was not whole in {attempts} attempts; the last time {finding}.",
                    "Nothing is concluded from a part. If many accounts are changing right now, the next cycle will do; "
                    "if it stays, lower zoom.page_size, and compare the number with the Zoom portal.",
                ) from None
            tell(Noted("walk.restarted", "warning", {"list": name, "attempt": attempt, "why": str(finding)}))
            await clock.sleep(backoff(attempt, None, clock.random()))
            attempt += 1
