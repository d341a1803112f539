"""Decide what should happen to every Zoom account.

Rule 1: values in, a Plan out. No clock, no I/O, no logging in this file.
Rule 2: every account gets exactly one Decision, "keep" included, each with one Reason.
Rule 3: an account is deactivated only when everybody who may own it is known not to be entitled; doubt keeps it.

The functions below follow the decision table from top to bottom; the overrides of a due change come last. Each gives an
answer; the Decision is built from it once, at the end. Whose account it is stands in ``ownership.py``.

Nearly every account belongs to one person, as remembered, and is as it should be. ``_Table.decisions`` answers
for those what ``_Table.row`` would, at a fraction of the price; a property test holds the two together.

More than 400 lines: the decision table is read from top to bottom, in one place.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from syncd.ledger.history import History
from syncd.model import (
    EFFECTS,
    Action,
    Deactivated,
    Decision,
    DirectorySnapshot,
    Person,
    Plan,
    Policy,
    Reason,
    SecondLook,
    Status,
    ZoomAccount,
    ZoomSnapshot,
    sha256_of,
)
from syncd.planning.claims import Claim, Claims
from syncd.planning.clarity import nameless, unclear_people
from syncd.planning.entitlement import KNOWN_LEAVERS, grace_of, standing
from syncd.planning.match import Addresses
from syncd.planning.numbers import Persons
from syncd.planning.ownership import Fit, Weighed, address_taken, comes_back_for, fit, pairing
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
    *,
    look: bool = False,
) -> Plan:
    """One decision for every Zoom account read. *credential* identifies the Zoom credential in use (not the secret): a
    remembered refusal counts only under the same one. *look*: only some people were read again, so it is no good read and
    counts as one only where one is enough. Equal inputs give an equal plan, whatever their order."""
    with _collector_at_rest():
        table = _Table(directory, zoom, history, policy, now, credential, look=look)
        decisions = tuple(table.decisions(zoom.accounts))
        return Plan(
            now, table.policy_digest, decisions, table.pairs, table.numbers, table.next_read_helps, frozenset(table.entitled)
        )


def refusal_fingerprint(account: ZoomAccount, policy_digest: str, credential: str) -> str:
    """What must stay the same for a remembered refusal to count: role, type, status, policy and credential."""
    return sha256_of([account.role_id, account.type, account.status.value, policy_digest, credential])


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Holds the cycle collector: a million new values without a cycle among them are searched again and again otherwise."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Leaving(NamedTuple):
    """Why somebody is not entitled, since when, and when that becomes due. *person* None: nobody was found."""

    reason: Reason
    since: datetime
    due_at: datetime
    due: bool
    person: Person | None


class _Answer(NamedTuple):
    """What a row of the table says. *notes* are added to those of the claims. *person*: whom it is about, where that is not
    the one leaving."""

    action: Action
    reason: Reason
    notes: tuple[str, ...] = ()
    leaving: _Leaving | None = None
    path: tuple[str, ...] | None = None  # shown instead of the person's own group path
    person: Person | None = None
    elsewhere: tuple[Person, ...] = ()  # entitled people who have the address as an alias, and another active account

    def instead(self, action: Action, reason: Reason, *notes: str) -> _Answer:
        """Another answer that keeps the first one's reason as a note."""
        return self._replace(action=action, reason=reason, notes=(*self.notes, self.reason.value, *notes))


class _Case(NamedTuple):
    """One account of the scope with who claims it, and how those people stand."""

    at: int
    account: ZoomAccount
    zoom_id: str
    claim: Claim
    weighed: Weighed


_IN_STEP = _Answer(Action.KEEP, Reason.IN_STEP)
_ON_HOLD = _Answer(Action.KEEP, Reason.ON_HOLD)
_UNCLEAR = _Answer(Action.KEEP, Reason.DIRECTORY_UNCLEAR)


