"""Looks in a small world: whatever the signals are, nothing happens that a whole cycle would not do, and much less of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.errors import AccountUnreadable, Refused, SourceError
from syncd.events import LookEnded, WatchDegraded
from syncd.ledger import record
from syncd.model import DirectorySnapshot, Hint, Intent, Mode, Policy, Reread, Result, Status, Trigger
from syncd.operations.cycle import run_cycle
from syncd.operations.watch import NeedsWholeCycle, Pace, Watch
from syncd.planning.watching import ACCOUNTS_MAX
from tests.fakes import Company, FakeDirectory
from tests.planning.strategies import LOOSE

AT_ONCE = Policy("zoom-account", ("corp.example",), grace=timedelta(0), limits=LOOSE)


@dataclass
class FakeWatcher:
    """Says what it is told to say; shows the directory as it is, or as *older* has it."""

    directory: FakeDirectory
    name: str = "people"
    source: str = "file"
    hint: Hint = field(default_factory=Hint)
    fails: SourceError | None = None

    async def changes(self) -> Hint:
        hint, self.hint = self.hint, Hint()
        return hint

    async def read_again(self, hint: Hint, base: DirectorySnapshot) -> Reread:
        if self.fails is not None:
            raise self.fails
        return Reread.of_whole(await self.directory.read(), base, hint)

    async def close(self) -> None:
        """Nothing is held."""


class World:
    """A company whose first whole cycle ended well, and its watch."""

    def __init__(self, policy: Policy = AT_ONCE, settle: int = 0, crowd: int = 30, mode: Mode = Mode.ENFORCE) -> None:
        self.company, self.policy, self.mode = Company(), policy, mode
        self.company.crowd(crowd)
        self.watcher = FakeWatcher(self.company.directory)
        self.deps = replace(self.company.deps, watchers=(self.watcher,))
        self.watch = Watch(self.deps, policy, mode, Pace(1.0, timedelta(seconds=settle)))

    async def cycle(self) -> Any:
        async with self.company.ledger.writer(0.0) as term:
            report = await run_cycle(self.deps, self.policy, replace(self.watch.run(Trigger.SCHEDULE), term=term))
        self.watch.ended(report)
        return report

    async def look(self, *people: str) -> list[Result]:
        """A signal about these people (nobody: about anybody), and what came of it."""
        now = self.company.clock.now()
        self.watch._state.notice(0, Hint(frozenset(people)) if people else Hint(anybody=True), now)
        return await self.ripe()

    async def ripe(self) -> list[Result]:
        results = []
        for found in await self.watch.find():
            async with self.company.ledger.writer(0.0) as term:
                results.append((await self.watch.look(found, term)).result)
        return results

    def off(self) -> set[str]:
        return {zoom_id for zoom_id, one in self.company.zoom.accounts.items() if one.status is Status.INACTIVE}


async def test_a_leaver_goes_by_a_look_that_is_no_good_read() -> None:
    """No memory, no measure, no last cycle; the next whole cycle finds it done."""
    world = World()
    await world.cycle()
    before = world.company.ledger._history
    world.company.person("crowd003", enabled=False)
    assert [Result.APPLIED] == await world.look("p-crowd003")

    after = world.company.ledger._history
    assert {"z-crowd003"} == world.off()
    for name in (
        "good_reads",
        "measures",
        "gone",
        "pairs",
        "last_cycle",
        "last_cycle_at",
        "last_result",
        "same_results",
        "last_success_at",
        "last_good_cycle_at",
        "policy_in_use",
        "good_policy_since",
    ):
        assert getattr(before, name) == getattr(after, name), name
    assert 1 == len(after.counted) == len(after.deactivated)
    assert Result.IN_STEP is (await world.cycle()).result


async def test_a_licence_that_waits_for_a_seat_keeps_no_leaver_waiting() -> None:
    """Its intent stays open for as long as no seat is free. What a crash left open is a whole cycle's."""
    world = World(replace(AT_ONCE, reactivate_reads=1))
    await world.cycle()
    world.company.person("crowd003", enabled=False)
    await world.look("p-crowd003")
    world.company.person("crowd003")
    world.company.zoom.answers[("z-crowd003", "restore_licence")] = (Refused("no seat is free", kind="no_licence"), False)
    await world.cycle()
    assert ["restore_licence"] == [one.action for one in (await world.company.ledger.history()).intents.values()]
    world.company.person("crowd004", enabled=False)
    assert [Result.APPLIED] == await world.look("p-crowd004")

    intent = Intent("i1", "c1", world.company.clock.now(), "z-crowd005", "deactivate", "cycle", "left_groups", {})
    async with world.company.ledger.writer(0.0) as term:
        await world.company.ledger.append([record.intended(intent, world.company.zoom.accounts["z-crowd005"])], term=term)
    world.company.person("crowd006", enabled=False)
    with pytest.raises(NeedsWholeCycle, match="must settle"):
        await world.look("p-crowd006")


