"""How an answer of a simulated service goes over the wire: as a response, or, on a bad day, not at all."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from syncd.lab.answers import Answer
from syncd.lab.server import CUT


def response_of(answer: Answer, headers: Mapping[str, str] | None = None) -> Response:
    """The answer as a response. Its own headers win over *headers*."""
    fields = {**(headers or {}), **answer.headers}
    if answer.body:
        fields["content-type"] = answer.content_type
    return Response(answer.body, answer.status, fields)


class Broken(Response):
    """No answer: the connection is reset, or closed in the middle of the body."""

    def __init__(self, answer: Answer, *, politely: bool) -> None:
        super().__init__(answer.body, answer.status or 500, {"content-type": answer.content_type})
        self._politely = politely and len(answer.body) > 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An answer, cut off where a fault asks for it."""
        cut = scope.get("extensions", {}).get(CUT)
        if cut is None:
            raise ConnectionResetError("the connection is broken on purpose")
        if self._politely:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            half = bytes(self.body)[: len(self.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        cut(politely=self._politely)
        while (await receive())["type"] != "http.disconnect":
            pass
