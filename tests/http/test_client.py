"""The one HTTP policy, against a scripted server on loopback."""

from __future__ import annotations

import asyncio
import gzip
import logging
import random
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
import trustme

from syncd.errors import AnswerLost, ConfigError, CredentialsRefused, LimitReached, NoUsableAnswer, SourceError, Withheld
from syncd.events import Answered, ClockOffset, Event, Noted, RetryScheduled, Waited, Waiting
from syncd.http.answers import ErrorBody, Reply
from syncd.http.client import LOOK_FRESH_SECONDS, Api, ApiSettings
from syncd.http.pace import Allowance, DailyBudget, Lane
from syncd.http.pacer import Pacer
from syncd.http.tokens import Token, TokenKeeper
from syncd.http.trust import proxy_from_environment, ssl_context
from tests.http.scripted_http import Answer, JumpingClock, Request, ScriptedServer, serving

OK = Answer(200, {"fine": True})


def read_error(status: int, body: bytes, headers: Mapping[str, str]) -> ErrorBody:
    """A service of this test: says "stale" for a bad token, "today" for a daily limit."""
    text = body.decode()
    return ErrorBody(message=text, token_refused="stale" in text, day_used_up="today" in text)


class NumberedTokens:
    """Gives token-1, and the next one after each refusal."""

    def __init__(self) -> None:
        self.number = 1

    async def get(self) -> str:
        return f"token-{self.number}"

    def refused(self, token: str) -> None:
        if token == f"token-{self.number}":
            self.number += 1


class World:
    """A server, a client, a clock, and everything that was told."""

    def __init__(self, server: ScriptedServer, **changes: Any) -> None:
        self.server, self.clock = server, JumpingClock()
        self.told: list[Event] = []
        self.tokens = NumberedTokens()
        pacer = changes.pop("pacer", None)
        tokens = changes.pop("tokens", self.tokens)
        settings = ApiSettings(**{"service": "zoom", "source": "zoom", "base_url": server.url, **changes})
        self.api = Api(
            settings,
            self.clock,
            self.told.append,
            tokens=tokens,
            read_error=read_error,
            pacer=pacer(self.clock, self.told.append) if pacer else None,
        )

    async def read(self, path: str = "/things", **sending: Any) -> Any:
        return await self.api.request("list_things", "medium", "GET", path, **sending)

    async def write(self, **sending: Any) -> Any:
        return await self.api.request("set_thing", "light", "PUT", "/things/1", json={"on": True}, write=True, **sending)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


@asynccontextmanager
async def a_world(*answers: Answer, script: Callable[[Request], Answer] | None = None, **changes: Any) -> AsyncIterator[World]:
    async with serving(script) as server:
        server.answers = list(answers)
        world = World(server, **changes)
        try:
            yield world
        finally:
            await world.api.close()


# ---------------------------------------------------------------------------------------------------- good answers


async def test_a_read_comes_back_and_is_told() -> None:
    """One request with the token, one event, no wait."""
    async with a_world(OK) as world:
        reply = await world.read(params={"page": "1"})

    assert (200, b'{"fine": true}', False) == (reply.status, reply.body, reply.renewed)
    assert "/things?page=1" == world.server.requests[0].target
    assert "Bearer token-1" == world.server.requests[0].headers["authorization"]
    assert [("zoom", "list_things", "ok")] == [(event.service, event.operation, event.answer) for event in world.of(Answered)]
    assert [] == world.clock.slept


@pytest.mark.parametrize("answer", [Answer(204), Answer(200), Answer(201, b"done")])
async def test_a_write_needs_no_body_in_its_answer(answer: Answer) -> None:
    """Any 2xx is success."""
    async with a_world(answer) as world:
        assert (await world.write()).ok
        assert {"on": True} == world.server.requests[0].json


async def test_a_refusal_comes_back_as_it_is() -> None:
    """A 4xx is not retried: only the caller knows what it means."""
    async with a_world(Answer(409, b"taken")) as world:
        reply = await world.write()

    assert (409, "taken") == (reply.status, reply.error.message)
    assert ["refused"] == [event.answer for event in world.of(Answered)]


async def test_a_refusal_that_is_no_text_is_still_a_refusal() -> None:
    """Its words are lost, its status is not."""
    async with a_world(Answer(409, b"\xff\xfe")) as world:
        reply = await world.write()

    assert (409, "HTTP 409") == (reply.status, reply.error.message)


async def test_an_encoded_path_arrives_as_it_was_given() -> None:
    """A plus in an address is %2B on the wire, and a slash %2F."""
    async with a_world(OK) as world:
        await world.read("/users/a%2Bb%40corp.example%2Fx")

    assert "/users/a%2Bb%40corp.example%2Fx" == world.server.requests[0].target


