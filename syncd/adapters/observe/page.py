"""The page people see at ``/``: how things stand, read-only, without addresses, without scripts.

Pure: a StatusView in, HTML out. Everything shown is escaped, and addresses in the words of guards and errors are blanked,
since this page has no log-in. It works in light and dark, on a phone and on paper.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape

from syncd.adapters.observe.redact import without_addresses
from syncd.model import Guard, Verdict


@dataclass(frozen=True, slots=True)
class StatusView:
    """What the page shows. None or empty: not known, or not yet. *approvable*: which guards an approval can pass."""

    version: str
    mode: str                                 # report | enforce
    now: datetime
    leader: bool
    paused: bool = False
    running_since: datetime | None = None     # of the cycle that runs right now
    cycle_id: str = ""                        # of the last cycle that ended
    result: str = ""
    ended_at: datetime | None = None
    why: str = ""                             # when a source was unreadable: what happened, and what to do
    do: str = ""
    last_success_at: datetime | None = None
    next_cycle_at: datetime | None = None
    directory_people: int | None = None
    directory_entitled: int | None = None
    zoom_active: int | None = None
    zoom_inactive: int | None = None
    zoom_pending: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)          # keep, deactivate, reactivate, manual
    verdicts: tuple[Verdict, ...] = ()
    plan_digest: str = ""
    approvable: frozenset[Guard] = frozenset()
    head_sequence: int = 0
    head_hash: str = ""


#: What each result means to somebody who never read the manual: colour, words.
_RESULTS = {
    "in_step": ("good", "Zoom and the directory are in step"),
    "applied": ("good", "All changes were made"),
    "planned": ("good", "Changes are due; report mode makes none"),
    "held": ("warn", "Held: a guard stopped changes"),
    "partial": ("warn", "Some changes failed"),
    "interrupted": ("warn", "The cycle was interrupted"),
    "unreadable": ("bad", "A source could not be read; nothing was changed"),
    "failed": ("bad", "The cycle failed"),
    "": ("idle", "No cycle has ended yet"),
}

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--paper:#f6f7f9;--card:#fff;--line:#dfe3e8;
--good:#1a7f4b;--warn:#9a6200;--bad:#b3261e;--idle:#5b6675}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ee;--soft:#9aa5b4;--paper:#12161c;--card:#1b2129;--line:#303945;
--good:#5cc98f;--warn:#e5b04d;--bad:#ff8a80;--idle:#9aa5b4}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.1rem;margin:0;color:var(--soft);font-weight:600}
h2{font-size:1rem;margin:0 0 .75rem}
.state{font-size:1.6rem;font-weight:650;margin:.25rem 0 0;line-height:1.25}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}.idle{color:var(--idle)}
section,header{background:var(--card);border:1px solid var(--line);border-radius:.6rem;padding:1.1rem 1.25rem;margin:0 0 1rem}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:.9rem 1.25rem;margin:0}
.facts div{min-width:0}
dt{color:var(--soft);font-size:.85rem}dd{margin:0;font-variant-numeric:tabular-nums}
.facts .big{font-size:1.5rem;font-weight:600;line-height:1.3}
.guard{border-top:1px solid var(--line);padding:.7rem 0}.guard p{margin:.15rem 0 0}
code,pre{font:.85rem/1.5 ui-monospace,monospace}
pre{background:var(--paper);border:1px solid var(--line);border-radius:.4rem;padding:.75rem;margin:.75rem 0 0;
white-space:pre-wrap}
p{margin:.5rem 0 0}.soft{color:var(--soft)}
footer{color:var(--soft);font-size:.85rem}a{color:inherit}
@media print{body{background:#fff}section,header{break-inside:avoid}}
"""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode() + "'"
)


def page(view: StatusView) -> str:
    """The whole document."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>syncd: {_text(_RESULTS.get(view.result, ("", view.result))[1])}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="refresh" content="60">
<link rel="icon" href="data:,"><style>{_STYLE}</style></head>
<body><main>
{_state(view)}{_plan(view)}{_guards(view)}{_numbers(view)}{_ledger(view)}
<footer>syncd {_text(view.version)} · {_time(view.now, view.now)} · refreshes every minute ·
<a href="/metrics">metrics</a> · <a href="/healthz">health</a> · <a href="/readyz">readiness</a></footer>
</main></body></html>
"""


