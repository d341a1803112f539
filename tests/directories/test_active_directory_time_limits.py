"""Servers that stall, drip or vanish: every read ends by itself, and a cancelled one lets go of its connection.

The limits here are short and no duration is asserted: a limit that does not hold would hang until the test's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time

import pytest
import trustme

from syncd.directories.active_directory import transport as ldap_transport
from tests.adlab.fakeldap import Server, _Listener, bound, done, entry, extended
from tests.adlab.windows import STAFF, Search, Windows, company, person
from tests.directories.ad_world import Directory, unreadable

pytestmark = pytest.mark.timeout(60)


class Silent(_Listener):
    """Accepts and never says a word."""

    def _serve(self, conn):
        with contextlib.suppress(OSError):
            while conn.recv(4096):
                pass


def dripping(conn, answer: bytes) -> None:
    """Sends byte by byte, each well within any limit per packet."""
    for number in range(len(answer)):
        conn.sendall(answer[number : number + 1])
        time.sleep(0.02)


async def test_a_tls_handshake_that_is_never_answered_ends():
    """The server accepts and stalls: connect_timeout counts for the handshake, too."""
    with Silent() as server:
        error = await unreadable(Directory(f"ldaps://127.0.0.1:{server.port}", connect_timeout_seconds=0.3))

    assert "its TLS handshake did not end within 0.3 s" in error.what


async def test_a_stalled_handshake_after_start_tls_ends():
    """StartTLS was granted, then nothing."""

    def granted(conn, mid, _raw):
        conn.sendall(extended(mid))
        while conn.recv(4096):
            pass

    with Server(lambda *_: None, on_extended=granted) as server:
        error = await unreadable(Directory(f"ldap://127.0.0.1:{server.port}", start_tls=True, connect_timeout_seconds=0.3))

    assert "its TLS handshake did not end within 0.3 s" in error.what


async def test_start_tls_that_is_never_answered_ends():
    """Not even the permission comes."""
    with Silent() as server:
        error = await unreadable(Directory(f"ldap://127.0.0.1:{server.port}", start_tls=True, connect_timeout_seconds=0.3))

    assert "no connection within 0.3 s" in error.what


@pytest.mark.parametrize("silent_at", ["bind", "search"])
async def test_an_answer_that_never_comes_ends_the_read(silent_at):
    """A half-open connection looks the same: the peer is gone and nobody says so."""
    with Server(lambda *_: None, on_bind=None if silent_at == "search" else lambda *_: None) as server:
        error = await unreadable(Directory(f"ldap://127.0.0.1:{server.port}", read_timeout_seconds=0.3))

    assert "no whole answer in time" in error.what


@pytest.mark.parametrize("drips_at", ["bind", "search"])
async def test_an_answer_that_drips_meets_the_limit_of_the_whole_answer(drips_at):
    """A limit per packet would never be met."""

    def on_search(conn, mid, _raw, _number):
        dripping(conn, b"".join(entry(mid, f"CN=p{n},{STAFF}", person(n)) for n in range(100)) + done(mid, cookie=b""))

    def on_bind(conn, mid, _raw):
        dripping(conn, bound(mid, text="x" * 1000)) if drips_at == "bind" else conn.sendall(bound(mid))

    with Server(on_search, on_bind) as server:
        error = await unreadable(Directory(f"ldap://127.0.0.1:{server.port}", read_timeout_seconds=0.4))

    assert "no whole answer in time" in error.what


async def test_endless_pages_meet_the_limit_of_the_whole_read():
    """Each page comes in time and none is the last."""

    def endless(search: Search) -> bytes | None:
        return done(search.mid, cookie=b"2") if search.page else None

    with Windows(company(3, 3), fault=endless) as controller:
        error = await unreadable(Directory(controller.url, total_timeout_seconds=0.3))

    assert "the read was not done within 0.3 s" in error.what or "no whole answer in time" in error.what


async def test_an_answer_of_absurd_size_is_given_up(monkeypatch):
    """It would fill the memory within the time limit."""
    monkeypatch.setattr(ldap_transport, "ANSWER_BYTES_MAX", 2**20)
    with Windows(company(3, 3), fault=lambda search: b"\x30\x84\x7f\xff\xff\xff" + b"\0" * 2**21) as controller:
        error = await unreadable(Directory(controller.url))

    assert "an answer of more than 1 MiB" in error.what


async def test_a_stalled_server_is_left_for_the_next_one():
    """Failover needs the limits."""
    with Silent() as stalled, Windows(company(3, 3)) as good:
        directory = Directory(f"ldaps://127.0.0.1:{stalled.port}", good.url, connect_timeout_seconds=0.3)

        assert 3 == len((await directory.read()).people)
        assert ["network_error", "ok"] == directory.answers("connect")


@pytest.mark.parametrize("stalls_at", ["handshake", "search"])
async def test_a_cancelled_read_hangs_up_and_tries_no_other_server(stalls_at):
    """SIGTERM must not wait for a stalled directory."""
    stalled = asyncio.Event()
    hung_up = threading.Event()
    loop = asyncio.get_running_loop()

    class Stalls(Silent if stalls_at == "handshake" else Windows):
        def _serve(self, conn):
            if stalls_at == "handshake":
                loop.call_soon_threadsafe(stalled.set)
            super()._serve(conn)
            hung_up.set()

        def _answer(self, conn, mid, raw, number):
            loop.call_soon_threadsafe(stalled.set)

    server = Stalls() if stalls_at == "handshake" else Stalls(company(3, 3))
    scheme = "ldaps" if stalls_at == "handshake" else "ldap"
    with server, Windows(company(3, 3)) as other:
        url = f"{scheme}://127.0.0.1:{server.port}"
        directory = Directory(url, other.url, connect_timeout_seconds=50, read_timeout_seconds=50)
        reading = asyncio.create_task(directory.read())
        await stalled.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

        assert await asyncio.to_thread(hung_up.wait, 20)
        assert 0 == other.connections


# ------------------------------------------------------------------------------------------------------------------ TLS


class Encrypted(Windows):
    """A controller that speaks TLS from the first byte, with the given certificate."""

    def __init__(self, certificate: trustme.LeafCert, entries):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self._context)
        super().__init__(entries)

    def _serve(self, conn):
        try:
            secure = self._context.wrap_socket(conn, server_side=True)
        except (OSError, ssl.SSLError):
            return
        with secure:
            super()._serve(secure)


@pytest.fixture
def authority(tmp_path):
    """A certificate authority and the file it is known by."""
    made = trustme.CA()
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    return made, str(tmp_path / "ca.pem")


async def test_a_certificate_for_the_name_dialled_is_accepted(authority):
    """An address counts as a name when the certificate says so."""
    made, ca_file = authority
    with Encrypted(made.issue_cert("127.0.0.1"), company(3, 3)) as controller:
        snapshot = await Directory(f"ldaps://127.0.0.1:{controller.port}", ca_file=ca_file).read()

    assert 3 == len(snapshot.people)


@pytest.mark.parametrize(
    ("host", "names", "says"),
    [
        ("127.0.0.1", ("dc1.corp.example",), "IP address mismatch"),
        ("localhost", ("dc1.corp.example", "127.0.0.1"), "Hostname mismatch"),
    ],
)
async def test_a_certificate_for_another_name_is_not_accepted(authority, host, names, says):
    """The text names the trouble and what to do; it does not print the certificate."""
    made, ca_file = authority
    with Encrypted(made.issue_cert(*names), company(3, 3)) as controller:
        error = await unreadable(Directory(f"ldaps://{host}:{controller.port}", ca_file=ca_file))

        assert says in error.what
        assert "name it as its certificate does" in error.do
        assert "issuer" not in str(error)
        assert [] == controller.requests


async def test_a_certificate_of_an_unknown_authority_is_not_accepted(authority, tmp_path):
    """The CA file is that of another authority."""
    made, _ = authority
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    with Encrypted(made.issue_cert("127.0.0.1"), company(3, 3)) as controller:
        error = await unreadable(Directory(f"ldaps://127.0.0.1:{controller.port}", ca_file=str(other)))

    assert "its certificate is not accepted" in error.what
    assert "ca_file" in error.do


@pytest.mark.parametrize("content", [None, "not a certificate"])
async def test_a_ca_file_that_cannot_be_used_is_named(tmp_path, content):
    """Missing, or not PEM."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)

    error = await unreadable(Directory("ldaps://127.0.0.1:1", ca_file=str(path)))

    assert f"the CA file {path} cannot be used" in error.what


async def test_tls_on_a_port_that_speaks_none_is_said_in_words():
    """ldaps:// to port 389."""
    with Windows(company(3, 3)) as controller:
        error = await unreadable(Directory(f"ldaps://127.0.0.1:{controller.port}", connect_timeout_seconds=2))

    assert "its TLS handshake" in error.what


async def test_a_name_without_an_address_is_said_in_words():
    """A misspelled server; .invalid never resolves."""
    error = await unreadable(Directory("ldaps://dc1.invalid"))

    assert "dc1.invalid:636: its name cannot be resolved" in error.what
