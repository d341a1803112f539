"""Log lines on standard error: what was told becomes one line each, ``event`` constant, facts as keys.

Promises: a line never holds a token, a secret or a password, and no e-mail address unless the operator asked for it: every
line, a library's and an exception's too, goes through ``redact`` right before it is rendered. A line that cannot be
written is lost, never an error: observers do not stop a cycle.

Refuses to know what a cycle is: it writes down what it is told, and adds the ``cycle_id`` of the cycle in whose context
it was told (so lines of a cycle's requests and of libraries carry it, and those of the HTTP server do not).

More than 400 lines: it is the list of every line syncd writes, a few lines each.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import singledispatch
from typing import TextIO

import structlog
from structlog.contextvars import bind_contextvars, merge_contextvars, unbind_contextvars
from structlog.typing import EventDict, WrappedLogger

from syncd import events
from syncd.model import Action, OutcomeKind, Status
from syncd.observe.redact import Redaction, rfc3339
from syncd.ports import Clock

#: For a process whose verb tells everything itself.
SILENT = "critical"
LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("json", "text")

#: Libraries that speak at ``info`` or put request headers into ``debug`` lines: never below ``warning``.
_TALKATIVE = (
    "asyncio",
    "hpack",
    "httpcore",
    "httpx",
    "ldap3",
    "msal",
    "psycopg",
    "starlette",
    "urllib3",
    "uvicorn",
    "uvicorn.access",
    "uvicorn.error",
)


def configure(level: str, format_: str, clock: Clock, *, addresses: bool = False, stream: TextIO | None = None) -> None:
    """Sets logging up for the process: every line, a library's too, goes redacted to *stream* (standard error).

    *level* is one of LEVELS, *format_* one of FORMATS. May be called again; the later call wins.
    Raises ValueError for another word.
    """
    if level not in (*LEVELS, SILENT):
        raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
    if format_ not in FORMATS:
        raise ValueError(f"log format {format_!r} is none of {', '.join(FORMATS)}")
    target = sys.stderr if stream is None else stream
    render = _as_json if format_ == "json" else _AsText(colours=target.isatty() and _has_colours(os.environ))
    handler = _Lines(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_of_a_library, merge_contextvars],
            processors=[structlog.processors.format_exc_info, _Settled(clock, Redaction(addresses=addresses)), render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]  # alone: any other one would write unredacted lines
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)  # noqa: FBT003 (it has no name for it)


class LogObserver:
    """Tell: turns each event into its line or lines. *addresses*: whether e-mail addresses may appear. Never raises."""

    def __init__(self, *, addresses: bool = False) -> None:
        self._addresses = addresses
        self._paused = False
        self._ledger_fine = True
        self._leads = False
        self._log: structlog.stdlib.BoundLogger = structlog.wrap_logger(
            logging.getLogger("syncd"),
            processors=[
                structlog.stdlib.filter_by_level,
                merge_contextvars,
                structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
            ],
            wrapper_class=structlog.stdlib.BoundLogger,
        )

    def __call__(self, event: events.Event) -> None:
        """One line; what repeats what the line before said is left out."""
        if not self._is_news(event):
            return
        if isinstance(event, events.CycleStarted):
            bind_contextvars(cycle_id=event.cycle_id)
        for level, name, facts in _lines(event):
            shown = {key: value for key, value in facts.items() if self._addresses or key not in {"address", "email"}}
            write: Callable[..., None] = getattr(self._log, level)
            write(name, **shown)
        if isinstance(event, events.CycleEnded):
            unbind_contextvars("cycle_id")

    def _is_news(self, event: events.Event) -> bool:
        """Pause and leadership are told at every look; they are worth a line only when they changed."""
        match event:
            case events.PauseSeen(paused=paused):
                before, self._paused = self._paused, paused
                return before != paused
            case events.LedgerSeen(fine=fine):
                before, self._ledger_fine = self._ledger_fine, fine
                return before != fine
            case events.LeadershipChanged(leader=leader):
                before, self._leads = self._leads, leader
                return before != leader
            case _:
                return True


# ------------------------------------------------------------------------------------------- which event, which line

_Line = tuple[str, str, dict[str, object]]  # level, event, facts

#: A cycle's end is worth being read when it is one of these.
_LEVEL_OF_RESULT = {"held": "warning", "partial": "warning", "interrupted": "warning", "unreadable": "error", "failed": "error"}


@singledispatch
def _lines(event: events.Event) -> Iterator[_Line]:
    yield "debug", "event.untold", {"kind": type(event).__name__}


@_lines.register
def _(event: events.CycleStarted) -> Iterator[_Line]:
    yield "info", "cycle.started", {"cycle_id": event.cycle_id, "mode": event.mode, "trigger": event.trigger}


@_lines.register
def _(event: events.PhaseEnded) -> Iterator[_Line]:
    yield "debug", "phase.ended", {"cycle_id": event.cycle_id, "phase": event.phase, "seconds": _short(event.seconds)}


@_lines.register
def _(event: events.DirectoryRead) -> Iterator[_Line]:
    snapshot = event.snapshot
    yield (
        "info",
        "directory.read",
        {
            "cycle_id": event.cycle_id,
            "source": snapshot.source,
            "people": len(snapshot.people),
            "entitled": event.entitled,
            "groups": len(snapshot.groups),
            "unresolved": len(snapshot.unresolved),
            "unclear": len(event.unclear),
            "digest": snapshot.digest,
            "seconds": _short(event.seconds),
        },
    )
    for person in event.unclear:
        yield "warning", "person.unclear", {"cycle_id": event.cycle_id, "directory_id": person.id, "cause": person.cause}


@_lines.register
def _(event: events.ZoomRead) -> Iterator[_Line]:
    snapshot = event.snapshot
    yield (
        "info",
        "zoom.read",
        {
            "cycle_id": event.cycle_id,
            "accounts": len(snapshot.accounts),
            **{status.value: snapshot.count(status) for status in Status},
            "digest": snapshot.digest,
            "seconds": _short(event.seconds),
        },
    )


@_lines.register
def _(event: events.ReadProgress) -> Iterator[_Line]:
    yield "debug", "read.progress", {"what": event.what, "items": event.items, "total": event.total}


@_lines.register
def _(event: events.SourceUnreadable) -> Iterator[_Line]:
    yield "error", "source.unreadable", {"cycle_id": event.cycle_id, "source": event.source, "why": event.why, "do": event.do}


@_lines.register
def _(event: events.PlanMade) -> Iterator[_Line]:
    plan = event.plan
    yield (
        "info",
        "plan.made",
        {
            "cycle_id": event.cycle_id,
            "plan_digest": plan.digest,
            **{action.value: plan.counts[action] for action in Action},
            "reasons": {reason.value: count for reason, count in plan.reasons.items()},
            "oldest_overdue_at": event.oldest_overdue,
        },
    )
    for verdict in event.verdicts:
        if verdict.tripped:
            yield (
                "warning",
                "guard.tripped",
                {
                    "cycle_id": event.cycle_id,
                    "guard": verdict.guard.value,
                    "measured": verdict.measured,
                    "limit": verdict.limit,
                    "unit": verdict.unit,
                    "says": verdict.says,
                    "do": verdict.do,
                },
            )


@_lines.register
def _(event: events.EffectSettled) -> Iterator[_Line]:
    yield (
        "warning" if event.outcome == OutcomeKind.FAILED else "info",
        "effect.settled",
        {
            "cycle_id": event.cycle_id,
            "zoom_id": event.zoom_id,
            "address": event.address,
            "action": event.action,
            "outcome": event.outcome,
            "reason": event.reason,
            "delay_seconds": event.delay_seconds,
            "licence_released": event.licence_released,
        },
    )


@_lines.register
def _(event: events.CycleEnded) -> Iterator[_Line]:
    yield (
        _LEVEL_OF_RESULT.get(event.result, "info"),
        "cycle.finished",
        {
            "cycle_id": event.cycle_id,
            "mode": event.mode,
            "result": event.result,
            "seconds": _short(event.seconds),
            "counts": dict(event.counts),
            "outcomes": dict(event.outcomes),
            "head_sequence": event.head_sequence,
            "head_hash": event.head_hash,
            **({"why": event.why, "do": event.do} if event.why else {}),
        },
    )


@_lines.register
def _(event: events.LookEnded) -> Iterator[_Line]:
    level = _LEVEL_OF_RESULT.get(event.result, "info") if event.head_sequence or event.why else "debug"
    yield (
        level,
        "look.finished",
        {
            **({"cycle_id": event.cycle_id} if event.cycle_id else {}),
            "result": event.result,
            "people": event.people,
            "seconds": _short(event.seconds),
            "outcomes": dict(event.outcomes),
            **({"head_sequence": event.head_sequence, "head_hash": event.head_hash} if event.head_sequence else {}),
            **({"why": event.why, "do": event.do} if event.why else {}),
        },
    )


@_lines.register
def _(event: events.SignalSeen) -> Iterator[_Line]:
    yield "debug", "watch.signalled", {"source": event.source, "place": event.place, "people": event.people}


@_lines.register
def _(event: events.WatchDegraded) -> Iterator[_Line]:
    yield ("warning", "watch.degraded", {"why": event.why, "do": event.do}) if event.why else ("info", "watch.restored", {})


@_lines.register
def _(event: events.LedgerSeen) -> Iterator[_Line]:
    yield ("info", "ledger.back", {}) if event.fine else ("error", "ledger.gone", {"why": event.why})


@_lines.register
def _(event: events.CycleScheduled) -> Iterator[_Line]:
    yield "debug", "cycle.scheduled", {"due_at": event.at}


@_lines.register
def _(event: events.PauseSeen) -> Iterator[_Line]:
    yield ("warning", "changes.paused", {}) if event.paused else ("info", "changes.resumed", {})


@_lines.register
def _(event: events.LeadershipChanged) -> Iterator[_Line]:
    level, name = ("info", "leadership.gained") if event.leader else ("warning", "leadership.lost")
    yield level, name, {"term": event.term, "why": event.why}


@_lines.register
def _(event: events.Answered) -> Iterator[_Line]:
    yield (
        "debug",
        "http.answered",
        {"service": event.service, "operation": event.operation, "answer": event.answer, "seconds": _short(event.seconds)},
    )


@_lines.register
def _(event: events.Waited) -> Iterator[_Line]:
    yield "debug", "http.waited", {"service": event.service, "cause": event.cause, "seconds": _short(event.seconds)}


@_lines.register
def _(event: events.LicencesCounted) -> Iterator[_Line]:
    yield "debug", "licences.counted", {"total": event.total, "used": event.used}


@_lines.register
def _(event: events.WitnessesCounted) -> Iterator[_Line]:
    yield "debug", "witnesses.counted", dict(event.states)


@_lines.register
def _(event: events.HandoversCounted) -> Iterator[_Line]:
    yield "debug", "handovers.counted", dict(event.stages)


@_lines.register
def _(event: events.Waiting) -> Iterator[_Line]:
    yield "info", "http.waiting", {"service": event.service, "cause": event.cause, "seconds": _short(event.seconds)}


@_lines.register
def _(event: events.RetryScheduled) -> Iterator[_Line]:
    yield (
        "info",
        "retry.scheduled",
        {
            "service": event.service,
            "operation": event.operation,
            "reason": event.reason,
            "attempt": event.attempt,
            "wait_seconds": _short(event.wait_seconds),
        },
    )


@_lines.register
def _(event: events.CredentialExpires) -> Iterator[_Line]:
    yield "debug", "credential.seen", {"credential": event.credential, "expires_at": event.at}


@_lines.register
def _(event: events.ClockOffset) -> Iterator[_Line]:
    yield "debug", "clock.compared", {"service": event.service, "offset_seconds": _short(event.seconds)}


@_lines.register
def _(event: events.Noted) -> Iterator[_Line]:
    level = event.level if event.level in LEVELS else "info"
    yield level, event.event, {key: value for key, value in event.facts.items() if key not in _OURS}


def _short(seconds: float) -> float:
    return round(seconds, 3)


# -------------------------------------------------------------------------------------------------------- the lines

#: Keys every line has; a fact of that name would hide them.
_OURS = frozenset({"at", "level", "event"})


class _Lines(logging.StreamHandler[TextIO]):
    """Writes lines; one that cannot be formatted or written is lost without a word, since the usual complaint would put
    the unredacted arguments on standard error."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        pass


