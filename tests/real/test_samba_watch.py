"""The watch on a real domain controller: each kind of change is noticed, names those concerned, and is read from there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from syncd.directories.active_directory.reader import ActiveDirectory
from syncd.directories.active_directory.watch import NAMED_MAX, ControllerWatcher
from syncd.errors import SourceError
from syncd.model import DirectorySnapshot, Hint, Person, Reread
from tests.adlab.lab import Lab
from tests.real.samba_world import GROUPS, STAFF, SambaDirectory

LEAVERS = "watch-leavers"


@pytest.fixture(scope="module")
def lab(changeable_samba: Lab) -> Lab:
    """With a leavers' group, and one nested in it."""
    for name in (LEAVERS, "watch-below"):
        changeable_samba.samba_tool("group", "add", name, "--groupou=OU=Groups")
    return changeable_samba


class Watched:
    """A directory that was read whole, with a watcher that follows since."""

    def __init__(self, lab: Lab) -> None:
        self.directory = SambaDirectory(lab, "zoom-licensed", leaver_groups=(LEAVERS,))
        self.watcher = ControllerWatcher(self.directory, self.directory.servers[0], self.directory.moved)
        self.base: DirectorySnapshot

    async def begin(self) -> Watched:
        self.base = await self.directory.read()
        assert not await self.watcher.changes()
        assert not await self.watcher.changes()
        return self

    def person(self, number: int) -> Person:
        return next(one for one in self.base.people if one.display_name == f"U{number:04d}")

    async def noticed(self) -> tuple[Hint, Reread]:
        hint = await self.watcher.changes()
        return hint, await self.watcher.read_again(hint, self.base)


@pytest.fixture
async def watched(lab: Lab):
    one = await Watched(lab).begin()
    yield one
    await one.watcher.close()
    await one.directory.close()


def dn(number: int) -> str:
    return f"CN=u{number:04d},{STAFF}"


def link(lab: Lab, group: str, member: str, verb: str = "add") -> None:
    lab.modify(f"dn: CN={group},{GROUPS}\nchangetype: modify\n{verb}: member\nmember: {member}\n\n")


async def test_a_disabling_is_noticed_and_a_logon_is_not(lab: Lab, watched: Watched) -> None:
    """Only the person concerned is read again; a number that grew for a logon alone names nobody the second time."""
    one = watched.person(101)
    lab.modify(f"dn: {dn(101)}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n\n")
    hint, reread = await watched.noticed()

    assert {one.id} == hint.people == reread.asked
    assert [(one.id, False)] == [(person.id, person.enabled) for person in reread.people]
    assert reread.people[0].changed_at is not None
    assert watched.base.view == reread.view
    lab.modify(f"dn: {dn(101)}\nchangetype: modify\nreplace: lastLogonTimestamp\nlastLogonTimestamp: 133700000000000000\n\n")
    assert not await watched.watcher.changes()


async def test_a_leavers_group_names_those_who_came_and_those_who_went(lab: Lab, watched: Watched) -> None:
    """The person's own object does not change; nor does a group's when somebody comes into one below it."""
    link(lab, LEAVERS, dn(102))
    hint, reread = await watched.noticed()
    assert {watched.person(102).id} == hint.people
    assert [(LEAVERS,)] == [person.leaver_by for person in reread.people]
    assert set(hint.people) == set(reread.changed)

    link(lab, "watch-below", dn(103))
    assert not (await watched.watcher.changes()).people
    link(lab, LEAVERS, f"CN=watch-below,{GROUPS}")
    hint, reread = await watched.noticed()
    assert {watched.person(103).id: (LEAVERS, "watch-below")} == {person.id: person.leaver_by for person in reread.people}
    link(lab, "watch-below", dn(104))
    hint, reread = await watched.noticed()
    assert {watched.person(104).id: (LEAVERS, "watch-below")} == {person.id: person.leaver_by for person in reread.people}

    link(lab, LEAVERS, dn(102), "delete")
    hint, reread = await watched.noticed()
    assert [()] == [person.leaver_by for person in reread.people]
    link(lab, LEAVERS, f"CN=watch-below,{GROUPS}", "delete")
    hint, reread = await watched.noticed()
    assert {watched.person(number).id: () for number in (103, 104)} == {person.id: person.leaver_by for person in reread.people}


async def test_a_deleted_person_is_missed_and_a_new_one_met(lab: Lab, watched: Watched) -> None:
    """Nothing of a deletion shows to a plain account but a number that grew."""
    gone = watched.person(105)
    lab.samba_tool("user", "delete", "u0105")
    hint, reread = await watched.noticed()
    assert (hint.gone, {gone.id}, 0) == (True, reread.asked & {gone.id}, len(reread.people))

    lab.samba_tool("user", "create", "watch-new", "User.Passw0rd", "--mail-address=watch-new@corp.example")
    hint, reread = await watched.noticed()
    assert [("watch-new@corp.example",)] == [person.mains[:1] for person in reread.people]


async def test_it_is_not_looked_for_the_missing_more_often_than_every_ten_seconds(lab: Lab, watched: Watched) -> None:
    """The second deletion waits, and is not forgotten."""
    lab.samba_tool("user", "delete", "u0106")
    assert (await watched.watcher.changes()).gone
    lab.samba_tool("user", "delete", "u0107")
    assert not await watched.watcher.changes()
    watched.directory.moved.ahead += timedelta(seconds=11)
    hint, reread = await watched.noticed()
    assert hint.gone
    assert {watched.person(106).id, watched.person(107).id} <= reread.asked


async def test_somebody_moved_out_of_the_base_is_not_there(lab: Lab) -> None:
    """As in a whole read."""
    watched = Watched(lab)
    settings = watched.directory.settings
    watched.directory.settings = replace(settings, base_dns=(STAFF,))
    watched.watcher = ControllerWatcher(watched.directory, watched.directory.servers[0], watched.directory.moved)
    await watched.begin()
    one = watched.person(108)
    lab.samba_tool("user", "move", "u0108", "OU=Groups")
    _, reread = await watched.noticed()

    assert (True, []) == (one.id in reread.asked, list(reread.people))
    await watched.watcher.close()


async def test_a_controller_that_is_gone_cannot_tell_and_tells_again_when_it_is_back(lab: Lab, watched: Watched) -> None:
    """The connection at hand is thrown away; what changed meanwhile is not lost."""
    assert watched.watcher._session is not None
    watched.watcher._session._connection.socket.shutdown(2)
    lab.modify(f"dn: {dn(109)}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n\n")
    assert {watched.person(109).id} == (await watched.watcher.changes()).people

    short = ActiveDirectory(watched.directory.settings, watched.directory.moved, watched.directory.events.append)
    other = ControllerWatcher(short, short.servers[0], watched.directory.moved)
    other._server = type(other._server)("127.0.0.1", 1, True)
    with pytest.raises(SourceError, match="cannot tell changes"):
        await other.changes()


@pytest.mark.parametrize("changes", [1, NAMED_MAX, NAMED_MAX + 1])
async def test_whoever_changed_is_found_however_many_changes_there_were(watched: Watched, lab: Lab, changes: int) -> None:
    """The last one of them, and the first."""
    lab.modify(
        "".join(
            f"dn: {dn(at)}\nchangetype: modify\nreplace: department\ndepartment: after {changes}\n\n"
            for at in range(1000, 1000 + changes)
        )
    )
    hint = await watched.watcher.changes()

    assert {watched.person(at).id for at in (1000, 999 + changes)} <= hint.people
    assert not await watched.watcher.changes()
