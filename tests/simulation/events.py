"""What happens in a company: people, the directory, and those who look after Zoom. One function an event, by name.

Each is given the world and its own luck, changes the truth or the weather, and says what it did; None: there was nobody it
could happen to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from tests.simulation.truth import (
    ACTIVE,
    ADMIN,
    BASIC,
    ENTITLING,
    INACTIVE,
    LEAVERS,
    MEMBER,
    VIPS,
    Account,
    Entry,
    Human,
)
from tests.simulation.world import DAY, HOUR, World

Event = Callable[[World, Random], "str | None"]


@dataclass(frozen=True)
class Kind:
    """An event: how often beside the others, and the switch without which it never happens."""

    name: str
    happen: Event
    weight: int
    switch: str = ""


KINDS: dict[str, Kind] = {}


def event(weight: int, switch: str = "") -> Callable[[Event], Event]:
    """Registers an event under its function's name."""

    def register(happen: Event) -> Event:
        KINDS[happen.__name__] = Kind(happen.__name__, happen, weight, switch)
        return happen

    return register


def _new_name(world: World) -> str:
    world.facts["names"] = world.facts.get("names", 0) + 1
    return f"person{world.facts['names']:04}"


def _employed(world: World, luck: Random, *, with_account: bool = True) -> Entry | None:
    """Somebody who works here, with an entitled entry, and usually an active account."""
    found = [
        entry
        for entry in world.truth.entries.values()
        if world.truth.works_here(entry.human)
        and entry.entitled(world.now)
        and entry.human != world.sentinel
        and (not with_account or any(one.status == ACTIVE and not one.pending for one in world.truth.accounts_of(entry.human)))
    ]
    return luck.choice(found) if found else None


def _leaver(world: World, luck: Random, *, active: bool | None = None) -> Entry | None:
    """Somebody who left and still has an entry."""
    found = [
        entry
        for entry in world.truth.entries.values()
        if not world.truth.works_here(entry.human)
        and (active is None or any((one.status == ACTIVE) == active for one in world.truth.accounts_of(entry.human)))
    ]
    return luck.choice(found) if found else None


def come_back(world: World, entry: Entry) -> None:
    """A human works here again, and the directory says so."""
    world.truth.humans[entry.human].left_at = None
    world.truth.change(world.t, entry.id, enabled=True, expires_at=None, groups=(entry.groups | {ENTITLING}) - {LEAVERS})


def _account(world: World, luck: Random, status: str) -> Account | None:
    found = [
        one for one in world.truth.accounts.values() if one.status == status and one.owner and not one.pending and not one.odd
    ]
    return luck.choice(found) if found else None


def leave_as(world: World, entry: Entry, how: str) -> None:
    """A human leaves, and the directory says it in one of its ways."""
    world.truth.humans[entry.human].left_at = world.t
    for other in world.truth.entries_of(entry.human):
        if how == "deleted":
            del world.truth.entries[other.id]
        elif how == "disabled":
            world.truth.change(world.t, other.id, enabled=False)
        elif how == "expired":
            world.truth.change(world.t, other.id, expires_at=world.now)
        elif how == "leavers group":
            world.truth.change(world.t, other.id, groups=other.groups | {LEAVERS})
        else:
            world.truth.change(world.t, other.id, groups=other.groups - {ENTITLING})


WAYS_TO_LEAVE = ("disabled", "deleted", "expired", "leavers group", "taken out of the groups")


# -------------------------------------------------------------------------------------------------------------- people


@event(14)
def hired(world: World, luck: Random) -> str | None:
    name = _new_name(world)
    entry = world.truth.employ(world.t, name)
    world.later(luck.choice((0.0, HOUR, DAY)), lambda: world.truth.open_account(name, entry.mail))
    return name


@event(14)
def left(world: World, luck: Random) -> str | None:
    entry = _employed(world, luck)
    if entry is None or len(world.truth.entries) < 8:
        return None
    how = luck.choice(WAYS_TO_LEAVE)
    leave_as(world, entry, how)
    world.coverage.met("left", how)
    return f"{entry.human} {how}"


