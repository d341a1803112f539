"""What a service answered, as values: the final reply, what an error body says, what it amounts to. Pure."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What a service's error body says, whatever the status beside it. *token_refused*: this token is not good (any more).
    *scope_missing*: it is good, but may not do this; a newer one may. *throttled*: refused for its rate. *day_used_up*: the
    limit refused by counts days. *busy*: refused since another change of the same thing goes on; nobody else has to wait.
    *outranks*: the code is about what was asked, so a 401 or a 429 beside it does not mean the token or the rate."""

    code: int | str | None = None
    message: str = ""
    token_refused: bool = False
    scope_missing: bool = False
    throttled: bool = False
    day_used_up: bool = False
    busy: bool = False
    outranks: bool = False


#: Reads an error answer: status, body, headers (lower case names).
ReadError = Callable[[int, bytes, Mapping[str, str]], ErrorBody]


def plain_error(status: int, body: bytes, headers: Mapping[str, str]) -> ErrorBody:  # noqa: ARG001 (one shape for all)
    """For services whose bodies need not be understood."""
    return ErrorBody(message=f"HTTP {status}", token_refused=status == 401)


@dataclass(frozen=True, slots=True)
class Reply:
    """A final answer. *error* is set unless the status is 2xx; *renewed*: a token was refused on the way and replaced."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: ErrorBody | None = None
    renewed: bool = False

    @property
    def ok(self) -> bool:
        """Whether it is any 2xx."""
        return 200 <= self.status < 300

    @property
    def is_web_page(self) -> bool:
        """Whether it is a page for people: no service here answers so, a firewall, a proxy or a portal does."""
        kind = self.headers.get("content-type", "").lower()
        return "html" in kind or self.body[:200].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def judge(reply: Reply, read_error: ReadError, *, read: bool, through: str = "") -> tuple[Reply, str, str]:
    """The reply with its error read, what it amounts to (ok, refused, unauthorized, scope_missing, throttled, busy,
    server_error), and words for a message. *read*: a body that is not JSON is no answer. *through*: words that name the way
    it came, for pages that the service itself would not send."""
    status = reply.status
    page = f"a web page came{through}, as firewalls, proxies and portals send them" if reply.is_web_page else ""
    if reply.ok:
        if read and not is_json(reply.body):
            kind = reply.headers.get("content-type", "no content type")
            what = f"{len(reply.body)} bytes that are not JSON ({kind})"
            return reply, "server_error", f"answered {status} with {what}" + (f"; {page}" if page else "")
        return reply, "ok", ""
    try:
        error = read_error(status, reply.body, reply.headers)
    except (UnicodeDecodeError, RecursionError):  # whoever wrote it, it says nothing
        error = plain_error(status, reply.body, reply.headers)
    if page:
        error = replace(error, message=page)
    says = f"answered {status}" + (f": {error.message}" if error.message else "")
    reply = replace(reply, error=error)
    if error.scope_missing:
        return reply, "scope_missing", says
    if error.token_refused or (status == 401 and not error.outranks):
        return reply, "unauthorized", says
    if error.busy:
        return reply, "busy", says
    if error.throttled or (status == 429 and not error.outranks):
        return reply, "throttled", says
    return reply, "server_error" if status >= 500 else "refused", says


def without_token(token: str, says: str, reply: Reply | None) -> tuple[str, Reply | None]:
    """A service may quote the token in its refusal; nobody else gets to see it."""
    if reply is not None and reply.error is not None:
        reply = replace(reply, error=replace(reply.error, message=reply.error.message.replace(token, "(token)")))
    return says.replace(token, "(token)"), reply


def is_json(body: bytes) -> bool:
    """Whether it is one JSON value in UTF-8."""
    try:
        body.decode()  # ``Raw`` does not look into texts
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


#: A whole pair of surrogates, half of one, or any other escape: read from left to right, so that each is seen as what it is.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)


def lenient_text(body: bytes) -> bytes:
    """*body* with what is no text in it, bytes that are no UTF-8 and halves of an emoji (lone surrogates: a name cut in its
    middle), replaced by the replacement character."""
    if not body.isascii():
        body = body.decode("utf-8", "replace").encode()
    if b"\\ud" in body or b"\\uD" in body:
        body = _ESCAPE.sub(lambda found: b"\\ufffd" if found.group(1) else found.group(0), body)
    return body


def http_date(text: str) -> datetime:
    """The time of a ``Date`` header. Raises ValueError, TypeError."""
    at = parsedate_to_datetime(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


#: What to do about a page for people.
WEB_PAGE_ADVICE = (
    "No service here answers so: see which firewall, proxy or portal stands in the way, and let this machine "
    "pass it without a page."
)


class OddBody(Exception):
    """A body that is not read to its end; the text says why. *answer* is one word or two for it."""

    def __init__(self, why: str, answer: str) -> None:
        super().__init__(why)
        self.answer = answer


class Body:
    """Collects a body, unpacked, of at most so many bytes: a packed one may be a thousand times smaller than what it
    unpacks to, and two packings a million times."""

    def __init__(self, encoding: str, bytes_max: int) -> None:
        encoding = encoding.strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise OddBody(f"answered in an encoding nobody asked for ({encoding[:40]})", "odd encoding")
        self._packed = encoding not in ("", "identity")
        self._unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS) if self._packed else None
        self._bytes_max = bytes_max
        self._body = bytearray()

    def add(self, piece: bytes) -> None:
        """One piece as it came over the wire. Raises OddBody."""
        while piece:
            if self._unpacker is None:
                self._body += piece
                piece = b""
            else:
                try:
                    self._body += self._unpacker.decompress(piece, max(1, self._bytes_max + 1 - len(self._body)))
                except zlib.error:
                    raise OddBody("answered with a packed body that cannot be unpacked", "cut") from None
                piece = self._unpacker.unconsumed_tail
                if self._unpacker.eof and (piece := self._unpacker.unused_data):
                    self._unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
            if len(self._body) > self._bytes_max:
                raise OddBody(f"answered with more than {self._bytes_max // 1_000_000} MB", "too large")

    def whole(self) -> bytes:
        """All of it. Raises OddBody when a packed one breaks off."""
        if self._unpacker is not None and self._body and not self._unpacker.eof:
            raise OddBody("answered with a packed body that breaks off", "cut")
        return bytes(self._body)
