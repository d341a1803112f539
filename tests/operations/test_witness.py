"""Where sightings arrive: cycles change accounts, Zoom tells of it by event or log, the ledger says how it stands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

import pytest

from syncd.errors import Refused, SyncdError
from syncd.events import Noted, WitnessesCounted
from syncd.evidence.periods import Asked, Period
from syncd.ledger import entries
from syncd.ledger.entry import draft, read
from syncd.model import (
    CycleReport,
    Happened,
    Mode,
    OperationLog,
    Policy,
    Sighting,
    Trigger,
    Unreadable,
    Witnesses,
    WitnessSource,
)
from syncd.operations.cycle import Run, run_cycle
from syncd.operations.dependencies import Dependencies
from syncd.operations.schedule import Schedule
from syncd.operations.watch import Pace, Watch
from syncd.operations.witness import WitnessDesk
from syncd.reports.cycle import cycle_view
from syncd.reports.document import cycle_document
from syncd.reports.period import period_view
from tests.fakes import Company, FakeZoom

HOUR = timedelta(hours=1)
POLICY = Policy("zoom-account", ("corp.example",), "file", grace=timedelta(0), grace_reads=1)


@dataclass
class ZoomWithLog(FakeZoom):
    """A Zoom whose log holds what the test writes into it."""

    sightings: list[Sighting] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    log_fails: SyncdError | None = None
    log_reads: int = 0

    async def read_operation_log(self) -> OperationLog:
        self.log_reads += 1
        if self.log_fails is not None:
            raise self.log_fails
        now = self.clock.now()
        return OperationLog(
            now - timedelta(days=3),
            now,
            len(self.sightings) + len(self.unreadable),
            tuple(self.sightings),
            tuple(self.unreadable),
        )


class World(Company):
    """A company with both witnesses, and a desk."""

    zoom: ZoomWithLog

    def __init__(self, witnesses: Witnesses | None = None) -> None:
        super().__init__()
        self.zoom = ZoomWithLog(self.clock)
        self.witnesses = Witnesses(events=True, operation_log=True) if witnesses is None else witnesses
        self.signals: list[Sighting] = []
        self.desk = WitnessDesk(self.deps, POLICY, self.signals.append)
        self.crowd(30)

    @property
    def deps(self) -> Dependencies:
        return replace(super().deps, witnesses=self.witnesses)

    async def hand_over(self, name: str, state: str) -> None:
        """As ``handover run`` writes it down; Zoom deletes the account unless it refused."""
        item = entries.ItemPlanned(f"z-{name}", "z-crowd000", "delete", ("meetings",))
        await self.ledger.append(
            [
                draft(
                    entries.HandoverAnnounced("h1", "plan", item, "Kim", "ticket", (), {}),
                    subject=f"z-{name}",
                    personal={"email": f"{name}@corp.example"},
                )
            ]
        )
        if state != "refused":
            del self.zoom.accounts[f"z-{name}"]
        await self.ledger.append([draft(entries.HandoverSettled("h1", state), subject=f"z-{name}")])

    async def cycle(self, trigger: Trigger = Trigger.SCHEDULE) -> CycleReport:
        async with self.ledger.writer(0.0) as term:
            await self.ledger.append([], term=term)
            report = await run_cycle(self.deps, POLICY, Run(Mode.ENFORCE, trigger, term=term))
            await self.desk.after_cycle(report, term)
        return report

    async def ann_leaves(self) -> None:
        """In step first, so that the policy is known; then Ann is disabled, and a cycle deactivates the account."""
        self.employ("ann")
        await self.cycle()
        self.person("ann", enabled=False)
        await self.cycle()
        assert "inactive" == self.status("ann")

    def event(self, what: str, name: str, at: datetime | None = None, **more: object) -> Sighting:
        return Sighting(
            WitnessSource.EVENT,
            at or self.clock.now(),
            Happened(what),
            f"z-{name}",
            f"{name}@corp.example",
            "boss@corp.example",
            **more,
        )  # type: ignore[arg-type]

    def line(self, what: str, name: str, at: datetime | None = None) -> Sighting:
        return Sighting(
            WitnessSource.LOG,
            at or self.clock.now(),
            Happened(what),
            address=f"{name.title()}@corp.example",
            operator="boss@corp.example",
        )

    def counts(self) -> dict[str, int]:
        """What observers were told last, without zeros."""
        told = [event for event in self.events if isinstance(event, WitnessesCounted)]
        return {state: number for state, number in told[-1].states.items() if number}

    def written(self) -> list[tuple[str, str]]:
        """Source and state of each witness entry."""
        return [
            (body["source"], body["state"])
            for entry in self.ledger.entries
            if entry.kind == "witness"
            for body in [json.loads(entry.body)]
        ]


async def test_an_event_confirms_the_change_and_is_no_signal() -> None:
    """Told at once, with the time it took."""
    world = World()
    await world.ann_leaves()
    assert {"waiting": 1} == world.counts()
    await world.desk.take([world.event("deactivated", "ann")])

    assert {"confirmed": 1} == world.counts()
    assert [("event", "confirmed")] == world.written()
    assert [] == world.signals


async def test_the_log_confirms_what_no_event_told() -> None:
    """By address, whatever its letters; the next day's log adds nothing."""
    world = World()
    await world.ann_leaves()
    world.zoom.sightings.append(world.line("deactivated", "ann"))
    for _ in range(3):
        world.clock.pass_time(25 * HOUR)
        await world.cycle()

    assert {"confirmed": 1} == world.counts()
    assert [("log", "confirmed")] == world.written()


