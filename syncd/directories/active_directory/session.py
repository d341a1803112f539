"""One verified, bound connection to one domain controller, which gives whole answers or none.

Every search demands result 0; every page demands the paging control as well, because a server that leaves it out has
silently stopped paging; a big attribute is fetched range by range and the ranges must fit. Whatever falls short is
``Unusable``: the caller throws the session away and reads everything again from another server. Referrals are results
like any other and never followed.

More than 400 lines: whatever makes an answer whole or unusable stands together.
"""

from __future__ import annotations

import contextlib
import re
import ssl
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import ldap3
from ldap3.core.exceptions import LDAPException
from pyasn1.error import PyAsn1Error

from syncd.directories.active_directory import binding as ldap_binding
from syncd.directories.active_directory.answers import Answer, Entry, hand_over_message_ids, receive
from syncd.directories.active_directory.transport import Line, ServerAddress, TimedSocket, Unusable, dial, hang_up
from syncd.errors import CredentialsRefused
from syncd.events import Answered, Event
from syncd.ports import Clock
from syncd.reading import Complete, End, Mark, NotWhole, Page, Walk, in_one_piece, walk_now

T = TypeVar("T")

PAGING_CONTROL = "1.2.840.113556.1.4.319"
ANY = "(objectClass=*)"

SUCCESS, TIME_LIMIT, SIZE_LIMIT, REFERRAL, NO_SUCH_OBJECT, INVALID_DN = 0, 3, 4, 10, 32, 34
INSUFFICIENT_RIGHTS, BUSY = 50, 51
#: What a controller says of an object that is not there, not below it, or not for our eyes.
NOT_TO_BE_SEEN = frozenset({REFERRAL, NO_SUCH_OBJECT, INVALID_DN, INSUFFICIENT_RIGHTS})

#: What ldap3 raises on dead lines and on bytes that are no LDAP.
BROKEN = (LDAPException, PyAsn1Error, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)

#: What follows an attribute's name when only a part of its values comes.
RANGE = ";range="

#: Bytes taken from the line at once.
CHUNK_SIZE = 64 * 1024

#: A group that keeps changing while its ranges are fetched is started over so many times in all.
RANGE_TRIES = 3


class Declined(Unusable):
    """The server answered, and its answer was not the whole that was asked for. The line itself is in order."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question that was sent: its message id, and when (monotonic seconds)."""

    base_dn: str
    message_id: int
    begun: float