def _state(view: StatusView) -> str:
    colour, words = _RESULTS.get(view.result, ("idle", view.result))
    trouble = f"<p>{_text(view.why)}</p><p class=soft>{_text(view.do)}</p>" if view.why else ""
    paused = '<p class="warn">All changes are paused; <code>syncd resume</code> lets them go on.</p>' if view.paused else ""
    return (f'<header><h1>syncd</h1><p class="state {colour}">{_text(words)}</p>{trouble}{paused}</header>'
            + _facts("Now", [
                ("Mode", "enforce: changes are made" if view.mode == "enforce" else "report: nothing is changed"),
                ("This process", "leads" if view.leader else "stands by"),
                ("Running cycle", f"since {_plain_time(view.running_since, view.now)}" if view.running_since else "none"),
                ("Last cycle", _plain_time(view.ended_at, view.now)),
                ("Last success", _plain_time(view.last_success_at, view.now)),
                ("Next cycle", _plain_time(view.next_cycle_at, view.now)),
            ]))


def _plan(view: StatusView) -> str:
    if not view.counts:
        return ""
    return _facts("Last plan", [(f"to {word}" if word != "manual" else "for a person", f"{view.counts.get(word, 0):,}")
                                for word in ("deactivate", "reactivate", "manual", "keep")], big=True)


def _guards(view: StatusView) -> str:
    if not view.verdicts:
        return ""
    tripped = [verdict for verdict in view.verdicts if verdict.tripped]
    if not tripped:
        return f'<section><h2>Guards</h2><p class="good">None of {len(view.verdicts)} tripped.</p></section>'
    shown = "".join(
        f'<div class="guard"><strong class="warn">{_text(each.guard.value)}</strong>{_measured(each)}'
        f'<p>{_text(each.says)}</p><p class="soft">{_text(each.do)}</p></div>' for each in tripped)
    return f"<section><h2>Guards that tripped</h2>{shown}{_way_past(view, tripped)}</section>"


def _measured(verdict: Verdict) -> str:
    if verdict.measured is None or verdict.limit is None:
        return ""
    return f" {_number(verdict.measured)} {_text(verdict.unit)}, limit {_number(verdict.limit)}"


def _way_past(view: StatusView, tripped: Sequence[Verdict]) -> str:
    """The command, when an approval would be enough; otherwise which guards no approval passes."""
    firm = [each.guard.value for each in tripped if each.guard not in view.approvable]
    if firm:
        return f"<p>No approval passes {_text(', '.join(firm))}: remove the cause.</p>"
    if not view.plan_digest:
        return ""
    guards = " ".join(each.guard.value for each in tripped)
    return (f"<p>Review the plan <code>{_text(view.plan_digest)}</code>. If it is right:</p>"
            f"<pre>syncd approve --plan {_text(view.plan_digest)} --guard {_text(guards)} "
            "--by NAME --because &quot;…&quot;</pre>")


def _numbers(view: StatusView) -> str:
    numbers = [("people in the directory", view.directory_people), ("entitled", view.directory_entitled),
               ("active in Zoom", view.zoom_active), ("inactive", view.zoom_inactive), ("pending", view.zoom_pending)]
    known = [(word, f"{number:,}") for word, number in numbers if number is not None]
    return _facts("Last good look", known, big=True) if known else ""


def _ledger(view: StatusView) -> str:
    if not view.head_sequence:
        return '<section><h2>Ledger</h2><p class="soft">Empty.</p></section>'
    cycle = f"<p class=soft>Last cycle <code>{_text(view.cycle_id)}</code></p>" if view.cycle_id else ""
    return (f"<section><h2>Ledger</h2><p>Entry {view.head_sequence:,}, <code>{_text(view.head_hash)}</code></p>"
            f"{cycle}</section>")


def _facts(title: str, facts: Sequence[tuple[str, str]], *, big: bool = False) -> str:
    class_ = " class=big" if big else ""
    shown = "".join(f"<div><dt>{_text(word)}</dt><dd{class_}>{_text(value)}</dd></div>" for word, value in facts)
    return f'<section><h2>{_text(title)}</h2><dl class="facts">{shown}</dl></section>'


def _text(text: str) -> str:
    """Escaped, on one line, without addresses; directional and other unprintable characters shown as their number."""
    shown = " ".join(without_addresses(text).split())
    return escape("".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in shown))


def _number(number: float) -> str:
    return f"{number:,.10g}"


def _time(at: datetime, now: datetime) -> str:
    return f'<time datetime="{at.astimezone(UTC).isoformat()}">{_text(_plain_time(at, now))}</time>'


def _plain_time(at: datetime | None, now: datetime) -> str:
    """``19:05 UTC`` today, with the date on other days."""
    if at is None:
        return "not known"
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    return f"{at:%H:%M} UTC" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M} UTC"
