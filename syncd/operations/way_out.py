"""What a person can do about a held plan: complete commands, so that nobody has to put one together in a bad hour."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from syncd.model import Action, Decision, Guard, Mode, Plan, Verdict
from syncd.planning.entitlement import KNOWN_LEAVERS
from syncd.planning.guards import approval_command

#: More accounts than this are better named in a file.
IN_ONE_COMMAND = 200


def known_leavers(plan: Plan, held: Collection[tuple[str, str]]) -> tuple[Decision, ...]:
    """Held deactivations of people who are known to have left: those that should not wait."""
    return tuple(
        effect
        for effect in plan.effects
        if effect.action is Action.DEACTIVATE and effect.reason in KNOWN_LEAVERS and effect.key in held
    )


def commands_for(plan: Plan, verdicts: tuple[Verdict, ...], leavers: tuple[Decision, ...], mode: Mode) -> tuple[str, ...]:
    """Deactivates the known leavers by hand, under a pause too; then lets the whole plan pass, where that can be approved. With
    a broken ledger nothing can be done; in report mode nothing is done by hand, and approvals are for later."""
    tripped = {verdict.guard for verdict in verdicts if verdict.tripped}
    commands = []
    if leavers and mode is Mode.ENFORCE and Guard.LEDGER_BROKEN not in tripped:
        paused = "--while-paused " if Guard.PAUSED in tripped else ""
        names = " ".join(shlex.quote(one.account.email) for one in leavers[:IN_ONE_COMMAND])
        commands.append(
            f"syncd account deactivate {names} --confirm-count {min(len(leavers), IN_ONE_COMMAND)} "
            f"{paused}--by NAME --because TEXT"
        )
    return (*commands, *filter(None, [approval_command(plan, verdicts)]))
