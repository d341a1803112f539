"""The status page in a real browser, served by the real server: nothing on the console, everything an operator needs on it."""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path
from shutil import which

import pytest

from syncd import events
from syncd.model import Action, CalendarState, Guard, Head, Reason, Verdict
from syncd.observe.page import FRESH, StatusView, page
from syncd.observe.status import StatusKeeper
from tests.ledgers import HandClock
from tests.observe.test_server import AT, HELD, Daemon, asking

CHROMIUM = which("chromium")
in_chromium = pytest.mark.skipif(CHROMIUM is None and os.environ.get("CI") != "true", reason="Chromium is not installed")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
)

VIEWS: dict[str, StatusView] = {
    "held": HELD,
    "in step": replace(HELD, result="in_step", verdicts=HELD.verdicts[1:]),
    "paused, unreadable": replace(HELD, result="unreadable", why="page 3 never came", do="try later", paused=True, verdicts=()),
    "before the first cycle": StatusView(version="1", mode="report", now=AT, leader=False),
}


async def browsed(view: StatusView, profile: Path, *flags: str) -> tuple[str, list[str]]:
    """(the page as the browser has it, lines of its console), fetched from the daemon's own server."""
    assert CHROMIUM is not None, "Chromium is missing, and this is CI"
    async with Daemon(view=view).serving() as endpoint:
        browser = await asyncio.create_subprocess_exec(
            CHROMIUM,
            *FLAGS,
            f"--user-data-dir={profile}",
            "--virtual-time-budget=2000",
            *flags,
            endpoint.url + "/",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await browser.communicate()
    assert 0 == browser.returncode
    return out.decode(), [line for line in err.decode(errors="replace").splitlines() if ":CONSOLE" in line]


@in_chromium
@pytest.mark.parametrize("name", VIEWS)
async def test_the_page_opens_without_a_word_on_the_console(name: str, tmp_path: Path) -> None:
    """Neither an error nor a refusal of its own content security policy, on the best day and in an emergency."""
    dom, console = await browsed(VIEWS[name], tmp_path, "--dump-dom")

    assert [] == console
    assert "syncd · status" in unescape(re.sub(r"<[^>]+>", " ", dom))
    assert 'href="/metrics"' in dom


@in_chromium
@pytest.mark.parametrize("flags", [(), ("--blink-settings=preferredColorScheme=0",), ("--window-size=500,1600",)])
async def test_the_page_can_be_looked_at_in_both_themes_and_on_a_phone(tmp_path: Path, flags: tuple[str, ...]) -> None:
    """A picture comes out: its style was let through by the policy."""
    picture = tmp_path / "page.png"

    _, console = await browsed(HELD, tmp_path / "profile", *flags, f"--screenshot={picture}")

    assert [] == console
    assert picture.read_bytes().startswith(b"\x89PNG")


@in_chromium
async def test_a_style_or_script_that_is_not_ours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And would show on the console: so the tests above prove that our own style was let through."""
    monkeypatch.setattr(
        "syncd.observe.server.page",
        lambda view, **_: page(view).replace(
            "</body>", "<style>p{color:red}</style><script>document.title='taken over'</script></body>"
        ),
    )

    dom, console = await browsed(HELD, tmp_path, "--dump-dom")

    assert "taken over</title>" not in dom
    assert ["script-src", "style-src"] == sorted(
        {word for line in console for word in ("script-src", "style-src") if f"'{word}" in line or f"{word} " in line}
    )


def words(view: StatusView) -> str:
    text = re.sub(r"<style>.*?</style>", "", page(view), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_what_needs_somebody_comes_first() -> None:
    """State, then the guards that hold with the way past them, then the rest."""
    shown = words(HELD)
    places = [
        shown.index(word)
        for word in (
            "Held: a guard",
            "Guards that tripped",
            "syncd approve --plan",
            "Now Mode",
            "Last plan",
            "Last good look",
            "What each measured",
            "Ledger Entry",
        )
    ]

    assert sorted(places) == places


def test_times_say_how_far_away_they_are() -> None:
    """A page from an hour ago must not look fresh."""
    shown = words(
        replace(
            HELD,
            ended_at=AT - timedelta(minutes=4),
            last_success_at=AT - timedelta(hours=27, minutes=5),
            next_cycle_at=AT + timedelta(minutes=11),
            running_since=AT,
        )
    )

    assert [] == [
        part
        for part in (
            "19:01 UTC 4 min ago",
            "2026-11-24 16:00 UTC 1 d ago",
            "19:16 UTC in 11 min",
            "since 19:05 UTC now",
            "2026-11-25 19:05 UTC",
        )
        if part not in shown
    ]


@pytest.mark.parametrize(
    ("do", "shown"),
    [
        ("Review the plan; if it is right: syncd approve --plan 4f3a --guard max-deactivations --by NAME", "Review the plan."),
        ("Was an OU moved?", "Was an OU moved?"),
        ("syncd approve --plan 4f3a", ""),
        ("Look. Then: syncd approve --plan 4f3a", "Look."),
    ],
)
def test_the_command_stands_once_for_all_guards(do: str, shown: str) -> None:
    """A guard's own advice names a command for itself alone, which would not be enough."""
    view = replace(
        HELD,
        verdicts=(
            Verdict(Guard.MAX_DEACTIVATIONS, True, 4, 3, "accounts", "too many", do),
            Verdict(Guard.POLICY_CHANGED, True, 1, 0, "changes", "new policy", ""),
        ),
        approvable=frozenset(Guard),
    )
    said = words(view)

    assert 1 == said.count("syncd approve")
    assert "--guard max-deactivations policy-changed --by" in said
    assert f"too many {shown}".strip() in said


async def test_the_page_knows_the_ledger_before_the_first_cycle() -> None:
    """What the ledger says of earlier runs, its head included; and what was signed since."""
    keeper = StatusKeeper("1", "enforce", HandClock(), frozenset())
    keeper.remember(last_success_at=AT, cycle_id="c41", result="in_step", ended_at=AT, head=Head(77, "ab" * 32))
    assert [] == [part for part in ("Entry 77, " + "ab" * 32, "Last cycle c41", "in step") if part not in words(keeper.view())]
    assert "Signed up to" not in words(keeper.view())

    keeper(
        events.Noted(
            "head.signed",
            "info",
            {"cycle_id": "c42", "head_sequence": 80, "head_hash": "cd", "key": "0123abcd", "signature": "x"},
        )
    )

    assert "Signed up to entry 80 with the key 0123abcd" in words(keeper.view())


def test_the_page_shows_the_calendar_and_nothing_of_it_that_is_over() -> None:
    """The day of the week for this week, the date for another; what a window lets be done, even while nothing waits."""
    soon, later = AT + timedelta(days=2), AT + timedelta(days=20)
    state = CalendarState(Action.DEACTIVATE, True, soon, (Reason.LEFT_GROUPS,))

    said = page(replace(HELD, now=AT, next_opening=soon, calendar=(state,)))
    assert f"{soon:%a %H:%M} UTC" in said
    assert state.words in said
    assert "for left_groups" in said
    assert f"{later:%a %Y-%m-%d %H:%M} UTC" in page(replace(HELD, now=AT, next_opening=later))
    assert [] == [
        word
        for word in ("Next opening", "denied until")
        if word in page(replace(HELD, now=later, next_opening=soon, calendar=(state,)))
    ]


def test_the_page_changes_nothing_and_asks_for_nothing() -> None:
    """No form, no script, no link to elsewhere, no address, whatever a guard says."""
    said = page(replace(HELD, verdicts=(Verdict(Guard.SENTINEL_MISSING, True, 1, 0, "accounts", "canary@corp.example is gone"),)))

    assert [] == re.findall(r"<(?:form|input|button|script|img|iframe|link (?!rel=\"icon\" href=\"data:,\"))", said)
    assert ["data:,", "/?fresh", "/metrics", "/healthz", "/readyz"] == re.findall(r'href="([^"]*)"', said)
    assert "canary@" not in said


async def test_the_page_loads_itself_again_only_when_asked(tmp_path: Path) -> None:
    """Whoever reads it slowly or by ear is not thrown back to its beginning; whoever wants that can stop it again."""
    async with asking(Daemon(view=HELD)) as client:
        plain, fresh, other = [(await client.get(path)).text for path in ("/", FRESH, "/?anything=fresh")]

    assert ["http-equiv" in text for text in (plain, fresh, other)] == [False, True, False]
    assert ('href="/?fresh"' in plain, 'href="/">stop' in fresh) == (True, True)