@event(7)
def came_back(world: World, luck: Random) -> str | None:
    entry = _leaver(world, luck)
    if entry is None:
        return None
    come_back(world, entry)
    return entry.human


@event(5)
def came_back_as_somebody_new(world: World, luck: Random) -> str | None:
    """A re-hire under another id, with the old address."""
    gone = [one for one in world.truth.humans.values() if not one.employed and not world.truth.entries_of(one.name)]
    if not gone:
        return None
    human = luck.choice(gone)
    if any(
        human.name in (entry.mail.partition("@")[0], *(one.partition("@")[0] for one in entry.aliases))
        for entry in world.truth.entries.values()
    ):
        return None  # somebody else has the address now
    human.left_at = None
    world.truth.made += 1
    world.truth.put(world.t, Entry(f"e{world.truth.made:04}", human.name, f"{human.name}@{world.truth.domain}"))
    return human.name


@event(4)
def renamed(world: World, luck: Random) -> str | None:
    """A marriage: a new main address, the old one kept as an alias or not; Zoom follows, sooner or later."""
    entry = _employed(world, luck)
    if entry is None:
        return None
    world.facts["names"] = world.facts.get("names", 0) + 1
    new = f"{entry.human}.m{world.facts['names']}@{world.truth.domain}"
    kept = luck.random() < 0.5
    accounts = [one for one in world.truth.accounts_of(entry.human) if one.email == entry.mail]
    world.truth.change(world.t, entry.id, mail=new, aliases=(*entry.aliases, entry.mail) if kept else entry.aliases)
    if luck.random() < 0.5:

        def follow() -> None:
            for one in accounts:
                one.email = new

        world.later(luck.choice((0.0, 2 * HOUR, 3 * DAY)), follow)
    return f"{entry.human} to {new}"


@event(3)
def alias_given(world: World, luck: Random) -> str | None:
    entry = _employed(world, luck)
    if entry is None:
        return None
    world.facts["names"] = world.facts.get("names", 0) + 1
    world.truth.change(world.t, entry.id, aliases=(*entry.aliases, f"team{world.facts['names']}@{world.truth.domain}"))
    return entry.human


@event(2)
def contractor_employed(world: World, luck: Random) -> str | None:
    """The same human gets an entry of another kind; the old one is switched off beside it."""
    entry = _employed(world, luck)
    if entry is None:
        return None
    world.truth.made += 1
    new = replace(entry, id=f"e{world.truth.made:04}", groups=frozenset({ENTITLING}))
    world.truth.put(world.t, new)
    world.truth.change(world.t, entry.id, enabled=False)
    return f"{entry.human}: {entry.id} becomes {new.id}"


@event(2, "inherited_address")
def second_account(world: World, luck: Random) -> str | None:
    """An administrator's second entry with the same address, in no group."""
    entry = _employed(world, luck)
    if entry is None:
        return None
    world.truth.made += 1
    world.truth.put(world.t, Entry(f"e{world.truth.made:04}", entry.human, entry.mail, groups=frozenset()))
    return entry.human


@event(5)
def second_zoom_account(world: World, luck: Random) -> str | None:
    entry = _employed(world, luck)
    if entry is None:
        return None
    if not entry.aliases:
        world.facts["names"] = world.facts.get("names", 0) + 1
        entry = world.truth.change(world.t, entry.id, aliases=(f"extra{world.facts['names']}@{world.truth.domain}",))
    if any(one.email.lower() == entry.aliases[-1].lower() for one in world.truth.accounts.values()):
        return None
    world.truth.open_account(entry.human, entry.aliases[-1])
    return entry.human


@event(2)
def put_under_protection(world: World, luck: Random) -> str | None:
    entry = _employed(world, luck)
    if entry is None:
        return None
    world.truth.change(world.t, entry.id, groups=entry.groups ^ {VIPS})
    return entry.human


