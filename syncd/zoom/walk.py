"""Walks a list of Zoom's again when it did not come whole, and gives up with words. Knows nothing of HTTP.

Zoom's list is no snapshot: users change while pages are read, page tokens end after 15 minutes, and nothing is documented
about order. So a walk (``reading``) counts only if the total was the same on every page and exactly that many different items
came. A walk that fails this is begun again from its first page, and given up after ``ATTEMPTS``; it is never taken as it stands.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import TypeVar

from syncd.errors import SourceError
from syncd.events import Noted
from syncd.http.pace import backoff
from syncd.ports import Clock, Tell
from syncd.reading import NotWhole, Walk

T = TypeVar("T")

#: The first and two more: changes in mid-walk are ordinary in a large account, three in a row are not.
ATTEMPTS = 3


def counted(key: Callable[[T], Hashable]) -> Walk[T]:
    """A walk through one of Zoom's lists, whose pages announce a total and are never empty before the last."""
    return Walk(key, counted=True, gaps=False)


async def whole(name: str, attempt_once: Callable[[], Awaitable[T]], clock: Clock, tell: Tell, *, attempts: int = ATTEMPTS) -> T:
    """What *attempt_once* gives, begun again when it raises NotWhole. *name* says of what, for messages. Raises
    SourceError after so many *attempts*."""
    attempt = 1
    while True:
        try:
            return await attempt_once()
        except NotWhole as finding:
            if attempt >= attempts:
                raise SourceError(
                    "zoom",
                    f"zoom: the list of {name} was not whole in {attempts} attempts; the last time {finding}.",
                    "Nothing is concluded from a part. If many accounts are changing right now, the next cycle will do; "
                    "if it stays, lower zoom.page_size, and compare the number with the Zoom portal.",
                ) from None
            tell(Noted("walk.restarted", "warning", {"list": name, "attempt": attempt, "why": str(finding)}))
            await clock.sleep(backoff(attempt, None, clock.random()))
            attempt += 1
