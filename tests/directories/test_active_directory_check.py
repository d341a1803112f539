"""What ``syncd check`` says about each controller, with the fix in words."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.adlab.fakeldap import done
from tests.adlab.windows import GROUPS, STAFF, Windows, company
from tests.directories.ad_world import Directory, id_of


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
    assert "3 people read whole below 1 base(s), and 1 group(s): zoom 3; a second look agrees; its clock is" in second
    assert "no end of the bind password is known" in second


async def test_clocks_that_differ_are_not_in_order():
    """Kerberos fails beyond five minutes, and so does the guard."""
    with Windows(company(3, 3)) as controller:
        directory = Directory(controller.url)
        directory.moved.ahead = timedelta(minutes=10)
        ((ok, finding),) = await findings(directory)

    assert not ok
    assert "s behind: set both clocks by NTP" in finding


@pytest.mark.parametrize(
    ("settings", "says", "fix"),
    [
        ({"groups": ("zoom", "zoomm")}, "'zoomm' does not exist or the bind account may not see it", "Correct the names"),
        ({"base_dns": (STAFF, "OU=Old,DC=corp,DC=example")}, "the base OU=Old,DC=corp,DC=example does not exist", "base_dn"),
    ],
)
async def test_what_is_missing_is_named_with_its_fix(settings, says, fix):
    """A misspelled group, a moved base."""
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
    assert "the bind account may not read userAccountControl of any of 3 people" in finding
    assert "Read property userAccountControl" in finding


@pytest.mark.parametrize(
    ("broken", "members", "good"), [(1, 40, True), (3, 40, True), (4, 40, False), (4, 400, True), (5, 400, False)]
)
async def test_check_reads_everybody_names_who_is_unclear_and_knows_the_limit(broken, members, good):
    """The last one of all as well as the first: a plan must not find what check did not."""
    numbers = range(members - broken + 1, members + 1)
    unreadable = frozenset((f"CN=p{number},{STAFF}", "accountExpires") for number in numbers)
    with Windows(company(members + 5, members), unreadable=unreadable) as controller:
        ((ok, finding),) = await findings(Directory(controller.url))

    assert good is ok
    assert f"{broken} unclear, at most {max(3, members // 100)} may be: {id_of(numbers[0])} (accountExpires is missing" in finding


async def test_unclear_people_in_no_group_count_for_nothing():
    """They entitle nobody."""
    unreadable = frozenset((f"CN=p{number},{STAFF}", "accountExpires") for number in range(31, 61))
    with Windows(company(60, 30), unreadable=unreadable) as controller:
        ((ok, finding),) = await findings(Directory(controller.url))

    assert ok
    assert "unclear" not in finding


@pytest.mark.parametrize("reads", ["member", "objectSid"])
async def test_check_proves_the_rights_of_a_second_look(reads):
    """As a group sees it: no members, or no number to find them by."""
    with Windows(company(3, 3), unreadable=frozenset({(f"CN=zoom,{GROUPS}", reads)})) as controller:
        ((ok, finding),) = await findings(Directory(controller.url))

    assert not ok
    assert f"Let the bind account read {reads} of" in finding.replace("the attribute 'member'", "member")


async def test_a_second_look_that_shows_other_memberships_is_not_in_order():
    """A server that answers the question for groups by a member with none."""

    def fault(search):
        return done(search.mid, cookie=b"") if search.asks_for("member") and search.asks_for(f"CN=p1,{STAFF}") else None

    unreadable = frozenset((f"CN=p{number},{STAFF}", "memberOf") for number in (1, 2, 3))
    with Windows(company(3, 3), fault=fault, unreadable=unreadable) as controller:
        ((ok, finding),) = await findings(Directory(controller.url))

    assert not ok
    assert f"a second look at {id_of(1)} does not show the membership" in finding
