"""Mailboxes that are nobody's own: a word where a plan takes their account away, and none elsewhere."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from msgspec import structs

from syncd.model import Action
from syncd.operations.inspect import told
from syncd.reading import put_together
from syncd.reports.mailboxes import going_with
from syncd.reports.terminal import plain_lines, print_cycle
from tests.reports.a_cycle import a_cycle


def with_mailbox(kind: str, action: Action):
    """A cycle in which everybody who is matched by an account with this action has a mailbox of this kind."""
    report = a_cycle()
    assert report.plan is not None
    assert report.directory is not None
    decisions = [decision for decision in report.plan.decisions if decision.action is action and decision.directory_id]
    ids = {decision.directory_id for decision in decisions}
    assert ids
    read = report.directory.people
    people = put_together([structs.replace(person, mailbox=kind) if person.id in ids else person for person in read], read)
    return replace(report, directory=replace(report.directory, people=people)), decisions


@pytest.mark.parametrize("kind", ["shared", "room", "linked"])
def test_an_account_that_goes_with_such_a_mailbox_is_named_with_what_to_do(kind):
    """On a terminal and in a pipe."""
    report, decisions = with_mailbox(kind, Action.DEACTIVATE)
    out = StringIO()
    print_cycle(report, out, for_people=True)

    assert {decision.key for decision in decisions} == {decision.key for decision, _ in going_with(report)}
    assert f"{decisions[0].account.email} is a {kind} mailbox" in " ".join(out.getvalue().split())
    assert [line for line in plain_lines(report) if line.startswith(f"mailbox\t{decisions[0].account.email}\t{kind}\t")]


def test_a_person_of_their_own_and_an_account_that_stays_need_no_word():
    """No mailbox of that kind, or nothing is done to it."""
    assert [] == going_with(a_cycle())
    report, _ = with_mailbox("", Action.DEACTIVATE)
    assert [] == [line for line in plain_lines(report) if line.startswith("mailbox")]


def test_explain_says_what_it_is():
    """And what to do."""
    person = a_cycle().directory.people[0]  # type: ignore[union-attr]
    shown = {
        "id": person.id,
        "display_name": "Box",
        "addresses": [],
        "standing": "disabled",
        "entitled_by": [],
        "leaver_by": [],
        "protected_by": [],
        "hint": structs.replace(person, mailbox="shared").mailbox_hint,
    }
    lines = list(told({"address": "box@corp.example", "in_scope": True, "directory": [shown], "accounts": [], "unclear": []}))

    assert [line for line in lines if "it is a shared mailbox" in line and "protect.accounts" in line]
