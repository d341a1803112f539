"""What the tests of the Entra adapter share: a small company on the simulated token service and Graph, the adapter, its events.

One clock serves both sides, and its sleeps take no time. It starts at the real time, since certificates and msal know no other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from syncd.directories.entra.reader import ClientSecret, EntraDirectory, EntraSettings
from syncd.errors import SourceError
from syncd.events import Event
from syncd.lab.entra.login import SimulatedLogin
from syncd.lab.entra.objects import Thing, a_group, a_person, guid
from syncd.lab.entra.serving import EntraServing, serve_entra
from syncd.lab.entra.tenant import EntraTenant
from syncd.lab.graph.service import SimulatedGraph
from syncd.model import DirectorySnapshot
from tests.http.scripted_http import JumpingClock

SECRET = "lab-entra-secret"
ANN, BOB, CID, DAN = (f"{name}@corp.example" for name in ("ann", "bob", "cid", "dan"))


class Closed(Protocol):
    async def close(self) -> None: ...


C = TypeVar("C", bound=Closed)


class KeptState:
    """A ledger's side table."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def get_state(self, key: str) -> Any:
        return self.values.get(key)

    async def set_state(self, key: str, value: Any) -> None:
        self.values[key] = value


class EntraWorld:
    """The tenant, both services, and an adapter for them."""

    def __init__(self, objects: list[Thing], members: dict[str, list[str]]) -> None:
        self.clock = JumpingClock(datetime.now(UTC).replace(microsecond=0))
        self.tenant = EntraTenant(objects, members, now=self.clock.now)
        self.login = SimulatedLogin(self.tenant, now=self.clock.now, sleep=self.clock.sleep)
        self.graph = SimulatedGraph(
            self.tenant, now=self.clock.now, sleep=self.clock.sleep, tokens=self.login.tokens, apps=self.login.apps
        )
        self.told: list[Event] = []
        self.state = KeptState()
        self._made: list[Closed] = []

    def listening(self, serving: EntraServing) -> None:
        """Now it is known where."""
        self.settings = EntraSettings(
            tenant_id=self.tenant.id,
            client_id=self.login.app.client_id,
            credential=ClientSecret(lambda: SECRET),
            groups=("Zoom Users",),
            authority_url=serving.authority_url,
            graph_url=serving.graph_url,
            ca_file=str(serving.ca_file),
        )

    def directory(self, *, tracking: bool = False, **changes: Any) -> EntraDirectory:
        """An adapter, with other settings; *tracking*: with a place for its cursor."""
        return self.closed_at_the_end(
            EntraDirectory(
                replace(self.settings, **changes), self.clock, self.told.append, state=self.state if tracking else None
            )
        )

    def closed_at_the_end(self, made: C) -> C:
        """Whatever happens in the test."""
        self._made.append(made)
        return made

    def id(self, name: str) -> str:
        """The object id behind a name."""
        return self.tenant.resolve(name)

    def asked(self) -> list[str]:
        """The operations asked of Graph so far, in order."""
        return [seen.operation for seen in self.graph.requests]

    def of(self, kind: type) -> list[Any]:
        """What was told of one kind."""
        return [event for event in self.told if isinstance(event, kind)]

    async def close(self) -> None:
        for made in self._made:
            await made.close()


@asynccontextmanager
async def an_entra(
    folder: Path, objects: list[Thing] | None = None, members: dict[str, list[str]] | None = None
) -> AsyncIterator[EntraWorld]:
    """A company of four; Ann and Bob may use Zoom, Bob through a nested group."""
    if objects is None:
        objects = [
            *map(a_person, (ANN, BOB, CID, DAN)),
            a_group("Zoom Users"),
            a_group("Sales"),
            a_group("Leavers"),
            a_group("Held"),
        ]
        members = {"Zoom Users": [ANN, "Sales"], "Sales": [BOB], "Leavers": [], "Held": []}
    world = EntraWorld(objects, members or {})
    async with serve_entra(world.login, world.graph, folder) as serving:
        world.listening(serving)
        try:
            yield world
        finally:
            await world.close()


async def unreadable(directory: EntraDirectory) -> SourceError:
    """The error that a read of this directory ends with; fails when it ends well."""
    with pytest.raises(SourceError) as caught:
        await directory.read()
    return caught.value


def entitled(snapshot: DirectorySnapshot) -> dict[str, tuple[str, ...]]:
    """Everybody whom a group entitles, by main address, with the way."""
    return {person.addresses[0]: person.entitled_by for person in snapshot.people if person.entitled_by}


__all__ = ["ANN", "BOB", "CID", "DAN", "SECRET", "EntraWorld", "KeptState", "an_entra", "entitled", "guid", "unreadable"]