@pytest.mark.parametrize(("made", "seen"), [(-5, 0), (3, 3), (60, 10)])
async def test_nothing_is_seen_before_it_was_made(made: int, seen: int) -> None:
    """A signal of the start waits until the file is replaced, and the look shows what came with that. A controller's clock may be
    ahead: then it was seen when it was read."""
    world = World()
    await world.cycle()
    noticed = world.company.clock.now()
    world.watch._state.notice(0, Hint(anybody=True), noticed)
    world.company.clock.pass_time(timedelta(seconds=10))
    world.company.person("crowd003", enabled=False, changed_at=noticed + timedelta(seconds=made))

    [found] = await world.watch.find()

    assert noticed + timedelta(seconds=seen) == found.about.seen


@pytest.mark.parametrize(
    "change",
    [
        {"entitled": False},
        {"enabled": False, "unclear": "broken"},
        {"department": "Finance"},
    ],
    ids=["within grace", "unclear", "nothing of interest"],
)
async def test_without_a_change_to_make_nothing_is_written(change: dict[str, Any]) -> None:
    """However often it is looked."""
    world = World(replace(AT_ONCE, grace=timedelta(hours=24), grace_reads=2))
    await world.cycle()
    entries = len(world.company.ledger.entries)
    world.company.person("crowd003", **change)
    for _ in range(3):
        assert await world.look("p-crowd003") in ([], [Result.IN_STEP])

    assert (entries, set()) == (len(world.company.ledger.entries), world.off())
    assert Result.IN_STEP is (await world.cycle()).result


async def test_a_look_is_no_second_good_read_for_whoever_needs_two() -> None:
    """Neither for leaving nor for coming back; a whole cycle is."""
    policy = replace(AT_ONCE, grace=timedelta(minutes=1), grace_reads=2, reactivate_reads=2)
    world = World(policy)
    await world.cycle()
    world.company.person("crowd003", entitled=False)
    await world.cycle()
    world.company.clock.pass_time(timedelta(minutes=5))
    await world.look("p-crowd003")
    assert set() == world.off()
    await world.cycle()
    assert {"z-crowd003"} == world.off()
    world.company.person("crowd003")
    await world.cycle()
    world.company.person("crowd003", number="4711")
    await world.look("p-crowd003")
    assert {"z-crowd003"} == world.off()
    await world.cycle()
    assert set() == world.off()


async def test_others_that_are_due_wait_for_their_cycle() -> None:
    """They are guarded and told as not tried; here somebody whom no signal named."""
    world = World()
    await world.cycle()
    world.company.person("crowd003", enabled=False)
    world.company.person("crowd004", enabled=False)
    reread = await world.watcher.read_again(Hint(), world.watch._base.directory)  # type: ignore[union-attr]
    world.watch._base = world.watch._base.with_people(reread)  # type: ignore[union-attr]
    assert [Result.APPLIED] == await world.look("p-crowd003")
    assert {"z-crowd003"} == world.off()
    await world.cycle()
    assert {"z-crowd003", "z-crowd004"} == world.off()


