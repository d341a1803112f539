"""The second look that begins beside the decision: used where it is the very same question, fresh and whole; else asked anew."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from syncd.errors import Refused, SourceError
from syncd.ledger import record
from syncd.ledger.history import History
from syncd.model import Mode, Person, Result, Status
from syncd.operations.ahead import AHEAD_MAX, AHEAD_SECONDS_MAX, LooksAhead
from syncd.operations.dependencies import Doubts
from tests.fakes import FakeClock, FakeDirectory
from tests.operations.test_watch import AT_ONCE, World

ANN = ("ann@corp.example",)


@dataclass
class Asked(FakeDirectory):
    """Counts its second looks, and how many were given up."""

    asked: list[tuple[str | None, tuple[str, ...]]] = field(default_factory=list)
    given_up: int = 0
    slow: bool = False

    async def recheck_person(self, directory_id: str | None, addresses: Any) -> tuple[Person, ...]:
        self.asked.append((directory_id, tuple(addresses)))
        try:
            if self.slow:
                await asyncio.Event().wait()
            return await super().recheck_person(directory_id, addresses)
        except asyncio.CancelledError:
            self.given_up += 1
            raise


def a_directory(clock: FakeClock) -> Asked:
    return Asked(clock, {"p1": Person("p1", ANN, "Ann")})


async def test_the_same_question_is_asked_once_and_the_next_time_anew() -> None:
    """After a refusal for the rate, somebody looks again."""
    clock = FakeClock()
    directory = a_directory(clock)
    async with LooksAhead(directory, clock) as ahead:
        ahead.begin("p1", ANN)
        first = await ahead.recheck_person("p1", ANN)
        directory.people.clear()
        second = await ahead.recheck_person("p1", ANN)

    assert ([("p1", ANN)] * 2, ["p1"], ()) == (directory.asked, [one.id for one in first], second)


@pytest.mark.parametrize("question", [("p2", ANN), ("p1", ("other@corp.example",)), ("p1", ()), (None, ANN)])
async def test_another_question_is_asked_as_ever(question: tuple[str | None, tuple[str, ...]]) -> None:
    """Whom the plan names and what address the account has now is what counts."""
    clock = FakeClock()
    directory = a_directory(clock)
    async with LooksAhead(directory, clock) as ahead:
        ahead.begin("p1", ANN)
        await ahead.recheck_person(*question)

    assert question in directory.asked


@pytest.mark.parametrize(("waited", "asked"), [(AHEAD_SECONDS_MAX, 1), (AHEAD_SECONDS_MAX + 0.1, 2)])
async def test_what_began_too_long_ago_is_asked_anew(waited: float, asked: int) -> None:
    """What the directory shows now, and not what it showed then."""
    clock = FakeClock()
    directory = a_directory(clock)
    async with LooksAhead(directory, clock) as ahead:
        ahead.begin("p1", ANN)
        await asyncio.sleep(0.01)
        clock.pass_time(timedelta(seconds=waited))
        directory.people.clear()
        found = await ahead.recheck_person("p1", ANN)

    assert (asked, 2 - asked) == (len(directory.asked), len(found))


class TwoClocks(FakeClock):
    """A clock of which one half may be moved."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0

    def monotonic(self) -> float:
        return self.passed


@pytest.mark.parametrize(
    ("monotonic", "wall", "asked"), [(0.1, 3600, 2), (2.1, -3600, 2), (2.1, 0, 2), (0.1, -3600, 1), (0.1, 0.1, 1)]
)
async def test_one_clock_that_says_that_it_was_long_ago_is_enough(monotonic: float, wall: float, asked: int) -> None:
    """One stands still while a machine sleeps, the other may be set back."""
    clock = TwoClocks()
    directory = a_directory(clock)
    async with LooksAhead(directory, clock) as ahead:
        ahead.begin("p1", ANN)
        await asyncio.sleep(0.01)
        clock.passed += monotonic
        clock.pass_time(timedelta(seconds=wall))
        await ahead.recheck_person("p1", ANN)

    assert asked == len(directory.asked)


async def test_the_same_question_is_begun_once_and_none_outlives_the_block() -> None:
    """Two accounts of one person may come to the same one; of two begun nobody would end the first."""
    clock = FakeClock()
    directory = a_directory(clock)
    directory.slow = True
    async with LooksAhead(directory, clock) as ahead:
        for _ in range(2):
            ahead.begin("p1", ANN)
        await asyncio.sleep(0.01)

    assert (1, 1) == (len(directory.asked), directory.given_up)


