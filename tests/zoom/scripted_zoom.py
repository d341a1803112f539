"""A handful of Zoom's answers for the adapter's tests: pages as given, one by one. The full simulated Zoom is the lab's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from syncd.events import Event
from syncd.zoom.api import ZoomApi, ZoomSettings
from tests.http.scripted_http import Answer, JumpingClock, Request, ScriptedServer, serving

ROLES = {"roles": [{"id": "0", "name": "Owner"}, {"id": "1", "name": "Admin"}, {"id": "2", "name": "Member"}], "total_records": 3}
SCOPES = "user:read:list_users:admin role:read:list_roles:admin"


def user(name: str, status: Any = "active", **more: Any) -> dict[str, Any]:
    """A user as the list shows one; pending ones have no id."""
    shown = {
        "id": f"id-{name}",
        "email": f"{name}@corp.example",
        "type": 2,
        "status": status,
        "role_id": "2",
        "first_name": name.title(),
        "last_name": "Example",
        **more,
    }
    if status == "pending":
        del shown["id"]
    return {key: value for key, value in shown.items() if value is not ...}


def page(users: Any, total: Any = None, next_page_token: str = "") -> Answer:
    """A page of users; *total* defaults to how many are on it, ``...`` leaves it out."""
    body = {"page_size": 300, "next_page_token": next_page_token, "users": users}
    if total is not ...:
        body["total_records"] = len(users) if total is None else total
    return Answer(200, body)


def refused(status: int, code: int | None = None, message: str = "", **headers: str) -> Answer:
    """An error as the API shows it."""
    return Answer(status, {"code": code, "message": message}, headers)


class ScriptedZoom:
    """Answers by path. ``lists[status]`` holds the pages still to come, ``other`` answers by "METHOD /path"."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        server.script = self._answer
        self.lists: dict[str, list[Answer]] = {status: [page([])] for status in ("active", "inactive", "pending")}
        self.other: dict[str, list[Answer]] = {"GET /v2/roles": [Answer(200, ROLES)]}
        self.token: dict[str, Any] | Answer = {"expires_in": 3599, "scope": SCOPES, "token_type": "bearer"}
        self.tokens = 0
        self.clock = JumpingClock()
        self.told: list[Event] = []
        self.settings = ZoomSettings(
            account_id="acc",
            client_id="client",
            client_secret=lambda: "sesame",
            account_plan="business",
            share=1.0,
            token_url=f"{server.url}/oauth/token",
            api_url=f"{server.url}/v2",
            request_seconds=5.0,
        )
        self.zoom = self.made()

    def made(self, **changes: Any) -> ZoomApi:
        """An adapter with other settings."""
        return ZoomApi(replace(self.settings, **changes), self.clock, self.told.append)

    def asked(self, prefix: str = "") -> list[Request]:
        """Requests whose "METHOD /path" begins so, the token's left out."""
        return [
            request
            for request in self.server.requests
            if request.path != "/oauth/token" and f"{request.method} {request.path}".startswith(prefix)
        ]

    def of(self, kind: Callable[..., Event]) -> list[Any]:
        """What was told of one kind."""
        return [event for event in self.told if isinstance(event, kind)]  # type: ignore[arg-type]

    def _answer(self, request: Request) -> Answer:
        if request.path == "/oauth/token":
            if isinstance(self.token, Answer):
                return self.token
            self.tokens += 1
            return Answer(200, {"access_token": f"token-{self.tokens}", **self.token})
        if request.path == "/v2/users":
            return self._next(self.lists[request.query["status"]])
        return self._next(self.other.get(f"{request.method} {request.path}", [Answer(404, b"<html>no such page</html>")]))

    @staticmethod
    def _next(answers: list[Answer]) -> Answer:
        return answers.pop(0) if len(answers) > 1 else answers[0]  # the last one stays


@asynccontextmanager
async def a_zoom() -> AsyncIterator[ScriptedZoom]:
    """A scripted Zoom and an adapter that asks it."""
    async with serving() as server:
        scripted = ScriptedZoom(server)
        try:
            yield scripted
        finally:
            await scripted.zoom.close()
