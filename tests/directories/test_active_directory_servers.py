"""Several controllers: what one of them lacks, another one may have; and what is said when none has it."""

from __future__ import annotations

import json

import pytest

from syncd.errors import LedgerError, SourceError
from tests.adlab.fakeldap import done
from tests.adlab.windows import GROUPS, SERVICE, STAFF, Search, Windows, company, group, guid
from tests.directories.ad_world import Directory, entitled, id_of, unreadable

OTHER = "ldap://dc9.other.example/DC=corp,DC=example"
ZOOM = f"CN=zoom,{GROUPS}"


def without(*names: str) -> dict:
    """The company, and some of its objects not there (yet)."""
    return {dn: attributes for dn, attributes in company(5, 3).items() if dn not in names}


@pytest.mark.parametrize("lacking", [STAFF, ZOOM, "DC=corp,DC=example"])
@pytest.mark.parametrize("name", ["zoom", ZOOM, id_of(900_010)])
async def test_a_base_or_a_group_that_one_server_lacks_is_asked_of_the_next(lacking, name):
    """A new group takes its time to reach every controller; a read-only one may not hold everything."""
    with Windows(without(lacking)) as first, Windows(company(5, 3)) as second:
        directory = Directory(first.url, second.url, groups=(name,), base_dns=(STAFF, GROUPS))
        if lacking == "DC=corp,DC=example":
            directory = Directory(first.url, second.url, groups=(name,))

        assert {id_of(number) for number in (1, 2, 3)} == entitled(await directory.read())


async def test_a_second_look_asks_the_next_server_too():
    """As a whole read does."""
    with Windows(without(ZOOM)) as first, Windows(company(5, 3)) as second:
        directory = Directory(first.url, second.url)
        (found,) = await directory.recheck_person(id_of(1), [])
        await directory.close()

    assert ("zoom",) == found.entitled_by


async def test_what_every_server_lacks_is_said_of_each():
    """Two servers, one cause, one word of advice."""
    with Windows(without(ZOOM)) as first, Windows(without(ZOOM)) as second:
        error = await unreadable(Directory(first.url, second.url))

    assert 2 == error.what.count("'zoom' does not exist or the bind account may not see it")
    assert all(f"127.0.0.1:{one.port}: " in error.what for one in (first, second))
    assert 1 == error.do.count("Correct the names")


@pytest.mark.parametrize(
    ("settings", "asked"),
    [
        ({"base_dns": ("DC=corp,DC=example", "OU=East,DC=corp,DC=example")}, "OU=East,DC=corp,DC=example"),
        ({"groups": ("CN=far,OU=Groups,DC=other,DC=example",)}, "CN=far,OU=Groups,DC=other,DC=example"),
    ],
)
@pytest.mark.parametrize("referrals", [[OTHER], []])
async def test_a_referral_is_called_one_and_the_advice_fits(settings, asked, referrals):
    """It is no lack of rights: another domain holds that part of the directory."""

    def fault(search: Search) -> bytes | None:
        return done(search.mid, 10, referrals=referrals) if search.base == asked else None

    with Windows(company(5, 3), fault=fault) as first, Windows(company(5, 3), fault=fault) as second:
        error = await unreadable(Directory(first.url, second.url, **settings))

    assert "is answered with a referral" + (" to dc9.other.example" if referrals else "") in error.what
    assert "name a server of its domain" in error.do
    assert 0 < second.connections


@pytest.mark.parametrize(
    "asked",
    [
        "Zoom Users",
        "zoomusers2",
        f"CN=Zoom Users,{STAFF}",
        r"CORPORATION\ZoomUsers",
        "zoomusers@corp.example",
        "CN=Zoom User,OU=Old,DC=corp,DC=example",
    ],
)
async def test_a_group_that_is_not_found_is_suggested_by_both_of_its_names(asked):
    """The name people see and the one from before Windows 2000 need not be the same."""
    entries = company(5, 3) | {
        f"CN=Zoom Users,{GROUPS}": group(900_050, "Zoom Users", sAMAccountName=["ZoomUsers"]),
        f"CN=Accounting,{GROUPS}": group(900_051, "Accounting"),
    }
    with Windows(entries) as controller:
        error = await unreadable(Directory(controller.url, groups=(asked,)))

    assert f"there is CN=Zoom Users,{GROUPS} (sAMAccountName ZoomUsers)" in error.what
    assert "Accounting" not in error.what


async def test_nothing_is_suggested_where_nothing_is_near():
    """A name of its own kind."""
    with Windows(company(5, 3)) as controller, pytest.raises(SourceError) as caught:
        await Directory(controller.url, groups=("sales-emea-contractors",)).read()

    assert "there is" not in caught.value.what


# ------------------------------------------------------------------------------------------------------------- the view


async def test_each_controller_is_a_view_of_its_own_and_a_restored_one_is_another():
    """Behind one address may stand several databases; one that was restored from a backup has a new id."""
    entries = company(5, 3) | {SERVICE: {"objectClass": ["nTDSDSA"], "invocationId": [guid(7)]}}
    with Windows(entries) as first, Windows(company(5, 3)) as second:
        directory, other = Directory(first.url), Directory(second.url)
        views = [(await one.read()).view for one in (directory, directory, other)]
        first.entries[SERVICE]["invocationid"] = [guid(8)]
        views.append((await directory.read()).view)

    restored = f"127.0.0.1:{first.port} {id_of(8)}"
    assert [f"127.0.0.1:{first.port} {id_of(7)}"] * 2 + [f"127.0.0.1:{second.port}", restored] == views


