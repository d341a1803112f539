"""From raw values to a Person, and the walk through nested groups: values in, values out."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.directories.active_directory.answers import Entry
from syncd.directories.active_directory.groups import is_below
from syncd.directories.active_directory.people import filetime, person_of, sid_bytes, sid_text
from syncd.directories.active_directory.session import generalized_time
from syncd.directories.active_directory.transport import ServerAddress
from syncd.directories.membership import GroupNode, paths_from
from tests.adlab.windows import person, sid

ADDRESSES = ("mail", "userPrincipalName", "proxyAddresses")


def read(**more):
    """The person made of these attributes."""
    attributes = {
        name.lower(): [value if isinstance(value, bytes) else value.encode() for value in values]
        for name, values in person(1, **more).items()
    }
    return person_of(Entry("CN=p1,OU=Staff,DC=corp,DC=example", attributes), ADDRESSES)


def test_addresses_come_in_the_configured_order_primary_first_and_once():
    """x500: and sip: are no e-mail addresses; case, blanks and repetition do not count."""
    proxies = [
        "smtp:old@corp.example",
        "x500:/o=Corp/cn=ann@x",
        "SMTP:Ann.Main@corp.example",
        "sip:ann@corp.example",
        "smtp:ANN@corp.example",
    ]
    found = read(mail=[" Ann@Corp.Example "], userPrincipalName=["ann@login.example"], proxyAddresses=proxies)

    assert ("ann@corp.example", "ann@login.example", "ann.main@corp.example", "old@corp.example") == found.person.addresses


def test_a_value_without_an_at_sign_is_no_address():
    """Free text in mail, a short name as UPN."""
    assert () == read(mail=["n/a"], userPrincipalName=["ann"]).person.addresses


@pytest.mark.parametrize(
    ("control", "enabled"),
    [
        ("512", True),
        ("514", False),
        ("546", False),
        ("66048", True),
        ("66050", False),
        ("16", True),
        ("8388608", True),
        ("8388610", False),
    ],
)
def test_only_the_disabled_bit_disables(control, enabled):
    """Locked out and password expired are no reason to go."""
    assert enabled is read(userAccountControl=[control]).person.enabled


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        (0, None),
        (2**63 - 1, None),
        (2**63 - 2, None),
        (132_223_104_000_000_000, datetime(2020, 1, 1, tzinfo=UTC)),
        (1, datetime(1601, 1, 1, tzinfo=UTC)),
        (2_650_467_743_999_999_999, None),
    ],
)
def test_account_expires_has_two_nevers_and_no_overflow(ticks, expected):
    """0 and the largest number mean never; so does what no calendar reaches."""
    assert expected == filetime(ticks)


@given(st.integers(min_value=0, max_value=2**64))
def test_every_number_is_a_time_or_never(ticks):
    """No value of the attribute can end a read with an overflow."""
    assert filetime(ticks) is None or filetime(ticks).tzinfo is UTC


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"userAccountControl": ["x"]}, "userAccountControl is not a number"),
        ({"userAccountControl": ["5_14"]}, "userAccountControl is not a number"),
        ({"userAccountControl": ["0x202"]}, "userAccountControl is not a number"),
        ({"userAccountControl": []}, "userAccountControl is missing"),
        ({"accountExpires": ["13_0"]}, "accountExpires is not a time"),
        ({"accountExpires": [""]}, "accountExpires is not a time"),
        ({"primaryGroupID": ["5_13"]}, "objectSid or primaryGroupID cannot be understood"),
        ({"accountExpires": ["-5"]}, "accountExpires is not a time"),
        ({"mail": [b"\xff\xfe@corp.example"]}, "mail is not UTF-8"),
        ({"objectSid": [b"\x01"]}, "objectSid or primaryGroupID cannot be understood"),
        ({"primaryGroupID": ["-513"]}, "objectSid or primaryGroupID cannot be understood"),
        ({"primaryGroupID": ["4294967296"]}, "objectSid or primaryGroupID cannot be understood"),
        ({"primaryGroupID": ["users"]}, "objectSid or primaryGroupID cannot be understood"),
    ],
)
def test_a_value_that_cannot_be_understood_makes_the_person_unclear(more, says):
    """Unknown, never absent: and enabled, so that no careless reader takes them for a leaver."""
    found = read(**more).person

    assert says in found.unclear
    assert (True, None) == (found.enabled, found.expires_at)


def test_the_primary_group_is_the_domain_of_the_person_and_a_number():
    """It stands in no member list."""
    assert "S-1-5-21-1-2-3-1105" == read(primaryGroupID=["1105"]).primary_group_sid


def test_a_sid_reads_the_same_both_ways():
    """Text for comparing, bytes for asking."""
    assert sid(1105) == sid_bytes(sid_text(sid(1105)))


def test_times_of_the_directory_are_utc():
    """whenChanged and currentTime."""
    assert datetime(2026, 11, 25, 19, 14, 5, tzinfo=UTC) == generalized_time(b"20261125191405.0Z")
    assert datetime(2026, 11, 1, 12, tzinfo=UTC) == read().person.changed_at
    assert read(whenChanged=["yesterday"]).person.changed_at is None


@pytest.mark.parametrize(
    ("dn", "below"),
    [
        ("OU=Staff,DC=corp,DC=example", True),
        ("ou=staff, dc=CORP , dc=example", True),
        ("CN=a,OU=Staff,DC=corp,DC=example", True),
        ("OU=MyStaff,DC=corp,DC=example", False),
        ("DC=corp,DC=example", False),
        ("CN=a,OU=Other,DC=corp,DC=example", False),
    ],
)
def test_below_is_judged_by_whole_names(dn, below):
    """Spelling and blanks do not count; the end of a longer name does not either."""
    assert below is is_below(dn, ["OU=Staff,DC=corp,DC=example"])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ldaps://dc1.corp.example", "dc1.corp.example:636"),
        ("ldap://dc1:1389", "dc1:1389"),
        ("ldaps://[::1]", "[::1]:636"),
    ],
)
def test_a_server_is_shown_as_host_and_port(url, expected):
    """The standard ports are filled in."""
    assert expected == str(ServerAddress.of(url))


# ---------------------------------------------------------------------------------------------------------------- paths


def graph(edges: dict[str, tuple[str, str]]) -> dict[str, GroupNode]:
    """{"zoom": ("north east", "ann bob")}: the groups in a group, then the people."""
    return {name: GroupNode(name, name, set(groups.split()), people.split()) for name, (groups, people) in edges.items()}


def test_the_shortest_way_counts():
    """In the group and in a nested one: the short way is told."""
    nodes = graph({"zoom": ("north", "ann"), "north": ("east", "ann bob"), "east": ("", "bob cid")})

    expected = {"ann": ("zoom",), "bob": ("zoom", "north"), "cid": ("zoom", "north", "east")}
    assert expected == paths_from("zoom", nodes, nested=True)


def test_of_equally_short_ways_the_first_in_the_alphabet_counts():
    """Not the one the server happened to list first."""
    nodes = graph({"zoom": ("west east", ""), "west": ("", "ann"), "east": ("", "ann")})

    assert {"ann": ("zoom", "east")} == paths_from("zoom", nodes, nested=True)


def test_a_cycle_ends():
    """nest-4 has nest-1 as a member."""
    nodes = graph({"a": ("b", ""), "b": ("a b", "ann")})

    assert {"ann": ("a", "b")} == paths_from("a", nodes, nested=True)


def test_without_nesting_only_direct_members_count():
    """nested: false."""
    nodes = graph({"zoom": ("north", "ann"), "north": ("", "bob")})

    assert {"ann": ("zoom",)} == paths_from("zoom", nodes, nested=False)


NAMES = [f"g{number}" for number in range(6)]
GRAPHS = st.fixed_dictionaries({name: st.tuples(st.sets(st.sampled_from(NAMES)), st.sets(st.integers(0, 9))) for name in NAMES})


@given(GRAPHS)
def test_members_are_exactly_those_who_can_be_reached(edges):
    """Against the plainest definition: the closure of "is in"."""
    nodes = {name: GroupNode(name, name, set(groups), {str(one) for one in people}) for name, (groups, people) in edges.items()}
    closure = {"g0"}
    for _ in NAMES:
        closure |= {child for name in closure for child in nodes[name].groups}

    ways = paths_from("g0", nodes, nested=True)

    assert {one for name in closure for one in nodes[name].people} == set(ways)
    for one, way in ways.items():
        assert "g0" == way[0]
        assert all(below in nodes[above].groups for above, below in pairwise(way))
        assert one in nodes[way[-1]].people


@given(GRAPHS, st.integers(0, 9))
def test_the_part_of_the_graph_above_one_person_gives_their_way(edges, who):
    """What a second look fills in is enough: groups that do not lead to them cannot matter."""
    one = str(who)
    nodes = {name: GroupNode(name, name, set(groups), {str(each) for each in people}) for name, (groups, people) in edges.items()}
    above = {name for name, node in nodes.items() if one in node.people}
    for _ in NAMES:
        above |= {name for name, node in nodes.items() if node.groups & above}
    part = {name: GroupNode(name, name, nodes[name].groups & above, {one} & set(nodes[name].people)) for name in above}
    part.setdefault("g0", GroupNode("g0", "g0"))

    assert paths_from("g0", nodes, nested=True).get(one) == paths_from("g0", part, nested=True).get(one)
