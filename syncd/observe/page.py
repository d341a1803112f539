"""The page people see at ``/``: how things stand, read-only, without addresses, without scripts.

Pure: a StatusView in, HTML out. Everything shown is escaped, and addresses in the words of guards and errors are blanked,
since this page has no log-in. It works in light and dark, on a phone and on paper, and looks like the reports. What needs
somebody comes first.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape

from syncd.model import CalendarState, Guard, Verdict
from syncd.observe.redact import without_addresses


@dataclass(frozen=True, slots=True)
class StatusView:
    """What the page shows. None or empty: not known, or not yet. *approvable*: which guards an approval can pass."""

    version: str
    mode: str  # report | enforce
    now: datetime
    leader: bool
    paused: bool = False
    running_since: datetime | None = None  # of the cycle that runs right now
    cycle_id: str = ""  # of the last cycle that ended
    result: str = ""
    ended_at: datetime | None = None
    why: str = ""  # when a source was unreadable: what happened, and what to do
    do: str = ""
    last_success_at: datetime | None = None
    next_cycle_at: datetime | None = None
    next_opening: datetime | None = None  # when the first change that a window denies may be made
    calendar: tuple[CalendarState, ...] = ()  # what windows let be done, as of the last plan
    directory_people: int | None = None
    directory_entitled: int | None = None
    zoom_active: int | None = None
    zoom_inactive: int | None = None
    zoom_pending: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)  # keep, deactivate, reactivate, manual
    verdicts: tuple[Verdict, ...] = ()
    plan_digest: str = ""
    approvable: frozenset[Guard] = frozenset()
    head_sequence: int = 0
    head_hash: str = ""
    signed_sequence: int = 0  # the last head this process signed
    watch_degraded: str = ""  # why changes cannot be noticed although they should be, and what to do
    watch_do: str = ""
    signed_by: str = ""  # the key's id


#: What each result means to somebody who never read the manual: colour, words.
_RESULTS = {
    "in_step": ("good", "Zoom and the directory are in step"),
    "applied": ("good", "All changes were made"),
    "planned": ("good", "Changes are due; report mode or a window makes none now"),
    "held": ("warn", "Held: a guard stopped changes"),
    "partial": ("warn", "Some changes failed"),
    "interrupted": ("warn", "The cycle was interrupted"),
    "unreadable": ("bad", "A source could not be read; nothing was changed"),
    "failed": ("bad", "The cycle failed"),
    "": ("idle", "No cycle has ended yet"),
}

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--paper:#f6f7f9;--card:#fff;--line:#dfe3e8;
--good:#1a7f4b;--warn:#9a6200;--bad:#b3261e;--idle:#5b6675;--plain:#3d6ea8}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa5b4;--paper:#12161c;--card:#1b2129;--line:#303945;
--good:#5cc98f;--warn:#e5b04d;--bad:#ff8a80;--idle:#9aa5b4;--plain:#7fb0ea}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:64rem;margin:0 auto;padding:1.5rem 1rem 3rem}
.top{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;align-items:baseline;justify-content:space-between}
h1{font-size:1rem;margin:0;color:var(--soft);font-weight:600}
h2{font-size:1.05rem;margin:0 0 .6rem}
.state{font-size:1.6rem;font-weight:650;margin:.25rem 0 0;line-height:1.25}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}.idle{color:var(--idle)}
section,header{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1.1rem 1.25rem;margin:0 0 1rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.8rem 1.25rem;margin:0}
.facts div{min-width:0}
dt{color:var(--soft);font-size:.82rem}dd{margin:0;font-variant-numeric:tabular-nums}
dd small{display:block;color:var(--soft);font-size:.82rem}
.facts .big{font-size:1.55rem;font-weight:600;line-height:1.3}
.w{display:inline-block;border:1px solid currentColor;border-radius:1rem;padding:0 .5rem;font-size:.8rem;line-height:1.45;
white-space:nowrap}
.guard{border-top:1px solid var(--line);padding:.7rem 0}.guard:first-of-type{border-top:0;padding-top:0}
.guard p{margin:.2rem 0 0}
code,pre{font:.85rem/1.5 ui-monospace,monospace}
pre{background:var(--paper);border:1px solid var(--line);border-radius:.4rem;padding:.75rem;margin:.5rem 0 0;
white-space:pre-wrap}
table{border-collapse:collapse;width:100%;font-size:.86rem;margin:.6rem 0 0}
th{text-align:left;font-weight:600;color:var(--soft);font-size:.8rem}
td,th{padding:.35rem .7rem .35rem 0;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}
tr:last-child td{border-bottom:0}
.n{text-align:right}
summary{cursor:pointer;color:var(--soft)}summary:focus-visible{outline:2px solid var(--plain);outline-offset:2px}
p{margin:.4rem 0 0}.soft{color:var(--soft)}
footer{color:var(--soft);font-size:.82rem}a{color:inherit}
@media (max-width:46rem){main{padding:.75rem .6rem 2rem}section,header{padding:.9rem}
.facts{grid-template-columns:1fr 1fr}}
@media print{:root{--ink:#000;--soft:#444;--paper:#fff;--card:#fff;--line:#bbb;--good:#14603a;--warn:#7a4d00;--bad:#8c1d18}
section,header{break-inside:avoid}}
"""

