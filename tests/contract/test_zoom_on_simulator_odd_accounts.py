"""Odd accounts, from the answer on the wire to the outcome: one never stops the others, whatever Zoom says of it."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from syncd.lab import faults
from syncd.lab.answers import JSON, Answer
from syncd.lab.faults import Fault
from syncd.model import Mode, Trigger
from syncd.operations import manual
from syncd.operations.undo import wanted_by_undo
from tests.contract.simulated_world import SimulatedWorld, a_world, fate
from tests.planning.strategies import LOOSE


def answering(status: int, body: bytes, **headers: str) -> Fault:
    """Any answer."""
    return Fault("answering", answer=lambda _: Answer(status, body, headers, JSON))


#: Operation and answer, as field trouble knows them.
ODD: dict[str, tuple[str, Fault]] = {
    "get 400/1010": ("get_user", faults.refusal(1010, "User does not belong to this account.")),
    "get 400/300": ("get_user", faults.refusal(300, "Something odd.")),
    "get 403": ("get_user", faults.account_denied()),
    "get 500": ("get_user", faults.server_error()),
    "get odd status": ("get_user", faults.field_set("status", "dormant")),
    "get other id": ("get_user", faults.field_set("id", "somebody-else")),
    "get no id": ("get_user", faults.field_missing("id")),
    "get no e-mail": ("get_user", faults.field_missing("email")),
    "get 302": ("get_user", answering(302, b"", Location="https://login.example/")),
    "get a portal": ("get_user", faults.html_page(200)),
    "get odd encoding": ("get_user", answering(200, b"x", **{"Content-Encoding": "br"})),
    "get 429": ("get_user", faults.refusal(429, "Too many concurrent requests.", 429)),
    "put 303": ("set_status", answering(303, b"", Location="/users")),
    "put odd encoding": ("set_status", answering(400, b"x", **{"Content-Encoding": "br"})),
    "put 423": ("set_status", faults.refusal(423, "Locked.", 423)),
    "put 404/1010": ("set_status", faults.refusal(1010, "User does not belong to this account.", 404)),
    "put 403": ("set_status", faults.account_denied()),
    "put 400/200 permission": ("set_status", faults.refusal(200, "No permission.")),
    "put 400/300": ("set_status", faults.refusal(300, "User hosts upcoming events.")),
    "put 429": ("set_status", faults.refusal(429, "Too many concurrent requests.", 429)),
}

REQUEST = manual.Request("Kim", "because", confirm_count=180)


async def in_use(world: SimulatedWorld) -> None:
    """Enforcing, with size guards that are not in the way and the usual limit of failing writes; returns count at once."""
    world.policy = replace(world.policy, limits=replace(LOOSE, max_failing_writes_percent=20.0), reactivate_reads=1)
    await world.in_enforcing_use()


def make_odd(world: SimulatedWorld, name: str, kind: str) -> None:
    operation, fault = ODD[kind]
    world.zoom.faults.add(fault, operation, times=None, user=world.user(name).id)


@pytest.mark.parametrize("place", ["l0", "l3", "l6"])
@pytest.mark.parametrize("kind", ODD)
async def test_one_odd_leaver_fails_alone(kind: str, place: str) -> None:
    """First, middle, last: the other six go, 5, and the document says which and why."""
    async with a_world(crowd=60) as world:
        names = [f"l{number}" for number in range(7)]
        world.employ(*names)
        await in_use(world)
        world.leaves(*names)
        make_odd(world, place, kind)
        report = await world.cycle()

        fates = {name: fate(report, name)[0] for name in names}
        assert (5, "partial", dict.fromkeys(names, "done") | {place: "failed"}) == (report.exit_code, report.result.value, fates)
        assert kind.startswith("put") or fate(report, place) == ("failed", "account_unreadable")


@pytest.mark.parametrize("kind", ["get 400/1010", "get 500", "put 403"])
async def test_one_odd_returner_fails_alone(kind: str) -> None:
    """Being locked out is worse: those behind it come back."""
    async with a_world(crowd=60) as world:
        names = [f"l{number}" for number in range(5)]
        world.employ(*names)
        await in_use(world)
        world.leaves(*names)
        await world.cycle()
        world.comes_back(*names)
        make_odd(world, "l0", kind)
        reports = [await world.cycle() for _ in range(3)]

        assert {"inactive": 1, "active": 4} == Counter(world.user(name).status for name in names)
        assert "failed" in {fate(report, "l0")[0] for report in reports}


@pytest.mark.parametrize("place", ["l0", "l6"])
@pytest.mark.parametrize("operation", ["get_user", "set_status"])
async def test_an_account_that_is_always_refused_for_its_rate_stops_nobody(operation: str, place: str) -> None:
    """A plain 429 for ever, about one account: the others go at once; after two cycles it is a person's task."""
    async with a_world(crowd=60) as world:
        names = [f"l{number}" for number in range(7)]
        world.employ(*names)
        await in_use(world)
        world.leaves(*names)
        world.zoom.faults.add(faults.throttled(), operation, times=None, user=world.user(place).id)
        reports = [await world.cycle() for _ in range(3)]

        fates = {name: fate(reports[0], name)[0] for name in names}
        assert (5, dict.fromkeys(names, "done") | {place: "failed"}) == (reports[0].exit_code, fates)
        assert ["failed", "failed", "manual"] == [fate(report, place)[0] for report in reports]
        assert ("manual", "refused_by_zoom") == fate(reports[2], place)


