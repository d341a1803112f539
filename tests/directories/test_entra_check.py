"""``syncd check`` for Entra: one line per item, each with its fix."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from syncd.directories.entra.reader import Certificate, ClientSecret, EntraDirectory
from syncd.events import CredentialExpires
from syncd.lab.entra.apps import AppSecret
from tests.directories.entra_world import ANN, SECRET, an_entra
from tests.directories.test_entra_tokens import a_certificate

ITEMS = ["entra token", "entra credential", "entra permission User.Read.All", "entra permission GroupMember.Read.All",
         "entra groups", "entra users", "entra second look", "entra clock"]


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
        what for what, (fine, _) in lines.items() if not fine}
    assert "'Gone' does not exist" in lines["entra groups"][1]
    assert "directory.entra.address_attributes" in lines["entra users"][1]
    assert "600 s behind this machine, more than 300 s" in lines["entra clock"][1]
    assert lines["entra permission User.Read.All"][0]


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
        assert (False, f"the certificate ended {ends_at:%Y-%m-%d}: make a new one under Certificates & secrets of the app and "
                       "replace the file") == (fine, says)


async def test_the_end_of_a_secret_is_said_where_the_app_may_read_itself(tmp_path: Path) -> None:
    """Of those that begin like ours and have not ended, the earliest counts."""
    async with an_entra(tmp_path) as world:
        now = world.clock.now()
        app = world.login.app
        app.secrets = tuple(AppSecret(value, now + timedelta(days=days)) for value, days in (
            (SECRET, 40), ("lab-older", -3), ("lab-newer", 90), ("other", 5)))
        assert "cannot be told from here (with the permission Application.Read.All" in (
            await found(world.directory()))["entra credential"][1]

        app.roles |= {"Application.Read.All"}
        fine, says = (await found(world.directory()))["entra credential"]
        assert (True, f"the client secret ends {now + timedelta(days=40):%Y-%m-%d}, in 40 days") == (fine, says)
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
