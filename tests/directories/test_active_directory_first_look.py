"""The look of the watch: by ``memberOf``, which a controller has at hand, with the same answer as a whole read."""

from __future__ import annotations

import pytest

from tests.adlab.fakeldap import done
from tests.adlab.windows import GROUPS, STAFF, Search, Windows, company, group, guid, person
from tests.directories.ad_world import Directory, id_of
from tests.directories.test_active_directory_second_look import ALL, nested, tangled


def searched_by_member(controller: Windows) -> list[Search]:
    """Searches for the groups that name a person as a member."""
    return [one for one in controller.searches_seen if one.page and one.asks_for("\x06member") and one.asks_for("OU=Staff")]


@pytest.mark.parametrize("way_down", [True, False])
async def test_everybody_looks_the_same_and_hardly_a_group_is_searched(way_down):
    """Paths, leavers, protection, primary groups and cycles, with and without nested groups."""
    with Windows(nested()) as controller:
        directory = Directory(controller.url, nested=way_down, **ALL)
        snapshot = await directory.read()
        controller.searches_seen.clear()
        seen = [await directory.look_first(read.id) for read in snapshot.people]
        searched = searched_by_member(controller)
        again = await directory.recheck_person(id_of(1), [])
        searched_then = searched_by_member(controller)
        await directory.close()

    assert [(read,) for read in snapshot.people] == seen
    assert 2 == len(searched), "who is in no group but by primaryGroupID names none, which proves nothing"
    assert again
    assert 3 == len(searched_then)


@pytest.mark.parametrize("seed", range(8))
async def test_so_does_everybody_in_a_tangle_of_groups(seed):
    """Without the way: of equally short ones either may be shown."""
    with Windows(tangled(seed)) as controller:
        directory = Directory(controller.url, groups=("zoom",), leaver_groups=("g1",), protecting_groups=("g2",))
        snapshot = await directory.read()
        seen = [one for read in snapshot.people for one in await directory.look_first(read.id)]
        await directory.close()

    def standing(people):
        return {one.id: [len(way) for way in (one.entitled_by, one.leaver_by, one.protected_by)] for one in people}

    assert standing(snapshot.people) == standing(seen)


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("hides", [f"CN=p3,{STAFF}", f"CN=north,{GROUPS}", f"CN=east,{GROUPS}"])
async def test_where_memberof_is_hidden_the_groups_are_asked(hides, absent):
    """Of the person; of a group on the way up it does not matter. Also where what is hidden counts as not being there."""
    with Windows(nested(), unreadable=frozenset({(hides, "memberOf")}), hidden_is_absent=absent) as controller:
        directory = Directory(controller.url, **ALL)
        snapshot = await directory.read()
        controller.searches_seen.clear()
        seen = await directory.look_first(id_of(3))
        searched = searched_by_member(controller)
        await directory.close()

    assert [one for one in snapshot.people if one.id == id_of(3)] == list(seen)
    assert bool(searched) is (STAFF in hides)


async def test_where_a_group_above_is_not_for_our_eyes_the_groups_are_asked():
    """It may lead to one that matters."""
    entries = nested()

    def hidden(search):
        return done(search.mid, cookie=b"") if search.asks_for("distinguishedName") and search.asks_for("CN=vip") else None

    with Windows(entries) as controller:
        directory = Directory(controller.url, **ALL)
        snapshot = await directory.read()
        controller.fault = hidden
        seen = await directory.look_first(id_of(3))
        searched = searched_by_member(controller)
        await directory.close()

    assert [one for one in snapshot.people if one.id == id_of(3)] == list(seen)
    assert searched


@pytest.mark.parametrize("number", [2, 9])
async def test_of_another_domain_memberof_tells_nothing(number):
    """Where a group that matters, or the person, lies in another part of the directory, the groups are asked."""
    away = "OU=Staff,DC=other,DC=example"
    entries = nested()
    entries["DC=other,DC=example"] = {"objectClass": ["domain"], "objectGUID": [guid(900_060)]}
    entries[f"CN=p9,{away}"] = person(9)
    if number == 2:  # the shortest way is the one through the other domain
        entries[f"CN=far,{away}"] = group(900_050, "far", [f"CN=p2,{STAFF}"])
        entries[f"CN=zoom,{GROUPS}"]["member"].append(f"CN=far,{away}")
    else:
        entries[f"CN=zoom,{GROUPS}"]["member"].append(f"CN=p9,{away}")
    with Windows(entries) as controller:
        directory = Directory(controller.url, **ALL, base_dns=("DC=corp,DC=example", "DC=other,DC=example"))
        snapshot = await directory.read()
        controller.searches_seen.clear()
        seen = await directory.look_first(id_of(number))
        searched = searched_by_member(controller)
        await directory.close()

    assert [one for one in snapshot.people if one.id == id_of(number)] == list(seen)
    assert [True] == [bool(one.entitled_by) for one in seen]
    assert searched


@pytest.mark.parametrize("range_max", [100, 7])
async def test_a_member_of_more_groups_than_a_filter_or_a_range_holds_is_seen_in_all(range_max):
    """Groups are asked for by fifties. Of what comes in ranges a change in between shows in no number: ``member`` is asked."""
    entries = company(3, 3)
    entries |= {f"CN=g{number},{GROUPS}": group(901_000 + number, f"g{number}", [f"CN=p2,{STAFF}"]) for number in range(70)}
    with Windows(entries, range_max=range_max, page_max=20) as controller:
        directory = Directory(controller.url, protecting_groups=("g69",))
        (found,) = await directory.look_first(id_of(2))
        searched = searched_by_member(controller)
        await directory.close()

    assert (("zoom",), ("g69",)) == (found.entitled_by, found.protected_by)
    assert bool(searched) is (range_max == 7)


async def test_a_change_is_seen_at_once():
    """Nothing is remembered but the connection."""
    with Windows(nested()) as controller:
        directory = Directory(controller.url, **ALL)
        await directory.read()
        before = await directory.look_first(id_of(3))
        controller.entries[f"CN=north,{GROUPS}"]["member"].remove(f"CN=east,{GROUPS}")
        after = await directory.look_first(id_of(3))
        gone = await directory.look_first(id_of(77))
        await directory.close()

    assert [("zoom", "north", "east"), ()] == [found.entitled_by for found in (*before, *after)]
    assert () == gone