class _Settled:
    """A structlog processor: ``at``, ``level``, ``event`` and ``cycle_id`` first, then the facts, all of them redacted."""

    def __init__(self, clock: Clock, redaction: Redaction) -> None:
        self._clock = clock
        self._redaction = redaction

    def __call__(self, _logger: WrappedLogger, level: str, event_dict: EventDict) -> EventDict:
        first = {"at": rfc3339(self._clock.now()), "level": level, "event": event_dict.pop("event", "")}
        if "cycle_id" in event_dict:
            first["cycle_id"] = event_dict.pop("cycle_id")
        facts = {key: value for key, value in event_dict.items() if key not in {"_record", "_from_structlog"}}
        return self._redaction.facts({**first, **facts})


def _of_a_library(_logger: WrappedLogger, _level: str, event_dict: EventDict) -> EventDict:
    """A standard library record: its message is prose, so it becomes a fact under a constant event."""
    record: logging.LogRecord = event_dict["_record"]
    return {**event_dict, "event": "library.spoke", "logger": record.name, "says": event_dict["event"]}


def _as_json(_logger: WrappedLogger, _level: str, event_dict: EventDict) -> str:
    return json.dumps(event_dict)  # ASCII: safe for every terminal and collector, whatever a name holds


def _has_colours(env: Mapping[str, str]) -> bool:
    """Whether a terminal has colours that are the same everywhere, and whoever sits there wants some."""
    return "NO_COLOR" not in env and ("256color" in env.get("TERM", "") or env.get("COLORTERM") in ("truecolor", "24bit"))


