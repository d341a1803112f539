"""The daemon's HTTP server, over real sockets."""

from __future__ import annotations

import asyncio
import errno
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from syncd.errors import ConfigError
from syncd.events import Event, Noted
from syncd.model import Guard, Verdict
from syncd.observe import server
from syncd.observe.door import CONNECTIONS_MAX
from syncd.observe.page import page
from syncd.observe.server import TRIGGERS_WAITING_MAX, WRONG_TOKEN_SECONDS, Endpoint, StatusView, serve

AT = datetime(2026, 11, 25, 19, 5, tzinfo=UTC)
TOKEN = "a-token-for-tests"


@dataclass
class Daemon:
    """What the server is handed, and what it did with it."""

    health: tuple[bool, str] = (True, "the loop makes progress")
    readiness: tuple[bool, str] = (True, "ready")
    view: StatusView = field(default_factory=lambda: StatusView(version="1.2.3", mode="report", now=AT, leader=True))
    token: str | None = TOKEN
    triggered: int = 0
    told: list[Event] = field(default_factory=list)
    paused: list[float] = field(default_factory=list)

    async def pause(self, seconds: float) -> None:
        self.paused.append(seconds)

    def read_token(self) -> str:
        if not self.token:
            raise ConfigError("http.trigger_token_file: gone", do="Mount it.")
        return self.token

    def trigger(self) -> None:
        self.triggered += 1

    def metrics(self) -> bytes:
        return b"syncd_leader 1\n"

    @asynccontextmanager
    async def serving(self, listen: str = "127.0.0.1:0", *, with_token: bool = True) -> AsyncIterator[Endpoint]:
        async with serve(
            listen,
            metrics=self.metrics,
            healthy=lambda: self.health,
            ready=lambda: self.readiness,
            status=lambda: self.view,
            tell=self.told.append,
            pause=self.pause,
            trigger=self.trigger,
            trigger_token=self.read_token if with_token else None,
        ) as endpoint:
            yield endpoint


@asynccontextmanager
async def asking(daemon: Daemon, *, with_token: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        daemon.serving(with_token=with_token) as endpoint,
        httpx.AsyncClient(base_url=endpoint.url, trust_env=False) as client,
    ):
        yield client


async def test_metrics_are_served_as_prometheus_wants_them() -> None:
    """The bytes as rendered, with the type of the text format."""
    async with asking(Daemon()) as client:
        answer = await client.get("/metrics")

    assert (200, b"syncd_leader 1\n", "text/plain; version=0.0.4; charset=utf-8") == (
        answer.status_code,
        answer.content,
        answer.headers["content-type"],
    )


@pytest.mark.parametrize(
    ("path", "well", "expected"),
    [("/healthz", True, 200), ("/healthz", False, 503), ("/readyz", True, 200), ("/readyz", False, 503)],
)
async def test_probes_say_whether_all_is_well_and_why(path: str, well: bool, expected: int) -> None:
    """The status is for Kubernetes, the sentence for whoever looks."""
    daemon = Daemon(health=(well, "health words"), readiness=(well, "readiness words"))
    async with asking(daemon) as client:
        answer = await client.get(path)

    assert (expected, f"{'health' if path == '/healthz' else 'readiness'} words\n") == (answer.status_code, answer.text)


async def test_any_other_method_is_refused() -> None:
    """405 and the one that is allowed."""
    async with asking(Daemon()) as client:
        for path in ("/", "/metrics", "/healthz", "/readyz"):
            for method in ("HEAD", "POST", "PUT", "DELETE", "OPTIONS"):
                answer = await client.request(method, path)
                assert (405, "GET") == (answer.status_code, answer.headers["allow"]), (method, path)


async def test_any_other_path_is_not_found() -> None:
    """No redirects, no listings."""
    async with asking(Daemon()) as client:
        for path in ("/favicon.ico", "/metrics/", "/sync/", "/docs", "/healthz/x"):
            assert 404 == (await client.get(path)).status_code, path


async def test_no_header_tells_what_software_answers() -> None:
    """A version helps those who look for holes."""
    async with asking(Daemon()) as client:
        for path in ("/", "/metrics", "/healthz", "/nothing"):
            headers = (await client.get(path)).headers
            assert "server" not in headers
            assert not any(word in str(headers).lower() for word in ("uvicorn", "starlette", "python", "syncd")), path


# ------------------------------------------------------------------------------------------------------------- /sync


