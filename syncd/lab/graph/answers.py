"""What the simulated Graph says no with: ``{"error": {"code", "message", "innerError"}}``, and the headers of every answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from syncd.lab.answers import Answer
from syncd.lab.graph.wire import Call, Refused

JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
PLAIN_JSON = "application/json"
TEXT = "text/plain"

DENIED = "Insufficient privileges to complete the operation."
_CHALLENGE = (
    'Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize", '
    'client_id="00000003-0000-0000-c000-000000000000"'
)


class GraphRefused(Refused):
    """Graph says no. *retry_at*: before that nobody may try again."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, retry_at: datetime | None = None
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.retry_at = retry_at

    def answer_to(self, call: Call) -> Answer:
        """The error body, with the ids of the call in it."""
        return error(
            self.status,
            self.code,
            self.message,
            call.at,
            call.request_id,
            call.client_request_id,
            headers=self.headers,
            retry_at=self.retry_at,
        )


def error(
    status: int,
    code: str,
    message: str,
    now: datetime,
    request_id: str,
    client_request_id: str = "",
    *,
    headers: Mapping[str, str] | None = None,
    retry_at: datetime | None = None,
) -> Answer:
    """An error in Graph's shape."""
    body = {
        "error": {
            "code": code,
            "message": message,
            "innerError": {
                "date": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
                "request-id": request_id,
                "client-request-id": client_request_id or request_id,
            },
        }
    }
    return Answer(status, msgspec.json.encode(body), dict(headers or {}), PLAIN_JSON, retry_at=retry_at)


def found(value: Any, status: int = 200) -> Answer:
    """An answer with *value* as its JSON body."""
    return Answer(status, msgspec.json.encode(value), {}, JSON)


def text(value: str) -> Answer:
    """An answer in plain text, as ``$count`` gives it."""
    return Answer(200, value.encode(), {}, TEXT)


def unauthorized(message: str) -> GraphRefused:
    """401: the token is missing, unknown, over, or for somebody else."""
    return GraphRefused(401, "InvalidAuthenticationToken", message, headers={"WWW-Authenticate": _CHALLENGE})


def denied() -> GraphRefused:
    """403: a permission is missing."""
    return GraphRefused(403, "Authorization_RequestDenied", DENIED)


def not_found(name: str) -> GraphRefused:
    """404: no such object, or it is in the recycle bin."""
    return GraphRefused(
        404,
        "Request_ResourceNotFound",
        f"Resource '{name}' does not exist or one of its queried reference-property objects are not present.",
    )


def unsupported(message: str) -> GraphRefused:
    """400: Graph does not do this query, or not without ``ConsistencyLevel: eventual`` and ``$count``."""
    return GraphRefused(400, "Request_UnsupportedQuery", message)


def bad_request(message: str, code: str = "Request_BadRequest") -> GraphRefused:
    """400: the request is wrong."""
    return GraphRefused(400, code, message)
