"""Whether the sentinels are good ones: people who are really there. Pure; advice for ``check``, no decision.

A sentinel that nobody logs on with any more is the first whom a clean-up disables, and then every cycle is held, for good reason
and for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from syncd.model import DirectorySnapshot, Policy, Reason, Status, ZoomAccount
from syncd.planning.entitlement import standing
from syncd.planning.match import Addresses

#: Longer than holidays and most leaves; the usual limit of those who look for unused accounts.
UNUSED_AFTER = timedelta(days=90)


def sentinel_lines(accounts: Sequence[ZoomAccount], people: DirectorySnapshot | None, policy: Policy, now: datetime) -> list[str]:
    """A warning for each sentinel that is not seen entitled (where *people* were read), that is inactive at Zoom, or with which
    nobody has logged on for UNUSED_AFTER. Nothing about one without an account, or whose last login Zoom does not tell."""
    addresses, found = Addresses(policy), list[str]()
    by_key = {addresses.key(account.email): account for account in accounts}
    entitled = (
        None
        if people is None
        else {
            addresses.canonical(key)
            for person in people.people
            if standing(person, policy, now) is Reason.IN_STEP
            for key in person.addresses
        }
    )
    for sentinel in policy.limits.sentinels:
        key = addresses.key(sentinel)
        account = by_key.get(key)
        if entitled is not None and key not in entitled:
            found.append(
                f"{sentinel} is not seen entitled in the directory: every cycle would be held (sentinel-missing); name "
                "somebody who is there"
            )
        elif account is not None and account.status is Status.INACTIVE:
            found.append(f"{sentinel} is inactive at Zoom: name somebody who uses their account")
        elif account is not None and account.last_login_at is not None and now - account.last_login_at > UNUSED_AFTER:
            found.append(
                f"nobody has logged on as {sentinel} since {account.last_login_at:%Y-%m-%d}: an account nobody uses "
                "is the first that a clean-up disables, and then every cycle is held; name somebody who works here"
            )
    return found
