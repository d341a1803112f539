"""What ``syncd check`` says about each controller, with the fix in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.adlab.fakeldap import done
from tests.adlab.windows import GROUPS, STAFF, Windows, company
from tests.directories.ad_world import Directory


async def findings(directory: Directory) -> list[tuple[bool, str]]:
    """The lines without the server's name."""
    return [(ok, finding) for _, ok, finding in await directory.check()]


async def test_each_server_has_a_line_and_a_bad_one_does_not_hide_the_next():
    """The first one is busy."""
    with Windows({}, fault=lambda search: done(search.mid, 51)) as busy, Windows(company(3, 3)) as good:
        directory = Directory(busy.url, good.url)
        names = [name for name, _, _ in await directory.check()]
        (first_ok, first), (second_ok, second) = await findings(directory)

    assert [f"directory 127.0.0.1:{busy.port}", f"directory 127.0.0.1:{good.port}"] == names
    assert (False, True) == (first_ok, second_ok)
    assert "busy" in first
    assert "1 group(s) found; people are readable below 1 base(s); its clock is" in second
    assert "no end of the bind password is known" in second


async def test_clocks_that_differ_are_not_in_order():
    """Kerberos fails beyond five minutes, and so does the guard."""
    with Windows(company(3, 3)) as controller:
        directory = Directory(controller.url)
        directory.moved.ahead = timedelta(minutes=10)
        ((ok, finding),) = await findings(directory)

    assert not ok
    assert "s behind: set both clocks by NTP" in finding


@pytest.mark.parametrize(("settings", "says", "fix"), [
    ({"groups": ("zoom", "zoomm")}, "'zoomm' does not exist or the bind account may not see it", "Correct the names"),
    ({"base_dns": (STAFF, "OU=Old,DC=corp,DC=example")}, "the base OU=Old,DC=corp,DC=example does not exist", "base_dn"),
    ({"base_dns": (GROUPS,)}, f"nobody is in sight below {GROUPS}", "read there"),
])
async def test_what_is_missing_is_named_with_its_fix(settings, says, fix):
    """A misspelled group, a moved base, a base without people."""
    with Windows(company(3, 3)) as controller:
        ((ok, finding),) = await findings(Directory(controller.url, **settings))

    assert not ok
    assert says in finding
    assert fix in finding


async def test_an_attribute_that_may_not_be_read_is_named():
    """Hardened domains show userAccountControl to nobody by default."""
    unreadable = frozenset({(f"CN=p{number},{STAFF}", "userAccountControl") for number in range(1, 4)})
    with Windows(company(3, 3), unreadable=unreadable) as controller:
        ((ok, finding),) = await findings(Directory(controller.url))

    assert not ok
    assert "userAccountControl is missing, or the bind account may not read it" in finding
    assert "Let the bind account read this attribute of all people." in finding
