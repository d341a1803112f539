"""The watch on Entra ID: reports name whom to read again, and nothing of them is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncd.directories.entra.watch import TenantWatcher
from syncd.errors import SourceError
from syncd.lab.entra.objects import a_group, a_person
from syncd.lab.graph.faults import permission_denied
from syncd.model import DirectorySnapshot, Hint, Person, Policy
from syncd.planning.watching import differing
from tests import whole
from tests.directories.entra_world import ANN, BOB, CID, DAN, EntraWorld, an_entra


class Watched:
    """A tenant that was read whole, and a watcher that follows since."""

    def __init__(self, world: EntraWorld) -> None:
        self.world = world
        self.directory = world.directory(tracking=True)
        self.watcher = TenantWatcher(self.directory, "tenant corp")
        self.base: DirectorySnapshot

    async def begin(self) -> Watched:
        self.base = await self.directory.read()
        assert not await self.watcher.changes()
        assert not await self.watcher.changes()
        return self

    def ids(self, *addresses: str) -> set[str]:
        return {one.id for one in self.base.people if set(addresses) & set(one.addresses)}

    async def reread(self) -> tuple[Hint, dict[str, Person | None]]:
        hint = await self.watcher.changes()
        reread = await self.watcher.read_again(hint, self.base)
        found = {one.id: one for one in reread.people}
        return hint, {id_: found.get(id_) for id_ in reread.asked}


@pytest.mark.parametrize(
    ("change", "who"),
    [
        (lambda t: t.update(ANN, account_enabled=False), ANN),
        (lambda t: t.leave("Zoom Users", ANN), ANN),
        (lambda t: t.join("Zoom Users", CID), CID),
        (lambda t: t.leave("Sales", BOB), BOB),
        (lambda t: t.join("Sales", DAN), DAN),
        (lambda t: t.delete(CID), CID),
    ],
    ids=["disabled", "left", "joined", "left below", "joined below", "deleted"],
)
async def test_only_those_whom_a_change_concerns_are_read_again(tmp_path: Path, change: Any, who: str) -> None:
    """And are seen as a whole read sees them."""
    async with an_entra(tmp_path) as world:
        watched = await Watched(world).begin()
        lists = len(world.graph.asked("list_users"))
        change(world.tenant)
        hint, found = await watched.reread()
        assert watched.ids(who) == hint.people == set(found)
        assert lists == len(world.graph.asked("list_users"))
        everybody = await world.directory().read()
        shown = everybody.with_people(found, whole.complete([one for one in found.values() if one is not None]))
        assert {} == differing(everybody, shown, found, Policy("acc", ("corp.example",)), world.clock.now())
        assert not (await watched.watcher.changes()).anybody


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.update(ANN, job_title="Chief"),
        lambda t: t.update(ANN, display_name="Ann E."),
        lambda t: (t.add(a_group("Football")), t.join("Football", ANN)),
    ],
    ids=["job title", "name", "another group"],
)
async def test_what_does_not_count_is_no_signal(tmp_path: Path, change: Any) -> None:
    """Reports name many things."""
    async with an_entra(tmp_path) as world:
        watched = await Watched(world).begin()
        change(world.tenant)
        assert not await watched.watcher.changes()


async def test_a_group_in_a_group_names_nobody_for_certain(tmp_path: Path) -> None:
    """Everybody is read, and those who differ are those concerned."""
    async with an_entra(tmp_path) as world:
        watched = await Watched(world).begin()
        world.tenant.add(a_person("eve@corp.example"))
        world.tenant.add(a_group("New below"))
        world.tenant.join("New below", "eve@corp.example")
        world.tenant.join("Zoom Users", "New below")
        hint, found = await watched.reread()
        assert hint.anybody
        assert [("Zoom Users", "New below")] == [one.entitled_by for one in found.values() if one is not None]


async def test_reports_that_cannot_be_had_are_a_trouble_until_they_can(tmp_path: Path) -> None:
    """Said by the error; what changed meanwhile is not lost."""
    async with an_entra(tmp_path) as world:
        watched = await Watched(world).begin()
        world.graph.faults.add(permission_denied(), "users_delta", times=1)
        with pytest.raises(SourceError, match="tenant corp cannot tell changes"):
            await watched.watcher.changes()
        world.tenant.update(ANN, account_enabled=False)
        hint = await watched.watcher.changes()
        assert hint.anybody or watched.ids(ANN) == hint.people