# ----------------------------------------------------------------------------------------------------------- retries


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (Answer(500, b"oops"), "server_error"),
        (Answer(503, b"<html>"), "server_error"),
        (Answer(200, b"<html>login here</html>"), "server_error"),
        (Answer(200, b'{"users": [{"id": '), "server_error"),
        (Answer(200, b""), "server_error"),
        (Answer(200, b'{"name": "\xff"}'), "server_error"),
        (Answer(200, b"[" * 50_000 + b"]" * 50_000), "server_error"),
        (Answer(reset=True), "network_error"),
        (Answer(200, {"users": []}, cut=True), "network_error"),
    ],
)
async def test_a_read_is_tried_again_until_it_is_good(bad: Answer, reason: str) -> None:
    """Server errors, lost connections, cut bodies and what is no JSON: again, after a growing wait."""
    async with a_world(bad, bad, OK) as world:
        reply = await world.read()

    assert reply.ok
    assert [0.5, 1.0] == world.clock.slept
    assert [(reason, 1, 0.5), (reason, 2, 1.0)] == [(e.reason, e.attempt, e.wait_seconds) for e in world.of(RetryScheduled)]
    assert [("backoff", 0.5), ("backoff", 1.0)] == [(event.cause, event.seconds) for event in world.of(Waited)]


async def test_a_read_is_given_up_with_numbers() -> None:
    """Five tries, then an error that says how often and what came last."""
    async with a_world(script=lambda request: Answer(502, b"bad gateway")) as world:
        with pytest.raises(SourceError, match="gave up after 5 tries; the last time answered 502: bad gateway") as caught:
            await world.read()

    assert ("zoom", 5) == (caught.value.source, len(world.server.requests))


async def test_a_stalled_read_is_tried_again() -> None:
    """No whole answer within the time of one request: the same as a lost one."""
    async with a_world(Answer(stall=True), OK, request_seconds=0.2) as world:
        assert (await world.read()).ok

    assert ["network_error", "ok"] == [event.answer for event in world.of(Answered)]


async def test_a_service_that_is_down_is_tried_again() -> None:
    """Nobody listens: five tries, and the message names the host."""
    async with a_world() as world:
        world.api.base_url = "http://127.0.0.1:1"
        with pytest.raises(SourceError, match=r"gave up after 5 tries; the last time 127\.0\.0\.1:1 could not be reached"):
            await world.read()
        with pytest.raises(SourceError, match="could not be reached"):
            await world.write()


async def test_a_server_error_is_not_asked_again_before_its_time() -> None:
    """A 503 may name a time, too."""
    async with a_world(Answer(503, b"down", {"retry-after": "7"}), OK) as world:
        await world.read()

    assert [7.0] == world.clock.slept
    assert ["retry_after"] == [event.cause for event in world.of(Waited)]


# ------------------------------------------------------------------------------------------------------ lost answers


@pytest.mark.parametrize(
    "lost",
    [
        Answer(reset=True),
        Answer(500, b"oops"),
        Answer(502, b"<html>"),
        Answer(503, b"", {"retry-after": "1"}),
        Answer(200, {"done": True}, cut=True),
        Answer(stall=True),
    ],
)
async def test_a_write_without_an_answer_is_never_repeated(lost: Answer) -> None:
    """It may have happened: one request, and AnswerLost."""
    async with a_world(lost, OK, request_seconds=0.2) as world:
        with pytest.raises(AnswerLost, match="may or may not have happened"):
            await world.write()

    assert 1 == len(world.server.requests)


async def test_a_throttled_write_is_repeated() -> None:
    """A 429 was surely not carried out."""
    async with a_world(Answer(429, b"slow down", {"retry-after": "3"}), Answer(204)) as world:
        assert (await world.write()).ok

    assert 2 == len(world.server.requests)
    assert 3.0 == pytest.approx(sum(world.clock.slept))


# ------------------------------------------------------------------------------------------------------------ tokens


@pytest.mark.parametrize("stale", [Answer(401, b"no"), Answer(401, b"<html>"), Answer(400, b"stale token")])
@pytest.mark.parametrize("write", [False, True])
async def test_a_refused_token_is_replaced_once(stale: Answer, write: bool) -> None:
    """A 401 whatever it says, or a body that says so: a fresh token, and the caller can see it."""
    async with a_world(stale, OK) as world:
        reply = await (world.write() if write else world.read())

    assert (True, True) == (reply.ok, reply.renewed)
    assert ["Bearer token-1", "Bearer token-2"] == [request.headers["authorization"] for request in world.server.requests]
    assert ["unauthorized"] == [event.reason for event in world.of(RetryScheduled)]


async def test_a_second_refused_token_ends_it() -> None:
    """A fresh one was refused as well: trying on would only lock things."""
    async with a_world(script=lambda request: Answer(401, b"revoked")) as world:
        with pytest.raises(CredentialsRefused, match="a fresh token was refused too"):
            await world.read()

    assert 2 == len(world.server.requests)


async def test_a_token_quoted_by_the_service_is_not_passed_on() -> None:
    """Messages end in logs."""
    async with a_world(Answer(400, b"token-1 is not allowed here")) as world:
        reply = await world.read()

    assert "(token) is not allowed here" == reply.error.message


async def test_one_token_is_fetched_for_all_and_renewed_before_it_ends() -> None:
    """Ten ask at once: one fetch. Five minutes before an hour is over: the next one."""
    clock, fetched = JumpingClock(), 0

    async def fetch() -> Token:
        nonlocal fetched
        fetched += 1
        await asyncio.sleep(0)
        return Token(f"token-{fetched}", 3600.0)

    keeper = TokenKeeper(fetch, clock)
    assert ["token-1"] * 10 == await asyncio.gather(*(keeper.get() for _ in range(10)))

    clock.passed += 3299
    assert "token-1" == await keeper.get()
    clock.passed += 2
    assert "token-2" == await keeper.get()