#: The clause of a guard's advice that names the command for this guard alone.
_ONE_COMMAND = re.compile(r"[^.;?]*syncd approve .*", re.DOTALL)

#: As many digits of a plan's digest as people can compare.
DIGEST_DIGITS = 12

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'"
)


#: The address that loads itself again, and how often.
FRESH, FRESH_SECONDS = "/?fresh", 60


def page(view: StatusView, *, fresh: bool = False) -> str:
    """The whole document. *fresh*: it loads itself again every minute, which whoever reads slowly or by ear must be able to
    choose (WCAG 2.2.1), so it is not so by itself."""
    words = _RESULTS.get(view.result, ("", view.result))[1]
    again = f'<meta http-equiv="refresh" content="{FRESH_SECONDS}">' if fresh else ""
    choice = 'loads itself again every minute: <a href="/">stop</a>' if fresh else f'<a href="{FRESH}">load it every minute</a>'
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>syncd: {_text(words)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{again}
<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,"><style>{_STYLE}</style></head>
<body><main>
{_state(view)}{_to_do(view)}{_now(view)}{_plan(view)}{_numbers(view)}{_all_guards(view)}{_ledger(view)}
<footer>syncd {_text(view.version)} · {_time(view.now)} · {choice} ·
<a href="/metrics">metrics</a> · <a href="/healthz">health</a> · <a href="/readyz">readiness</a></footer>
</main></body></html>
"""


def _state(view: StatusView) -> str:
    colour, words = _RESULTS.get(view.result, ("idle", view.result))
    trouble = f"<p>{_text(view.why)}</p><p class=soft>{_text(view.do)}</p>" if view.why else ""
    paused = '<p class="warn">All changes are paused; <code>syncd resume</code> lets them go on.</p>' if view.paused else ""
    degraded = (
        f'<p class="warn">Changes of the directory are not noticed at once now, whole cycles go on: '
        f"{_text(view.watch_degraded)} {_text(view.watch_do)}</p>"
        if view.watch_degraded
        else ""
    )
    return (
        f'<header><div class="top"><h1>syncd · status</h1><span class="soft">{_time(view.now)}</span></div>'
        f'<p class="state {colour}">{_text(words)}</p>{trouble}{paused}{degraded}</header>'
    )


def _to_do(view: StatusView) -> str:
    """The guards that tripped, and the way past them."""
    tripped = [verdict for verdict in view.verdicts if verdict.tripped]
    if not tripped:
        return ""
    shown = "".join(
        f'<div class="guard"><strong class="warn">{_text(each.guard.value)}</strong> <span class="soft">{_measured(each)}</span>'
        f"<p>{_text(each.says)}</p>{_advice(each)}</div>"
        for each in tripped
    )
    return f"<section><h2>Guards that tripped</h2>{shown}{_way_past(view, tripped)}</section>"


def _advice(verdict: Verdict) -> str:
    """What to do; the command for all guards stands below, once."""
    words = _ONE_COMMAND.sub("", verdict.do).rstrip(" ;:")
    return f'<p class="soft">{_text(words)}{"" if words.endswith((".", "?", "!")) else "."}</p>' if words else ""


def _way_past(view: StatusView, tripped: Sequence[Verdict]) -> str:
    """The command, when an approval would be enough; otherwise which guards no approval passes."""
    firm = [each.guard.value for each in tripped if each.guard not in view.approvable]
    if firm:
        return f"<p>No approval passes {_text(', '.join(firm))}: remove the cause.</p>"
    if not view.plan_digest:
        return ""
    guards = " ".join(each.guard.value for each in tripped)
    return (
        f"<p>Review the plan <code>{_text(view.plan_digest[:DIGEST_DIGITS])}</code>: its report lies in the folder of "
        "reports, and <code>syncd plan</code> shows how it would be now. If it is right, this lets exactly these changes "
        f"through:</p><pre>syncd approve --plan {_text(view.plan_digest)} --guard {_text(guards)} --by NAME "
        "--because &quot;…&quot;</pre>"
    )


def _now(view: StatusView) -> str:
    enforce = view.mode == "enforce"
    return _cards(
        "Now",
        [
            ("Mode", _pill(view.mode, "good" if enforce else "idle"), "changes are made" if enforce else "nothing is changed"),
            ("This process", _pill("leads" if view.leader else "stands by", "good" if view.leader else "idle"), ""),
            ("Running cycle", *(_moment(view.running_since, view.now, "since ") if view.running_since else ("none", ""))),
            ("Last cycle", *_moment(view.ended_at, view.now)),
            ("Last success", *_moment(view.last_success_at, view.now)),
            ("Next cycle", *_moment(view.next_cycle_at, view.now)),
            *(
                [("Next opening", _weekday(view.next_opening, view.now), "changes wait for it")]
                if view.next_opening and view.next_opening > view.now
                else []
            ),
            *(
                (_text(one.action.value), _text(one.words), _text(f"for {', '.join(one.reasons)}" if one.reasons else "calendar"))
                for one in view.calendar
                if one.until is None or one.until > view.now
            ),
        ],
    )


def _weekday(opening: datetime, now: datetime) -> str:
    """``Mon 08:00 CET``, with its date where another week is meant."""
    return f"{opening:%a %H:%M %Z}" if opening - now < timedelta(days=6) else f"{opening:%a %Y-%m-%d %H:%M %Z}"


def _plan(view: StatusView) -> str:
    if not view.counts:
        return ""
    return _facts(
        "Last plan",
        [
            (f"to {word}" if word != "manual" else "need manual action", f"{view.counts.get(word, 0):,}")
            for word in ("deactivate", "reactivate", "manual", "keep")
        ],
        big=True,
    )


def _numbers(view: StatusView) -> str:
    numbers = [
        ("people in the directory", view.directory_people),
        ("entitled", view.directory_entitled),
        ("active in Zoom", view.zoom_active),
        ("inactive", view.zoom_inactive),
        ("pending", view.zoom_pending),
    ]
    known = [(word, f"{number:,}") for word, number in numbers if number is not None]
    return _facts("Last good look", known, big=True) if known else ""


def _all_guards(view: StatusView) -> str:
    """Every guard with what it measured: how close it came."""
    if not view.verdicts:
        return ""
    number = sum(verdict.tripped for verdict in view.verdicts)
    of = f"{number} of {len(view.verdicts)} tripped." if number else f"None of {len(view.verdicts)} tripped."
    rows = "".join(
        f"<tr><td>{_text(each.guard.value)}</td><td class=n>{_amount(each.measured)}</td><td class=n>{_amount(each.limit)}</td>"
        f"<td>{_text(each.unit)}</td><td>{_pill('tripped', 'warn') if each.tripped else _pill('fine', 'good')}</td></tr>"
        for each in view.verdicts
    )
    return (
        f'<section><h2>Guards</h2><p class="{"warn" if number else "good"}">{of}</p><details><summary>What each measured'
        "</summary><table><thead><tr><th scope=col>guard</th><th scope=col class=n>measured</th>"
        "<th scope=col class=n>limit</th><th scope=col>unit</th><th scope=col>result</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></details></section>"
    )


def _ledger(view: StatusView) -> str:
    if not view.head_sequence:
        return '<section><h2>Ledger</h2><p class="soft">Empty.</p></section>'
    cycle = f"<p class=soft>Last cycle <code>{_text(view.cycle_id)}</code></p>" if view.cycle_id else ""
    signed = (
        f"<p class=soft>Signed up to entry {view.signed_sequence:,} with the key <code>{_text(view.signed_by)}</code></p>"
        if view.signed_sequence
        else ""
    )
    return (
        f"<section><h2>Ledger</h2><p>Entry {view.head_sequence:,}, <code>{_text(view.head_hash)}</code></p>"
        f"{cycle}{signed}</section>"
    )


def _measured(verdict: Verdict) -> str:
    if verdict.measured is None or verdict.limit is None:
        return ""
    return f"{_number(verdict.measured)} {_text(verdict.unit)}, limit {_number(verdict.limit)}"


def _cards(title: str, facts: Sequence[tuple[str, str, str]]) -> str:
    """Facts whose value is markup made here, with a word below it."""
    shown = "".join(
        f"<div><dt>{_text(word)}</dt><dd>{value}{f'<small>{below}</small>' if below else ''}</dd></div>"
        for word, value, below in facts
    )
    return f'<section><h2>{_text(title)}</h2><dl class="facts">{shown}</dl></section>'


def _facts(title: str, facts: Sequence[tuple[str, str]], *, big: bool = False) -> str:
    class_ = " class=big" if big else ""
    shown = "".join(f"<div><dt>{_text(word)}</dt><dd{class_}>{_text(value)}</dd></div>" for word, value in facts)
    return f'<section><h2>{_text(title)}</h2><dl class="facts">{shown}</dl></section>'


def _text(text: str) -> str:
    """Escaped, on one line, without addresses; directional and other unprintable characters shown as their number."""
    shown = " ".join(without_addresses(text).split())
    return escape("".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in shown))


def _pill(word: str, colour: str) -> str:
    return f'<span class="w {colour}">{_text(word)}</span>'


def _number(number: float) -> str:
    return f"{number:,.10g}"


def _amount(number: float | None) -> str:
    return "" if number is None else _number(number)


def _time(at: datetime) -> str:
    return f'<time datetime="{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}">{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC</time>'


def _moment(at: datetime | None, now: datetime, before: str = "") -> tuple[str, str]:
    """``19:05 UTC`` today, with the date on other days; and below it how far away that is."""
    if at is None:
        return "not known", ""
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    shown = f"{at:%H:%M} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M} UTC"
    return f'{before}<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{shown}</time>', _away((at - now).total_seconds())


def _away(seconds: float) -> str:
    """``4 min ago``, ``in 11 min``: as much as a person wants to know."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= size:
            number = f"{int(abs(seconds) // size)} {unit}"
            return f"in {number}" if seconds > 0 else f"{number} ago"
    return "now"
