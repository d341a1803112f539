"""As many people and Zoom accounts as wanted, always the same: for benchmarks, and to try things at size."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from syncd.lab.company import DOMAIN, ENTITLING_GROUP, Company, Employee
from syncd.lab.names import name
from syncd.lab.zoom.tenant import (
    ACTIVE,
    ADMIN_ROLE,
    BASIC,
    INACTIVE,
    LICENSED,
    MEMBER_ROLE,
    OWNER_ROLE,
    PENDING,
    ZoomUser,
    zoom_id,
)

_DEPARTMENTS = ("Engineering", "Sales", "Support", "Operations", "Finance")


def population(size: int, now: datetime, *, leavers: int = 0) -> Company:
    """*size* people with one Zoom account each: one in 100 inactive (and disabled in the directory), one in 200 not yet
    accepted, two in three licensed. The last *leavers* of them are missing from the directory."""
    people = tuple(_person(number) for number in range(size - leavers))
    users = tuple(_users(size, now))
    return Company(people, users, seats=size)


def _inactive(number: int) -> bool:
    return number % 100 == 50


def _person(number: int) -> Employee:
    department = _DEPARTMENTS[number % len(_DEPARTMENTS)]
    return Employee(
        f"P{number:07d}",
        name(number)[0],
        (f"u{number:07d}@{DOMAIN}",),
        department,
        (ENTITLING_GROUP, department),
        enabled=not _inactive(number),
    )


def _users(size: int, now: datetime) -> Iterable[ZoomUser]:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(size):
        address = f"u{number:07d}@{DOMAIN}"
        first, _, last = name(number)[0].partition(" ")
        inactive, pending = _inactive(number), number % 200 == 75
        yield ZoomUser(
            id=zoom_id(address),
            email=address,
            first_name=first,
            last_name=last,
            display_name=f"{first} {last}",
            type=LICENSED if number % 3 and not (inactive or pending) else BASIC,
            status=INACTIVE if inactive else PENDING if pending else ACTIVE,
            role_id=OWNER_ROLE if number == 0 else ADMIN_ROLE if number < 3 else MEMBER_ROLE,
            dept=_DEPARTMENTS[number % len(_DEPARTMENTS)],
            pmi=4_000_000_000 + number,
            last_login_time=midnight - timedelta(days=number % 40),
            last_client_version="6.5.3.1234(win)",
            user_created_at=midnight - timedelta(days=200 + number % 1500),
        )
