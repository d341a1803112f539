"""Webhooks: what is worth a message, how often it is told, what is never in it, and what a bad receiver can do (nothing)."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd import events
from syncd.host.secrets import SecretFile
from syncd.model import Action, Decision, Guard, Plan, Reason, Status, Verdict, ZoomAccount
from syncd.observe import notify
from syncd.observe.messages import SHAPES, Notice
from syncd.observe.notify import Notifier, Webhook
from tests.http.scripted_http import Answer, JumpingClock, ScriptedServer, serving

AT = datetime(2026, 11, 25, 19, 5, tzinfo=UTC)
EVERYTHING = ("held", "unreadable", "partial", "manual")
TOKEN = "T0KEN-in-the-path"      # what must never show up anywhere


class World:
    """A notifier, what it told, and the receiver of its messages."""

    def __init__(self, receiver: ScriptedServer, on: tuple[str, ...] = EVERYTHING, url: str = "", shape: str = "json") -> None:
        self.receiver, self.clock = receiver, JumpingClock()
        self.told: list[events.Event] = []
        hook = Webhook(lambda: url or f"{receiver.url}/hooks/{TOKEN}?thread=1", on, format=shape)
        self.notifier = Notifier((hook,), self.clock, self.told.append, "1.2.3",
                                 lambda plan, _: f"syncd approve --plan {plan.digest[:12]}", "Europe/Berlin")

    def cycle(self, result: str, *, guards: tuple[Guard, ...] = (), manual: tuple[str, ...] = (), why: str = "",
              outcomes: Mapping[str, int] | None = None, at: datetime = AT, overdue: datetime | None = None) -> None:
        """One cycle as observers are told of it."""
        self.notifier(events.CycleStarted("c1", "enforce", "schedule"))
        if why:
            self.notifier(events.SourceUnreadable("c1", "directory", why, "Look at the server."))
        else:
            verdicts = tuple(Verdict(guard, guard in guards, 58, 25, "accounts", "58 planned, ann@corp.example too", "Review.")
                             for guard in Guard)
            self.notifier(events.PlanMade("c1", Plan(AT, "p", tuple(map(_waiting, manual))), verdicts, None))
        self.notifier(events.CycleEnded("c1", "enforce", result, False, at, 1.0, {"deactivate": 58}, outcomes or {}, 7, "abc",
                                      overdue))

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


OK = Answer(200, b"ok", {"content-type": "text/html"})


async def test_a_held_cycle_says_which_guards_and_what_to_do() -> None:
    """Plain JSON with a text for chat systems; posted to the whole address of the webhook."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver)
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,))
        (message,) = await world.sent()

    assert ("syncd.notification/1", "held", "c1", "enforce") == tuple(
        message[key] for key in ("format", "event", "cycle_id", "mode"))
    assert [{"guard": "max-deactivations", "measured": 58, "limit": 25, "unit": "accounts",
             "says": "58 planned, [address] too", "do": "Review."}] == message["guards"]
    assert message["text"].startswith("syncd: held by max-deactivations: 58 planned")
    assert ("POST", f"/hooks/{TOKEN}?thread=1") == (receiver.requests[0].method, receiver.requests[0].target)
    assert "application/json" == receiver.requests[0].headers["content-type"]


@pytest.mark.parametrize(("word", "play", "fact"), [
    ("unreadable", lambda world: world.cycle("unreadable", why="page 3 of ldap search broke off"), ("source", "directory")),
    ("partial", lambda world: world.cycle("partial", outcomes={"failed": 3, "done": 9}), ("outcomes", {"failed": 3, "done": 9})),
    ("manual", lambda world: world.cycle("applied", manual=("ann", "bob")), ("manual", {"protected": 2})),
])
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
        world = World(receiver)
        world.cycle("held", guards=(Guard.SENTINEL_MISSING,), manual=("zoom-id-of-ann",))
        world.cycle("unreadable", why="the member CN=Bob <bob@corp.example> cannot be read")
        await world.sent()

    bodies = [request.body for request in receiver.requests]
    assert 3 == len(bodies)
    assert [] == [body for body in bodies if b"corp.example" in body or b"zoom-id" in body]


