"""What Prometheus is promised: fixed names, fixed children, honest values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from prometheus_client.parser import text_string_to_metric_families

from syncd import events
from syncd.model import (
    Action,
    Decision,
    Guard,
    Person,
    Plan,
    Reason,
    Result,
    Status,
    Verdict,
    ZoomAccount,
)
from syncd.observe import metrics as observed
from syncd.observe.metrics import Metrics
from tests import whole

AT = datetime(2026, 11, 25, 19, 5, tzinfo=UTC)

#: The interface, word for word: operators' alerts and dashboards stand on it.
NAMES = """
syncd_build_info · syncd_leader · syncd_held · syncd_paused · syncd_cycles_total{result} ·
syncd_cycle_duration_seconds · syncd_phase_duration_seconds{phase} · syncd_last_cycle_timestamp_seconds ·
syncd_last_success_timestamp_seconds · syncd_directory_people · syncd_directory_entitled · syncd_zoom_accounts{status} ·
syncd_directory_unclear_people · syncd_accounts_in_scope · syncd_exempt_leavers · syncd_entitled_inactive_accounts{reason} ·
syncd_planned_effects{action} · syncd_manual_accounts{reason} · syncd_oldest_overdue_timestamp_seconds ·
syncd_effects_total{action,result} · syncd_guard_tripped{guard} · syncd_http_requests_total{service,operation,answer} ·
syncd_http_request_duration_seconds{service,operation} · syncd_http_wait_seconds_total{service,cause} ·
syncd_http_retries_total{service,reason} · syncd_credential_expiry_timestamp_seconds{credential} ·
syncd_clock_offset_seconds{service} · syncd_next_cycle_timestamp_seconds · syncd_offboarding_delay_seconds ·
syncd_licences_released_total · syncd_ledger_head_sequence ·
syncd_mode{mode} · syncd_interval_seconds · syncd_last_good_cycle_timestamp_seconds · syncd_unreadable{source} ·
syncd_cycles_in_a_row{result} · syncd_effects_failing · syncd_licences{state} · syncd_ledger_opened_timestamp_seconds ·
syncd_manual_unacknowledged · syncd_watch_signals_total{source} · syncd_watch_looks_total{result} · syncd_watch_lag_seconds ·
syncd_watch_degraded · syncd_lockout_seconds · syncd_witness_effects{state} · syncd_handover_accounts{stage}
"""

#: Beyond the interface: since when somebody waits for a person, and until when a service's limit holds.
OURS = {"syncd_manual_since_timestamp_seconds": ("reason",), "syncd_http_resume_timestamp_seconds": ("service",)}


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def series(metrics: Metrics) -> set[tuple[str, frozenset[tuple[str, str]]]]:
    return {
        (sample.name, frozenset(sample.labels.items()))
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def ended(result: str, *, success: bool = False) -> events.CycleEnded:
    return events.CycleEnded("c1", "enforce", result, success, AT, 12.0, {}, {}, 7, "abc")


def plan_made(*decisions: Decision, tripped: Guard | None = None, overdue: datetime | None = None) -> events.PlanMade:
    verdicts = tuple(Verdict(guard, guard is tripped, 1, 0, "accounts", "") for guard in (Guard.PAUSED, Guard.MATCH_RATE))
    return events.PlanMade("c1", Plan(AT, "p", decisions), verdicts, overdue)


def decided(zoom_id: str, action: Action, reason: Reason) -> Decision:
    return Decision(ZoomAccount(zoom_id, f"{zoom_id}@corp.example", Status.ACTIVE), action, reason)


def test_the_names_and_labels_are_those_of_the_interface() -> None:
    """All of them, and few others; the version's labels are ours."""
    promised = {
        name: tuple(labels.split(",")) if labels else () for name, labels in re.findall(r"(syncd_\w+)(?:\{([\w,]+)\})?", NAMES)
    }
    documented = {row.name: row.labels for row in Metrics("1").documentation()}

    assert ("version", "python") == documented.pop("syncd_build_info")
    del promised["syncd_build_info"]
    assert {**promised, **OURS} == documented


