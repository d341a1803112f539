"""Bad days: what can go wrong on the way to Zoom, as values to put into a script.

``zoom.faults.add(server_error(503), "set_status", times=2)`` makes the next two status changes fail. A fault says what
happens, the script says when; nothing here sleeps or asks the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from typing import Any

import msgspec

from syncd.lab.answers import HTML, JSON, Answer, Refusal
from syncd.lab.zoom.limits import PER_DAY, PER_SECOND, iso


class Cut(StrEnum):
    """When the connection breaks."""

    BEFORE = "before"  # nothing was done
    AFTER = "after"  # it was done, the answer is lost
    MIDDLE = "middle"  # the answer breaks off half way


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. Several may hit the same request."""

    name: str
    wait_before: float = 0.0  # seconds until the work is done
    wait_after: float = 0.0  # seconds from then until the answer goes out
    answer: Callable[[datetime], Answer] | None = None  # instead of doing anything
    undone: bool = False  # answers success without doing it
    cut: Cut | None = None
    rewrite: Callable[[dict[str, Any]], Any] | None = None  # changes the decoded answer in place, or returns another
    token_expired: bool = False
    page_token_expired: bool = False
    meanwhile: Callable[[], object] | None = None  # runs right before the work: others change something


@dataclass(slots=True)
class Planned:
    """A fault in the script. *hits* counts how often it struck."""

    fault: Fault
    operation: str
    times: int | None
    skip: int
    user: str | None
    query: Mapping[str, str]
    hits: int = 0


@dataclass
class Faults:
    """The script of a bad day, in the order of adding."""

    planned: list[Planned] = field(default_factory=list)

    def add(
        self, fault: Fault, operation: str = "*", *, times: int | None = 1, skip: int = 0, user: str | None = None, **query: str
    ) -> Planned:
        """*fault* strikes calls of *operation* (``*``: all, the token request included) *times* times (None: always), after
        letting *skip* of them pass. *user*: only calls with this id or address in the path; *query*: only with these
        parameters, for example ``status="inactive"``."""
        planned = Planned(fault, operation, times, skip, user, query)
        self.planned.append(planned)
        return planned

    def clear(self) -> None:
        """The bad day is over."""
        self.planned.clear()

    def strike(self, operation: str, user: str, query: Mapping[str, str]) -> list[Fault]:
        """The faults that hit this request; counts them."""
        struck = []
        for planned in self.planned:
            if planned.operation not in ("*", operation) or planned.user not in (None, user):
                continue
            if any(query.get(name) != value for name, value in planned.query.items()) or planned.times == planned.hits:
                continue
            if planned.skip > 0:
                planned.skip -= 1
                continue
            planned.hits += 1
            struck.append(planned.fault)
        return struck


# ------------------------------------------------------------------------------------------- slow, broken, unreachable


def slow(seconds: float) -> Fault:
    """The work is done that late; a client that gave up meanwhile does not stop it."""
    return Fault("slow", wait_before=seconds)


def late_answer(seconds: float) -> Fault:
    """The work is done at once, the answer comes that late."""
    return Fault("late_answer", wait_after=seconds)


def server_error(status: int = 500) -> Fault:
    """A 5xx without doing anything, and without a body of any documented form."""
    return Fault("server_error", answer=lambda _: Answer(status, b"", {}, JSON))


def html_page(status: int = 502) -> Fault:
    """What a gateway in between says: a page for people. With status 200 it is a portal that swallowed the request."""
    page = b"<!DOCTYPE html><html><head><title>Gateway</title></head><body><h1>Please try again later</h1></body></html>"
    return Fault("html_page", answer=lambda _: Answer(status, page, {}, HTML))


def connection_reset() -> Fault:
    """The connection is reset before anything was done."""
    return Fault("connection_reset", cut=Cut.BEFORE)


def lost_answer() -> Fault:
    """The work is done, then the connection is reset: the client cannot know."""
    return Fault("lost_answer", cut=Cut.AFTER)


def truncated_answer() -> Fault:
    """The connection closes in the middle of the answer's body."""
    return Fault("truncated_answer", cut=Cut.MIDDLE)


def lost_write() -> Fault:
    """Success is answered, and nothing was done."""
    return Fault("lost_write", undone=True)


# ---------------------------------------------------------------------------------------------------------- throttling


def _whole_seconds_up(moment: datetime) -> datetime:
    return moment.replace(microsecond=0) + timedelta(seconds=1 if moment.microsecond else 0)


#: Every form in which a Retry-After was ever met, or may be.
RETRY_AFTER_FORMS = ("absent", "seconds", "fraction", "http_date", "iso", "past", "absurd", "negative", "nonsense")


