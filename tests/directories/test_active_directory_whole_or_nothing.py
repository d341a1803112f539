"""Against a controller that truncates and fails as Windows does: everybody, or an error that says what was missing."""

from __future__ import annotations

import socket

import pytest

from syncd.errors import SourceError
from tests.adlab.fakeldap import Server, disconnection, done, entry, extended, reference
from tests.adlab.windows import GROUPS, STAFF, HangUp, Search, Windows, company, group, guid, person
from tests.directories.ad_world import Directory, entitled, id_of, unreadable

PAGES = 4
PEOPLE = PAGES * 10


def of_people(search: Search) -> bool:
    """Whether this is the paged search for everybody (not the one for a group by name)."""
    return search.page > 0 and search.asks_for("accountExpires") and search.asks_for("proxyAddresses")


@pytest.mark.parametrize("members", [0, 1, 1499, 1500, 1501, 3001])
async def test_every_member_of_a_large_group_is_found(members):
    """A controller gives 1,500 values of an attribute at once and the rest by ranges."""
    with Windows(company(people=members + 1, members=members)) as controller:
        snapshot = await Directory(controller.url).read()

        assert {id_of(number) for number in range(1, members + 1)} == entitled(snapshot)
        assert [members] == [listed.members for listed in snapshot.groups]
        assert members + 1 == len(snapshot.people)


@pytest.mark.parametrize("number", [4, 5, 6, 12])
async def test_whoever_has_more_addresses_than_come_at_once_has_them_all(number):
    """Ranges are for every attribute, not for members alone: else this person would claim no alias, and lose the account."""
    entries = company(people=3, members=2)
    entries[f"CN=p2,{STAFF}"]["proxyAddresses"] = [f"smtp:alias{at}@corp.example" for at in range(number)]
    with Windows(entries, range_max=5) as controller:
        directory = Directory(controller.url)
        read = {one.id: one for one in (await directory.read()).people}
        looked = await directory.recheck_person(None, [f"alias{number - 1}@corp.example"])
        await directory.close()

    assert tuple(f"alias{at}@corp.example" for at in range(number)) == read[id_of(2)].aliases
    assert (read[id_of(2)],) == looked
    assert 3 == len(read)


@pytest.mark.parametrize("range_max", [5, 7, 5000])
async def test_the_size_of_a_range_is_what_the_server_says(range_max):
    """An operator may have changed MaxValRange: nothing is assumed about the number."""
    with Windows(company(people=30, members=29), range_max=range_max) as controller:
        assert 29 == len(entitled(await Directory(controller.url).read()))


async def test_a_server_that_gives_smaller_pages_than_asked_for_is_read_whole():
    """MaxPageSize may be below page_size."""
    with Windows(company(people=PEOPLE, members=PEOPLE), page_max=7) as controller:
        assert PEOPLE == len((await Directory(controller.url, page_size=1000).read()).people)


@pytest.mark.parametrize("page", range(1, PAGES + 1))
@pytest.mark.parametrize(
    ("code", "word"),
    [
        (1, "operationsError"),
        (3, "timeLimitExceeded"),
        (4, "sizeLimitExceeded"),
        (10, "referral"),
        (50, "insufficientAccessRights"),
        (51, "busy"),
        (53, "unwillingToPerform"),
    ],
)
async def test_a_page_that_does_not_succeed_is_an_error_and_no_shorter_list(page, code, word):
    """Whatever result other than success ends a page, with entries before it or not."""

    def fault(search: Search) -> bytes | None:
        if of_people(search) and search.page == page:
            return entry(search.mid, f"CN=p1,{STAFF}", person(1)) + done(search.mid, code, cookie=b"")
        return None

    with (
        Windows(company(PEOPLE, 3), fault=fault) as controller,
        pytest.raises(SourceError, match=rf"page {page} below DC=corp,DC=example ended with {word} \(result {code}\)"),
    ):
        await Directory(controller.url, page_size=10).read()


@pytest.mark.parametrize("page", range(1, PAGES + 1))
async def test_a_page_without_the_paging_control_is_an_error(page):
    """A server that ignores the control gives one page and says nothing about the rest."""

    def fault(search: Search) -> bytes | None:
        if of_people(search) and search.page == page:
            return entry(search.mid, f"CN=p1,{STAFF}", person(1)) + done(search.mid)
        return None

    with (
        Windows(company(PEOPLE, 3), fault=fault) as controller,
        pytest.raises(SourceError, match=f"page {page} below .* came without the paging control"),
    ):
        await Directory(controller.url, page_size=10).read()


