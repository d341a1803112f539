"""Reading Entra: whole, or an error that says what is missing and what to do. Nothing that was not read is ever "nobody"."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncd.directories.entra import managers
from syncd.directories.entra.groups import demand_visible
from syncd.directories.entra.people import person_of, what_to_ask
from syncd.directories.entra.whole_read import GHOST
from syncd.errors import LimitReached, ScopeMissing
from syncd.events import Noted, ReadProgress
from syncd.lab.entra.objects import (
    a_contact,
    a_device,
    a_group,
    a_guest,
    a_person,
    a_service_principal,
    a_unified_group,
    guid,
)
from syncd.lab.faults import (
    connection_reset,
    field_missing,
    field_set,
    html_page,
    page_token_expired,
    rewritten,
    slow,
    token_expired,
    truncated_answer,
)
from syncd.lab.graph.faults import (
    empty_page,
    endless_walk,
    gateway_timeout,
    internal_error,
    missing,
    next_link,
    nulls,
    permission_denied,
    refusing,
    repeated_row,
    throttled,
    unavailable,
)
from syncd.model import DirectoryGroup, GroupUse
from tests.directories.entra_world import ANN, BOB, CID, DAN, an_entra, entitled, unreadable

LEAVERS = {"leaver_groups": ("Leavers",), "protecting_groups": ("Held",)}


# --------------------------------------------------------------------------------------------------------- whole reads


async def test_everybody_is_read_and_the_ways_into_the_groups_are_known(tmp_path: Path) -> None:
    """The people, the groups with their sizes, the clock; people outside the groups too."""
    async with an_entra(tmp_path) as world:
        snapshot = await world.directory().read()

    assert {ANN: ("Zoom Users",), BOB: ("Zoom Users", "Sales")} == entitled(snapshot)
    assert ("entra", 4) == (snapshot.source, len(snapshot.people))
    assert (DirectoryGroup(world.id("Zoom Users"), "Zoom Users", GroupUse.ENTITLING, 2, entry="Zoom Users"),) == snapshot.groups
    assert abs(snapshot.clock_offset_seconds or 99) <= 1


async def test_what_decides_is_kept_and_what_only_decorates_never_fails_a_read(tmp_path: Path) -> None:
    """Addresses in the configured order, primary first; enabled; guest; no names, no department."""
    people = [
        a_person(
            "ann@corp.example",
            proxy_addresses=("smtp:a.nother@corp.example", "SMTP:Ann@corp.example", "x500:/o=corp", "sip:ann@corp.example"),
            department=" Sales ",
            account_enabled=False,
        ),
        a_guest("guy@fabrikam.example"),
        a_person("cid@corp.example", display_name=None, mail=None, user_type=None, proxy_addresses=()),
    ]
    async with an_entra(tmp_path, [*people, a_group("Zoom Users")], {"Zoom Users": [person.id for person in people]}) as world:
        found = {person.id: person for person in (await world.directory().read()).people}
    ann, guy, cid = (found[person.id] for person in people)

    assert (("ann@corp.example", "a.nother@corp.example"), False, "Sales", False) == (
        ann.addresses,
        ann.enabled,
        ann.department,
        ann.guest,
    )
    assert (("guy@fabrikam.example",), True) == (guy.addresses, guy.guest)
    assert (("cid@corp.example",), "", True, None) == (cid.addresses, cid.display_name, cid.enabled, cid.expires_at)


async def test_other_attributes_may_hold_the_addresses(tmp_path: Path) -> None:
    """However they are spelled in the configuration."""
    people = [a_person("ann@corp.example", other_mails=("ann@private.example",))]
    async with an_entra(tmp_path, [*people, a_group("Zoom Users")]) as world:
        (ann,) = (await world.directory(address_attributes=("OtherMails", "MAIL")).read()).people

    assert (("ann@corp.example",), ("ann@private.example",)) == (ann.mains, ann.aliases)


async def test_devices_contacts_and_applications_are_nobody(tmp_path: Path) -> None:
    """A group may hold them; they come without attributes and mean nothing."""
    things = [a_person(ANN), a_device("laptop"), a_contact("out@fabrikam.example"), a_service_principal("robot")]
    async with an_entra(tmp_path, [*things, a_group("Zoom Users")], {"Zoom Users": [one.id for one in things]}) as world:
        snapshot = await world.directory().read()

    assert ([world.id(ANN)], 1) == ([person.id for person in snapshot.people], snapshot.groups[0].members)


async def test_the_shortest_way_counts_and_circles_do_no_harm(tmp_path: Path) -> None:
    """Groups within groups, one of them above itself."""
    groups = [a_group(name) for name in ("Zoom Users", "Sales", "East", "West")]
    members = {"Zoom Users": ["Sales", "West"], "Sales": ["East"], "East": ["Zoom Users", ANN, BOB], "West": [BOB]}
    async with an_entra(tmp_path, [*map(a_person, (ANN, BOB)), *groups], members) as world:
        nested = await world.directory().read()
        flat = await world.directory(nested=False).read()

    assert {ANN: ("Zoom Users", "Sales", "East"), BOB: ("Zoom Users", "West")} == entitled(nested)
    assert ({}, 0) == (entitled(flat), flat.groups[0].members)


async def test_a_group_may_be_named_by_id_and_several_uses_share_one_reading(tmp_path: Path) -> None:
    """An id survives renames; each group is read once."""
    async with an_entra(tmp_path) as world:
        sales = world.id("Sales")
        snapshot = await world.directory(groups=(sales.upper(), "sales", " Zoom Users "), protecting_groups=("Sales",)).read()

    assert [("Zoom Users", "entitling"), ("Sales", "entitling"), ("Sales", "protecting")] == [
        (group.name, group.use.value) for group in sorted(snapshot.groups, key=lambda group: (group.use, -len(group.name)))
    ]
    (bob,) = [person for person in snapshot.people if person.protected_by]
    assert (("Sales",), ("Sales",)) == (bob.entitled_by, bob.protected_by)
    assert 2 == len(world.graph.asked("members"))


async def test_leavers_and_protected_people_are_told_with_their_groups(tmp_path: Path) -> None:
    """Whatever else they are in."""
    async with an_entra(tmp_path) as world:
        world.tenant.join("Leavers", ANN)
        world.tenant.join("Held", CID)
        people = {person.id: person for person in (await world.directory(**LEAVERS).read()).people}

    assert (("Zoom Users",), ("Leavers",)) == (people[world.id(ANN)].entitled_by, people[world.id(ANN)].leaver_by)
    assert ("Held",) == people[world.id(CID)].protected_by


async def test_somebody_deleted_is_absent_although_entra_keeps_their_memberships(tmp_path: Path) -> None:
    """Whether Graph lists them as a member or not (it is documented nowhere), and until when they can be restored is known."""
    async with an_entra(tmp_path) as world:
        world.tenant.delete(BOB)
        for listed in (False, True):
            world.graph.reads.lists_deleted_members = listed
            snapshot = await world.directory().read()
            assert ({ANN: ("Zoom Users",)}, 3, 1) == (entitled(snapshot), len(snapshot.people), snapshot.groups[0].members)
        assert ((world.id(BOB), world.clock.started_at),) == await world.directory().deleted([BOB, ANN])


async def test_somebody_who_came_while_the_pages_did_is_not_lost(tmp_path: Path) -> None:
    """They are in a group, and not yet in the list of users: they are asked for by name."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(
            rewritten(lambda page: page["value"].remove(next(row for row in page["value"] if row["mail"] == BOB))), "list_users"
        )
        snapshot = await world.directory().read()

    assert BOB in entitled(snapshot)
    assert 1 == len(world.graph.asked("user"))


