"""What ``syncd check`` says about Entra: one line per item, in the order in which things are needed, each with its fix."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime

from syncd.directories.entra.expiry import secret_ends_at
from syncd.directories.entra.graph import Graph
from syncd.directories.entra.groups import ConfiguredGroup, GroupsBelow, find_configured
from syncd.directories.entra.people import attributes_to_ask, filter_for, person_of
from syncd.directories.entra.refusals import GRANT, READ_GROUPS, READ_HIDDEN, READ_USERS, granted
from syncd.directories.entra.settings import Certificate, ClientSecret, EntraSettings
from syncd.directories.entra.tokens import EntraTokens
from syncd.errors import SyncdError
from syncd.events import CredentialExpires
from syncd.ports import Clock, Tell

Line = tuple[str, bool, str]

#: A certificate that ends sooner than this is no longer in order.
EXPIRY_DAYS_MIN = 14

_PURPOSE = {READ_USERS: "to read people", READ_GROUPS: "to read groups and their members"}


async def check(settings: EntraSettings, tokens: EntraTokens, graph: Graph, tell: Tell, clock: Clock) -> Sequence[Line]:
    """The lines. Without a token nothing else can be looked at."""
    ends_at = None
    try:
        ends_at = tokens.credential_ends_at()
        await tokens.get()
    except SyncdError as error:
        ended = [_credential(settings, ends_at, clock)] if ends_at is not None and ends_at <= clock.now() else []
        return [_trouble("entra token", error), *ended]          # Entra calls an ended certificate a wrong signature
    ends_at = ends_at or await secret_ends_at(graph, settings, tokens.roles, clock.now())
    tell(CredentialExpires("entra", ends_at))
    lines = [("entra token", True, f"granted by {settings.authority_host} for {settings.resource}"),
             _credential(settings, ends_at, clock)]
    lines += [_permission(name, tokens) for name in (READ_USERS, READ_GROUPS)]
    for what, look in (
        ("entra groups", lambda: _groups(settings, tokens, graph, tell)),
        ("entra users", lambda: _users(settings, graph)),
        ("entra second look", lambda: _second_look(settings, graph)),
    ):
        lines.append(await _said(what, graph.whole(what, look)))
    lines.append(_clock(graph.clock_offset_seconds, settings.max_clock_skew_seconds))
    return lines


def _credential(settings: EntraSettings, ends_at: datetime | None, clock: Clock) -> Line:
    if ends_at is None:
        why = " (with the permission Application.Read.All it could)" if isinstance(settings.credential, ClientSecret) else ""
        return "entra credential", True, f"when it ends cannot be told from here{why}: note it where you renew things"
    days = (ends_at - clock.now()).days
    kind = "certificate" if isinstance(settings.credential, Certificate) else "client secret"
    renew = "make a new one under Certificates & secrets of the app and replace the file"
    if days < 0:
        return "entra credential", False, f"the {kind} ended {ends_at:%Y-%m-%d}: {renew}"
    says = f"the {kind} ends {ends_at:%Y-%m-%d}, in {days} days"
    if days >= EXPIRY_DAYS_MIN:
        return "entra credential", True, says
    return "entra credential", False, f"{says}: {renew}; both work until then"


def _permission(name: str, tokens: EntraTokens) -> Line:
    has = granted(name, tokens.roles)
    what = f"entra permission {name}"
    if has is None:
        return what, True, "the token does not tell; a missing one shows when it is needed"
    if has:
        return what, True, f"granted, {_PURPOSE[name]}"
    # A directory role of the app's may stand in for it, so the lines below decide.
    return what, False, f"not in the token, needed {_PURPOSE[name]}. {GRANT.format(name)}"


async def _groups(settings: EntraSettings, tokens: EntraTokens, graph: Graph, tell: Tell) -> str:
    found: tuple[ConfiguredGroup, ...] = await find_configured(graph, settings, tokens.roles, tell)
    below = GroupsBelow(graph, settings, tokens.roles)
    for group in found:
        await below.try_one(group.id)
    names = [group.name for group in found]
    hidden = f"; {READ_HIDDEN} is granted" if granted(READ_HIDDEN, tokens.roles) else ""
    return f"{len(names)} found and readable: {', '.join(names[:10])}{', …' if len(names) > 10 else ''}{hidden}"


async def _users(settings: EntraSettings, graph: Graph) -> str:
    asked = settings.address_attributes
    page = await graph.page("list_users", "/users", {"$select": attributes_to_ask(asked), "$top": "10"})
    people = [person_of(entry, asked) for entry in page.value]
    with_address = sum(1 for person in people if person.addresses)
    return f"readable with {', '.join(asked)} ({with_address} of the first {len(people)} have an address)"


async def _second_look(settings: EntraSettings, graph: Graph) -> str:
    alternatives = filter_for("nobody@syncd.invalid", settings.address_attributes)
    await graph.page("search", "/users", {"$filter": " or ".join(alternatives), "$select": "id", "$top": "1"})
    return "people can be found by " + ", ".join(settings.address_attributes)


async def _said(what: str, finding: Awaitable[str]) -> Line:
    try:
        return what, True, await finding
    except SyncdError as error:
        return _trouble(what, error)


def _clock(offset: float | None, skew_max: float) -> Line:
    if offset is None:
        return "entra clock", True, "Graph did not tell the time"
    fine = abs(offset) <= skew_max
    return "entra clock", fine, f"{abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this machine" + (
        "" if fine else f", more than {skew_max:.0f} s: set this machine's clock")


def _trouble(what: str, error: SyncdError) -> Line:
    return what, False, f"{error.what} {error.do}".strip()
