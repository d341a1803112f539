"""Who manages whom, where Graph's list of users does not tell (``$expand=manager`` is documented for one user only): entitled
people are then asked about one by one, some with each whole read, those never asked about first, then the longest ago.

Whoever was not asked about yet has the manager None: not told, which is not "nobody". What only says who manages whom fails no
read.
Source: https://learn.microsoft.com/en-us/graph/api/user-list-manager
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import structs

from syncd.concurrency import side_by_side
from syncd.directories.entra.graph import Graph
from syncd.directories.entra.people import manager_of as told_by
from syncd.directories.entra.people import what_to_ask
from syncd.directories.entra.settings import EntraSettings
from syncd.errors import SourceError
from syncd.events import Noted
from syncd.model import Person
from syncd.ports import Clock, Tell

#: People asked about with one whole read: five seconds at the pace we keep.
ASKED_A_READ = 400


class Managers:
    """What was told of single people, for as long as this process lives."""

    def __init__(self, clock: Clock, tell: Tell) -> None:
        self._clock, self._tell = clock, tell
        self._known: dict[str, tuple[float, str]] = {}  # id -> when it was asked (monotonic), the manager's id or nothing

    async def filled(self, graph: Graph, settings: EntraSettings, people: Mapping[str, Person]) -> Mapping[str, Person]:
        """*people* with the managers that are known, where the list did not tell them."""
        if not settings.with_managers or graph.lists_managers:
            return people
        entitled = [id_ for id_, person in people.items() if person.entitled_by]
        self._known = {id_: self._known[id_] for id_ in entitled if id_ in self._known}
        entitled.sort(key=lambda id_: self._known[id_][0] if id_ in self._known else float("-inf"))
        try:
            await side_by_side(self._ask(graph, settings, id_) for id_ in entitled[:ASKED_A_READ])
        except SourceError as error:
            self._tell(Noted("managers.not_told", "warning", {"operation": "user", "why": error.what, "do": error.do}))
        return {id_: structs.replace(person, manager=self._known.get(id_, (0.0, None))[1]) for id_, person in people.items()}

    async def _ask(self, graph: Graph, settings: EntraSettings, id_: str) -> None:
        entry = await graph.get("user", f"/users/{id_}", what_to_ask(settings))
        if entry is not None:
            self._known[id_] = (self._clock.monotonic(), told_by(entry))
