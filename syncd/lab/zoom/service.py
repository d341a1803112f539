"""A Zoom account that answers as Zoom documents itself: strictly, with limits, scopes, refusals and bad days.

``SimulatedZoom`` is an ASGI application and the state behind it. Its parts may be changed while it runs: ``tenant`` (users,
roles, groups, seats), ``oauth`` (credentials, scopes, tokens), ``limits``, ``faults``. Time and sleep are given to it, so a
test decides what time it is. What it serves stands in ``operations.py``; anything else is refused with code 2300.

For assertions: ``requests`` (every request, in the order of arrival of their answers), ``writes`` (those that may change
something) and ``changes`` (what really changed). No secret, token or body is ever kept.

More than 400 lines: one service answers every operation, and a request passes limits, faults, tokens and scopes in the order
of this page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from syncd.lab.answers import Answer, Refusal, as_json, invalid
from syncd.lab.faults import Cut, Fault, Faults, rewrite
from syncd.lab.wire import Broken, response_of
from syncd.lab.zoom.limits import AccountLimits, Throttled
from syncd.lab.zoom.oauth import OAuth
from syncd.lab.zoom.operations import OPERATIONS, Label, Operation
from syncd.lab.zoom.paging import Walks
from syncd.lab.zoom.socket import EventSocket
from syncd.lab.zoom.telling import Telling
from syncd.lab.zoom.tenant import (
    ACTIVE,
    BASIC,
    LICENSED,
    PENDING,
    UNASSIGNED,
    Change,
    Tenant,
)
from syncd.lab.zoom.views import as_listed, as_meeting, as_member, as_recording, as_shown, as_upcoming, starts_in_utc

TOKEN = "token"  # noqa: S105 (the name of a call)
LOG_CATEGORIES = (
    "all",
    "user",
    "user_settings",
    "account",
    "billing",
    "im",
    "recording",
    "phone_contacts",
    "webinar",
    "sub_account",
    "role",
    "zoom_rooms",
)
_STATUSES = ("active", "inactive", "pending")
_ACTIONS = ("activate", "deactivate", "clock_in", "clock_out")


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the simulated Zoom saw it. *status* 0: the connection was broken instead of an answer."""

    at: datetime  # arrival
    method: str
    path: str
    operation: str  # a name of operations.py, "token", or "" for what is not served
    status: int
    label: Label | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    user: str = ""  # id or address in the path
    action: str = ""  # of a status change
    code: int | None = None  # Zoom's error number
    app: str = ""  # client id behind the token; "" when nobody was authorised
    retry_at: datetime | None = None

    @property
    def writes(self) -> bool:
        """Whether it asked for a change."""
        return self.operation != TOKEN and self.method not in ("GET", "HEAD")


@dataclass(slots=True)
class _Call:
    """A request on its way through."""

    operation: Operation
    request: Request
    at: datetime
    body: bytes
    app: str = ""
    action: str = ""
    user: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    def json(self) -> dict[str, Any]:
        """The body as an object. Raises Refusal: 400/300."""
        try:
            value = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            value = None
        if not isinstance(value, dict):
            raise Refusal(400, 300, "Request Body should be a valid JSON object.")
        return value


