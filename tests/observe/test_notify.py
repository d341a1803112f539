"""Webhooks: what is worth a message, how often it is told, what is never in it, and what a bad receiver can do (nothing)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec import structs

from syncd import events
from syncd.app import SqlLedger, cycles_in
from syncd.errors import LedgerError
from syncd.host.secrets import SecretFile
from syncd.ledger import record
from syncd.ledger.entries import CycleEnded as EndedEntry
from syncd.model import Action, Decision, Guard, Plan, Reason, Status, Verdict, ZoomAccount
from syncd.observe import notify
from syncd.observe.digest import Ended
from syncd.observe.messages import SHAPES, Notice
from syncd.observe.notify import Notifier, Webhook
from tests.http.scripted_http import Answer, JumpingClock, ScriptedServer, serving
from tests.ledgers import HandClock, untold, url_of
from tests.observe.adaptive_card import demand_published_shape

AT = datetime(2026, 11, 25, 19, 5, tzinfo=UTC)
EVERYTHING = ("held", "unreadable", "partial", "manual")
TOKEN = "T0KEN-in-the-path"  # what must never show up anywhere


class World:
    """A notifier, what it told, and the receiver of its messages."""

    def __init__(self, receiver: ScriptedServer, on: tuple[str, ...] = EVERYTHING, url: str = "", shape: str = "json") -> None:
        self.receiver, self.clock = receiver, JumpingClock()
        self.told: list[events.Event] = []
        hook = Webhook(lambda: url or f"{receiver.url}/hooks/{TOKEN}?thread=1", on, format=shape)
        self.notifier = Notifier(
            (hook,),
            self.clock,
            self.told.append,
            "1.2.3",
            lambda plan, _: f"syncd approve --plan {plan.digest[:12]}",
            "Europe/Berlin",
        )

    def cycle(
        self,
        result: str,
        *,
        guards: tuple[Guard, ...] = (),
        manual: tuple[str, ...] = (),
        why: str = "",
        outcomes: Mapping[str, int] | None = None,
        at: datetime = AT,
        overdue: datetime | None = None,
        leaving: tuple[str, ...] = (),
        staying: int = 100,
        failing: tuple[str, ...] = (),
        cycle_id: str = "c1",
        says: str = "",
    ) -> None:
        """One cycle as observers are told of it."""
        self.notifier(events.CycleStarted("c1", "enforce", "schedule"))
        if why:
            self.notifier(events.SourceUnreadable("c1", "directory", why, "Look at the server."))
        else:
            verdicts = tuple(
                Verdict(guard, guard in guards, 58, 25, "accounts", "58 planned, ann@corp.example too", "Review.")
                for guard in Guard
            )
            plan = Plan(AT, "p", (*map(_waiting, manual), *map(_leaving, leaving)))
            self.notifier(events.PlanMade("c1", plan, verdicts, None))
        self._settled(failing)
        counts = {"deactivate": 58, "keep": staying}
        self.notifier(
            events.CycleEnded(cycle_id, "enforce", result, False, at, 1.0, counts, outcomes or {}, 7, "abc", overdue, says)
        )

    def look(
        self, result: str, *, failing: tuple[str, ...] = (), outcomes: Mapping[str, int] | None = None, cycle_id: str = ""
    ) -> None:
        """One look of the watch; without an id it left nothing behind."""
        self._settled(failing)
        self.notifier(events.LookEnded(cycle_id, result, 1, 0.1, outcomes or {}))

    def _settled(self, failing: tuple[str, ...]) -> None:
        for who in failing:
            zoom_id, _, reason = who.partition(":")
            self.notifier(events.EffectSettled("c1", zoom_id, "a@corp.example", "deactivate", "failed", reason or "refused"))

    async def sent(self) -> list[dict[str, Any]]:
        """What arrived once everything was sent."""
        async with self.notifier.running():
            pass
        return [request.json for request in self.receiver.requests]

    def noted(self, name: str) -> list[events.Noted]:
        return [event for event in self.told if isinstance(event, events.Noted) and event.event == name]


def _waiting(zoom_id: str) -> Decision:
    account = ZoomAccount(zoom_id, f"{zoom_id}@corp.example", Status.ACTIVE, zoom_id, "1", "Admin", 2)
    return Decision(account, Action.MANUAL, Reason.PROTECTED)


def _leaving(zoom_id: str) -> Decision:
    account = ZoomAccount(zoom_id, f"{zoom_id}@corp.example", Status.ACTIVE, zoom_id, "2", "Member", 2)
    return Decision(account, Action.DEACTIVATE, Reason.ABSENT_FROM_DIRECTORY)


OK = Answer(200, b"ok", {"content-type": "text/html"})


async def test_a_held_cycle_says_which_guards_and_what_to_do() -> None:
    """Plain JSON with a text for chat systems; posted to the whole address of the webhook."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver)
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))
        (message,) = await world.sent()

    assert ("syncd.notification/1", "held", "c1", "enforce") == tuple(
        message[key] for key in ("format", "event", "cycle_id", "mode")
    )
    assert [
        {
            "guard": "max-deactivations",
            "measured": 58,
            "limit": 25,
            "unit": "accounts",
            "says": "58 planned, [address] too",
            "do": "Review.",
        }
    ] == message["guards"]
    assert message["text"].startswith("syncd: held by max-deactivations: 58 planned")
    assert ("POST", f"/hooks/{TOKEN}?thread=1") == (receiver.requests[0].method, receiver.requests[0].target)
    assert "application/json" == receiver.requests[0].headers["content-type"]