def test_what_is_documented_is_what_is_rendered() -> None:
    """The table of the README is made from these rows; types and help texts included."""
    metrics = Metrics("1")
    families = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type, family.documentation)
        for family in text_string_to_metric_families(metrics.render().decode())
        if family.name.startswith("syncd_")
    }

    assert {(row.name, row.type, row.help) for row in metrics.documentation()} == families


def test_names_follow_the_rules_of_prometheus() -> None:
    """Counters and only counters end in _total, units come last, every help text is a sentence."""
    for row in Metrics("1").documentation():
        assert (row.type == "counter") == row.name.endswith("_total"), row
        assert re.fullmatch(r"[A-Z1].*\.", row.help), row
        assert not re.search(r"_(?:ms|minutes|hours|milliseconds)(?:_|$)", row.name), row
        if row.type == "histogram":
            assert row.name.endswith("_seconds"), row


def every_kind_of_event() -> Iterator[events.Event]:
    """Each event with each word of its closed lists, and with words of none."""
    for result in [*Result, "unheard_of"]:
        yield ended(result, success=True)
    for phase in (*observed.PHASES, "unheard_of"):
        yield events.PhaseEnded("c1", phase, 1.0)
    yield events.DirectoryRead("c1", whole.directory("entra", AT, [Person("p1")], clock_offset_seconds=0.5), 1, 1.0)
    yield events.ZoomRead("c1", whole.zoom("a", AT, [], clock_offset_seconds=0.5), 1.0)
    yield plan_made(tripped=Guard.PAUSED, overdue=AT)
    for action in ("deactivate", "restore_licence", "unheard_of"):
        yield events.EffectSettled("c1", "z1", "ann@corp.example", action, "done", "", 60.0, True)
    for service in (*observed.SERVICES, "unheard_of"):
        for operation in (*observed.OPERATIONS.get(service, ()), "unheard_of"):
            yield events.Answered(service, operation, "ok", 0.1)
            yield events.Answered(service, operation, "unheard_of", 0.1)
            yield events.RetryScheduled(service, operation, "throttled", 1, 1.0)
        yield events.Waited(service, "pace", 0.1)
        yield events.ClockOffset(service, 0.1)
    for credential in (*observed.CREDENTIALS, "unheard_of"):
        yield events.CredentialExpires(credential, AT)
    yield events.CycleScheduled(AT)
    yield events.PauseSeen(True)
    yield events.LeadershipChanged(True, 2)
    yield events.Noted("something.happened", "info", {"name": "x"})
    yield events.CycleStarted("c1", "report", "schedule")
    yield events.ReadProgress("zoom", 1)
    yield events.SourceUnreadable("c1", "zoom", "", "")
    yield events.SourceUnreadable("c1", "unheard_of", "", "")
    yield events.LicencesCounted(3, 1)
    yield events.LicencesCounted(None, None)
    yield events.LedgerSeen(fine=False, why="x")
    yield events.Waiting("zoom", "retry_after", 2000.0)
    yield ended("partial")


def test_every_series_exists_from_the_start() -> None:
    """Whatever happens, no series appears later: a rate over it is right from the first event on."""
    metrics = Metrics("1")
    at_first = series(metrics)

    for event in every_kind_of_event():
        metrics(event)

    assert at_first == series(metrics)
    assert len(at_first) > 500


def test_everything_is_zero_at_first_and_what_is_unknown_is_not_a_number() -> None:
    """A credential that expires at 0 would be an alarm, a clock that is right at 0 a lie."""
    metrics = Metrics("1")
    unknown = {"syncd_credential_expiry_timestamp_seconds", "syncd_clock_offset_seconds", "syncd_licences"}

    for family in metrics.registry.collect():
        for sample in family.samples if family.name.startswith("syncd_") else ():
            expected = (
                sample.value == 1
                if sample.name == "syncd_build_info"
                else (math.isnan(sample.value) if sample.name in unknown else sample.value == 0)
            )
            assert expected, sample