async def test_a_second_look_that_shows_something_else_changes_nothing() -> None:
    """The person is enabled again between look and write."""
    world = World()
    await world.cycle()
    world.company.person("crowd003", enabled=False)
    world.company.directory.before_look = lambda: world.company.person("crowd003") and None
    assert [Result.APPLIED] == await world.look("p-crowd003")
    assert set() == world.off()


async def test_a_settling_person_is_read_again_before_anything_is_done() -> None:
    """Taken back without a signal: nothing; still so: off."""
    world = World(settle=30)
    await world.cycle()
    world.company.person("crowd003", enabled=False)
    world.company.person("crowd004", enabled=False)
    assert [] == await world.look("p-crowd003", "p-crowd004")
    world.company.person("crowd003")
    world.company.clock.pass_time(timedelta(seconds=30))
    assert [Result.APPLIED] == await world.ripe()
    assert {"z-crowd004"} == world.off()
    assert world.watch._state.due(world.company.clock.now()) is None


async def test_too_old_a_base_and_an_unreadable_cycle_ask_for_a_whole_one() -> None:
    """And nothing is done on such grounds."""
    world = World()
    await world.cycle()
    world.company.person("crowd003", enabled=False)
    world.company.clock.pass_time(timedelta(minutes=31))
    with pytest.raises(NeedsWholeCycle, match="too old"):
        await world.look("p-crowd003")
    assert not await world.watch.wanted()
    world.company.directory.fails = SourceError("directory", "gone", "")
    await world.cycle()
    world.company.directory.fails = None
    with pytest.raises(NeedsWholeCycle, match="did not read both sides whole"):
        await world.look("p-crowd003")
    assert set() == world.off()


async def test_a_clock_that_was_set_back_asks_for_a_whole_cycle_at_once() -> None:
    """Everything that is read again would be older than the base, and the leaver would wait for the schedule without a word."""
    world = World()
    world.company.clock.pass_time(timedelta(hours=6))
    world.watch._fall_back("a test")
    assert not await world.watch.wanted()
    await world.cycle()
    world.company.clock.pass_time(-timedelta(hours=6))
    world.company.person("crowd003", enabled=False)
    with pytest.raises(NeedsWholeCycle, match="set back"):
        await world.look("p-crowd003")
    began = world.company.clock.now()
    assert not await world.watch.wanted()

    assert began == world.company.clock.now()


async def test_a_storm_asks_for_a_whole_cycle_and_is_said_once() -> None:
    """Healed by that cycle, if it is good."""
    world = World(replace(AT_ONCE, limits=replace(LOOSE, max_deactivations=2)))
    await world.cycle()
    for number in range(3):
        world.company.person(f"crowd{number:03}", enabled=False)
    with pytest.raises(NeedsWholeCycle, match="3 people leave at once"):
        await world.look()
    assert [True] == [bool(event.why) for event in world.company.events if isinstance(event, WatchDegraded)]
    report = await world.cycle()
    assert (Result.HELD, set()) == (report.result, world.off())
    assert [True, False] == [bool(event.why) for event in world.company.events if isinstance(event, WatchDegraded)]


async def test_a_place_that_cannot_be_read_again_is_looked_at_later() -> None:
    """Degraded meanwhile, said once although the place goes on telling changes, and healed by reading it; the signal is not
    lost."""
    world = World()
    await world.cycle()
    world.company.person("crowd003", enabled=False)
    world.watcher.fails = SourceError("directory", "it is empty", "look")
    assert [] == await world.look("p-crowd003")
    for _ in range(3):
        assert await world.watch._asked(0, world.watcher)
        assert [] == await world.ripe()
    assert [True] == [bool(event.why) for event in world.company.events if isinstance(event, WatchDegraded)]
    world.watcher.fails = None
    assert [Result.APPLIED] == await world.ripe()
    assert [True, False] == [bool(event.why) for event in world.company.events if isinstance(event, WatchDegraded)]