@pytest.mark.parametrize("names", [("l0",), ("l0", "l1", "l2", "l3", "l4", "l5", "l6")], ids=["one", "seven"])
@pytest.mark.parametrize("operation", ["get_user", "set_status"])
async def test_who_is_refused_for_the_rate_of_all_is_not_odd(operation: str, names: tuple[str, ...]) -> None:
    """A plain 429 for everybody: the cycle stops, 4, and nobody becomes a person's task, however often it happens."""
    async with a_world(crowd=60) as world:
        world.employ(*names)
        await in_use(world)
        world.leaves(*names)
        world.zoom.faults.add(faults.throttled(), operation, times=None)
        reports = [await world.cycle() for _ in range(3)]
        world.zoom.faults.clear()
        after = await world.cycle()

        assert [(4, "unreadable")] * 3 == [(report.exit_code, report.result.value) for report in reports]
        assert {("not_tried", "limit_reached"), ("failed", "limit_reached")} >= {
            fate(report, name) for report in reports for name in names
        }
        assert {("done", "")} == {fate(after, name) for name in names}


@pytest.mark.parametrize("seed", [1, 2])
async def test_many_odd_ones_among_many_leavers_and_their_undo(seed: int) -> None:
    """Twenty different odd ones among two hundred, in any order: the others go, and are put back by ``undo``."""
    async with a_world(crowd=400) as world:
        names = [f"l{number:03}" for number in range(200)]
        world.employ(*names)
        await in_use(world)
        world.leaves(*names)
        odd = random.Random(seed).sample(names, len(ODD))
        for name, kind in zip(odd, ODD, strict=True):
            make_odd(world, name, kind)
        report = await world.cycle()
        assert {"done": 180, "failed": 20} == Counter(fate(report, name)[0] for name in names)

        async with world.ledger.writer(0) as term:
            undoing = await wanted_by_undo(world.deps, world.policy, "last", REQUEST, term)
            undone = await manual.execute_request(
                world.deps, world.policy, Mode.ENFORCE, undoing.wanted, REQUEST, term, trigger=Trigger.UNDO, undo_of=undoing.cycle
            )

        assert {"done": 180} == Counter(one.outcome.value for one in undone.outcomes.values())
        assert {"active"} == {world.user(name).status for name in names}


@pytest.mark.parametrize(("kind", "code"), [("get 403", 4), ("put 404/1010", 5), ("put 400/200 permission", 5)])
async def test_the_same_from_everybody_is_the_set_up(kind: str, code: int) -> None:
    """Five running, some from another part of the plan; the others are not asked any more."""
    async with a_world(crowd=200) as world:
        world.concurrency = 1
        names = [f"l{number:02}" for number in range(30)]
        world.employ(*names)
        await in_use(world)
        world.leaves(*names)
        for name in names:
            make_odd(world, name, kind)
        report = await world.cycle()

        assert (code, 5, 25) == (
            report.exit_code,
            sum(fate(report, name)[0] == "failed" for name in names),
            sum(fate(report, name)[0] == "not_tried" for name in names),
        )


async def test_a_token_that_cannot_be_had_in_mid_cycle_is_nobody_s_trouble() -> None:
    """What the token service answers is not about the account that was to be read with the token: the cycle stops, 4."""
    async with a_world(crowd=60) as world:
        names = [f"l{number}" for number in range(7)]
        world.employ(*names)
        await in_use(world)
        world.leaves(*names)
        world.zoom.faults.add(faults.token_expired(), "get_user", times=None)
        world.zoom.faults.add(faults.server_error(503), "token", times=None, skip=1 - len(world.zoom.asked("token")))
        report = await world.cycle()

        assert (4, {"not_tried": 7}) == (report.exit_code, Counter(fate(report, name)[0] for name in names))