@pytest.mark.parametrize("page", range(1, PAGES + 1))
@pytest.mark.parametrize("kind", ["hang up", "hang up within an entry", "notice of disconnection", "no LDAP"])
async def test_a_line_that_breaks_at_a_page_is_an_error(page, kind):
    """Closed, cut within an entry, ended with a notice, or garbled."""

    def fault(search: Search) -> bytes | None:
        if not (of_people(search) and search.page == page):
            return None
        if kind == "hang up":
            raise HangUp
        if kind == "notice of disconnection":
            return disconnection("shutting down")
        if kind == "no LDAP":
            return b"\x30\x05" + b"\xff" * 5
        controller.cut_after_next = True
        return entry(search.mid, f"CN=p1,{STAFF}", person(1))[:-20]

    class Cutting(Windows):
        cut_after_next = False

        def _answer(self, conn, mid, raw, number):
            super()._answer(conn, mid, raw, number)
            if self.cut_after_next:
                raise EOFError

    with Cutting(company(PEOPLE, 3), fault=fault) as controller, pytest.raises(SourceError, match=r"connection broke|no LDAP"):
        await Directory(controller.url, page_size=10, read_timeout_seconds=5).read()


async def test_a_failed_server_is_left_and_the_next_one_is_read_from_the_start():
    """Never a page of one controller and the next page of another: their cookies mean nothing to each other."""

    def fault(search: Search) -> bytes | None:
        return done(search.mid, 51) if of_people(search) and search.page == 3 else None

    with Windows(company(PEOPLE, 3), fault=fault) as first, Windows(company(PEOPLE, 3)) as second:
        directory = Directory(first.url, second.url, page_size=10)

        assert PEOPLE == len((await directory.read()).people)
        assert [1, 2, 3, 4] == [search.page for search in second.searches_seen if of_people(search)]


async def test_when_no_server_can_be_read_each_is_named_with_its_cause():
    """The operator sees all causes at once."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    with Windows({}, fault=lambda search: done(search.mid, 51) if search.base else None) as busy:
        error = await unreadable(Directory(f"ldap://127.0.0.1:{nobody}", busy.url))

    assert f"127.0.0.1:{nobody}: no connection" in error.what
    assert f"127.0.0.1:{busy.port}: " in error.what
    assert "busy" in error.what


# --------------------------------------------------------------------------------------------------------------- ranges


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda search, dn: done(search.mid, 3), "timeLimitExceeded"),
        (lambda search, dn: done(search.mid, 4), "sizeLimitExceeded"),
        (lambda search, dn: done(search.mid, 51), "busy"),
        (lambda search, dn: done(search.mid), "vanished while its member was read"),
        (lambda search, dn: done(search.mid, 32), "vanished while its member was read"),
        (lambda search, dn: entry(search.mid, dn, {"uSNChanged": ["1"]}) + done(search.mid), "without its last range"),
        (lambda search, dn: entry(search.mid, dn, {"member;range=0-*": [f"CN=p1,{STAFF}"]}) + done(search.mid), "does not fit"),
        (lambda search, dn: entry(search.mid, dn, {"member;range=10-19": [f"CN=p1,{STAFF}"]}) + done(search.mid), "does not fit"),
    ],
)
async def test_a_range_that_is_missing_or_does_not_fit_is_an_error(answer, says):
    """ldap3's own range retrieval would answer with the first 1,500 members and success."""
    group_dn = f"CN=zoom,{GROUPS}"

    def fault(search: Search) -> bytes | None:
        return answer(search, group_dn) if search.asks_for("member;range=10-") else None

    with Windows(company(25, 25), range_max=10, fault=fault) as controller, pytest.raises(SourceError, match=says):
        await Directory(controller.url).read()


async def test_a_group_that_changes_between_its_ranges_is_read_again():
    """A member taken out shifts the ranges, and the one on the edge would be skipped."""
    group_dn = f"CN=zoom,{GROUPS}"

    def fault(search: Search) -> bytes | None:
        values = controller.entries[group_dn]
        if search.asks_for("member;range=10-") and values["usnchanged"] == ["1"]:
            values["usnchanged"] = ["2"]
            values["member"].remove(f"CN=p1,{STAFF}")
        return None

    with Windows(company(25, 25), range_max=10, fault=fault) as controller:
        assert {id_of(number) for number in range(2, 26)} == entitled(await Directory(controller.url).read())


async def test_a_group_that_never_stops_changing_is_an_error():
    """After three tries nothing is certain."""

    def fault(search: Search) -> bytes | None:
        values = controller.entries[f"CN=zoom,{GROUPS}"]
        values["usnchanged"] = [str(int(values["usnchanged"][0]) + 1)]
        return None

    with (
        Windows(company(25, 25), range_max=10, fault=fault) as controller,
        pytest.raises(SourceError, match="changed each time"),
    ):
        await Directory(controller.url).read()


# ---------------------------------------------------------------------------------------------------------- lost rights