async def test_a_fault_in_a_look_that_nobody_asked_for_is_nobodys() -> None:
    """Not even a word on stderr about an exception that was never retrieved; who asks for it meets it."""
    met: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: met.append(context))
    clock = FakeClock()
    directory = a_directory(clock)
    directory.look_fails = ValueError("a fault")  # type: ignore[assignment]
    async with LooksAhead(directory, clock) as ahead:
        for question in ("p1", "p2"):
            ahead.begin(question, ANN)
        with pytest.raises(ValueError, match="a fault"):
            await ahead.recheck_person("p2", ANN)
    gc.collect()
    await asyncio.sleep(0)

    assert ([], 2) == (met, len(directory.asked))


async def test_one_that_failed_is_asked_anew_and_may_fail_again() -> None:
    """A connection may have died between two looks."""
    clock = FakeClock()
    directory = a_directory(clock)
    async with LooksAhead(directory, clock) as ahead:
        for lasting in (False, True):
            directory.look_fails = SourceError("directory", "it hung up")
            ahead.begin("p1", ANN)
            await asyncio.sleep(0.01)
            directory.look_fails = directory.look_fails if lasting else None
            if lasting:
                with pytest.raises(SourceError, match="hung up"):
                    await ahead.recheck_person("p1", ANN)
            else:
                assert ["p1"] == [one.id for one in await ahead.recheck_person("p1", ANN)]

    assert 4 == len(directory.asked)


async def test_what_nobody_asked_for_ends_with_the_block_and_few_are_begun() -> None:
    """Whether it is left well, by an error, or cancelled."""
    clock = FakeClock()
    directory = a_directory(clock)
    directory.slow = True

    async def fails() -> None:
        async with LooksAhead(directory, clock) as ahead:
            for number in range(AHEAD_MAX + 3):
                ahead.begin(f"p{number}", ANN)
            await asyncio.sleep(0.01)
            raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        await fails()
    assert AHEAD_MAX == len(directory.asked) == directory.given_up

    async def waits() -> None:
        async with LooksAhead(directory, clock) as ahead:
            ahead.begin("p1", ANN)
            await ahead.recheck_person("p1", ANN)

    waiting = asyncio.create_task(waits())
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len(directory.asked) == directory.given_up


# ------------------------------------------------------------------------------------------------------------- in a look