@event(4, "inherited_address")
def alias_inherited(world: World, luck: Random) -> str | None:
    """A manager takes a leaver's mail."""
    gone, manager = _leaver(world, luck), _employed(world, luck)
    if gone is None or manager is None or gone.human == manager.human:
        return None
    world.truth.change(world.t, manager.id, aliases=(*manager.aliases, gone.mail))
    return f"{manager.human} takes {gone.mail}"


@event(4, "inherited_address")
def address_recycled(world: World, luck: Random) -> str | None:
    """A leaver's entry is deleted, and somebody new gets the address."""
    gone = _leaver(world, luck, active=False)
    if gone is None:
        return None
    for other in world.truth.entries_of(gone.human):
        del world.truth.entries[other.id]
    name = _new_name(world)
    world.truth.employ(world.t, name, gone.mail)
    return f"{name} gets {gone.mail}"


@event(4, "inherited_address")
def renamed_and_address_given_away(world: World, luck: Random) -> str | None:
    """Ann is renamed and keeps the account; the old address becomes an alias of Bob, who leaves."""
    ann, bob = _employed(world, luck), _employed(world, luck)
    if ann is None or bob is None or ann.human == bob.human:
        return None
    world.facts["names"] = world.facts.get("names", 0) + 1
    world.truth.change(
        world.t,
        ann.id,
        mail=f"{ann.human}.r{world.facts['names']}@{world.truth.domain}",
        aliases=tuple(one for one in ann.aliases if one != ann.mail),
    )
    bob = world.truth.change(world.t, bob.id, aliases=(*bob.aliases, ann.mail))
    world.later(luck.choice((0.0, 2 * DAY)), lambda: bob.id in world.truth.entries and leave_as(world, bob, "disabled"))
    return f"{ann.human}'s address to {bob.human}"


# ----------------------------------------------------------------------------------------------------------- directory


def _later_right(world: World, put_right: Callable[[], None], seconds: float) -> None:
    """A mistake is put right after a while, or earlier when somebody finds it."""
    done = False

    def once() -> None:
        nonlocal done
        if not done:
            done = True
            put_right()
            world.remember_state()

    world.mistakes.append(once)
    world.later(seconds, once)


def _changed_by_mistake(world: World, luck: Random, number: int, how: str, seconds: float) -> str | None:
    """*number* people who work here look as if they had left."""
    there = sorted(
        entry.id for entry in world.truth.entries.values() if world.truth.works_here(entry.human) and entry.entitled(world.now)
    )
    chosen = luck.sample(there, min(number, len(there)))
    before = {id_: world.truth.entries[id_] for id_ in chosen}
    for id_, entry in before.items():
        if how == "disabled":
            world.truth.change(world.t, id_, enabled=False)
        elif how == "moved away":
            del world.truth.entries[id_]
        else:
            world.truth.change(world.t, id_, groups=entry.groups - {ENTITLING})

    def put_right() -> None:
        for id_, entry in before.items():
            if world.truth.works_here(entry.human):
                now = world.truth.entries.get(id_, entry)
                world.truth.put(world.t, replace(now, enabled=True, groups=now.groups | {ENTITLING}))

    _later_right(world, put_right, seconds)
    return f"{len(chosen)} {how} by mistake"


@event(3)
def few_wrong(world: World, luck: Random) -> str | None:
    return _changed_by_mistake(world, luck, luck.choice((1, 2)), luck.choice(("disabled", "moved away", "ungrouped")), 5 * HOUR)


@event(3)
def many_wrong(world: World, luck: Random) -> str | None:
    return _changed_by_mistake(world, luck, luck.randint(4, 20), luck.choice(("disabled", "moved away", "ungrouped")), DAY)


@event(1)
def group_emptied(world: World, luck: Random) -> str | None:
    return _changed_by_mistake(world, luck, 10_000, "ungrouped", 8 * HOUR)


@event(2, "slow_drip")
def drip(world: World, luck: Random) -> str | None:
    """A faulty system takes one person a day, for weeks; nobody notices."""
    days = 40

    def next_one() -> None:
        nonlocal days
        days -= 1
        if days > 0 and not world.calm:
            _changed_by_mistake(world, luck, 1, "disabled", 60 * DAY)
            world.remember_state()
            world.later(DAY, next_one)

    next_one()
    return "one a day"