async def test_a_member_whom_graph_does_not_know_is_unclear_and_never_absent(tmp_path: Path) -> None:
    """Neither in the list, nor in the recycle bin, nor to be found: replicas disagree."""
    crowd = [a_person(f"p{number}@corp.example") for number in range(120)]
    async with an_entra(tmp_path, [*crowd, a_person(BOB), a_group("Zoom Users")], {"Zoom Users": [BOB]}) as world:
        hide = rewritten(lambda page: page["value"].remove(next(row for row in page["value"] if row["mail"] == BOB)))
        world.graph.faults.add(hide, "list_users")
        world.graph.faults.add(missing(), "user", times=None)
        snapshot = await world.directory().read()

    (unclear,) = [person for person in snapshot.people if person.unclear]
    assert (world.id(BOB), GHOST) == (unclear.id, unclear.unclear)


async def test_a_list_of_users_with_holes_is_refused(tmp_path: Path) -> None:
    """More members than can be new are in no list: that list was cut."""
    crowd = [a_person(f"p{number}@corp.example") for number in range(60)]
    async with an_entra(tmp_path, [*crowd, a_group("Zoom Users")], {"Zoom Users": [one.id for one in crowd]}) as world:
        world.graph.faults.add(rewritten(lambda page: page["value"].__delitem__(slice(30, None))), "list_users")
        error = await unreadable(world.directory())

    assert "30 members of the groups are not in the list of users" in error.what


