"""A plan, as a person reads it: totals, guards, then the accounts that need attention. Plain lines when piped.

Colours and boxes only on a terminal; names come from directories and are never read as markup or control characters.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from syncd.model import Action, CycleReport, Decision, OutcomeKind, Reason, Result, Status
from syncd.reports import mailboxes
from syncd.reports.licences import released_in

#: Rows shown on a terminal for each kind of change; the document has them all.
ROWS_SHOWN = 40

_COLOURS = {Action.DEACTIVATE: "red", Action.REACTIVATE: "green", Action.MANUAL: "yellow", Action.KEEP: ""}

_RESULTS = {
    Result.IN_STEP: ("green", "in step: nothing is to be changed"),
    Result.PLANNED: ("cyan", "planned: these changes are due"),
    Result.APPLIED: ("green", "applied: every change was carried out and verified"),
    Result.PARTIAL: ("red", "applied in part"),
    Result.HELD: ("yellow", "held"),
    Result.UNREADABLE: ("red", "unreadable: nothing was changed"),
    Result.INTERRUPTED: ("yellow", "interrupted: the next cycle goes on from here"),
    Result.FAILED: ("red", "failed"),
}


def print_cycle(report: CycleReport, out: TextIO, *, rows: int = ROWS_SHOWN, for_people: bool = False) -> None:
    """The whole report for a terminal, or tab-separated lines for a pipe (unless *for_people*). *rows*: accounts shown of
    each kind of change."""
    console = Console(file=out, highlight=False, markup=False, emoji=False, width=None if out.isatty() else 110)
    if not console.is_terminal and not for_people:
        out.writelines(line + "\n" for line in plain_lines(report))
        return
    colour, words = _RESULTS[report.result]
    console.print(Text.assemble(("● ", colour), (words, f"bold {colour}"),
                                f"   {report.mode.value} mode, {report.trigger.value}"))
    if report.why:
        console.print(Text(f"  {report.why}", style=colour))
    if report.do:
        console.print(Text(f"  {report.do}"))
    if report.directory is not None and report.zoom is not None:
        console.print(Text(f"  directory  {len(report.directory.people)} people, {report.entitled} entitled"))
        for person in report.unclear:
            console.print(Text(f"             unclear: {clean(person.id)}: {clean(person.cause)}", style="yellow"))
        statuses = ", ".join(f"{report.zoom.count(status)} {status.value}" for status in Status)
        console.print(Text(f"  Zoom       {len(report.zoom.accounts)} accounts: {statuses}"))
    if report.plan is not None:
        console.print(Text(f"  plan       {report.plan.digest[:12]}  " + totals(report)))
    for line in waiting_for_windows(report):
        console.print(Text(f"  window     {line}"))
    if licences := _licences(report):
        console.print(Text(f"  licences   {licences}"))
    for decision, person in mailboxes.going_with(report)[:rows]:
        console.print(Text(f"  mailbox    {clean(decision.account.email)} is {person.mailbox_hint}", style="yellow"))
    _print_guards(report, console)
    for action in (Action.DEACTIVATE, Action.REACTIVATE, Action.MANUAL):
        _print_decisions(report, action, console, rows)
    _print_waiting(report, console)
    _print_commands(report, console)


def print_table(rows: Sequence[Mapping[str, Any]], out: TextIO) -> None:
    """Any rows with the same keys: a table on a terminal, else tab-separated with a header line."""
    console = Console(file=out, highlight=False, markup=False, emoji=False)
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    if not console.is_terminal:
        out.writelines("\t".join(line) + "\n" for line in [names, *cells])
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(name.replace("_", " "), overflow="fold")
    for line in cells:
        table.add_row(*(Text(cell) for cell in line))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return clean(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def totals(report: CycleReport) -> str:
    """``3 to deactivate, 1 to reactivate, 2 for a person, 230 kept``"""
    if report.plan is None:
        return "no plan"
    counts = report.plan.counts
    return (f"{counts[Action.DEACTIVATE]} to deactivate, {counts[Action.REACTIVATE]} to reactivate, "
            f"{counts[Action.MANUAL]} for a person, {counts[Action.KEEP]} kept")


def waiting_for_windows(report: CycleReport) -> list[str]:
    """``3 to deactivate wait for the next opening, Mon 2026-11-30 08:00 CET``, a line for each action and opening."""
    waiting = Counter((action, opening) for (_, action), opening in report.next_openings.items())
    return [f"{count} to {action} {'waits' if count == 1 else 'wait'} for the next opening, {opening:%a %Y-%m-%d %H:%M %Z}"
            for (action, opening), count in sorted(waiting.items(), key=lambda item: item[0][1])]


def _licences(report: CycleReport) -> str:
    """``12 free, 3 to reactivate; 40 released``, as far as there is anything to say."""
    free, released = report.free_licences, released_in(report)
    back = report.plan.counts[Action.REACTIVATE] if report.plan is not None else 0
    says = [] if free is None else [f"{free} free, {back} to reactivate" + (" (more than are free)" if back > free else "")]
    return "; ".join(says + ([f"{released} released"] if released else []))


def plain_lines(report: CycleReport) -> Iterable[str]:
    """Tab-separated: the result, the tripped guards, then every account that is not simply kept in step."""
    digest = report.plan.digest if report.plan is not None else "-"
    yield "\t".join(("result", report.result.value, digest, totals(report)))
    yield from ("\t".join(("window", line)) for line in waiting_for_windows(report))
    if report.why:
        yield "\t".join(("problem", clean(report.why), clean(report.do)))
    if licences := _licences(report):
        yield "\t".join(("licences", licences))
    for person in report.unclear:
        yield "\t".join(("unclear", clean(person.id), clean(person.cause)))
    for decision, person in mailboxes.going_with(report):
        yield "\t".join(("mailbox", clean(decision.account.email), person.mailbox, person.mailbox_hint))
    for verdict in report.verdicts:
        if verdict.tripped:
            yield "\t".join(("guard", verdict.guard.value, clean(verdict.says), clean(verdict.do)))
    first = {decision.key for decision in report.known_leavers}
    decisions = report.plan.decisions if report.plan is not None else ()
    for decision in sorted(decisions, key=lambda decision: decision.key not in first) if first else decisions:
        if decision.action is not Action.KEEP or decision.reason is Reason.WITHIN_GRACE:
            due = f"{decision.due_at:%Y-%m-%dT%H:%M:%SZ}" if decision.due_at else ""
            yield "\t".join((decision.action.value, clean(decision.account.email), decision.reason.value, due,
                             _outcome(report, decision)))
    yield from ("\t".join(("command", clean(command))) for command in report.commands)


def clean(text: str) -> str:
    """Text without line breaks, escapes and direction marks: what a terminal shows is what it says."""
    return "".join(" " if char in "\t\n\r" else char for char in text
                   if char in "\t\n\r" or unicodedata.category(char) not in ("Cc", "Cf", "Cs"))


def _outcome(report: CycleReport, decision: Decision) -> str:
    outcome = report.outcomes.get(decision.key)
    if outcome is not None:
        return f"{outcome.outcome.value} {outcome.reason}".strip()
    held = report.held.get(decision.key)
    return f"held by {', '.join(held)}" if held else ""


def _print_guards(report: CycleReport, console: Console) -> None:
    tripped = [verdict for verdict in report.verdicts if verdict.tripped]
    if report.verdicts and not tripped:
        console.print(Text(f"  guards     {len(report.verdicts)} looked, none tripped"))
    for verdict in tripped:
        console.print()
        console.print(Text.assemble(("  ! ", "bold yellow"), (verdict.guard.value, "bold yellow"), f"  {clean(verdict.says)}"))
        console.print(Padding(Text(clean(verdict.do)), (0, 0, 0, 5)))


def _print_commands(report: CycleReport, console: Console) -> None:
    """What a person can do about a held plan, ready to be copied."""
    if report.known_leavers:
        console.print()
        console.print(Text(f"  {len(report.known_leavers)} of those held are known leavers, shown first. They need not wait:"))
    for command in report.commands:
        console.print()
        console.print(Text(f"  {clean(command)}"), soft_wrap=True)


def _print_decisions(report: CycleReport, action: Action, console: Console, rows: int) -> None:
    if report.plan is None:
        return
    first = {decision.key for decision in report.known_leavers}
    chosen = sorted((decision for decision in report.plan.decisions if decision.action is action),
                    key=lambda decision: decision.key not in first)
    if not chosen:
        return
    table = Table(box=box.SIMPLE_HEAD, title=f"{action.value} ({len(chosen)})", title_justify="left",
                  title_style=f"bold {_COLOURS[action]}", pad_edge=False)
    for name in ("account", "name", "why", "since", "licence", "outcome"):
        table.add_column(name, overflow="fold", no_wrap=name in ("account", "why", "since"))
    for decision in chosen[:rows]:
        done = report.outcomes.get(decision.key)
        style = "green" if done is not None and done.outcome is OutcomeKind.DONE else ""
        table.add_row(
            Text(clean(decision.account.email)), Text(clean(decision.account.display_name)), Text(decision.reason.value),
            Text(f"{decision.since:%Y-%m-%d %H:%M}" if decision.since else ""),
            Text({1: "basic", 2: "licensed"}.get(decision.account.type or 0, "")),
            Text("held" if decision.key in report.held else _outcome(report, decision), style=style),
        )
    console.print()
    console.print(table)
    if len(chosen) > rows:
        console.print(Text(f"  … and {len(chosen) - rows} more; the JSON document has them all"))


def _print_waiting(report: CycleReport, console: Console) -> None:
    waiting = report.plan.reasons.get(Reason.WITHIN_GRACE, 0) if report.plan is not None else 0
    if waiting and report.plan is not None:
        first = min(d.due_at for d in report.plan.decisions if d.reason is Reason.WITHIN_GRACE and d.due_at is not None)
        console.print(Text(f"  {waiting} more are within their grace; the first is due {first:%Y-%m-%d %H:%M} UTC"))