async def test_the_right_token_starts_a_cycle() -> None:
    """202 at once; the cycle runs later. Who asked is told, the token is not."""
    daemon = Daemon()
    async with asking(daemon) as client:
        answer = await client.post("/sync", headers={"Authorization": f"Bearer {TOKEN}"})

    assert (202, {"accepted": True}, 1) == (answer.status_code, answer.json(), daemon.triggered)
    assert [Noted("trigger.accepted", "info", {"client": "127.0.0.1"})] == daemon.told


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer \xff\xfe"],
)
async def test_anything_but_the_right_token_is_refused(header: str | None) -> None:
    """401, nothing starts, and the try is told."""
    daemon = Daemon()
    async with asking(daemon) as client:
        answer = await client.post("/sync", headers={} if header is None else {b"Authorization": header.encode("latin-1")})

    assert (401, 'Bearer realm="syncd"', 0) == (answer.status_code, answer.headers["www-authenticate"], daemon.triggered)
    assert [Noted("trigger.refused", "warning", {"client": "127.0.0.1"})] == daemon.told


async def test_a_rotated_token_counts_from_the_next_request_on() -> None:
    """It is read anew each time; the old one no longer works."""
    daemon = Daemon()
    async with asking(daemon) as client:
        daemon.token = "the-new-one"
        answers = [
            (await client.post("/sync", headers={"Authorization": f"Bearer {token}"})).status_code
            for token in (TOKEN, "the-new-one")
        ]

    assert [401, 202] == answers


async def test_a_token_that_cannot_be_read_lets_nobody_in() -> None:
    """503: not the asker's fault; the reason is told, not sent."""
    daemon = Daemon(token=None)
    async with asking(daemon) as client:
        answer = await client.post("/sync", headers={"Authorization": "Bearer x"})

    assert (503, 0, True) == (answer.status_code, daemon.triggered, "trigger_token_file" not in answer.text)
    assert [Noted("trigger.unreadable", "error", {"why": "http.trigger_token_file: gone", "do": "Mount it."})] == daemon.told


async def test_without_a_token_in_the_configuration_there_is_no_sync() -> None:
    """404, as for any path that does not exist."""
    daemon = Daemon()
    async with asking(daemon, with_token=False) as client:
        answer = await client.post("/sync", headers={"Authorization": f"Bearer {TOKEN}"})

    assert (404, 0) == (answer.status_code, daemon.triggered)


async def test_a_look_at_sync_starts_nothing() -> None:
    """Only POST does."""
    daemon = Daemon()
    async with asking(daemon) as client:
        answer = await client.get("/sync", headers={"Authorization": f"Bearer {TOKEN}"})

    assert (405, "POST", 0) == (answer.status_code, answer.headers["allow"], daemon.triggered)


# --------------------------------------------------------------------------------------------------------- listening


async def test_signals_stay_with_the_daemon() -> None:
    """uvicorn would take SIGTERM and SIGINT over and raise them again after its own stop."""
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]
    async with Daemon().serving():
        assert before == [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]


async def test_nothing_listens_any_more_after_the_end() -> None:
    """The port is free at once, for the next process."""
    async with Daemon().serving() as first:
        port = first.port
    async with Daemon().serving(f"127.0.0.1:{port}") as second:
        assert port == second.port


async def test_an_idle_connection_does_not_delay_the_end() -> None:
    """Prometheus keeps its connections open; the end comes all the same (the suite's time limit would tell)."""
    async with Daemon().serving() as endpoint:
        reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTP/1.1 200 OK\r\n" == await reader.readline()
    writer.close()
    await writer.wait_closed()


async def test_a_failure_in_the_body_is_not_swallowed() -> None:
    """The server ends, and what happened goes on."""
    with pytest.raises(RuntimeError, match="the daemon broke"):
        async with Daemon().serving():
            raise RuntimeError("the daemon broke")


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:0", ":0", "0.0.0.0:0", "[::]:0"])
async def test_addresses_of_every_form_are_served(listen: str) -> None:
    """Port 0 is any free port; which one can be read. All interfaces include this machine's own."""
    async with Daemon().serving(listen) as endpoint, httpx.AsyncClient(trust_env=False) as client:
        url = replace(endpoint, host={"0.0.0.0": "127.0.0.1", "::": "::1"}.get(endpoint.host, endpoint.host)).url
        assert 200 == (await client.get(f"{url}/healthz")).status_code


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as made:
            made.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
async def test_ipv6_is_served_in_brackets() -> None:
    """As in every URL."""
    async with Daemon().serving("[::1]:0") as endpoint, httpx.AsyncClient(trust_env=False) as client:
        assert f"http://[::1]:{endpoint.port}" == endpoint.url
        assert 200 == (await client.get(f"{endpoint.url}/healthz")).status_code