async def test_a_value_of_another_form_makes_one_person_unclear(tmp_path: Path) -> None:
    """How many of them a plan may have is not for the directory to say."""
    crowd = [a_person(f"p{number:03}@corp.example") for number in range(19)]

    def spoiled(rows: int) -> Any:
        return rewritten(
            lambda page: [row.update(accountEnabled="perhaps", proxyAddresses=[7]) for row in page["value"][:rows]] and None
        )

    async with an_entra(tmp_path, [*crowd, a_group("Zoom Users")]) as world:
        world.graph.faults.add(spoiled(2), "list_users")
        snapshot = await world.directory().read()

    assert 2 * ["accountEnabled is neither true nor false; proxyAddresses holds something that is no text"] == [
        person.unclear for person in snapshot.people if person.unclear
    ]


# --------------------------------------------------------------------------------------------------------------- pages


async def test_pages_are_followed_to_the_end_in_few_requests(tmp_path: Path) -> None:
    """999 to a page, every list; an empty page is no end; a repeated row is one person."""
    async with a_crowd(tmp_path, 2100) as world:
        world.graph.faults.add(empty_page(), "list_users")
        world.graph.faults.add(repeated_row(), "members", times=None)
        snapshot = await world.directory().read()

    assert (2100, 2100) == (len(snapshot.people), snapshot.groups[0].members)
    assert 2100 == max(event.items for event in world.told if isinstance(event, ReadProgress))
    assert {"list_groups": 1, "members": 3, "list_users": 4} == Counter(world.asked())


async def test_many_groups_are_found_in_few_requests(tmp_path: Path) -> None:
    """The budget of a first read: pages of users, pages of members, one per group, and ten."""
    names = [f"Team {number}" for number in range(40)]
    objects = [a_person(ANN), *map(a_group, names)]
    async with an_entra(tmp_path, objects, {name: [ANN] for name in names}) as world:
        asked = tuple(names[:20]) + tuple(guid(f"group {name}") for name in names[20:])
        snapshot = await world.directory(groups=asked, tracking=True).read()

        assert 40 == len(snapshot.groups)
        assert len(world.asked()) <= 1 + 1 + 40 + 10


@pytest.mark.parametrize("operation", ["list_users", "members"])
async def test_a_page_token_that_ran_out_begins_the_list_again(tmp_path: Path, operation: str) -> None:
    """From its first page: nothing of the broken list is kept."""
    async with a_crowd(tmp_path, 1200) as world:
        world.graph.faults.add(page_token_expired(), operation, skip=1)
        snapshot = await world.directory().read()
        assert (1200, 1200) == (len(snapshot.people), snapshot.groups[0].members)

        world.graph.faults.add(page_token_expired(), operation, skip=1, times=None)
        error = await unreadable(world.directory())
    assert "could not be read whole in 3 attempts; the last time: HTTP 400, Directory_ExpiredPageToken" in error.what
    assert [1, 1, 2] == sorted(
        event.facts["attempt"]
        for event in world.of(Noted)
        if event.event == "walk.restarted"
        and event.facts["list"] == ("users" if operation == "list_users" else "members of 'Zoom Users'")
    )


