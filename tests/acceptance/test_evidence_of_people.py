"""What people ask for is evidence at once: signed, where there is a key."""

from __future__ import annotations

import pytest

from tests.acceptance.company import WHO, Company


@pytest.fixture
def signing(company: Company) -> Company:
    """A company whose heads are signed, after one cycle."""
    company.sign()
    company.staff(5)
    company.enforcing()
    return company


def test_each_verb_of_a_person_is_signed(signing: Company) -> None:
    """The head right after it; and everything verifies with the key."""
    for words in (("pause",), ("account", "hold", "p001@corp.example"), ("resume",)):
        assert 0 == (ran := signing.syncd(*words, *WHO)).code, ran.said
        assert "head.signed" == signing.entries()[-1]["kind"], words

    ran = signing.syncd("ledger", "verify", "--public-key", str(signing.folder / "public.pem"))
    assert (0, False) == (ran.code, "not signed yet" in ran.out), ran.out


def test_a_key_that_is_gone_keeps_nobody_from_pausing(signing: Company) -> None:
    """It is told, and the pause counts."""
    (signing.folder / "signing.pem").unlink()

    ran = signing.syncd("pause", *WHO)

    assert "pause" == signing.entries()[-1]["kind"]
    assert "head.unsigned" in ran.err
