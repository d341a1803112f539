"""The look right before a change: a bind of its own, from the person upwards, with the same answer as a whole read."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest

from syncd.errors import SourceError
from tests.adlab.fakeldap import BIND, done
from tests.adlab.windows import GROUPS, STAFF, HangUp, Windows, company, group, guid, person, sid
from tests.directories.ad_world import Directory, id_of


def nested() -> dict:
    """zoom > north > (p2, east > (p3, zoom)); vip > p3; gone > p4; p5 by primary group in crew, which is in zoom."""
    entries = company(people=6, members=1)
    entries[f"CN=zoom,{GROUPS}"]["member"] += [f"CN=north,{GROUPS}", f"CN=crew,{GROUPS}"]
    entries |= {
        f"CN=north,{GROUPS}": group(900_020, "north", [f"CN=p2,{STAFF}", f"CN=east,{GROUPS}"]),
        f"CN=east,{GROUPS}": group(900_021, "east", [f"CN=p3,{STAFF}", f"CN=zoom,{GROUPS}"]),
        f"CN=vip,{GROUPS}": group(900_022, "vip", [f"CN=p3,{STAFF}"]),
        f"CN=gone,{GROUPS}": group(900_023, "gone", [f"CN=p4,{STAFF}"]),
        f"CN=crew,{GROUPS}": group(900_024, "crew", objectSid=[sid(1105)]),
        f"CN=p5,{STAFF}": person(5, primaryGroupID=["1105"]),
    }
    return entries


ALL = {"groups": ("zoom",), "leaver_groups": ("gone",), "protecting_groups": ("vip",)}


@pytest.mark.parametrize("way_down", [True, False])
async def test_everybody_looks_the_same_from_below_as_from_above(way_down):
    """Paths, leavers, protection, primary groups and cycles, with and without nested groups."""
    with Windows(nested()) as controller:
        directory = Directory(controller.url, nested=way_down, **ALL)
        snapshot = await directory.read()
        seen = [await directory.recheck_person(read.id, []) for read in snapshot.people]
        await directory.close()

    assert [(read,) for read in snapshot.people] == seen


def tangled(seed: int) -> dict:
    """Eight people of one address each and one they share, and nine groups that hold people and each other at random."""
    chance = random.Random(seed)
    entries = company(people=8, members=0)
    names = [f"g{number}" for number in range(8)]
    for number in range(1, 9):
        entries[f"CN=p{number},{STAFF}"]["proxyAddresses"] = ["smtp:all@corp.example"]
    for at, name in enumerate((*names, "zoom")):
        members = [f"CN=p{number},{STAFF}" for number in range(1, 9) if chance.random() < 0.2]
        members += [f"CN={other},{GROUPS}" for other in (*names, "zoom") if chance.random() < 0.15]
        entries[f"CN={name},{GROUPS}"] = group(900_010 + at, name, members)
    return entries


@pytest.mark.parametrize("pairs", [0, 50])
@pytest.mark.parametrize("seed", range(8))
async def test_so_does_everybody_in_a_tangle_of_groups_also_several_at_once(seed, pairs, monkeypatch):
    """However the questions are put: about single groups, or over the domain."""
    monkeypatch.setattr("syncd.directories.active_directory.memberships_of_one.PAIRS_MAX", pairs)
    with Windows(tangled(seed)) as controller:
        directory = Directory(controller.url, groups=("zoom",), leaver_groups=("g1",), protecting_groups=("g2",))
        snapshot = await directory.read()
        together = await directory.recheck_person(None, ["all@corp.example"])
        alone = [await directory.recheck_person(read.id, []) for read in snapshot.people]
        await directory.close()

    def standing(people):
        """Without the way: of equally short ones either may be shown."""
        return {one.id: [len(way) for way in (one.entitled_by, one.leaver_by, one.protected_by)] for one in people}

    assert standing(snapshot.people) == standing(together) == standing(one for [one] in alone)


@pytest.mark.parametrize("above", [0, 9])
async def test_groups_that_lead_nowhere_cost_one_search_of_the_domain_a_level(above):
    """Which of them lies below which does not matter then."""
    entries = nested()
    for number in range(9):
        entries[f"CN=list{number},{GROUPS}"] = group(900_100 + number, f"list{number}", [f"CN=p6,{STAFF}"])
    if above:
        entries[f"CN=above,{GROUPS}"] = group(900_200, "above", [f"CN=list{number},{GROUPS}" for number in range(above)])
    with Windows(entries) as controller:
        directory = Directory(controller.url, **{**ALL, "groups": ("north",)})
        await directory.recheck_person(id_of(6), [])
        controller.searches_seen.clear()
        await directory.recheck_person(id_of(6), [])
        await directory.close()

        assert (4 if above else 3) >= len([one for one in controller.searches_seen if one.asks_for("member")])


async def test_a_group_that_vanishes_between_two_questions_is_no_membership_left():
    """The look ends in an error and not in an answer without that way."""
    asked = []

    def fault(search):
        if search.base.startswith("<GUID=") and search.asks_for("CN=east") and search.asks_for("member"):
            asked.append(search)
            return done(search.mid, 32)
        return None

    with Windows(nested(), fault=fault) as controller:
        directory = Directory(controller.url, **ALL)
        with pytest.raises(SourceError, match=r"the group CN=north,.* changed while it was read"):
            await directory.recheck_person(id_of(3), [])
        await directory.close()

    assert asked


async def test_the_ways_are_the_ones_the_groups_give():
    """What both agree on is also right."""
    with Windows(nested()) as controller:
        people = {found.id: found for found in (await Directory(controller.url, **ALL).read()).people}

    assert {
        1: ("zoom",),
        2: ("zoom", "north"),
        3: ("zoom", "north", "east"),
        4: (),
        5: ("zoom", "crew"),
        6: (),
    } == {number: people[id_of(number)].entitled_by for number in range(1, 7)}
    assert ("vip",) == people[id_of(3)].protected_by
    assert ("gone",) == people[id_of(4)].leaver_by


async def test_a_change_between_two_looks_is_seen_although_the_connection_is_kept():
    """Nothing is remembered but the connection."""
    with Windows(nested()) as controller:
        directory = Directory(controller.url, **ALL)
        before = await directory.recheck_person(id_of(3), [])
        controller.entries[f"CN=north,{GROUPS}"]["member"].remove(f"CN=east,{GROUPS}")
        after = await directory.recheck_person(id_of(3), [])
        controller.entries[f"CN=p3,{STAFF}"]["useraccountcontrol"] = ["514"]
        disabled = await directory.recheck_person(id_of(3), [])
        await directory.close()

        assert [("zoom", "north", "east"), ()] == [found.entitled_by for found in (*before, *after)]
        assert [False] == [found.enabled for found in disabled]
        assert 1 == sum(1 for tag, _ in controller.requests if tag == BIND)


async def test_a_kept_connection_is_given_up_after_some_seconds():
    """The next burst of changes binds anew."""
    with Windows(nested()) as controller:
        directory = Directory(controller.url, **ALL)
        await directory.recheck_person(id_of(3), [])
        await directory.read()
        directory.moved.ahead += timedelta(seconds=11)
        await directory.recheck_person(id_of(3), [])
        await directory.close()

        assert 3 == sum(1 for tag, _ in controller.requests if tag == BIND)


async def test_a_kept_connection_that_died_is_replaced():
    """A controller may drop an idle connection at any time."""
    down = []

    def fault(search):
        if down and down.pop():
            raise HangUp

    with Windows(nested(), fault=fault) as controller:
        directory = Directory(controller.url, **ALL)
        first = await directory.recheck_person(id_of(3), [])
        down.append(True)
        second = await directory.recheck_person(id_of(3), [])
        await directory.close()

    assert first == second


async def test_many_looks_at_once_take_turns():
    """Several changes are carried out at a time, each with its look."""
    with Windows(nested()) as controller:
        directory = Directory(controller.url, **ALL)
        seen = await asyncio.gather(*(directory.recheck_person(id_of(number), []) for number in range(1, 7)))
        await directory.close()

        assert [id_of(number) for number in range(1, 7)] == [found.id for (found,) in seen]
        assert 1 == sum(1 for tag, _ in controller.requests if tag == BIND)


@pytest.mark.parametrize(
    "address",
    ["p9@corp.example", "P9@CORP.example", " p9@corp.example ", "upn9@corp.example", "main9@corp.example", "alias9@corp.example"],
)
async def test_a_person_is_found_by_every_kind_of_address(address):
    """Mail, user principal name, primary and other proxy addresses; case and blanks do not count."""
    entries = company(3, 3) | {
        f"CN=p9,{STAFF}": person(
            9, userPrincipalName=["upn9@corp.example"], proxyAddresses=["SMTP:Main9@corp.example", "smtp:alias9@corp.example"]
        )
    }
    with Windows(entries) as controller:
        directory = Directory(controller.url)
        found = await directory.recheck_person(None, [address])
        await directory.close()

    assert [id_of(9)] == [one.id for one in found]


@pytest.mark.parametrize(
    "mail", ["jürgen.größe@corp.example", "JÜRGEN.GRÖSSE@corp.example", "strasse@corp.example", "straße@corp.example"]
)
async def test_letters_that_case_folding_changes_are_found(mail):
    """No server compares letters beyond ASCII as keys do."""
    with Windows(company(3, 3) | {f"CN=p9,{STAFF}": person(9, mail=[mail])}) as controller:
        directory = Directory(controller.url)
        found = await directory.recheck_person(None, [mail.lower()])
        await directory.close()

    assert [id_of(9)] == [one.id for one in found]


async def test_a_loose_filter_finds_nobody_who_has_another_address():
    """je*ica also fits jepica: the key decides."""
    with Windows(company(3, 3) | {f"CN=p9,{STAFF}": person(9, mail=["jepica@corp.example"])}) as controller:
        directory = Directory(controller.url)
        found = await directory.recheck_person(None, ["jessica@corp.example"])
        await directory.close()

    assert () == found


@pytest.mark.parametrize(
    "address", ["*", "*@corp.example", "p1*", "p(1)@corp.example", "p1@corp.example)(mail=*", "\\2a", "x\0y@z.example"]
)
async def test_no_address_can_change_the_question(address):
    """Whatever somebody wrote into Zoom is a value and no filter."""
    with Windows(company(3, 3)) as controller:
        directory = Directory(controller.url)
        found = await directory.recheck_person(None, [address])
        await directory.close()

    assert () == found


async def test_whoever_has_the_id_and_whoever_claims_the_address_are_both_found():
    """Several claimants of one address, and the person remembered under another one."""
    entries = company(3, 3) | {f"CN=p9,{STAFF}": person(9, mail=["p1@corp.example"])}
    with Windows(entries) as controller:
        directory = Directory(controller.url)
        found = await directory.recheck_person(id_of(3), ["p1@corp.example"])
        await directory.close()

    assert [id_of(1), id_of(3), id_of(9)] == [one.id for one in found]


@pytest.mark.parametrize(
    ("asked", "really"),
    [("OU=M\u00dcNCHEN", "OU=M\u00fcnchen"), ("ou = m\u00fcnchen", "OU=M\u00fcnchen"), ("OU=Nord\\2C Ost", "OU=Nord\\, Ost")],
)
async def test_somebody_below_a_base_is_there_however_the_base_is_spelled(asked, really):
    """The server knows its bases in any letter case and with any escapes, and names people its own way."""
    there = f"{really},DC=corp,DC=example"
    entries = company(3, 3) | {
        there: {"objectClass": ["organizationalUnit"], "objectGUID": [guid(900_009)]},
        f"CN=p9,{there}": person(9),
    }

    class Knowing(Windows):
        def _base_of(self, base):
            return there if base == f"{asked},DC=corp,DC=example" else super()._base_of(base)

    with Knowing(entries) as controller:
        directory = Directory(controller.url, base_dns=(f"{asked},DC=corp,DC=example",))
        read = {one.id: one for one in (await directory.read()).people}
        found = await directory.recheck_person(id_of(9), [])
        await directory.close()

    assert (read[id_of(9)],) == found


async def test_somebody_outside_the_bases_is_not_there():
    """As in a whole read."""
    entries = company(3, 3) | {"CN=p9,OU=Outside,DC=corp,DC=example": person(9)}
    with Windows(entries) as controller:
        directory = Directory(controller.url, base_dns=(STAFF,))
        found = await directory.recheck_person(id_of(9), ["p9@corp.example"])
        await directory.close()

    assert () == found


@pytest.mark.parametrize(("directory_id", "addresses"), [(None, []), ("row 7 of a file", [])])
async def test_a_question_that_means_nobody_is_answered_without_asking(directory_id, addresses):
    """No id and no address, or the id of another kind of directory."""
    with Windows(company(3, 3)) as controller:
        found = await Directory(controller.url).recheck_person(directory_id, addresses)

        assert () == found
        assert 0 == controller.connections


async def test_a_look_that_fails_is_an_error_and_not_an_absence():
    """A busy controller says nothing about the person."""

    def busy(search):
        return done(search.mid, 51) if search.asks_for("memberOf") else None

    with Windows(company(3, 3), fault=busy) as controller, pytest.raises(SourceError, match="busy"):
        await Directory(controller.url).recheck_person(id_of(1), [])


async def test_a_person_who_cannot_be_understood_is_unclear_in_a_look_too():
    """Then nothing is changed."""
    entries = company(3, 3)
    entries[f"CN=p1,{STAFF}"] = person(1, accountExpires=["soon"])
    with Windows(entries) as controller:
        directory = Directory(controller.url)
        (found,) = await directory.recheck_person(id_of(1), [])
        await directory.close()

    assert "accountExpires is not a time" == found.unclear


async def test_a_member_of_more_groups_than_a_range_holds_is_seen_in_all():
    """memberOf is truncated like member."""
    entries = company(3, 3)
    entries |= {f"CN=g{number},{GROUPS}": group(901_000 + number, f"g{number}", [f"CN=p2,{STAFF}"]) for number in range(30)}
    with Windows(entries, range_max=7) as controller:
        directory = Directory(controller.url, protecting_groups=("g29",))
        (found,) = await directory.recheck_person(id_of(2), [])
        await directory.close()

    assert (("zoom",), ("g29",)) == (found.entitled_by, found.protected_by)


async def test_a_group_that_was_walked_is_not_gone_through_again():
    """A server that compares name by name would take a second for each question about a group of 50,000."""
    entries = nested()
    with Windows(entries) as controller:
        directory = Directory(controller.url, **ALL)
        await directory.read()
        await directory.recheck_person(id_of(2), [])
        controller.searches_seen.clear()
        found = await directory.recheck_person(id_of(2), [])
        await directory.close()

        asked = [one for one in controller.searches_seen if one.page and one.asks_for("member") and one.asks_for("CN=")]
        assert [False, True] == [entries[f"CN=north,{GROUPS}"]["objectGUID"][0] in one.raw for one in asked[:2]]
        assert [("zoom", "north")] == [one.entitled_by for one in found]


@pytest.mark.parametrize("hidden", ["objectGUID", "objectSid"])
async def test_a_group_above_that_hides_what_it_is_known_by_is_not_missing(hidden):
    """Of such a one it is neither true nor false that it is another than the one that was walked."""
    entries = company(people=2, members=2) | {f"CN=top,{GROUPS}": group(900_030, "top", [f"CN=zoom,{GROUPS}"])}
    with Windows(entries) as controller:
        directory = Directory(controller.url, groups=("top",))
        await directory.read()
        entries_above = group(900_031, "above", [f"CN=top,{GROUPS}"])
        controller.entries[f"CN=above,{GROUPS}"] = {name.lower(): list(values) for name, values in entries_above.items()}
        controller.unreadable = {(f"cn=above,{GROUPS}".lower(), hidden.lower())}
        if hidden == "objectGUID":
            with pytest.raises(SourceError, match=r"CN=above,.* shows no objectGUID"):
                await directory.recheck_person(id_of(1), [])
        else:
            assert [("top", "zoom")] == [one.entitled_by for one in await directory.recheck_person(id_of(1), [])]
        await directory.close()


async def test_of_two_with_one_address_each_is_walked_from_where_they_stand():
    """One is in both groups, the other only in the inner one: what was left out for the first is not missing for the other."""
    entries = company(people=2, members=0)
    for number in (1, 2):
        entries[f"CN=p{number},{STAFF}"]["proxyAddresses"] = ["smtp:both@corp.example"]
    entries |= {f"CN=inner,{GROUPS}": group(900_040, "inner", [f"CN=p1,{STAFF}", f"CN=p2,{STAFF}"])}
    entries[f"CN=zoom,{GROUPS}"]["member"] = [f"CN=p1,{STAFF}", f"CN=inner,{GROUPS}"]
    with Windows(entries) as controller:
        directory = Directory(controller.url)
        await directory.read()
        found = await directory.recheck_person(None, ["both@corp.example"])
        await directory.close()

    assert {id_of(1): ("zoom",), id_of(2): ("zoom", "inner")} == {one.id: one.entitled_by for one in found}
