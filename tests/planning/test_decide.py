"""What is decided about every account, as invariants over small worlds. The rows one by one: tests/scenarios."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.ledger.history import History
from syncd.model import (
    Action,
    Deactivated,
    Gone,
    Person,
    Policy,
    Reason,
    Status,
    ZoomAccount,
)
from syncd.planning.decide import decide
from syncd.planning.entitlement import standing
from tests import whole
from tests.planning.strategies import NOW, ROLES, Case, cases


def key(address: str, policy: Policy) -> str:
    """The comparison of addresses, written anew: these are ASCII."""
    local, _, domain = address.lower().partition("@")
    return f"{local}@{dict(policy.domain_aliases).get(domain, domain)}"


def by_address(case: Case, account: ZoomAccount) -> list[Person]:
    """Whoever claims the account's address."""
    wanted = key(account.email, case.policy)
    return [person for person in case.directory.people if wanted in {key(one, case.policy) for one in person.addresses}]


def in_scope(case: Case, account: ZoomAccount) -> bool:
    domain = key(account.email, case.policy).partition("@")[2]
    return domain == "corp.example" or (domain.endswith(".corp.example") and "*.corp.example" in case.policy.domains)


@given(cases())
def test_every_account_gets_exactly_one_decision_and_the_totals_balance(case: Case):
    """The control totals of the cycle document."""
    plan = case.plan()

    assert list(case.zoom.accounts) == [decision.account for decision in plan.decisions]
    assert len(case.zoom.accounts) == sum(plan.counts.values()) == sum(plan.reasons.values())


@given(cases())
def test_nobody_entitled_is_deactivated_and_doubt_keeps_the_account(case: Case):
    """Not when any claimant of the address is entitled, nor when one of them could not be read."""
    for effect in case.plan().effects:
        if effect.action is Action.DEACTIVATE:
            standings = {standing(person, case.policy, NOW) for person in by_address(case, effect.account)}
            assert not standings & {Reason.IN_STEP, Reason.DIRECTORY_UNCLEAR}


@given(cases())
def test_whom_memory_knows_as_entitled_is_not_deactivated(case: Case):
    """A renamed address: nobody else claims it, and the person has no account by address."""
    people = {person.id: person for person in case.directory.people}
    with_account = {person.id for account in case.zoom.accounts if account.zoom_id and in_scope(case, account)
                    for person in by_address(case, account)}
    for effect in case.plan().effects:
        remembered = people.get(case.history.pairs.get(effect.account.zoom_id or "", ""))
        if remembered and remembered.id not in with_account and not by_address(case, effect.account):
            assert effect.action is Action.REACTIVATE or standing(remembered, case.policy, NOW) not in (
                Reason.IN_STEP, Reason.DIRECTORY_UNCLEAR)


@given(cases())
def test_nobody_protected_exempt_held_pending_or_out_of_scope_is_changed(case: Case):
    """Checked with rules written anew, against whatever is planned."""
    for effect in case.plan().effects:
        account = effect.account
        hold = case.history.holds.get(account.zoom_id or "")
        assert account.status is not Status.PENDING
        assert account.zoom_id is not None
        assert in_scope(case, account)
        assert hold is None or (hold.until is not None and hold.until <= NOW)
        assert not account.room
        assert (account.role or "member").lower() in {role.lower() for role in case.policy.ordinary_roles}
        assert account.role is not None or effect.action is Action.REACTIVATE
        assert not any(person.protected_by for person in by_address(case, account))
        assert not (account.group_ids and case.policy.protect_groups)
        addresses = {key(account.email, case.policy)} | {
            key(one, case.policy) for person in by_address(case, account) for one in person.addresses}
        for protected in case.policy.protect_accounts:
            prefix, _, rest = protected.partition("*")
            assert not any(one.startswith(prefix) and one.endswith(rest) for one in addresses)


@given(cases())
def test_nobody_outside_the_pilot_is_changed(case: Case):
    """Ann of the corporation, and every Bob."""
    for effect in case.plan().effects:
        if case.policy.pilot:
            local, _, domain = key(effect.account.email, case.policy).partition("@")
            assert local == "bob" or (local, domain) == ("ann", "corp.example")


@given(cases())
def test_a_deactivation_is_due_and_a_reactivation_undoes_an_inactive_account(case: Case):
    """Active accounts are deactivated, once their grace has passed; inactive ones are reactivated, for one entitled person."""
    for effect in case.plan().effects:
        if effect.action is Action.DEACTIVATE:
            assert effect.account.status is Status.ACTIVE
            assert effect.since is not None
            assert effect.since <= NOW
            assert effect.due_at is not None
            assert effect.due_at <= NOW
        else:
            assert effect.account.status is Status.INACTIVE
            entitled = [person for person in by_address(case, effect.account)
                        if standing(person, case.policy, NOW) is Reason.IN_STEP]
            assert len(entitled) == 1 or effect.matched_by == "memory"
            assert case.policy.reactivate != "never"


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_inputs_never_matters(case: Case, order: random.Random):
    """People, accounts, groups and everything remembered, in any order."""
    def shuffled(items: object) -> list:
        return order.sample(list(items), len(list(items)))

    history = replace(case.history, **{
        name: dict(shuffled(getattr(case.history, name).items()))
        for name in ("pairs", "gone", "deactivated", "holds", "refusals")
    })
    other = Case(
        whole.directory("file", NOW, shuffled(case.directory.people), shuffled(case.directory.groups),
                                unresolved=case.directory.unresolved),
        whole.zoom("zoom-account", NOW, shuffled(case.zoom.accounts), roles=ROLES, groups=case.zoom.groups),
        history, case.policy,
    )

    assert case.plan().decisions == other.plan().decisions
    assert case.plan().digest == other.plan().digest
    assert (case.directory.digest, case.zoom.digest) == (other.directory.digest, other.zoom.digest)


