"""Decide what should happen to every Zoom account.

Rule 1: values in, a Plan out. No clock, no I/O, no logging in this file.
Rule 2: every account gets exactly one Decision, "keep" included, each with one Reason.
Rule 3: an account is deactivated only when every claimant is known not to be entitled; doubt keeps it.

The functions below follow the decision table from top to bottom; the overrides of a due change come last. Each gives an
answer; the Decision is built from it once, at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from syncd.ledger.history import History
from syncd.model import (
    EFFECTS,
    Action,
    Decision,
    DirectorySnapshot,
    Person,
    Plan,
    Policy,
    Reason,
    Status,
    ZoomAccount,
    ZoomSnapshot,
    sha256_of,
)
from syncd.planning.entitlement import grace_of, standing
from syncd.planning.match import Addresses, Claim, claims
from syncd.planning.protection import Protection

#: Within this time a deactivation of ours that somebody took back is a dispute between people, not a change to repeat.
DISPUTED_FOR = timedelta(hours=24)

#: How long a refusal for good is believed without trying again.
REFUSAL_BELIEVED_FOR = timedelta(days=7)


def decide(
    directory: DirectorySnapshot,
    zoom: ZoomSnapshot,
    history: History,
    policy: Policy,
    now: datetime,
    credential: str = "",
) -> Plan:
    """One decision for every Zoom account read. *credential* identifies the Zoom credential in use (not the secret): a
    remembered refusal counts only under the same one. Equal inputs give an equal plan, whatever their order."""
    claimed = claims(directory, zoom, history.pairs, policy)
    table = _Table(directory, zoom, history, policy, now, credential)
    return Plan(now, table.policy_digest, tuple(
        table.row(account, claimed.get(account.zoom_id or "")) for account in zoom.accounts
    ))


def refusal_fingerprint(account: ZoomAccount, policy_digest: str, credential: str) -> str:
    """What must stay the same for a remembered refusal to count: role, type, status, policy and credential."""
    return sha256_of([account.role_id, account.type, account.status.value, policy_digest, credential])


class _Leaving(NamedTuple):
    """Why somebody is not entitled, since when, and when that becomes due. *person* None: nobody was found."""

    reason: Reason
    since: datetime
    due_at: datetime
    due: bool
    person: Person | None


class _Answer(NamedTuple):
    """What a row of the table says. *notes* are added to those of the match."""

    action: Action
    reason: Reason
    notes: tuple[str, ...] = ()
    leaving: _Leaving | None = None
    path: tuple[str, ...] | None = None       # shown instead of the person's own group path

    def instead(self, action: Action, reason: Reason, *notes: str) -> _Answer:
        """Another answer that keeps the first one's reason as a note."""
        return self._replace(action=action, reason=reason, notes=(*self.notes, self.reason.value, *notes))


class _Case(NamedTuple):
    """One account of the scope with who claims it, and how those people stand."""

    account: ZoomAccount
    zoom_id: str
    claim: Claim
    standings: list[Reason]
    entitled: list[Person]


_IN_STEP = _Answer(Action.KEEP, Reason.IN_STEP)
_ON_HOLD = _Answer(Action.KEEP, Reason.ON_HOLD)
_UNCLEAR = _Answer(Action.KEEP, Reason.DIRECTORY_UNCLEAR)