@dataclass(frozen=True, slots=True)
class Unseen:
    """An object that was asked for by name and is not shown: *why*, to be read after its name, and what to *do*."""

    why: str = "does not exist or the bind account may not see it"
    do: str = ""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds: *connect* for TCP and for TLS, each; *read* for one whole answer; *total* for the life of a session."""

    connect: float = 5.0
    read: float = 30.0
    total: float = 900.0


class Session:
    """Use as a context manager. Not for several threads; ``line.cut()`` ends it from any."""

    def __init__(
        self,
        server: ServerAddress,
        bind: ldap_binding.Bind,
        *,
        start_tls: bool,
        ca_file: str | None,
        timeouts: Timeouts,
        clock: Clock,
        tell: Callable[[Event], None],
        line: Line,
    ) -> None:
        """Connects, verifies, binds and asks the controller for its name, its domain and its time.

        Raises Unusable (this server), CredentialsRefused (every server), ConfigError (the secret cannot be read).
        """
        self.server = server
        self.domain_dn: str | None = None
        self.clock_offset_seconds: float | None = None
        self.view = ""  # the copy of the directory that is read here
        self._service_dn = ""
        self._clock = clock
        self._tell = tell
        self._timeouts = timeouts
        self._ends = clock.monotonic() + timeouts.total
        begun = clock.monotonic()
        try:
            self._connection = dial(
                server,
                start_tls=start_tls,
                ca_file=ca_file,
                connect_timeout_seconds=timeouts.connect,
                line=line,
                monotonic=clock.monotonic,
                connection_of=bind.connection,
            )
        except Unusable:
            self._answered("connect", "network_error", begun)
            raise
        self._answered("connect", "ok", begun)
        hand_over_message_ids(self._connection)
        try:
            self._introduce(bind)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hangs up; harmless when repeated."""
        hang_up(self._connection)

    # ----------------------------------------------------------------------------------------------------- searching

    def entry(self, dn: str, attributes: Sequence[str], filter_: str = ANY) -> Entry | None:
        """The object of that name if it fits the filter; None when it is not there or not for our eyes. Raises Unusable."""
        found = self.find(dn, attributes, filter_)
        return None if isinstance(found, Unseen) else found

    def find(self, dn: str, attributes: Sequence[str], filter_: str = ANY) -> Entry | Unseen:
        """The object of that name if it fits the filter, or why it cannot be seen. Raises Unusable."""
        answer = self._answer(self._ask(dn, filter_, attributes, ldap3.BASE))
        result, entries = answer.result, list(_entries(answer, dn))
        if result["result"] == REFERRAL:
            return Unseen(
                "is answered with a referral" + _to_where(result),
                "This server does not hold that part of the directory: name a server of its domain, or correct the name.",
            )
        if result["result"] in NOT_TO_BE_SEEN:
            return Unseen()
        _demand_success(result, f"reading {dn}")
        if len(entries) > 1:
            raise Unusable(f"it answered with {len(entries)} objects for the one name {dn}")
        return entries[0] if entries else Unseen()

    def pages(self, base_dn: str, filter_: str, attributes: Sequence[str], page_size: int) -> Iterator[list[Entry]]:
        """Everything below *base_dn* that fits, page by page; whole only when iterated to its end: ``walk`` proves that."""
        cookie: bytes | None = None
        number = 0
        while True:
            number += 1
            answer, cookie = self._page(self._ask_page(base_dn, filter_, attributes, page_size, cookie), number)
            yield list(_entries(answer, base_dn))
            if not cookie:
                return

    def walk(
        self,
        base_dn: str,
        filter_: str,
        attributes: Sequence[str],
        page_size: int,
        make: Callable[[Entry], T],
        *,
        progress: Callable[[], None] = lambda: None,
    ) -> Complete[T]:
        """What *make* makes of everything below *base_dn* that fits. *progress* is called after each page. Each page is asked
        for before the one before is made into anything, so *make* and *progress* must ask nothing. Raises Unusable."""
        asked: _Asked | None = None

        def ask(cookie: Mark | None, number: int) -> Page[T]:
            nonlocal asked
            asked = asked or self._ask_page(base_dn, filter_, attributes, page_size, cookie)
            answer, further = self._page(asked, number)
            asked = self._ask_page(base_dn, filter_, attributes, page_size, further) if further else None
            made = [make(entry) for entry in _entries(answer, base_dn)]
            progress()
            return Page(made, further)

        try:
            return walk_now(ask, Walk(places=False))
        except NotWhole as finding:
            raise Unusable(f"the list below {base_dn} did not come whole: {finding}") from None

    def _ask_page(
        self,
        base_dn: str,
        filter_: str,
        attributes: Sequence[str],
        page_size: int,
        cookie: Mark | None,
    ) -> _Asked:
        return self._ask(
            base_dn, filter_, attributes, ldap3.SUBTREE, paged_size=page_size, paged_criticality=True, paged_cookie=cookie
        )

    def _page(self, asked: _Asked, number: int) -> tuple[Answer, bytes | None]:
        """The answer with a page, and the cookie of the next one (None: the server says that this is the last)."""
        answer = self._answer(asked)
        _demand_success(answer.result, f"page {number} below {asked.base_dn}")
        control = (answer.result.get("controls") or {}).get(PAGING_CONTROL)
        if control is None:
            raise Declined(f"page {number} below {asked.base_dn} came without the paging control, so more may be missing")
        return answer, control["value"]["cookie"] or None

    def values(self, dn: str, attribute: str, first: Entry) -> Complete[bytes]:
        """All values of *attribute* (lower case), of which *first* is an answer for it; the rest is fetched range by range.

        The number of values a controller gives at once is its own affair (1,500 by default), so what the answer says
        is followed. An object that changes meanwhile would shift the ranges: then it is read again from the start. Raises
        Unusable when it never keeps still.
        """
        if _range_of(first, attribute) is None:
            return in_one_piece(first.attributes.get(attribute, []), End.LAST_RANGE)
        entry: Entry | None = first
        for _ in range(RANGE_TRIES):
            if entry is None:
                break
            values, unchanged = self._ranges(dn, attribute, entry)
            if unchanged:
                return in_one_piece(values, End.LAST_RANGE)
            entry = self.entry(dn, [f"{attribute};range=0-*", "uSNChanged"])
        raise Unusable(f"{attribute} of {dn} changed each time it was read")

    def complete(self, entry: Entry) -> Entry:
        """*entry* with all values of each attribute that came as a first range: whoever has more addresses than a controller
        gives at once would else be read with none. Asks only then. Raises Unusable."""
        if not comes_in_part(entry):
            return entry
        names = [key.partition(RANGE)[0] for key in entry.attributes if RANGE in key]
        shown = {key: values for key, values in entry.attributes.items() if RANGE not in key}
        return Entry(entry.dn, shown | {name: list(self.values(entry.dn, name, entry)) for name in names})

    def exists(self, base_dn: str, filter_: str) -> bool:
        """Whether anything visible below *base_dn* fits the filter. Raises Unusable."""
        return any(self.pages(base_dn, filter_, ["1.1"], page_size=1))

    def _ranges(self, dn: str, attribute: str, entry: Entry) -> tuple[list[bytes], bool]:
        values: list[bytes] = []
        stamp = last = entry.first("usnchanged")
        while True:
            found = _range_of(entry, attribute)
            if found is None:
                raise Unusable(f"{attribute} of {dn} ended after {len(values)} values without its last range")
            key, low, high = found
            values += entry.attributes[key]
            if low + len(entry.attributes[key]) != len(values) or (high is not None and high != len(values) - 1):
                raise Unusable(f"the range {key} of {dn} does not fit after {low} values")
            if high is None:
                return values, stamp == last
            following = self.entry(dn, [f"{attribute};range={len(values)}-*", "uSNChanged"])
            if following is None:
                raise Unusable(f"{dn} vanished while its {attribute} was read")
            entry = following
            last = entry.first("usnchanged")

    def _ask(self, base_dn: str, filter_: str, attributes: Sequence[str], scope: Any, **paging: Any) -> _Asked:
        """Sends a question. The line is busy until ``_answer`` has taken the answer."""
        begun = self._allow_answer()
        try:
            message_id = int(self._connection.search(base_dn, filter_, scope, attributes=list(attributes), **paging))
        except BROKEN as error:
            self._answered("search", "network_error", begun)
            raise Unusable(_why_broken(error, f"in a search below {base_dn or 'the root'}")) from None
        return _Asked(base_dn, message_id, begun)

    def _answer(self, asked: _Asked) -> Answer:
        try:
            answer = receive(self._connection, asked.message_id, CHUNK_SIZE)
            word = _answer_word(int(answer.result["result"]))
        except BROKEN as error:
            hang_up(self._connection)  # what comes next on this line would answer nothing
            self._answered("search", "network_error", asked.begun)
            raise Unusable(_why_broken(error, f"in a search below {asked.base_dn or 'the root'}")) from None
        self._answered("search", word, asked.begun)
        return answer

    # ---------------------------------------------------------------------------------------------------- introducing

    def _introduce(self, bind: ldap_binding.Bind) -> None:
        by_ticket = isinstance(bind, ldap_binding.KerberosBind)
        service_host = self._ask_root() if by_ticket else self.server.host
        self._bind(bind, service_host)
        if not by_ticket:
            self._ask_root()
        self.view = f"{self.server} {self._invocation()}".strip()

    def _bind(self, bind: ldap_binding.Bind, service_host: str) -> None:
        fault: Unusable | None = None
        begun = self._allow_answer()
        try:
            ldap_binding.bind(self._connection, bind, service_host)
        except CredentialsRefused:
            self._answered("bind", "unauthorized", begun)
            raise
        except Unusable:
            self._answered("bind", "refused", begun)
            raise
        except BROKEN as error:
            # Raised below: what hangs on this error are frames that hold the password.
            fault = Unusable(_why_broken(error, "during the bind"))
        if fault is not None:
            self._answered("bind", "network_error", begun)
            raise fault
        self._answered("bind", "ok", begun)

    def _ask_root(self) -> str:
        """Learns what the root entry tells about domain, database and clock; gives the controller's full name."""
        before = self._clock.now()
        try:
            root = self.entry("", ["currentTime", "defaultNamingContext", "dnsHostName", "dsServiceName"])
        except Declined:
            root = None  # a server without these answers may do without
        after = self._clock.now()
        if root is None:
            return self.server.host
        domain = root.first("defaultnamingcontext")
        self.domain_dn = domain.decode() if domain else None
        with contextlib.suppress(ValueError):
            # Given in whole seconds, cut off: half a second later is the better guess.
            theirs = generalized_time(root.first("currenttime") or b"") + timedelta(seconds=0.5)
            self.clock_offset_seconds = (theirs - (before + (after - before) / 2)).total_seconds()
        host = (root.first("dnshostname") or self.server.host.encode()).decode()
        self._service_dn = (root.first("dsservicename") or b"").decode()
        return host

    def _invocation(self) -> str:
        """The id of the controller's database: another one behind the same address when a load balancer chose, or after a
        restore from a backup. Everybody may read it by default (unlike msDS-NCReplCursors and replUpToDateVector, which a
        plain account is not shown). Empty when it is not told."""
        if not self._service_dn:
            return ""
        try:
            settings = self.entry(self._service_dn, ["invocationId"])
        except Declined:
            return ""
        value = settings.first("invocationid") if settings else None
        return str(uuid.UUID(bytes_le=value)) if value and len(value) == 16 else ""

    @property
    def certificate_ends_at(self) -> datetime | None:
        """Until when the server's certificate is good; None on a connection without TLS."""
        timed = self._connection.socket
        if not isinstance(timed, TimedSocket) or not isinstance(timed.inner, ssl.SSLSocket):
            return None
        ends = (timed.inner.getpeercert() or {}).get("notAfter")
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC) if ends else None

    def _allow_answer(self) -> float:
        """Starts the deadline of the next answer and gives the time now (monotonic seconds)."""
        now = self._clock.monotonic()
        if now >= self._ends:
            raise Unusable(f"the read was not done within {self._timeouts.total:g} s")
        timed = self._connection.socket
        if not isinstance(timed, TimedSocket):
            raise Unusable("the connection was closed")
        timed.allow(min(self._timeouts.read, self._ends - now))
        return now

    def _answered(self, operation: str, answer: str, begun: float) -> None:
        self._tell(Answered("ldap", operation, answer, self._clock.monotonic() - begun))


