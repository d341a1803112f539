"""What ``syncd check`` says about Entra: one line per item, in the order in which things are needed, each with its fix."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime

from syncd.directories.entra.expiry import secret_ends_at
from syncd.directories.entra.graph import Graph
from syncd.directories.entra.groups import ConfiguredGroup, find_configured
from syncd.directories.entra.people import filter_for
from syncd.directories.entra.refusals import GRANT, READ_GROUPS, READ_HIDDEN, READ_USERS, granted
from syncd.directories.entra.settings import Certificate, ClientSecret, EntraSettings
from syncd.directories.entra.tokens import EntraTokens
from syncd.directories.entra.whole_read import read_people, read_whole
from syncd.errors import SyncdError
from syncd.events import CredentialExpires
from syncd.ports import Clock, Tell

Line = tuple[str, bool, str]

#: A certificate that ends sooner than this is no longer in order.
EXPIRY_DAYS_MIN = 14

#: So many people are named in one line.
NAMED_MAX = 5

#: What surprises operators, and no read can show.
HINTS = (
    "Active Directory's accountExpires is never synchronised to Entra ID: disable people who expire, or use a leaver group",
    (
        "the accounts of shared, room and equipment mailboxes are disabled by design: if one owns a Zoom account, write it into "
        "protect.accounts before enforcing"
    ),
)

_PURPOSE = {READ_USERS: "to read people", READ_GROUPS: "to read groups and their members"}


async def check(settings: EntraSettings, tokens: EntraTokens, graph: Graph, tell: Tell, clock: Clock) -> Sequence[Line]:
    """The lines of ``Directory.check``. Without a token nothing else can be looked at. What fails is a line, never raised."""
    ends_at = None
    try:
        ends_at = tokens.credential_ends_at()
        await tokens.get()
    except SyncdError as error:
        ended = [_credential(settings, ends_at, clock)] if ends_at is not None and ends_at <= clock.now() else []
        return [_trouble("entra token", error), *ended]  # Entra calls an ended certificate a wrong signature
    ends_at = ends_at or await secret_ends_at(graph, settings, tokens.roles, clock.now())
    tell(CredentialExpires("entra", ends_at))
    lines = [
        ("entra token", True, f"granted by {settings.authority_host} for {settings.resource}"),
        _credential(settings, ends_at, clock),
    ]
    lines += [_permission(name, tokens) for name in (READ_USERS, READ_GROUPS)]
    lines.append(await _said("entra groups", _groups(settings, tokens, graph, tell)))
    lines += (
        await _everybody(settings, tokens, graph, tell, clock)
        if lines[-1][1]
        else [await _said("entra users", _users(settings, graph, tell))]
    )
    lines.append(await _said("entra second look", graph.whole("users found", lambda: _second_look(settings, graph))))
    lines += [("entra hint", True, hint) for hint in HINTS]
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
    names = [group.name for group in found]
    hidden = f"; {READ_HIDDEN} is granted" if granted(READ_HIDDEN, tokens.roles) else ""
    return f"{len(names)} found: {', '.join(names[:10])}{', …' if len(names) > 10 else ''}{hidden}"


async def _users(settings: EntraSettings, graph: Graph, tell: Tell) -> str:
    people = await read_people(graph, settings, tell)
    return f"{len(people):,} read whole with {', '.join(settings.address_attributes)}"


async def _everybody(settings: EntraSettings, tokens: EntraTokens, graph: Graph, tell: Tell, clock: Clock) -> list[Line]:
    """Everybody and every group, read whole: what ``check`` calls in order a cycle can read."""
    try:
        whole = await read_whole(graph, tokens, settings, clock, tell)
    except SyncdError as error:
        return [_trouble("entra users", error)]
    people = whole.snapshot.people
    with_address = sum(1 for person in people if person.addresses)
    sizes = ", ".join(f"{group.name} {group.members:,}" for group in whole.snapshot.groups[:10])
    lines = [
        (
            "entra users",
            True,
            (
                f"{len(people):,} read whole with {', '.join(settings.address_attributes)}, {with_address:,} "
                f"of them have an address; members: {sizes}"
            ),
        )
    ]
    unclear = [person for person in people if person.unclear]
    if unclear:
        shown = "; ".join(f"{person.id}: {person.unclear}" for person in unclear[:NAMED_MAX])
        lines.append(
            (
                "entra unclear people",
                True,
                f"warning: {len(unclear)} of {len(people):,} cannot be understood, their accounts are left alone: {shown}",
            )
        )
    if whole.odd_members:
        shown = "; ".join(f"{id_} ({kind})" for id_, kind in sorted(whole.odd_members.items())[:NAMED_MAX])
        lines.append(
            (
                "entra members of unknown types",
                True,
                f"warning: {len(whole.odd_members)} members of the groups are no users and count as nobody: {shown}",
            )
        )
    return lines


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
    return (
        "entra clock",
        fine,
        f"{abs(offset):.0f} s {'ahead of' if offset > 0 else 'behind'} this machine"
        + ("" if fine else f", more than {skew_max:.0f} s: set this machine's clock"),
    )


def _trouble(what: str, error: SyncdError) -> Line:
    return what, False, f"{error.what} {error.do}".strip()
