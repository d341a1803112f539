"""The way in, the same for the simulated token service and the simulated Graph: requests in, faults, answers out, a record.

A *Service* is an ASGI application. What it serves stands in its subclass: ``place`` says which operation a request is,
``work`` does it or raises ``Refused``. No secret, token or body is ever kept in the record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from syncd.lab.answers import Answer
from syncd.lab.entra.objects import guid
from syncd.lab.faults import Cut, Fault, Faults, rewrite
from syncd.lab.wire import Broken, response_of

#: Query options whose values open something: the record has a digest of them.
_OPAQUE = ("$skiptoken", "$deltatoken")


class Refused(Exception):
    """The service says no; ``answer_to`` puts it into words for one call."""

    def answer_to(self, call: Call) -> Answer:
        """The answer to *call*."""
        raise NotImplementedError


@dataclass(slots=True)
class Call:
    """A request on its way through. *path* is decoded; *headers* have lower-case names."""

    at: datetime
    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    base_url: str = ""
    request_id: str = ""
    batched: bool = False
    operation: str = ""  # what ``place`` found, "" for what is not served
    target: str = ""  # id or name in the path
    cost: int = 0  # resource units
    app: str = ""  # client id behind the token; "" when nobody was authorised
    reply_headers: dict[str, str] = field(default_factory=dict)

    @property
    def client_request_id(self) -> str:
        """What the caller calls this request, or its id here."""
        return self.headers.get("client-request-id", self.request_id)

    @property
    def continues(self) -> bool:
        """Whether it asks for a later page."""
        return "$skiptoken" in self.query


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the service saw it. *status* 0: the connection was broken instead of an answer."""

    at: datetime  # arrival
    method: str
    path: str
    operation: str
    status: int
    target: str = ""
    query: Mapping[str, str] = field(default_factory=dict)  # page and delta tokens as "…" and a digest
    cost: int = 0
    code: str = ""  # error code in the body
    app: str = ""
    retry_at: datetime | None = None
    continues: bool = False  # a later page of a listing
    batched: bool = False  # inside a $batch


class Service:
    """Requests in, answers out. *now* gives aware times, *sleep* waits so many seconds."""

    def __init__(self, *, now: Callable[[], datetime], sleep: Callable[[float], Awaitable[object]]) -> None:
        self.faults = Faults()
        self.latency_seconds = 0.0  # of every request
        self.clock_skew = timedelta(0)  # what the Date header is ahead of *now*
        self.requests: list[Seen] = []
        self.now = now
        self.pause = sleep
        self._count = 0

    # ------------------------------------------------------------------------------------------------ for assertions

    def asked(self, operation: str) -> list[Seen]:
        """The requests of one operation."""
        return [seen for seen in self.requests if seen.operation == operation]

    @property
    def early_retries(self) -> list[Seen]:
        """Repeated requests that came before the time an earlier 429 or 503 had asked for."""
        asked_for: dict[tuple[str, str, str], datetime] = {}
        early = []
        for seen in sorted(self.requests, key=lambda seen: seen.at):
            key = (seen.method, seen.path, repr(sorted(seen.query.items())))
            if key in asked_for and seen.at < asked_for[key]:
                early.append(seen)
            if seen.retry_at is not None:
                asked_for[key] = seen.retry_at
        return early

    # --------------------------------------------------------------------------------------------------- to be filled

    def place(self, call: Call) -> None:
        """Finds *operation*, *target* and *cost* of a call."""
        raise NotImplementedError

    async def work(self, call: Call, struck: list[Fault]) -> Answer:
        """Does what the call asks. Raises Refused."""
        raise NotImplementedError

    # ----------------------------------------------------------------------------------------------------- the way in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Adds the Date header, from the given clock and the set skew."""

        async def dated(message: Any) -> None:
            if message["type"] == "http.response.start":
                stamp = format_datetime((self.now() + self.clock_skew).astimezone(UTC), usegmt=True)
                message["headers"] = [*message.get("headers", ()), (b"date", stamp.encode())]
            await send(message)

        request = Request(scope, receive)
        call = self.arrived(
            request.method,
            scope["path"],
            scope["query_string"].decode("latin-1"),
            dict(request.headers.items()),
            await request.body(),
            str(request.base_url).rstrip("/"),
        )
        answer, cuts = await self.answered(call)
        response = Broken(answer, politely=Cut.MIDDLE in cuts) if cuts else response_of(answer)
        await response(scope, receive, dated)

    def arrived(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, base_url: str, *, batched: bool = False
    ) -> Call:
        """A call with its operation found. A plus in the query is a blank, as in forms; names of
        options are known in any case (``$orderBy``)."""
        self._count += 1
        options = {
            name.lower() if name.startswith("$") else name: value for name, value in parse_qsl(query, keep_blank_values=True)
        }
        call = Call(
            self.now(),
            method,
            unquote(path),
            options,
            headers,
            body,
            base_url,
            guid(f"request {type(self).__name__} {self._count}"),
            batched,
        )
        self.place(call)
        return call

    async def answered(self, call: Call) -> tuple[Answer, set[Cut]]:
        """Does the work unless a fault comes first, and records what came of it. Cuts: the connection is to be broken."""
        struck = self.faults.strike(call.operation, call.target, call.query)
        cuts = {fault.cut for fault in struck if fault.cut is not None}
        instead = next((fault.answer for fault in struck if fault.answer is not None), None)
        if instead is not None or Cut.BEFORE in cuts:
            await self._wait(struck, "wait_before", self.latency_seconds)
            answer = Answer(0) if instead is None else instead(call.at)
            cuts = cuts if instead is None else set()
        else:
            await self._wait(struck, "wait_before", self.latency_seconds)
            for fault in struck:
                if fault.meanwhile is not None:
                    fault.meanwhile()
            try:
                answer = rewrite(await self.work(call, struck), struck)
            except Refused as refusal:
                answer = refusal.answer_to(call)
        await self._wait(struck, "wait_after", 0.0)
        answer = Answer(
            answer.status, answer.body, {**call.reply_headers, **answer.headers}, answer.content_type, retry_at=answer.retry_at
        )
        self.requests.append(
            Seen(
                call.at,
                call.method,
                call.path,
                call.operation,
                0 if cuts else answer.status,
                call.target,
                {name: _recorded(name, value) for name, value in call.query.items()},
                call.cost,
                "" if cuts else error_code(answer),
                call.app,
                answer.retry_at,
                call.continues,
                call.batched,
            )
        )
        return answer, cuts

    async def _wait(self, struck: list[Fault], when: str, more: float) -> None:
        seconds = more + sum(getattr(fault, when) for fault in struck)
        if seconds > 0:
            await self.pause(seconds)


def _recorded(name: str, value: str) -> str:
    if name not in _OPAQUE or value in ("", "latest"):
        return value
    return "…" + hashlib.blake2b(value.encode(), digest_size=4).hexdigest()


def error_code(answer: Answer) -> str:
    """The code in an error body: Graph's word, or the AADSTS number. "" when there is none."""
    if answer.status < 400 or not answer.body.startswith(b"{"):
        return ""
    body = msgspec.json.decode(answer.body)
    if numbers := body.get("error_codes"):
        return str(numbers[0])
    error = body.get("error")
    return str(error.get("code", "")) if isinstance(error, dict) else str(error or "")
