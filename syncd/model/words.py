"""The closed lists of words that documents, logs, metrics and the ledger share. One enum a list."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """How much a process may change: ``report`` never writes to Zoom."""

    REPORT = "report"
    ENFORCE = "enforce"


class Trigger(StrEnum):
    """Why a cycle ran."""

    SCHEDULE = "schedule"
    REQUEST = "request"  # POST /sync
    WATCH = "watch"  # the directory showed a change
    PLAN = "plan"
    APPLY = "apply"
    APPROVE = "approve"
    UNDO = "undo"
    ACCOUNT = "account"
    HANDOVER = "handover"


class Status(StrEnum):
    """A Zoom account's state."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    PENDING = "pending"


class Action(StrEnum):
    """What a decision asks for."""

    KEEP = "keep"
    DEACTIVATE = "deactivate"
    REACTIVATE = "reactivate"
    MANUAL = "manual"


class Reason(StrEnum):
    """Why a decision is what it is; the same word stands in documents, logs, metrics and the ledger."""

    OUT_OF_SCOPE = "out_of_scope"
    INVITATION_PENDING = "invitation_pending"
    ON_HOLD = "on_hold"
    EXEMPT = "exempt"
    IN_STEP = "in_step"
    DIRECTORY_UNCLEAR = "directory_unclear"
    PROTECTED = "protected"
    REACTIVATED_BY_OTHERS = "reactivated_by_others"
    IN_LEAVERS_GROUP = "in_leavers_group"
    DISABLED_IN_DIRECTORY = "disabled_in_directory"
    EXPIRED_IN_DIRECTORY = "expired_in_directory"
    LEFT_GROUPS = "left_groups"
    ABSENT_FROM_DIRECTORY = "absent_from_directory"
    WITHIN_GRACE = "within_grace"
    REACTIVATION_OFF = "reactivation_off"
    DEACTIVATED_BY_HAND = "deactivated_by_hand"
    AMBIGUOUS_MATCH = "ambiguous_match"
    RETURNING = "returning"
    ENTITLED_AGAIN = "entitled_again"
    DEACTIVATED_BY_OTHERS = "deactivated_by_others"
    REFUSED_BY_ZOOM = "refused_by_zoom"
    NOT_IN_PILOT = "not_in_pilot"
    BY_HAND = "by_hand"  # hand verbs and undo only: a person asked for it


class OutcomeKind(StrEnum):
    """How an effect ended."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    NOT_TRIED = "not_tried"


class OutcomeReason(StrEnum):
    """Why an effect ended as it did, beside ``OutcomeKind``. What was not tried carries a ``StopReason`` instead."""

    NONE = ""
    CHANGED_SINCE_PLAN = "changed_since_plan"
    NEXT_CYCLE = "next_cycle"  # not tried: a look is about others only
    WINDOW = "window"  # not tried: the operator's calendar denies it now
    ACCOUNT_UNREADABLE = "account_unreadable"
    GONE_FROM_ZOOM = "gone_from_zoom"
    REFUSED_BY_ZOOM = "refused_by_zoom"
    UPCOMING_ZOOM_EVENTS = "upcoming_zoom_events"
    LICENCE_LIMIT_REACHED = "licence_limit_reached"
    REFUSED = "refused"
    NOT_CONFIRMED = "not_confirmed"
    NOT_VERIFIED = "not_verified"
    NO_ANSWER = "no_answer"
    ANSWER_LOST_BUT_DONE = "answer_lost_but_done"
    LEFT_OPEN = "left_open"
    SETTLED_BY_LOOKING = "settled_by_looking"
    NOT_CARRIED_OUT = "not_carried_out"
    REACTIVATED_WITHOUT_LICENCE = "reactivated_without_licence"


class StopReason(StrEnum):
    """Why nothing more was tried. What each means for result and exit code: ``execution.lifecycle``."""

    STOPPED = "stopped"
    PAUSED = "paused"
    NOT_LEADER = "not_leader"
    LEDGER_UNWRITABLE = "ledger_unwritable"
    SCOPE_MISSING = "scope_missing"
    SECRET_UNREADABLE = "secret_unreadable"  # noqa: S105 - a word, no secret
    LIMIT_REACHED = "limit_reached"
    ZOOM_UNREADABLE = "zoom_unreadable"
    DIRECTORY_UNREADABLE = "directory_unreadable"
    CONFIGURATION_UNREADABLE = "configuration_unreadable"
    TOO_MANY_FAILURES = "too_many_failures"


class Result(StrEnum):
    """How a cycle ended."""

    IN_STEP = "in_step"
    PLANNED = "planned"
    APPLIED = "applied"
    PARTIAL = "partial"
    HELD = "held"
    UNREADABLE = "unreadable"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class ClockStanding(StrEnum):
    """What is known of this machine's clock when something is written down."""

    UNASKED = "unasked"
    VERIFIED = "verified"  # a service's time, asked now, agrees
    UNKNOWN = "unknown"  # no service could be asked: no rule uses the time of what is written
    REFUTED = "refuted"  # a service's time differs by more than guards.max_clock_skew


class Guard(StrEnum):
    """Everything that can hold a plan."""

    DIRECTORY_EMPTY = "directory-empty"
    DIRECTORY_SHRUNK = "directory-shrunk"
    GROUP_EMPTIED = "group-emptied"
    GROUP_REPLACED = "group-replaced"
    DIRECTORY_STALE = "directory-stale"
    SENTINEL_MISSING = "sentinel-missing"
    MATCH_RATE = "match-rate"
    NOTHING_IN_SCOPE = "nothing-in-scope"
    ZOOM_EMPTY = "zoom-empty"
    CLOCK_SKEW = "clock-skew"
    PROTECTED_IN_PLAN = "protected-in-plan"
    LEDGER_BROKEN = "ledger-broken"
    LEDGER_NEW = "ledger-new"
    LEDGER_ROLLED_BACK = "ledger-rolled-back"
    PAUSED = "paused"
    MAX_DEACTIVATIONS = "max-deactivations"
    MAX_DEACTIVATIONS_PERCENT = "max-deactivations-percent"
    MAX_DEACTIVATIONS_PER_DAY = "max-deactivations-per-day"
    MAX_DEACTIVATIONS_PER_30_DAYS = "max-deactivations-per-30-days"
    FLAPPING = "flapping"
    POLICY_CHANGED = "policy-changed"
    MAX_REACTIVATIONS = "max-reactivations"
    MAX_REACTIVATIONS_PER_DAY = "max-reactivations-per-day"
    HANDOVER = "handover"
