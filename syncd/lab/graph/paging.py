"""Page tokens as Graph hands them out: opaque, and only good with the query they were made for.

A walk remembers what was there when it began; what is gone when its page comes is left out, so pages may be short or empty,
and what came meanwhile is not met.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import quote

from syncd.lab.graph.answers import bad_request, unsupported
from syncd.lab.graph.wire import Call

#: How long a page token lives is not published.
LIFETIME = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Walk:
    key: str
    ids: Sequence[str]
    start: int
    advanced: bool
    seen: int  # changes known when it began
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """The ids of one page, the token of the next one ("": none), and how many changes were known when the walk began."""

    ids: Sequence[str]
    next_token: str
    seen: int


@dataclass
class PageTokens:
    """Every walk going on."""

    lifetime: timedelta = LIFETIME
    _walks: dict[str, _Walk] = field(default_factory=dict, repr=False)
    _count: int = 0

    def first(self, call: Call, ids: Sequence[str], size: int, *, advanced: bool, seen: int, empty: bool) -> Page:
        """The first page. *empty*: an empty one comes before it. Forgets walks that were given up long ago."""
        self._walks = {token: walk for token, walk in self._walks.items() if call.at - walk.made_at < self.lifetime * 4}
        return self._page(_Walk(_key(call), ids, 0, advanced, seen, call.at), 0 if empty else size)

    def further(self, call: Call, size: int, *, eventual: bool, empty: bool) -> Page:
        """The page that a token asks for. Raises GraphRefused: the token is too old, unknown or for another query, or the
        header that made the query possible was not sent again."""
        walk = self._walks.get(call.query["$skiptoken"])
        if walk is None or walk.key != _key(call):
            raise bad_request("The specified page token value is invalid.")
        if call.at - walk.made_at > self.lifetime:
            raise expired_page()
        if walk.advanced and not eventual:
            raise unsupported("Invalid search request.")
        return self._page(replace(walk, made_at=call.at), 0 if empty else size)

    def expire_all(self) -> None:
        """Every token handed out so far is too old now."""
        self._walks = {token: replace(walk, made_at=walk.made_at - self.lifetime * 2) for token, walk in self._walks.items()}

    def _page(self, walk: _Walk, size: int) -> Page:
        end = walk.start + size
        if end >= len(walk.ids) and size:
            return Page(walk.ids[walk.start :], "", walk.seen)
        self._count += 1
        token = "RFNwdAoAAQ" + hashlib.blake2b(f"{walk.key}/{end}/{self._count}".encode(), digest_size=48).hexdigest()
        self._walks[token] = replace(walk, start=end)
        return Page(walk.ids[walk.start : end], token, walk.seen)


def expired_page() -> Exception:
    """400: the page token is too old."""
    return bad_request(
        "The specified page token value has expired and can no longer be included in your request.", "Directory_ExpiredPageToken"
    )


def link(root: str, path: str, options: dict[str, str]) -> str:
    """An absolute link: option names as they are, values encoded."""
    query = "&".join(f"{name}={quote(value, safe=',')}" for name, value in options.items())
    return f"{root}{path}?{query}" if query else f"{root}{path}"


def _key(call: Call) -> str:
    return repr((call.path, sorted((name, value) for name, value in call.query.items() if name != "$skiptoken")))