@given(st.text(min_size=1), st.text(min_size=1))
@settings(max_examples=30, deadline=None)
def test_no_word_from_outside_becomes_a_label(one: str, other: str) -> None:
    """An address or an id told by mistake leaves no trace."""
    metrics = Metrics("1")
    at_first = series(metrics)

    for event in (
        events.Answered(one, other, "ok", 0.1),
        events.Answered("zoom", one, "ok", 0.1),
        events.EffectSettled("c1", one, other, one, other, one),
        events.PhaseEnded("c1", one, 1.0),
        events.CredentialExpires(one, AT),
        events.Waited("zoom", one, 1.0),
        ended(one),
    ):
        metrics(event)

    assert at_first == series(metrics)


def test_a_call_nobody_foresaw_counts_as_other() -> None:
    """It is better counted under a vague word than lost."""
    metrics = Metrics("1")

    metrics(events.Answered("zoom", "brew_coffee", "refused", 0.3))

    assert 1 == value(metrics, "syncd_http_requests_total", service="zoom", operation="other", answer="refused")
    assert 0.3 == value(metrics, "syncd_http_request_duration_seconds_sum", service="zoom", operation="other")


def test_there_are_only_sensible_pairs_of_service_and_operation() -> None:
    """A directory has no list_users."""
    assert value(Metrics("1"), "syncd_http_requests_total", service="ldap", operation="list_users", answer="ok") is None


# ---------------------------------------------------------------------------------------------------------- cycles


def test_success_moves_last_success_and_any_end_moves_last_cycle() -> None:
    """Alerts on a missing success must not be calmed by cycles that failed."""
    metrics = Metrics("1")
    metrics.set_last_success(None)
    assert 0 == value(metrics, "syncd_last_success_timestamp_seconds")

    metrics(ended("unreadable"))
    assert (0, AT.timestamp()) == (
        value(metrics, "syncd_last_success_timestamp_seconds"),
        value(metrics, "syncd_last_cycle_timestamp_seconds"),
    )

    metrics(ended("applied", success=True))
    assert AT.timestamp() == value(metrics, "syncd_last_success_timestamp_seconds")


def test_last_success_of_an_earlier_process_is_taken_over() -> None:
    """A restart does not make the last success younger or forget it."""
    metrics = Metrics("1")

    metrics.set_last_success(AT)

    assert AT.timestamp() == value(metrics, "syncd_last_success_timestamp_seconds")


@pytest.mark.parametrize(
    ("before", "tripped", "result", "expected"),
    [
        ("in_step", Guard.PAUSED, "held", 1),
        ("held", None, "applied", 0),
        ("held", None, "planned", 0),
        ("held", None, "unreadable", 1),  # nothing newer is known
        ("held", None, "failed", 1),
        ("in_step", Guard.PAUSED, "partial", 1),  # a failed write outranks the guard in the result, yet it holds
        ("held", None, "partial", 0),
    ],
)
def test_held_says_whether_a_guard_holds_the_last_plan(before: str, tripped: Guard | None, result: str, expected: int) -> None:
    """By the last cycle that could judge."""
    metrics = Metrics("1")
    metrics(ended(before))

    if result not in {"unreadable", "failed"}:
        metrics(plan_made(tripped=tripped))
    metrics(ended(result))

    assert expected == value(metrics, "syncd_held")


def test_a_plan_shows_its_changes_and_who_must_be_looked_after() -> None:
    """Changes by action, manual accounts by reason, guards, and since when something is overdue."""
    metrics = Metrics("1")

    metrics(
        plan_made(
            decided("z1", Action.DEACTIVATE, Reason.LEFT_GROUPS),
            decided("z2", Action.MANUAL, Reason.PROTECTED),
            decided("z3", Action.MANUAL, Reason.PROTECTED),
            tripped=Guard.PAUSED,
            overdue=AT,
        )
    )

    assert (1, 0) == tuple(value(metrics, "syncd_planned_effects", action=each) for each in ("deactivate", "reactivate"))
    assert (2, 0) == tuple(value(metrics, "syncd_manual_accounts", reason=each) for each in ("protected", "ambiguous_match"))
    assert (1, 0) == tuple(value(metrics, "syncd_guard_tripped", guard=each) for each in ("paused", "match-rate"))
    assert AT.timestamp() == value(metrics, "syncd_oldest_overdue_timestamp_seconds")


