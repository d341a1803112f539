"""Corp Example: a believable company of 240 people with its directory, its Zoom account, and what happens to it.

Everything is a value and always the same; events are functions from one company to the next. Whoever plays them decides
when. Besides ordinary people it holds one of everything that makes offboarding hard.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from msgspec import structs

from syncd.lab.names import name
from syncd.lab.zoom.tenant import (
    ACTIVE,
    ADMIN_ROLE,
    BASIC,
    INACTIVE,
    LICENSED,
    OWNER_ROLE,
    PENDING,
    STANDARD_ROLES,
    Group,
    Meeting,
    Role,
    Tenant,
    ZoomUser,
    a_user,
    zoom_id,
)
from syncd.model import Action, Reason

DOMAIN = "corp.example"
ALIAS_DOMAIN = "corp-old.example"  # what Corp Example was called; its addresses still stand in Zoom
PARTNER_DOMAIN = "partner.example"  # out of scope
ENTITLING_GROUP = "Zoom Users"
LEAVERS_GROUP = "Leavers"
CHIEF = f"ceo@{DOMAIN}"

ROOMS = Group(zoom_id("group rooms"), "Rooms")
STUDIO = Group(zoom_id("group studio"), "Webinar Studio")
HELP_DESK = Role("RqHelpDesk0aT3mWq9xV2bLg", "Help Desk", "Resets passwords and licences.", admin=True)

DEPARTMENTS = (
    ("Executive", 4),
    ("IT", 10),
    ("People", 10),
    ("Finance", 16),
    ("Legal", 6),
    ("Marketing", 16),
    ("Operations", 18),
    ("Customer Support", 36),
    ("Engineering", 64),
    ("Sales", 60),
)
COLUMNS = ("id", "display_name", "addresses", "enabled", "expires_at", "groups", "department")


@dataclass(frozen=True, slots=True)
class Employee:
    """One person of the directory, as an HR export has them."""

    id: str
    display_name: str
    addresses: tuple[str, ...]  # the main one first
    department: str
    groups: tuple[str, ...] = (ENTITLING_GROUP,)
    enabled: bool = True
    expires_at: datetime | None = None

    @property
    def address(self) -> str:
        """The main address."""
        return self.addresses[0]

    def row(self) -> tuple[str, ...]:
        """The fields in the order of COLUMNS, as the file directory reads them."""
        expires = self.expires_at.astimezone(UTC).isoformat().replace("+00:00", "Z") if self.expires_at else ""
        return (
            self.id,
            self.display_name,
            ";".join(self.addresses),
            "true" if self.enabled else "false",
            expires,
            ";".join(self.groups),
            self.department,
        )


@dataclass(frozen=True, slots=True)
class Company:
    """Both sides at one moment."""

    people: tuple[Employee, ...]
    users: tuple[ZoomUser, ...]
    seats: int

    def people_csv(self) -> str:
        """The file directory."""
        return as_csv(self.people)

    def tenant(self) -> Tenant:
        """A fresh Zoom account with these users."""
        return Tenant(self.users, roles=(*STANDARD_ROLES, HELP_DESK), groups=(ROOMS, STUDIO), seats=self.seats)

    def department(self, of: str) -> tuple[Employee, ...]:
        """The people of one department, the longest there first."""
        return tuple(person for person in self.people if person.department == of)

    def person(self, id_: str) -> Employee:
        """The person with this id. Raises KeyError."""
        for person in self.people:
            if person.id == id_:
                return person
        raise KeyError(id_)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What becomes due of one Zoom account after an event, by its Zoom address."""

    address: str
    action: Action
    reason: Reason


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened: the company afterwards, the story in a sentence each, and what should follow from it."""

    title: str
    story: tuple[str, ...]
    company: Company
    expects: tuple[Expectation, ...] = ()


def as_csv(people: Iterable[Employee]) -> str:
    """CSV text with the file directory's header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(person.row() for person in people)
    return text.getvalue()


# -------------------------------------------------------------------------------------------------- an ordinary day


def corp_example(now: datetime) -> Company:
    """The company on an ordinary morning: both sides in step. *now* dates logins, contracts and meetings."""
    people = tuple(_people(now))
    users = (*_accounts(people, now), *_strangers(now))
    taken = sum(user.licensed for user in users)
    return Company(people, users, seats=taken + 5)


def _people(now: datetime) -> Iterable[Employee]:
    number = 0
    for department, size in DEPARTMENTS:
        for place in range(size):
            display_name, local = name(number)
            person = Employee(
                f"E{1001 + number}", display_name, (f"{local}@{DOMAIN}",), department, (ENTITLING_GROUP, department)
            )
            yield _special(person, place, now)
            number += 1


