"""Who claims which account: main address, memory, alias, doubt. What is made of it, as stories: tests/scenarios."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from syncd.model import Person, Policy, Status, ZoomAccount
from syncd.planning.claims import Claim, Claims
from syncd.planning.match import Addresses
from syncd.planning.numbers import Persons
from tests import whole
from tests.planning.strategies import NOW

POLICY = Policy("a", ("corp.example",))
ALIASED = replace(POLICY, domain_aliases=(("old.example", "corp.example"),))


def account(name: str, status: Status = Status.ACTIVE, domain: str = "corp.example") -> ZoomAccount:
    return ZoomAccount(f"z-{name}", f"{name}@{domain}", status)


def somebody(id_: str, *mains: str, aliases: tuple[str, ...] = (), **more: object) -> Person:
    """Whose addresses are of the company, unless they say another domain."""

    def full(name: str) -> str:
        return name if "@" in name else f"{name}@corp.example"

    return Person(id_, tuple(map(full, mains)), aliases=tuple(map(full, aliases)), entitled_by=("g",), **more)  # type: ignore[arg-type]


def claims(
    people: list[Person],
    accounts: list[ZoomAccount],
    pairs: dict[str, str] | None = None,
    policy: Policy = POLICY,
) -> Claims:
    directory, zoom = whole.directory("file", NOW, people), whole.zoom("a", NOW, accounts)
    return Claims(directory, zoom, pairs or {}, policy, Addresses(policy), Persons(directory.people, policy, NOW, {}, "l"))


def at(made: Claims, name: str) -> int:
    """The place of an account."""
    return next(at for at, one in enumerate(made._accounts) if one.zoom_id == f"z-{name}")


def brief(claim: Claim) -> tuple[str, str | None, str, str]:
    """Main claimants, the pair, those by alias, those in doubt."""
    return (
        " ".join(one.id for one in claim.mains),
        claim.pair.id if claim.pair is not None else None,
        " ".join(one.id for one in claim.aliases),
        " ".join(one.id for one in claim.doubts),
    )


DOUBTFUL = Person("d", ("d@corp.example",), unclean=("ann@corp.example; bob@corp.example",), entitled_by=("g",))


@pytest.mark.parametrize("policy", [POLICY, ALIASED], ids=["plain", "aliased"])
@pytest.mark.parametrize(
    ("people", "pairs", "expected"),
    [
        ([somebody("a", "ann")], {}, ("a", None, "", "")),
        ([somebody("a", "nowhere", "ann")], {}, ("a", None, "", "")),
        ([somebody("a", "x", aliases=("nowhere", "ann"))], {}, ("", None, "a", "")),
        ([somebody("a", "ann"), somebody("b", "ann")], {}, ("a b", None, "", "")),
        (
            [somebody("b", "ann"), somebody("c", "x", aliases=("ann",)), somebody("a", "y", aliases=("ann",))],
            {},
            ("b", None, "a c", ""),
        ),
        ([somebody("a", "ann", aliases=("ann",))], {}, ("a", None, "", "")),
        ([somebody("a", "ann")], {"z-ann": "a"}, ("a", "a", "", "")),
        ([somebody("a", "ann"), somebody("b", "bob")], {"z-ann": "b"}, ("a", "b", "", "")),
        ([somebody("a", "bob", aliases=("ann",))], {"z-ann": "a"}, ("", "a", "", "")),
        ([somebody("a", "ann"), DOUBTFUL], {}, ("a", None, "", "d")),
        ([DOUBTFUL], {}, ("", None, "", "d")),
        ([structs.replace(DOUBTFUL, entitled_by=())], {}, ("", None, "", "")),
        ([structs.replace(DOUBTFUL, entitled_by=(), protected_by=("h",))], {}, ("", None, "", "d")),
        ([structs.replace(DOUBTFUL, entitled_by=(), membership_unknown=True)], {}, ("", None, "", "d")),
        ([structs.replace(DOUBTFUL, mains=("ann@corp.example",))], {}, ("d", None, "", "")),
        ([somebody("b", "x")], {"z-ann": "gone"}, ("", None, "", "")),
    ],
)
def test_who_claims_an_account(
    people: list[Person], pairs: dict[str, str], expected: tuple[str, str | None, str, str], policy: Policy
):
    """Each once, under the strongest claim; an alias of a domain that nobody has changes nothing."""
    made = claims(people, [account("ann"), account("zoe")], pairs, policy)

    assert expected == brief(made.of(at(made, "ann")))


@pytest.mark.parametrize(
    ("people", "expected"),
    [
        ([somebody("a", "ann@old.example")], ("a", None, "", "")),
        ([somebody("a", "ann"), somebody("b", "ann@old.example")], ("a", None, "b", "")),
        ([somebody("a", "ann@old.example"), somebody("b", "ann@old.example")], ("a b", None, "", "")),
        ([somebody("a", "ann@old.example"), somebody("b", "x", aliases=("ann",))], ("a", None, "b", "")),
        ([somebody("a", "ann@old.example", "ann")], ("a", None, "", "")),
        ([somebody("a", "ann", "ann@old.example", aliases=("ann",))], ("a", None, "", "")),
    ],
)
def test_an_exact_address_outranks_one_of_an_aliased_domain(people: list[Person], expected: tuple[str, str | None, str, str]):
    """The one of the account itself, whichever domain that is."""
    here = claims(people, [account("ann")], policy=ALIASED)
    there = claims(
        [
            structs.replace(
                one, mains=tuple(_swapped(key) for key in one.mains), aliases=tuple(_swapped(key) for key in one.aliases)
            )
            for one in people
        ],
        [account("ann", domain="old.example")],
        policy=ALIASED,
    )

    assert [expected, expected] == [brief(made.of(0)) for made in (here, there)]


def _swapped(key: str) -> str:
    name, _, domain = key.partition("@")
    return f"{name}@{'old' if domain == 'corp.example' else 'corp'}.example"


def test_two_accounts_with_one_compared_address_are_both_claimed():
    """And by one person, who has several then."""
    made = claims(
        [somebody("a", "ann")],
        [account("ann"), structs.replace(account("ann", domain="old.example"), zoom_id="z-old")],
        policy=ALIASED,
    )

    assert [("a", None, "", "")] * 2 == [brief(made.of(place)) for place in (0, 1)]
    assert {"a"} == made.with_several
    assert {at(made, "ann"), at(made, "old")} == made._by_address(somebody("a", "ann"))


@pytest.mark.parametrize("policy", [POLICY, ALIASED], ids=["plain", "aliased"])
@pytest.mark.parametrize(
    ("people", "pairs", "several"),
    [
        ([somebody("a", "ann")], {}, set()),
        ([somebody("a", "ann", "bob")], {}, {"a"}),
        ([somebody("a", "ann", "ann")], {}, set()),
        ([somebody("a", "ann", aliases=("bob",))], {}, {"a"}),  # nobody has a better claim
        ([somebody("a", "ann", aliases=("bob",)), somebody("b", "bob")], {}, set()),
        ([somebody("a", "ann")], {"z-bob": "a"}, {"a"}),
        ([somebody("a", "ann")], {"z-ann": "a"}, set()),
        ([somebody("a", "x", aliases=("ann", "bob"))], {}, {"a"}),
    ],
)
def test_who_has_several_accounts(people: list[Person], pairs: dict[str, str], several: set[str], policy: Policy):
    """By whatever claim counts."""
    assert several == claims(people, [account("ann"), account("bob")], pairs, policy).with_several


@pytest.mark.parametrize("policy", [POLICY, ALIASED], ids=["plain", "aliased"])
def test_an_account_is_plain_while_one_person_alone_claims_it(policy: Policy):
    """Exactly by main address, and nobody else is remembered: then nothing else need be asked."""
    ann = somebody("a", "ann", "ann")
    for people, pairs, plain in (
        ([ann], {}, "a"),
        ([ann], {"z-ann": "a"}, "a"),
        ([ann], {"z-ann": "b"}, None),
        ([ann, somebody("b", "ann")], {}, None),
        ([ann, somebody("b", "bob", aliases=("ann",))], {}, None),
        ([somebody("b", "bob", aliases=("ann",))], {}, None),
        ([], {}, None),
    ):
        found = claims(people, [account("ann")], pairs, policy).plain[0]
        assert plain == (found.id if found is not None else None)


def test_people_who_are_left_out_claim_nothing():
    """Their accounts are marked, and whoever comes after them is taken in all the same."""
    policy = replace(POLICY, ignore_people=("a",))
    made = claims(
        [somebody("a", "ann"), somebody("b", "ann", "bob")],
        [account("ann"), account("bob"), account("cid")],
        {"z-cid": "a"},
        policy,
    )

    assert [("b", True), ("b", False), ("", True)] == [
        (brief(made.of(at(made, name)))[0], made.of(at(made, name)).ignored) for name in ("ann", "bob", "cid")
    ]
    assert made.plain[at(made, "bob")] is not None
    assert made.plain[at(made, "ann")] is None


@pytest.mark.parametrize(
    ("person", "how", "by_alias"),
    [
        (somebody("a", "ann"), "address", False),
        (somebody("a", "x", aliases=("ann",)), "address", True),
        (somebody("a", "x"), "memory", False),
        (somebody("a", "x", aliases=("y",)), "memory", False),
    ],
)
def test_how_a_remembered_person_is_matched(person: Person, how: str, by_alias: bool):
    """By address wherever they have it at all."""
    claim = claims([person], [account("ann")], {"z-ann": "a"}).of(0)

    assert (how, by_alias) == (claim.matched_by(person), claim.pair_by_alias)
    assert ("a", "a", False) == (claim.remembered, claim.remembered_person and claim.remembered_person.id, claim.gone)
    assert "address" == claim.matched_by(somebody("other", "ann"))


def test_somebody_remembered_whom_the_directory_does_not_know_is_gone():
    """Nobody remembered is not."""
    assert [True, False] == [claims([somebody("b", "bob")], [account("ann")], pairs).of(0).gone for pairs in ({"z-ann": "a"}, {})]


@pytest.mark.parametrize(
    ("status", "other", "pair"),
    [
        (Status.INACTIVE, Status.ACTIVE, None),
        (Status.INACTIVE, Status.INACTIVE, "a"),
        (Status.ACTIVE, Status.ACTIVE, "a"),
    ],
)
def test_an_inactive_account_takes_nobody_away_from_their_active_one(status: Status, other: Status, pair: str | None):
    """Remembered for the one, with another by main address."""
    made = claims([somebody("a", "new")], [account("ann", status), account("new", other)], {"z-ann": "a"})

    assert pair == brief(made.of(at(made, "ann")))[1]


def test_another_active_account_is_one_by_main_address_or_memory():
    """By alias only where nobody has a better claim, and then it is no owner's."""
    ann = somebody("a", "ann", aliases=("bob",))
    for people, pairs, owns, has in (
        ([ann], {}, False, True),
        ([ann, somebody("b", "bob")], {}, False, False),
        ([ann], {"z-bob": "a"}, True, True),
        ([somebody("a", "ann", "bob")], {}, True, True),
    ):
        made = claims(people, [account("ann"), account("bob")], pairs)
        here = at(made, "ann")
        assert (owns, has) == (made.owns_another_active(people[0], here), any(made.other_active(people[0], here)))
    off = claims([somebody("a", "ann", "bob")], [account("ann"), account("bob", Status.INACTIVE)])
    assert not off.owns_another_active(off._people.get("a") or off.of(0).mains[0], at(off, "ann"))
    assert off.has_by_main(off.of(0).mains[0])
    alias = claims([ann, somebody("c", "cid")], [account("bob")])
    assert not alias.has_by_main(ann)


