"""What a person sees at 80, 100, 120 and 160 columns, in ASCII, and in a pipe: whole screens, word for word.

To see what a change does to them:  UPDATE_EXPECTED=1 pytest tests/reports/test_screens.py; git diff tests/reports/screens
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec import structs
from rich.cells import cell_len
from rich.color import Color

from syncd.cli.common import tell_error
from syncd.cli.progress import live_line
from syncd.model import (
    Action,
    CycleReport,
    Decision,
    EffectOutcome,
    Guard,
    Mode,
    OutcomeKind,
    Plan,
    Reason,
    Result,
    Trigger,
    Verdict,
)
from syncd.reports.held_screen import cause
from syncd.reports.screen import COLOURS, Column, Screen, cut, fitted
from syncd.reports.terminal import print_cycle, print_paragraphs, print_table
from tests import whole
from tests.reports.a_cycle import HOUR, NOW, a_cycle, account

SCREENS = Path(__file__).parent / "screens"
CONFIG = Path("/etc/syncd/head office.yaml")


def held(departments: tuple[str, ...] = ("Sales", "Finance"), reason: Reason = Reason.ABSENT_FROM_DIRECTORY) -> CycleReport:
    """71 people are absent at once, and the guard of sizes holds them."""
    decisions = [
        Decision(
            structs.replace(account(f"person-with-a-long-name-{number:03}"), department=""),
            Action.DEACTIVATE,
            reason,
            since=NOW - HOUR,
            due_at=NOW,
            department=departments[number % len(departments)],
        )
        for number in range(71)
    ] + [Decision(account(f"kept{number:04}"), Action.KEEP, Reason.IN_STEP) for number in range(1200)]
    plan = Plan(NOW, "a" * 64, tuple(decisions))
    command = f"syncd approve --plan {plan.digest[:12]} --guard max-deactivations policy-changed --by NAME --because TEXT"
    do = "Compare the plan with what HR knows; a directory that lost an OU looks like this."
    verdicts = (
        Verdict(
            Guard.MAX_DEACTIVATIONS, True, 71, 25, "accounts", "71 deactivations are due, at most 25 may be", f"{do} {command}"
        ),
        Verdict(Guard.POLICY_CHANGED, True, 71, 0, "accounts", "the first enforcing use of this ledger", f"{do} {command}"),
        Verdict(Guard.CLOCK_SKEW, False, 0, 300, "seconds", "", ""),
    )
    return CycleReport(
        "cycle-9",
        Mode.ENFORCE,
        Trigger.PLAN,
        Result.HELD,
        NOW,
        NOW + timedelta(minutes=1),
        "0.2.0",
        "a" * 64,
        plan=plan,
        directory=whole.directory("file", NOW, [], []),
        entitled=1200,
        zoom=whole.zoom("zoom-1", NOW, [one.account for one in decisions]),
        verdicts=verdicts,
        commands=(command,),
        held={one.key: (Guard.MAX_DEACTIVATIONS,) for one in plan.effects},
        exit_code=3,
    )


REPORTS = {"held": held(), "partial": a_cycle(2000)}


def screen(report: CycleReport, width: int, out: io.StringIO | None = None) -> str:
    out = out or io.StringIO()
    print_cycle(report, out, rows=3, for_people=True, width=width, config=CONFIG)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120, 160])
@pytest.mark.parametrize("name", sorted(REPORTS))
def test_a_screen_is_as_it_was_looked_at(name: str, width: int) -> None:
    said = screen(REPORTS[name], width)
    file = SCREENS / f"{name}-{width}.txt"
    if os.environ.get("UPDATE_EXPECTED"):
        file.write_text(said, encoding="utf-8")

    assert file.read_text(encoding="utf-8") == said


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
@pytest.mark.parametrize("name", sorted(REPORTS))
def test_nothing_wraps_but_commands_which_are_never_broken(name: str, width: int) -> None:
    """A line longer than the screen is a whole command; account, why and outcome stand in every row."""
    lines = screen(REPORTS[name], width).splitlines()
    commands = [line for line in lines if line.strip().startswith("syncd ")]

    assert all(cell_len(line) <= width for line in lines if line not in commands)
    assert all(line.endswith("--config '/etc/syncd/head office.yaml'") for line in commands)
    assert commands
    assert all({"account", "why", "outcome"} <= set(line.split()) for line in lines if line.split()[:1] == ["account"])


def test_a_stream_that_knows_only_ascii_gets_ascii() -> None:
    """Names that it cannot write are spelled with question marks, never an error half way."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    print_cycle(a_cycle(), out, for_people=True, width=60)
    out.flush()

    assert "* applied in part" in raw.getvalue().decode("ascii")


