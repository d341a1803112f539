"""Graph's bad days, as faults for ``graph.faults.add(fault, operation, times=1, skip=0)``; see also ``lab.faults``.

From there fit as they are: ``slow``, ``late_answer``, ``html_page``, ``connection_reset``, ``lost_answer``,
``truncated_answer``, ``token_expired`` (between two pages with ``skip=1``), ``page_token_expired``, ``meanwhile``,
``rewritten``, ``field_set``, ``field_missing``. For the token service: ``lab.entra.codes.sign_in_refused``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncd.lab.answers import Answer
from syncd.lab.entra.objects import guid
from syncd.lab.faults import Fault, retry_after, rewritten
from syncd.lab.graph.answers import DENIED, error, not_found, unauthorized

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EmptyPage(Fault):
    """The page asked for comes one link later; this one is empty."""


def refusing(status: int, code: str, message: str, **headers: str) -> Fault:
    """Any refusal in Graph's shape. *headers*: ``Retry_After="2.5"``."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(code, answer=lambda now: error(status, code, message, now, guid(f"fault {now}"), headers=fields))


# ----------------------------------------------------------------------------------------------- busy or out of order


def throttled(form: str = "seconds", seconds: float = 10.0, *, code: str = "TooManyRequests") -> Fault:
    """A 429, with Retry-After in one of ``faults.RETRY_AFTER_FORMS`` (``seconds``, ``fraction``, ``http_date`` …)."""
    return _later(429, code, "Please retry again later.", form, seconds)


def unavailable(form: str = "seconds", seconds: float = 5.0) -> Fault:
    """A 503, with or without Retry-After."""
    return _later(503, "serviceNotAvailable", "The service is temporarily unavailable.", form, seconds)


def gateway_timeout() -> Fault:
    """A 504 without a body."""
    return Fault("gateway_timeout", answer=lambda _: Answer(504))


def internal_error() -> Fault:
    """A 500 in Graph's shape: what it says about a group it cannot process."""
    return refusing(500, "InternalServerError", "Encountered an internal server error.")


def _later(status: int, code: str, message: str, form: str, seconds: float) -> Fault:
    def answer(now: datetime) -> Answer:
        value, retry_at = retry_after(form, now, seconds)
        headers = {} if value is None else {"Retry-After": value}
        if status == 429:
            headers["x-ms-throttle-information"] = "ResourceUnitLimitExceeded"
        return error(status, code, message, now, guid(f"fault {now}"), headers=headers, retry_at=retry_at)

    return Fault(f"{code}_{form}", answer=answer)


# ------------------------------------------------------------------------------------------------------------ refusals


def missing(name: str = "5b31c38c-2584-42f0-aa47-657fb3a84230") -> Fault:
    """A 404 although the object is there."""
    return _as_fault("missing", lambda: not_found(name))


def permission_denied() -> Fault:
    """A 403."""
    return refusing(403, "Authorization_RequestDenied", DENIED)


def signing_key_invalid() -> Fault:
    """A 401 with a good token."""
    return _as_fault("signing_key_invalid", lambda: unauthorized("Signing key is invalid."))


def _as_fault(name: str, refusal: Callable[[], Any]) -> Fault:
    def answer(now: datetime) -> Answer:
        said = refusal()
        return error(said.status, said.code, said.message, now, guid(f"fault {now}"), headers=said.headers)

    return Fault(name, answer=answer)


# -------------------------------------------------------------------------------------------------------- wrong pages


def empty_page() -> Fault:
    """An empty page with a link; the rows come behind it. Graph may do so at any time."""
    return EmptyPage("empty_page")


def next_link(url: str) -> Fault:
    """The page points to another address, for example to another host."""
    return rewritten(lambda page: page.__setitem__("@odata.nextLink", url))


def cut_short() -> Fault:
    """The page has no link although more would follow: a listing that ends too early, without a word."""
    return rewritten(lambda page: page.pop("@odata.nextLink", None) and None)


def short_page(missing_rows: int = 1) -> Fault:
    """The page lacks its last rows."""
    return rewritten(lambda page: page["value"].__delitem__(slice(-missing_rows, None)))


def repeated_row() -> Fault:
    """The last row of each page comes again as the first of the next one. Add it with ``times=None``."""
    last: list[Any] = []

    def change(page: Body) -> None:
        rows = page["value"]
        if last:
            rows.insert(0, last.pop())
        if page.get("@odata.nextLink") and rows:
            last.append(rows[-1])

    return rewritten(change)


def endless_walk() -> Fault:
    """The last page points to itself. Add it with ``times=None``."""
    links: list[str] = []

    def change(page: Body) -> None:
        if "@odata.nextLink" in page:
            links.append(page["@odata.nextLink"])
        elif links:
            page["@odata.nextLink"] = links[-1]

    return rewritten(change)


def nulls(rows: int | None = None) -> Fault:
    """The first *rows* users of the page (None: all) come without attributes, as if a permission were missing."""

    def change(page: Body) -> None:
        for row in page["value"][:rows]:
            if row.get("@odata.type", "#microsoft.graph.user").endswith("user"):
                row.update({name: None for name in row if name not in ("id", "@odata.type")})

    return rewritten(change)


def removed_in_initial(*ids: str) -> Fault:
    """A delta page tells of members that were removed although they are there, as real first answers do."""

    def change(page: Body) -> None:
        for row in page["value"]:
            if "members@delta" in row:
                row["members@delta"] += [
                    {"@odata.type": "#microsoft.graph.user", "id": id_, "@removed": {"reason": "deleted"}} for id_ in ids
                ]

    return rewritten(change)