@pytest.mark.parametrize(
    ("word", "play", "fact"),
    [
        ("unreadable", lambda world: world.cycle("unreadable", why="page 3 of ldap search broke off"), ("source", "directory")),
        (
            "partial",
            lambda world: world.cycle("partial", outcomes={"failed": 3, "done": 9}),
            ("outcomes", {"failed": 3, "done": 9}),
        ),
        ("manual", lambda world: world.cycle("applied", manual=("ann", "bob")), ("manual", {"protected": 2})),
    ],
)
async def test_every_word_has_its_message(word: str, play: Callable[[World], None], fact: tuple[str, object]) -> None:
    """With the facts of that word."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver)
        play(world)
        (message,) = await world.sent()

    assert (word, fact[1]) == (message["event"], message[fact[0]])


async def test_only_what_was_asked_for_is_sent() -> None:
    """``on`` of one webhook is no matter of another."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver, on=("unreadable",))
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))
        world.cycle("unreadable", why="no answer")

        assert ["unreadable"] == [message["event"] for message in await world.sent()]


async def test_a_quiet_cycle_says_nothing() -> None:
    """Nobody reads a channel that speaks every quarter of an hour."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver)
        for result in ("in_step", "applied", "planned", "interrupted", "failed"):
            world.cycle(result)

        assert [] == await world.sent()


async def test_the_same_trouble_is_told_once_and_anew_when_it_comes_back() -> None:
    """Held for days is one message (digests remind); held again after a good cycle is news at once."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver)
        for _ in range(5):
            world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))
        assert 1 == len(await world.sent())

        world.clock.passed += 30 * 24 * 3600
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))
        assert 1 == len(await world.sent())

        world.cycle("in_step")
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))
        assert 2 == len(await world.sent())


async def test_another_guard_is_news() -> None:
    """What was known to be held for its size is now held for another reason."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver)
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS, Guard.DIRECTORY_SHRUNK))

        assert [1, 2] == [len(message["guards"]) for message in await world.sent()]


async def test_a_department_named_like_a_secret_keeps_its_count() -> None:
    """Token Sales is where people work; an address in a name is blanked all the same."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver, shape="json")
        gone = [
            structs.replace(_leaving(name), department=where)
            for name, where in (("a", "Token Sales"), ("b", "Token Sales"), ("c", "bob@corp.example"))
        ]
        world.notifier(events.PlanMade("c1", Plan(AT, "p", tuple(gone)), (), None))
        world.notifier(events.CycleEnded("c1", "enforce", "held", False, AT, 1.0, {}, {}, 7, "abc"))
        (message,) = await world.sent()

    assert {"Token Sales": 2, "[address]": 1} == message["departments"]


