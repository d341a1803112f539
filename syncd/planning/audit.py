"""What must hold of any plan before anything of it may be carried out, whatever decided it.

A second opinion, apart from the decision table: it looks at snapshots, memory and policy again and asks of each change whether
it can be right at all. It never decides. A fault here is a bug of ours, and nothing of such a plan is carried out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from syncd.model import EFFECTS, Action, Decision, Person, Reason, Status, ignored_ids
from syncd.planning.entitlement import GONE, grace_of, standing
from syncd.planning.guards import Facts
from syncd.planning.match import Addresses
from syncd.planning.protection import Protection


@dataclass(frozen=True)
class Audited:
    """A plan's surroundings and those of its effects that no guard holds."""

    facts: Facts
    effects: Sequence[Decision]

    @cached_property
    def addresses(self) -> Addresses:
        """How addresses are compared."""
        return Addresses(self.facts.policy)

    @cached_property
    def ignored(self) -> frozenset[str]:
        """Directory ids that take no part."""
        return ignored_ids(self.facts.directory.people, self.facts.policy.ignore_people)

    def person(self, id_: str | None) -> Person | None:
        """The one with this directory id; None: nobody, or somebody who is ignored."""
        return self.facts.directory.find(id_) if id_ is not None and id_ not in self.ignored else None

    @cached_property
    def owners(self) -> dict[str, list[Person]]:
        """Address key of an effect's account -> people who have it as a main address, in any of its domain's spellings."""
        found: dict[str, list[Person]] = {self.addresses.key(effect.account.email): [] for effect in self.effects}
        emails = [effect.account.email for effect in self.effects]
        spelled = {form: self.addresses.key(email) for email in emails for form in self.addresses.forms(email)}
        no_owner_of_any = spelled.keys().isdisjoint
        for person in self.facts.directory.people:
            if no_owner_of_any(person.mains) or person.id in self.ignored:
                continue
            for main in person.mains:
                if main in spelled and person not in (owners := found[spelled[main]]):
                    owners.append(person)
        return found

    def concerned(self, effect: Decision) -> list[Person]:
        """Whom an effect is about: its person, and everybody whose main address the account has."""
        named = self.person(effect.directory_id)
        owners = self.owners[self.addresses.key(effect.account.email)]
        return [*([named] if named is not None else []), *owners]

    def answerable(self, effect: Decision) -> list[Person]:
        """Whose protection covers an effect's account: whom the ledger remembers for it and whoever has its main address; where
        there are none, its person. Somebody's alias protects nobody else's account."""
        owners = self.owners[self.addresses.key(effect.account.email)]
        pair = self.person(self.facts.history.pairs.get(effect.account.zoom_id or ""))
        return [*([pair] if pair is not None else []), *owners] or self.concerned(effect)

    def stands(self, person: Person) -> Reason:
        """Whether somebody is entitled, and if not, why not."""
        return standing(person, self.facts.policy, self.facts.now)


def plan_audit(facts: Facts, effects: Sequence[Decision]) -> list[str]:
    """What is wrong with a plan whose *effects* are to be carried out; nothing: it may be. Names counts, never people."""
    audited = Audited(facts, effects)
    faults = []
    for says, rule in INVARIANTS:
        broken = sum(1 for _ in rule(audited))
        if broken:
            faults.append(f"{says} ({broken})")
    return faults


def _unbalanced(audited: Audited) -> Iterator[object]:
    decided = [decision.account for decision in audited.facts.plan.decisions]
    if decided != list(audited.facts.zoom.accounts) or sum(audited.facts.plan.counts.values()) != len(decided):
        yield None


def _decided_twice(audited: Audited) -> Iterator[object]:
    ids = [d.account.zoom_id for d in audited.facts.plan.decisions if d.account.zoom_id is not None]
    if len(set(ids)) < len(ids):
        yield from (id_ for id_, times in Counter(ids).items() if times > 1)
    decided = {id(effect) for effect in audited.effects}.intersection(map(id, audited.facts.plan.decisions))
    yield from (effect for effect in audited.effects if id(effect) not in decided)


def _no_change(audited: Audited) -> Iterator[object]:
    """Deactivates what is active, reactivates what is inactive, and nothing without an id."""
    wanted = {Action.DEACTIVATE: Status.ACTIVE, Action.REACTIVATE: Status.INACTIVE}
    yield from (
        e
        for e in audited.effects
        if e.action not in EFFECTS or e.account.zoom_id is None or e.account.status is not wanted[e.action]
    )


