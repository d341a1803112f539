"""What the operator asked for, as far as it decides who is changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import Any

from syncd.model.canonical import sha256_of


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers of the guards, as in the section ``guards`` (docs/reference/guards.md). Percentages are 0 to 100, all others
    count accounts, or people of the directory; None means the documented default that follows the size of the account."""

    max_deactivations: int | None = None
    max_deactivations_percent: float = 5.0
    percent_floor: int = 3
    max_deactivations_per_day: int | None = None
    max_deactivations_per_30_days: int | None = None
    max_reactivations: int | None = None
    max_reactivations_per_day: int | None = None
    sentinels: tuple[str, ...] = ()
    min_directory_people: int = 1
    max_replication_lag: timedelta = timedelta(hours=3)
    max_directory_shrink_percent: float = 10.0
    max_flapping: int = 5
    max_clock_skew: timedelta = timedelta(minutes=5)
    max_failing_writes_percent: float = 20.0
    min_match_percent: float = 50.0


#: Counts the versions of syncd that decide by other rules than the one before; another number needs a new review.
DECISION_RULES = 2


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator asked for, as far as it decides who is changed. Built from the configuration by ``app``."""

    zoom_account_id: str
    domains: tuple[str, ...]  # exact, or "*.domain" for its subdomains; lower case
    directory: str = "{}"  # canonical JSON of the directory section without credentials and timeouts
    domain_aliases: tuple[tuple[str, str], ...] = ()
    pilot: tuple[str, ...] = ()
    ordinary_roles: tuple[str, ...] = ("member",)
    protect_accounts: tuple[str, ...] = ()
    protect_groups: tuple[str, ...] = ()
    protect_directory_groups: tuple[str, ...] = ()
    person_number: str = ""  # attribute or column; "": ids alone say who is who
    ignore_people: tuple[str, ...] = ()
    grace: timedelta = timedelta(hours=4)
    grace_reads: int = 2
    when_disabled: bool = True
    when_expired: bool = True
    grace_for_known_leavers: timedelta = timedelta(0)
    grace_for_expired: timedelta | None = None
    revoke_sessions: bool = False
    reactivate: str = "ours"  # ours | any | never
    reactivate_reads: int = 2
    restore_licence: bool = True
    guests: bool = True  # Entra only: whether a guest may be entitled
    limits: Limits = field(default_factory=Limits)
    approvals_required: int = 1  # how many different people must approve a plan
    approvers: tuple[str, ...] = ()  # names that may; empty: anybody
    signers: tuple[str, ...] = ()  # NAME ssh-ed25519 AAAA…; not empty: an approval counts only when signed
    rules: int = DECISION_RULES

    def as_json(self) -> dict[str, Any]:
        """Every field as plain JSON; the ledger keeps it so that a later policy can be compared with it."""
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__}

    def digest(self) -> str:
        """Identifies this policy: equal policies have equal digests."""
        return _digest_of(self)


@lru_cache(maxsize=16)  # asked for with every planned effect while an approval runs
def _digest_of(policy: Policy) -> str:
    return sha256_of(policy.as_json())


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Limits):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