def _special(person: Employee, place: int, now: datetime) -> Employee:
    match person.department, place:
        case "Executive", 0:
            return replace(person, addresses=(*person.addresses, CHIEF))
        case "Engineering", 5:  # signs in with a number, mails with a name: two Zoom accounts
            return replace(person, addresses=(*person.addresses, f"{person.id.lower()}@{DOMAIN}"))
        case "Marketing", 2:  # took another name years ago; the old address is kept
            family = person.address.partition("@")[0].partition(".")[2]
            return replace(person, addresses=(f"{family}.{family}@{DOMAIN}", person.address))
        case "Operations", 6:  # a contractor
            return replace(person, expires_at=(now + timedelta(days=90)).replace(microsecond=0))
        case _:
            return person


def _accounts(people: Sequence[Employee], now: datetime) -> Iterable[ZoomUser]:
    places: dict[str, int] = {}
    for number, person in enumerate(people):
        place = places[person.department] = places.get(person.department, -1) + 1
        if place > 0 and number % 31 == 17:  # never asked for an account
            continue
        user = _account(person, number, now)
        if address := _other_address(person, place):
            yield structs.replace(user, email=address, id=zoom_id(address))
        else:
            yield structs.replace(user, **_special_account(person.department, place))
        if (person.department, place) == ("Engineering", 5):
            yield structs.replace(user, email=person.addresses[1], id=zoom_id(person.addresses[1]), type=BASIC)


def _other_address(person: Employee, place: int) -> str:
    """Zoom knows some people by another address than their main one."""
    match person.department, place:
        case ("Executive", 0) | ("Marketing", 2):
            return person.addresses[1]
        case "Finance", 3:  # never renamed after the company was
            return person.address.replace(f"@{DOMAIN}", f"@{ALIAS_DOMAIN}")
        case _:
            return ""


def _special_account(department: str, place: int) -> dict[str, object]:
    match department, place:
        case "IT", 0:
            return {"role_id": OWNER_ROLE, "type": LICENSED}
        case "IT", 1 | 2 | 3:
            return {"role_id": ADMIN_ROLE, "type": LICENSED}
        case "IT", 4:
            return {"role_id": HELP_DESK.id}
        case "Legal", 4:  # somebody at the portal had a reason
            return {"status": INACTIVE, "type": BASIC}
        case "Marketing", 0:
            return {"group_ids": (STUDIO.id,)}
        case "Customer Support", _ if place >= 31:  # newcomers who have not accepted yet
            return {"status": PENDING, "type": BASIC, "meetings": (), "last_login_time": None}
        case _:
            return {}


def _account(person: Employee, number: int, now: datetime) -> ZoomUser:
    first, _, last = person.display_name.partition(" ")
    seldom = person.department in ("Customer Support", "Operations", "Finance") and number % 3 == 0
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    weekly = Meeting(
        id=91_000_000_000 + number,
        topic=f"{person.department} weekly",
        start_time=midnight + timedelta(days=1, hours=9 + number % 8),
        minutes=30,
    )
    return a_user(
        person.address,
        first_name=first,
        last_name=last,
        display_name=person.display_name,
        dept=person.department,
        type=BASIC if seldom else LICENSED,
        status=ACTIVE,
        pmi=4_000_000_000 + number * 7919,
        last_client_version="6.5.3.1234(win)",
        last_login_time=midnight - timedelta(days=number * 7 % 40, hours=number % 12),
        user_created_at=midnight - timedelta(days=200 + number * 13 % 1500),
        meetings=(weekly,) if number % 9 == 0 else (),
    )


def _strangers(now: datetime) -> Iterable[ZoomUser]:
    """Accounts that belong to nobody in the directory, as every Zoom account has."""
    created = now.astimezone(UTC).replace(hour=8, minute=0, second=0, microsecond=0) - timedelta(days=900)
    for room in ("lisbon", "tallinn", "nairobi", "osaka"):
        yield a_user(
            f"room-{room}@{DOMAIN}",
            first_name="Room",
            last_name=room.capitalize(),
            room=True,
            type=LICENSED,
            group_ids=(ROOMS.id,),
            user_created_at=created,
        )
    for number in (400, 401, 402):  # left long ago, deactivated by hand
        display_name, local = name(number)
        first, _, last = display_name.partition(" ")
        yield a_user(
            f"{local}@{DOMAIN}",
            first_name=first,
            last_name=last,
            display_name=display_name,
            status=INACTIVE,
            last_login_time=created + timedelta(days=300),
            user_created_at=created,
        )
    for number in (410, 411, 412):  # a partner's people
        display_name, local = name(number)
        first, _, last = display_name.partition(" ")
        yield a_user(
            f"{local}@{PARTNER_DOMAIN}",
            first_name=first,
            last_name=last,
            display_name=display_name,
            last_login_time=created + timedelta(days=800),
            user_created_at=created,
        )