async def test_a_controller_that_does_not_tell_its_id_is_read_all_the_same():
    """Nothing else depends on it."""
    entries = company(5, 3) | {SERVICE: {"objectClass": ["nTDSDSA"], "invocationId": [b"short"]}}
    with Windows(entries) as controller:
        assert f"127.0.0.1:{controller.port}" == (await Directory(controller.url).read()).view
        controller.fault = lambda search: done(search.mid, 50) if search.base == SERVICE else None
        assert 3 == len(entitled(await Directory(controller.url).read()))


async def test_a_group_keeps_the_name_it_has_in_the_configuration():
    """Whatever object that name means now."""
    with Windows(company(5, 3)) as controller:
        before = await Directory(controller.url, groups=(ZOOM,)).read()
        controller.entries[ZOOM]["objectguid"] = [guid(900_077)]
        after = await Directory(controller.url, groups=(ZOOM,)).read()

    assert [(ZOOM, id_of(900_010)), (ZOOM, id_of(900_077))] == [(one.entry, one.id) for one in (*before.groups, *after.groups)]


# --------------------------------------------------------------------------------------------------- groups that are moved


class Store(dict):
    """Values that outlive an adapter; *broken*: the database is gone."""

    broken = False

    async def get_state(self, key):
        if self.broken:
            raise LedgerError("no database")
        return self.get(key)

    async def set_state(self, key, value):
        if self.broken:
            raise LedgerError("no database")
        self[key] = json.loads(json.dumps(value))


MOVED = "CN=Zoom Staff,OU=New,DC=corp,DC=example"


def move(controller: Windows) -> None:
    """The group gets another name in another place; it is the same object."""
    controller.entries[MOVED] = controller.entries.pop(ZOOM) | {"cn": ["Zoom Staff"], "samaccountname": ["zoom-staff"]}


@pytest.mark.parametrize("asked", [ZOOM, "zoom"])
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_group_that_was_moved_is_found_by_its_remembered_id(asked, restarted):
    """By the same process and by the next one, in a read, a second look and a check."""
    store = Store()
    with Windows(company(5, 3)) as controller:
        directory = Directory(controller.url, groups=(asked,), store=store)
        before = await directory.read()
        move(controller)
        if restarted:
            directory = Directory(controller.url, groups=(asked,), store=store)
        after = await directory.read()
        (looked,) = await directory.recheck_person(id_of(1), [])
        ((_, ok, _),) = await directory.check()
        await directory.close()

    assert [(id_of(900_010), asked, 3)] * 2 == [(one.id, one.entry, one.members) for one in (*before.groups, *after.groups)]
    assert ("Zoom Staff",) == looked.entitled_by
    assert ok


@pytest.mark.parametrize("kept", [None, [], {ZOOM: 7}, {ZOOM: "no id"}, {"zoom": id_of(900_010)}, {ZOOM: id_of(77)}])
async def test_without_a_memory_a_moved_group_is_missing(kept):
    """Nothing remembered, something else remembered, an object that is gone."""
    store = Store({"active_directory.groups": kept})
    with Windows(company(5, 3)) as controller:
        move(controller)
        error = await unreadable(Directory(controller.url, groups=(ZOOM,), store=store))

    assert "does not exist" in error.what


async def test_a_new_group_in_the_place_of_a_moved_one_is_the_one_that_is_meant_now():
    """Whether that is right is for a guard to say: the entry means another object than before."""
    store = Store()
    with Windows(company(5, 3)) as controller:
        directory = Directory(controller.url, groups=(ZOOM,), store=store)
        await directory.read()
        move(controller)
        controller.entries[ZOOM] = {name.lower(): values for name, values in group(900_099, "zoom").items()}
        after = await directory.read()

    assert [id_of(900_099)] == [one.id for one in after.groups]


async def test_a_database_that_is_gone_costs_only_the_memory():
    """Reading the directory does not need it."""
    store = Store()
    store.broken = True
    with Windows(company(5, 3)) as controller:
        directory = Directory(controller.url, groups=(ZOOM,), store=store)
        await directory.read()
        move(controller)

        assert 3 == len(entitled(await directory.read()))


async def test_a_controller_that_lags_behind_shows_an_older_state_and_says_which_copy_it_is():
    """The first one is down: who was changed there looks older on the second one, whoever was hired is not there yet, and the
    copy has another name. That is what a guard needs, and all that a plain account may read of replication."""
    ahead, behind = company(6, 6), company(5, 4)
    ahead[f"CN=p2,{STAFF}"]["whenChanged"] = ["20261124120000.0Z"]
    with Windows(ahead) as first, Windows(behind) as second:
        directory = Directory(first.url, second.url)
        before = await directory.read()
        first.fault = lambda search: done(search.mid, 51)
        after = await directory.read()

    was, now = ({person.id: person for person in snapshot.people} for snapshot in (before, after))
    assert {id_of(6)} == was.keys() - now.keys()
    assert before.view != after.view
    changed = [(was[id_].changed_at, now[id_].changed_at) for id_ in now]
    assert [id_of(2)] == [id_ for id_, (one, other) in zip(now, changed, strict=True) if one > other]
    assert {id_of(5), id_of(6)} == entitled(before) - entitled(after)
