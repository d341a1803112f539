"""The bytes below LDAP: dialling, TLS with the name checked, and time limits that hold whatever the peer does.

ldap3 alone cannot promise these: its receive timeout counts per packet, so a server that drips bytes never meets it; its
TLS accepts any certificate by default; and its errors print the whole certificate. Here every receive is held to one
deadline for the whole answer, OpenSSL checks chain and name, and another thread may cut the line at any moment.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException, LDAPStartTLSError

#: Where controllers offer the global catalog, whose entries lack attributes and whose groups lack members.
GLOBAL_CATALOG_PORTS = frozenset({3268, 3269})

#: A page of 1,000 people is 1-2 MB and the largest group in one piece some 20 MB: an answer beyond this is no answer.
ANSWER_BYTES_MAX = 256 * 1024 * 1024


class Unusable(Exception):
    """A server cannot be reached, verified or read; another one may. *what* holds no secret, *do* may be empty."""

    def __init__(self, what: str, do: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.do = do


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a domain controller listens, from ``ldaps://host[:port]`` or ``ldap://host[:port]``."""

    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, url: str) -> ServerAddress:
        """Raises ValueError when *url* is no LDAP URL with a host, or names a global catalog."""
        parts = urlsplit(url)
        if parts.scheme not in {"ldap", "ldaps"} or not parts.hostname:
            raise ValueError(f"{url!r} is not ldaps://host[:port]")
        if parts.port in GLOBAL_CATALOG_PORTS:
            raise ValueError(
                f"{url} is a global catalog, which lacks attributes and the members of other domains' groups; use "
                "port 636 (or 389 with start_tls: true)"
            )
        tls = parts.scheme == "ldaps"
        return cls(parts.hostname, parts.port or (636 if tls else 389), tls)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Line:
    """What a reading thread uses right now, so that another thread can end it: ``cut`` shuts the socket, which wakes any
    blocked call, and lets no new one be opened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.was_cut = False

    def use(self, sock: socket.socket) -> None:
        """Names the socket in use. Raises Unusable when the line was cut meanwhile."""
        with self._lock:
            self._socket = sock
            if self.was_cut:
                raise Unusable("the read was given up")

    def cut(self) -> None:
        """Ends whatever goes on. May be called from any thread, any number of times."""
        with self._lock:
            self.was_cut = True
            sock, self._socket = self._socket, None
        if sock is not None:
            with contextlib.suppress(OSError):  # it may have ended by itself
                # Not SSLSocket.shutdown, which takes the TLS layer away under a thread that is reading through it.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class TimedSocket:
    """A connected socket of which every answer has a deadline, however many receives it takes, and a size limit."""

    def __init__(self, inner: socket.socket, monotonic: Callable[[], float]) -> None:
        self.inner = inner
        self._monotonic = monotonic
        self._due = 0.0
        self._allowed_seconds = 0.0
        self._received = 0

    def allow(self, seconds: float) -> None:
        """The next answer must be here, whole, within *seconds*."""
        self._allowed_seconds = seconds
        self._due = self._monotonic() + seconds
        self._received = 0

    def recv(self, size: int) -> bytes:
        """As a socket's. Raises TimeoutError at the deadline of the whole answer, OSError when it grows absurd."""
        self._set_timeout()
        chunk = self.inner.recv(size)
        self._received += len(chunk)
        if self._received > ANSWER_BYTES_MAX:
            raise OSError(f"an answer of more than {ANSWER_BYTES_MAX // 2**20} MiB")
        return chunk

    def sendall(self, payload: bytes) -> None:
        """As a socket's, within the same deadline."""
        self._set_timeout()
        self.inner.sendall(payload)

    def _set_timeout(self) -> None:
        left = self._due - self._monotonic()
        if left <= 0:
            raise TimeoutError(f"no whole answer within {self._allowed_seconds:g} s")
        self.inner.settimeout(left)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class VerifiedTls(ldap3.Tls):
    """TLS 1.2 or later; chain, host name and IP address checked by OpenSSL; SNI sent. *failure* keeps the first error,
    because ldap3 turns it into text."""

    def __init__(self, host: str, ca_file: str | None, timeout_seconds: float, line: Line) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._host = host
        self._timeout_seconds = timeout_seconds
        self._line = line
        self.failure: OSError | None = None
        try:
            # Made anew for each connection: a renewed CA file works without a restart.
            self._context = ssl.create_default_context(cafile=ca_file)
        except OSError as error:
            raise Unusable(
                f"the CA file {ca_file} cannot be used ({_reason(error)})",
                "Let directory.active_directory.ca_file name a readable PEM file with the CA that issued the certificate.",
            ) from None
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2

    def wrap_socket(self, connection: ldap3.Connection, do_handshake: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 (ldap3 calls it)
        """What ldap3 calls after connecting (LDAPS) or after StartTLS was granted. The handshake has one deadline."""
        plain = connection.socket
        if isinstance(plain, TimedSocket):
            plain = plain.inner
        try:
            wrapped = self._context.wrap_socket(plain, do_handshake_on_connect=False, server_hostname=self._host)
            # Before the handshake: from here on the plain socket is empty, and a stalled handshake must be reachable.
            connection.socket = wrapped
            self._line.use(wrapped)
            wrapped.settimeout(self._timeout_seconds)
            wrapped.do_handshake()
        except (OSError, ValueError) as error:
            self.failure = error if isinstance(error, OSError) else OSError(str(error))
            raise


def dial(
    server: ServerAddress,
    *,
    start_tls: bool,
    ca_file: str | None,
    connect_timeout_seconds: float,
    line: Line,
    monotonic: Callable[[], float],
    connection_of: Callable[[ldap3.Server], ldap3.Connection],
) -> ldap3.Connection:
    """A connection that is open and, unless plain LDAP was asked for, verified; its socket is a TimedSocket.

    Every address of the name is tried in turn, each with ldap3 objects of its own: ldap3 remembers a failed server for
    5 s, and forgets to close the socket of a failed try. Raises Unusable.
    """
    try:
        found = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unusable(f"its name cannot be resolved ({_reason(error)})", "Check the server's name and DNS.") from None
    failure = Unusable("its name has no address")
    for address in dict.fromkeys(str(item[4][0]) for item in found):
        if line.was_cut:
            raise Unusable("the read was given up")
        tls = VerifiedTls(server.host, ca_file, connect_timeout_seconds, line)
        connection = connection_of(
            ldap3.Server(
                address,
                port=server.port,
                use_ssl=server.tls,
                tls=tls,
                get_info=ldap3.NONE,
                connect_timeout=connect_timeout_seconds,
            )
        )
        try:
            connection.open(read_server_info=False)
            plain = connection.socket
            connection.socket = TimedSocket(plain, monotonic)
            line.use(plain)
            if start_tls:
                connection.socket.allow(connect_timeout_seconds)
                connection.start_tls(read_server_info=False)
                connection.socket = TimedSocket(connection.socket, monotonic)
        except (OSError, Unusable, LDAPException) as error:
            failure = _why_not_open(error, tls.failure, connect_timeout_seconds, start_tls=start_tls)
            hang_up(connection)
            continue
        return connection
    raise failure


def hang_up(connection: ldap3.Connection) -> None:
    """Closes the socket without a word: an unbind on a line that may be dead could only wait."""
    if connection.socket is not None:
        connection.socket.close()
    connection.closed = True
    connection.listening = False


def _why_not_open(error: Exception, tls: OSError | None, timeout_seconds: float, *, start_tls: bool) -> Unusable:
    if isinstance(error, Unusable):
        return error
    if isinstance(tls, ssl.SSLCertVerificationError):
        return _why_not_trusted(tls)
    if isinstance(tls, TimeoutError):
        return Unusable(f"its TLS handshake did not end within {timeout_seconds:g} s", "Check the server; it accepts but stalls.")
    if tls is not None:
        return Unusable(f"its TLS handshake failed ({_reason(tls)})", "Check that the port speaks TLS 1.2 or later.")
    if start_tls and isinstance(error, LDAPStartTLSError):
        return Unusable("it refused StartTLS", "Use ldaps://, or install a certificate on the server.")
    if isinstance(error, TimeoutError) or "timed out" in str(error):
        return Unusable(f"no connection within {timeout_seconds:g} s", "Check the server, the port and the firewall.")
    return Unusable(f"no connection ({_short(str(error))})", "Check the server, the port and the firewall.")


def _why_not_trusted(error: ssl.SSLCertVerificationError) -> Unusable:
    # 62 and 64 are OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH, 10 ..._CERT_HAS_EXPIRED.
    message = error.verify_message.rstrip(".")
    if error.verify_code in {62, 64}:
        do = "In servers, name it as its certificate does (usually the controller's full name, not the domain's)."
    elif error.verify_code == 10:
        do = "Renew the server's certificate, or the CA's."
    else:
        do = "Let directory.active_directory.ca_file name the CA that issued the server's certificate."
    return Unusable(f"its certificate is not accepted: {message}", do)


def _reason(error: Exception) -> str:
    return _short(getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error))


def _short(text: str) -> str:
    line = " ".join(text.split()).removeprefix("socket connection error while opening: ")
    return line if len(line) <= 160 else f"{line[:157]}..."