@pytest.mark.parametrize(("fails", "counted"), [(True, "unreadable"), (False, "in_step")])
async def test_a_look_that_could_not_be_read_is_not_counted_as_in_step(fails: bool, counted: str) -> None:
    """Nothing was found in step by it."""
    world = World()
    await world.cycle()
    world.watcher.fails = SourceError("directory", "it is empty", "look") if fails else None
    world.watch._state.notice(0, Hint(anybody=True), world.company.clock.now())
    world.watch.count_empty(await world.watch.find())

    assert {counted: 1} == dict(world.watch.looks)
    assert [counted] == [event.result for event in world.company.events if isinstance(event, LookEnded)]


async def test_a_whole_cycle_that_read_everybody_heals_a_place_that_could_not_be_read() -> None:
    """Nobody needs to be looked at there any more; one that could not read it heals nothing."""
    world = World()
    await world.cycle()
    world.watcher.fails = SourceError("directory", "it is empty", "look")
    assert [] == await world.look("p-crowd003")
    world.company.directory.fails = SourceError("directory", "it is empty", "look")
    await world.cycle()
    said = [bool(event.why) for event in world.company.events if isinstance(event, WatchDegraded)]
    world.company.directory.fails = None
    await world.cycle()

    assert ([True], [True, False]) == (said, [bool(e.why) for e in world.company.events if isinstance(e, WatchDegraded)])


@pytest.mark.parametrize(
    ("took", "failed", "rest"), [(0.0, 0, 1.0), (0.3, 0, 0.7), (0.8, 0, 0.5), (9.0, 0, 0.5), (0.3, 1, 2.0), (0.3, 9, 60.0)]
)
def test_a_place_is_asked_at_its_pace_however_long_it_takes_to_answer(took: float, failed: int, rest: float) -> None:
    """From question to question, or less often where it is slow; more and more seldom while it fails."""
    assert pytest.approx(rest) == World().watch._rest(took, failed)


async def test_the_pace_counts_from_question_to_question_and_grows_with_each_failure() -> None:
    """A place that takes 0.3 s to answer is asked once a second, and once a second again when it can tell again."""
    world, asked = World(), list[float]()
    clock = world.company.clock

    class Slow(FakeWatcher):
        async def changes(self) -> Hint:
            asked.append(clock.monotonic())
            clock.pass_time(timedelta(seconds=0.3))
            if 3 <= len(asked) <= 5:
                raise SourceError("directory", "it hung up")
            return Hint()

    world.watch._leads.set()
    asking = asyncio.create_task(world.watch._ask(0, Slow(world.company.directory)))
    while len(asked) < 8:
        await asyncio.sleep(0)
    asking.cancel()

    gaps = [round(after - before, 6) for before, after in pairwise(asked)]
    assert [1.0, 1.0, 2.3, 4.3, 8.3, 1.0, 1.0] == gaps[:7]


@pytest.mark.parametrize(("failed", "rest"), [(0, 299.0), (1, 300.0), (9, 300.0)])
def test_a_place_that_fails_is_never_asked_sooner_than_at_its_pace(failed: int, rest: float) -> None:
    """Every five minutes, say, also where the longest wait of others is one."""
    world = World()
    watch = Watch(world.deps, world.policy, world.mode, Pace(300.0))

    assert pytest.approx(rest) == watch._rest(1.0, failed)


async def test_report_mode_changes_nothing_and_paused_looks_are_held() -> None:
    """Counted all the same."""
    world = World(mode=Mode.REPORT)
    await world.cycle()
    world.company.person("crowd003", enabled=False)
    assert [Result.PLANNED] == await world.look("p-crowd003")
    assert (set(), ["planned"]) == (world.off(), [e.result for e in world.company.events if isinstance(e, LookEnded)])
    assert [] == world.company.zoom.writes


