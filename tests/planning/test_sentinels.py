"""Advice about sentinels: people who are really there, and use their accounts."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from syncd.model import Limits, Person, Policy, Status, ZoomAccount
from syncd.planning.sentinels import sentinel_lines
from tests import whole
from tests.planning.strategies import NOW

CEO = "ceo@corp.example"
POLICY = Policy("a", ("corp.example",), domain_aliases=(("old.example", "corp.example"),), limits=Limits(sentinels=(CEO,)))
BOSS = Person("boss", (CEO,), entitled_by=("g",))
ACCOUNT = ZoomAccount("z", "CEO@old.example", Status.ACTIVE, role_id="2", role="Member", type=2, last_login_at=NOW)


def lines(person: Person | None, account: ZoomAccount | None) -> list[str]:
    people = None if person is None else whole.directory("file", NOW, [person])
    return sentinel_lines([account] if account is not None else [], people, POLICY, NOW)


@pytest.mark.parametrize(
    ("login", "warned"),
    [
        (NOW - timedelta(days=91), True),
        (NOW - timedelta(days=89), False),
        (NOW, False),
        (None, False),
    ],
)
def test_a_sentinel_with_which_nobody_logs_on_is_named_with_the_day(login: datetime | None, warned: bool) -> None:
    """Whatever spelling the account has; a login that Zoom does not tell says nothing."""
    found = lines(BOSS, replace(ACCOUNT, last_login_at=login))

    assert warned == bool(found)
    assert not warned or f"nobody has logged on as {CEO} since {login:%Y-%m-%d}" in found[0]


@pytest.mark.parametrize(
    ("person", "says"),
    [
        (BOSS, ""),
        (None, ""),
        (replace(BOSS, mains=(), aliases=("CEO@old.example".lower(),)), ""),
        (replace(BOSS, entitled_by=()), "not seen entitled"),
        (replace(BOSS, enabled=False), "not seen entitled"),
        (replace(BOSS, mains=("other@corp.example",)), "not seen entitled"),
    ],
)
def test_one_who_is_not_entitled_would_hold_every_cycle(person: Person | None, says: str) -> None:
    """Where the directory was read."""
    assert bool(says) == bool(lines(person, ACCOUNT))
    assert all(says in line for line in lines(person, ACCOUNT))


def test_an_inactive_account_is_nobodys_and_none_at_all_is_fine() -> None:
    """A canary of the directory needs no account."""
    assert ["is inactive at Zoom" in line for line in lines(BOSS, replace(ACCOUNT, status=Status.INACTIVE))] == [True]
    assert [] == lines(BOSS, None)
