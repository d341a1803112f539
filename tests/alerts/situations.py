"""Alert x interval x situation, as a table: what an installation exports in each situation, and which alerts that means.

A situation begins after four good cycles and lasts. Alerts are asked at three moments: when all is still well, one cycle after
it began, and late (four intervals and at least six hours after). ``promtool`` does the counting; see test_rules.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

#: 1 minute, 15 minutes, 1, 6 and 24 hours, and cron expressions of some nights whose longest gap is three days, or 24.
INTERVALS = {"1m": 60, "15m": 900, "1h": 3600, "6h": 21_600, "24h": 86_400, "nights": 259_200, "nights of a month": 2_073_600}
GUARDS = (
    "paused",
    "ledger-broken",
    "ledger-new",
    "ledger-rolled-back",
    "clock-skew",
    "max-deactivations",
    "max-reactivations",
    "directory-shrunk",
    "policy-changed",
)
RESULTS = ("in_step", "planned", "applied", "partial", "held", "unreadable", "interrupted", "failed")
HOUR = 3600


@dataclass
class State:
    """What one replica exports at one moment. ``up`` 0: nothing but that."""

    up: int = 1
    leader: int = 1
    mode: str = "enforce"
    started: float = 1
    good: float = 0
    result: str = "in_step"
    in_a_row: int = 1
    guards: frozenset[str] = frozenset()
    unreadable: str = ""
    overdue: float = 0
    failing: int = 0
    manual: int = 0
    unclear: int = 0
    in_scope: int = 100
    degraded: int = 0
    witness: str = ""
    unconfirmed: int = 0
    offset: float = 0

    def samples(self, interval: int) -> Iterator[tuple[str, str, float]]:
        """(metric, matchers, value)."""
        yield "up", "", self.up
        if not self.up:
            return
        yield from [
            ("syncd_build_info", 'version="1"', 1),
            ("process_start_time_seconds", "", self.started),
            ("syncd_leader", "", self.leader),
            ("syncd_interval_seconds", "", interval),
            ("syncd_last_good_cycle_timestamp_seconds", "", self.good),
            ("syncd_paused", "", int("paused" in self.guards)),
            ("syncd_held", "", int(bool(self.guards))),
            ("syncd_oldest_overdue_timestamp_seconds", "", self.overdue),
            ("syncd_effects_failing", "", self.failing),
            ("syncd_manual_unacknowledged", "", self.manual),
            ("syncd_directory_unclear_people", "", self.unclear),
            ("syncd_accounts_in_scope", "", self.in_scope),
            ("syncd_watch_degraded", "", self.degraded),
            ("syncd_clock_offset_seconds", 'service="zoom"', self.offset),
            ("syncd_handover_accounts", 'stage="unconfirmed"', self.unconfirmed),
            ("syncd_ledger_head_sequence", "", 100),
        ]
        for mode in ("report", "enforce"):
            yield "syncd_mode", f'mode="{mode}"', int(mode == self.mode)
        for guard in GUARDS:
            yield "syncd_guard_tripped", f'guard="{guard}"', int(guard in self.guards)
        for source in ("directory", "zoom", "configuration"):
            yield "syncd_unreadable", f'source="{source}"', int(source == self.unreadable)
        for result in RESULTS:
            yield "syncd_cycles_in_a_row", f'result="{result}"', self.in_a_row if result == self.result else 0
        for state in ("confirmed", "waiting", "missing", "foreign"):
            yield "syncd_witness_effects", f'state="{state}"', int(state == self.witness)


@dataclass(frozen=True)
class Situation:
    """*change* turns the state of a replica that works into the one of the situation; it is told when it began and how many
    cycles ended since. *late*, *early*: alerts expected then (name: severity); early is asked at intervals below an hour only.
    *good*: whether cycles go on being good reads with a plan."""

    name: str
    change: Callable[[State, float, int], None]
    late: Mapping[str, str]
    early: Mapping[str, str] = field(default_factory=dict)
    good: bool = True
    from_the_start: bool = False


def _set(**values: Any) -> Callable[[State, float, int], None]:
    def change(state: State, _began: float, cycles: int) -> None:
        for name, value in values.items():
            setattr(state, name, value)
        state.in_a_row = cycles

    return change


def _overdue(**values: Any) -> Callable[[State, float, int], None]:
    plain = _set(**values)

    def change(state: State, began: float, cycles: int) -> None:
        plain(state, began, cycles)
        state.overdue = began

    return change


def _down(state: State, _began: float, _cycles: int) -> None:
    state.up = 0


WARNING, CRITICAL = "warning", "critical"
SITUATIONS = (
    Situation("all is well", _set(), {}),
    Situation("report mode, with leavers overdue", _overdue(mode="report", result="planned"), {}),
    Situation(
        "a planned pause, with leavers overdue", _overdue(guards=frozenset({"paused"}), result="held"), {"SyncdPaused": WARNING}
    ),
    Situation(
        "a held plan waits for a person", _overdue(guards=frozenset({"max-deactivations"}), result="held"), {"SyncdHeld": WARNING}
    ),
    Situation(
        "only returns are held, and a leaver is overdue",
        _overdue(guards=frozenset({"max-reactivations"}), result="held"),
        {"SyncdHeld": WARNING, "SyncdLeaversOverdue": CRITICAL},
    ),
    Situation("a leaver is overdue and nothing holds it", _overdue(result="partial"), {"SyncdLeaversOverdue": CRITICAL}),
    Situation(
        "the directory is unreadable",
        _set(unreadable="directory", result="unreadable"),
        {"SyncdDirectoryUnreadable": WARNING, "SyncdNoGoodCycle": CRITICAL},
        good=False,
    ),
    Situation(
        "Zoom is unreadable",
        _set(unreadable="zoom", result="unreadable"),
        {"SyncdZoomUnreadable": WARNING, "SyncdNoGoodCycle": CRITICAL},
        good=False,
    ),
    Situation(
        "a secret is gone",
        _set(unreadable="configuration", result="unreadable"),
        {"SyncdConfigurationUnreadable": WARNING, "SyncdNoGoodCycle": CRITICAL},
        good=False,
    ),
    Situation(
        "never a good cycle since the first start",
        _set(unreadable="directory", result="unreadable"),
        {"SyncdDirectoryUnreadable": WARNING, "SyncdNoGoodCycle": CRITICAL},
        good=False,
        from_the_start=True,
    ),
    Situation("the first start", _set(), {}, from_the_start=True),
    Situation("cycles fail", _set(result="failed"), {"SyncdCycleFailed": CRITICAL}),
    Situation(
        "Zoom refuses some accounts again and again",
        _set(failing=3, result="partial"),
        {"SyncdEffectsFailing": WARNING},
        {"SyncdEffectsFailing": WARNING},
    ),
    Situation("an administrator left", _set(manual=1), {"SyncdNeedsManualAction": WARNING}),
    Situation("three people cannot be read", _set(unclear=3), {"SyncdDirectoryUnclear": WARNING}),
    Situation("a misspelt domain", _set(in_scope=0), {"SyncdNobodyInScope": WARNING}),
    Situation(
        "the ledger is broken",
        _set(guards=frozenset({"ledger-broken"}), result="held"),
        {"SyncdLedgerBroken": CRITICAL},
        {"SyncdLedgerBroken": CRITICAL},
    ),
    Situation(
        "the ledger was begun anew",
        _set(guards=frozenset({"ledger-new"}), result="held"),
        {"SyncdLedgerNotAccepted": CRITICAL},
        {"SyncdLedgerNotAccepted": CRITICAL},
    ),
    Situation(
        "an old ledger was put back",
        _set(guards=frozenset({"ledger-rolled-back"}), result="held"),
        {"SyncdLedgerNotAccepted": CRITICAL},
        {"SyncdLedgerNotAccepted": CRITICAL},
    ),
    Situation("the clock is held", _set(guards=frozenset({"clock-skew"}), result="held"), {"SyncdClockSkew": CRITICAL}),
    Situation("the clock is off by three minutes", _set(offset=-180), {"SyncdClockSkew": WARNING}),
    Situation("the watch is degraded", _set(degraded=1), {"SyncdWatchDegraded": WARNING}),
    Situation(
        "nobody else saw a change", _set(witness="missing"), {"SyncdWitnessMissing": WARNING}, {"SyncdWitnessMissing": WARNING}
    ),
    Situation(
        "somebody else changed an account",
        _set(witness="foreign"),
        {"SyncdForeignChange": WARNING},
        {"SyncdForeignChange": WARNING},
    ),
    Situation(
        "a handover without a clear answer",
        _set(unconfirmed=1),
        {"SyncdHandoverUnconfirmed": WARNING},
        {"SyncdHandoverUnconfirmed": WARNING},
    ),
    Situation("it does not answer", _down, {"SyncdDown": CRITICAL}),
)

FIRST, BEFORE = 1, 4  # the first cycle, and how many are good before the situation begins


@dataclass(frozen=True)
class Courses:
    """Every situation at one interval, each an installation of its own in a namespace of its own, so that one also sees that
    they do not disturb one another."""

    interval: int

    @property
    def step(self) -> int:
        """A fifteenth of the interval, at least a minute: Prometheus looks back five minutes, and so does promtool between
        two samples, so alerts are asked at samples."""
        return max(60, self.interval // 15)

    @property
    def begins(self) -> int:
        """When situations begin, in seconds."""
        return (FIRST + BEFORE) * self.interval

    @property
    def late(self) -> int:
        """Long after."""
        end = self.begins + max(5 * self.interval, 6 * HOUR)
        return end - end % self.step + self.step

    def moments(self) -> Iterator[tuple[int, dict[str, Mapping[str, str]]]]:
        """(second, namespace -> alerts expected then)."""
        before, early = self.begins - self.step, self.begins + 2 * self.step
        yield before, {namespace: self._since_start(one, before) for namespace, one in NAMESPACES.items()}
        if self.interval < HOUR:  # with longer ones the first cycle counts, and lasts
            yield (
                early,
                {
                    namespace: self._since_start(one, early) if one.from_the_start else one.early
                    for namespace, one in NAMESPACES.items()
                },
            )
        yield self.late, {namespace: one.late for namespace, one in NAMESPACES.items()}

    def _since_start(self, situation: Situation, at: int) -> Mapping[str, str]:
        return situation.late if situation.from_the_start and at > 2 * self.interval + 1200 else {}

    def state(self, situation: Situation, at: float) -> State:
        """What is exported at a moment."""
        begins = 0 if situation.from_the_start else self.begins
        last, bad_from = int(at // self.interval), max(begins // self.interval, FIRST)
        state = State(good=(last if situation.good else min(last, bad_from - 1)) * self.interval)
        if last < FIRST:
            state.in_a_row = 0
        elif at >= begins:
            situation.change(state, begins, last - bad_from + 1)
        return state

    def series(self) -> dict[str, str]:
        """promtool's series: name with labels -> values."""
        columns: dict[str, list[str]] = {}
        for number, at in enumerate(range(0, self.late + self.step, self.step)):
            for namespace, situation in NAMESPACES.items():
                for metric, matchers, value in self.state(situation, at).samples(self.interval):
                    labels = ", ".join(part for part in (f'job="syncd", namespace="{namespace}", instance="a"', matchers) if part)
                    column = columns.setdefault(f"{metric}{{{labels}}}", [])
                    column += ["_"] * (number - len(column))
                    column.append(f"{value:.0f}")
        return {name: " ".join(values) for name, values in columns.items()}


#: The namespace each situation is told apart by.
NAMESPACES = {one.name.replace(" ", "-").replace(",", ""): one for one in SITUATIONS}