async def reached(host: str, port: int, path: str = "/healthz") -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(f"http://{host}:{port}{path}")).status_code == 200
        except httpx.ConnectError:
            return False


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
async def test_one_address_serves_both_families() -> None:
    """``[::]`` is what manifests use, for clusters of either family or both; who asked is named without the mapping."""
    daemon = Daemon()
    async with daemon.serving("[::]:0") as endpoint, httpx.AsyncClient(trust_env=False) as client:
        assert [True, True] == [await reached(host, endpoint.port) for host in ("127.0.0.1", "[::1]")]
        await client.post(f"http://127.0.0.1:{endpoint.port}/sync", headers={"Authorization": f"Bearer {TOKEN}"})
    assert [Noted("trigger.accepted", "info", {"client": "127.0.0.1"})] == daemon.told


async def test_both_families_are_the_one_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without IPv6."""
    real = socket.socket

    def only_ipv4(family: int = socket.AF_INET, *rest: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "not here")
        return real(family, *rest)

    monkeypatch.setattr("syncd.observe.server.socket.socket", only_ipv4)
    sockets = server._bound("[::]:0")
    monkeypatch.undo()
    assert [socket.AF_INET] == [each.family for each in sockets]
    sockets[0].close()


# ------------------------------------------------------------------------------------------------------- rude guests


REQUESTS = (
    b"GET /healthz HTTP/1.1\r\nHost: syncd\r\n\r\n",
    b"POST /sync HTTP/1.1\r\nHost: syncd\r\nAuthorization: Bearer wrong\r\nContent-Length: 9\r\n\r\n",
)


@pytest.mark.parametrize("seed", range(3))
async def test_those_who_only_hold_connections_keep_nobody_out(seed: int) -> None:
    """Many times more of them than there is room for, each with some part of a request, or nothing at all."""
    luck = random.Random(seed)
    async with Daemon().serving() as endpoint:
        held, readers = [], []
        try:
            for number in range(3 * CONNECTIONS_MAX):
                reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
                held.append(writer)
                readers.append(reader)
                request = luck.choice(REQUESTS)
                writer.write(request[: luck.randrange(len(request))])
                if number % CONNECTIONS_MAX == 0:
                    assert await reached(endpoint.host, endpoint.port)
            for path in ("/healthz", "/readyz"):
                assert await reached(endpoint.host, endpoint.port, path)
            for reader in readers[: 2 * CONNECTIONS_MAX]:  # the oldest had to go
                with suppress(ConnectionResetError):
                    assert b"" == await asyncio.wait_for(reader.read(), 30)
        finally:
            for writer in held:
                writer.transport.abort()


async def test_an_answer_that_is_being_worked_on_is_not_cut_off_for_newcomers() -> None:
    """The oldest goes, but not one whose request came whole."""
    daemon, gate = Daemon(), asyncio.Event()
    daemon.pause = lambda seconds: gate.wait()  # type: ignore[assignment,method-assign,return-value]
    async with daemon.serving() as endpoint, httpx.AsyncClient(trust_env=False, timeout=30) as client:
        asked = asyncio.create_task(client.post(f"{endpoint.url}/sync", headers={"Authorization": "Bearer wrong"}))
        while not daemon.told:
            await asyncio.sleep(0.01)
        held = [(await asyncio.open_connection(endpoint.host, endpoint.port))[1] for _ in range(CONNECTIONS_MAX + 9)]
        gate.set()
        assert 401 == (await asked).status_code
        for writer in held:
            writer.transport.abort()


async def test_wrong_tokens_are_slowed_and_the_right_one_waits_its_turn() -> None:
    """A second for each, one after the other; whoever finds too many waiting is told to come back."""
    daemon, gate = Daemon(), asyncio.Event()
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)
        await gate.wait()

    daemon.pause = pause  # type: ignore[method-assign]
    async with asking(daemon) as client:

        def ask(token: str) -> asyncio.Task[httpx.Response]:
            return asyncio.create_task(client.post("/sync", headers={"Authorization": f"Bearer {token}"}))

        first = ask("guess")
        while not paused:
            await asyncio.sleep(0.01)
        right = ask(TOKEN)
        more = [ask(f"guess{number}") for number in range(2 * TRIGGERS_WAITING_MAX)]
        await asyncio.wait(more, return_when=asyncio.FIRST_COMPLETED)
        assert ([WRONG_TOKEN_SECONDS], 0) == (paused, daemon.triggered)
        gate.set()
        answers = [(await guess).status_code for guess in more]
        assert (401, 202) == ((await first).status_code, (await right).status_code)
        assert {401, 429} == set(answers)
        assert 1 + answers.count(401) == len(paused) <= TRIGGERS_WAITING_MAX


async def test_a_port_in_use_is_an_error_that_names_it_and_the_way_out() -> None:
    """Exit 2 before anything else starts."""
    async with Daemon().serving() as endpoint:
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{endpoint.port}: .*in use") as raised:
            async with Daemon().serving(f"127.0.0.1:{endpoint.port}"):
                pass

    assert "Set http.listen" in str(raised.value)


@pytest.mark.parametrize("listen", ["9464", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:70000", "::1:9464", "127.0.0.1:", ""])
async def test_what_is_no_address_is_an_error(listen: str) -> None:
    """With an example of each form."""
    with pytest.raises(ConfigError, match="is not host:port"):
        async with Daemon().serving(listen):
            pass


async def test_an_address_of_another_machine_is_an_error() -> None:
    """198.51.100.1 is reserved for examples, so no machine has it."""
    with pytest.raises(ConfigError, match=r"cannot listen on 198\.51\.100\.1:0"):
        async with Daemon().serving("198.51.100.1:0"):
            pass


# ---------------------------------------------------------------------------------------------------- the status page

HELD = StatusView(
    version="1.2.3",
    mode="enforce",
    now=AT,
    leader=True,
    cycle_id="c42",
    result="held",
    ended_at=AT,
    next_cycle_at=AT.replace(hour=20),
    counts={"keep": 900, "deactivate": 412, "reactivate": 0, "manual": 3},
    verdicts=(
        Verdict(Guard.MAX_DEACTIVATIONS, True, 412, 50, "accounts", "412 deactivations planned", "Was an OU moved?"),
        Verdict(Guard.FLAPPING, False, 0, 5, "accounts", "nobody came back"),
    ),
    plan_digest="4f3a9c",
    approvable=frozenset({Guard.MAX_DEACTIVATIONS}),
    head_sequence=1234,
    head_hash="abc123",
    directory_people=1300,
)


class Words(HTMLParser):
    """The text a person sees; tags must close in order (those HTML lets open excepted)."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.words.append(data)