def _protected(audited: Audited) -> Iterator[object]:
    policy, history, zoom = audited.facts.policy, audited.facts.history, audited.facts.zoom
    protection = Protection(policy, zoom.groups, audited.addresses)
    for effect in audited.effects:
        last = history.deactivated.get(effect.account.zoom_id or "")
        role = zoom.roles.get(last.role_id or "") if last is not None else None
        key = audited.addresses.key(effect.account.email)
        if protection.protected(effect.account, role) or protection.exempt(effect.account, key, audited.answerable(effect)):
            yield effect


def _unclear(audited: Audited) -> Iterator[object]:
    yield from (
        e for e in audited.effects if any(audited.stands(person) is Reason.DIRECTORY_UNCLEAR for person in audited.concerned(e))
    )


def _on_hold(audited: Audited) -> Iterator[object]:
    yield from (e for e in audited.effects if audited.facts.history.on_hold(e.account.zoom_id or "", audited.facts.now))


def _without_a_leaver(audited: Audited) -> Iterator[object]:
    """Who is deactivated is found, known not to be entitled, for that very reason; or is nowhere in a directory that shows
    everybody. Nobody entitled has the account's address as a main one."""
    for effect in audited.effects:
        if effect.action is not Action.DEACTIVATE:
            continue
        person = audited.person(effect.directory_id)
        owners = audited.owners[audited.addresses.key(effect.account.email)]
        remembered = audited.facts.history.pairs.get(effect.account.zoom_id or "")
        if effect.reason not in GONE or any(audited.stands(owner) is Reason.IN_STEP for owner in owners):
            yield effect
        elif effect.reason is Reason.ABSENT_FROM_DIRECTORY:
            if person is not None or owners or audited.person(remembered) is not None or audited.facts.directory.unresolved:
                yield effect
        elif person is None or audited.stands(person) is not effect.reason:
            yield effect


def _without_an_entitled_person(audited: Audited) -> Iterator[object]:
    """Who is reactivated is entitled, and syncd switched the account off, unless the policy takes any."""
    for effect in audited.effects:
        if effect.action is not Action.REACTIVATE:
            continue
        person = audited.person(effect.directory_id)
        last = audited.facts.history.deactivated.get(effect.account.zoom_id or "")
        ours = last is not None and last.by == "cycle" and last.stands
        policy = audited.facts.policy.reactivate
        if person is None or audited.stands(person) is not Reason.IN_STEP or not (policy == "any" or (policy == "ours" and ours)):
            yield effect


def _not_due(audited: Audited) -> Iterator[object]:
    """A leaver's grace has passed since a moment that lies behind us, and was seen in as many good reads as it takes."""
    facts = audited.facts
    for effect in audited.effects:
        if effect.action is not Action.DEACTIVATE:
            continue
        grace, reads = grace_of(effect.reason, facts.policy)
        gone = facts.history.gone.get(effect.account.zoom_id or "")
        seen = 1 if gone is None else facts.history.good_reads - gone.read + 2  # the read in hand counts
        if effect.since is None or effect.since + grace > facts.now or (gone is None and grace) or seen < reads:
            yield effect


def _out_of_scope(audited: Audited) -> Iterator[object]:
    yield from (e for e in audited.effects if not audited.addresses.in_scope(e.account.email))


def _outside_pilot(audited: Audited) -> Iterator[object]:
    protection = Protection(audited.facts.policy, audited.facts.zoom.groups, audited.addresses)
    yield from (e for e in audited.effects if protection.outside_pilot(audited.addresses.key(e.account.email)))


#: What a broken rule says, and the function that yields whatever breaks it.
INVARIANTS: tuple[tuple[str, Callable[[Audited], Iterator[object]]], ...] = (
    ("the decisions are not exactly the accounts read", _unbalanced),
    ("an account has two decisions, or a change was never decided", _decided_twice),
    ("a change of an account that is not in the state to be changed", _no_change),
    ("a change of a protected account", _protected),
    ("a change for somebody who could not be read", _unclear),
    ("a change of an account on hold", _on_hold),
    ("a deactivation without a known leaver or a proven absence", _without_a_leaver),
    ("a reactivation without an entitled person, or of an account that others switched off", _without_an_entitled_person),
    ("a deactivation before its time", _not_due),
    ("a change outside of the scope", _out_of_scope),
    ("a change outside of the pilot", _outside_pilot),
)
