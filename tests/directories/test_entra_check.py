"""``syncd check`` for Entra: one line per item, each with its fix."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from syncd.directories.entra.reader import Certificate, ClientSecret, EntraDirectory
from syncd.events import CredentialExpires
from syncd.lab.entra.apps import AppSecret
from syncd.lab.entra.objects import a_group, a_person
from syncd.lab.faults import html_page, rewritten
from syncd.lab.graph.faults import missing
from tests.directories.entra_world import ANN, SECRET, an_entra
from tests.directories.test_entra_tokens import a_certificate

ROBOT = "0b070000-0000-4000-8000-000000000001"

ITEMS = [
    "entra token",
    "entra credential",
    "entra permission User.Read.All",
    "entra permission GroupMember.Read.All",
    "entra groups",
    "entra users",
    "entra second look",
    "entra hint",
    "entra hint",
    "entra clock",
]


async def found(directory: EntraDirectory) -> dict[str, tuple[bool, str]]:
    """The lines by what they are about."""
    return {what: (fine, says) for what, fine, says in await directory.check()}


async def test_all_is_well(tmp_path: Path) -> None:
    """Every item is named, in the order in which things are needed; nothing is changed."""
    async with an_entra(tmp_path) as world:
        lines = await world.directory().check()
        assert ITEMS == [what for what, _, _ in lines]
        assert all(fine for _, fine, _ in lines)
        assert {"GET"} == {seen.method for seen in world.graph.requests}
        assert all(SECRET not in says and ANN not in says for _, _, says in lines)


async def test_without_a_token_nothing_else_is_tried(tmp_path: Path) -> None:
    """One line says why."""
    async with an_entra(tmp_path) as world:
        lines = await found(world.directory(credential=ClientSecret(lambda: "wrong")))
        assert {"entra token"} == lines.keys()
        assert not lines["entra token"][0]
        assert [] == world.graph.requests


async def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """Not only the first."""
    async with an_entra(tmp_path) as world:
        world.login.app.roles = frozenset({"Directory.Read.All"})
        world.graph.clock_skew = timedelta(minutes=-10)
        lines = await found(world.directory(groups=("Gone",), address_attributes=("mial",)))

    assert {"entra groups", "entra users", "entra second look", "entra clock"} == {
        what for what, (fine, _) in lines.items() if not fine
    }
    assert "'Gone' does not exist" in lines["entra groups"][1]
    assert "directory.entra.address_attributes" in lines["entra users"][1]
    assert "600 s behind this machine, more than 300 s" in lines["entra clock"][1]
    assert lines["entra permission User.Read.All"][0]


def hide_the_last(page: dict[str, Any]) -> None:
    """Of a page with all 120."""
    for row in page["value"][119:]:
        row["accountEnabled"] = None


async def test_everybody_and_every_group_is_read_and_what_is_odd_is_named(tmp_path: Path) -> None:
    """What is called in order, a cycle can read: not the first ten only. Warnings are no faults."""
    crowd = [a_person(f"p{number}@corp.example") for number in range(120)]
    async with an_entra(tmp_path, [*crowd, a_group("Zoom Users")], {"Zoom Users": [one.id for one in crowd]}) as world:
        world.graph.faults.add(rewritten(hide_the_last), "list_users", times=None)
        world.graph.faults.add(
            rewritten(lambda page: page["value"].append({"@odata.type": "#microsoft.graph.robot", "id": ROBOT})),
            "members",
            times=None,
        )
        world.graph.faults.add(missing(), "user", times=None)
        lines = await found(world.directory())

    assert [] == [says for fine, says in lines.values() if not fine]
    assert "120 read whole" in lines["entra users"][1]
    assert "members: Zoom Users 120" in lines["entra users"][1]
    assert lines["entra unclear people"][1].startswith("warning: 1 of 120 cannot be understood")
    assert "accountEnabled is not shown" in lines["entra unclear people"][1]
    assert f"{ROBOT} (#microsoft.graph.robot)" in lines["entra members of unknown types"][1]


async def test_a_fault_behind_the_first_page_is_found(tmp_path: Path) -> None:
    """In the list of users and in a group's members."""
    for operation in ("list_users", "members"):
        async with an_entra(
            tmp_path,
            [a_group("Zoom Users"), *(a_person(f"p{number}@corp.example") for number in range(40))],
            {"Zoom Users": [f"p{number}@corp.example" for number in range(40)]},
        ) as world:
            world.graph.reads.page_max = 20
            world.graph.faults.add(html_page(404), operation, times=None, skip=1)
            lines = await found(world.directory())
        assert not lines["entra users"][0]


