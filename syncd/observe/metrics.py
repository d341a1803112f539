"""Everything Prometheus may know: one registry of our own, filled by being told, rendered on demand.

Promises: every name and every child exists from the start, at zero (an unknown time of expiry and an unknown clock are
NaN); labels come from closed lists only, never from data, so neither an address nor an id can become one and the number
of series is fixed. Timestamps, not ages; base units; ``_total`` for counters only.

Refuses to know what is alarming: that is for the alert rules. A gauge about a plan or a read keeps its last value while
a source is unreadable, since nothing newer is known.

More than 400 lines: it is the closed list of every metric, one line or two each, and what fills it.
"""

from __future__ import annotations

import math
import platform
from collections import Counter as Totals
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import singledispatchmethod
from itertools import product
from typing import NamedTuple, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from syncd import events
from syncd.directories.kinds import KINDS
from syncd.model import Action, Guard, OutcomeKind, Reason, Result, Status

#: Sensible calls per service; a call named otherwise counts as ``other``.
OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "zoom": (
        "token",
        "list_users",
        "get_user",
        "set_status",
        "update_user",
        "revoke_sessions",
        "list_roles",
        "role_members",
        "list_groups",
        "group_members",
        "plan_usage",
        "list_meetings",
        "list_recordings",
        "list_webinars",
        "delete_user",
        "operation_logs",
        "events",
        "other",
    ),
    **{kind.service: kind.operations for kind in sorted(KINDS.values(), key=lambda kind: kind.service) if kind.service},
    "kubernetes": ("lease", "other"),
}
SERVICES = tuple(OPERATIONS)
PHASES = ("directory", "zoom", "decide", "judge", "apply", "report")
ANSWERS = ("ok", "refused", "unauthorized", "throttled", "server_error", "network_error")
CAUSES = ("pace", "backoff", "retry_after")
RETRY_REASONS = ("throttled", "server_error", "network_error", "unauthorized")
CREDENTIALS = (
    "zoom",
    *sorted((kind.credential for kind in KINDS.values() if kind.credential), reverse=True),
    "ldaps",
    "postgresql",
    "ca",
)
SOURCES = ("directory", "zoom", "configuration")
MODES = ("report", "enforce")
LICENCE_STATES = ("total", "used", "free")
EFFECT_ACTIONS = ("deactivate", "reactivate", "restore_licence", "revoke_sessions")
ENTITLED_INACTIVE_REASONS = (
    Reason.RETURNING,
    Reason.ENTITLED_AGAIN,
    Reason.REACTIVATION_OFF,
    Reason.DEACTIVATED_BY_HAND,
    Reason.DEACTIVATED_BY_OTHERS,
    Reason.AMBIGUOUS_MATCH,
    Reason.PROTECTED,
    Reason.REFUSED_BY_ZOOM,
    Reason.NOT_IN_PILOT,
)
MANUAL_REASONS = (Reason.PROTECTED, Reason.REACTIVATED_BY_OTHERS, Reason.AMBIGUOUS_MATCH, Reason.REFUSED_BY_ZOOM)

_CYCLE_BUCKETS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
_REQUEST_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_MINUTE, _HOUR = 60, 3600
# From "at once" to a week: a grace is hours, the promise of the reports a day.
_DELAY_BUCKETS = (
    _MINUTE,
    5 * _MINUTE,
    15 * _MINUTE,
    30 * _MINUTE,
    _HOUR,
    2 * _HOUR,
    4 * _HOUR,
    8 * _HOUR,
    12 * _HOUR,
    24 * _HOUR,
    48 * _HOUR,
    72 * _HOUR,
    168 * _HOUR,
)

_M = TypeVar("_M", Counter, Gauge, Histogram)
#: Where the watch notices changes.
WATCH_SOURCES = ("active_directory", "entra", "file", "zoom_events")
WITNESS_STATES = ("confirmed", "waiting", "missing", "foreign")
HANDOVER_STAGES = ("waiting", "due", "approved", "handing_over", "handed_over", "unconfirmed", "kept")
_LOCKOUT_BUCKETS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)

_Words = tuple[str, ...]


