"""What is decided about every account, as invariants over small worlds. The rows one by one: tests/scenarios."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

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
from syncd.planning.entitlement import KNOWN_LEAVERS, standing
from tests import whole
from tests.planning.shares import exercises, met, of_plan
from tests.planning.strategies import NOW, ROLES, Case, cases


def key(address: str, policy: Policy) -> str:
    """The comparison of addresses, written anew: these are ASCII."""
    local, _, domain = address.lower().partition("@")
    return f"{local}@{dict(policy.domain_aliases).get(domain, domain)}"


def claiming(case: Case, account: ZoomAccount) -> tuple[list[Person], list[Person]]:
    """Main and pair claimants of an account, and those by alias only: the rules of the contract, written anew and slowly."""
    wanted, exact = key(account.email, case.policy), account.email.lower()
    people = [person for person in case.directory.people if person.id not in case.policy.ignore_people]
    mains = [person for person in people if exact in person.mains] or [
        person for person in people if wanted in {key(one, case.policy) for one in person.mains}
    ]
    pair = [person for person in people if person.id == case.history.pairs.get(account.zoom_id or "")]
    owners = mains + [person for person in pair if person not in mains]
    return owners, [
        person for person in people if person not in owners and wanted in {key(one, case.policy) for one in person.addresses}
    ]


def plain(case: Case) -> Case:
    """The same world without match.person_number, whose rules have tests of their own."""
    return replace(case, policy=replace(case.policy, person_number=""))


def in_scope(case: Case, account: ZoomAccount) -> bool:
    domain = key(account.email, case.policy).partition("@")[2]
    return domain == "corp.example" or (domain.endswith(".corp.example") and "*.corp.example" in case.policy.domains)


@exercises(
    {
        "deactivate": 0.05,
        "reactivate": 0.02,
        "manual": 0.03,
        "on_hold": 0.02,
        "directory_unclear": 0.03,
        "exempt": 0.05,
        "refused_by_zoom": 0.005,
        "protected": 0.005,
        "absent_from_directory": 0.02,
        "disabled_in_directory": 0.02,
        "left_groups": 0.01,
        "several_claimants": 0.02,
        "duplicate_account": 0.01,
    }
)
@given(cases())
def test_every_account_gets_exactly_one_decision_and_the_totals_balance(case: Case):
    """The control totals of the cycle document."""
    plan = case.plan()
    met(of_plan(plan))

    assert list(case.zoom.accounts) == [decision.account for decision in plan.decisions]
    assert len(case.zoom.accounts) == sum(plan.counts.values()) == sum(plan.reasons.values())


@exercises({"deactivate": 0.05, "absent_from_directory": 0.02, "several_claimants": 0.02})
@given(cases().map(plain))
def test_nobody_entitled_is_deactivated_and_doubt_keeps_the_account(case: Case):
    """Not while a main or pair claimant is entitled or could not be read; while somebody has the address as an alias only if
    they have another active account, and its owner is known to have left."""
    met(of_plan(case.plan()))
    for effect in case.plan().effects:
        if effect.action is not Action.DEACTIVATE:
            continue
        owners, others = claiming(case, effect.account)
        doubtful = {Reason.IN_STEP, Reason.DIRECTORY_UNCLEAR}
        assert not {standing(person, case.policy, NOW) for person in owners} & doubtful
        helpers = [person for person in others if standing(person, case.policy, NOW) in doubtful]
        if helpers:
            assert "alias_elsewhere" in effect.notes
            assert owners or effect.account.zoom_id in case.history.pairs
        for person in helpers:
            assert any(
                person in claiming(case, account)[0]
                for account in case.zoom.accounts
                if account.status is Status.ACTIVE and account is not effect.account and in_scope(case, account)
            )
        if any(
            address in "".join(person.unclean)
            for person in case.directory.people
            if person.matters_unclear and person.id not in case.policy.ignore_people
            for address in [key(effect.account.email, case.policy)]
        ):
            pytest.fail(f"{effect.account.email} stands in a value that is not exactly one address")


@exercises({"reactivate": 0.02})
@given(cases().map(plain))
def test_an_account_comes_back_for_the_remembered_person_only(case: Case):
    """Somebody else who has the address now is a stranger until a person says otherwise."""
    met(of_plan(case.plan()))
    for effect in case.plan().effects:
        if effect.action is Action.REACTIVATE:
            owners, _ = claiming(case, effect.account)
            by_id = {person.id: person for person in owners}
            remembered = case.history.pairs.get(effect.account.zoom_id or "")
            assert effect.directory_id in by_id
            assert standing(by_id[effect.directory_id], case.policy, NOW) is Reason.IN_STEP
            assert remembered in (None, effect.directory_id)
            others = [person for person in owners if person.id != effect.directory_id]
            assert not any(
                standing(person, case.policy, NOW) in KNOWN_LEAVERS | {Reason.IN_STEP, Reason.DIRECTORY_UNCLEAR}
                for person in others
            )


@exercises({"in_step": 0.04, "deactivate": 0.05})
@given(cases())
def test_the_short_way_gives_what_the_table_gives(case: Case):
    """Every account in step that is answered at once has the row it would have had."""
    met(of_plan(case.plan()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "syncd.planning.decide._Table.decisions",
            lambda table, accounts: (table.row(at, account) for at, account in enumerate(accounts)),
        )
        slowly = case.plan()

    assert slowly == case.plan()


@exercises(
    {
        "deactivate": 0.05,
        "reactivate": 0.02,
        "exempt": 0.05,
        "protected": 0.005,
        "on_hold": 0.02,
        "invitation_pending": 0.05,
        "out_of_scope": 0.1,
    }
)
@given(cases().map(plain))
def test_nobody_protected_exempt_held_pending_or_out_of_scope_is_changed(case: Case):
    """Checked with rules written anew, against whatever is planned."""
    met(of_plan(case.plan()))
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
        owners, others = claiming(case, account)
        assert not any(person.protected_by for person in owners or others)
        assert not (account.group_ids and case.policy.protect_groups)
        addresses = {key(account.email, case.policy)} | {
            key(one, case.policy) for person in owners or others for one in person.addresses
        }
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
            assert case.policy.reactivate != "never"


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_inputs_never_matters(case: Case, order: random.Random):
    """People, accounts, groups and everything remembered, in any order."""

    def shuffled(items: object) -> list:
        return order.sample(list(items), len(list(items)))

    history = replace(
        case.history,
        **{
            name: dict(shuffled(getattr(case.history, name).items()))
            for name in ("pairs", "gone", "returning", "deactivated", "holds", "refusals")
        },
    )
    other = Case(
        whole.directory(
            "file", NOW, shuffled(case.directory.people), shuffled(case.directory.groups), unresolved=case.directory.unresolved
        ),
        whole.zoom("zoom-account", NOW, shuffled(case.zoom.accounts), roles=ROLES, groups=case.zoom.groups),
        history,
        case.policy,
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
    renamed = [structs.replace(account, display_name="Somebody") for account in case.zoom.accounts]
    more = ZoomAccount("z-more", "more@elsewhere.example", Status.ACTIVE)
    other = replace(case, zoom=whole.zoom("zoom-account", NOW, [*renamed, more], roles=ROLES, groups=case.zoom.groups))

    assert case.plan().digest == other.plan().digest


# ------------------------------------------------------------------------------------------------- single boundaries


def one(person: Person | None, status: Status = Status.ACTIVE, *, history: History | None = None, **policy: object) -> str:
    """The reason for one account, and the action unless it is kept."""
    people = [person] if person else []
    account = ZoomAccount("z", "ann@corp.example", status, role_id="2", role="Member", type=2)
    plan = decide(
        whole.directory("file", NOW, people),
        whole.zoom("zoom-account", NOW, [account], roles=ROLES),
        history or History(),
        Policy("zoom-account", ("corp.example",), **policy),
        NOW,
    )  # type: ignore[arg-type]
    decision = plan.decisions[0]
    return decision.reason.value if decision.action is Action.KEEP else f"{decision.action.value} {decision.reason.value}"


def ann(**more: object) -> Person:
    return Person("p", ("ann@corp.example",), entitled_by=("Zoom Users",), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("since", "reads", "expected"),
    [
        (timedelta(hours=4), 2, "deactivate absent_from_directory"),
        (timedelta(hours=4) - timedelta(microseconds=1), 9, "within_grace"),
        (timedelta(hours=9), 1, "within_grace"),
    ],
)
def test_the_grace_ends_exactly_when_it_is_over_and_reads_suffice(since: timedelta, reads: int, expected: str):
    """Four hours and two good reads, the read in hand included."""
    history = History(gone={"z": Gone(NOW - since, 5)}, good_reads=5 + reads - 2)

    assert expected == one(None, history=history, grace=timedelta(hours=4), grace_reads=2)


@pytest.mark.parametrize(
    ("expires", "expected"), [(NOW, "deactivate expired_in_directory"), (NOW + timedelta(microseconds=1), "in_step")]
)
def test_an_expiry_counts_from_its_very_moment(expires: object, expected: str):
    """Not a moment earlier."""
    assert expected == one(ann(expires_at=expires))


@pytest.mark.parametrize(
    ("ago", "expected"),
    [
        (timedelta(hours=24) - timedelta(seconds=1), "manual reactivated_by_others"),
        (timedelta(hours=24), "deactivate disabled_in_directory"),
    ],
)
def test_a_dispute_lasts_24_hours(ago: timedelta, expected: str):
    """Deactivated by us, brought back by somebody."""
    history = History(deactivated={"z": Deactivated(NOW - ago, "c1", "cycle")})

    assert expected == one(ann(enabled=False), history=history)


def test_the_slower_of_two_claimants_decides_even_when_only_their_reads_are_missing():
    """Past every due time, but one of them was not gone in enough reads: the account waits."""
    history = History(gone={"z": Gone(NOW - timedelta(days=1), 5)}, good_reads=5)
    people = [ann(enabled=False), Person("q", ("ann@corp.example",))]
    account = ZoomAccount("z", "ann@corp.example", Status.ACTIVE, role_id="2", role="Member")
    plan = decide(
        whole.directory("file", NOW, people),
        whole.zoom("a", NOW, [account]),
        history,
        Policy("a", ("corp.example",), grace=timedelta(hours=4), grace_reads=3, grace_for_known_leavers=timedelta(hours=8)),
        NOW,
    )

    assert [Reason.WITHIN_GRACE] == [decision.reason for decision in plan.decisions]


def test_an_inactive_account_waits_while_one_of_its_claimants_is_unknown():
    """They may be entitled too, and then the account would be ambiguous."""
    people = [ann(), Person("q", ("ann@corp.example",), entitled_by=("g",), unclear="?")]
    account = ZoomAccount("z", "ann@corp.example", Status.INACTIVE, role_id="2", role="Member")
    plan = decide(
        whole.directory("file", NOW, people),
        whole.zoom("a", NOW, [account]),
        History(),
        Policy("a", ("corp.example",), reactivate="any"),
        NOW,
    )

    assert [(Action.KEEP, Reason.DIRECTORY_UNCLEAR)] == [(one.action, one.reason) for one in plan.decisions]


@pytest.mark.parametrize(
    ("by", "expected"),
    [("cycle", "reactivate entitled_again"), ("hand", "deactivated_by_hand"), ("undo", "deactivated_by_others")],
)
def test_only_a_cycle_s_own_deactivation_is_taken_back(by: str, expected: str):
    """A person's decision stands until a person changes it."""
    history = History(deactivated={"z": Deactivated(NOW, "c1", by, role_id="2")})

    assert expected == one(ann(), Status.INACTIVE, history=history, reactivate_reads=1)


