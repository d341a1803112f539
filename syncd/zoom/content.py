"""What a user's account holds, counted. What the app may not read, or Zoom will not tell, is None: never 0."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime, timedelta

from syncd.errors import SourceError
from syncd.http.answers import Reply
from syncd.model import Inventory, ZoomAccount, licence_word
from syncd.zoom import scopes
from syncd.zoom.parse import MeetingsPage, reader
from syncd.zoom.scopes import Operation

#: Asks what nothing depends on; None: the app may not ask, or Zoom refuses.
MayAsk = Callable[[Operation, str, Mapping[str, str]], Awaitable[Reply | None]]

#: Zoom lists recordings of a month at most, and goes back no further than this here: ten years.
WINDOW = timedelta(days=30)
WINDOWS_MAX = 123

#: Pages of one window; more is no company's leaver.
PAGES_MAX = 100

_read_page = reader(MeetingsPage)


async def content_of(may_ask: MayAsk, user: str, account: ZoomAccount, now: datetime) -> Inventory:
    """What the account of *user* (a path segment) holds. Raises SourceError when Zoom cannot be asked."""
    meetings = await _total(may_ask, scopes.LIST_MEETINGS, f"/users/{user}/meetings", {"type": "upcoming", "page_size": "300"})
    webinars = await _total(may_ask, scopes.LIST_WEBINARS, f"/users/{user}/webinars", {"page_size": "300"})
    recordings = await _recordings(may_ask, user, account.created_at, now)
    count, size = recordings if recordings is not None else (None, None)
    return Inventory(licence_word(account.type), account.licences, meetings, webinars, count, size)


async def _total(may_ask: MayAsk, operation: Operation, path: str, params: Mapping[str, str]) -> int | None:
    reply = await may_ask(operation, path, params)
    return None if reply is None else _read_page(reply.body, operation.name).total_records


async def _recordings(may_ask: MayAsk, user: str, since: datetime | None, now: datetime) -> tuple[int, int | None] | None:
    """(how many, bytes) over the whole life of the account. Without knowing when it began nobody knows how many there are."""
    if since is None or now - since > WINDOW * WINDOWS_MAX:
        return None
    count, size = 0, 0
    known = True
    first, today = since.date(), now.date()
    while first <= today:
        last = min(first + WINDOW, today)
        found = await _recorded_between(may_ask, user, first, last)
        if found is None:
            return None
        count, size, known = count + found[0], size + (found[1] or 0), known and found[1] is not None
        first = last + timedelta(days=1)
    return count, size if known else None


async def _recorded_between(may_ask: MayAsk, user: str, first: date, last: date) -> tuple[int, int | None] | None:
    params = {"from": first.isoformat(), "to": last.isoformat(), "page_size": "300"}
    sizes: list[int | None] = []
    for _ in range(PAGES_MAX):
        reply = await may_ask(scopes.LIST_RECORDINGS, f"/users/{user}/recordings", params)
        if reply is None:
            return None
        page = _read_page(reply.body, "list_recordings")
        sizes += [meeting.total_size for meeting in page.meetings]
        if not page.next_page_token:
            if len(sizes) != page.total_records:
                return None  # what does not tie is not known
            total = sum(size for size in sizes if size is not None)
            return len(sizes), None if None in sizes else total
        params = {**params, "next_page_token": page.next_page_token}
    raise SourceError("zoom", f"zoom list_recordings: more than {PAGES_MAX} pages within a month.")
