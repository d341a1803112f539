"""A small Entra tenant on a standing clock, and a plain client of the simulated Graph and token service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from syncd.host.clock import SystemClock
from syncd.lab.entra.apps import LEAST_ROLES, EntraApp
from syncd.lab.entra.login import SimulatedLogin
from syncd.lab.entra.objects import (
    HIDDEN,
    a_contact,
    a_device,
    a_group,
    a_guest,
    a_person,
    a_service_principal,
    a_unified_group,
)
from syncd.lab.entra.tenant import EntraTenant
from syncd.lab.graph.service import SimulatedGraph
from tests.contract.lab_clock import StandingClock

ANN, BOB, CAT, DAN, EVE = (a_person(f"{name}@corp.example") for name in ("ann", "bob", "cat", "dan", "eve"))
GUEST = a_guest("gil@partner.example")
LAPTOP, SERVICE, CONTACT = a_device("LAPTOP"), a_service_principal("Some app"), a_contact("desk@partner.example")
USERS, TEAM, DEEP = a_group("Zoom Users"), a_group("Team"), a_group("Deep")
SECRET_GROUP, UNIFIED = a_group("Secret", visibility=HIDDEN), a_unified_group("All", "all@corp.example")

#: Zoom Users holds ann and, through Team, bob; through Deep in Team, cat. Dan is in the hidden group only, Eve nowhere.
MEMBERS = {
    USERS.id: [ANN.id, TEAM.id, LAPTOP.id, SERVICE.id, CONTACT.id, GUEST.id],
    TEAM.id: [BOB.id, DEEP.id],
    DEEP.id: [CAT.id],
    SECRET_GROUP.id: [DAN.id],
    UNIFIED.id: [ANN.id, BOB.id],
}


def a_tenant(clock: StandingClock) -> EntraTenant:
    """Somebody of each kind."""
    return EntraTenant(
        [ANN, BOB, CAT, DAN, EVE, GUEST, LAPTOP, SERVICE, CONTACT, USERS, TEAM, DEEP, SECRET_GROUP, UNIFIED],
        MEMBERS,
        now=clock.now,
    )


class Entra:
    """Tenant, token service, Graph, and a client signed in to Graph with the roles of ``app``."""

    def __init__(
        self, tenant: EntraTenant | None = None, clock: StandingClock | None = None, *, roles: frozenset[str] = LEAST_ROLES
    ) -> None:
        self.clock = clock or StandingClock()
        self.tenant = tenant or a_tenant(self.clock)
        self.app = EntraApp(roles=roles)
        self.login = SimulatedLogin(self.tenant, now=self.clock.now, sleep=self.clock.sleep, app=self.app)
        self.graph = SimulatedGraph(
            self.tenant, now=self.clock.now, sleep=self.clock.sleep, tokens=self.login.tokens, apps=self.login.apps
        )
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.graph), base_url="http://graph.test/v1.0")
        self.sign_in_http = httpx.AsyncClient(transport=httpx.ASGITransport(self.login), base_url="https://login.test")
        self.token = self.login.token_for(self.app)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """GET of a path below the version, or of a whole link; ``ConsistencyLevel="eventual"`` is a header."""
        return await self.http.get(path, headers={"Authorization": f"Bearer {self.token}", **headers})

    async def post(self, path: str, body: Any) -> httpx.Response:
        """POST of JSON."""
        return await self.http.post(path, json=body, headers={"Authorization": f"Bearer {self.token}"})

    async def walk(self, path: str, **headers: str) -> list[dict[str, Any]]:
        """The rows of all pages."""
        rows, link = [], path
        while link:
            page = (await self.get(link, **headers)).json()
            rows += page["value"]
            link = page.get("@odata.nextLink", "")
        return rows

    async def delta(self, link: str) -> tuple[list[dict[str, Any]], str]:
        """The rows of all pages of a delta query, and the link for next time."""
        rows: list[dict[str, Any]] = []
        while True:
            page = (await self.get(link)).json()
            rows += page["value"]
            if "@odata.deltaLink" in page:
                return rows, page["@odata.deltaLink"]
            link = page["@odata.nextLink"]

    async def sign_in(self, *, tenant: str = "", **form: str) -> httpx.Response:
        """A token request; *form* replaces fields, "" leaves one out."""
        fields = {
            "grant_type": "client_credentials",
            "client_id": self.app.client_id,
            "client_secret": "lab-entra-secret",
            "scope": "https://graph.microsoft.com/.default",
            **form,
        }
        return await self.sign_in_http.post(
            f"/{tenant or self.tenant.id}/oauth2/v2.0/token", data={name: value for name, value in fields.items() if value}
        )


#: For clients of others: 150 people and a device directly in the group, 100 people by way of a nested one.
PEOPLE = [a_person(f"u{number:03d}@corp.example") for number in range(250)]
TOP, BELOW = a_group("Zoom Users"), a_group("Team")


def a_served_tenant() -> tuple[SimulatedLogin, SimulatedGraph]:
    """With the real time, which such clients keep."""
    clock = SystemClock()
    tenant = EntraTenant(
        [*PEOPLE, TOP, BELOW, LAPTOP],
        {
            TOP.id: [*(person.id for person in PEOPLE[:150]), BELOW.id, LAPTOP.id],
            BELOW.id: [person.id for person in PEOPLE[150:]],
        },
        now=clock.now,
    )
    login = SimulatedLogin(tenant, now=clock.now, sleep=clock.sleep)
    return login, SimulatedGraph(tenant, now=clock.now, sleep=clock.sleep, tokens=login.tokens, apps=login.apps)


@asynccontextmanager
async def an_entra(**settings: Any) -> AsyncIterator[Entra]:
    """The tenant, served in memory."""
    entra = Entra(**settings)
    async with entra.http, entra.sign_in_http:
        yield entra


def brief(answer: httpx.Response) -> tuple[int, str]:
    """Status and error code."""
    return answer.status_code, answer.json()["error"]["code"]


def ids(rows: list[dict[str, Any]]) -> set[str]:
    """The ids of rows."""
    return {row["id"] for row in rows}
