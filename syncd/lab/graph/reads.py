"""What the simulated Graph answers from the tenant, once it is known who asks and what for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from syncd.lab.answers import Answer
from syncd.lab.entra.apps import EntraApp
from syncd.lab.entra.objects import CONTACT, DEVICE, FIELDS, GROUP, SERVICE_PRINCIPAL, USER, EntraGroup, EntraUser, Thing
from syncd.lab.entra.tenant import EntraTenant, State
from syncd.lab.graph.answers import bad_request, found, not_found, text, unsupported
from syncd.lab.graph.delta import Deltas
from syncd.lab.graph.operations import ATTRIBUTES_OF, READS_HIDDEN, Operation
from syncd.lab.graph.paging import PageTokens, link
from syncd.lab.graph.query import PAGE_MAX, Options, filter_of, manager_asked, options_of
from syncd.lab.graph.views import context, shower
from syncd.lab.graph.wire import Call

CHECKED_GROUPS_MAX = 20

_COLLECTION = {USER: "users", GROUP: "groups", DEVICE: "devices", CONTACT: "contacts", SERVICE_PRINCIPAL: "servicePrincipals"}
_NO_COUNT = "$count is not currently supported."
_NO_FILTER = "The specified filter to the reference property query is currently not supported."


@dataclass(frozen=True, slots=True)
class Ask:
    """One permitted call. *cast*: the kind its path ends in. *empty*: a fault wants an empty page first."""

    call: Call
    operation: Operation
    key: str
    cast: str | None
    roles: frozenset[str]
    root: str
    empty: bool = False

    @property
    def eventual(self) -> bool:
        """Whether it came with ``ConsistencyLevel: eventual``."""
        return self.call.headers.get("consistencylevel", "").lower() == "eventual"


class Reads:
    """The tenant as Graph shows it. Replicas may be behind: ordinary reads by *read_lag*, advanced ones by *index_lag*."""

    def __init__(self, tenant: EntraTenant, apps: Sequence[EntraApp] = ()) -> None:
        self.tenant = tenant
        self.apps = apps
        self.pages = PageTokens()
        self.deltas = Deltas(tenant)
        self.read_lag = self.index_lag = self.delta_lag = timedelta(0)
        self.page_max = PAGE_MAX  # Graph may always give less than it was asked for
        self.members_need_advanced = False  # the strict reading of the page: $select and $top only the advanced way
        self.lists_expand_managers = False  # $expand=manager is documented for one user only
        self.lists_deleted_members = False  # whether Graph lists soft-deleted members is not documented
        self._handlers: dict[str, Callable[[Ask], Answer]] = {
            "list_users": self._list,
            "list_groups": self._list,
            "deleted_users": self._list,
            "members": self._list,
            "transitive_members": self._list,
            "member_of": self._list,
            "transitive_member_of": self._list,
            "count_users": self._count,
            "count_members": self._count,
            "count_transitive_members": self._count,
            "user": self._user,
            "group": self._group,
            "member_groups": self._member_groups,
            "deleted_user": self._deleted_user,
            "users_delta": self._delta,
            "groups_delta": self._delta,
            "application": self._application,
        }

    def answer(self, ask: Ask) -> Answer:
        """The answer. Raises GraphRefused."""
        return self._handlers[ask.operation.name](ask)

    # ---------------------------------------------------------------------------------------------------------- lists

    def _list(self, ask: Ask) -> Answer:
        call = ask.call
        kinds = _kinds(ask)
        options = options_of(call, ask.operation, kinds)
        _advanced_where_needed(ask, options, strict=self.members_need_advanced)
        lag = self.index_lag if options.advanced else self.read_lag
        state, known = self._state(call, lag), self.tenant.visible(call.at - lag if lag else None)
        total: int | None = None
        if call.continues:
            page = self.pages.further(call, min(options.top, self.page_max), eventual=ask.eventual, empty=ask.empty)
            still = None if page.seen == known else frozenset(self._ids(ask, options, state))
        else:
            ids = self._ids(ask, options, state)
            total, still = len(ids), None
            size = min(options.top, self.page_max)
            page = self.pages.first(call, ids, size, advanced=options.advanced, seen=known, empty=ask.empty)
        mixed = len(kinds) > 1
        if "$expand" in call.query and not self.lists_expand_managers:
            raise bad_request("The query parameter '$expand' is not supported for this request.", "BadRequest")
        show = shower(options.select, ask.roles, typed=mixed)
        things = (state.objects.get(id_) or state.bin.get(id_) for id_ in page.ids if still is None or id_ in still)
        body: dict[str, Any] = {
            "@odata.context": context(ask.root, "directoryObjects" if mixed else _COLLECTION[kinds[0]], options.select)
        }
        if options.count and total is not None:
            body["@odata.count"] = total
        if page.next_token:
            given = {name: value for name, value in call.query.items() if name != "$skiptoken"}
            body["@odata.nextLink"] = link(ask.root, below_version(call.path), {**given, "$skiptoken": page.next_token})
        body["value"] = [{**show(thing), **self._manager(ask, thing, state)} for thing in things if thing is not None]
        return found(body)

    def _count(self, ask: Ask) -> Answer:
        if not ask.eventual:
            raise bad_request(_NO_COUNT)
        options = Options(None, 1, count=True, filter=ask.call.query.get("$filter", ""), orderby="", advanced=True)
        return text(str(len(self._ids(ask, options, self._state(ask.call, self.index_lag)))))

    def _ids(self, ask: Ask, options: Options, state: State) -> list[str]:
        """Ids of everything listed, in order."""
        kinds = _kinds(ask)
        if ask.operation.name == "deleted_users":
            things: Iterable[Thing] = state.bin.values()
        elif ask.operation.name.endswith("member_of"):
            things = self._groups_of(ask, state)
        elif ask.key:
            group = self._existing_group(ask, state)
            if ask.cast == GROUP and group.unified:
                raise unsupported("Unsupported cast: a Microsoft 365 group has no members of type group.")
            things = self._members(ask, group, state)
        else:
            things = state.objects.values()
        if len(kinds) == 1:
            things = (thing for thing in things if thing.kind == kinds[0])
        if options.filter:
            test = filter_of(options.filter, kinds[0], advanced=options.advanced)
            things = (thing for thing in things if test(thing))
        if options.orderby:
            things = _ordered(things, options, kinds[0])
        return [thing.id for thing in things]

    def _members(self, ask: Ask, group: EntraGroup, state: State) -> Iterable[Thing]:
        may_see = _may_see(ask.roles, state)
        if ask.operation.name.endswith("transitive_members"):
            ids: Iterable[str] = state.below(group.id, through=may_see)
        else:
            ids = state.members.get(group.id, ()) if may_see(group.id) else ()
        for id_ in ids:
            thing = state.objects.get(id_)
            if thing is None and self.lists_deleted_members:
                thing = state.bin.get(id_)
            if thing is not None:
                yield thing

    def _groups_of(self, ask: Ask, state: State) -> Iterable[Thing]:
        """The groups a user is in, without those whose members may not be seen."""
        user, may_see = _find_user(ask.key, state), _may_see(ask.roles, state)
        if ask.operation.name.startswith("transitive"):
            return (state.objects[id_] for id_ in sorted(state.above(user.id, through=may_see)))
        return (state.objects[id_] for id_ in state.parents.get(user.id, ()) if id_ in state.objects and may_see(id_))

    # ------------------------------------------------------------------------------------------------- single objects

    def _user(self, ask: Ask) -> Answer:
        options = options_of(ask.call, ask.operation, (USER,))
        state = self._state(ask.call, self.read_lag)
        user = _find_user(ask.key, state)
        return found(
            {
                "@odata.context": context(ask.root, "users", options.select, entity=True),
                **shower(options.select, ask.roles, typed=False)(user),
                **self._manager(ask, user, state),
            }
        )

    def _manager(self, ask: Ask, user: Thing, state: State) -> dict[str, Any]:
        """What ``$expand=manager`` adds: nothing for whoever has none, or had one that is deleted."""
        asked = manager_asked(ask.call)
        above = state.objects.get(self.tenant.managers.get(user.id, "")) if asked is not None else None
        if above is None:
            return {}
        return {"manager": {"@odata.type": USER, **shower(asked or None, ask.roles, typed=False)(above)}}

    def _group(self, ask: Ask) -> Answer:
        options = options_of(ask.call, ask.operation, (GROUP,))
        group = self._existing_group(ask, self._state(ask.call, self.read_lag))
        return found(
            {
                "@odata.context": context(ask.root, "groups", options.select, entity=True),
                **shower(options.select, ask.roles, typed=False)(group),
            }
        )

    def _deleted_user(self, ask: Ask) -> Answer:
        options = options_of(ask.call, ask.operation, (USER,))
        thing = self._state(ask.call, self.read_lag).bin.get(ask.key)
        if not isinstance(thing, EntraUser):
            raise not_found(ask.key)
        return found(
            {
                "@odata.context": context(ask.root, "users", options.select, entity=True),
                **shower(options.select, ask.roles, typed=False)(thing),
            }
        )

    def _member_groups(self, ask: Ask) -> Answer:
        try:
            wanted = msgspec.json.decode(ask.call.body)["groupIds"]
        except (msgspec.DecodeError, KeyError, TypeError):
            raise bad_request("A value for the parameter 'groupIds' is required.") from None
        if not isinstance(wanted, list) or not wanted or len(wanted) > CHECKED_GROUPS_MAX:
            raise bad_request(f"The number of values in 'groupIds' must be from 1 to {CHECKED_GROUPS_MAX}.")
        for id_ in wanted:
            checked_guid(str(id_))
        state = self._state(ask.call, self.read_lag)
        user = _find_user(ask.key, state)
        within = state.above(user.id, through=_may_see(ask.roles, state))
        return found(
            {
                "@odata.context": f"{ask.root}/$metadata#Collection(Edm.String)",
                "value": [id_ for id_ in wanted if id_.lower() in within],
            }
        )

    def _application(self, ask: Ask) -> Answer:
        app = next((app for app in self.apps if app.client_id == ask.key), None)
        if app is None:
            raise not_found(ask.key)
        shown = {
            "id": app.object_id,
            "appId": app.client_id,
            "displayName": app.display_name,
            "keyCredentials": [],
            "passwordCredentials": [
                {
                    "keyId": secret.key_id,
                    "displayName": secret.name,
                    "hint": secret.value[:3],
                    "secretText": None,
                    "customKeyIdentifier": None,
                    "startDateTime": "2021-02-01T08:00:00Z",
                    "endDateTime": secret.expires_at or datetime(2299, 12, 30, tzinfo=UTC),
                }
                for secret in app.secrets
            ],
        }
        names = ask.call.query["$select"].split(",") if "$select" in ask.call.query else list(shown)
        return found(
            {
                "@odata.context": f"{ask.root}/$metadata#applications/$entity",
                **{name: shown[name] for name in names if name in shown},
            }
        )

    def _delta(self, ask: Ask) -> Answer:
        kind = USER if ask.operation.name == "users_delta" else GROUP
        select = options_of(ask.call, ask.operation, (kind,)).select
        if ask.call.query.get("$expand", "members") != "members":
            raise unsupported("Only 'members' can be expanded in a delta query.")
        if select is not None and "$expand" in ask.call.query:
            select = (*select, "members")
        moment = ask.call.at - self.delta_lag if self.delta_lag else None
        state = self.tenant.as_of(moment)
        shown = (
            None
            if READS_HIDDEN in ask.roles
            else frozenset(thing.id for thing in state.of(EntraGroup) if isinstance(thing, EntraGroup) and not thing.hidden)
        )
        query = self.deltas.query(ask.call, kind, select)
        return found(self.deltas.page(ask.call, query, ask.root, moment, shown=shown))

    # ------------------------------------------------------------------------------------------------------- lookups

    def _state(self, call: Call, lag: timedelta) -> State:
        return self.tenant.as_of(call.at - lag if lag else None)

    def _existing_group(self, ask: Ask, state: State) -> EntraGroup:
        checked_guid(ask.key)
        thing = state.objects.get(ask.key.lower())
        if not isinstance(thing, EntraGroup):
            raise not_found(ask.key)
        return thing


def below_version(path: str) -> str:
    """``/v1.0/users`` -> ``/users``."""
    return "/" + path.lstrip("/").partition("/")[2]


def checked_guid(text_: str) -> None:
    """Raises GraphRefused: 400, unless it is a GUID."""
    try:
        UUID(text_)
    except ValueError:
        raise bad_request(f"Invalid object identifier '{text_}'.") from None


def _kinds(ask: Ask) -> tuple[str, ...]:
    """The kinds a list holds: one, or all of them mixed."""
    if ask.cast is not None:
        return (ask.cast,)
    if ask.key:
        return tuple(ATTRIBUTES_OF)
    return (GROUP,) if ask.operation.name.endswith("groups") else (USER,)


def _advanced_where_needed(ask: Ask, options: Options, *, strict: bool) -> None:
    """A cast, a filter or an order among members needs ``ConsistencyLevel: eventual`` and ``$count=true``."""
    if options.advanced:
        if ask.key and ask.cast is None and (options.filter or options.orderby):
            raise unsupported(_NO_FILTER)
        return
    if ask.key and (ask.cast is not None or options.filter or options.orderby):
        raise unsupported(
            _NO_FILTER
            if options.filter
            else "Invalid search request."
            if ask.call.continues
            else "The request uses advanced query features: 'ConsistencyLevel: eventual' and '$count=true' are needed."
        )
    if ask.key and strict and {"$select", "$top"} & ask.call.query.keys():
        raise unsupported("The query options are supported only with 'ConsistencyLevel: eventual' and '$count=true'.")
    if options.filter and options.orderby:
        raise unsupported("Sorting not supported for current query.")


def _ordered(things: Iterable[Thing], options: Options, kind: str) -> list[Thing]:
    name, _, direction = options.orderby.partition(" ")
    if name not in FIELDS[kind] or direction not in ("", "asc", "desc"):
        raise unsupported(f"Unsupported sort property '{name}' for '{kind.rpartition('.')[2].capitalize()}'.")
    attribute = FIELDS[kind][name]
    return sorted(things, key=lambda thing: str(getattr(thing, attribute) or "").lower(), reverse=direction == "desc")


def _may_see(roles: frozenset[str], state: State) -> Callable[[str], bool]:
    """Whether the members of a group are shown to an app with these permissions."""
    if READS_HIDDEN in roles:
        return lambda _: True

    def may_see(group_id: str) -> bool:
        group = state.objects.get(group_id)
        return not (isinstance(group, EntraGroup) and group.hidden)

    return may_see


def _find_user(key: str, state: State) -> EntraUser:
    """By id or user principal name. Raises GraphRefused: 404, also for somebody in the recycle bin."""
    thing = state.objects.get(key.lower())
    if isinstance(thing, EntraUser):
        return thing
    wanted = key.lower()
    for candidate in state.objects.values() if "@" in key else ():
        if isinstance(candidate, EntraUser) and candidate.user_principal_name.lower() == wanted:
            return candidate
    raise not_found(key)
