"""A plan, as a person reads it: what holds it and why, totals, then the accounts that need attention. Plain lines when piped.

Colours only on a terminal; names come from directories and are never read as markup or control characters.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TextIO

from syncd.model import Action, CycleReport, Decision, EffectOutcome, OutcomeKind, Reason, Result, Status, licence_word
from syncd.reports import mailboxes
from syncd.reports.held_screen import complete, print_cause, print_commands, without_command
from syncd.reports.licences import released_in
from syncd.reports.screen import GAP, NO_BREAK, Column, Screen, clean, fitted, number

#: Rows shown on a terminal for each kind of change; the document has them all.
ROWS_SHOWN = 40

#: A column of a table of any rows is not made narrower than this.
LEAST_CELLS = 12

#: Nor is the first one, which says whom a row is about.
LEAST_OF_FIRST = 44

#: Account, why and outcome stand in every table; the others where there is room for them.
_COLUMNS = (
    Column("account", least=18, most=44),
    Column("why", least=16),
    Column("outcome", least=10, most=40),
    Column("name", 2, most=24),
    Column("since", 1, most=16),
    Column("department", 3, most=20),
    Column("licence", 4),
    Column("notes", 5, most=40),
)

_COLOURS = {Action.DEACTIVATE: "bad", Action.REACTIVATE: "good", Action.MANUAL: "warn", Action.KEEP: ""}

_RESULTS = {
    Result.IN_STEP: ("good", "in step: nothing is to be changed"),
    Result.PLANNED: ("info", "planned: these changes are due"),
    Result.APPLIED: ("good", "applied: every change was carried out and verified"),
    Result.PARTIAL: ("bad", "applied in part"),
    Result.HELD: ("warn", "held"),
    Result.UNREADABLE: ("bad", "unreadable: nothing was changed"),
    Result.INTERRUPTED: ("warn", "interrupted: the next cycle goes on from here"),
    Result.FAILED: ("bad", "failed"),
}


def print_cycle(
    report: CycleReport,
    out: TextIO,
    *,
    rows: int = ROWS_SHOWN,
    for_people: bool = False,
    width: int | None = None,
    config: Path | None = None,
) -> None:
    """The whole report for a terminal, or tab-separated lines for a pipe (unless *for_people*). *rows*: accounts shown of
    each kind of change. *config*: the configuration file, to stand in the commands."""
    screen = Screen(out, width)
    if not screen.terminal and not for_people:
        out.writelines(line + "\n" for line in plain_lines(report, config))
        return
    colour, words = _RESULTS[report.result]
    screen.line(("● ", colour), (words, f"bold {colour}"), f"   {report.mode.value} mode, {report.trigger.value}")
    for text, style in ((report.why, colour), (report.do, "")):
        if text:
            screen.prose(clean(text), style)
    print_cause(report, screen)
    for title, text, style in _facts(report, rows):
        screen.prose(text, style, first=f"{title:<11}")
    for action in (Action.DEACTIVATE, Action.REACTIVATE, Action.MANUAL):
        _print_decisions(report, action, screen, rows)
    _print_waiting(report, screen)
    print_commands(report, screen, config)


def _facts(report: CycleReport, rows: int) -> Iterator[tuple[str, str, str]]:
    """(title, text, style) of the lines about what was read and decided."""
    if report.directory is not None and report.zoom is not None:
        yield "directory", f"{number(len(report.directory.people))} people, {number(report.entitled)} entitled", ""
        for person in report.unclear:
            yield "unclear", f"{clean(person.id)}: {clean(person.cause)}", "warn"
        if report.directory.unresolved:
            yield "unresolved", clean(report.directory.unresolved_says), "warn"
        statuses = ", ".join(f"{number(report.zoom.count(status))} {status.value}" for status in Status)
        yield "Zoom", f"{number(len(report.zoom.accounts))} accounts: {_together(statuses)}", ""
    if report.plan is not None:
        yield "plan", f"{report.plan.digest[:12]}  {_together(totals(report))}", ""
        if kept := kept_by_reason(report):
            yield "kept", _together(kept), ""
    for line in report.warnings:
        yield "warning", line, "warn"
    for state in report.calendar:
        yield "calendar", str(state), ""
    for line in waiting_for_windows(report):
        yield "window", line, ""
    if licences := _licences(report):
        yield "licences", licences, ""
    for decision, person in mailboxes.going_with(report)[:rows]:
        yield "mailbox", f"{clean(decision.account.email)} is {person.mailbox_hint}", "warn"
    if report.verdicts and not any(verdict.tripped for verdict in report.verdicts):
        yield "guards", f"{len(report.verdicts)} checked, none tripped", ""


def _together(counts: str) -> str:
    """``5 exempt, 1 returning`` that is broken after a comma only: a count alone at the end of a line is misread."""
    return counts.replace(" ", NO_BREAK).replace("," + NO_BREAK, ", ")


def print_paragraphs(lines: Iterable[str], out: TextIO, *, width: int | None = None) -> None:
    """Lines such as ``  Zoom       who: what``. On a terminal the rest of a long one stands below its text, and times are told to
    the second; elsewhere they are as they are."""
    screen = Screen(out, width)
    for line in lines:
        if not screen.terminal:
            out.write(line + "\n")
        elif (found := _HEADED.match(line)) is not None:
            text = _FRACTION.sub(r"\1Z", clean(found[2]))
            screen.prose(text, first=found[1], indent=0)


#: A line: blanks, perhaps a short title and two blanks, then its text.
_HEADED = re.compile(r"( *(?:\S+ {2,})?)(.*)")
_FRACTION = re.compile(r"(T\d\d:\d\d:\d\d)\.\d+Z")


def print_table(rows: Sequence[Mapping[str, Any]], out: TextIO, *, width: int | None = None) -> None:
    """Any rows with the same keys: on a terminal a table, or where it is too narrow for that one record below the other; else
    tab-separated with a header line."""
    screen = Screen(out, width)
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    if not screen.terminal:
        out.writelines("\t".join(line) + "\n" for line in ([names, *cells] if names else []))
        return
    heads = [name.replace("_", " ") for name in names]
    # Whom or what a row is about is never cut: people decide by it.
    columns = [Column(head, least=LEAST_CELLS if place else LEAST_OF_FIRST) for place, head in enumerate(heads)]
    if sum(fitted(columns, cells, screen.width)) + GAP * (len(columns) - 1) <= screen.width:
        screen.table(columns, cells, indent=0)
    else:
        screen.records([{head: cell for head, cell in zip(heads, line, strict=True) if cell} for line in cells])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return clean(", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))


def totals(report: CycleReport) -> str:
    """As ``3 to deactivate, 1 to reactivate, 2 need manual action, 230 kept``."""
    if report.plan is None:
        return "no plan"
    counts = report.plan.counts
    manual = counts[Action.MANUAL]
    return (
        f"{number(counts[Action.DEACTIVATE])} to deactivate, {number(counts[Action.REACTIVATE])} to reactivate, "
        f"{number(manual)} {'needs' if manual == 1 else 'need'} manual action, {number(counts[Action.KEEP])} kept"
    )


def kept_by_reason(report: CycleReport) -> str:
    """``200 in_step, 20 out_of_scope``: why nothing happens to the others, the most first."""
    kept = Counter(
        decision.reason.value
        for decision in (report.plan.decisions if report.plan is not None else ())
        if decision.action is Action.KEEP
    )
    return ", ".join(f"{number(count)} {reason}" for reason, count in sorted(kept.items(), key=lambda one: (-one[1], one[0])))


def waiting_for_windows(report: CycleReport) -> list[str]:
    """``3 to deactivate wait for the next opening, Mon 2026-11-30 08:00 CET``, a line for each action and opening."""
    waiting = Counter((action, opening) for (_, action), opening in report.next_openings.items())
    return [
        f"{count} to {action} {'waits' if count == 1 else 'wait'} for the next opening, {opening:%a %Y-%m-%d %H:%M %Z}"
        for (action, opening), count in sorted(waiting.items(), key=lambda item: item[0][1])
    ]


def _licences(report: CycleReport) -> str:
    """``12 free, 3 to reactivate; 40 released``, as far as there is anything to say."""
    free, released = report.free_licences, released_in(report)
    back = report.plan.counts[Action.REACTIVATE] if report.plan is not None else 0
    says = [] if free is None else [f"{free} free, {back} to reactivate" + (" (more than are free)" if back > free else "")]
    return "; ".join(says + ([f"{released} released"] if released else []))


def plain_lines(report: CycleReport, config: Path | None = None) -> Iterable[str]:
    """Tab-separated: the result, the tripped guards, then every account that is not simply kept in step."""
    digest = report.plan.digest if report.plan is not None else "-"
    yield "\t".join(("result", report.result.value, digest, totals(report)))
    yield from (f"warning\t{line}" for line in report.warnings)
    yield from ("\t".join(("calendar", str(state))) for state in report.calendar)
    yield from (f"window\t{line}" for line in waiting_for_windows(report))
    if report.why:
        yield "\t".join(("problem", clean(report.why), clean(report.do)))
    if licences := _licences(report):
        yield f"licences\t{licences}"
    for person in report.unclear:
        yield "\t".join(("unclear", clean(person.id), clean(person.cause)))
    if report.directory is not None and report.directory.unresolved:
        yield f"unresolved\t{clean(report.directory.unresolved_says)}"
    for decision, person in mailboxes.going_with(report):
        yield "\t".join(("mailbox", clean(decision.account.email), person.mailbox, person.mailbox_hint))
    for verdict in report.verdicts:
        if verdict.tripped:
            advice = without_command(clean(verdict.do), report.commands)  # it stands in a line of its own
            yield "\t".join(("guard", verdict.guard.value, clean(verdict.says), advice))
    first = {decision.key for decision in report.known_leavers}
    decisions = report.plan.decisions if report.plan is not None else ()
    for decision in sorted(decisions, key=lambda decision: decision.key not in first) if first else decisions:
        if decision.action is not Action.KEEP or decision.reason is Reason.WITHIN_GRACE:
            due = f"{decision.due_at:%Y-%m-%dT%H:%M:%SZ}" if decision.due_at else ""
            yield "\t".join(
                (decision.action.value, clean(decision.account.email), decision.reason.value, due, _outcome(report, decision))
            )
    yield from ("\t".join(("command", complete(clean(command), config))) for command in report.commands)


def _outcome(report: CycleReport, decision: Decision) -> str:
    outcome = report.outcomes.get(decision.key)
    if outcome is not None:
        return f"{outcome.outcome.value} {outcome.reason}".strip()
    held = report.held.get(decision.key)
    return f"held by {', '.join(held)}" if held else ""


def _print_decisions(report: CycleReport, action: Action, screen: Screen, rows: int) -> None:
    if report.plan is None:
        return
    first = {decision.key for decision in report.known_leavers}
    chosen = sorted(
        (decision for decision in report.plan.decisions if decision.action is action),
        key=lambda decision: decision.key not in first,
    )
    if not chosen:
        return
    screen.line()
    screen.line((f"{action.value} ({number(len(chosen))})", f"bold {_COLOURS[action]}"), indent=2)
    cells, styles = [], []
    for decision in chosen[:rows]:
        done = report.outcomes.get(decision.key)
        account = decision.account
        cells.append(
            [
                clean(account.email),
                decision.reason.value,
                _on_screen(report, decision),
                clean(account.display_name),
                f"{decision.since:%Y-%m-%d %H:%M}" if decision.since else "",
                clean(decision.department or account.department),
                _licence(decision, done),
                clean(", ".join(decision.notes)),
            ]
        )
        styles.append("" if done is None else "good" if done.outcome is OutcomeKind.DONE else "bad")
    screen.table(_COLUMNS, cells, styles)
    if len(chosen) > rows:
        screen.line(f"… and {number(len(chosen) - rows)} more; --format json has them all", indent=2)


def _licence(decision: Decision, done: EffectOutcome | None) -> str:
    """As read; of an account that came back, what a look showed afterwards: whoever returns wants to know what they have."""
    back = done.licence_after if done is not None and decision.action is Action.REACTIVATE else None
    return back or licence_word(decision.account.type) or ""


def _on_screen(report: CycleReport, decision: Decision) -> str:
    """What became, or will become, of one row; never empty."""
    if (said := _outcome(report, decision)) and decision.key not in report.held:
        return said
    if decision.action is Action.MANUAL:
        return "manual action"
    opening = report.next_openings.get(decision.key)
    if opening is not None:
        far = opening - report.started_at >= timedelta(days=6)  # the next Monday, or another one
        return f"waits {opening:%d %b %H:%M}" if far else f"waits {opening:%a %H:%M}"
    return "held" if decision.key in report.held or report.result is Result.HELD else "due"


def _print_waiting(report: CycleReport, screen: Screen) -> None:
    waiting = report.plan.reasons.get(Reason.WITHIN_GRACE, 0) if report.plan is not None else 0
    if waiting and report.plan is not None:
        first = min(d.due_at for d in report.plan.decisions if d.reason is Reason.WITHIN_GRACE and d.due_at is not None)
        screen.line()
        screen.prose(
            f"{number(waiting)} more {'is' if waiting == 1 else 'are'} within their grace; the first is due "
            f"{first:%Y-%m-%d %H:%M} UTC"
        )