async def test_many_refusals_of_one_token_cost_one_fetch() -> None:
    """Answers to requests sent with the old token come in late."""
    fetched = 0

    async def fetch() -> Token:
        nonlocal fetched
        fetched += 1
        return Token(f"token-{fetched}", 3600.0)

    keeper = TokenKeeper(fetch, JumpingClock())
    old = await keeper.get()
    for _ in range(5):
        keeper.refused(old)
        await keeper.get()

    assert 2 == fetched


def test_a_token_does_not_show() -> None:
    """Not in a repr."""
    assert "sesame" not in repr(Token("sesame", 10.0))


# ------------------------------------------------------------------------------------------------------------- pace


def paced(calls: int, **more: Any) -> Callable[[Any, Any], Pacer]:
    return lambda clock, tell: Pacer(
        clock,
        tell,
        service="zoom",
        source="zoom",
        lanes={"medium": Lane(Allowance(calls)), "light": Lane(Allowance(calls))},
        **more,
    )


async def test_many_callers_get_their_turn_at_the_pace_of_their_lane() -> None:
    """A hundred at once at 10 a second: in the order they came, never more than that in a second, and close to it."""
    clock = JumpingClock()
    told: list[Event] = []
    pacer = paced(10)(clock, told.append)
    went: list[tuple[float, int]] = []

    async def caller(number: int) -> None:
        await pacer.turn("medium")
        went.append((clock.passed, number))

    await asyncio.gather(*(caller(number) for number in range(100)))

    times = [at for at, _ in went]
    assert list(range(100)) == [number for _, number in went]
    assert 10 >= max(sum(1 for other in times if at - 1 < other <= at) for at in times)
    assert 9.9 <= times[-1] <= 11
    assert {("zoom", "pace")} == {(event.service, event.cause) for event in told if isinstance(event, Waited)}


@pytest.mark.parametrize("retry_after", ["20", "20.0", "Mon, 23 Nov 2026 12:00:20 GMT", "2026-11-23T12:00:20Z"])
async def test_a_throttled_lane_pauses_for_everybody(retry_after: str) -> None:
    """One 429 with a time, in any form: nobody of this label goes before it."""
    throttled = Answer(429, b"slow down", {"retry-after": retry_after})
    seen: list[float] = []
    async with a_world(pacer=paced(10)) as world:

        def answer(request: Request) -> Answer:
            seen.append(world.clock.passed)
            return throttled if len(seen) == 1 else OK

        world.server.script = answer
        await world.read()
        await asyncio.gather(*(world.read() for _ in range(3)))

    assert 5 == len(seen)
    assert [0.0] == [at for at in seen if at < 20]
    assert [("retry_after", 20.0)] == [(event.cause, event.seconds) for event in world.of(Waited)][:1]


async def test_a_pause_of_one_label_does_not_hold_the_others() -> None:
    """Limits are counted per label: the walk is throttled for an hour, a write still goes."""
    async with a_world(Answer(429, b"enough", {"retry-after": "3600"}), Answer(204), pacer=paced(10)) as world:
        with pytest.raises(LimitReached):
            await world.read()
        assert (await world.write()).ok

    assert [] == world.clock.slept


async def test_a_429_without_a_time_waits_longer_and_longer() -> None:
    """No Retry-After: our own curve; a storm of eight is survived."""
    async with a_world(*[Answer(429, b"slow")] * 8, OK, pacer=paced(100)) as world:
        assert (await world.read()).ok

    waits = [event.wait_seconds for event in world.of(RetryScheduled)]
    assert [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0] == waits
    assert world.clock.passed >= sum(waits)


async def test_an_endless_storm_ends() -> None:
    """Nine 429s in a row are nobody's burst: LimitReached, which says what to look at."""
    async with a_world(script=lambda request: Answer(429, b"slow")) as world:
        with pytest.raises(LimitReached, match="refused 9 times in a row"):
            await world.write()


@pytest.mark.parametrize(
    ("retry_after", "resume_at"),
    [
        ("75", "2026-11-23T12:01:15Z"),
        ("2026-11-24T00:00:00Z", "2026-11-24T00:00:00Z"),
        ("999999999999", "2026-11-23T12:05:00Z"),  # years: not believed, but it ends the work in hand
    ],
)
async def test_a_wait_beyond_the_longest_allowed_ends_the_cycle(retry_after: str, resume_at: str) -> None:
    """Not slept at all: LimitReached with the time to come back; and until then nothing is asked."""
    async with a_world(Answer(429, b"enough", {"retry-after": retry_after}), OK, OK) as world:
        with pytest.raises(LimitReached) as caught:
            await world.read()
        assert resume_at == caught.value.resume_at
        with pytest.raises(LimitReached, match="paused"):
            await world.read()

    assert (1, []) == (len(world.server.requests), world.clock.slept)
    assert ["http.paused"] == [event.event for event in world.of(Noted)]