class Counting(World):
    """How many second looks had begun when the plan was about to be judged, and how many there were in all."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        shown = self.company.directory
        self.directory = Asked(shown.clock, shown.people)
        self.watcher.directory = self.directory
        self.at_decision: list[int] = []

        async def doubts(_: History) -> Doubts:
            self.at_decision.append(len(self.directory.asked))
            return Doubts()

        self.watch._deps = self.deps = replace(self.deps, doubts=doubts)

    async def look(self, *people: str) -> list[Result]:
        self.directory.asked.clear()
        self.at_decision.clear()
        return await super().look(*people)


async def test_a_look_asks_the_directory_beside_the_decision_and_no_more_often() -> None:
    """Once for each of several, as long as they are few."""
    world = Counting()
    await world.cycle()
    for number in range(AHEAD_MAX + 2):
        world.company.person(f"crowd{number:03}", enabled=False)
    people = [f"p-crowd{number:03}" for number in range(AHEAD_MAX + 2)]

    assert [Result.APPLIED] == await world.look(*people)
    assert [AHEAD_MAX] == world.at_decision
    assert dict.fromkeys(people, 1) == {one: [id_ for id_, _ in world.directory.asked].count(one) for one in people}
    assert AHEAD_MAX + 2 == len(world.off())


@pytest.mark.parametrize(
    ("who", "change"),
    [
        ("crowd003", {}),
        ("crowd003", {"enabled": False, "protected_by": ("VIP",)}),
        ("crowd003", {"enabled": False, "unclear": "broken"}),
        ("hired", {"addresses": ("crowd003",)}),
    ],
    ids=["enabled again", "under protection", "unclear", "the address is somebody else's"],
)
async def test_what_the_look_ahead_shows_counts_as_ever(who: str, change: dict[str, Any]) -> None:
    """Nothing is done."""
    world = Counting()
    await world.cycle()
    world.company.person("crowd003", enabled=False)
    world.directory.before_look = lambda: world.company.person(who, **change) and None

    assert [Result.APPLIED] == await world.look("p-crowd003")
    assert ([1], 1, set()) == (world.at_decision, len(world.directory.asked), world.off())


async def test_two_accounts_of_one_person_come_to_one_question() -> None:
    """One is under an old name of the domain: the second one is asked for as ever, and nothing is left running."""
    world = Counting(replace(AT_ONCE, domain_aliases=(("old.example", "corp.example"),)))
    accounts = world.company.zoom.accounts
    accounts["z-old"] = structs.replace(accounts["z-crowd003"], zoom_id="z-old", email="crowd003@old.example")
    await world.cycle()
    world.company.person("crowd003", enabled=False)
    await world.look("p-crowd003")

    assert ([1], {"z-crowd003", "z-old"}) == (world.at_decision, world.off())
    assert [("p-crowd003", ("crowd003@corp.example", "crowd003@old.example"))] * 2 == world.directory.asked


async def test_after_a_refusal_for_the_rate_the_directory_is_asked_anew() -> None:
    """The wait may have been long: whoever is enabled by then keeps the account."""
    world = Counting()
    await world.cycle()
    world.company.person("crowd003", enabled=False)

    def refuse(sent: int) -> None:
        world.company.zoom.answers = {("*", "set_status"): (Refused("too fast", kind="throttled"), False)} if sent == 0 else {}
        world.company.person("crowd003")

    world.company.zoom.before_write = refuse
    await world.look("p-crowd003")

    assert ([1], 2, 1, set()) == (world.at_decision, len(world.directory.asked), len(world.company.zoom.writes), world.off())


@pytest.mark.parametrize("mode", [Mode.REPORT, Mode.ENFORCE])
async def test_nobody_is_asked_for_who_will_not_be_changed(mode: Mode) -> None:
    """In report mode nobody; else whoever has a grace, waits for another read, is paused for, or is off already."""
    policy = replace(
        AT_ONCE,
        grace=timedelta(hours=24),
        grace_reads=2,
        grace_for_known_leavers=timedelta(0) if mode is Mode.REPORT else timedelta(hours=1),
        reactivate_reads=2,
    )
    world = Counting(policy, mode=mode)
    await world.cycle()
    world.company.person("crowd003", enabled=False)
    world.company.person("crowd004", entitled=False)
    await world.look("p-crowd003", "p-crowd004")

    assert ([0], [], set()) == (world.at_decision, world.directory.asked, world.off())


async def test_whoever_comes_back_is_asked_for_only_where_one_read_is_enough() -> None:
    """And where syncd brings anybody back at all."""
    for more, begun in (({}, [1]), ({"reactivate_reads": 2}, [0]), ({"reactivate": "never"}, [0])):
        world = Counting(replace(AT_ONCE, **{"reactivate_reads": 1, **more}))
        await world.cycle()
        world.company.person("crowd003", enabled=False)
        await world.cycle()
        world.company.person("crowd003")
        await world.look("p-crowd003")
        assert (begun, begun == [0]) == (world.at_decision, "z-crowd003" in world.off())


async def test_whose_account_is_as_it_should_be_is_not_asked_for() -> None:
    """Entitled and active with another number, or gone for another reason and off."""
    world = Counting(replace(AT_ONCE, reactivate_reads=1))
    world.company.account("crowd004", Status.INACTIVE)
    world.company.person("crowd004", enabled=False)
    await world.cycle()
    world.company.person("crowd003", number="4711")
    world.company.person("crowd004", enabled=False, leaver_by=("Left",))
    await world.look("p-crowd003", "p-crowd004")

    assert ([0], []) == (world.at_decision, world.directory.asked)


async def test_whoever_must_be_gone_for_longer_and_an_account_of_two_are_not_asked_for() -> None:
    """Beside somebody who is in a leavers' group, which counts at once."""
    world = Counting(settle=30)
    world.company.person("twin", addresses=("crowd005",))
    await world.cycle()
    world.company.person("crowd003", leaver_by=("Left",))
    world.company.person("crowd004", enabled=False)
    world.company.person("crowd005", leaver_by=("Left",))
    world.company.person("twin", addresses=("crowd005",), leaver_by=("Left",))
    await world.look("p-crowd003", "p-crowd004", "p-crowd005", "p-twin")

    assert [1] == world.at_decision
    assert "p-crowd003" == world.directory.asked[0][0]
    assert "z-crowd003" in world.off()
    assert "z-crowd004" not in world.off()


async def test_while_paused_nobody_is_asked_for() -> None:
    """Nothing will be done."""
    world = Counting()
    await world.cycle()
    await world.company.ledger.append([record.paused(by="a person", because="a test")])
    world.company.person("crowd003", enabled=False)
    await world.look("p-crowd003")

    assert ([0], [], set()) == (world.at_decision, world.directory.asked, world.off())


async def test_one_whom_a_guard_holds_is_asked_for_once_and_for_nothing() -> None:
    """And what was begun is over when the look is: nothing waits for it."""
    world = Counting(replace(AT_ONCE, protect_accounts=("crowd003@corp.example",)))
    await world.cycle()
    world.company.person("crowd003", enabled=False)
    world.directory.slow = True
    await world.look("p-crowd003")

    assert (1, 1, set()) == (len(world.directory.asked), world.directory.given_up, world.off())
