"""What the log promises: one line per event, nothing secret in any of them, and never an error."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.color import Color
from structlog.contextvars import clear_contextvars

from syncd import events
from syncd.model import (
    Action,
    Decision,
    DirectoryGroup,
    GroupUse,
    Guard,
    Person,
    Plan,
    Reason,
    Status,
    Verdict,
    ZoomAccount,
)
from syncd.observe import log
from syncd.observe.redact import Redaction, without_secrets
from syncd.reports.screen import COLOURS
from tests import whole

AT = datetime(2026, 11, 25, 19, 5, 0, 123456, tzinfo=UTC)


class StoppedClock:
    """Always the same moment."""

    def now(self) -> datetime:
        return AT

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("a log does not sleep")

    def random(self) -> float:
        return 0.0

    def unique(self) -> str:
        return "abcdefghijkl"


Written = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Logging is a matter of the whole process: each test gives it back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in log._TALKATIVE}
    clear_contextvars()
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    clear_contextvars()


def logging_to(level: str = "debug", format_: str = "json", *, addresses: bool = False) -> io.StringIO:
    stream = io.StringIO()
    log.configure(level, format_, StoppedClock(), addresses=addresses, stream=stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def names(stream: io.StringIO) -> list[str]:
    return [line["event"] for line in lines(stream)]


ACCOUNT = ZoomAccount("z1", "ann@corp.example", Status.ACTIVE)
PLAN = Plan(AT, "p", (Decision(ACCOUNT, Action.DEACTIVATE, Reason.LEFT_GROUPS),))
ENDED = events.CycleEnded("c1", "enforce", "held", False, AT, 1.5, {"keep": 0}, {"done": 0}, 7, "abc")

EVERY_EVENT: list[tuple[events.Event, str]] = [
    (events.CycleStarted("c1", "report", "schedule"), "cycle.started"),
    (events.PhaseEnded("c1", "decide", 0.25), "phase.ended"),
    (
        events.DirectoryRead(
            "c1", whole.directory("file", AT, [Person("p1")], [DirectoryGroup("g", "g", GroupUse.ENTITLING, 1)]), 1, 0.5
        ),
        "directory.read",
    ),
    (events.ZoomRead("c1", whole.zoom("acc", AT, [ACCOUNT]), 0.5), "zoom.read"),
    (events.ReadProgress("zoom", 300, 900), "read.progress"),
    (events.SourceUnreadable("c1", "zoom", "page 3 of 9 never came", "try again"), "source.unreadable"),
    (events.PlanMade("c1", PLAN, (), None), "plan.made"),
    (events.EffectSettled("c1", "z1", "ann@corp.example", "deactivate", "done", "left_groups", 60.0), "effect.settled"),
    (events.CycleScheduled(AT), "cycle.scheduled"),
    (events.LookEnded("c1", "applied", 1, 0.2, {"deactivate.done": 1}, (0.5,), 7, "ab"), "look.finished"),
    (events.SignalSeen("file", "people.csv", 0), "watch.signalled"),
    (events.WatchDegraded("people.csv cannot be watched", "Put it there."), "watch.degraded"),
    (events.PauseSeen(True), "changes.paused"),
    (events.PauseSeen(False), "changes.resumed"),
    (events.LeadershipChanged(True, 3), "leadership.gained"),
    (events.LeadershipChanged(False, 3, "the lease was lost"), "leadership.lost"),
    (events.Answered("zoom", "list_users", "ok", 0.1), "http.answered"),
    (events.Waited("zoom", "pace", 0.1), "http.waited"),
    (events.Waiting("zoom", "retry_after", 2000.0), "http.waiting"),
    (events.LicencesCounted(88, 28), "licences.counted"),
    (events.WitnessesCounted({"confirmed": 1}), "witnesses.counted"),
    (events.HandoversCounted({"due": 1}), "handovers.counted"),
    (events.LedgerSeen(fine=False, why="it is gone"), "ledger.gone"),
    (events.RetryScheduled("zoom", "list_users", "throttled", 2, 4.0), "retry.scheduled"),
    (events.CredentialExpires("entra", AT), "credential.seen"),
    (events.ClockOffset("zoom", -0.4), "clock.compared"),
    (events.Noted("ledger.opened", "info", {"entries": 7}), "ledger.opened"),
    (ENDED, "cycle.finished"),
]


def test_every_event_has_its_line() -> None:
    """No kind of event is forgotten, and each has one constant name."""
    stream = logging_to()
    observe = log.LogObserver()

    for event, _ in EVERY_EVENT:
        observe(event)

    assert [name for _, name in EVERY_EVENT] == names(stream)
    assert set(get_args(events.Event)) == {type(event) for event, _ in EVERY_EVENT}


def test_a_line_starts_with_when_how_bad_and_what() -> None:
    """Readers find time, level, event and cycle at the same place in every line."""
    stream = logging_to()

    log.LogObserver()(events.CycleStarted("c1", "report", "schedule"))

    assert [
        ("at", "2026-11-25T19:05:00.123Z"),
        ("level", "info"),
        ("event", "cycle.started"),
        ("cycle_id", "c1"),
        ("mode", "report"),
        ("trigger", "schedule"),
    ] == list(lines(stream)[0].items())


def test_the_final_line_quotes_the_ledgers_head() -> None:
    """So that a cut-off tail of the ledger shows in the logs; a held cycle is a warning."""
    stream = logging_to()

    log.LogObserver()(ENDED)

    [line] = lines(stream)
    assert ("warning", "held", 7, "abc") == (line["level"], line["result"], line["head_sequence"], line["head_hash"])


def test_each_tripped_guard_is_a_warning_that_says_what_to_do() -> None:
    """Guards that did not trip stay silent."""
    stream = logging_to()
    tripped = Verdict(Guard.MAX_DEACTIVATIONS, True, 412, 50, "accounts", "412 deactivations", "review, then approve")
    quiet = Verdict(Guard.FLAPPING, False, 0, 5, "accounts", "nobody came back")

    log.LogObserver()(events.PlanMade("c1", PLAN, (tripped, quiet), None))

    [_, line] = lines(stream)
    assert ("warning", "guard.tripped", "max-deactivations", 412, 50, "review, then approve") == (
        line["level"],
        line["event"],
        line["guard"],
        line["measured"],
        line["limit"],
        line["do"],
    )


async def test_every_line_of_a_cycle_carries_its_id() -> None:
    """Retries and libraries know no cycle; told within one, in whatever task or thread, they carry its id."""
    stream = logging_to()
    observe = log.LogObserver()
    retry = events.RetryScheduled("zoom", "list_users", "throttled", 1, 1.0)

    async def cycle() -> None:
        observe(events.CycleStarted("c1", "report", "schedule"))
        async with asyncio.TaskGroup() as reads:
            reads.create_task(asyncio.to_thread(observe, retry))
        logging.getLogger("ldap3").warning("slow")
        observe(ENDED)
        observe(retry)

    await asyncio.create_task(cycle())
    observe(retry)

    assert [
        ("cycle.started", "c1"),
        ("retry.scheduled", "c1"),
        ("library.spoke", "c1"),
        ("cycle.finished", "c1"),
        ("retry.scheduled", None),
        ("retry.scheduled", None),
    ] == [(line["event"], line.get("cycle_id")) for line in lines(stream)]


@pytest.mark.parametrize(("addresses", "expected"), [(True, "ann@corp.example"), (False, None)])
def test_an_address_appears_only_when_asked_for(addresses: bool, expected: str | None) -> None:
    """The field is there or not there, never half."""
    stream = logging_to(addresses=addresses)

    log.LogObserver(addresses=addresses)(
        events.EffectSettled("c1", "z1", "ann@corp.example", "deactivate", "done", "left_groups")
    )

    assert expected == lines(stream)[0].get("address")


@pytest.mark.parametrize(
    "text",
    [
        "cannot read zoe@corp.example",
        "GET https://api.example/v2/users/zoe%40corp.example?x=1",
        "<zoe@corp.example>",
        '"zoe smith"@corp.example',
        "smtp:zoe@corp.example,SMTP:o'zoe@corp.example",
        "(mail=zoe@corp.example)",
        "zoë.zoe@corp.example",
    ],
)
def test_an_address_in_prose_is_blanked_too(text: str) -> None:
    """Messages of libraries and services hold addresses nobody foresaw."""
    stream = logging_to()

    log.LogObserver()(events.SourceUnreadable("c1", "directory", text, ""))

    assert not any(part in stream.getvalue() for part in ("zo", "corp.example"))


def test_debug_lines_are_left_out_at_info() -> None:
    """The level is a threshold."""
    stream = logging_to("info")
    observe = log.LogObserver()

    observe(events.Answered("zoom", "list_users", "ok", 0.1))
    observe(events.CycleStarted("c1", "report", "schedule"))

    assert ["cycle.started"] == names(stream)


def test_a_pause_is_said_when_it_begins_and_when_it_ends() -> None:
    """It is looked at between any two writes; a line each time would drown the rest."""
    stream = logging_to()
    observe = log.LogObserver()

    for paused in (False, True, True, False, False):
        observe(events.PauseSeen(paused))

    assert ["changes.paused", "changes.resumed"] == names(stream)


def test_leadership_is_said_when_it_is_gained_and_when_it_is_lost() -> None:
    """It may be told anew with each cycle; a standby that never led has lost nothing."""
    stream = logging_to()
    observe = log.LogObserver()

    for leads in (False, True, True, False):
        observe(events.LeadershipChanged(leads))

    assert ["leadership.gained", "leadership.lost"] == names(stream)


def test_a_note_cannot_hide_the_keys_of_a_line() -> None:
    """Facts named like ours are dropped; a level nobody knows is info."""
    stream = logging_to()

    log.LogObserver()(events.Noted("ledger.opened", "loud", {"event": "x", "level": "y", "at": "z", "entries": 7}))

    assert [{"at": "2026-11-25T19:05:00.123Z", "level": "info", "event": "ledger.opened", "entries": 7}] == lines(stream)


@pytest.mark.parametrize(("level", "format_"), [("loud", "json"), ("info", "xml")])
def test_another_level_or_format_is_refused(level: str, format_: str) -> None:
    """The message lists what there is."""
    with pytest.raises(ValueError, match="is none of"):
        log.configure(level, format_, StoppedClock(), stream=io.StringIO())


def test_setting_up_again_replaces_the_earlier_set_up() -> None:
    """No line twice."""
    first = logging_to()
    second = logging_to()

    log.LogObserver()(ENDED)

    assert ("", ["cycle.finished"]) == (first.getvalue(), names(second))


# ------------------------------------------------------------------------------------------------------ libraries


def test_libraries_speak_through_the_same_lines() -> None:
    """A warning of a library is a line like ours; its prose is a fact, not the event."""
    stream = logging_to()

    logging.getLogger("uvicorn.error").warning("%d requests cancelled", 3)

    [line] = lines(stream)
    assert ("warning", "library.spoke", "uvicorn.error", "3 requests cancelled") == (
        line["level"],
        line["event"],
        line["logger"],
        line["says"],
    )


def test_libraries_that_log_urls_and_headers_are_kept_at_warnings() -> None:
    """httpx logs each URL at info and httpcore each header at debug, whatever our own level is."""
    stream = logging_to("debug")

    logging.getLogger("httpx").info("GET https://api.example/v2/users/42")
    logging.getLogger("httpcore.http11").debug("request headers")

    assert "" == stream.getvalue()


def test_python_warnings_become_lines() -> None:
    """They would otherwise be bare text between JSON lines."""
    stream = logging_to()

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        log.configure("debug", "json", StoppedClock(), stream=stream)
        warnings.warn("password=hunter2 is deprecated", UserWarning, stacklevel=1)

    assert ["library.spoke"] == names(stream)
    assert "hunter2" not in stream.getvalue()


# ---------------------------------------------------------------------------------------------------------- secrets

#: Tokens, keys and passwords as they come: no blanks, long enough not to stand in a line by chance.
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\"'\\"), min_size=12, max_size=40)
TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", min_size=12, max_size=40)

KEYS = [
    "client_secret",
    "password",
    "bind-password",
    "access_token",
    "refreshToken",
    "Authorization",
    "client_assertion",
    "X-Api-Key",
    "private_key",
    "signing_key",
    "Set-Cookie",
    "webhook_url",
    "passphrase",
    "zoom.client_secret",
]
NESTS: list[Callable[[str, str], object]] = [
    lambda key, secret: {key: secret},
    lambda key, secret: {"outer": [{"inner": {key: secret}}]},
    lambda key, secret: [(key, secret)],
    lambda key, secret: [(key.encode(), secret.encode())],
    lambda key, secret: {key: [secret, secret]},
    lambda key, secret: {"a": {"b": {"c": {"d": {"e": {"f": {"g": {key: secret}}}}}}}},
]
PROSE: list[Callable[[str], str]] = [
    lambda secret: f"POST failed: client_secret={secret} was refused",
    lambda secret: f"grant_type=x&client_secret={secret}",
    lambda secret: f"bind(user='svc', password='{secret}')",
    lambda secret: f'{{"access_token": "{secret}", "expires_in": 3600}}',
    lambda secret: json.dumps(json.dumps({"access_token": f"{secret} and more"})),
    lambda secret: f"Authorization: Bearer {secret}",
    lambda secret: f"b'Authorization': b'Basic {secret}'",
    lambda secret: f"token: {secret}1a",
    lambda secret: f"secret: client_secret={secret}",
    lambda secret: f"password_file=/run/x password={secret}",
    lambda secret: f"sent bearer {secret}",
    lambda secret: f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----",
    lambda secret: f"-----BEGIN RSA PRIVATE KEY-----\n{secret}",
]


def fail_with(fact: object) -> None:
    raise ValueError(fact)


def said_in_every_way(secret_fact: object) -> str:
    """All text the log makes of a fact: as a fact, in prose, in exceptions, by libraries, in both formats."""
    written = []
    for format_ in log.FORMATS:
        stream = logging_to(format_=format_, addresses=True)
        log.LogObserver(addresses=True)(events.Noted("something.happened", "info", {"fact": secret_fact}))
        logging.getLogger("library").warning("it said %s", secret_fact)
        try:
            try:
                fail_with(secret_fact)
            except ValueError as error:
                raise RuntimeError(f"while {secret_fact}") from error
        except RuntimeError:
            logging.getLogger("library").exception("broken")
        assert 3 == sum(1 for line in stream.getvalue().splitlines() if "2026-11-25T19:05" in line)
        written.append(stream.getvalue())
    return "".join(written)


@given(secret=SECRETS, key=st.sampled_from(KEYS), nest=st.sampled_from(NESTS))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_nothing_under_a_secrets_name_is_ever_written(secret: str, key: str, nest: Callable[[str, str], object]) -> None:
    """In mappings, lists, headers and pairs, however deep; as a fact and in the text of an exception."""
    assert secret not in said_in_every_way(nest(key, secret))


@given(secret=TOKENS, prose=st.sampled_from(PROSE))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_secret_in_prose_is_ever_written(secret: str, prose: Callable[[str], str]) -> None:
    """In form bodies, JSON, JSON within JSON, headers, calls and keys."""
    assert secret not in said_in_every_way(prose(secret))


@given(header=TOKENS, payload=TOKENS, signature=TOKENS)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_json_web_token_is_ever_written(header: str, payload: str, signature: str) -> None:
    """Nothing names them; they are known by their shape."""
    written = said_in_every_way(f"the answer was ({'eyJ' + header}.{payload}.{signature}), odd")

    assert not any(part in written for part in (header, payload, signature))


@given(user=TOKENS, password=TOKENS)
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_user_or_password_of_a_url_is_ever_written(user: str, password: str) -> None:
    """``postgresql://user:password@host`` keeps its host."""
    written = said_in_every_way(f"cannot reach postgresql://{user}:{password}@db.example/syncd")

    assert not any(part in written for part in (user, password))
    assert "@db.example/syncd" in written


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_blanking_twice_changes_nothing_more(text: str) -> None:
    """What was blanked stays as it is, so a line may pass several times."""
    once = without_secrets(text)

    assert once == without_secrets(once)