async def test_another_plan_of_the_same_size_is_news_and_a_joiner_is_none() -> None:
    """Whoever copies the command approves what is held now; whoever joins changes nothing of it."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver)
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,), leaving=("ann", "bob"))
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,), leaving=("ann", "bob"), staying=101)
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,), leaving=("ann", "eve"), staying=101)
        first, second = await world.sent()

    assert first["command"] != second["command"]
    assert second["command"].endswith(Plan(AT, "p", (_leaving("ann"), _leaving("eve"))).digest[:12])


async def test_another_cause_is_news_and_other_numbers_in_it_are_not() -> None:
    """Causes that take turns are told once each; a source that was well in between is told of anew."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver, ("unreadable",))
        for why in (
            "page 3 broke off",
            "page 7 broke off",
            "dc1 refused (52e)",
            "page 3 broke off",
            "dc2 refused (52e)",
            "dc2 refused (533)",
            "Graph answered 401",
            "Graph answered 503",
        ):
            world.cycle("unreadable", why=why)
        world.cycle("in_step")
        world.cycle("unreadable", why="page 3 broke off")
        whys = [message["why"] for message in await world.sent()]

    assert [
        "page 3 broke off",
        "dc1 refused (52e)",
        "dc2 refused (533)",
        "Graph answered 401",
        "Graph answered 503",
        "page 3 broke off",
    ] == whys


async def test_only_accounts_that_did_not_fail_so_before_are_news() -> None:
    """However many others went well beside them, and whether a cycle or a look of the watch met them."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver, ("partial",))
        world.cycle("partial", failing=("ann",), outcomes={"deactivate.failed": 1, "deactivate.done": 3})
        world.cycle("partial", failing=("ann",), outcomes={"deactivate.failed": 1, "deactivate.done": 5})
        world.look("partial", failing=("bob",), outcomes={"deactivate.failed": 1}, cycle_id="w1")
        world.look("partial", failing=("ann",), outcomes={"deactivate.failed": 1}, cycle_id="w2")
        world.cycle("partial", failing=("ann", "bob"), outcomes={"deactivate.failed": 2})
        world.cycle("partial", failing=("ann:throttled",), outcomes={"deactivate.failed": 1})
        world.cycle("applied")
        world.cycle("partial", failing=("ann",), outcomes={"deactivate.failed": 1})
        messages = await world.sent()

    assert ["c1", "w1", "c1", "c1"] == [message["cycle_id"] for message in messages]
    assert [{"refused": 1}, {"refused": 1}, {"throttled": 1}, {"refused": 1}] == [message["causes"] for message in messages]
    assert messages[1]["look"] is True


async def test_an_unreadable_cycle_does_not_end_what_was_held() -> None:
    """Nothing newer is known, so held afterwards is no news."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver)
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))
        world.cycle("unreadable", why="no answer")
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))

        assert ["held", "unreadable"] == [message["event"] for message in await world.sent()]


async def test_only_accounts_that_did_not_wait_before_are_news() -> None:
    """One more is told, one less is not."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver)
        for waiting in (("ann", "bob"), ("ann", "bob"), ("ann",), ("ann", "eve")):
            world.cycle("applied", manual=waiting)

        assert [2, 1] == [message["new"] for message in await world.sent()]


async def test_no_address_and_no_id_of_an_account_is_in_a_message() -> None:
    """A chat channel is not the place for who left; the report is."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver, (*EVERYTHING, "overdue"))
        world.cycle("held", guards=(Guard.SENTINEL_MISSING,), manual=("zoom-id-of-ann",))
        world.cycle("unreadable", why="the member CN=Bob <bob@corp.example> cannot be read")
        world.cycle(
            "partial",
            failing=("zoom-id-of-bob", "zoom-id-of-ann:throttled"),
            says="2 changes failed (refused 1, throttled 1): zoom-id-of-ann, zoom-id-of-bob",
            overdue=AT - timedelta(days=1),
        )
        partial, overdue = (await world.sent())[3:]

    assert ["2 changes failed (refused 1, throttled 1)"] * 2 == [partial["why"], overdue["why"]]
    bodies = [request.body for request in receiver.requests]
    assert 5 == len(bodies)
    assert [] == [body for body in bodies if b"corp.example" in body or b"zoom-id" in body]