async def test_the_longest_wait_allowed_is_waited() -> None:
    """Sixty seconds are sixty seconds, with the jitter on top."""
    async with a_world(Answer(429, b"slow", {"retry-after": "60"}), OK) as world:
        assert (await world.read()).ok


async def test_a_daily_limit_without_a_time_pauses_until_midnight() -> None:
    """The body says that the day is used up: nothing is asked before the next UTC day, and then it goes on."""
    async with a_world(Answer(429, b"enough for today"), OK) as world:
        with pytest.raises(LimitReached, match="2026-11-24T00:00:00Z"):
            await world.read()
        with pytest.raises(LimitReached):
            await world.read()
        world.clock.passed += 12 * 3600 + 1
        assert (await world.read()).ok

    assert 2 == len(world.server.requests)


async def test_a_day_that_others_used_up_stays_used_up_over_a_restart() -> None:
    """The service says so once; nobody asks again before midnight UTC, this process nor the next one."""
    shelf = Shelf()

    def budgeted(clock: Any, tell: Any) -> Pacer:
        return Pacer(clock, tell, service="zoom", source="zoom", budgets={"medium": ("b", DailyBudget(1000))}, store=shelf)

    async with a_world(Answer(429, b"enough for today"), pacer=budgeted) as world:
        with pytest.raises(LimitReached):
            await world.read()
    async with a_world(OK, pacer=budgeted) as world:
        with pytest.raises(LimitReached, match="2026-11-24T00:00:00Z"):
            await world.read()
        assert [] == world.server.requests
        world.clock.passed += 12 * 3600 + 1
        assert (await world.read()).ok


@pytest.mark.parametrize(("wait", "max_wait"), [("3600", 60.0), ("99999999", 60.0), ("20", 10.0), ("2000", 2400.0), ("20", 60.0)])
async def test_an_announced_pause_is_kept_over_a_restart(wait: str, max_wait: float) -> None:
    """However long, and whether this process waits for it or not: the next one, a one-shot verb say, asks no earlier."""
    shelf = Shelf()

    def paced(clock: Any, tell: Any) -> Pacer:
        return Pacer(clock, tell, service="zoom", source="zoom", store=shelf, pause_key="pause", max_wait_seconds=max_wait)

    async with a_world(Answer(429, b"slow", {"retry-after": wait}), Answer(500), pacer=paced) as world:
        world.clock.sleep = lambda seconds: asyncio.Event().wait()  # type: ignore[assignment]   # killed while it waits
        with suppress(LimitReached, TimeoutError):
            await asyncio.wait_for(world.read(), 0.2)
        assert 1 == len(world.server.requests)
    async with a_world(OK, pacer=paced) as world:
        if float(wait) > max_wait:
            with pytest.raises(LimitReached):
                await world.read()
            assert [] == world.server.requests
            world.clock.passed += min(3600.0, float(wait))
        assert (await world.read()).ok
        assert world.clock.passed >= 20


async def test_a_kept_pause_is_no_longer_for_a_clock_that_was_ahead() -> None:
    """Kept by a clock ten hours ahead, which is set right before the restart: 2,000 s, not ten hours."""
    shelf = Shelf()

    def paced(clock: Any, tell: Any) -> Pacer:
        return Pacer(clock, tell, service="zoom", source="zoom", store=shelf, pause_key="pause", max_wait_seconds=2400.0)

    async with a_world(Answer(429, b"slow", {"retry-after": "2000"}), pacer=paced) as world:
        world.clock.started_at += timedelta(hours=10)
        world.clock.sleep = lambda seconds: asyncio.Event().wait()  # type: ignore[assignment]   # killed while it waits
        with suppress(TimeoutError):
            await asyncio.wait_for(world.read(), 0.2)
    async with a_world(OK, pacer=paced) as world:
        assert (await world.read()).ok
        assert 1999.0 <= world.clock.passed <= 2000.0


async def test_a_short_pause_writes_no_ledger() -> None:
    """A lane slowed down for a moment is not worth a write, and the same pause none for each refusal."""
    shelf = Shelf()

    def paced(clock: Any, tell: Any) -> Pacer:
        return Pacer(clock, tell, service="zoom", source="zoom", store=shelf, pause_key="pause")

    async with a_world(Answer(429, b"slow"), OK, pacer=paced) as world:
        assert (await world.read()).ok
    assert {} == shelf.kept


@pytest.mark.parametrize(("wait", "told"), [("2000", [("retry_after", 2000.0)]), ("20", [])])
async def test_a_long_wait_is_announced(wait: str, told: list[Any]) -> None:
    """For whoever watches for signs of life: none will come before it is over."""
    async with a_world(
        Answer(429, b"slow", {"retry-after": wait}),
        OK,
        pacer=lambda clock, tell: Pacer(clock, tell, service="zoom", source="zoom", max_wait_seconds=2400.0),
    ) as world:
        assert (await world.read()).ok

    assert told == [(event.cause, event.seconds) for event in world.of(Waiting)]


