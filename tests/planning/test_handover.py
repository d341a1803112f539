"""At which stage the handover of a leaver's content is, and who would receive it: the table of docs/explanation/handover.md."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from syncd.ledger.history import History
from syncd.model import (
    HANDOVER,
    Action,
    Approval,
    Deactivated,
    Decision,
    Guard,
    HandoverDone,
    HandoverItem,
    HandoverPlan,
    HandoverRules,
    LeaverMemory,
    Person,
    Policy,
    Reason,
    Stage,
    Status,
    ZoomAccount,
    digest_of_items,
)
from syncd.planning.handover import Case, HandoverFacts, cases, many_to_one
from syncd.planning.managers import chain_of, told_upwards
from tests.planning.strategies import NOW

POLICY = Policy("zoom-account", ("corp.example",))
RULES = HandoverRules(timedelta(days=90), "delete", otherwise="archive@corp.example")
AGO = timedelta(days=100)


def person(name: str, **more: Any) -> Person:
    return Person(name, (f"{name}@corp.example",), **{"entitled_by": ("staff",), **more})


def decided(name: str, reason: Reason = Reason.IN_STEP, **more: Any) -> Decision:
    active = more.pop("active", True)
    status = Status.ACTIVE if active else Status.INACTIVE
    account = ZoomAccount(f"z-{name}", f"{name}@corp.example", status, type=more.pop("type", 2))
    return Decision(account, Action.KEEP, reason, more.pop("directory_id", name if active else None))


def world(**changes: Any) -> HandoverFacts:
    """Leaver ``lee``, absent for 100 days, managed by ``mia``, above whom are ``ned`` and ``oda``; ``archive`` is the last
    resort."""
    history = History(
        deactivated={"z-lee": Deactivated(NOW - AGO, "c1", "cycle")},
        leavers={"z-lee": LeaverMemory("absent", NOW - AGO)},
        pairs={"z-lee": "lee"},
    )
    people = {name: person(name) for name in ("mia", "ned", "oda", "archive")} | changes.pop("people", {})
    decisions = [decided(name) for name in ("mia", "ned", "oda", "archive")] + [decided("lee", active=False)]
    return HandoverFacts(
        **{
            "decisions": changes.pop("decisions", decisions),
            "people": people,
            "history": replace(history, **changes.pop("history", {})),
            "policy": POLICY,
            "rules": RULES,
            "managers": {"z-lee": ("mia", "ned", "oda")},
            "now": NOW,
            **changes,
        }
    )


def lee(facts: HandoverFacts) -> Case:
    return next(case for case in cases(facts) if case.zoom_id == "z-lee")


def told(facts: HandoverFacts) -> tuple[str, str]:
    case = lee(facts)
    return case.stage.value, case.reason.value if case.reason is not None else ""


def instead(*replaced: Decision) -> list[Decision]:
    """The decisions of the world, some replaced."""
    others = {one.account.zoom_id for one in replaced}
    return [one for one in world().decisions if one.account.zoom_id not in others] + list(replaced)


ITEM = HandoverItem("z-lee", "z-mia", "delete", RULES.content)


def done(state: str, ago: timedelta = timedelta(hours=1)) -> dict[str, Any]:
    return {"handovers": {"z-lee": HandoverDone("i1", NOW - ago, state, ITEM, "d", "Kim", settled_at=NOW - ago)}}


LEFT = Deactivated(NOW - AGO, "c1", "cycle")
WITHOUT_LEE = [one for one in world().decisions if one.account.zoom_id != "z-lee"]
LISTED = replace(RULES, leavers=frozenset({"lee@corp.example"}))
IN_LEAVERS = person("lee", entitled_by=(), leaver_by=("Leavers",))

ROWS: dict[str, tuple[HandoverFacts, tuple[str, str]]] = {
    "due": (world(), ("due", "")),
    "one second before": (world(now=NOW - timedelta(days=10, seconds=1)), ("waiting", "")),
    "to the second": (world(now=NOW - timedelta(days=10)), ("due", "")),
    "never ours": (world(history={"deactivated": {}}), ("kept", "not_ours")),
    "brought back since": (world(history={"deactivated": {"z-lee": replace(LEFT, seen_active=True)}}), ("kept", "not_ours")),
    "reactivated by us": (world(history={"deactivated": {"z-lee": replace(LEFT, reactivated_at=NOW)}}), ("kept", "not_ours")),
    "held by address": (world(rules=replace(RULES, hold_accounts=("LEE@*",))), ("kept", "legal_hold")),
    "held by group": (world(people={"lee": structs.replace(IN_LEAVERS, held_by=("Hold",))}), ("kept", "legal_hold")),
    "held once": (world(history={"leavers": {"z-lee": LeaverMemory("absent", NOW - AGO, held=True)}}), ("kept", "legal_hold")),
    "entitled": (world(people={"lee": person("lee")}), ("kept", "entitled_again")),
    "returning": (world(decisions=instead(decided("lee", Reason.RETURNING, active=False))), ("kept", "entitled_again")),
    "ambiguous": (world(decisions=instead(decided("lee", Reason.AMBIGUOUS_MATCH, active=False))), ("kept", "entitled_again")),
    "on hold": (world(decisions=instead(decided("lee", Reason.ON_HOLD, active=False))), ("kept", "on_hold")),
    "exempt": (world(decisions=instead(decided("lee", Reason.EXEMPT, active=False))), ("kept", "exempt")),
    "unclear": (world(people={"lee": person("lee", entitled_by=(), unclear="hidden")}), ("kept", "directory_unclear")),
    "disabled": (world(people={"lee": person("lee", enabled=False)}), ("kept", "may_return")),
    "out of the groups": (world(people={"lee": person("lee", entitled_by=())}), ("kept", "may_return")),
    "in a leaver group": (world(people={"lee": IN_LEAVERS}), ("due", "")),
    "in the file": (world(people={"lee": person("lee", enabled=False)}, rules=LISTED), ("due", "")),
    "in the file and entitled": (world(people={"lee": person("lee")}, rules=LISTED), ("kept", "entitled_again")),
    "absent not long enough": (
        world(history={"leavers": {"z-lee": LeaverMemory("absent", NOW - timedelta(days=89))}}),
        ("waiting", ""),
    ),
    "not known since when": (world(history={"leavers": {}}), ("waiting", "")),
    "no receiver": (world(managers={}, rules=replace(RULES, otherwise="")), ("kept", "no_receiver")),
    "announced": (world(history=done("handing_over")), ("handing_over", "")),
    "gone and announced": (world(history=done("handing_over"), decisions=WITHOUT_LEE), ("handing_over", "")),
    "handed over": (world(history=done("handed_over"), decisions=WITHOUT_LEE), ("handed_over", "")),
    "lost, and gone": (world(history=done("unconfirmed"), decisions=WITHOUT_LEE), ("handed_over", "")),
    "lost, and there": (world(history=done("unconfirmed")), ("unconfirmed", "")),
    "done, and there all the same": (world(history=done("handed_over")), ("unconfirmed", "")),
    "refused": (world(history=done("refused")), ("due", "")),
}


@pytest.mark.parametrize(("facts", "expected"), ROWS.values(), ids=list(ROWS))
def test_the_stage_is_that_of_the_table(facts: HandoverFacts, expected: tuple[str, str]) -> None:
    """First fit."""
    assert expected == told(facts)


def test_only_after_a_while_is_a_lost_one_planned_anew() -> None:
    """A request without an answer may still be carried out."""
    notes = [lee(world(history=done("unconfirmed", ago))).notes for ago in (timedelta(minutes=9), timedelta(minutes=10))]
    held = lee(world(history=done("unconfirmed"), rules=replace(RULES, hold_accounts=("lee@corp.example",))))

    off_anew = {
        "deactivated": {"z-lee": replace(LEFT, at=NOW - timedelta(days=89))},
        **done("unconfirmed"),
    }  # a crash left it open

    assert [(), ("may_be_planned_anew",), ()] == [*notes, held.notes]
    assert () == lee(world(history=off_anew)).notes


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("z-mia", "manager")),
        ({"people": {"mia": person("mia", enabled=False)}}, ("z-ned", "above")),
        ({"decisions": instead(decided("mia", Reason.WITHIN_GRACE))}, ("z-ned", "above")),
        ({"decisions": instead(decided("mia", type=1))}, ("z-ned", "above")),
        ({"decisions": instead(decided("mia", type=1)), "rules": replace(RULES, content=("meetings",))}, ("z-mia", "manager")),
        ({"decisions": instead(decided("mia", active=False))}, ("z-ned", "above")),
        ({"decisions": instead(decided("mia", Reason.OUT_OF_SCOPE))}, ("z-ned", "above")),
        ({"managers": {"z-lee": ("MIA@corp.example",)}}, ("z-mia", "manager")),
        ({"managers": {"z-lee": ("x", "x", "x", "x", "mia")}}, ("z-archive", "else")),
        ({"managers": {}}, ("z-archive", "else")),
        ({"managers": {"z-lee": ("lee",)}}, ("z-archive", "else")),
        ({"rules": replace(RULES, to_manager=False)}, ("z-archive", "else")),
        ({"rules": replace(RULES, never_to_manager=("l*@corp.example",))}, ("z-archive", "else")),
        ({"managers": {}, "decisions": instead(decided("archive", type=1))}, None),
        ({"managers": {}, "decisions": instead(decided("archive", active=False))}, None),
    ],
)
def test_who_receives_it(changes: dict[str, Any], expected: tuple[str, str] | None) -> None:
    """The manager, the first of three above who can, else the one configured; else nobody, and why."""
    case = lee(world(**changes))

    assert expected == (None if case.receiver is None else (case.receiver.account.zoom_id, case.receiver.rule))
    assert bool(case.why_none) == (expected is None)


def approved(by: str = "Kim", digest: str = "", **more: Any) -> Approval:
    return replace(
        Approval(
            f"a-{by}",
            digest or digest_of_items((ITEM,)),
            POLICY.digest(),
            (Guard.HANDOVER,),
            frozenset({("z-lee", HANDOVER)}),
            by,
            "why",
            NOW,
            NOW + timedelta(days=1),
        ),
        **more,
    )


def with_approvals(*given_: Approval, item: HandoverItem = ITEM, **more: Any) -> dict[str, Any]:
    plans = {digest_of_items((ITEM,)): HandoverPlan((item,), POLICY.digest(), NOW)}
    return {"approvals": {one.id: one for one in given_}, "handover_plans": plans, **more}


TWO = replace(POLICY, approvals_required=2)
OF_TWO = TWO.digest()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"history": with_approvals(approved())}, "approved"),
        ({"history": with_approvals(approved(), used=frozenset({("a-Kim", "z-lee", HANDOVER)}))}, "due"),
        ({"history": with_approvals(approved(expires_at=NOW))}, "due"),
        ({"history": with_approvals(approved(), item=replace(ITEM, receiver_id="z-ned"))}, "due"),
        ({"history": with_approvals(approved(), item=replace(ITEM, end="unlink"))}, "due"),
        ({"history": with_approvals(approved(), item=replace(ITEM, content=("meetings",)))}, "due"),
        ({"history": with_approvals(approved(guards=(Guard.MAX_DEACTIVATIONS,)))}, "due"),
        ({"history": with_approvals(approved(policy_digest="other"))}, "due"),
        ({"history": with_approvals(approved(policy_digest=OF_TWO)), "policy": TWO}, "due"),
        (
            {"history": with_approvals(approved(policy_digest=OF_TWO), approved("kim ", policy_digest=OF_TWO)), "policy": TWO},
            "due",
        ),
        (
            {"history": with_approvals(approved(policy_digest=OF_TWO), approved("Lee", policy_digest=OF_TWO)), "policy": TWO},
            "approved",
        ),
        ({"history": with_approvals(approved()), "rules": replace(RULES, holds_by_group=True)}, "due"),
    ],
)
def test_exactly_what_was_approved_is(changes: dict[str, Any], expected: str) -> None:
    """Another receiver, end or content, a hold that can no longer be checked, an approval used up or over: not this one."""
    assert expected == lee(world(**changes)).stage


def test_a_hold_that_cannot_be_checked_is_said_and_bound() -> None:
    """Only for somebody no longer in the directory, and only where holds stand there."""
    rules = replace(RULES, holds_by_group=True)
    absent, there = lee(world(rules=rules)), lee(world(rules=rules, people={"lee": IN_LEAVERS}))
    items = [case.item(rules) for case in (absent, there)]

    assert [("hold_unchecked",), ()] == [absent.notes, there.notes]
    assert items[0] is not None
    assert items[1] is not None
    assert digest_of_items((items[0],)) != digest_of_items((items[1],))


def test_whom_to_remember() -> None:
    """Four at most, by id or by address, and a circle ends."""
    people = {
        name: person(name, manager=above)
        for name, above in {
            "a": "b@corp.example",
            "b": "c",
            "c": "d",
            "d": "e",
            "e": "f",
            "x": "y",
            "y": "x",
            "z": "CN=gone",
        }.items()
    }
    by_address = {key: (one,) for one in people.values() for key in one.mains}

    assert {"a": ("b", "c", "d", "e"), "x": ("y", "x"), "z": ("CN=gone",), "e": ("f",)} == {
        name: chain_of(people[name], people, by_address) for name in ("a", "x", "z", "e")
    }


@pytest.mark.parametrize(
    ("managers", "told_"),
    [
        ({"a": "b", "b": "c", "c": ""}, True),
        ({"a": None}, False),
        ({"a": "b", "b": None}, False),
        ({"a": ""}, True),
        ({"a": "CN=gone"}, True),
        ({"a": "b", "b": "c", "c": "d", "d": "e", "e": None}, True),  # beyond those who are remembered
        ({"a": "b", "b": "c", "c": "d", "d": None}, False),
    ],
)
def test_what_the_directory_did_not_tell_is_known(managers: dict[str, str | None], told_: bool) -> None:
    """Of anybody up to the last who is remembered."""
    people = {name: person(name, manager=above) for name, above in managers.items()}

    assert told_ == told_upwards(people["a"], people, {})


def test_when_zoom_itself_deletes_it() -> None:
    """Counted from the deactivation, where somebody told what Zoom's setting is."""
    told_ = replace(RULES, zoom_deletes_after=timedelta(days=120))

    assert (None, NOW + timedelta(days=20)) == (lee(world()).lost_at, lee(world(rules=told_)).lost_at)