@event(2, "group_replaced")
def group_replaced(world: World, luck: Random) -> str | None:
    """The entitling group is deleted and made anew under its name, with some of its members."""
    world.facts["groups"] = world.facts.get("groups", 1) + 1
    before, world.truth.group_id = world.truth.group_id, f"group-{world.facts['groups']}"
    said = _changed_by_mistake(world, luck, luck.choice((2, 3)), "ungrouped", 3 * DAY)
    return f"{before} is {world.truth.group_id}; {said}"


@event(2, "nameless_person")
def nameless_person(world: World, luck: Random) -> str | None:
    """An entry in the group that shows neither address nor flags: nobody can mend it."""
    if sum(1 for entry in world.truth.entries.values() if not entry.mail) >= 2:
        return None  # more of them make every read unreadable, and say so
    name = _new_name(world)
    world.truth.humans[name] = Human(name)
    world.truth.made += 1
    world.truth.put(world.t, Entry(f"e{world.truth.made:04}", name, "", unclear="shows no attributes"))
    return name


@event(2)
def person_unclear(world: World, luck: Random) -> str | None:
    """Somebody cannot be read for some hours."""
    entry = _employed(world, luck)
    if entry is None:
        return None
    world.truth.change(world.t, entry.id, unclear="flags are not shown")

    def clear() -> None:
        if entry.id in world.truth.entries:
            world.truth.change(world.t, entry.id, unclear="")

    _later_right(world, clear, luck.choice((2 * HOUR, DAY)))
    return entry.human


def spell(
    weight: int,
    name: str,
    hours: tuple[float, ...],
    switch: str = "",
    fact: Callable[[Random], object] | None = None,
    event_name: str = "",
    where: Callable[[World], bool] = lambda _: True,
) -> None:
    """An event that begins a spell of *name*, of one of so many *hours*, in worlds *where* it means something. *fact*: what is
    to be known of it while it lasts."""

    def begins(world: World, luck: Random) -> str | None:
        if not where(world):
            return None
        world.spell(name, luck.choice(hours) * HOUR, fact(luck) if fact is not None else None)
        return f"{name} {world.facts[name] or ''}"

    begins.__name__ = event_name or name
    event(weight, switch)(begins)


spell(3, "directory_down", (0.2, 3.0, 12.0))
spell(2, "recheck_down", (0.2, 3.0))
spell(2, "directory_blind", (2.0, 9.0))
spell(2, "directory_half", (2.0, 9.0), fact=lambda luck: luck.random())
spell(2, "directory_ghost", (3.0, 30.0))


@event(3, "stale_directory")
def controller_lags(world: World, luck: Random) -> str | None:
    """Another controller answers, and it is behind."""
    if world.policy["source"] != "active_directory":
        return None
    behind = luck.choice((0.5, 1.5, 2.8)) * HOUR
    world.spell("directory_lags", luck.choice((3.0, 8.0)) * HOUR, behind)
    return f"by {behind / HOUR:g} h"


@event(3, "stale_directory")
def old_export(world: World, luck: Random) -> str | None:
    """An older file is put in the place of today's."""
    if world.policy["source"] != "file":
        return None
    behind = luck.choice((3 * HOUR, DAY, 3 * DAY))
    world.spell("directory_lags", luck.choice((3.0, 8.0)) * HOUR, behind)
    return f"of {behind / HOUR:g} h ago"


# -------------------------------------------------------------------------------------------------------- Zoom's people


@event(3)
def switched_off_in_zoom(world: World, luck: Random) -> str | None:
    return _by_admin(world, _account(world, luck, ACTIVE), INACTIVE)


@event(4)
def switched_on_in_zoom(world: World, luck: Random) -> str | None:
    return _by_admin(world, _account(world, luck, INACTIVE), ACTIVE)