class _Table:
    """The decision table with everything its rows look things up in."""

    def __init__(
        self,
        directory: DirectorySnapshot,
        zoom: ZoomSnapshot,
        history: History,
        policy: Policy,
        now: datetime,
        credential: str,
        *,
        look: bool = False,
    ) -> None:
        self._look = look
        self._history, self._policy, self._now, self._credential = history, policy, now, credential
        self._roles = zoom.roles
        self._addresses = Addresses(policy)
        self._persons = Persons(directory.people, policy, now, history.numbers, history.ledger_id)
        self._claims = Claims(directory, zoom, history.pairs, policy, self._addresses, self._persons)
        self._protection = Protection(policy, zoom.groups, self._addresses)
        self._unresolved = bool(directory.unresolved)
        self._nameless = nameless(unclear_people(directory, policy), history.pairs.values())
        self._remembered: frozenset[str] | None = None
        self.policy_digest = policy.digest()
        #: What a good read remembers anew: Zoom id -> directory id, and the hashes of these people's numbers.
        self.pairs: dict[str, str] = {}
        self.numbers: dict[str, str] = {}
        self.next_read_helps = False
        self.entitled: set[str] = set()  # and who was entitled to an account that is remembered for nobody

    def decisions(self, accounts: Sequence[ZoomAccount]) -> Iterator[Decision]:
        """One for each account, in their order. What is looked up for every one of them lies at hand."""
        policy, now, holds, known = self._policy, self._now, self._history.holds, self._history.pairs
        several, may_exempt = self._claims.with_several, self._protection.may_exempt
        is_active, keep, in_step, unclear = Status.ACTIVE, Action.KEEP, Reason.IN_STEP, Reason.DIRECTORY_UNCLEAR
        for at, (account, person) in enumerate(zip(accounts, self._claims.plain, strict=True)):
            if person is None or account.zoom_id is None:
                yield self.row(at, account)
                continue
            active, zoom_id, reason = account.status is is_active, account.zoom_id, standing(person, policy, now)
            if (
                active is not (reason is in_step)
                or reason is unclear
                or zoom_id in holds
                or person.id in several
                or may_exempt(account, person)
            ):
                yield self.row(at, account)
                continue
            if active and zoom_id not in known:
                self.pairs[zoom_id] = person.id
            if person.number and (active or zoom_id in known):
                self._remember_number(person)
            yield Decision(
                account,
                keep,
                in_step,
                person.id,
                "address",
                person.entitled_by if active else (),
                (),
                None,
                None,
                person.department or account.department,
            )

    def row(self, at: int, account: ZoomAccount) -> Decision:
        """The first row of the table that fits, then the overrides."""
        zoom_id = account.zoom_id
        if at in self._claims.outside or zoom_id is None:
            reason = Reason.INVITATION_PENDING if self._addresses.in_scope(account.email) else Reason.OUT_OF_SCOPE
            return Decision(account, Action.KEEP, reason, department=account.department)
        claim = self._claims.of(at)
        weighed = Weighed(claim, {person.id: standing(person, self._policy, self._now) for person in claim.claimants})
        case = _Case(at, account, zoom_id, claim, weighed)
        answer = self._answer(case)
        if answer.action in EFFECTS:
            answer = self._overridden(case, answer)
        notes = (*self._notes_of(case, answer), *self._remember_pair(case))
        self.entitled.update(
            id_
            for id_, reason in weighed.standings.items()
            if reason is Reason.IN_STEP and id_ != self.pairs.get(zoom_id) and not self._was_entitled(id_, case)
        )
        return self._decision(case, answer, notes)

    # ----------------------------------------------------------------------------------------------- the rows, downwards

    def _answer(self, case: _Case) -> _Answer:
        if self._history.on_hold(case.zoom_id, self._now):
            return _ON_HOLD
        exempt = self._exempt(case)
        if exempt is not None:
            return exempt
        return self._active(case) if case.account.status is Status.ACTIVE else self._inactive(case)

    def _exempt(self, case: _Case) -> _Answer | None:
        claim = case.claim
        if claim.ignored:
            return _Answer(Action.KEEP, Reason.EXEMPT, ("ignored_person",))
        exempt = self._protection.exempt(case.account, claim.key, claim.answerable)
        if not exempt:
            return None
        path = next((person.protected_by for person in claim.answerable if person.protected_by), ())
        answer = _Answer(Action.KEEP, Reason.EXEMPT, (f"exempt_{exempt}",), path=path if exempt == "directory_group" else None)
        if case.account.status is Status.ACTIVE and claim.answerable and fit(case.weighed) in (Fit.NOBODY, Fit.HELPED):
            leaving = self._leaving(case, claim.answerable)
            if leaving.reason in KNOWN_LEAVERS:
                notes = ("exempt_leaver", *self._never_entitled(case, leaving))
                return answer._replace(notes=answer.notes + notes, person=leaving.person)
        return answer

    def _active(self, case: _Case) -> _Answer:
        claim, weighed = case.claim, case.weighed
        match fit(weighed):
            case Fit.OWNED:
                taken = ("address_taken",) if address_taken(weighed) else ()
                return _IN_STEP._replace(notes=taken)
            case Fit.UNCLEAR:
                return _UNCLEAR
            case Fit.BY_ALIAS:
                return _IN_STEP
            case Fit.HELPED:
                return self._owner_left_but_aliases(case)
        if not claim.claimants and self._absence_is_unclear(claim):
            return _UNCLEAR
        return self._not_entitled(case, self._leaving(case, claim.claimants))

    def _owner_left_but_aliases(self, case: _Case) -> _Answer:
        """A leaver's address given to somebody else: it neither keeps the leaver's account open unseen, nor asks a person about
        everybody whose mail is read by their manager."""
        weighed = case.weighed
        if not case.claim.owners and self._absence_is_unclear(case.claim):
            return _UNCLEAR
        leaving = self._leaving(case, case.claim.owners)
        helpers = (*weighed.aliases_entitled, *weighed.aliases_unclear)
        without = [person for person in helpers if not self._claims.owns_another_active(person, case.at)]
        if not leaving.due or not without:
            answer = self._not_entitled(case, leaving)
            return answer._replace(notes=(*answer.notes, "alias_elsewhere"), elsewhere=helpers) if leaving.due else answer
        if all(person in weighed.aliases_unclear for person in without):
            return _UNCLEAR
        return _Answer(Action.MANUAL, leaving.reason, leaving=leaving).instead(
            Action.MANUAL, Reason.AMBIGUOUS_MATCH, "kept_by_alias"
        )

    def _not_entitled(self, case: _Case, leaving: _Leaving) -> _Answer:
        answer = _Answer(Action.DEACTIVATE, leaving.reason, leaving=leaving)
        if leaving.due and self._protection.protected(case.account):
            return answer.instead(Action.MANUAL, Reason.PROTECTED)
        if self._brought_back(case.zoom_id):
            return answer.instead(Action.MANUAL, Reason.REACTIVATED_BY_OTHERS)
        return answer if leaving.due else answer.instead(Action.KEEP, Reason.WITHIN_GRACE)

    def _inactive(self, case: _Case) -> _Answer:
        claim, weighed = case.claim, case.weighed
        # It waits too while an owner is unknown: they may be entitled to it as well.
        if weighed.owner_unclear or (not claim.owners and weighed.aliases_unclear and not weighed.aliases_entitled):
            return _UNCLEAR
        if not claim.claimants and self._absence_is_unclear(claim):
            return _UNCLEAR
        if not weighed.owners_entitled and not weighed.aliases_entitled:
            return _IN_STEP
        if self._policy.reactivate == "never":
            return _Answer(Action.KEEP, Reason.REACTIVATION_OFF)
        gone = self._gone_by_us(case.zoom_id)
        ours = gone.by if gone is not None else None
        if ours == "hand":
            return _Answer(Action.KEEP, Reason.DEACTIVATED_BY_HAND)
        if not weighed.owners_entitled:
            return _IN_STEP._replace(notes=("claimed_by_alias",))
        person = comes_back_for(weighed, lambda owner: self._has_another_active(owner, case.at, gone))
        if person is None or self._went_for_another(person, case):
            return _Answer(Action.MANUAL, Reason.AMBIGUOUS_MATCH)
        wanted = self._policy.reactivate == "any" or ours == "cycle"
        if self._reads_back(case.zoom_id) < self._policy.reactivate_reads:
            self.next_read_helps |= wanted
            return _Answer(Action.KEEP, Reason.RETURNING, person=person)
        if wanted:
            return _Answer(Action.REACTIVATE, Reason.ENTITLED_AGAIN, person=person)
        return _Answer(Action.KEEP, Reason.DEACTIVATED_BY_OTHERS, person=person)

    def _gone_by_us(self, zoom_id: str) -> Deactivated | None:
        """How we switched off an account that is off since."""
        last = self._history.deactivated.get(zoom_id)
        return last if last is not None and last.stands else None

    def _went_for_another(self, person: Person, case: _Case) -> bool:
        """Nobody was ever seen entitled to it, but a cycle switched it off for somebody: whoever has its address now may be
        another one (a recycled address)."""
        gone = self._gone_by_us(case.zoom_id) if case.account.status is Status.INACTIVE else None
        if case.claim.remembered is not None or gone is None or gone.by != "cycle" or not gone.person:
            return False
        return gone.person not in {entry.id for entry in self._persons.entries(person)}

    def _has_another_active(self, owner: Person, at: int, gone: Deactivated | None) -> bool:
        """*gone*: how this account was switched off, if we did. Of two that were off together the other may already be back
        (a crash, a refusal, or a hold lay between): it does not take this one's place."""
        for other in self._claims.other_active(owner, at):
            theirs = self._history.deactivated.get(other.zoom_id or "")
            back_at = theirs.reactivated_at if theirs is not None and not theirs.seen_active else None
            if gone is None or back_at is None or back_at < gone.at:
                return True
        return False

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
            return answer.instead(
                Action.MANUAL,
                Reason.REFUSED_BY_ZOOM,
                f"zoom_code_{refusal.code}" if refusal.code is not None else "account_unreadable",
            )
        if self._protection.outside_pilot(case.claim.key):
            return answer.instead(Action.KEEP, Reason.NOT_IN_PILOT)
        return answer

    # ----------------------------------------------------------------------------------------------- what the rows ask

    def _absence_is_unclear(self, claim: Claim) -> bool:
        """Whether an account that nobody claims may be somebody's all the same: a member who could not be found, or somebody
        unclear without any address. Whoever is remembered for it was read, though, or is gone."""
        return self._unresolved or (self._nameless and claim.remembered is None)

    def _brought_back(self, zoom_id: str) -> bool:
        last = self._history.deactivated.get(zoom_id)
        return last is not None and last.reactivated_at is None and self._now - last.at < DISPUTED_FOR

    def _remembered_role(self, zoom_id: str) -> str | None:
        """The role at our deactivation: whether Zoom shows the role of an inactive account is not documented."""
        last = self._history.deactivated.get(zoom_id)
        return self._roles.get(last.role_id) if last is not None and last.role_id is not None else None

    def _reads_back(self, zoom_id: str) -> int:
        """In how many good reads in a row, the read in hand included, somebody was entitled to this inactive account."""
        back = self._history.returning.get(zoom_id)
        reads = 1 if back is None else 2 + self._history.good_reads - back.read
        return self._counted(reads, self._policy.reactivate_reads)

    def _counted(self, reads: int, needed: int) -> int:
        """Good reads, the one in hand included. A look is none, but where one read is enough it is as fresh as any."""
        return reads - 1 if self._look and needed > 1 else reads

    def _leaving(self, case: _Case, people: Sequence[Person]) -> _Leaving:
        """Of the people who are not entitled the remembered one counts alone; else the one whose account would go last: one who
        is not due yet before any who is. Nobody: absent."""
        gone = self._history.gone.get(case.zoom_id)
        since = gone.since if gone is not None else self._now
        reads = 1 + (self._history.good_reads - gone.read + 1 if gone is not None else 0)  # the read in hand counts
        candidates = []
        counted: Sequence[Person | None] = (
            [case.claim.remembered_person] if case.claim.remembered_person in people else people or [None]
        )
        for person in counted:
            reason = case.weighed.standing(person) if person is not None else Reason.ABSENT_FROM_DIRECTORY
            grace, reads_needed = grace_of(reason, self._policy)
            due_at = since + grace
            candidates.append(
                _Leaving(
                    reason, since, due_at, due_at <= self._now and self._counted(reads, reads_needed) >= reads_needed, person
                )
            )
        owners = case.claim.owners  # of those who go equally late, an owner: it is their account
        return max(
            candidates,
            key=lambda one: (not one.due, one.due_at, one.person in owners, one.person.id if one.person is not None else ""),
        )

    # ------------------------------------------------------------------------------------- what is noted and remembered

    def _notes_of(self, case: _Case, answer: _Answer) -> Iterator[str]:
        """Peculiarities of the claims, then the answer's own."""
        claimants = case.claim.claimants
        if len(claimants) > 1:
            yield "several_claimants"
        if any(person.id in self._claims.with_several for person in claimants):
            yield "duplicate_account"
        yield from answer.notes
        if answer.leaving is not None and answer.leaving.reason in KNOWN_LEAVERS:
            yield from self._never_entitled(case, answer.leaving)

    def _never_entitled(self, case: _Case, leaving: _Leaving) -> tuple[str, ...]:
        """Whether no good read of this ledger ever showed this leaver entitled: shared mailboxes and the like are disabled by
        design."""
        return () if leaving.person is None or self._was_entitled(leaving.person.id, case) else ("never_entitled",)

    def _was_entitled(self, id_: str, case: _Case) -> bool:
        claim = case.claim
        if id_ == claim.remembered or (claim.remembered_person is not None and id_ == claim.remembered_person.id):
            return True
        if self._remembered is None:
            self._remembered = frozenset(self._history.pairs.values())
        return id_ in self._remembered or id_ in self._history.entitled

    def _remember_pair(self, case: _Case) -> tuple[str, ...]:
        """Notes the pair a good read writes; says ``owner_changed`` when it moves."""
        found = pairing(case.weighed, active=case.account.status is Status.ACTIVE, has_by_main=self._claims.has_by_main)
        if found is None or (found.moved and case.claim.gone and self._unresolved) or self._went_for_another(found.person, case):
            if case.claim.remembered_person is not None:
                self._remember_number(case.claim.remembered_person)
            return ()
        self.pairs[case.zoom_id] = found.person.id
        self._remember_number(found.person)
        return ("owner_changed",) if found.moved else ()

    def _remember_number(self, person: Person) -> None:
        if known := self._persons.hash_to_remember(person):
            self.numbers[person.id] = known

    def _decision(self, case: _Case, answer: _Answer, notes: tuple[str, ...]) -> Decision:
        """The answer with whom it is about: the person leaving, else the entitled one, else the first of the claimants."""
        account, claim, leaving, weighed = case.account, case.claim, answer.leaving, case.weighed
        entitled = (*weighed.owners_entitled, *weighed.aliases_entitled)
        known = answer.person or next(iter((*entitled, *claim.claimants)), None)
        person = leaving.person if leaving is not None else known
        path = answer.path
        if path is None:
            path = person.entitled_by if person is not None and person in entitled else ()
            if leaving is not None and leaving.person is not None and leaving.reason is Reason.IN_LEAVERS_GROUP:
                path = leaving.person.leaver_by
        return Decision(
            account,
            answer.action,
            answer.reason,
            person.id if person is not None else None,
            claim.matched_by(person) if person is not None else None,
            path,
            notes,
            leaving.since if leaving is not None else None,
            leaving.due_at if leaving is not None else None,
            (person.department if person is not None else "") or account.department,
            _second_look(claim, answer, self._persons.entries(person) if person is not None else ())
            if answer.action in EFFECTS
            else None,
            self._history.last_shown(case.zoom_id, self._now) if leaving is not None else None,
        )


def _second_look(claim: Claim, answer: _Answer, entries: Sequence[Person]) -> SecondLook:
    remembered = {claim.remembered, claim.remembered_person.id if claim.remembered_person is not None else None} - {None}
    return SecondLook(
        tuple(person.id for person in claim.answerable),
        tuple(person.id for person in claim.claimants if person not in claim.answerable),
        tuple(sorted(id_ for id_ in remembered if id_ is not None)),
        tuple(person.id for person in answer.elsewhere),
        tuple(entry.id for entry in entries) if len(entries) > 1 else (),
    )