async def test_a_group_whose_members_may_not_be_read_is_not_an_empty_group():
    """Both look the same in the answer; Windows does not affirm "has no member" of an attribute one may not read."""
    with (
        Windows(company(5, 5), unreadable=frozenset({(f"CN=zoom,{GROUPS}", "member")})) as controller,
        pytest.raises(SourceError, match=f"members of the group CN=zoom,{GROUPS} cannot be read"),
    ):
        await Directory(controller.url).read()


async def test_an_empty_group_is_read_as_empty():
    """A group for leavers is often empty."""
    entries = company(5, 5) | {f"CN=gone,{GROUPS}": group(900_011, "gone")}
    with Windows(entries) as controller:
        snapshot = await Directory(controller.url, leaver_groups=("gone",)).read()

    assert [("zoom", 5), ("gone", 0)] == [(listed.name, listed.members) for listed in snapshot.groups]


async def test_a_bind_that_sees_nothing_is_an_error():
    """Without rights the domain looks empty, or not there at all."""
    empty = company(0, 0)
    del empty[f"CN=zoom,{GROUPS}"]
    with (
        Windows(empty) as controller,
        pytest.raises(SourceError, match="'zoom' does not exist or the bind account may not see it"),
    ):
        await Directory(controller.url).read()
    with Windows({}) as controller, pytest.raises(SourceError, match="noSuchObject") as caught:
        await Directory(controller.url).read()
    assert "may not see it" in caught.value.do


async def test_a_base_that_does_not_exist_is_an_error_that_names_it():
    """A moved or misspelled OU."""
    with (
        Windows(company(5, 5)) as controller,
        pytest.raises(SourceError, match="the base OU=Nowhere,DC=corp,DC=example does not exist"),
    ):
        await Directory(controller.url, base_dns=(STAFF, "OU=Nowhere,DC=corp,DC=example")).read()


async def test_an_entry_without_an_identity_makes_the_read_unreadable():
    """Without objectGUID nobody can be followed through a rename."""
    entries = company(300, 5)
    entries[f"CN=p7,{STAFF}"] = person(7, objectGUID=[])
    with Windows(entries) as controller, pytest.raises(SourceError, match=f"CN=p7,{STAFF} shows no objectGUID"):
        await Directory(controller.url).read()


async def test_one_person_in_a_hundred_who_cannot_be_understood_is_unclear():
    """Unknown, never absent and never disabled."""
    entries = company(100, 5)
    entries[f"CN=p3,{STAFF}"] = person(3, userAccountControl=["many"], accountExpires=["soon"])
    with Windows(entries) as controller:
        snapshot = await Directory(controller.url).read()

    unclear = [found for found in snapshot.people if found.unclear]
    assert [(id_of(3), True, ("zoom",))] == [(found.id, found.enabled, found.entitled_by) for found in unclear]
    assert "userAccountControl is not a number; accountExpires is not a time" == unclear[0].unclear


async def test_several_who_cannot_be_understood_are_handed_over_by_name():
    """How many of them a plan may have is not for the directory to say: it does not know whom to ignore."""
    entries = company(20, 20)
    for number in range(1, 9):
        entries[f"CN=p{number},{STAFF}"] = person(number, userAccountControl=["many"])
    with Windows(entries) as controller:
        snapshot = await Directory(controller.url).read()

    assert {id_of(number) for number in range(1, 9)} == {found.id for found in snapshot.people if found.unclear}


# ----------------------------------------------------------------------------------------------------------- stray members


async def test_a_few_people_created_while_the_read_goes_on_are_taken_in():
    """They are members and lie below a base; the list of people had been read before."""
    entries = company(5, 5) | {f"CN=new,{STAFF}": person(77)}
    entries[f"CN=zoom,{GROUPS}"]["member"].append(f"CN=new,{STAFF}")

    class Late(Windows):
        def _fits(self, dn, filter_):
            listing = self.searches_seen[-1]
            return False if dn == f"CN=new,{STAFF}" and listing.page and of_people(listing) else super()._fits(dn, filter_)

    with Late(entries) as controller:
        snapshot = await Directory(controller.url).read()

    assert id_of(77) in entitled(snapshot)


async def test_a_list_of_people_with_holes_is_an_error():
    """More than a few members that the list did not show are no coincidence."""

    class Holes(Windows):
        def _fits(self, dn, filter_):
            listing = self.searches_seen[-1]
            return False if dn.startswith("CN=p1") and listing.page and of_people(listing) else super()._fits(dn, filter_)

    with (
        Holes(company(30, 30)) as controller,
        pytest.raises(SourceError, match="more than 5 members lie below a base but were not in its list"),
    ):
        await Directory(controller.url).read()