# ------------------------------------------------------------------------------------------- what others did at Zoom


async def elsewhere(world: World, *zoom_ids: str) -> list[Result]:
    """Zoom tells that others changed these accounts, and what came of it."""
    for zoom_id in zoom_ids:
        world.watch.elsewhere(zoom_id)
    assert await world.watch.wanted()
    return await world.ripe()


def opened(world: World, name: str, **more: Any) -> None:
    """Somebody at Zoom switches an account on."""
    world.company.zoom.accounts[f"z-{name}"] = world.company.account(name, Status.ACTIVE, **more)


async def a_leaver_who_is_off(hours: int = 25, **pace: Any) -> World:
    """crowd003 left, and a cycle switched their account off so many hours ago; crowd004 left and was off before."""
    world = World(**pace)
    world.company.account("crowd004", Status.INACTIVE)
    world.company.person("crowd004", enabled=False)
    await world.cycle()
    world.company.person("crowd003", enabled=False)
    await world.cycle()
    world.company.clock.pass_time(timedelta(hours=hours))
    await world.cycle()
    assert {"z-crowd003", "z-crowd004"} == world.off()
    world.company.zoom.writes.clear()
    return world


async def test_an_account_that_somebody_opened_for_a_leaver_is_closed_by_a_look() -> None:
    """That one alone, with a document of a look; the directory did not change at all."""
    world = await a_leaver_who_is_off()
    opened(world, "crowd003")
    opened(world, "crowd004")
    assert [Result.APPLIED] == await elsewhere(world, "z-crowd003")
    assert [("set_status", "z-crowd003")] == world.company.zoom.writes
    last = world.company.ledger.entries[-1]
    assert (last.kind, json.loads(last.body)["look"]) == ("cycle.ended", True)
    assert Result.APPLIED is (await world.cycle()).result  # crowd004, whom no event named
    assert [("set_status", "z-crowd003"), ("set_status", "z-crowd004")] == world.company.zoom.writes


async def test_a_change_by_others_that_a_cycle_would_leave_alone_is_left_alone() -> None:
    """Brought back within a day, closed though entitled, gone, not to be read, unknown: nothing is sent or written."""
    world = await a_leaver_who_is_off(hours=1)
    opened(world, "crowd003")
    world.company.account("crowd005", Status.INACTIVE)
    del world.company.zoom.accounts["z-crowd006"]
    world.company.zoom.odd["z-crowd007"] = AccountUnreadable("odd", zoom_id="z-crowd007", answer="odd")
    entries = len(world.company.ledger.entries)
    named = [f"z-crowd00{number}" for number in (3, 5, 6, 7)]
    assert [Result.IN_STEP] == await elsewhere(world, *named, "z-nobody")
    assert ([], entries) == (world.company.zoom.writes, len(world.company.ledger.entries))
    assert world.watch._state.due(world.company.clock.now()) is None


async def test_an_account_made_since_the_last_cycle_is_decided_like_any_other() -> None:
    """Of nobody: off, where one read is enough; of somebody hired meanwhile, whom only the second look finds: it stays."""
    world = World(replace(AT_ONCE, grace_reads=1))
    await world.cycle()
    for name in ("stranger", "hired"):
        opened(world, name)
    world.company.person("hired")
    assert [Result.APPLIED] == await elsewhere(world, "z-stranger", "z-hired")
    assert {"z-stranger"} == world.off()


async def test_whose_account_it_is_must_have_left_for_as_long_as_ever() -> None:
    """Disabled a moment ago, and somebody touches the account: the event makes nothing shorter."""
    world = World(settle=30)
    await world.cycle()
    world.company.person("crowd003", enabled=False)
    opened(world, "crowd003")
    await elsewhere(world, "z-crowd003")
    assert set() == world.off()
    world.company.clock.pass_time(timedelta(seconds=30))
    assert [Result.APPLIED] == await world.ripe()
    assert {"z-crowd003"} == world.off()


