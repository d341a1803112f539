"""Zoom's events: what a message says, and one connection kept for as long as it is wanted, against the lab's strict socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from syncd.errors import ConfigError, CredentialsRefused, SourceError
from syncd.events import Answered, Event, Noted
from syncd.host.clock import SystemClock
from syncd.lab.server import serve
from syncd.lab.zoom.service import SimulatedZoom
from syncd.lab.zoom.tenant import Tenant, a_user
from syncd.model import Sighting
from syncd.zoom import events
from syncd.zoom.api import ZoomApi, ZoomSettings
from syncd.zoom.messages import OddMessage, Turned, sightings_in

EXAMPLES = Path(__file__).parents[3] / "shared" / "contracts" / "zoom-examples.json"
TS = 1_626_230_691_572
ANN = {"id": "z-ann", "email": "ann@corp.example", "type": 2}


def event(name: str = "user.deactivated", ts: Any = TS, **payload: Any) -> dict[str, Any]:
    return {"event": name, "event_ts": ts, "payload": {"operator": "boss@corp.example", "object": ANN, **payload}}


def only(message: object) -> Sighting:
    (found,) = sightings_in(json.dumps(message))
    return found


# ------------------------------------------------------------------------------------------------------------- messages


def test_an_event_comes_bare_or_wrapped_and_says_the_same() -> None:
    """As text inside a message, or as an object."""
    bare = only(event())

    assert bare == only({"module": "message", "content": json.dumps(event())}) == only({"module": "message", "content": event()})
    assert ("deactivated", "z-ann", "ann@corp.example", "boss@corp.example") == (
        bare.what,
        bare.zoom_id,
        bare.address,
        bare.operator,
    )
    assert datetime(2021, 7, 14, 2, 44, 51, 572000, tzinfo=UTC) == bare.at


@pytest.mark.parametrize(
    ("about", "old", "fields"),
    [
        ({"id": "z", "email": "new@corp.example"}, {"id": "z", "email": "old@corp.example"}, {"email"}),
        ({"id": "z", "email": "a@corp.example", "type": 1}, {"id": "z", "email": "a@corp.example", "type": 2}, {"type"}),
        ({"id": "z", "role_id": "1"}, {"id": "z", "role_id": "2"}, {"role"}),
        ({"id": "z", "dept": "Sales"}, {"id": "z", "dept": "IT"}, set()),
        ({"id": "z", "email": "a@corp.example", "role_name": "Admin"}, None, {"role"}),
        ({"id": "z", "email": "a@corp.example"}, None, set()),
    ],
)
def test_an_update_touches_what_differs(about: dict[str, Any], old: dict[str, Any] | None, fields: set[str]) -> None:
    """What only names the account is no change of it."""
    assert fields == only(event("user.updated", object=about, **({"old_object": old} if old else {}))).fields


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the published samples are not at hand")
@pytest.mark.parametrize("name", ["user.activated", "user.deactivated", "user.deleted", "user.updated"])
def test_the_published_samples_are_understood(name: str) -> None:
    """One sighting each, of the named kind."""
    (sample,) = [one["body"] for one in json.loads(EXAMPLES.read_text())["examples"] if one["name"] == f"webhook_{name}"]

    assert name.removeprefix("user.") == only(sample).what


@pytest.mark.parametrize(
    "message",
    [
        {"module": "heartbeat"},
        {"module": "build_connection", "success": True},
        {"module": "other", "content": "x"},
        event("user.signed_in"),
        event("meeting.started", object={}),
        event("user.created"),
    ],
)
def test_other_modules_and_events_are_of_no_interest(message: dict[str, Any]) -> None:
    """And not odd either."""
    assert () == sightings_in(json.dumps(message))


@pytest.mark.parametrize(
    "message",
    [
        "",
        "nonsense",
        "[]",
        "7",
        "null",
        "{}",
        '"x"',
        b"\xff\xfe",
        "[" * 5000,
        json.dumps({"module": "message", "content": "nonsense"}),
        json.dumps({"module": "message"}),
        json.dumps({"module": 7}),
        json.dumps({"event": 7}),
        json.dumps(event(ts=None)),
        json.dumps(event(ts="soon")),
        json.dumps(event(ts=1_626_230_691)),
        json.dumps(event(ts=10**30)),
        json.dumps(event(ts=True)),
        json.dumps(event(object=None)),
        json.dumps(event(object={"id": 7})),
        json.dumps(event(object={"id": " "})),
        json.dumps({"event": "user.deleted", "event_ts": TS, "payload": "x"}),
    ],
)
def test_garbage_is_odd_and_never_guessed(message: str | bytes) -> None:
    """Whatever it is."""
    with pytest.raises(OddMessage):
        sightings_in(message)


def test_a_connection_that_zoom_does_not_want_says_so() -> None:
    """In the message that would have greeted it."""
    with pytest.raises(Turned, match="Invalid Token"):
        sightings_in(json.dumps({"module": "build_connection", "success": False, "content": "Invalid Token"}))


# ---------------------------------------------------------------------------------------------------------- the socket


class Socket:
    """A simulated Zoom, an adapter that listens to it, and what came of it."""

    def __init__(self, zoom: SimulatedZoom, url: str) -> None:
        self.zoom, self.url = zoom, url
        self.told: list[Event] = []
        self.got: list[Sighting] = []
        self.wanted = True
        self.api = self.made()

    def made(self, **changes: Any) -> ZoomApi:
        settings = {
            "account_id": "lab-account",
            "client_id": "lab-client",
            "client_secret": lambda: "lab-secret",
            "token_url": f"{self.url}/oauth/token",
            "api_url": f"{self.url}/v2",
            "events_subscription": "lab-subscription",
            "events_url": self.url.replace("http", "ws", 1) + "/ws",
            **changes,
        }
        return ZoomApi(ZoomSettings(**settings), SystemClock(), self.told.append)

    @property
    def source(self) -> events.ZoomEvents:
        assert self.api.events is not None
        return self.api.events

    async def put(self, sighting: Sighting) -> None:
        self.got.append(sighting)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.source.run(self.put, lambda: self.wanted))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def noted(self, name: str) -> list[dict[str, Any]]:
        return [dict(one.facts) for one in self.told if isinstance(one, Noted) and one.event == name]


@pytest.fixture
async def socket(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Socket]:
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(events, "REFUSAL_SECONDS", 0.5)
    monkeypatch.setattr(events, "backoff", lambda *_: 0.01)
    clock = SystemClock()
    tenant = Tenant([a_user("ann@corp.example", type=2), a_user("bob@corp.example")])
    zoom = SimulatedZoom(tenant, now=clock.now, sleep=clock.sleep)
    async with serve(zoom) as serving:
        world = Socket(zoom, serving.url)
        yield world
        await world.api.close()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("wrapped", [True, False])
async def test_what_happens_at_zoom_is_seen(socket: Socket, wrapped: bool) -> None:
    """By the app's own token, the grant that is tried first; one connection only."""
    socket.zoom.events.wrapped = wrapped
    async with socket.listening():
        await until(lambda: socket.zoom.events.connected)
        socket.zoom.tenant.alter("ann@corp.example", status="inactive")
        socket.zoom.tenant.remove("bob@corp.example")
        await until(lambda: len(socket.got) == 2)

    assert [("deactivated", "ann@corp.example"), ("deleted", "bob@corp.example")] == [
        (one.what, one.address) for one in socket.got
    ]
    assert (["client_credentials"], 1) == (socket.zoom.events.taken, socket.zoom.events.connections)
    assert ["ok"] == [one.answer for one in socket.told if isinstance(one, Answered) and one.operation == "events"]


