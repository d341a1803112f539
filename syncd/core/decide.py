"""Decide what should happen to every Zoom account.

Rule 1: values in, a Plan out. No clock, no I/O, no logging in this file.
Rule 2: every account gets exactly one Decision, "keep" included, each with one Reason.
Rule 3: an account is deactivated only when every claimant is known not to be entitled; doubt keeps it.

The functions below follow the decision table from top to bottom; the overrides of a due change come last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syncd.core.history import History
from syncd.core.match import NOBODY, Addresses, Claim, claims
from syncd.core.protect import Protection
from syncd.core.standing import grace_of, standing
from syncd.model import (
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
        table.row(account, claimed.get(account.zoom_id or "", NOBODY)) for account in zoom.accounts
    ))


def refusal_fingerprint(account: ZoomAccount, policy_digest: str, credential: str) -> str:
    """What must stay the same for a remembered refusal to count: role, type, status, policy and credential."""
    return sha256_of([account.role_id, account.type, account.status.value, policy_digest, credential])


@dataclass(frozen=True, slots=True)
class _Leaving:
    """Why somebody is not entitled, since when, and when that becomes due."""

    reason: Reason
    since: datetime
    due_at: datetime
    due: bool
    person: Person | None

    @property
    def group_path(self) -> tuple[str, ...]:
        return self.person.leaver_by if self.person is not None and self.reason is Reason.IN_LEAVERS_GROUP else ()


class _Table:
    """The decision table with everything its rows look things up in."""

    def __init__(
        self, directory: DirectorySnapshot, zoom: ZoomSnapshot, history: History, policy: Policy, now: datetime,
        credential: str,
    ) -> None:
        self._history, self._policy, self._now, self._credential = history, policy, now, credential
        self._absence_is_unclear = bool(directory.unresolved)
        self._roles = zoom.roles
        self._addresses = Addresses(policy)
        self._protection = Protection(policy, zoom, self._addresses)
        self.policy_digest = policy.digest()

    def row(self, account: ZoomAccount, claim: Claim) -> Decision:
        """The first row of the table that fits, then the overrides."""
        if not self._addresses.in_scope(account.email):
            return Decision(account, Action.KEEP, Reason.OUT_OF_SCOPE, department=account.department)
        if account.status is Status.PENDING or account.zoom_id is None:
            return Decision(account, Action.KEEP, Reason.INVITATION_PENDING, department=account.department)
        claimants = claim.claimants
        standings = [standing(person, self._policy, self._now) for person in claimants]
        entitled = [person for person, reason in zip(claimants, standings, strict=True) if reason is Reason.IN_STEP]
        shown = entitled[0] if entitled else claimants[0] if claimants else None
        kept = Decision(
            account,
            Action.KEEP,
            Reason.IN_STEP,
            directory_id=shown.id if shown is not None else None,
            matched_by=claim.matched_by,
            group_path=shown.entitled_by if entitled and shown is not None else (),
            notes=_notes(claim),
            department=(shown.department if shown is not None else "") or account.department,
        )
        if self._on_hold(account.zoom_id):
            return replace(kept, reason=Reason.ON_HOLD)
        key = self._addresses.key(account.email)
        exempt = self._protection.exempt(account, key, claimants)
        if exempt:
            path = next((person.protected_by for person in claimants if person.protected_by), ())
            return replace(kept, reason=Reason.EXEMPT, group_path=path if exempt == "directory_group" else kept.group_path,
                           notes=(*kept.notes, f"exempt_{exempt}"))
        if entitled:
            if account.status is Status.ACTIVE:
                return kept
            return self._overridden(self._inactive_but_entitled(kept, claim, len(entitled)), key)
        if Reason.DIRECTORY_UNCLEAR in standings or (not claimants and self._absence_is_unclear):
            return replace(kept, reason=Reason.DIRECTORY_UNCLEAR)
        if account.status is Status.INACTIVE:
            return kept
        return self._overridden(self._active_but_not_entitled(kept, claimants, standings), key)

    # ------------------------------------------------------------------------------- the rows that may ask for a change

    def _active_but_not_entitled(self, kept: Decision, claimants: tuple[Person, ...], standings: list[Reason]) -> Decision:
        account = kept.account
        leaving = self._leaving(account, claimants, standings)
        shown = replace(
            kept,
            since=leaving.since,
            due_at=leaving.due_at,
            group_path=leaving.group_path,
            directory_id=leaving.person.id if leaving.person is not None else None,
            department=(leaving.person.department if leaving.person is not None else "") or account.department,
        )
        if leaving.due and self._protection.protected(account):
            return replace(shown, action=Action.MANUAL, reason=Reason.PROTECTED, notes=(*shown.notes, leaving.reason.value))
        if self._brought_back(account.zoom_id or ""):
            return replace(shown, action=Action.MANUAL, reason=Reason.REACTIVATED_BY_OTHERS,
                           notes=(*shown.notes, leaving.reason.value))
        if leaving.due:
            return replace(shown, action=Action.DEACTIVATE, reason=leaving.reason)
        return replace(shown, reason=Reason.WITHIN_GRACE, notes=(*shown.notes, leaving.reason.value))

    def _inactive_but_entitled(self, kept: Decision, claim: Claim, entitled: int) -> Decision:
        if self._policy.reactivate == "never":
            return replace(kept, reason=Reason.REACTIVATION_OFF)
        last = self._history.deactivated.get(kept.account.zoom_id or "")
        standing_last = last is not None and last.reactivated_at is None and not last.seen_active
        if last is not None and standing_last and last.by == "hand":
            return replace(kept, reason=Reason.DEACTIVATED_BY_HAND)
        if entitled > 1 or claim.others:
            return replace(kept, action=Action.MANUAL, reason=Reason.AMBIGUOUS_MATCH)
        if self._policy.reactivate == "any" or (last is not None and standing_last and last.by == "cycle"):
            return replace(kept, action=Action.REACTIVATE, reason=Reason.ENTITLED_AGAIN)
        return replace(kept, reason=Reason.DEACTIVATED_BY_OTHERS)

    def _overridden(self, decision: Decision, key: str) -> Decision:
        """A due change may still turn into ``manual`` or ``keep``."""
        if decision.action not in (Action.DEACTIVATE, Action.REACTIVATE):
            return decision
        account, zoom_id = decision.account, decision.account.zoom_id or ""
        if decision.action is Action.REACTIVATE and self._protection.protected(account, self._remembered_role(zoom_id)):
            return replace(decision, action=Action.MANUAL, reason=Reason.PROTECTED,
                           notes=(*decision.notes, decision.reason.value))
        refusal = self._history.refusals.get((zoom_id, decision.action.value))
        if (
            refusal is not None
            and self._now - refusal.at < REFUSAL_BELIEVED_FOR
            and refusal.fingerprint == refusal_fingerprint(account, self.policy_digest, self._credential)
        ):
            return replace(decision, action=Action.MANUAL, reason=Reason.REFUSED_BY_ZOOM,
                           notes=(*decision.notes, decision.reason.value, f"zoom_code_{refusal.code}"))
        if self._protection.outside_pilot(key):
            return replace(decision, action=Action.KEEP, reason=Reason.NOT_IN_PILOT,
                           notes=(*decision.notes, decision.reason.value))
        return decision

    # ----------------------------------------------------------------------------------------------- what the rows ask

    def _on_hold(self, zoom_id: str) -> bool:
        hold = self._history.holds.get(zoom_id)
        return hold is not None and (hold.until is None or self._now < hold.until)

    def _brought_back(self, zoom_id: str) -> bool:
        last = self._history.deactivated.get(zoom_id)
        return last is not None and last.reactivated_at is None and self._now - last.at < DISPUTED_FOR

    def _remembered_role(self, zoom_id: str) -> str | None:
        """The role at our deactivation: whether Zoom shows the role of an inactive account is not documented."""
        last = self._history.deactivated.get(zoom_id)
        return self._roles.get(last.role_id) if last is not None and last.role_id is not None else None

    def _leaving(self, account: ZoomAccount, claimants: tuple[Person, ...], standings: list[Reason]) -> _Leaving:
        """Of several claimants the one whose account would go last counts."""
        gone = self._history.gone.get(account.zoom_id or "")
        since = gone.since if gone is not None else self._now
        reads = 1 + (self._history.good_reads - gone.read + 1 if gone is not None else 0)   # the read in hand counts
        candidates = []
        people: tuple[Person | None, ...] = claimants or (None,)
        for person, reason in zip(people, standings or [Reason.ABSENT_FROM_DIRECTORY], strict=True):
            grace, reads_needed = grace_of(reason, self._policy)
            due_at = since + grace
            candidates.append(_Leaving(reason, since, due_at, due_at <= self._now and reads >= reads_needed, person))
        return max(candidates, key=lambda one: (one.due_at, not one.due, one.person.id if one.person is not None else ""))


def _notes(claim: Claim) -> tuple[str, ...]:
    several = ("several_claimants",) if len(claim.claimants) > 1 else ()
    return (*several, "duplicate_account") if claim.others else several