class _Table:
    """The decision table with everything its rows look things up in."""

    def __init__(
        self, directory: DirectorySnapshot, zoom: ZoomSnapshot, history: History, policy: Policy, now: datetime,
        credential: str,
    ) -> None:
        self._history, self._policy, self._now, self._credential = history, policy, now, credential
        self._absence_is_unclear = bool(directory.unresolved) or _somebody_could_be_anybody(directory, history.pairs)
        self._roles = zoom.roles
        self._addresses = Addresses(policy)
        self._protection = Protection(policy, zoom.groups, self._addresses)
        self.policy_digest = policy.digest()

    def row(self, account: ZoomAccount, claim: Claim | None) -> Decision:
        """The first row of the table that fits, then the overrides. *claim* None: the account takes no part."""
        zoom_id = account.zoom_id
        if claim is None or zoom_id is None:
            reason = Reason.INVITATION_PENDING if self._addresses.in_scope(account.email) else Reason.OUT_OF_SCOPE
            return Decision(account, Action.KEEP, reason, department=account.department)
        standings = [standing(person, self._policy, self._now) for person in claim.claimants]
        entitled = [
            person for person, reason in zip(claim.claimants, standings, strict=True) if reason is Reason.IN_STEP
        ]
        case = _Case(account, zoom_id, claim, standings, entitled)
        answer = self._answer(case)
        return _decision(case, self._overridden(case, answer) if answer.action in EFFECTS else answer)

    # ----------------------------------------------------------------------------------------------- the rows, downwards

    def _answer(self, case: _Case) -> _Answer:
        account, claimants = case.account, case.claim.claimants
        if self._history.on_hold(case.zoom_id, self._now):
            return _ON_HOLD
        exempt = self._protection.exempt(account, case.claim.key, claimants)
        if exempt:
            path = next((person.protected_by for person in claimants if person.protected_by), ())
            return _Answer(Action.KEEP, Reason.EXEMPT, (f"exempt_{exempt}",),
                           path=path if exempt == "directory_group" else None)
        active = account.status is Status.ACTIVE
        if case.entitled and active:
            return _IN_STEP
        # An inactive account waits too while one of its claimants is unknown: he may be entitled to it as well.
        if Reason.DIRECTORY_UNCLEAR in case.standings or (not claimants and self._absence_is_unclear):
            return _UNCLEAR
        if active:
            return self._active_but_not_entitled(case)
        return self._inactive_but_entitled(case) if case.entitled else _IN_STEP

    def _active_but_not_entitled(self, case: _Case) -> _Answer:
        leaving = self._leaving(case)
        answer = _Answer(Action.DEACTIVATE, leaving.reason, leaving=leaving)
        if leaving.due and self._protection.protected(case.account):
            return answer.instead(Action.MANUAL, Reason.PROTECTED)
        if self._brought_back(case.zoom_id):
            return answer.instead(Action.MANUAL, Reason.REACTIVATED_BY_OTHERS)
        return answer if leaving.due else answer.instead(Action.KEEP, Reason.WITHIN_GRACE)

    def _inactive_but_entitled(self, case: _Case) -> _Answer:
        if self._policy.reactivate == "never":
            return _Answer(Action.KEEP, Reason.REACTIVATION_OFF)
        last = self._history.deactivated.get(case.zoom_id)
        ours = last.by if last is not None and last.reactivated_at is None and not last.seen_active else None
        if ours == "hand":
            return _Answer(Action.KEEP, Reason.DEACTIVATED_BY_HAND)
        if len(case.entitled) > 1 or case.claim.others:
            return _Answer(Action.MANUAL, Reason.AMBIGUOUS_MATCH)
        if self._policy.reactivate == "any" or ours == "cycle":
            return _Answer(Action.REACTIVATE, Reason.ENTITLED_AGAIN)
        return _Answer(Action.KEEP, Reason.DEACTIVATED_BY_OTHERS)

    def _overridden(self, case: _Case, answer: _Answer) -> _Answer:
        """A due change may still turn into ``manual`` or ``keep``."""
        account, zoom_id = case.account, case.zoom_id
        if answer.action is Action.REACTIVATE and self._protection.protected(account, self._remembered_role(zoom_id)):
            return answer.instead(Action.MANUAL, Reason.PROTECTED)
        refusal = self._history.refusals.get((zoom_id, answer.action.value))
        if (
            refusal is not None
            and self._now - refusal.at < REFUSAL_BELIEVED_FOR
            and refusal.fingerprint == refusal_fingerprint(account, self.policy_digest, self._credential)
        ):
            return answer.instead(Action.MANUAL, Reason.REFUSED_BY_ZOOM,
                                  f"zoom_code_{refusal.code}" if refusal.code is not None else "account_unreadable")
        if self._protection.outside_pilot(case.claim.key):
            return answer.instead(Action.KEEP, Reason.NOT_IN_PILOT)
        return answer

    # ----------------------------------------------------------------------------------------------- what the rows ask

    def _brought_back(self, zoom_id: str) -> bool:
        last = self._history.deactivated.get(zoom_id)
        return last is not None and last.reactivated_at is None and self._now - last.at < DISPUTED_FOR

    def _remembered_role(self, zoom_id: str) -> str | None:
        """The role at our deactivation: whether Zoom shows the role of an inactive account is not documented."""
        last = self._history.deactivated.get(zoom_id)
        return self._roles.get(last.role_id) if last is not None and last.role_id is not None else None

    def _leaving(self, case: _Case) -> _Leaving:
        """Of several claimants the one whose account would go last counts: one who is not due yet before any who is."""
        gone = self._history.gone.get(case.zoom_id)
        since = gone.since if gone is not None else self._now
        reads = 1 + (self._history.good_reads - gone.read + 1 if gone is not None else 0)   # the read in hand counts
        candidates = []
        people: tuple[Person | None, ...] = case.claim.claimants or (None,)
        for person, reason in zip(people, case.standings or [Reason.ABSENT_FROM_DIRECTORY], strict=True):
            grace, reads_needed = grace_of(reason, self._policy)
            due_at = since + grace
            candidates.append(_Leaving(reason, since, due_at, due_at <= self._now and reads >= reads_needed, person))
        return max(candidates, key=lambda one: (not one.due, one.due_at, one.person.id if one.person is not None else ""))


def _decision(case: _Case, answer: _Answer) -> Decision:
    """The answer with whom it is about: the person leaving, else the first entitled claimant, else the first."""
    account, claim, leaving = case.account, case.claim, answer.leaving
    known = case.entitled or claim.claimants
    person = leaving.person if leaving is not None else known[0] if known else None
    path = answer.path
    if path is None:
        path = case.entitled[0].entitled_by if case.entitled else ()
        if leaving is not None and leaving.person is not None and leaving.reason is Reason.IN_LEAVERS_GROUP:
            path = leaving.person.leaver_by
    return Decision(
        account,
        answer.action,
        answer.reason,
        person.id if person is not None else None,
        claim.matched_by,
        path,
        _notes(claim) + answer.notes,
        leaving.since if leaving is not None else None,
        leaving.due_at if leaving is not None else None,
        (person.department if person is not None else "") or account.department,
    )


def _notes(claim: Claim) -> tuple[str, ...]:
    several = ("several_claimants",) if len(claim.claimants) > 1 else ()
    return (*several, "duplicate_account") if claim.others else several


def _somebody_could_be_anybody(directory: DirectorySnapshot, pairs: Mapping[str, str]) -> bool:
    """Whether somebody could not be read so far that not even his addresses are known, nor an account remembered for him.
    He may own any account that nobody claims, so then no account may be called absent."""
    nameless = {person.id for person in directory.people if person.unclear and not person.addresses}
    return bool(nameless) and not nameless <= set(pairs.values())