@pytest.mark.parametrize("refuses_by", ["status", "message", "close"])
async def test_the_accounts_token_is_the_fall_back(socket: Socket, refuses_by: str) -> None:
    """However the socket says that it does not want the app's; a close says least and takes a few tries."""
    socket.zoom.events.grants, socket.zoom.events.refuses_by = frozenset({"account_credentials"}), refuses_by
    async with socket.listening():
        await until(lambda: socket.zoom.events.connected)

    assert ["account_credentials"] == socket.zoom.events.taken


async def test_an_app_without_the_first_grant_uses_the_second(socket: Socket) -> None:
    """Where the token endpoint itself refuses it."""
    socket.zoom.oauth.grants = frozenset({"account_credentials"})
    async with socket.listening():
        await until(lambda: socket.zoom.events.connected)

    assert ["account_credentials"] == socket.zoom.events.taken


async def test_a_lost_connection_is_opened_again(socket: Socket) -> None:
    """Closed by Zoom, refused for a while: told each time, and what comes later is seen."""
    async with socket.listening():
        await until(lambda: socket.zoom.events.connected)
        socket.zoom.events.open = False
        socket.zoom.events.send_raw(None)
        await until(lambda: socket.zoom.events.refused >= 2)
        socket.zoom.events.open = True
        await until(lambda: socket.zoom.events.connected)
        socket.zoom.tenant.alter("ann@corp.example", status="inactive")
        await until(lambda: socket.got)

    assert "4001" in socket.noted("events.lost")[0]["why"]
    assert 2 == len(socket.noted("events.connected"))