@given(cases())
def test_equal_inputs_give_equal_plans_and_nothing_is_changed_by_deciding(case: Case):
    """Deciding is a function: the second time gives the same, and the history is as it was."""
    before = repr(case.history)

    assert case.plan() == case.plan()
    assert before == repr(case.history)


@given(cases())
def test_the_digest_names_the_effects_and_nothing_else(case: Case):
    """A new display name, or a colleague in step, does not make a review stale."""
    renamed = [replace(account, display_name="Somebody") for account in case.zoom.accounts]
    more = ZoomAccount("z-more", "more@elsewhere.example", Status.ACTIVE)
    other = replace(case, zoom=whole.zoom("zoom-account", NOW, [*renamed, more], roles=ROLES, groups=case.zoom.groups))

    assert case.plan().digest == other.plan().digest


# ------------------------------------------------------------------------------------------------- single boundaries


def one(person: Person | None, status: Status = Status.ACTIVE, *, history: History | None = None, **policy: object) -> str:
    """The reason for one account, and the action unless it is kept."""
    people = [person] if person else []
    account = ZoomAccount("z", "ann@corp.example", status, role_id="2", role="Member", type=2)
    plan = decide(whole.directory("file", NOW, people),
                  whole.zoom("zoom-account", NOW, [account], roles=ROLES), history or History(),
                  Policy("zoom-account", ("corp.example",), **policy), NOW)  # type: ignore[arg-type]
    decision = plan.decisions[0]
    return decision.reason.value if decision.action is Action.KEEP else f"{decision.action.value} {decision.reason.value}"


def ann(**more: object) -> Person:
    return Person("p", ("ann@corp.example",), entitled_by=("Zoom Users",), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("since", "reads", "expected"), [
    (timedelta(hours=4), 2, "deactivate absent_from_directory"),
    (timedelta(hours=4) - timedelta(microseconds=1), 9, "within_grace"),
    (timedelta(hours=9), 1, "within_grace"),
])
def test_the_grace_ends_exactly_when_it_is_over_and_reads_suffice(since: timedelta, reads: int, expected: str):
    """Four hours and two good reads, the read in hand included."""
    history = History(gone={"z": Gone(NOW - since, 5)}, good_reads=5 + reads - 2)

    assert expected == one(None, history=history, grace=timedelta(hours=4), grace_reads=2)


@pytest.mark.parametrize(("expires", "expected"), [
    (NOW, "deactivate expired_in_directory"), (NOW + timedelta(microseconds=1), "in_step")])
def test_an_expiry_counts_from_its_very_moment(expires: object, expected: str):
    """Not a moment earlier."""
    assert expected == one(ann(expires_at=expires))


@pytest.mark.parametrize(("ago", "expected"), [
    (timedelta(hours=24) - timedelta(seconds=1), "manual reactivated_by_others"),
    (timedelta(hours=24), "deactivate disabled_in_directory"),
])
def test_a_dispute_lasts_24_hours(ago: timedelta, expected: str):
    """Deactivated by us, brought back by somebody."""
    history = History(deactivated={"z": Deactivated(NOW - ago, "c1", "cycle")})

    assert expected == one(ann(enabled=False), history=history)


def test_the_slower_of_two_claimants_decides_even_when_only_his_reads_are_missing():
    """Past every due time, but one of them was not gone in enough reads: the account waits."""
    history = History(gone={"z": Gone(NOW - timedelta(days=1), 5)}, good_reads=5)
    people = [ann(enabled=False), Person("q", ("ann@corp.example",))]
    account = ZoomAccount("z", "ann@corp.example", Status.ACTIVE, role_id="2", role="Member")
    plan = decide(whole.directory("file", NOW, people), whole.zoom("a", NOW, [account]), history,
                  Policy("a", ("corp.example",), grace=timedelta(hours=4), grace_reads=3,
                         grace_for_known_leavers=timedelta(hours=8)), NOW)

    assert [Reason.WITHIN_GRACE] == [decision.reason for decision in plan.decisions]


def test_an_inactive_account_waits_while_one_of_its_claimants_is_unknown():
    """He may be entitled too, and then the account would be ambiguous."""
    people = [ann(), Person("q", ("ann@corp.example",), unclear="unreadable")]
    account = ZoomAccount("z", "ann@corp.example", Status.INACTIVE, role_id="2", role="Member")
    plan = decide(whole.directory("file", NOW, people), whole.zoom("a", NOW, [account]), History(),
                  Policy("a", ("corp.example",), reactivate="any"), NOW)

    assert [(Action.KEEP, Reason.DIRECTORY_UNCLEAR)] == [(one.action, one.reason) for one in plan.decisions]


@pytest.mark.parametrize(("by", "expected"), [
    ("cycle", "reactivate entitled_again"), ("hand", "deactivated_by_hand"), ("undo", "deactivated_by_others")])
def test_only_a_cycle_s_own_deactivation_is_taken_back(by: str, expected: str):
    """A person's decision stands until a person changes it."""
    assert expected == one(ann(), Status.INACTIVE, history=History(deactivated={"z": Deactivated(NOW, "c1", by, role_id="2")}))
