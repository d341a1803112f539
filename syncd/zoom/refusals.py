"""What a refusal of Zoom means: one account, the whole set-up, or the service. Pure.

    HTTP / code          operation        means                                          raised
    400 / 200            status           message about Zoom Rooms or admin users        Refused account: for good
    400 / 200            any              message about permissions or scopes            ScopeMissing: stops the run
    400 / 200            any              any other message: 200 is a catch-all          Refused other
    400 / 300            status           the user hosts upcoming Zoom Events            Refused events: later, perhaps
    400 / 3412 2033 2034 2038             a cap of users or licences is reached          Refused no_licence
    404 / 1001           any              no such user, or of another account            Refused gone
    400 / 4700 4711      any              the app lacks a scope                          ScopeMissing, names it
    400, 404 / 2300      any              Zoom does not know the address                 SourceError: the set-up
    403                  any              the account may not use the API                SourceError
    429                  status           too fast, or another change of it goes on      Refused throttled: look, then again
    404, another code    any              not from this API: a proxy, a wrong address    SourceError
    any other 4xx        any                                                             Refused other

Codes 200 and 300 mean different things per operation, so they are never read without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from syncd.errors import Refused, ScopeMissing, SourceError, SyncdError
from syncd.http.client import ErrorBody, Reply
from syncd.zoom.scopes import SET_STATUS, Operation

TOKEN_CODE = 124
MISSING_CODES = frozenset({1001})
SCOPE_CODES = frozenset({4700, 4711})
LICENCE_CODES = frozenset({3412, 2033, 2034, 2038})

_ABOUT_RIGHTS = re.compile(r"permission|scope|access token", re.IGNORECASE)
#: "Contact your admin" is advice that may follow anything.
_CONTACT = re.compile(r"\bcontact\b[^.;]*", re.IGNORECASE)
_ABOUT_ACCOUNT = re.compile(r"\bzoom rooms?\b|\badmin(istrator)?s?\b", re.IGNORECASE)
_NAMED = re.compile(r"\[([^\]]{1,300})\]")
_ADDRESS = re.compile(r"[^\s@<>\"'\[\](),;:]+@[^\s@<>\"'\[\](),;]*[^\s@<>\"'\[\](),;.]")


def read_error(status: int, body: bytes, headers: Mapping[str, str]) -> ErrorBody:
    """Reads the API's error shape (``code``, ``message``, ``errors``); a body of another shape says nothing.

    Addresses in messages are replaced: messages end in logs and records that may not hold any.
    """
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        said = {}
    code = said.get("code", said.get("errorCode"))      # the second: another product of Zoom's, seen with expired tokens
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code)
    message = " ".join(part for part in (str(said.get("message") or ""), _fields(said.get("errors"))) if part)
    return ErrorBody(
        code=code if isinstance(code, int | str) else None,
        message=without_addresses(message)[:300],
        token_refused=status == 401 or (status == 400 and code == TOKEN_CODE),
        day_used_up=status == 429 and (
            headers.get("x-ratelimit-type", "").lower().startswith("daily") or "daily" in message.lower()
        ),
    )


def _fields(errors: Any) -> str:
    if not isinstance(errors, list):
        return ""
    found = [f"{error.get('field')}: {error.get('message')}" for error in errors if isinstance(error, dict)]
    return f"({'; '.join(found[:3])})" if found else ""


def without_addresses(text: str) -> str:
    """*text* with every e-mail address in it replaced."""
    return _ADDRESS.sub("(address)", text)


def is_missing(reply: Reply) -> bool:
    """Zoom says that it knows no such user. A bare 404 says no such thing: that may be any server."""
    return reply.status == 404 and reply.error is not None and reply.error.code in MISSING_CODES


def refusal(operation: Operation, reply: Reply) -> SyncdError:
    """What to raise for an answer that is neither 2xx nor retried: see the table above."""
    error = reply.error or ErrorBody()
    code, says = error.code, error.message or "no reason given"
    what = f"Zoom refused {operation.name}: {says} (HTTP {reply.status}, code {code if code is not None else 'none'})."
    if code in SCOPE_CODES or (code == 200 and _ABOUT_RIGHTS.search(says)):
        return _scope_missing(operation, what, says, right=code == 200)
    if reply.status == 403:
        return SourceError("zoom", what, "The account may not use this API: ask its owner about the plan and the app.")
    if code == 2300 or (reply.status == 404 and not is_missing(reply)):
        return SourceError("zoom", what, "This is not how Zoom answers about users: check zoom.api_url and the proxy.")
    kind, do = _kind(operation, reply, says)
    return Refused(what, kind=kind, code=code if isinstance(code, int) else None, status=reply.status, do=do)


def _kind(operation: Operation, reply: Reply, says: str) -> tuple[str, str]:
    code = reply.error.code if reply.error is not None else None
    if reply.status == 429:
        return "throttled", "Another program uses the limits, or works on this account: it is tried again more slowly."
    if is_missing(reply):
        return "gone", "Nothing to do: the account is no longer there."
    if code in LICENCE_CODES:
        return "no_licence", "Free or buy licences, then reactivate the account, or assign a licence by hand."
    if operation is SET_STATUS and code == 200 and _ABOUT_ACCOUNT.search(_CONTACT.sub("", says)):
        return "account", "Zoom's API cannot change admins and Zoom Rooms: do it in the Zoom portal."
    if operation is SET_STATUS and code == 300:
        return "events", "The user hosts upcoming Zoom Events: hand them over or wait; it is tried again in a later cycle."
    return "other", "It is tried again in the next cycle; if it stays, do it in the Zoom portal."


def _scope_missing(operation: Operation, what: str, says: str, *, right: bool) -> ScopeMissing:
    named = _NAMED.search(says)
    scope = named.group(1).strip() if named else ("" if right else operation.scope)
    if right:
        do = (f"The app acts with the rights of a role: give that role {scope or 'User: Edit'}, or the app "
              f"{operation.scope} ({operation.purpose}).")
    else:
        do = f"Add the scope {scope} to the app ({operation.purpose}), then wait some minutes."
    return ScopeMissing("zoom", what, do, scope=scope or operation.scope)
