"""The look right before a change: one person, by id and by address, with their groups as they are now."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.directories.entra.recheck import filters
from syncd.errors import SourceError
from syncd.lab.entra.objects import a_group, a_person, guid
from syncd.lab.graph.faults import missing, nulls
from tests.directories.entra_world import ANN, BOB, CID, an_entra

ALL = {"leaver_groups": ("Leavers",), "protecting_groups": ("Held",)}


@pytest.mark.parametrize("nested", [True, False])
async def test_everybody_looks_the_same_alone_as_in_the_whole_read(tmp_path: Path, nested: bool) -> None:
    """Ways, leavers, protection, nested groups or direct members only: by id, and by each address."""
    async with an_entra(tmp_path) as world:
        world.tenant.join("Leavers", ANN)
        world.tenant.join("Held", BOB)
        directory = world.directory(nested=nested, **ALL)
        for read in (await directory.read()).people:
            assert (read,) == await directory.recheck_person(read.id, [])
            assert (read,) == await directory.recheck_person(None, read.addresses)


async def test_without_a_read_before_the_group_itself_is_the_way(tmp_path: Path) -> None:
    """Membership is what counts; the way is for people to read."""
    async with an_entra(tmp_path) as world:
        (bob,) = await world.directory().recheck_person(None, ["BOB@Corp.Example"])
    assert ("Zoom Users",) == bob.entitled_by


async def test_a_change_after_the_read_is_seen(tmp_path: Path) -> None:
    """Left, joined, disabled, renamed, deleted."""
    async with an_entra(tmp_path) as world:
        directory = world.directory()
        await directory.read()
        world.tenant.leave("Sales", BOB)
        world.tenant.join("Sales", CID)
        world.tenant.update(
            ANN, account_enabled=False, mail="anna@corp.example", proxy_addresses=("SMTP:anna@corp.example", f"smtp:{ANN}")
        )
        ((ann,), (bob,), (cid,)) = [await directory.recheck_person(world.id(name), []) for name in (ANN, BOB, CID)]
        assert ((), ("Zoom Users",)) == (bob.entitled_by, cid.entitled_by)
        assert (False, ("anna@corp.example", ANN)) == (ann.enabled, ann.addresses)
        assert (ann,) == await directory.recheck_person(None, [ANN])

        world.tenant.delete(ANN)
        assert () == await directory.recheck_person(ann.id, [ANN, "anna@corp.example"])


async def test_a_new_owner_of_the_address_is_found_beside_the_old_one(tmp_path: Path) -> None:
    """Both are told; whoever asks decides."""
    async with an_entra(tmp_path) as world:
        world.tenant.add(a_person("new@corp.example", proxy_addresses=(f"smtp:{ANN}",)))
        found = await world.directory().recheck_person(world.id(ANN), [ANN])
    assert sorted([world.id(ANN), world.id("new@corp.example")]) == [person.id for person in found]


@pytest.mark.parametrize(
    ("id_", "addresses"),
    [
        (None, []),
        ("S-1-5-21-1-2-3", []),
        ("5b31c38c-2584-42f0-aa47-657fb3a84230", ["nobody@corp.example"]),
        (None, ["o'hara@corp.example"]),
    ],
)
async def test_nobody_is_nobody(tmp_path: Path, id_: str | None, addresses: list[str]) -> None:
    """An id of another kind of directory, one nobody has, an address nobody has, a quote in it."""
    async with an_entra(tmp_path) as world:
        assert () == await world.directory().recheck_person(id_, addresses)


async def test_more_than_twenty_configured_groups_are_asked_about_in_parts(tmp_path: Path) -> None:
    """Graph takes twenty at once."""
    names = [f"Team {number:02}" for number in range(45)]
    async with an_entra(tmp_path, [a_person(ANN), *map(a_group, names)], {names[44]: [ANN]}) as world:
        (ann,) = await world.directory(groups=tuple(names)).recheck_person(guid(f"user {ANN}"), [])
        assert ("Team 44",) == ann.entitled_by
        assert 3 == len(world.graph.asked("member_groups"))


async def test_a_burst_of_looks_costs_three_requests_each(tmp_path: Path) -> None:
    """The groups are looked up once, and again after a minute."""
    async with an_entra(tmp_path) as world:
        directory = world.directory()
        for _ in range(3):
            await directory.recheck_person(world.id(ANN), [ANN])
        assert 1 + 3 * 3 == len(world.asked())
        world.clock.passed += 61
        world.tenant.delete("Zoom Users")
        with pytest.raises(SourceError, match="does not exist"):
            await directory.recheck_person(world.id(ANN), [ANN])


async def test_a_look_without_the_permission_concludes_nothing(tmp_path: Path) -> None:
    """Whoever was found by an address and comes with nulls is unclear, and never nobody."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(nulls(), "list_users", times=None)
        (ann,) = await world.directory().recheck_person(None, [ANN])
    assert world.id(ANN) == ann.id
    assert "accountEnabled is not shown" in ann.unclear


async def test_groups_that_cannot_be_told_are_no_groups_left(tmp_path: Path) -> None:
    """The user vanished between two questions."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(missing(), "member_groups", times=None)
        with pytest.raises(SourceError, match="could not be told"):
            await world.directory().recheck_person(world.id(ANN), [])


def test_filters_stay_within_graphs_limit_of_alternatives() -> None:
    """Fifteen; a quote is doubled."""
    keys = [f"p{number}@corp.example" for number in range(7)]
    asked = filters(keys, ("mail", "userPrincipalName", "proxyAddresses", "otherMails"))

    assert [3, 3, 1] == [text.count("mail eq") for text in asked]
    assert all(text.count(" or ") < 15 for text in asked)
    assert ["mail eq 'o''hara@corp.example'"] == filters(["o'hara@corp.example"], ("mail",))