@pytest.mark.parametrize("trouble", [Answer(503), Answer(429, None, {"retry-after": "1"}), Answer(reset=True)],
                         ids=["server error", "throttled", "connection lost"])
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
        friday = datetime(2026, 11, 27, 22, 30, tzinfo=UTC)                    # 23:30 in Berlin
        world.cycle("applied", outcomes={"deactivate.done": 3, "deactivate.failed": 1}, at=friday)
        world.cycle("in_step", at=friday + timedelta(minutes=15))
        assert [] == await world.sent()
        world.cycle("held", guards=(Guard.FLAPPING,), manual=("a", "b"), at=friday + timedelta(minutes=45))
        world.cycle("in_step", at=friday + timedelta(days=1))
        world.cycle("in_step", at=friday + timedelta(days=2, minutes=45))
        messages = await world.sent()

    assert ["digest_daily", "digest_daily", "digest_weekly"] == [message["event"] for message in messages]
    first, second, week = messages
    assert ("2026-11-27", {"applied": 1, "in_step": 1}, {"deactivate.done": 3, "deactivate.failed": 1}, ["flapping"],
            {"protected": 2}) == tuple(first[key] for key in ("since", "cycles", "outcomes", "held_now", "manual_now"))
    assert ("2026-11-28", {"held": 1, "in_step": 1}) == (second["since"], second["cycles"])
    assert ("2026-11-23", {"applied": 1, "in_step": 2, "held": 1}) == (week["since"], week["cycles"])
    assert "the day from 2026-11-27: 2 cycles, 3 changes made, held by flapping" in first["text"]


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
    assert "message" == message["type"]
    (attachment,) = message["attachments"]
    assert {"contentType", "contentUrl", "content"} == set(attachment)
    assert "application/vnd.microsoft.card.adaptive" == attachment["contentType"]
    card = attachment["content"]
    assert ("AdaptiveCard", "1.4") == (card["type"], card["version"])
    assert len(json.dumps(message).encode()) < 28_000
    texts = []
    for element in card["body"]:
        if element["type"] == "TextBlock":
            assert set(element) <= {"type", "text", "wrap", "weight", "size", "fontType"}
            texts.append(element["text"])
        else:
            assert {"type", "facts"} == set(element)
            assert "FactSet" == element["type"]
            for fact in element["facts"]:
                assert {"title", "value"} == set(fact)
                assert all(isinstance(text, str) and text for text in fact.values())
                texts += fact.values()
    return "\n".join(texts)


@pytest.mark.parametrize(("shape", "demand"), [("slack", demand_slack), ("teams", demand_teams)])
async def test_a_chat_gets_cause_counts_and_the_complete_command(
    shape: str, demand: Callable[[Mapping[str, Any]], str]
) -> None:
    """In the receiver's own shape, every kind of message; no address, no token."""
    async with serving(lambda _: OK) as receiver:
        world = World(receiver, (*EVERYTHING, "overdue", "digest_daily", "digest_weekly"), shape=shape)
        world.cycle("held", guards=(Guard.MAX_DEACTIVATIONS,), manual=("a",))
        world.cycle("unreadable", why="no server answers <https://dc1> & ann@corp.example failed")
        world.cycle("partial", outcomes={"deactivate.failed": 2, "deactivate.done": 1}, overdue=AT - timedelta(days=1))
        world.cycle("in_step", at=AT + timedelta(days=7))
        messages = await world.sent()

    texts = [demand(message) for message in messages]
    everything = "\n".join(texts)
    assert 7 == len(messages)
    assert "max-deactivations: 58 planned" in everything
    assert "syncd approve --plan " in everything
    assert "nothing is changed while it is held" in everything
    assert "2 changes failed, 1 were made" in everything
    assert "ann@corp.example" not in everything
    assert TOKEN not in everything


def test_a_text_of_any_length_fits_its_shape() -> None:
    """A plan about everybody is cut, never refused by the receiver."""
    notice = Notice("held", "h" * 9000, "s" * 9000, "d" * 9000, "c" * 9000, tuple((f"name {n}", "v" * 9000) for n in range(40)))

    demand_slack(SHAPES["slack"](notice))
    demand_teams(SHAPES["teams"](notice))