@pytest.mark.parametrize(
    "trouble",
    [Answer(503), Answer(429, None, {"retry-after": "1"}), Answer(reset=True)],
    ids=["server error", "throttled", "connection lost"],
)
async def test_a_receiver_in_trouble_is_asked_again(trouble: Answer) -> None:
    """A message may arrive twice; it is no change at Zoom."""
    async with serving(lambda _: OK) as receiver:
        receiver.answers += [trouble, trouble]
        world = World(receiver)
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))
        await world.sent()

    assert 3 == len(receiver.requests)
    assert 1 == len(world.noted("notification.sent"))


async def test_a_message_that_nobody_takes_is_a_log_line_and_does_not_keep_the_next_one() -> None:
    """404 is final; the log names neither address nor token."""
    async with serving(lambda _: OK) as receiver:
        receiver.answers += [Answer(404)]
        world = World(receiver)
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))
        world.cycle("unreadable", why="no answer")
        await world.sent()

    assert ["held"] == [note.facts["about"] for note in world.noted("notification.failed")]
    assert ["unreadable"] == [note.facts["about"] for note in world.noted("notification.sent")]
    assert TOKEN not in repr(world.told)


@pytest.mark.parametrize("url", ["http://chat.example/hooks/T0KEN-in-the-path", "not an address", "https://[::1/x"])
async def test_an_address_that_cannot_be_used_is_a_log_line(url: str) -> None:
    """http:// would show the token to everybody on the way."""
    async with serving() as receiver:
        world = World(receiver, url=url)
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))
        await world.sent()

    assert 1 == len(world.noted("notification.failed"))
    assert [] == receiver.requests
    assert TOKEN not in repr(world.told)


async def test_a_missing_secret_file_is_a_log_line_and_a_new_one_is_read(tmp_path: Path) -> None:
    """The address is read for each message, so that it may rotate."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver)
        file = tmp_path / "hook"
        world.notifier.webhooks = (Webhook(SecretFile("notify.0.webhook_url_file", file), EVERYTHING),)
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))
        await world.sent()
        file.write_text(receiver.url + "/rotated\n")
        world.cycle("unreadable", why="no answer")
        await world.sent()

    assert ["held"] == [note.facts["about"] for note in world.noted("notification.failed")]
    assert ["/rotated"] == [request.target for request in receiver.requests]


async def test_a_receiver_that_never_answers_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telling returns at once, old messages are dropped for newer ones, and the end does not wait for them."""
    monkeypatch.setattr(notify, "FINISH_SECONDS", 0.1)
    async with serving(lambda _: Answer(stall=True)) as receiver:
        world = World(receiver)
        for _ in range(3 * notify.WAITING_MAX):
            world.cycle("in_step")
            world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))
        waiting = world.notifier._queues[0].qsize()
        async with asyncio.timeout(20), world.notifier.running():
            while not receiver.requests:
                await asyncio.sleep(0.01)

    assert notify.WAITING_MAX == waiting


# ----------------------------------------------------------------------------------------------------- overdue, digests


async def test_a_leaver_who_is_overdue_is_told_once_and_again_when_another_is() -> None:
    """Two hours after it could have been done, not before; never in report mode's stead."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver, ("overdue",))
        world.cycle("partial", overdue=AT - timedelta(minutes=119))
        assert [] == await world.sent()
        for minutes in (121, 121, 300):
            world.cycle("partial", overdue=AT - timedelta(minutes=minutes))
        messages = await world.sent()

    assert ["2026-11-25T17:04:00.000Z", "2026-11-25T14:05:00.000Z"] == [message["since"] for message in messages]


async def test_digests_say_what_a_day_and_a_week_were_like() -> None:
    """The first cycle of the operator's next day tells of the day before; on Mondays of the week. Nothing is told of the day
    in which the daemon began to look, until it is over."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver, ("digest_daily", "digest_weekly"))
        friday = datetime(2026, 11, 27, 22, 30, tzinfo=UTC)  # 23:30 in Berlin
        world.cycle("applied", outcomes={"deactivate.done": 3, "deactivate.failed": 1}, at=friday)
        world.cycle("in_step", at=friday + timedelta(minutes=15))
        assert [] == await world.sent()
        world.cycle("held", guards=(Guard.FLAPPING,), manual=("a", "b"), at=friday + timedelta(minutes=45))
        world.cycle("in_step", at=friday + timedelta(days=1))
        world.cycle("in_step", at=friday + timedelta(days=2, minutes=45))
        messages = await world.sent()

    assert ["digest_daily", "digest_daily", "digest_weekly"] == [message["event"] for message in messages]
    first, second, week = messages
    assert (
        "2026-11-27",
        {"applied": 1, "in_step": 1},
        {"deactivate.done": 3, "deactivate.failed": 1},
        ["flapping"],
        {"protected": 2},
    ) == tuple(first[key] for key in ("since", "cycles", "outcomes", "held_now", "manual_now"))
    assert ("2026-11-28", {"held": 1, "in_step": 1}) == (second["since"], second["cycles"])
    assert ("2026-11-23", {"applied": 1, "in_step": 2, "held": 1}) == (week["since"], week["cycles"])
    assert "the day from 2026-11-27: 2 cycles, 3 changes made, held by flapping" in first["text"]


