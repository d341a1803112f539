"""Corp Example in Entra: the same people as in ``lab.company``, under GUIDs made from their ids, with the same events.

    tenant = entra_of(morning, now)            # a fresh tenant
    move(tenant, day_one(morning, now()).company)

Whoever leaves the company's directory is soft-deleted, whoever comes back is restored, as an administrator would do it.
Around the people lies what makes a real tenant untidy: devices, a service principal and a contact in the entitling group,
nested groups, a guest, a Microsoft 365 group and a hidden one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncd.lab.company import DOMAIN, ENTITLING_GROUP, LEAVERS_GROUP, PARTNER_DOMAIN, Company, Employee, Event
from syncd.lab.entra.objects import (
    HIDDEN,
    EntraUser,
    Thing,
    a_contact,
    a_device,
    a_group,
    a_guest,
    a_service_principal,
    a_unified_group,
    guid,
)
from syncd.lab.entra.tenant import EntraTenant
from syncd.model import Reason

#: Entitled people of these departments come by way of the department's group, which lies in the entitling one.
NESTED = ("Engineering",)

GUEST_ADDRESS = f"visiting.expert@{PARTNER_DOMAIN}"
HIDDEN_GROUP = "Redundancy planning"


def entra_of(company: Company, now: Callable[[], datetime]) -> EntraTenant:
    """A tenant with the company's people and groups."""
    groups = _group_names(company.people)
    things: list[Thing] = [a_group(name) for name in groups]
    things += [user_of(person, now()) for person in company.people]
    things += [
        a_unified_group("All Company", f"all@{DOMAIN}"),
        a_group(HIDDEN_GROUP, visibility=HIDDEN),
        a_guest(GUEST_ADDRESS),
        a_device("LAPTOP-0001"),
        a_service_principal("Zoom provisioning"),
        a_contact(f"desk@{PARTNER_DOMAIN}"),
    ]
    members: dict[str, list[str]] = {name: [] for name in groups}
    for person in company.people:
        for name in _memberships(person):
            members[name].append(entra_id(person))
    for name in NESTED:
        if name in members:
            members[ENTITLING_GROUP].append(guid(f"group {name}"))
    members[ENTITLING_GROUP] += [
        guid("device LAPTOP-0001"),
        guid("sp Zoom provisioning"),
        guid(f"contact desk@{PARTNER_DOMAIN}"),
        _GUEST_ID,
    ]
    members["All Company"] = [entra_id(person) for person in company.people]
    members[HIDDEN_GROUP] = [entra_id(person) for person in company.people[:2]]
    return EntraTenant(things, members, now=now)


_GUEST_ID = guid(f"user {GUEST_ADDRESS}")


def entra_id(person: Employee) -> str:
    """The object id of somebody of the company; it stays the same through renames and re-hires."""
    return guid(f"employee {person.id}")


def user_of(person: Employee, now: datetime) -> EntraUser:
    """The user object. Entra knows no expiry: somebody whose contract is over is disabled."""
    given, _, family = person.display_name.partition(" ")
    main, *more = person.addresses
    return EntraUser(
        id=entra_id(person),
        display_name=person.display_name,
        given_name=given,
        surname=family or None,
        mail=main,
        user_principal_name=main,
        mail_nickname=main.partition("@")[0],
        department=person.department,
        employee_id=person.id,
        company_name="Corp Example",
        usage_location="PT",
        proxy_addresses=(f"SMTP:{main}", *(f"smtp:{address}" for address in more)),
        account_enabled=person.enabled and (person.expires_at is None or person.expires_at > now),
    )


def move(tenant: EntraTenant, company: Company) -> None:
    """Brings the tenant to where *company* is, change by change."""
    now = {entra_id(person): person for person in company.people}
    employees = [
        thing.id
        for thing in (*tenant.state.objects.values(), *tenant.state.bin.values())
        if isinstance(thing, EntraUser) and thing.employee_id is not None
    ]
    for id_ in employees:
        if id_ in tenant.state.objects and id_ not in now:
            tenant.delete(id_)
    for id_, person in now.items():
        _arrive(tenant, id_, person)
    for name in _group_names(company.people):
        _regroup(tenant, name, company.people)


def in_entra(event: Event) -> Event:
    """The event with what should follow from it in Entra, where nobody expires: they are disabled."""
    return replace(
        event,
        expects=tuple(
            replace(one, reason=Reason.DISABLED_IN_DIRECTORY) if one.reason is Reason.EXPIRED_IN_DIRECTORY else one
            for one in event.expects
        ),
    )


def _arrive(tenant: EntraTenant, id_: str, person: Employee) -> None:
    wanted = user_of(person, tenant.now())
    if id_ in tenant.state.bin:
        tenant.restore(id_)
    if id_ not in tenant.state.objects:
        tenant.add(wanted)
        return
    fields: dict[str, Any] = {
        name: getattr(wanted, name)
        for name in (
            "display_name",
            "given_name",
            "surname",
            "mail",
            "user_principal_name",
            "mail_nickname",
            "department",
            "proxy_addresses",
            "account_enabled",
        )
    }
    tenant.update(id_, **fields)


def _regroup(tenant: EntraTenant, name: str, people: Iterable[Employee]) -> None:
    if guid(f"group {name}") not in tenant.state.objects:
        tenant.add(a_group(name))
    wanted = {entra_id(person) for person in people if name in _memberships(person)}
    there = {id_ for id_ in tenant.members_of(guid(f"group {name}")) if isinstance(tenant.state.objects.get(id_), EntraUser)}
    tenant.leave(guid(f"group {name}"), *sorted(there - wanted - {_GUEST_ID}))
    tenant.join(guid(f"group {name}"), *sorted(wanted - there))


def _memberships(person: Employee) -> tuple[str, ...]:
    """Groups somebody is a direct member of. Whoever is entitled by way of a nested group is not in the entitling one."""
    nested = person.department in NESTED and person.department in person.groups
    return tuple(name for name in person.groups if not (nested and name == ENTITLING_GROUP))


def _group_names(people: Iterable[Employee]) -> list[str]:
    names = {ENTITLING_GROUP: None, LEAVERS_GROUP: None}
    for person in people:
        names |= dict.fromkeys(person.groups)
    return list(names)
