"""What a refusal of Zoom means: one account, the whole set-up, or the service. Pure.

The code decides, whatever the HTTP status beside it; the status only where there is no code we know.

    code                  operation        means                                          raised
    4700 4711             any              the app lacks a scope, a fresh token too       ScopeMissing, names it
    124, 401 without one  any              the token is not good                          renewed by the HTTP policy
    200                   any              the token lacks scopes or permissions          ScopeMissing: stops the run
    200                   status           message about Zoom Rooms or admin users        Refused account: for good
    200                   one account      another message about permission               Refused rights
    200                   any              any other message: 200 is a catch-all          Refused other
    300                   status           the user hosts upcoming Zoom Events            Refused events: later, perhaps
    3412 2033 2034 2038   any              a cap of users or licences is reached          Refused no_licence
    1001                  any              no such user, or of another account            Refused gone
    429                   status           too fast, or another change of it goes on      Refused throttled: look, then again
    any other             one account      whatever Zoom says about this one              Refused other
    any other             a list           nothing could be read                          SourceError

What Zoom answers about one account is that account's: a read of it raises AccountUnreadable, a change of it Refused. That
it concerns everybody shows when others meet the same answer (``answer``), which is for whoever asks about many to see.
Codes 200 and 300 mean different things per operation, so they are never read without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from syncd.errors import AccountUnreadable, Refused, ScopeMissing
from syncd.http.answers import WEB_PAGE_ADVICE, ErrorBody, Reply
from syncd.zoom.scopes import OPERATION_LOGS, SET_STATUS, Operation

TOKEN_CODE = 124
TOO_FAST_CODE = 429
MISSING_CODES = frozenset({1001})
SCOPE_CODES = frozenset({4700, 4711})
LICENCE_CODES = frozenset({3412, 2033, 2034, 2038})

#: Codes that are never about the token or the rate, whatever status they come with.
_ABOUT_WHAT_WAS_ASKED = MISSING_CODES | SCOPE_CODES | LICENCE_CODES | {200, 300, 1005, 1010, 1108, 1109, 1120, 2039, 2300, 4100}

#: What only the token can lack, whoever is asked about.
_ABOUT_TOKEN = re.compile(r"access token|\bscopes?\b|does not contain permission", re.IGNORECASE)
_ABOUT_RIGHTS = re.compile(r"permission|not (?:allowed|authori[sz]ed)", re.IGNORECASE)
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
    code = said.get("code", said.get("errorCode"))  # the second: another product of Zoom's, seen with expired tokens
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code)
    code = code if isinstance(code, int | str) else None
    message = " ".join(part for part in (str(said.get("message") or ""), _fields(said.get("errors"))) if part)
    known = code in _ABOUT_WHAT_WAS_ASKED
    too_fast = code == TOO_FAST_CODE or (status == TOO_FAST_CODE and not known and code != TOKEN_CODE)
    return ErrorBody(
        code=code,
        message=without_addresses(message)[:300],
        token_refused=code == TOKEN_CODE,
        scope_missing=code in SCOPE_CODES,
        throttled=code == TOO_FAST_CODE,
        day_used_up=too_fast and (headers.get("x-ratelimit-type", "").lower().startswith("daily") or "daily" in message.lower()),
        busy=too_fast and "concurrent" in message.lower(),
        outranks=known and status in (401, TOO_FAST_CODE),
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
    """Zoom knows no such user. A bare 404 says no such thing: that may be any server."""
    return 400 <= reply.status < 500 and reply.error is not None and reply.error.code in MISSING_CODES


def refusal(operation: Operation, reply: Reply) -> Refused | ScopeMissing:
    """What to raise for an answer that is neither 2xx nor retried: see the table above."""
    error = reply.error or ErrorBody()
    code, says = error.code, error.message or "no reason given"
    what = f"Zoom refused {operation.name}: {says} (HTTP {reply.status}, code {code if code is not None else 'none'})."
    if code in SCOPE_CODES or (code == 200 and _ABOUT_TOKEN.search(says)):
        return _scope_missing(operation, what, says, right=code == 200)
    kind, do = _kind(operation, reply, says)
    return Refused(what, kind=kind, code=code if isinstance(code, int) else None, status=reply.status, do=do, alone=error.busy)


def _kind(operation: Operation, reply: Reply, says: str) -> tuple[str, str]:
    error = reply.error or ErrorBody()
    code = error.code
    if error.throttled or error.busy or (reply.status == TOO_FAST_CODE and not error.outranks):
        return "throttled", "Another program uses the limits, or works on this account: it is tried again more slowly."
    if is_missing(reply):
        return "gone", "Nothing to do: the account is no longer there."
    if code in LICENCE_CODES:
        return "no_licence", "Free or buy licences, then reactivate the account, or assign a licence by hand."
    if operation is SET_STATUS and code == 200 and _ABOUT_ACCOUNT.search(_CONTACT.sub("", says)):
        return "account", "Zoom's API cannot change admins and Zoom Rooms: do it in the Zoom portal."
    if operation is SET_STATUS and code == 300:
        return "events", "The user hosts upcoming Zoom Events: hand them over or wait; it is tried again in a later cycle."
    if code == 200 and _ABOUT_RIGHTS.search(says):
        return "rights", (
            "See what is special about this account in the Zoom portal; if others meet the same, the app acts with "
            "the rights of a role: give that role User: Edit."
        )
    if reply.is_web_page:
        return "other", WEB_PAGE_ADVICE
    if reply.status == 403:
        return "other", "If others meet the same, the account may not use this API: ask its owner about the plan and the app."
    if code == 2300 or (reply.status == 404 and code is None):
        return "other", "This is not how Zoom answers about users: if others meet the same, check zoom.api_url and the proxy."
    return "other", "It is tried again in the next cycle; if it stays, do it in the Zoom portal."


#: What the log needs of whoever made the app.
_LOG_RIGHTS = "Usage Reports and Admin Activity Logs (view)"


def about_the_set_up(operation: Operation, reply: Reply) -> str:
    """What to do about a refused read of a list."""
    code = reply.error.code if reply.error is not None else None
    if operation is OPERATION_LOGS and code == 200:
        return f"Give the role of whoever made the app the rights {_LOG_RIGHTS}; Zoom keeps this log on paid plans only."
    if reply.is_web_page:
        return WEB_PAGE_ADVICE
    if code == 2300 or (reply.status == 404 and code is None):
        return "This is not how Zoom answers about users: check zoom.api_url and the proxy."
    if reply.status == 403 and code is None:
        return "The account may not use this API: ask its owner about the plan and the app."
    return "See what the message says; `syncd check` looks at credentials, scopes and roles."


def account_unreadable(operation: Operation, reply: Reply, user: str) -> AccountUnreadable | ScopeMissing:
    """What to raise when a read of one account was refused. *user*: the id or address asked about."""
    error = refusal(operation, reply)
    if isinstance(error, ScopeMissing):
        return error
    return AccountUnreadable(
        f"zoom: {_named(user)} could not be read: {error.what}",
        "See what the Zoom portal shows for it. If others meet the same, `syncd check` looks at the set-up.",
        zoom_id=user,
        answer=error.answer,
    )


def odd_account(user: str, answer: str, says: str) -> AccountUnreadable:
    """What Zoom shows of one account contradicts itself or what was asked: nothing is concluded from it."""
    return AccountUnreadable(
        f"zoom: {_named(user)} could not be read: {says}.",
        "Nothing is concluded from it: see what the Zoom portal shows for it, and whether something answers in Zoom's place.",
        zoom_id=user,
        answer=answer,
    )


def _named(user: str) -> str:
    return "the account of (address)" if "@" in user else f"account {user}"


def _scope_missing(operation: Operation, what: str, says: str, *, right: bool) -> ScopeMissing:
    named = _NAMED.search(says)
    scope = named.group(1).strip() if named else ("" if right else operation.scope)
    if right:
        lacks = scope or "User: Edit"
        if operation is OPERATION_LOGS:
            lacks = f"{_LOG_RIGHTS}{f' [{scope}]' if scope else ''}"
        do = (
            f"The app acts with the rights of a role: give that role {lacks}, or the app {operation.scope} ({operation.purpose})."
        )
    else:
        do = f"Add the scope {scope} to the app ({operation.purpose}); the next cycle asks with a fresh token."
    return ScopeMissing("zoom", what, do, scope=scope or operation.scope)