async def test_a_link_to_another_host_is_not_followed(tmp_path: Path) -> None:
    """The token would go with it."""
    async with a_crowd(tmp_path, 1200) as world:
        world.graph.faults.add(next_link("https://graph.evil.example/v1.0/users?$skiptoken=x"), "list_users")
        error = await unreadable(world.directory())
    assert "was sent to another host, graph.evil.example" in error.what


async def test_a_list_without_an_end_is_left(tmp_path: Path) -> None:
    """A page that leads back to itself."""
    async with a_crowd(tmp_path, 1200) as world:
        world.graph.faults.add(endless_walk(), "list_users", times=None)
        error = await unreadable(world.directory())
    assert "leads back to an earlier page" in error.what


# ------------------------------------------------------------------------------------------ busy, broken, out of order


@pytest.mark.parametrize(
    "fault",
    [
        throttled("seconds", 3),
        throttled("fraction", 2.128),
        throttled("http_date", 10),
        throttled("absent"),
        unavailable(),
        gateway_timeout(),
        internal_error(),
        connection_reset(),
        truncated_answer(),
        html_page(502),
        token_expired(),
    ],
    ids=lambda fault: fault.name,
)
@pytest.mark.parametrize("operation", ["list_users", "members", "list_groups"])
async def test_what_passes_is_waited_for(tmp_path: Path, operation: str, fault: Any) -> None:
    """And never sooner than asked."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(fault, operation)
        assert {ANN, BOB} == entitled(await world.directory().read()).keys()
        assert [] == world.graph.early_retries


@pytest.mark.parametrize(
    "fault", [internal_error(), html_page(200), connection_reset(), gateway_timeout()], ids=lambda fault: fault.name
)
@pytest.mark.parametrize("operation", ["list_users", "members", "list_groups"])
async def test_what_stays_is_unreadable(tmp_path: Path, operation: str, fault: Any) -> None:
    """A group in processing error answers 500 for hours; a portal answers with a page."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(fault, operation, times=None)
        error = await unreadable(world.directory())
    assert "gave up after 5 tries" in error.what
    assert error.do


async def test_a_wait_longer_than_allowed_ends_the_read(tmp_path: Path) -> None:
    """Minutes have been seen: a later cycle goes on, this one does not hang."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(throttled("seconds", 315), "list_users", times=None)
        error = await unreadable(world.directory())
    assert isinstance(error, LimitReached)
    assert error.resume_at


async def test_a_read_takes_only_so_long(tmp_path: Path) -> None:
    """Whatever the service does."""
    async with an_entra(tmp_path) as world:
        directory = world.directory(total_timeout_seconds=0.3)
        await directory.check()
        world.graph.pause = asyncio.sleep  # from here on slow means slow
        world.graph.faults.add(slow(5), "list_users", times=None)
        error = await unreadable(directory)
    assert "not read whole within 0 s" in error.what


# ------------------------------------------------------------------------------------- missing permissions and groups


@pytest.mark.parametrize(
    ("roles", "names"),
    [
        ({"GroupMember.Read.All"}, "User.Read.All"),
        ({"User.Read.All"}, "GroupMember.Read.All"),
        (set(), "GroupMember.Read.All"),
        ({"GroupMember.Read.All", "User.ReadBasic.All"}, "User.Read.All"),
        ({"GroupMember.ReadBasic.All", "User.Read.All"}, "GroupMember.Read.All"),
    ],
    ids=["no users", "no groups", "nothing", "users basically", "members basically"],
)
async def test_a_missing_permission_is_named(tmp_path: Path, roles: set[str], names: str) -> None:
    """With where to grant it; `check` names it too."""
    async with an_entra(tmp_path) as world:
        world.login.app.roles = frozenset(roles)
        directory = world.directory()
        error = await unreadable(directory)
        lines = await directory.check()

    assert isinstance(error, ScopeMissing)
    assert names in error.do
    assert "grant admin consent" in error.do
    assert any(not fine and names in what + says for what, fine, says in lines)


@pytest.mark.parametrize("operation", ["list_users", "members"])
async def test_nulls_for_everybody_are_a_missing_permission_and_never_empty_people(tmp_path: Path, operation: str) -> None:
    """Status 200, and every attribute null: the app may not look."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(nulls(), operation, times=None)
        error = await unreadable(world.directory())
    assert isinstance(error, ScopeMissing)
    assert "came without attributes (null)" in error.what
    assert "User.Read.All" == error.scope


