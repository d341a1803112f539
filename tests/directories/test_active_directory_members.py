"""Who counts as a member, and as a person at all: nothing that is missing, hidden or odd is read as nothing."""

from __future__ import annotations

import pytest

from syncd.errors import SourceError
from tests.adlab.fakeldap import done
from tests.adlab.windows import GROUPS, STAFF, Search, Windows, company, group, guid, person, sid
from tests.directories.ad_world import Directory, entitled, id_of, unreadable

ZOOM = f"CN=zoom,{GROUPS}"
AWAY = "OU=Away,DC=corp,DC=example"


def with_members(*dns: str, people: int = 5, members: int = 3, **entries: dict) -> dict:
    """The company; *dns* are members of zoom too, and *entries* (by CN, in OU=Away) exist."""
    made = company(people, members) | {f"CN={name},{AWAY}": attributes for name, attributes in entries.items()}
    made[ZOOM]["member"] += dns
    return made


async def both(controller: Windows, number: int, **settings):
    """Somebody as the whole read and as the second look shows them."""
    directory = Directory(controller.url, **settings)
    read = [found for found in (await directory.read()).people if found.id == id_of(number)]
    looked = list(await directory.recheck_person(id_of(number), []))
    await directory.close()
    return read, looked


# --------------------------------------------------------------------------------------------------------- who is a person


@pytest.mark.parametrize(
    "more",
    [
        {"objectCategory": ["CN=Top,CN=Schema,CN=Configuration,DC=corp,DC=example"]},
        {"objectCategory": []},
        {"objectClass": ["top", "person", "organizationalPerson", "user", "inetOrgPerson"]},
        {"objectClass": ["TOP", "User"], "objectCategory": ["contact"]},
    ],
)
@pytest.mark.parametrize("base", ["DC=corp,DC=example", STAFF])
async def test_whoever_has_the_class_user_is_a_person_whatever_the_category(more, base):
    """objectCategory may be changed by whoever may write the object; the person logs on all the same."""
    entries = company(5, 3)
    entries[f"CN=p2,{STAFF}"] = person(2, **more)
    with Windows(entries) as controller:
        read, looked = await both(controller, 2, base_dns=(base,))

    assert [("zoom",)] == [found.entitled_by for found in read]
    assert read == looked


@pytest.mark.parametrize(
    "classes",
    [
        ["top", "person", "organizationalPerson", "user", "computer"],
        ["top", "person", "organizationalPerson", "contact"],
        ["top", "person", "organizationalPerson", "user", "computer", "msDS-GroupManagedServiceAccount"],
    ],
)
@pytest.mark.parametrize("place", [STAFF, AWAY])
async def test_contacts_and_computers_are_nobody_and_no_trouble(classes, place):
    """A managed service account is a computer too."""
    entries = with_members(f"CN=thing,{place}") | {f"CN=thing,{place}": person(50, objectClass=classes)}
    with Windows(entries) as controller:
        snapshot = await Directory(controller.url, base_dns=(STAFF,)).read()

    assert {id_of(number) for number in range(1, 6)} == {found.id for found in snapshot.people}
    assert 3 == len(entitled(snapshot))


# ------------------------------------------------------------------------------------------------------- outside the bases


@pytest.mark.parametrize("more", [{}, {"userAccountControl": ["514"]}, {"accountExpires": ["132223104000000000"]}])
async def test_a_member_outside_the_bases_is_a_person_by_membership(more):
    """A leaver moved to another OU is known to be disabled; a colleague moved there is still a colleague."""
    with Windows(with_members(f"CN=away,{AWAY}", away=person(60, **more))) as controller:
        read, looked = await both(controller, 60, base_dns=(STAFF,))

    assert [(("zoom",), not more or "accountExpires" in more, "accountExpires" in more)] == [
        (found.entitled_by, found.enabled, found.expires_at is not None) for found in read
    ]
    assert read == looked


@pytest.mark.parametrize("setting", ["leaver_groups", "protecting_groups"])
async def test_so_is_a_member_of_a_leaver_group_or_a_protecting_group(setting):
    """Membership of each use makes known."""
    entries = with_members(away=person(60)) | {f"CN=more,{GROUPS}": group(900_020, "more", [f"CN=away,{AWAY}"])}
    with Windows(entries) as controller:
        read, looked = await both(controller, 60, base_dns=(STAFF,), **{setting: ("more",)})

    assert 1 == len(read)
    assert read == looked


