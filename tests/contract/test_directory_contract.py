"""What every directory promises, whichever kind it is: one suite for the file, Entra and Active Directory.

Entra is the lab's token service and Graph, Active Directory a server that answers as Windows does and, where it can be
started, a real Samba domain controller.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from syncd.directories.kinds import KINDS
from syncd.errors import SourceError
from syncd.model import DirectorySnapshot, GroupUse, Person
from tests.adlab import lab
from tests.contract import directories
from tests.contract.directories import CROWD, PEOPLE, Company, Opened, addresses_of

Open = Callable[..., Opened]


@pytest.fixture(scope="module")
def samba(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """A domain controller for this file."""
    reason = lab.missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with lab.running(tmp_path_factory.mktemp("contract") / "dc", lab.template()) as started:
        yield started


@pytest.fixture(
    params=[(kind, name) for kind in KINDS for name in directories.COMPANIES.get(kind, {"none": None})],
    ids=lambda param: param[1],
)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the company in one kind of directory; ``crowd=`` adds people in no group. Every registered kind gets the suite,
    and fails it while it brings no company."""
    kind, name = request.param
    assert kind in directories.COMPANIES, f"the directory {kind} brings no company: add one to COMPANIES"
    first = request.getfixturevalue("samba") if name == "samba" else tmp_path
    return partial(directories.COMPANIES[kind][name], first)


def demand(able: bool, what: str) -> None:
    """Some kind of directory has no such thing."""
    if not able:
        pytest.skip(f"this directory knows no {what}")


def by_name(company: Company, people: tuple[Person, ...] | DirectorySnapshot) -> dict[str, Person]:
    """People by their names in the story; those of the crowd are left out."""
    ids = {company.id(name): name for name in PEOPLE}
    listed = people.people if isinstance(people, DirectorySnapshot) else people
    return {ids[person.id]: person for person in listed if person.id in ids}


async def unreadable(company: Company, *groups: str) -> SourceError:
    """The error that a read ends with."""
    with pytest.raises(SourceError) as caught:
        await company.directory(*groups).read()
    assert "directory" == caught.value.source
    return caught.value


# ------------------------------------------------------------------------------------------------------- the whole read


async def test_everybody_is_there_once_with_all_addresses(opened: Open) -> None:
    """Sorted by id, in a group or not, the main address first; a time, a digest, no doubt."""
    async with opened() as company:
        snapshot = await company.directory().read()
        people = by_name(company, snapshot)

    assert sorted(person.id for person in snapshot.people) == [person.id for person in snapshot.people]
    assert set(PEOPLE) == people.keys()
    assert {name: addresses_of(name) for name in PEOPLE} == {name: person.addresses for name, person in people.items()}
    assert {name.title() for name in PEOPLE} == {person.display_name for person in people.values()}
    assert snapshot.read_at.utcoffset() is not None
    assert () == snapshot.unresolved
    assert not any(person.unclear or person.guest for person in snapshot.people)


async def test_every_page_is_read(opened: Open) -> None:
    """Of the list of people and of a group's members: nobody on the last page is missing."""
    async with opened(crowd=CROWD) as company:
        crowd = [f"p{number:03}" for number in range(CROWD)]
        for name in crowd:
            company.join("held", name)
        snapshot = await company.directory("held").read()

    assert {*map(company.id, PEOPLE), *map(company.id, crowd)} == {person.id for person in snapshot.people}
    assert {*map(company.id, crowd), company.id("fay")} == {person.id for person in snapshot.people if person.entitled_by}
    assert CROWD + 1 == snapshot.groups[0].members
    assert (snapshot.people.pages > 2) is company.pages


async def test_whoever_is_in_a_group_is_entitled_and_whoever_is_not_is_found_all_the_same(opened: Open) -> None:
    """Found without a group is "left the groups"; not found is "absent"."""
    async with opened() as company:
        directory = company.directory()
        first = by_name(company, await directory.read())
        company.leave("zoom", "ann")
        company.delete("gus")
        then = by_name(company, await directory.read())

    assert ("zoom",) == company.short(first["ann"].entitled_by)
    assert ((), ()) == (first["cid"].entitled_by, then["ann"].entitled_by)
    assert set(PEOPLE) - {"gus"} == then.keys()