@pytest.mark.parametrize("hidden", [{"accountEnabled": None}, {"mail": None, "userPrincipalName": None}])
async def test_nulls_for_one_make_that_one_unclear(tmp_path: Path, hidden: dict[str, None]) -> None:
    """A broken object among many: named, and no missing permission; in the members' list as well."""
    crowd = [a_person(f"p{number}@corp.example") for number in range(200)]
    async with an_entra(tmp_path, [*crowd, a_group("Zoom Users")], {"Zoom Users": [one.id for one in crowd]}) as world:
        world.graph.faults.add(
            rewritten(lambda page: [row.update(hidden) for row in page["value"] if row["id"] == crowd[7].id] and None),
            "list_users",
            times=None,
        )
        world.graph.faults.add(
            rewritten(lambda page: [row.update(accountEnabled=None) for row in page["value"]][:0] or None), "members", times=None
        )
        snapshot = await world.directory().read()

    assert [crowd[7].id] == [person.id for person in snapshot.people if person.unclear]
    assert 200 == len([person for person in snapshot.people if person.entitled_by])


async def test_whoever_is_in_the_list_of_users_is_a_person_whatever_the_member_list_says(tmp_path: Path) -> None:
    """A type that is new to us, or none; of an unknown type that is no user nobody is made, and it is told."""
    async with an_entra(tmp_path) as world:

        def retyped(page: Any) -> None:
            for row, kind in zip(
                [one for one in page["value"] if one["@odata.type"].endswith("user")],
                ("#microsoft.graph.agentUser", None),
                strict=False,
            ):
                row["@odata.type"] = kind
            page["value"].append({"@odata.type": "#microsoft.graph.robot", "id": "0b070000-0000-4000-8000-000000000001"})

        before = await world.directory().read()
        world.graph.faults.add(rewritten(retyped), "members", times=None)
        world.graph.faults.add(missing(), "user", times=None)
        after = await world.directory().read()
        (odd,) = [event for event in world.of(Noted) if event.event == "group.odd_members"]

    assert before.people == after.people
    assert "#microsoft.graph.robot" == odd.facts["types"]


async def test_the_person_number_and_the_manager_are_read_where_they_are_wanted(tmp_path: Path) -> None:
    """Not asked for otherwise; an extension attribute lies one level down."""
    async with an_entra(tmp_path, [a_person(ANN, employee_id="0042"), a_group("Zoom Users")]) as world:
        (plain,) = (await world.directory().read()).people
        assert all("employeeId" not in str(seen) and "manager" not in str(seen) for seen in world.graph.requests)
        (numbered,) = (await world.directory(person_number="employeeID").read()).people
        boss = "b0550000-0000-4000-8000-000000000001"
        entry = {
            "id": plain.id,
            "mail": ANN,
            "userPrincipalName": ANN,
            "accountEnabled": True,
            "onPremisesExtensionAttributes": {"extensionAttribute3": " 7 "},
            "manager": {"id": boss.upper()},
        }
        settings = replace(world.settings, person_number="extensionattribute3", with_managers=True)

    assert ("", "0042") == (plain.number, numbered.number)
    assert {"$select", "$expand"} == what_to_ask(settings).keys()
    assert "manager($select=id,mail,accountEnabled)" == what_to_ask(settings)["$expand"]
    assert ("7", boss) == (person_of(entry, settings).number, person_of(entry, settings).manager)


