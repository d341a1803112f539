"""Zoom's events over TLS and through a proxy: our trust and our proxy settings count, and nobody else's."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from syncd.errors import SourceError
from syncd.events import Event
from syncd.host.clock import SystemClock
from syncd.http.tokens import Token, TokenKeeper
from syncd.lab.server import serve
from syncd.lab.zoom.service import SimulatedZoom
from syncd.lab.zoom.tenant import Tenant
from syncd.zoom import events


@asynccontextmanager
async def a_proxy(status: str = "200 Connection established") -> AsyncIterator[tuple[str, list[str]]]:
    """Its address, and whereto it was asked to connect. Another *status* refuses."""
    asked: list[str] = []

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while some := await source.read(65536):
                target.write(some)
                await target.drain()
        target.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.split()[1])
        writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
        if not status.startswith("200"):
            writer.close()
            return
        host, _, port = asked[-1].rpartition(":")
        there, onward = await asyncio.open_connection("127.0.0.1" if host == "localhost" else host, int(port))
        await asyncio.gather(pump(reader, onward), pump(there, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


@asynccontextmanager
async def a_secure_zoom(folder: Path) -> AsyncIterator[tuple[SimulatedZoom, str, str]]:
    """A simulated Zoom behind TLS, the address of its events, and the file of the authority that signed for it."""
    authority, certificate, ca_file = trustme.CA(), folder / "server.pem", folder / "ca.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(ca_file))
    clock = SystemClock()
    zoom = SimulatedZoom(Tenant(), now=clock.now, sleep=clock.sleep)
    async with serve(zoom, certfile=str(certificate)) as serving:
        yield zoom, f"wss://localhost:{serving.port}/ws", str(ca_file)


def listening_to(zoom: SimulatedZoom, url: str, ca_file: str | None, proxy: str | None = None) -> events.ZoomEvents:
    """What listens there, with a token that the socket takes."""
    clock = SystemClock()
    told: list[Event] = []
    app = zoom.oauth
    basic = b64encode(f"{app.client_id}:{app.client_secret}".encode()).decode()

    async def fetch() -> Token:
        answer = app.issue(f"Basic {basic}", {"grant_type": "client_credentials"}, "", clock.now())
        return Token(json.loads(answer.body)["access_token"], 3600.0)

    return events.ZoomEvents(
        events.EventSettings(url, zoom.events.subscription_id, ca_file, proxy), [TokenKeeper(fetch, clock)], clock, told.append
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "REFUSAL_SECONDS", 0.3)
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


async def test_the_named_authority_is_trusted_and_no_other(tmp_path: Path) -> None:
    """A private authority needs zoom.ca_file; without it nothing is sent."""
    async with a_secure_zoom(tmp_path) as (zoom, url, ca_file):
        assert "connected" in await listening_to(zoom, url, ca_file).check()
        with pytest.raises(SourceError, match="certificate"):
            await listening_to(zoom, url, None).check()

        assert 1 == zoom.events.connections


@pytest.mark.parametrize("by", ["setting", "environment"])
async def test_a_proxy_is_asked_to_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """That of the configuration, or HTTPS_PROXY; TLS goes through it to the end."""
    async with a_secure_zoom(tmp_path) as (zoom, url, ca_file), a_proxy() as (proxy, asked):
        if by == "environment":
            monkeypatch.setenv("HTTPS_PROXY", proxy)
        await listening_to(zoom, url, ca_file, proxy if by == "setting" else None).check()

        assert [url.removeprefix("wss://").removesuffix("/ws")] == asked


async def test_no_proxy_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for every other request."""
    async with a_secure_zoom(tmp_path) as (zoom, url, ca_file), a_proxy() as (proxy, asked):
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("NO_PROXY", "localhost")
        await listening_to(zoom, url, ca_file).check()

        assert [] == asked


async def test_a_proxy_that_refuses_is_named(tmp_path: Path) -> None:
    """It is not Zoom who refuses."""
    async with a_secure_zoom(tmp_path) as (zoom, url, ca_file), a_proxy("403 Forbidden") as (proxy, _):
        with pytest.raises(SourceError, match="the proxy did not connect"):
            await listening_to(zoom, url, ca_file, proxy).check()

        assert 0 == zoom.events.connections
