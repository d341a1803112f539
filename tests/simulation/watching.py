"""The watch of a simulated company: places that signal, and all that may be wrong with a signal. It may be lost, told twice,
told late or invented, there may be no end of them, a place may be down, and two servers may disagree for hours.

A signal is made of what really changed at its place since it was asked last; what a look reads is read from that place. Whatever
comes of it is judged by the oracle like any cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from syncd.errors import SourceError
from syncd.events import Event, LookEnded, WatchDegraded
from syncd.model import CycleReport, DirectorySnapshot, Hint, OutcomeKind, Reread
from syncd.operations.watch import Pace
from tests import whole
from tests.simulation.events import spell
from tests.simulation.world import HOUR, MINUTE, View, World

if TYPE_CHECKING:
    from tests.simulation.wiring import Process, SimDirectory

#: How often a place is asked. A second, as in earnest, would be a hundred times the work and prove nothing more.
POLL_SECONDS = 240.0

#: More than these in a minute are signals without end.
_MANY = frozenset(f"object{number}" for number in range(1200))

#: What a run with this switch must meet.
WANTED = {
    "signal": frozenset({"told", "lost", "late", "twice", "invented", "without end", "place down"}),
    "look": frozenset({"in_step", "applied", "held", "killed", "behind"}),
    "watch": frozenset({"degraded", "healed"}),
}


@dataclass(frozen=True)
class Place:
    """A file, or a controller; the second controller is *behind* by some seconds."""

    world: World
    name: str
    behind: float = 0.0

    def view(self) -> View:
        """What is shown there now. Raises SourceError when it is down."""
        world = self.world
        first_is_down = self.name == "dc1" and world.blowing("directory_lags")  # then whole reads are from the second
        if world.suffers("directory_down") or first_is_down or (self.name != "dc1" and world.suffers("place_down")):
            world.coverage.met("signal", "place down")
            raise SourceError("directory", f"{self.name} cannot be asked")
        return world.view(
            float(world.facts.get("servers_disagree") or 0.0)
            if self.behind and world.suffers("servers_disagree")
            else self.behind
        )


def places(world: World) -> tuple[Place, ...]:
    """Of a company with a watch: a file, or two controllers."""
    if not has_watch(world):
        return ()
    if world.policy["source"] == "file":
        return (Place(world, "file"),)
    return (Place(world, "dc1"), Place(world, "dc2", _luck(world, "behind").choice((20.0, 15 * MINUTE))))


def has_watch(world: World) -> bool:
    """Two companies of three, where the switch is on."""
    return world.switched_on("watch") and _luck(world, "has").random() < 0.67


def pace(world: World) -> Pace:
    """How this company's watch is set up."""
    return Pace(POLL_SECONDS, timedelta(seconds=_luck(world, "settle").choice((0.0, 30.0, 600.0))))


def _luck(world: World, what: str) -> Random:
    return Random(f"{world.seed}/watch/{what}")