def test_what_takes_no_part():
    """Pending, without an id, of another domain."""
    made = claims(
        [somebody("a", "ann")],
        [
            account("ann"),
            account("x", domain="elsewhere.example"),
            ZoomAccount(None, "p@corp.example", Status.PENDING),
            account("q", Status.PENDING),
            account("y", domain="elsewhere.example"),
        ],
    )

    assert {at for at, one in enumerate(made._accounts) if one.zoom_id != "z-ann"} == made.outside


@pytest.mark.parametrize(
    ("others", "pair"),
    [
        ([], None),
        ([somebody("b", "new")], "a"),
        ([somebody("b", "new@old.example")], None),
        ([somebody("b", "x", aliases=("new",))], None),
    ],
)
def test_an_active_account_by_an_aliased_domain_is_theirs_where_nobody_has_it_exactly(others: list[Person], pair: str | None):
    """Then the inactive one takes them away from it as little."""
    made = claims(
        [somebody("a", "new@old.example"), *others], [account("ann", Status.INACTIVE), account("new")], {"z-ann": "a"}, ALIASED
    )

    assert pair == brief(made.of(at(made, "ann")))[1]
    alias = claims(
        [somebody("a", "x", aliases=("new",)), *others],
        [account("ann", Status.INACTIVE), account("new")],
        {"z-ann": "a"},
        ALIASED,
    )
    assert "a" == brief(alias.of(at(alias, "ann")))[1]  # an alias is no account of theirs