async def test_nobody_saw_it_for_48_hours_and_the_log_is_whole() -> None:
    """Missing; while the 48 hours run it waits."""
    world = World()
    await world.ann_leaves()
    world.clock.pass_time(25 * HOUR)
    await world.cycle()
    assert {"waiting": 1} == world.counts()
    world.clock.pass_time(25 * HOUR)
    await world.cycle()

    assert {"missing": 1} == world.counts()


@pytest.mark.parametrize("witnesses", [Witnesses(events=True), Witnesses(operation_log=True)])
async def test_without_a_whole_log_nobody_knows_and_nobody_is_alarmed(witnesses: Witnesses) -> None:
    """Events alone, or a log that may not be read: said once a try, and cycles go on."""
    world = World(witnesses)
    world.zoom.log_fails = SyncdError("the scope is missing", "add it")
    await world.ann_leaves()
    for _ in range(3):
        world.clock.pass_time(25 * HOUR)
        assert "in_step" == (await world.cycle()).result

    assert {"unknown": 1} == world.counts()
    noted = [event for event in world.events if isinstance(event, Noted) and event.event == "witness.log_unreadable"]
    assert world.zoom.log_reads == len(noted) == (4 if witnesses.operation_log else 0)


async def test_a_log_that_comes_late_turns_missing_into_confirmed() -> None:
    """Within the three days that are looked back."""
    world = World()
    await world.ann_leaves()
    at = world.clock.now()
    for _ in range(2):
        world.clock.pass_time(25 * HOUR)
        await world.cycle()
    assert {"missing": 1} == world.counts()
    world.zoom.sightings.append(world.line("deactivated", "ann", at))
    world.clock.pass_time(20 * HOUR + 4 * HOUR)
    await world.cycle()

    assert {"confirmed": 1} == world.counts()


async def test_a_line_nobody_understands_makes_it_unknown_instead_of_missing() -> None:
    """It stands near the change and names the account."""
    world = World()
    await world.ann_leaves()
    world.zoom.unreadable.append(Unreadable(world.clock.now(), frozenset({"ann@corp.example"})))
    for _ in range(2):
        world.clock.pass_time(25 * HOUR)
        await world.cycle()

    assert {"unknown": 1} == world.counts()
    assert [("log", "unknown")] == world.written()


