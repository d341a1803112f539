"""Zoom accounts as one whole read showed them."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from syncd.model.words import Status
from syncd.reading import Complete, demand_complete, put_together

#: Zoom's ``type`` of a user, in words. 3 (on-prem) and 99 (none) are struck out in today's documents but still met.
LICENCES: Mapping[int, str] = {1: "basic", 2: "licensed", 3: "on_prem", 4: "unassigned", 99: "none"}


def licence_word(type_: int | None) -> str | None:
    """The word documents use for Zoom's numeric user type; an unknown number is shown as ``type_N``."""
    return None if type_ is None else LICENCES.get(type_, f"type_{type_}")


class ZoomAccount(msgspec.Struct, frozen=True, gc=False):
    """One Zoom user as one read showed them. Pending users have no id.

    A struct and no dataclass, as ``Decision``: one is made for every account of a company. Another with other fields:
    ``msgspec.structs.replace``.
    """

    zoom_id: str | None
    email: str  # as Zoom gave it
    status: Status
    display_name: str = ""
    role_id: str | None = None
    role: str | None = None  # the role's name, None when its id is in no role list
    type: int | None = None  # see LICENCES
    plan: str | None = None  # plan_united_type: an opaque string
    licences: str | None = None  # license_info_list as canonical JSON, recorded for the evidence
    group_ids: tuple[str, ...] = ()
    department: str = ""
    last_login_at: datetime | None = None
    created_at: datetime | None = None
    room: bool = False  # known to be a Zoom Room


@dataclass(frozen=True, slots=True)
class ZoomSnapshot:
    """Every Zoom user of the account, provably whole: three walks that tied out."""

    account_id: str
    read_at: datetime
    accounts: Complete[ZoomAccount]  # sorted by (zoom_id, email), ids unique
    digest: str
    roles: Mapping[str, str] = field(default_factory=dict)  # id -> name
    groups: Mapping[str, str] = field(default_factory=dict)  # id -> name, read only when protect.groups names any
    clock_offset_seconds: float | None = None
    _by_status: Mapping[Status, int] = field(init=False, repr=False, compare=False)  # asked for again and again

    def __post_init__(self) -> None:
        demand_complete(self.accounts)
        object.__setattr__(self, "_by_status", Counter(account.status for account in self.accounts))

    @classmethod
    def whole(
        cls,
        account_id: str,
        read_at: datetime,
        accounts: Complete[ZoomAccount],
        *,
        roles: Mapping[str, str] | None = None,
        groups: Mapping[str, str] | None = None,
        clock_offset_seconds: float | None = None,
    ) -> ZoomSnapshot:
        """Builds a snapshot of a list that came whole. Raises ValueError on an id given twice."""
        ordered = put_together(sorted(accounts, key=_order), accounts)
        digest = hashlib.sha256()
        previous = None
        for account in ordered:
            if account.zoom_id is not None and account.zoom_id == previous:
                raise ValueError(f"two Zoom accounts with the id {previous}")
            previous = account.zoom_id
            digest.update(
                repr(
                    (
                        account.zoom_id,
                        account.email,
                        account.status.value,
                        account.role_id,
                        account.type,
                        account.plan,
                        account.group_ids,
                    )
                ).encode()
            )
        return cls(account_id, read_at, ordered, digest.hexdigest(), dict(roles or {}), dict(groups or {}), clock_offset_seconds)

    def with_accounts(self, asked: Collection[str], accounts: Complete[ZoomAccount]) -> ZoomSnapshot:
        """The same list, with the accounts *asked* for by id as a later reading of them shows: whichever of them is not among
        *accounts* is not there any more. Invitations stay as they were. The moment of reading stays that of the whole read."""
        later = {one.zoom_id: one for one in accounts if one.zoom_id is not None}
        now = list(self.accounts)  # in order, and few of very many change
        for zoom_id in {*asked, *later}:
            at = bisect_left(now, (zoom_id, ""), key=_order)
            there = at < len(now) and now[at].zoom_id == zoom_id
            now[at : at + there] = [later[zoom_id]] if zoom_id in later else []
        ordered = put_together(now, self.accounts, accounts)
        digest = hashlib.sha256(
            repr(
                [
                    self.digest,
                    sorted(asked),
                    [
                        (one.zoom_id, one.email, one.status.value, one.role_id, one.type, one.plan, one.group_ids)
                        for one in accounts
                    ],
                ]
            ).encode()
        )
        return replace(self, accounts=ordered, digest=digest.hexdigest())

    def find(self, zoom_id: str) -> ZoomAccount | None:
        """The account with this id."""
        at = bisect_left(self.accounts, (zoom_id, ""), key=_order)
        return self.accounts[at] if at < len(self.accounts) and self.accounts[at].zoom_id == zoom_id else None

    def count(self, status: Status) -> int:
        """How many accounts have this status."""
        return self._by_status.get(status, 0)


def _order(account: ZoomAccount) -> tuple[str, str]:
    """Invitations, which have no id, come first."""
    return account.zoom_id or "", account.email