def retry_after(form: str, now: datetime, seconds: float) -> tuple[str | None, datetime | None]:
    """The header's value, and the time before which nobody may try again (None: the header asks for nothing usable)."""
    at = now + timedelta(seconds=seconds)
    full = _whole_seconds_up(at)
    forms: dict[str, tuple[str | None, datetime | None]] = {
        "absent": (None, None),
        "seconds": (str(math.ceil(seconds)), now + timedelta(seconds=math.ceil(seconds))),
        "fraction": (f"{seconds:.3f}", at),
        "http_date": (format_datetime(full.astimezone(UTC), usegmt=True), full),
        "iso": (iso(full), full),
        "past": (iso(now - timedelta(days=1)), None),
        "absurd": (str(10**9), None),
        "negative": ("-5", None),
        "nonsense": ("soon", None),
    }
    return forms[form]


def throttled(form: str = "absent", seconds: float = 1.0, *, daily: bool = False) -> Fault:
    """A 429 although the limit is not reached, with Retry-After in one of RETRY_AFTER_FORMS."""

    def answer(now: datetime) -> Answer:
        value, retry_at = retry_after(form, now, seconds)
        headers = {"X-RateLimit-Type": "Daily-limit" if daily else "QPS", "X-RateLimit-Remaining": "0"}
        if value is not None:
            headers["Retry-After"] = value
        return Refusal(429, 429, PER_DAY if daily else PER_SECOND, headers=headers, retry_at=retry_at).answer

    return Fault(f"throttled_{form}", answer=answer)


# ------------------------------------------------------------------------------------------------------------ refusals


def refusal(code: int, message: str, status: int = 400) -> Fault:
    """Any refusal in the API's shape."""
    return Fault("refusal", answer=lambda _: Refusal(status, code, message).answer)


def account_denied() -> Fault:
    """403: the API is closed to this account. No body is published; this one has the general shape."""
    return refusal(403, "API access to this account is denied.", 403)


def token_expired() -> Fault:
    """The token of this request expires under way, so this request and later ones with it are refused."""
    return Fault("token_expired", token_expired=True)


def page_token_expired() -> Fault:
    """Every page token handed out so far expires; a request for a first page is not hit."""
    return Fault("page_token_expired", page_token_expired=True)


def meanwhile(change: Callable[[], object]) -> Fault:
    """Somebody else changes something right before this request is carried out."""
    return Fault("meanwhile", meanwhile=change)


# -------------------------------------------------------------------------------------------------------- wrong pages


def rewritten(change: Callable[[dict[str, Any]], Any]) -> Fault:
    """The decoded answer is changed in place, or replaced by what *change* returns."""
    return Fault("rewritten", rewrite=change)


def field_set(name: str, value: Any) -> Fault:
    """One field of the answer has another value, for example ``field_set("users", None)``."""
    return rewritten(lambda answer: answer.__setitem__(name, value))


def field_missing(name: str) -> Fault:
    """One field of the answer is left out."""
    return rewritten(lambda answer: answer.pop(name, None) and None)


def short_page(missing: int = 1, rows: str = "users") -> Fault:
    """The page lacks its last rows although the total counts them."""
    return rewritten(lambda answer: answer[rows].__delitem__(slice(-missing, None)))


def total_moved(by: int) -> Fault:
    """``total_records`` differs by so many from what it was on other pages."""
    return rewritten(lambda answer: answer.__setitem__("total_records", answer["total_records"] + by))


def repeated_user(rows: str = "users") -> Fault:
    """The last row of each page comes again as the first of the next one. Add it with ``times=None``."""
    last: list[Any] = []

    def change(answer: dict[str, Any]) -> None:
        page = answer[rows]
        if last:
            page.insert(0, last.pop())
        if answer.get("next_page_token"):
            last.append(page[-1])

    return rewritten(change)


def endless_walk() -> Fault:
    """There is always a next page. Add it with ``times=None``."""
    return rewritten(lambda answer: answer.__setitem__("next_page_token", answer["next_page_token"] or "once-more"))


def rewrite(answer: Answer, faults: list[Fault]) -> Answer:
    """*answer* with the rewriting faults applied to its JSON body."""
    changes = [fault.rewrite for fault in faults if fault.rewrite is not None]
    if not changes or not answer.body or answer.status >= 300:
        return answer
    value = msgspec.json.decode(answer.body)
    for change in changes:
        replaced = change(value)
        value = value if replaced is None else replaced
    return Answer(answer.status, msgspec.json.encode(value), answer.headers, answer.content_type)