class Terminal(io.StringIO):
    """A terminal's end."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_who_wants_no_colours_gets_none(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = screen(a_cycle(), 80, Terminal())
    monkeypatch.setenv(name, value)
    plain = screen(a_cycle(), 80, Terminal())

    assert "\x1b[" in coloured
    assert "\x1b" not in plain
    assert plain == screen(a_cycle(), 80)


@pytest.mark.parametrize(("encoding", "turning"), [("ascii", "-"), ("utf-8", "⠋")])
def test_the_line_that_tells_how_far_it_is_has_no_colours_and_can_be_written(
    encoding: str, turning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only ASCII can be written, too; what turns is no escaped number."""
    monkeypatch.setenv("TERM", "xterm-256color")
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace")
    monkeypatch.setattr(out, "isatty", lambda: True)
    with live_line(out, "reading"):
        pass
    out.flush()
    said = raw.getvalue().decode(encoding)

    assert f"{turning} reading" in said
    assert not re.search(r"\\u|\x1b\[[0-9;]*m", said)


def test_an_error_is_broken_between_words_but_no_command_and_no_source_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal; in a pipe it is as it is."""
    long = "a line of words that is much longer than the terminal it is shown on is wide, as messages are"
    command = "  Go on: syncd approve --plan 123456789012 --guard max-deactivations --by NAME --because TEXT"
    source = "      14 |   account_id: a-value-that-is-longer-than-a-terminal-of-sixty-cells"
    text = f"{long}\n  {long}\n{command}\n{source}\n         |               ^^^^^^"
    said = {}
    for kind in (Terminal, io.StringIO):
        out = kind()
        monkeypatch.setattr("sys.stderr", out)
        monkeypatch.setenv("COLUMNS", "60")
        tell_error(text)
        said[kind] = out.getvalue()

    assert said[io.StringIO] == f"syncd: {text}\n"
    shown = said[Terminal].splitlines()
    assert {command, source, "         |               ^^^^^^"} == {line for line in shown if len(line) > 60 or "^" in line}
    assert shown[0].startswith("syncd: a line")
    assert [7, 2] == [len(shown[at]) - len(shown[at].lstrip()) for at in (1, 3)]
    assert f"{long} {long}" == " ".join(" ".join(shown[:-3]).removeprefix("syncd: ").split())


def luminance(style: str) -> float:
    """The relative luminance of a colour, as WCAG 2.2 defines it."""
    red, green, blue = (
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in Color.parse(style).get_truecolor()
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("meaning", sorted(COLOURS))
def test_a_colour_can_be_read_on_black_and_on_white(meaning: str) -> None:
    """At least 4.5 : 1, and no theme paints it otherwise: it is none of the sixteen."""
    light = luminance(COLOURS[meaning])

    assert (light + 0.05) / 0.05 >= 4.5
    assert 1.05 / (light + 0.05) >= 4.5
    assert 16 <= (Color.parse(COLOURS[meaning]).number or 0) < 232


@pytest.mark.parametrize(("term", "coloured"), [("xterm-256color", True), ("screen-256color", True), ("xterm", False)])
@pytest.mark.parametrize("name", sorted(REPORTS))
def test_only_colours_whose_contrast_is_known_are_used(
    name: str, term: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal of sixteen colours, which a theme chooses, gets bold letters only."""
    for variable in ("NO_COLOR", "COLORTERM"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", term)
    said = screen(REPORTS[name], 100, Terminal())
    used = {code for codes in re.findall(r"\x1b\[([0-9;]*)m", said) for code in codes.replace("38;5;", "c").split(";")}
    ours = {f"c{Color.parse(colour).number}" for colour in COLOURS.values()}

    assert used <= {"0", "1", *ours}
    assert coloured == bool(used & ours)


def test_a_count_stands_beside_what_it_counts() -> None:
    """Also where the line ends between them."""
    for width in range(60, 120):
        kept = [line.rstrip() for line in screen(REPORTS["partial"], width).splitlines()]
        assert not [line for line in kept if re.search(r"[,:] \d+$", line)], width


def test_a_story_is_laid_out_on_a_terminal_only() -> None:
    """The rest of a long line stands below its text; in a pipe nothing is touched."""
    lines = [
        "ann@corp.example",
        "  Zoom       ann@corp.example: active, seen at 2026-10-01T08:00:00.384395Z",
        "             matched",
    ]
    out, pipe = Terminal(), io.StringIO()
    print_paragraphs(lines, out, width=50)
    print_paragraphs(lines, pipe, width=50)

    assert pipe.getvalue().splitlines() == lines
    assert out.getvalue().splitlines() == [
        "ann@corp.example",
        "  Zoom       ann@corp.example: active, seen at",
        "             2026-10-01T08:00:00Z",
        "             matched",
    ]


def test_the_cause_of_a_held_plan_is_counted_by_reason_and_department() -> None:
    assert "71 absent, 0 disabled; all in Sales and Finance" == cause(held())
    assert "71 disabled, 0 absent; all in Sales" == cause(held(("Sales",), Reason.DISABLED_IN_DIRECTORY))
    assert "71 in no entitling group, 0 absent, 0 disabled; departments are not known" == cause(held(("",), Reason.LEFT_GROUPS))
    assert cause(held(("A", "B", "C", "D", ""))).endswith("15 in A, 14 in B, 14 in C, 14 in 1 others, 14 of unknown department")
    assert "" == cause(replace(a_cycle(), held={}))


def test_columns_come_in_by_rank_and_the_first_ones_shrink() -> None:
    """Rank 0 always; others only where they fit whole; nothing is shown of an empty column."""
    columns = [Column("account", least=8), Column("why", least=5), Column("since", 1), Column("name", 2), Column("notes", 3)]
    rows = [["somebody@corp.example", "absent_from_directory", "2026-10-07", "Somebody", ""]]

    assert [21, 21, 0, 0, 0] == fitted(columns, rows, 44)
    assert [21, 21, 10, 0, 0] == fitted(columns, rows, 56)
    assert [21, 21, 10, 8, 0] == fitted(columns, rows, 66)
    assert 30 == sum(fitted(columns, rows, 32))
    assert "someb…" == cut("somebody", 6)
    assert "日本…" == cut("日本語の名前", 5)


def test_any_rows_are_a_table_where_it_fits_and_records_where_not() -> None:
    rows = [{"email": "ann@corp.example", "status": "active", "directory": "Ann Doe: entitled " * 5, "on_hold": None}] * 2
    wide, narrow = Terminal(), Terminal()
    print_table(rows, wide, width=160)
    print_table(rows, narrow, width=40)

    assert 3 == len(wide.getvalue().splitlines())
    assert 2 == narrow.getvalue().count("status")
    assert all(cell_len(line) <= 40 for line in narrow.getvalue().splitlines() if "\x1b" not in line)
    piped = io.StringIO()
    print_table([], piped)
    assert "" == piped.getvalue()


@pytest.mark.parametrize("width", [50, 80, 100])
def test_whom_a_row_is_about_is_never_cut(width: int) -> None:
    """A person decides by it; what else there is may end in dots."""
    address = "anna-maria.mueller-luedenscheidt@corp.example"[:44]
    rows = [
        {
            "email": address,
            "status": "active",
            "licence": "licensed",
            "directory": "Anna-Maria Müller: entitled",
            "on_hold": "Kim: parental leave, ticket 4711",
        }
    ]
    out = Terminal()

    print_table(rows, out, width=width)

    assert address in out.getvalue()


def test_a_held_plan_has_a_heading_for_each_of_its_commands() -> None:
    """Known leavers, one or several, and the approval after them."""
    report = held()
    leaver = report.plan.effects[0] if report.plan is not None else None
    assert leaver is not None
    by_hand = "syncd account deactivate x@corp.example --confirm-count 1 --by NAME --because TEXT"
    said = screen(replace(report, known_leavers=(leaver,), commands=(by_hand, *report.commands)), 120)

    assert said.index("1 of those held is a known leaver, shown first. They need not wait:") < said.index(by_hand)
    assert said.index(by_hand) < said.index("To let exactly this plan pass") < said.index(report.commands[0])
    said = screen(replace(report, known_leavers=(leaver, leaver), commands=(by_hand, *report.commands)), 120)
    assert "2 of those held are known leavers, shown first." in said


def test_a_screen_has_a_width_even_where_nobody_says_one() -> None:
    assert 110 == Screen(io.StringIO()).width


@pytest.mark.parametrize(("after", "shown"), [("licensed", "licensed"), (None, "basic")])
def test_whoever_came_back_is_shown_with_what_they_have_now(after: str | None, shown: str) -> None:
    """Zoom strips the licence at deactivation: as read it is basic; without a later look that is all that is known."""
    back = Decision(structs.replace(account("ines"), type=1), Action.REACTIVATE, Reason.ENTITLED_AGAIN)
    plan = Plan(NOW, "a" * 64, (back,))
    done = EffectOutcome(OutcomeKind.DONE, licence_after=after)
    said = screen(replace(held(), plan=plan, result=Result.APPLIED, verdicts=(), held={}, outcomes={back.key: done}), 160)

    assert next(line for line in said.splitlines() if "ines@" in line).rstrip().endswith(shown)
