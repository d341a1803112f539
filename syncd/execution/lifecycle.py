"""One life of an effect, as a table: where it stands and what is seen give where it goes, and what is said of it. Pure.

A change of a status, a licence given back and a session ended live by the same table, whoever asked for them (a cycle, a
person, an undo) and whoever finds them again after a crash. ``conclude`` beside it is the one place that knows what a run
comes to: result and exit code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from syncd.errors import ConfigError, ExitCode, LedgerError, LimitReached, NotLeader, ScopeMissing, SourceError, SyncdError
from syncd.model import EffectOutcome, OutcomeKind, OutcomeReason, Result, Status, StopReason


class Subject(StrEnum):
    """What an effect changes."""

    STATUS = auto()
    LICENCE = auto()
    SESSION = auto()


class State(StrEnum):
    """Where an effect stands."""

    PLANNED = auto()  # decided; nothing of it is in the ledger
    ANNOUNCED = auto()  # its intent is in the ledger; Zoom may be asked
    THROTTLED = auto()  # surely not carried out: Zoom was asked too fast, or works on this account
    ANSWERED = auto()  # Zoom said yes
    UNANSWERED = auto()  # it was sent, and no usable answer came
    DECLINED = auto()  # a licence that Zoom said no to: one look may still show it
    INTERRUPTED = auto()  # found open: whoever announced it is gone
    OPEN = auto()  # the end of this run: the intent stays, a later cycle settles it by what Zoom shows
    SETTLED = auto()  # the end: the outcome is (to be) written down


class Seen(StrEnum):
    """What is observed of it."""

    AS_PLANNED = auto()  # account and person, read again, are what was planned for
    CHANGED = auto()
    UNREADABLE = auto()  # what Zoom shows of this one account cannot be read or understood
    DENIED = auto()  # the operator's calendar: not now
    HALTED = auto()  # stop, pause, lease: whatever holds everybody now
    ACCEPTED = auto()
    LOST = auto()
    BUSY = auto()  # 429
    BUSY_TO_THE_END = auto()  # 429 as often as it was asked
    FOR_GOOD = auto()  # refused: an admin, a Zoom Room
    EVENTS = auto()  # refused: hosts upcoming Zoom Events
    NONE_FREE = auto()  # refused: no licence is free
    UNKNOWN = auto()  # refused: Zoom knows no such user
    REFUSED = auto()  # refused otherwise
    ENOUGH_REFUSED = auto()  # not asked: several in a row were refused
    SET_UP = auto()  # a fault that concerns every account; surely not carried out
    NO_SCOPE = auto()  # the same: a scope is missing
    WANTED = auto()  # a look shows what was asked for
    OTHER = auto()  # a look shows something else
    INACTIVE = auto()  # a look shows an account switched off, to which a licence is not given
    GONE = auto()  # a look shows nobody
    NOT_READ = auto()  # the look failed, and not for this account alone


@dataclass(frozen=True, slots=True)
class Step:
    """Where an effect goes, and what its outcome is once the run is through with it. *reason* None: the reason of the stop.
    *written*: it counts as written to Zoom, for it was or may have been carried out, or Zoom judged it."""

    state: State
    outcome: OutcomeKind | None = None
    reason: OutcomeReason | None = OutcomeReason.NONE
    written: bool = True

    def of(self, stop: StopReason | None = None) -> EffectOutcome:
        """The outcome without what a look showed. *stop*: for rows whose reason is that of the stop."""
        assert self.outcome is not None, "an effect under way has no outcome"
        reason = self.reason if self.reason is not None else stop
        assert reason is not None, "a stop without a reason"
        return EffectOutcome(self.outcome, reason)


#: Refusals (``errors.Refused.kind``) as observations; a word that is not here is REFUSED.
REFUSALS = {"account": Seen.FOR_GOOD, "events": Seen.EVENTS, "no_licence": Seen.NONE_FREE, "gone": Seen.UNKNOWN}

#: What concerns one account by its meaning, however many accounts meet it: never taken for a fault of the set-up.
OF_ONE_ACCOUNT = frozenset({Seen.FOR_GOOD, Seen.EVENTS, Seen.NONE_FREE, Seen.UNKNOWN})

_DONE, _SKIPPED, _FAILED, _NOT_TRIED = OutcomeKind.DONE, OutcomeKind.SKIPPED, OutcomeKind.FAILED, OutcomeKind.NOT_TRIED
_R, _S = OutcomeReason, State


def _settled(outcome: OutcomeKind, reason: OutcomeReason | None = _R.NONE, *, written: bool = True) -> Step:
    return Step(_S.SETTLED, outcome, reason, written)


def _open(outcome: OutcomeKind, reason: OutcomeReason | None, *, written: bool = True) -> Step:
    return Step(_S.OPEN, outcome, reason, written)


#: Rows for every subject; those below come first.
_ALL: dict[tuple[State, Seen], Step] = {
    (_S.PLANNED, Seen.AS_PLANNED): Step(_S.ANNOUNCED, written=False),
    (_S.PLANNED, Seen.CHANGED): _settled(_SKIPPED, _R.CHANGED_SINCE_PLAN, written=False),
    (_S.PLANNED, Seen.UNREADABLE): _settled(_FAILED, _R.ACCOUNT_UNREADABLE, written=False),
    (_S.PLANNED, Seen.HALTED): _settled(_NOT_TRIED, None, written=False),
    (_S.PLANNED, Seen.DENIED): _settled(_NOT_TRIED, _R.WINDOW, written=False),
    (_S.PLANNED, Seen.ENOUGH_REFUSED): _settled(_NOT_TRIED, _R.REFUSED, written=False),
    (_S.ANNOUNCED, Seen.HALTED): _open(_NOT_TRIED, None, written=False),
    (_S.ANNOUNCED, Seen.ACCEPTED): Step(_S.ANSWERED),
    (_S.ANNOUNCED, Seen.LOST): Step(_S.UNANSWERED),
    (_S.ANNOUNCED, Seen.BUSY): Step(_S.THROTTLED, written=False),
    (_S.ANNOUNCED, Seen.FOR_GOOD): _settled(_FAILED, _R.REFUSED_BY_ZOOM),
    (_S.ANNOUNCED, Seen.EVENTS): _settled(_FAILED, _R.UPCOMING_ZOOM_EVENTS),
    (_S.ANNOUNCED, Seen.NONE_FREE): _settled(_FAILED, _R.LICENCE_LIMIT_REACHED),
    (_S.ANNOUNCED, Seen.UNKNOWN): _settled(_SKIPPED, _R.GONE_FROM_ZOOM),
    (_S.ANNOUNCED, Seen.REFUSED): _settled(_FAILED, _R.REFUSED),
    (_S.ANNOUNCED, Seen.BUSY_TO_THE_END): _settled(_FAILED, _R.REFUSED),
    (_S.ANNOUNCED, Seen.SET_UP): _settled(_FAILED, None, written=False),
    (_S.ANNOUNCED, Seen.NO_SCOPE): _settled(_FAILED, None, written=False),
    (_S.THROTTLED, Seen.AS_PLANNED): Step(_S.ANNOUNCED),
    (_S.THROTTLED, Seen.WANTED): _settled(_DONE, _R.ANSWER_LOST_BUT_DONE),  # Zoom was working on ours, sent before a crash
    (_S.THROTTLED, Seen.CHANGED): _settled(_SKIPPED, _R.CHANGED_SINCE_PLAN, written=False),
    (_S.THROTTLED, Seen.UNREADABLE): _settled(_FAILED, _R.ACCOUNT_UNREADABLE, written=False),
    (_S.THROTTLED, Seen.HALTED): _settled(_NOT_TRIED, None, written=False),
    (_S.THROTTLED, Seen.DENIED): _settled(_NOT_TRIED, _R.WINDOW, written=False),
    (_S.ANSWERED, Seen.WANTED): _settled(_DONE),
    (_S.ANSWERED, Seen.OTHER): _settled(_FAILED, _R.NOT_CONFIRMED),
    (_S.ANSWERED, Seen.GONE): _settled(_SKIPPED, _R.GONE_FROM_ZOOM),
    (_S.ANSWERED, Seen.UNREADABLE): _settled(_DONE, _R.NOT_VERIFIED),
    (_S.ANSWERED, Seen.NOT_READ): _settled(_DONE, _R.NOT_VERIFIED),
    (_S.UNANSWERED, Seen.WANTED): _settled(_DONE, _R.ANSWER_LOST_BUT_DONE),
    (_S.UNANSWERED, Seen.OTHER): _open(_FAILED, _R.NO_ANSWER),
    (_S.UNANSWERED, Seen.GONE): _settled(_SKIPPED, _R.GONE_FROM_ZOOM),
    (_S.UNANSWERED, Seen.UNREADABLE): _open(_FAILED, _R.ACCOUNT_UNREADABLE),
    (_S.UNANSWERED, Seen.NOT_READ): _open(_FAILED, _R.LEFT_OPEN),
    (_S.INTERRUPTED, Seen.WANTED): _settled(_DONE, _R.SETTLED_BY_LOOKING),
    (_S.INTERRUPTED, Seen.OTHER): _settled(_FAILED, _R.NOT_CARRIED_OUT),
    (_S.INTERRUPTED, Seen.INACTIVE): _settled(_FAILED, _R.NOT_CARRIED_OUT),
    (_S.INTERRUPTED, Seen.GONE): _settled(_SKIPPED, _R.GONE_FROM_ZOOM),
}

#: A licence that was promised is owed until it is seen, or a person gives another one: what fails stays open.
_LICENCE: dict[tuple[State, Seen], Step] = {
    (_S.ANNOUNCED, Seen.CHANGED): _settled(_SKIPPED, _R.CHANGED_SINCE_PLAN, written=False),
    (_S.ANNOUNCED, Seen.UNREADABLE): _open(_FAILED, _R.ACCOUNT_UNREADABLE, written=False),
    (_S.ANNOUNCED, Seen.ENOUGH_REFUSED): _open(_NOT_TRIED, _R.REFUSED, written=False),
    (_S.ANNOUNCED, Seen.SET_UP): _open(_FAILED, None, written=False),
    (_S.ANNOUNCED, Seen.NO_SCOPE): _open(_FAILED, None, written=False),
    **{
        (_S.ANNOUNCED, seen): Step(_S.DECLINED)
        for seen in (Seen.FOR_GOOD, Seen.EVENTS, Seen.NONE_FREE, Seen.UNKNOWN, Seen.REFUSED, Seen.BUSY, Seen.BUSY_TO_THE_END)
    },
    (_S.DECLINED, Seen.WANTED): _settled(_DONE),
    (_S.DECLINED, Seen.GONE): _settled(_SKIPPED, _R.GONE_FROM_ZOOM),
    (_S.DECLINED, Seen.OTHER): _open(_FAILED, _R.REFUSED),
    (_S.DECLINED, Seen.UNREADABLE): _open(_FAILED, _R.REFUSED),
    (_S.DECLINED, Seen.NOT_READ): _open(_FAILED, _R.REFUSED),
    (_S.ANSWERED, Seen.OTHER): _open(_FAILED, _R.NOT_CONFIRMED),
    (_S.ANSWERED, Seen.UNREADABLE): _open(_FAILED, _R.LEFT_OPEN),
    (_S.ANSWERED, Seen.NOT_READ): _open(_FAILED, _R.LEFT_OPEN),
    (_S.UNANSWERED, Seen.WANTED): _settled(_DONE),
    (_S.INTERRUPTED, Seen.OTHER): _open(_FAILED, _R.NOT_CARRIED_OUT),
    (_S.INTERRUPTED, Seen.CHANGED): _settled(_SKIPPED, _R.CHANGED_SINCE_PLAN),
    (_S.INTERRUPTED, Seen.INACTIVE): _settled(_SKIPPED, _R.SETTLED_BY_LOOKING),
}

#: Nothing shows whether a session was ended, so the answer is all there is.
_SESSION: dict[tuple[State, Seen], Step] = {
    (_S.ANNOUNCED, Seen.ACCEPTED): _settled(_DONE),
    (_S.ANNOUNCED, Seen.LOST): _settled(_FAILED, _R.NO_ANSWER),
    (_S.ANNOUNCED, Seen.BUSY): _settled(_FAILED, _R.REFUSED),
    (_S.ANNOUNCED, Seen.UNKNOWN): _settled(_FAILED, _R.GONE_FROM_ZOOM),
    **{(_S.INTERRUPTED, seen): _settled(_FAILED, _R.NO_ANSWER) for seen in (Seen.WANTED, Seen.OTHER, Seen.INACTIVE)},
}

_OWN = {Subject.STATUS: {}, Subject.LICENCE: _LICENCE, Subject.SESSION: _SESSION}

#: What an intent's action changes.
SUBJECTS = {
    "deactivate": Subject.STATUS,
    "reactivate": Subject.STATUS,
    "restore_licence": Subject.LICENCE,
    "revoke_sessions": Subject.SESSION,
}

#: What an account shows once a change of its status was carried out, by action.
WANTED_STATUS = {"deactivate": Status.INACTIVE, "reactivate": Status.ACTIVE}


def step(action: str, state: State, seen: Seen) -> Step:
    """Where an effect of this action goes from *state* when *seen* is observed. Raises KeyError for what cannot happen."""
    own = _OWN[SUBJECTS[action]]
    return own[state, seen] if (state, seen) in own else _ALL[state, seen]


# ----------------------------------------------------------------------------------------------------- how a run ends


@dataclass(frozen=True, slots=True)
class Ending:
    """What a stop makes of a run: before anything was written, and afterwards."""

    before: tuple[Result, ExitCode]
    after: tuple[Result, ExitCode]


_UNREADABLE = Ending((Result.UNREADABLE, SourceError.exit_code), (Result.PARTIAL, ExitCode.IN_PART))

#: What each stop comes to.
ENDINGS = {
    StopReason.STOPPED: Ending((Result.INTERRUPTED, ExitCode.UNREADABLE), (Result.INTERRUPTED, ExitCode.IN_PART)),
    StopReason.PAUSED: Ending((Result.INTERRUPTED, ExitCode.UNREADABLE), (Result.INTERRUPTED, ExitCode.IN_PART)),
    StopReason.NOT_LEADER: Ending((Result.INTERRUPTED, NotLeader.exit_code), (Result.INTERRUPTED, ExitCode.IN_PART)),
    StopReason.LEDGER_UNWRITABLE: Ending((Result.FAILED, LedgerError.exit_code), (Result.FAILED, LedgerError.exit_code)),
    StopReason.SCOPE_MISSING: _UNREADABLE,
    StopReason.SECRET_UNREADABLE: _UNREADABLE,
    StopReason.LIMIT_REACHED: _UNREADABLE,
    StopReason.ZOOM_UNREADABLE: _UNREADABLE,
    StopReason.DIRECTORY_UNREADABLE: _UNREADABLE,
    StopReason.CONFIGURATION_UNREADABLE: _UNREADABLE,
    StopReason.TOO_MANY_FAILURES: Ending((Result.PARTIAL, ExitCode.IN_PART), (Result.PARTIAL, ExitCode.IN_PART)),
}


def conclude(stop: StopReason | None, outcomes: Iterable[EffectOutcome], *, written: int) -> tuple[Result, ExitCode] | None:
    """Result and exit code of what was carried out, or None when there is nothing against it."""
    if stop is not None:
        return ENDINGS[stop].after if written else ENDINGS[stop].before
    return (Result.PARTIAL, ExitCode.IN_PART) if any(one.outcome is OutcomeKind.FAILED for one in outcomes) else None


def conclude_request(stop: StopReason | None, outcomes: Sequence[EffectOutcome], *, written: int) -> tuple[Result, ExitCode]:
    """The same for what a person asked for: whatever is not done is not as asked, skipped and not tried ones too."""
    _, code = conclude(stop, outcomes, written=written) or (None, None)
    if any(one.outcome is not OutcomeKind.DONE for one in outcomes):
        return Result.PARTIAL, ExitCode.IN_PART if code is None else code
    return (Result.APPLIED if outcomes else Result.IN_STEP), ExitCode.DONE if code is None else code


def conclude_each(done: int, asked: int) -> ExitCode:
    """The same for what was asked for one by one, without effects of their own: all of it, a part, nothing."""
    return ExitCode.DONE if done == asked else ExitCode.IN_PART if done else ExitCode.UNREADABLE


def stop_reason(error: SyncdError) -> StopReason:
    """The word for a fault that concerns every account."""
    if isinstance(error, LedgerError):
        return StopReason.LEDGER_UNWRITABLE
    if isinstance(error, NotLeader):
        return StopReason.NOT_LEADER
    if isinstance(error, ConfigError):  # a mounted secret that is gone for the moment
        return StopReason.SECRET_UNREADABLE
    if isinstance(error, ScopeMissing):
        return StopReason.SCOPE_MISSING
    if isinstance(error, LimitReached):
        return StopReason.LIMIT_REACHED
    assert isinstance(error, SourceError), f"{type(error).__name__} stops nobody"
    return StopReason(f"{error.source}_unreadable")