class SimWatcher:
    """Implements ``ports.Watcher``."""

    def __init__(self, process: Process, place: Place, directory: SimDirectory) -> None:
        self._process, self._place, self.directory = process, place, directory
        self.source, self.name = place.world.policy["source"], place.name
        self._rng = _luck(place.world, place.name)
        self._known: View | None = None
        self._late: list[tuple[float, Hint]] = []
        self._last = Hint()

    async def changes(self) -> Hint:
        if self._process.dead:
            return Hint()
        view = self._place.view()
        before, self._known = self._known, view
        hint = self._as_told(_difference(before, view, names=self.source != "file") if before is not None else Hint())
        if hint:
            self._place.world.coverage.met("signal", "told")
            self._last = hint
        return hint

    def _as_told(self, hint: Hint) -> Hint:
        """What becomes of a signal on its way."""
        world, rng, met = self._place.world, self._rng, self._place.world.coverage.met
        if hint and world.suffers("signals_lost") and rng.random() < 0.6:
            met("signal", "lost")
            hint = Hint()
        if hint and world.suffers("signals_late"):
            met("signal", "late")
            self._late.append((world.t + rng.choice((10 * MINUTE, 3 * HOUR)), hint))
            hint = Hint()
        for due, one in self._late:
            if due <= world.t:
                hint |= one
        self._late = [(due, one) for due, one in self._late if due > world.t]
        if self._last and world.suffers("signals_doubled"):
            met("signal", "twice")
            hint |= self._last
        if world.suffers("signals_invented") and rng.random() < 0.2:
            met("signal", "invented")
            entries = self._known.entries if self._known is not None else {}
            people = frozenset(id_ for id_ in entries if rng.random() < 0.3) | {"nobody"}
            hint |= Hint(people, anybody=rng.random() < 0.2, gone=rng.random() < 0.3)
        if world.suffers("signals_without_end"):
            met("signal", "without end")
            hint |= Hint(_MANY)
        return hint

    async def read_again(self, hint: Hint, base: DirectorySnapshot) -> Reread:
        process = self._process
        process.looking = True
        await process.step(0.5)
        view = self._place.view()
        if process.view is not None and view.as_of < process.view.as_of:
            self._place.world.coverage.met("look", "behind")
        shown = self.directory.shows(view)
        if hint.anybody:
            reread = Reread.of_whole(shown, base, hint)
        else:
            asked = hint.people | ({one.id for one in base.people} - view.entries.keys() if hint.gone else frozenset())
            found = whole.complete([one for one in shown.people if one.id in asked])
            reread = Reread(shown.read_at, shown.view, asked, found, as_of=shown.as_of)
        if process.view is not None:  # what a look goes by: the last whole read with these people in it
            entries = {id_: entry for id_, entry in process.view.entries.items() if id_ not in reread.asked}
            entries |= {id_: entry for id_, entry in view.entries.items() if id_ in reread.asked}
            looked = {**process.view.looked, **dict.fromkeys(reread.asked, view.as_of)}
            group_id = view.group_id if hint.anybody else process.view.group_id
            process.view = View(process.view.as_of, entries, group_id, looked=looked)
        return reread

    async def close(self) -> None:
        """Nothing is held."""


def _difference(before: View, now: View, *, names: bool) -> Hint:
    """What a place can tell: a file that it is another one; a controller who changed, and that somebody may be gone."""
    changed = {
        id_
        for id_ in before.entries.keys() | now.entries.keys()
        if (was := before.entries.get(id_)) is not (now_is := now.entries.get(id_)) and was != now_is
    }
    replaced = before.group_id != now.group_id
    if not names:
        return Hint(anybody=bool(changed) or replaced)
    return Hint(frozenset(changed & now.entries.keys()), anybody=replaced, gone=bool(changed - now.entries.keys()))


def heard(process: Process, event: Event) -> None:
    """What observers are told of the watch."""
    met = process.world.coverage.met
    if isinstance(event, LookEnded):
        met("look", event.result)
    elif isinstance(event, WatchDegraded):
        met("watch", "degraded" if event.why else "healed")


def look_ended(process: Process, report: CycleReport) -> None:
    """A look that made a change: only of those it was about, and everybody was counted."""
    oracle, plan = process.world.oracle, report.plan
    if plan is None or report.look is None or report.zoom is None:
        return
    for (zoom_id, action), outcome in report.outcomes.items():
        if outcome.outcome is not OutcomeKind.NOT_TRIED and zoom_id not in report.look.accounts:
            oracle.find("look_others", f"a look made {action} of {zoom_id}, which it was not about")
    if sum(plan.counts.values()) != len(report.zoom.accounts):
        oracle.find("control_totals", f"{sum(plan.counts.values())} decisions for {len(report.zoom.accounts)} accounts in a look")


# -------------------------------------------------------------------------------------------------------------- events


def _spell(weight: int, name: str, hours: tuple[float, ...], facts: tuple[float, ...] = (0.0,)) -> None:
    spell(weight, name, hours, "watch", lambda luck: luck.choice(facts), where=has_watch)


_spell(3, "signals_lost", (3.0, 24.0))
_spell(3, "signals_late", (3.0, 24.0))
_spell(3, "signals_doubled", (3.0, 24.0))
_spell(3, "signals_invented", (6.0, 24.0))
_spell(2, "signals_without_end", (0.5, 3.0))
_spell(2, "place_down", (0.5, 6.0))
_spell(4, "servers_disagree", (12.0, 48.0), (0.5 * HOUR, 1.5 * HOUR, 2.8 * HOUR))