def test_a_later_plan_replaces_the_earlier_one() -> None:
    """Nothing overdue is 0, no age that grows for ever."""
    metrics = Metrics("1")
    metrics(plan_made(decided("z2", Action.MANUAL, Reason.PROTECTED), tripped=Guard.PAUSED, overdue=AT))

    metrics(plan_made())

    assert (0, 0, 0) == (
        value(metrics, "syncd_manual_accounts", reason="protected"),
        value(metrics, "syncd_guard_tripped", guard="paused"),
        value(metrics, "syncd_oldest_overdue_timestamp_seconds"),
    )


def test_an_unreadable_source_leaves_the_last_numbers_standing() -> None:
    """An empty graph would look like an empty company."""
    metrics = Metrics("1")
    metrics(events.DirectoryRead("c1", whole.directory("file", AT, [Person("p1"), Person("p2")]), 1, 0.5))
    metrics(events.ZoomRead("c1", whole.zoom("a", AT, [ZoomAccount("z1", "a@b", Status.INACTIVE)]), 0.5))

    metrics(events.SourceUnreadable("c2", "directory", "gone", ""))
    metrics(ended("unreadable"))

    assert (2, 1, 1, 0) == (
        value(metrics, "syncd_directory_people"),
        value(metrics, "syncd_directory_entitled"),
        value(metrics, "syncd_zoom_accounts", status="inactive"),
        value(metrics, "syncd_zoom_accounts", status="active"),
    )


def test_effects_are_counted_and_the_delay_of_a_leaver_measured() -> None:
    """By action and outcome; delays in buckets from a minute to a week."""
    metrics = Metrics("1")

    metrics(events.EffectSettled("c1", "z1", "a@b", "deactivate", "done", "left_groups", 5 * 3600.0, True))
    metrics(events.EffectSettled("c1", "z2", "c@d", "deactivate", "failed", "network_error"))

    assert (1, 1, 0) == tuple(
        value(metrics, "syncd_effects_total", action="deactivate", result=each) for each in ("done", "failed", "skipped")
    )
    assert (0, 1, 1) == tuple(
        value(metrics, f"syncd_offboarding_delay_seconds_{each}", **le)
        for each, le in (("bucket", {"le": "14400.0"}), ("bucket", {"le": "28800.0"}), ("count", {}))
    )
    assert 1 == value(metrics, "syncd_licences_released_total")


@pytest.mark.parametrize(
    ("event", "name", "labels", "expected"),
    [
        (events.LeadershipChanged(True, 3), "syncd_leader", {}, 1),
        (events.LeadershipChanged(False, 3), "syncd_leader", {}, 0),
        (events.PauseSeen(True), "syncd_paused", {}, 1),
        (events.CycleScheduled(AT), "syncd_next_cycle_timestamp_seconds", {}, AT.timestamp()),
        (events.ClockOffset("zoom", -2.5), "syncd_clock_offset_seconds", {"service": "zoom"}, -2.5),
        (
            events.CredentialExpires("entra", AT),
            "syncd_credential_expiry_timestamp_seconds",
            {"credential": "entra"},
            AT.timestamp(),
        ),
        (
            events.Waited("graph", "retry_after", 4.0),
            "syncd_http_wait_seconds_total",
            {"service": "graph", "cause": "retry_after"},
            4.0,
        ),
        (
            events.RetryScheduled("graph", "user", "throttled", 1, 4.0),
            "syncd_http_retries_total",
            {"service": "graph", "reason": "throttled"},
            1,
        ),
        (events.PhaseEnded("c1", "decide", 2.5), "syncd_phase_duration_seconds_sum", {"phase": "decide"}, 2.5),
        (ended("held"), "syncd_cycles_total", {"result": "held"}, 1),
        (ended("held"), "syncd_cycle_duration_seconds_sum", {}, 12.0),
        (ended("held"), "syncd_ledger_head_sequence", {}, 7),
    ],
)
def test_what_is_told_is_what_is_shown(event: events.Event, name: str, labels: dict[str, Any], expected: float) -> None:
    """One event, one number."""
    metrics = Metrics("1")

    metrics(event)

    assert expected == value(metrics, name, **labels)