@pytest.mark.parametrize("kept", [{"until": "soon"}, {"until": 7}, {"until": "2026-11-24T00:00:00"}, {}, [], "x", None])
async def test_a_kept_pause_that_is_not_understood_is_none(kept: Any) -> None:
    """The side table is no proof of anything."""
    async with a_world(
        OK,
        pacer=lambda clock, tell: Pacer(
            clock, tell, service="zoom", source="zoom", store=Shelf({"pause/medium": kept}), pause_key="pause"
        ),
    ) as world:
        assert (await world.read()).ok


@pytest.mark.parametrize(
    ("date", "waited"),
    [
        ("Mon, 23 Nov 2026 12:00:00 GMT", 20.0),  # clocks agree
        ("Mon, 23 Nov 2026 11:59:40 GMT", 40.0),  # the service's is behind ours: its 20 s from now are 40 s of its own
        ("Mon, 23 Nov 2026 12:00:15 GMT", 20.0),  # it is ahead: in doubt the longer reading
        ("yesterday", 20.0),
    ],
)
async def test_a_point_in_time_is_one_of_the_services_clock(date: str, waited: float) -> None:
    """Nobody comes back early because two clocks differ."""
    asked = Answer(429, b"slow", {"retry-after": "Mon, 23 Nov 2026 12:00:20 GMT", "date": date})
    async with a_world(asked, OK) as world:
        await world.read()

    assert waited <= world.clock.passed <= waited + 1.5


async def test_a_throttled_write_may_be_handed_back() -> None:
    """For callers that look before they repeat: one request, and the lane is paused already."""
    async with a_world(Answer(429, b"slow", {"retry-after": "7"}), OK) as world:
        reply = await world.api.request("set_status", "medium", "PUT", "/x", write=True, repeat_throttled=False)
        assert (429, 1) == (reply.status, len(world.server.requests))
        await world.read()

    assert world.clock.passed >= 7


async def test_no_wait_goes_past_the_deadline() -> None:
    """A cycle that must end does not sleep through its end."""
    async with a_world(Answer(500, b"oops"), Answer(500, b"oops"), OK) as world:
        world.api.ends_at = world.clock.monotonic() + 1.2
        with pytest.raises(SourceError, match="time allowed for this ended before try 3"):
            await world.read()
    async with a_world(Answer(429, b"slow", {"retry-after": "30"}), OK) as world:
        world.api.ends_at = world.clock.monotonic() + 10
        with pytest.raises(SourceError, match="time allowed for this ended"):
            await world.read()


async def test_a_lane_slows_down_when_refused() -> None:
    """Another program uses the account: after a refusal the same lane goes more slowly."""
    lanes = {"medium": Lane(Allowance(40))}
    full = lanes["medium"].rate
    async with a_world(
        Answer(429, b"slow"), OK, pacer=lambda clock, tell: Pacer(clock, tell, service="zoom", source="zoom", lanes=lanes)
    ) as world:
        await world.read()

    assert full * 0.7 <= lanes["medium"].rate < full * 0.71


class Shelf:
    """A budget store in memory that counts how often it is written."""

    def __init__(self, kept: dict[str, Any] | None = None) -> None:
        self.kept = kept or {}
        self.writes = 0

    async def get_state(self, key: str) -> Any:
        return self.kept.get(key)

    async def set_state(self, key: str, value: Any) -> None:
        self.writes += 1
        self.kept[key] = value


async def test_a_daily_budget_is_kept_over_a_restart() -> None:
    """Ten calls a day, two labels that share them: six, a restart, four more, and then not one."""
    shelf = Shelf()

    def budgeted(clock: Any, tell: Any) -> Pacer:
        shared = ("budget", DailyBudget(10))
        return Pacer(clock, tell, service="zoom", source="zoom", budgets={"medium": shared, "light": shared}, store=shelf)

    async with a_world(script=lambda request: OK, pacer=budgeted) as world:
        await asyncio.gather(*(world.read() for _ in range(4)), world.write(), world.write())
    assert {"budget": {"day": "2026-11-23", "used": 6}} == shelf.kept

    async with a_world(script=lambda request: OK, pacer=budgeted) as world:
        for _ in range(4):
            await world.read()
        with pytest.raises(LimitReached, match="today's budget of 10 medium requests is used up") as caught:
            await world.read()
        assert ("2026-11-24T00:00:00Z", 4) == (caught.value.resume_at, len(world.server.requests))
        world.clock.passed += 13 * 3600
        assert (await world.read()).ok


async def test_nothing_is_sent_when_the_count_cannot_be_kept() -> None:
    """A store that fails stops the request, and the lease is not used behind its back."""

    class Broken(Shelf):
        async def set_state(self, key: str, value: Any) -> None:
            raise SourceError("zoom", "disk full")

    shelf = Broken()
    async with serving(lambda request: OK) as server:
        world = World(
            server,
            pacer=lambda clock, tell: Pacer(
                clock, tell, service="zoom", source="zoom", budgets={"medium": ("b", DailyBudget(10))}, store=shelf
            ),
        )
        for _ in range(2):
            with pytest.raises(SourceError, match="disk full"):
                await world.read()
        assert [] == server.requests
        await world.api.close()  # and keeps nobody from ending


async def test_no_more_requests_are_in_flight_than_allowed() -> None:
    """The semaphore keeps the pool's own queue empty."""
    async with a_world(script=lambda request: OK, concurrency=3) as world:
        await asyncio.gather(*(world.read() for _ in range(30)))

    assert 1 < world.server.in_flight_most <= 3


