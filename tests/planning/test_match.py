"""When two addresses are the same, and whose they may be."""

from __future__ import annotations

import pytest

from syncd.model import Policy
from syncd.planning.match import Addresses

POLICY = Policy("a", ("corp.example", "*.corp.example"), domain_aliases=(("Old.example", "corp.example"),))


@pytest.mark.parametrize(
    ("directory", "zoom"),
    [
        ("ann@corp.example", "Ann@Corp.Example"),
        ("ann@corp.example", "  ann@corp.example "),
        ("ann@old.example", "ann@corp.example"),
        ("ann@corp.example", "ann@OLD.example"),
        ("jos\u00e9@corp.example", "jose\u0301@corp.example"),
    ],
)
def test_two_spellings_of_one_address_match(directory: str, zoom: str):
    """Case, blanks, composed letters and domain aliases on either side."""
    assert Addresses(POLICY).key(directory) == Addresses(POLICY).key(zoom)


def test_sharp_s_is_not_ss():
    """Two people may differ in nothing else."""
    assert Addresses(POLICY).key("stra\u00dfe@corp.example") != Addresses(POLICY).key("STRASSE@corp.example")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("a@corp.example", True),
        ("a@CORP.example", True),
        ("a@sub.corp.example", True),
        ("a@x.sub.corp.example", True),
        ("a@old.example", True),
        ("a@notcorp.example", False),
        ("a@corp.example.evil", False),
        ("corp.example", True),
        ("", False),
    ],
)
def test_the_scope_is_exact_or_below(address: str, expected: bool):
    """A wildcard covers subdomains only; an alias whose target is in scope is in scope."""
    assert expected == Addresses(POLICY).in_scope(address)


def test_a_wildcard_does_not_cover_the_domain_itself():
    """*.corp.example is not corp.example."""
    assert not Addresses(Policy("a", ("*.corp.example",))).in_scope("a@corp.example")


def test_the_forms_of_an_address_include_its_aliases():
    """What a second look in the directory asks for."""
    assert ("ann@corp.example", "ann@old.example") == Addresses(POLICY).forms("Ann@corp.example")


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("ann@old.example", "ann@corp.example"),
        ("a@b@old.example", "a@b@corp.example"),
        ("ann@old.example.x", "ann@old.example.x"),
        ("ann@sub.old.example", "ann@sub.old.example"),
        ("old.example", "old.example"),
        ("ann@corp.example", "ann@corp.example"),
    ],
)
def test_an_alias_is_applied_to_the_whole_domain_only(key: str, expected: str):
    """What stands behind the last at sign."""
    assert expected == Addresses(POLICY).canonical(key)
    assert key == Addresses(Policy("a", ("corp.example",))).canonical(key)


def test_a_domain_without_a_target_has_its_own_form_only():
    """Aliases of another domain are not among the forms; the address as it was is."""
    two = Policy("a", ("corp.example",), domain_aliases=(("older.example", "corp.example"), ("x.example", "y.example")))

    assert ("ann@corp.example", "ann@older.example") == Addresses(two).forms("ann@corp.example")
    assert ("ann@corp.example", "ann@older.example") == Addresses(two).forms("ann@older.example")
    assert ("ann@y.example", "ann@x.example") == Addresses(two).forms("ann@x.example")
    assert ("ann@z.example",) == Addresses(two).forms("ann@z.example")