async def test_what_somebody_else_did_is_foreign_and_a_signal() -> None:
    """Who did it lies beside the chain and in no entry; the account of another domain is nobody's business."""
    world = World()
    await world.ann_leaves()
    elsewhere = replace(world.event("activated", "crowd002"), address="crowd002@other.example")
    await world.desk.take([world.event("activated", "ann"), elsewhere])

    assert {"waiting": 1, "foreign": 1} == world.counts()
    assert ["z-ann"] == [one.zoom_id for one in world.signals]
    entry = world.ledger.entries[-1]
    assert "boss" not in entry.body
    assert "ann@" not in entry.body
    assert {"email": "ann@corp.example", "operator": "boss@corp.example"} == (await world.ledger.personal([read(entry).who]))[
        read(entry).who
    ]


async def test_an_event_without_an_address_is_known_by_the_last_read() -> None:
    """Updates carry only what changed."""
    world = World()
    await world.cycle()
    bare = replace(world.event("updated", "crowd001", fields=frozenset({"role"})), address="")
    await world.desk.take([bare, replace(bare, zoom_id="z-nobody")])

    assert {"foreign": 1} == world.counts()


async def test_a_foreign_change_seen_by_event_is_not_told_again_by_the_log() -> None:
    """Also when the account is gone by then."""
    world = World()
    await world.cycle()
    world.zoom.sightings.append(world.line("deleted", "crowd001"))
    await world.desk.take([world.event("deleted", "crowd001")])
    del world.zoom.accounts["z-crowd001"]
    for _ in range(2):
        world.clock.pass_time(25 * HOUR)
        await world.cycle()

    assert [("event", "foreign")] == world.written()


@pytest.mark.parametrize("source", ["event", "log"])
@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("handed_over", {"deactivated": "confirmed", "deleted": "confirmed"}),
        ("unconfirmed", {"deactivated": "confirmed"}),
        ("refused", {"deactivated": "confirmed", "deleted": "foreign"}),
    ],
)
async def test_a_deletion_that_a_handover_sent_is_confirmed(source: str, state: str, told: dict[str, str]) -> None:
    """By whoever tells it, and the account's absence from the next read trips no guard. One that Zoom refused is somebody
    else's; of one that nobody knows of, nothing is claimed."""
    world = World()
    await world.ann_leaves()
    await world.desk.take([world.event("deactivated", "ann")])
    world.clock.pass_time(HOUR)
    await world.hand_over("ann", state)
    if source == "event":
        await world.desk.take([world.event("deleted", "ann")])
    else:
        world.zoom.sightings.append(world.line("deleted", "ann"))
    world.zoom.accounts.pop("z-ann", None)
    world.clock.pass_time(25 * HOUR)
    report = await world.cycle()
    first = world.ledger.entries[0].at[:10]
    period = Period(Asked(date.fromisoformat(first), date(2100, 1, 1), timedelta(hours=24), Schedule(HOUR)))
    for entry in world.ledger.entries:
        period.take(entry)
    rows = period.document(await world.ledger.personal(period.references))["seen_by_others"]

    assert ([], (), {}) == (
        [one for one in report.verdicts if one.tripped],
        report.foreign if state != "refused" else (),
        {key: number for key, number in world.counts().items() if key == "missing"},
    )
    assert told == {row["what"]: row["state"] for row in rows}
    assert (state == "refused") == ("foreign" in world.counts())
    assert [] == [one for one in world.signals if state != "refused"]


async def test_the_log_is_read_once_a_day_and_after_an_hour_when_it_failed() -> None:
    """Only after cycles that look after themselves."""
    world = World()
    await world.cycle(Trigger.UNDO)
    assert 0 == world.zoom.log_reads
    for _ in range(24):
        await world.cycle()
        world.clock.pass_time(HOUR)
    assert 1 == world.zoom.log_reads
    world.zoom.log_fails = SyncdError("no")
    for _ in range(4):
        await world.cycle()
        world.clock.pass_time(HOUR / 2)
    assert 3 == world.zoom.log_reads