class Row(NamedTuple):
    """One metric as documentation shows it."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


class Metrics:
    """Tell: counts and measures what it is told. *version* is the program's. Never raises."""

    def __init__(self, version: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]   # a series per counter that nobody asked for
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # process_start_time_seconds and its kin: alerts count from it
        self._rows: list[Row] = []
        self._held_by_plan = False
        self._planned_now = False  # this cycle made a plan, so both sides were read whole
        self._unreadable_now: set[str] = set()  # sources that this cycle could not read
        self._failed_now: set[str] = set()  # accounts whose change failed in this cycle
        self._failing: dict[str, int] = {}  # Zoom id -> cycles in a row in which its change failed
        self._last_result, self._same_results = "", 0
        self._about_the_process(version)
        self._about_cycles()
        self._about_the_world()
        self._about_trouble()
        self._about_watch_and_witnesses()
        self._about_requests()

    def render(self) -> bytes:
        """What a scrape gets: the text format, version 0.0.4."""
        return generate_latest(self.registry)

    def documentation(self) -> tuple[Row, ...]:
        """All metrics in the order in which they are introduced."""
        return tuple(self._rows)

    def set_mode(self, mode: str) -> None:
        """Whether this process may change things at all."""
        for word in MODES:
            self._mode[word,].set(word == mode)

    def set_interval(self, longest: timedelta) -> None:
        """The longest time between two planned cycles."""
        self._interval.set(longest.total_seconds())

    def remember(
        self, *, result: str, same_results: int, last_good_cycle_at: datetime | None, opened_at: datetime | None
    ) -> None:
        """What the ledger knows of the cycles before this process: how the last ones ended, and when one made a plan."""
        if (result,) in self._in_a_row:
            self._in_a_row[result,].set(same_results)
            self._last_result, self._same_results = result, same_results
        self._last_good.set(last_good_cycle_at.timestamp() if last_good_cycle_at else 0)
        self._opened.set(opened_at.timestamp() if opened_at else 0)

    def set_last_success(self, at: datetime | None) -> None:
        """What the ledger knows at start; None: there never was a successful cycle (0, which alerts treat as never)."""
        self._last_success.set(at.timestamp() if at else 0)

    def set_ledger_head(self, sequence: int) -> None:
        """Number of the ledger's last entry, as known at start."""
        self._ledger_head.set(sequence)

    def __call__(self, event: events.Event) -> None:
        """Counts it. Never raises, never waits."""
        self._observe(event)

    # ------------------------------------------------------------------------------------------------- the metrics

    def _about_the_process(self, version: str) -> None:
        python = platform.python_version()
        self._labelled(Gauge, "build_info", "Always 1; the version that runs.", ("version", "python"), [(version, python)])[
            version, python
        ].set(1)
        self._leader = self._plain(Gauge, "leader", "1 while this process may change things.")
        self._mode = self._labelled(Gauge, "mode", "1 for the mode this process runs in.", ("mode",), _each(MODES))
        self._opened = self._plain(
            Gauge, "ledger_opened_timestamp_seconds", "When the ledger was begun; 0: not known. A lost ledger begins anew."
        )
        self._paused = self._plain(Gauge, "paused", "1 while all changes are paused by an operator.")
        self._ledger_head = self._plain(Gauge, "ledger_head_sequence", "Number of the ledger's last entry.")
        self._expiry = self._labelled(
            Gauge,
            "credential_expiry_timestamp_seconds",
            "When a credential stops working; NaN while that is not known.",
            ("credential",),
            _each(CREDENTIALS),
        )
        self._offset = self._labelled(
            Gauge,
            "clock_offset_seconds",
            "A service's clock minus ours; NaN while it is not known.",
            ("service",),
            _each(SERVICES),
        )
        for unknown in (*self._expiry.values(), *self._offset.values()):
            unknown.set(math.nan)

    def _about_cycles(self) -> None:
        self._held = self._plain(Gauge, "held", "1 while the last plan that was made is held by a guard.")
        self._cycles = self._labelled(Counter, "cycles_total", "Cycles ended, by result.", ("result",), _each(Result))
        self._cycle_duration = self._plain(Histogram, "cycle_duration_seconds", "How long cycles took.", buckets=_CYCLE_BUCKETS)
        self._phase_duration = self._labelled(
            Histogram,
            "phase_duration_seconds",
            "How long the phases of cycles took.",
            ("phase",),
            _each(PHASES),
            buckets=_CYCLE_BUCKETS,
        )
        self._last_cycle = self._plain(
            Gauge, "last_cycle_timestamp_seconds", "When the last cycle of this process ended; 0: none yet."
        )
        self._last_success = self._plain(
            Gauge,
            "last_success_timestamp_seconds",
            "When the last cycle ended that did all there was to do, earlier processes included; 0: never.",
        )
        self._last_good = self._plain(
            Gauge,
            "last_good_cycle_timestamp_seconds",
            "When the last cycle ended that read both sides whole and made a plan, whatever was held or failed; 0: never.",
        )
        self._in_a_row = self._labelled(
            Gauge,
            "cycles_in_a_row",
            "How many of the last cycles ended so, earlier processes included; 0 for the other results.",
            ("result",),
            _each(Result),
        )
        self._interval = self._plain(
            Gauge, "interval_seconds", "The longest time between two planned cycles of the next 14 days."
        )
        self._next_cycle = self._plain(Gauge, "next_cycle_timestamp_seconds", "When the next cycle is due; 0: not known.")
        self._guard_tripped = self._labelled(
            Gauge, "guard_tripped", "1 while a guard held the last plan that was made.", ("guard",), _each(Guard)
        )

    def _about_the_world(self) -> None:
        self._people = self._plain(Gauge, "directory_people", "People in the last whole read of the directory.")
        self._entitled = self._plain(Gauge, "directory_entitled", "Those of them entitled to an account.")
        self._unclear = self._plain(
            Gauge,
            "directory_unclear_people",
            "People in an entitling or protecting group who could not be read; their accounts are left alone.",
        )
        self._in_scope = self._plain(Gauge, "accounts_in_scope", "Accounts whose domain is in scope.domains.")
        self._exempt_leavers = self._plain(
            Gauge, "exempt_leavers", "Active accounts of known leavers that an exemption keeps open."
        )
        self._entitled_inactive = self._labelled(
            Gauge,
            "entitled_inactive_accounts",
            "Inactive accounts whose person is entitled, by why they stay so.",
            ("reason",),
            _each(ENTITLED_INACTIVE_REASONS),
        )
        self._accounts = self._labelled(
            Gauge, "zoom_accounts", "Accounts in the last whole read of Zoom, by status.", ("status",), _each(Status)
        )
        self._planned = self._labelled(
            Gauge,
            "planned_effects",
            "Changes the last plan asks for; what follows a change (licence, sessions) is not planned by itself: 0.",
            ("action",),
            _each(EFFECT_ACTIONS),
        )
        self._manual = self._labelled(
            Gauge, "manual_accounts", "Accounts a person has to look after, by reason.", ("reason",), _each(MANUAL_REASONS)
        )
        self._unacknowledged = self._plain(
            Gauge, "manual_unacknowledged", "Accounts that need manual action and that nobody acknowledged."
        )
        self._manual_since = self._labelled(
            Gauge,
            "manual_since_timestamp_seconds",
            "Since when the one who needs manual action longest has been gone, by reason; 0: nobody does.",
            ("reason",),
            _each(MANUAL_REASONS),
        )
        self._oldest_overdue = self._plain(
            Gauge, "oldest_overdue_timestamp_seconds", "Since when the longest overdue change is due; 0: nothing is overdue."
        )
        self._effects = self._labelled(
            Counter,
            "effects_total",
            "Changes that were to be made, by how they ended.",
            ("action", "result"),
            product(EFFECT_ACTIONS, OutcomeKind),
        )
        self._delay = self._plain(
            Histogram,
            "offboarding_delay_seconds",
            "From leaving, counted as reports do (worst case: the read before), to verified deactivated.",
            buckets=_DELAY_BUCKETS,
        )
        self._released = self._plain(Counter, "licences_released_total", "Licences that deactivations set free.")

    def _about_trouble(self) -> None:
        self._unreadable = self._labelled(
            Gauge, "unreadable", "1 while the last cycle could not read this source whole.", ("source",), _each(SOURCES)
        )
        self._effects_failing = self._plain(
            Gauge, "effects_failing", "Accounts whose change failed in the last two cycles that tried it, or more."
        )
        self._licences = self._labelled(
            Gauge,
            "licences",
            "Licences the Zoom account bought, those in use and those left; NaN while that is not known.",
            ("state",),
            _each(LICENCE_STATES),
        )
        for unknown in self._licences.values():
            unknown.set(math.nan)

    def _about_watch_and_witnesses(self) -> None:
        self._signals = self._labelled(
            Counter,
            "watch_signals_total",
            "Changes noticed by watching, by source; a signal is never data.",
            ("source",),
            _each(WATCH_SOURCES),
        )
        self._looks = self._labelled(
            Counter, "watch_looks_total", "Looks at the people a signal was about, by how they ended.", ("result",), _each(Result)
        )
        self._watch_lag = self._plain(
            Histogram, "watch_lag_seconds", "From a change seen by the watch to the change made.", buckets=_LOCKOUT_BUCKETS
        )
        self._degraded = self._plain(
            Gauge, "watch_degraded", "1 while changes of the directory cannot be noticed although they should be."
        )
        self._lockout = self._plain(
            Histogram,
            "lockout_seconds",
            "From the change in the directory, where it tells, to verified deactivated.",
            buckets=_LOCKOUT_BUCKETS,
        )
        self._witnessed = self._labelled(
            Gauge, "witness_effects", "Changes of the last 30 days by what others saw of them.", ("state",), _each(WITNESS_STATES)
        )
        self._handover = self._labelled(
            Gauge,
            "handover_accounts",
            "Deactivated accounts by the stage of the handover of their content.",
            ("stage",),
            _each(HANDOVER_STAGES),
        )

    def _about_requests(self) -> None:
        calls = [(service, operation) for service, operations in OPERATIONS.items() for operation in operations]
        self._requests = self._labelled(
            Counter,
            "http_requests_total",
            "Requests to services, by how they were answered.",
            ("service", "operation", "answer"),
            [(*call, answer) for call in calls for answer in ANSWERS],
        )
        self._request_duration = self._labelled(
            Histogram,
            "http_request_duration_seconds",
            "How long answers took, waits before sending excepted.",
            ("service", "operation"),
            calls,
            buckets=_REQUEST_BUCKETS,
        )
        self._waited = self._labelled(
            Counter,
            "http_wait_seconds_total",
            "Time requests waited before they were sent, by cause.",
            ("service", "cause"),
            product(SERVICES, CAUSES),
        )
        self._resume = self._labelled(
            Gauge,
            "http_resume_timestamp_seconds",
            "When a service may be asked again after a limit ended the work (a day used up, a wait too long); 0: never did.",
            ("service",),
            _each(SERVICES),
        )
        self._retries = self._labelled(
            Counter,
            "http_retries_total",
            "Requests that were repeated, by reason.",
            ("service", "reason"),
            product(SERVICES, RETRY_REASONS),
        )

    def _plain(self, kind: type[_M], name: str, says: str, **options: Sequence[float]) -> _M:
        self._rows.append(Row(f"syncd_{name}", kind.__name__.lower(), (), says))
        return kind(f"syncd_{name}", says, registry=self.registry, **options)  # type: ignore[arg-type]

    def _labelled(
        self, kind: type[_M], name: str, says: str, labels: _Words, children: Iterable[_Words], **options: Sequence[float]
    ) -> dict[_Words, _M]:
        """Creates the metric with all its children; there will never be others."""
        self._rows.append(Row(f"syncd_{name}", kind.__name__.lower(), labels, says))
        metric = kind(f"syncd_{name}", says, labels, registry=self.registry, **options)  # type: ignore[arg-type]
        return {words: metric.labels(*words) for words in (tuple(map(str, child)) for child in children)}

    # --------------------------------------------------------------------------------------------- what is told

    @singledispatchmethod
    def _observe(self, event: events.Event) -> None:
        """Whatever is not named below leaves no trace here."""

    @_observe.register
    def _(self, event: events.PhaseEnded) -> None:
        if phase := self._phase_duration.get((event.phase,)):
            phase.observe(event.seconds)

    @_observe.register
    def _(self, event: events.DirectoryRead) -> None:
        self._people.set(len(event.snapshot.people))
        self._entitled.set(event.entitled)
        self._unclear.set(len(event.unclear))
        kind = KINDS.get(event.snapshot.source)
        service = kind.service if kind is not None else ""
        self._clock_seen(service, event.snapshot.clock_offset_seconds)

    @_observe.register
    def _(self, event: events.ZoomRead) -> None:
        for status in Status:
            self._accounts[status.value,].set(event.snapshot.count(status))
        self._clock_seen("zoom", event.snapshot.clock_offset_seconds)

    @_observe.register
    def _(self, _: events.CycleStarted) -> None:
        self._planned_now, self._unreadable_now, self._failed_now = False, set(), set()

    @_observe.register
    def _(self, event: events.SourceUnreadable) -> None:
        self._unreadable_now.add(event.source)

    @_observe.register
    def _(self, event: events.LicencesCounted) -> None:
        free = None if event.total is None or event.used is None else max(0, event.total - event.used)
        for state, number in zip(LICENCE_STATES, (event.total, event.used, free), strict=True):
            self._licences[state,].set(math.nan if number is None else number)

    @_observe.register
    def _(self, event: events.WitnessesCounted) -> None:
        for (state,), number in self._witnessed.items():
            number.set(event.states.get(state, 0))

    @_observe.register
    def _(self, event: events.PlanMade) -> None:
        self._planned_now = True
        due = {effect.account.zoom_id for effect in event.plan.effects}
        self._failing = {zoom_id: cycles for zoom_id, cycles in self._failing.items() if zoom_id in due}
        tripped = {verdict.guard for verdict in event.verdicts if verdict.tripped}
        self._held_by_plan = bool(tripped)
        for guard in Guard:
            self._guard_tripped[guard.value,].set(guard in tripped)
        for action in (Action.DEACTIVATE, Action.REACTIVATE):
            self._planned[action.value,].set(event.plan.counts[action])
        manual = [decision for decision in event.plan.decisions if decision.action is Action.MANUAL]
        self._unacknowledged.set(sum(one.account.zoom_id not in event.acknowledged for one in manual))
        for reason in MANUAL_REASONS:
            self._manual[reason.value,].set(event.plan.reasons.get(reason, 0))
            waiting = [one.since for one in manual if one.reason is reason and one.since is not None]
            self._manual_since[reason.value,].set(min(waiting).timestamp() if waiting else 0)
        self._in_scope.set(len(event.plan.decisions) - event.plan.reasons.get(Reason.OUT_OF_SCOPE, 0))
        self._exempt_leavers.set(sum("exempt_leaver" in one.notes for one in event.plan.decisions if one.notes))
        inactive = Totals(one.reason for one in event.plan.decisions if one.account.status is Status.INACTIVE)
        for reason in ENTITLED_INACTIVE_REASONS:
            self._entitled_inactive[reason.value,].set(inactive[reason])
        self._oldest_overdue.set(event.oldest_overdue.timestamp() if event.oldest_overdue else 0)

    @_observe.register
    def _(self, event: events.EffectSettled) -> None:
        if effect := self._effects.get((event.action, event.outcome)):
            effect.inc()
        if event.action in (Action.DEACTIVATE, Action.REACTIVATE):
            self._note_failing(event.zoom_id, event.outcome)
        if event.delay_seconds is not None:
            self._delay.observe(event.delay_seconds)
        if event.lockout_seconds is not None:
            self._lockout.observe(event.lockout_seconds)
        if event.licence_released:
            self._released.inc()

    @_observe.register
    def _(self, event: events.CycleEnded) -> None:
        if cycles := self._cycles.get((event.result,)):
            cycles.inc()
        self._cycle_duration.observe(event.seconds)
        self._last_cycle.set(event.ended_at.timestamp())
        self._note_result(event)
        if event.success:
            self._last_success.set(event.ended_at.timestamp())
        if event.head_sequence:
            self._ledger_head.set(event.head_sequence)
        if event.result not in {Result.UNREADABLE, Result.FAILED}:
            self._oldest_overdue.set(event.oldest_overdue.timestamp() if event.oldest_overdue else 0)
        if event.result in {Result.PARTIAL, Result.INTERRUPTED}:
            self._held.set(self._held_by_plan)
        elif event.result not in {Result.UNREADABLE, Result.FAILED}:
            self._held.set(event.result == Result.HELD)

    @_observe.register
    def _(self, event: events.LookEnded) -> None:
        if looks := self._looks.get((event.result,)):
            looks.inc()
        for lag in event.lags:
            self._watch_lag.observe(max(0.0, lag))
        if event.head_sequence:
            self._ledger_head.set(event.head_sequence)

    @_observe.register
    def _(self, event: events.SignalSeen) -> None:
        if signals := self._signals.get((event.source,)):
            signals.inc()

    @_observe.register
    def _(self, event: events.WatchDegraded) -> None:
        self._degraded.set(bool(event.why))

    def _note_failing(self, zoom_id: str, outcome: str) -> None:
        """A change that was not tried says nothing; one that ended otherwise ends the row."""
        if outcome == OutcomeKind.FAILED and zoom_id not in self._failed_now:
            self._failed_now.add(zoom_id)
            self._failing[zoom_id] = self._failing.get(zoom_id, 0) + 1
        elif outcome in (OutcomeKind.DONE, OutcomeKind.SKIPPED):
            self._failing.pop(zoom_id, None)

    def _note_result(self, event: events.CycleEnded) -> None:
        if (event.result,) in self._in_a_row:
            self._same_results = self._same_results + 1 if event.result == self._last_result else 1
            self._last_result = event.result
            for (result,), cycles in self._in_a_row.items():
                cycles.set(self._same_results if result == event.result else 0)
        if self._planned_now:
            self._last_good.set(event.ended_at.timestamp())
        if self._planned_now or self._unreadable_now:  # a cycle that got to neither says nothing about the sources
            for (source,), unreadable in self._unreadable.items():
                unreadable.set(source in self._unreadable_now)
        self._effects_failing.set(sum(cycles >= 2 for cycles in self._failing.values()))

    @_observe.register
    def _(self, event: events.CycleScheduled) -> None:
        self._next_cycle.set(event.at.timestamp())

    @_observe.register
    def _(self, event: events.PauseSeen) -> None:
        self._paused.set(event.paused)

    @_observe.register
    def _(self, event: events.LeadershipChanged) -> None:
        self._leader.set(event.leader)

    @_observe.register
    def _(self, event: events.Answered) -> None:
        operation = event.operation if event.operation in OPERATIONS.get(event.service, ()) else "other"
        if requests := self._requests.get((event.service, operation, event.answer)):
            requests.inc()
            self._request_duration[event.service, operation].observe(event.seconds)

    @_observe.register
    def _(self, event: events.Waited) -> None:
        if waited := self._waited.get((event.service, event.cause)):
            waited.inc(max(0.0, event.seconds))

    @_observe.register
    def _(self, event: events.RetryScheduled) -> None:
        if retries := self._retries.get((event.service, event.reason)):
            retries.inc()

    @_observe.register
    def _(self, event: events.HandoversCounted) -> None:
        for (stage,), accounts in self._handover.items():
            accounts.set(event.stages.get(stage, 0))

    @_observe.register
    def _(self, event: events.Noted) -> None:
        at = event.facts.get("resume_timestamp")
        if (
            event.event == "http.paused"
            and isinstance(at, int | float)
            and (resume := self._resume.get((str(event.facts.get("service")),)))
        ):
            resume.set(at)

    @_observe.register
    def _(self, event: events.CredentialExpires) -> None:
        if expiry := self._expiry.get((event.credential,)):
            expiry.set(event.at.timestamp() if event.at else math.nan)

    @_observe.register
    def _(self, event: events.ClockOffset) -> None:
        self._clock_seen(event.service, event.seconds)

    def _clock_seen(self, service: str, seconds: float | None) -> None:
        if seconds is not None and (offset := self._offset.get((service,))):
            offset.set(seconds)


def _each(words: Iterable[str]) -> list[_Words]:
    return [(word,) for word in words]