class SimulatedZoom:
    """The account and its API. *now* gives aware times, *sleep* waits so many seconds."""

    def __init__(
        self,
        tenant: Tenant,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]],
        oauth: OAuth | None = None,
        limits: AccountLimits | None = None,
    ) -> None:
        self.tenant = tenant
        self.oauth = oauth or OAuth()
        self.limits = limits or AccountLimits()
        self.faults = Faults()
        self.telling = Telling(tenant, now, self.oauth.account_id)
        self.events = EventSocket(self.oauth, now)
        self.telling.listeners.append(self.events.send)
        self.latency_seconds = 0.0  # of every call
        self.clock_skew = timedelta(0)  # what the Date header is ahead of *now*
        self.page_size_max = 2000  # of the list of users; 300 until late in 2024
        self.status_answer = 200  # or 204: what a status change answers when it is done
        self.requests: list[Seen] = []
        self._now = now
        self._sleep = sleep
        self._walks = Walks()
        self._busy: set[str] = set()  # users with a write going on
        self._handlers: dict[str, Callable[[_Call], Answer]] = {
            "list_users": self._list_users,
            "users_summary": self._users_summary,
            "get_user": self._get_user,
            "update_user": self._update_user,
            "set_status": self._set_status,
            "revoke_sessions": self._revoke_sessions,
            "delete_user": self._delete_user,
            "list_meetings": self._list_meetings,
            "list_upcoming_meetings": self._list_upcoming_meetings,
            "list_recordings": self._list_recordings,
            "list_roles": self._list_roles,
            "role_members": self._role_members,
            "list_groups": self._list_groups,
            "group_members": self._group_members,
            "plan_usage": self._plan_usage,
            "operation_logs": self._operation_logs,
        }
        routes: list[BaseRoute] = [Route("/oauth/token", self._token, methods=["POST"])]
        routes += [
            Route("/v2" + operation.path, self._endpoint(operation), methods=[operation.method]) for operation in OPERATIONS
        ]
        routes.append(WebSocketRoute("/ws", self.events.endpoint))
        self._app = Starlette(routes=routes, exception_handlers={404: self._not_served, 405: self._not_served})
        self._app.router.redirect_slashes = False

    # ------------------------------------------------------------------------------------------------ for assertions

    @property
    def writes(self) -> list[Seen]:
        """Every request that asked for a change, carried out or not."""
        return [seen for seen in self.requests if seen.writes]

    @property
    def changes(self) -> list[Change]:
        """What the API really changed in the account."""
        return self.tenant.changes

    def asked(self, operation: str) -> list[Seen]:
        """The requests of one operation."""
        return [seen for seen in self.requests if seen.operation == operation]

    def peak(self, label: Label, window: timedelta = timedelta(seconds=1)) -> int:
        """The most requests of *label* that arrived within any one *window*, throttled ones included."""
        times = sorted(seen.at for seen in self.requests if seen.label is label)
        first = most = 0
        for last, at in enumerate(times):
            while times[first] <= at - window:
                first += 1
            most = max(most, last - first + 1)
        return most

    @property
    def early_retries(self) -> list[Seen]:
        """Repeated requests that came before the time an earlier 429 had asked for."""
        asked_for: dict[tuple[str, str, str], datetime] = {}
        early = []
        for seen in sorted(self.requests, key=lambda seen: seen.at):
            key = (seen.method, seen.path, repr(sorted(seen.query.items())))
            if key in asked_for and seen.at < asked_for[key]:
                early.append(seen)
            if seen.retry_at is not None:
                asked_for[key] = seen.retry_at
        return early

    # ----------------------------------------------------------------------------------------------------- the way in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Adds the Date header, from the given clock and the set skew."""

        async def dated(message: Any) -> None:
            if message["type"] == "http.response.start":
                stamp = format_datetime((self._now() + self.clock_skew).astimezone(UTC), usegmt=True)
                message["headers"] = [*message.get("headers", ()), (b"date", stamp.encode())]
            await send(message)

        await self._app(scope, receive, dated)

    def _endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            call = _Call(operation, request, self._now(), await request.body(), user=request.path_params.get("user", ""))
            struck = self.faults.strike(operation.name, call.user, call.query)
            return await self._answered(call.at, request, operation.name, struck, lambda: self._work(call, struck), call)

        return endpoint

    async def _token(self, request: Request) -> Response:
        at = self._now()
        params = {**dict(parse_qsl((await request.body()).decode("latin-1"))), **request.query_params}
        struck = self.faults.strike(TOKEN, "", {})

        async def work() -> Answer:
            await self._wait(struck, "wait_before")
            return self.oauth.issue(request.headers.get("authorization"), params, str(request.base_url).rstrip("/"), at)

        return await self._answered(at, request, TOKEN, struck, work)

    async def _not_served(self, request: Request, _: Exception) -> Response:
        answer = Refusal(400, 2300, "This API endpoint is not recognized.").answer
        self.requests.append(Seen(self._now(), request.method, request.url.path, "", answer.status, code=answer.code))
        return response_of(answer)

    async def _answered(
        self,
        at: datetime,
        request: Request,
        operation: str,
        struck: list[Fault],
        work: Callable[[], Awaitable[Answer]],
        call: _Call | None = None,
    ) -> Response:
        """Does *work* unless a fault comes first, and records what came of it."""
        cuts = {fault.cut for fault in struck if fault.cut is not None}
        instead = next((fault.answer for fault in struck if fault.answer is not None), None)
        if instead is not None or Cut.BEFORE in cuts:
            await self._wait(struck, "wait_before")
            answer = Answer(0) if instead is None else instead(at)
        else:
            try:
                answer = rewrite(await work(), struck)
            except Refusal as refusal:
                answer = refusal.answer
        await self._wait(struck, "wait_after")
        broken = bool(cuts) and instead is None
        self.requests.append(
            Seen(
                at,
                request.method,
                request.url.path,
                operation,
                0 if broken else answer.status,
                call.operation.label if call else None,
                dict(request.query_params),
                call.user if call else "",
                call.action if call else "",
                answer.code,
                call.app if call else "",
                answer.retry_at,
            )
        )
        if broken:
            return Broken(answer, politely=Cut.MIDDLE in cuts)
        return response_of(answer, call.headers if call else {})

    async def _wait(self, struck: list[Fault], when: str) -> None:
        seconds = sum(getattr(fault, when) for fault in struck)
        if when == "wait_before":
            seconds += self.latency_seconds
        if seconds > 0:
            await self._sleep(seconds)

    async def _work(self, call: _Call, struck: list[Fault]) -> Answer:
        """Token, scope, limit, then the work itself; never two writes on one user at a time. Raises Refusal."""
        authorization = call.request.headers.get("authorization")
        if any(fault.token_expired for fault in struck):
            self.oauth.expire(authorization, call.at)
        if any(fault.page_token_expired for fault in struck) and "next_page_token" in call.query:
            self._walks.expire_all()
        if "access_token" in call.query:
            raise self.oauth.trouble("Invalid access token, this access token is not supported as query parameter string.")
        call.app = self.oauth.authorise(authorization, call.operation, call.at).client_id
        try:
            call.headers = self.limits.take(call.operation.label, call.at)
        except Throttled as limit:
            raise Refusal(429, 429, limit.message, headers=limit.headers, retry_at=limit.resume_at) from None
        if not call.operation.writes:
            return await self._carried_out(call, struck)
        target = self.tenant.find(call.user)
        key = target.id if target else call.user
        if key in self._busy:
            raise Refusal(429, 429, "Too many concurrent requests. A request to change this user has already been made.")
        self._busy.add(key)
        try:
            return await self._carried_out(call, struck)
        finally:
            self._busy.discard(key)

    async def _carried_out(self, call: _Call, struck: list[Fault]) -> Answer:
        await self._wait(struck, "wait_before")
        for fault in struck:
            if fault.meanwhile is not None:
                fault.meanwhile()
        if any(fault.undone for fault in struck):
            return Answer(self.status_answer if call.operation.name == "set_status" else 204)
        return self._handlers[call.operation.name](call)

    # ---------------------------------------------------------------------------------------------------------- users

    def _list_users(self, call: _Call) -> Answer:
        status = call.query.get("status", ACTIVE)
        if status not in _STATUSES:
            raise invalid("status")
        users = self.tenant.listed(status, call.query.get("role_id"))
        if "license" in call.query:
            users = ()  # nobody here has the add-ons that this filters by
        page = self._walks.page(users, "users", call.query, call.at, default=30, maximum=self.page_size_max)
        return as_json({**page.envelope, "users": [as_listed(user) for user in users[page.rows]]})

    def _users_summary(self, _: _Call) -> Answer:
        people = [user for user in self.tenant.users if user.status != PENDING]
        rooms = sum(user.room for user in people)
        types = [user.type for user in people if not user.room]
        pending = len(self.tenant.listed(PENDING))
        return as_json(
            {
                "licensed_users_count": types.count(LICENSED),
                "basic_users_count": types.count(BASIC),
                "on_prem_users_count": 0,
                "room_users_count": rooms,
                "pending_users_count": pending,
                "join_only_users_count": types.count(UNASSIGNED),
                "total_users_count": len(people) + pending,
            }
        )

    def _get_user(self, call: _Call) -> Answer:
        user = self.tenant.existing(call.user)
        return as_json(as_shown(user, self.tenant.role(user.role_id), self.oauth.account_id))

    def _set_status(self, call: _Call) -> Answer:
        action = call.json().get("action")
        if action not in _ACTIONS:
            raise invalid("action")
        call.action = action
        self.tenant.set_status(call.user, action, call.at)
        return Answer(self.status_answer)

    def _update_user(self, call: _Call) -> Answer:
        self.tenant.update(call.user, call.json(), call.at)
        return Answer(204)

    def _revoke_sessions(self, call: _Call) -> Answer:
        self.tenant.revoke_sessions(call.user, call.at)
        return Answer(204)

    def _delete_user(self, call: _Call) -> Answer:
        action = call.query.get("action", "disassociate")
        if action not in ("disassociate", "delete"):
            raise invalid("action")
        kinds = [name for name in ("meeting", "webinar", "recording", "whiteboard") if _flag(call.query, f"transfer_{name}")]
        call.action = action
        self.tenant.end(call.user, action, call.query.get("transfer_email", ""), kinds, call.at)
        return Answer(204)

    def _list_meetings(self, call: _Call) -> Answer:
        user = self.tenant.existing(call.user)
        if not user.may_host:
            raise Refusal(400, 3161, "Meeting hosting and scheduling capabilities are not allowed for your user account.")
        kind = call.query.get("type", "scheduled")
        if kind == "live":
            meetings = []
        elif kind == "previous_meetings":
            meetings = [meeting for meeting in user.meetings if starts_in_utc(meeting) < call.at]
        elif kind in ("upcoming", "upcoming_meetings"):
            meetings = [meeting for meeting in user.meetings if starts_in_utc(meeting) >= call.at]
        elif kind == "scheduled":
            meetings = list(user.meetings)
        else:
            raise invalid("type")
        page = self._walks.page(meetings, f"meetings {user.id}", call.query, call.at, default=30, maximum=300)
        return as_json({**page.envelope, "meetings": [as_meeting(meeting, user) for meeting in meetings[page.rows]]})

    def _list_upcoming_meetings(self, call: _Call) -> Answer:
        user = self.tenant.existing(call.user, 3001)
        soon = [meeting for meeting in user.meetings if call.at <= starts_in_utc(meeting) < call.at + timedelta(hours=24)]
        return as_json({"total_records": len(soon), "meetings": [as_upcoming(meeting, user) for meeting in soon]})

    def _list_recordings(self, call: _Call) -> Answer:
        user = self.tenant.existing(call.user)
        first = _day(call.query, "from", call.at)
        last = min(_day(call.query, "to", call.at), first + timedelta(days=31))  # at most a month
        start, end = datetime.combine(first, time(), UTC), datetime.combine(last, time(), UTC) + timedelta(days=1)
        found = [recording for recording in user.recordings if start <= starts_in_utc(recording) < end]
        page = self._walks.page(found, f"recordings {user.id}", call.query, call.at, default=30, maximum=300)
        del page.envelope["page_number"]
        return as_json(
            {
                "from": first,
                "to": last,
                **page.envelope,
                "meetings": [as_recording(item, user, self.oauth.account_id) for item in found[page.rows]],
            }
        )

    # ----------------------------------------------------------------------------------------- roles, groups, licences

    def _list_roles(self, call: _Call) -> Answer:
        if call.query.get("type", "common") not in ("common", "iq"):
            raise invalid("type")
        roles = () if call.query.get("type") == "iq" else self.tenant.roles
        return as_json(
            {
                "total_records": len(roles),
                "roles": [
                    {
                        "id": role.id,
                        "name": role.name,
                        "description": role.description,
                        "type": "common",
                        "total_members": len(self.tenant.of_role(role.id)),
                    }
                    for role in roles
                ],
            }
        )

    def _role_members(self, call: _Call) -> Answer:
        role_id = call.request.path_params["role"]
        if self.tenant.role(role_id) is None:
            raise Refusal(400, 1034, "This role does not exist.")
        members = self.tenant.of_role(role_id)
        page = self._walks.page(members, f"role {role_id}", call.query, call.at, default=30, maximum=300)
        return as_json(
            {**page.envelope, "members": [{**as_member(user), "department": user.dept} for user in members[page.rows]]}
        )

    def _list_groups(self, call: _Call) -> Answer:
        groups = self.tenant.groups
        page = self._walks.page(groups, "groups", call.query, call.at, default=30, maximum=300)
        return as_json(
            {
                "groups": [
                    {"id": group.id, "name": group.name, "total_members": len(self.tenant.of_group(group.id))}
                    for group in groups[page.rows]
                ],
                "total_records": len(groups),
                "next_page_token": page.envelope["next_page_token"],
            }
        )

    def _group_members(self, call: _Call) -> Answer:
        group_id = call.request.path_params["group"]
        members = self.tenant.of_group(group_id)
        page = self._walks.page(members, f"group {group_id}", call.query, call.at, default=30, maximum=2000)
        return as_json({**page.envelope, "members": [as_member(user) for user in members[page.rows]]})

    def _plan_usage(self, call: _Call) -> Answer:
        account = call.request.path_params["account"]
        if not self.tenant.paid or account not in ("me", self.oauth.account_id):
            raise Refusal(400, 200, f"Only available for paid account: {account}.")
        used = self.tenant.seats_used
        return as_json(
            {
                "plan_base": {
                    "type": "yearly",
                    "hosts": used if self.tenant.seats is None else self.tenant.seats,
                    "usage": used,
                    "active_hosts": sum(user.licensed for user in self.tenant.listed(ACTIVE)),
                    "pending": 0,
                }
            }
        )

    def _operation_logs(self, call: _Call) -> Answer:
        """A month at most, both days are needed; the newest lines first, and no total."""
        missing = [name for name in ("from", "to") if name not in call.query]
        category = call.query.get("category_type", "all")
        if missing or category not in LOG_CATEGORIES:
            raise invalid(*(missing or ["category_type"]))
        first, last = _day(call.query, "from", call.at), _day(call.query, "to", call.at)
        if last < first or last - first > timedelta(days=31):
            raise invalid("from")
        lines = self.telling.visible(
            datetime.combine(first, time(), UTC), datetime.combine(last, time(), UTC) + timedelta(days=1), category
        )
        page = self._walks.page(lines, "operation log", call.query, call.at, default=30, maximum=300)
        return as_json(
            {
                "next_page_token": page.envelope["next_page_token"],
                "page_size": page.envelope["page_size"],
                "operation_logs": list(lines[page.rows]),
            }
        )


def _flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise invalid(name)
    return text == "true"


def _day(query: Mapping[str, str], name: str, now: datetime) -> date:
    text = query.get(name)
    if text is None:
        return now.astimezone(UTC).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise invalid(name) from None
