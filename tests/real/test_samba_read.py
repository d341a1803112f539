"""A whole read of a real domain with 5,000 people: the same people, members and ways as other tools see."""

from __future__ import annotations

import asyncio
import base64
import random
import tracemalloc
from datetime import UTC, datetime

import pytest

from syncd.model import DirectorySnapshot, Person
from tests.real.samba_world import (
    AWKWARD,
    GROUPS,
    STAFF,
    SambaDirectory,
    entitled_names,
    ldif_group,
    name_of,
    names_of,
    unreadable,
    users,
)

IN_CHAIN = "memberOf:1.2.840.113556.1.4.1941:"
PEOPLE = "(objectCategory=person)(objectClass=user)"


@pytest.fixture(scope="module")
def company(samba) -> DirectorySnapshot:
    """One whole read with groups of every use, for all tests that only look at it."""
    directory = SambaDirectory(samba, "zoom-flat", leaver_groups=("zoom-basic",), protecting_groups=("zoom-universal",))
    return asyncio.run(directory.read())


@pytest.mark.parametrize("group", ["zoom-outer", "nest-1", "zoom-universal"])
async def test_the_entitled_are_those_that_ldapsearch_finds_in_the_chain(samba, group):
    """The server's own rule for nested membership, asked by another client."""
    snapshot = await SambaDirectory(samba, group).read()

    expected = names_of(samba.ldapsearch(f"(&{PEOPLE}({IN_CHAIN}=CN={group},{GROUPS}))"))
    assert expected == entitled_names(snapshot)
    assert len(expected) == snapshot.groups[0].members


async def test_every_kind_of_group_has_as_many_people_as_ldapsearch_counts(samba):
    """Global, universal, local, distribution, nested, overlapping and empty ones in one read."""
    groups = ("nest-3", "zoom-licensed", "zoom-local", "zoom-distribution", "zoom-empty")
    snapshot = await SambaDirectory(samba, *groups).read()

    expected = {group: len(samba.ldapsearch(f"(&{PEOPLE}({IN_CHAIN}=CN={group},{GROUPS}))")) for group in groups}
    assert expected == {one.name: one.members for one in snapshot.groups}


@pytest.mark.parametrize("group", ["zoom-flat", "nest-1", "zoom-primary"])
async def test_direct_members_are_those_that_samba_tool_lists(samba, group):
    """Primary-group members included, which stand in no member list."""
    snapshot = await SambaDirectory(samba, group, nested=False).read()

    listed = {name.capitalize() for name in samba.samba_tool("group", "listmembers", group).split() if name.startswith("u")}
    assert listed == entitled_names(snapshot)


def test_everybody_of_the_domain_is_read_and_nobody_else(samba, company):
    """Entitled or not: so "left the groups" can be told from "not there". Contacts and computers are no people."""
    assert len(samba.ldapsearch(f"(&{PEOPLE})")) == len(company.people)
    names = {name_of(person) for person in company.people}
    assert users(1, 5000) | {"X001", "comma@corp.example", "unicode@corp.example"} <= names
    assert "contact.one@partner.example" not in {address for person in company.people for address in person.addresses}
    assert abs(company.clock_offset_seconds or 99) < 5


def test_ids_are_object_guids(samba, company):
    """As another client sees them."""
    mine = {person.display_name: person.id for person in company.people}

    shown = samba.samba_tool("user", "show", "u0001", "--attributes=objectGUID")
    assert f"objectGUID: {mine['U0001']}" in shown


async def test_a_member_of_the_primary_group_counts_as_a_member(samba):
    """u0020 and u0021 only by number, u0022 by list."""
    assert users(20, 21, 22) == entitled_names(await SambaDirectory(samba, "zoom-primary").read())


async def test_the_way_through_nested_groups_is_told(samba):
    """Four levels with a cycle; u4999 stands in two of them."""
    snapshot = await SambaDirectory(samba, "nest-1").read()
    ways = {person.display_name: person.entitled_by for person in snapshot.people if person.entitled_by}

    assert {
        "U4999": ("nest-1",),
        "U4998": ("nest-1", "nest-2"),
        "U4997": ("nest-1", "nest-2", "nest-3"),
        "U4996": ("nest-1", "nest-2", "nest-3", "nest-4"),
    } == ways


async def test_without_nesting_only_direct_members_are_entitled(samba):
    """nested: false."""
    assert users(4999) == entitled_names(await SambaDirectory(samba, "nest-1", nested=False).read())