def _recorded(*held: Ended) -> Callable[[], AsyncIterator[Ended]]:
    """A ledger that holds these, the newest first."""

    async def recorded() -> AsyncIterator[Ended]:
        for one in held:
            yield one

    return recorded


async def _unreachable() -> AsyncIterator[Ended]:
    raise LedgerError("the database does not answer")
    yield


async def test_a_digest_counts_what_the_looks_of_the_watch_did() -> None:
    """They make most changes where there is a watch."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver, ("digest_daily",))
        world.clock.started_at = AT
        world.cycle("applied", outcomes={"deactivate.done": 1})
        world.look("applied", outcomes={"deactivate.done": 2, "deactivate.failed": 1}, cycle_id="w1")
        world.look("in_step")
        world.clock.passed += 24 * 3600
        world.cycle("in_step", at=AT + timedelta(days=1))
        (message,) = await world.sent()

    assert {"deactivate.done": 3, "deactivate.failed": 1} == message["outcomes"]
    assert ({"applied": 1}, {"applied": 1, "in_step": 1}) == (message["cycles"], message["looks"])
    assert "1 cycles, 3 changes made" in message["text"]


async def test_a_restart_loses_nothing_of_a_digest() -> None:
    """A process that began a minute ago tells of the whole day before, from the ledger, beside what only it saw; the next one
    of that day tells nothing."""
    midnight = datetime(2026, 11, 24, 23, 0, tzinfo=UTC)  # in Berlin
    held = (
        Ended(midnight - timedelta(minutes=5), "c9", "partial", {"deactivate.failed": 1}, looks={"in_step": 4}),
        Ended(midnight - timedelta(hours=3), "w8", "applied", {"deactivate.done": 2}, look=True),
        Ended(midnight - timedelta(hours=23), "c7", "applied", {"deactivate.done": 7}),
        Ended(midnight - timedelta(hours=25), "c6", "applied", {"deactivate.done": 100}),
        Ended(midnight - timedelta(days=3), "c5", "applied", {"deactivate.done": 1000}),
    )
    ours = Ended(midnight + timedelta(minutes=10), "c1", "in_step")
    async with serving(lambda _: OK) as receiver:
        world = World(receiver, ("digest_daily",))
        world.notifier.recorded = _recorded(ours, *held)
        world.cycle("failed", at=midnight - timedelta(minutes=1), cycle_id="f1")  # the ledger could not be written
        world.cycle("in_step", at=ours.at)
        (message,) = await world.sent()
        again = World(receiver, ("digest_daily",))
        again.notifier.recorded = _recorded(Ended(ours.at + timedelta(minutes=15), "c2", "in_step"), ours, *held)
        again.cycle("in_step", at=ours.at + timedelta(minutes=15))
        assert 1 == len(await again.sent())

    assert (
        "2026-11-24",
        "2026-11-25",
        {"partial": 1, "applied": 1, "failed": 1},
        {"applied": 1, "in_step": 4},
        {"deactivate.done": 9, "deactivate.failed": 1},
        None,
    ) == tuple(message[key] for key in ("since", "until", "cycles", "looks", "outcomes", "counted_since"))


async def test_a_digest_says_from_when_on_it_counts_where_the_ledger_cannot_be_read() -> None:
    """It never claims a whole week of which it saw an afternoon."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver, ("digest_weekly",))
        world.notifier._began = AT
        world.notifier.recorded = _unreachable
        world.cycle("applied", outcomes={"deactivate.done": 1}, at=AT)
        world.cycle("in_step", at=AT + timedelta(days=7))
        (message,) = await world.sent()

    assert ("2026-11-23", "2026-11-25T19:05:00.000Z") == (message["since"], message["counted_since"])
    assert "counted since 2026-11-25 19:05 UTC only" in message["text"]