async def test_a_list_that_does_not_take_managers_is_read_without_them(tmp_path: Path) -> None:
    """Documented for one user only. It is told once, and the next read does not ask again."""
    async with an_entra(tmp_path, [a_person(ANN), a_group("Zoom Users")]) as world:
        directory = world.directory(with_managers=True)
        first, second = await directory.read(), await directory.read()
        (told,) = [event for event in world.told if isinstance(event, Noted) and event.event == "managers.not_told"]
        refused = [seen for seen in world.graph.requests if "expand" in str(seen)]

    assert [ANN] == [*first.people[0].mains] == [*second.people[0].mains]
    assert ("list_users", 1) == (told.facts["operation"], len(refused))


@pytest.mark.parametrize("lists", [True, False])
async def test_managers_are_read_with_the_list_or_one_by_one(tmp_path: Path, lists: bool) -> None:
    """Of entitled people alone; a manager who was deleted manages nobody; nothing else of the read differs."""
    people = [a_person(address) for address in (ANN, BOB, CID, DAN)]
    async with an_entra(tmp_path, [*people, a_group("Zoom Users")], {"Zoom Users": [ANN, BOB, CID]}) as world:
        world.graph.reads.lists_expand_managers = lists
        ann, bob, cid, dan = (person.id for person in people)
        world.tenant.managers = {ann: bob, bob: dan, dan: ann, cid: guid("user gone")}
        read = {person.id: person for person in (await world.directory(with_managers=True).read()).people}
        singles = [seen for seen in world.graph.requests if seen.operation == "user"]

    assert (bob, dan, "") == (read[ann].manager, read[bob].manager, read[cid].manager)
    assert (ann if lists else None) == read[dan].manager
    assert (0 if lists else 3) == len(singles)


async def test_of_many_managers_some_are_asked_for_with_each_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those never asked about first. A refusal on the way fails no read, and what was known stays."""
    monkeypatch.setattr(managers, "ASKED_A_READ", 2)
    people = [a_person(f"p{number}@corp.example") for number in range(5)]
    async with an_entra(
        tmp_path, [*people, a_person(ANN), a_group("Zoom Users")], {"Zoom Users": [p.mail for p in people]}
    ) as world:
        boss = next(thing.id for thing in world.tenant.state.objects.values() if getattr(thing, "mail", "") == ANN)
        world.tenant.managers = {person.id: boss for person in people}
        directory, told = world.directory(with_managers=True), []
        for turn in range(4):
            if turn == 2:
                world.graph.faults.add(permission_denied(), "user", times=None)
            if turn == 3:
                world.graph.faults.clear()
            told.append(sorted(str(person.manager) for person in (await directory.read()).people if person.entitled_by))

    assert [[boss] * known + ["None"] * (5 - known) for known in (2, 4, 4, 5)] == [
        sorted(one, key=lambda m: m == "None") for one in told
    ]


async def test_a_group_without_a_name_is_a_missing_permission(tmp_path: Path) -> None:
    """Also a nested one."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(
            rewritten(
                lambda page: (
                    [row.update(displayName=None) for row in page["value"] if row["@odata.type"].endswith("group")] and None
                )
            ),
            "members",
        )
        error = await unreadable(world.directory())
    assert "GroupMember.Read.All" == getattr(error, "scope", None)