@pytest.mark.parametrize(
    "text",
    [
        "client_secret_file: /run/secrets/zoom is empty",
        "the token: expired",
        "set zoom.token_url: http://127.0.0.1:9000",
        "Basic authentication is off",
        "4f3a9c0d1e2b",
        "syncd approve --plan 4f3a9c --guard max-deactivations",
        "https://api.zoom.us/v2/users?page_size=300",
    ],
)
def test_what_an_operator_needs_is_left_alone(text: str) -> None:
    """A log that blanks everything helps nobody."""
    assert text == Redaction(addresses=False).text(text)


def test_a_long_line_without_blanks_is_redacted_all_the_same() -> None:
    """Bounded patterns: a megabyte of one word ends (the suite's time limit would tell)."""
    assert "x" * 1_000_000 == without_secrets("x" * 1_000_000)


# ------------------------------------------------------------------------------------------------- nothing stops it


def test_a_closed_stream_stops_nothing() -> None:
    """Whoever read our standard error may have gone; the cycle goes on."""
    stream = logging_to()
    stream.close()

    log.LogObserver()(ENDED)


def test_a_fact_that_cannot_be_shown_loses_its_line_only(capsys: pytest.CaptureFixture[str]) -> None:
    """And the standard library's complaint, which would show the arguments, is not printed."""

    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("password=hunter2")

    stream = logging_to()
    observe = log.LogObserver()

    observe(events.Noted("something.happened", "info", {"fact": Odd()}))
    observe(ENDED)

    assert ["cycle.finished"] == names(stream)
    assert "" == capsys.readouterr().err