async def test_whoever_is_outside_the_bases_and_in_no_group_is_nobody():
    """In both reads."""
    with Windows(with_members(away=person(60))) as controller:
        assert ([], []) == await both(controller, 60, base_dns=(STAFF,))


async def test_a_member_by_primary_group_outside_the_bases_is_found_by_number():
    """They stand in no member list."""
    entries = with_members(away=person(60, primaryGroupID=["1105"]))
    entries[ZOOM]["objectSid"] = [sid(1105)]
    with Windows(entries) as controller:
        read, looked = await both(controller, 60, base_dns=(STAFF,))

    assert [("zoom",)] == [found.entitled_by for found in read]
    assert read == looked


async def test_many_members_outside_the_bases_are_no_holes_in_the_list():
    """Only members below a base should have been in its list."""
    away = {f"a{number}": person(100 + number) for number in range(20)}
    with Windows(with_members(*(f"CN={name},{AWAY}" for name in away), **away)) as controller:
        assert 23 == len(entitled(await Directory(controller.url, base_dns=(STAFF,)).read()))


async def test_a_group_without_its_sid_is_an_error():
    """Its members by primary group could not be found, and there would be none."""
    entries = company(5, 3)
    entries[ZOOM]["objectSid"] = []
    with Windows(entries) as controller:
        assert "shows no objectSid" in (await unreadable(Directory(controller.url))).what


# ------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Gross", "Gro\u00df"),
        ("Gro\u00df", "Gross"),
        ("\ufb01nn", "finn"),
        ("\u017fam", "sam"),
        ("M\u00dcLLER", "m\u00fcller"),
        ("K\u212a", "kk"),
    ],
)
@pytest.mark.parametrize("base", ["DC=corp,DC=example", STAFF])
async def test_two_names_that_fold_alike_are_two_people(one, other, base):
    """Only the letters A to Z are taken for the same here; the directory says who is meant."""
    entries = company(0, 0) | {f"CN={one},{STAFF}": person(1), f"CN={other},{STAFF}": person(2)}
    entries[ZOOM]["member"] = [f"CN={one},{STAFF}"]
    with Windows(entries) as controller:
        directory = Directory(controller.url, base_dns=(base,))
        assert {id_of(1)} == entitled(await directory.read())
        assert [()] == [found.entitled_by for found in await directory.recheck_person(id_of(2), [])]
        await directory.close()


async def test_a_member_who_folds_like_a_person_and_is_something_else_makes_nobody_a_member():
    """A contact of nearly the same name."""
    contact = person(10, objectClass=["top", "contact"])
    entries = company(3, 0) | {f"CN=Gro\u00df,{STAFF}": person(9), f"CN=Gross,{STAFF}": contact}
    entries[ZOOM]["member"] = [f"CN=Gross,{STAFF}", f"CN=p1,{STAFF}"]
    with Windows(entries) as controller:
        assert {id_of(1)} == entitled(await Directory(controller.url).read())


async def test_a_name_in_other_letter_case_is_the_same():
    """A list may keep the case of another time."""
    entries = company(3, 0)
    entries[ZOOM]["member"] = [f"cn=P1,{STAFF.upper()}"]
    with Windows(entries) as controller:
        assert {id_of(1)} == entitled(await Directory(controller.url).read())


@pytest.mark.parametrize("name", ["p9", "Family\\, Given", "a\\+b \\\\", "\\C3\\BCber\\2C p"])
async def test_a_deleted_object_in_a_list_is_nobody(name):
    """The directory itself calls it deleted: it is known to be gone, not unknown."""
    gone = f"CN={name}\\0ADEL:0f3b2a1c-1111-2222-3333-444455556666,CN=Deleted Objects,DC=corp,DC=example"
    with Windows(with_members(gone)) as controller:
        snapshot = await Directory(controller.url).read()

    assert (3, ()) == (len(entitled(snapshot)), snapshot.unresolved)


@pytest.mark.parametrize("code", [32, 10, 50])
async def test_a_member_who_is_not_shown_is_unresolved_and_the_cause_is_named(code):
    """Gone, in another domain, or not for our eyes."""
    ghost = "CN=ghost,OU=Far,DC=child,DC=corp,DC=example"

    def fault(search: Search) -> bytes | None:
        referrals = ["ldap://child.corp.example/"] if code == 10 else []
        return done(search.mid, code, referrals=referrals) if search.base == ghost else None

    with Windows(with_members(ghost), fault=fault) as controller:
        error = await unreadable(Directory(controller.url))
        snapshot = await Directory(controller.url, unresolved_members="unknown").read()

    why = "is answered with a referral to child.corp.example" if code == 10 else "does not exist or the bind account"
    assert why in error.what
    assert (ghost,) == snapshot.unresolved