async def test_too_many_accounts_at_once_and_one_without_a_name_are_for_a_whole_cycle() -> None:
    """The first is a storm."""
    world = World()
    await world.cycle()
    with pytest.raises(NeedsWholeCycle, match="101 accounts"):
        await elsewhere(world, *(f"z-{number}" for number in range(ACCOUNTS_MAX + 1)))
    assert [True] == [bool(event.why) for event in world.company.events if isinstance(event, WatchDegraded)]
    await world.cycle()
    world.watch.elsewhere("")
    assert not await world.watch.wanted()


async def test_an_account_signalled_while_the_directory_is_away_is_looked_at_later() -> None:
    """Nothing is decided without the people; the signal is not lost."""
    world = await a_leaver_who_is_off()
    opened(world, "crowd003")
    world.watcher.fails = SourceError("directory", "no answer", "look")
    assert [] == await elsewhere(world, "z-crowd003")
    assert [] == world.company.zoom.writes
    world.watcher.fails = None
    assert [Result.APPLIED] == await world.ripe()
    assert [("set_status", "z-crowd003")] == world.company.zoom.writes


CHANGES = st.sampled_from(["disable", "enable", "leave", "join", "delete", "rename", "unclear"])
NAMES = st.sampled_from([f"crowd{number:03}" for number in range(6)])
STEPS = st.lists(st.tuples(CHANGES, NAMES, st.booleans()), max_size=12)


def change(company: Company, what: str, name: str) -> None:
    match what:
        case "disable":
            company.person(name, enabled=False)
        case "leave":
            company.person(name, entitled=False)
        case "delete":
            company.directory.people.pop(f"p-{name}", None)
        case "unclear":
            company.person(name, unclear="broken")
        case "rename":
            company.person(name, addresses=(f"{name}-x", name), mains=1)
        case _:
            company.person(name)


@settings(max_examples=80, deadline=None)
@given(STEPS, st.lists(st.sampled_from([*(f"p-crowd{number:03}" for number in range(6)), "p-nobody"]), max_size=3))
def test_with_lost_doubled_and_invented_signals_a_run_ends_as_one_without_a_watch(
    steps: list[tuple[str, str, bool]], lies: list[str]
) -> None:
    """Known leavers go earlier, and nobody else ever goes; the last whole cycles make both worlds the same, but for those who
    were disabled for a while, were seen so, and are not entitled now either."""
    policy = replace(AT_ONCE, grace=timedelta(hours=24), grace_reads=2, grace_for_known_leavers=timedelta(0), reactivate_reads=1)
    watched, plain = World(policy), World(policy)

    async def both() -> None:
        await watched.cycle()
        await plain.cycle()
        for what, name, told in steps:
            for world in (watched, plain):
                change(world.company, what, name)
                world.company.clock.pass_time(timedelta(seconds=7))
            if told:
                await watched.look(f"p-{name}")
                await watched.look(f"p-{name}", *lies)
            gone = {
                f"z-{one}"
                for one in (f"crowd{number:03}" for number in range(6))
                if (person := watched.company.directory.people.get(f"p-{one}")) is not None and not person.enabled
            }
            ever.update(gone)
            assert watched.off() <= ever
        for _ in range(2):
            await watched.cycle()
            await plain.cycle()
        people = watched.company.directory.people
        taken_back = {
            zoom_id
            for zoom_id in watched.off() - plain.off()
            if (one := people.get(f"p-{zoom_id[2:]}")) is None or one.unclear or not one.entitled_by
        }
        assert watched.off() == plain.off() | (taken_back & ever)

    ever: set[str] = set()
    asyncio.run(both())