async def test_only_who_is_wanted_is_connected_and_it_is_handed_over(socket: Socket) -> None:
    """The former leader lets go, the next one comes; neither throws the other out."""
    second = Socket(socket.zoom, socket.url)
    second.wanted = False
    async with socket.listening(), second.listening():
        await until(lambda: socket.noted("events.connected"))
        await asyncio.sleep(0.05)
        assert [] == second.told
        socket.wanted = False
        await until(lambda: socket.noted("events.closed"))
        second.wanted = True
        await until(lambda: second.noted("events.connected"))
        socket.zoom.tenant.alter("ann@corp.example", status="inactive")
        await until(lambda: second.got)
    await second.api.close()

    assert [] == socket.got
    assert [] == socket.noted("events.lost")
    assert 2 == socket.zoom.events.connections


async def test_garbage_and_floods_are_survived(socket: Socket) -> None:
    """Odd messages are counted, told once a minute, and the next event is seen; a message too large ends one connection."""
    async with socket.listening():
        await until(lambda: socket.zoom.events.connected)
        for _ in range(500):
            socket.zoom.events.send_raw("garbage")
            socket.zoom.events.send_raw(json.dumps({"module": "message", "content": "{}"}))
        socket.zoom.tenant.alter("ann@corp.example", status="inactive")
        await until(lambda: socket.got)
        socket.zoom.events.send_raw("x" * (events.MESSAGE_BYTES_MAX + 1))
        await until(lambda: len(socket.noted("events.connected")) == 2)
        socket.zoom.tenant.alter("ann@corp.example", status="active")
        await until(lambda: len(socket.got) == 2)

    assert 1 == len(socket.noted("events.odd"))


async def test_heartbeats_go_out(socket: Socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once and then again and again."""
    monkeypatch.setattr(events, "HEARTBEAT_SECONDS", 0.05)
    async with socket.listening():
        await until(lambda: socket.zoom.events.heartbeats >= 3)


@pytest.mark.parametrize("refuses_by", ["status", "message", "close"])
async def test_check_says_that_a_subscription_is_wrong(socket: Socket, refuses_by: str) -> None:
    """However Zoom refuses it."""
    socket.zoom.events.refuses_by = refuses_by
    api = socket.made(events_subscription="another")
    lines = {what: (fine, says) for what, fine, says in await api.check()}
    await api.close()

    fine, says = lines["zoom events"]
    assert not fine
    assert "zoom.events.subscription_id" in says


async def test_check_says_that_all_is_well(socket: Socket) -> None:
    """And what it does to a running daemon."""
    lines = {what: (fine, says) for what, fine, says in await socket.api.check()}

    assert lines["zoom events"][0]
    assert "opens again by itself" in lines["zoom events"][1]


async def test_a_wrong_address_is_told_without_the_token(socket: Socket) -> None:
    """Nobody there, no WebSocket there, a token endpoint that refuses: in words, and no token in any of them."""
    for changes, says in (
        ({"events_url": "ws://127.0.0.1:9/ws"}, "cannot be reached"),
        ({"events_url": socket.url.replace("http", "ws", 1) + "/nothing"}, "refused with HTTP"),
        ({"client_secret": lambda: "wrong"}, "Invalid client_id"),
    ):
        api = socket.made(**changes)
        assert api.events is not None
        with pytest.raises(SourceError, match=says) as caught:
            await api.events.check()
        await api.close()
        assert all(token not in f"{caught.value.what} {caught.value.do}" for token in socket.zoom.oauth._grants)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"events_url": "ws://zoom.example/ws"}, "unencrypted"),
        ({"events_url": None, "cloud": "government"}, "zoom.events.url"),
    ],
)
async def test_an_address_that_cannot_be_used_is_a_fault_of_the_configuration(
    socket: Socket, changes: dict[str, Any], says: str
) -> None:
    """Before anything is sent."""
    with pytest.raises(ConfigError, match=says):
        socket.made(**changes)


async def test_credentials_refused_for_both_grants_are_refused_credentials(socket: Socket) -> None:
    """Both are tried once."""
    socket.zoom.events.grants = frozenset()
    with pytest.raises(CredentialsRefused):
        await socket.source.check()

    assert 2 == socket.zoom.events.refused
