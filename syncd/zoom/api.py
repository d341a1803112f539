"""The Zoom account, as ``ports.Zoom``: reads all users whole, looks at one, changes one.

Every read is proved whole (see ``walk``) or raises SourceError. Every change is one request on one account, by id; what a
refusal means is in ``refusals``, what is retried in ``http.client``. Deciding whom to change is none of its business.

More than 400 lines: every request to Zoom that may change something and every list that must be whole stand on one page,
since the promise above is about all of them together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

from syncd.concurrency import side_by_side
from syncd.errors import AccountUnreadable, AskedTooFast, NoUsableAnswer, Refused, SourceError, SyncdError
from syncd.events import LicencesCounted, Noted, ReadProgress
from syncd.http.answers import Reply
from syncd.http.client import RETRIES, Api, ApiSettings
from syncd.http.pace import backoff
from syncd.http.pacer import BudgetStore, Pacer
from syncd.http.tokens import TokenKeeper
from syncd.model import Inventory, OperationLog, Status, ZoomAccount, ZoomSnapshot, address_key
from syncd.ports import Clock, ReadSecret, Tell
from syncd.reading import Complete, Mark, NotWhole, Page, Walk, put_together, walk
from syncd.zoom import limits, scopes
from syncd.zoom.check import check
from syncd.zoom.content import content_of
from syncd.zoom.log import LOG_DAYS, LogPage, WireLine, days_of, operation_log_of
from syncd.zoom.parse import (
    Accounts,
    GroupsPage,
    MeetingsPage,
    PlanUsage,
    RolesPage,
    UsersPage,
    WireGroup,
    WireUser,
    reader,
    time_of,
)
from syncd.zoom.refusals import (
    about_the_set_up,
    account_unreadable,
    is_missing,
    odd_account,
    read_error,
    refusal,
    without_addresses,
)
from syncd.zoom.scopes import Operation
from syncd.zoom.token import CLOUDS, TokenSource, read_token_error
from syncd.zoom.walk import counted, whole

if TYPE_CHECKING:
    from syncd.zoom.events import ZoomEvents

T = TypeVar("T")

#: ``PATCH /users/{id}`` accepts these types only (1 Basic, 2 Licensed, 4 Unassigned).
LICENCES_TO_GIVE = frozenset({1, 2, 4})

#: Accounts that changed status while the lists were read and are looked at one by one; more, and all is read again.
MOVED_MAX = 20

GROUPS_PAGE_SIZE = 300

#: How long counting licences may take beside a read.
LICENCES_SECONDS = 10.0

#: Seconds that Zoom's time is worth: a person's verb waits no longer for it.
CLOCK_SECONDS = 5.0

#: Owners asked for; an account has one.
OWNERS_MAX = 30

#: Zoom lists recordings of a month at most.
RECORDINGS_DAYS = 30

_read_users = reader(UsersPage)
_read_user = reader(WireUser)
_read_roles = reader(RolesPage)
_read_groups = reader(GroupsPage)
_read_usage = reader(PlanUsage)
_read_meetings = reader(MeetingsPage)
_read_log = reader(LogPage)


@dataclass(frozen=True, slots=True)
class ZoomSettings:
    """The ``zoom`` section, and what else decides what is asked of Zoom. *share* is a fraction in (0, 1].

    *required_roles* and *required_groups* are names that must exist; without groups none are read. *read_seconds* bounds a
    whole read, *request_seconds* one try of one request. *writes*, *restores_licences* and *revokes_sessions* say which
    scopes ``check`` finds missing.
    """

    account_id: str
    client_id: str
    client_secret: ReadSecret = field(repr=False)
    cloud: str = "commercial"
    token_url: str | None = None
    api_url: str | None = None
    ca_file: str | None = None
    proxy: str | None = None
    page_size: int = 300
    account_plan: str = "pro"
    share: float = 0.5
    concurrency: int = 16
    max_wait_seconds: float = 60.0
    request_seconds: float = 60.0
    read_seconds: float = 3600.0
    required_roles: tuple[str, ...] = ()
    required_groups: tuple[str, ...] = ()
    writes: bool = False
    restores_licences: bool = False
    revokes_sessions: bool = False
    max_clock_skew_seconds: float = 300.0
    operation_log: bool = False
    events_subscription: str = ""
    events_url: str | None = None


class ZoomApi:
    """Implements ``ports.Zoom``. *store* keeps the daily budgets over a restart; without it they are counted in memory."""

    def __init__(self, settings: ZoomSettings, clock: Clock, tell: Tell, *, store: BudgetStore | None = None) -> None:
        cloud = CLOUDS[settings.cloud]
        token_url = settings.token_url or cloud.token_url
        token_path = token_url[len(_site(token_url)) :] or "/"
        pacer = Pacer(
            clock,
            tell,
            service="zoom",
            source="zoom",
            store=store,
            max_wait_seconds=settings.max_wait_seconds,
            pause_key=f"zoom-pause/{settings.account_id}",
            lanes=limits.lanes(settings.account_plan, settings.share),
            budgets=limits.budgets(settings.account_plan, settings.share, settings.account_id),
        )
        self._settings, self._clock, self._tell = settings, clock, tell
        self._token_api = Api(_api_settings(settings, _site(token_url)), clock, tell, read_error=read_token_error)
        self._token_source = TokenSource(
            self._token_api,
            token_path,
            account_id=settings.account_id,
            client_id=settings.client_id,
            client_secret=settings.client_secret,
            cloud=cloud,
            tell=tell,
            move=None if settings.api_url else self._move,
        )
        self._tokens = TokenKeeper(self._token_source.fetch, clock)
        self._api = Api(
            _api_settings(settings, settings.api_url or cloud.api_url),
            clock,
            tell,
            tokens=self._tokens,
            pacer=pacer,
            read_error=read_error,
        )
        #: Zoom's events, when they are configured.
        self.events: ZoomEvents | None = None
        if settings.events_subscription:
            from syncd.zoom.events import ZoomEvents, event_settings  # here: most processes listen to none

            own = TokenKeeper(self._token_source.fetch_for_app, clock)
            self.events = ZoomEvents(
                event_settings(
                    cloud.events_url, settings.events_subscription, settings.events_url, settings.ca_file, settings.proxy
                ),
                (own, self._tokens),
                clock,
                tell,
            )
        self._roles: Mapping[str, str] = {}
        #: Optional reads that Zoom refused, with the scopes the token had: asked no second time while it has the same.
        self._refused: dict[Operation, frozenset[str] | None] = {}
        self._throttled: dict[str, tuple[int, bool]] = {}  # how often in a row a change was answered 429; this account alone?

    # ------------------------------------------------------------------------------------------------- reading

    async def read(self) -> ZoomSnapshot:
        """All users of the three statuses, with roles and, when some are required, groups. Raises SourceError."""
        self._api.clock.restart()
        try:
            async with asyncio.timeout(self._settings.read_seconds):
                roles = self._roles = await self.read_roles()
                groups = await self.read_groups() if self._settings.required_groups else {}
                # A second time from the start, should too many accounts move between the lists.
                accounts = await whole("users", lambda: self._read_accounts(roles), self._clock, self._tell, attempts=2)
            await self._count_licences()
        except TimeoutError:
            raise SourceError(
                "zoom",
                f"zoom: not read whole within {self._settings.read_seconds:.0f} s.",
                "Raise zoom.page_size, or zoom.share if other programs leave room.",
            ) from None
        return ZoomSnapshot.whole(
            self._settings.account_id,
            self._clock.now(),
            accounts,
            roles=roles,
            groups=groups,
            clock_offset_seconds=self.clock_offset_seconds,
        )

    async def get_account(self, user: str) -> ZoomAccount | None:
        """One user by id or address; None when Zoom says that it knows none. Raises AccountUnreadable for whatever Zoom answers
        about this one alone or that cannot be understood, else SourceError."""
        try:
            reply = await self._request(scopes.GET_USER, "GET", f"/users/{segment(user)}")
        except NoUsableAnswer as error:
            if not error.connected:
                raise
            raise odd_account(user, error.answer, without_addresses(error.what).removesuffix(".")) from None
        except AskedTooFast:
            if not await self._answers_about_others(user):
                raise
            raise odd_account(user, "429", "it is refused for its rate each time, and others are not") from None
        if is_missing(reply):
            return None
        if not reply.ok:
            raise account_unreadable(scopes.GET_USER, reply, user)
        wire = self._understood(user, lambda: _read_user(reply.body, "get_user"))
        if "@" not in user and wire.id != user:
            raise odd_account(user, "other id", f"Zoom told about {wire.id or 'nobody'} instead")
        if not self._roles and (wire.role_id is None or wire.role_name is None):
            self._roles = await self.read_roles()
        return self._understood(user, lambda: Accounts(self._roles).account(wire, None, "get_user"))

    async def _answers_about_others(self, user: str) -> bool:
        """Whether somebody else can be read right now: one page of the list, and one request for one of those on it."""
        try:
            params = {"status": Status.ACTIVE.value, "page_size": str(OWNERS_MAX)}
            page = _read_users((await self._request(scopes.LIST_USERS, "GET", "/users", params=params)).body, "list_users")
            other = next((one.id for one in page.users if one.id and user not in (one.id, one.email)), None)
            if other is None:
                return False
            once = {"throttled_before": RETRIES["throttled"]}
            await self._request(scopes.GET_USER, "GET", f"/users/{segment(other)}", **once)
        except SourceError:
            return False
        return True

    async def list_roles_and_groups(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Roles and, when some are required, groups; each id -> name. Raises SourceError."""
        return await self.read_roles(), await self.read_groups() if self._settings.required_groups else {}

    async def read_roles(self) -> dict[str, str]:
        """Role names by id. Raises SourceError when a required one does not exist."""
        reply = await self._request(scopes.LIST_ROLES, "GET", "/roles")
        page = _read_roles(self._read_ok(scopes.LIST_ROLES, reply), "list_roles")
        roles = {role.id: role.name for role in page.roles}
        if page.total_records is not None and page.total_records != len(roles):
            # No danger: a role that is in no list counts as protected. Zoom's own printed example does not tie either.
            self._tell(Noted("roles.incomplete", "warning", {"came": len(roles), "announced": page.total_records}))
        _demand(self._settings.required_roles, roles.values(), "role", "protect.ordinary_roles")
        return roles

    async def read_groups(self) -> dict[str, str]:
        """Group names by id. Raises SourceError when a required one does not exist."""

        async def once() -> Complete[WireGroup]:
            async def ask(token: Mark | None, number: int) -> Page[WireGroup]:
                reply = await self._page(scopes.LIST_GROUPS, "/groups", {"page_size": str(GROUPS_PAGE_SIZE)}, token, number)
                page = _read_groups(reply.body, f"list_groups, page {number}")
                return Page(page.groups, page.next_page_token or None, page.total_records)

            return await walk(ask, counted(lambda group: group.id))

        groups = {group.id: group.name for group in await whole("groups", once, self._clock, self._tell)}
        _demand(self._settings.required_groups, groups.values(), "group", "protect.groups")
        return groups

    async def free_licences(self) -> int | None:
        """Licences bought and not in use; None when the app may not know, or the account is not a paid one. Raises
        SourceError."""
        reply = await self._may_ask(scopes.PLAN_USAGE, "/accounts/me/plans/usage")
        seats = _read_usage(reply.body, "plan_usage").seats() if reply is not None else None
        self._tell(LicencesCounted(*(seats or (None, None))))
        return None if seats is None else max(0, seats[0] - seats[1])

    async def _count_licences(self) -> None:
        """For observers alone: it may neither fail a read nor make it wait."""
        with suppress(SyncdError, TimeoutError):
            async with asyncio.timeout(LICENCES_SECONDS):
                await self.free_licences()

    async def meetings_ahead(self, zoom_id: str) -> tuple[int, datetime | None] | None:
        """How many meetings the user hosts from now on (six months at most), and when the first one begins; None when the
        app may not know. Raises SourceError."""
        reply = await self._may_ask(
            scopes.LIST_MEETINGS, f"/users/{segment(zoom_id)}/meetings", {"type": "upcoming", "page_size": "300"}
        )
        if reply is None:
            return None
        page = _read_meetings(reply.body, "list_meetings")
        starts = [at for meeting in page.meetings if (at := time_of(meeting.start_time)) is not None]
        return page.total_records, min((at for at in starts if at >= self._clock.now()), default=None)

    async def recordings(self, zoom_id: str) -> int | None:
        """How many cloud recordings of the last 30 days the user has; None when the app may not know. Raises SourceError."""
        today = self._clock.now().date()
        days = {"from": (today - timedelta(days=RECORDINGS_DAYS)).isoformat(), "to": today.isoformat(), "page_size": "300"}
        reply = await self._may_ask(scopes.LIST_RECORDINGS, f"/users/{segment(zoom_id)}/recordings", days)
        return None if reply is None else _read_meetings(reply.body, "list_recordings").total_records

    async def read_operation_log(self) -> OperationLog:
        """What Zoom's operation log says of users of the last three days, to its end. Raises SourceError, ScopeMissing: the
        scope, or a right of the role of whoever made the app."""
        until = self._clock.now()
        since = until - timedelta(days=LOG_DAYS)

        async def once() -> Complete[WireLine]:
            async def ask(token: Mark | None, number: int) -> Page[WireLine]:
                reply = await self._page(scopes.OPERATION_LOGS, "/report/operationlogs", days_of(since, until), token, number)
                page = _read_log(reply.body, f"operation_logs, page {number}")
                return Page(page.operation_logs, page.next_page_token or None)

            return await walk(ask)

        try:
            async with asyncio.timeout(self._settings.read_seconds):
                lines = await whole("operation log lines", once, self._clock, self._tell)
        except TimeoutError:
            raise SourceError(
                "zoom",
                f"zoom: the operation log was not read within {self._settings.read_seconds:.0f} s.",
                "It is evidence only: nothing waits for it, and it is read again later.",
            ) from None
        return operation_log_of(lines, since, until)

    async def check_operation_log(self) -> int:
        """Lines of today on the log's first page, to see whether it may be read. Raises SourceError, ScopeMissing, as
        ``read_operation_log``."""
        now = self._clock.now()
        reply = await self._request(scopes.OPERATION_LOGS, "GET", "/report/operationlogs", params=days_of(now, now))
        return len(_read_log(self._read_ok(scopes.OPERATION_LOGS, reply), "operation_logs").operation_logs)

    async def content_of(self, account: ZoomAccount) -> Inventory:
        """What the account holds, for a handover; what the app may not know is None. Raises SourceError."""
        return await content_of(self._may_ask, segment(account.zoom_id or ""), account, self._clock.now())

    async def owners(self) -> tuple[ZoomAccount, ...]:
        """Who has the role Owner; whoever owns the account is also whom the token acts for. Raises SourceError."""
        roles = await self.read_roles()
        found: list[ZoomAccount] = []
        for role_id in (id_ for id_, name in roles.items() if name.strip().casefold() == "owner"):
            reply = await self._request(
                scopes.LIST_USERS, "GET", "/users", params={"status": "active", "role_id": role_id, "page_size": str(OWNERS_MAX)}
            )
            page = _read_users(self._read_ok(scopes.LIST_USERS, reply), "list_users, owners")
            found += [
                Accounts(roles).account(user, Status.ACTIVE, "list_users, owners")
                for user in page.users
                if user.role_id in (None, role_id)
            ]
        return tuple(found)

    # ------------------------------------------------------------------------------------------------- changing

    async def set_status(self, zoom_id: str, *, active: bool) -> None:
        """Activates or deactivates. Raises as ``ports.Zoom`` says; Refused kind ``throttled`` after a 429, with the wait it
        asks for already begun: whoever repeats the change looks again first, and that look waits. When only this account is
        busy nobody else waits: the next change of it does."""
        body = {"action": "activate" if active else "deactivate"}
        before, busy = self._throttled.pop(zoom_id, (0, False))
        if busy:
            await self._clock.sleep(backoff(before, None, self._clock.random()))
        reply = await self._request(
            scopes.SET_STATUS,
            "PUT",
            f"/users/{segment(zoom_id)}/status",
            json=body,
            write=True,
            repeat_throttled=False,
            throttled_before=0 if busy else before,
        )
        if reply.ok:
            return
        error = refusal(scopes.SET_STATUS, reply)
        if isinstance(error, Refused) and error.kind == "throttled":
            self._throttled[zoom_id] = before + 1, error.alone
        raise error

    async def restore_licence(self, zoom_id: str, *, type_: int, plan: str | None) -> None:  # noqa: ARG002
        """Gives the licence type back. *plan* is not sent: Zoom refuses it beside a type, and add-ons are not given back.
        Raises as ``ports.Zoom`` says; Refused for a type that the API cannot give."""
        if type_ not in LICENCES_TO_GIVE:
            raise Refused(
                f"Licence type {type_} cannot be given by Zoom's API; nothing was sent.",
                kind="other",
                do="Assign the licence in the Zoom portal.",
            )
        await self._write(scopes.UPDATE_USER, "PATCH", f"/users/{segment(zoom_id)}", {"type": type_})

    async def revoke_sessions(self, zoom_id: str) -> None:
        """Ends the SSO session. Raises as ``set_status``."""
        await self._write(scopes.REVOKE_SESSIONS, "DELETE", f"/users/{segment(zoom_id)}/token", None)

    # ---------------------------------------------------------------------------------------------- the set-up

    @property
    def granted_scopes(self) -> frozenset[str] | None:
        """Scopes of the latest token; None before the first one, or when Zoom did not tell."""
        return self._token_source.scopes

    @property
    def clock_offset_seconds(self) -> float | None:
        """Zoom's clock minus ours; None while nothing was answered yet."""
        offset = self._api.clock_offset_seconds
        return self._token_api.clock_offset_seconds if offset is None else offset

    def send_only_while(self, may_send: Callable[[], bool]) -> None:
        """No change is sent once *may_send* says no, however long it waits for its turn already."""
        self._api.may_send = may_send

    def set_deadline(self, seconds: float | None) -> None:
        """No wait goes past so many seconds from now; None: no bound."""
        ends_at = None if seconds is None else self._clock.monotonic() + seconds
        self._api.ends_at = self._token_api.ends_at = ends_at

    async def get_token(self) -> None:
        """Fetches a fresh token: one at hand may have fewer scopes than the app has now. Raises SourceError,
        CredentialsRefused."""
        self._tokens.drop()
        await self._tokens.get()

    async def ask_clock(self) -> float | None:
        """See ``ports.Zoom.ask_clock``: any answer tells, a refusal too."""
        if self.clock_offset_seconds is None:
            with suppress(SyncdError, TimeoutError):
                async with asyncio.timeout(CLOCK_SECONDS):
                    await self._tokens.get()
        return self.clock_offset_seconds

    async def check_events(self) -> str | None:
        """That events can be had, in words; None: they are not configured. Raises SourceError."""
        return await self.events.check() if self.events is not None else None

    async def check(self) -> Sequence[tuple[str, bool, str]]:
        """See ``ports.Zoom.check``."""
        return await check(self, self._settings)

    async def close(self) -> None:
        """Gives connections and unused daily budget back."""
        await self._token_api.close()
        await self._api.close()

    # ------------------------------------------------------------------------------------------------- helpers

    async def _read_accounts(self, roles: Mapping[str, str]) -> Complete[ZoomAccount]:
        """The three lists, each whole, put together. Raises NotWhole when too many accounts moved between them."""
        parse = Accounts(roles)
        progress = _Progress(self._tell)
        granted = self.granted_scopes
        look = self.get_account if granted is None or scopes.allowed(scopes.GET_USER, granted) else None
        lists = await side_by_side(self._read_status(status, parse, progress) for status in Status)
        accounts = await _put_together(dict(zip(Status, lists, strict=True)), look, self._tell)
        _demand_a_role(accounts)
        return accounts

    async def _read_status(self, status: Status, parse: Accounts, progress: _Progress) -> Complete[ZoomAccount]:
        """Everybody with this status."""

        async def once() -> Complete[ZoomAccount]:
            rows = count()  # invitations have no id, and one address may have two: each is a row of its own
            pages: Walk[ZoomAccount] = counted(lambda account: account.zoom_id or next(rows))

            async def ask(token: Mark | None, number: int) -> Page[ZoomAccount]:
                where = f"list_users, {status.value}, page {number}"
                params = {"status": status.value, "page_size": str(self._settings.page_size)}
                reply = await self._page(scopes.LIST_USERS, "/users", params, token, number)
                page = _read_users(reply.body, where)
                items = [parse.account(user, status, where, row) for row, user in enumerate(page.users, 1)]
                progress.note(status, len(pages) + len(items), page.total_records)
                return Page(items, page.next_page_token or None, page.total_records)

            return await walk(ask, pages)

        return await whole(f"{status.value} users", once, self._clock, self._tell)

    async def _page(self, operation: Operation, path: str, params: dict[str, str], token: Mark | None, number: int) -> Reply:
        """One page. Raises NotWhole when the walk cannot go on from here, SourceError when Zoom refuses it."""
        if token:
            params = {**params, "next_page_token": str(token)}
        try:
            reply = await self._request(operation, "GET", path, params=params)
        except SourceError as error:  # the same error, and where in the list it met us
            status = f" of the {params['status']} users" if "status" in params else ""
            error.what = f"page {number}{status}: {error.what}"
            raise
        if number > 1 and reply.renewed:
            raise NotWhole(f"the token was refused at page {number}")
        if number > 1 and reply.status == 400 and reply.error is not None and reply.error.code == 300:
            raise NotWhole(f"the page token was refused at page {number} ({reply.error.message})")
        self._read_ok(operation, reply, f", page {number}")
        return reply

    def _read_ok(self, operation: Operation, reply: Reply, where: str = "") -> bytes:
        """The body of a good answer. A refused read is about no account: whatever it is, nothing could be read."""
        if reply.ok:
            return reply.body
        error = refusal(operation, reply)
        if isinstance(error, SourceError):
            raise error
        raise SourceError("zoom", f"zoom {operation.name}{where}: {error.what}", about_the_set_up(operation, reply))

    @staticmethod
    def _understood(user: str, parse: Callable[[], T]) -> T:
        """What *parse* makes of an answer about one account. Raises AccountUnreadable."""
        try:
            return parse()
        except SourceError as error:
            raise odd_account(user, "not understood", without_addresses(error.what).removesuffix(".")) from None

    async def _may_ask(self, operation: Operation, path: str, params: Mapping[str, str] | None = None) -> Reply | None:
        """The answer to a read that nothing depends on, None when the app may not ask or Zoom refuses. One that was refused
        for its scope or the account's plan is asked no second time: Zoom may switch off an app that keeps failing."""
        granted = self.granted_scopes
        if self._refused.get(operation, ...) == granted or (granted is not None and not scopes.allowed(operation, granted)):
            return None
        reply = await self._request(operation, "GET", path, params=params)
        if reply.ok:
            return reply
        if not isinstance(refusal(operation, reply), Refused) or operation is scopes.PLAN_USAGE:
            self._refused[operation] = self.granted_scopes
        return None

    async def _write(self, operation: Operation, method: str, path: str, body: Mapping[str, Any] | None) -> None:
        reply = await self._request(operation, method, path, json=body, write=True)
        if not reply.ok:
            raise refusal(operation, reply)

    async def _request(self, operation: Operation, method: str, path: str, **sending: Any) -> Reply:
        return await self._api.request(operation.name, operation.label, method, path, **sending)

    def _move(self, api_url: str) -> None:
        self._api.base_url = api_url