async def test_a_group_with_every_awkward_character_is_found_in_every_way(samba):
    """Its DN as the server spells it, its short name, its objectGUID."""
    first = await SambaDirectory(samba, "zoom-awkward").read()
    (dn,) = samba.ldapsearch("(sAMAccountName=zoom-awkward)", "distinguishedName")
    dn = base64.b64decode(dn.lstrip(": ")).decode()
    by_dn = await SambaDirectory(samba, dn).read()
    by_guid = await SambaDirectory(samba, first.groups[0].id.upper()).read()

    assert AWKWARD == first.groups[0].name
    assert users(1, 2, 3) | {"comma@corp.example", "unicode@corp.example"} == entitled_names(first)
    assert [(first.groups[0].id, 5)] * 3 == [(one.groups[0].id, one.groups[0].members) for one in (first, by_dn, by_guid)]
    assert first.digest == by_dn.digest == by_guid.digest


@pytest.mark.parametrize(
    "name", ["zoom-gone", f"CN=zoom-gone,{GROUPS}", "11111111-2222-3333-4444-555555555555", "CN=,,=", "zoom-*"]
)
async def test_a_group_that_does_not_exist_is_an_error_that_names_it(samba, name):
    """Read as empty it would be a mass leaver."""
    error = await unreadable(SambaDirectory(samba, "zoom-flat", name))

    assert f"1 configured group(s) cannot be read: {name!r} does not exist" in error.what


async def test_a_group_that_holds_whoever_logs_on_is_refused_by_name(samba):
    """zoom-mixed holds Authenticated Users, beside a user, a contact, a computer, an empty group and an account elsewhere."""
    error = await unreadable(SambaDirectory(samba, "zoom-mixed", foreign_members="elsewhere", unresolved_members="unknown"))

    assert "Authenticated Users (S-1-5-11) is a member of zoom-mixed" in error.what


async def test_contacts_and_computers_are_ignored_and_accounts_elsewhere_are_what_the_operator_says(changeable_samba):
    """No trust leads to the domain of S-1-5-21-1-2-3: an orphan."""
    lab = changeable_samba
    special = "OU=Special,DC=corp,DC=example"
    lab.add(
        ldif_group(
            "mixed",
            [
                f"CN=u0004,{STAFF}",
                "CN=x001,OU=Outside,DC=corp,DC=example",
                f"CN=contact one,{special}",
                f"CN=PC001,{special}",
                f"CN=zoom-empty,{GROUPS}",
                "<SID=S-1-5-21-1-2-3-1104>",
            ],
        )
    )
    error = await unreadable(SambaDirectory(lab, "mixed"))
    unknown = await SambaDirectory(lab, "mixed", foreign_members="unknown").read()
    elsewhere = await SambaDirectory(lab, "mixed", foreign_members="elsewhere").read()

    assert "1 member(s) of the groups are orphans" in error.what
    assert "S-1-5-21-1-2-3-1104 (in mixed)" in error.what
    assert (("CN=S-1-5-21-1-2-3-1104,CN=ForeignSecurityPrincipals,DC=corp,DC=example",), ()) == (
        unknown.unresolved,
        elsewhere.unresolved,
    )
    assert users(4) | {"X001"} == entitled_names(unknown) == entitled_names(elsewhere)


async def test_a_member_outside_the_bases_is_a_person_by_membership(samba):
    """x002 is entitled, and below no base; x003 is in no group and nobody."""
    directory = SambaDirectory(samba, "zoom-basic", base_dns=(STAFF,))
    snapshot = await directory.read()
    looked = [await directory.recheck_person(None, [f"x{number:03d}@corp.example"]) for number in (2, 3)]
    await directory.close()

    (outside,) = [person for person in snapshot.people if person.display_name == "X002"]
    assert ("zoom-basic",) == outside.entitled_by
    assert [(outside,), ()] == looked
    assert "X003" not in {person.display_name for person in snapshot.people}


async def test_members_by_primary_group_outside_the_bases_are_people(samba):
    """Everybody is in Domain Users, Administrator and Guest included, who live elsewhere."""
    snapshot = await SambaDirectory(samba, "Domain Users", base_dns=(STAFF,)).read()

    listed = "memberOf=CN=Domain Users,CN=Users,DC=corp,DC=example"
    assert len(samba.ldapsearch(f"(&{PEOPLE}(|(primaryGroupID=513)({listed})))")) == snapshot.groups[0].members