def test_values_json_does_not_know_are_written_as_words() -> None:
    """Times in UTC, numbers that are none as text, sets in order, bytes as text, errors as their message."""
    stream = logging_to()

    log.LogObserver()(
        events.Noted(
            "something.happened",
            "info",
            {
                "at_": AT,
                "nan": float("nan"),
                "set": {"b", "a"},
                "bytes": b"\xffx",
                "word": Guard.PAUSED,
                "error": ValueError("no"),
            },
        )
    )

    line = lines(stream)[0]
    assert ("2026-11-25T19:05:00.123Z", "nan", ["a", "b"], "\\xffx", "paused", "no") == (
        line["at_"],
        line["nan"],
        line["set"],
        line["bytes"],
        line["word"],
        line["error"],
    )


# ------------------------------------------------------------------------------------------------------------- text


def test_text_lines_are_for_people() -> None:
    """Time, level, event, facts; empty facts left out; no colours outside a terminal."""
    stream = logging_to(format_="text")

    observe = log.LogObserver()
    observe(events.LeadershipChanged(True, 3))
    stream.truncate(0)
    stream.seek(0)

    observe(events.LeadershipChanged(False, 3, "the lease was lost"))

    assert '2026-11-25T19:05:00.123Z warning leadership.lost  term=3 why="the lease was lost"\n' == stream.getvalue()