def test_an_expiry_that_became_unknown_is_not_a_number_again() -> None:
    """After a change of credentials the old date would be wrong."""
    metrics = Metrics("1")
    metrics(events.CredentialExpires("entra", AT))

    metrics(events.CredentialExpires("entra", None))

    assert math.isnan(value(metrics, "syncd_credential_expiry_timestamp_seconds", credential="entra") or 0)


def test_who_waits_for_a_person_is_shown_with_since_when() -> None:
    """Of several the longest; 0 once a person has acted."""
    metrics = Metrics("1")
    waits = [
        structs.replace(decided(zoom_id, Action.MANUAL, Reason.PROTECTED), since=AT - timedelta(days=days))
        for zoom_id, days in (("boss", 3), ("admin", 9))
    ]
    metrics(plan_made(*waits, decided("ann", Action.KEEP, Reason.IN_STEP)))
    assert (AT - timedelta(days=9)).timestamp() == value(metrics, "syncd_manual_since_timestamp_seconds", reason="protected")
    assert 2 == value(metrics, "syncd_manual_accounts", reason="protected")

    metrics(plan_made(decided("ann", Action.KEEP, Reason.IN_STEP)))
    assert 0 == value(metrics, "syncd_manual_since_timestamp_seconds", reason="protected")


def test_a_limit_that_ended_the_work_shows_until_when() -> None:
    """A day used up, or a wait longer than allowed."""
    metrics = Metrics("1")
    assert 0 == value(metrics, "syncd_http_resume_timestamp_seconds", service="zoom")

    metrics(events.Noted("http.paused", "warning", {"service": "zoom", "resume_timestamp": 1_800_000_000}))
    metrics(events.Noted("http.paused", "warning", {"service": "unheard_of", "resume_timestamp": 1}))
    assert 1_800_000_000 == value(metrics, "syncd_http_resume_timestamp_seconds", service="zoom")


# ------------------------------------------------------------------------------------------- whose trouble, and for how long


def a_cycle(metrics: Metrics, result: str, *told: events.Event) -> None:
    metrics(events.CycleStarted("c1", "enforce", "schedule"))
    for event in told:
        metrics(event)
    metrics(ended(result))


def unreadable(metrics: Metrics) -> set[str]:
    return {source for source in observed.SOURCES if value(metrics, "syncd_unreadable", source=source)}


@pytest.mark.parametrize("source", observed.SOURCES)
def test_the_source_that_could_not_be_read_is_named_until_a_cycle_reads_it(source: str) -> None:
    """That one alone, so that an alert accuses the right side; a cycle that came to neither leaves it as it was."""
    metrics = Metrics("1")
    assert set() == unreadable(metrics)
    a_cycle(metrics, "unreadable", events.SourceUnreadable("c1", source, "gone", ""))
    assert {source} == unreadable(metrics)
    a_cycle(metrics, "failed")
    assert {source} == unreadable(metrics)
    other = next(one for one in observed.SOURCES if one != source)
    a_cycle(metrics, "unreadable", events.SourceUnreadable("c1", other, "gone", ""))
    assert {other} == unreadable(metrics)
    a_cycle(metrics, "held", plan_made(tripped=Guard.PAUSED))
    assert set() == unreadable(metrics)


def test_a_second_look_that_failed_is_that_sides_trouble_too() -> None:
    """The plan was made, so the read was good; the source is named all the same."""
    metrics = Metrics("1")
    a_cycle(metrics, "partial", plan_made(), events.SourceUnreadable("c1", "directory", "gone", ""))

    assert {"directory"} == unreadable(metrics)
    assert AT.timestamp() == value(metrics, "syncd_last_good_cycle_timestamp_seconds")


def test_how_many_of_the_last_cycles_ended_so() -> None:
    """Earlier processes included, as the ledger tells; 0 for every other result."""

    def rows() -> dict[str, float]:
        return {
            result.value: cycles
            for result in Result
            if (cycles := value(metrics, "syncd_cycles_in_a_row", result=result.value) or 0)
        }

    metrics = Metrics("1")
    assert {} == rows()
    metrics.remember(result="unreadable", same_results=3, last_good_cycle_at=AT, opened_at=AT)
    assert {"unreadable": 3} == rows()
    a_cycle(metrics, "unreadable")
    assert {"unreadable": 4} == rows()
    a_cycle(metrics, "applied")
    a_cycle(metrics, "applied")
    assert {"applied": 2} == rows()