def test_many_to_one_receiver_are_named() -> None:
    """Six, not five."""
    case = lee(world())

    assert ({}, {"z-mia": 6}) == (many_to_one([case] * 5), many_to_one([case] * 6))


@given(st.data())
def test_nobody_entitled_held_or_not_ours_is_ever_due(data: st.DataObject) -> None:
    """Whatever else is known."""
    draw = data.draw
    bad = draw(st.sampled_from(["entitled", "held", "remembered hold", "not ours", "unclear"]))
    leaver = person("lee", entitled_by=(), leaver_by=draw(st.sampled_from([(), ("Leavers",)])), enabled=draw(st.booleans()))
    history: dict[str, Any] = draw(st.sampled_from([{}, done("refused"), with_approvals(approved())]))
    people = {"lee": leaver} if draw(st.booleans()) else {}
    rules = replace(RULES, leavers=draw(st.sampled_from([frozenset(), frozenset({"lee@corp.example"})])))
    match bad:
        case "entitled":
            people = {"lee": person("lee")}
        case "held":
            rules = replace(rules, hold_accounts=("lee@corp.example",))
        case "remembered hold":
            history = {**history, "leavers": {"z-lee": LeaverMemory("absent", NOW - AGO, held=True)}}
        case "not ours":
            history = {**history, "deactivated": {}}
        case "unclear":
            people = {"lee": structs.replace(leaver, unclear="hidden")}
    facts = world(people=people, rules=rules, history=history, now=NOW + draw(st.timedeltas(timedelta(0), timedelta(days=900))))

    assert Stage.KEPT == lee(facts).stage
