"""Accounts whose mailbox is nobody's own, where a plan takes them away: a word for the operator, no decision.

A directory disables the accounts of shared, room, equipment and linked mailboxes by design. Where one of them has a Zoom
account, "disabled" says nothing about a leaver.
"""

from __future__ import annotations

from syncd.model import Action, CycleReport, Decision, Person, Reason


def going_with(report: CycleReport) -> list[tuple[Decision, Person]]:
    """The decisions of a plan that take, or will take, the account of such a mailbox away."""
    if report.plan is None or report.directory is None:
        return []
    people = {person.id: person for person in report.directory.people if person.mailbox}
    return [
        (decision, people[decision.directory_id])
        for decision in report.plan.decisions
        if decision.directory_id in people and (decision.action is Action.DEACTIVATE or decision.reason is Reason.WITHIN_GRACE)
    ]