def seen(view: StatusView) -> str:
    parser = Words()
    parser.feed(page(view))
    return " ".join(" ".join(parser.words).split())


async def test_the_page_is_html_that_runs_and_loads_nothing() -> None:
    """Its policy allows its own style by hash and nothing else."""
    async with asking(Daemon(view=HELD)) as client:
        answer = await client.get("/")

    policy = answer.headers["content-security-policy"]
    assert (200, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "<script" not in answer.text
    assert "style=" not in answer.text


def test_a_held_plan_says_how_to_approve_it() -> None:
    """The very command, with digest and guards."""
    words = seen(HELD)

    assert 'syncd approve --plan 4f3a9c --guard max-deactivations --by NAME --because "…"' in words
    assert [] == [
        part
        for part in (
            "Held",
            "412 accounts, limit 50",
            "Was an OU moved?",
            "Entry 1,234",
            "abc123",
            "20:05 UTC",
            "1,300",
            "leads",
            "c42",
        )
        if part not in words
    ]
    assert "flapping 0 5 accounts fine" in words


def test_a_guard_that_no_approval_passes_says_so() -> None:
    """No command that would be refused."""
    words = seen(replace(HELD, approvable=frozenset()))

    assert "No approval passes max-deactivations: remove the cause." in words
    assert "syncd approve" not in words


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (StatusView(version="1", mode="report", now=AT, leader=False), ("No cycle has ended yet", "stands by", "Empty.")),
        (replace(HELD, paused=True), ("All changes are paused", "syncd resume")),
        (replace(HELD, verdicts=HELD.verdicts[1:]), ("None of 1 tripped.",)),
        (
            replace(HELD, result="unreadable", why="page 3 never came", do="try later"),
            ("could not be read", "page 3", "try later"),
        ),
        (replace(HELD, running_since=AT, last_success_at=AT.replace(day=1)), ("since 19:05 UTC", "2026-11-01 19:05 UTC")),
    ],
)
def test_the_page_says_how_things_stand(view: StatusView, expected: tuple[str, ...]) -> None:
    """From the first minute to the worst one."""
    words = seen(view)

    assert [] == [part for part in expected if part not in words]


HOSTILE: list[Callable[[str], StatusView]] = [
    lambda text: replace(HELD, why=text),
    lambda text: replace(HELD, do=text, why="x"),
    lambda text: replace(HELD, plan_digest=text),
    lambda text: replace(HELD, head_hash=text),
    lambda text: replace(HELD, version=text),
    lambda text: replace(HELD, result=text),
    lambda text: replace(HELD, cycle_id=text),
    lambda text: replace(HELD, verdicts=(Verdict(Guard.SENTINEL_MISSING, True, 1, 0, text, text, text),)),
]


@pytest.mark.parametrize("view", HOSTILE)
def test_whatever_is_shown_is_escaped_and_without_addresses(view: Callable[[str], StatusView]) -> None:
    """The words of guards and errors may hold anything; the page has no log-in."""
    html = page(view("<script>alert(1)</script>\u202e ann@corp.example \" '"))

    assert not any(part in html for part in ("<script>", "\u202e", "ann@", "corp.example"))