async def test_several_bases_are_read_as_one_directory(samba):
    """Staff and Special; nobody of Outside; overlapping bases count nobody twice."""
    bases = (STAFF, "ou=special,dc=corp,dc=example", f"OU=Staff,{samba['BASE_DN']}")
    snapshot = await SambaDirectory(samba, "zoom-awkward", base_dns=bases).read()

    names = {name_of(person) for person in snapshot.people}
    assert users(1, 5000) | {"comma@corp.example"} <= names
    assert "X001" not in names
    assert 5 == snapshot.groups[0].members


def test_every_use_of_groups_is_told_apart(company):
    """Entitling, leavers and protecting groups, each with its ways and its count."""
    (person,) = (found for found in company.people if found.display_name == "U0060")

    assert ("zoom-flat",) == person.entitled_by
    assert ("zoom-basic",) == person.leaver_by
    assert ("zoom-universal", "zoom-licensed") == person.protected_by
    assert {("entitling", 3500), ("leavers", 151), ("protecting", 100)} == {(one.use, one.members) for one in company.groups}


def test_the_oddities_of_a_company_are_understood(company):
    """One person of each kind in the data set."""
    people = {person.display_name: person for person in company.people}

    def seen(number: int) -> Person:
        return people[f"U{number:04d}"]

    assert ("u0007@corp.example",) == seen(7).addresses  # no mail
    assert ("u0008@corp.example", "proxy.u0008@corp.example", "old.u0008@corp.example") == seen(8).addresses
    assert ("given0009.family0009@corp.example", "u0009@login.other.example") == seen(9).addresses
    assert "given0010.family0010@corp.example" in seen(10).addresses  # mixed case
    assert "jürgen.größe0011@corp.example" in seen(11).addresses
    assert ("given0012.family0012@corp.example",) == seen(12).addresses  # no UPN
    assert (False, True) == (seen(13).enabled, seen(14).enabled)
    assert datetime(2020, 1, 1, tzinfo=UTC) == seen(14).expires_at
    assert datetime(2099, 1, 1, tzinfo=UTC) == seen(15).expires_at
    assert seen(16).expires_at is None
    assert "given0017.family0017@corp.example" in seen(17).addresses  # blanks
    assert "shared.mailbox@corp.example" == seen(18).addresses[0] == seen(518).addresses[0]
    assert {"u0023@alias.corp.example"} <= set(seen(23).addresses)
    assert "Dept 23" == seen(23).department
    assert seen(23).changed_at is not None
    assert [] == [person for person in people.values() if person.unclear]


async def test_small_pages_give_the_same_directory(samba):
    """Fifty pages and one alike."""
    one = await SambaDirectory(samba, page_size=10_000).read()
    many = await SambaDirectory(samba, page_size=100).read()

    assert one.digest == many.digest


async def test_a_first_and_a_second_look_show_what_the_read_showed(samba):
    """A sample of everybody, with everybody in the nested, primary and awkward groups."""
    directory = SambaDirectory(
        samba,
        "zoom-awkward",
        "nest-1",
        "zoom-primary",
        "zoom-flat",
        leaver_groups=("zoom-basic",),
        protecting_groups=("zoom-universal",),
    )
    snapshot = await directory.read()
    chosen = [person for person in snapshot.people if person.entitled_by and person.entitled_by[0] != "zoom-flat"]
    chosen += random.Random(1).sample(snapshot.people, 40)

    differing = [person for person in chosen if (person,) != await directory.recheck_person(person.id, [])]
    differing += [person for person in chosen if (person,) != await directory.look_first(person.id)]
    by_address = await directory.recheck_person(
        None,
        ["jürgen.größe0011@corp.example", "given0017.family0017@corp.example", "old.u0008@corp.example", "nobody@corp.example"],
    )
    await directory.close()

    assert [] == differing
    assert users(8, 11, 17) == {person.display_name for person in by_address}


async def test_a_read_keeps_little_memory(samba):
    """A page at a time is held beside the people themselves: 100,000 people must fit, too."""
    tracemalloc.start()
    try:
        snapshot = await SambaDirectory(samba).read()
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 20_000_000
    assert peak_bytes / len(snapshot.people) < 4_000