async def test_the_ledger_tells_how_cycles_and_looks_ended(tmp_path: Path) -> None:
    """The newest first; what people did by hand is no cycle."""
    ledger = SqlLedger.open(url_of(tmp_path / "ledger.db"), HandClock(), untold, create=True)
    ended = partial(EndedEntry, "enforce", "schedule", started_at=AT, version="1", policy="p", success=True)
    try:
        async with ledger.writer(0.0) as term:
            for cycle, says in (
                ("c1", ended(result="partial", ended_at=AT, outcomes={"deactivate.failed": 1}, looks={"in_step": 3})),
                ("h1", ended(result="applied", ended_at=AT, by="Ann", because="x")),
                ("w1", ended(result="applied", ended_at=AT + timedelta(minutes=1), look=True)),
            ):
                await ledger.append([record.cycle_ended(cycle, says)], term=term)
        found = [one async for one in cycles_in(ledger)]
    finally:
        await ledger.close()

    assert [
        Ended(AT + timedelta(minutes=1), "w1", "applied", look=True),
        Ended(AT, "c1", "partial", {"deactivate.failed": 1}, looks={"in_step": 3}),
    ] == found


# ------------------------------------------------------------------------------------------------- over a restart


class Shelf:
    """A side table of a ledger. *broken*: nothing can be read or written."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.broken = False

    async def get_state(self, key: str) -> Any:
        await asyncio.sleep(0)  # a cycle goes on while it is asked
        if self.broken:
            raise LedgerError("no ledger today")
        return json.loads(self.values.get(key, "null"))

    async def set_state(self, key: str, value: Any) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise LedgerError("no ledger today")
        self.values[key] = json.dumps(value)


def leading(receiver: ScriptedServer, shelf: Shelf, on: tuple[str, ...] = (*EVERYTHING, "overdue")) -> World:
    """A process that has just become the one that may change things."""
    world = World(receiver, on)
    world.notifier.store = shelf
    world.notifier(events.LeadershipChanged(leader=True, term=1))
    return world


def trouble(world: World, *, more: tuple[str, ...] = ()) -> None:
    """What stands for days: a held plan, manual rows, somebody overdue."""
    since = AT - timedelta(days=1)
    world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,), manual=("ann", *more), leaving=("bob",), overdue=since)


async def test_a_restart_tells_no_standing_trouble_again_and_what_is_new_at_once() -> None:
    """Held, manual, overdue and unreadable as they were: silence. One more manual row, another cause: told."""
    async with serving(lambda _: OK) as receiver:
        shelf = Shelf()
        world = leading(receiver, shelf)
        trouble(world)
        assert ["manual", "held", "overdue"] == [one["event"] for one in await world.sent()]
        away = leading(receiver, shelf)
        trouble(away)
        away.cycle("unreadable", why="page 3 broke off")
        assert ["unreadable"] == [one["event"] for one in (await away.sent())[3:]]

        newer = leading(receiver, shelf)
        newer.cycle("unreadable", why="page 7 broke off")
        newer.cycle("unreadable", why="Graph answered 503")
        trouble(newer, more=("eve",))
        unreadable, manual = (await newer.sent())[4:]

    assert "Graph answered 503" == unreadable["why"]
    assert ({"protected": 2}, 1) == (manual["manual"], manual["new"])


async def test_after_a_restart_what_fails_as_before_is_silent_and_what_was_well_is_news() -> None:
    """A cycle that went well ended it, in whichever process."""
    async with serving(lambda _: OK) as receiver:
        shelf = Shelf()
        for world, news in (
            (leading(receiver, shelf, ("partial",)), 1),
            (leading(receiver, shelf, ("partial",)), 1),
        ):
            world.cycle("partial", failing=("ann",), outcomes={"deactivate.failed": 1})
            assert news == len(await world.sent())
        well = leading(receiver, shelf, ("partial",))
        well.cycle("applied")
        await well.sent()
        world = leading(receiver, shelf, ("partial",))
        world.cycle("partial", failing=("ann",), outcomes={"deactivate.failed": 1})

        assert 2 == len(await world.sent())


async def test_another_leader_goes_on_where_the_last_one_was() -> None:
    """A standby that has run for days knows what was told meanwhile, not what was told when it began."""
    async with serving(lambda _: OK) as receiver:
        shelf = Shelf()
        first, second = leading(receiver, shelf), leading(receiver, shelf)
        async with second.notifier.running():
            await asyncio.sleep(0.01)  # looked up what was told: nothing
        trouble(first)
        assert 3 == len(await first.sent())
        second.notifier(events.LeadershipChanged(leader=True, term=2))
        trouble(second)
        assert 3 == len(await second.sent())
        second.cycle("in_step")
        await second.sent()
        first.notifier(events.LeadershipChanged(leader=True, term=3))
        trouble(first)

        assert 6 == len(await first.sent())


async def test_who_is_newly_to_be_told_hears_how_things_stand() -> None:
    """Another word or format asked for, and everything that stands is told once more."""
    async with serving(lambda _: OK) as receiver:
        shelf = Shelf()
        world = leading(receiver, shelf, ("manual",))
        trouble(world)
        assert ["manual"] == [one["event"] for one in await world.sent()]
        more = leading(receiver, shelf, ("manual", "held"))
        trouble(more)

        assert ["manual", "held"] == [one["event"] for one in (await more.sent())[1:]]


async def test_a_message_that_was_not_sent_before_the_end_is_told_by_the_next_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what was sent counts: a crash may repeat a message, and loses none."""
    monkeypatch.setattr(notify, "FINISH_SECONDS", 0.1)
    shelf, silent = Shelf(), [True]
    async with serving(lambda _: Answer(stall=True) if silent.pop() else OK) as receiver:
        world = leading(receiver, shelf, ("unreadable",))
        async with world.notifier.running():
            world.cycle("unreadable", why="page 3 broke off")
            while not receiver.requests:
                await asyncio.sleep(0.01)
        silent.append(False)
        again = leading(receiver, shelf, ("unreadable",))
        again.cycle("unreadable", why="page 3 broke off")

        assert 2 == len(await again.sent())