def _by_admin(world: World, account: Account | None, status: str) -> str | None:
    if account is None:
        return None
    account.status, account.type, account.changed_by, account.changed_at = status, BASIC, "admin", world.t
    account.shows = None
    if status == ACTIVE:
        world.truth.taken_over(account)
    if status == INACTIVE:
        account.taken = None  # what it had is the administrator's business now
    return account.zoom_id


@event(3)
def role_changed_in_zoom(world: World, luck: Random) -> str | None:
    account = _account(world, luck, luck.choice((ACTIVE, INACTIVE)))
    if account is None:
        return None
    account.role_id = ADMIN if account.role_id == MEMBER else MEMBER
    return f"{account.zoom_id} {account.role_id}"


@event(2)
def type_changed_in_zoom(world: World, luck: Random) -> str | None:
    account = _account(world, luck, ACTIVE)
    if account is None:
        return None
    account.type, account.taken, account.typed_at = account.other_type, None, world.t
    return f"{account.zoom_id} {account.type}"


@event(2)
def address_changed_in_zoom(world: World, luck: Random) -> str | None:
    """To another address of the same human, or with other letters."""
    account = _account(world, luck, ACTIVE)
    entry = next(iter(world.truth.entries_of(account.owner or "")), None) if account is not None else None
    if account is None or entry is None:
        return None
    address = luck.choice([entry.mail, entry.mail.title(), *entry.aliases])
    if any(one is not account and one.email.lower() == address.lower() for one in world.truth.accounts.values()):
        return None  # Zoom gives no address to two accounts
    account.email = address
    return f"{account.zoom_id} {account.email}"


@event(1)
def deleted_in_zoom(world: World, luck: Random) -> str | None:
    account = _account(world, luck, luck.choice((ACTIVE, INACTIVE)))
    if account is None:
        return None
    del world.truth.accounts[account.zoom_id]
    return account.zoom_id


@event(1)
def invited_in_zoom(world: World, luck: Random) -> str | None:
    name = _new_name(world)
    entry = world.truth.employ(world.t, name)
    account = world.truth.open_account(name, entry.mail, pending=True)

    def accepts() -> None:
        account.pending = False

    world.later(luck.choice((HOUR, 2 * DAY)), accepts)
    return name


@event(3)
def refuses_changes(world: World, luck: Random) -> str | None:
    """An account that Zoom will not change, for a reason of its own."""
    account = _account(world, luck, luck.choice((ACTIVE, INACTIVE)))
    if account is None:
        return None
    account.refuses = True

    def ends() -> None:
        account.refuses = False

    world.later(3 * DAY, ends)
    return account.zoom_id


@event(2, "odd_account")
def odd_account(world: World, luck: Random) -> str | None:
    """Every answer about one leaver's account alone is one that nobody can understand."""
    entry = _employed(world, luck)
    if entry is None:
        return None
    account = world.truth.accounts_of(entry.human)[0]
    account.odd = True
    leave_as(world, entry, "disabled")

    def ends() -> None:
        account.odd = False

    world.later(20 * DAY, ends)
    return account.zoom_id


@event(1)
def seats_run_out(world: World, luck: Random) -> str | None:
    before, world.truth.seats = world.truth.seats, 0
    world.seats_ran_out = True

    def bought() -> None:
        world.truth.seats = before

    world.later(3 * DAY, bought)
    return "no seat is free"


spell(3, "zoom_down", (0.2, 3.0))
spell(1, "zoom_blind", (2.0,))
spell(2, "zoom_looks_down", (0.5, 3.0))
spell(5, "zoom_loses_answers", (10.0, 60.0))
spell(3, "zoom_throttles", (6.0, 24.0))
spell(3, "zoom_refuses_some", (6.0, 24.0))
spell(3, "zoom_lies", (6.0, 24.0))
spell(3, "zoom_reads_lag", (5.0, 50.0))
spell(2, "zoom_list_lags", (5.0, 20.0))
spell(1, "zoom_scope_missing", (2.0,))
spell(1, "zoom_limit", (2.0,))
