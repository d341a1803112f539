"""Asks Microsoft Graph and takes lists apart page by page, whole or not at all. Knows nothing of people and groups.

A list ends where a page has no ``@odata.nextLink``; an empty page in the middle is legal. Links are followed as they are and
only to the configured host, with our headers sent again. A list whose page token ran out is begun again from its first page.
Sources: https://learn.microsoft.com/en-us/graph/paging, https://learn.microsoft.com/en-us/graph/throttling-limits
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Any, TypeVar

import msgspec

from syncd.directories.entra.refusals import is_missing, read_error, refusal
from syncd.directories.entra.settings import EntraSettings
from syncd.errors import SourceError
from syncd.events import Noted
from syncd.http.answers import Reply
from syncd.http.client import Api, ApiSettings
from syncd.http.pace import Allowance, Lane, backoff
from syncd.http.pacer import Pacer
from syncd.http.tokens import Tokens
from syncd.ports import Clock, Tell
from syncd.reading import Complete, Mark, NotWhole, Page, Walk, walk

T = TypeVar("T")
U = TypeVar("U")
Entry = dict[str, Any]

#: Graph's maximum for users and members.
PAGE_SIZE = 999

#: The smallest tenants may use 3,500 resource units in 10 s, and our dearest request costs 4 (checkMemberGroups).
REQUESTS = Allowance(800, window_seconds=10)
LABEL = "reads"

#: A list begun again: the first and two more. Page tokens that run out three times mean that something else is wrong.
ATTEMPTS = 3

#: A replica may not know yet, or say so by mistake under load; Microsoft's support suggests repeating with growing waits.
MISSING_TRIES = 4


class WirePage(msgspec.Struct):
    """One page as Graph sends it. A list has *next* or, when changes are tracked, *delta* at its end. *error*: what an answer
    that was begun well ends with when it cannot be gone on with (Graph streams)."""

    value: list[Entry]
    error: Any = None
    next: str | None = msgspec.field(default=None, name="@odata.nextLink")
    delta: str | None = msgspec.field(default=None, name="@odata.deltaLink")


#: The option that asks for a related object with each entry; some lists refuse it.
EXPAND = "$expand"

_pages = msgspec.json.Decoder(WirePage)
_entries = msgspec.json.Decoder(Entry)


class Graph:
    """Graph at one address. Every method raises SourceError (CredentialsRefused, ScopeMissing, LimitReached)."""

    def __init__(self, settings: EntraSettings, tokens: Tokens, clock: Clock, tell: Tell) -> None:
        self._clock, self._tell = clock, tell
        pacer = Pacer(
            clock,
            tell,
            service="graph",
            source="directory",
            lanes={LABEL: Lane(REQUESTS)},
            max_wait_seconds=settings.max_wait_seconds,
        )
        self._api = Api(
            ApiSettings(
                "graph",
                "directory",
                settings.graph,
                ca_file=settings.ca_file,
                proxy=settings.proxy,
                concurrency=settings.concurrency,
                max_wait_seconds=settings.max_wait_seconds,
                connect_seconds=settings.connect_timeout_seconds,
                read_seconds=settings.read_timeout_seconds,
            ),
            clock,
            tell,
            tokens=tokens,
            pacer=pacer,
            read_error=read_error,
        )
        self._without_expand: set[str] = set()  # operations that were refused with it

    @property
    def lists_managers(self) -> bool:
        """Whether the list of users takes ``$expand``, as far as it was tried."""
        return "list_users" not in self._without_expand

    def restart_clock(self) -> None:
        """From here on other answers tell Graph's time: those of one read."""
        self._api.clock.restart()

    @property
    def clock_offset_seconds(self) -> float | None:
        """Graph's clock minus ours; None while it is not known."""
        return self._api.clock_offset_seconds

    async def close(self) -> None:
        """Gives connections back."""
        await self._api.close()

    # --------------------------------------------------------------------------------------------------- one object

    async def get(self, operation: str, path: str, params: Mapping[str, str] | None = None, *, tries: int = 1) -> Entry | None:
        """One object, or None when Graph says, *tries* times in a row, that it knows none."""
        for attempt in range(1, tries + 1):
            reply = await self._ask(operation, "GET", path, params)
            if reply.ok:
                return self._entry(operation, reply)
            if not is_missing(reply):
                raise refusal(operation, reply)
            if attempt < tries:
                await self._clock.sleep(backoff(attempt, None, self._clock.random()))
        return None

    async def post(self, operation: str, path: str, json: Any) -> Entry | None:
        """What a question that needs a body is answered; None when Graph knows no such object. Changes nothing."""
        reply = await self._ask(operation, "POST", path, json=json)
        if is_missing(reply):
            return None
        if not reply.ok:
            raise refusal(operation, reply)
        return self._entry(operation, reply)

    # ------------------------------------------------------------------------------------------------------- lists

    async def walk(
        self,
        operation: str,
        path: str,
        params: Mapping[str, str],
        make: Callable[[Entry], T],
        *,
        key: Callable[[T], Hashable] | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Complete[T]:
        """What *make* makes of every entry, to the end of the list; of entries with the same *key* the last one. *progress* is
        told how many came. Raises NotWhole when it must be begun again."""
        pages: Walk[T] = Walk(key)

        async def ask(link: Mark | None, _: int) -> Page[T]:
            page = await self.page(operation, path, params) if link is None else await self.page(operation, str(link))
            if progress is not None:
                progress(len(pages) + len(page.value))
            return Page([make(entry) for entry in page.value], page.next)

        return await walk(ask, pages)

    async def page(self, operation: str, path: str, params: Mapping[str, str] | None = None) -> WirePage:
        """One page. Raises NotWhole when its token ran out, or Graph does not know the object it is a list of."""
        reply = await self._ask(operation, "GET", path, params)
        if not reply.ok:
            error = reply.error
            if error is not None and (error.code == "Directory_ExpiredPageToken" or is_missing(reply)):
                raise NotWhole(f"HTTP {reply.status}, {error.code}: {error.message}")
            raise refusal(operation, reply)
        return self._page(operation, reply)

    async def changes(self, operation: str, link: str, params: Mapping[str, str] | None = None) -> WirePage | None:
        """One page of tracked changes; None when Graph wants the tracking begun anew (410, or a refused link): whatever the
        answer names to go on with is not followed."""
        reply = await self._ask(operation, "GET", link, params)
        if reply.status in (400, 404, 410):
            return None
        if not reply.ok:
            raise refusal(operation, reply)
        return self._page(operation, reply)

    async def whole(self, name: str, read_once: Callable[[], Awaitable[T]]) -> T:
        """What *read_once* gives, begun again while it raises NotWhole. *name* says of what, for messages.
        Raises SourceError after so many tries (``ATTEMPTS``)."""
        attempt = 1
        while True:
            try:
                return await read_once()
            except NotWhole as broken:
                if attempt >= ATTEMPTS:
                    raise SourceError(
                        "directory",
                        f"graph: the list of {name} could not be read whole in {attempt} attempts; the last time: {broken}.",
                        "Nothing is concluded from a part; the next cycle tries again.",
                    ) from None
                self._tell(Noted("walk.restarted", "warning", {"list": name, "attempt": attempt, "why": str(broken)}))
                await self._clock.sleep(backoff(attempt, None, self._clock.random()))
                attempt += 1

    # ------------------------------------------------------------------------------------------------------ asking

    async def _ask(
        self, operation: str, method: str, path: str, params: Mapping[str, str] | None = None, json: Any = None
    ) -> Reply:
        # Microsoft's support finds a request by this; it wants a GUID.
        headers = {"client-request-id": str(uuid.uuid5(uuid.NAMESPACE_OID, self._clock.unique()))}
        expands = params is not None and EXPAND in params
        if params is not None and expands and operation in self._without_expand:
            params, expands = _without_expand(params), False
        reply = await self._api.request(operation, LABEL, method, path, params=params, json=json, headers=headers)
        if params is None or not expands or reply.status != 400:
            return reply
        again = await self._api.request(operation, LABEL, method, path, params=_without_expand(params), headers=headers)
        if not again.ok:
            return reply
        # Documented for one user; whether lists take it is not. A read must not fail for what only says who manages whom.
        self._without_expand.add(operation)
        self._tell(
            Noted(
                "managers.not_told",
                "warning",
                {
                    "operation": operation,
                    "why": f"Graph refuses {EXPAND} there (HTTP 400)",
                    "do": "Managers are asked for one by one, some with each read; handover.receiver.else receives meanwhile.",
                },
            )
        )
        return again

    @staticmethod
    def _page(operation: str, reply: Reply) -> WirePage:
        _demand_all(operation, reply)
        try:
            page = _pages.decode(reply.body)
        except msgspec.ValidationError as error:
            raise _not_understood(operation, error) from None
        if page.error is not None:
            raise _in_part(operation, "ended with an error after a good beginning")
        return page

    @staticmethod
    def _entry(operation: str, reply: Reply) -> Entry:
        _demand_all(operation, reply)
        try:
            return _entries.decode(reply.body)
        except msgspec.ValidationError as error:
            raise _not_understood(operation, error) from None


def quoted(text: str) -> str:
    """*text* as a string in an OData filter."""
    return "'" + text.replace("'", "''") + "'"


def _demand_all(operation: str, reply: Reply) -> None:
    if reply.status != 200:  # 206 is a part, 202 comes before the answer
        raise _in_part(operation, f"was answered with HTTP {reply.status}, not 200")


def _in_part(operation: str, how: str) -> SourceError:
    return SourceError("directory", f"graph {operation}: {how}.", "Nothing is concluded from a part; the next cycle tries again.")


def _not_understood(operation: str, error: Exception) -> SourceError:
    return SourceError(
        "directory",
        f"graph {operation}: the answer is not in Graph's form ({error}).",
        "See whether something answers in Graph's place: check directory.entra.graph_url and the proxy.",
    )


def _without_expand(params: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in params.items() if name != EXPAND}