async def test_a_cancelled_waiter_gives_its_place_back() -> None:
    """Cancelling somebody who waits for their turn stops nobody else."""
    async with a_world(script=lambda request: OK, concurrency=1) as world:
        waiting = [asyncio.create_task(world.read()) for _ in range(5)]
        await asyncio.sleep(0)
        for task in waiting[:4]:
            task.cancel()
        assert (await waiting[4]).ok
        assert (await world.read()).ok
        await asyncio.gather(*waiting[:4], return_exceptions=True)


# --------------------------------------------------------------------------------------------------- where it may go


async def test_a_redirect_is_never_followed() -> None:
    """The token would go with it; the message names where it led."""
    async with a_world(Answer(302, b"", {"location": "https://evil.example/steal?x=1"})) as world:
        with pytest.raises(SourceError, match=r"302, a redirect to evil\.example; it was not followed"):
            await world.read()

    assert 1 == len(world.server.requests)


@pytest.mark.parametrize("location", ["https://evil.example/steal", "//[", ""])
async def test_a_redirected_change_may_have_happened(location: str) -> None:
    """Some servers do what they were asked and send on to a page about it: whoever asked looks again."""
    async with a_world(Answer(303, b"", {"location": location})) as world:
        with pytest.raises(AnswerLost, match=r"answered 303, a redirect to (evil\.example|nowhere); it was not followed"):
            await world.write()

    assert 1 == len(world.server.requests)


async def test_a_refused_change_with_a_body_nobody_can_read_is_refused_all_the_same() -> None:
    """The status says so; no other change has anything to do with it."""
    async with a_world(Answer(400, b"x", {"content-encoding": "br"})) as world:
        assert 400 == (await world.write()).status


async def test_a_next_link_is_followed_on_the_same_host_only() -> None:
    """Some services page by whole URLs."""
    async with a_world(OK) as world:
        await world.read(world.server.url + "/things?skip=2")
        with pytest.raises(SourceError, match=r"another host, evil\.example"):
            await world.read("http://evil.example/things?skip=2")

    assert ["/things?skip=2"] == [request.target for request in world.server.requests]


@pytest.mark.parametrize("link", ["http://127.0.0.1:99999/", "http://127.0.0.1:abc/", "http://[::1/", "", "{url}/a\nb"])
async def test_a_next_link_that_is_no_address_is_an_error_of_the_service(link: str) -> None:
    """Not a bug of ours, and nothing is asked there."""
    async with a_world(OK) as world:
        with pytest.raises(SourceError, match=r"no address|another host") as caught:
            await world.read(link.replace("{url}", world.server.url))

    assert caught.value.do
    assert [] == world.server.requests


@pytest.mark.parametrize("url", ["http://zoom.example/v2", "ftp://127.0.0.1/", "https://", "zoom.example"])
def test_credentials_are_never_sent_in_the_clear(url: str) -> None:
    """Plain http is for loopback only."""
    with pytest.raises(ConfigError, match="unencrypted"):
        Api(ApiSettings("zoom", "zoom", url), JumpingClock(), lambda event: None)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_a_certificate_is_checked_against_the_named_authority(authority: trustme.CA, tmp_path: Any) -> None:
    """Signed by it: fine. Signed by nobody we know: one try, and the message says what to do."""
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    async with serving(lambda request: OK, tls=tls) as server:
        trusting, doubting = World(server, ca_file=str(ca_file)), World(server)
        assert (await trusting.read()).ok
        with pytest.raises(SourceError, match="is not trusted") as caught:
            await doubting.read()
        assert "ca_file" in caught.value.do
        assert [] == doubting.of(RetryScheduled)
        await trusting.api.close()
        await doubting.api.close()


async def test_a_rotated_ca_file_counts_without_a_restart(authority: trustme.CA, tmp_path: Any) -> None:
    """A broken one is told and changes nothing; the next whole one counts at once."""
    another, ca_file = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    another.issue_cert("localhost").configure_cert(tls)
    async with serving(lambda request: OK, tls=tls) as server:
        world = World(server, ca_file=str(ca_file))
        with pytest.raises(SourceError, match="is not trusted"):
            await world.read()
        ca_file.write_text("-----BEGIN CERTIFICATE-----\nhalf")
        with pytest.raises(SourceError, match="is not trusted"):
            await world.read()
        another.cert_pem.write_to_path(str(ca_file))
        assert (await world.read()).ok
        assert ["ca_file.unusable", "ca_file.renewed"] == [note.event for note in world.of(Noted)]
        await world.api.close()


def test_a_ca_file_that_holds_nothing_is_a_configuration_error(tmp_path: Any) -> None:
    """Missing, or no PEM."""
    (tmp_path / "empty.pem").write_text("not a certificate")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ConfigError, match="ca_file"):
            ssl_context(str(tmp_path / name))


async def test_a_configured_proxy_carries_every_request() -> None:
    """The whole URL arrives at the proxy."""
    async with serving(lambda request: OK) as proxy, a_world(proxy=proxy.url) as world:
        assert (await world.read()).ok

    assert [] == world.server.requests
    assert f"{world.server.url}/things" == proxy.requests[0].target