# ------------------------------------------------------------------------------------------------------- what happens


def day_one(company: Company, now: datetime) -> Event:
    """Four people leave, each in another way; so does an administrator, whom the API cannot touch; and somebody marries."""
    moved = company.department("Marketing")[7]
    gone = company.department("Engineering")[20]
    disabled = company.department("Customer Support")[3]
    contractor = company.department("Operations")[6]
    admin = company.department("IT")[3]
    married = company.department("Legal")[2]
    new_address = f"{married.address.partition('.')[0]}.okonkwo-vale@{DOMAIN}"
    people = _with(
        company.people,
        {
            moved.id: replace(moved, groups=(moved.department,)),
            gone.id: None,
            disabled.id: replace(disabled, enabled=False),
            contractor.id: replace(contractor, expires_at=(now - timedelta(hours=1)).replace(microsecond=0)),
            admin.id: replace(admin, enabled=False),
            married.id: replace(
                married, addresses=(new_address,), display_name=f"{married.display_name.partition(' ')[0]} Okonkwo-Vale"
            ),
        },
    )
    return Event(
        "Day one: people leave",
        (
            f"{moved.display_name} moved to a subsidiary and is out of the group {ENTITLING_GROUP}",
            f"{gone.display_name} left and is no longer in the directory",
            f"{disabled.display_name} left and is disabled",
            f"the contract of {contractor.display_name} ended an hour ago",
            f"{admin.display_name}, a Zoom administrator, left: Zoom's API refuses to deactivate administrators",
            f"{married.display_name} married and has another name and address: nothing may happen",
        ),
        replace(company, people=people),
        (
            Expectation(moved.address, Action.DEACTIVATE, Reason.LEFT_GROUPS),
            Expectation(gone.address, Action.DEACTIVATE, Reason.ABSENT_FROM_DIRECTORY),
            Expectation(disabled.address, Action.DEACTIVATE, Reason.DISABLED_IN_DIRECTORY),
            Expectation(contractor.address, Action.DEACTIVATE, Reason.EXPIRED_IN_DIRECTORY),
            Expectation(admin.address, Action.MANUAL, Reason.PROTECTED),
            Expectation(married.address, Action.KEEP, Reason.IN_STEP),
        ),
    )


def rehire(company: Company, before: Company) -> Event:
    """Whoever had vanished from the directory since *before* is hired again, under the same id and address."""
    here = {person.id for person in company.people}
    back = [person for person in before.people if person.id not in here]
    people = tuple(sorted((*company.people, *back), key=lambda person: person.id))
    return Event(
        "A re-hire",
        tuple(f"{person.display_name} is back" for person in back),
        replace(company, people=people),
        tuple(Expectation(person.address, Action.REACTIVATE, Reason.ENTITLED_AGAIN) for person in back),
    )


def one_more_leaver(company: Company) -> Event:
    """Somebody leaves between two cycles."""
    leaver = company.department("Finance")[6]
    return Event(
        "Seconds instead of minutes",
        (f"{leaver.display_name} leaves and is disabled; the next cycle is minutes away, and nobody asks for one",),
        replace(company, people=_with(company.people, {leaver.id: replace(leaver, enabled=False)})),
        (Expectation(leaver.address, Action.DEACTIVATE, Reason.DISABLED_IN_DIRECTORY),),
    )


def bad_day(company: Company, department: str = "Sales") -> Event:
    """The nightly HR export lost a whole department: a quarter of the company looks as if it had left."""
    lost = company.department(department)
    people = tuple(person for person in company.people if person.department != department)
    return Event(
        "The bad day",
        (f"the HR export of last night lost all {len(lost)} people of {department}", "nobody left; a guard has to hold this"),
        replace(company, people=people),
    )


def reorganisation(company: Company, department: str = "Sales") -> Event:
    """A reorganisation emptied a group: the people are all there, but a department is entitled no more."""
    lost = company.department(department)
    people = _with(company.people, {person.id: replace(person, groups=(department,)) for person in lost})
    return Event(
        "The reorganisation",
        (f"all {len(lost)} people of {department} were taken out of the group {ENTITLING_GROUP}",),
        replace(company, people=people),
    )


def _with(people: Sequence[Employee], changed: dict[str, Employee | None]) -> tuple[Employee, ...]:
    """*people* with some replaced, or left out (None)."""
    after = (changed.get(person.id, person) for person in people)
    return tuple(person for person in after if person is not None)