class _Progress:
    """Adds up how far the three walks are. The total is told once all three know theirs."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._items: dict[Status, int] = {}
        self._totals: dict[Status, int] = {}

    def note(self, status: Status, items: int, total: int) -> None:
        self._items[status], self._totals[status] = items, total
        known = sum(self._totals.values()) if len(self._totals) == len(Status) else None
        self._tell(ReadProgress("zoom", sum(self._items.values()), known))


async def _put_together(
    lists: Mapping[Status, Complete[ZoomAccount]],
    look: Callable[[str], Awaitable[ZoomAccount | None]] | None,
    tell: Tell,
) -> Complete[ZoomAccount]:
    """One account per id. Somebody who stands in two lists changed while they were read: they are looked at, and are what that
    shows (or nothing, when they are gone). One that cannot be looked at counts as active: whatever is decided about it is looked
    at again before it is done. A pending user who stands in another list accepted meanwhile. *look* None: the app may not look
    at single users (a dry run needs no scope for it)."""
    active, inactive = (
        {account.zoom_id or "": account for account in lists[status]} for status in (Status.ACTIVE, Status.INACTIVE)
    )
    pending = lists[Status.PENDING]
    moved = active.keys() & inactive.keys()
    if len(moved) > MOVED_MAX or (moved and look is None):
        raise NotWhole(f"{len(moved)} accounts stood in both the active and the inactive list")
    settled = {zoom_id: await _looked(look, active[zoom_id]) for zoom_id in sorted(moved)} if look is not None else {}
    known = [account for list_ in (active, inactive) for id_, account in list_.items() if id_ not in moved]
    known += [account for account in settled.values() if account is not None]
    addresses = {address_key(account.email) for account in known} if pending else set()
    invited = [account for account in pending if address_key(account.email) not in addresses]
    if moved or len(invited) < len(pending):
        facts = {"active_and_inactive": len(moved), "accepted": len(pending) - len(invited)}
        tell(Noted("zoom.moved_while_read", "info", facts))
    return put_together(known + invited, lists[Status.ACTIVE], lists[Status.INACTIVE], lists[Status.PENDING])


async def _looked(look: Callable[[str], Awaitable[ZoomAccount | None]], listed: ZoomAccount) -> ZoomAccount | None:
    with suppress(AccountUnreadable):
        return await look(listed.zoom_id or "")
    return listed


def _demand_a_role(accounts: Sequence[ZoomAccount]) -> None:
    """Every account has a role. A read that shows none for anybody is no proof that nobody is an administrator, and would keep
    everybody for ever. Raises SourceError."""
    with_id = [account for account in accounts if account.zoom_id is not None]
    if with_id and not any(account.role or (account.role_id or "").strip() for account in with_id):
        raise SourceError(
            "zoom",
            f"zoom: none of the {len(with_id)} accounts came with a role (role_id).",
            "Who is an administrator cannot be told: see whether something answers in Zoom's place (zoom.api_url, proxy).",
        )


def _demand(names: Sequence[str], existing: Any, kind: str, key: str) -> None:
    have = {name.strip().casefold(): name for name in existing}
    missing = [name for name in names if name.strip().casefold() not in have]
    if missing:
        there = ", ".join(sorted(have.values())[:20]) or "none"
        raise SourceError(
            "zoom",
            f"zoom: there is no {kind} {', '.join(missing)}, which {key} names; there are: {there}.",
            f"Correct {key}: protection that names nothing protects nobody.",
        )


def segment(user: str) -> str:
    """*user* as one path segment: ``+`` must arrive as ``%2B``. Raises ValueError for nothing, ``.`` and ``..``, which would name
    another path."""
    if not user or user in (".", ".."):
        raise ValueError("an id or an address is needed")
    return quote(user, safe="")


def _site(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _api_settings(settings: ZoomSettings, base_url: str) -> ApiSettings:
    return ApiSettings(
        service="zoom",
        source="zoom",
        base_url=base_url,
        ca_file=settings.ca_file,
        proxy=settings.proxy,
        concurrency=settings.concurrency,
        max_wait_seconds=settings.max_wait_seconds,
        request_seconds=settings.request_seconds,
        lenient_text=True,
    )