@pytest.mark.parametrize(
    ("url", "no_proxy", "proxy"),
    [
        ("https://api.zoom.us/v2", "", "http://proxy.corp.example:3128"),
        ("https://api.zoom.us/v2", "corp.example, zoom.us", None),
        ("https://api.zoom.us/v2", ".zoom.us", None),
        ("https://api.zoom.us/v2", "*.zoom.us", None),
        ("https://api.zoom.us/v2", "om.us", "http://proxy.corp.example:3128"),
        ("https://api.zoom.us/v2", "api.zoom.us:8443", "http://proxy.corp.example:3128"),
        ("https://api.zoom.us:8443/v2", "API.zoom.us:8443", None),
        ("https://10.1.2.3/api", "10.0.0.0/8", None),
        ("https://192.168.1.1/api", "10.0.0.0/8", "http://proxy.corp.example:3128"),
        ("https://[::1]/api", "::1", None),
        ("https://api.zoom.us/v2", "*", None),
        ("http://127.0.0.1:9000/v2", "", None),
    ],
)
def test_the_environment_names_the_proxy_and_its_exceptions(url: str, no_proxy: str, proxy: str | None) -> None:
    """HTTPS_PROXY for https addresses, unless NO_PROXY covers the host; spelled in either case."""
    for spell in (str.upper, str.lower):
        environment = {spell("https_proxy"): "proxy.corp.example:3128", spell("no_proxy"): no_proxy}
        assert proxy == proxy_from_environment(url, environment)
    assert proxy_from_environment(url, {}) is None


# -------------------------------------------------------------------------------------------------------------- told


async def test_the_clock_of_the_service_is_read_from_its_answers() -> None:
    """``Date`` minus our time, told once and again when it moves by more than a second."""
    ahead = Answer(200, {}, {"date": "Mon, 23 Nov 2026 12:07:00 GMT"})
    async with a_world(ahead, ahead, Answer(200, {}, {"date": "nonsense"})) as world:
        for _ in range(3):
            await world.read()

    assert [ClockOffset("zoom", 420.5)] == world.of(ClockOffset)
    assert 420.5 == world.api.clock_offset_seconds


async def test_the_http_library_logs_no_address(caplog: pytest.LogCaptureFixture) -> None:
    """It would log every URL at INFO, tokens of page walks included."""
    with caplog.at_level(logging.INFO):
        async with a_world(OK) as world:
            await world.read(params={"next_page_token": "sesame"})

    assert "sesame" not in caplog.text


# ---------------------------------------------------------------------------------- answers that are not the service's


DATE = {"date": "Mon, 23 Nov 2026 12:00:00 GMT"}
OLD = {"date": "Mon, 23 Nov 2026 09:00:00 GMT"}


@pytest.mark.parametrize(
    ("odd", "offset"),
    [
        ({**OLD, "age": "10800"}, 0.5),
        (OLD, 0.5),
        ({**OLD, "age": "old"}, 0.5),
        ({**DATE, "age": "0"}, 0.5),
        ({"date": "then"}, 0.5),
    ],
)
@pytest.mark.parametrize("place", range(4))
async def test_one_odd_date_says_nothing_about_the_clock(odd: Mapping[str, str], offset: float, place: int) -> None:
    """An answer out of a cache, or any single one: the median of a read counts, wherever the odd one stands."""
    dates: list[Mapping[str, str]] = [DATE, DATE, DATE]
    dates.insert(place, odd)
    async with a_world(*(Answer(200, {}, date) for date in dates)) as world:
        for _ in dates:
            await world.read()

        assert offset == world.api.clock_offset_seconds


async def test_a_cache_alone_tells_no_time() -> None:
    """Then what was known before stays."""
    cached = Answer(200, {}, {**OLD, "age": "10800"})
    async with a_world(cached, Answer(200, {}, DATE), cached) as world:
        await world.read()
        assert world.api.clock_offset_seconds is None
        await world.read()
        world.api.clock.restart()
        await world.read()
        assert 0.5 == world.api.clock_offset_seconds


async def test_a_clock_that_is_really_off_is_seen_in_the_next_read() -> None:
    """Old answers do not outvote it."""
    async with a_world(*[Answer(200, {}, DATE)] * 20, Answer(200, {}, OLD)) as world:
        for _ in range(20):
            await world.read()
        world.api.clock.restart()
        await world.read()

        assert -10799.5 == world.api.clock_offset_seconds


def packed(body: bytes, times: int = 1) -> bytes:
    for _ in range(times):
        body = gzip.compress(body)
    return body