async def test_a_log_that_takes_too_long_keeps_no_cycle_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is evidence only."""
    monkeypatch.setattr("syncd.operations.witness.LOG_SECONDS", 0.01)
    world = World()
    world.zoom.read_operation_log = asyncio.Event().wait  # type: ignore[assignment]  # for ever

    assert "in_step" == (await world.cycle()).result
    assert ["witness.log_unreadable"] == [one.event for one in world.events if isinstance(one, Noted)]


async def test_the_ledger_says_who_was_asked_from_when_on_and_only_when_it_changes() -> None:
    """A ledger without witnesses holds no word of them."""
    world = World(Witnesses())
    await world.ann_leaves()
    assert "witness.set" not in world.ledger.kinds()
    assert {"unwatched": 1} == world.counts()
    world.clock.pass_time(HOUR)
    world.witnesses = Witnesses(events=True)
    await world.cycle()
    await world.cycle()

    assert 1 == world.ledger.kinds().count("witness.set")
    assert {"unwatched": 1} == world.counts()


async def test_an_event_for_a_change_that_we_did_not_make_after_all_was_somebody_elses() -> None:
    """Zoom refused us, and the account was deactivated all the same."""
    world = World()
    world.employ("ann")
    await world.cycle()
    world.person("ann", enabled=False)

    async def set_status(zoom_id: str, *, active: bool) -> None:
        await world.desk.take([world.event("deactivated", "ann")])
        raise Refused("not today", kind="events")

    world.zoom.set_status = set_status  # type: ignore[method-assign]
    report = await world.cycle()

    assert ["failed"] == [one.outcome for one in report.outcomes.values()]
    assert {"foreign": 1} == world.counts()
    day = world.clock.now().date()
    period = Period(Asked(day, day, timedelta(hours=24), Schedule(HOUR)))
    for entry in world.ledger.entries:
        period.take(entry)
    assert ["foreign"] == [row["state"] for row in period.document({})["seen_by_others"]]


# ------------------------------------------------------------------------------------------- what documents say of it


async def test_the_document_says_how_each_change_stands_and_when_an_event_told() -> None:
    """In the cycle that made it: an event that came before the cycle's end confirms."""
    world = World()
    world.employ("ann", "bob")
    await world.cycle()
    world.person("ann", enabled=False)
    world.person("bob", enabled=False)
    sent = world.zoom.set_status

    async def set_status(zoom_id: str, *, active: bool) -> None:
        await sent(zoom_id, active=active)
        if zoom_id == "z-ann":
            await world.desk.take([world.event("deactivated", "ann")])

    world.zoom.set_status = set_status  # type: ignore[method-assign]
    document = cycle_document(await world.cycle())
    rows = {row["zoom_id"]: row for row in document["decisions"] if row["outcome"] == "done"}

    assert {"z-ann": "confirmed", "z-bob": "waiting"} == {zoom_id: row["witness"] for zoom_id, row in rows.items()}
    assert rows["z-ann"]["moments"]["event"] is not None
    assert rows["z-bob"]["moments"]["event"] is None
    assert all(row["witness"] is None for row in document["decisions"] if row["outcome"] is None)


async def test_a_foreign_change_stands_in_the_documents_of_two_days() -> None:
    """With who it was; the report has a section of it."""
    world = World(Witnesses(events=True))
    await world.cycle()
    await world.desk.take([world.event("activated", "crowd001")])
    report = await world.cycle()
    document = cycle_document(report)
    tables = {table.key: table for table in cycle_view(report).tables}
    world.clock.pass_time(49 * HOUR)
    later = cycle_document(await world.cycle())

    assert ["foreign"] == [row["witness"] for row in document["decisions"] if row["zoom_id"] == "z-crowd001"]
    assert [("z-crowd001", "activated", "boss@corp.example")] == [
        (one["zoom_id"], one["what"], one["operator"]) for one in document["seen_by_others"]
    ]
    assert 1 == tables["seen_by_others"].count
    assert [] == later["seen_by_others"]
    assert [None] == [row["witness"] for row in later["decisions"] if row["zoom_id"] == "z-crowd001"]