async def test_a_member_renamed_while_the_read_goes_on_is_the_same_person():
    """The member list knows them by another name than the list of people did: the objectGUID tells."""
    entries = company(5, 4)
    entries[f"CN=married,{STAFF}"] = entries[f"CN=p5,{STAFF}"]
    entries[f"CN=zoom,{GROUPS}"]["member"].append(f"CN=married,{STAFF}")
    with Windows(entries) as controller:
        snapshot = await Directory(controller.url).read()

    assert 5 == len(snapshot.people)
    assert id_of(5) in entitled(snapshot)


async def test_six_unresolved_members_are_counted_and_five_are_named():
    """Deleted, hidden, or of another domain: not found, so nobody may conclude anything."""
    entries = company(5, 5)
    entries[f"CN=zoom,{GROUPS}"]["member"] += [f"CN=ghost{n},OU=Far,DC=other,DC=example" for n in range(6)]
    with Windows(entries) as controller:
        refused = await unreadable(Directory(controller.url))
        unknown = await Directory(controller.url, unresolved_members="unknown").read()

    assert refused.what.startswith("6 member(s) of the groups cannot be found or read: CN=ghost0,")
    assert "ghost4" in refused.what
    assert "ghost5" not in refused.what
    assert "1 more" in refused.what
    assert 6 == len(unknown.unresolved)
    assert 5 == len(entitled(unknown))


# ------------------------------------------------------------------------------------------------------------ referrals


async def test_referrals_are_never_followed_and_no_password_is_sent_elsewhere():
    """A referral and a continuation both name a host; following them would bind there with our password."""
    with Server(lambda *_: None) as elsewhere:
        other = f"ldap://127.0.0.1:{elsewhere.port}/DC=corp,DC=example"

        def fault(search: Search) -> bytes | None:
            if not of_people(search):
                return None
            if search.page == 2:
                return reference(search.mid, other) + done(search.mid, 10, referrals=[other])
            return entry(search.mid, f"CN=p1,{STAFF}", person(1)) + reference(search.mid, other) + done(search.mid, cookie=b"2")

        with Windows(company(20, 5), fault=fault) as controller:
            assert "referral (result 10)" in (await unreadable(Directory(controller.url, page_size=10))).what

        assert 0 == elsewhere.connections


async def test_a_continuation_among_the_entries_is_no_entry_and_no_error():
    """A domain's root always has some (configuration and DNS partitions)."""

    class Continued(Windows):
        def _regular(self, search):
            continuation = reference(search.mid, "ldap://elsewhere.example/DC=x") if of_people(search) else b""
            return continuation + super()._regular(search)

    with Continued(company(20, 5)) as controller:
        assert 20 == len((await Directory(controller.url).read()).people)


async def test_start_tls_that_is_refused_sends_no_password():
    """Plain LDAP is no way out."""
    with Windows(company(3, 3), on_extended=lambda conn, mid, _: conn.sendall(extended(mid, 52, "no certificate"))) as controller:
        error = await unreadable(Directory(controller.url, start_tls=True, allow_plaintext=False))

        assert "it refused StartTLS" in error.what
        assert [] == [tag for tag, _ in controller.requests if tag == 0x60]


async def test_two_people_of_one_identity_are_counted_once():
    """Bases that overlap show the same person twice."""
    with Windows(company(5, 5)) as controller:
        snapshot = await Directory(controller.url, base_dns=("DC=corp,DC=example", STAFF, STAFF.lower())).read()

    assert 5 == len(snapshot.people)


async def test_a_group_is_found_by_name_dn_and_objectguid_and_once_per_use():
    """Three ways to name one group."""
    with Windows(company(5, 5)) as controller:
        names = ("zoom", f"cn=ZOOM,{GROUPS}", id_of(900_010), f"{{{id_of(900_010)}}}")
        snapshot = await Directory(controller.url, groups=names).read()

    assert [(id_of(900_010), 5)] == [(listed.id, listed.members) for listed in snapshot.groups]


async def test_a_name_that_two_groups_have_is_ambiguous():
    """Two domains of one forest may each have it; guessing could entitle the wrong people."""
    entries = company(5, 5) | {f"CN=zoom,OU=More,{GROUPS}": group(900_012, "zoom")}
    with (
        Windows(entries) as controller,
        pytest.raises(SourceError, match=r"'zoom' is ambiguous: CN=zoom,OU=Groups.*CN=zoom,OU=More"),
    ):
        await Directory(controller.url).read()


async def test_something_that_is_no_group_is_refused_as_one():
    """A DN copied from the wrong line."""
    with Windows(company(5, 5)) as controller, pytest.raises(SourceError, match=f"'CN=p1,{STAFF}' is no group"):
        await Directory(controller.url, groups=(f"CN=p1,{STAFF}",)).read()


def test_the_made_up_identities_are_what_the_tests_take_them_for():
    """guid() is bytes as Active Directory stores them, id_of() the text a Person has."""
    assert 16 == len(guid(1))
    assert "00000000-0000-0000-0000-000000000001" == id_of(1)