def grown(luck: random.Random) -> bytes:
    """Members of any size, of blanks or of what does not pack, the last of which is too much; maybe cut off after that."""
    members, size = b"", 0
    while size <= 2_000_000:
        one = luck.choice([bytes, luck.randbytes])(luck.randrange(1, 900_000))
        members, size = members + packed(one), size + len(one)
    return members + packed(b" " * 100_000)[: luck.randrange(60)]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b" " * 3_000_000, {}),
        (packed(b" " * 3_000_000), {"content-encoding": "gzip"}),
        (packed(b" " * 3_000_000)[:2000] + packed(b" " * 9_000_000), {"content-encoding": "x-gzip"}),
        (packed(b" " * 500_000) * 5, {"content-encoding": "gzip"}),
        *((grown(random.Random(seed)), {"content-encoding": "gzip"}) for seed in range(8)),
    ],
)
async def test_an_answer_that_unpacks_to_too_much_is_not_read(body: bytes, headers: dict[str, str]) -> None:
    """Nor asked for again: a few bytes on the wire may be gigabytes in memory. A change it was the answer to is made."""
    async with a_world(script=lambda request: Answer(200, body, headers), answer_bytes_max=2_000_000) as world:
        with pytest.raises(NoUsableAnswer, match=r"more than 2 MB|cannot be unpacked"):
            await world.read()
        assert (await world.write()).ok


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "deflate"])
async def test_an_encoding_nobody_asked_for_is_not_read(encoding: str) -> None:
    """Two packings of a body would pass any bound of one."""
    async with a_world(Answer(200, packed(b"{}", 2), {"content-encoding": encoding})) as world:
        with pytest.raises(NoUsableAnswer, match="encoding nobody asked for"):
            await world.read()
        assert "gzip" == world.server.requests[0].headers["accept-encoding"]


async def test_a_packed_answer_is_unpacked_and_a_cut_one_asked_for_again() -> None:
    """In one piece or in several members."""
    whole = packed(b'{"fine": true}')
    zipped = {"content-encoding": "gzip"}
    async with a_world(
        Answer(200, whole[:-9], zipped),
        Answer(200, b"garbage", zipped),
        Answer(200, whole, zipped),
        Answer(200, packed(b'{"fine"') + packed(b": true}"), zipped),
    ) as world:
        assert [b'{"fine": true}'] * 2 == [(await world.read()).body for _ in range(2)]
        assert 4 == len(world.server.requests)


PAGE = b"<!DOCTYPE html><html><title>Blocked</title></html>"


@pytest.mark.parametrize(("status", "headers"), [(403, {}), (403, {"content-type": "text/html; charset=utf-8"}), (407, {})])
async def test_a_page_for_people_is_said_to_be_one_and_the_proxy_on_the_way_is_named(status: int, headers: Any) -> None:
    """No service here answers so; whose door it is that stays shut is what helps."""
    async with serving() as proxy:
        proxy.script = lambda request: Answer(status, PAGE, headers)
        async with a_world(proxy=proxy.url.replace("//", "//user:sesame@")) as world:
            reply = await world.read()
    assert reply.error is not None
    assert reply.is_web_page
    assert "a web page" in reply.error.message
    assert f"through the proxy {proxy.url.removeprefix('http://')}" in reply.error.message
    assert "sesame" not in reply.error.message


@pytest.mark.parametrize("gone", [True, False])
async def test_a_proxy_that_refuses_is_named(gone: bool) -> None:
    """Not reached, or reached and unwilling to connect to the service."""
    async with serving() as proxy:
        proxy.script = lambda request: Answer(403, PAGE)
        if gone:
            proxy.url = "http://127.0.0.1:9"
        settings = ApiSettings(service="zoom", source="zoom", base_url="https://zoom.example/v2", proxy=proxy.url)
        api = Api(settings, JumpingClock(), lambda event: None)
        with pytest.raises(SourceError, match=r"zoom\.example could not be reached") as caught:
            await api.request("list_things", "medium", "GET", "/things")
        await api.close()

    assert f"the proxy {proxy.url.removeprefix('http://')}" in caught.value.what
    assert f"through the proxy {proxy.url.removeprefix('http://')}" in caught.value.do
    assert ("403" in caught.value.what) is not gone


# ------------------------------------------------------------------------------------------------ changes that came late


async def test_a_change_that_waits_for_its_turn_is_not_sent_once_nothing_may_be() -> None:
    """However many wait: what is sent by then is sent, the rest never leaves."""
    turns = iter((True, True, False, False, False))
    async with a_world(*[Answer(204)] * 2, pacer=paced(1)) as world:
        world.api.may_send = lambda: next(turns)
        ended = await asyncio.gather(*(world.write() for _ in range(5)), return_exceptions=True)

        assert [True, True, False, False, False] == [isinstance(one, Reply) for one in ended]
        assert {Withheld} == {type(one) for one in ended[2:]}
        assert 2 == len(world.server.requests)


@pytest.mark.parametrize(("looked", "sent"), [(True, False), (False, True)])
async def test_a_change_whose_turn_comes_long_after_the_look_before_it_goes_back_to_who_looked(looked: bool, sent: bool) -> None:
    """A pause of the lane lay between."""
    pause = Answer(429, headers={"retry-after": str(LOOK_FRESH_SECONDS + 60)})
    async with a_world(pause, Answer(204), pacer=paced(10, max_wait_seconds=2 * LOOK_FRESH_SECONDS)) as world:
        await world.write(repeat_throttled=False)
        if sent:
            assert (await world.write(repeat_throttled=not looked)).ok
            return
        with pytest.raises(Withheld, match="its turn came only after"):
            await world.write(repeat_throttled=not looked)
        assert 1 == len(world.server.requests)