async def test_the_way_into_a_group_leads_through_the_groups_between(opened: Open) -> None:
    """The shortest one; circles do no harm; the group counts everybody below it."""
    async with opened() as company:
        demand(company.nests, "groups within groups")
        snapshot = await company.directory("zoom", "sales").read()
        people = by_name(company, snapshot)

    assert {
        "ann": ("zoom",),
        "bob": ("zoom", "sales"),
        "cid": (),
        "dan": ("zoom",),
        "eve": ("zoom",),
        "fay": ("zoom", "sales", "east"),
        "gus": ("zoom",),
    } == {name: company.short(person.entitled_by) for name, person in people.items()}
    assert {"zoom": 6, "sales": 6} == {company.short((group.name,))[0]: group.members for group in snapshot.groups}


async def test_without_nesting_only_direct_members_count(opened: Open) -> None:
    """Also for those who look in again."""
    async with opened() as company:
        demand(company.nests, "groups within groups")
        directory = company.directory(nested=False)
        snapshot = await directory.read()
        people = by_name(company, snapshot)
        again = by_name(company, await directory.recheck_person(company.id("bob"), []))

    assert {"ann", "dan", "eve", "gus"} == {name for name, person in people.items() if person.entitled_by}
    assert 4 == snapshot.groups[0].members
    assert () == again["bob"].entitled_by


async def test_disabled_and_expired_people_are_found_and_say_so(opened: Open) -> None:
    """Whether that entitles is not the directory's to decide."""
    async with opened() as company:
        people = by_name(company, await company.directory().read())

    assert {"dan"} == {name for name, person in people.items() if not person.enabled}
    assert people["dan"].entitled_by
    expired = {name for name, person in people.items() if person.expires_at is not None}
    assert ({"gus"} if company.expires else set()) == expired
    assert not company.expires or 2020 == getattr(people["gus"].expires_at, "year", 0)


async def test_leavers_and_protected_people_are_told_beside_what_entitles_them(opened: Open) -> None:
    """Three ways, told apart, each group with its use and size."""
    async with opened() as company:
        snapshot = await company.directory("zoom", leavers=["leavers"], protecting=["held", "empty"]).read()
        people = by_name(company, snapshot)

    assert (("zoom",), ("leavers",), ()) == tuple(
        map(company.short, (people["eve"].entitled_by, people["eve"].leaver_by, people["eve"].protected_by))
    )
    assert ((), ("held",)) == (company.short(people["fay"].leaver_by), company.short(people["fay"].protected_by))
    assert {("leavers", GroupUse.LEAVERS): 1, ("held", GroupUse.PROTECTING): 1, ("empty", GroupUse.PROTECTING): 0} == {
        (company.short((group.name,))[0], group.use): group.members
        for group in snapshot.groups
        if group.use is not GroupUse.ENTITLING
    }


async def test_equal_content_has_an_equal_digest_and_a_change_another(opened: Open) -> None:
    """Plans are compared by it."""
    async with opened() as company:
        directory = company.directory()
        first, second = await directory.read(), await directory.read()
        company.disable("ann")
        third = await directory.read()

    assert first.digest == second.digest != third.digest


# ----------------------------------------------------------------------------------------------- whole, or not at all


async def test_a_read_that_breaks_in_the_middle_is_no_smaller_company(opened: Open) -> None:
    """An error that says what happened."""
    async with opened() as company:
        demand(company.can_break, "breaks")
        company.break_off()
        assert (await unreadable(company)).what


async def test_a_group_that_is_not_there_is_no_empty_group(opened: Open) -> None:
    """All of them are named at once, whatever they are for."""
    async with opened() as company:
        demand(company.names_missing_groups, "missing groups: they are empty")
        error = await unreadable(company, "zoom", "gone", "lost")
        with pytest.raises(SourceError, match="nowhere"):
            await company.directory(leavers=["nowhere"]).read()
    assert "gone" in error.what
    assert "lost" in error.what


async def test_an_empty_group_is_read_as_empty(opened: Open) -> None:
    """The guards judge that, not the adapter."""
    async with opened() as company:
        snapshot = await company.directory("empty").read()
    assert [0] == [group.members for group in snapshot.groups]
    assert set(PEOPLE) == by_name(company, snapshot).keys()


