"""Page tokens as Zoom hands them out: opaque, good for 15 minutes, and only with the parameters they were made for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from syncd.lab.answers import Refusal, invalid

LIFETIME = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a walk: the rows from *start* on, and the envelope around them."""

    rows: slice
    envelope: dict[str, Any]


@dataclass
class Walks:
    """Every walk going on. Nothing is frozen between pages: rows that move meanwhile are met twice or never."""

    _made: dict[str, tuple[str, int, datetime]] = field(default_factory=dict)
    _counter: int = 0

    def page(
        self, rows: Sequence[Any], walk: str, query: Mapping[str, str], now: datetime, *, default: int, maximum: int
    ) -> Page:
        """The page that *query* asks for. *walk* names what is listed. Raises Refusal: 400/300 for a token that is
        unknown, too old or was made for other parameters, and for a page size that is no number from 1 up.

        A page size above *maximum* is cut to it, as callers must expect.
        """
        size = min(_whole_number(query, "page_size", default), maximum)
        key = repr((walk, sorted((name, value) for name, value in query.items() if name != "next_page_token"), size))
        token = query.get("next_page_token", "")
        start = self._resume(token, key, now) if token else (_whole_number(query, "page_number", 1) - 1) * size
        end = start + size
        return Page(
            slice(start, end),
            {
                "next_page_token": self._token(key, end, now) if end < len(rows) else "",
                "page_count": -(-len(rows) // size),
                "page_number": _whole_number(query, "page_number", 1),
                "page_size": size,
                "total_records": len(rows),
            },
        )

    def expire_all(self) -> None:
        """Every token handed out so far is no good any more."""
        self._made.clear()

    def _token(self, key: str, end: int, now: datetime) -> str:
        self._counter += 1
        token = hashlib.blake2b(f"{key}/{end}/{self._counter}".encode(), digest_size=17).hexdigest()
        self._made[token] = (key, end, now)
        return token

    def _resume(self, token: str, key: str, now: datetime) -> int:
        made_for, start, made_at = self._made.get(token, ("", 0, now))
        if made_for != key or now - made_at > LIFETIME:
            raise Refusal(400, 300, "The next page token is invalid or expired.")
        return start


def _whole_number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise invalid(name)
    return int(text)