async def test_a_member_whose_class_is_hidden_is_unresolved():
    """It may be a person."""
    entries = with_members(f"CN=who,{AWAY}", who=person(60))
    with Windows(entries, unreadable=frozenset({(f"CN=who,{AWAY}", "objectClass")})) as controller:
        snapshot = await Directory(controller.url, base_dns=(STAFF,), unresolved_members="unknown").read()

    assert (f"CN=who,{AWAY}",) == snapshot.unresolved


# ------------------------------------------------------------------------------------------------------------ foreigners

FAR = "S-1-5-21-7-8-9-1104"
CONTAINER = "CN=ForeignSecurityPrincipals,DC=corp,DC=example"


def foreigner(text: str) -> dict:
    """The stand-in for this SID."""
    _, revision, authority, *parts = text.split("-")
    raw = bytes([int(revision), len(parts)]) + int(authority).to_bytes(6, "big")
    return {
        "objectClass": ["top", "foreignSecurityPrincipal"],
        "objectGUID": [guid(800_000 + len(text))],
        "objectSid": [raw + b"".join(int(part).to_bytes(4, "little") for part in parts)],
    }


def with_foreigner(text: str, *, trusted: bool = True, hidden: bool = False) -> dict:
    """zoom has a member of another forest, which is trusted or not."""
    dn = f"CN={text},{CONTAINER}"
    entries = with_members(dn) | ({} if hidden else {dn: foreigner(text)})
    trust = {
        "objectClass": ["trustedDomain"],
        "objectGUID": [guid(810_000)],
        "securityIdentifier": foreigner("S-1-5-21-7-8-9" if trusted else "S-1-5-21-7-8-8")["objectSid"],
    }
    return entries | {"CN=far.example,CN=System,DC=corp,DC=example": trust}


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("unresolved", ["refuse", "unknown"])
async def test_a_person_of_another_forest_is_what_the_operator_says(hidden, unresolved):
    """Refused by default; unknown keeps unmatched accounts; elsewhere is nobody here. Apart from other unresolved members."""
    with Windows(with_foreigner(FAR, hidden=hidden)) as controller:
        refused = await unreadable(Directory(controller.url, unresolved_members=unresolved))
        unknown, elsewhere = [
            await Directory(controller.url, unresolved_members=unresolved, foreign_members=word).read()
            for word in ("unknown", "elsewhere")
        ]

    assert "1 member(s) of the groups are accounts of another forest" in refused.what
    assert FAR in refused.what
    assert "foreign_members: elsewhere" in refused.do
    assert ((f"CN={FAR},{CONTAINER}",), ()) == (unknown.unresolved, elsewhere.unresolved)
    assert 3 == len(entitled(unknown)) == len(entitled(elsewhere))


async def test_where_trusts_cannot_be_seen_nobody_is_called_an_orphan():
    """No container System, no trust in sight: that says nothing."""
    entries = {dn: attributes for dn, attributes in with_foreigner(FAR).items() if "CN=System" not in dn}
    with Windows(entries) as controller:
        error = await unreadable(Directory(controller.url))

    assert "accounts of another forest" in error.what


@pytest.mark.parametrize("trusts", [0, 1])
async def test_an_orphan_gets_advice_that_fits(trusts):
    """No trust leads to its domain: waiting for another instance or another base would help nobody."""
    entries = with_foreigner(FAR, trusted=False)
    entries["CN=System,DC=corp,DC=example"] = {"objectClass": ["container"], "objectGUID": [guid(810_001)]}
    if not trusts:
        del entries["CN=far.example,CN=System,DC=corp,DC=example"]
    with Windows(entries) as controller:
        error = await unreadable(Directory(controller.url))

    assert "orphans, of a domain that no trust leads to" in error.what
    assert FAR in error.what
    assert "Take the orphans out of the groups" in error.do
    assert "base_dn" not in error.do


@pytest.mark.parametrize(
    ("text", "name"),
    [("S-1-1-0", "Everyone"), ("S-1-5-11", "Authenticated Users"), ("S-1-5-15", "This Organization"), ("S-1-5-99", "S-1-5-99")],
)
@pytest.mark.parametrize("word", ["refuse", "unknown", "elsewhere"])
@pytest.mark.parametrize("use", ["groups", "leaver_groups", "protecting_groups"])
async def test_whoever_logs_on_is_no_list_of_people(text, name, word, use):
    """Everyone in an entitling group would entitle nobody that a read finds."""
    entries = with_foreigner(text) | {f"CN=plain,{GROUPS}": group(900_030, "plain", [f"CN=p1,{STAFF}"])}
    with Windows(entries) as controller:
        settings = {"groups": ("plain",), use: ("zoom",), "foreign_members": word, "unresolved_members": "unknown"}
        error = await unreadable(Directory(controller.url, **settings))

    assert f"{name}" in error.what
    assert "is a member of zoom" in error.what