def test_a_good_cycle_is_one_that_made_a_plan() -> None:
    """Whatever was held or failed after it; of an earlier process too."""

    def last_good() -> float | None:
        return value(metrics, "syncd_last_good_cycle_timestamp_seconds")

    metrics = Metrics("1")
    a_cycle(metrics, "unreadable", events.SourceUnreadable("c1", "zoom", "gone", ""))
    assert 0 == last_good()
    a_cycle(metrics, "held", plan_made(tripped=Guard.PAUSED))
    assert AT.timestamp() == last_good()
    metrics = Metrics("1")
    metrics.remember(result="held", same_results=1, last_good_cycle_at=AT, opened_at=AT - timedelta(days=9))
    assert AT.timestamp() == last_good()
    assert (AT - timedelta(days=9)).timestamp() == value(metrics, "syncd_ledger_opened_timestamp_seconds")


def test_accounts_whose_change_fails_again_and_again_are_counted() -> None:
    """From the second failure in a row on, once each; a cycle that does not try says nothing, one that does it ends it."""
    metrics = Metrics("1")
    plan = plan_made(*(decided(zoom_id, Action.DEACTIVATE, Reason.LEFT_GROUPS) for zoom_id in ("z1", "z2", "z3")))

    def after(result: str, **outcomes: str) -> float | None:
        told = [events.EffectSettled("c1", zoom_id, "", "deactivate", outcome, "") for zoom_id, outcome in outcomes.items()]
        a_cycle(metrics, result, plan, *told)
        return value(metrics, "syncd_effects_failing")

    assert 0 == after("partial", z1="failed", z2="failed", z3="done")
    assert 1 == after("partial", z1="failed", z2="done", z3="failed")
    assert 1 == after("held", z1="not_tried", z3="not_tried")
    a_cycle(metrics, "unreadable", events.SourceUnreadable("c1", "zoom", "gone", ""))
    assert 1 == value(metrics, "syncd_effects_failing")
    assert 2 == after("partial", z1="failed", z3="failed")
    a_cycle(metrics, "in_step", plan_made(decided("z3", Action.DEACTIVATE, Reason.LEFT_GROUPS)))  # z1 is somebody's by hand
    assert 1 == value(metrics, "syncd_effects_failing")
    assert 0 == after("applied", z3="skipped")


@pytest.mark.parametrize(
    ("counted", "shown"),
    [
        ((88, 28), (88, 28, 60)),
        ((10, 12), (10, 12, 0)),
        ((None, None), (math.nan,) * 3),
    ],
)
def test_licences_are_shown_or_not_a_number(counted: Any, shown: Any) -> None:
    """Also when what was known is known no more."""
    metrics = Metrics("1")
    assert math.isnan(value(metrics, "syncd_licences", state="free") or 0)
    metrics(events.LicencesCounted(1, 1))
    metrics(events.LicencesCounted(*counted))

    assert [pytest.approx(number, nan_ok=True) for number in shown] == [
        value(metrics, "syncd_licences", state=state) for state in ("total", "used", "free")
    ]


def test_mode_and_interval_of_this_process_are_shown() -> None:
    """An alert knows how long is too long without being told the schedule."""
    metrics = Metrics("1")
    metrics.set_mode("enforce")
    metrics.set_interval(timedelta(days=2, hours=9))

    assert (0, 1, 205_200) == (
        value(metrics, "syncd_mode", mode="report"),
        value(metrics, "syncd_mode", mode="enforce"),
        value(metrics, "syncd_interval_seconds"),
    )


def test_an_acknowledged_row_counts_as_manual_but_rings_for_nobody() -> None:
    """Two wait for a person, one of them is known."""
    metrics = Metrics("1")
    waits = [decided("z1", Action.MANUAL, Reason.PROTECTED), decided("z2", Action.MANUAL, Reason.PROTECTED)]
    metrics(replace(plan_made(*waits), acknowledged=frozenset({"z1"})))

    assert (1, 2) == (value(metrics, "syncd_manual_unacknowledged"), value(metrics, "syncd_manual_accounts", reason="protected"))
