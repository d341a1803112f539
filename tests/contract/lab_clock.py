"""A clock that stands still until it is told to move, and the simulated Zoom run on it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from syncd.lab.server import serve
from syncd.lab.zoom.limits import AccountLimits
from syncd.lab.zoom.oauth import OAuth
from syncd.lab.zoom.service import SimulatedZoom
from syncd.lab.zoom.tenant import Tenant

MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class StandingClock:
    """Time passes only by :meth:`pass_` or by somebody sleeping."""

    def __init__(self, at: datetime = MORNING) -> None:
        self.at = at
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.at

    def pass_(self, **duration: float) -> None:
        self.at += timedelta(**duration)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.pass_(seconds=seconds)


def a_zoom(tenant: Tenant, clock: StandingClock | None = None, *, plan: str | None = None, **app: Any) -> SimulatedZoom:
    """A simulated Zoom without rate limits unless a plan is named; *app* are fields of OAuth."""
    clock = clock or StandingClock()
    return SimulatedZoom(tenant, now=clock.now, sleep=clock.sleep, oauth=OAuth(**app), limits=AccountLimits(plan))


class Caller:
    """A plain client with a token, as thin as possible so that nothing hides what the simulator says."""

    def __init__(self, http: httpx.AsyncClient, zoom: SimulatedZoom) -> None:
        self.http = http
        self.zoom = zoom
        self.token = ""

    async def sign_in(self) -> httpx.Response:
        """Asks for a token and keeps it."""
        app = self.zoom.oauth
        answer = await self.http.post(
            "/oauth/token",
            auth=(app.client_id, app.client_secret),
            params={"grant_type": "account_credentials", "account_id": app.account_id},
        )
        self.token = answer.json()["access_token"]
        return answer

    async def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return await self.http.request(method, f"/v2{path}", headers=headers, **more)

    async def status(self, user: str, action: str) -> httpx.Response:
        """Activates or deactivates."""
        return await self("PUT", f"/users/{user}/status", json={"action": action})

    async def walk(self, **query: str) -> list[dict[str, Any]]:
        """Every user of one status, page by page."""
        users, token = [], ""
        while True:
            page = (await self("GET", "/users", params={**query, **({"next_page_token": token} if token else {})})).json()
            users += page["users"]
            token = page["next_page_token"]
            if not token:
                return users


@asynccontextmanager
async def calling(zoom: SimulatedZoom, *, signed_in: bool = True) -> AsyncIterator[Caller]:
    """Serves *zoom* on a loopback port and gives a client for it."""
    async with serve(zoom) as serving, httpx.AsyncClient(base_url=serving.url, timeout=10) as http:
        caller = Caller(http, zoom)
        if signed_in:
            await caller.sign_in()
        yield caller


def brief(answer: httpx.Response) -> tuple[int, int | None]:
    """Status and Zoom's error number."""
    return answer.status_code, answer.json().get("code") if answer.content else None