def test_text_lines_cannot_be_forged() -> None:
    """Line breaks, escape sequences and directional marks in a value are shown, not obeyed."""
    stream = logging_to(format_="text")

    log.LogObserver()(events.Noted("something.happened", "info", {"name": "a\n2026 info \x1b[31m\u202e\u0085b"}))

    assert 1 == len(stream.getvalue().splitlines())
    assert stream.getvalue().rstrip("\n").isprintable()


def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not even there when the operator set NO_COLOR, or the terminal has none or only those of a theme. They are those of the
    screens, which can be read on black and on white."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = []
    number = Color.parse(COLOURS["warn"]).number
    monkeypatch.delenv("COLORTERM", raising=False)
    for term, no_color in (("xterm-256color", None), ("xterm-256color", "1"), ("dumb", None), ("xterm", None)):
        monkeypatch.delenv("NO_COLOR", raising=False)
        monkeypatch.setenv("TERM", term)
        if no_color:
            monkeypatch.setenv("NO_COLOR", no_color)
        terminal = Terminal()
        log.configure("info", "text", StoppedClock(), stream=terminal)
        log.LogObserver()(events.PauseSeen(True))
        shown.append(f"\x1b[38;5;{number}mwarning\x1b[0m" in terminal.getvalue())
        assert shown[-1] is ("\x1b" in terminal.getvalue())

    assert [True, False, False, False] == shown