# ---------------------------------------------------------------------------------------------------------- hidden values

ALWAYS_THERE = ("userAccountControl", "accountExpires", "primaryGroupID", "objectSid")


@pytest.mark.parametrize("attribute", ALWAYS_THERE)
async def test_an_attribute_everybody_has_that_is_hidden_of_one_makes_that_one_unclear(attribute):
    """It is no "never", no "enabled" and no "no primary group"."""
    entries = company(300, 299)
    with Windows(entries, unreadable=frozenset({(f"CN=p7,{STAFF}", attribute)})) as controller:
        read, looked = await both(controller, 7)

    assert [f"{attribute} is missing, or the bind account may not read it"] == [found.unclear for found in read]
    assert [attribute in {"primaryGroupID", "objectSid"}] == [found.membership_unknown for found in read]
    assert read == looked


@pytest.mark.parametrize("attribute", ALWAYS_THERE)
@pytest.mark.parametrize("people", [1, 50])
async def test_hidden_of_all_it_is_a_right_that_is_not_granted(attribute, people):
    """The message names it."""
    hidden = frozenset((f"CN=p{number},{STAFF}", attribute) for number in range(1, people + 1))
    with Windows(company(people, 1), unreadable=hidden) as controller:
        error = await unreadable(Directory(controller.url))

    assert f"the bind account may not read {attribute} of any of {people} people" in error.what
    assert f"Read property {attribute}" in error.do


# ----------------------------------------------------------------------------------------------------- the second look's rights


def nested() -> dict:
    """zoom > north > p4."""
    entries = company(5, 3) | {f"CN=north,{GROUPS}": group(900_040, "north", [f"CN=p4,{STAFF}"])}
    entries[ZOOM]["member"].append(f"CN=north,{GROUPS}")
    return entries


@pytest.mark.parametrize("number", [1, 4, 5])
async def test_a_second_look_does_not_need_memberof(number):
    """Many domains hide it; the whole read has proved that "member" may be read."""
    entries = nested()
    with Windows(entries, unreadable=frozenset((dn, "memberOf") for dn in entries)) as controller:
        read, looked = await both(controller, number)

    assert [{1: ("zoom",), 4: ("zoom", "north"), 5: ()}[number]] == [found.entitled_by for found in read]
    assert read == looked


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("name", ["zoom", "north"])
async def test_a_second_look_that_may_not_read_members_any_more_is_an_error_and_not_an_absence(name, absent):
    """A right taken away between the read and the look; also where a hidden value counts as one that is not there, and the
    other ends of the links are hidden, too."""
    entries = nested()
    unreadable = frozenset((dn, "memberOf") for dn in entries if absent)
    with Windows(entries, unreadable=unreadable, hidden_is_absent=absent) as controller:
        directory = Directory(controller.url)
        await directory.read()
        controller.unreadable.add((f"cn={name},{GROUPS}".lower(), "member"))
        with pytest.raises(SourceError, match=f"the members of the group CN={name},{GROUPS} may not be read any more"):
            await directory.recheck_person(id_of(4), [])


async def test_a_nested_group_that_was_deleted_meanwhile_holds_nobody():
    """That is an answer."""
    with Windows(nested()) as controller:
        directory = Directory(controller.url)
        await directory.read()
        del controller.entries[f"CN=north,{GROUPS}"]
        controller.entries[ZOOM]["member"].remove(f"CN=north,{GROUPS}")
        (found,) = await directory.recheck_person(id_of(4), [])
        await directory.close()

    assert () == found.entitled_by


@pytest.mark.parametrize("kind", ["nested", "leavers"])
async def test_two_ends_of_a_link_that_disagree_are_an_error(kind):
    """The person names the group, the group does not name the person: one of the two is not telling everything."""
    entries = nested() | {f"CN=gone,{GROUPS}": group(900_041, "gone", [f"CN=p1,{STAFF}"])}
    number = 4 if kind == "nested" else 1
    with Windows(entries) as controller:
        directory = Directory(controller.url, leaver_groups=("gone",))
        await directory.read()
        controller.fault = lambda search: (
            done(search.mid, cookie=b"") if search.page and search.asks_for(f"CN=p{number},{STAFF}") else None
        )
        with pytest.raises(SourceError, match="which does not name its member"):
            await directory.recheck_person(id_of(number), [])