@pytest.mark.parametrize("kept", ["[]", '{"told": 1}', '{"receivers": 7, "told": {}}', '"x"', None])
async def test_what_is_kept_and_cannot_be_read_costs_a_repeated_message(kept: str | None) -> None:
    """Whatever another version wrote, and while the ledger is away: told, never silent, and nothing waits for it."""
    async with serving(lambda _: OK) as receiver:
        shelf = Shelf()
        shelf.values = {"notifications.told": kept} if kept is not None else {}
        shelf.broken = kept is None
        world = leading(receiver, shelf, ("unreadable",))
        world.cycle("unreadable", why="page 3 broke off")

        assert 1 == len(await world.sent())


async def test_what_is_kept_holds_no_address_and_no_receiver() -> None:
    """It lies where backups go."""
    async with serving(lambda _: OK) as receiver:
        shelf = Shelf()
        world = leading(receiver, shelf)
        trouble(world)
        await world.sent()

    assert "ann" in shelf.values["notifications.told"]  # the id of an account
    assert "@" not in shelf.values["notifications.told"]
    assert TOKEN not in shelf.values["notifications.told"]


# --------------------------------------------------------------------------------------------------------------- shapes


def demand_slack(message: Mapping[str, Any]) -> str:
    """What Slack documents of incoming webhooks: known keys, kinds of blocks, their limits. All the text there is."""
    assert {"text", "blocks"} == set(message)
    assert 0 < len(message["blocks"]) <= 50
    texts = [message["text"]]
    for block in message["blocks"]:
        assert "section" == block["type"]
        assert {"text"} == set(block) - {"type"} or {"fields"} == set(block) - {"type"}
        parts = [block["text"]] if "text" in block else block["fields"]
        assert len(parts) <= 10
        for part in parts:
            assert {"type", "text"} == set(part)
            assert "mrkdwn" == part["type"]
            assert 0 < len(part["text"]) <= (3000 if "text" in block else 2000)
            assert not re.search(r"<(?!https?:)", part["text"]), "a link or a mention"
            texts.append(part["text"])
    return "\n".join(texts)