async def test_a_name_that_is_nearly_right_is_named(tmp_path: Path) -> None:
    """A missing group costs the whole read; the hint says what was meant."""
    async with an_entra(tmp_path) as world:
        near = (await found(world.directory(groups=("Zoom User",))))["entra groups"]
        far = (await found(world.directory(groups=("Teams",))))["entra groups"]
    assert not near[0]
    assert "'Zoom User' does not exist or the app may not see it (there is 'Zoom Users')" in near[1]
    assert "there is" not in far[1]


async def test_hidden_groups_are_named_with_their_permission(tmp_path: Path) -> None:
    """Before the first read fails on it."""
    async with an_entra(tmp_path) as world:
        world.tenant.update("Zoom Users", visibility="HiddenMembership")
        fine, says = (await found(world.directory()))["entra groups"]
    assert not fine
    assert "Member.Read.Hidden" in says


async def test_the_end_of_a_certificate_is_said_in_time(tmp_path: Path) -> None:
    """Two weeks before; also to the metric."""
    pem, certificate, ends_at = a_certificate()
    async with an_entra(tmp_path) as world:
        world.login.app.certificates = (certificate,)
        directory = world.directory(credential=Certificate(lambda: pem))
        fine, says = (await found(directory))["entra credential"]
        assert fine
        assert f"ends {ends_at:%Y-%m-%d}" in says
        assert CredentialExpires("entra", ends_at) in world.told

        world.clock.passed += 80 * 86_400
        fine, says = (await found(directory))["entra credential"]
        assert not fine
        assert "make a new one under Certificates & secrets" in says

        world.clock.passed += 11 * 86_400
        fine, says = (await found(directory))["entra credential"]
        assert (
            False,
            (
                f"the certificate ended {ends_at:%Y-%m-%d}: make a new one under Certificates & secrets of the app and "
                "replace the file"
            ),
        ) == (fine, says)


async def test_the_end_of_a_secret_is_said_where_the_app_may_read_itself(tmp_path: Path) -> None:
    """Of those that begin like ours and have not ended, the earliest counts."""
    async with an_entra(tmp_path) as world:
        now = world.clock.now()
        ours_ends = now + timedelta(days=40, hours=1)
        app = world.login.app
        app.secrets = tuple(
            AppSecret(value, now + timedelta(days=days, hours=1))
            for value, days in ((SECRET, 40), ("lab-older", -3), ("lab-newer", 90), ("other", 5))
        )
        assert (
            "cannot be told from here (with the permission Application.Read.All"
            in (await found(world.directory()))["entra credential"][1]
        )

        app.roles |= {"Application.Read.All"}
        fine, says = (await found(world.directory()))["entra credential"]
        assert (True, f"the client secret ends {ours_ends:%Y-%m-%d}, in 40 days") == (fine, says)
        directory = world.directory()
        for _ in range(2):
            await directory.read()
        assert [None, 40, 40] == [event.at and (event.at - now).days for event in world.of(CredentialExpires)[-3:]]


async def test_a_certificate_file_that_will_not_do_is_one_line(tmp_path: Path) -> None:
    """Not two that say the same."""
    async with an_entra(tmp_path) as world:
        lines = await world.directory(credential=Certificate(lambda: "no PEM")).check()
    assert 1 == len(lines)
    assert "holds 0 private keys" in lines[0][2]