@pytest.mark.parametrize("hidden", ["Zoom Users", "Sales"])
async def test_hidden_members_are_read_with_their_permission_or_not_at_all(tmp_path: Path, hidden: str) -> None:
    """Graph leaves them out without a word: the configured group, and a nested one."""
    async with an_entra(tmp_path) as world:
        world.tenant.update(hidden, visibility="HiddenMembership")
        error = await unreadable(world.directory())
        world.login.app.roles |= {"Member.Read.Hidden"}
        snapshot = await world.directory().read()

    assert "Member.Read.Hidden" == getattr(error, "scope", None)
    assert f"the members of the group '{hidden}'" in error.what
    assert {ANN, BOB} == entitled(snapshot).keys()


def test_hidden_members_are_refused_when_the_token_does_not_tell() -> None:
    """What cannot be known is not assumed."""
    with pytest.raises(ScopeMissing, match="are hidden"):
        demand_visible({"id": "x", "displayName": "Zoom Users", "visibility": "HiddenMembership"}, None)


async def test_every_missing_and_ambiguous_group_is_named_at_once(tmp_path: Path) -> None:
    """By name, by id, and a name that two groups have; nothing is read."""
    nobody = "5b31c38c-2584-42f0-aa47-657fb3a84230"
    twins = [a_group("Twins", id=guid("one")), a_group("twins", id=guid("two"))]
    async with an_entra(tmp_path, [a_person(ANN), a_group("Zoom Users"), *twins]) as world:
        error = await unreadable(world.directory(groups=("Zoom Users", "Gone", nobody), leaver_groups=("Twins",)))

    assert "3 configured group(s) cannot be read" in error.what
    for part in ("'Gone' does not exist", f"'{nobody}' does not exist", "'Twins' is the name of 2 groups", guid("one")):
        assert part in error.what
    assert {"list_groups", "group"} == set(world.asked())


async def test_a_group_that_is_missing_for_a_moment_is_asked_for_again(tmp_path: Path) -> None:
    """Replicas lag, and under load Graph says so by mistake; a 404 never means an empty group."""
    async with an_entra(tmp_path) as world:
        by_id = {"groups": (world.id("Zoom Users"),)}
        world.graph.faults.add(missing(), "group", times=3)
        world.graph.faults.add(missing(), "members", times=2)
        assert {ANN, BOB} == entitled(await world.directory(**by_id).read()).keys()

        world.graph.faults.add(missing(), "members", times=None)
        error = await unreadable(world.directory(**by_id))
    assert "the list of members of 'Zoom Users' could not be read whole in 3 attempts" in error.what


async def test_a_deleted_group_is_missing_and_not_empty(tmp_path: Path) -> None:
    """An admin who deletes it deactivates nobody."""
    async with an_entra(tmp_path) as world:
        world.tenant.delete("Zoom Users")
        assert "'Zoom Users' does not exist" in (await unreadable(world.directory())).what
        assert "does not exist" in (await unreadable(world.directory(groups=(world.id("Zoom Users"),)))).what


async def test_a_dynamic_group_that_is_not_kept_up_is_refused(tmp_path: Path) -> None:
    """Its members are those of some day in the past."""
    async with an_entra(tmp_path) as world:
        world.tenant.update("Zoom Users", membership_rule_processing_state="Paused", group_types=("DynamicMembership",))
        error = await unreadable(world.directory())
        world.tenant.update("Zoom Users", membership_rule_processing_state="On")
        assert {ANN, BOB} == entitled(await world.directory().read()).keys()
    assert "does not keep the dynamic group 'Zoom Users' up to date" in error.what


async def test_a_dynamic_group_within_a_group_is_held_to_the_same(tmp_path: Path) -> None:
    """Its people would be the ones to miss; not when nested groups do not count."""
    async with an_entra(tmp_path) as world:
        world.tenant.update("Sales", membership_rule_processing_state="Paused", group_types=("DynamicMembership",))
        error = await unreadable(world.directory())
        assert {ANN} == entitled(await world.directory(nested=False).read()).keys()
    assert "does not keep the dynamic group 'Sales' up to date" in error.what