@pytest.mark.parametrize(("reads", "expected"), [(0, "returning"), (1, "returning"), (2, "reactivate entitled_again")])
def test_somebody_must_be_entitled_again_in_enough_good_reads_in_a_row(reads: int, expected: str):
    """Three here, the read in hand included."""
    history = History(
        good_reads=4 + reads,
        returning={"z": Gone(NOW, 5)} if reads else {},
        deactivated={"z": Deactivated(NOW, "c1", "cycle", role_id="2")},
    )

    assert expected == one(ann(), Status.INACTIVE, history=history, reactivate_reads=3)


def test_of_two_leavers_who_go_equally_late_the_owner_is_named():
    """Their account it is; whoever has the address as an alias only is not asked whether they are protected."""
    owner = Person("a", ("ann@corp.example",), enabled=False)
    other = Person("z", ("zoe@corp.example",), aliases=("ann@corp.example",), enabled=False, protected_by=("Legal Hold",))
    account = ZoomAccount("z1", "ann@corp.example", Status.ACTIVE, role_id="2", role="Member")
    case = Case(
        whole.directory("file", NOW, [owner, other]),
        whole.zoom("a", NOW, [account], roles=ROLES),
        History(good_reads=5),
        Policy("a", ("corp.example",)),
    )

    assert [(Action.DEACTIVATE, "a")] == [(one.action, one.directory_id) for one in case.plan().decisions]
