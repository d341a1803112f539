"""What the Samba lab cannot do: a scripted LDAP server and a faulty TCP proxy.

Samba never truncates (no sizeLimitExceeded, no member;range=0-1499), so the
answers that a real domain controller gives then have to be played; windows.py
builds a small directory with a controller's limits on top of this.  Standard
library only; loopback only; a thread per connection.

    from tests.adlab.fakeldap import Server, Proxy, entry, done

    def search(conn, mid, request, number):        # number counts from 1
        conn.sendall(entry(mid, "CN=u1,DC=x", mail=["u1@x"]) + done(mid, 4, "too many"))
    server = Server(search)                        # ldap://127.0.0.1:server.port

    proxy = Proxy(("127.0.0.1", 636), kill_after=400_000)   # TLS passes through
    proxy = Proxy(("127.0.0.1", 636), stall_after=0)        # accepts, then nothing
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
import time

PAGED = "1.2.840.113556.1.4.319"
BIND, UNBIND, SEARCH, EXTENDED = 0x60, 0x42, 0x63, 0x77


# --- BER ---------------------------------------------------------------------
def tlv(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        head = bytes([size])
    else:
        raw = size.to_bytes((size.bit_length() + 7) // 8, "big")
        head = bytes([0x80 | len(raw)]) + raw
    return bytes([tag]) + head + body


def integer(number):
    return tlv(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def octets(value):
    return tlv(0x04, value if isinstance(value, bytes) else value.encode())


def message(mid, operation, controls=b""):
    return tlv(0x30, integer(mid), operation, tlv(0xA0, controls) if controls else b"")


def result(tag, code, text="", referrals=()):
    more = tlv(0xA3, *[octets(u) for u in referrals]) if referrals else b""
    return tlv(tag, tlv(0x0A, bytes([code])), octets(""), octets(text), more)


# --- answers -----------------------------------------------------------------
def entry(mid, dn, attributes=None, **more):
    """SearchResultEntry; attribute names that are no identifiers go in `attributes`."""
    rows = [
        tlv(0x30, octets(name), tlv(0x31, *[octets(v) for v in values]))
        for name, values in {**(attributes or {}), **more}.items()
    ]
    return message(mid, tlv(0x64, octets(dn), tlv(0x30, *rows)))


def reference(mid, *uris):
    """SearchResultReference (a continuation among the entries)."""
    return message(mid, tlv(0x73, *[octets(u) for u in uris]))


def done(mid, code=0, text="", cookie=None, referrals=()):
    """SearchResultDone; cookie=None sends no paging control, b"" the last page."""
    control = b"" if cookie is None else tlv(0x30, octets(PAGED), octets(tlv(0x30, integer(0), octets(cookie))))
    return message(mid, result(0x65, code, text, referrals), control)


def bound(mid, code=0, text=""):
    return message(mid, result(0x61, code, text))


def extended(mid, code=0, text="", name=None):
    tail = tlv(0x8A, name.encode()) if name else b""
    return message(mid, tlv(0x78, tlv(0x0A, bytes([code])), octets(""), octets(text), tail))


def disconnection(text=""):
    """Notice of disconnection: unsolicited, message id 0, code 52."""
    return extended(0, 52, text, "1.3.6.1.4.1.1466.20036")


def ranged(mid, dn, attribute, values, request, size=1500):
    """The answer of a real DC for a big attribute: `size` values and a range option.

    `request` is the raw request (as given to the search function)."""
    asked = re.findall(re.escape(attribute.encode()) + rb";range=(\d+)-", request, re.IGNORECASE)
    low = int(asked[-1]) if asked else 0
    high = low + size
    if high >= len(values):
        found = {f"{attribute};range={low}-*": values[low:]}
    else:
        found = {attribute: [], f"{attribute};range={low}-{high - 1}": values[low:high]}
    return entry(mid, dn, found) + done(mid)


# --- server ------------------------------------------------------------------
def _read(sock):
    def need(count):
        data = b""
        while len(data) < count:
            chunk = sock.recv(count - len(data))
            if not chunk:
                raise EOFError
            data += chunk
        return data

    head = need(2)
    size = head[1]
    if size & 0x80:
        size = int.from_bytes(need(size & 0x7F), "big")
    body = need(size)
    width = body[1]
    return int.from_bytes(body[2 : 2 + width], "big"), body[2 + width], body


class _Listener:
    def __init__(self, host="127.0.0.1"):
        self.connections = 0
        self._open = set()
        self._threads = []
        self._socket = socket.create_server((host, 0))
        self.port = self._socket.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _accept(self):
        while True:
            try:
                conn, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(conn)
            thread = threading.Thread(target=self._serve, args=(conn,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self):
        """Ends the listener and every connection, and waits for their threads."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # closing alone does not wake accept()
        self._socket.close()
        self._acceptor.join(5)
        for conn in self._open:
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for conn in self._open:
            conn.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Server(_Listener):
    """on_search(conn, mid, request, number); on_bind and on_extended(conn, mid, request)."""

    def __init__(self, on_search, on_bind=None, on_extended=None):
        self.on_search = on_search
        self.on_bind = on_bind or (lambda conn, mid, _: conn.sendall(bound(mid)))
        self.on_extended = on_extended or (lambda conn, mid, _: conn.sendall(extended(mid, 2)))
        self.searches = 0
        self.requests = []  # (tag, raw): did a password get here?
        super().__init__()

    def _serve(self, conn):
        with conn:
            try:
                while True:
                    mid, tag, raw = _read(conn)
                    self.requests.append((tag, raw))
                    if tag == BIND:
                        self.on_bind(conn, mid, raw)
                    elif tag == SEARCH:
                        self.searches += 1
                        self.on_search(conn, mid, raw, self.searches)
                    elif tag == EXTENDED:
                        self.on_extended(conn, mid, raw)
                    elif tag == UNBIND:
                        return
            except (OSError, EOFError, ValueError, IndexError):  # gone, or no LDAP
                return


class Proxy(_Listener):
    """Passes bytes to `target`; faults count the bytes from the server, per connection.

    kill_after   close both sides (reset=True: with RST) after so many bytes
    stall_after  pass no more after so many bytes while `stalled` is true
    delay        seconds before each chunk from the server
    host         where the proxy itself listens: a certificate may name that address
    bytes_down   what came from the server so far, over all connections
    """

    def __init__(self, target, kill_after=None, stall_after=None, delay=0.0, reset=False, host="127.0.0.1"):
        self.target, self.kill_after, self.stall_after = target, kill_after, stall_after
        self.delay, self.reset, self.stalled = delay, reset, True
        self.bytes_down = 0
        super().__init__(host)

    def _serve(self, client):
        try:
            server = socket.create_connection(self.target, timeout=5)
            server.settimeout(None)
        except OSError:
            client.close()
            return
        threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
        self._pump(server, client, True)

    def _end(self, *sockets):
        for sock in sockets:
            try:
                if self.reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.shutdown(socket.SHUT_RD)  # wakes the other pump, which still holds it
                else:
                    sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def _pump(self, source, sink, down):
        count = 0
        try:
            while data := source.recv(4096):
                count += len(data)
                self.bytes_down += len(data) if down else 0
                if down and self.kill_after is not None and count > self.kill_after:
                    keep = len(data) - (count - self.kill_after)
                    sink.sendall(data[: max(0, keep)])
                    break
                while down and self.stall_after is not None and count > self.stall_after and self.stalled:
                    time.sleep(0.02)
                if down and self.delay:
                    time.sleep(self.delay)
                sink.sendall(data)
        except OSError:
            pass
        self._end(source, sink)