class _AsText:
    """Lines for people. A value with blanks or control characters is quoted, so that nobody can forge a line."""

    # Of the 216 colours that no theme changes those of reports/screen.py, legible on black and on white.
    _COLOURS: Mapping[str, str] = {"warning": "\x1b[38;5;131m", "error": "\x1b[38;5;163m", "critical": "\x1b[38;5;163m"}

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, _logger: WrappedLogger, _level: str, event_dict: EventDict) -> str:
        facts = dict(event_dict)
        at, level, name = facts.pop("at"), str(facts.pop("level")), facts.pop("event")
        below = [str(facts.pop(key)) for key in ("exception", "stack_info") if facts.get(key)]
        colour = self._COLOURS.get(level, "") if self._colours else ""
        plain = "\x1b[0m" if colour else ""
        shown = " ".join(f"{_quoted(key)}={_quoted(value)}" for key, value in facts.items() if value not in (None, ""))
        line = f"{at} {colour}{level:<7}{plain} {_quoted(name)}  {shown}".rstrip()
        return "\n".join([line, *(f"    {_printable(each)}" for text in below for each in text.splitlines())])


def _quoted(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and not re.fullmatch(r"[\w.:/@+%*\[\]-]+", text):
        text = json.dumps(text, ensure_ascii=False)
    return _printable(text)


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)
