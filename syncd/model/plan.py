"""Decisions, the plan they make, and what guards say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import msgspec

from syncd.model.account import ZoomAccount
from syncd.model.canonical import sha256_of
from syncd.model.offboarding import UNSHOWN, Shown, left, shown_after
from syncd.model.words import Action, Guard, Reason, Status


@dataclass(frozen=True, slots=True)
class SecondLook:
    """Whom the look right before a change asks for, as directory ids, and what it may take for granted."""

    owners: tuple[str, ...] = ()  # main and pair claimants; where there are none, everybody else who claims it
    others: tuple[str, ...] = ()  # further claimants, by alias
    remembered: tuple[str, ...] = ()  # whom the ledger remembers for the account, under every id of theirs
    elsewhere: tuple[str, ...] = ()  # claimants by alias who have an active account of their own
    same: tuple[str, ...] = ()  # every id of the planned person, where match.person_number makes one of several

    @property
    def people(self) -> tuple[str, ...]:
        """Everybody to be asked for, each once."""
        return tuple(dict.fromkeys((*self.owners, *self.others, *self.remembered)))


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What should happen to one Zoom account, and why. *since*: first good read that showed them gone; *shown*: what
    was shown of them before. *second_look*: of changes by a cycle only.

    A struct and no dataclass: a cycle makes one for every account, and this one is made five times as fast. Nothing in it can
    lead back to it, so the collector of garbage need not look. Another with other fields: ``msgspec.structs.replace``.
    """

    account: ZoomAccount
    action: Action
    reason: Reason
    directory_id: str | None = None
    matched_by: str | None = None  # address | memory
    group_path: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    since: datetime | None = None
    due_at: datetime | None = None
    department: str = ""
    second_look: SecondLook | None = None
    shown: Shown | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Identifies an effect: which account, which change."""
        return (self.account.zoom_id or "", self.action.value)

    def left(self, changed_at: datetime | None) -> tuple[datetime | None, str | None]:
        """From when on the time of somebody who is leaving counts, and why from then; nothing is promised of accounts outside of
        the pilot. *changed_at*: their change in the directory, where it tells."""
        if self.reason is Reason.NOT_IN_PILOT:
            return None, None
        shown = shown_after(self.shown or UNSHOWN, self.reason, self.account.status, self.since, changed_at)
        return left(self.since, shown, self.reason) if shown is not None else (None, None)


@dataclass(frozen=True, slots=True)
class CalendarState:
    """Whether the operator's calendar lets changes be made now, and until when that stays so (None: for years), in their time
    zone. *reasons*: those it is about; empty: all of the action."""

    action: Action
    denied: bool
    until: datetime | None
    reasons: tuple[Reason, ...] = ()

    @property
    def words(self) -> str:
        """As ``denied until Mon 2026-11-30 08:00 CET``."""
        return ("denied" if self.denied else "allowed") + (f" until {self.until:%a %Y-%m-%d %H:%M %Z}" if self.until else "")

    def __str__(self) -> str:
        about = f" for {', '.join(self.reasons)}" if self.reasons else ""
        return f"{self.action.value}{about}: {self.words}"


#: Actions that change Zoom.
EFFECTS = frozenset({Action.DEACTIVATE, Action.REACTIVATE})

_ON_THE_WAY = frozenset({Reason.WITHIN_GRACE, Reason.DIRECTORY_UNCLEAR})


@dataclass(frozen=True)
class Plan:
    """Everything one cycle would do, and why: one decision per Zoom account read. Equal inputs give an equal digest."""

    made_at: datetime
    policy_digest: str
    decisions: tuple[Decision, ...]  # in the order of the snapshot: sorted by (zoom_id, email)
    pairs: Mapping[str, str] = field(default_factory=dict)  # what a good read remembers anew: zoom id -> directory id
    numbers: Mapping[str, str] = field(default_factory=dict)  # directory id -> salted hash of the person's number
    next_read_helps: bool = False  # somebody comes back once another good read shows them entitled
    entitled: frozenset[str] = frozenset()  # directory ids seen entitled for the first time, with no pair to show for it
    accepts: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)  # tripped read guard -> measured values

    @cached_property
    def effects(self) -> tuple[Decision, ...]:
        """The decisions that ask for a change."""
        return tuple(decision for decision in self.decisions if decision.action in EFFECTS)

    @cached_property
    def counts(self) -> dict[Action, int]:
        """Control totals: their sum is the number of accounts read."""
        totals = dict.fromkeys(Action, 0)
        for decision in self.decisions:
            totals[decision.action] += 1
        return totals

    @cached_property
    def reasons(self) -> dict[Reason, int]:
        """How many decisions have each reason; reasons nobody has are left out."""
        totals: dict[Reason, int] = {}
        for decision in self.decisions:
            totals[decision.reason] = totals.get(decision.reason, 0) + 1
        return dict(sorted(totals.items()))

    @property
    def on_the_way(self) -> tuple[Decision, ...]:
        """Decisions on active accounts that may become deactivations without anything new to see: within the grace, or about
        somebody who could not be read."""
        return tuple(d for d in self.decisions if d.reason in _ON_THE_WAY and d.account.status is Status.ACTIVE)

    @cached_property
    def digest(self) -> str:
        """Covers the effects, the policy and the values that approving it for a tripped read guard would accept, so that an
        unrelated change elsewhere does not make a review stale, and a smaller directory does."""
        effects = sorted([*effect.key, effect.reason.value] for effect in self.effects)
        covered: dict[str, object] = {"policy": self.policy_digest, "effects": effects}
        if self.accepts:
            covered["accepts"] = {guard: dict(values) for guard, values in self.accepts.items()}
        return sha256_of(covered)

    def accepting(self, values: Mapping[str, Mapping[str, float | str]]) -> Plan:
        """The same plan, bound to what its read guards measured."""
        if not values:
            return self
        bound = replace(self, accepts=values)
        bound.__dict__.update({name: self.__dict__[name] for name in ("effects", "counts", "reasons") if name in self.__dict__})
        return bound


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one guard measured, and what to do when it tripped.

    *only*: the effects it holds, when not all of the kind it holds. *approvable*: when this verdict differs from its guard's
    rule. *accepts*: values that become the new baseline when a person approves.
    """

    guard: Guard
    tripped: bool
    measured: float | int | None
    limit: float | int | None
    unit: str
    says: str
    do: str = ""
    only: frozenset[tuple[str, str]] | None = None
    approvable: bool | None = None
    accepts: Mapping[str, float | str] = field(default_factory=dict)