def demand_teams(message: Mapping[str, Any]) -> str:
    """What Microsoft documents of the Workflows webhook and of Adaptive Cards 1.4. All the text there is."""
    demand_published_shape(message)
    card = message["attachments"][0]["content"]
    assert len(json.dumps(message).encode()) < 28_000
    texts = []
    for element in card["body"]:
        texts += [element["text"]] if "text" in element else [text for fact in element["facts"] for text in fact.values()]
    return "\n".join(texts)


def strict(demand: Callable[[Mapping[str, Any]], str], taken: Answer) -> Callable[[Any], Answer]:
    """A receiver that takes its own shape, sent as JSON, and refuses every other body as Slack and Teams do."""

    def answer(request: Any) -> Answer:
        try:
            demand(request.json)
            assert "application/json" == request.headers["content-type"]
        except (AssertionError, KeyError, TypeError, ValueError, jsonschema.ValidationError):
            return Answer(400, b"invalid_blocks", {"content-type": "text/html"})
        return taken

    return answer


@pytest.mark.parametrize(
    ("shape", "demand", "taken"),
    [("slack", demand_slack, OK), ("teams", demand_teams, Answer(202, b""))],  # a workflow only says that it has begun
)
async def test_a_chat_gets_cause_counts_and_the_complete_command(
    shape: str, demand: Callable[[Mapping[str, Any]], str], taken: Answer
) -> None:
    """In the receiver's own shape, every kind of message; no address, no token."""
    async with serving(strict(demand, taken)) as receiver:
        world = World(receiver, (*EVERYTHING, "overdue", "digest_daily", "digest_weekly"), shape=shape)
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,), manual=("a",))
        world.cycle("unreadable", why="no server answers <https://dc1> & ann@corp.example failed")
        world.cycle(
            "partial",
            outcomes={"deactivate.failed": 2, "deactivate.done": 1},
            overdue=AT - timedelta(days=1),
            failing=("ann:throttled", "bob:throttled"),
        )
        world.cycle("in_step", at=AT + timedelta(days=7))
        messages = await world.sent()

    assert (7, []) == (len(world.noted("notification.sent")), world.noted("notification.failed"))
    texts = [demand(message) for message in messages]
    everything = "\n".join(texts)
    assert 7 == len(messages)
    assert "max-deactivations: 58 planned" in everything
    assert "syncd approve --plan " in everything
    assert "nothing is changed while it is held" in everything
    assert "2 changes failed, 1 were made" in everything
    assert "failed: throttled" in everything
    assert "ann@corp.example" not in everything
    assert TOKEN not in everything


@pytest.mark.parametrize(("shape", "demand"), [("slack", demand_teams), ("teams", demand_slack), ("json", demand_teams)])
async def test_a_receiver_that_wants_another_shape_is_a_log_line(shape: str, demand: Callable[[Mapping[str, Any]], str]) -> None:
    """`format` was not set to fit: the receiver refuses each message, and the log says so with what to do."""
    async with serving(strict(demand, OK)) as receiver:
        world = World(receiver, shape=shape)
        world.cycle("unreadable", why="no answer")
        await world.sent()

    (failed,) = world.noted("notification.failed")
    assert failed.facts["do"]


@pytest.mark.parametrize("letter", ["h", "&", "<", "é", "漢", '"', "\n"])
def test_a_text_of_any_length_fits_its_shape(letter: str) -> None:
    """A plan about everybody is cut, never refused by the receiver, however its letters are written on the wire."""
    long = letter * 9000
    notice = Notice("held", long, long, long, long, tuple((f"name {n}", long) for n in range(40)))

    demand_slack(SHAPES["slack"](notice))
    demand_teams(SHAPES["teams"](notice))


@pytest.mark.parametrize("shape", ["slack", "teams"])
@pytest.mark.parametrize(("command", "whole"), [("syncd approve " + "x" * 2800, True), ("syncd approve " + "x" * 3100, False)])
def test_a_command_is_whole_or_it_is_said_where_it_is(shape: str, command: str, whole: bool) -> None:
    """Half of one is another command."""
    text = json.dumps(SHAPES[shape](Notice("held", "held", command=command)))

    assert (whole, not whole) == (command in text, "syncd plan ends with it" in text)