def left_out(controller: Windows, entries: dict, number: int) -> set[str]:
    """Groups that the search for those with this member left out."""
    return {
        name
        for name in ("zoom", "vip", "gone")
        for one in controller.searches_seen
        if one.page and one.asks_for(f"CN=p{number},{STAFF}") and entries[f"CN={name},{GROUPS}"]["objectGUID"][0] in one.raw
    }


async def test_of_a_leaver_a_group_that_keeps_accounts_is_believed():
    """Against a deactivation that can only speak, and its 45,000 members are not gone through; the other groups are asked. Of
    whoever may come back every group is asked."""
    entries = company(5, 4) | {
        f"CN=vip,{GROUPS}": group(900_042, "vip", [f"CN=p1,{STAFF}"]),
        f"CN=gone,{GROUPS}": group(900_041, "gone", [f"CN=p1,{STAFF}"]),
        f"CN=p3,{STAFF}": person(3, userAccountControl=["514"]),
    }
    with Windows(entries) as controller:
        directory = Directory(controller.url, leaver_groups=("gone",), protecting_groups=("vip",))
        await directory.read()
        found = [one for number in (1, 2, 3) for one in await directory.recheck_person(id_of(number), [])]
        asked = [left_out(controller, entries, number) for number in (1, 2, 3)]
        await directory.close()

    assert [(("zoom",), ("vip",), ("gone",)), (("zoom",), (), ()), (("zoom",), (), ())] == [
        (one.entitled_by, one.protected_by, one.leaver_by) for one in found
    ]
    assert [{"zoom", "vip"}, set(), {"zoom"}] == asked


async def test_a_group_of_two_uses_is_not_believed():
    """Somebody in it is a leaver, too."""
    with Windows(company(5, 3)) as controller:
        directory = Directory(controller.url, leaver_groups=("zoom",))
        await directory.read()
        controller.fault = lambda search: (
            done(search.mid, cookie=b"") if search.page and search.asks_for(f"CN=p1,{STAFF}") else None
        )
        with pytest.raises(SourceError, match="which does not name its member"):
            await directory.recheck_person(id_of(1), [])


# ---------------------------------------------------------------------------------------- manager, number, kind of mailbox

BOSS = f"CN=boss,{AWAY}"


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (f"CN=p2,{STAFF}", id_of(2)),
        (f"cn=P2,{STAFF.lower()}", id_of(2)),
        (BOSS, id_of(60)),
        (f"CN=nobody,{AWAY}", ""),
    ],
)
async def test_a_manager_is_known_by_id_wherever_they_are(named, expected):
    """Below a base, spelled otherwise, outside the bases, gone."""
    entries = with_members(boss=person(60))
    entries[f"CN=p1,{STAFF}"] = person(1, manager=[named])
    with Windows(entries) as controller:
        read, looked = await both(controller, 1, base_dns=(STAFF,))

    assert [expected] == [found.manager for found in read]
    assert read == looked


async def test_a_number_is_read_only_from_the_attribute_that_was_named():
    """match.person_number."""
    entries = company(3, 3)
    entries[f"CN=p1,{STAFF}"] = person(1, employeeID=["E 17 "], employeeNumber=["99"])
    with Windows(entries) as controller:
        numbers = [
            (await both(controller, 1, **settings))[0][0].number
            for settings in ({}, {"number_attribute": "employeeID"}, {"number_attribute": "employeeNumber"})
        ]
        read, looked = await both(controller, 1, number_attribute="employeeID")

    assert ["", "E 17", "99"] == numbers
    assert read == looked


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("1", ""),
        ("2", "linked"),
        ("4", "shared"),
        ("16", "room"),
        ("32", "equipment"),
        ("2147483648", ""),
        ("8589934592", "room"),
        ("17179869184", "equipment"),
        ("34359738368", "shared"),
        ("-1", ""),
        ("many", ""),
    ],
)
async def test_a_mailbox_that_is_nobodys_own_is_told(value, kind):
    """Their accounts are disabled by design."""
    entries = company(3, 3)
    entries[f"CN=p1,{STAFF}"] = person(1, msExchRecipientTypeDetails=[value])
    with Windows(entries) as controller:
        read, looked = await both(controller, 1)

    assert [kind] == [found.mailbox for found in read]
    assert read == looked