async def test_a_period_tells_each_change_and_puts_what_others_did_first() -> None:
    """Missing, unknown and unwatched as the metrics say it, at the end of the ledger."""
    world = World(Witnesses())
    world.employ("eve")
    await world.cycle()
    world.person("eve", enabled=False)
    await world.cycle()  # nobody was asked yet
    world.witnesses = Witnesses(events=True, operation_log=True)
    world.desk = WitnessDesk(world.deps, POLICY, world.signals.append)  # as after a restart with another configuration
    world.clock.pass_time(HOUR)
    for name in ("ann", "bob", "cid"):
        world.employ(name)
    await world.cycle()
    for name in ("ann", "bob", "cid"):
        world.person(name, enabled=False)
    world.clock.pass_time(HOUR)
    await world.cycle()
    await world.desk.take([world.event("deactivated", "ann"), world.event("updated", "crowd001", fields=frozenset({"role"}))])
    world.zoom.unreadable.append(Unreadable(world.clock.now(), frozenset({"bob@corp.example"})))
    for _ in range(2):
        world.clock.pass_time(25 * HOUR)
        await world.cycle()
    first = world.ledger.entries[0].at[:10]
    period = Period(Asked(date.fromisoformat(first), date.fromisoformat(first), timedelta(hours=24), Schedule(HOUR)))
    for entry in world.ledger.entries:
        period.take(entry)
    document = period.document(await world.ledger.personal(period.references))

    assert [("foreign", "crowd001@corp.example", "boss@corp.example")] == [
        (row["state"], row["email"], row["operator"]) for row in document["seen_by_others"]
    ][:1]
    assert {"z-eve": "unwatched", "z-ann": "confirmed", "z-bob": "unknown", "z-cid": "missing"} == {
        row["zoom_id"]: row["state"] for row in document["seen_by_others"][1:]
    }
    assert {row["zoom_id"]: row["state"] for row in document["seen_by_others"][1:]} == {
        row["zoom_id"]: row["witness"] for row in document["leavers"]
    }
    assert (
        {"foreign": 1, "unwatched": 1, "confirmed": 1, "unknown": 1, "missing": 1}
        == {state: number for state, number in document["witnesses"].items() if number}
        == world.counts()
    )
    table = next(table for table in period_view(document).tables if table.key == "seen_by_others")
    assert "foreign" == next(iter(table.rows()))[0]


# -------------------------------------------------------------------------------------------------- events that come


class Script:
    """A source of events that hands on what it is given while it is wanted."""

    def __init__(self, *sightings: Sighting) -> None:
        self.sightings = list(sightings)

    async def run(self, put: Callable[[Sighting], Awaitable[None]], wanted: Callable[[], bool]) -> None:
        while True:
            if wanted() and self.sightings:
                await put(self.sightings.pop(0))
            await asyncio.sleep(0)


async def test_a_ledger_that_cannot_be_written_loses_no_event_and_is_said_once() -> None:
    """What was seen waits until it can be written down."""
    world = World()
    await world.ann_leaves()
    world.ledger.refuse_after = len(world.ledger.entries)
    script = Script(world.event("deactivated", "ann"), world.event("activated", "crowd001"))
    task = asyncio.create_task(world.desk.listen(script, lambda: True))
    for _ in range(50):
        await asyncio.sleep(0)
    world.ledger.refuse_after = None
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert {"confirmed": 1, "foreign": 1} == world.counts()
    warnings = [one for one in world.events if isinstance(one, Noted) and (one.event, one.level) == ("witness.failed", "warning")]
    assert 1 == len(warnings)


@pytest.mark.parametrize("watchers", [0, 1])
async def test_a_foreign_change_wakes_a_watch_for_a_look(watchers: int) -> None:
    """No place of the directory shows it; without a watch it only witnesses."""
    world = World()
    deps = replace(world.deps, watchers=(object(),) * watchers)  # type: ignore[arg-type]
    watch = Watch(deps, POLICY, Mode.ENFORCE, Pace())
    watch.elsewhere("z-ann")
    wanted = asyncio.create_task(watch.wanted())
    await asyncio.sleep(0.01)

    assert wanted.done() == bool(watchers)
    assert not watchers or wanted.result() is True
    wanted.cancel()