def generalized_time(value: bytes) -> datetime:
    """``20261125191922.0Z`` as a time. Raises ValueError."""
    if len(value) == 17 and value.endswith(b".0Z") and value[:14].isdigit():  # as Active Directory writes them all
        return datetime(
            int(value[:4]), int(value[4:6]), int(value[6:8]), int(value[8:10]), int(value[10:12]), int(value[12:14]), tzinfo=UTC
        )
    return datetime.strptime(value.decode("ascii", "replace"), "%Y%m%d%H%M%S.%fZ").replace(tzinfo=UTC)


def comes_in_part(entry: Entry) -> bool:
    """Whether an attribute of it came as a range, so that there may be more."""
    return RANGE in "".join(entry.attributes)


def _range_of(entry: Entry, attribute: str) -> tuple[str, int, int | None] | None:
    """The key, first and last index (None: the end) of the range of *attribute* in an answer, if it came in one."""
    for key in entry.attributes:
        found = re.fullmatch(re.escape(attribute) + r";range=(\d+)-(\d+|\*)", key)
        if found:
            return key, int(found.group(1)), None if found.group(2) == "*" else int(found.group(2))
    return None


def _demand_success(result: Mapping[str, Any], what: str) -> None:
    code = result["result"]
    if code == SUCCESS:
        return
    do = {
        TIME_LIMIT: "The server's time limit cut the answer: a smaller page_size helps.",
        SIZE_LIMIT: "The server's size limit cut the answer: use its MaxPageSize (1000 by default) as page_size, or less.",
        REFERRAL: "The server does not hold this base: name a server of that domain, or correct base_dn.",
        NO_SUCH_OBJECT: "The base does not exist, or the bind account may not see it.",
        INSUFFICIENT_RIGHTS: "Let the bind account read below this base.",
    }.get(code, "")
    raise Declined(f"{what} ended with {result.get('description')} (result {code})", do)


def _to_where(result: Mapping[str, Any]) -> str:
    """The hosts a referral names; they are told and never asked."""
    hosts = dict.fromkeys(urlsplit(str(url)).hostname for url in result.get("referrals") or ())
    named = [host for host in hosts if host]
    return f" to {', '.join(named[:3])}" if named else ""


def _entries(answer: Answer, base_dn: str) -> Iterator[Entry]:
    try:
        yield from answer.entries()
    except (ValueError, LookupError) as error:
        raise Unusable(_why_broken(error, f"in a search below {base_dn or 'the root'}")) from None


def _answer_word(code: int) -> str:
    if code in {SUCCESS, NO_SUCH_OBJECT}:
        return "ok"
    if code == BUSY:
        return "throttled"
    return "refused" if code in NOT_TO_BE_SEEN else "server_error"


def _why_broken(error: BaseException, where: str) -> str:
    text = " ".join(str(error).split()).removeprefix("error receiving data: ")
    if isinstance(error, TimeoutError) or "timed out" in text or "no whole answer" in text:
        return f"no whole answer in time {where}"
    if isinstance(error, OSError | LDAPException):
        return f"the connection broke {where} ({text[:120]})"
    return f"it sent something that is no LDAP {where} ({type(error).__name__})"
