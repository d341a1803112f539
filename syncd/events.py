"""What can happen, as frozen values. Observers (log, metrics) are told; they can never stop or slow a cycle.

No event carries a secret, a token or a request body. Addresses appear in fields named ``address`` only, and the log
writes them only when the operator asked for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from syncd.model import CalendarState, DirectorySnapshot, Person, Plan, Verdict, ZoomSnapshot


@dataclass(frozen=True, slots=True)
class CycleStarted:
    """A cycle began. *mode* and *trigger* are the words of the cycle document."""

    cycle_id: str
    mode: str
    trigger: str


@dataclass(frozen=True, slots=True)
class PhaseEnded:
    """A phase of a cycle took so many seconds: directory, zoom, decide, judge, apply, report."""

    cycle_id: str
    phase: str
    seconds: float


@dataclass(frozen=True, slots=True)
class DirectoryRead:
    """The directory was read whole."""

    cycle_id: str
    snapshot: DirectorySnapshot
    entitled: int
    seconds: float
    unclear: tuple[Person, ...] = ()  # who could not be read, and matters


@dataclass(frozen=True, slots=True)
class ZoomRead:
    """Zoom was read whole."""

    cycle_id: str
    snapshot: ZoomSnapshot
    seconds: float


@dataclass(frozen=True, slots=True)
class ReadProgress:
    """A long read goes on: so many *items* so far, of *total* where known. *what* is ``directory`` or ``zoom``."""

    what: str
    items: int
    total: int | None = None


@dataclass(frozen=True, slots=True)
class SourceUnreadable:
    """The directory or Zoom could not be read whole; nothing is changed. *why* and *do* hold no address."""

    cycle_id: str
    source: str
    why: str
    do: str


@dataclass(frozen=True, slots=True)
class PlanMade:
    """A plan was made and judged. *oldest_overdue* is the earliest due time among changes that are due but not done."""

    cycle_id: str
    plan: Plan
    verdicts: tuple[Verdict, ...]
    oldest_overdue: datetime | None
    next_openings: Mapping[tuple[str, str], datetime] = field(default_factory=dict)  # of effects a window denies
    acknowledged: frozenset[str] = frozenset()  # zoom ids of manual rows that alert nobody
    calendar: tuple[CalendarState, ...] = ()  # what windows let be done now


@dataclass(frozen=True, slots=True)
class EffectSettled:
    """One effect ended. *action*: deactivate, reactivate, restore_licence or revoke_sessions; *outcome* and *reason* are
    the document's words; *delay_seconds*: from first seen gone to verified (deactivations done, else None)."""

    cycle_id: str
    zoom_id: str
    address: str
    action: str
    outcome: str
    reason: str
    delay_seconds: float | None = None
    licence_released: bool = False
    lockout_seconds: float | None = None  # from the change in the directory, where it tells, to verified


@dataclass(frozen=True, slots=True)
class CycleEnded:
    """A cycle ended with *result*. *success*: whether it moves last_success."""

    cycle_id: str
    mode: str
    result: str
    success: bool
    ended_at: datetime
    seconds: float
    counts: Mapping[str, int]
    outcomes: Mapping[str, int]
    head_sequence: int
    head_hash: str
    oldest_overdue: datetime | None = None  # earliest due time of a deactivation that is still not done
    why: str = ""  # what made it end so, if anything did, and what to do about it
    do: str = ""


@dataclass(frozen=True, slots=True)
class LookEnded:
    """A look at the people a signal was about ended, with a cycle's *result*. *lags*: seconds from the change seen by the watch
    to the change made, one for each. *head_sequence* 0: it left no entry."""

    cycle_id: str
    result: str
    people: int
    seconds: float
    outcomes: Mapping[str, int]
    lags: tuple[float, ...] = ()
    head_sequence: int = 0
    head_hash: str = ""
    why: str = ""
    do: str = ""


@dataclass(frozen=True, slots=True)
class SignalSeen:
    """A watch noticed that something changed. *source*: active_directory, entra, file, zoom_events; *place*: where it was
    noticed; *people* how many are named."""

    source: str
    place: str
    people: int


@dataclass(frozen=True, slots=True)
class WatchDegraded:
    """Changes cannot be noticed although they should be (*why*), or can again (*why* empty)."""

    why: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class CycleScheduled:
    """The next cycle is due at *at*."""

    at: datetime


@dataclass(frozen=True, slots=True)
class PauseSeen:
    """Whether all changes are paused, as the ledger says now."""

    paused: bool


@dataclass(frozen=True, slots=True)
class LedgerSeen:
    """Whether the ledger could be read just now; *why* not."""

    fine: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class LeadershipChanged:
    """The process became the one that may change things (*leader* true), or stopped being it."""

    leader: bool
    term: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request to a service was answered, or failed. *service*: zoom, graph, ldap, kubernetes; *operation*: one fixed word
    per call; *answer*: ok, refused, unauthorized, throttled, server_error, network_error."""

    service: str
    operation: str
    answer: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Waited:
    """A request waited before it was sent. *cause*: pace, backoff, retry_after."""

    service: str
    cause: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request begins a long wait of so many seconds, announced by the service or by us: no sign of life comes before its
    end, and none is missing. *cause* as in ``Waited``."""

    service: str
    cause: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RetryScheduled:
    """A request will be repeated. *reason*: throttled, server_error, network_error, unauthorized."""

    service: str
    operation: str
    reason: str
    attempt: int
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class LicencesCounted:
    """How many licences the Zoom account bought, and how many are in use; None: cannot be told."""

    total: int | None
    used: int | None


@dataclass(frozen=True, slots=True)
class WitnessesCounted:
    """How the changes of the last 30 days stand with those who saw them, by state."""

    states: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CredentialExpires:
    """When a credential (zoom, entra, active_directory) stops working; None: cannot be told."""

    credential: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """A service's clock minus ours, in seconds."""

    service: str
    seconds: float


@dataclass(frozen=True, slots=True)
class HandoversCounted:
    """How many deactivated accounts are at each stage of the handover of their content."""

    stages: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Noted:
    """Anything else worth a log line: a constant *event* name (noun.past_participle) and facts without secrets."""

    event: str
    level: str
    facts: Mapping[str, object]


Event = (
    CycleStarted
    | PhaseEnded
    | DirectoryRead
    | ZoomRead
    | ReadProgress
    | SourceUnreadable
    | PlanMade
    | EffectSettled
    | CycleEnded
    | LookEnded
    | SignalSeen
    | WatchDegraded
    | CycleScheduled
    | PauseSeen
    | LedgerSeen
    | LeadershipChanged
    | Answered
    | Waited
    | Waiting
    | RetryScheduled
    | LicencesCounted
    | WitnessesCounted
    | HandoversCounted
    | CredentialExpires
    | ClockOffset
    | Noted
)
