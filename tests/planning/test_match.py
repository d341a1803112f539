"""Who claims which account."""

from __future__ import annotations

import pytest
from hypothesis import given

from syncd.model import Person, Policy, Status, ZoomAccount, address_key
from syncd.planning.match import Addresses, Claim, claims
from tests import whole
from tests.planning.strategies import NOW, Case, cases

POLICY = Policy("a", ("corp.example", "*.corp.example"), domain_aliases=(("Old.example", "corp.example"),))


def claimed(people: list[Person], emails: list[str], pairs: dict[str, str] | None = None) -> dict[str, Claim]:
    """Claims on active accounts whose ids are z0, z1, … in the order of *emails*."""
    accounts = [ZoomAccount(f"z{number}", email, Status.ACTIVE) for number, email in enumerate(emails)]
    return claims(whole.directory("file", NOW, people), whole.zoom("a", NOW, accounts), pairs or {}, POLICY)


def brief(claim: Claim) -> tuple[str, ...]:
    """Who, and how."""
    return (*(person.id for person in claim.claimants), claim.matched_by or "nobody", *(["others"] if claim.others else []))


@pytest.mark.parametrize(("directory", "zoom"), [
    ("ann@corp.example", "Ann@Corp.Example"),
    ("ann@corp.example", "  ann@corp.example "),
    ("ann@old.example", "ann@corp.example"),
    ("ann@corp.example", "ann@OLD.example"),
    ("jos\u00e9@corp.example", "jose\u0301@corp.example"),
    ("ann@b\u00fccher.corp.example", "ANN@xn--bcher-kva.corp.example"),
])
def test_two_spellings_of_one_address_match(directory: str, zoom: str):
    """Case, blanks, composed letters and domain aliases on either side."""
    assert ("p", "address") == brief(claimed([Person("p", (address_key(directory),))], [zoom])["z0"])


def test_letters_that_fold_alike_are_two_addresses():
    """Case folding would give Groß's account to Gross."""
    assert ("nobody",) == brief(claimed([Person("p", ("gro\u00df@corp.example",))], ["gross@corp.example"])["z0"])


def test_every_address_of_a_person_counts():
    """The main one is no better than an alias."""
    person = Person("p", ("ann@corp.example", "a.lee@corp.example"))

    assert ("p", "address") == brief(claimed([person], ["a.lee@corp.example"])["z0"])


def test_memory_holds_for_a_renamed_person():
    """Nobody claims the account's address, and the person has no account by address."""
    assert ("p", "memory") == brief(claimed([Person("p", ("ann.new@corp.example",))], ["ann@corp.example"], {"z0": "p"})["z0"])


def test_memory_ends_when_somebody_else_claims_the_address():
    """An address beats memory."""
    people = [Person("p", ("ann.new@corp.example",)), Person("q", ("ann@corp.example",))]

    assert ("q", "address") == brief(claimed(people, ["ann@corp.example"], {"z0": "p"})["z0"])


def test_memory_does_not_count_beside_an_account_by_address():
    """The old account of somebody who has a new one is nobody's."""
    found = claimed([Person("p", ("ann.new@corp.example",))], ["ann@corp.example", "ann.new@corp.example"], {"z0": "p"})

    assert [("nobody",), ("p", "address")] == [brief(found["z0"]), brief(found["z1"])]


def test_two_remembered_accounts_of_one_person_know_of_each_other():
    """Both hold, and neither may be reactivated without asking."""
    found = claimed([Person("p", ("ann.new@corp.example",))], ["a@corp.example", "b@corp.example"], {"z0": "p", "z1": "p"})

    assert [("p", "memory", "others")] * 2 == [brief(found["z0"]), brief(found["z1"])]


def test_several_claimants_stand_sorted_and_once():
    """Also when one of them has the address twice, by an alias."""
    people = [Person("q", ("desk@corp.example", "desk@old.example")), Person("p", ("desk@corp.example",))]

    assert ("p", "q", "address") == brief(claimed(people, ["desk@corp.example"])["z0"])


@pytest.mark.parametrize(("address", "expected"), [
    ("a@corp.example", True), ("a@CORP.example", True), ("a@sub.corp.example", True), ("a@x.sub.corp.example", True),
    ("a@old.example", True), ("a@notcorp.example", False), ("a@corp.example.evil", False), ("corp.example", True), ("", False),
])
def test_the_scope_is_exact_or_below(address: str, expected: bool):
    """A wildcard covers subdomains only; an alias whose target is in scope is in scope."""
    assert expected == Addresses(POLICY).in_scope(address)


def test_a_wildcard_does_not_cover_the_domain_itself():
    """*.corp.example is not corp.example."""
    assert not Addresses(Policy("a", ("*.corp.example",))).in_scope("a@corp.example")


def test_the_forms_of_an_address_include_its_aliases():
    """What a second look in the directory asks for."""
    assert ("ann@corp.example", "ann@old.example") == Addresses(POLICY).forms("Ann@corp.example")


@given(cases())
def test_only_accounts_in_scope_that_are_not_pending_take_part(case: Case):
    """And every one of those does."""
    addresses = Addresses(case.policy)
    found = claims(case.directory, case.zoom, case.history.pairs, case.policy)

    assert {one.zoom_id for one in case.zoom.accounts if one.status is not Status.PENDING and addresses.in_scope(one.email)} \
        == set(found)
