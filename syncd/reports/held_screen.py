"""A held plan on a screen: the cause first, what to check, that doing nothing is safe, then complete commands."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path

from syncd.model import Action, CycleReport, Decision, OutcomeKind, Reason, Result
from syncd.reports.screen import Screen, clean, number

#: Departments named for a cause; the others are counted.
DEPARTMENTS = 3

#: What a reason is called in one word, when causes are counted.
_CAUSES = {
    Reason.ABSENT_FROM_DIRECTORY: "absent",
    Reason.DISABLED_IN_DIRECTORY: "disabled",
    Reason.EXPIRED_IN_DIRECTORY: "expired",
    Reason.IN_LEAVERS_GROUP: "in a leaver group",
    Reason.LEFT_GROUPS: "in no entitling group",
}
_ALWAYS = (Reason.ABSENT_FROM_DIRECTORY, Reason.DISABLED_IN_DIRECTORY)


def cause(report: CycleReport) -> str:
    """``71 absent, 0 disabled; all in Sales and Finance``: the held deactivations by reason and department. Many absent and
    nobody disabled in few departments is no wave of leavers but a read that went blind. Empty when none is held."""
    if report.plan is None:
        return ""
    held = [
        effect
        for effect in report.plan.effects
        if effect.action is Action.DEACTIVATE and (effect.key in report.held or report.result is Result.HELD)
    ]
    if not held:
        return ""
    reasons = Counter(effect.reason for effect in held)
    shown = [reason for reason in _CAUSES if reasons[reason] or reason in _ALWAYS]
    by_reason = ", ".join(
        f"{number(reasons[reason])} {_CAUSES[reason]}" for reason in sorted(shown, key=lambda one: -reasons[one])
    )
    return f"{by_reason}; {_departments(held)}"


def _departments(held: list[Decision]) -> str:
    counted = Counter(clean(effect.department) or clean(effect.account.department) for effect in held)
    unknown = counted.pop("", 0)
    if not counted:
        return "departments are not known"
    names = [name for name, _ in counted.most_common(DEPARTMENTS)]
    rest = sum(counted.values()) - sum(counted[name] for name in names)
    if not rest and not unknown:
        return "all in " + " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
    parts = [f"{number(counted[name])} in {name}" for name in names]
    parts += [f"{number(rest)} in {len(counted) - len(names)} others"] if rest else []
    return ", ".join(parts + ([f"{number(unknown)} of unknown department"] if unknown else []))


def print_cause(report: CycleReport, screen: Screen) -> None:
    """Which guards tripped, over what, and what to check; nothing when none is."""
    tripped = [verdict for verdict in report.verdicts if verdict.tripped]
    if not tripped:
        return
    for verdict in tripped:
        screen.prose(clean(verdict.says), "warn", first=f"! {verdict.guard.value}: ", indent=2)
    if said := cause(report):
        screen.prose(said, "bold", first="cause   ", indent=2)
    advice = dict.fromkeys(without_command(clean(verdict.do), report.commands) for verdict in tripped)
    for text in filter(None, advice):
        screen.prose(text, first="check   ", indent=2)
    meanwhile = "nothing is changed while it is held" if report.result is Result.HELD else "what is held stays as it is"
    screen.prose(f"Unsure? Do nothing: {meanwhile}.", first="        ", indent=2)


def without_command(text: str, commands: tuple[str, ...]) -> str:
    """The advice without the command that stands below it for all of them."""
    for command in commands:
        text = text.replace(command, "")
    return " ".join(text.split())


def print_commands(report: CycleReport, screen: Screen, config: Path | None) -> None:
    """What a person can do about a held plan, and how to undo a change; each ready to be copied."""
    if report.known_leavers:
        screen.line()
        kind = "is a known leaver" if len(report.known_leavers) == 1 else "are known leavers"
        known = f"{number(len(report.known_leavers))} of those held {kind}, shown first."
        screen.prose(f"{known} They need not wait:" if any(map(_by_hand, report.commands)) else known)
    for command in report.commands:
        screen.line()
        if command.startswith("syncd approve"):
            screen.prose("To let exactly this plan pass, once it was reviewed:")
        screen.line(complete(clean(command), config), indent=2)
    if any(outcome.outcome is OutcomeKind.DONE for outcome in report.outcomes.values()):
        screen.line()
        screen.prose(f"Cycle {report.cycle_id} made these changes. To put them back:")
        screen.line(complete(f"syncd undo {report.cycle_id} --by NAME --because TEXT", config), indent=2)


def _by_hand(command: str) -> bool:
    return command.startswith("syncd account deactivate")


def complete(command: str, config: Path | None) -> str:
    """A command of ours with the configuration it belongs to."""
    if config is None or not command.startswith("syncd ") or " --config " in command:
        return command
    return f"{command} --config {shlex.quote(str(config))}"