async def test_somebody_who_cannot_be_understood_is_unclear_and_never_absent(opened: Open) -> None:
    """One in a hundred; with their groups, and the same when checked again."""
    async with opened(crowd=CROWD) as company:
        demand(company.can_be_unclear, "unclear people")
        company.spoil("ann")
        directory = company.directory()
        ann = by_name(company, await directory.read())["ann"]
        again = by_name(company, await directory.recheck_person(company.id("ann"), []))["ann"]

    assert ann.unclear
    assert ("zoom",) == company.short(ann.entitled_by)
    assert ann == again


async def test_several_who_cannot_be_understood_are_handed_over_by_name(opened: Open) -> None:
    """How many of them a plan may have is not for the directory to say: it does not know whom to ignore."""
    async with opened() as company:
        demand(company.can_be_unclear, "unclear people")
        for name in ("ann", "bob", "cid"):
            company.spoil(name)
        snapshot = await company.directory().read()
        unclear = {company.id(name) for name in ("ann", "bob", "cid")}
    assert unclear == {person.id for person in snapshot.people if person.unclear}


# ------------------------------------------------------------------------------------------------------ the second look


async def test_everybody_looks_the_same_from_nearby(opened: Open) -> None:
    """By id, by either address, in any letter case."""
    async with opened() as company:
        directory = company.directory("zoom", leavers=["leavers"], protecting=["held"])
        for name, read in by_name(company, await directory.read()).items():
            main, alias = addresses_of(name)
            for id_, addresses in ((read.id, []), (None, [main]), (None, [alias.upper()]), (read.id, [main, alias])):
                assert (read,) == await directory.recheck_person(id_, addresses)


async def test_a_change_after_the_read_is_seen(opened: Open) -> None:
    """Out of the group, into it, disabled, another address, gone."""
    async with opened() as company:
        directory = company.directory()
        await directory.read()
        company.leave("zoom", "ann")
        company.join("zoom", "cid")
        company.disable("eve")
        company.readdress("gus", "august@corp.example", "gus.alias@corp.example")
        company.delete("dan")
        seen = {name: by_name(company, await directory.recheck_person(company.id(name), [])) for name in PEOPLE}
        old, new = [await directory.recheck_person(None, [f"{name}@corp.example"]) for name in ("gus", "august")]

    assert () == seen["ann"]["ann"].entitled_by
    assert ("zoom",) == company.short(seen["cid"]["cid"].entitled_by)
    assert not seen["eve"]["eve"].enabled
    assert {} == seen["dan"]
    assert ([], [company.id("gus")]) == ([person.id for person in old], [person.id for person in new])


async def test_two_who_claim_one_address_are_both_told(opened: Open) -> None:
    """Whoever asks decides what that means."""
    async with opened() as company:
        company.readdress("cid", "cid@corp.example", "ann@corp.example")
        found = by_name(company, await company.directory().recheck_person(None, ["ann@corp.example"]))
    assert {"ann", "cid"} == found.keys()


@pytest.mark.parametrize(
    ("id_", "addresses"),
    [
        (None, []),
        ("00000000-0000-4000-8000-000000000000", []),
        ("no id of any kind", []),
        (None, ["nobody@corp.example"]),
        (None, ["*@corp.example"]),
        (None, ["o'hara)(mail=*@corp.example"]),
    ],
)
async def test_nobody_is_nobody(opened: Open, id_: str | None, addresses: list[str]) -> None:
    """Unknown, of another kind, or an address that tries to be a filter."""
    async with opened() as company:
        assert () == await company.directory().recheck_person(id_, addresses)


async def test_a_look_that_breaks_is_an_error_and_not_nobody(opened: Open) -> None:
    """Otherwise a fault would confirm a deactivation."""
    async with opened() as company:
        demand(company.can_break, "breaks")
        directory = company.directory()
        await directory.read()
        company.break_off()
        with pytest.raises(SourceError):
            await directory.recheck_person(company.id("ann"), ["ann@corp.example"])


async def test_check_says_that_all_is_well_or_what_is_not(opened: Open) -> None:
    """Lines with a finding each; a group that is not there is no good line."""
    async with opened() as company:
        fine = await company.directory().check()
        lines = await company.directory("zoom", "gone").check()
    assert fine
    assert all(ok for _, ok, _ in fine)
    assert any(not ok and "gone" in what + says for what, ok, says in lines)