async def test_a_check_says_that_all_is_well(samba):
    """One line for the server."""
    ((what, ok, finding),) = await SambaDirectory(samba, "zoom-flat", "nest-1").check()

    assert f"directory {samba['ADDR']}:636" == what
    assert ok, finding
    assert "5035 people read whole below 1 base(s), and 2 group(s): nest-1 4, zoom-flat 3500; a second look agrees" in finding


# ------------------------------------------------------------------------------------- on a domain that may be changed


async def test_every_member_of_a_large_group_is_found(changeable_samba):
    """1,499, 1,500, 1,501 and 3,001: around the number at which Windows begins to give ranges."""
    sizes = (1499, 1500, 1501, 3001)
    for size in sizes:
        changeable_samba.add(ldif_group(f"size-{size}", [f"CN=u{number:04d},{STAFF}" for number in range(1, size + 1)]))
        snapshot = await SambaDirectory(changeable_samba, f"size-{size}").read()
        assert users(*range(1, size + 1)) == entitled_names(snapshot)


async def test_a_change_is_seen_by_the_second_look_at_once(changeable_samba):
    """Taken out of the group, disabled, deleted: between two looks through one connection."""
    lab, dn = changeable_samba, f"CN=u0030,{STAFF}"
    directory = SambaDirectory(lab)
    (person,) = await directory.recheck_person(None, ["u0030@corp.example"])
    lab.modify(f"dn: CN=zoom-flat,{GROUPS}\nchangetype: modify\ndelete: member\nmember: {dn}\n-\n")
    (left,) = await directory.recheck_person(person.id, [])
    assert (left,) == await directory.look_first(person.id)
    lab.modify(f"dn: {dn}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 546\n-\n")
    (disabled,) = await directory.recheck_person(person.id, [])
    lab.modify(f"dn: {dn}\nchangetype: modrdn\nnewrdn: CN=u0030 married\ndeleteoldrdn: 1\n")
    (renamed,) = await directory.recheck_person(person.id, [])
    lab.modify(f"dn: CN=u0030 married,{STAFF}\nchangetype: delete\n")
    gone = await directory.recheck_person(person.id, ["u0030@corp.example"])
    await directory.close()

    assert [("zoom-flat",), (), (), ()] == [seen.entitled_by for seen in (person, left, disabled, renamed)]
    assert [True, True, False, False] == [seen.enabled for seen in (person, left, disabled, renamed)]
    assert person.id == renamed.id
    assert () == gone


async def test_a_group_whose_members_may_not_be_read_is_an_error(changeable_samba):
    """The right to read "member" was taken from the bind account: it looks like an empty group."""
    lab = changeable_samba
    lab.add(ldif_group("hushed", [f"CN=u0001,{STAFF}"]))
    text = lab.samba_tool("user", "show", "svc-syncd", "--attributes=objectSid").split("objectSid: ")[1].split()[0]
    lab.samba_tool(
        "dsacl",
        "set",
        "--action=deny",
        f"--objectdn=CN=hushed,{GROUPS}",
        f"--sddl=(OD;;RP;bf9679c0-0de6-11d0-a285-00aa003049e2;;{text})",
    )

    error = await unreadable(SambaDirectory(lab, "hushed"))

    assert f"the members of the group CN=hushed,{GROUPS} cannot be read: it shows none, yet it is not empty" in error.what


async def test_people_who_may_not_be_seen_are_unresolved_and_not_absent(changeable_samba):
    """The rights below one OU were taken from the bind account: its people vanish, but not from the groups."""
    lab = changeable_samba
    lab.add(
        "dn: OU=Veiled,DC=corp,DC=example\nobjectClass: organizationalUnit\n\n"
        "dn: CN=veiled,OU=Veiled,DC=corp,DC=example\nobjectClass: user\nsAMAccountName: veiled\n\n"
        + ldif_group("part-veiled", [f"CN=u0001,{STAFF}", "CN=veiled,OU=Veiled,DC=corp,DC=example"])
    )
    whole = await SambaDirectory(lab, "part-veiled").read()
    text = lab.samba_tool("user", "show", "svc-syncd", "--attributes=objectSid").split("objectSid: ")[1].split()[0]
    lab.samba_tool("dsacl", "set", "--action=deny", "--objectdn=OU=Veiled,DC=corp,DC=example", f"--sddl=(D;CI;RPLCLORC;;;{text})")

    error = await unreadable(SambaDirectory(lab, "part-veiled"))

    assert 2 == whole.groups[0].members
    assert "CN=veiled,OU=Veiled,DC=corp,DC=example (in part-veiled)" in error.what
