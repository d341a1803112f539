"""Licensed accounts that nobody uses, from one read of Zoom: for a talk about seats, never a reason to change anything. Pure.

Zoom moves an account's last login only when the stored one is more than three days old, so an account counts as unused for N
days only when its last login lies N + 3 days back: whoever might have signed in is left out.
Source: Zoom's user API, ``last_login_time`` ("three-day buffer").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from syncd.model import Status, ZoomAccount, licence_word

T = TypeVar("T")

#: Zoom's three-day buffer of the last login.
BLUR = timedelta(days=3)

LICENSED = licence_word(2)


class Idleness(StrEnum):
    """What a last login says. The order of reports."""

    UNUSED = "unused"  # the last login lies so far back
    NEVER = "never_signed_in"  # there for longer than that, and no login was ever seen
    NEW = "new"  # made within that time: too early to say anything
    UNKNOWN = "unknown"  # neither a last login nor when it was made
    INACTIVE = "deactivated_but_licensed"  # whatever the last login: the seat is taken by nobody


#: Seats that would be free if somebody gave them back: not those of new and unknown ones.
FREEABLE = (Idleness.UNUSED, Idleness.NEVER, Idleness.INACTIVE)


@dataclass(frozen=True, slots=True)
class Idle:
    """One account, and why it stands here."""

    account: ZoomAccount
    idleness: Idleness
    department: str

    def row(self) -> dict[str, str | None]:
        """By name."""
        seen = self.account.last_login_at
        return {
            "email": self.account.email,
            "department": self.department,
            "idleness": self.idleness.value,
            "last_login_at": f"{seen:%Y-%m-%dT%H:%M:%SZ}" if seen is not None else None,
        }


def idleness(account: ZoomAccount, now: datetime, days: int) -> Idleness | None:
    """What a licensed account is; None: in use, or without a licence, or pending."""
    if licence_word(account.type) != LICENSED or account.status is Status.PENDING:
        return None
    if account.status is Status.INACTIVE:
        return Idleness.INACTIVE
    since = now - timedelta(days=days)
    if account.last_login_at is not None:
        return Idleness.UNUSED if account.last_login_at < since - BLUR else None
    if account.created_at is None:
        return Idleness.UNKNOWN
    return Idleness.NEVER if account.created_at < since else Idleness.NEW


def idle_accounts(accounts: Iterable[ZoomAccount], now: datetime, days: int) -> list[Idle]:
    """Everybody idle, by kind, department and address."""
    found = [
        Idle(account, kind, account.department or "unknown")
        for account in accounts
        if (kind := idleness(account, now, days)) is not None
    ]
    return sorted(found, key=_order)


def _order(one: Idle) -> tuple[int, str, str]:
    return (list(Idleness).index(one.idleness), one.department, one.account.email)


def _without(rows: Iterable[Mapping[str, T]], omit: Collection[str]) -> list[dict[str, T]]:
    return [{key: value for key, value in row.items() if key not in omit} for row in rows]


def by_department(found: Iterable[Idle]) -> list[dict[str, str | int]]:
    """A row for each department: how many of each kind, and what they would free."""
    counted: dict[str, Counter[Idleness]] = {}
    for one in found:
        counted.setdefault(one.department, Counter())[one.idleness] += 1
    return [
        {"department": name, **{kind.value: kinds[kind] for kind in Idleness}, "would_free": sum(kinds[k] for k in FREEABLE)}
        for name, kinds in sorted(counted.items())
    ]


def document(
    accounts: Iterable[ZoomAccount], now: datetime, days: int, *, names: bool, omit: Collection[str] = ()
) -> dict[str, object]:
    """The whole report as plain values; without *names* nobody is named. *omit*: as ``reports.omit_columns``; without the
    department there is one row of all."""
    everybody = list(accounts)
    licensed = [one for one in everybody if licence_word(one.type) == LICENSED and one.status is not Status.PENDING]
    found = idle_accounts(everybody, now, days)
    if "department" in omit:
        found = sorted((replace(one, department="") for one in found), key=_order)
    kinds = Counter(one.idleness for one in found)
    return {
        "format": "syncd.idle/1",
        "read_at": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "days": days,
        "blur_days": BLUR.days,
        "seats": {
            "licensed": len(licensed),
            **{kind.value: kinds[kind] for kind in Idleness},
            "would_free": sum(kinds[kind] for kind in FREEABLE),
        },
        "departments": _without(by_department(found), omit),
        **({"accounts": _without([one.row() for one in found], omit)} if names else {}),
    }