async def test_a_group_within_a_group_is_asked_for_when_its_visibility_was_not_told(tmp_path: Path) -> None:
    """What was not said is not "visible"."""

    def untold(page: dict[str, Any]) -> None:
        for row in page["value"]:
            row.pop("visibility", None)

    async with an_entra(tmp_path) as world:
        world.graph.faults.add(rewritten(untold), "members", times=None)
        assert {ANN, BOB} == entitled(await world.directory().read()).keys()
        world.tenant.update("Sales", visibility="HiddenMembership")
        error = await unreadable(world.directory())
        assert "the members of the group 'Sales'" in error.what
        assert "Member.Read.Hidden" in error.do

        world.graph.faults.add(missing(), "group", times=None)
        assert "is within another one, but cannot be found" in (await unreadable(world.directory())).what


async def test_trouble_of_the_synchronisation_is_told(tmp_path: Path) -> None:
    """It concerns single attributes mostly, so it does not stop a read."""
    async with an_entra(tmp_path) as world:
        world.tenant.update("Zoom Users", on_premises_provisioning_errors=({"category": "PropertyConflict"},))
        await world.directory().read()
    assert ["group.synchronisation_troubled"] == [
        event.event for event in world.told if isinstance(event, Noted) and event.level == "warning"
    ]


async def test_microsoft_365_groups_are_groups(tmp_path: Path) -> None:
    """They hold people only, and may be mail-enabled."""
    async with an_entra(
        tmp_path, [a_person(ANN), a_unified_group("Zoom Team", "team@corp.example")], {"Zoom Team": [ANN]}
    ) as world:
        assert {ANN: ("Zoom Team",)} == entitled(await world.directory(groups=("Zoom Team",)).read())


# --------------------------------------------------------------------------------------------------- not what it seems


@pytest.mark.parametrize(
    ("operation", "fault", "says"),
    [
        ("list_users", field_missing("value"), "not in Graph's form"),
        ("members", field_missing("value"), "not in Graph's form"),
        ("list_users", rewritten(lambda page: page["value"][0].pop("id") and None), "without its id"),
        ("members", rewritten(lambda page: [row.pop("@odata.type") for row in page["value"]] and None), "without its type"),
        ("list_users", refusing(400, "Request_BadRequest", "Could not find a property named 'mial'."), "property named 'mial'"),
        ("members", rewritten(lambda page: page.update(value=[], error={"code": "generalException"})), "ended with an error"),
        ("members", field_set("@odata.nextLink", "http://127.0.0.1:99999/"), "no address"),
        ("list_users", refusing(206, "", ""), "HTTP 206, not 200"),
        ("members", refusing(202, "", ""), "HTTP 202, not 200"),
        ("list_users", refusing(404, "", ""), "no code"),
        ("list_users", permission_denied(), "Authorization_RequestDenied"),
        ("list_users", refusing(302, "Found", "", Location="https://elsewhere.example/"), "a redirect to elsewhere.example"),
    ],
    ids=[
        "no list",
        "no members",
        "no id",
        "no type",
        "bad attribute",
        "error at the end",
        "no address",
        "206",
        "202",
        "bare 404",
        "403",
        "redirect",
    ],
)
async def test_an_answer_that_is_not_graphs_is_refused(tmp_path: Path, operation: str, fault: Any, says: str) -> None:
    """With what to look at."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(fault, operation, times=None)
        error = await unreadable(world.directory())
    assert says in error.what
    assert error.do


async def test_no_error_holds_an_address(tmp_path: Path) -> None:
    """They end in logs and in records that may hold none."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(
            refusing(400, "Request_BadRequest", f"Resource '{DAN}' and <{ANN}> are odd."), "list_users", times=None
        )
        error = await unreadable(world.directory())
    assert "Resource '(address)' and <(address)> are odd" in error.what


def a_crowd(folder: Path, size: int) -> Any:
    """So many people, all in the one group."""
    crowd = [a_person(f"p{number}@corp.example") for number in range(size)]
    return an_entra(folder, [*crowd, a_group("Zoom Users")], {"Zoom Users": [one.id for one in crowd]})
